"""Text basics shared by the metrics: words, sentences and language."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A longer piece without a sentence mark is cut at white space, so one giant line stays bounded.
MAX_SENTENCE = 400
#: Shorter pieces are headings, numbers and initials: they join the piece that follows.
MIN_SENTENCE = 24
#: Characters that the language detector reads.
_DETECTED = 20_000
UNKNOWN = "und"
#: Per cent of a text, and strength of the guess, from which the detector is believed that doubts.
_MOSTLY, _STRONG = 70, 600

WORD = re.compile(r"(?<![\w'’])[^\W\d_]+(?:['’][^\W\d_]+)*(?![\w])")
#: Pattern of an address of the web.
URL = r"(?:(?:https?|ftp)://|www\.)[^\s<>\"'{}|\\^`]+"
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？।۔])|\n\s*\n")
#: Letters of scripts that put no spaces between words.
UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_UNSPACED = re.compile(f"[{UNSPACED}]")
#: Signs of scripts that write syllables or words, and letters of those that have signs for vowels.
_SYLLABLES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTERS_WITH_SIGNS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
#: Least letters that are judged, fewest different syllables, and letters for a sign at most.
_ENOUGH, _ALPHABET, _FEW = 200, 45, 12
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(0x10000 * plane + 0xFFFE + end) for plane in range(1, 17) for end in (0, 1))
    + "]"
)


def normalise(text: str) -> str:
    """NFC, one kind of line end, no byte-order mark: what every metric reads."""
    return unicodedata.normalize("NFC", text.removeprefix("\ufeff").replace("\r\n", "\n"))


def digest(text: str) -> bytes:
    """SHA-256 of a text; lone surrogates are kept apart from every real character."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def sentences(text: str) -> Iterator[str]:
    """Sentences of a text in order, white space collapsed, none longer than `MAX_SENTENCE`."""
    pending = ""
    for piece in _SENTENCE_END.split(text):
        joined = " ".join(f"{pending} {piece}".split())
        start = 0
        while len(joined) - start > MAX_SENTENCE:
            space = joined.rfind(" ", start + MIN_SENTENCE, start + MAX_SENTENCE)
            end = space if space > 0 else start + MAX_SENTENCE
            yield joined[start:end]
            start = end + (space > 0)
        joined = joined[start:]
        if len(joined) >= MIN_SENTENCE or _UNSPACED.search(joined):
            yield joined
            pending = ""
        else:
            pending = joined
    if pending:
        yield pending


def sample(items: set[str], size: int, key: bytes) -> list[str]:
    """The `size` items with the lowest keyed hashes, in that order.

    The draw does not depend on the order of the items, and nobody can foresee it before the key of
    the auction is known. Equal sentences are drawn alike in every document.
    """

    def rank(item: str) -> tuple[bytes, str]:
        data = item.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=8, key=key).digest(), item

    return sorted(items, key=rank)[:size]


def unspaced(text: str) -> bool:
    """Whether most of a text is in a script that puts no spaces between words."""
    return 2 * len(_UNSPACED.findall(text)) > len(text)


def transcribed(text: str) -> bool:
    """Whether letters of a script that cannot write it stand for those of another language.

    What is written by syllables or words has hundreds of signs, and Thai, Lao, Burmese and Khmer
    write most vowels as signs beside their letters.
    """
    syllables = _SYLLABLES.findall(text[:_DETECTED])
    if len(syllables) >= _ENOUGH:
        return len(set(syllables)) < _ALPHABET
    letters = len(_LETTERS_WITH_SIGNS.findall(text[:_DETECTED]))
    return letters >= _ENOUGH and _FEW * len(_SIGNS.findall(text[:_DETECTED])) < letters


def language(text: str) -> str:
    """Language of a text as detected (ISO 639), or `UNKNOWN` where the detector is not sure."""
    return detect(text)[0]


def detect(text: str) -> tuple[str, int]:
    """The same, and how much of the text is in it, in per cent."""
    import pycld2

    try:
        reliable, _, guesses = pycld2.detect(readable(text[:_DETECTED]), bestEffort=False)
    except pycld2.error:  # it refuses noncharacters, among others
        return UNKNOWN, 0
    _, code, percent, strength = guesses[0]
    sure = reliable or (percent >= _MOSTLY and strength >= _STRONG)
    return (str(code), int(percent)) if sure and code != "un" else (UNKNOWN, 0)


def spans(data: bytes) -> list[tuple[int, int, str]]:
    """Where the detector sees which language: first byte, byte after the last, and language.

    Args:
        data: A text that is `readable`, in UTF-8.
    """
    import pycld2

    try:
        *_, found = pycld2.detect(data, returnVectors=True)
    except pycld2.error:
        return []
    return [
        (first, first + size, UNKNOWN if code == "un" else str(code))
        for first, size, _, code in found
    ]


def readable(text: str) -> str:
    """A text without the characters that the detector refuses."""
    return _UNREADABLE.sub(" ", text)


def ranges(categories: frozenset[str]) -> str:
    """A character class of all characters of some Unicode categories outside of ASCII."""
    found = [c for c in range(0x80, 0x20000) if unicodedata.category(chr(c)) in categories]
    parts, first = [], 0
    for index, code in enumerate(found):
        if index + 1 == len(found) or found[index + 1] != code + 1:
            parts.append(f"\\U{found[first]:08x}-\\U{code:08x}")
            first = index + 1
    return "".join(parts)


#: Signs that belong to the letter before them, which `\w` leaves out: vowels of Indic scripts,
#: accents, joiners.
SIGNS = ranges(frozenset({"Mn", "Mc"})) + "\u200c\u200d"
#: Pattern of letters that stand together.
LETTERS = rf"[^\W\d_]+(?:[{SIGNS}][^\W\d_]*)*"
_WORDS, _SIGNS = re.compile(LETTERS), re.compile(f"[{SIGNS}]")
#: Letters of a line or sentence from which it counts once where it recurs.
_LINE = 16
_PIECE = re.compile(r"(\n|(?<=[.!?…])\s+|(?<=[。！？।۔]))")
#: A word that is among so many words before it is an echo. Of words with so many letters hardly one
#: in a hundred is; where more than one in so many is, everything is said at least twice.
_BEFORE, _LONG, _ECHOES = 4, 4, 12


def distinct(text: str, seen: set[bytes]) -> Iterator[str]:
    """The lines and sentences of a text with what ends them, each once, whatever its numbers are.

    One is the same as another if its letters are, or if its longer words are, in any order.

    Args:
        text: Any text.
        seen: Names of what was said before; those of this text are added.
    """
    parts = _PIECE.split(text)
    for piece, end in zip(parts[::2], [*parts[1::2], ""], strict=True):
        letters = "".join(filter(str.isalpha, piece)).casefold()
        telling = {word.casefold() for word in _WORDS.findall(piece) if len(word) > _LONG}
        name = digest(" ".join(sorted(telling)) if len(telling) >= _LONG else letters)[:8]
        if len(letters) < _LINE or name not in seen:
            yield piece + end
            seen.add(name)
        else:
            yield end


def without_echoes(text: str) -> str:
    """A text that says its words once, as a program does not that gives and uses its names.

    A text with few echoes stays as it is.
    """
    words = [word.casefold() for word in _WORDS.findall(text)]
    before = [[None] * n + words for n in range(1, _BEFORE + 1)]
    echoes = [word in lately for word, *lately in zip(words, *before, strict=False)]
    if _ECHOES * sum(len(w) >= _LONG for w in compress(words, echoes)) <= len(words):
        return text
    gone = (echo and len(word) > 1 for word, echo in zip(words, echoes, strict=True))
    return _WORDS.sub(lambda found: "" if next(gone) else found[0], text)
