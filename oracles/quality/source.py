"""Program source is what a parser of some programming language accepts, and nothing else.

Comments and strings inside it are prose and judged as such, so text does not become code by a mark
before each line. Addresses are not shown to the parsers: two slashes in them begin no comment.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
import warnings
from functools import cache, lru_cache
from typing import Any, NamedTuple

from oracles.quality import texts

#: Packages of the parsers, in the order in which they are tried.
LANGUAGES = (
    "python", "typescript", "javascript", "c", "java", "go", "rust", "cpp", "solidity", "bash",
)  # fmt: skip
_MARK = re.compile(r"[(){}\[\];=<>]")
_CODE_LINE = re.compile(rf"{_MARK.pattern}|^\s*(?:#|//|\*)")
#: Share of lines with a mark of code below which no parser is asked.
_CANDIDATE = 0.3
#: Characters in which programs have more than one mark (the sparsest of 51 has one in 57): parsers
#: take long to refuse prose.
_SPARSE = 100
#: Bytes in errors, per mille, up to which a parser accepts a text.
_ACCEPTED = 30
#: A text of which more letters are prose than this share is prose.
_PROSE_SHARE = 0.8
#: Characters of the longest text that is given to a parser.
LONGEST = 300_000
#: Reports of a parser, one in a hundred of its steps, for each kilobyte and besides, after which it
#: is stopped. Programs take up to 30; marks in a row can take thousands.
_STEPS = 100
#: Times that a parser may read a text, in chunks of so many bytes. Programs are read up to 14
#: times; a scanner that looks ahead to the end at every mark would read it thousands of times.
_READS, _CHUNK = 64, 1024
#: Names of a program recur; with more distinct ones than this share a text is words in disguise.
_DISTINCT, _FEW_NAMES = 0.6, 60
_STRINGS = frozenset(
    {
        "heredoc_body",
        "interpreted_string_literal",
        "raw_string",
        "raw_string_literal",
        "string",
        "string_literal",
        "template_string",
    }
)
#: Directives of C whose argument may be anything; whatever else a number sign begins is none.
_DIRECTIVE = re.compile(rb"#\s*(?:error|ident|line|pragma|undef|warning)\b")
_STATEMENTS = ("definition", "declaration", "assignment", "call", "import", "include")
#: A macro of C before a word, which no parser knows: it stands for nothing, or for an attribute.
_MACRO = re.compile(rb"(?m)^[ \t]*#.*|(?<!\w)(_*[A-Z][A-Z0-9_]{2,}\b(?=[ \t]+\w))")
_LETTERS = re.compile(r"[^\W\d_]+")
_URL = re.compile(texts.URL)
#: The end of an element: outside of strings and comments only two of the languages have one (JSX).
_END_TAG = re.compile(r"</[A-Za-z][\w:.-]*\s*>")
_WITH_TAGS = frozenset({"javascript", "typescript"})
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_UPPER, _LOWER = (texts.ranges(frozenset(kinds)) for kinds in ({"Lu", "Lt"}, {"Ll"}))
_PARTS = re.compile(
    rf"[A-Z{_UPPER}]?[a-z{_LOWER}]+|[A-Z{_UPPER}]+(?![a-z{_LOWER}])|[^\W\d_A-Za-z{_UPPER}{_LOWER}]+"
)


class Source(NamedTuple):
    """A program: its names as words, and the prose of its comments and strings."""

    names: list[str]
    prose: str


@lru_cache
def _parser(language: str) -> Any:
    from tree_sitter import Language, Parser

    module = importlib.import_module(f"tree_sitter_{language}")
    grammar = getattr(module, f"language_{language}", None) or module.language
    with warnings.catch_warnings():  # some packages still hand over a number, not a capsule
        warnings.simplefilter("ignore", DeprecationWarning)
        return Parser(Language(grammar()))


def parse(text: str) -> Source | None:
    """The parts of a text that is program source; `None` for every other text."""
    lines = [line for line in text.split("\n") if line.strip()]
    marked = sum(_CODE_LINE.search(line) is not None for line in lines)
    if len(text) > LONGEST or marked < _CANDIDATE * len(lines) or not lines:
        return None
    if len(_MARK.findall(text)) * _SPARSE < len(text):
        return None
    data = text.encode("utf-8", "replace")
    unaddressed = _URL.sub(lambda found: " " * len(found[0].encode("utf-8", "replace")), text)
    stated = unaddressed.encode("utf-8", "replace")
    asked = as_ascii(stated)
    expanded = _MACRO.sub(lambda found: b" " * len(found[1]) if found[1] else found[0], asked)
    read = [(name, asked) for name in LANGUAGES] + [("cpp", expanded)] * (expanded != asked)
    for language, code_only in read:
        prose, errors, statements = walk(language, code_only)
        if errors * 1000 > _ACCEPTED * len(data) or statements < 2:
            continue
        comments = "\n".join(data[a:b].decode("utf-8", "replace") for a, b in prose)
        code = bytearray(stated)
        for first, last in prose:
            code[first:last] = b" " * (last - first)
        stripped = code.decode("utf-8", "replace")
        if language not in _WITH_TAGS and _END_TAG.search(stripped):
            continue
        names = _LETTERS.findall(stripped)
        parts = [part for name in names for part in parts_of(name)]
        letters = sum(map(len, names))
        spoken = sum(map(len, _LETTERS.findall(comments)))
        if spoken > _PROSE_SHARE * (letters + spoken):
            return None
        if len(parts) >= _FEW_NAMES and len(set(names)) > _DISTINCT * len(names):
            return None
        return Source(parts, comments)
    return None


def parts_of(name: str) -> list[str]:
    """Words of a name that are joined by their capitals."""
    return _PARTS.findall(name)


def as_ascii(data: bytes) -> bytes:
    """UTF-8 with a stand-in for every character beyond ASCII, byte for byte."""
    return data if data.isascii() else _FOREIGN.sub(_stand_in, data.decode()).encode()


def _stand_in(found: re.Match[str]) -> str:
    """As many bytes of ASCII as a character beyond it has, and of the same kind.

    Parsers are C programs. Some ask C's tables of letters about every character: beyond ASCII the
    answer depends on the locale, and beyond the table on whatever memory lies there, if any.
    """
    letter = found[0]
    if letter.isalnum() or unicodedata.category(letter).startswith("M"):
        same = "a"
    else:
        same = " " if letter.isspace() else "\x01"
    return same * len(letter.encode())


@cache
def _is_statement(kind: str) -> bool:
    return any(part in kind for part in _STATEMENTS)


def walk(language: str, data: bytes) -> tuple[list[tuple[int, int]], int, int]:
    """What a parser sees in ASCII text.

    Returns:
        Byte ranges of comments and strings in their order, bytes in errors, and statements that do
        something.
        A text that takes a parser too long is one error.
    """
    prose, errors, statements = [], 0, 0
    left, unread = _STEPS + len(data) * _STEPS // 1000, _READS * (len(data) + _CHUNK)
    parser = _parser(language)

    def read(place: int, _point: object) -> bytes:
        nonlocal unread
        unread -= _CHUNK
        return data[place : place + _CHUNK] if unread >= 0 else b""

    def stop(_place: int, _error: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0 or unread < 0

    try:
        tree = parser.parse(read, progress_callback=stop)
    except ValueError:  # stopped
        parser.reset()
        return [], len(data), 0
    if unread < 0:
        return [], len(data), 0
    stack = [tree.root_node]
    while stack:
        node = stack.pop()
        kind = node.type
        start, end = node.start_byte, node.end_byte
        unknown = kind == "preproc_call" and not _DIRECTIVE.match(data, start)
        if kind == "ERROR" or node.is_missing or unknown:
            errors += max(1, end - start)
        elif "comment" in kind or kind in _STRINGS:
            prose.append((start, end))
        else:
            statements += _is_statement(kind)
            stack.extend(node.children)
    return sorted(prose), errors, statements
