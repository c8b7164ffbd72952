"""Files cut, joined and spliced: what is no document any more is a finding."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracles.dataset import Limits, read_documents
from tests.dataset.test_hostile import HONEST

#: Forms that say how long they are. A JSONL or CSV file cut at a line end is a whole, shorter file.
OPEN = {"a.csv", "a.jsonl", "a.json", "a.md", "a.html", "a.pdf"}
CLOSED = sorted(HONEST.keys() - OPEN)


def read(path, data):
    path.write_bytes(data)
    findings = []
    documents = list(read_documents(path, findings=findings, limits=Limits(record_bytes=10_000)))
    return [d.text for d in documents], findings


@st.composite
def changes(draw, name):
    """Changed bytes of a file, and how often its documents may be in them without a finding."""
    data = HONEST[name]
    place = draw(st.integers(1, len(data.rstrip(b"\0")) - 1))  # a tar ends in many zeros
    match draw(st.sampled_from(["cut", "join", "prefix", "append", "splice", "reorder"])):
        case "cut":
            return data[:place], 1
        case "join":
            return data + data, 2
        case "prefix":
            return b"\7" + draw(st.binary(max_size=30)) + data, None
        case "append":
            return data + draw(st.binary(max_size=30)) + b"\7", None
        case "splice":
            return data[:place] + data[place + draw(st.integers(1, 40)) :], 1
        case _:
            return data[place:] + data[:place], 1


def check(folder, name, change):
    data, times = change
    honest, known = read(folder / name, HONEST[name])
    texts, findings = read(folder / name, data)
    whole = honest * (times or 0)
    if name.endswith(".warc") and data.endswith(b"\r\n\r\n"):
        # WARC neither counts nor orders its records: cut behind one it is a whole, shorter file,
        # and it is whole as well where its two parts changed places there.
        if HONEST[name].startswith(data):
            return
        texts, whole = sorted(texts), sorted(whole)
    lost = [finding for finding in findings if finding.loses_data and finding not in known]
    assert lost or (times is not None and texts == whole)


@pytest.mark.parametrize("name", CLOSED)
@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_fuzz__when_a_closed_form_is_changed__then_same_documents_or_a_loss(
    tmp_path_factory, name, data
):
    check(tmp_path_factory.getbasetemp(), name, data.draw(changes(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED)
@given(data=st.data())
@settings(max_examples=2_000, derandomize=False, suppress_health_check=list(HealthCheck))
def test_fuzz__when_run_for_long__then_still_same_documents_or_a_loss(tmp_path_factory, name, data):
    check(tmp_path_factory.getbasetemp(), name, data.draw(changes(name)))
