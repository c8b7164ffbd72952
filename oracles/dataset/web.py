"""What the web is kept in: HTML pages, and WARC files (WET among them) of many."""

from __future__ import annotations

import base64
import codecs
import hashlib
import io
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from backports import zstd
from selectolax.lexbor import LexborHTMLParser
from warcio.statusandheaders import StatusAndHeadersParser, StatusAndHeadersParserException

from oracles.dataset.document import Document
from oracles.dataset.magic import HEAD, markup_of
from oracles.dataset.streams import (
    DamagedError,
    Frames,
    NotReadError,
    deflate_decoder,
    gzip_decoder,
    zstd_decoder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from selectolax.lexbor import LexborNode

    from oracles.dataset.records import Source

    Records = Iterator[tuple[Any, int | None]]

#: Bytes in which the HTML standard looks for the declared encoding.
_PRESCAN: Final = 1024
_DECLARED: Final = re.compile(
    rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([\w:.\-]+)", re.IGNORECASE
)
_BOMS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_XML_DECLARED: Final = re.compile(rb"\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w:.\-]+)")
#: What pages of the web may be in (Encoding standard, section 4.2), by Python's names. Python has
#: more codecs, some of which are no encodings of text.
_OF_THE_WEB: Final = re.compile(
    r"utf-8|utf-16(-le|-be)?|ascii|cp(866|874|932|949|125\d)|iso8859-\d+|koi8-[ru]|mac-(roman|cyrillic)"
    r"|tis-620|gb2312|gbk|gb18030|big5(hkscs)?|euc_jp|euc_kr|iso2022_jp|shift_jis"
)
#: Names that browsers read as another encoding than they say (Encoding standard, section 4.2).
_AS_BROWSERS_DO: Final = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-8",
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}
_PAGE_BEGINS: Final = re.compile(r"<html[\s>]", re.IGNORECASE)
_TAG: Final = re.compile(
    r"<(/?)([a-z][a-z0-9]*)(?:\s((?:[^<>\"']|\"[^\"]*\"|'[^']*')*))?", re.IGNORECASE
)
_ATTRIBUTE: Final = re.compile(r"[^\s=\"'/>]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]*))?")
#: Elements that reopen by themselves after the end of a block (HTML standard, 13.2.4.3).
_FORMATTING: Final = frozenset(
    {
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "s",
        "small",
        "strike",
        "strong",
        "tt",
        "u",
    }
)
#: Elements without an end tag, or that may lack it, that end the one before, or hold text alone.
_UNNESTED: Final = re.compile(
    "a|area|base|body|br|col|colgroup|dd|dt|embed|head|hr|html|img|input|li|link|meta|nobr|optgroup"
    "|option|p|param|rp|rt|script|source|style|tbody|td|textarea|tfoot|th|thead|title|tr|track|wbr"
)
#: What building the tree of a page may cost, in steps of about 10 ns, and a step's weights.
_MOST_STEPS: Final = 1_000_000_000
_STEPS_A_FORMAT: Final = 60
#: Pages too short to cost much.
_SHORT_PAGE: Final = 1 << 15
_COMMENTS: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|iframe)\b.*?(?:</\1|\Z)", re.I | re.S
)
#: Elements that hold no text that a reader of the page sees.
_UNSEEN: Final = frozenset(
    {"head", "script", "style", "template", "noscript", "svg", "object", "-comment"}
)
#: Elements that begin and end a line.
_BLOCK: Final = re.compile(
    "address|article|aside|blockquote|body|br|caption|center|dd|details|dialog|dir|div|dl|dt"
    "|fieldset|figcaption|figure|footer|form|h[1-6]|header|hgroup|hr|html|legend|li|main|menu|nav"
    "|ol|option|p|pre|search|section|select|summary|table|tbody|tfoot|thead|tr|ul"
)
#: Elements that have an empty line before and after them.
_PARAGRAPH: Final = re.compile("article|blockquote|dl|figure|h[1-6]|ol|p|pre|section|table|ul")
_CELLS: Final = frozenset({"td", "th"})
_SPACE: Final = re.compile(r"[ \t\n\r\f]+")
#: Kinds of WARC records that are no page: of the file's own, or the other half of a page.
_BOOKKEEPING: Final = frozenset({"warcinfo", "request", "metadata", "revisit"})
_PAGES: Final = frozenset({"response", "resource", "conversion"})
#: Types that hold text, which is not read.
_OTHER_TEXT: Final = re.compile("application/(pdf|msword|rtf|epub|vnd\\.(openxml|oasis|ms-))")
#: Types that hold no text of a page.
_NO_TEXT: Final = re.compile(
    "(image|audio|video|font|application)/|text/(css|javascript|x-component)$"
)
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
#: Answers of the machinery behind pages.
_OTHER_ANSWERS: Final = ("text/dns", "text/whois")
#: Answers that hold a page: as it is, and as somebody on the way changed it.
_OK: Final = frozenset({"200", "203"})
#: Of an answer that holds a part of a page.
_PART: Final = "206"
#: Fields of a WARC record that become metadata.
_KEPT: Final = (
    ("url", "warc-target-uri"),
    ("date", "warc-date"),
    ("record", "warc-record-id"),
    ("language", "warc-identified-content-language"),
)
#: The only field that a record may have several times (ISO 28500, section 4).
_REPEATED: Final = frozenset({"warc-concurrent-to"})
#: Fields of an answer that say how its body is to be read.
_DECIDING: Final = ("Content-Type", "Content-Encoding", "Transfer-Encoding")
_DIGESTS: Final = frozenset({"sha1", "sha256", "sha512", "md5"})
#: How bodies are packed → their decoder.
_CODINGS: Final = {
    "identity": None,
    "gzip": gzip_decoder,
    "x-gzip": gzip_decoder,
    "deflate": deflate_decoder,
    "zstd": zstd_decoder,
}
_WARC: Final = b"WARC"
_BEGINS: Final = re.compile(rb"WARC/\d+\.\d+\r?\n\Z")
#: How many times the longest record may be read again, in a file with damaged ones.
_AGAIN: Final = 4
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_LONGEST_LINE: Final = 1 << 16
_MOST_FIELDS: Final = 100
_PASSED: Final = 1 << 16


# HTML


def html(source: Source) -> Records:
    """One document: the text that a reader of the page sees, one block a line."""
    limit = source.limits.record_bytes
    data = source.stream.read(limit + 1)
    if len(data) > limit:
        source.note("too_large", f"the page is longer than {limit} bytes; split it")
        return
    page = _page(data, None, source, None)
    if page is not None:
        text, metadata = page
        yield Document(text, {"file": source.name, **metadata}), None


def _page(
    data: bytes, charset: str | None, source: Source, line: int | None
) -> tuple[str, dict[str, Any]] | None:
    """Text, and title and language, of an HTML page; None if its encoding is not known."""
    markup = _decoded(data, charset, source, line)
    if markup is None:
        return None
    if len(_PAGE_BEGINS.findall(_COMMENTS.sub("", markup))) > 1:
        detail = "several pages are joined in it; they are read as one"
        source.note("ambiguous", detail, line, about="pages")
    if len(markup) > _SHORT_PAGE and _steps(markup) > _MOST_STEPS:
        detail = "its elements are nested as no page is; take the text out by another program"
        source.note("too_deep", detail, line)
        return None
    tree = LexborHTMLParser(markup)
    metadata: dict[str, Any] = {}
    title = tree.css_first("title")
    if title is not None and (name := _SPACE.sub(" ", title.text()).strip()):
        metadata["title"] = name
    language = tree.root.attributes.get("lang") if tree.root is not None else None
    if language and language.strip():
        metadata["language"] = language.strip()
    return (_text(tree.body) if tree.body is not None else ""), metadata


def _steps(markup: str) -> int:
    """About how many steps building the tree takes: more than a page's length where it nests.

    For each tag the elements that are open are searched, those for formatting are opened anew in
    each block, and an attribute is compared with those before it. A page that is made for it keeps
    a parser busy for days.
    """
    steps = depth = attributes = 0
    opened: Counter[str] = Counter()
    formats: list[tuple[str, str]] = []  # three of a kind at most are opened anew
    alike: Counter[tuple[str, str]] = Counter()
    for closing, given, inner in _TAG.findall(markup):
        name = given.lower()
        steps += depth + _STEPS_A_FORMAT * len(formats)
        if len(inner) > _SHORT_PAGE // 8:
            steps += len(_ATTRIBUTE.findall(inner)) ** 2
        if name in ("html", "body") and inner:  # They are added to those of the first one.
            attributes += inner.count("=") + 1
            steps += attributes
        if _UNNESTED.fullmatch(name):
            continue
        if not closing:
            opened[name] += 1
            depth += 1
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
        if name not in _FORMATTING:
            continue
        if not closing and alike[name, inner] < 3:
            alike[name, inner] += 1
            formats.append((name, inner))
        elif closing and formats and formats[-1][0] == name:
            alike[formats.pop()] -= 1
    return steps


def _decoded(data: bytes, charset: str | None, source: Source, line: int | None) -> str | None:
    """The page as text: by its mark, by what the server said, by what it declares, else UTF-8."""
    for mark, encoding in _BOMS.items():
        if data.startswith(mark):
            return _replaced(data[len(mark) :], encoding, source, line)
    declared = _XML_DECLARED.match(data) or _DECLARED.search(data[:_PRESCAN])
    name = charset or (declared[1].decode("ascii", "replace") if declared else "utf-8")
    try:
        encoding = codecs.lookup(name).name
        if not _OF_THE_WEB.fullmatch(encoding):
            raise LookupError(name)
    except (LookupError, ValueError):
        source.note("encoding", f"the page says it is in {name!r}, which is not known", line)
        return None
    return _replaced(data, _AS_BROWSERS_DO.get(encoding, encoding), source, line)


def _replaced(data: bytes, encoding: str, source: Source, line: int | None) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        detail = f"not {encoding.upper()} ({error.reason}), replaced by U+FFFD; mend the encoding"
        source.note("invalid_text", detail, line)
        return data.decode(encoding, "replace")


def _text(body: LexborNode) -> str:
    """The visible text, in the order of the source, without recursion: pages nest deeply."""
    parts: list[str] = []
    breaks = 0  # line ends that stand before the next text
    space = False  # white space before it
    preformatted = 0
    node: LexborNode | None = body
    depth = 0
    while node is not None:
        tag = node.tag or ""
        child: LexborNode | None = None
        if tag == "-text":
            raw = node.text_content or ""
            for number, piece in enumerate(raw.split("\n") if preformatted else [raw]):
                breaks += number > 0
                words = piece if preformatted else _SPACE.sub(" ", piece).strip(" ")
                space = space or piece[:1].isspace()
                if words.strip():
                    parts.append(
                        "\n" * breaks if breaks and parts else " " * (space and bool(parts))
                    )
                    parts.append(words.rstrip())
                    breaks, space = 0, False
                space = space or (bool(piece) and piece[-1:].isspace())
        elif tag not in _UNSEEN:
            breaks = _breaks(tag, breaks)
            space = space or tag in _CELLS
            child = node.child
            preformatted += tag == "pre" and child is not None
        if child is not None:
            node, depth = child, depth + 1
            continue
        while node is not None and node.next is None and depth:
            node, depth = node.parent, depth - 1
            closed = (node.tag or "") if node is not None else ""
            breaks = _breaks(closed, breaks)
            preformatted -= closed == "pre"
        node = node.next if node is not None and depth else None
    return "".join(parts)


def _breaks(tag: str, before: int) -> int:
    """Line ends after an element begins or ends."""
    return max(before, 2 if _PARAGRAPH.fullmatch(tag) else 1 if _BLOCK.fullmatch(tag) else 0)


# WARC


@dataclass(frozen=True, slots=True)
class _Record:
    """One record of a WARC file (ISO 28500).

    Attributes:
        fields: by name, in small letters.
        block: its content.
        begun: what was read of the next record already, where nothing stands between them.
    """

    fields: Mapping[str, str]
    block: bytes
    begun: bytes

    def field(self, name: str) -> str:
        return self.fields.get(name, "")


class _Bytes:
    """The bytes of a WARC file, of which the last ones can be read once more.

    Args:
        stream: The file.
        again: Most bytes that are read a second time, altogether.
    """

    def __init__(self, stream: BinaryIO, again: int) -> None:
        self._stream = stream
        self._left = again
        self._ahead = io.BytesIO()
        self._taken: list[bytes] = []

    def line(self) -> bytes:
        """The next line, or a part of it if it is too long."""
        line = self._ahead.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            line += self._stream.readline(_LONGEST_LINE - len(line))
        self._taken.append(line)
        return line

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end."""
        data = self._ahead.read(size)
        if len(data) < size:
            data += self._stream.read(size - len(data))
        self._taken.append(data)
        return data

    def pass_over(self, size: int) -> int:
        """Read bytes that nobody wants; how many are missing. They cannot be read once more."""
        while size and (passed := len(self.read(min(size, _PASSED)))):
            size -= passed
            self._taken.clear()
        return size

    def begin(self, begun: bytes = b"") -> None:
        """From here on, bytes can be read once more, and before them `begun`."""
        self._taken = [begun]

    def back(self) -> bool:
        """Go back to the last `begin`; whether that many bytes may still be read twice."""
        taken = b"".join(self._taken)
        self._left -= len(taken)
        if self._left < 0:
            return False
        self._ahead = io.BytesIO(taken + self._ahead.read())
        return True


def warc(source: Source) -> Records:
    """A document for each page that was fetched well: HTML, plain text, or WET's extracted text.

    Its line is the record's number. Metadata: `url`, `date`, `record` (its id), and what the page
    says of itself. A damaged record costs itself: reading goes on where the next one begins.
    """
    number, begun = 0, b""
    stream = _Bytes(source.stream, _AGAIN * source.limits.record_bytes)
    while True:
        try:
            record = _next_record(stream, source, number + 1, begun)
        except DamagedError:  # Its compressed frame is: whoever unpacks it says so.
            number, begun = number + 1, b""
            continue
        except ValueError as error:
            found = _resume(stream, source, number + 1, str(error))
            if found is None:
                raise
            number, begun = number + 1, found
            continue
        if record is None:
            return
        number, begun = number + 1, record.begun
        digest = record.field("warc-block-digest")
        if record.block and digest and not _matches(digest, record.block):
            detail = "the record is not what its digest says: damaged, or written wrongly"
            source.note("corrupt", detail, number, about="digest")
        page = _document(record, source, number)
        if page is not None:
            yield page, number


def _resume(stream: _Bytes, source: Source, number: int, why: str) -> bytes | None:
    """The line in which the next record begins, behind a damaged one; None if there is none."""
    if not stream.back():
        return None
    lost = 0
    while True:
        stream.begin()
        try:
            line = stream.line()
        except DamagedError:
            lost += 1  # What comes after it is a whole record.
            continue
        if not line:
            return None
        # Where the damaged record was cut, the next one begins within a line.
        begins = _BEGINS.search(line)
        place = begins.start() if begins else len(line)
        if begins and lost + place:  # At 0 it is the damaged record's own first line.
            detail = f"{why}; {lost + place} bytes are not read, up to the next record"
            source.note("corrupt", detail, number, about="record")
            return line[place:]
        lost += len(line)


#: Lines of nothing, which some programs write between records.
_LINE_ENDS: Final = frozenset({b"\n", b"\r\n"})


def _next_record(stream: _Bytes, source: Source, number: int, begun: bytes) -> _Record | None:
    """The next record, whose block is empty if it is too long to be a page; None at the end.

    Args:
        stream: Its bytes.
        source: The file.
        number: Of the record, from 1.
        begun: What was read of it already.

    Raises:
        DamagedError: a compressed frame is damaged, and with it the record.
        ValueError: the bytes are no record; where the next one begins is not known.
    """
    limit = source.limits.record_bytes
    stream.begin(begun)
    line = begun if begun.endswith(b"\n") else begun + stream.line()
    if number > 1 and line in _LINE_ENDS:
        source.note("ambiguous", "more empty lines before a record than there should be", number)
        while line in _LINE_ENDS:
            line = stream.line()
    if not line and number > 1:
        return None
    if not _BEGINS.fullmatch(line):
        raise ValueError(f"record {number} does not begin as a WARC record does")
    fields: dict[str, str] = {}
    last = ""
    odd = not line.endswith(b"\r\n")
    while (line := stream.line()).strip(b"\r\n"):
        odd = odd or not line.endswith(b"\r\n")
        text = source.decode(line, number)
        name, colon, value = text.rstrip("\r\n").partition(":")
        if line[:1] in b" \t" and last:  # the value goes on
            fields[last] += " " + text.strip()
        elif colon and len(fields) < _MOST_FIELDS:
            last = name.strip(" \t").lower()
            if last in fields and last not in _REPEATED:
                detail = f"a record has the field {last!r} twice; the last value is kept"
                source.note("duplicate_key", detail, number, about=last)
            fields[last] = value.strip(" \t")
        else:
            raise ValueError(f"the head of record {number} is damaged")
    if odd:
        detail = "lines in the head of a record end in another way than CR LF"
        source.note("ambiguous", detail, number, about="lines")
    length = fields.get("content-length", "")
    if not line or not (length.isascii() and length.isdecimal()):
        raise ValueError(f"the head of record {number} is cut, or does not say its length")
    size = int(length)
    block = stream.read(size if size <= limit else 0)
    left = size - len(block)
    if size > limit:
        kind = fields.get("warc-type")
        if kind not in _BOOKKEEPING:
            source.note("too_large", f"a record is longer than {limit} bytes; split it", number)
        left = stream.pass_over(left)
    end = b"" if left else stream.read(4)
    begun = end.removeprefix(b"\r\n")
    if left or (end != b"\r\n\r\n" and not _WARC.startswith(begun)):
        raise ValueError(f"record {number} does not end where it says")
    if end == b"\r\n\r\n":
        return _Record(fields, block, b"")
    if begun:
        detail = "the two empty lines that belong after a record are missing"
        source.note("ambiguous", detail, number, about="between")
    else:
        detail = "the file ends before the two empty lines after its last record: was it cut?"
        source.note("corrupt", detail, number, about="end")
    return _Record(fields, block, begun)


def _matches(digest: str, block: bytes) -> bool:
    """Whether a digest is the block's; True if it is of a kind that is not known."""
    algorithm, _, value = digest.partition(":")
    algorithm = algorithm.lower().replace("-", "")
    if algorithm not in _DIGESTS:
        return True
    found = hashlib.new(algorithm, block, usedforsecurity=False).digest()
    forms = (base64.b32encode(found).decode().rstrip("="), found.hex().upper())
    return value.upper().rstrip("=") in forms


def _document(record: _Record, source: Source, number: int) -> Document | None:
    """The document in a record, or None, which is said."""

    def left_out(what: str) -> None:
        source.note("left_out", f"{what}: no text of a page", number, about=what)

    kind = record.field("warc-type")
    if kind in _BOOKKEEPING:
        left_out(f"records of kind {kind!r}")
        return None
    if kind not in _PAGES:
        detail = f"a record of kind {kind!r}, which is not read"
        source.note("unsupported", detail, number, about=kind)
        return None
    if not record.block:
        return None
    content_type, data = record.field("content-type"), record.block
    if kind == "response" and content_type.lower().startswith(_OTHER_ANSWERS):
        left_out(f"answers of type {content_type}")
        return None
    if kind == "response":
        if not content_type.lower().startswith("application/http"):
            detail = "an answer that is not said to be one of HTTP is read as one"
            source.note("ambiguous", detail, number, about="answer")
        answer = _http(record.block, source, number)
        if answer is None:
            return None
        status, content_type, data = answer
        if status == _PART:
            detail = "an answer with a part of a page"
            source.note("unsupported", detail, number, about="part")
            return None
        if status not in _OK:
            left_out(f"answers with status {status}")
            return None
    header = Message()
    header["content-type"] = content_type
    media = header.get_content_type() if content_type else "unknown"
    if media == "unknown" and markup_of(data[:HEAD]) == "HTML":
        media = "text/html"
    if media not in _HTML | {"text/plain"}:
        if _NO_TEXT.match(media) and not _OTHER_TEXT.match(media):
            left_out(f"records of type {media}")
        else:
            detail = f"a record of type {media}, which is not read"
            source.note("unsupported", detail, number, about=media)
        return None
    metadata = {name: record.fields[field] for name, field in _KEPT if record.field(field)}
    if cut := record.field("warc-truncated"):
        source.note("ambiguous", f"whoever fetched the page cut it ({cut})", number, about="cut")
    charset = header.get_content_charset()
    if media in _HTML:
        page = _page(data, charset, source, number)
        if page is None:
            return None
        text, said = page
        return Document(text, {"file": source.name, **said, **metadata})
    plain = _decoded(data, charset, source, number)
    return None if plain is None else Document(plain, {"file": source.name, **metadata})


def _http(block: bytes, source: Source, number: int) -> tuple[str, str, bytes] | None:
    """Status, media type and unpacked body of an HTTP answer; None, which is said."""
    stream = io.BytesIO(block)
    try:
        head = StatusAndHeadersParser(["HTTP/1.0", "HTTP/1.1", "HTTP/2"], verify=False).parse(
            stream
        )
    except (EOFError, StatusAndHeadersParserException, AttributeError) as error:
        # The last is what the library's own code meets in a header that is cut.
        reason = str(error) or type(error).__name__
        source.note("malformed", f"a record holds no HTTP answer: {reason}", number)
        return None
    status = head.get_statuscode()
    if not (head.protocol.startswith("HTTP/") and status.isdecimal() and len(status) == 3):
        source.note("malformed", "a record holds no HTTP answer", number)
        return None
    for name in _DECIDING:
        if len({value for key, value in head.headers if key.lower() == name.lower()}) > 1:
            detail = f"an answer says {name} twice; the first value is taken"
            source.note("ambiguous", detail, number, about=name)
    data = stream.read()
    length = (head.get_header("content-length") or "").strip()
    if length.isascii() and length.isdecimal() and len(length) < 20 and len(data) < int(length):
        detail = "a body is shorter than its server said: was the connection lost?"
        source.note("ambiguous", detail, number, about="length")
    if (head.get_header("transfer-encoding") or "").strip().lower() == "chunked":
        chunks = _CHUNK.match(data)
        if chunks is None and data:  # Many programs unpack the body and keep the header.
            source.note("ambiguous", "a body that is said to be in chunks is not", number)
        else:
            data, whole = _unchunked(data)
            if not whole:
                source.note("corrupt", "the body of an answer is cut short", number, about="chunks")
    coding = (head.get_header("content-encoding") or "identity").strip().lower()
    if coding not in _CODINGS:
        detail = f"packed by {coding!r}, which is not read"
        source.note("unreadable", detail, number, about="coding")
        return None
    unpacked = _unpacked(data, coding, source, number)
    if unpacked is None:
        return None
    return status, head.get_header("content-type") or "", unpacked


def _unchunked(data: bytes) -> tuple[bytes, bool]:
    """A body out of its chunks (RFC 9112, section 7.1), and whether it is whole."""
    parts: list[bytes] = []
    place = 0
    while head := _CHUNK.match(data, place):
        size = int(head[1], 16)
        place = head.end()
        if not size:
            return b"".join(parts), True
        parts.append(data[place : place + size])
        place += size
        if data[place : place + 2] != b"\r\n":
            break
        place += 2
    return b"".join(parts), False


def _unpacked(data: bytes, coding: str, source: Source, number: int) -> bytes | None:
    """A body out of its compression; None if there is nothing in it, which is said."""
    new_decoder = _CODINGS[coding]
    if new_decoder is None or not data:
        return data
    if coding.endswith("gzip") and not data.startswith(b"\x1f\x8b"):
        source.note("ambiguous", "a body that is said to be packed is not", number)
        return data
    limit = source.limits.record_bytes
    body = Frames(io.BytesIO(data), new_decoder)
    parts: list[bytes] = []
    try:
        while sum(map(len, parts)) <= limit and (part := body.read(_PASSED)):
            source.budget.spend(len(part))
            parts.append(part)
    except (zlib.error, zstd.ZstdError, EOFError, NotReadError) as error:
        detail = f"the body of an answer is cut short or damaged: {error}"
        source.note("corrupt", detail, number, about="body")
    if sum(map(len, parts)) > limit:
        source.note("too_large", f"an answer is longer than {limit} bytes; split it", number)
        return None
    return b"".join(parts) or None
