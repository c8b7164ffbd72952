"""Second pass of a score: the integers that the metrics are made of, and examples for auditors."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

import numpy as np

from oracles.quality import coherence, embed, novelty, texts
from oracles.quality.cleanliness import KINDS, Counts, cleanliness, read
from oracles.quality.diversity import assign, fit, mean_vector, overlap, weights_of
from oracles.quality.parameters import to_grid
from oracles.quality.profile import short
from oracles.quality.repeats import Compared

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from oracles.passages import Passages
    from oracles.progress import Progress
    from oracles.quality.parameters import QualityParameters
    from oracles.quality.profile import Profile
    from oracles.quality.references import Reference
    from oracles.quality.repeats import Share
    from oracles.quality.spool import Spool

T = TypeVar("T", bound="tuple[Any, ...]")

#: A document counts for diversity by at most as many letters as the model can read.
_MAX_WEIGHT: Final = 1280
_SUMMED: Final = ("letters", "words", "sentences")
#: Share of new letters from which a document counts as kept.
_KEPT: Final = Fraction(1, 2)
#: Word pieces from which a document is judged alone.
_ALONE: Final = 48
#: Steps of a bar in the histogram of grades.
_GRADES: Final = 8
_SAMPLED: Final = ("documents", "letters", "duplication", "recency", "repeated_sentences")
#: Languages that the embedding reads; what was detected as none may hide English.
_EMBEDDED: Final = ("en", "zxx", texts.UNKNOWN)
#: Windows that are read at once, documents that are compared with the reference at once, and
#: sentences that are embedded at once: the more, the more of them have one length and run together.
_READ_BATCH: Final = 64
_COMPARE_BATCH: Final = 256
_EMBED_BATCH: Final = 1024
_EXAMPLES: Final = 20


class Tallier:
    """Goes through the profiles of one data set in the order of their keys and adds them up.

    Args:
        spool: profiles of the first pass; keeps grades and embeddings.
        parameters: the auction's.
        reference: the auction's.
        embedder: by default one with one thread, made where something has to be embedded.
        progress: called as documents are compared, read and embedded.
    """

    def __init__(
        self,
        spool: Spool,
        parameters: QualityParameters,
        reference: Reference,
        embedder: embed.Embedder | None,
        progress: Progress,
    ) -> None:
        self._spool, self._parameters, self._reference = spool, parameters, reference
        self._embedder, self._progress = embedder, progress

    def tally(self, earlier: Passages | None, part: int | None = None) -> dict[str, Any]:
        """All counts, as evidence holds them.

        Args:
            earlier: passages of the sets that were committed before; this set's are added.
            part: of a sample, judged alone; None for the whole.
        """
        parameters, spool = self._parameters, self._spool
        own, kept, groups = Compared(earlier), _Kept(parameters), self._groups(part)
        for seen, (item, copies) in enumerate(spool.documents(part), 1):
            self._progress("compare", seen, None)
            item = item.lowered(groups[item.key]) if item.key in groups else item
            kept.add(item, copies, own.new(item.text))
        sample = [spool.document(key) for key in sorted(kept.drawn)]
        sample = [item.lowered(groups[item.key]) if item.key in groups else item for item in sample]
        sense = self._sense(sample, kept.drawn)
        return {
            "read": spool.position,
            **kept.counts(sense),
            "worst": kept.worst(sense.lowered),
            "coherence": {
                "documents": sense.documents,
                "windows": sense.histogram,
                **sense.sums,
            },
            "overlap": overlap([item.text for item in sample]),
            **self._embedded(sample),
        }

    def _groups(self, part: int | None) -> dict[bytes, Counts]:
        """Losses of documents too short to judge alone, read together by language."""
        found: dict[bytes, Counts] = {}
        groups: dict[str, list[Profile]] = {}

        def judge(members: list[Profile]) -> None:
            counts = read("\n".join(item.body for item in members), self._reference.pairs).counts
            found.update((item.key, counts) for item in members if counts.letters)

        for item, _ in self._spool.documents(part):
            if item.body:
                members = groups.setdefault(item.language, [])
                members.append(item)
                if sum(other.words for other in members) >= 2 * short(item.language):
                    judge(groups.pop(item.language))
        for members in groups.values():
            judge(members)
        return found

    def _sense(self, sample: Sequence[Profile], new: Mapping[bytes, int]) -> _Sense:
        """How much of the drawn documents makes no sense.

        Args:
            sample: the drawn documents.
            new: letters of each that are new.
        """
        parameters = self._parameters
        passages = [passage for item in sample for passage in item.passages]
        self._read(window for passage in passages for window in passage)
        lines = {passage: self._lines(passage) for passage in passages}
        self._read(line for passage in passages for line in lines[passage])
        shares, histogram = self._senseless(sample, lines)
        told: dict[str, int] = {}
        sums: Counter[str] = Counter(dict.fromkeys(("letters", "lost", "usable", "usable_left"), 0))
        lowered: dict[bytes, Profile] = {}
        for item in sample:
            result = item.without_sense(shares.get(item.key, Fraction(0)))
            lost = result.errors["senseless"]
            sums["letters"] += item.letters - item.counts.total
            sums["lost"] += lost
            for name, one in (("usable", item), ("usable_left", result)):
                sums[name] += int(new[item.key] * _own_cleanliness(one, parameters) ** 2)
            if without := item.errors["word_order"] + lost:
                told[_name(item.key)] = to_grid(Fraction(without, item.letters))
            if lost:
                lowered[item.key] = result
        return _Sense(lowered, told, histogram, sums)

    def _read(self, windows: Iterable[str]) -> None:
        """Grade those windows that were not read yet."""
        missing = self._spool.ungraded(windows)
        for start in range(0, len(missing), _READ_BATCH):
            chunk = missing[start : start + _READ_BATCH]
            self._spool.store_grades(chunk, coherence.reader()(chunk))
            self._progress("read passages", start + len(chunk), len(missing))

    def _lines(self, passage: Sequence[str]) -> tuple[str, ...]:
        """The lines of a passage that is in doubt as one text, alone or together with others."""
        grades = self._spool.grades(passage)
        if sum(grade.pieces for grade in grades) < coherence.SHORT:
            doubtful = coherence.mean(grades) < coherence.TOGETHER.sense
        else:
            doubtful = coherence.senseless(grades) > 0
        return coherence.lines(passage) if doubtful else ()

    def _share(self, grades: Sequence[coherence.Grade], lines: Sequence[str]) -> Fraction:
        """Share of a passage that makes no sense, neither as one text nor line by line."""
        share = coherence.senseless(grades)
        if share and lines:
            share = min(share, coherence.senseless(self._spool.grades(lines), coherence.LINES))
        return share

    def _senseless(
        self, sample: Sequence[Profile], lines: Mapping[tuple[str, ...], Sequence[str]]
    ) -> tuple[dict[bytes, Fraction], list[int]]:
        """Share of each document that makes no sense, and a histogram of all grades.

        Documents of a few words tell little alone; they are judged together as well.

        Args:
            sample: the drawn documents.
            lines: of each passage, see `_lines`.
        """
        documents: dict[bytes, Fraction] = {}
        histogram = [0] * 10
        together: list[tuple[bytes, list[coherence.Grade]]] = []
        last: list[coherence.Grade] = []

        def many(grades: Sequence[coherence.Grade]) -> bool:
            return sum(grade.pieces for grade in grades) >= coherence.MANY

        def judge() -> None:
            grades = [grade for _, grades in together for grade in grades]
            grades += [] if many(grades) else last  # what is left over, with the last of enough
            bounds = coherence.TOGETHER if many(grades) else coherence.PASSAGE
            share = coherence.senseless(grades, bounds)
            documents.update((key, max(share, documents.get(key, share))) for key, _ in together)
            together.clear()
            last[:] = grades

        for item in sample:
            passages = [self._spool.grades(passage) for passage in item.passages]
            for grade in (grade for grades in passages for grade in grades):
                histogram[max(0, min(9, 5 + grade.steps // _GRADES))] += 1
            sizes = [sum(grade.pieces for grade in grades) for grades in passages]
            if sum(sizes) >= _ALONE:
                shares = map(self._share, passages, (lines[passage] for passage in item.passages))
                whole = sum(
                    (n * share for n, share in zip(sizes, shares, strict=True)), Fraction(0)
                )
                documents[item.key] = whole / sum(sizes)
            if 0 < sum(sizes) < coherence.SHORT:
                alone = self._spool.grades(lines[item.passages[0]])
                best = max(passages[0], alone, key=coherence.mean) if alone else passages[0]
                together.append((item.key, best))
                if many([grade for _, grades in together for grade in grades]):
                    judge()
        judge()
        return documents, histogram

    def _embedded(self, sample: Sequence[Profile]) -> dict[str, Any]:
        """What the drawn documents contribute: topic clusters, duplication and recency."""
        spool, parameters, reference = self._spool, self._parameters, self._reference
        self._embed(sample)
        means = np.zeros((len(sample), embed.WIDTH), np.int16)
        seen = novelty.Seen(sum(len(item.sample) for item in sample))
        sums: Counter[str] = Counter(dict.fromkeys(_SAMPLED, 0))
        cosine_histogram, recency_histogram = [0] * 20, [0] * 10
        closest = _Largest[tuple[int, str]](_EXAMPLES)
        for start in range(0, len(sample), _COMPARE_BATCH):
            batch = sample[start : start + _COMPARE_BATCH]
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
                    closest.add((int(cosines[i]), sentences[i]))
            self._progress("compare with reference", start + len(batch), len(sample))
        return {
            "sample": dict(sums),
            "cluster_weights": self._clusters(sample, means),
            "cosine_histogram": cosine_histogram,
            "recency_histogram": recency_histogram,
            "closest": [
                {"cosine": cosine, "sentence": _shown(sentence, parameters)}
                for cosine, sentence in sorted(closest.entries, reverse=True)
            ],
        }

    def _embed(self, sample: Sequence[Profile]) -> None:
        """Embed the sentences of the drawn documents that the spool does not have yet."""
        missing = self._spool.missing(sentence for item in sample for sentence in item.sample)
        if not missing:
            return
        embedder = self._embedder = self._embedder or embed.Embedder()
        for start in range(0, len(missing), _EMBED_BATCH):
            chunk = missing[start : start + _EMBED_BATCH]
            self._spool.store_vectors(chunk, embedder(chunk))
            self._progress("embed", start + len(chunk), len(missing))

    def _clusters(self, sample: Sequence[Profile], means: NDArray[np.int16]) -> list[int]:
        """Letters of each topic cluster."""
        centroids = self._reference.centroids
        if self._parameters.codebook == "fitted":
            centroids = fit(means, self._parameters.clusters) if len(sample) else centroids[:0]
        weights = [min(_MAX_WEIGHT, item.letters) for item in sample]
        return weights_of(assign(means, centroids), weights, len(centroids))


class _Sense(NamedTuple):
    """What reading the drawn documents found.

    Attributes:
        lowered: documents with letters that make no sense, with these among their errors.
        documents: by name, the share of each in no order or without sense, in 1e-4.
        histogram: of the grades of all passages.
        sums: letters read, letters lost, and usable letters before and after.
    """

    lowered: dict[bytes, Profile]
    documents: dict[str, int]
    histogram: list[int]
    sums: Counter[str]


class _Kept:
    """What the documents with something new in them add up to.

    Attributes:
        new: letters that are new, of each document drawn for embedding.
    """

    def __init__(self, parameters: QualityParameters) -> None:
        self._parameters = parameters
        self._sample_key = bytes.fromhex(parameters.sample_key)
        self._kept = _zeros("documents", "described", "read", "new", "usable", *_SUMMED)
        self._dropped = _zeros("copies", "near", "earlier", "letters", "earlier_letters")
        self._errors, self._valid = _zeros(*KINDS), _zeros(*parameters.required_fields)
        self._languages: Counter[str] = Counter()
        self._personal: Counter[str] = Counter()
        self._histogram = [0] * 10
        self._worst = _Largest[tuple[Fraction, bytes, dict[str, Any]]](_EXAMPLES)
        self._drawn = _Largest[tuple[int, bytes, int]](parameters.embedded_documents)

    def add(self, item: Profile, copies: int, share: Share) -> None:
        """One more document.

        Args:
            item: its profile.
            copies: how often it was submitted.
            share: of it that is new.
        """
        kept, dropped = self._kept, self._dropped
        new = int(share.of_all * item.letters)
        dropped["copies"] += copies - 1
        dropped["letters"] += copies * item.letters - new
        dropped["earlier_letters"] += int((share.of_set - share.of_all) * item.letters)
        kept["read"] += item.letters
        if share.of_all < _KEPT:
            dropped["near" if share.of_set < _KEPT else "earlier"] += 1
        if not new:
            return
        clean = _own_cleanliness(item, self._parameters)
        kept["documents"] += 1
        kept["described"] += item.described
        kept.update({name: getattr(item, name) for name in _SUMMED})
        kept["new"] += new
        kept["usable"] += int(new * clean * clean)
        self._errors.update(item.errors)
        self._personal.update(item.personal)
        self._valid.update(item.valid)
        self._languages[item.language] += int(new * clean)
        self._histogram[min(9, int(clean * 10))] += 1
        self._worst.add((-clean, item.key, _example(item, clean, self._parameters)))
        rank = hashlib.blake2b(item.key, digest_size=8, key=self._sample_key).digest()
        self._drawn.add((-int.from_bytes(rank), item.key, new))

    @property
    def drawn(self) -> dict[bytes, int]:
        """Keys of the documents drawn for embedding, and the letters of each that are new."""
        return {key: new for _, key, new in self._drawn.entries}

    def counts(self, sense: _Sense) -> dict[str, Any]:
        """The sums; what makes no sense in the drawn documents is taken off all of them."""
        kept, errors, sums = dict(self._kept), dict(self._errors), sense.sums
        left = kept["letters"] - sum(errors.values())
        errors["senseless"] = left * sums["lost"] // max(1, sums["letters"])
        kept["usable"] = kept["usable"] * sums["usable_left"] // max(1, sums["usable"])
        return {
            "kept": kept,
            "dropped": dict(self._dropped),
            "errors": errors,
            "valid_fields": dict(self._valid),
            "languages": dict(sorted(self._languages.items())),
            "personal": dict(sorted(self._personal.items())),
            "cleanliness_histogram": self._histogram,
        }

    def worst(self, lowered: Mapping[bytes, Profile]) -> list[dict[str, Any]]:
        """Examples of the least clean documents, once what makes no sense is taken off."""
        entries = [entry for entry in self._worst.entries if entry[1] not in lowered]
        for key, item in lowered.items():
            clean = _own_cleanliness(item, self._parameters)
            entries.append((-clean, key, _example(item, clean, self._parameters)))
        return [example for _, _, example in heapq.nlargest(_EXAMPLES, entries)]


class _Largest(Generic[T]):
    """The largest entries of many.

    Args:
        most: how many are kept; 0 keeps all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.entries: list[T] = []

    def add(self, entry: T) -> None:
        heapq.heappush(self.entries, entry)
        if self._most and len(self.entries) > self._most:
            heapq.heappop(self.entries)


def _zeros(*names: str) -> Counter[str]:
    return Counter(dict.fromkeys(names, 0))


def _own_cleanliness(item: Profile, parameters: QualityParameters) -> Fraction:
    return cleanliness(item.counts, parameters.error_factor)


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
