"""q = Σ wₖ · metricₖ over cleanliness, diversity, novelty and metadata (paper §7.3, Appendix C).

Two passes. The first reads the documents once, in any order, and keeps a small profile of each on
disk. The second goes through the profiles in the order of their content hashes, drops duplicates,
embeds a drawn sample and adds up integers. The metrics are exact fractions of those integers and
are rounded once, at the end, to a grid of 1e-4; `metrics` recomputes them from the evidence.
"""

from __future__ import annotations

import hashlib
import heapq
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rfc8785

from oracles.progress import silent
from oracles.quality import chance, embed, novelty
from oracles.quality import reference as references
from oracles.quality import text as texts
from oracles.quality.cleanliness import KINDS, Counts, cleanliness
from oracles.quality.diversity import (
    assign,
    entropy,
    fit,
    fold,
    mean_vector,
    simpson,
    weights_of,
)
from oracles.quality.duplicates import DuplicateIndex
from oracles.quality.parameters import CODE_VERSION, GRID, QualityParameters, grid_margin, to_grid
from oracles.quality.profile import Profile, profile
from oracles.quality.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from oracles.dataset import Document
    from oracles.engine import Mapper
    from oracles.progress import Progress
    from oracles.quality.reference import Reference

METRICS = ("cleanliness", "diversity", "novelty", "metadata")
#: Libraries whose data or rules decide a count.
_LIBRARIES = ("chunspell", "ftfy", "langcodes", "license-expression", "pycld2", "rensa", "wordfreq")
#: A document counts for diversity by at most as many tokens as the model can read.
_MAX_WEIGHT = 256
_SUMMED = ("characters", "words", "sentences", "tokens", "usable")
_SAMPLED = ("documents", "sentences", "duplication", "recency", "repeated_sentences")
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
        volume: Usable tokens (§7.2): of distinct documents, in proportion to their cleanliness.
        under_served: Whether the set falls under the published rule for the diversity tranche.
        unique: Share of its distinct documents that are not near-duplicates of earlier submissions.
        accepted_as_unique: Whether that share reaches the auction's floor.
        documents: Documents read.
        findings: Sentences for the provider about anything that lowered the score unexpectedly.
        evidence: JSON-able; `metrics` recomputes the score from it.
        metric_version: Digest of parameters, model, reference, data-bearing libraries and code.
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
        "graph": embed.GRAPH_SHA256,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "parameters": {k: v for k, v in parameters.as_json().items() if k != "examples"},
        "reference": reference.digest,
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
    earlier: DuplicateIndex | None = None,
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
        earlier: Documents of providers that committed before. This set's documents are added, so
            one index goes through all providers in the order of commitment.
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
    parameters = parameters or QualityParameters()
    reference = reference or references.default()
    digest = metric_version(parameters, reference)
    with tempfile.TemporaryDirectory(prefix="qmia-quality-") as temporary:
        folder = workspace or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        spool = Spool(folder / "quality.sqlite", digest)
        try:
            function = partial(
                profile, parameters=parameters, unlikely_pairs=reference.unlikely_pairs, card=card
            )
            _collect(documents, function, mapper, spool, progress)
            tally = _tally(spool, parameters, reference, embedder, earlier, progress)
        finally:
            spool.close()
    return _report(tally, parameters, reference, digest)


def _collect(
    documents: Iterable[Document],
    function: Callable[[Document], list[Profile]],
    mapper: Mapper,
    spool: Spool,
    progress: Progress,
) -> None:
    """First pass: profile what the spool does not have yet."""
    position = spool.position
    results = mapper(function, islice(documents, position, None))
    while batch := list(islice(results, _BATCH)):
        position += len(batch)
        spool.store((part for parts in batch for part in parts), position)
        progress("read", position, None)


def _tally(
    spool: Spool,
    parameters: QualityParameters,
    reference: Reference,
    embedder: embed.Embedder | None,
    earlier: DuplicateIndex | None,
    progress: Progress,
) -> dict[str, Any]:
    """Second pass: the integers that the metrics are made of, and what an auditor wants to see."""
    own = DuplicateIndex(parameters.duplicate_threshold)
    sample_key = bytes.fromhex(parameters.sample_key)
    kept: Counter[str] = Counter(dict.fromkeys(("documents", *_SUMMED), 0))
    dropped: Counter[str] = Counter(dict.fromkeys(("copies", "near", "earlier", "sentences"), 0))
    errors: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    valid: Counter[str] = Counter(dict.fromkeys(parameters.required_fields, 0))
    languages: Counter[str] = Counter()
    histogram = [0] * 10
    pairs: list[list[str]] = []
    worst: list[tuple[Fraction, bytes, dict[str, Any]]] = []
    drawn: list[tuple[int, bytes]] = []
    random = _random_characters(spool)
    for seen, (item, copies) in enumerate(spool.documents(), 1):
        progress("compare", seen, None)
        if item.key in random:
            item = item.as_random()
        dropped["copies"] += copies - 1
        dropped["sentences"] += (copies - 1) * item.sentences
        before = None if earlier is None else earlier.find(item.signature)
        twin = before or own.find(item.signature)
        if twin is not None:
            dropped["near" if before is None else "earlier"] += 1
            dropped["sentences"] += item.sentences
            if len(pairs) < _EXAMPLES:
                pairs.append([_name(item.key), _name(twin)])
            continue
        own.add(item.signature, item.key)
        kept["documents"] += 1
        kept.update({name: getattr(item, name) for name in _SUMMED})
        errors.update(item.errors)
        valid.update(item.valid)
        languages[item.language] += item.tokens
        clean = _own_cleanliness(item, parameters)
        histogram[min(9, int(clean * 10))] += 1
        heapq.heappush(worst, (-clean, item.key, _example(item, clean, parameters)))
        if len(worst) > _EXAMPLES:
            heapq.heappop(worst)
        rank = hashlib.blake2b(item.key, digest_size=8, key=sample_key).digest()
        heapq.heappush(drawn, (-int.from_bytes(rank), item.key))
        if len(drawn) > (parameters.embedded_documents or len(drawn)):
            heapq.heappop(drawn)
    if earlier is not None:
        earlier.update(own)
    sample = [spool.document(key) for key in sorted(key for _, key in drawn)]
    sample = [item.as_random() if item.key in random else item for item in sample]
    return {
        "read": spool.position,
        "kept": dict(kept),
        "dropped": dict(dropped),
        "errors": dict(errors),
        "valid_fields": dict(valid),
        "languages": dict(sorted(languages.items())),
        "cleanliness_histogram": histogram,
        "duplicate_pairs": pairs,
        "worst": [entry for _, _, entry in sorted(worst, reverse=True)],
        **_embedded(sample, spool, parameters, reference, embedder, progress),
    }


def _random_characters(spool: Spool) -> set[bytes]:
    """Keys of documents too short to judge that together are found to be random characters."""
    found: set[bytes] = set()
    group: dict[str, list[bytes]] = {}

    def judge(least: int) -> None:
        passage = " ".join(group)
        if len(passage) >= least:
            if chance.is_random(passage, recognised=False):
                found.update(key for keys in group.values() for key in keys)
            group.clear()

    for item, _ in spool.documents():
        if item.unjudged:
            group.setdefault(item.unjudged, []).append(item.key)
            judge(chance.PASSAGE)
    judge(chance.PASSAGE // 2)
    return found


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
            if parameters.novelty == "calibrated":
                known = novelty.not_counting_dirt(known, _own_cleanliness(item, parameters))
            sums["documents"] += 1
            sums["sentences"] += item.sentences
            sums["duplication"] += item.sentences * known
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
    weights = [min(_MAX_WEIGHT, item.tokens) for item in sample]
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
    return cleanliness(item.counts, parameters.error_factor, parameters.error_per)


def metrics(evidence: Mapping[str, Any]) -> dict[str, Fraction]:
    """The four metrics, exactly, from the counts in a bundle of evidence.

    This is the whole of the formulas: an auditor may recompute one metric without the others.
    """
    parameters, tally = evidence["parameters"], evidence["tally"]
    kept, dropped, sample = tally["kept"], tally["dropped"], tally["sample"]
    documents = kept["documents"] + dropped["copies"] + dropped["near"] + dropped["earlier"]
    if not kept["documents"]:
        return dict.fromkeys(METRICS, Fraction(0))
    counts = Counts(kept["characters"], kept["words"], tally["errors"])

    weights = fold(tally["cluster_weights"], parameters["cluster_floor"])
    clusters = max(2, parameters["clusters"], len(weights))
    fitted = parameters["codebook"] == "fitted"
    spread = (
        simpson(weights)
        if parameters["diversity"] == "simpson"
        else entropy(weights, parameters["clusters"] if fitted else clusters)
    )

    # The sample stands for all kept documents; every sentence of a dropped one is a duplicate.
    of_kept = Fraction(sample["duplication"], novelty.MICRO * max(1, sample["sentences"]))
    sentences = kept["sentences"] + dropped["sentences"]
    duplication = (kept["sentences"] * of_kept + dropped["sentences"]) / max(1, sentences)
    recency = Fraction(sample["recency"], novelty.MICRO * max(1, sample["documents"]))
    recency *= Fraction(kept["documents"], documents)

    expected = len(parameters["required_fields"]) * kept["documents"]
    return {
        "cleanliness": cleanliness(counts, parameters["error_factor"], parameters["error_per"]),
        "diversity": spread,
        "novelty": novelty.novelty(recency, duplication, parameters["recency_weight"]),
        "metadata": Fraction(sum(tally["valid_fields"].values()), expected),
    }


def combine(values: Mapping[str, int], weights: Iterable[int]) -> int:
    """Q on the grid from the four metrics on the grid, halves up."""
    return to_grid(
        sum(
            (Fraction(values[m] * w, GRID * GRID) for m, w in zip(METRICS, weights, strict=True)),
            Fraction(0),
        )
    )


def _report(
    tally: dict[str, Any], parameters: QualityParameters, reference: Reference, digest: str
) -> QualityReport:
    evidence: dict[str, Any] = {
        "format": "qmia-quality-1",
        "metric_version": digest,
        "parameters": parameters.as_json(),
        "tally": tally,
    }
    exact = metrics(evidence)
    grid = {name: to_grid(value) for name, value in exact.items()}
    margins = {name: grid_margin(value) for name, value in exact.items()}
    kept, dropped = tally["kept"], tally["dropped"]
    distinct = kept["documents"] + dropped["near"] + dropped["earlier"]
    unique = to_grid(Fraction(distinct - dropped["earlier"], distinct)) if distinct else 0
    under_served = _under_served(tally, parameters, reference)
    evidence["scores"] = {
        "q": combine(grid, parameters.weights),
        **grid,
        "volume": kept["usable"],
        "under_served": bool(under_served),
        "under_served_by": under_served,
        "unique": unique,
    }
    # Only these two come from floats; near a rounding point another machine may be one step off.
    evidence["grid_margin_1e-6"] = {m: int(margins[m] * 10**6) for m in ("diversity", "novelty")}
    evidence["contested"] = [m for m in ("diversity", "novelty") if margins[m] < _CONTESTED]
    return QualityReport(
        q=evidence["scores"]["q"],
        **grid,
        volume=kept["usable"],
        under_served=bool(under_served),
        unique=unique,
        accepted_as_unique=distinct > 0 and unique >= parameters.unique_floor,
        documents=tally["read"],
        metric_version=digest,
        findings=tuple(_findings(tally, grid)),
        evidence=evidence,
    )


def _under_served(
    tally: Mapping[str, Any], parameters: QualityParameters, reference: Reference
) -> list[str]:
    """The published rule: at least half of a set in languages, or topics, rare in the reference.

    Languages are weighed by tokens as detected, never as claimed; topics by cluster weight under
    the fixed codebook. Program source has no language of its own to be served.
    """
    floor = parameters.under_served_share
    languages = tally["languages"]
    rare_tokens = sum(
        tokens
        for name, tokens in languages.items()
        if name != "zxx" and reference.language_shares.get(name, 0) < floor
    )
    reasons = []
    if 2 * rare_tokens >= sum(languages.values()) > 0:
        reasons.append("language")
    weights = tally["cluster_weights"]
    if parameters.codebook == "fixed":
        shares = zip(weights, reference.cluster_shares, strict=True)
        rare = sum(weight for weight, share in shares if share < floor)
        if 2 * rare >= sum(weights) > 0:
            reasons.append("topic")
    return reasons


def _findings(tally: Mapping[str, Any], grid: Mapping[str, int]) -> Iterator[str]:
    """Sentences about what a provider would not expect."""
    kept, dropped = tally["kept"], tally["dropped"]
    if tally["read"] == 0:
        yield "The data set has no documents."
    elif kept["documents"] == 0 and not dropped["earlier"]:
        yield "No document has any text."
    elif kept["documents"] == 0:
        yield "Every document is a near-duplicate of an earlier submission."
    if again := dropped["copies"] + dropped["near"]:
        yield f"Copies or near-copies within the set, which add no volume: {_documents(again)}."
    if kept["documents"] and dropped["earlier"]:
        yield f"Already in an earlier submission: {_documents(dropped['earlier'])}."
    if kept["documents"] and not grid["cleanliness"]:
        kind = max(KINDS, key=lambda k: tally["errors"][k])
        yield f"Cleanliness is 0; most errors are of the kind {kind.replace('_', ' ')}."
    for name, count in tally["valid_fields"].items():
        if count < kept["documents"]:
            yield f"Without a valid {name}: {_documents(kept['documents'] - count)}."


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
