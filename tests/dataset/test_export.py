"""Files for training frameworks: the same documents come back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import Document, encode_document, export, read_documents
from oracles.errors import InputError, IntegrityError
from tests.dataset.strategies import documents

DOCUMENTS = [
    Document('quotes " and, commas\nand lines\r\nand tabs\t', {"a": 1, "b": ["x", None]}),
    Document("naïve 語 😀", {}),
    Document("{}", {"text": "t", "metadata": {"c": 1e20}}),
]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@given(st.lists(documents, min_size=1, max_size=5).map(lambda more: DOCUMENTS + more))
@settings(max_examples=40, deadline=None)
def test_export__when_read_again__then_the_same_documents(tmp_path_factory, form, some):
    path = tmp_path_factory.mktemp("export") / f"out.{form}"
    assert export(some, path) == len(some)
    assert path.stat().st_mode & 0o77 == 0
    # JSON and Parquet hold any text; a CSV with control characters is taken for binary.
    if form == "csv" and any(ord(c) < 32 for d in some[3:] for c in d.text):
        return
    back = list(read_documents(path))
    assert [encode_document(d) for d in back] == [encode_document(d) for d in some]


def test_export__when_tfrecord__then_its_library_reads_it(tmp_path):
    reader = pytest.importorskip("tfrecord.reader")
    assert export(DOCUMENTS, tmp_path / "out.tfrecord") == 3
    records = list(reader.tfrecord_loader(str(tmp_path / "out.tfrecord"), None))
    assert [bytes(r["text"]).decode() for r in records] == [d.text for d in DOCUMENTS]
    assert bytes(records[0]["metadata"]) == b'{"a":1,"b":["x",null]}'


def test_export__when_tfrecord__then_check_sums_are_the_formats(tmp_path):
    """Length and data each carry a masked CRC-32C; values from the definition of CRC-32C."""
    pytest.importorskip("tfrecord")
    export([Document("x")], tmp_path / "out.tfrecord")
    data = (tmp_path / "out.tfrecord").read_bytes()

    def masked(block):
        crc = 0xFFFFFFFF
        for byte in block:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        crc ^= 0xFFFFFFFF
        return ((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")

    length = int.from_bytes(data[:8], "little")
    assert data[8:12] == masked(data[:8])
    assert data[12 + length :] == masked(data[12 : 12 + length])


def test_export__when_form_is_named__then_ending_does_not_matter(tmp_path):
    export(DOCUMENTS, tmp_path / "out.data", "jsonl")
    assert (tmp_path / "out.data").read_bytes().splitlines() == [*map(encode_document, DOCUMENTS)]


@pytest.mark.parametrize("name", ["out", "out.docx"])
def test_export__when_form_is_unknown__then_said(tmp_path, name):
    with pytest.raises(InputError, match="use one of"):
        export(DOCUMENTS, tmp_path / name)


def test_export__when_documents_fail__then_nothing_appears(tmp_path):
    def broken():
        yield DOCUMENTS[0]
        raise IntegrityError("forged")

    for form in ("jsonl", "csv", "parquet"):
        with pytest.raises(IntegrityError):
            export(broken(), tmp_path / f"out.{form}")
    assert not list(tmp_path.iterdir())


def test_export__when_folder_is_missing__then_said(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        export(DOCUMENTS, tmp_path / "no" / "out.jsonl")
