"""What one document contributes to every metric: a pure function of the document alone."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import rfc8785

from oracles.dataset import Continuation
from oracles.quality import coherence, disguise, markup, order, personal, texts
from oracles.quality.cleanliness import Counts, read
from oracles.quality.metadata import inherit, lookup, parse_date, valid_fields
from oracles.quality.novelty import recency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from oracles.dataset import Document
    from oracles.quality.parameters import QualityParameters

#: A longer text is profiled in consecutive parts of this many characters, to bound memory.
MAX_CHARACTERS = 1_000_000
#: What is in a sentence besides words and the marks that end it.
_UNSAID = re.compile(rf"\d[\d.,]*|[^\w\s.!?…。！？।۔'’{texts.SIGNS}]|_")
_EXCERPT = 200


def short(language: str) -> int:
    """Words below which a document is read together with others of its language as well."""
    return {"en": 2 * order.LEAST, "zxx": 0}.get(language, order.ALONE)


@dataclass(frozen=True, slots=True)
class Profile:
    """One document, or one part of a very long one, reduced to what scoring needs.

    Attributes:
        key: SHA-256 of the text and of the metadata; the canonical order of documents.
        text: Without its form, see `cleanliness.Reading.plain`; passages are compared in the second
            pass.
        excerpt: Its first characters with their form, for evidence that shows examples.
        language: Detected; `zxx` for program source.
        letters, words, errors: See `cleanliness.Counts`.
        body: Plain words of a text too short to judge alone; see `cleanliness.Reading`.
        sentences: Number of distinct sentences.
        sample: Sentences drawn for embedding, words only: marks and numbers between words change an
            embedding more than the words tell.
        passages: Passages drawn for reading, as windows of words; see `coherence`. Where there are
            any, they tell whether the words are in order, and no loss by order is counted here.
        prose: Letters of what they are drawn from: not the names in program source, nor languages
            that cannot be read.
        recency: Millionths.
        valid: Required metadata fields that hold something valid.
        personal: Items of personal data found, by kind.
        described: Whether its metadata are here; those of a continuation are on another page.
    """

    key: bytes
    text: str
    excerpt: str
    language: str
    letters: int
    words: int
    errors: Mapping[str, int]
    body: str
    sentences: int
    sample: tuple[str, ...]
    passages: tuple[tuple[str, ...], ...]
    prose: int
    recency: int
    valid: tuple[str, ...]
    personal: Mapping[str, int]
    described: bool

    @property
    def counts(self) -> Counts:
        """The errors as the cleanliness metric takes them."""
        return Counts(self.letters, self.words, self.errors)

    def lowered(self, group: Counts) -> Profile:
        """The same with the losses of the group that it was read in, where those are higher."""
        if group.total * self.letters <= self.counts.total * group.letters:
            return self
        errors = {kind: n * self.letters // group.letters for kind, n in group.errors.items()}
        if self.passages:
            others = self.letters - self.prose
            errors["word_order"] = errors["word_order"] * others // max(1, self.letters)
        return replace(self, errors=errors)

    def without_sense(self, share: Fraction) -> Profile:
        """The same when a share of its prose makes no sense.

        What is lost for words that nobody knows makes no sense for the same reason, so only what is
        beyond it is lost as well.
        """
        part = Fraction(self.prose, max(1, self.letters))
        left = (self.letters - self.counts.total) * part
        read = self.letters - self.errors["marks"] - self.errors["random_characters"]
        told = self.errors["unread"] + self.errors["unknown_words"]
        beyond = max(Fraction(0), read * share - told) * part
        return replace(self, errors={**self.errors, "senseless": int(min(left, beyond))})

    def to_json(self) -> str:
        """All but the key."""
        fields = asdict(self)
        del fields["key"]
        return json.dumps(fields)

    @classmethod
    def from_json(cls, key: bytes, data: str) -> Profile:
        """Inverse of `to_json`."""
        fields = json.loads(data)
        fields["sample"] = tuple(fields["sample"])
        fields["passages"] = tuple(map(tuple, fields["passages"]))
        fields["valid"] = tuple(fields["valid"])
        return cls(key=key, **fields)


def profile(
    document: Document,
    parameters: QualityParameters,
    pairs: NDArray[np.uint8],
    card: Mapping[str, Any] | None = None,
) -> list[Profile]:
    """Profile a document: in parts beyond `MAX_CHARACTERS`, not at all if it is blank."""
    metadata = inherit(document.metadata, card)
    described = not isinstance(document, Continuation)
    return [
        _profile(part, metadata, parameters, pairs, described)
        for part in _parts(texts.normalise(document.text))
        if part.strip()
    ]


def _parts(text: str) -> Iterator[str]:
    for start in range(0, len(text), MAX_CHARACTERS):
        yield text[start : start + MAX_CHARACTERS]


def _profile(
    text: str,
    metadata: Mapping[str, Any],
    parameters: QualityParameters,
    pairs: NDArray[np.uint8],
    described: bool,
) -> Profile:
    reading = read(text, pairs)
    key = bytes.fromhex(parameters.sample_key)
    said = {" ".join(disguise.words(s)) for s in texts.sentences(_UNSAID.sub(" ", reading.plain))}
    distinct = said - {""}
    passages = coherence.passages(reading.prose, key)
    errors = dict(reading.counts.errors)
    if passages:
        errors["word_order"] -= reading.unordered
    alone = all(size >= short(language) for language, size in reading.sizes.items())
    return Profile(
        key=texts.digest(text) + _metadata_digest(metadata),
        text=reading.plain,
        excerpt=" ".join(text[: 2 * _EXCERPT].split())[:_EXCERPT],
        language=reading.language,
        letters=reading.counts.letters,
        words=reading.counts.words,
        errors=errors,
        body="" if alone else reading.body,
        sentences=len(distinct),
        sample=tuple(texts.sample(distinct, parameters.sentences_per_document, key)),
        passages=passages,
        prose=sum(map(len, reading.prose.split())),
        recency=recency(
            parse_date(lookup(metadata, "date")), parameters.today, parameters.date_range_days
        ),
        valid=valid_fields(
            metadata,
            parameters.required_fields,
            parameters.today,
            text,
            reading.language,
            *reading.sizes,
        )
        if described
        else (),
        personal=personal.count(markup.unescaped(text)[0]),
        described=described,
    )


def _metadata_digest(metadata: Mapping[str, Any]) -> bytes:
    """Digest of metadata; values that JSON cannot hold count by their text."""
    plain = json.loads(json.dumps(dict(metadata), default=str, sort_keys=True))
    try:
        data = rfc8785.dumps(plain)
    except rfc8785.CanonicalizationError:  # integers beyond 2^53, lone surrogates
        data = json.dumps(plain, sort_keys=True).encode()
    return hashlib.sha256(data).digest()
