"""Files after public reports about other readers of the same forms: read whole, or said."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from oracles.dataset import read_documents

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.dataset import Document, Finding


def read(path: Path, data: bytes) -> tuple[list[Document], list[Finding]]:
    path.write_bytes(data)
    findings: list[Finding] = []
    return list(read_documents(path, findings=findings)), findings


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def record(kind: str, body: bytes, length: int | None = None) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{len(body)}>\r\n"
    head += "WARC-Target-URI: https://a.example/\r\nContent-Type: text/plain\r\n"
    head += f"WARC-Date: 2020-01-01T00:00:00Z\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


def warc(*bodies: bytes) -> bytes:
    return b"".join(record("conversion", body) for body in bodies)


def parquet(column: pa.Array, **options: Any) -> bytes:
    out = io.BytesIO()
    pa.parquet.write_table(
        pa.table({"text": column, "n": list(range(len(column)))}), out, **options
    )
    return out.getvalue()


AB = ["first of two", "second of two"]
#: Report, file, bytes, texts, kinds of findings.
CASES: list[tuple[str, str, bytes, list[str], set[str]]] = [
    (
        "huggingface/datasets#7664: text that looks like a schema",
        "a.jsonl",
        lines({"id": 1, "text": "(...) ,action: string, datetime: timestamp[s], author"}),
        ["(...) ,action: string, datetime: timestamp[s], author"],
        set(),
    ),
    (
        "huggingface/datasets#8241: byte order mark before records with other keys",
        "a.jsonl",
        b"\xef\xbb\xbf" + lines({"text": AB[0], "m": {"a": 1}}, {"text": AB[1], "m": {"b": "x"}}),
        AB,
        set(),
    ),
    (
        "huggingface/datasets#6162: one record has a field more",
        "a.jsonl",
        lines({"text": AB[0]}, {"text": AB[1], "symlink_target": "x"}),
        AB,
        set(),
    ),
    (
        "huggingface/datasets#5827: a field of two types",
        "a.json",
        json.dumps([{"text": AB[0], "n": 1}, {"text": AB[1], "n": "Nan"}]).encode(),
        AB,
        set(),
    ),
    (
        "huggingface/datasets#6460: an array of two types",
        "a.jsonl",
        lines({"text": AB[0], "ner": [[[0, 4, "Process"]]]}, {"text": AB[1], "ner": [[]]}),
        AB,
        set(),
    ),
    (
        "apache/texera#6279: a value of another type after a hundred rows",
        "a.csv",
        b"age,text\n" + b"".join(b"%d,row %d\n" % (n, n) for n in range(150)) + b"old,last\n",
        [f"row {n}" for n in range(150)] + ["last"],
        set(),
    ),
    (
        "pandas#51141: a carriage return within a field, unquoted",
        "a.csv",
        b"text,n\n" + b"x" * 70_000 + b"\ry,1\nlast,2\n",
        ["last"],
        {"malformed"},
    ),
    (
        "smarter_csv#31: a carriage return within quotes",
        "a.csv",
        b'text,n\r\n"one\rtwo",1\r\nlast,2\r\n',
        ["one\rtwo", "last"],
        set(),
    ),
    (
        "pandas#14012: a cell that is a NUL",
        "a.csv",
        b"text,n\nfirst,0\nsecond,\0\nthird,0\nfourth,0\n",
        ["first", "second", "third", "fourth"],
        set(),
    ),
    (
        "pandas#19886: a NUL within the text",
        "a.csv",
        b"text,n\nbe\0fore,1\nafter,2\n",
        ["be\0fore", "after"],
        {"ambiguous"},
    ),
    (
        "turicreate#1692: a quote that is never closed",
        "a.csv",
        b'text,b\n"a","b"\n"c","d\n',
        ["a"],
        {"malformed"},
    ),
    (
        "pandas#8983: a row with trailing spaces",
        "a.csv",
        b"text,n\nfirst ,1   \n\nsecond,2\n",
        ["first ", "second"],
        set(),
    ),
    (
        "huggingface/datasets#713: carriage returns in plain text",
        "a.txt",
        b"one\rtwo\r\nthree\n",
        ["one\rtwo\r\nthree\n"],
        set(),
    ),
    (
        "rsmtool#271: NaN",
        "a.jsonl",
        b'{"text": "x y", "n": NaN}\n',
        ["x y"],
        {"metadata"},
    ),
    (
        "jsonlines#69: joined files with byte order marks",
        "a.jsonl",
        b"".join(b"\xef\xbb\xbf" + lines({"text": each}) for each in AB),
        AB,
        {"ambiguous"},
    ),
    (
        "PyRIT#1479: blank lines",
        "a.jsonl",
        b"\n" + lines({"text": AB[0]}) + b"\n  \t\n" + lines({"text": AB[1]}) + b"\n\n",
        AB,
        set(),
    ),
    (
        "matrixone#7241: arrays for records",
        "a.jsonl",
        lines(["name", "score"], ["Gilbert", 24]),
        [],
        {"no_text", "empty"},
    ),
    (
        "cudf#10267: a record over two lines",
        "a.jsonl",
        b'{"text": "one"}\n{"text":\n"two"}\n{"text": "three"}\n',
        ["one", "three"],
        {"malformed"},
    ),
    (
        "yacy#392: empty lines between records",
        "a.warc",
        warc(*map(str.encode, AB)).replace(b"\r\n\r\nWARC", b"\r\n\r\n\r\n\r\nWARC"),
        AB,
        {"ambiguous"},
    ),
    (
        "pywb#48: one gzip stream for all records",
        "a.warc.gz",
        gzip.compress(warc(*map(str.encode, AB))),
        AB,
        set(),
    ),
    (
        "warcio#138: the last record's gzip stream is cut",
        "a.warc.gz",
        gzip.compress(warc(AB[0].encode())) + gzip.compress(warc(AB[1].encode() * 50))[:-20],
        [AB[0]],
        {"corrupt"},
    ),
    (
        "warcio#127: no WARC at all",
        "a.warc",
        b"this is no WARC\r\n\r\nat all\r\n",
        [],
        {"corrupt", "empty"},
    ),
    (
        "warcio#121: a record is longer than it says",
        "a.warc",
        record("conversion", AB[0].encode(), 5) + warc(AB[1].encode()),
        [],
        {"corrupt", "empty"},
    ),
    (
        "warcio#122: a record is shorter than it says",
        "a.warc",
        record("conversion", AB[0].encode(), 5_000),
        [],
        {"corrupt", "empty"},
    ),
    (
        "arrow#42763: lists in the two-level form",
        "a.parquet",
        parquet(pa.array(AB), use_compliant_nested_type=False),
        AB,
        set(),
    ),
    (
        "cudf#22299: dictionaries across row groups",
        "a.parquet",
        parquet(pa.array(AB * 50).dictionary_encode(), row_group_size=3),
        AB * 50,
        set(),
    ),
    (
        "data-prep-kit#816: text as bytes",
        "a.parquet",
        parquet(pa.array([each.encode() for each in AB], pa.large_binary())),
        AB,
        set(),
    ),
    (
        "arrow#43584: text as bytes of one length",
        "a.parquet",
        parquet(pa.array([each.encode().ljust(13) for each in AB], pa.binary(13))),
        [each.ljust(13) for each in AB],
        set(),
    ),
]


@pytest.mark.parametrize(
    ("name", "data", "texts", "kinds"),
    [case[1:] for case in CASES],
    ids=[case[0].partition(":")[0] for case in CASES],
)
def test_read__file_of_a_report__is_whole_or_said(
    tmp_path: Path, name: str, data: bytes, texts: list[str], kinds: set[str]
) -> None:
    documents, findings = read(tmp_path / name, data)
    assert ([each.text for each in documents], {each.kind for each in findings}) == (texts, kinds)
