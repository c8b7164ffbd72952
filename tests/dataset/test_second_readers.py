"""Each form read a second time by a program that shares no code with ours, honest and damaged.

Where nothing is found, both read the same. A reader that refuses a file aloud contradicts nobody.
What is left of disagreement is argued where a test allows for it. Readers that the project does not
need otherwise are in an environment of their own: `make readers` installs them and runs this file.
"""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dataset.samples import pdf_file, warc_file, word_file
from tests.dataset.test_text_forms import _csv, _json, _jsonl, _tsv, damaged, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Texts = Callable[[Path], Iterable[Any]]

damage_of = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("second")


def agree(path: Path, data: bytes, second: Texts, refusals: tuple[type[Exception], ...]) -> None:
    """Where we find nothing, the second reader has the same texts, or refuses."""
    documents, findings = read(path, data)
    if findings:
        return
    try:
        texts = list(second(path))
    except refusals:
        return
    assert [each.text for each in documents] == texts


def column(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """The cells of the column that is the text."""
    named = [name.strip().lower() for name in names]
    place = named.index("text") if "text" in named else 0
    return [list(row)[place] or "" for row in rows]


# Tables and records


def pandas_rows(delimiter: str) -> Texts:
    pandas = pytest.importorskip("pandas")

    def second(path: Path) -> Iterable[str]:
        frame = pandas.read_csv(
            path, sep=delimiter, dtype=str, keep_default_na=False, index_col=False
        )
        return column(frame.columns, frame.to_numpy().tolist())

    return second


def duck(query: str) -> Texts:
    """DuckDB's rows of a query on `$path`."""
    engine = pytest.importorskip("duckdb").connect()
    engine.execute("set threads = 1")

    def second(path: Path) -> Iterable[str]:
        result = engine.execute(query.replace("$path", f"'{path}'"))
        return column([each[0] for each in result.description], result.fetchall())

    return second


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@given(data=st.data())
@damage_of
def test_rows__as_pandas_and_duckdb_have_them(folder: Path, delimiter: str, data: Any) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = folder / ("a.tsv" if delimiter == "\t" else "a.csv")
    changed = data.draw(damaged(_tsv() if delimiter == "\t" else _csv(delimiter)))
    agree(path, changed, pandas_rows(delimiter), (ValueError,))
    agree(path, changed, duck("select * from read_csv($path, all_varchar = true)"), (duckdb.Error,))


@given(data=st.data())
@damage_of
def test_json_lines__as_pandas_and_duckdb_have_them(folder: Path, data: Any) -> None:
    pandas, duckdb = pytest.importorskip("pandas"), pytest.importorskip("duckdb")

    def second(path: Path) -> Iterable[str]:
        frame = pandas.read_json(path, lines=True, dtype=False, convert_dates=False)
        return column(frame.columns, frame.to_numpy().tolist())

    changed = data.draw(damaged(_jsonl()))
    agree(folder / "a.jsonl", changed, second, (ValueError,))
    query = "select * from read_json($path, format = 'newline_delimited')"
    agree(folder / "a.jsonl", changed, duck(query), (duckdb.Error,))


@given(data=st.data())
@damage_of
def test_json__as_duckdb_has_it(folder: Path, data: Any) -> None:
    duckdb = pytest.importorskip("duckdb")
    query = "select * from read_json($path)"
    agree(folder / "a.json", data.draw(damaged(_json())), duck(query), (duckdb.Error,))


# Parquet


def columns() -> list[bytes]:
    """Parquet files of pyarrow: versions, pages, compressions, lists."""
    files = []
    for version, pages, compression in [
        ("1.0", "1.0", "none"),
        ("2.6", "2.0", "zstd"),
        ("2.6", "1.0", "snappy"),
    ]:
        out = io.BytesIO()
        table = pa.table(
            {
                "text": [f"text number {i}" for i in range(16)],
                "n": list(range(16)),
                "l": [["a"], ["b", "c"]] * 8,
            }
        )
        pq.write_table(
            table,
            out,
            version=version,
            data_page_version=pages,
            compression=compression,
            row_group_size=8,
            write_page_checksum=compression == "zstd",
        )
        files.append(out.getvalue())
    return files


COLUMNS = columns()


@given(data=st.data())
@settings(damage_of, max_examples=400)
def test_parquet__with_a_bit_changed__as_duckdb_has_it(folder: Path, data: Any) -> None:
    """DuckDB trusts the footer's statistics; where these are false, it has null for a text."""
    duckdb = pytest.importorskip("duckdb")
    honest = data.draw(st.sampled_from(COLUMNS))
    place, bit = data.draw(st.integers(0, len(honest) - 1)), data.draw(st.integers(0, 7))
    changed = honest[:place] + bytes([honest[place] ^ 1 << bit]) + honest[place + 1 :]
    documents, findings = read(folder / "a.parquet", changed)
    texts = [each.text for each in documents]
    if findings or not texts:
        return
    try:
        others = duck("select text from read_parquet($path)")(folder / "a.parquet")
    except duckdb.Error:
        return
    told = [each.decode() if isinstance(each, bytes) else each for each in others]
    assert len(told) == len(texts)
    assert all(one in (other, "") for one, other in zip(told, texts, strict=True))


def test_parquet__a_damaged_description_of_a_column__costs_that_column(tmp_path: Path) -> None:
    """pyarrow ends the process if it is asked for it."""
    honest = COLUMNS[0]
    footer = len(honest) - 8 - int.from_bytes(honest[-8:-4], "little")
    lost: Counter[str] = Counter()
    for place in range(footer, len(honest) - 8, 4):
        changed = honest[:place] + bytes([honest[place] ^ 2]) + honest[place + 1 :]
        documents, findings = read(tmp_path / "a.parquet", changed)
        assert documents or findings
        lost.update(str(each.detail).partition(":")[0] for each in findings)
        if any("column 'n' is damaged" in each.detail for each in findings):
            assert [each.text for each in documents] == [f"text number {i}" for i in range(16)]
    assert lost["the column 'n' is damaged, its values from here on are lost"]


def test_parquet__a_column_that_cannot_be_read__costs_that_column(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b", "c"], "x": ["x" * 40] * 3, "n": [1, 2, 3]})
    out = io.BytesIO()
    pq.write_table(table, out, compression="none", write_page_checksum=True, use_dictionary=False)
    data = out.getvalue().replace(b"x" * 40, b"x" * 20 + b"y" * 20)
    documents, findings = read(tmp_path / "a.parquet", data)
    assert [(each.text, each.metadata["n"]) for each in documents] == [("a", 1), ("b", 2), ("c", 3)]
    assert [each.kind for each in findings] == ["corrupt"]
    assert "'x'" in findings[0].detail


def test_parquet__an_array_of_fixed_length_by_duckdb__costs_that_column(tmp_path: Path) -> None:
    """Where one is null, DuckDB writes what pyarrow cannot read."""
    duckdb = pytest.importorskip("duckdb")
    rows = duckdb.sql(
        "select * from (values ('a', [1, 2]::integer[2], 1), ('b', null, 2)) t(text, x, n)"
    )
    rows.write_parquet(str(tmp_path / "d.parquet"))
    documents, findings = read(tmp_path / "a.parquet", (tmp_path / "d.parquet").read_bytes())
    assert [(each.text, each.metadata["n"]) for each in documents] == [("a", 1), ("b", 2)]
    assert [each.kind for each in findings] == ["corrupt"]


def test_parquet__identifiers_and_decimals__are_text(tmp_path: Path) -> None:
    identifier, out = uuid.UUID(int=1 << 100), io.BytesIO()
    table = pa.table(
        {
            "text": ["a"],
            "u": pa.array([identifier.bytes], pa.uuid()),
            "d": pa.array([0], pa.decimal128(38, 10)),
        }
    )
    pq.write_table(table, out)
    documents, findings = read(tmp_path / "a.parquet", out.getvalue())
    assert not findings
    assert documents[0].metadata == {"u": str(identifier), "d": "0.0000000000"}


# HTML

MARKUP = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>A title</title><style>p{}"
    "</style></head><body><h1>Head</h1><p>First <b>bold</b> text.<p>Second &amp; größer<ul>"
    "<li>one<li>two</ul><table><tr><td>a<td>b</table><script>var x='<p>';</script>"
    "<pre>x\n  y</pre><div>end</div></body></html>"
).encode()
UNSEEN = frozenset({"head", "script", "style", "noscript", "svg", "object"})


def squashed(text: str) -> str:
    return re.sub(r"[\s\0]+", "", text)


def seen(element: Any, parts: list[str]) -> list[str]:
    """The text within an element of a tree that html5lib has made."""
    for child in element:
        if isinstance(child.tag, str) and child.tag not in UNSEEN:
            parts.append(child.text or "")
            seen(child, parts)
        parts.append(child.tail or "")
    return parts


@given(data=st.data())
@damage_of
def test_html__as_html5lib_has_it(folder: Path, data: Any) -> None:
    """A `<` as a file's last character is text by the standard; lexbor drops it."""
    html5lib = pytest.importorskip("html5lib")
    changed = data.draw(damaged(MARKUP))
    documents, findings = read(folder / "a.html", changed)
    if any(finding.kind != "empty" for finding in findings):
        return
    tree = html5lib.parse(changed.decode("utf-8-sig"), namespaceHTMLElements=False)
    body = tree.find("body")
    other = "" if body is None else "".join(seen(body, [body.text or ""]))
    ours = squashed("".join(each.text for each in documents))
    assert ours.removesuffix("<") == squashed(other).removesuffix("<")


# WARC

CRAWL = warc_file(
    ("warcinfo", "application/warc-fields", b"software: x"),
    ("response", "text/plain", b"an answer in text"),
    ("conversion", "text/plain", "extracted téxt".encode()),
    ("resource", "text/plain", b"plain words"),
)
#: Without check sums, which would show most of the damage at once.
BARE = b"\r\n".join(line for line in CRAWL.split(b"\r\n") if not line.startswith(b"WARC-Block"))
#: What fastwarc knows only as it is usually written, though case is free by the standards.
CASES = re.compile(
    "warc-type|content-length|application/http|warc-target-uri|response|conversion|resource|http/1",
    re.I,
)


@given(data=st.data())
@settings(damage_of, max_examples=400)
def test_warc__as_fastwarc_has_it(folder: Path, data: Any) -> None:
    fastwarc = pytest.importorskip("fastwarc")
    changed = data.draw(damaged(data.draw(st.sampled_from([CRAWL, BARE]))))
    usual = {each.lower(): each for each in CASES.findall(CRAWL.decode())}
    if any(usual[each.lower()] != each for each in CASES.findall(changed.decode("latin-1"))):
        return
    documents, findings = read(folder / "a.warc", changed)
    if any(finding.kind != "left_out" for finding in findings):
        return
    try:
        others = [
            (record.headers.get("WARC-Target-URI"), record.reader.read().decode())
            for record in fastwarc.ArchiveIterator(
                str(folder / "a.warc"), fsspec_args=False, auto_decode="all"
            )
            if str(record.record_type).rpartition(".")[2].lower()
            in ("response", "resource", "conversion")
            and (record.http_headers is None or record.http_headers.status_code in (200, 203))
        ]
    except OSError:
        return
    assert [(each.metadata.get("url"), each.text) for each in documents] == others


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (b"WARC-Type: conv", b"WARC-Type: resource\r\nWARC-Type: conv", "duplicate_key"),
        (b"application/http; msgtype=response", b"text/plain", "ambiguous"),
        (b"WARC-Type: conversion\r\n", b"WARC-Type: conversion\n", "ambiguous"),
        (b"example.org/2", b"example.org/\xff", "invalid_text"),
        (b"Content-Length: 11\r\n\r\nplain", b"Content-Length\x0b: 11\r\n\r\nplain", "corrupt"),
    ],
)
def test_warc__a_head_that_others_read_otherwise__is_said(
    tmp_path: Path, old: bytes, new: bytes, kind: str
) -> None:
    assert old in BARE
    _, findings = read(tmp_path / "a.warc", BARE.replace(old, new))
    assert kind in {each.kind for each in findings}


def test_warc__an_answer_that_says_its_type_twice__is_said(tmp_path: Path) -> None:
    data = warc_file(("response", "text/plain\r\nContent-Type: text/html", b"<p>x"))
    documents, findings = read(tmp_path / "a.warc", data)
    assert [each.text for each in documents] == ["<p>x"]
    assert [each.kind for each in findings] == ["ambiguous"]


# Zip


def zip_file(*, method: int, pipe: bool) -> bytes:
    out = io.BytesIO()

    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return out.write(data)

    with zipfile.ZipFile(Pipe() if pipe else out, "w", method) as archive:  # type: ignore[arg-type]
        for name, text in (("a.txt", "first"), ("b.txt", "zweiter größer"), ("c.txt", "third")):
            archive.writestr(name, f"{text} " * 20)
    return out.getvalue()


ZIPS = [
    zip_file(method=method, pipe=pipe)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    for pipe in (False, True)
]


@given(data=st.data())
@settings(damage_of, max_examples=600)
def test_zip__as_a_reader_from_front_to_back_has_it(folder: Path, data: Any) -> None:
    """It goes by the header at each member's place, and we by the directory at the end."""
    unzip = pytest.importorskip("stream_unzip")
    honest = data.draw(st.sampled_from(ZIPS))
    place = data.draw(st.integers(0, len(honest) - 1))
    accident = data.draw(st.sampled_from(["flip", "zero", "cut", "insert"]))
    bit = data.draw(st.integers(0, 7))
    changed = {
        "flip": honest[:place] + bytes([honest[place] ^ 1 << bit]) + honest[place + 1 :],
        "zero": honest[:place] + bytes(4) + honest[place + 4 :],
        "cut": honest[:place],
        "insert": honest[:place] + b"PK\3\4" + honest[place:],
    }[accident]

    def second(path: Path) -> Iterable[str]:
        for _, _, chunks in unzip.stream_unzip([path.read_bytes()]):
            yield b"".join(chunks).decode()

    # It cannot read what is stored with its size behind it, and says so.
    agree(folder / "a.zip", changed, second, (unzip.NotStreamUnzippable,))


def test_zip__data_beyond_the_size__are_said(tmp_path: Path) -> None:
    """The size and the check sum of a member are those of its beginning; more follows."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "shown")
        info = archive.infolist()[0]
    short = info.CRC.to_bytes(4, "little"), info.file_size.to_bytes(4, "little")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "shown and hidden")
        info = archive.infolist()[0]
    data = out.getvalue()
    for old, new in zip(
        (info.CRC.to_bytes(4, "little"), info.file_size.to_bytes(4, "little")), short, strict=True
    ):
        data = data.replace(old, new)
    documents, findings = read(tmp_path / "a.zip", data)
    assert [each.text for each in documents] == ["shown"]
    assert [each.kind for each in findings] == ["ignored"]


# PDF


@cache
def printed() -> list[bytes]:
    """PDF files of ours and, where it is installed, of fpdf2."""
    files = [pdf_file(["First page", "Second page of words"])]
    fpdf = pytest.importorskip("fpdf")
    for compressed in (True, False):
        paper = fpdf.FPDF()
        paper.set_compression(compressed)
        for number in range(3):
            paper.add_page()
            paper.set_font("Helvetica", size=12)
            paper.multi_cell(paper.epw, 8, f"Page {number} has words, größer (in brackets).")
        files.append(bytes(paper.output()))
    return files


@given(data=st.data())
@damage_of
def test_pdf__has_all_that_pdfium_shows(folder: Path, data: Any) -> None:
    """Readers of PDF mend damage, each in its way; where ours says nothing, it has no less."""
    pdfium = pytest.importorskip("pypdfium2")
    honest = data.draw(st.sampled_from(printed()))
    changed = data.draw(st.one_of(st.just(honest), damaged(honest)))
    documents, findings = read(folder / "a.pdf", changed)
    if findings:
        return
    try:
        file = pdfium.PdfDocument(changed)
        shown = "".join(file[i].get_textpage().get_text_range() for i in range(len(file)))
    except pdfium.PdfiumError:
        return
    ours = squashed("".join(each.text for each in documents))
    if changed == honest:
        assert ours == squashed(shown)
    assert not Counter(squashed(shown)) - Counter(ours)


def test_pdf__characters_without_a_meaning__are_said(tmp_path: Path) -> None:
    data = pdf_file(["A page"]).replace(b"/F1 3 0 R", b"/F2 3 0 R")
    documents, findings = read(tmp_path / "a.pdf", data)
    assert [(each.kind, each.count) for each in findings] == [("invalid_text", 6)]
    assert [each.text for each in documents] == ["\ufffd" * 6]


def test_pdf__fewer_pages_than_it_says__is_a_loss(tmp_path: Path) -> None:
    data = pdf_file(["One", "Two"]).replace(b"/Kids [4 0 R 6 0 R]", b"/Kids [4 0 R      ]")
    documents, findings = read(tmp_path / "a.pdf", data)
    assert [each.text for each in documents] == ["One"]
    assert [each.kind for each in findings] == ["corrupt"]
    assert "2 pages, and 1" in findings[0].detail


# Word

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
NAMES = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
runs = st.one_of(
    st.text("abc <&ö", min_size=1, max_size=6).map(
        lambda text: (
            '<w:r><w:t xml:space="preserve">'
            f"{text.replace('&', '&amp;').replace('<', '&lt;')}</w:t></w:r>"
        )
    ),
    st.sampled_from(["<w:r><w:tab/></w:r>", "<w:r><w:br/></w:r>", "<w:bookmarkStart/>"]),
)
wrapped = st.recursive(
    runs,
    lambda inner: st.builds(
        lambda tag, parts: f"<w:{tag}>{''.join(parts)}</w:{tag}>",
        st.sampled_from(["ins", "hyperlink", "smartTag", "fldSimple", "moveTo", "moveFrom"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=5,
)
paragraphs = st.lists(wrapped, max_size=3).map(lambda parts: f"<w:p>{''.join(parts)}</w:p>")
blocks = st.recursive(
    paragraphs,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(
            lambda parts: f"<w:sdt><w:sdtContent>{''.join(parts)}</w:sdtContent></w:sdt>"
        ),
        st.lists(inner, min_size=1, max_size=2).map(
            lambda parts: f"<w:tbl><w:tr><w:tc>{''.join(parts)}</w:tc></w:tr></w:tbl>"
        ),
    ),
    max_leaves=4,
)


def typed(element: ElementTree.Element) -> str:
    """All characters of a Word file's body but those that were moved away, by the tree alone."""
    if element.tag == f"{WORD}moveFrom":
        return ""
    own = (element.text or "") if element.tag == f"{WORD}t" else ""
    return own + "".join(map(typed, element))


@given(body=st.lists(blocks, max_size=4).map("".join))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_word__as_the_tree_of_its_elements_has_it(folder: Path, body: str) -> None:
    markup = f"<w:document {NAMES}><w:body>{body}</w:body></w:document>"
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(EMPTY)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, markup if name == "word/document.xml" else content)
    documents, findings = read(folder / "a.docx", out.getvalue())
    expected = squashed(typed(ElementTree.fromstring(markup)))  # noqa: S314 - written above
    assert squashed("".join(each.text for each in documents)) == expected
    assert {each.kind for each in findings} <= {"no_text", "empty"}


EMPTY = word_file(["x"])
