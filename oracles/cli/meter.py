"""Meter a model's usage: serve, prices, licences, corrections, periods on chain."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from eth_utils.address import to_checksum_address

from oracles.cli.options import AuctionArgument, Session, open_session
from oracles.cli.output import JsonOption, show, show_rows, stderr
from oracles.cli.serving import address, listening
from oracles.cli.serving import serve as answer
from oracles.errors import ConfigError, InputError
from oracles.when import duration, local

if TYPE_CHECKING:
    from oracles.cli.options import AuctionId
    from oracles.meter.events import Kind
    from oracles.meter.log import UsageLog

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

LogOption = Annotated[
    Path, typer.Option("--log", envvar="QMIA_METER_LOG", help="Folder of the usage log.")
]
LOG = Path("usage-log")
#: Seconds by which a machine's clock may be ahead of the chain's.
_AHEAD = 86_400


@app.command()
def serve(
    context: typer.Context,
    auction: AuctionArgument,
    upstream: Annotated[str, typer.Option(help="Address of the model's server (OpenAI's API).")],
    log: LogOption = LOG,
    listen: Annotated[str, typer.Option(help="Address and port to serve at.")] = "127.0.0.1:8080",
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="The model's tokenizer.json: counts what is aborted exactly."),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="Address of an operator whose cosignatures are kept; several times."),
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="Close and post a period this often, as `1d` or `12h`.")
    ] = None,
) -> None:
    """Serve a model through the meter, in front of any OpenAI-compatible server.

    Every answer is in the log before its last byte leaves, and carries a receipt. Stop it with
    Ctrl-C or SIGTERM: answers under way are finished and written.
    """
    from oracles.meter.counting import tokenizer as counter
    from oracles.meter.proxy import Proxy, Writer
    from oracles.meter.service import Service, salt

    session: Session = context.obj
    _check_addresses(upstream, listen)
    sender = session.sender()
    mut = _mut(session, auction)
    with listening(listen) as here, closing(_open(session, auction, sender.address, log)) as usage:
        if usage.prices is None:
            raise InputError("the log has no price list yet: `qmia meter prices` sets one")
        writer = Writer(usage, sender.signer)
        proxy = Proxy(
            upstream, writer, salt(log),
            count=counter(tokenizer) if tokenizer else None, witnesses=_addresses(witness or []),
        )  # fmt: skip
        seconds = None if every is None else duration(every)
        service = Service(proxy, writer, sender, session.deployment(), mut, every=seconds)
        stderr.print(
            f"metering {upstream} at http://{listen}, log {log}, {usage.size} entries so far"
        )
        answer(
            service, here, interface="asgi3", lifespan="on", ws="none", timeout_graceful_shutdown=60
        )


def _check_addresses(upstream: str, listen: str) -> None:
    """Refuse addresses at which nobody would get an answer.

    Raises:
        InputError: one of them is none, or the meter would ask itself.
    """
    from urllib.parse import urlsplit

    host, port = address(listen)
    try:
        parts = urlsplit(upstream)
        theirs = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        parts, theirs = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or theirs is None:
        raise InputError(f"--upstream takes an address as http://127.0.0.1:8000; not {upstream!r}")
    if parts.path.rstrip("/").endswith("/v1") or parts.query or parts.fragment:
        raise InputError(f"--upstream is the address before `/v1`; not {upstream!r}")
    here = {"localhost", "127.0.0.1", "::1", host}
    if theirs == port and parts.hostname in here:
        raise InputError(
            f"--upstream {upstream} is the meter's own address: name the model's server"
        )


def _addresses(texts: list[str]) -> list[str]:
    try:
        return [to_checksum_address(text) for text in texts]
    except ValueError as error:
        raise InputError(f"--witness takes an address: {error}") from error


@app.command()
def prices(
    context: typer.Context,
    auction: AuctionArgument,
    file: Annotated[Path, typer.Argument(help="TOML: a table for each model with `in` and `out`.")],
    log: LogOption = LOG,
    json: JsonOption = False,
) -> None:
    """Put a price list in force; it holds for all later entries of the log.

    Prices are integers: smallest units of the settlement token for a million tokens.
    """
    from oracles.meter.events import Prices

    try:
        content = Prices.read(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}") from error
    _add(context, auction, log, "prices", content.plain(), json=json)


@app.command()
def licence(
    context: typer.Context,
    auction: AuctionArgument,
    amount: Annotated[str, typer.Argument(help="What it earned, as `450 USDC`.")],
    what: Annotated[str, typer.Option(help="What was licensed.")],
    customer: Annotated[
        str, typer.Option(help="Name of the customer; only a salted hash of it enters the log.")
    ],
    log: LogOption = LOG,
    json: JsonOption = False,
) -> None:
    """Write down a licence or another flat fee."""
    from oracles.meter.events import MICRO, customer_hash
    from oracles.meter.service import salt

    session: Session = context.obj
    units = session.currency(session.auction(auction).terms.token).parse(amount)
    data = {
        "customer": customer_hash(salt(log), customer),
        "what": what,
        "amount": str(units * MICRO),
    }
    _add(context, auction, log, "licence", data, json=json)


@app.command()
def correct(
    context: typer.Context,
    auction: AuctionArgument,
    entry: Annotated[int, typer.Argument(help="Number of the usage or licence to correct.")],
    why: Annotated[str, typer.Option(help="Why it earned less than it says.")],
    micro: Annotated[
        int,
        typer.Option(min=1, help="What is taken back, in millionths of the smallest unit."),
    ],
    log: LogOption = LOG,
    json: JsonOption = False,
) -> None:
    """Take back part or all of what an entry earned, by a new entry; no entry is ever changed."""
    data = {"of": entry, "why": why, "amount": str(-micro)}
    _add(context, auction, log, "correction", data, json=json)


@app.command()
def close(
    context: typer.Context,
    auction: AuctionArgument,
    log: LogOption = LOG,
    post: Annotated[
        bool, typer.Option("--post/--no-post", help="Post it on chain and pay it.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Close the current period and post what is not on chain yet. The meter must be stopped.

    A running meter does this by itself with `--every`.
    """
    from oracles.meter.posting import post as post_periods

    session: Session = context.obj
    sender = session.sender()
    usage = _open(session, auction, sender.address, log)
    try:
        period = usage.close_period()
        if post:
            post_periods(usage, sender, session.deployment(), _mut(session, auction))
        _show_periods(usage, json=json, only=period.number)
    finally:
        usage.close()


@app.command()
def status(log: LogOption = LOG, json: JsonOption = False) -> None:
    """Closed periods of a log, and where they stand on chain."""
    from oracles.meter.log import read_periods

    if not log.is_dir():
        raise InputError(f"there is no usage log in {log}: name its folder with --log")
    _print_periods(read_periods(log), json=json)


def _show_periods(usage: UsageLog, *, json: bool, only: int) -> None:
    _print_periods([each for each in usage.periods if each.number == only], json=json)


def _print_periods(periods: list[Any], *, json: bool) -> None:
    rows = [
        {
            "period": each.number,
            "entries": each.size,
            "end": each.end if json else local(each.end),
            "revenue": str(each.revenue),
            "root": "0x" + each.root,
            "transaction": each.transaction,
        }
        for each in periods
    ]
    show_rows(rows, json=json, empty="No period was closed yet.")


def _add(
    context: typer.Context,
    auction: AuctionId,
    log: Path,
    kind: Kind,
    data: dict[str, Any],
    *,
    json: bool,
) -> None:
    from oracles.meter.inbox import submit
    from oracles.meter.posting import origin

    session: Session = context.obj
    address = session.address()
    if address is None:
        raise ConfigError("whose log? pass --keystore, or --remote-signer and --address")
    source = origin(session.deployment().chain_id, _mut(session, auction), address)
    event = submit(log, source, kind, data)
    how = "written" if event is not None else "handed to the meter that is running"
    show({"entry": None if event is None else event.sequence, "kind": kind, "how": how}, json=json)


def _open(session: Session, auction: AuctionId, address: str, log: Path) -> UsageLog:
    from oracles.meter.log import UsageLog
    from oracles.meter.posting import origin

    mut = _mut(session, auction)
    return UsageLog(log, origin(session.deployment().chain_id, mut, address), clock=time.time)


def _mut(session: Session, auction: AuctionId) -> str:
    """The auction's MUT. Whoever writes to a log asks for it first.

    Raises:
        ConfigError: nothing of it was paid in MUT, or this machine's clock is far ahead: entries
            never go back in time, so what is written then could not be posted until that day.
    """
    from oracles.chain import rpc

    web3 = session.connect()
    ahead = time.time() - rpc.block(web3, "latest")["timestamp"]
    if ahead > _AHEAD:
        raise ConfigError(
            f"this machine's clock is {ahead / 3600:.0f} hours ahead of the newest block: set it"
            " before anything is written; on a test network that stood still, mine a block"
        )
    address = session.deployment().auction(web3).mut_token(auction)
    if not rpc.code(web3, to_checksum_address(address)):
        raise ConfigError(
            f"auction {auction} has no MUT: it is not settled, or everything is paid in cash"
        )
    return address
