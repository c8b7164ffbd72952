"""Recompute auctions from their logs: from a node, or offline from an archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.options import AuctionId, node_addresses
from oracles.cli.output import JsonOption, bars, print_json, stdout, table
from oracles.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oracles.audit import Difference, Replay, Source
    from oracles.chain.deployment import Deployment
    from oracles.chain.packing import Score
    from oracles.meter.check import UsageReport

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

RpcOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="QMIA_RPC",
        help="JSON-RPC address of a node; several for fallback.",
        callback=node_addresses,
    ),
]
DeploymentOption = Annotated[
    Path | None,
    typer.Option(
        envvar="QMIA_DEPLOYMENT",
        help="Deployment file (deployment.json); an archive must be of it if one is given.",
    ),
]
TagOption = Annotated[
    str,
    typer.Option(help="How far to read: finalized, safe, latest (local networks) or a number."),
]
CacheOption = Annotated[
    Path | None, typer.Option(help="SQLite file in which logs already read are kept.")
]
DEPLOYMENT = Path("deployment.json")


def _source(
    archive: Path | None,
    rpc: list[str] | None,
    deployment: Path | None,
    tag: str,
    cache: Path | None,
) -> Source:
    from oracles.audit.archive import Archive
    from oracles.audit.node import Node
    from oracles.chain.deployment import Deployment
    from oracles.chain.rpc import connect

    if archive is not None:
        source = Archive(archive)
        if deployment is not None:
            source.require(Deployment.load(deployment))
        return source
    if not rpc:
        raise ConfigError("name an archive, or a node with --rpc")

    with bars() as advance:
        return Node(
            connect(rpc),
            Deployment.load(deployment or DEPLOYMENT),
            cache=cache,
            block_tag=tag,
            on_range=lambda done, total: advance("blocks", done, total),
        )


def _replay(source: Source) -> Replay:
    from oracles.audit.replay import replay as run

    first, last = source.header.from_block, source.header.to_block
    with bars() as advance:
        return run(source, progress=lambda at: advance("replay", at - first, last - first))


def _against_storage(state: Replay, rpc: list[str]) -> None:
    from oracles.audit.storage import check_storage
    from oracles.chain.rpc import connect

    auctions = len(state.auctions.auctions)
    with bars() as advance:
        check_storage(
            state,
            connect(rpc, state.header.chain_id),
            progress=lambda done: advance("storage", done, auctions),
        )


def _replay_whole(source: Source, rpc: list[str] | None, *, storage: bool) -> Replay:
    """Replay, and compare with storage if asked.

    What differs may be a gap in the node's logs, so these are read again once.
    """
    from oracles.audit.node import Node

    if storage and not rpc:
        raise ConfigError("--storage needs a node: add --rpc")
    for again in (False, True):
        state = _replay(source)
        if storage and rpc:
            _against_storage(state, rpc)
        if again or not state.findings() or not isinstance(source, Node):
            break
        source.read_again()
    return state


def _whole_source(
    archive: Path | None,
    rpc: list[str] | None,
    deployment: Path | None,
    tag: str,
    cache: Path | None,
) -> Source:
    """Logs for a command that passes them on.

    Those of a node are replayed first, only so that what it left out is read again: whoever audits
    the copy later has no node to ask.
    """
    source = _source(archive, rpc, deployment, tag, cache)
    if archive is None:
        _replay_whole(source, rpc, storage=source.header.auctions is not None)
    return source


@app.command()
def archive(
    out: Annotated[Path, typer.Argument(help="File to write: out.qmia-archive.")],
    rpc: RpcOption = None,
    deployment: DeploymentOption = None,
    block_tag: TagOption = "finalized",
    cache: CacheOption = None,
    json: JsonOption = False,
) -> None:
    """Write everything an audit needs into one file."""
    from oracles.audit.archive import write_archive

    source = _whole_source(None, rpc, deployment, block_tag, cache)
    lines = write_archive(out, source)
    header = source.header
    if json:
        print_json(
            {
                "archive": str(out),
                "lines": lines,
                "from_block": header.from_block,
                "to_block": header.to_block,
                "to_hash": "0x" + header.to_hash.hex(),
            }
        )
    else:
        stdout.print(f"{out}: blocks {header.from_block} to {header.to_block}, {lines} lines")


@app.command()
def replay(
    archive: Annotated[
        Path | None, typer.Argument(metavar="[ARCHIVE]", help="Archive to read, offline.")
    ] = None,
    rpc: RpcOption = None,
    deployment: DeploymentOption = None,
    auction: Annotated[
        AuctionId | None,
        typer.Option(
            metavar="AUCTION",
            help="Count and show only this auction, and what concerns all auctions.",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All auctions (the default).")] = False,
    block_tag: TagOption = "finalized",
    cache: CacheOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the course of the auctions as one HTML page.")
    ] = None,
    storage: Annotated[
        bool | None,
        typer.Option(
            help="Compare with the contracts' storage at the last block: the default with --rpc."
        ),
    ] = None,
    agreement: Annotated[
        Path | None, typer.Option(help="Contract text whose digest must be in the auction's terms.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Recompute every number and compare: exit code 0 nothing differs, 1 something does."""
    from oracles.audit.summary import summarise

    if every and auction is not None:
        raise ConfigError("--all and --auction exclude each other")
    if agreement is not None and auction is None:
        raise ConfigError("--agreement is the text of one auction: add --auction")
    text = None if agreement is None else _bytes(agreement)
    source = _source(archive, rpc, deployment, block_tag, cache)
    if storage is None:
        storage = archive is None and source.header.auctions is not None
    state = _replay_whole(source, rpc, storage=storage)
    if auction is not None and auction not in state.auctions.auctions:
        last = source.header.to_block
        raise ConfigError(f"there is no auction {auction} up to block {last}")
    if text is not None and auction is not None:
        state.check_agreement(auction, text)
    if report is not None:
        from oracles.audit.report import page

        report.write_text(page(state, auction), encoding="utf-8")
    summary = summarise(state, auction)
    if json:
        print_json(summary)
    else:
        _show(state, summary, auction)
    raise typer.Exit(0 if summary["passed"] else 1)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _show(state: Replay, summary: dict[str, Any], auction: AuctionId | None) -> None:
    rows = [
        {"check": name, "made": counts["made"], "found": counts["findings"] or ""}
        for name, counts in summary["checks"].items()
    ]
    stdout.print(table(rows))
    for name, address in summary["contracts"].items():
        stdout.print(f"{name} {address}", highlight=False)
    for each in summary["auctions"]:
        stdout.print(_line(state, each), highlight=False, soft_wrap=True)
        if each["metric_objection"]:
            stdout.print(
                f"[red]its metric {each['metric_objection']}[/] when it was created",
                highlight=False,
                soft_wrap=True,
            )
    for holder, surplus in summary["ether"]["surplus"].items():
        if int(surplus) > 0:
            # Anybody can force ether into a contract, so this is no finding.
            stdout.print(f"{holder} holds {surplus} wei more than the logs explain")
    _print_findings(state.findings(auction))
    made = sum(counts["made"] for counts in summary["checks"].values())
    verdict = "[green]passed[/]" if summary["passed"] else "[red]has findings[/]"
    if summary["complete"] is None:
        stdout.print(
            "Nobody has counted whether these logs are all: the node no longer has the state of"
            " that block. An archive node, or a later block, has it.",
            soft_wrap=True,
        )
    if not state.header.balances:
        stdout.print(
            "Nobody has compared what the contracts hold with what the logs say: the node no longer"
            " has the state of that block.",
            soft_wrap=True,
        )
    total = len(state.auctions.auctions)
    scope = f"{total} auctions" if auction is None else f"auction {auction} of {total}"
    stdout.print(
        f"{scope}, {summary['events']:,} events, {made:,} checks, up to block"
        f" {summary['to_block']:,} ({summary['to_hash'][:10]}…) of chain {summary['chain_id']}:"
        f" {verdict}",
        highlight=False,
        soft_wrap=True,
    )


def _print_findings(findings: Iterable[Difference]) -> None:
    for finding in findings:
        stdout.print(f"[bold red]✗[/] {finding}", highlight=False, soft_wrap=True)


def _line(state: Replay, each: dict[str, Any]) -> str:
    text = f"auction {each['auction']}: {each['state']}, {each['bids']} bids"
    if each["state"] != "settled":
        return text
    certificate, literal = each["certificate"], each["literal"]
    currency = state.header.currency(each["token"])
    holds = "holds" if certificate["holds"] else "FAILS"
    text += (
        f", {each['winners']} winners; efficiency {certificate['share']:.3f} of the optimum,"
        f" certificate {holds}; the paper's literal rule would have paid"
        f" {currency.format(int(literal['total']))} of {currency.format(int(literal['budget']))}"
    )
    return text + (", more than there is" if literal["overspends"] else "")


@app.command()
def scores(
    auction: Annotated[AuctionId, typer.Option(metavar="AUCTION", help="Id of the auction.")],
    evidence: Annotated[
        list[str], typer.Option(help="Where files are: a folder, or an IPFS node as ipfs:/ip4/….")
    ],
    archive: Annotated[Path | None, typer.Argument(metavar="[ARCHIVE]")] = None,
    rpc: RpcOption = None,
    deployment: DeploymentOption = None,
    block_tag: TagOption = "finalized",
    cache: CacheOption = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of plain data sets, each INDEX.jsonl or INDEX/.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help=r"TOML file whose \[scoring] section holds the metric.")
    ] = None,
    provider: Annotated[
        list[int] | None, typer.Option(help="Bids to score again; all by default.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check the files behind the scores: samples, evidence, and with --data the scores, too."""
    import tempfile

    from oracles.audit.evidence import check_bundles, check_samples, check_scores, plain_files
    from oracles.evidence import open_store
    from oracles.scoring import load_scoring

    source = _source(archive, rpc, deployment, block_tag, cache)
    state = _replay_whole(source, rpc, storage=False)
    chosen = state.auctions.auctions.get(auction)
    if chosen is None:
        raise ConfigError(f"there is no auction {auction}")
    stores = [open_store(name) for name in evidence]
    again: dict[int, tuple[Score, Score]] = {}
    with bars() as advance:
        entry = load_scoring(config).entry
        asked = None if entry is None else entry.thresholds
        samples = check_samples(state, chosen, stores, entry=asked, progress=advance)
        content = check_bundles(state, chosen, stores)
        if data is not None and content:
            with tempfile.TemporaryDirectory() as folder:
                again = check_scores(
                    state,
                    chosen,
                    content,
                    plain_files(data, len(chosen.bids)),
                    load_scoring(config),
                    Path(folder),
                    chosen=provider or [],
                    progress=advance,
                )
    findings = state.findings(auction)
    if json:
        print_json(
            {
                "passed": not findings,
                "findings": [each._asdict() for each in findings],
                "samples": {index: each._asdict() for index, each in samples.items()},
                "again": {
                    index: {"accepted": a._asdict(), "recomputed": b._asdict()}
                    for index, (a, b) in again.items()
                },
            }
        )
    else:
        _print_findings(findings)
        made = sum(n for name, n in state.checks.made.items() if name.startswith("evidence."))
        stdout.print(
            f"{len(samples)} samples drawn again, {made} checks of evidence, {len(again)} bids"
            " scored again"
        )
        stdout.print("[green]passed[/]" if not findings else "[red]has findings[/]")
    raise typer.Exit(1 if findings else 0)


@app.command("export")
def export_events(
    out: Annotated[Path, typer.Option("--parquet", help="New folder: a file for each event.")],
    archive: Annotated[
        Path | None, typer.Argument(metavar="[ARCHIVE]", help="Archive to read, offline.")
    ] = None,
    rpc: RpcOption = None,
    deployment: DeploymentOption = None,
    block_tag: TagOption = "finalized",
    cache: CacheOption = None,
    json: JsonOption = False,
) -> None:
    """Write all events as Parquet, for DuckDB, pandas or Polars; no digit is lost.

    Nothing is checked here: `qmia audit replay` does that.
    """
    from oracles.audit.export import export

    source = _whole_source(archive, rpc, deployment, block_tag, cache)
    first, last = source.header.from_block, source.header.to_block
    with bars() as advance:
        rows = export(source, out, progress=lambda at: advance("blocks", at - first, last - first))
    if json:
        print_json({"folder": str(out), "rows": rows})
        return
    stdout.print(table([{"file": name, "rows": count} for name, count in rows.items() if count]))
    stdout.print(f"{out}: {sum(rows.values()):,} rows", highlight=False)


@app.command()
def usage(
    log: Annotated[Path, typer.Argument(help="The publisher's usage log: folder or events file.")],
    mut: Annotated[str, typer.Argument(help="Address of the MUT that it pays.")],
    publisher: Annotated[str, typer.Argument(help="Address of the publisher.")],
    rpc: RpcOption = None,
    deployment: DeploymentOption = None,
    receipts: Annotated[
        Path | None, typer.Option(help="File with customers' receipts, one per line.")
    ] = None,
    cosigned: Annotated[
        Path | None,
        typer.Option(help="What witnesses signed, one per line; by default the log folder's own."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write revenue by model, customer and holder as one HTML page."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compute a model's usage log again, and compare it with what was posted and paid.

    Exit code 1: something differs. A receipt whose entry is not in the log proves an omission.
    """
    from eth_utils.address import to_checksum_address

    from oracles.chain.deployment import Deployment
    from oracles.chain.rpc import connect
    from oracles.meter.check import Difference, check_usage
    from oracles.meter.log import Entries, read_receipts
    from oracles.meter.posting import origin, posted_periods
    from oracles.meter.witness import COSIGNED, read_cosigned

    if not rpc:
        raise ConfigError("name a node with --rpc")
    where = Deployment.load(deployment or DEPLOYMENT)
    try:
        mut, publisher = to_checksum_address(mut), to_checksum_address(publisher)
    except ValueError as error:
        raise ConfigError(f"no address: {error}") from error
    web3 = connect(rpc, where.chain_id)
    posted, accrued = posted_periods(web3, where, mut, publisher)
    source = origin(where.chain_id, mut, publisher)
    held, wrong = read_receipts(receipts, source) if receipts is not None else ([], [])
    cosigned = cosigned or (log / COSIGNED if (log / COSIGNED).exists() else None)
    seen, unread = read_cosigned(cosigned, source) if cosigned is not None else ([], [])
    found = check_usage(
        Entries(log), source, publisher, posted, accrued=accrued, receipts=held, cosigned=seen
    )
    found.rejected += [Difference("receipts", each) for each in wrong]
    found.rejected += [Difference("cosignatures", each) for each in unread]
    if report is not None:
        _usage_page(report, found, rpc, where, deployment, mut, publisher)
    if json:
        print_json({**found.plain(), "periods": len(posted), "receipts": len(held)})
    else:
        _print_usage(found, len(posted), len(held))
    if found.differences:
        raise typer.Exit(1)


def _usage_page(
    report: Path,
    found: UsageReport,
    rpc: list[str],
    where: Deployment,
    deployment: Path | None,
    mut: str,
    publisher: str,
) -> None:
    """Holders' shares come from a replay of the chain, up to its last block."""
    from oracles.audit.usage_page import Log, usage_page
    from oracles.chain.rpc import connect
    from oracles.chain.tokens import Erc20, Mut

    state = _replay(_source(None, rpc, deployment, "latest", None))
    web3 = connect(rpc, where.chain_id)
    currency = Erc20(web3, Mut(web3, mut).terms()[1]).currency()
    log = Log(where.chain_id, mut, publisher, currency)
    shares = state.usage.shares.get((mut, publisher), [])
    try:
        report.write_text(usage_page(found.plain(), log, shares), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {report}: {error.strerror}") from error


def _print_usage(found: UsageReport, periods: int, receipts: int) -> None:
    from oracles.meter.events import MICRO

    stdout.print(
        f"{found.entries} entries, {periods} periods on chain, {found.open_entries} entries behind"
        f" the last; {receipts} receipts"
    )
    stdout.print(f"metered {found.metered}, other revenue {found.other} (smallest units)")
    for title, amounts in (("model", found.by_model), ("customer", found.by_customer)):
        rows = [
            {title: name, "earned": f"{amount / MICRO:.6f}"}
            for name, amount in amounts.most_common(20)
        ]
        if rows:
            stdout.print(table(rows))
    for witness, size in sorted(found.witnesses.items()):
        stdout.print(f"cosigned by {witness} up to entry {size}", highlight=False)
    for each in found.rejected:
        stdout.print(f"[yellow]{each.where}[/]: {each.detail}", soft_wrap=True)
    for each in found.differences:
        stdout.print(f"[red]{each.where}[/]: {each.detail}", soft_wrap=True)
    if not found.differences:
        stdout.print("nothing differs")
