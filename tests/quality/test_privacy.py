from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import Document
from oracles.errors import ConfigError, InputError
from oracles.quality import QualityParameters, references
from oracles.quality.parameters import GRID
from oracles.quality.privacy import (
    QUANTITIES,
    Budget,
    Ledger,
    Values,
    content_digest,
    measurements,
    release,
    values,
)

VALUES = st.builds(
    Values,
    st.integers(0, GRID),
    st.integers(0, GRID),
    st.integers(0, GRID),
    st.integers(0, 49),
    st.integers(0, 10**6),
)


def test_measurements__when_one_document_changes__then_each_spends_its_epsilon():
    budget = Budget()
    noisy = measurements(budget, 50)
    for name, epsilon in budget.epsilons().items():
        assert noisy[name].map(1) == pytest.approx(epsilon)
        assert noisy[name].map(2) == pytest.approx(2 * epsilon)
    assert set(noisy) == set(QUANTITIES)


@settings(max_examples=50)
@given(st.lists(VALUES, max_size=20), VALUES)
def test_sums__when_one_document_is_added__then_they_move_by_at_most_the_sensitivity(items, extra):
    cap = Budget().token_cap

    def sums(documents):
        histogram = [sum(d.cluster == k for d in documents) for k in range(50)]
        return (
            sum(d.cleanliness for d in documents),
            sum(d.novelty for d in documents),
            sum(d.metadata for d in documents),
            sum(min(d.tokens, cap) for d in documents),
            histogram,
        )

    before, after = sums(items), sums([*items, extra])
    assert all(0 <= after[i] - before[i] <= GRID for i in range(3))
    assert 0 <= after[3] - before[3] <= cap
    assert sum(abs(a - b) for a, b in zip(after[4], before[4], strict=True)) == 1


def test_values__when_another_document_is_added__then_a_documents_own_do_not_change(
    golden_documents, embedder
):
    parameters, reference = QualityParameters(), references.default()
    alone = list(values(golden_documents[:1], parameters, reference, embedder))
    copies = [golden_documents[0], *golden_documents[-2:], Document("x y z")]
    assert next(iter(values(copies, parameters, reference, embedder))) == alone[0]


def test_release__when_epsilon_is_large__then_it_is_close_to_the_truth():
    budget = Budget(*[1000.0] * 6)
    items = [Values(9000, 6000, 8000, n % 50, 700) for n in range(2000)]
    noisy = release(items, budget, 50)
    assert noisy["documents"] == pytest.approx(2000, abs=2)
    for name, truth in (("cleanliness", 9000), ("novelty", 6000), ("metadata", 8000)):
        assert noisy[name] == pytest.approx(truth, abs=10)
    assert noisy["diversity"] == pytest.approx(GRID, abs=5)
    assert noisy["volume"] == pytest.approx(1_400_000, rel=1e-3)
    assert noisy["epsilon_total"] == pytest.approx(budget.total)


def test_release__when_repeated__then_it_differs():
    items = [Values(9000, 6000, 8000, 1, 700)] * 50
    seen = {release(items, Budget(), 50)["volume"] for _ in range(5)}
    assert len(seen) > 1


@pytest.mark.parametrize("bad", [{"volume": 0.0}, {"count": -1.0}, {"token_cap": 0}])
def test_budget__when_it_has_no_meaning__then_it_is_refused(bad):
    with pytest.raises(ConfigError):
        Budget(**bad)


def test_ledger__when_releases_add_up__then_the_limit_holds_for_each_data_set(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger, budget = Ledger(path, limit=2.0), Budget()
    ledger.charge("a", budget)
    ledger.charge("a", budget)
    ledger.charge("b", budget)
    assert math.isclose(Ledger(path, limit=2.0).spent("a"), 2.0)
    with pytest.raises(InputError, match="exceeds the limit"):
        ledger.charge("a", budget)
    assert len(path.read_text().splitlines()) == 3
    path.write_text("nonsense\n")
    with pytest.raises(InputError, match="damaged"):
        ledger.spent("a")


def test_content_digest__when_order_metadata_and_line_ends_differ__then_it_is_the_same():
    one, two = Document("one\n", {"title": "a"}), Document("two")
    digest = content_digest([one, two])
    assert content_digest([two, Document("one\r\n", {"date": "2020-01-01"})]) == digest
    assert content_digest([one, two, two]) != digest
