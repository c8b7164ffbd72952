"""q = Σ wₖ · metricₖ over cleanliness, diversity, novelty and metadata (paper §7.3, Appendix C).

Two passes. The first reads the documents once, in any order, and keeps a small profile of each on
disk. The second goes through the profiles in the order of their content hashes, drops duplicates,
embeds a drawn sample and adds up integers. The metrics are exact fractions of those integers and
are rounded once, at the end, to a grid of 1e-4; `metrics` recomputes them from the evidence.
"""

from __future__ import annotations

import hashlib
import heapq
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from itertools import islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import rfc8785

from oracles.passages import Passages
from oracles.progress import silent
from oracles.quality import coherence, embed, novelty, source, web
from oracles.quality import reference as references
from oracles.quality import text as texts
from oracles.quality.cleanliness import KINDS, Counts, cleanliness, read
from oracles.quality.diversity import (
    assign,
    entropy,
    fit,
    folded,
    mean_vector,
    overlap,
    simpson,
    weights_of,
)
from oracles.quality.parameters import CODE_VERSION, GRID, QualityParameters, grid_margin, to_grid
from oracles.quality.profile import Profile, profile, short
from oracles.quality.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from oracles.dataset import Document
    from oracles.engine import Mapper
    from oracles.progress import Progress
    from oracles.quality.reference import Reference

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
#: Letters that make a token: English has 4.4 a WordPiece, and other languages must not count more.
LETTERS_PER_TOKEN = 5
#: A document counts for diversity by at most as many letters as the model can read.
_MAX_WEIGHT = 1280
_SUMMED = ("letters", "words", "sentences")
#: Characters of a text that are compared at once.
_UNIT = 1500
#: Letters of a line or sentence from which it counts once where it recurs.
_LINE = 16
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？।۔])")
#: Share of new letters from which a document counts as kept.
_KEPT = Fraction(1, 2)
#: Cleanliness, in 1e-4, below which a finding says so.
_UNCLEAN = 5000
#: Word pieces from which a document's passages are judged alone, and of a group of shorter ones.
_ALONE, _TOGETHER = 48, 250
#: Steps of a bar in the histogram of grades.
_GRADES = 8
_SAMPLED = ("documents", "letters", "duplication", "recency", "repeated_sentences")
#: Languages that the embedding reads; what was detected as none may hide English.
_EMBEDDED = ("en", "zxx", texts.UNKNOWN)
#: Parts of a sample of pages; how q and volume differ between them gives the standard errors.
PARTS = 8
_BATCH = 64
_EMBED_BATCH = 256
_EXAMPLES = 20
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

    def as_json(self) -> dict[str, Any]:
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


def metric_version(parameters: QualityParameters, reference: Reference) -> str:
    """Hex SHA-256 of everything that decides a score: fixed when the auction is created.

    How evidence shows its examples is left out: it does not touch a number.
    """
    facts: dict[str, Any] = {
        "code": CODE_VERSION,
        "graphs": list(embed.GRAPHS_SHA256.values()),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "parameters": {k: v for k, v in parameters.as_json().items() if k != "examples"},
        "reference": reference.digest,
        "probe": coherence.PROBE_SHA256,
        "tokenizer": embed.TOKENIZER_SHA256,
        "weights": embed.WEIGHTS_SHA256,
    }
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


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
            tally = _tally(spool, parameters, reference, embedder, earlier, progress)
            report = _report(tally, parameters, digest)
            if parts > 1:
                alone = [
                    _report(
                        _tally(spool, parameters, reference, embedder, None, progress, part),
                        parameters,
                        digest,
                    )
                    for part in range(parts)
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


def _tally(
    spool: Spool,
    parameters: QualityParameters,
    reference: Reference,
    embedder: embed.Embedder | None,
    earlier: Passages | None,
    progress: Progress,
    part: int | None = None,
) -> dict[str, Any]:
    """Second pass: the integers that the metrics are made of, and what an auditor wants to see."""
    own = Compared(earlier)
    sample_key = bytes.fromhex(parameters.sample_key)
    kept: Counter[str] = Counter(
        dict.fromkeys(("documents", "described", "read", "new", "usable", *_SUMMED), 0)
    )
    dropped: Counter[str] = Counter(
        dict.fromkeys(("copies", "near", "earlier", "letters", "earlier_letters"), 0)
    )
    errors: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    valid: Counter[str] = Counter(dict.fromkeys(parameters.required_fields, 0))
    languages: Counter[str] = Counter()
    told_of: Counter[str] = Counter()
    histogram = [0] * 10
    worst: list[tuple[Fraction, bytes, dict[str, Any]]] = []
    drawn: list[tuple[int, bytes, int]] = []
    groups = _groups(spool, reference, part)
    for seen, (item, copies) in enumerate(spool.documents(part), 1):
        progress("compare", seen, None)
        item = item.lowered(groups[item.key]) if item.key in groups else item
        dropped["copies"] += copies - 1
        share = own.new(item.text)
        new = int(share.of_all * item.letters)
        dropped["letters"] += copies * item.letters - new
        dropped["earlier_letters"] += int((share.of_set - share.of_all) * item.letters)
        kept["read"] += item.letters
        if share.of_all < _KEPT:
            dropped["near" if share.of_set < _KEPT else "earlier"] += 1
        if not new:
            continue
        kept["documents"] += 1
        kept["described"] += item.described
        kept.update({name: getattr(item, name) for name in _SUMMED})
        clean = _own_cleanliness(item, parameters)
        kept["new"] += new
        kept["usable"] += int(new * clean * clean)
        errors.update(item.errors)
        told_of.update(item.personal)
        valid.update(item.valid)
        languages[item.language] += int(new * clean)
        histogram[min(9, int(clean * 10))] += 1
        heapq.heappush(worst, (-clean, item.key, _example(item, clean, parameters)))
        if len(worst) > _EXAMPLES:
            heapq.heappop(worst)
        rank = hashlib.blake2b(item.key, digest_size=8, key=sample_key).digest()
        heapq.heappush(drawn, (-int.from_bytes(rank), item.key, new))
        if len(drawn) > (parameters.embedded_documents or len(drawn)):
            heapq.heappop(drawn)
    new_of = {key: new for _, key, new in drawn}
    sample = [spool.document(key) for key in sorted(new_of)]
    sample = [item.lowered(groups[item.key]) if item.key in groups else item for item in sample]
    makes_sense = _read(sample, new_of, spool, parameters, progress)
    worse = {}
    for key, item in makes_sense.pop("lowered").items():
        clean = _own_cleanliness(item, parameters)
        worse[key] = (-clean, key, _example(item, clean, parameters))
    worst = heapq.nlargest(
        _EXAMPLES, [*(entry for entry in worst if entry[1] not in worse), *worse.values()]
    )
    left = kept["letters"] - sum(errors.values())
    errors["senseless"] = left * makes_sense["lost"] // max(1, makes_sense["letters"])
    kept["usable"] = kept["usable"] * makes_sense["usable_left"] // max(1, makes_sense["usable"])
    return {
        "read": spool.position,
        "kept": dict(kept),
        "dropped": dict(dropped),
        "errors": dict(errors),
        "valid_fields": dict(valid),
        "languages": dict(sorted(languages.items())),
        "personal": dict(sorted(told_of.items())),
        "cleanliness_histogram": histogram,
        "worst": [entry for _, _, entry in worst],
        "coherence": makes_sense,
        "overlap": overlap([item.text for item in sample]),
        **_embedded(sample, spool, parameters, reference, embedder, progress),
    }


class Share(NamedTuple):
    """Share of a text's letters that is new to its own set, and to all sets so far."""

    of_set: Fraction
    of_all: Fraction


class Compared:
    """What of each document was in none before it: by passages, lines and sentences.

    Lines are compared without digits: page headers, log lines and forms recur with other numbers.

    Args:
        earlier: Passages of the sets that were committed before; this set's are added.
    """

    def __init__(self, earlier: Passages | None) -> None:
        self._own = Passages()
        self._earlier = earlier
        self._lines: set[bytes] = set()

    def new(self, text: str) -> Share:
        """Share of a document that is new; remembers the document."""
        pieces = self._unknown_pieces(text)
        of_set = _new_letters(self._own, pieces)
        whole = max(1, self._letters)
        of_all = of_set
        if self._earlier is not None:
            of_all = min(of_set, _new_letters(self._earlier, pieces))
        return Share(*(min(Fraction(1), Fraction(n, whole)) for n in (of_set, of_all)))

    def _unknown_pieces(self, text: str) -> list[str]:
        self._letters = sum(map(str.isalpha, text))
        fresh = []
        for line in (piece for row in text.split("\n") for piece in _SENTENCE.split(row)):
            letters = "".join(filter(str.isalpha, line)).casefold()
            if len(letters) >= _LINE:
                name = texts.digest(letters)[:8]
                if name in self._lines:
                    continue
                self._lines.add(name)
            fresh.append(line)
        return fresh


def _new_letters(passages: Passages, pieces: Sequence[str]) -> int:
    """New letters of a text, compared in units of one length: gluing documents changes little."""
    new, unit = 0, list[str]()
    for number, piece in enumerate(pieces, 1):
        unit.append(piece)
        if number == len(pieces) or sum(map(len, unit)) >= _UNIT:
            new += sum(map(str.isalpha, passages.keep(" ".join(unit))))
            unit = []
    return new


def _groups(spool: Spool, reference: Reference, part: int | None) -> dict[bytes, Counts]:
    """Losses of documents too short to judge alone, read together by language."""
    found: dict[bytes, Counts] = {}
    groups: dict[str, list[Profile]] = {}

    def judge(members: list[Profile]) -> None:
        counts = read(" ".join(item.body for item in members), reference.pairs).counts
        found.update((item.key, counts) for item in members if counts.letters)

    for item, _ in spool.documents(part):
        if item.body:
            members = groups.setdefault(item.language, [])
            members.append(item)
            if sum(other.words for other in members) >= 2 * short(item.language):
                judge(groups.pop(item.language))
    for members in groups.values():
        judge(members)
    return found


def _read(
    sample: list[Profile],
    new: Mapping[bytes, int],
    spool: Spool,
    parameters: QualityParameters,
    progress: Progress,
) -> dict[str, Any]:
    """Which share of the drawn documents makes no sense: per document, and in sums.

    Documents with a few words each tell little alone; they are judged together. What evidence says
    of a document is the share in no order or without sense, which no model is trained on.
    """
    missing = spool.ungraded(w for item in sample for passage in item.passages for w in passage)
    for start in range(0, len(missing), _BATCH):
        chunk = missing[start : start + _BATCH]
        spool.store_grades(chunk, coherence.reader()(chunk))
        progress("read passages", start + len(chunk), len(missing))
    documents: dict[bytes, Fraction] = {}
    histogram = [0] * 10
    together: list[tuple[bytes, list[coherence.Grade]]] = []

    def judge() -> None:
        share = coherence.senseless([grade for _, grades in together for grade in grades])
        documents.update((key, share) for key, _ in together)
        together.clear()

    for item in sample:
        passages = [spool.grades(passage) for passage in item.passages]
        for grade in (grade for grades in passages for grade in grades):
            histogram[max(0, min(9, 5 + grade.steps // _GRADES))] += 1
        sizes = [sum(grade.pieces for grade in grades) for grades in passages]
        if sum(sizes) >= _ALONE:
            shares = zip(sizes, map(coherence.senseless, passages), strict=True)
            documents[item.key] = sum((n * share for n, share in shares), Fraction(0)) / sum(sizes)
        elif sizes:
            together.append((item.key, passages[0]))
            if sum(grade.pieces for _, grades in together for grade in grades) >= _TOGETHER:
                judge()
    judge()
    told: dict[str, int] = {}
    sums: Counter[str] = Counter(dict.fromkeys(("letters", "lost", "usable", "usable_left"), 0))
    read: dict[bytes, Profile] = {}
    for item in sample:
        result = item.without_sense(documents.get(item.key, Fraction(0)))
        lost = result.errors["senseless"]
        sums["letters"] += item.letters - item.counts.total
        sums["lost"] += lost
        for name, one in (("usable", item), ("usable_left", result)):
            sums[name] += int(new[item.key] * _own_cleanliness(one, parameters) ** 2)
        if without := item.errors["word_order"] + lost:
            told[_name(item.key)] = to_grid(Fraction(without, item.letters))
        if lost:
            read[item.key] = result
    return {"lowered": read, "documents": told, "windows": histogram, **sums}


def _embedded(
    sample: list[Profile],
    spool: Spool,
    parameters: QualityParameters,
    reference: Reference,
    embedder: embed.Embedder | None,
    progress: Progress,
) -> dict[str, Any]:
    """What the drawn documents contribute: topic clusters, duplication and recency."""
    missing = spool.missing(sentence for item in sample for sentence in item.sample)
    if missing:
        embedder = embedder or embed.Embedder()
    for start in range(0, len(missing), _EMBED_BATCH):
        chunk = missing[start : start + _EMBED_BATCH]
        assert embedder is not None  # noqa: S101 - there is something to embed
        spool.store_vectors(chunk, embedder(chunk))
        progress("embed", start + len(chunk), len(missing))

    means = np.zeros((len(sample), embed.WIDTH), np.int16)
    seen = novelty.Seen(sum(len(item.sample) for item in sample))
    sums: Counter[str] = Counter(dict.fromkeys(_SAMPLED, 0))
    cosine_histogram, recency_histogram = [0] * 20, [0] * 10
    closest: list[tuple[int, str]] = []
    for start in range(0, len(sample), _BATCH):
        batch = sample[start : start + _BATCH]
        sentences = [sentence for item in batch for sentence in item.sample]
        vectors = spool.vectors(sentences)
        cosines = reference.nearest(vectors)
        duplication = (
            cosines
            if parameters.novelty == "cosine"
            else novelty.calibrate(cosines, reference.unrelated, reference.copied)
        )
        offset = 0
        for row, item in enumerate(batch, start):
            rows = range(offset, offset + len(item.sample))
            offset = rows.stop
            means[row] = mean_vector(vectors[rows.start : rows.stop])
            repeated = seen.repeated(vectors[rows.start : rows.stop])
            known = sum(
                novelty.MICRO if again else int(duplication[i])
                for i, again in zip(rows, repeated, strict=True)
            ) // len(rows)
            if item.language not in _EMBEDDED:
                known = 0
            sums["documents"] += 1
            sums["letters"] += item.letters
            sums["duplication"] += item.letters * known
            # Text that is not new is not made recent by a date.
            sums["recency"] += item.recency * (novelty.MICRO - known) // novelty.MICRO
            sums["repeated_sentences"] += sum(repeated)
            recency_histogram[min(9, item.recency * 10 // novelty.MICRO)] += 1
            for i in rows:
                cosine_histogram[min(19, int(cosines[i]) * 20 // novelty.MICRO)] += 1
                heapq.heappush(closest, (int(cosines[i]), sentences[i]))
                if len(closest) > _EXAMPLES:
                    heapq.heappop(closest)
        progress("compare with reference", start + len(batch), len(sample))

    centroids = reference.centroids
    if parameters.codebook == "fitted":
        centroids = fit(means, parameters.clusters) if len(sample) else centroids[:0]
    weights = [min(_MAX_WEIGHT, item.letters) for item in sample]
    return {
        "sample": dict(sums),
        "cluster_weights": weights_of(assign(means, centroids), weights, len(centroids)),
        "cosine_histogram": cosine_histogram,
        "recency_histogram": recency_histogram,
        "closest": [
            {"cosine": cosine, "sentence": _shown(sentence, parameters)}
            for cosine, sentence in sorted(closest, reverse=True)
        ],
    }


def _own_cleanliness(item: Profile, parameters: QualityParameters) -> Fraction:
    return cleanliness(item.counts, parameters.error_factor)


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
        "parameters": parameters.as_json(),
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
            yield f"Without a valid {name}: {_documents(kept['described'] - count)}."


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"


def _example(item: Profile, clean: Fraction, parameters: QualityParameters) -> dict[str, Any]:
    return {
        "document": _name(item.key),
        "text": _shown(item.excerpt, parameters),
        "cleanliness": to_grid(clean),
        "errors": {kind: n for kind, n in item.errors.items() if n},
    }


def _name(key: bytes) -> str:
    """Documents are named by the hash of their text."""
    return key[:32].hex()


def _shown(sentence: str, parameters: QualityParameters) -> str:
    """A passage, or its hash where the auction keeps texts out of evidence."""
    if parameters.examples == "show":
        return sentence.encode("utf-8", "replace").decode("utf-8")
    return texts.digest(sentence).hex()
