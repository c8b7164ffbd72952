"""q = Σ wₖ · metricₖ over cleanliness, diversity, novelty and metadata (paper §7.3, Appendix C).

Two passes. The first reads the documents once, in any order, and keeps a small profile of each on
disk. The second goes through the profiles in the order of their content hashes, drops duplicates,
embeds a drawn sample and adds up integers. The metrics are exact fractions of those integers and
are rounded once, at the end, to a grid of 1e-4; `metrics` recomputes them from the evidence.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from itertools import islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785

from oracles.progress import silent
from oracles.quality import coherence, embed, neighbours, novelty, references, source, texts, web
from oracles.quality.cleanliness import KINDS, Counts, cleanliness
from oracles.quality.diversity import (
    entropy,
    folded,
    simpson,
)
from oracles.quality.metadata import MEANT
from oracles.quality.parameters import CODE_VERSION, GRID, QualityParameters, grid_margin, to_grid
from oracles.quality.profile import Profile, profile
from oracles.quality.spool import Spool
from oracles.quality.tally import Tallier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from oracles.dataset import Document
    from oracles.engine import Mapper
    from oracles.passages import Passages
    from oracles.progress import Progress
    from oracles.quality.references import Reference

METRICS = ("cleanliness", "diversity", "novelty", "metadata")
#: Libraries whose data or rules decide a count.
_LIBRARIES = (
    "chunspell",
    "ftfy",
    "langcodes",
    "license-expression",
    "pycld2",
    "tree-sitter",
    *(f"tree-sitter-{language}" for language in source.LANGUAGES),
    "wordfreq",
)
#: Letters of a token: English has 4.4 per WordPiece, and other languages must not count more.
LETTERS_PER_TOKEN = 5
#: Cleanliness, in 1e-4, below which a finding says so.
_UNCLEAN = 5000
#: Parts of a sample of pages; how q and volume differ between them gives the standard errors.
PARTS = 8
_BATCH = 64
#: A value this close to a rounding point, in grid steps, may round the other way elsewhere.
_CONTESTED = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The score of one data set. All shares are integers in 1e-4.

    Attributes:
        q: Weighted sum of the four metrics.
        cleanliness, diversity, novelty, metadata: The metrics.
        volume: Usable tokens (§7.2): of distinct passages, by the square of their
            documents' cleanliness; five letters each, so no script counts more.
        under_served: Whether the set falls under the published rule for the diversity tranche.
        unique: Share of its distinct letters that are not in earlier submissions.
        accepted_as_unique: Whether that share reaches the auction's floor.
        documents: Documents read.
        findings: Sentences for the provider about anything that lowered the score unexpectedly.
        evidence: JSON-able; `metrics` recomputes the score from it.
        metric_version: Digest of parameters, model, reference, data-bearing libraries and code.
        parts: q and volume of each part of a sample of pages, judged alone.
    """

    q: int
    cleanliness: int
    diversity: int
    novelty: int
    metadata: int
    volume: int
    under_served: bool
    unique: int
    accepted_as_unique: bool
    documents: int
    metric_version: str
    findings: tuple[str, ...] = ()
    parts: tuple[tuple[int, int], ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Scores without evidence."""
        return {
            "q": self.q,
            "cleanliness": self.cleanliness,
            "diversity": self.diversity,
            "novelty": self.novelty,
            "metadata": self.metadata,
            "volume": self.volume,
            "under_served": self.under_served,
            "unique": self.unique,
            "accepted_as_unique": self.accepted_as_unique,
            "documents": self.documents,
            "metric_version": self.metric_version,
            "findings": list(self.findings),
        }


def metric_facts(parameters: QualityParameters, reference: Reference) -> dict[str, Any]:
    """Everything that decides a score, as JSON.

    How evidence shows its examples is left out: it does not touch a number.
    """
    return {
        "code": CODE_VERSION,
        "graphs": list(embed.GRAPHS_SHA256.values()),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "parameters": {k: v for k, v in parameters.to_json().items() if k != "examples"},
        "reference": reference.digest,
        "probe": coherence.PROBE_SHA256,
        "neighbours": neighbours.TABLES_SHA256,
        "tokenizer": embed.TOKENIZER_SHA256,
        "weights": embed.WEIGHTS_SHA256,
    }


def metric_version(parameters: QualityParameters, reference: Reference) -> str:
    """Hex SHA-256 of everything that decides a score: fixed when the auction is created."""
    return hashlib.sha256(rfc8785.dumps(metric_facts(parameters, reference))).hexdigest()


def score(
    documents: Iterable[Document],
    parameters: QualityParameters | None = None,
    *,
    reference: Reference | None = None,
    embedder: embed.Embedder | None = None,
    earlier: Passages | None = None,
    card: Mapping[str, Any] | None = None,
    mapper: Mapper = map,
    workspace: Path | None = None,
    progress: Progress = silent,
) -> QualityReport:
    """Score a data set.

    Args:
        documents: Read once, in any order; the result does not depend on it.
        parameters: The auction's.
        reference: The auction's; by default the one that comes with the package.
        embedder: Shared between calls to save loading the model; by default one with one thread.
        earlier: Passages of providers that committed before. This set's are added, so one object
            goes through all providers in the order of commitment.
        card: Licence, language and source of the whole set (see `metadata.read_card`).
        mapper: How the first pass is spread over processes or machines.
        workspace: Folder that keeps an interrupted run; by default a temporary one.
        progress: Called as documents are read and compared.

    Returns:
        The report. An empty set scores 0 with a finding that says so.

    Example:
        >>> import qmia
        >>> report = qmia.score([qmia.Document("The patient slept well and has no fever.")])
        >>> 0 < report.q <= 10_000
        True
    """
    return _score(
        ((document, 0) for document in documents),
        0,
        parameters or QualityParameters(),
        reference or references.default(),
        embedder,
        earlier,
        card,
        mapper,
        workspace,
        progress,
    )


def score_pages(
    pages: Sequence[Sequence[Document]],
    parameters: QualityParameters | None = None,
    *,
    reference: Reference | None = None,
    embedder: embed.Embedder | None = None,
    earlier: Passages | None = None,
    workspace: Path | None = None,
    progress: Progress = silent,
) -> QualityReport:
    """Score a random sample of the pages of a data set.

    The metrics are ratios, so those of the sample estimate those of the data set; volume is that of
    the sample alone. Metadata are judged over the documents that begin in the sample.

    Args:
        pages: What is in each page, see `oracles.dataset.fragments`.
        parameters: As in `score`.
        reference: As in `score`.
        embedder: As in `score`.
        earlier: As in `score`.
        workspace: As in `score`.
        progress: As in `score`.

    Returns:
        The report, with the scores of up to `PARTS` parts of the sample, judged alone.
    """
    return _score(
        (
            (document, place % PARTS)
            for place, documents in enumerate(pages)
            for document in documents
        ),
        min(PARTS, len(pages)),
        parameters or QualityParameters(),
        reference or references.default(),
        embedder,
        earlier,
        None,
        map,
        workspace,
        progress,
    )


def _score(
    documents: Iterable[tuple[Document, int]],
    parts: int,
    parameters: QualityParameters,
    reference: Reference,
    embedder: embed.Embedder | None,
    earlier: Passages | None,
    card: Mapping[str, Any] | None,
    mapper: Mapper,
    workspace: Path | None,
    progress: Progress,
) -> QualityReport:
    digest = metric_version(parameters, reference)
    with tempfile.TemporaryDirectory(prefix="qmia-quality-") as temporary:
        folder = workspace or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        spool = Spool(folder / "quality.sqlite", digest)
        try:
            function = partial(profile, parameters=parameters, pairs=reference.pairs, card=card)
            _collect(documents, function, mapper, spool, progress)
            tallier = Tallier(spool, parameters, reference, embedder, progress)
            report = _report(tallier.tally(earlier), parameters, digest)
            if parts > 1:
                alone = [
                    _report(tallier.tally(None, part), parameters, digest) for part in range(parts)
                ]
                report = replace(report, parts=tuple((part.q, part.volume) for part in alone))
        finally:
            spool.close()
    return report


def _collect(
    documents: Iterable[tuple[Document, int]],
    function: Callable[[Document], list[Profile]],
    mapper: Mapper,
    spool: Spool,
    progress: Progress,
) -> None:
    """First pass: profile what the spool does not have yet."""
    position = spool.position
    ahead, parts = tee(islice(documents, position, None))
    results = mapper(function, (document for document, _ in ahead))
    while batch := list(islice(zip(results, parts, strict=True), _BATCH)):
        position += len(batch)
        spool.store(
            ((profile, part) for profiles, (_, part) in batch for profile in profiles), position
        )
        progress("read", position, None)


def metrics(evidence: Mapping[str, Any]) -> dict[str, Fraction]:
    """The four metrics, exactly, from the counts in a bundle of evidence.

    This is the whole of the formulas: an auditor may recompute one metric without the others.
    """
    parameters, tally = evidence["parameters"], evidence["tally"]
    kept, dropped, sample = tally["kept"], tally["dropped"], tally["sample"]
    if not kept["documents"]:
        return dict.fromkeys(METRICS, Fraction(0))
    clean = cleanliness(
        Counts(kept["letters"], kept["words"], tally["errors"]), parameters["error_factor"]
    )

    if parameters["diversity"] == "overlap":
        spread = 1 - Fraction(tally["overlap"]["shared"], max(1, tally["overlap"]["runs"]))
    else:
        weights = folded(tally["cluster_weights"], parameters["cluster_floor"])
        clusters = max(2, parameters["clusters"], len(weights))
        if parameters["codebook"] == "fitted":
            clusters = parameters["clusters"]
        spread = (
            simpson(weights) if parameters["diversity"] == "simpson" else entropy(weights, clusters)
        )

    # The sample stands for all kept documents; every letter that recurs is a duplicate.
    of_kept = Fraction(sample["duplication"], novelty.MICRO * max(1, sample["letters"]))
    letters = kept["new"] + dropped["letters"]
    duplication = (kept["new"] * of_kept + dropped["letters"]) / max(1, letters)
    recency = Fraction(sample["recency"], novelty.MICRO * max(1, sample["documents"]))
    recency *= Fraction(kept["new"], max(1, letters))

    # What nobody can read has no topic, nothing new, and nothing that a title describes.
    values = {
        "cleanliness": clean,
        "diversity": clean * spread,
        "novelty": clean * novelty.novelty(recency, duplication, parameters["recency_weight"]),
    }
    if kept["described"]:
        expected = len(parameters["required_fields"]) * kept["described"]
        metadata = clean * Fraction(sum(tally["valid_fields"].values()), expected)
    else:
        # No document begins in the sample. What is not known must not decide anything.
        *weights, _ = parameters["weights"]
        known = sum(w * v for w, v in zip(weights, values.values(), strict=True))
        metadata = known / max(1, sum(weights))
    return {**values, "metadata": metadata}


def combine(values: Mapping[str, int], weights: Iterable[int]) -> int:
    """Q on the grid from the four metrics on the grid, halves up."""
    return to_grid(
        sum(
            (Fraction(values[m] * w, GRID * GRID) for m, w in zip(METRICS, weights, strict=True)),
            Fraction(0),
        )
    )


def _report(tally: dict[str, Any], parameters: QualityParameters, digest: str) -> QualityReport:
    evidence: dict[str, Any] = {
        "format": "qmia-quality-2",
        "metric_version": digest,
        "parameters": parameters.to_json(),
        "tally": tally,
    }
    exact = metrics(evidence)
    grid = {name: to_grid(value) for name, value in exact.items()}
    margins = {name: grid_margin(value) for name, value in exact.items()}
    kept, dropped = tally["kept"], tally["dropped"]
    distinct = kept["new"] + dropped["earlier_letters"]
    unique = to_grid(Fraction(kept["new"], distinct)) if distinct else 0
    volume = kept["usable"] // LETTERS_PER_TOKEN
    under_served = _under_served(tally, parameters)
    evidence["scores"] = {
        "q": combine(grid, parameters.weights),
        **grid,
        "volume": volume,
        "under_served": bool(under_served),
        "under_served_by": under_served,
        "unique": unique,
    }
    # Rounded floats are in all of them: near a rounding point another machine may be one step off.
    evidence["grid_margin_1e-6"] = {m: int(margins[m] * 10**6) for m in METRICS}
    evidence["contested"] = [m for m in METRICS if margins[m] < _CONTESTED]
    return QualityReport(
        q=evidence["scores"]["q"],
        cleanliness=grid["cleanliness"],
        diversity=grid["diversity"],
        novelty=grid["novelty"],
        metadata=grid["metadata"],
        volume=volume,
        under_served=bool(under_served),
        unique=unique,
        accepted_as_unique=distinct > 0 and unique >= parameters.unique_floor,
        documents=tally["read"],
        metric_version=digest,
        findings=tuple(_findings(tally, grid)),
        evidence=evidence,
    )


def _under_served(tally: Mapping[str, Any], parameters: QualityParameters) -> list[str]:
    """The published rule: at least half of a set in languages that are rare on the web.

    Languages are weighed by usable letters as detected, never as claimed. What was recognised as
    no language, and program source, is not under-served.
    """
    floor = parameters.under_served_share
    languages = tally["languages"]
    rare = {
        name: letters
        for name, letters in languages.items()
        if name not in ("zxx", texts.UNKNOWN) and web.share(name) < floor
    }
    if 2 * sum(rare.values()) < sum(languages.values()) or not rare:
        return []
    return [f"{name}: {_of_the_web(name)}" for name in sorted(rare)]


def _of_the_web(language: str) -> str:
    share = web.share(language)
    return f"{share / 100:g} % of the web" if share else f"below {web.LEAST / 100:g} % of the web"


def _findings(tally: Mapping[str, Any], grid: Mapping[str, int]) -> Iterator[str]:
    """Sentences about what a provider would not expect."""
    kept, dropped = tally["kept"], tally["dropped"]
    if tally["read"] == 0:
        yield "The data set has no documents."
    elif not kept["documents"] and not dropped["earlier"]:
        yield "No document has any text."
    elif not kept["documents"]:
        yield "Every document is a near-duplicate of an earlier submission."
    if again := dropped["copies"] + dropped["near"]:
        yield f"Copies or near-copies within the set, which add no volume: {_documents(again)}."
    if kept["documents"] and dropped["earlier"]:
        yield f"Already in an earlier submission: {_documents(dropped['earlier'])}."
    if kept["documents"] and grid["cleanliness"] < _UNCLEAN:
        kind = max(KINDS, key=lambda k: tally["errors"][k])
        yield f"Less than half can be used; most is lost to {kind.replace('_', ' ')}."
    for name, count in tally["personal"].items():
        yield f"Personal data, {name.replace('_', ' ')}: {count}. Remove what nobody may buy."
    if kept["documents"] and not kept["described"]:
        yield "No document begins in the sample, so its metadata are unknown and left out of q."
    for name, count in tally["valid_fields"].items():
        if count < kept["described"]:
            meant = f" ({MEANT[name]})" if name in MEANT else ""
            yield f"Without a valid {name}{meant}: {_documents(kept['described'] - count)}."


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"
