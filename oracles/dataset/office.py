"""What offices keep their texts in: PDF and Word."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

import docx
import pypdf
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import OpcError
from docx.oxml.parser import parse_xml
from lxml.etree import Entity, LxmlError
from pypdf.errors import DependencyError, PyPdfError

from oracles.dataset.document import Document
from oracles.dataset.streams import NotReadError
from oracles.dataset.zips import zip_gaps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.dataset.records import Source

    Records = Iterator[tuple[Any, int | None]]

#: A file with pictures is far larger than its text.
_LARGEST: Final = 1 << 28
_HEAD: Final = 1 << 12
_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_RUBY: Final = _WORD + "ruby"
_STRICT: Final = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
#: Of alternatives all but the first, and what was moved elsewhere under tracked changes.
_LEFT_OUT: Final = frozenset(
    {
        "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
        _WORD + "moveFrom",
    }
)
#: One PDF behind another: readers see one of them.
_JOINED: Final = re.compile(rb"%%EOF\s*%PDF-\d")
#: Parts of a Word file whose text is its own, and those whose text is about it.
_NOTES: Final = ("footnotes", "endnotes")
_BESIDE: Final = ("header", "footer", "comments")


class OfficeError(ValueError):
    """A file is damaged. Internal: becomes a finding."""


def _whole(source: Source) -> bytes | None:
    data = source.stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        source.note("too_large", f"the file is longer than {_LARGEST} bytes; split it")
        return None
    return data


def _documents(source: Source, blocks: Iterator[str], metadata: dict[str, Any]) -> Records:
    """Blocks of text as one document; where that is too long, as several."""
    limit = source.limits.record_bytes
    held: list[str] = []
    size = part = 0
    for block in blocks:
        length = len(block.encode("utf-8", "replace")) + 2
        if held and size + length > limit:
            part += 1
            if part == 1:
                source.note("split", f"longer than {limit} bytes: cut into several documents")
            yield Document("\n\n".join(held), {**metadata, "part": part}), None
            held, size = [], 0
        held.append(block)
        size += length
    if held:
        more = {"part": part + 1} if part else {}
        yield Document("\n\n".join(held), {**metadata, **more}), None
    else:
        source.note("no_text", "there is no text in it")


# PDF


class _Mended(logging.Handler):
    """What the PDF library says while it reads around damage."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


@contextlib.contextmanager
def _mended() -> Iterator[list[str]]:
    logger, handler = logging.getLogger("pypdf"), _Mended()
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler.words
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def pdf(source: Source) -> Records:
    """One document, page after page in the order of the file's text; scans have none."""
    data = _whole(source)
    if data is None:
        return
    if joined := len(_JOINED.findall(data)):
        detail = f"{joined + 1} PDF files are joined in it, and one is read; store them apart"
        source.note("ignored", detail, count=joined, about="joined")
    with _mended() as mended:
        try:
            reader = pypdf.PdfReader(io.BytesIO(data))
            if reader.is_encrypted and not reader.decrypt(""):
                raise NotReadError("encrypted; decrypt it first")
            metadata = {"file": source.name, **_described(reader)}
            _beside(reader, source)
            yield from _documents(source, _pages(reader, source), metadata)
        except DependencyError as error:
            raise NotReadError(f"encrypted by a method that is not read ({error})") from error
        except (PyPdfError, RecursionError) as error:
            raise OfficeError(f"the PDF cannot be read: {error}") from error
    for words in mended:
        source.note("ambiguous", f"read around damage: {words[:200]}", about="mended")


def _described(reader: pypdf.PdfReader) -> dict[str, Any]:
    try:
        title = reader.metadata.title if reader.metadata else None
    except (PyPdfError, ValueError, TypeError, AttributeError):
        return {}
    return {"title": title.strip()} if isinstance(title, str) and title.strip() else {}


def _beside(reader: pypdf.PdfReader, source: Source) -> None:
    """Say what else is in the file: attachments, fields that were filled in, notes."""
    try:
        root = reader.root_object
        names = root.get("/Names")
        attached = names is not None and "/EmbeddedFiles" in names.get_object()
        filled = [each for each in (reader.get_form_text_fields() or {}).values() if each]
        notes = [
            str(each.get_object().get("/Contents", ""))
            for page in reader.pages
            for each in page.get("/Annots") or ()
            if each.get_object().get("/Subtype") in ("/FreeText", "/Text")
        ]
    except (PyPdfError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return  # The pages tell what is damaged.
    for what, count in (
        ("files attached to it", int(attached)),
        ("characters in fields that were filled in", sum(map(len, filled))),
        ("characters of notes", sum(map(len, notes))),
    ):
        if count:
            number = "" if what.startswith("files") else f"{count} "
            source.note("left_out", f"{number}{what} are not of the text itself", about=what)


def _pages(reader: pypdf.PdfReader, source: Source) -> Iterator[str]:
    tree = reader.root_object.get("/Pages")
    tree = tree.get_object() if tree is not None else None
    said = tree.get("/Count") if isinstance(tree, dict) else None
    if said != len(reader.pages):
        detail = f"it says that it has {said} pages, and {len(reader.pages)} can be found"
        source.note("corrupt", detail, about="count")
    for number in range(len(reader.pages)):
        try:
            text = reader.pages[number].extract_text()
        except RecursionError:
            source.note("corrupt", "a page nests too deeply; it is lost", number + 1, about="page")
            continue
        except Exception as error:
            # The library's own kinds and whatever a damaged page leads it to; other pages are read.
            reason = str(error) or type(error).__name__
            source.note("corrupt", f"a page cannot be read: {reason}", number + 1, about="page")
            continue
        if unknown := text.count("\ufffd"):
            detail = "characters of which the file does not say what they are, replaced by U+FFFD"
            source.note("invalid_text", detail, number + 1, count=unknown, about="characters")
        if text.strip():
            yield text.strip()
        else:
            detail = "a page has no text: if it is a picture, let a program read it first (OCR)"
            source.note("no_text", detail, number + 1, about="page")


# Word


def word(source: Source) -> Records:
    """One document: paragraphs and tables in the order of the text, then its notes.

    Text that was inserted under tracked changes is in, what was deleted is not, as in a print.
    """
    data = _whole(source)
    if data is None:
        return

    def ignored(detail: str, about: str) -> None:
        source.note("ignored", detail, about=about)

    try:
        with zipfile.ZipFile(stream := io.BytesIO(data)) as archive:
            zip_gaps(
                stream, archive, lambda detail, about: source.note("ignored", detail, about=about)
            )
            # XML alone is parsed; pictures stay packed.
            source.budget.spend(
                sum(
                    i.file_size
                    for i in archive.infolist()
                    if i.filename.endswith((".xml", ".rels"))
                )
            )
            main = [i for i in archive.infolist() if i.filename == "word/document.xml"]
            if main and _STRICT in archive.open(main[0]).read(_HEAD):
                raise NotReadError("of the form called strict; save it as the usual .docx")
        document = docx.Document(io.BytesIO(data))
        title = _title(document)
        metadata = {"file": source.name, **({"title": title} if title else {})}
        yield from _documents(source, _blocks(document, source), metadata)
    except (OpcError, LxmlError, KeyError, AttributeError) as error:
        raise OfficeError(f"the Word file cannot be read: {error}") from error


def _title(document: Any) -> str:
    """The title; none where the file has none, though the library makes one up."""
    package = document.part.package
    if not any(each.reltype == RELATIONSHIP_TYPE.CORE_PROPERTIES for each in package.rels.values()):
        return ""
    return (document.core_properties.title or "").strip()


def _blocks(document: Any, source: Source) -> Iterator[str]:
    yield from _paragraphs(document.element.body, source)
    for part in document.part.package.iter_parts():
        name = str(part.partname).rsplit("/", 1)[-1].removesuffix(".xml")
        kind = name.rstrip("0123456789")
        if kind not in _NOTES + _BESIDE:
            continue
        texts = list(_paragraphs(parse_xml(part.blob), source))
        if kind in _NOTES:
            yield from texts
        elif texts:
            detail = f"{kind}: {sum(map(len, texts))} characters are not of the text itself"
            source.note("left_out", detail, about=kind)


def _symbol(element: Any, source: Source) -> str:
    """A character by its number; those of a font's own have no number in Unicode."""
    digits, font = element.get(_WORD + "char") or "", element.get(_WORD + "font") or ""
    number = int(digits, 16) if re.fullmatch("[0-9A-Fa-f]{1,5}", digits) else 0
    if not number or 0xE000 <= number <= 0xF8FF or 0xD800 <= number <= 0xDFFF:
        detail = f"a symbol of the font {font[:40]!r} that Unicode lacks, replaced by U+FFFD"
        source.note("invalid_text", detail, about="symbol")
        return "\ufffd"
    return chr(number)


def _paragraphs(root: Any, source: Source) -> Iterator[str]:
    """Texts of all paragraphs, those in boxes and fields among them; a row of a table is one."""
    held: list[str] = []
    cells = 0
    for event, element in _walk(root):
        match event, element.tag.removeprefix(_WORD).removeprefix(_MATH):
            case "start", "t":
                held += [element.text or "", *(child.tail or "" for child in element)]
            case "start", "tab":
                held.append("\t")
            case "start", "sym":
                held.append(_symbol(element, source))
            case "start", "altChunk" | "subDoc" as piece:
                detail = f"a piece in another file ({piece}): open the file in Word and save it"
                source.note("unsupported", detail, about="piece")
            case "start", "rt":  # how the characters before are read, as browsers show it
                held.append("(")
            case "end", "rt":
                if held[-1] == "(":
                    held.pop()
                else:
                    held.append(")")
            case "start", "br" | "cr":
                held.append("\n")
            case "start", "noBreakHyphen":
                held.append("-")
            case "start", "tc":
                cells += 1
            case "end", "tc":
                cells -= 1
                if held and held[-1] == " ":  # of the cell's last paragraph
                    held.pop()
                held.append("\t")
            case "end", "p" if cells:
                held.append(" ")
            case "end", "p" | "tr":
                if not cells and (text := "".join(held).strip()):
                    yield text
                    held.clear()
    if text := "".join(held).strip():
        yield text


def _walk(root: Any) -> Iterator[tuple[str, Any]]:
    """Elements as they begin and end, without recursion; of alternatives only the first."""
    pending: list[tuple[str, Any]] = [("start", root)]
    while pending:
        event, element = pending.pop()
        if element.tag is Entity:
            raise OfficeError("the Word file has entities, which no program writes there")
        if event == "start" and (element.tag in _LEFT_OUT or not isinstance(element.tag, str)):
            continue  # The last are comments and the like.
        yield event, element
        if event == "start":
            pending.append(("end", element))
            children = list(element)
            if element.tag == _RUBY:  # the file has the reading first
                children.sort(key=lambda child: child.tag != _RUBY + "Base")
            pending.extend(("start", child) for child in reversed(children))
