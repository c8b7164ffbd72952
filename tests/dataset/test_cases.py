"""Nothing is dropped silently: files of other projects' bug reports, and others of their kind."""

import bz2
import datetime as dt
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from oracles.dataset import (
    Document,
    Finding,
    content_digest,
    export,
    read_documents,
    refuse_losses,
)
from oracles.dataset.findings import FindingLog, HarmlessKind, LosingKind
from oracles.errors import InputError
from tests.dataset.test_hostile import tar_bytes

CASES = Path(__file__).parent / "cases"
TEXTS = ["first doc", "second doc", "third doc"]


def read(path, data=None):
    """Documents, and findings in their order."""
    if data is not None:
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    findings = []
    return list(read_documents(path, findings=findings)), findings


def kinds(findings):
    return [finding.kind for finding in findings]


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        ("header-broken.tar", ["The first document"], {"corrupt": "header at byte 1024"}),
        ("header-broken.tar.gz", ["The first document"], {"corrupt": "header at byte 1024"}),
        ("cut-in-header.tar", ["The first document"], {"corrupt": "truncated header"}),
        ("quote-never-closed.csv", ["first"], {"malformed": "200 lines"}),
        ("key-twice.jsonl", ["second version", "b"], {"duplicate_key": "twice"}),
        ("key-twice-nested.json", ["a"], {"duplicate_key": "'name' twice"}),
        ("surrogate-in-metadata.jsonl", ["fine"], {"invalid_text": "surrogate"}),
        ("window-2-GiB.jsonl.zst", [], {"unreadable": "2 GiB, and the limit is 128 MiB"}),
        ("delta-byte-array.parquet", TEXTS, {}),
        ("date-year-10183.parquet", TEXTS, {}),
        ("timestamp-year-10000.parquet", TEXTS, {}),
        ("timestamp-ns.parquet", TEXTS, {}),
        ("bad-utf8-text.parquet", ["abc", "de�", "fgh"], {"invalid_text": "U+FFFD"}),
        ("nul-in-text.jsonl", ["before \0 after"], {"ambiguous": "U+0000"}),
        ("controls-in-text.jsonl", ["\1\2\3 a"], {}),
        ("mac-names.zip", ["text in a file"], {}),
        ("front-matter-lists.md", ["Body of the page\n"], {}),
        ("names", ["a"], {"malformed": "not JSON"}),
    ],
)
def test_read__when_file_is_of_a_bug_report__then_all_documents_or_a_finding(name, texts, expected):
    documents, findings = read(CASES / name)
    assert [d.text for d in documents] == texts
    found = {f.kind: f.detail for f in findings if f.detail != "there is no document in it"}
    assert found.keys() == expected.keys()
    assert all(part in found[kind] for kind, part in expected.items())


def test_read__when_file_is_of_a_bug_report__then_metadata_are_whole():
    def metadata(name, field):
        return [d.metadata.get(field) for d in read(CASES / name)[0]]

    assert metadata("surrogate-in-metadata.jsonl", "title") == ["half �"]
    assert metadata("delta-byte-array.parquet", "n") == [1, 2, 3]
    assert metadata("date-year-10183.parquet", "d")[1] == "10183-09-21"
    assert metadata("timestamp-year-10000.parquet", "t")[1] == "10000-01-01T00:00:00"
    assert metadata("timestamp-ns.parquet", "t")[1] == "2023-11-14T22:13:20.123456789"
    assert metadata("mac-names.zip", "file") == ["mac-names.zip/cafe\u0301.txt"]
    (front,) = read(CASES / "front-matter-lists.md")[0]
    assert front.metadata["tags"] == ["a", "b"]
    assert front.metadata["author"] == {"name": "N"}


def test_read__when_quotes_in_tsv_span_whole_rows__then_rows_and_a_finding():
    documents, findings = read(CASES / "quote-at-start.tsv")
    assert [d.metadata["id"] for d in documents] == ["1", "2", "3", "4", "5"]
    assert kinds(findings) == ["ambiguous"]


def test_read__when_bytes_follow_the_gzip__then_counted():
    documents, findings = read(CASES / "crlf-after-gzip.jsonl.gz")
    assert len(documents) == 100
    assert kinds(findings) == ["ignored"]
    assert findings[0].detail.startswith("2 bytes after")


def test_read__when_a_file_manager_leaves_litter__then_no_data_are_lost():
    documents, findings = read(CASES / "litter")
    assert len(documents) == 1
    assert [(f.kind, f.loses_data) for f in findings] == [("left_out", False)]


@pytest.mark.parametrize("name", ["nul-in-text.jsonl", "controls-in-text.jsonl"])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_export__when_text_has_controls__then_the_same_document_comes_back(tmp_path, name, form):
    documents, _ = read(CASES / name)
    export(documents, tmp_path / f"out.{form}")
    assert list(read_documents(tmp_path / f"out.{form}")) == documents


# Compression

PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("tail", [b"\r\n", b"x", b"\0\0garbage", b"\x1f" * 100_000])
def test_frames__when_bytes_follow_the_last__then_said_and_counted(tmp_path, suffix, tail):
    packed = PACKERS[suffix](b'{"text": "a"}\n')
    documents, findings = read(tmp_path / f"a.jsonl{suffix}", packed + packed + tail)
    assert len(documents) == 2
    assert kinds(findings) == ["ignored"]
    assert findings[0].detail.startswith(f"{len(tail.lstrip(bytes(1)))} bytes")


@pytest.mark.parametrize("suffix", PACKERS)
def test_frames__when_a_later_one_is_damaged__then_said(tmp_path, suffix):
    packed = PACKERS[suffix](b'{"text": "a"}\n' * 9)
    damaged = packed[:-9] + bytes(byte ^ 255 for byte in packed[-9:])
    documents, findings = read(tmp_path / f"a.jsonl{suffix}", packed + damaged)
    assert len(documents) >= 9
    assert set(kinds(findings)) & {"corrupt", "ignored"}


@pytest.mark.parametrize("suffix", PACKERS)
def test_frames__when_padded_with_zeros__then_nothing_is_missing(tmp_path, suffix):
    data = PACKERS[suffix](b'{"text": "a"}\n') + bytes(1024)
    assert kinds(read(tmp_path / f"a.jsonl{suffix}", data)[1]) == []


# Archives


def zip_bytes(*members, **kwargs):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **kwargs) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


A, B = ("a.txt", b"text a"), ("b.txt", b"text b")


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b"MZ stub" + zip_bytes(A), ["text a"]),
        (zip_bytes(A) + b"tail", ["text a"]),
        (zip_bytes(A) + zip_bytes(B), ["text b"]),
    ],
    ids=["in front", "behind", "joined"],
)
def test_zip__when_bytes_belong_to_no_member__then_said(tmp_path, data, texts):
    documents, findings = read(tmp_path / "a.zip", data)
    assert [d.text for d in documents] == texts
    assert kinds(findings) == ["ignored"]


def test_zip__when_a_member_is_not_in_the_directory__then_its_bytes_are_said(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (A, ("hidden.txt", b"text hidden"), B):
            archive.writestr(name, data)
        del archive.filelist[1]
    documents, findings = read(tmp_path / "a.zip", buffer.getvalue())
    assert [d.text for d in documents] == ["text a", "text b"]
    assert kinds(findings) == ["ignored"]


def test_zip__when_written_as_a_stream__then_no_gap(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(20):
            archive.writestr(f"{i}.txt", f"text {i} " * i + "x")
    documents, findings = read(tmp_path / "a.zip", bytes(pipe.data))
    assert len(documents) == 20
    assert findings == []


def test_zip__when_a_name_is_in_an_unknown_encoding__then_said(tmp_path):
    data = zip_bytes(("cafX.txt", b"text")).replace(b"cafX", b"caf\x82")
    documents, findings = read(tmp_path / "a.zip", data)
    assert len(documents) == 1
    assert kinds(findings) == ["ambiguous"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_archive__when_two_members_have_one_name__then_both_and_a_finding(tmp_path, name):
    other = ("a.txt", b"another")
    data = zip_bytes(A, other) if name == "a.zip" else tar_bytes(A, other)
    documents, findings = read(tmp_path / name, data)
    assert [d.text for d in documents] == ["text a", "another"]
    assert kinds(findings) == ["ambiguous"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (tar_bytes(A) + tar_bytes(B), "ignored"),
        (tar_bytes(A) + b"rest", "ignored"),
        (tar_bytes(A)[:1024], "corrupt"),
        (tar_bytes(A)[:1025], "corrupt"),
        (tar_bytes(A, B)[:1024] + b"\1" * 512 + tar_bytes(B), "corrupt"),
    ],
    ids=["joined", "behind", "no end mark", "cut in a block", "rubbish between"],
)
def test_tar__when_not_all_bytes_are_read__then_said(tmp_path, data, kind):
    documents, findings = read(tmp_path / "a.tar", data)
    assert [d.text for d in documents] == ["text a"]
    assert kinds(findings) == [kind]
    assert findings[0].loses_data


# Records


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.tsv"])
def test_records__when_one_has_no_text__then_no_other_field_stands_in(tmp_path, name):
    data = {
        "a.csv": "text,date\n,2020\nx,2021\n",
        "a.tsv": "text\tdate\n\t2020\nx\t2021\n",
        "a.jsonl": '{"text": null, "date": "2020"}\n{"text": "x", "date": "2021"}\n',
        "a.json": '[{"text": "", "date": "2020"}, {"text": "x", "date": "2021"}]',
    }[name]
    documents, findings = read(tmp_path / name, data)
    assert documents == [Document("x", {"date": "2021"})]
    assert kinds(findings) == ["no_text"]


def test_records__when_a_nested_value_is_bad__then_it_costs_itself_alone(tmp_path):
    data = '{"text": "x", "m": {"a": NaN, "b": 1}, "l": [1, Infinity], "\\ud800": "k"}'
    documents, findings = read(tmp_path / "a.jsonl", data)
    assert documents[0].metadata == {"m": {"b": 1}, "l": [1, None], "�": "k"}
    assert [f.detail.split("'")[1] for f in findings] == ["m.a", "l", "�"]
    assert all(f.loses_data for f in findings)


def test_records__when_files_were_joined__then_marks_within_cost_nothing(tmp_path):
    data = '\ufeff{"text": "a"}\n\ufeff{"text": "b"}\n'
    documents, findings = read(tmp_path / "a.jsonl", data)
    assert [d.text for d in documents] == ["a", "b"]
    assert kinds(findings) == ["ambiguous"]
    documents, findings = read(tmp_path / "a.json", '[{"text": "a"}]\n[{"text": "b"}]')
    assert [d.text for d in documents] == ["a", "b"]
    assert kinds(findings) == ["ambiguous"]


@pytest.mark.parametrize(
    "text",
    [
        "---\na: [\n---\nbody\n",
        "---\na: &x 1\nb: *x\n---\nbody\n",
        "---\n? [k]\n: v\n---\nbody\n",
        "---\na: 1\n\tb: 2\n---\nbody\n",
        "---\n- a\n- b\n---\nbody\n",
        "---\n# a comment\n---\nbody\n",
        "---\na: b\nnever closed\n",
        '+++\ntitle = "x"\n+++\nbody\n',
        '{\n"title": "x"\n}\n\nbody\n',
    ],
)
def test_markdown__when_front_matter_is_not_read__then_it_stays_and_is_said(tmp_path, text):
    documents, findings = read(tmp_path / "a.md", text)
    assert [d.text for d in documents] == [text]
    assert kinds(findings) == ["ambiguous"]


def test_markdown__when_lines_end_in_crlf__then_the_body_keeps_them(tmp_path):
    documents, _ = read(tmp_path / "a.md", "---\r\nlang: no\r\n---\r\none\r\ntwo\r\n")
    assert documents == [Document("one\r\ntwo\r\n", {"lang": "no", "file": "a.md"})]


@pytest.mark.parametrize("name", ["a.doc", "a.odt", "a.xlsx", "a.7z", "a.arc", "a.tfrecord"])
def test_read__when_the_form_is_not_read__then_refused_by_name(tmp_path, name):
    documents, findings = read(tmp_path / name, b"anything")
    assert documents == []
    assert findings[0].kind == "unsupported"
    assert Path(name).suffix in findings[0].detail


def test_text__when_one_nul_is_in_it__then_the_text_is_kept_and_it_is_said(tmp_path):
    documents, findings = read(tmp_path / "a.txt", b"word " * 100 + b"\0")
    assert len(documents) == 1
    assert kinds(findings) == ["ambiguous"]


# Parquet

TIMES = {
    "ns": pa.array([1, 10**18], pa.timestamp("ns")),
    "zone": pa.array([0, 10**9], pa.timestamp("s", "Europe/Berlin")),
    "far": pa.array([-(2**40), 2**40], pa.timestamp("s")),
    "day": pa.array([-800_000, 3_000_000], pa.int32()).cast(pa.date32()),
    "clock": pa.array([1, 86_399_999_999_999], pa.time64("ns")),
    "plain": pa.array([dt.datetime(2020, 1, 2, 3, 4, 5, 600), None]),
}


def test_parquet__when_times_are_of_any_unit_and_year__then_kept_as_text(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"], **TIMES}), tmp_path / "a.parquet")
    documents, findings = read(tmp_path / "a.parquet")
    assert findings == []
    assert documents[0].metadata["ns"] == "1970-01-01T00:00:00.000000001"
    assert documents[1].metadata["zone"] == "2001-09-09T01:46:40+00:00"
    assert documents[1].metadata["far"] == "36812-02-20T00:36:16"
    assert documents[1].metadata["day"] == "10183-09-21"
    assert documents[1].metadata["clock"] == "23:59:59.999999999"
    assert documents[0].metadata["plain"] == "2020-01-02T03:04:05.000600"


@pytest.mark.parametrize(
    "environment",
    [{"TZ": "Asia/Kathmandu"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["time zone", "locale"],
)
def test_read__when_the_environment_is_another__then_the_same_digest(tmp_path, environment):
    pq.write_table(pa.table({"text": ["a", "b"], **TIMES}), tmp_path / "z.parquet")
    for name in ("é.txt", "f.txt", "z.txt", "ünfug.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        tar.add(tmp_path / "é.txt", "é.txt")
    code = (
        "import sys; sys.modules['pandas'] = sys.modules['tzdata'] = sys.modules['pytz'] = None\n"
        "from oracles.dataset import *\n"
        f"print(content_digest(read_documents({str(tmp_path)!r})).hex())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == content_digest(read_documents(tmp_path)).hex()


@pytest.mark.parametrize(
    "encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "RLE_DICTIONARY"]
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_parquet__when_text_is_encoded_in_any_way__then_read(tmp_path, encoding, kind):
    texts = [f"text {i} é" for i in range(600)]
    table = pa.table({"text": pa.array([t.encode() for t in texts], pa.binary()).cast(kind)})
    how = (
        {}
        if encoding == "RLE_DICTIONARY"
        else {"use_dictionary": False, "column_encoding": {"text": encoding}}
    )
    pq.write_table(table, tmp_path / "a.parquet", **how)
    documents, findings = read(tmp_path / "a.parquet")
    assert ([d.text for d in documents], findings) == (texts, [])


def test_parquet__when_nested_text_is_no_utf8__then_replaced_and_said(tmp_path):
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffb")]
    )
    tags = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), bad)
    pq.write_table(pa.table({"text": ["x"], "tags": tags}), tmp_path / "a.parquet")
    documents, findings = read(tmp_path / "a.parquet")
    assert documents[0].metadata == {"tags": ["a�b"]}
    assert kinds(findings) == ["invalid_text"]


def test_parquet__when_two_files_are_joined__then_refused(tmp_path):
    parts = []
    for text in ("one", "two"):
        buffer = io.BytesIO()
        pq.write_table(pa.table({"text": [text * 9]}), buffer)
        parts.append(buffer.getvalue())
    documents, findings = read(tmp_path / "a.parquet", b"".join(parts))
    assert documents == []
    assert findings[0].kind == "corrupt"


# Findings


def test_refuse_losses__when_a_finding_loses_data__then_after_all_documents(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{\n{"text": "b"}\n')
    findings = []
    documents = refuse_losses(read_documents(tmp_path, findings=findings), findings)
    assert [next(documents).text, next(documents).text] == ["a", "b"]
    with pytest.raises(InputError, match=r"1 findings? lose.*a\.jsonl:2"):
        next(documents)


def test_refuse_losses__when_findings_lose_nothing__then_no_error():
    findings = []
    documents = read_documents(CASES / "litter", findings=findings)
    assert len(list(refuse_losses(documents, findings))) == 1
    assert findings


def test_finding__when_there_is_no_list__then_only_losses_are_raised():
    log = FindingLog(None, 10)
    log.add("ambiguous", "a.txt", "kept")
    with pytest.raises(InputError, match=r"a\.txt:3: gone"):
        log.add("malformed", "a.txt", "gone", line=3)


def test_finding__when_subjects_differ__then_each_is_named(tmp_path):
    lines = [{"text": "x", "a": float("nan")}, {"text": "x", "b": float("inf")}]
    documents, findings = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    assert len(documents) == 2
    assert [f.detail.split(":")[0] for f in findings] == [
        "field 'a' dropped",
        "field 'b' dropped",
    ]
    assert findings[0] == Finding("metadata", "a.jsonl:1", findings[0].detail)


def test_docs__when_a_kind_exists__then_the_page_says_whether_it_loses_data():
    page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    shown = {row[0].strip("| `"): row[1] == "yes" for row in rows if row[1] in {"yes", "no"}}
    every = [*get_args(LosingKind), *get_args(HarmlessKind)]
    assert shown == {kind: Finding(kind, "", "").loses_data for kind in every}
