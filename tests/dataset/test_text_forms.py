"""Text forms damaged at random: what is read and what is found account for every record and byte.

Each form is read a second time by a reader that shares no code with ours. Where nothing was found,
both read the same; where the other reads something else, a finding says so.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracles.dataset import Limits, read_documents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oracles.dataset import Document, Finding

NO_DOCUMENT = "there is no document in it"
#: What bytes of strangers hold: marks, controls, noncharacters, halves, line ends, quotes.
ODD = (
    b"\xef\xbb\xbf",
    b"\0",
    b"\r",
    b"\r\n",
    b"\n",
    b"\n\n",
    b"\x0b",
    b"\x0c",
    b"\x1a",
    b"\x1c",
    b"\x85",
    "\u0085".encode(),
    "\u2028".encode(),
    "\ufffe".encode(),
    "\uffff".encode(),
    "\ufdd0".encode(),
    "\U0001ffff".encode(),
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b'"',
    b'""',
    b"'",
    b",",
    b";",
    b"\t",
    b"|",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"---\n",
    b"...\n",
    b"#",
    b"NaN",
    b"1e999",
    b"null",
    b"text",
)
RECORDS = [
    {"text": "The first of several.", "title": "Eins", "n": 1},
    {"text": 'He said "no", then left.', "title": "a, b; c", "n": 2},
    {"text": "Two lines:\nthis is the second.", "title": "größer", "n": 3},
    {"text": "Last one \U0001f600 of all.", "title": "", "n": 4},
]


def _jsonl() -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in RECORDS)


def _json() -> bytes:
    return json.dumps(RECORDS, ensure_ascii=False, indent=1).encode()


def _csv(delimiter: str) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["text", "title", "n"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(RECORDS)
    return out.getvalue().encode()


def _tsv() -> bytes:
    rows = [
        "\t".join(str(each[key]).replace("\n", " ") for key in ("text", "title", "n"))
        for each in RECORDS
    ]
    return "\n".join(["text\ttitle\tn", *rows, ""]).encode()


MARKDOWN = b"---\ntitle: A page\ntags:\n- one\n- two\n---\nBody of the page.\n\nSecond part.\n"
PLAIN = "One paragraph.\n\nA second, größer.\r\nAnd its end.\n".encode()


def read(path: Path, data: bytes) -> tuple[list[Document], list[Finding]]:
    path.write_bytes(data)
    findings: list[Finding] = []
    limits = Limits(record_bytes=10_000)
    return list(read_documents(path, findings=findings, limits=limits)), findings


@st.composite
def damaged(draw: Any, data: bytes) -> bytes:
    """Bytes of a file after one to three accidents."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["cut", "splice", "join", "flip", "order", "odd", "repeat"])):
            case "cut":
                data = data[:at]
            case "splice":
                data = data[:at] + data[at + draw(st.integers(1, 30)) :]
            case "join":
                data = data + data
            case "flip":
                if at < len(data):
                    flipped = bytes([data[at] ^ 1 << draw(st.integers(0, 7))])
                    data = data[:at] + flipped + data[at + 1 :]
            case "order":
                lines = data.splitlines(keepends=True)
                data = b"".join(draw(st.permutations(lines))) if len(lines) < 12 else data
            case "repeat":
                data = data[:at] + data[at : at + 20] * 2 + data[at + 20 :]
            case _:
                data = data[:at] + draw(st.sampled_from(ODD)) + data[at:]
    return data


def whole_file(findings: list[Finding]) -> bool:
    """Whether the file as such was refused, by name."""
    return any(each.kind in ("binary", "encoding", "unsupported") for each in findings)


def counted(findings: list[Finding], *kinds: str) -> int:
    return sum(each.count for each in findings if each.kind in kinds)


def losing(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.loses_data]


def check_jsonl(path: Path, data: bytes) -> None:
    """As many documents and refusals as lines, and the same values as `json` reads."""
    documents, findings = read(path, data)
    if whole_file(findings) or not data:
        assert not documents
        return
    end = b"\r" if b"\n" not in data and b"\r" in data.removesuffix(b"\r") else b"\n"
    texts = [line.decode("utf-8", "replace").removeprefix("\ufeff") for line in data.split(end)]
    lines = [line for line in texts if line and not line.isspace()]
    refused = counted(findings, "malformed", "too_large", "no_text")
    refused += sum(
        each.count for each in findings if each.kind == "empty" and each.detail != NO_DOCUMENT
    )
    assert len(documents) + refused == len(lines), findings
    if not findings:
        others = [json.loads(line) for line in lines]
        assert [each.text for each in documents] == [
            other if isinstance(other, str) else text_of(other) for other in others
        ]


def text_in(record: dict[str, Any]) -> Any:
    """Its text, if it has one under that name in any case."""
    return {key.strip().lower(): value for key, value in reversed(record.items())}.get("text")


def text_of(record: dict[str, Any]) -> str:
    named = {key.strip().lower(): value for key, value in reversed(record.items())}
    (only,) = record.values() if len(record) == 1 else (record.get("text", named.get("text")),)
    if isinstance(only, str):
        return only
    raise AssertionError(f"no finding, and no text in {record}")


def check_json(path: Path, data: bytes) -> None:
    """Where `json` reads one value, so do we or say why not."""
    documents, findings = read(path, data)
    if whole_file(findings):
        assert not documents
        return
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        # JSON Lines in a file of this name are read too; then each line is a value.
        if not findings:
            check_stream(data, documents)
        return
    records = value if isinstance(value, list) else [value]
    if not losing(findings):
        texts = [each if isinstance(each, str) else text_in(each) for each in records]
        assert [each.text for each in documents] == [each for each in texts if each]
    else:
        assert len(documents) + counted(findings, "malformed", "no_text", "empty") >= len(records)


def check_stream(data: bytes, documents: list[Document]) -> None:
    """Values one after another, by the decoder of `json`."""
    text, decoder, place, texts = data.decode("utf-8-sig"), json.JSONDecoder(), 0, []
    while place < len(text):
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        if place == len(text):
            break
        value, place = decoder.raw_decode(text, place)
        texts += [
            each if isinstance(each, str) else text_of(each)
            for each in (value if isinstance(value, list) else [value])
        ]
    assert [each.text for each in documents] == texts


def check_rows(delimiter: str) -> Callable[[Path, bytes], None]:
    """Where nothing is found, the rows are those of `csv` and of pyarrow."""

    def check(path: Path, data: bytes) -> None:
        documents, findings = read(path, data)
        if whole_file(findings) or findings:
            return
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        names = [each.strip() for each in rows[0]] if rows else []
        column = names.index("text") if "text" in names else 0
        expected = [row[column] for row in rows[1:] if row]
        assert [each.text for each in documents] == expected
        options = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        try:
            table = pyarrow.csv.read_csv(
                io.BytesIO(data),
                parse_options=options,
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={name: pa.string() for name in rows[0]}, strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid:
            return
        assert Counter(table.column(column).to_pylist()) == Counter(expected)

    return check


def check_markdown(path: Path, data: bytes) -> None:
    """The page and its front matter are all there is; the fields are those that YAML reads."""
    documents, findings = read(path, data)
    if whole_file(findings) or losing(findings) or not documents:
        assert documents or findings
        return
    (document,) = documents
    text = data.decode("utf-8-sig")
    assert text.endswith(document.text)
    front = text[: len(text) - len(document.text)]
    if front:
        assert front.startswith("---")
        fields = yaml.safe_load(front.strip().strip("-."))
        assert set(document.metadata) <= set(fields or {}) | {"file"}
    else:
        assert not document.metadata or set(document.metadata) == {"file"}


def check_plain(path: Path, data: bytes) -> None:
    """Every byte is in the text."""
    documents, findings = read(path, data)
    if whole_file(findings) or not documents:
        assert findings
        return
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    assert "".join(each.text for each in documents) == text
    if "\ufffd" in text:
        assert losing(findings)


CHECKS: dict[str, tuple[bytes, Callable[[Path, bytes], None]]] = {
    "a.jsonl": (_jsonl(), check_jsonl),
    "a.json": (_json(), check_json),
    "a.csv": (_csv(","), check_rows(",")),
    "b.csv": (_csv(";"), check_rows(";")),
    "a.tsv": (_tsv(), check_rows("\t")),
    "a.md": (MARKDOWN, check_markdown),
    "a.txt": (PLAIN, check_plain),
}


@pytest.mark.parametrize("name", CHECKS)
@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_text_form__damaged__is_read_or_said(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: Any
) -> None:
    honest, check = CHECKS[name]
    check(tmp_path_factory.getbasetemp() / name, data.draw(damaged(honest)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
@given(data=st.data())
@settings(max_examples=4_000, derandomize=False, suppress_health_check=list(HealthCheck))
def test_text_form__damaged_for_long__is_still_read_or_said(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: Any
) -> None:
    honest, check = CHECKS[name]
    check(tmp_path_factory.getbasetemp() / name, data.draw(damaged(honest)))


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_text_form__something_odd_at_its_ends_and_within__is_read_or_said(
    tmp_path: Path, name: str, odd: bytes
) -> None:
    honest, check = CHECKS[name]
    middle = len(honest) // 2
    for data in (odd + honest, honest + odd, honest[:middle] + odd + honest[middle:], odd):
        check(tmp_path / name, data)


def test_tsv__escapes_of_databases__are_kept_and_said(tmp_path):
    documents, findings = read(tmp_path / "a.tsv", b"text\tn\none\\ttwo\\nthree\t1\nplain\t2\n")
    assert [document.text for document in documents] == ["one\\ttwo\\nthree", "plain"]
    assert [(finding.kind, finding.where) for finding in findings] == [("ambiguous", "a.tsv:2")]
    _, findings = read(tmp_path / "a.csv", b"text,n\none\\ttwo,1\n")
    assert not findings
