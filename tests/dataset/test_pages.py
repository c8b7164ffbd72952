"""Cutting a stream into pages, and reading one page alone."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import PAGE_BYTES, Document, encode_document, fragments, page_count
from oracles.dataset.pages import Pager
from tests.dataset.strategies import documents


def pages_of(stream):
    pager = Pager()
    pages = [*pager.write(stream), *pager.finish()]
    assert pager.size == len(stream)
    return pages


@given(st.lists(st.binary(max_size=40_000), max_size=6))
@settings(deadline=None)
def test_pager__when_written_in_any_parts__then_the_same_pages(parts):
    pager = Pager()
    pages = [page for part in parts for page in pager.write(part)]
    pages += pager.finish()
    stream = b"".join(parts)
    assert b"".join(pages) == stream.ljust(page_count(len(stream)) * PAGE_BYTES, b"\0")
    assert all(len(page) == PAGE_BYTES for page in pages)
    assert len(pages) == page_count(len(stream)) == -(-len(stream) // PAGE_BYTES)


@given(st.lists(documents, min_size=1, max_size=4))
@settings(deadline=None)
def test_fragments__when_documents_are_whole__then_they_are_read_as_they_are(some):
    page = b"".join(encode_document(document) + b"\n" for document in some)
    assert [encode_document(d) for d in fragments(page)] == [encode_document(d) for d in some]


@given(documents, st.data())
@settings(max_examples=300, deadline=None)
def test_fragments__when_a_document_is_cut__then_its_text_is_cut_there(document, data):
    """The two sides of any cut give the text, but for characters and escapes under the knife."""
    line = encode_document(document) + b"\n"
    place = data.draw(st.integers(1, len(line) - 1))
    head, tail = fragments(line[:place]), fragments(line[place:])
    assert len(head) <= 1
    if head:
        assert document.text.startswith(head[0].text)
        assert encode_document(Document("", head[0].metadata)) == encode_document(
            Document("", document.metadata)
        )
    start = line.rindex(b'},"text":"') + len(b'},"text":"')
    if tail and place >= start:
        assert tail[0].metadata == {}
        # A cut escape leaves its letters, at most five of them.
        rest = tail[0].text
        assert any(document.text.endswith(rest[i:]) for i in range(min(6, len(rest) + 1)))
        shown = len(rest) + (len(head[0].text) if head else 0)
        assert len(document.text) - 1 <= shown <= len(document.text) + 5
    if place < start - len(b'},"text":"'):
        assert [d.text for d in tail] == ([document.text] if document.text else [])


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        (b"", []),
        (b"{", []),
        (b'{"meta', []),
        (bytes(PAGE_BYTES), []),
        (b"\n\n", []),
        (b'end of a text"}\n', ["end of a text"]),
        (b'a quotation \\"}', ['a quotation "}']),
        (b'a backslash \\\\"}', ["a backslash \\"]),
        (b'{"metadata":{"a":{"b":1},"text":"no"},"text":"yes"}\n', ["yes"]),
        (b'"b":1},"text":"no"},"text":"yes"}\n', ["yes"]),
        (b'{"metadata":{"a":"only the begin', []),
        (b'{"metadata":{},"text":"', []),
        (b'{"metadata":broken},"text":"yes"}', ["yes"]),
        (b"cut \\", ["cut "]),
        (b"cut \\u", ["cut "]),
        (b"cut \\u001", ["cut "]),
        (b"code \\u001f", ["code \x1f"]),
        (b"no code \\u201c \\q", ["no code \\u201c \\q"]),
        (b"\x80\x81 bytes \xc3", [" bytes "]),
        (b"\xff\xfe{]", ["{]"]),
    ],
)
def test_fragments__when_anything__then_never_raises(page, texts):
    assert [d.text for d in fragments(page)] == texts


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_fragments__when_any_bytes__then_canonical_documents(page):
    for document in fragments(page):
        assert document.text
        encode_document(document)
    assert fragments(page) == fragments(page.ljust(len(page) + 9, b"\0"))


def test_fragments__when_metadata_nest_deeply__then_text_only():
    page = b'{"metadata":{"a":' + b"[" * 7000 + b"]" * 7000 + b'},"text":"x"}\n'
    assert fragments(page) == [Document("x")]


def test_pages__when_documents_are_long__then_every_character_is_on_one_page():
    text = "".join(f"{i} " for i in range(30_000))
    pages = pages_of(encode_document(Document(text)) + b"\n")
    assert "".join(d.text for page in pages for d in fragments(page)) == text
    assert re.fullmatch(r"(\d+ )+", text)
