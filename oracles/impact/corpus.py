"""From documents to token sequences: one canonical order, every passage counted once.

The order in which documents arrive never matters, except between providers: submissions are given
in the order of their final commitments, and the earliest keeps the credit for shared text
(mechanism.md §2.4).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from oracles.dataset import Document

#: Words in a shingle, and in the passage that is kept or dropped as a whole.
SHINGLE = 8
PASSAGE = 48
#: A passage is a duplicate when more than this share of its shingles was seen before.
OVERLAP = 0.5

#: Scripts written without spaces count one character as one word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_END = "<|end|>"
#: Tokens that count as one document at most: long ones are cut, so that a provider who delivers one
#: large file gets an error estimate and a bound like everybody else.
DOCUMENT_TOKENS = 1024
#: Odd multiplier of the polynomial hash over word hashes, modulo 2^64 (Knuth's MMIX constant).
_MULTIPLIER = 6364136223846793005


def content_digest(text: str) -> bytes:
    """SHA-256 of the UTF-8 text; unpaired surrogates are kept as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def corpus_digest(documents: Iterable[str]) -> str:
    """SHA-256 over the sorted content digests: equal for any order of the same documents."""
    return hashlib.sha256(b"".join(sorted(map(content_digest, documents)))).hexdigest()


class Deduplicator:
    """Remembers every shingle it has passed and lets through only passages that are new.

    Passages, not documents, so that repeating a text inside one document, gluing copied documents
    together or wrapping a copy into new words earns nothing for what is copied. One pass; memory is
    one 64-bit hash a distinct word position.
    """

    def __init__(self, *, active: bool = True) -> None:
        """Start with nothing seen.

        Args:
            active: False lets everything with a word in it through, to measure what that costs.
        """
        self._active = active
        self._words: dict[str, int] = {}
        self._seen: set[int] = set()

    def _hashes(self, words: list[str]) -> NDArray[np.uint64]:
        """Hash of every run of `SHINGLE` words (of the whole list, if it is shorter)."""
        known = self._words
        for word in words:
            if word not in known:
                raw = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                known[word] = int.from_bytes(raw, "little")
        values = np.fromiter((known[word] for word in words), np.uint64, len(words))
        span = min(SHINGLE, len(words))
        hashes = np.zeros(len(words) - span + 1, np.uint64)
        for offset in range(span):
            hashes = hashes * np.uint64(_MULTIPLIER) + values[offset : offset + len(hashes)]
        return hashes

    def keep(self, text: str) -> str:
        """The new passages of a text, joined; also marks them as seen."""
        spans = [match.span() for match in _WORD.finditer(text)]
        if not spans:
            return ""
        if not self._active:
            return text
        hashes = self._hashes([text[start:end].lower() for start, end in spans]).tolist()
        kept: list[str] = []
        for first in range(0, len(spans), PASSAGE):
            after = first + PASSAGE
            # The last shingles of a text belong to the passage in which they start.
            own = hashes[first:after] or hashes[-1:]
            seen = sum(value in self._seen for value in own)
            self._seen.update(own)
            if seen <= OVERLAP * len(own) and seen < len(own):
                start = spans[first][0] if first else 0
                end = spans[after][0] if after < len(spans) else len(text)
                kept.append(text[start:end])
        return "".join(kept)


@dataclass(frozen=True, slots=True)
class TokenizedCorpus:
    """The documents of one owner, canonical and encoded.

    Attributes:
        digests: content digest of each document, sorted; one is repeated for a document that was
            cut at `DOCUMENT_TOKENS`.
        tokens: token ids of each document, in the order of `digests`.
        characters: characters submitted and characters kept after deduplication.
    """

    digests: list[bytes]
    tokens: list[NDArray[np.uint32]]
    characters: tuple[int, int]


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train a byte-level BPE on canonical seed texts; id 0 ends a document."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def canonical(documents: Iterable[Document]) -> Iterator[tuple[bytes, str]]:
    """Distinct documents as (digest, text), sorted by digest."""
    unique = {content_digest(document.text): document.text for document in documents}
    yield from sorted(unique.items())


def encode(
    documents: Iterable[tuple[bytes, str]], tokenizer: Tokenizer, dedup: Deduplicator
) -> TokenizedCorpus:
    """Deduplicate and encode canonical documents; documents with nothing new are left out."""
    digests: list[bytes] = []
    tokens: list[NDArray[np.uint32]] = []
    submitted = kept = 0
    for digest, text in documents:
        submitted += len(text)
        new = dedup.keep(text)
        if not new:
            continue
        kept += len(new)
        # Unpaired surrogates cannot be encoded; they become the replacement character.
        clean = new.encode("utf-8", "replace").decode("utf-8")
        ids = tokenizer.encode(clean, add_special_tokens=False).ids
        stream = np.asarray([*ids, 0], np.uint32)
        for first in range(0, len(stream), DOCUMENT_TOKENS):
            digests.append(digest)
            tokens.append(stream[first : first + DOCUMENT_TOKENS])
    return TokenizedCorpus(digests, tokens, (submitted, kept))


@dataclass(frozen=True, slots=True)
class Sequences:
    """Token sequences ready for a model, and who owns each token.

    Attributes:
        tokens: [N, T+1] token ids; inputs are `[:, :-1]`, targets `[:, 1:]`.
        document: [N, T] index of the document that a target belongs to; -1 for padding.
        owner: [N] index of the owner of a sequence.
        owners: [D] index of the owner of a document.
    """

    tokens: NDArray[np.int64]
    document: NDArray[np.int64]
    owner: NDArray[np.int64]
    owners: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Target tokens of each document, [D]."""
        counts = np.bincount(self.document[self.document >= 0], minlength=len(self.owners))
        return counts.astype(np.int64)


def pack(corpora: Iterable[TokenizedCorpus], context: int) -> Sequences:
    """Concatenate each owner's documents and cut them into sequences of `context` targets.

    Owners never share a sequence, so that leaving one out leaves all others untouched.
    """
    tokens: list[NDArray[np.int64]] = []
    document: list[NDArray[np.int64]] = []
    owner: list[NDArray[np.int64]] = []
    owners: list[int] = []
    for index, corpus in enumerate(corpora):
        if not corpus.tokens:
            continue
        stream = np.concatenate([np.zeros(1, np.int64), *corpus.tokens]).astype(np.int64)
        lengths = [len(ids) for ids in corpus.tokens]
        belongs = np.repeat(np.arange(len(lengths)) + len(owners), lengths)
        owners.extend([index] * len(lengths))
        rows = -(-len(belongs) // context)
        padding = rows * context - len(belongs)
        belongs = np.pad(belongs, (0, padding), constant_values=-1)
        stream = np.pad(stream, (0, padding))
        starts = np.arange(rows)[:, None] * context
        tokens.append(stream[starts + np.arange(context + 1)])
        document.append(belongs.reshape(rows, context))
        owner.append(np.full(rows, index, np.int64))
    if not tokens:
        raise InputError("there is no text to score: give at least one document with words in it")
    return Sequences(
        np.concatenate(tokens),
        np.concatenate(document),
        np.concatenate(owner),
        np.asarray(owners, np.int64),
    )


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything that one estimate is computed from.

    Attributes:
        providers: names, in the order of commitment; provider k is owner k+1, the seed is owner 0.
        training: sequences of the seed corpus and of all submissions.
        evaluation: sequences of the held-out evaluation set.
        digests: content digest of each training document, [D].
        characters: per provider, characters submitted and kept.
        seed_digest: digest of the seed corpus.
        evaluation_digest: digest of the evaluation set, as committed to at CREATE.
        tokenizer_digest: SHA-256 of the tokenizer.
    """

    providers: tuple[str, ...]
    training: Sequences
    evaluation: Sequences
    digests: list[bytes]
    characters: dict[str, tuple[int, int]]
    seed_digest: str
    evaluation_digest: str
    tokenizer_digest: str

    @property
    def volumes(self) -> NDArray[np.int64]:
        """Training tokens of each provider after deduplication, [n]."""
        per_owner = np.bincount(
            self.training.owners, self.training.sizes, minlength=len(self.providers) + 1
        )
        return per_owner[1:].astype(np.int64)


def build_pool(
    seed_corpus: Iterable[Document],
    submissions: Mapping[str, Iterable[Document]],
    evaluation: Iterable[Document],
    *,
    context: int,
    vocabulary: int,
    tokenizer: Tokenizer | None = None,
    deduplicate: bool = True,
) -> Pool:
    """Canonicalise, deduplicate, encode and pack all documents of one auction.

    Text of the seed corpus and of the evaluation set earns nothing for any provider: the first is
    public, the second would be training on the test.

    Args:
        seed_corpus: public documents.
        submissions: provider to documents, in the order of commitment.
        evaluation: held-out documents.
        context: targets in a sequence.
        vocabulary: size of the tokenizer that is trained on the seed corpus.
        tokenizer: use this one instead (a Hugging Face model's own).
        deduplicate: False only to measure what duplicates would earn.

    Raises:
        InputError: the seed corpus or the evaluation set holds no text.
    """
    seed = list(canonical(seed_corpus))
    held_out = list(canonical(evaluation))
    if not seed:
        raise InputError("the seed corpus is empty: give at least one public document")
    if tokenizer is None:
        tokenizer = train_tokenizer((text for _, text in seed), vocabulary)
    dedup = Deduplicator(active=deduplicate)
    seed_tokens = encode(seed, tokenizer, dedup)
    held_out_tokens = encode(held_out, tokenizer, Deduplicator())
    if not held_out_tokens.tokens:
        raise InputError("the evaluation set holds no text: give at least one held-out document")
    for _, text in held_out:
        dedup.keep(text)
    corpora = [seed_tokens]
    characters: dict[str, tuple[int, int]] = {}
    for provider, documents in submissions.items():
        corpus = encode(canonical(documents), tokenizer, dedup)
        corpora.append(corpus)
        characters[provider] = corpus.characters
    return Pool(
        tuple(submissions),
        pack(corpora, context),
        pack([held_out_tokens], context),
        [digest for corpus in corpora for digest in corpus.digests],
        characters,
        corpus_digest(text for _, text in seed),
        corpus_digest(text for _, text in held_out),
        hashlib.sha256(tokenizer.to_str().encode()).hexdigest(),
    )
