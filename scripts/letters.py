"""Write the table by which sketches fold texts (oracles/dataset/letters.json).

The table belongs to the archive format, so it is written once and never again with another version
of Unicode: two programs must fold every character alike. Run with Python 3.11 (Unicode 14.0).
"""

from __future__ import annotations

import json
import sys
import unicodedata
from itertools import groupby
from pathlib import Path

UNICODE = "14.0.0"
HANGUL = range(0xAC00, 0xD7A4)
OUT = Path(__file__).parents[1] / "oracles" / "dataset" / "letters.json"


def folded(character: str) -> str:
    """Letters and digits that a character stands for, without case, accents and width."""
    if ord(character) in HANGUL:
        return character  # as one letter, not as the two or three that it is made of
    compatible = unicodedata.normalize("NFKC", character).casefold()
    parts = unicodedata.normalize("NFKD", compatible)
    return "".join(part for part in parts if part.isalnum())


def ranges(codes: list[int]) -> list[list[int]]:
    """First and last of each run of consecutive numbers."""
    runs = groupby(enumerate(codes), lambda pair: pair[1] - pair[0])
    return [[run[0][1], run[-1][1]] for _, group in runs if (run := list(group))]


def main() -> None:
    """Write the table."""
    if unicodedata.unidata_version != UNICODE:
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}, the table {UNICODE}")
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    letters = {character: folded(character) for character in characters}
    table = {
        "unicode": UNICODE,
        "spaces": ranges([ord(c) for c in characters if c.isspace()]),
        "digits": ranges([ord(c) for c in characters if letters[c] == c and c.isdecimal()]),
        "letters": ranges([ord(c) for c in characters if letters[c] == c and not c.isdecimal()]),
        "folded": {f"{ord(c):x}": f for c, f in letters.items() if f not in ("", c)},
    }
    lines = [
        f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}"
        for key, value in table.items()
    ]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")


if __name__ == "__main__":
    main()
