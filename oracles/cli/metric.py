"""Say in the metric: propose a version, object to it, see where versions stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.options import AuctionArgument, Session, open_session
from oracles.cli.output import JsonOption, print_json, show, show_rows, stderr
from oracles.errors import InputError
from oracles.when import local

if TYPE_CHECKING:
    from oracles.chain.metric import MetricRegistryContract

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

RegistryOption = Annotated[
    str, typer.Option("--registry", envvar="QMIA_REGISTRY", help="Address of the MetricRegistry.")
]
VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="Metric version, 64 hexadecimal digits.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings of an operator; the defaults without.")
]


def _version(text: str) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 32:
        raise InputError(f"{text!r} is no metric version: 64 hexadecimal digits are needed")
    return value


def _registry(session: Session, address: str) -> MetricRegistryContract:
    from oracles.chain.metric import MetricRegistryContract

    return MetricRegistryContract(session.connect(), address)


@app.command()
def document(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the document of the metric that these settings give: canonical JSON.

    Its SHA-256, without the line feed, is the metric version that auctions name. With --json the
    version stands beside it.
    """
    import rfc8785

    from oracles.market.metric import document_version
    from oracles.scoring import FullScorer, load_scoring

    settings = load_scoring(config)
    if settings.metric != "full":
        raise InputError(f"the scorer {settings.metric} is not of this program: ask who wrote it")
    found = FullScorer().document(settings)
    if json:
        print_json({"version": "0x" + document_version(found).hex(), "document": found})
        return
    typer.echo(rfc8785.dumps(found).decode())


@app.command()
def propose(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Document of the version.")],
    registry: RegistryOption,
    json: JsonOption = False,
) -> None:
    """Propose a version with its document. The bond comes back when objections have ended."""
    import rfc8785

    from oracles.market.metric import read_document
    from oracles.market.veto import propose as send

    session: Session = context.obj
    sender = session.sender()
    version = send(sender, _registry(session, registry), rfc8785.dumps(read_document(path)))
    show({"version": "0x" + version.hex(), "registry": registry}, json=json)


@app.command("object")
def object_(
    context: typer.Context,
    version: VersionArgument,
    auction: Annotated[int, typer.Option("--auction", help="Whose participation token is locked.")],
    amount: Annotated[str, typer.Option("--amount", help="How much, as `12.5`.")],
    registry: RegistryOption,
    json: JsonOption = False,
) -> None:
    """Lock participation tokens and object with them.

    They come back by `release` when no version that they object to can be open any more: at most
    two windows after its proposal. The same tokens may object to several versions.
    """
    from oracles.market.veto import object_to
    from oracles.money import DST

    session: Session = context.obj
    sender = session.sender()
    token = session.deployment().dst_factory(sender.web3).token_of(auction)
    units = DST.parse(amount)
    locked = object_to(sender, _registry(session, registry), _version(version), token, units)
    show({"version": version, "token": token, "locked": DST.format(locked)}, json=json)


@app.command()
def release(
    context: typer.Context,
    auction: AuctionArgument,
    registry: RegistryOption,
    json: JsonOption = False,
) -> None:
    """Take back the locked participation tokens of an auction."""
    from oracles.chain.client import receipt_event
    from oracles.chain.typed_events import Released
    from oracles.money import DST

    session: Session = context.obj
    sender = session.sender()
    token = session.deployment().dst_factory(sender.web3).token_of(auction)
    done = receipt_event(sender.send(_registry(session, registry).release(token)), Released)
    show({"token": token, "released": DST.format(done.amount)}, json=json)


@app.command()
def status(context: typer.Context, registry: RegistryOption, json: JsonOption = False) -> None:
    """Where every version stands, computed from the logs of auctions and registry."""
    from oracles.market.veto import tallies

    session: Session = context.obj
    with stderr.status("reading the logs of all auctions"):
        found = tallies(session.connect(), session.deployment(), registry)
    rows: list[dict[str, Any]] = [
        {
            "version": "0x" + each.version.hex(),
            "standing": str(each.standing),
            "closes": each.closes,
            "against": str(int(each.against)),
            "needed": str(int(each.needed)),
            "electorate": str(int(each.electorate)),
        }
        for each in found.values()
    ]
    if json:
        print_json({"registry": registry, "versions": rows})
        return
    for row in rows:
        row["closes"] = local(row["closes"]) if row["closes"] else "accepted from the start"
    show_rows(rows, json=False, empty="")


@app.command()
def check(
    context: typer.Context,
    auction: AuctionArgument,
    registry: RegistryOption,
    json: JsonOption = False,
) -> None:
    """Whether an auction's metric had been accepted when it was created (exit code 1: no)."""
    from oracles.market.veto import check_version

    session: Session = context.obj
    view = session.auction(auction)
    version, problem = view.terms.scoring.metric_version, ""
    try:
        web3, deployment = session.connect(), session.deployment()
        check_version(web3, deployment, registry, version, view.created)
    except InputError as error:
        problem = str(error)
    show({"auction": auction, "accepted": not problem, "problem": problem or None}, json=json)
    if problem:
        raise typer.Exit(1)


@app.command()
def explain(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Document of the present version.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Document of the proposed one.")],
    json: JsonOption = False,
) -> None:
    """Say field by field what a new version changes."""
    from oracles.market.metric import changes, read_document

    rows = [
        {"field": name, "old": before, "new": after}
        for name, before, after in changes(read_document(old), read_document(new))
    ]
    show_rows(rows, json=json, empty="Both are the same version.")
