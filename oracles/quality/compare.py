"""What a change of the parameters does to q: the golden documents, and anybody's own, under both.

The golden documents come with the package, so everybody who is asked about a new metric sees the
same figures. One text in ten languages is among them: how far apart its translations are scored is
how unequal the metric treats languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from oracles.errors import InputError
from oracles.progress import silent
from oracles.quality import golden, references
from oracles.quality.embed import Embedder
from oracles.quality.parameters import QualityParameters
from oracles.quality.score import metric_facts, score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.dataset import Document
    from oracles.progress import Progress

#: Numbers of a report that are compared.
NUMBERS: Final = ("q", "cleanliness", "diversity", "novelty", "metadata", "volume")
#: Title of the golden documents that are one text in many languages, before the language.
_TRANSLATED: Final = "UDHR "


@dataclass(frozen=True, slots=True)
class Compared:
    """One data set under two sets of parameters.

    Attributes:
        name: of the set.
        documents: in it.
        old, new: `NUMBERS` by name; shares in 1e-4, volume in tokens.
    """

    name: str
    documents: int
    old: Mapping[str, int]
    new: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "set": self.name,
            "documents": self.documents,
            "old": dict(self.old),
            "new": dict(self.new),
        }


def parameters_of(facts: Any) -> QualityParameters:
    """Parameters in the part `quality` of a metric's document.

    Raises:
        InputError: it is malformed, or of a version of the program whose scores this one does not
            compute.
    """
    ours = metric_facts(QualityParameters(), references.default())
    if not isinstance(facts, dict) or not isinstance(facts.get("parameters"), dict):
        raise InputError("the document says nothing about the parameters of q")
    parameters = QualityParameters.from_json(facts["parameters"])
    other = [
        name
        for name in sorted(ours.keys() | facts.keys())
        if name != "parameters" and ours.get(name) != facts.get(name)
    ]
    if other:
        raise InputError(
            f"q is not computed here as the document says: {', '.join(other)} differ. Install the"
            " version of the program that the document is of"
        )
    return parameters


def golden_sets() -> dict[str, list[Document]]:
    """The golden documents: all together, then those of one work or one language, by name."""
    every = golden.documents()
    sets: dict[str, list[Document]] = {"all golden documents": every}
    for document in every:
        title = str(document.metadata.get("title", "untitled"))
        sets.setdefault(title.split(",")[0], []).append(document)
    return sets


def compare(
    old: QualityParameters,
    new: QualityParameters,
    sets: Mapping[str, Sequence[Document]],
    progress: Progress = silent,
) -> list[Compared]:
    """Score data sets under old and new parameters.

    Args:
        old: the present ones.
        new: the proposed ones.
        sets: by name, each with one document at least.
        progress: called after each set.
    """
    embedder, found = Embedder(), list[Compared]()
    for name, documents in sets.items():
        before, after = (
            {number: getattr(report, number) for number in NUMBERS}
            for report in (score(documents, each, embedder=embedder) for each in (old, new))
        )
        found.append(Compared(name, len(documents), before, after))
        progress("scoring", len(found), len(sets))
    return found


def spread(compared: Sequence[Compared]) -> tuple[int, int]:
    """How far the golden text's translations are apart in q, old and new, in 1e-4."""
    languages = [each for each in compared if each.name.startswith(_TRANSLATED)]
    if not languages:
        return 0, 0
    ranges = ([each.old["q"] for each in languages], [each.new["q"] for each in languages])
    before, after = (max(each) - min(each) for each in ranges)
    return before, after
