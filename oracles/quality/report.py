"""One self-contained HTML page: why a score is what it is, and how to raise it honestly."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.quality.score import QualityReport

_METRICS = ("cleanliness", "diversity", "novelty", "metadata")
_WORST = 8
_ADVICE = {
    "broken_words": "Spell-check, and re-run text recognition on bad scans.",
    "word_order": "Look for shuffled or machine-made sequences of words.",
    "random_characters": "Remove passages without language: keys, dumps, encoded or garbled data.",
    "ocr": "Re-run text recognition: digits stand for letters, or specks split words.",
    "mojibake": "Decode the files with the right character set; often UTF-8 read as Windows-1252.",
    "nonstandard": "Remove control, private-use and replacement characters.",
    "stop_words": "Remove padding; running text has fewer filler words.",
    "repetition": "Remove passages that are repeated within a document.",
    "boilerplate": "Remove cookie notices, navigation and share links.",
    "markup": "Convert to plain text: tags or entities are left.",
}


def render(name: str, report: QualityReport, reading: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page.

    Args:
        name: Of the data set.
        report: As scored.
        reading: What the reader found wrong in the files: `where`, `detail`, `count`.
    """
    from jinja2 import Environment, StrictUndefined

    source = resources.files("oracles.quality") / "data" / "report.html.j2"
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    tally = report.evidence["tally"]
    counted = sorted(tally["errors"].items(), key=lambda item: (-item[1], item[0]))
    page = environment.from_string(source.read_text(encoding="utf-8")).render(
        name=name,
        report=report,
        reading=reading,
        tally=tally,
        parameters=report.evidence["parameters"],
        metrics={metric: getattr(report, metric) for metric in _METRICS},
        errors=[
            {"kind": kind.replace("_", " "), "count": count, "advice": _ADVICE[kind]}
            for kind, count in counted
        ],
        worst=[entry for entry in tally["worst"] if entry["errors"]][:_WORST],
        languages=sorted(tally["languages"].items(), key=lambda item: (-item[1], item[0])),
    )
    return page.encode("utf-8", "replace").decode("utf-8") + "\n"
