"""One self-contained HTML page: why a score is what it is, and how to raise it honestly."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from oracles.quality.parameters import GRID
from oracles.quality.score import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.quality.score import QualityReport

_WORST = 8
#: What well-kept sets of real text reach, lowest and highest: q, then the metrics.
TYPICAL: Final = {
    "q": (80, 98),
    "cleanliness": (95, 100),
    "diversity": (95, 100),
    "novelty": (55, 95),
    "metadata": (40, 100),
}
_MEANING: Final = {
    "cleanliness": "How much of the text can be read: 1 is all of it.",
    "diversity": "How little the pages repeat each other's wording: 1 is not at all.",
    "novelty": "How unlike text that is public already, or that the set itself repeats.",
    "metadata": "How many documents say their title, date, licence, language and source.",
}
#: Kind of loss: its name, what it is, and how to mend it.
_LOSSES: Final = {
    "marks": (
        "Damaged characters and left-over markup",
        "Tags, codes, invisible or wrongly decoded characters, digits and specks inside words.",
        "Export as plain text in UTF-8. “Ã©” for “é” means that UTF-8 was read as Windows-1252.",
    ),
    "random_characters": (
        "Characters without language",
        "Keys, encoded attachments, dumps.",
        "Remove these passages before packing.",
    ),
    "unread": (
        "No language recognised",
        "Neither the language detector nor a parser of program source could read it.",
        "Remove what is no text; restore vowels, letters and spaces that were lost.",
    ),
    "unknown_words": (
        "Words that the language does not have",
        "Misread or misspelt words. Names and terms that recur count little.",
        "Repeat text recognition on bad scans at 300 dpi or more; run a spelling check.",
    ),
    "word_order": (
        "Words in no order",
        "Lists of words, or text whose sentences were taken apart.",
        "Export whole sentences; leave out word lists and indexes.",
    ),
    "senseless": (
        "Words that make no sense together",
        "Generated filler, sentences pasted together from pieces, words exchanged for others.",
        "Leave out generated text; check that columns and pages were read in their order.",
    ),
}


def costs(report: QualityReport) -> list[dict[str, Any]]:
    """What each kind of loss costs in q, in 1e-4, the dearest first.

    Cleanliness multiplies the other metrics, so q would be q · (clean + share) / clean without it.
    """
    kept = report.evidence["tally"]["kept"]
    rows = []
    for kind, lost in report.evidence["tally"]["errors"].items():
        share = lost / max(1, kept["letters"])
        cost = round(report.q * share / max(1, report.cleanliness) * GRID)
        name, meaning, mend = _LOSSES[kind]
        if lost:
            rows.append(
                {"name": name, "share": share, "cost": cost, "meaning": meaning, "mend": mend}
            )
    return sorted(rows, key=lambda row: -row["share"])


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
    tally, parameters = report.evidence["tally"], report.evidence["parameters"]
    weights = zip(METRICS, parameters["weights"], strict=True)
    page = environment.from_string(source.read_text(encoding="utf-8")).render(
        name=name,
        report=report,
        reading=reading,
        tally=tally,
        parameters=parameters,
        metrics=[
            {
                "name": metric,
                "value": getattr(report, metric),
                "weight": weight,
                "typical": TYPICAL[metric],
                "meaning": _MEANING[metric],
            }
            for metric, weight in weights
        ],
        typical=TYPICAL["q"],
        costs=costs(report),
        shown=parameters["examples"] == "show",
        worst=[entry for entry in tally["worst"] if entry["errors"]][:_WORST],
        under_served=report.evidence["scores"]["under_served_by"],
    )
    return page.encode("utf-8", "replace").decode("utf-8") + "\n"
