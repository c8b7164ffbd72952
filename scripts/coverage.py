"""Statement and branch coverage of the contracts by their tests.

    python -m scripts.coverage [--json] [--least 98] [TEST ...]

A statement counts when it is begun; a branch is one outcome of one condition: of `if`, a loop,
`?:`, each side of `&&` and `||`, and Yul's `if` and `switch`. Every test of `tests/contracts` and
`tests/attacks` that runs in process is counted, but for the state machine. Exit code 1 below the
least share, or if a test fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from rich.console import Console
from rich.table import Table

from scripts.instrument import (
    BASE,
    Instrumented,
    Node,
    Source,
    Wrap,
    in_process,
    marker,
    reached,
    sources,
    span,
    statement_span,
    walk,
)
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TESTS: Final = ("tests/contracts", "tests/attacks")
_STATEMENTS: Final = {
    "ExpressionStatement",
    "EmitStatement",
    "RevertStatement",
    "Return",
    "VariableDeclarationStatement",
    "IfStatement",
    "ForStatement",
    "WhileStatement",
    "Break",
    "Continue",
    "YulAssignment",
    "YulExpressionStatement",
    "YulVariableDeclaration",
    "YulIf",
    "YulSwitch",
    "YulForLoop",
}


class Place(NamedTuple):
    """What a marker stands for."""

    file: str
    line: int
    kind: str


def mark(source: Source, places: list[Place]) -> None:
    """Put a marker at every statement and branch of a file."""

    def place(node: Node, kind: str) -> int:
        places.append(Place(source.name, source.line(span(node)[0]), kind))
        return len(places) - 1

    def halt(number: int, yul: bool = False) -> str:
        if yul:
            return f"if balance({BASE + number:#x}) {{ revert(0, 0) }} "
        return f"if ({marker(number)}) revert(); "

    def inside(block: Node, kind: str) -> None:
        start, end = span(block)
        source.wraps.append(Wrap(start + 1, end, halt(place(block, kind), yul=True), ""))

    for node, path in walk(source.tree):
        kind = node["nodeType"]
        parent, key = path[-1] if path else ({}, "")
        if kind in {"IfStatement", "Conditional", "WhileStatement", "ForStatement"}:
            decisions = [node["condition"]]
        elif kind == "BinaryOperation" and node["operator"] in {"&&", "||"}:
            decisions = [node["leftExpression"], node["rightExpression"]]
        else:
            decisions = []
        for each in decisions:
            # Each outcome evaluates a comparison of its own, and stays what it was.
            yes, no = place(each, "branch: true"), place(each, "branch: false")
            after = f") && !({marker(yes)})) || {marker(no)})"
            source.wraps.append(Wrap(*span(each), "(((", after))
        before = after = ""
        if kind == "YulIf":
            inside(node["body"], "branch: true")
            start, end = span(node["condition"])
            otherwise = halt(place(node, "branch: false"), yul=True)
            text = source.text[start:end].decode()
            before = f"for {{ }} iszero({text}) {{ }} {{ {otherwise} break }} "
        elif kind == "YulCase":
            inside(node["body"], "branch: case")
        if kind in _STATEMENTS and key not in {"initializationExpression", "loopExpression"}:
            if kind == "VariableDeclarationStatement" and not node.get("initialValue"):
                continue
            yul = kind.startswith("Yul")
            start, end = span(node) if yul else statement_span(source, node)
            before = halt(place(node, "statement"), yul) + before
            if parent.get("nodeType") in {"IfStatement", "ForStatement", "WhileStatement"}:
                before, after = "{ " + before, " }"
            source.wraps.append(Wrap(start, end, before, after))


class Reached:
    """A pytest plugin: runs the tests that can be looked into, and collects what they reach."""

    def __init__(self) -> None:
        self.found: set[int] = set()
        self.failed: list[str] = []
        Revm.made = []

    def pytest_runtest_teardown(self) -> None:
        """Read the chains; the first two are shared by many tests, the others not needed again."""
        assert Revm.made is not None  # noqa: S101 - set above
        self.found |= reached(Revm.made)
        del Revm.made[2:]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what needs a node, and the state machine."""
        items[:] = [item for item in in_process(items) if "test_machine" not in item.nodeid]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell the progress; keep the failures."""
        if report.failed:
            self.failed.append(report.nodeid)
            sys.stderr.write(f"{report.nodeid}: {report.longreprtext[-2000:]}\n")


def measure(tests: Sequence[str]) -> tuple[list[Place], set[int], list[str]]:
    """Run tests on marked contracts; return the places, the numbers reached, and failed tests."""
    places: list[Place] = []
    files = sources()
    for source in files.values():
        mark(source, places)
    Instrumented({name: source.wrapped() for name, source in files.items()}, optimize=False)
    plugin = Reached()
    # Standard output is for the table.
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(["-p", "no:cacheprovider", *tests], [plugin])
    return places, plugin.found, plugin.failed


def summary(places: Sequence[Place], found: set[int]) -> Iterator[dict[str, Any]]:
    """By file: statements and branches, how many, how many reached, and the others' lines."""
    by_file: defaultdict[str, list[tuple[Place, bool]]] = defaultdict(list)
    for number, place in enumerate(places):
        by_file[place.file].append((place, number in found))
    for file, hits in by_file.items():
        statements = [hit for place, hit in hits if place.kind == "statement"]
        branches = [hit for place, hit in hits if place.kind != "statement"]
        yield {
            "file": file,
            "statements": [sum(statements), len(statements)],
            "branches": [sum(branches), len(branches)],
            "missed": [[place.line, place.kind] for place, hit in hits if not hit],
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--least", type=float, default=98, help="per cent (98)")
    args = parser.parse_args()
    places, found, failed = measure(args.tests)
    files = list(summary(places, found))
    total: dict[str, Any] = {
        kind: [sum(each[kind][i] for each in files) for i in (0, 1)]
        for kind in ("statements", "branches")
    }
    if args.json:
        print(json.dumps({"files": files, "total": total, "failed": failed}))
    else:
        _print([*files, {"file": "all", "missed": [], **total}])
    low = any(100 * hit < args.least * count for hit, count in total.values())
    sys.exit(1 if low or failed else 0)


def _print(files: Sequence[dict[str, Any]]) -> None:
    def share(hit: int, count: int) -> str:
        return f"{hit} of {count}  {hit / count:.1%}" if count else "–"

    table = Table("file", "statements", "branches", title="Coverage of the contracts")
    for each in files:
        table.add_row(each["file"], share(*each["statements"]), share(*each["branches"]))
    console = Console(width=100)
    console.print(table)
    for each in files:
        for line, kind in each["missed"]:
            console.print(f"{each['file']}:{line}: {kind} not reached", highlight=False)


if __name__ == "__main__":
    main()
