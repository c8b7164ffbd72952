"""Recompute auctions from their logs: from a node, or offline from an archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from oracles.cli.output import JsonOption, print_json, stderr, stdout
from oracles.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oracles.audit import Difference, Replay, Source
    from oracles.scoring import Submission

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

RpcOption = Annotated[
    list[str] | None,
    typer.Option(envvar="QMIA_RPC", help="JSON-RPC address of a node; several for fallback."),
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

    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("blocks", total=None)
        return Node(
            connect(rpc),
            Deployment.load(deployment or DEPLOYMENT),
            cache=cache,
            block_tag=tag,
            on_range=lambda done, total: progress.update(task, completed=done, total=total),
        )


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

    source = _source(None, rpc, deployment, block_tag, cache)
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
        int | None,
        typer.Option(help="Count and show only this auction, with what all auctions share."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All auctions (the default).")] = False,
    block_tag: TagOption = "finalized",
    cache: CacheOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the story of the auctions as one HTML page.")
    ] = None,
    storage: Annotated[
        bool, typer.Option(help="Also compare with the contracts' storage at the last block.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Recompute every number and compare: exit code 0 nothing differs, 1 something does."""
    from oracles.audit.replay import replay as run
    from oracles.audit.summary import summarise

    if every and auction is not None:
        raise ConfigError("--all and --auction exclude each other")
    source = _source(archive, rpc, deployment, block_tag, cache)
    with Progress(console=stderr, transient=True) as progress:
        first, last = source.header.from_block, source.header.to_block
        task = progress.add_task("replaying", total=max(1, last - first))
        state = run(source, progress=lambda block: progress.update(task, completed=block - first))
    if auction is not None and auction not in state.auctions.auctions:
        raise ConfigError(f"there is no auction {auction} up to block {last}")
    if storage:
        from oracles.audit.storage import check_storage
        from oracles.chain.rpc import connect

        if not rpc:
            raise ConfigError("--storage needs a node: add --rpc")
        check_storage(state, connect(rpc))
    if report is not None:
        from oracles.audit.report import page

        report.write_text(page(state, auction), encoding="utf-8")
    summary = summarise(state, auction)
    if json:
        print_json(summary)
    else:
        _show(state, summary, auction)
    raise typer.Exit(0 if summary["passed"] else 1)


def _show(state: Replay, summary: dict[str, Any], auction: int | None) -> None:
    table = Table("check", "made", "found", box=None, padding=(0, 2, 0, 0))
    for name, counts in summary["checks"].items():
        style = "bold red" if counts["findings"] else None
        table.add_row(name, str(counts["made"]), str(counts["findings"] or ""), style=style)
    stdout.print(table)
    for name, address in summary["contracts"].items():
        stdout.print(f"{name} {address}", highlight=False)
    for each in summary["auctions"]:
        stdout.print(_line(state, each), highlight=False, soft_wrap=True)
    _print_findings(state.findings(auction))
    made = sum(counts["made"] for counts in summary["checks"].values())
    verdict = "[green]passed[/]" if summary["passed"] else "[red]has findings[/]"
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
    auction: Annotated[int, typer.Option(help="Which auction.")],
    evidence: Annotated[
        list[str], typer.Option(help="Where bundles are: a folder, or an IPFS node as ipfs:/ip4/….")
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
    """Check the evidence behind the scores, and score plain data again."""
    import tempfile

    from oracles.audit.evidence import check_bundles, check_scores
    from oracles.audit.replay import replay as run
    from oracles.evidence import open_store
    from oracles.scoring import load_scoring

    state = run(_source(archive, rpc, deployment, block_tag, cache))
    chosen = state.auctions.auctions.get(auction)
    if chosen is None:
        raise ConfigError(f"there is no auction {auction}")
    content = check_bundles(state, chosen, [open_store(name) for name in evidence])
    again = {}
    if data is not None and content:
        submissions = _submissions(data, len(chosen.bids))
        with tempfile.TemporaryDirectory() as folder, Progress(console=stderr) as progress:
            task = progress.add_task("scoring")
            again = check_scores(
                state,
                chosen,
                content,
                submissions,
                load_scoring(config),
                Path(folder),
                chosen=provider or [each.index for each in submissions],
                progress=lambda stage, done, total: progress.update(
                    task, description=stage, completed=done, total=total
                ),
            )
    findings = state.findings(auction)
    if json:
        print_json(
            {
                "passed": not findings,
                "findings": [each._asdict() for each in findings],
                "again": {
                    index: {"accepted": a._asdict(), "recomputed": b._asdict()}
                    for index, (a, b) in again.items()
                },
            }
        )
    else:
        _print_findings(findings)
        made = sum(n for name, n in state.checks.made.items() if name.startswith("evidence."))
        stdout.print(f"{made} checks of evidence, {len(again)} bids scored again")
        stdout.print("[green]passed[/]" if not findings else "[red]has findings[/]")
    raise typer.Exit(1 if findings else 0)


def _submissions(folder: Path, count: int) -> list[Submission]:
    from functools import partial

    from oracles.dataset import read_documents
    from oracles.scoring import Submission

    found = []
    for index in range(count):
        for path in (folder / f"{index}.jsonl", folder / str(index)):
            if path.exists():
                found.append(Submission(index, "", partial(read_documents, path)))
                break
    return found
