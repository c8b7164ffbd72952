"""`qmia study`: measure on your own texts what this auction buys, against other rules."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.output import ClusterOption, JsonOption, bars, print_json, show_rows, stdout
from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.study import Plan

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

FolderOption = Annotated[
    Path, typer.Option("--folder", help="Folder that keeps all results; run again to go on.")
]


@app.command()
def plan(
    profile: Annotated[str, typer.Argument(help="quick, standard or full.")] = "standard",
) -> None:
    """Print a profile's plan as JSON: hypotheses, sizes, rules, seeds, and their hash."""
    found = _profile(profile)
    print_json({**found.to_json(), "hash": found.digest()})


@app.command()
def run(
    providers: Annotated[
        list[Path], typer.Argument(help="One file or directory per provider; four or more.")
    ],
    seed_corpus: Annotated[
        Path, typer.Option("--seed-corpus", help="Public documents: a file or directory.")
    ],
    evaluation: Annotated[
        Path, typer.Option("--evaluation", help="Held-out documents: a file or directory.")
    ],
    folder: FolderOption,
    profile: Annotated[str, typer.Option(help="quick, standard or full.")] = "standard",
    seed: Annotated[int, typer.Option(help="Seed of the worlds.")] = 1,
    worlds: Annotated[
        int | None, typer.Option(min=1, help="Instead of the profile's number.")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Instead of the profile's number.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=8, help="Instead of the profile's number.")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Retrainings that run at the same time.")
    ] = 2,
    cluster: ClusterOption = None,
    json_: JsonOption = False,
) -> None:
    """Register a plan, buy under every rule, retrain on what was bought, and compare."""
    from oracles.cli.impact import load_documents, load_submissions
    from oracles.engine import open_map
    from oracles.study import run as run_study
    from oracles.study.world import Texts

    given = {"worlds": worlds, "draws": draws, "steps": steps}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    chosen = replace(_profile(profile), seed=seed, **changed)
    texts = Texts(
        load_documents(seed_corpus), load_documents(evaluation), load_submissions(providers)
    )
    with (
        _disk(folder),
        bars() as progress,
        open_map(processes, cluster=cluster, batch=1) as mapper,
    ):
        result = run_study(texts, chosen, folder, mapper=mapper, progress=progress)
    if json_:
        print_json(result)
        return
    _show(result)


@app.command()
def report(
    folder: FolderOption,
    page: Annotated[Path | None, typer.Option(help="Write the HTML page to this file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the Markdown to this file.")] = None,
    tables: Annotated[
        Path | None,
        typer.Option(help="Write the tables alone as result.json, to make pages from again."),
    ] = None,
    notes: Annotated[
        list[str] | None, typer.Option("--note", help="A remark for the page; repeatable.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show the results of the worlds that are finished, and write their page."""
    from oracles.files import write_file
    from oracles.study import Plan
    from oracles.study import page as pages
    from oracles.study.tables import ROWS, make

    path = folder / "result.json"
    try:
        result = json.loads(path.read_text())
        # Tables are made from the rows, so that a table that was added later needs no retraining.
        if "markets" in result or "tables" not in result:
            result["tables"] = make(result, Plan.from_json(result["plan"]))
        result["notes"] = notes or result.get("notes", [])
        written = {
            place: text(result)
            for place, text in ((page, pages.html), (markdown, pages.markdown))
            if place is not None
        }
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}; finish a world with `qmia study run` first"
        ) from error
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path} is not the result of this version: run `qmia study run` on its folder again"
        ) from error
    if tables is not None:
        kept = {name: value for name, value in result.items() if name not in ROWS}
        written[tables] = json.dumps(kept, ensure_ascii=False, indent=1) + "\n"
    for place, whole in written.items():
        with _disk(place):
            write_file(place, whole)
    if json_:
        print_json(result)
        return
    _show(result)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Say what a disk that refuses means."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}; make room or choose another "
            "place, and run again: what is finished is kept"
        ) from error


def _profile(name: str) -> Plan:
    from oracles.study.plan import PROFILES

    if name not in PROFILES:
        raise InputError(f"no profile is called {name!r}; choose {', '.join(PROFILES)}")
    return PROFILES[name]


def _show(result: dict[str, Any]) -> None:
    from oracles.study import page as pages
    from oracles.study.sections import tables

    stdout.print(f"plan {result['hash']}, purchases {result['purchases']}", soft_wrap=True)
    for line in pages.summary(result):
        stdout.print(line, soft_wrap=True)
    for title, header, rows in tables(result):
        stdout.print(f"\n{title}", soft_wrap=True)
        show_rows(
            [dict(zip(header, row, strict=True)) for row in rows], json=False, empty="nothing"
        )
