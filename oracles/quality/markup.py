"""Markup and frames: what stands around a text, and is neither the text nor dirt.

Tags that pair, the commands of LaTeX, entities of marks and accents, and pieces of a line that
recur through a text (keys, labels, the words of a statement around its value) say nothing about
the letters between them. They are taken away, and the rest is judged as prose. So a text in a known
form is judged as the text without it, whether it is clean or not.

Words of markup that do not recur may be the text, hidden: they must be words.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from oracles.quality import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAG = re.compile(
    r"<!--(?:[^<-]|-(?!->)|<(?!!--)){0,2000}+-->"
    r"|</?[A-Za-z][\w:.\-]*(?:\s[^<>]{0,500}|/)?>|<[!?][^<>]{0,500}>"
)
_SCRIPT = re.compile(
    r"<(script|style)\b[^<>]{0,500}>((?:[^<]+|<(?!/?\1\b))*+)</\1\s*>", re.IGNORECASE
)
_NAME = re.compile(r"</?([^\s<>/]+)")
#: The value of an attribute, and several words.
_VALUE, _SEVERAL = re.compile(r"=\s*(\"[^\"]*\"|'[^']*')"), re.compile(r"\w\s+\w")
#: A tag that says nothing but words, as a name in angle brackets does.
_BARE = re.compile(r"<[A-Za-z][\w:.\-]*(?: [\w.\-]+)*>")
#: Elements of HTML that have no end tag, and that need none.
_ALONE = re.compile(
    "area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr"
    "|body|colgroup|dd|dt|head|html|li|option|p|tbody|td|tfoot|th|thead|tr"
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[\da-fA-F]{1,6}|[A-Za-z]{2,12});")
#: A command of LaTeX, with its options, and with what it refers to: a key, a file, a size.
_COMMAND = re.compile(
    r"\\(?:(?:begin|end)\s*\{[^{}\n]{0,50}\}|[A-Za-z]+\*?)(?:\[[^\[\]\n]{0,200}\])?"
    r"(?:\{[^\s{}]{0,60}[\d:_=/,][^\s{}]{0,60}\})?"
)
_ESCAPE = re.compile(r"\\([nrt\"\\/]|u[\da-fA-F]{4})")
#: The end of a string in a record or a statement.
_QUOTED = re.compile(r"(?<=[^\\\s])[\"']\s*[:,;)}\]]")
_ACCENT = re.compile(r"\\([\"'`^~=.])\s?\{?([A-Za-z])\}?")
_ACCENTS = dict(zip("\"'`^~=.", "\u0308\u0301\u0300\u0302\u0303\u0304\u0307", strict=True))
_FORMULA = re.compile(r"\$\$?[^$]{1,1000}?\$\$?")
_LETTERS = re.compile(texts.LETTERS)
#: What separates the pieces of a line: anything but words, numbers, and marks inside of these.
_BETWEEN = re.compile(rf"([^\w{texts.SIGNS}'’ʼ\- \n][^\w{texts.SIGNS}'’ʼ\n]*|\n)")
#: Least times, and least part of all pieces, that a piece recurs that is a frame.
_TIMES, _PART = 3, 50
#: Words of a piece that may be a frame alone; what is longer is a sentence that is said again.
_SHORT = 4
#: Where at least one in so many of the words between frames stands alone, marks part every word.
#: There a word is a frame if it is one in so many of all pieces; no language has such a word.
_SINGLE, _COLUMN = 3, 6
#: Letters of a piece that is a repetition if it is among so many letters before it.
_TELLING, _BEFORE = 4, 400
#: A label behind a word, words for each at most where words are labelled, and labels for each kind.
_LABEL = re.compile(r"(?<=[^\s/_|])[/_|]([^\W_]+)(?!\S)")
_LABELLED, _LABELS = 6, 4
#: A word with which at least one line in so many begins, or ends, is a frame.
_FIRST = re.compile(rf"\A[\W\d_]*({texts.LETTERS})(?![\w'’])")
_LAST = re.compile(rf"(?<![\w'’])({texts.LETTERS})[\W\d_]*\Z")
_LINES = 3
#: Commands from which a text is LaTeX, and braces that do not pair in it, per hundred.
_COMMANDS, _UNPAIRED = 3, 5


class Bare(NamedTuple):
    """A text without its markup.

    Attributes:
        text: What is left.
        taken: Characters of tags, entities that belong to no markup, or hide letters.
        words: Words of the markup that occur in it once.
    """

    text: str
    taken: int
    words: list[str]


def remove(text: str) -> Bare:
    """Take tags, entities and commands away."""
    taken, markup = 0, list[str]()
    accepted = False
    if "<" in text:
        text, accepted, taken = _without_tags(text, markup)
    if "&" in text:
        for entity in _ENTITY.findall(text):
            character = html.unescape(entity)
            if not accepted or (character.isascii() and character.isalnum()):
                taken += len(entity)
        text = html.unescape(text)
    if "\\" in text:
        text = _without_commands(text, markup)
    counts = Counter(word.casefold() for part in markup for word in _LETTERS.findall(part))
    return Bare(text, taken, [word for word, times in counts.items() if times == 1])


def _without_tags(text: str, markup: list[str]) -> tuple[str, bool, int]:
    """A text without its tags, whether they are markup, and characters of those that are not."""
    if "</" in text:
        text = _SCRIPT.sub(lambda found: _moved(found[2], markup), text)
    tags = _TAG.findall(text)
    names = [tag if tag[1] in "!?" else _NAME.match(tag)[1].casefold() for tag in tags]  # type: ignore[index]
    open_, paired = list[int](), set[int]()
    waiting = Counter[str]()
    for place, (tag, name) in enumerate(zip(tags, names, strict=True)):
        if tag[1] == "/":
            while waiting[name] and open_:
                start = open_.pop()
                waiting[names[start]] -= 1
                if names[start] == name:
                    paired |= {start, place}
                    break
        elif tag[1] not in "!?" and not tag.endswith("/>"):
            open_.append(place)
            waiting[name] += 1
    bare = [
        place not in paired and not _ALONE.fullmatch(name) and _BARE.fullmatch(tag) is not None
        for place, (tag, name) in enumerate(zip(tags, names, strict=True))
    ]
    needing = sum(
        tag[1] not in "!?" and not tag.endswith("/>") and not _ALONE.fullmatch(name)
        for tag, name in zip(tags, names, strict=True)
    )
    accepted = 2 * len(paired) >= needing - sum(bare) and bool(paired)
    taken, parts, end = 0, list[str](), 0
    for place, found in enumerate(_TAG.finditer(text)):
        tag = found[0]
        parts += [text[end : found.start()], "\t"]
        end = found.end()
        if bare[place]:
            parts.append(f"{tag[1:-1]}: ")
        elif accepted:  # a page that was cut has tags whose partner is on another one
            markup += _said(tag)
        else:
            taken += len(tag)
    return "".join([*parts, text[end:]]), accepted, taken


def _said(tag: str) -> list[str]:
    """What of a tag may be text: a comment, and values of several words; names are none."""
    if tag[1] in "!?":
        return [tag.partition(" ")[2]]
    return [value for value in _VALUE.findall(tag) if _SEVERAL.search(value)]


def _moved(text: str, markup: list[str]) -> str:
    markup.append(text)
    return "\t"


def unescaped(text: str) -> tuple[str, int]:
    """A text without the escapes of strings, if it is made of such strings, and what they hid.

    Escapes of ASCII characters are needed by no string, and count as hiding them.
    """
    escapes = _ESCAPE.findall(text)
    if not escapes or 2 * len(escapes) <= text.count("\\") or not _QUOTED.search(text):
        return text, 0
    taken = 0

    def plain(found: re.Match[str]) -> str:
        nonlocal taken
        code = found[1]
        if code[0] != "u":
            return code if code in '"\\/' else "\n"
        character = chr(int(code[1:], 16))
        taken += len(found[0]) * character.isascii()
        return character

    text = _ESCAPE.sub(plain, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), taken


def _without_commands(text: str, markup: list[str]) -> str:
    """A text without the commands of LaTeX, if it is LaTeX."""
    opened, closed = text.count("{"), text.count("}")
    commands = _COMMAND.findall(text)
    recurring = 2 * len(set(commands)) <= len(commands)
    if len(commands) < _COMMANDS or not (opened or recurring):
        return text
    if 100 * abs(opened - closed) > _UNPAIRED * (opened + closed):
        return text
    text = _ACCENT.sub(
        lambda found: unicodedata.normalize("NFC", found[2] + _ACCENTS[found[1]]), text
    )

    def gone(found: re.Match[str]) -> str:
        markup.append(found[0])
        return " "

    text = _COMMAND.sub(gone, _FORMULA.sub(gone, text))
    return text.translate({ord("{"): " ", ord("}"): " ", ord("~"): " "})


def _repeats(names: Sequence[str]) -> set[int]:
    """Places of the short pieces that only repeat letters which were said right before."""
    said, found = "", set[int]()
    for place, name in enumerate(names):
        letters = name.replace(" ", "")
        if len(letters) >= _TELLING and name.count(" ") < _SHORT and letters in said:
            found.add(place)
        said = (said + letters)[-_BEFORE:]
    return found


def unframed(text: str) -> str:
    """A text without the pieces of its lines that recur through it, and the marks before them.

    What is longer than a few words stays once. The words with which a third of the lines begin or
    end are such pieces, too, and so are labels behind each word, and short pieces that repeat what
    was said right before: titles, anchors. A script without spaces has no such words; its text
    stays as it is.
    """
    if texts.unspaced(text):  # what looks like a word is a phrase there
        return text
    text = _unlabelled(text)
    parts = _BETWEEN.split(text)
    names = [" ".join(_LETTERS.findall(piece)).casefold() for piece in parts[::2]]
    counts = Counter(name for name in names if len(name) > 1)
    least = max(_TIMES, sum(counts.values()) // _PART)
    frames = {name for name, times in counts.items() if times >= least}
    values = [name.count(" ") + 1 for name in names if len(name) > 1 and name not in frames]
    repeats = set[int]()
    if _SINGLE * values.count(1) >= sum(values):
        often = sum(counts.values()) // _COLUMN
        frames = {name for name in frames if " " in name or counts[name] >= often}
    elif len(found := _repeats(names)) >= least:
        repeats = found
    if frames or repeats:
        seen, kept = set[str](), list[str]()
        for place, (name, mark, piece) in enumerate(
            zip(names, ["", *parts[1::2]], parts[::2], strict=True)
        ):
            if place in repeats or (name in frames and (name in seen or name.count(" ") < _SHORT)):
                kept.append("\n" if "\n" in mark else " ")
            else:
                kept += [mark, piece]
            seen.add(name)
        text = "".join(kept)
    lines = text.split("\n")
    for edge in (_FIRST, _LAST):
        for _ in range(_SHORT):
            before, lines = lines, _without(lines, edge)
            if lines == before:
                break
    return "\n".join(lines)


def _unlabelled(text: str) -> str:
    """A text whose words do not each carry a label of few, such as a part of speech."""
    labels = [found[1] for found in _LABEL.finditer(text)]
    if _LABELLED * len(labels) < len(text.split()) or _LABELS * len(set(labels)) > len(labels):
        return text
    return _LABEL.sub("", text)


def _without(lines: list[str], edge: re.Pattern[str]) -> list[str]:
    """Lines without the word at an edge that a third of them share."""
    if len(lines) < _TIMES:
        return lines
    found = [edge.search(line) for line in lines]
    words = ["" if word is None else word[1].casefold() for word in found]
    counts = Counter(filter(None, words))
    least = max(_TIMES, counts.total() // _LINES)
    return [
        line if word is None or counts[name] < least else line[: word.start()] + line[word.end() :]
        for line, word, name in zip(lines, found, words, strict=True)
    ]
