"""`qmia operator`: run, check and look after the scoring daemon of a bonded operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.options import AuctionArgument
from oracles.cli.output import JsonOption, print_json, show, show_rows, stderr, watch
from oracles.errors import ChainError, ConfigError
from oracles.money import ETHER
from oracles.when import local, moment

if TYPE_CHECKING:
    from oracles.chain.client import Sender
    from oracles.chain.oracle import OracleContract
    from oracles.chain.typed_events import Panel
    from oracles.dataset import EncryptionKey
    from oracles.operator.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file; QMIA_… variables take precedence over it."),
]
RpcOption = Annotated[
    list[str] | None, typer.Option("--rpc", help="JSON-RPC address; several for fallback.")
]


@app.callback()
def _logs() -> None:
    # To standard error, also of commands that say little: standard output is for data.
    from oracles.service.logs import configure

    configure("console")


def _load(config: Path | None, **flags: Any) -> Settings:
    from oracles.operator.settings import load

    return load(config, **flags)


def _sender(settings: Settings) -> Sender:
    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.chain.rpc import connect
    from oracles.chain.sending import desk_path

    signer = settings.signer()
    if signer is None:
        raise ConfigError("this needs a signing key: set keystore, private_key or remote_signer")
    chain_id = Deployment.load(settings.deployment).chain_id
    web3 = connect(settings.rpc, chain_id, notify=stderr.print)
    try:
        # A command may be the first thing that happens in the state folder.
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {settings.state}: {error.strerror or error}") from error
    # Where the daemon takes its turns too.
    pending = desk_path(settings.state / signer.address, chain_id)
    return watch(
        Sender(
            web3,
            signer,
            max_fee_gwei=settings.max_fee_gwei,
            pending=pending,
            notify=stderr.print,
        )
    )


@app.command()
def run(
    config: ConfigOption = None,
    rpc: RpcOption = None,
    listen: Annotated[
        str | None, typer.Option(help="host:port to serve on instead of the configured one.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Watch and score, but sign and send nothing.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every cycle.")] = False,
) -> None:
    """Run the daemon: follow the chain, fetch, score, commit, post and judge, until SIGTERM."""
    from oracles.operator import daemon
    from oracles.operator.keys import load_encryption_keys
    from oracles.service.logs import configure

    settings = _load(config, rpc=rpc)
    if listen is not None:
        settings.exchange.listen = listen
    configure(settings.log, verbose=verbose)
    signer = settings.signer()
    if dry_run and signer is not None:
        settings.address, signer = signer.address, None
    daemon.run(settings, signer, load_encryption_keys(settings))


@app.command()
def check(config: ConfigOption = None, rpc: RpcOption = None, json: JsonOption = False) -> None:
    """Check whether this machine and these settings will do; exit code 1 if something is wrong."""
    from oracles.operator.check import preflight

    settings = _load(config, rpc=rpc)
    with stderr.status("checking") as shown:
        findings = preflight(settings, lambda name, *_: shown.update(f"checking: {name}"))
    show_rows([finding._asdict() for finding in findings], json=json, empty="nothing was checked")
    if any(finding.result == "failed" for finding in findings):
        raise typer.Exit(1)


@app.command()
def keygen(
    folder: Annotated[Path, typer.Argument(help="Folder for the two keystores.")],
    passphrase_file: Annotated[
        Path,
        typer.Option(envvar="QMIA_PASSPHRASE_FILE", help="File whose content encrypts them."),
    ],
    encryption_only: Annotated[
        bool, typer.Option("--encryption-only", help="Only a new encryption key, to `register`.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a signing key and an encryption key, as encrypted keystores."""
    from eth_account import Account

    from oracles.chain.keystore import read_secret, write_keystore
    from oracles.dataset import EncryptionKey

    passphrase = read_secret(passphrase_file)
    encryption = EncryptionKey.generate()
    result: dict[str, str] = {}
    name = f"encryption-{encryption.address[2:10].lower()}" if encryption_only else "encryption"
    if not encryption_only:
        account = Account.create()
        path = folder / "signing.json"
        write_keystore(path, bytes(account.key), passphrase)
        result |= {"address": str(account.address), "keystore": str(path)}
    path = folder / f"{name}.json"
    write_keystore(path, encryption.secret, passphrase)
    result |= {
        "encryption_keystore": str(path),
        "encryption_public_key": "0x" + encryption.public.hex(),
    }
    show(result, json=json)


@app.command()
def register(
    deposit: Annotated[
        str,
        typer.Option(
            help="Ether to pay in as credit, such as `2 ether`; stakes are taken from it."
        ),
    ] = "0",
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Register as an operator, or publish another encryption key; may be repeated.

    A new key counts for auctions that are created later. Make it first (`keygen
    --encryption-only`), name it in the settings, and move the earlier one to
    `old_encryption_keystores`: running auctions still use that one.
    """
    from oracles.chain.signers import LocalSigner
    from oracles.chain.typed_data import key_message

    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    oracle, key = _oracle(settings, sender), _encryption_key(settings)
    wei = ETHER.parse(deposit)
    _check_balance(sender, wei)
    # The encryption key signs for its owner, so that nobody registers another's.
    message = key_message(oracle.domain, sender.address, key.public)
    signature = LocalSigner.from_secret(key.secret).sign_typed(message)
    receipt = sender.send(oracle.register(key.public, signature))
    if wei:
        receipt = sender.send(oracle.deposit(sender.address), value=wei)
    show(
        {
            "operator": sender.address,
            "credit": ETHER.format(oracle.credit_of(sender.address)),
            "encryption_public_key": "0x" + key.public.hex(),
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


@app.command()
def deposit(
    amount: Annotated[str, typer.Argument(help="Such as `2 ether`.")],
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Add ether to this operator's credit, from which stakes are taken."""
    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    oracle, wei = _oracle(settings, sender), ETHER.parse(amount)
    _check_balance(sender, wei)
    receipt = sender.send(oracle.deposit(sender.address), value=wei)
    show(
        {
            "operator": sender.address,
            "credit": ETHER.format(oracle.credit_of(sender.address)),
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


@app.command()
def withdraw(
    amount: Annotated[str, typer.Argument(help="Such as `2 ether`, or `all`.")] = "all",
    to: Annotated[str | None, typer.Option(help="Address; by default the operator's own.")] = None,
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Take credit out: deposits, released stakes, fees."""
    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    oracle = _oracle(settings, sender)
    credit = oracle.credit_of(sender.address)
    wei = credit if amount == "all" else ETHER.parse(amount)
    if not 0 < wei <= credit:
        raise ConfigError(f"the credit is {ETHER.format(credit)}; withdraw that or less")
    receipt = sender.send(oracle.withdraw_credit(to or sender.address, wei))
    show(
        {
            "operator": sender.address,
            "withdrawn": ETHER.format(wei),
            "to": to or sender.address,
            "credit": ETHER.format(oracle.credit_of(sender.address)),
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


sets = typer.Typer(
    no_args_is_help=True,
    help="Operator sets: who scores together, and to whom an appeal goes.",
)
app.add_typer(sets, name="set")


@sets.command()
def propose(
    members: Annotated[list[str], typer.Argument(help="Addresses of registered operators.")],
    appeal: Annotated[
        list[str] | None,
        typer.Option("--appeal", help="A member of the appeal panel; repeat for each."),
    ] = None,
    threshold: Annotated[
        int | None, typer.Option(help="k of the panel; by default the fewest allowed.")
    ] = None,
    appeal_threshold: Annotated[
        int | None, typer.Option(help="k of the appeal panel; by default the fewest allowed.")
    ] = None,
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Propose a set, which auctions can name once every member of both panels has accepted.

    A round needs the reports of k members, so n - k members may fail without harm, and up to
    (k - 1) / 2 of those that report may lie. k must be odd and more than half of n. Five members
    with k = 3 tolerate two that are away and one that lies; three need k = 3 and tolerate one that
    lies, but none that is away. Members are sorted by their addresses here.
    """
    from oracles.chain.client import receipt_event
    from oracles.chain.typed_events import SetProposed

    others = appeal or []
    _check_members(members + others)
    first = (members, _threshold(len(members), threshold))
    second = (others, _threshold(len(others), appeal_threshold) if others else 0)
    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    receipt = sender.send(_oracle(settings, sender).propose_set(first, second))
    proposed = receipt_event(receipt, SetProposed)
    show(
        {
            "operator_set": proposed.operator_set,
            **_panel_fields("", proposed.first),
            **_panel_fields("appeal_", proposed.appeal),
            "next": f"each member runs `qmia operator set accept {proposed.operator_set}`",
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


@sets.command()
def accept(
    operator_set: Annotated[int, typer.Argument(help="Id of the set.")],
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Accept to serve in a set: from then on any buyer may name it, within your `policy`."""
    _consent(operator_set, config, rpc, json=json, leave=False)


@sets.command()
def leave(
    operator_set: Annotated[int, typer.Argument(help="Id of the set.")],
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Leave a set: no new auction can name it; those that run go on."""
    _consent(operator_set, config, rpc, json=json, leave=True)


@sets.command("show")
def show_set(
    operator_set: Annotated[int, typer.Argument(help="Id of the set.")],
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Show a set: its panels, their thresholds, who accepted, and how many may fail or lie."""
    from oracles.chain.deployment import Deployment
    from oracles.chain.rpc import connect

    # Buyers ask this as well, and have no operator's state.
    settings = _load(config, rpc=rpc, state=Path())
    deployment = Deployment.load(settings.deployment)
    found = deployment.oracle(connect(settings.rpc, deployment.chain_id)).set_of(operator_set)
    if not found.first.members:
        raise ChainError(f"there is no operator set {operator_set}")
    waiting = [
        member
        for position, member in enumerate([*found.first.members, *found.appeal.members])
        if not found.accepted >> position & 1
    ]
    show(
        {
            "operator_set": operator_set,
            **_panel_fields("", found.first),
            **_panel_fields("appeal_", found.appeal),
            "standing": found.standing,
            "not_accepted_by": waiting,
        },
        json=json,
    )


def _consent(
    operator_set: int, config: Path | None, rpc: list[str] | None, *, json: bool, leave: bool
) -> None:
    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    oracle = _oracle(settings, sender)
    found = oracle.set_of(operator_set)
    members = [*found.first.members, *found.appeal.members]
    if sender.address not in members:
        raise ConfigError(f"{sender.address} is no member of set {operator_set}")
    position = members.index(sender.address)
    call = (oracle.leave_set if leave else oracle.accept_set)(operator_set, position)
    receipt = sender.send(call)
    show(
        {
            "operator_set": operator_set,
            "operator": sender.address,
            "panel": "first" if position < len(found.first.members) else "appeal",
            "standing": oracle.set_of(operator_set).standing,
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


def _check_members(members: list[str]) -> None:
    from eth_utils.address import is_hex_address

    if wrong := [member for member in members if not is_hex_address(member)]:
        raise ConfigError(f"{wrong[0]} is no address")
    if len({member.lower() for member in members}) != len(members):
        raise ConfigError("each operator may be named once only, in one of the two panels")


def _threshold(count: int, asked: int | None) -> int:
    chosen = (count // 2 + 1) | 1 if asked is None else asked
    allowed = [k for k in range(count // 2 + 1, count + 1) if k % 2]
    if chosen not in allowed:
        raise ConfigError(
            f"the threshold of {count} members must be odd and more than half: "
            + (" or ".join(map(str, allowed)) or "there is none, so name another number of members")
        )
    return chosen


def _panel_fields(prefix: str, panel: Panel) -> dict[str, Any]:
    if not panel.members:
        return {f"{prefix}members": []}
    return {
        f"{prefix}members": list(panel.members),
        f"{prefix}threshold": panel.threshold,
        f"{prefix}members_that_may_fail": len(panel.members) - panel.threshold,
        f"{prefix}members_that_may_lie": (panel.threshold - 1) // 2,
    }


@app.command()
def challenge(
    auction: AuctionArgument,
    config: ConfigOption = None,
    rpc: RpcOption = None,
    json: JsonOption = False,
) -> None:
    """Have an auction scored once more, by its appeal panel, while challenges are taken.

    Anybody may. The appeal fee is paid as a bond. It comes back as credit if a score moves by more
    than the tolerance, or if the appeal panel does not answer; else it pays the appeal panel.
    """
    from oracles.chain.deployment import Deployment
    from oracles.chain.rpc import block
    from oracles.chain.state import load_auction

    settings = _load(config, rpc=rpc)
    sender = _sender(settings)
    deployment = Deployment.load(settings.deployment)
    state = load_auction(sender.web3, deployment, auction)
    bond = state.terms.scoring.appeal_fee_gwei * 10**9
    start, now = state.windows(1).end, block(sender.web3, "latest")["timestamp"]
    end = start + state.terms.durations.challenge
    if not state.panel(2).members:
        raise ConfigError(f"the set of auction {auction} has no appeal panel: its scores stand")
    if not state.rounds[0].complete:
        raise ConfigError(f"auction {auction} has no scores that could be challenged")
    if state.challenged:
        raise ConfigError(f"auction {auction} was challenged already")
    if not start <= now < end:
        raise ConfigError(
            f"challenges of auction {auction} are taken from {moment(start, now)} to"
            f" {moment(end, now)}"
        )
    _check_balance(sender, bond)
    call = deployment.oracle(sender.web3).challenge(deployment.address("DataAuction"), auction)
    receipt = sender.send(call, value=bond)
    show(
        {
            "auction": auction,
            "bond": ETHER.format(bond),
            "decided_until": local(state.windows(2).end),
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        },
        json=json,
    )


def _check_balance(sender: Sender, wei: int) -> None:
    from oracles.chain.rpc import balance

    have = balance(sender.web3, sender.address)
    if have <= wei:
        raise ConfigError(
            f"{sender.address} has {ETHER.format(have)}; send it {ETHER.format(wei)} and some for"
            " gas first"
        )


@app.command()
def status(config: ConfigOption = None, rpc: RpcOption = None, json: JsonOption = False) -> None:
    """Show what the chain says of this operator and its auctions (needs no key)."""
    from oracles.operator.status import status as look

    settings = _load(config, rpc=rpc)
    result = look(settings)
    if json:
        print_json(result)
        return
    auctions = result.pop("auctions")
    show(result, json=False)
    show_rows(auctions, json=False, empty="No auction names this operator.")


@app.command()
def cosign(
    url: Annotated[str, typer.Argument(help="Address of a meter.")],
    publisher: Annotated[str, typer.Argument(help="Address of the model's publisher.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Sign how many entries a meter's log has, once it proves that it has only grown.

    Run it at regular times. A log that was forked is not signed: both checkpoints of its publisher
    are kept as the proof, and the exit code is 1.
    """
    import httpx

    from oracles.errors import InputError, IntegrityError
    from oracles.meter.witness import Witness, offered

    settings = _load(config)
    signer = settings.signer()
    if signer is None:
        raise ConfigError("this needs a signing key: set keystore, private_key or remote_signer")
    witness = Witness(settings.state / "witness", signer)
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            found, _ = offered(_answer(client.get("/qmia/checkpoint")))
            if found.origin.rpartition("/")[2] != publisher:
                raise InputError(f"{url} is the meter of {found.origin}, not of {publisher}")
            last = witness.seen(found.origin)
            size = 0 if last is None else min(last.size, found.size)
            found, proof = offered(_answer(client.get("/qmia/checkpoint", params={"old": size})))
            try:
                signed = witness.cosign(found, proof)
            except IntegrityError as error:
                stderr.print(f"[red]{error}[/]", soft_wrap=True)
                raise typer.Exit(1) from error
            _answer(client.post("/qmia/cosignature", content=signed.encode()))
    except httpx.HTTPError as error:
        raise InputError(f"the meter {url} does not answer: {type(error).__name__}") from error
    show({"entries": found.size, "root": "0x" + found.root.hex(), "log": found.origin}, json=json)


def _answer(reply: Any) -> Any:
    """A meter's answer.

    Raises:
        InputError: it refuses, or it is no meter.
    """
    from oracles.errors import InputError

    try:
        content = reply.json()
        if reply.status_code == 200:
            return content
        raise InputError(f"the meter refuses: {content['error']['message']}")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("there is no meter at this address") from error


@app.command()
def metric(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the metric version that this program and these settings compute."""
    from oracles.scoring import load_scorer

    settings = _load(config).scoring
    with stderr.status("reading the seed corpus"):
        version = load_scorer(settings).metric_version(settings)
    show({"metric": settings.metric, "metric_version": "0x" + version.hex()}, json=json)


@app.command()
def evaluation(
    file: Annotated[Path, typer.Argument(help="Held-out documents, any readable form.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Print a held-out set's digest, which buyers put into the terms; with --config, install it."""
    from oracles.scoring import evaluation_digest, install_evaluation

    if config is None:
        show({"evaluation": "0x" + evaluation_digest(file).hex()}, json=json)
        return
    digest, path = install_evaluation(file, _load(config).scoring)
    show({"evaluation": "0x" + digest.hex(), "installed": str(path)}, json=json)


def _oracle(settings: Settings, sender: Sender) -> OracleContract:
    from oracles.chain.deployment import Deployment

    return Deployment.load(settings.deployment).oracle(sender.web3)


def _encryption_key(settings: Settings) -> EncryptionKey:
    from oracles.operator.keys import load_encryption_keys

    keys = load_encryption_keys(settings)
    if not keys:
        raise ConfigError("this needs an encryption key: set encryption_keystore")
    return keys[0]
