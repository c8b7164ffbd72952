"""What the page takes from files is, byte for byte, what the tools take; all else it refuses."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
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
CONTROLS = ("\u001c", "\u0000", "\u007f")
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
    # A control character makes the page refuse the whole file, so they are few.
    pieces = PIECES if chance.random() < 0.1 else [p for p in PIECES if p not in CONTROLS]
    return "".join(chance.choices(pieces, k=chance.randrange(6)))


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


def _cell(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.15:
        return ""
    if kind < 0.6:
        return chance.choice(("word", "two words", " x ", "Zoë", "5", 'a "b"', "\u00a0", "a;b"))
    quoted = chance.choice(("a, b", 'say ""so""', "one\ntwo", "one\r\ntwo", "", "\t", "|")) + _text(
        chance
    ).replace('"', '""')
    return f'"{quoted}"' + (" " if chance.random() < 0.02 else "")


def _rows(chance: random.Random, delimiter: str) -> str:
    names = chance.sample(("text", "Text ", "title", "metadata", "n", "body", "é"), 3)
    rows = [delimiter.join(names)]
    for _ in range(chance.randrange(1, 5)):
        cells = [_cell(chance) for _ in names]
        if chance.random() < 0.7:
            cells = [cell or "some words" for cell in cells]
        rows.append(delimiter.join(cells) + (delimiter if chance.random() < 0.03 else ""))
        if chance.random() < 0.1:
            rows.append(chance.choice(("", delimiter * 2, delimiter.join(names))))
    return chance.choice(("\n", "\n", "\r\n")).join(rows) + chance.choice(("", "\n"))


def _front(chance: random.Random) -> str:
    values = ("Ada", "no", "2021-01-01", "a, b (c)", '"with: colon"', "Zoë 7", "- x", "[a]", "a: b")
    ends = ("", "", "", " ", " # x", "\r", "\t")
    names = ("title", "date", "a_b", "lang", "file", "é")
    lines = [
        f"{chance.choice(names)}:{chance.choice((' ', '  '))}"
        f"{chance.choice(values[:6] if chance.random() < 0.9 else values)}{chance.choice(ends)}"
        for _ in range(chance.randrange(1, 4))
    ]
    end = chance.choice(("---\n", "...\n", "--- \r\n", "---"))
    return "\n".join(["---", *lines, end])


def _content(chance: random.Random, form: str) -> bytes:
    if form in ("jsonl", "ndjson", "JSONL", "jl"):
        end = chance.choice(("\n", "\n", "\r\n"))
        content = end.join(_record(chance) for _ in range(chance.randrange(1, 4)))
    elif form in ("csv", "CSV", "psv"):
        content = _rows(chance, chance.choice(",,,;|\t"))
    elif form in ("tsv", "tab"):
        content = _rows(chance, "\t")
    else:
        content = "some words " + _text(chance) + chance.choice(("", "\n", "\r\n"))
    if form == "md" and chance.random() < 0.3:
        content = chance.choice(("---\n", "---\n---\n", "----\n", *[_front(chance)] * 4)) + content
    mark = "\ufeff" if chance.random() < 0.1 else ""
    return (mark + content).encode("utf-8")


FORMS = (
    *("jsonl", "jsonl", "ndjson", "JSONL", "jl", "csv", "csv", "CSV", "psv", "tsv", "tab"),
    *("txt", "md", "log", "tmp", "txt~"),
)


def _zip(chance: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(chance.randrange(1, 4)):
            form = chance.choice((*FORMS, "html", "gz"))
            place = chance.choice(("", "", "in/", "__MACOSX/", "é/", ".hidden/"))
            info = zipfile.ZipInfo(f"{place}{chance.choice('aBé')}{i}.{form}")
            info.compress_type = chance.choice((zipfile.ZIP_STORED, *[zipfile.ZIP_DEFLATED] * 4))
            with archive.open(info, "w") as member:
                # Written as a stream, a member has its sizes behind it, as macOS writes them.
                member.write(_content(chance, form))
            if chance.random() < 0.2:
                archive.mkdir(f"folder{i}")
    data = bytearray(file.getvalue())
    if chance.random() < 0.1:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.03:
        data += b"more"
    return bytes(data)


def _write(chance: random.Random, folder: Path) -> list[str]:
    names = []
    for i in range(chance.randrange(1, 4)):
        form = chance.choice((*FORMS, *("zip", "zip", "gz", "")))
        name = f"{chance.choice(('', '', 'sub/', 'a/b/'))}{chance.choice('aBé')}{i}.{form}"
        if form == "zip":
            content = _zip(chance)
        elif form == "gz":
            inner = chance.choice(FORMS)
            name = name.removesuffix("gz") + f"{inner}.gz"
            content = gzip.compress(_content(chance, inner))
        elif form:
            content = _content(chance, form)
        else:
            name, content = f"{name.rpartition('/')[0]}/.DS_Store".lstrip("/"), b"litter"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
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
