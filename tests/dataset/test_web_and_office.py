"""HTML, WARC, PDF and Word: the text that a person sees, and a word about all that is left out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from typing import TYPE_CHECKING, BinaryIO

import pypdf
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from oracles.dataset import Document, Finding, Limits, read_documents
from oracles.dataset.findings import FindingLog
from oracles.dataset.records import TEXT_FIELDS, Source
from oracles.dataset.web import _Bytes, warc
from tests.dataset.samples import pdf_file, warc_file, word_file

if TYPE_CHECKING:
    from pathlib import Path


def read(
    path: Path, data: bytes, limits: Limits | None = None
) -> tuple[list[Document], list[Finding]]:
    """Documents, and findings but for the one that there is no document."""
    path.write_bytes(data)
    findings: list[Finding] = []
    documents = list(read_documents(path, findings=findings, limits=limits or Limits()))
    return documents, [f for f in findings if "no document" not in f.detail]


def page(path: Path, markup: str | bytes) -> str:
    """The text of an HTML page without findings."""
    documents, findings = read(
        path / "a.html", markup if isinstance(markup, bytes) else markup.encode()
    )
    assert not findings
    return documents[0].text


# HTML


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a<div>b <b>c</b>d</div>e", "a\nb cd\ne"),
        ("<p>one<p>two", "one\n\ntwo"),
        ("<ul><li>1<li>2</ul>", "1\n2"),
        ("<table><tr><td>x<td>y<tr><td>z</table>", "x y\nz"),
        ("<pre>p\n  q\n\nr</pre>s", "p\n  q\n\nr\n\ns"),
        ("a &amp; b&nbsp;c &#x1F600; &nosuchentity;", "a & b\xa0c \U0001f600 &nosuchentity;"),
        ("a<script>no</script><style>no</style><!-- no -->b", "ab"),
        ("a<template>no</template><noscript>no</noscript>", "a"),
        ("on<br>e\n  line", "on\ne line"),
        ("<b>a</b> <i>b</i>", "a b"),
        ("<b>a </b><i>b</i>", "a b"),
        ("a<textarea>b</textarea>c", "abc"),
    ],
)
def test_html__is_the_text_that_a_reader_sees(tmp_path: Path, markup: str, text: str) -> None:
    assert page(tmp_path, markup) == text


def test_html__title_and_language__are_metadata(tmp_path: Path) -> None:
    data = b'<html lang="de-AT"><head><title> A\n title </title></head><body>x</body></html>'
    documents, _ = read(tmp_path / "a.html", data)
    assert documents == [Document("x", {"file": "a.html", "title": "A title", "language": "de-AT"})]


@pytest.mark.parametrize(
    "data",
    [
        "größe “x”".encode(),
        b"\xef\xbb\xbf" + "größe “x”".encode(),
        b"\xff\xfe" + "größe “x”".encode("utf-16-le"),
        "<meta charset=windows-1252>größe “x”".encode("cp1252"),
        "<meta charset='ISO-8859-1'>größe “x”".encode("cp1252"),
        '<meta http-equiv=content-type content="text/html; charset=latin1">größe “x”'.encode(
            "cp1252"
        ),
        "<meta charset=gb2312>größe “x”".encode("gb18030"),
        "<meta charset=utf-16>größe “x”".encode(),
    ],
)
def test_html__declared_encodings__are_read_as_browsers_do(tmp_path: Path, data: bytes) -> None:
    assert page(tmp_path, data) == "größe “x”"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<p>gr\xf6\xdfe", "invalid_text"),
        (b"<meta charset=nonsense><p>x", "encoding"),
        (b"<meta charset=base64><p>x", "encoding"),
        (b"<p>" + b"x" * 2000, "too_large"),
        (b"<script>all of it</script>", "empty"),
    ],
)
def test_html__what_cannot_be_read__is_said(tmp_path: Path, data: bytes, kind: str) -> None:
    _, findings = read(tmp_path / "a.htm", data, Limits(record_bytes=1000))
    assert [finding.kind for finding in findings] == [kind]


def test_html__nested_without_end__is_read(tmp_path: Path) -> None:
    assert page(tmp_path, "<div>" * 20_000 + "x" + "</div>" * 20_000 + "y") == "x\ny"


@given(words=st.lists(st.text("abcxyzäö ", min_size=1), min_size=1))
def test_html__every_word__comes_out_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    markup = "".join(f"<div><p>{word}<span> {word}</span></p></div>" for word in words)
    expected = [each for word in words for each in (word + " " + word).split()]
    path = tmp_path_factory.getbasetemp() / "words.html"
    documents, _ = read(path, markup.encode())
    assert [each for d in documents for each in d.text.split()] == expected


# WARC


def test_warc__pages_and_extracted_text__are_documents(tmp_path: Path) -> None:
    data = warc_file(
        ("warcinfo", "application/warc-fields", b"software: x"),
        ("response", "text/html; charset=iso-8859-1", "<title>T</title><p>größe".encode("cp1252")),
        ("response", "image/png", b"\x89PNG"),
        ("conversion", "text/plain", "extracted téxt".encode()),
        ("resource", "text/plain", b"plain"),
    )
    documents, findings = read(tmp_path / "a.warc", data)
    assert [d.text for d in documents] == ["größe", "extracted téxt", "plain"]
    assert documents[0].metadata == {
        "file": "a.warc",
        "title": "T",
        "url": "http://example.org/1",
        "date": "2026-01-02T03:04:05Z",
        "record": "<urn:uuid:00000000-0000-0000-0000-000000000001>",
    }
    assert [(f.kind, f.where) for f in findings] == [
        ("left_out", "a.warc:1"),
        ("left_out", "a.warc:3"),
    ]
    packed, _ = read(
        tmp_path / "CC.warc.wet.gz", gzip.compress(data[:1000]) + gzip.compress(data[1000:])
    )
    assert [d.text for d in packed] == ["größe", "extracted téxt", "plain"]


def test_warc__an_answer_that_is_an_error__is_no_page(tmp_path: Path) -> None:
    data = warc_file(("response", "text/html", b"not found"), status="404 Not Found")
    documents, findings = read(tmp_path / "a.warc", data)
    assert not documents
    assert findings[0].kind == "left_out"
    assert "404" in findings[0].detail


def test_warc__a_body_shorter_than_its_server_said__is_read_and_said(tmp_path: Path) -> None:
    for length, kinds in ((99, ["ambiguous"]), (4, []), (2, [])):
        data = warc_file(
            ("response", "text/html", b"page"), status=f"200 OK\r\nContent-Length: {length}"
        )
        documents, findings = read(tmp_path / "a.warc", data)
        assert [document.text for document in documents] == ["page"]
        assert [finding.kind for finding in findings] == kinds


PAGES = [f"page {number}, and what it says: {'word ' * number}" for number in range(5)]


@st.composite
def damaged(draw: st.DrawFn, member: bytes) -> bytes:
    """Bytes that once were one record."""
    place = draw(st.integers(1, len(member) - 1))
    match draw(st.sampled_from(["cut", "flip", "junk", "splice", "text", "head"])):
        case "cut":
            return member[:place]
        case "flip":
            return member[:place] + bytes([member[place] ^ 0x55]) + member[place + 1 :]
        case "junk":
            return member[:place] + draw(st.binary(min_size=1, max_size=60)) + member[place:]
        case "text":
            return b"this is no record\r\n" * draw(st.integers(1, 9))
        case "head":
            return member[place:]
        case _:
            return member[:place] + member[place + draw(st.integers(1, 30)) :]


@pytest.mark.parametrize("ending", ["warc.gz", "wet.zst", "warc.xz", "warc.bz2", "warc"])
@given(data=st.data())
def test_warc__one_record_is_damaged__costs_itself_and_is_a_loss(
    tmp_path_factory: pytest.TempPathFactory, ending: str, data: st.DataObject
) -> None:
    pack = {
        "gz": lambda each: gzip.compress(each, mtime=0),
        "zst": lambda each: zstd.compress(
            each, options={zstd.CompressionParameter.checksum_flag: 1}
        ),
        "xz": lzma.compress,
        "bz2": bz2.compress,
    }.get(ending.rpartition(".")[2], bytes)
    members = [pack(warc_file(("conversion", "text/plain", each.encode()))) for each in PAGES]
    hit = data.draw(st.integers(0, len(PAGES) - 1))
    members[hit] = data.draw(damaged(members[hit]).filter(lambda each: each.strip(b"\0\r\n")))
    path = tmp_path_factory.getbasetemp() / f"damaged.{ending}"
    documents, findings = read(path, b"".join(members))
    texts = [each.text for each in documents]
    if hit == 0 and not texts:
        # It does not begin as its name says.
        assert any(finding.loses_data for finding in findings)
        return
    # Without frames, a record that is cut may take the head of the next one for its own.
    certain = hit + 1 if ending != "warc" else hit + 2
    assert [text for text in texts if text in PAGES[:hit]] == PAGES[:hit]
    assert [text for text in texts if text in PAGES[certain:]] == PAGES[certain:]
    assert texts == PAGES or any(finding.loses_data for finding in findings)


def test_warc__frames_are_damaged__says_how_many_and_how_much(tmp_path: Path) -> None:
    members = [gzip.compress(warc_file(("resource", "text/plain", p.encode()))) for p in PAGES]
    members[1], members[3] = members[1][:-30], members[3][:60] + b"?" + members[3][61:]
    documents, findings = read(tmp_path / "a.warc.gz", b"".join(members))
    assert [each.text for each in documents] == PAGES[::2]
    (loss,) = (finding for finding in findings if finding.loses_data)
    assert (loss.kind, loss.count) == ("corrupt", 2)
    assert f"{len(members[1]) + len(members[3])} compressed bytes" in loss.detail


def test_warc__many_records_that_claim_the_file__are_not_read_again_and_again() -> None:
    head = b"WARC/1.0\r\nContent-Length: 9000\r\n\r\n"
    seen = 0

    def read_bytes(self: BinaryIO, size: int = -1, /) -> bytes:
        nonlocal seen
        seen += size
        return inner(self, size)

    stream = io.BytesIO(head * 10_000)
    inner = _Bytes.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Bytes, "read", read_bytes)
        findings: list[Finding] = []
        source = Source(
            stream,
            "a.warc",
            Limits(record_bytes=10_000),
            Limits().budget(1),
            FindingLog(findings, 9),
            TEXT_FIELDS,
        )
        with pytest.raises(ValueError, match="does not end where it says"):
            list(warc(source))
    assert seen < 100_000


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_warc__cut_short__is_a_loss(tmp_path: Path, cut: int) -> None:
    data = warc_file(("conversion", "text/plain", b"a" * 50)).rstrip(b"\r\n")
    _, findings = read(tmp_path / "a.warc", data[:-cut])
    assert any(finding.kind == "corrupt" for finding in findings)


def test_warc__a_changed_page__is_a_loss(tmp_path: Path) -> None:
    data = warc_file(("conversion", "text/plain", b"honest"), ("conversion", "text/plain", b"b"))
    documents, findings = read(tmp_path / "a.warc", data.replace(b"honest", b"hinest"))
    assert [finding.kind for finding in findings] == ["corrupt"]
    assert "digest" in findings[0].detail
    assert documents[-1].text == "b"


def test_warc__packed_by_brotli__is_unreadable_and_said(tmp_path: Path) -> None:
    data = warc_file(("response", "text/html", b"x")).replace(
        b"Content-Type: text/html", b"Content-Encoding: br\r\nContent-Type: text/html"
    )
    documents, findings = read(tmp_path / "a.warc", data)
    assert not documents
    assert any("br" in f.detail or f.kind == "corrupt" for f in findings)


# PDF


def test_pdf__pages__are_one_document_and_scans_are_said(tmp_path: Path) -> None:
    documents, findings = read(tmp_path / "a.pdf", pdf_file(["First page", "", "Third page"]))
    assert documents == [Document("First page\n\nThird page", {"file": "a.pdf"})]
    assert [(f.kind, f.where) for f in findings] == [("no_text", "a.pdf:2")]


def test_pdf__longer_than_a_record__is_several_documents(tmp_path: Path) -> None:
    documents, findings = read(
        tmp_path / "a.pdf", pdf_file(["x" * 40] * 5), Limits(record_bytes=100)
    )
    assert [d.metadata["part"] for d in documents] == [1, 2, 3]
    assert "".join(d.text for d in documents).count("x") == 200
    assert [f.kind for f in findings] == ["split"]


def test_pdf__encrypted__is_unreadable_unless_the_password_is_empty(tmp_path: Path) -> None:
    for password, kinds in (("secret", ["unreadable"]), ("", [])):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_file(["A page"])))
        writer.encrypt(password, "owner", algorithm="AES-256")
        out = io.BytesIO()
        writer.write(out)
        documents, findings = read(tmp_path / "a.pdf", out.getvalue())
        assert [f.kind for f in findings] == kinds
        assert len(documents) == 1 - len(kinds)


def test_pdf__that_is_none_or_cut__is_damaged(tmp_path: Path) -> None:
    for data in (b"anything", pdf_file(["A page"])[:100]):
        documents, findings = read(tmp_path / "a.pdf", data)
        assert not documents
        assert [f.kind for f in findings] == ["corrupt"]


# Word

XML = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def test_word__paragraphs_and_headers(tmp_path: Path) -> None:
    data = word_file(["One\ttwo", "Three"], header="On every page")
    documents, findings = read(tmp_path / "a.docx", data)
    assert [d.text for d in documents] == ["One\ttwo\n\nThree"]
    assert [(f.kind, f.detail) for f in findings] == [
        ("left_out", "header: 13 characters are not of the text itself")
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "<w:p><w:r><w:t>kept </w:t></w:r><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>",
            "kept new",
        ),
        (
            "<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:r><w:t>x</w:t></w:r></w:p>",
            "x",
        ),
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:sdtContent></w:sdt>", "box"),
        ("<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>", "link"),
        (
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc>"
            "<w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            "a\tb",
        ),
    ],
)
def test_word__text_wherever_it_stands__is_read(tmp_path: Path, body: str, text: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word_file(["x"]))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "word/document.xml":
                content = (
                    f'<w:document xmlns:w="{XML}"><w:body>{body}</w:body></w:document>'.encode()
                )
            new.writestr(name, content)
    documents, findings = read(tmp_path / "a.docx", out.getvalue())
    assert [d.text for d in documents] == [text]
    assert not findings


def test_word__a_bomb__is_stopped(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (1 << 25))
    _, findings = read(tmp_path / "a.docx", out.getvalue())
    assert [f.kind for f in findings] == ["bomb"]


def test_word__without_properties__has_no_title_made_up_for_it(tmp_path: Path) -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(word_file(["x"]))) as whole,
        zipfile.ZipFile(out, "w") as without,
    ):
        for name in set(whole.namelist()) - {"docProps/core.xml"}:
            content = whole.read(name)
            if name == "_rels/.rels":
                content = re.sub(rb"<Relationship [^>]*core-properties[^>]*>", b"", content)
            without.writestr(name, content)
    documents, _ = read(tmp_path / "a.docx", out.getvalue())
    assert documents == [Document("x", {"file": "a.docx"})]
