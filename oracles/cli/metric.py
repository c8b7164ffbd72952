"""Decide on the metric: propose a version, object to one, see where they stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.options import AuctionArgument, AuctionId, Session, open_session
from oracles.cli.output import (
    JsonOption,
    bars,
    print_json,
    show,
    show_rows,
    stderr,
    stdout,
    table,
)
from oracles.errors import ConfigError, InputError
from oracles.money import ETHER
from oracles.when import local

if TYPE_CHECKING:
    from oracles.chain.metric import MetricRegistryContract

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

RegistryOption = Annotated[
    str | None,
    typer.Option(
        "--registry",
        envvar="QMIA_REGISTRY",
        help="Address of the MetricRegistry; that of the deployment file by default.",
    ),
]
VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="Metric version, 64 hexadecimal digits.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings of an operator; by default those of the package."),
]


def _version(text: str) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 32:
        raise InputError(f"{text!r} is no metric version: 64 hexadecimal digits are needed")
    return value


def _address(session: Session, named: str | None) -> str:
    """The registry that is meant, which is there."""
    from oracles.registry import check_registry, registry_of

    address = registry_of(session.deployment(), named)
    if address is None:
        raise ConfigError(
            "the deployment file names no MetricRegistry: name one with --registry, or make one"
            " with `qmia metric deploy`"
        )
    check_registry(session.connect(), session.deployment(), address)
    return address


def _registry(session: Session, named: str | None) -> MetricRegistryContract:
    from oracles.chain.metric import MetricRegistryContract

    return MetricRegistryContract(session.connect(), _address(session, named))


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
    stdout.print(rfc8785.dumps(found).decode(), markup=False, highlight=False, soft_wrap=True)


@app.command()
def deploy(
    context: typer.Context,
    genesis: Annotated[
        str, typer.Option(help="Version accepted from the start, 64 hexadecimal digits.")
    ],
    payout_token: Annotated[
        str, typer.Option(help="Address of the settlement token in which payouts count.")
    ],
    floor: Annotated[str, typer.Option(help="Least payout that counts: `1000 USDC`.")],
    share: Annotated[
        float, typer.Option(min=0.0001, max=1, help="Part of the year's payouts that is a veto.")
    ] = 0.2,
    window: Annotated[str, typer.Option(help="Time for objections.")] = "14 d",
    bond: Annotated[str, typer.Option(help="Bond of a proposal.")] = "0.1 ether",
    json: JsonOption = False,
) -> None:
    """Deploy a MetricRegistry and write it into the deployment file. Nobody owns it.

    Whoever uses that file then refuses auctions whose metric it has not accepted. Its rules can
    never be changed.
    """
    from fractions import Fraction

    from oracles.chain.deployment import deploy_registry
    from oracles.chain.metric import RegistryRules
    from oracles.when import duration

    session: Session = context.obj
    sender, version = session.sender(), _version(genesis)
    least = session.currency(payout_token).parse(floor)
    rules = RegistryRules(
        "",
        payout_token,
        least,
        round(Fraction(str(share)) * 10_000),
        duration(window),
        ETHER.parse(bond),
        version,
    )
    deployment = deploy_registry(sender, session.deployment(), rules)
    deployment.save(session.deployment_file)
    found = {"registry": deployment.address("MetricRegistry"), "genesis": "0x" + version.hex()}
    show(found, json=json)


@app.command()
def propose(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Document of the version.")],
    registry: RegistryOption = None,
    json: JsonOption = False,
) -> None:
    """Propose a version with its document. The bond comes back when objections have ended."""
    import rfc8785

    from oracles.market.metric import read_document
    from oracles.registry import propose as send

    session: Session = context.obj
    sender = session.sender()
    document, contract = rfc8785.dumps(read_document(path)), _registry(session, registry)
    version = send(sender, contract, document)
    show({"version": "0x" + version.hex(), "registry": contract.address}, json=json)


@app.command("object")
def object_(
    context: typer.Context,
    version: VersionArgument,
    auction: Annotated[
        AuctionId,
        typer.Option(
            "--auction",
            metavar="AUCTION",
            help="Auction whose participation token is locked.",
        ),
    ],
    amount: Annotated[str, typer.Option("--amount", help="How much, as `12.5`.")],
    registry: RegistryOption = None,
    json: JsonOption = False,
) -> None:
    """Lock participation tokens and object with them.

    They come back by `release` when no version that they object to can be open any more: at most
    two windows after its proposal. The same tokens may object to several versions.
    """
    from oracles.money import DST
    from oracles.registry import object_to

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
    registry: RegistryOption = None,
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
def status(
    context: typer.Context, registry: RegistryOption = None, json: JsonOption = False
) -> None:
    """Show where every version stands, computed from the logs of auctions and registry."""
    from oracles.registry import tallies

    session: Session = context.obj
    address = _address(session, registry)
    with stderr.status("reading the logs of all auctions"):
        found = tallies(session.connect(), session.deployment(), address)
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
        print_json({"registry": address, "versions": rows})
        return
    for row in rows:
        row["closes"] = local(row["closes"]) if row["closes"] else "accepted from the start"
    show_rows(rows, json=False, empty="")


@app.command()
def check(
    context: typer.Context,
    auction: AuctionArgument,
    registry: RegistryOption = None,
    json: JsonOption = False,
) -> None:
    """Check whether an auction's metric had been accepted at its creation (exit code 1: no)."""
    from oracles.registry import check_version

    session: Session = context.obj
    address, view = _address(session, registry), session.auction(auction)
    version, problem = view.terms.scoring.metric_version, ""
    try:
        web3, deployment = session.connect(), session.deployment()
        check_version(web3, deployment, address, version, view.created)
    except InputError as error:
        problem = str(error)
    show({"auction": auction, "accepted": not problem, "problem": problem or None}, json=json)
    if problem:
        raise typer.Exit(1)


@app.command()
def explain(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Document of the present version.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Document of the proposed one.")],
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="A data set of yours, scored under both.")
    ] = None,
    fields: Annotated[
        bool, typer.Option("--fields", help="Only say which fields differ; score nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say what a new version changes: field by field, and q of known texts under both.

    The texts come with the program: speeches, a novel, one text in ten languages, code, dirt. How
    influence changes cannot be said of one data set alone: it depends on the whole auction.
    """
    from oracles.market.metric import changes, read_document

    before, after = read_document(old), read_document(new)
    rows = [
        {"field": name, "old": was, "new": becomes} for name, was, becomes in changes(before, after)
    ]
    if not json:
        show_rows(rows, json=False, empty="Both are the same version.")
    scored = {} if fields else _scored(before, after, data or [], json=json)
    if json:
        print_json({"fields": rows, **scored})


def _scored(
    before: dict[str, Any], after: dict[str, Any], data: list[Path], *, json: bool
) -> dict[str, Any]:
    """Known texts and these data sets under both versions; printed unless JSON is wanted."""
    from oracles.dataset import read_documents
    from oracles.quality.compare import compare, golden_sets, parameters_of, spread

    parameters = [parameters_of(each.get("quality")) for each in (before, after)]
    sets = golden_sets()
    for path in data:
        sets[str(path)] = list(read_documents(path))
        if not sets[str(path)]:
            raise InputError(f"{path} has no documents")
    with bars() as progress:
        found = compare(parameters[0], parameters[1], sets, progress)
    was, becomes = spread(found)
    loses = min(found, key=lambda each: each.new["q"] - each.old["q"])
    gains = max(found, key=lambda each: each.new["q"] - each.old["q"])
    if not json:
        rows = [
            {
                "data set": each.name,
                "documents": each.documents,
                **{
                    name: f"{each.old[name] / 10_000:.3f} → {each.new[name] / 10_000:.3f}"
                    for name in ("q", "cleanliness", "diversity", "novelty", "metadata")
                },
            }
            for each in found
        ]
        stdout.print(table(rows, title="Scores, old → new"))
        stdout.print(
            "One text in ten languages: q of the best and the worst translation are"
            f" {was / 10_000:.3f} apart now, and {becomes / 10_000:.3f} under the new version.",
            soft_wrap=True,
        )
        for who, what in ((loses, "loses"), (gains, "gains")):
            change = (who.new["q"] - who.old["q"]) / 10_000
            if (change < 0) == (what == "loses") and change:
                stdout.print(
                    f"{who.name} {what} most: {abs(change):.3f} of q.",
                    soft_wrap=True,
                    markup=False,
                )
    return {
        "sets": [each.to_json() for each in found],
        "spread_of_languages": {"old": was, "new": becomes},
    }
