"""Files after public reports about other readers of the same forms: read whole, or said."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from oracles.dataset import read_documents
from tests.dataset.test_siblings import response, word, zipped

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


def parquet(
    column: pa.Array, more: pa.Array = None, other_case: pa.Array = None, **options: Any
) -> bytes:
    out = io.BytesIO()
    columns = {"text": column, "n": list(range(len(column))), "more": more, "Text": other_case}
    present = {name: each for name, each in columns.items() if each is not None}
    pa.parquet.write_table(pa.table(present), out, **options)
    return out.getvalue()


GONE = {"corrupt", "empty"}
RUBY = "<w:r><w:ruby><w:rt>%s</w:rt><w:rubyBase>%s</w:rubyBase></w:ruby></w:r>"
RUN = "<w:r><w:t xml:space='preserve'>%s</w:t></w:r>"
CHUNKS = "Transfer-Encoding: chunked\r\n"


def paragraph(content: str) -> bytes:
    return word(f"<w:p>{content}</w:p>")


def long_directory() -> bytes:
    """A zip whose zip64 record has data behind its fields, as the format allows."""
    data = zipped(("a.txt", b"one"))
    end, start = data.index(b"PK\5\6"), data.index(b"PK\1\2")
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 52, 45, 45, 0, 0, 1, 1, end - start, start)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    full = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + record + b"extradat" + locator + b"PK\5\6" + full


class Pipe(io.RawIOBase):
    """Takes bytes, and cannot go back."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.taken += data
        return len(data)


def streamed() -> bytes:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"one")
        archive.writestr("b.txt", b"two")
    return bytes(pipe.taken)


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
        {"ambiguous"},
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
        [AB[1]],
        {"corrupt"},
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
    # Delimited tables
    (
        "pandas#21862: a quote escaped by a backslash",
        "a.csv",
        b'title,text\nJeans,"blue"\nJeans,"2\\" seam"\nJeans,"2\\" seam, blue"\n',
        ["blue"],
        {"malformed"},
    ),
    (
        "pandas#18382: quotes escaped by backslashes around a delimiter",
        "a.csv",
        b'text,id\n"follow \\"buyers what they want,\\" and",733\n"whatever",734\n',
        ["whatever"],
        {"malformed"},
    ),
    (
        "pandas#22661: a quote at the start of a field, and never again",
        "a.tsv",
        b'id\ttext\tn\n3\tabc\t5.6\n4\t"abc"\t4.3\n5\t"error\t3.3\n',
        ["abc", "abc", '"error'],
        {"ambiguous"},
    ),
    (
        "pandas#56690: quotes doubled once too often",
        "a.csv",
        b'"text";"more"\n"This is a """TEST""";"with"\n"b";"c"\n',
        ["b"],
        {"malformed"},
    ),
    (
        "pandas#16682: blanks between fields",
        "a.csv",
        b"A B text\n1 2 x\n",
        ["1 2 x"],
        {"ambiguous"},
    ),
    (
        "pandas#33720: a backslash before a delimiter",
        "a.csv",
        b"id,text,n\n1,C:\\dir\\,5\n2,plain,6\n",
        ["C:\\dir\\", "plain"],
        set(),
    ),
    (
        "pandas#14122: a backslash before a closing quote that is none",
        "a.csv",
        b'id,text\n1,C:\\users\n2,"bad value\\"\n3,last\n',
        ["C:\\users", "bad value\\", "last"],
        set(),
    ),
    (
        "cpython#119123: lists in a row of semicolons",
        "a.csv",
        b"id;text;c\n1;one;['345']\n4;two;['112', '112']\n",
        ["one", "two"],
        set(),
    ),
    (
        "cpython#97611: blanks within fields between tabs",
        "a.csv",
        b'id\ttext\n1\t"a b c d"\n2\t"e f g h"\n',
        ["a b c d", "e f g h"],
        set(),
    ),
    (
        "CleverCSV#35: more colons than commas",
        "a.csv",
        b"text,t,d\nfake,20:53:06,2019-09-01T19:28:21\nfake,19:33:15,2005-02-15T19:10:31\n",
        ["fake", "fake"],
        set(),
    ),
    (
        "CleverCSV#58: blanks within fields between bars",
        "a.csv",
        b'"text"|"street"\n"Private Company"|"Point Rd"\n',
        ["Private Company"],
        set(),
    ),
    (
        "CleverCSV#99: lines that begin with stars",
        "a.csv",
        b'id,text\n1,"* one\n* two\n* three"\n2,"*bold* and *more*"\n',
        ["* one\n* two\n* three", "*bold* and *more*"],
        set(),
    ),
    (
        "unstructured#2224: commas in a row of semicolons",
        "a.csv",
        b"id;text\n1;one, two, three\n2;a, b\n",
        ["one, two, three", "a, b"],
        set(),
    ),
    (
        "pysdmx#460: bars in a row of commas",
        "a.csv",
        b"flow,text,v\nX(1.0),a|b|c,1\nX(1.0),d|e|f,2\n",
        ["a|b|c", "d|e|f"],
        set(),
    ),
    (
        "csvs-to-sqlite#15: a quote opened in the last row",
        "a.csv",
        b'id,text\n0,zero\n1,"open\n',
        ["zero"],
        {"malformed"},
    ),
    # JSON
    (
        "jsonslicer#43: objects one after another",
        "a.json",
        b'{"text":"a"}\n{"text": "b"}\n',
        ["a", "b"],
        set(),
    ),
    ("ijson#123: more after the object", "a.json", b'{"text": "y"}#', ["y"], {"malformed"}),
    (
        "ijson#42: cut within a word",
        "a.json",
        b'[{"text":"a"},{"text":"b","x":tru',
        ["a"],
        {"corrupt"},
    ),
    (
        "SBJson#66: a bracket too much",
        "a.json",
        b'[{"text":"a"}]]',
        ["a"],
        {"ambiguous", "malformed"},
    ),
    ("ijson#152: no value", "a.json", b'{"text": }', [], {"malformed", "empty"}),
    (
        "jsoncpp#1547: a comma after the last value",
        "a.json",
        b'[{"text":"a"},{"text":"b"},]',
        ["a", "b"],
        {"ambiguous"},
    ),
    (
        "Soup#548: rows that are no records",
        "a.jsonl",
        b'{"text":"1"}\n{this is not}\n{"messages":[{"role":"x"}]}\n[]\n{"text":"2"}\n',
        ["1", "2"],
        {"malformed", "no_text"},
    ),
    (
        "rai-toolkit#82: values for records",
        "a.jsonl",
        b'{"text":"a"}\n1\nnull\ntrue\n[]\n{"text":"b"}\n',
        ["a", "b"],
        {"no_text"},
    ),
    # Web archives
    (
        "jwarc#29: one byte short",
        "a.warc",
        record("conversion", b"one", 2) + warc(b"two"),
        ["two"],
        {"corrupt"},
    ),
    (
        "jwarc#24: zeros before the last chunk's length",
        "a.warc",
        response(b"8\r\none two \r\n00000000\r\n\r\n", CHUNKS, kind="text/plain"),
        ["one two "],
        set(),
    ),
    (
        "webarchive-discovery#232: eight digits and a capital",
        "a.warc",
        response(b"0000000A\r\none two ab\r\n0\r\n\r\n", CHUNKS.upper(), kind="text/plain"),
        ["one two ab"],
        set(),
    ),
    (
        "solrwayback#58: said to be in chunks, and not",
        "a.warc",
        response(b"plain text here", CHUNKS, kind="text/plain"),
        ["plain text here"],
        {"ambiguous"},
    ),
    (
        "warctools#14: said to be packed, and not",
        "a.warc",
        response(b"plain text here", "Content-Encoding: gzip\r\n", kind="text/plain"),
        ["plain text here"],
        {"ambiguous"},
    ),
    (
        "node-warc#34: empty lines in a body",
        "a.warc",
        response(b"one\r\n\r\n\r\ntwo\r\n\r\nthree", kind="text/plain"),
        ["one\r\n\r\n\r\ntwo\r\n\r\nthree"],
        set(),
    ),
    (
        "libarchive#3308: a body cut short",
        "a.warc",
        warc(b"all of it")[:-9],
        [],
        {"corrupt", "empty"},
    ),
    # Pages
    (
        "trafilatura#825: words kept on one line",
        "a.html",
        "<html><body><p>Sjätte <nobr>AP-fonden</nobr> x</p></body></html>".encode(),
        ["Sjätte AP-fonden x"],
        set(),
    ),
    (
        "trafilatura#890: what follows an inline element, in a table",
        "a.html",
        b"<html><body><table><tr><td><p>At rate <i>r</i>, -3<i>r</i> and 3<i>r</i>/2. End.</td>"
        b"</tr></table></body></html>",
        ["At rate r, -3r and 3r/2. End."],
        set(),
    ),
    (
        "trafilatura#147: links to nowhere, and text in no element",
        "a.html",
        b"<html><body><h1>A</h1><a>two</a><h1><a>three</a></h1>four\nfive</body></html>",
        ["A\n\ntwo\n\nthree\n\nfour five"],
        set(),
    ),
    (
        "trafilatura#431: spans in lists",
        "a.html",
        b'<html><body><ul><li><span tabindex="0">You have the right</span></li></ul></body></html>',
        ["You have the right"],
        set(),
    ),
    # Word
    (
        "python-docx#85: a link within a paragraph",
        "a.docx",
        paragraph(RUN % "before " + f"<w:hyperlink>{RUN % 'link'}</w:hyperlink>" + RUN % " after"),
        ["before link after\n\none"],
        set(),
    ),
    (
        "python-docx#856: a cell that is a link",
        "a.docx",
        word(
            f"<w:tbl><w:tr><w:tc><w:p><w:hyperlink>{RUN % 'cell'}</w:hyperlink></w:p></w:tc></w:tr>"
            "</w:tbl>"
        ),
        ["cell\n\none"],
        set(),
    ),
    (
        "python-docx#803: runs in other elements",
        "a.docx",
        paragraph(
            RUN % "Version " + f'<w:ins w:id="1">{RUN % "2.5.4"}</w:ins>'
            f"<w:smartTag>{RUN % ' for X'}</w:smartTag>"
            '<w:del w:id="2"><w:r><w:delText>gone</w:delText></w:r></w:del>'
        ),
        ["Version 2.5.4 for X\n\none"],
        set(),
    ),
    (
        "python-docx: how characters are read stands before them in the file",
        "a.docx",
        paragraph(RUBY % (RUN % "kan", RUN % "漢") + RUBY % ("", RUN % "字")),
        ["漢(kan)字\n\none"],
        set(),
    ),
    (
        "python-docx: a part of a master document",
        "a.docx",
        word('<w:p><w:subDoc w:id="rId99"/></w:p>'),
        ["one"],
        {"unsupported"},
    ),
    # Columns
    (
        "arrow#43908: decimals in lists",
        "a.parquet",
        parquet(
            pa.array(["a"]), more=pa.array([[Decimal("1.10")]], pa.list_(pa.decimal128(38, 9)))
        ),
        ["a"],
        set(),
    ),
    (
        "fastparquet#971: a decimal of 60 digits",
        "a.parquet",
        parquet(
            pa.array(["a"]),
            more=pa.array([Decimal("12345678901234567890.5")], pa.decimal256(60, 1)),
        ),
        ["a"],
        set(),
    ),
    (
        "arkouda#2937: long strings in a dictionary",
        "a.parquet",
        parquet(pa.array(["a", "b", "a"], pa.large_string()).dictionary_encode()),
        ["a", "b", "a"],
        set(),
    ),
    (
        "hive: columns alike but for case",
        "a.parquet",
        parquet(pa.array(["a"]), other_case=pa.array(["b"])),
        ["a"],
        {"ambiguous"},
    ),
    (
        "hive: fields alike but for case",
        "a.jsonl",
        b'{"Text": "b", "text": "a"}\n',
        ["a"],
        {"ambiguous"},
    ),
    (
        "pandas#66415: a NUL in another field, and in a field's name",
        "a.jsonl",
        b'{"text":"a","k":{"l":["x\\u0000"]}}\n{"text":"b","\\u0000k":1}\n',
        ["a", "b"],
        {"ambiguous"},
    ),
    # Archives
    (
        "cpython#126834: a directory of the long form with more in it",
        "a.zip",
        long_directory(),
        [],
        {"corrupt", "empty"},
    ),
    (
        "cpython#84353: a name in another code page",
        "a.zip",
        zipped(("foo.txt", b"one")).replace(b"foo", b"\xaeHO"),
        ["one"],
        {"ambiguous"},
    ),
    # What people met with the same tools elsewhere
    (
        "dataprof#423: a line end in quotes where a reader looks for the delimiter",
        "a.csv",
        b'id,text\n1,"line one\nline two"\n2,normal\n3,"has ""quotes"""\n',
        ["line one\nline two", "normal", 'has "quotes"'],
        set(),
    ),
    (
        "cpython#88843: blanks are no delimiter",
        "a.csv",
        b"id text\n1 hello there\n2 more\n",
        ["1 hello there", "2 more"],
        {"ambiguous"},
    ),
    (
        "COW#59: a blank before a quoted field that holds the delimiter",
        "a.csv",
        b'n,text\n0, "a, b"\n1,c\n',
        ["c"],
        {"malformed"},
    ),
    (
        "future-agi#1517: one column whose name holds a comma",
        "a.csv",
        b"first,second\nhello\nworld\n",
        [],
        {"no_text", "empty"},
    ),
    (
        "future-agi#1517: curly quotes do not quote",
        "a.csv",
        'text,n\n“curly”,1\n"a “b, c” d",2\n'.encode(),
        ["“curly”", "a “b, c” d"],
        set(),
    ),
    (
        "warcio#131: one line end between records",
        "a.warc",
        warc(b"one", b"two").replace(b"one\r\n\r\n", b"one\r\n"),
        ["one", "two"],
        {"ambiguous"},
    ),
    (
        "warcio#140: records without anything between them or after them",
        "a.warc",
        warc(b"one", b"two").replace(b"one\r\n\r\n", b"one").removesuffix(b"\r\n\r\n"),
        ["one", "two"],
        {"ambiguous", "corrupt"},
    ),
    (
        "warcio#99: one record of many is damaged in its own compression",
        "a.warc.gz",
        gzip.compress(warc(b"one")) + b"\x1f\x8b\x08" + gzip.compress(warc(b"two")),
        ["one", "two"],
        {"corrupt"},
    ),
    (
        "charset_normalizer#12: little text, and UTF-8",
        "a.txt",
        "héllo world!\n".encode(),
        ["héllo world!\n"],
        set(),
    ),
    (
        "charset_normalizer#477: little text in another encoding",
        "a.txt",
        "Köster\n".encode("latin-1"),
        ["K\ufffdster\n"],
        {"invalid_text"},
    ),
    (
        "charset_normalizer#624: only the names of columns are in another encoding",
        "a.csv",
        "Jahr;Kinosäle;text\n1981;3;ein Satz\n".encode("cp1252"),
        ["ein Satz"],
        {"invalid_text"},
    ),
    (
        "agent-os#2381: a text box in a picture",
        "a.docx",
        word(
            "<w:p>"
            + RUN % "Before"
            + "</w:p><w:p><w:r><w:pict><w:txbxContent><w:p>"
            + RUN % "Boxed"
            + "</w:p></w:txbxContent></w:pict></w:r></w:p>"
        ),
        ["Before\n\nBoxed\n\none"],
        set(),
    ),
    (
        "python-docx#683: text after a link that is a field",
        "a.docx",
        word(
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>HYPERLINK'
            '</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>'
            + RUN % "link"
            + '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
            + RUN % " after"
            + "</w:p>"
        ),
        ["link after\n\none"],
        set(),
    ),
    (
        "single pages of a browser, which are messages",
        "a.mhtml",
        b"Content-Type: multipart/related; boundary=b\n\n--b\n\n<p>hi\n--b--\n",
        [],
        {"unsupported", "empty"},
    ),
    (
        "mysql, postgres: a table as COPY and INTO OUTFILE write it",
        "a.tsv",
        b"text\tn\none\t1\ntwo\t\\N\n",
        ["one", "two"],
        {"ambiguous"},
    ),
    ("stream-unzip#5: sizes behind the data", "a.zip", streamed(), ["one", "two"], set()),
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
