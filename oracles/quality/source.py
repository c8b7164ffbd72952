"""Program source is what a parser of some programming language accepts, and nothing else.

Comments and strings inside it are prose and judged as such, so text does not become code by a mark
before each line.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

#: Packages of the parsers, in the order in which they are tried.
LANGUAGES = ("python", "javascript", "c", "java", "go", "rust", "cpp", "bash")
_CODE_LINE = re.compile(r"[(){}\[\];=<>]|^\s*(?:#|//|\*)")
#: Share of lines with a mark of code below which no parser is asked.
_CANDIDATE = 0.3
#: Bytes in errors, per mille, up to which a parser accepts a text.
_ACCEPTED = 30
#: A text of which more letters are prose than this share is prose.
_PROSE_SHARE = 0.8
_LONGEST = 300_000
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
_STATEMENTS = ("definition", "declaration", "assignment", "call", "import", "include")
_LETTERS = re.compile(r"[^\W\d_]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_A-Za-z]+")


class Source(NamedTuple):
    """A program: its names as words, and the prose of its comments and strings."""

    names: list[str]
    prose: str


@lru_cache
def _parser(language: str) -> Any:
    from tree_sitter import Language, Parser

    module = importlib.import_module(f"tree_sitter_{language}")
    return Parser(Language(module.language()))


def parse(text: str) -> Source | None:
    """The parts of a text that is program source; `None` for every other text."""
    lines = [line for line in text.split("\n") if line.strip()]
    marked = sum(_CODE_LINE.search(line) is not None for line in lines)
    if len(text) > _LONGEST or marked < _CANDIDATE * len(lines) or not lines:
        return None
    data = text.encode("utf-8", "replace")
    ascii_only = data if text.isascii() else _FOREIGN.sub(_stand_in, data.decode()).encode()
    for language in LANGUAGES:
        tree = _parser(language).parse(ascii_only)
        prose, errors, statements = _walk(tree.root_node)
        if errors * 1000 > _ACCEPTED * len(data) or statements < 2:
            continue
        comments = "\n".join(data[a:b].decode("utf-8", "replace") for a, b in prose)
        code = bytearray(data)
        for first, last in prose:
            code[first:last] = b" " * (last - first)
        names = _LETTERS.findall(code.decode("utf-8", "replace"))
        letters = sum(map(len, names))
        spoken = sum(map(len, _LETTERS.findall(comments)))
        if spoken > _PROSE_SHARE * (letters + spoken):
            return None
        if len(names) >= _FEW_NAMES and len(set(names)) > _DISTINCT * len(names):
            return None
        return Source([part for name in names for part in _PARTS.findall(name)], comments)
    return None


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


def _walk(root: Any) -> tuple[list[tuple[int, int]], int, int]:
    """Byte ranges of comments and strings, bytes in errors, and statements that do something."""
    prose, errors, statements = [], 0, 0
    stack = [root]
    while stack:
        node = stack.pop()
        kind = node.type
        if kind == "ERROR" or node.is_missing:
            errors += max(1, node.end_byte - node.start_byte)
        elif "comment" in kind or kind in _STRINGS:
            prose.append((node.start_byte, node.end_byte))
        else:
            statements += any(part in kind for part in _STATEMENTS)
            stack.extend(node.children)
    return prose, errors, statements
