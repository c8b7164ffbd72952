"""From documents to token sequences: one canonical order, every passage counted once.

The order in which documents arrive never matters, except between providers: submissions are given
in the order of their final commitments, and the earliest keeps the credit for shared text
(mechanism.md §2.4).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from oracles.errors import InputError
from oracles.passages import Passages, mixed, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from oracles.dataset import Document

_END = "<|end|>"
#: Tokens of a block at most. Influence is computed, bounded and resampled by block, so that it does
#: not matter into how many documents a provider has cut its text.
BLOCK_TOKENS = 128
#: Weight of a sampled page at most, relative to one of a data set that is read whole.
PAGE_WEIGHT = 4.0


def content_digest(text: str) -> bytes:
    """SHA-256 of the UTF-8 text; unpaired surrogates are kept as they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def corpus_digest(documents: Iterable[str]) -> str:
    """SHA-256 over the sorted content digests: equal for any order of the same documents."""
    return hashlib.sha256(b"".join(sorted(map(content_digest, documents)))).hexdigest()


@dataclass(frozen=True, slots=True)
class Pages:
    """A random sample of the pages of one data set, given instead of its documents.

    The model is trained on the sample as it is; the influence of the sample is then multiplied by
    `total / len(texts)`, four times at most, and its standard error is taken over pages.

    Attributes:
        texts: text of each sampled page.
        total: pages of the data set.
    """

    texts: Sequence[str]
    total: int


@dataclass(frozen=True, slots=True)
class TokenizedCorpus:
    """The documents of one owner, canonical and encoded.

    Attributes:
        digests: content digest of each document of which something was kept, sorted.
        tokens: token ids of each, in the order of `digests`.
        characters: characters submitted and characters kept after deduplication.
        weight: by which the influence of the whole is multiplied.
        by_page: each document is a sampled page.
    """

    digests: list[bytes]
    tokens: list[NDArray[np.uint32]]
    characters: tuple[int, int]
    weight: float = 1.0
    by_page: bool = False

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Blocks of nearly equal length, one after the other: number of tokens, and cluster.

        Documents are joined, but a sampled page is a cluster of its own, because pages are what was
        drawn.
        """
        lengths = [len(ids) for ids in self.tokens]
        cluster = 0
        for total in lengths if self.by_page else [sum(lengths)]:
            count = -(-total // BLOCK_TOKENS)
            for block in range(count):
                yield total * (block + 1) // count - total * block // count, cluster
                cluster += not self.by_page
            cluster += self.by_page


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


def disordered(text: str) -> str:
    """The same words in an order that a hash decides; characters in scripts without spaces."""
    words = words_of(text)
    seed = int.from_bytes(content_digest(text)[:8])
    keys = mixed(np.arange(len(words), dtype=np.uint64) + np.uint64(seed))
    return "".join(words[place] for place in np.argsort(keys, kind="stable"))


def canonical(documents: Iterable[Document]) -> Iterator[tuple[bytes, str]]:
    """Distinct documents as (digest, text), sorted by digest."""
    unique = {content_digest(document.text): document.text for document in documents}
    yield from sorted(unique.items())


def encode(
    documents: Iterable[tuple[bytes, str]], tokenizer: Tokenizer, new: Callable[[str], str]
) -> TokenizedCorpus:
    """Encode what is new in canonical documents; documents with nothing new are left out."""
    digests: list[bytes] = []
    tokens: list[NDArray[np.uint32]] = []
    submitted = kept = 0
    for digest, text in documents:
        submitted += len(text)
        rest = new(text)
        if not rest:
            continue
        kept += len(rest)
        # Unpaired surrogates cannot be encoded; they become the replacement character.
        clean = rest.encode("utf-8", "replace").decode("utf-8")
        ids = tokenizer.encode(clean, add_special_tokens=False).ids
        digests.append(digest)
        tokens.append(np.asarray([*ids, 0], np.uint32))
    return TokenizedCorpus(digests, tokens, (submitted, kept))


def encode_submission(
    submission: Iterable[Document] | Pages, tokenizer: Tokenizer, new: Callable[[str], str]
) -> TokenizedCorpus:
    """Encode what is new in one provider's documents or sampled pages.

    Raises:
        InputError: a sample is larger than what it was drawn from.
    """
    if not isinstance(submission, Pages):
        return encode(canonical(submission), tokenizer, new)
    if not len(submission.texts) <= submission.total:
        raise InputError(
            f"{len(submission.texts)} pages were drawn from {submission.total}: "
            "give the number of pages of the whole data set"
        )
    found = encode(
        sorted((content_digest(text), text) for text in submission.texts), tokenizer, new
    )
    weight = min(PAGE_WEIGHT, submission.total / max(1, len(submission.texts)))
    return replace(found, weight=weight, by_page=True)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Token sequences ready for a model, and who owns each token.

    Attributes:
        tokens: [N, T+1] token ids; inputs are `[:, :-1]`, targets `[:, 1:]`.
        block: [N, T] index of the block that a target belongs to; -1 for padding.
        owner: [N] index of the owner of a sequence.
        owners: [B] index of the owner of a block.
        clusters: [B] blocks of one cluster were drawn together: those of a sampled page.
        keys: [N] hash of each sequence's content, which decides the order of training.
    """

    tokens: NDArray[np.int64]
    block: NDArray[np.int64]
    owner: NDArray[np.int64]
    owners: NDArray[np.int64]
    clusters: NDArray[np.int64]
    keys: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Target tokens of each block, [B]."""
        counts = np.bincount(self.block[self.block >= 0], minlength=len(self.owners))
        return counts.astype(np.int64)


def pack(corpora: Iterable[TokenizedCorpus], context: int) -> Sequences:
    """Concatenate each owner's documents and cut them into sequences of `context` targets.

    Owners never share a sequence, so that leaving one out leaves all others untouched.
    """
    tokens: list[NDArray[np.int64]] = []
    block: list[NDArray[np.int64]] = []
    owner: list[NDArray[np.int64]] = []
    owners: list[int] = []
    clusters: list[int] = []
    for index, corpus in enumerate(corpora):
        if not corpus.tokens:
            continue
        stream = np.concatenate([np.zeros(1, np.int64), *corpus.tokens]).astype(np.int64)
        lengths, drawn = zip(*corpus.blocks(), strict=True)
        belongs = np.repeat(np.arange(len(lengths)) + len(owners), lengths)
        owners.extend([index] * len(lengths))
        first = clusters[-1] + 1 if clusters else 0
        clusters.extend(first + cluster for cluster in drawn)
        count = -(-len(belongs) // context)
        padding = count * context - len(belongs)
        belongs = np.pad(belongs, (0, padding), constant_values=-1)
        stream = np.pad(stream, (0, padding))
        starts = np.arange(count)[:, None] * context
        tokens.append(stream[starts + np.arange(context + 1)])
        block.append(belongs.reshape(count, context))
        owner.append(np.full(count, index, np.int64))
    if not tokens:
        raise InputError("there is no text to score: give at least one document with words in it")
    rows = np.concatenate(tokens)
    keys = np.zeros(len(rows), np.uint64)
    for column in rows.T.astype(np.uint64):
        keys = mixed(keys + column)
    return Sequences(
        rows,
        np.concatenate(block),
        np.concatenate(owner),
        np.asarray(owners, np.int64),
        np.asarray(clusters, np.int64),
        keys,
    )


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything that one estimate is computed from.

    Attributes:
        providers: names, in the order of commitment; provider k is owner k+1, the seed is owner 0.
        training: sequences of the seed corpus and of all submissions.
        evaluation: sequences of the held-out evaluation set.
        disordered: sequences of the same documents with their words in another order.
        outcome: sequences of held-out documents on which outcomes are reported, or None.
        digests: content digests of the documents of the seed corpus and of each submission.
        weights: [n] by which the influence of each provider's documents is multiplied.
        characters: per provider, characters submitted and kept.
        seed_digest: digest of the seed corpus.
        evaluation_digest: digest of the evaluation set, as committed to at CREATE.
        tokenizer_digest: SHA-256 of the tokenizer.
    """

    providers: tuple[str, ...]
    training: Sequences
    evaluation: Sequences
    disordered: Sequences
    outcome: Sequences | None
    digests: list[bytes]
    weights: NDArray[np.float64]
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
    submissions: Mapping[str, Iterable[Document] | Pages],
    evaluation: Iterable[Document],
    *,
    context: int,
    vocabulary: int,
    tokenizer: Tokenizer | None = None,
    deduplicate: bool = True,
    outcome: Iterable[Document] = (),
) -> Pool:
    """Canonicalise, deduplicate, encode and pack all documents of one auction.

    Text of the seed corpus and of the evaluation set earns nothing for any provider: the first is
    public, the second would be training on the test.

    Args:
        seed_corpus: public documents.
        submissions: provider to documents or sampled pages, in the order of commitment.
        evaluation: held-out documents.
        context: targets in a sequence.
        vocabulary: size of the tokenizer that is trained on the seed corpus.
        tokenizer: use this one instead (a Hugging Face model's own).
        deduplicate: False only to measure what duplicates would earn.
        outcome: held-out documents that no estimator sees, to report outcomes on.

    Raises:
        InputError: the seed corpus or the evaluation set holds no text.
    """
    seed = list(canonical(seed_corpus))
    held_out = list(canonical(evaluation))
    if not seed:
        raise InputError("the seed corpus is empty: give at least one public document")
    if tokenizer is None:
        tokenizer = train_tokenizer((text for _, text in seed), vocabulary)
    seen = Passages()
    new = seen.keep if deduplicate else str
    seed_tokens = encode(seed, tokenizer, new)
    held_out_tokens = encode(held_out, tokenizer, Passages().keep)
    in_evaluation = Passages()
    disordered_tokens = encode(
        held_out, tokenizer, lambda text: disordered(in_evaluation.keep(text))
    )
    if not held_out_tokens.tokens:
        raise InputError("the evaluation set holds no text: give at least one held-out document")
    hidden = list(canonical(outcome))
    for _, text in held_out + hidden:
        new(text)
    corpora = [seed_tokens]
    characters: dict[str, tuple[int, int]] = {}
    for provider, submission in submissions.items():
        corpus = encode_submission(submission, tokenizer, new)
        corpora.append(corpus)
        characters[provider] = corpus.characters
    digests = [digest for corpus in corpora for digest in corpus.digests]
    return Pool(
        tuple(submissions),
        pack(corpora, context),
        pack([held_out_tokens], context),
        pack([disordered_tokens], context),
        pack([encode(hidden, tokenizer, Passages().keep)], context) if hidden else None,
        digests,
        np.array([corpus.weight for corpus in corpora[1:]]),
        characters,
        corpus_digest(text for _, text in seed),
        corpus_digest(text for _, text in held_out),
        hashlib.sha256(tokenizer.to_str().encode()).hexdigest(),
    )


def split(documents: Iterable[Document]) -> tuple[list[Document], list[Document]]:
    """Two halves of an evaluation set that resemble one another in sources and sizes.

    Distinct documents are sorted by source (`source` of their metadata, else `domain`), size and
    digest; of each two neighbours the digest decides which goes where.
    """
    unique = {content_digest(document.text): document for document in documents}

    def place(item: tuple[bytes, Document]) -> tuple[str, int, bytes]:
        digest, document = item
        source = document.metadata.get("source") or document.metadata.get("domain") or ""
        return str(source), len(document.text), digest

    ordered = sorted(unique.items(), key=place)
    halves: tuple[list[Document], list[Document]] = ([], [])
    for first in range(0, len(ordered), 2):
        pair = ordered[first : first + 2]
        flip = pair[0][0][0] % 2
        for number, (_, document) in enumerate(pair):
            halves[(number + flip) % 2].append(document)
    return halves
