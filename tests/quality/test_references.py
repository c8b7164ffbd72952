from __future__ import annotations

import numpy as np
import pytest

from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.quality import QualityParameters, golden, references
from oracles.quality.embed import MAX_PIECES, SCALE, Embedder, norms
from oracles.quality.sources import from_brown, from_html, from_pod


def test_golden__when_computed_here__then_every_number_is_the_known_one(embedder):
    assert golden.compute(embedder) == golden.expected()


def test_embedder__when_threads_batch_or_order_differ__then_vectors_are_identical():
    sentences = [f"Sentence number {n} of a short list of sentences." for n in range(12)]
    sentences += ["A longer one, " * n + "ends here." for n in range(1, 6)]
    sentences += ["", "\ud800", "word " * (2 * MAX_PIECES)]
    expected = Embedder(threads=1, batch=1)(sentences)
    again = Embedder(threads=2, batch=5)(sentences[::-1])[::-1]
    assert (again == expected).all()
    assert np.abs(norms(expected) - SCALE).max() < 15


def test_reference__when_its_digest_is_another__then_it_is_refused(tmp_path):
    with pytest.raises(IntegrityError, match="the auction names"):
        references.load(expected_digest="00" * 32)
    assert references.load(expected_digest=references.default().digest)
    path = tmp_path / "reference.safetensors"
    with pytest.raises(InputError, match="cannot read"):
        references.load(path)
    path.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(InputError, match="not a reference file"):
        references.load(path)


def test_reference__when_encoded_again__then_it_is_the_same():
    shipped = references.default()
    facts = {
        "cluster_shares": shipped.cluster_shares,
        "language_shares": shipped.language_shares,
        "unrelated": shipped.unrelated,
        "copied": shipped.copied,
        "provenance": shipped.provenance,
    }
    data = references.encode(shipped.vectors, shipped.centroids, shipped.pairs, facts)
    assert references.decode(data).digest == shipped.digest


def test_build__when_order_or_interruption_differ__then_the_bytes_do_not(
    golden_documents, embedder, tmp_path
):
    texts = [d.text for d in golden_documents[:30]] + [
        f"Note {n}. The weather of day {n} was {'dry' if n % 2 else 'wet'} in the whole valley."
        for n in range(40)
    ]
    first = references.build(texts, texts, embedder, tmp_path / "a", {})
    again = references.build(texts[::-1], texts, embedder, tmp_path / "a", {})
    assert first == again
    built = references.decode(first)
    assert len(built.centroids) == 50
    assert 0 < built.unrelated < built.copied


def test_build__when_there_are_no_documents__then_it_says_so(embedder, tmp_path):
    with pytest.raises(InputError, match="no documents"):
        references.build([], [], embedder, tmp_path, {})


def test_extract__when_pages_have_markup__then_only_paragraphs_are_left():
    page = "<head>x</head><p>One &amp; <b>two</b>.</p><pre>code</pre><p>Three.</p>"
    assert from_html(page) == "One & two .\n\nThree."
    assert from_pod("=head1 X\n\nUse C<< print >> here.\n\n    code\n") == "Use print here."
    tagged = "The/at jury/nn said/vbd ``/`` no/at ''/'' ./.\n\n\n\tIt/pps was/bedz ./."
    assert from_brown(tagged) == 'The jury said "no".\n\nIt was.'


def test_parameters__when_read_from_json__then_they_are_the_same_or_refused():
    parameters = QualityParameters(weights=(1000, 2000, 3000, 4000), sample_key="ab")
    assert QualityParameters.from_json(parameters.to_json()) == parameters
    for bad in (
        {"weights": [1, 2, 3]},
        {"nonsense": 1},
        {"today": "soon"},
        {"sample_key": "xyz"},
        {"clusters": 1},
        {"recency_weight": 10_001},
        {"error_factor": "many"},
    ):
        with pytest.raises(ConfigError):
            QualityParameters.from_json(bad)
