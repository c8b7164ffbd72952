"""Files as other programs write them and people leave them: read whole, or said.

Each is a relative of a public report about another reader; the kinds of losing findings come first,
then those that lose nothing.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import docx
import pyarrow as pa
import pyarrow.parquet
import pytest
from backports import zstd

from oracles.dataset import read_documents
from tests.dataset.samples import pdf_file

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.dataset import Document, Finding


def read(path: Path, data: bytes) -> tuple[list[Document], list[Finding]]:
    path.write_bytes(data)
    findings: list[Finding] = []
    return list(read_documents(path, findings=findings)), findings


RECORD = b'{"text": "one"}\n'
PAGE = b"<html><body><p>one</p></body></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def response(
    body: bytes, header: str = "", status: str = "200 OK", kind: str = "text/html"
) -> bytes:
    answer = f"HTTP/1.1 {status}\r\n{f'Content-Type: {kind}' if kind else 'X: y'}\r\n{header}\r\n"
    return warc("response", answer.encode() + body)


def warc(kind: str, block: bytes, content_type: str = "application/http") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def table(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def word(body: str = "") -> bytes:
    out, changed = io.BytesIO(), io.BytesIO()
    document = docx.Document()
    document.add_paragraph("one")
    document.save(out)
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "word/document.xml":
                data = data.replace(b"<w:body>", b"<w:body>" + body.encode(), 1)
            new.writestr(name, data)
    return changed.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


LONG = table(
    {"text": ["first", "middle", "second"] * 500}, use_dictionary=False, compression="none"
)
CHECKED = table(
    {"text": ["first", "middle", "second"] * 500},
    use_dictionary=False,
    compression="none",
    write_page_checksum=True,
)
ONE = pdf_file(["one"])
#: What, file, bytes, texts, kinds that lose data, kinds that do not.
CASES: list[tuple[str, str, bytes, list[str], set[str], set[str]]] = [
    # Names and what they stand for
    ("git lfs pointer for Parquet", "a.parquet", LFS, [], {"unreadable"}, {"empty"}),
    ("git lfs pointer for text", "a.txt", LFS, [], {"unreadable"}, {"empty"}),
    ("annex pointer", "a.jsonl.gz", b"/annex/objects/SHA-1\n", [], {"unreadable"}, {"empty"}),
    ("plain named gzip", "a.jsonl.gz", RECORD, [], {"corrupt"}, {"empty"}),
    ("zstd named gzip", "a.jsonl.gz", zstd.compress(RECORD), [], {"binary"}, {"empty"}),
    ("gzip named tar", "a.tar", gzip.compress(RECORD), [], {"binary"}, {"empty"}),
    ("error page named Parquet", "a.parquet", PAGE, [], {"binary"}, {"empty"}),
    ("error page named gzip", "a.jsonl.gz", PAGE, [], {"binary"}, {"empty"}),
    ("old office file named .docx", "a.docx", b"\xd0\xcf\x11\xe0" * 9, [], {"binary"}, {"empty"}),
    ("RTF named text", "a.txt", b"{\\rtf1 one}", [], {"binary"}, {"empty"}),
    ("encrypted Parquet", "a.parquet", LONG[:-4] + b"PARE", [], {"unreadable"}, {"empty"}),
    ("records in a text file", "a.txt", RECORD, [RECORD.decode()], set(), {"ambiguous"}),
    ("a page in a text file", "a.txt", PAGE, [PAGE.decode()], set(), {"ambiguous"}),
    ("jsonlines by another name", "a.jsonlines", RECORD, ["one"], set(), set()),
    (
        "unfinished",
        "a.zip",
        zipped(("a.txt.part", b"x"), ("b.txt", b"y")),
        ["y"],
        {"skipped"},
        set(),
    ),
    ("backup", "a.zip", zipped(("a.txt~", b"x"), ("b.txt", b"y")), ["y"], set(), {"left_out"}),
    # Encodings
    ("UTF-32", "a.jsonl", RECORD.decode().encode("utf-32-le"), [], {"encoding"}, {"empty"}),
    (
        "UTF-16 of another script",
        "a.txt",
        "我们是中国人。你好世界".encode("utf-16-le") * 3,
        [],
        {"encoding"},
        {"empty"},
    ),
    (
        "a mark within text",
        "a.txt",
        b"one\n\xef\xbb\xbftwo\n",
        ["one\n\ufefftwo\n"],
        set(),
        {"ambiguous"},
    ),
    # JSON
    (
        "a lone field beside texts",
        "a.jsonl",
        RECORD + b'{"id": "2"}\n',
        ["one"],
        {"no_text"},
        set(),
    ),
    (
        "texts in two fields",
        "a.jsonl",
        RECORD + b'{"body": "two"}\n',
        ["one", "two"],
        set(),
        {"ambiguous"},
    ),
    (
        "fields alike but for case",
        "a.jsonl",
        b'{"TEXT": "one", "Text": "two"}\n',
        ["one"],
        set(),
        {"ambiguous"},
    ),
    (
        "a tab within a string",
        "a.jsonl",
        b'{"text": "one\ttwo"}\n',
        ["one\ttwo"],
        set(),
        {"ambiguous"},
    ),
    (
        "a line end within a string",
        "a.json",
        b'[{"text": "a\nb"}, {"text": "c"}]',
        ["a\nb", "c"],
        set(),
        {"ambiguous"},
    ),
    (
        "a string never closed",
        "a.json",
        b'[{"text": "a},\n{"text": "b"}]',
        ["b"],
        {"malformed"},
        {"ambiguous"},
    ),
    (
        "a number that is no text",
        "a.jsonl",
        b'{"text": 1e999}\n1e999\n' + RECORD,
        ["one"],
        {"no_text"},
        set(),
    ),
    (
        "lines that end in returns",
        "a.jsonl",
        b'{"text": "a"}\r{"text": "b"}\r',
        ["a", "b"],
        set(),
        {"ambiguous"},
    ),
    (
        "more after the array",
        "a.json",
        b'[{"text": "a"}] {"text": "b"}',
        ["a", "b"],
        set(),
        {"ambiguous"},
    ),
    # CSV and TSV
    (
        "lines that end in returns",
        "a.csv",
        b"text,n\rone,1\rtwo,2\r",
        ["one", "two"],
        set(),
        {"ambiguous"},
    ),
    ("Excel's first line", "a.csv", b"sep=;\r\ntext;n\r\none;1\r\n", ["one"], set(), {"ambiguous"}),
    ("blank lines first", "a.csv", b"\n\ntext,n\none,1\n", ["one"], set(), {"ambiguous"}),
    ("no names", "a.csv", b"hello there\nbye\n", ["bye"], set(), {"ambiguous"}),
    ("another delimiter", "a.csv", b"text^n\none^1\n", ["one^1"], set(), {"ambiguous"}),
    ("a delimiter in a quoted name", "a.csv", b'text;"a, b, c"\none;1\n', ["one"], set(), set()),
    ("more of another delimiter", "a.csv", b"text;a, b, c\none;1\n", ["one"], set(), {"ambiguous"}),
    ("rows with one more", "a.csv", b"text,n\none,1,\n", ["one"], set(), {"ambiguous"}),
    ("names with one more", "a.csv", b"text,n,\none,1\n", ["one"], set(), set()),
    (
        "a quote too much",
        "a.csv",
        b'text,n\n"one,1\ntwo",2\nthree,3\n',
        ["one,1\ntwo", "three"],
        set(),
        {"ambiguous"},
    ),
    ("a blank before a quote", "a.csv", b'text,n\none, "x"\n', ["one"], set(), {"ambiguous"}),
    (
        "a quote never closed",
        "a.tsv",
        b'text\tn\n"one\t1\ntwo\t2\n',
        ['"one', "two"],
        set(),
        {"ambiguous"},
    ),
    # Parquet
    (
        "a byte flipped, with a checksum",
        "a.parquet",
        CHECKED.replace(b"middle", b"mXddle", 1),
        [],
        {"corrupt"},
        {"empty"},
    ),
    # HTML
    (
        "encoding of XML",
        "a.xhtml",
        b'<?xml version="1.0" encoding="iso-8859-1"?><p>caf\xe9</p>',
        ["café"],
        set(),
        set(),
    ),
    (
        "no encoding of the web",
        "a.html",
        b"<meta charset=unicode_escape><p>\\x41",
        [],
        {"encoding"},
        {"empty"},
    ),
    ("pages joined", "a.html", PAGE + PAGE, ["one\n\none"], set(), {"ambiguous"}),
    # WARC
    (
        "chunks",
        "a.warc",
        response(chunked(PAGE), "Transfer-Encoding: chunked\r\n"),
        ["one"],
        set(),
        set(),
    ),
    (
        "chunks cut",
        "a.warc",
        response(chunked(PAGE)[:-9], "Transfer-Encoding: chunked\r\n"),
        ["one"],
        {"corrupt"},
        set(),
    ),
    (
        "chunks that are none",
        "a.warc",
        response(PAGE, "Transfer-Encoding: chunked\r\n"),
        ["one"],
        set(),
        {"ambiguous"},
    ),
    (
        "packed and cut",
        "a.warc",
        response(gzip.compress(PAGE)[:-8], "Content-Encoding: gzip\r\n"),
        ["one"],
        {"corrupt"},
        set(),
    ),
    (
        "not packed",
        "a.warc",
        response(PAGE, "Content-Encoding: gzip\r\n"),
        ["one"],
        set(),
        {"ambiguous"},
    ),
    (
        "deflate bare",
        "a.warc",
        response(zlib.compress(PAGE)[2:-4], "Content-Encoding: deflate\r\n"),
        ["one"],
        set(),
        set(),
    ),
    (
        "zstd",
        "a.warc",
        response(zstd.compress(PAGE), "Content-Encoding: zstd\r\n"),
        ["one"],
        set(),
        set(),
    ),
    (
        "a part of a page",
        "a.warc",
        response(PAGE, status="206 Partial Content"),
        [],
        {"unsupported"},
        {"empty"},
    ),
    ("changed on the way", "a.warc", response(PAGE, status="203 Other"), ["one"], set(), set()),
    ("no type", "a.warc", response(PAGE, kind=""), ["one"], set(), set()),
    ("a PDF", "a.warc", response(b"%PDF-", kind="application/pdf"), [], {"unsupported"}, {"empty"}),
    ("no answer", "a.warc", warc("response", PAGE), [], {"malformed"}, {"empty"}),
    ("the second half", "a.warc", warc("continuation", b"two"), [], {"unsupported"}, {"empty"}),
    # Word and PDF
    (
        "moved text",
        "a.docx",
        word(
            "<w:p><w:moveFrom><w:r><w:t>x</w:t></w:r></w:moveFrom></w:p>"
            "<w:p><w:moveTo><w:r><w:t>x</w:t></w:r></w:moveTo></w:p>"
        ),
        ["x\n\none"],
        set(),
        set(),
    ),
    (
        "a formula",
        "a.docx",
        word(
            '<w:p><m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">'
            "<m:r><m:t>E=mc</m:t></m:r></m:oMath></w:p>"
        ),
        ["E=mc\n\none"],
        set(),
        set(),
    ),
    (
        "a symbol",
        "a.docx",
        word('<w:p><w:r><w:sym w:font="Symbol" w:char="F061"/></w:r></w:p>'),
        ["\ufffd\n\none"],
        {"invalid_text"},
        set(),
    ),
    (
        "a comment of XML",
        "a.docx",
        word("<w:p><w:r><w:t>a<!-- c -->b</w:t></w:r></w:p>"),
        ["ab\n\none"],
        set(),
        set(),
    ),
    (
        "a piece in another form",
        "a.docx",
        word(
            '<w:altChunk xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
            ' r:id="rId1"/>'
        ),
        ["one"],
        {"unsupported"},
        set(),
    ),
    (
        "one PDF behind another",
        "a.pdf",
        ONE + pdf_file(["two"]),
        ["one"],
        {"ignored"},
        set(),
    ),
    # Zip
    (
        "a folder that holds bytes",
        "a.zip",
        zipped(("d/", b"lost"), ("b.txt", b"y")),
        ["y"],
        {"ignored"},
        set(),
    ),
    (
        "another name at its place",
        "a.zip",
        zipped(("one.txt", b"x")).replace(b"one.txt", b"ONE.txt", 1),
        ["x"],
        set(),
        {"ambiguous"},
    ),
    (
        "a name that is no UTF-8, and says so",
        "a.zip",
        zipped(("é.txt", b"x")).replace("é".encode(), b"\xe9x"),
        ["x"],
        set(),
        {"ambiguous"},
    ),
]


@pytest.mark.parametrize(
    ("name", "data", "texts", "losing", "others"),
    [case[1:] for case in CASES],
    ids=[f"{case[1].partition('.')[2]}: {case[0]}" for case in CASES],
)
def test_read__file_as_others_write_it__is_whole_or_said(
    tmp_path: Path, name: str, data: bytes, texts: list[str], losing: set[str], others: set[str]
) -> None:
    documents, findings = read(tmp_path / name, data)
    assert [each.text for each in documents] == texts
    assert {each.kind for each in findings if each.loses_data} == losing
    assert {each.kind for each in findings if not each.loses_data} == others


def test_numbers__when_no_double_holds_them__then_kept_as_text(tmp_path: Path) -> None:
    numbers = ["1e999", "1e-999", "0.10000000000000000000000001", "12345678901234567890"]
    record = f'{{"text": "x", "n": [{", ".join(numbers)}, 0.1, 1e2, -0.0]}}'
    documents, findings = read(tmp_path / "a.jsonl", record.encode())
    assert documents[0].metadata == {"n": [*numbers, 0.1, 100, 0]}
    assert not findings


def test_parquet__when_times_are_of_96_bits__then_right_in_every_year(tmp_path: Path) -> None:
    times = [dt.datetime(1, 2, 3, 4, 5, 6), dt.datetime(2020, 1, 1, 0, 0, 0, 7), None]
    column = pa.array(times, pa.timestamp("us"))
    data = table({"text": ["a", "b", "c"], "t": column}, use_deprecated_int96_timestamps=True)
    nano = pa.array([None, 1_577_836_800_123_456_789, None], pa.timestamp("ns"))
    fine = table({"text": ["a", "b", "c"], "t": nano}, use_deprecated_int96_timestamps=True)
    for written, expected in (
        (data, ["0001-02-03T04:05:06", "2020-01-01T00:00:00.000007", None]),
        (fine, [None, "2020-01-01T00:00:00.123456789", None]),
    ):
        documents, findings = read(tmp_path / "a.parquet", written)
        assert [each.metadata.get("t") for each in documents] == expected
        assert not findings


def test_pointer__when_data_are_kept_elsewhere__then_the_command_is_named(tmp_path: Path) -> None:
    _, findings = read(tmp_path / "a.csv", LFS)
    assert "git lfs pull" in findings[0].detail


def test_zip__when_a_stored_member_looks_like_a_directory__then_its_bytes_are_its_own(
    tmp_path: Path,
) -> None:
    inner = zipped(("é.txt", b"x")).replace("é".encode(), b"\xe9x")
    text = json.dumps({"text": inner[inner.index(b"PK\1\2") :].decode("latin-1")})
    documents, _ = read(tmp_path / "a.zip", zipped(("a.jsonl", text.encode())))
    assert documents[0].text == json.loads(text)["text"]
