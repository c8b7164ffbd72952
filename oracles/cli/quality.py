"""`qmia quality`: score a data set, say why, and check that this machine gives the known scores."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from oracles.cli.output import (
    ClusterOption,
    JsonOption,
    print_json,
    stderr,
    stdout,
    write_output,
)
from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.progress import Progress as Tell
    from oracles.quality import QualityParameters, QualityReport
    from oracles.quality.references import Reference

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
reference_app = typer.Typer(no_args_is_help=True, help="The public reference corpus.")
app.add_typer(reference_app, name="reference")

SourceArgument = Annotated[Path, typer.Argument(metavar="PATH", help="File, folder or archive.")]
ParametersOption = Annotated[
    Path | None,
    typer.Option("--parameters", metavar="FILE", help="JSON with the auction's parameters."),
]
TodayOption = Annotated[
    str | None, typer.Option("--today", metavar="DATE", help="Day that recency counts from.")
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="Reference file to use instead of the one in the package.",
    ),
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, help="Threads; they change the speed only.")
]
CardOption = Annotated[
    Path | None, typer.Option("--card", metavar="FILE", help="Croissant file of the data set.")
]


@contextmanager
def _progress(title: str) -> Iterator[Tell]:
    """A bar for each stage on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(f"{title}: {stage}", total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield tell


def _parameters(path: Path | None, today: str | None, **overrides: Any) -> QualityParameters:
    from oracles.quality import QualityParameters

    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"cannot read the parameters {path}: {error}") from error
    if today is not None:
        fields["today"] = today
    return QualityParameters.from_json({**fields, **overrides})


def _reference(path: Path | None) -> Reference:
    from oracles.quality import references

    return references.default() if path is None else references.load(path)


@app.command("score")
def score_command(
    path: SourceArgument,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write one HTML page.")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", metavar="FILE", help="Write the evidence as JSON.")
    ] = None,
    parameters: ParametersOption = None,
    today: TodayOption = None,
    card: CardOption = None,
    reference: ReferenceOption = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option("--earlier", metavar="PATH", help="Data sets committed before, in order."),
    ] = None,
    show: Annotated[
        bool,
        typer.Option(
            "--show-passages", help="Show the worst passages themselves, not their hashes."
        ),
    ] = False,
    work: Annotated[
        Path | None,
        typer.Option(
            "--work", metavar="FOLDER", help="Folder that keeps an interrupted run, to go on from."
        ),
    ] = None,
    text_field: Annotated[
        str | None, typer.Option("--text-field", help="Field or column that is the text.")
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Processes that read the documents.")
    ] = 1,
    cluster: ClusterOption = None,
    threads: ThreadsOption = 1,
    json_: JsonOption = False,
) -> None:
    """Score a data set: q, its four metrics, volume, and what lowered them."""
    from oracles.dataset import Finding, read_documents
    from oracles.engine import open_map
    from oracles.passages import Passages
    from oracles.quality import score
    from oracles.quality.cleanliness import without_form
    from oracles.quality.embed import Embedder
    from oracles.quality.metadata import read_card

    settings = _parameters(parameters, today, examples="show" if show else "hash")
    corpus = _reference(reference)
    findings: list[Finding] = []
    index = Passages()
    for previous in earlier or []:
        for document in read_documents(previous, findings=[], text_field=text_field):
            index.keep(without_form(document.text))
    with _progress(path.name) as tell, open_map(processes, cluster=cluster) as mapper:
        result = score(
            read_documents(path, findings=findings, text_field=text_field),
            settings,
            reference=corpus,
            embedder=Embedder(threads),
            earlier=index if earlier else None,
            card=read_card(card) if card else None,
            mapper=mapper,
            workspace=work,
            progress=tell,
        )
    reading = [
        {"kind": f.kind, "where": f.where, "detail": f.detail, "count": f.count} for f in findings
    ]
    if evidence is not None:
        import rfc8785

        write_output(evidence, rfc8785.dumps(dict(result.evidence)), private=True)
    if report is not None:
        from oracles.quality.report import render

        write_output(report, render(path.name, result, reading), private=True)
    if json_:
        print_json(result.to_json() | {"reading": reading})
        return
    _print(path.name, result, reading)


def _print(name: str, result: QualityReport, reading: list[dict[str, Any]]) -> None:
    from oracles.quality.report import TYPICAL, costs

    weights = result.evidence["parameters"]["weights"]
    low, high = (value / 100 for value in TYPICAL["q"])
    stdout.print(
        f"[bold]Quality {result.q / 1e4:.2f} of 1[/] (well-kept sets: {low:.2f} to {high:.2f})"
    )
    table = Table("", "score", "usual", "weight", title=escape(name), title_justify="left")
    for metric, weight in zip(
        ("cleanliness", "diversity", "novelty", "metadata"), weights, strict=True
    ):
        low, high = (value / 100 for value in TYPICAL[metric])
        usual = f"{low:.2f} to {high:.2f}"
        table.add_row(metric, f"{getattr(result, metric) / 1e4:.4f}", usual, f"{weight / 1e4:.2f}")
    stdout.print(table)
    stdout.print(
        f"{result.documents} documents, {result.volume} usable tokens, "
        f"{result.unique / 100:.2f} % not submitted before, "
        f"{'under-served' if result.under_served else 'not under-served'}"
    )
    for loss in costs(result):
        stdout.print(f"- {loss['name']}: costs {loss['cost'] / 1e4:.3f}. {loss['mend']}")
    for finding in result.findings:
        stdout.print(f"- {finding}", highlight=False)
    for entry in reading:
        place = f"{entry['where']}: {entry['detail']} ({entry['count']}×)"
        stdout.print(f"- {escape(place)}", highlight=False)


@app.command("release")
def release_command(
    path: SourceArgument,
    ledger: Annotated[
        Path, typer.Option("--ledger", metavar="FILE", help="Where every ε spent is written down.")
    ],
    limit: Annotated[float, typer.Option("--limit", help="ε that a data set may spend in all.")],
    scale: Annotated[float, typer.Option("--scale", help="Multiple of the default ε.")] = 1.0,
    parameters: ParametersOption = None,
    today: TodayOption = None,
    reference: ReferenceOption = None,
    threads: ThreadsOption = 1,
    json_: JsonOption = False,
) -> None:
    """Publish the metrics and the volume with differential privacy."""
    from oracles.dataset import read_documents
    from oracles.quality.embed import Embedder
    from oracles.quality.privacy import QUANTITIES, Budget, Ledger, content_digest, release, values

    budget = Budget(**{name: scale * getattr(Budget(), name) for name in QUANTITIES})
    corpus, settings = _reference(reference), _parameters(parameters, today)
    subject = content_digest(read_documents(path, findings=[]))
    Ledger(ledger, limit).charge(subject, budget)
    documents = read_documents(path, findings=[])
    items = list(values(documents, settings, corpus, Embedder(threads)))
    noisy = release(items, budget, len(corpus.centroids))
    if json_:
        print_json(noisy)
        return
    table = Table("", "released", "ε")
    for name in QUANTITIES:
        value = noisy["documents" if name == "count" else name]
        shown = str(value) if name in ("count", "volume") else f"{value / 1e4:.4f}"
        table.add_row(name, shown, f"{noisy['epsilon'][name]:g}")
    stdout.print(table)
    stdout.print(f"ε in all: {noisy['epsilon_total']:g}")


@app.command("check")
def check_command(threads: ThreadsOption = 1, json_: JsonOption = False) -> None:
    """Recompute the golden scores; exit code 1 if this machine gives any other number."""
    from oracles.quality.golden import check

    expected, found = check(threads)
    differing = sorted(k for k in expected if expected[k] != found.get(k))
    if json_:
        print_json({"expected": expected, "found": found, "differing": differing})
    else:
        table = Table("", "expected", "found")
        for key in expected:
            mark = "[red]" if key in differing else ""
            table.add_row(key, escape(str(expected[key])), mark + escape(str(found.get(key))))
        stdout.print(table)
    if differing:
        raise typer.Exit(1)


@app.command("damage")
def damage_command(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="Data set; by default held-out reference texts."),
    ] = None,
    documents: Annotated[int, typer.Option("--documents", min=10, help="Documents used.")] = 120,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the planted damage.")] = 1,
    threads: ThreadsOption = 1,
    json_: JsonOption = False,
) -> None:
    """Plant damage in real text and show which metrics move."""
    from oracles.quality.damage import table as damage_table
    from oracles.quality.embed import Embedder

    texts, copied = _texts(path, documents)
    with _progress("damage") as tell:
        rows = damage_table(texts, Embedder(threads), seed, tell, copied)
    if json_:
        print_json(rows)
        return
    table = Table("damage", "level", "cleanliness", "diversity", "novelty", "metadata", "q")
    for row in rows:
        values = (row[m] for m in ("cleanliness", "diversity", "novelty", "metadata", "q"))
        table.add_row(row["damage"], row["level"], *(f"{v / 1e4:.4f}" for v in values))
    stdout.print(table)


def _texts(path: Path | None, count: int) -> tuple[list[str], list[str]]:
    """Texts of a data set; or passages outside of the reference, and some inside."""
    if path is not None:
        from itertools import islice

        from oracles.dataset import read_documents

        found = [d.text for d in islice(read_documents(path, findings=[]), count)]
        if not found:
            raise InputError(f"{path} has no documents")
        return found, []
    from oracles.quality.sources import SOURCES, passages

    english = [s for s in SOURCES if s.name != "translations"]
    share, folder = max(1, count // len(english)), _source_folder()
    fresh = [p for s in english for p in passages(s, folder, held_out=True)[:share]]
    return fresh, [p for s in english for p in passages(s, folder)[:share]]


def _source_folder() -> Path:
    from oracles.quality.embed import cache_directory

    return cache_directory() / "sources"


@reference_app.command("info")
def reference_info(reference: ReferenceOption = None, json_: JsonOption = False) -> None:
    """What the reference is made of."""
    summary = _reference(reference).summary()
    if json_:
        print_json(summary)
        return
    table = Table("", "", show_header=False)
    for key, value in summary.items():
        if isinstance(value, dict):
            value = "\n".join(f"{name}: {entry}" for name, entry in value.items())
        table.add_row(key.replace("_", " "), escape(str(value)))
    stdout.print(table)


@reference_app.command("build")
def reference_build(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")],
    scale: Annotated[
        float,
        typer.Option("--scale", min=0.001, help="How many passages, as a multiple of the default."),
    ] = 1.0,
    sentences: Annotated[
        int, typer.Option("--sentences", min=1, help="Sentences of each passage.")
    ] = 4,
    lists: Annotated[
        int,
        typer.Option(
            "--index",
            metavar="LISTS",
            help="Clusters of the search index for a large reference;"
            " 2048 for millions of passages.",
        ),
    ] = 0,
    threads: ThreadsOption = 1,
    json_: JsonOption = False,
) -> None:
    """Fetch the sources, embed them, and write a reference file; goes on where it was stopped."""
    from oracles.files import write_file
    from oracles.quality import references
    from oracles.quality.embed import Embedder, cache_directory
    from oracles.quality.sources import SOURCES, passages, provenance

    folder = _source_folder()
    documents: list[str] = []
    english: list[str] = []
    origins: dict[str, Any] = {}
    with _progress("reference") as tell:
        for number, source in enumerate(SOURCES, 1):
            found = passages(source, folder)
            taken = found[: max(1, round(source.passages * scale))]
            documents += taken
            if source.name != "translations":
                english += found
            origins[source.name] = provenance(source, folder, len(taken))
            tell("read", number, len(SOURCES))
        data = references.build(
            documents,
            english,
            Embedder(threads),
            cache_directory() / "shards",
            origins,
            sentences,
            lambda done, total: tell("embed", done, total),
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    write_file(output, data)
    if lists:
        from oracles.quality.index import build as build_index

        build_index(references.decode(data).vectors, output.with_suffix(".faiss"), lists)
    summary = references.load(output).summary()
    if json_:
        print_json(summary)
    else:
        stdout.print(f"{output}: {summary['sentences']} sentences, digest {summary['digest']}")
