"""What one document contributes to every metric: a pure function of the document alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import rfc8785

from oracles.quality import chance
from oracles.quality import text as texts
from oracles.quality.cleanliness import Counts, cleanliness, count
from oracles.quality.duplicates import signature
from oracles.quality.embed import load_tokenizer
from oracles.quality.metadata import inherit, lookup, parse_date, valid_fields
from oracles.quality.novelty import recency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oracles.dataset import Document
    from oracles.quality.parameters import QualityParameters

#: A longer text is profiled in consecutive parts of this many characters, to bound memory.
MAX_CHARACTERS = 1_000_000
_EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Profile:
    """One document, or one part of a very long one, reduced to what scoring needs.

    Attributes:
        key: SHA-256 of the text and of the metadata; the canonical order of documents.
        signature: MinHash sketch.
        language: Detected; `zxx` for program source.
        characters, words, errors: See `cleanliness.Counts`.
        tokens: WordPiece tokens, without special ones.
        usable: Tokens in proportion to the document's own cleanliness.
        sentences: Number of distinct sentences.
        sample: Sentences drawn for embedding.
        recency: Millionths.
        valid: Required metadata fields that hold something valid.
        unjudged: Text too short to tell a language from random characters; see `chance.readable`.
        excerpt: First characters, for evidence that shows examples.
    """

    key: bytes
    signature: bytes
    language: str
    characters: int
    words: int
    errors: Mapping[str, int]
    tokens: int
    usable: int
    sentences: int
    sample: tuple[str, ...]
    recency: int
    valid: tuple[str, ...]
    unjudged: str
    excerpt: str

    @property
    def counts(self) -> Counts:
        """The errors as the cleanliness metric takes them."""
        return Counts(self.characters, self.words, self.errors)

    def as_random(self) -> Profile:
        """The same, found to be random characters when read together with others."""
        errors = {**self.errors, "random_characters": len(self.unjudged) // chance.WORD}
        return replace(self, errors=errors, usable=0)

    def to_json(self) -> str:
        """All but key and signature."""
        fields = asdict(self)
        del fields["key"], fields["signature"]
        return json.dumps(fields)

    @classmethod
    def from_json(cls, key: bytes, signature_: bytes, data: str) -> Profile:
        """Inverse of `to_json`."""
        fields = json.loads(data)
        fields["sample"] = tuple(fields["sample"])
        fields["valid"] = tuple(fields["valid"])
        return cls(key=key, signature=signature_, **fields)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    return load_tokenizer()


def token_count(text: str) -> int:
    """WordPiece tokens of a text under the pinned tokenizer, without special tokens."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return len(_tokenizer().encode(clean, add_special_tokens=False).ids)


def profile(
    document: Document,
    parameters: QualityParameters,
    unlikely_pairs: frozenset[tuple[str, str]],
    card: Mapping[str, Any] | None = None,
) -> list[Profile]:
    """Profile a document: in parts beyond `MAX_CHARACTERS`, not at all if it is blank."""
    metadata = inherit(document.metadata, card)
    return [
        _profile(part, metadata, parameters, unlikely_pairs)
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
    unlikely_pairs: frozenset[tuple[str, str]],
) -> Profile:
    language = texts.language(text) if texts.prose(text) else "zxx"
    counts = count(text, language, unlikely_pairs)
    own = cleanliness(counts, parameters.error_factor, parameters.error_per)
    tokens = token_count(text)
    distinct = set(texts.sentences(text))
    body = chance.readable(text) if language == texts.UNKNOWN else ""
    return Profile(
        key=texts.digest(text) + _metadata_digest(metadata),
        signature=signature(text),
        language=language,
        characters=counts.characters,
        words=counts.words,
        errors=counts.errors,
        tokens=tokens,
        usable=int(tokens * own),
        sentences=len(distinct),
        sample=tuple(
            texts.sample(
                distinct, parameters.sentences_per_document, bytes.fromhex(parameters.sample_key)
            )
        ),
        recency=recency(
            parse_date(lookup(metadata, "date")), parameters.today, parameters.date_range_days
        ),
        valid=valid_fields(metadata, parameters.required_fields, parameters.today, text, language),
        unjudged=body if 2 * len(body) < chance.PASSAGE else "",
        excerpt=" ".join(text[: 2 * _EXCERPT].split())[:_EXCERPT],
    )


def _metadata_digest(metadata: Mapping[str, Any]) -> bytes:
    """Digest of metadata; values that JSON cannot hold count by their text."""
    plain = json.loads(json.dumps(dict(metadata), default=str, sort_keys=True))
    try:
        data = rfc8785.dumps(plain)
    except rfc8785.CanonicalizationError:  # integers beyond 2^53, lone surrogates
        data = json.dumps(plain, sort_keys=True).encode()
    return hashlib.sha256(data).digest()
