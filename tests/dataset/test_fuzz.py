"""Files cut, joined and spliced: what is no document any more is a finding."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracles.dataset import Limits, read_documents
from tests.dataset.test_hostile import HONEST

#: Forms that say how long they are. A JSONL or CSV file cut at a line end is a whole, shorter file.
CLOSED = sorted(name for name in HONEST if name not in {"a.csv", "a.jsonl", "a.json", "a.md"})


def read(path, data):
    path.write_bytes(data)
    findings = []
    documents = list(read_documents(path, findings=findings, limits=Limits(record_bytes=10_000)))
    return [d.text for d in documents], findings


@st.composite
def changes(draw):
    """A file's name, its changed bytes, and whether it was joined with itself."""
    name = draw(st.sampled_from(CLOSED))
    data = HONEST[name]
    place = draw(st.integers(1, len(data) - 1))
    match draw(st.sampled_from(["cut", "join", "prefix", "append", "splice", "reorder"])):
        case "cut":
            return name, data[:place], False
        case "join":
            return name, data + data, True
        case "prefix":
            return name, b"\7" + draw(st.binary(max_size=30)) + data, False
        case "append":
            return name, data + draw(st.binary(max_size=30)) + b"\7", False
        case "splice":
            return name, data[:place] + data[place + draw(st.integers(1, 40)) :], False
        case _:
            return name, data[place:] + data[:place], False


def check(folder, change):
    name, data, joined = change
    path = folder / name
    honest, known = read(path, HONEST[name])
    texts, findings = read(path, data)
    lost = [finding for finding in findings if finding.loses_data and finding not in known]
    assert lost or texts == honest * (1 + joined)


@given(change=changes())
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_fuzz__when_a_closed_form_is_changed__then_same_documents_or_a_loss(
    tmp_path_factory, change
):
    check(tmp_path_factory.getbasetemp(), change)


@pytest.mark.slow
@given(change=changes())
@settings(max_examples=20_000, derandomize=False, suppress_health_check=list(HealthCheck))
def test_fuzz__when_run_for_long__then_still_same_documents_or_a_loss(tmp_path_factory, change):
    check(tmp_path_factory.getbasetemp(), change)
