"""Reading data sets of every form: honest files, and honest mistakes."""

import bz2
import datetime as dt
import decimal
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import TEXT_FIELDS, Document, Limits, read_documents
from oracles.dataset.plain import plain
from oracles.errors import InputError
from tests.dataset.strategies import unicode_text

RECORDS = [{"text": f"number {i}, naïve", "date": "2020-01-02", "n": i} for i in range(20)]
DOCUMENTS = [Document(r["text"], {"date": r["date"], "n": r["n"]}) for r in RECORDS]
JSONL = "".join(json.dumps(r) + "\n" for r in RECORDS).encode()
COMPRESSORS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


def read(path, data=None, **kwargs):
    """Documents, and findings as {kind: count}."""
    if data is not None:
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    findings = []
    documents = list(read_documents(path, findings=findings, **kwargs))
    counts = Counter()
    for finding in findings:
        counts[finding.kind] += finding.count
    return documents, dict(counts)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", JSONL),
        ("a.ndjson", b"\xef\xbb\xbf" + JSONL.replace(b"\n", b"\r\n\r\n")),
        ("a.json", json.dumps(RECORDS, indent=1).encode()),
        ("a.json", b"[" + b",".join(JSONL.split(b"\n")[:-1]) + b"]"),
        ("a.json", JSONL),
        ("A.JSONL", JSONL),
    ],
)
def test_read__when_json_in_any_layout__then_same_documents(tmp_path, name, data):
    assert read(tmp_path / name, data) == (DOCUMENTS, {})


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_read__when_compressed_in_several_frames__then_all_are_read(tmp_path, suffix):
    pack = COMPRESSORS[suffix]
    data = pack(JSONL[:100]) + pack(b"") + pack(JSONL[100:])
    assert read(tmp_path / f"a.jsonl{suffix}", data) == (DOCUMENTS, {})


def test_read__when_xz_has_stream_padding__then_it_is_skipped(tmp_path):
    data = lzma.compress(JSONL[:100]) + bytes(8) + lzma.compress(JSONL[100:]) + bytes(4)
    assert read(tmp_path / "a.jsonl.xz", data) == (DOCUMENTS, {})


def test_read__when_json_values_straddle_blocks__then_none_is_lost(tmp_path):
    records = [{"text": "é" * (30_000 * i + 1), "n": i} for i in range(8)]
    documents, findings = read(tmp_path / "a.json", json.dumps(records, ensure_ascii=False))
    assert [(len(d.text), d.metadata["n"]) for d in documents] == [
        (30_000 * i + 1, i) for i in range(8)
    ]
    assert not findings


@pytest.mark.parametrize(
    ("data", "count", "kind", "reason"),
    [
        (json.dumps(RECORDS)[:-30], 19, "corrupt", "record 20"),
        (json.dumps(RECORDS)[:-1], 20, "corrupt", "never closed"),
        ('[{"text": "a"}, {"text": b}, {"text": "c"}]', 2, "malformed", "not JSON"),
        ('[{"text": "a"}, rubbish, {"text": "c"}]', 2, "malformed", "not JSON"),
        ('[{"text": "a"}] } {"text": "c"}', 2, "malformed", "not JSON"),
    ],
)
def test_read__when_json_is_broken__then_the_other_records_and_a_finding(
    tmp_path, data, count, kind, reason
):
    (tmp_path / "a.json").write_text(data)
    findings = []
    assert len(list(read_documents(tmp_path / "a.json", findings=findings))) == count
    (losing,) = [f for f in findings if f.loses_data]
    assert losing.kind == kind
    assert reason in losing.detail


def test_read__when_jsonl_lines_are_bad__then_each_kind_is_counted_and_the_rest_read(tmp_path):
    lines = [
        b'{"text": "good"}',
        b"{broken",
        b"[" * 100_000,
        b'{"text": "half \\ud800 pair"}',
        b'{"text": "not \xff utf-8"}',
        b'"a bare string"',
        b"[1, 2]",
        b'{"title": "x", "date": "y"}',
        b'{"text": 5, "date": "y"}',
        b'{"text": "  "}',
        b"{}",
        b'{"text": "kept", "a": NaN, "b": 1e999, "c": 1}',
        b'{"text": "big", "n": 123456789012345678901234567890}',
        b'{"text": "' + b"x" * 300_000 + b'"}',
        b'{"text": "last"}',
    ]
    documents, findings = read(
        tmp_path / "a.jsonl", b"\n".join(lines), limits=Limits(record_bytes=200_000)
    )
    assert [d.text for d in documents] == [
        "good",
        "half � pair",
        "not � utf-8",
        "a bare string",
        "kept",
        "big",
        "last",
    ]
    assert documents[4].metadata == {"b": "1e999", "c": 1}
    assert documents[5].metadata == {"n": "123456789012345678901234567890"}
    assert findings == {
        "malformed": 2,
        "invalid_text": 2,
        "no_text": 3,
        "empty": 2,
        "metadata": 1,
        "too_large": 1,
    }


def test_read__when_findings_repeat__then_first_place_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n{\n{\n{\n')
    findings = []
    list(read_documents(path, findings=findings))
    assert [(f.where, f.count) for f in findings] == [("a.jsonl:2", 3)]


def test_read__when_files_have_more_findings_than_listed__then_the_rest_is_counted(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.txt").write_bytes(b"")
    findings = []
    list(read_documents(tmp_path, findings=findings, limits=Limits(findings=4)))
    assert [(f.kind, f.count) for f in findings] == [("empty", 1)] * 4 + [("more", 7)]


def test_read__when_no_list_for_findings__then_the_first_is_raised(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{\n')
    with pytest.raises(InputError, match=r"a\.jsonl:2: not JSON"):
        list(read_documents(tmp_path / "a.jsonl"))


def test_read__when_path_is_missing__then_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        list(read_documents(tmp_path / "nothing", findings=[]))


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_read__when_text_has_a_usual_name__then_found_in_any_case(tmp_path, field):
    record = {"title": "t", field.upper(): "the text"}
    documents, findings = read(tmp_path / "a.jsonl", json.dumps(record))
    assert documents == [Document("the text", {"title": "t"})]
    assert not findings


def test_read__when_two_fields_could_be_the_text__then_order_of_the_rule(tmp_path):
    documents, _ = read(tmp_path / "a.jsonl", '{"body": "b", "text": "t"}')
    assert documents == [Document("t", {"body": "b"})]


def test_read__when_text_field_is_named__then_only_that(tmp_path):
    data = '{"text": "t", "mine": "m"}\n{"text": "t"}\n'
    documents, findings = read(tmp_path / "a.jsonl", data, text_field="mine")
    assert documents == [Document("m", {"text": "t"})]
    assert findings == {"no_text": 1}


@pytest.mark.parametrize(
    ("record", "metadata"),
    [
        ({"text": "t", "metadata": {"a": 1}}, {"a": 1}),
        ({"text": "t", "b": 2, "metadata": {"a": 1}}, {"a": 1, "b": 2}),
        ({"text": "t", "a": 2, "metadata": {"a": 1}}, {"a": 2, "metadata": {"a": 1}}),
        ({"text": "t", "metadata": [1]}, {"metadata": [1]}),
        ({"text": "t", "metadata": "{not json"}, {"metadata": "{not json"}),
    ],
)
def test_read__when_record_has_a_metadata_object__then_opened_without_loss(
    tmp_path, record, metadata
):
    documents, findings = read(tmp_path / "a.jsonl", json.dumps(record))
    assert documents == [Document("t", metadata)]
    assert not findings


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "|"), ("a.tsv", "\t")]
)
def test_read__when_csv_with_any_delimiter__then_rows_are_documents(tmp_path, name, delimiter):
    d = delimiter
    data = f'title{d} text {d}date\r\nA{d}"x{d} ""y""\nz"{d}2020\r\n\r\nB{d}b{d}\r\n'
    documents, findings = read(tmp_path / name, data)
    assert documents == [
        Document(f'x{d} "y"\nz', {"title": "A", "date": "2020"}),
        Document("b", {"title": "B"}),
    ]
    # Not all programs undo quotes in tab-separated values.
    assert findings == ({"ambiguous": 1} if delimiter == "\t" else {})


@pytest.mark.parametrize(
    ("data", "texts", "findings"),
    [
        ("text,a\nx,1\ny\nz,1,2\nw,2\n", ["x", "w"], {"malformed": 2}),
        ('text,a\nx,1\n"un"closed,1\nw,2\n', ["x", "w"], {"malformed": 1}),
        ('text,a\nx,1\n"never closed,1\nw,2\n', ["x"], {"malformed": 1}),
        ("first,second\nx,1\n", [], {"no_text": 1, "empty": 1}),
        ("text,text\nx,1\n", ["1"], {"duplicate_key": 1}),
        ("text,a,a\nx,1,2\n", ["x"], {"duplicate_key": 1}),
        ("text,a\nx,1\n,2\n\n,\n", ["x"], {"no_text": 1, "empty": 1}),
        ("text,a\nx,1\ntext,a\ny,2\n", ["x", "y"], {"ambiguous": 1}),
        ("text,a;b\nx,1\n", ["x"], {"ambiguous": 1}),
        ("text\nx\n", ["x"], {}),
        ("text,a\n", [], {"empty": 1}),
        ('text,a\n"' + "x\n" * 1000, [], {"too_large": 1, "empty": 1}),
        ("text,a\n" + "x" * 2000 + ",1\ny,2\n", ["y"], {"too_large": 1}),
        ('text,a\n"one\n' + "x" * 2000 + '\ntwo",1\ny,2\n', [], {"too_large": 2, "empty": 1}),
        (
            "text," + "x" * 2000 + "\ny,1\ntext,z\nw,1\n",
            [],
            {"too_large": 1, "malformed": 3, "empty": 1},
        ),
    ],
)
def test_read__when_csv_is_wrong__then_a_finding_and_the_good_rows(tmp_path, data, texts, findings):
    documents, found = read(tmp_path / "a.csv", data, limits=Limits(record_bytes=1000))
    assert [d.text for d in documents] == texts
    assert found == findings


def test_read__when_parquet__then_columns_become_fields(tmp_path):
    table = pa.table(
        {
            "when": [dt.date(2020, 1, 2), None, dt.date(2021, 1, 1)],
            "content": ["a", "b", None],
            "tags": [["x"], [], None],
            "price": [decimal.Decimal("1.50"), None, None],
            "blob": [None, b"\0", None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    documents, findings = read(tmp_path / "a.parquet")
    assert documents == [
        Document("a", {"when": "2020-01-02", "tags": ["x"], "price": "1.50"}),
        Document("b", {"tags": []}),
    ]
    assert findings == {"metadata": 1, "no_text": 1}


def test_read__when_parquet_has_many_row_groups_inside_an_archive__then_all_rows(tmp_path):
    buffer = io.BytesIO()
    texts = [f"row {i}" for i in range(2500)]
    pq.write_table(pa.table({"text": texts}), buffer, row_group_size=700)
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("deep/a.parquet")
        info.size = buffer.tell()
        buffer.seek(0)
        tar.addfile(info, buffer)
    documents, findings = read(tmp_path / "a.tgz")
    assert [d.text for d in documents] == texts
    assert not findings


def test_read__when_parquet_columns_have_no_text__then_they_are_named(tmp_path):
    pq.write_table(pa.table({"first": ["a"], "second": ["b"]}), tmp_path / "a.parquet")
    findings = []
    assert not list(read_documents(tmp_path / "a.parquet", findings=findings))
    assert "first, second" in findings[0].detail


def test_read__when_plain_text__then_one_document_with_its_name(tmp_path):
    documents, findings = read(tmp_path / "a.txt", "two\n\nparagraphs")
    assert documents == [Document("two\n\nparagraphs", {"file": "a.txt"})]
    assert not findings


@given(text=st.text("añ語😀 \n", min_size=1, max_size=400), limit=st.integers(16, 64))
@settings(max_examples=60, deadline=None)
def test_read__when_plain_text_is_long__then_pieces_add_up_and_fit(tmp_path_factory, text, limit):
    path = tmp_path_factory.mktemp("split") / "a.txt"
    documents, findings = read(path, text, limits=Limits(record_bytes=limit))
    if not findings.get("empty"):  # blank pieces are dropped
        assert "".join(d.text for d in documents) == text
    assert all(len(d.text.encode()) <= limit for d in documents)
    assert "invalid_text" not in findings
    assert ("split" in findings) == (len(text.encode()) > limit)


def test_read__when_long_text_has_blank_lines__then_cut_there(tmp_path):
    text = "one one\n\ntwo two\n\nthree three"
    documents, _ = read(tmp_path / "a.txt", text, limits=Limits(record_bytes=20))
    assert [d.text for d in documents] == ["one one\n\ntwo two\n\n", "three three"]
    assert [d.metadata["part"] for d in documents] == [1, 2]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (
            '---\ntitle: "A: b"\ndate: 2020-01-02\n---\n# Body\n',
            Document("# Body\n", {"title": "A: b", "date": "2020-01-02", "file": "a.md"}),
        ),
        ("---\nno colon\n---\nx", Document("---\nno colon\n---\nx", {"file": "a.md"})),
        ("plain\n---\n", Document("plain\n---\n", {"file": "a.md"})),
    ],
)
def test_read__when_markdown__then_simple_front_matter_is_metadata(tmp_path, text, document):
    assert read(tmp_path / "a.md", text) == ([document], {})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (bytes(range(256)) * 10, "binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("Привет, мир: как дела".encode("cp1251"), "encoding"),
        ("plain".encode("utf-16"), "encoding"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.json", "noending"])
def test_read__when_file_is_not_text__then_said_and_skipped(tmp_path, data, kind, name):
    documents, findings = read(tmp_path / name, data)
    assert not documents
    assert kind in findings


def test_read__when_text_has_a_few_bad_bytes__then_replaced_and_said(tmp_path):
    documents, findings = read(tmp_path / "a.txt", b"caf\xe9 and more text")
    assert [d.text for d in documents] == ["caf� and more text"]
    assert findings == {"invalid_text": 1}


def test_read__when_folder__then_sorted_recursive_and_nothing_special_followed(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.txt").write_text("b2")
    (tmp_path / "b" / "1.jsonl").write_text('{"text": "b1"}')
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "c.txt").write_text("c")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("hidden")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    findings = []
    documents = list(read_documents(tmp_path, findings=findings))
    assert [d.text for d in documents] == ["a", "b1", "b2", "c"]
    assert documents[2].metadata == {"file": "b/2.txt"}
    assert [(f.kind, f.where) for f in findings] == [
        ("left_out", ".git"),
        ("skipped", "link.txt"),
        ("skipped", "loop"),
        ("skipped", "pipe"),
    ]


def test_read__when_the_only_file_is_empty__then_file_and_set_are_told_apart(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"")
    findings = []
    assert not list(read_documents(tmp_path / "a.txt", findings=findings))
    assert [(f.detail, f.count) for f in findings] == [
        ("the file is empty", 1),
        ("there is no document in it", 1),
    ]


def test_read__when_folder_is_empty__then_said(tmp_path):
    assert read(tmp_path) == ([], {"empty": 1})


def test_read__when_archives_of_all_kinds__then_same_documents(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("x/", "")
        z.writestr("x/a.jsonl", JSONL)
    (tmp_path / "a.zip").write_bytes(inner.getvalue())
    for mode in ("", "gz", "bz2", "xz"):
        with tarfile.open(tmp_path / f"a.tar.{mode or 'tar'}", f"w:{mode}") as tar:
            for name, data in (("f.jsonl", JSONL), ("f.zip", inner.getvalue())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    (tmp_path / "a.tar.tar").rename(tmp_path / "a.tar")
    (tmp_path / "a.tar.zst").write_bytes(zstd.compress((tmp_path / "a.tar").read_bytes()))
    assert read(tmp_path / "a.zip") == (DOCUMENTS, {})
    for name in ("a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.tar.zst"):
        assert read(tmp_path / name) == (DOCUMENTS * 2, {}), name


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 70_000])
def test_read__when_tar_members_end_on_or_off_a_block__then_next_is_found(tmp_path, size):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in (("1.txt", b"x" * size), ("2.txt", b"after")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    documents, _ = read(tmp_path / "a.tar")
    assert [d.text for d in documents][-1] == "after"
    assert len(documents) == 1 + bool(size)


def test_read__when_it_streams__then_memory_does_not_grow_with_the_file(tmp_path):
    import tracemalloc

    with gzip.open(tmp_path / "a.jsonl.gz", "wb", 1) as file:
        for i in range(3000):
            file.write(json.dumps({"text": f"{i} " * 3000}).encode() + b"\n")
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_documents(tmp_path / "a.jsonl.gz")) == 3000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000  # the file has 43 MB


@given(st.dictionaries(unicode_text, st.integers() | st.floats() | st.binary() | unicode_text))
@settings(max_examples=100, deadline=None)
def test_plain__when_any_scalar__then_canonical_or_value_error(value):
    import rfc8785

    try:
        result = plain(value)
    except ValueError:
        return
    assert plain(result) == result
    rfc8785.dumps(result)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (1.0, 1),
        (2**53 - 1, 2**53 - 1),
        (2**53 + 1, str(2**53 + 1)),
        (22404731867500430, 2.240473186750043e16),
        (22404731867500432, "22404731867500432"),
        (-(10**21), str(-(10**21))),
        (10**20, 1e20),
        (dt.datetime(2020, 1, 2, 3, tzinfo=dt.UTC), "2020-01-02T03:00:00+00:00"),
        (decimal.Decimal("0.10"), "0.10"),
        ((1, "\ud800"), [1, "�"]),
        ({1: {2: 3}}, {"1": {"2": 3}}),
    ],
)
def test_plain__when_value_has_no_json_type__then_lossless_form(value, result):
    assert plain(value) == result


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", object()])
def test_plain__when_there_is_no_json_form__then_refused(value):
    with pytest.raises(ValueError, match=r"JSON"):
        plain([value])


def test_plain__when_nested_too_deep__then_refused():
    value = []
    for _ in range(40):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        plain(value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ('["a", "b"]', "a list"),
        ('{"value": "a"}', "an object"),
        ("5", "a number"),
        ("1e999", "a number"),
        ("true", "a truth value"),
    ],
)
def test_read__a_text_that_is_none__says_what_it_is(tmp_path, value, kind):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": ' + value + ', "n": 1}\n{"text": "c", "n": 2}\n')
    findings = []
    assert [each.text for each in read_documents(path, findings=findings)] == ["c"]
    (finding,) = findings
    assert finding.kind == "no_text"
    assert finding.detail == f"the field 'text' is no text but {kind}"
