"""What the page takes from files is, byte for byte, what the tools take; all else it refuses."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from oracles.dataset import encode_document, read_documents
from oracles.errors import InputError
from tests.js.test_formats import node

if TYPE_CHECKING:
    from pathlib import Path

PIECES = (
    *("plain words", "Zoë ", "中文 ", "\U0001d41b ", "é e\u0301 ", " ", "\t", '"', "\\", "/"),
    *("\u2028", "\u0085", "\u00a0", "\ufeff", "\u001c", "\u0000", "\u007f", "ﬁ", "\u200b", "\r"),
)
NUMBERS = (
    *("0", "-0", "-0.0", "1.0", "1e21", "1E5", "5e-324", "0.1", "123456.789e3", "1e400", "1e-400"),
    *("9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "1e2"),
    *(
        "0.30000000000000004",
        "333333333.3333333",
        "4.35",
        "NaN",
        "Infinity",
        "1.7976931348623157e308",
    ),
)
NAMES = (
    "n",
    "title",
    "text",
    "metadata",
    "Text",
    "content",
    "é",
    "\U0001d41b",
    "\ufb01",
    "",
    "a.b",
)


def _text(chance: random.Random) -> str:
    return "".join(chance.choices(PIECES, k=chance.randrange(6)))


def _string(chance: random.Random) -> str:
    text = json.dumps(_text(chance), ensure_ascii=chance.random() < 0.5)
    return text[:-1] + r"\ud800" + '"' if chance.random() < 0.01 else text


def _value(chance: random.Random, depth: int = 0) -> str:
    kind = chance.random()
    if kind < 0.4 or depth > 3:
        return _string(chance)
    if kind < 0.6:
        common = NUMBERS[:11] if chance.random() < 0.8 else NUMBERS
        return chance.choice(common)
    if kind < 0.7:
        return chance.choice(("true", "false", "null"))
    if kind < 0.8:
        return f"[{', '.join(_value(chance, depth + 1) for _ in range(chance.randrange(3)))}]"
    return _object(chance, chance.choices(NAMES, k=chance.randrange(3)), depth + 1)


def _object(chance: random.Random, names: list[str], depth: int) -> str:
    if chance.random() < 0.9:
        names = list(dict.fromkeys(names))
    members = (f"{json.dumps(name)}: {_value(chance, depth)}" for name in names)
    return f"{{{', '.join(members)}}}"


def _record(chance: random.Random) -> str:
    if chance.random() < 0.05:
        return chance.choice(("", "  ", "[]", "1", "{", "null", "{}", "\ufeff{}", '{"a": 1}'))
    names = [f'"text": {json.dumps("some words " + _text(chance))}']
    names += [
        f"{json.dumps(name)}: {_value(chance)}"
        for name in dict.fromkeys(chance.choices(NAMES, k=chance.randrange(3)))
        if name != "text"
    ]
    chance.shuffle(names)
    return f"{{{', '.join(names)}}}"


def _write(chance: random.Random, folder: Path) -> list[str]:
    names = []
    for i in range(chance.randrange(1, 3)):
        if chance.random() < 0.8:
            name = f"{chance.choice('aBé')}{i}.{chance.choice(('jsonl', 'ndjson', 'JSONL'))}"
            end = chance.choice(("\n", "\n", "\r\n"))
            content = end.join(_record(chance) for _ in range(chance.randrange(1, 4)))
        else:
            name = f"{chance.choice('aBé')}{i}.txt"
            content = "some words " + _text(chance) + chance.choice(("", "\n", "\r\n"))
        mark = "\ufeff" if chance.random() < 0.1 else ""
        (folder / name).write_bytes((mark + content).encode("utf-8"))
        names.append(name)
    return names


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 40), pytest.param(2, 300, marks=pytest.mark.slow)],
)
def test_files__that_the_page_takes__are_the_bytes_that_the_tools_take(
    tmp_path: Path, seed: int, count: int
) -> None:
    chance, sets = random.Random(seed), []
    for i in range(count):
        folder = tmp_path / str(i)
        folder.mkdir()
        sets.append({"folder": str(folder), "names": _write(chance, folder)})
    answers: list[dict[str, Any]] = node("streams", sets=sets)
    taken = 0
    for given, answer in zip(sets, answers, strict=True):
        if not answer.get("stream"):  # Without a document nothing is packed.
            continue
        taken += 1
        try:
            documents = list(read_documents(str(given["folder"])))
        except InputError as error:
            raise AssertionError(f"{given}: the tools refuse this: {error}") from error
        stream = b"".join(encode_document(each) + b"\n" for each in documents)
        assert bytes.fromhex(answer["stream"]) == stream, given
    assert taken > count // 5
