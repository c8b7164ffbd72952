from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.dataset import Document
from oracles.errors import InputError
from oracles.impact import Pages, corpus_digest
from oracles.impact.corpus import BLOCK_TOKENS, TokenizedCorpus, build_pool, pack, split
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SOUTH, write

TEXT = " ".join(document.text for document in write(1, NORTH, 6))
OTHER = " ".join(document.text for document in write(2, SOUTH, 6))


def test_corpus_digest__another_order__same_digest():
    assert corpus_digest(["a", "b", "c"]) == corpus_digest(["c", "a", "b"])
    assert corpus_digest(["a", "b"]) != corpus_digest(["ab"])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 16))
def test_pack__any_lengths__every_token_is_the_target_of_its_block_once(lengths, context):
    streams = [np.arange(n, dtype=np.uint32) + 100 * k + 1 for k, n in enumerate(lengths)]
    corpora = [TokenizedCorpus([b""], [stream], (0, 0)) for stream in streams]
    packed = pack(corpora, context)
    assert packed.tokens.shape[1] == context + 1
    assert packed.sizes.tolist() == lengths
    for k, stream in enumerate(streams):
        mine = packed.block == k
        assert packed.tokens[:, 1:][mine].tolist() == stream.tolist()
        assert set(packed.owner[mine.any(1)]) == {k}


def pool(submissions, seed=SEED_CORPUS, evaluation=EVALUATION):
    return build_pool(seed, submissions, evaluation, context=16, vocabulary=300)


def test_build_pool__same_text_from_two_providers__the_earlier_keeps_it():
    north = write(30, NORTH, 5)
    built = pool({"first": north, "second": list(reversed(north))})
    assert built.volumes[0] > 0
    assert built.volumes[1] == 0
    assert built.characters["second"][1] == 0


def test_build_pool__copies_of_public_and_held_out_text__earn_no_tokens():
    built = pool({"copy": [*SEED_CORPUS, *EVALUATION]})
    assert built.volumes.tolist() == [0]


def test_build_pool__documents_in_another_order__identical_tokens():
    north = write(30, NORTH, 5)
    one = pool({"a": north}, SEED_CORPUS, EVALUATION)
    two = pool({"a": north[::-1] + north[:1]}, SEED_CORPUS[::-1], EVALUATION[::-1])
    assert np.array_equal(one.training.tokens, two.training.tokens)
    assert np.array_equal(one.evaluation.tokens, two.evaluation.tokens)
    assert one.tokenizer_digest == two.tokenizer_digest
    assert one.evaluation_digest == two.evaluation_digest


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=9), st.booleans())
def test_blocks__any_lengths__as_few_as_hold_all_and_of_nearly_one_length(lengths, by_page):
    tokens = [np.zeros(n, np.uint32) for n in lengths]
    blocks = list(TokenizedCorpus([], tokens, (0, 0), by_page=by_page).blocks())
    parts = [[n for n, of in blocks if of == page] for page in range(len(lengths))]
    if not by_page:
        assert [of for _, of in blocks] == list(range(len(blocks)))
        parts, lengths = [[n for n, _ in blocks]], [sum(lengths)]
    assert list(map(sum, parts)) == lengths
    assert [len(part) for part in parts] == [-(-n // BLOCK_TOKENS) for n in lengths]
    assert all(max(part) - min(part) <= 1 for part in parts)


@pytest.mark.parametrize("words", [5, 20, 10_000])
def test_build_pool__text_cut_into_other_documents__in_as_many_blocks(words):
    whole = " ".join(document.text for document in write(5, NORTH, 40)).split()
    cut = [
        Document(" ".join(whole[first : first + words])) for first in range(0, len(whole), words)
    ]
    training = pool({"a": cut}).training
    mine = training.sizes[training.owners == 1]
    assert len(mine) == -(-mine.sum() // BLOCK_TOKENS) > 3
    assert mine.max() <= mine.min() + 1


@pytest.mark.parametrize(("seed", "evaluation"), [([], EVALUATION), (SEED_CORPUS, [Document("")])])
def test_build_pool__no_text_to_train_or_evaluate_on__input_error(seed, evaluation):
    with pytest.raises(InputError, match="give at least one"):
        pool({"a": write(1, NORTH, 1)}, seed, evaluation)


def test_build_pool__unpaired_surrogates__encoded_without_error():
    assert pool({"a": [Document("one two \ud800 three " + TEXT)]}).volumes[0] > 0


def test_split__two_sources__half_of_each_and_of_similar_size():
    documents = [
        Document(source * (10 + 7 * k), {"source": source}) for source in "ab" for k in range(10)
    ]
    first, second = split(documents)
    for source in "ab":
        sizes = [
            [len(d.text) for d in part if d.metadata["source"] == source]
            for part in (first, second)
        ]
        assert len(sizes[0]) == len(sizes[1]) == 5
        assert abs(sum(sizes[0]) - sum(sizes[1])) <= 5 * 7


def test_build_pool__sampled_pages__one_cluster_a_page_and_a_bounded_weight():
    pages = [" ".join(d.text for d in write(50 + k, NORTH, 40)) for k in range(3)]
    built = pool({"few": Pages(pages, 6), "many": Pages([" ".join(["new", *SOUTH])], 1000)})
    mine = built.training.owners == 1
    assert mine.sum() > 3
    assert len(set(built.training.clusters[mine].tolist())) == 3
    assert built.weights.tolist() == [2.0, 4.0]
    with pytest.raises(InputError, match="drawn from 2"):
        pool({"few": Pages(pages, 2)})


def test_pack__another_owner_gets_more_text__keys_of_all_others_unchanged():
    north = write(30, NORTH, 5)
    few, many = (pool({"a": north, "b": write(31, SOUTH, n)}).training for n in (2, 6))
    assert few.keys[few.owner == 1].tolist() == many.keys[many.owner == 1].tolist()
