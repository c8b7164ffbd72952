"""Files made to hurt: bombs, traversal, links, forged headers, random damage."""

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import tracemalloc
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracles.dataset import Limits, read_documents
from tests.dataset.samples import pdf_file, warc_file, word_file

SMALL = Limits(small_bytes=100_000, ratio=10, record_bytes=1_000_000)


def read(path, data=None, **kwargs):
    if data is not None:
        path.write_bytes(data)
    findings = []
    documents = list(read_documents(path, findings=findings, **kwargs))
    return [d.text for d in documents], {f.kind for f in findings}, findings


def tar_bytes(*members, **kwargs):
    """A tar of `(name, data or member type)` pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **kwargs) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type, info.linkname = data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstd.compress),
    ],
)
def test_bomb__when_one_layer__then_stopped_in_bounded_memory(tmp_path, suffix, pack):
    data = pack(b"a" * 30_000_000)
    tracemalloc.start()
    try:
        texts, kinds, _ = read(tmp_path / f"a.txt{suffix}", data, limits=SMALL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not texts
    assert "bomb" in kinds
    assert peak < len(data) + 12_000_000


def test_bomb__when_layers_multiply__then_all_charge_one_budget(tmp_path):
    """Each layer alone stays within the ratio; together they do not."""
    data = b"x" * 90_000
    for _ in range(3):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            for i in range(9):
                archive.writestr(f"{i}.zip" if data[:2] == b"PK" else f"{i}.txt", data)
        data = inner.getvalue()
    texts, kinds, _ = read(tmp_path / "a.zip", data, limits=SMALL)
    assert kinds == {"bomb"}
    assert sum(map(len, texts)) <= 100_000


def test_bomb__when_zip_members_share_their_bytes__then_stopped(tmp_path):
    """Overlapping members: the directory names one member's bytes many times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "word " * 15_000)
        archive.filelist *= 50
    texts, kinds, _ = read(tmp_path / "a.zip", buffer.getvalue(), limits=SMALL)
    assert "bomb" in kinds or "corrupt" in kinds
    assert len(texts) <= 1


def test_bomb__when_total_is_over_the_limit_at_a_fair_ratio__then_stopped(tmp_path):
    data = gzip.compress(json.dumps({"text": "abc"}).encode() * 10)
    _, kinds, _ = read(tmp_path / "a.json.gz", data, limits=Limits(total_bytes=50))
    assert "bomb" in kinds


def test_bomb__when_parquet_dictionary_repeats_one_value__then_stopped(tmp_path):
    pq.write_table(pa.table({"text": ["x" * 10_000] * 5000}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    texts, kinds, _ = read(tmp_path / "a.parquet", limits=SMALL)
    assert "bomb" in kinds
    assert len(texts) < 200


def test_depth__when_too_many_layers__then_said(tmp_path):
    data = b"the end"
    for _ in range(6):
        data = gzip.compress(data)
    path = tmp_path / ("a.txt" + ".gz" * 6)
    assert read(path, data)[1] == {"too_deep", "empty"}
    assert read(path, data, limits=Limits(depth=6))[0] == ["the end"]


@pytest.mark.parametrize(
    "name", ["../x.txt", "a/../../x.txt", "/etc/x.txt", "C:\\x.txt", "..\\x.txt"]
)
def test_traversal__when_member_names_lead_out__then_left_out(tmp_path, name):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(name, "evil")
        archive.writestr("good.txt", "good")
    for path, data in (
        (tmp_path / "a.zip", inner.getvalue()),
        (tmp_path / "a.tar", tar_bytes((name, b"evil"), ("good.txt", b"good"))),
    ):
        before = set(tmp_path.parent.rglob("*"))
        texts, kinds, _ = read(path, data)
        assert texts == ["good"]
        assert kinds == {"skipped"}
        assert set(tmp_path.parent.rglob("*")) <= before | {path}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_special__when_tar_has_links_or_devices__then_left_out(tmp_path, kind):
    data = tar_bytes(("x.txt", (kind, "/etc/passwd")), ("good.txt", b"good"))
    assert read(tmp_path / "a.tar", data)[:2] == (["good"], {"skipped"})


def test_special__when_zip_has_a_symlink__then_left_out(tmp_path):
    info = zipfile.ZipInfo("x.txt")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert read(tmp_path / "a.zip")[:2] == ([], {"skipped", "empty"})


def test_special__when_zip_is_encrypted__then_said(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.txt", "secret")
    data = bytearray(buffer.getvalue())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    assert read(tmp_path / "a.zip", bytes(data))[1] == {"unreadable", "empty"}


def test_special__when_tar_member_is_sparse__then_its_zeros_are_not_made(tmp_path):
    """A GNU sparse member of 8 GiB in one kilobyte."""
    info = tarfile.TarInfo("x.txt")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"100000000000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    data = bytes(header[:512]) + tar_bytes(("good.txt", b"good"))
    assert read(tmp_path / "a.tar", data)[:2] == (["good"], {"skipped"})


def test_forged__when_tar_extension_header_is_huge__then_not_read_at_once(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    tracemalloc.start()
    try:
        texts, kinds, _ = read(tmp_path / "a.tar", info.tobuf() + bytes(2048))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not texts
    assert kinds == {"corrupt", "empty"}
    assert peak < 10_000_000


def test_forged__when_tar_headers_chain_for_ever__then_said(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 512
    data = (info.tobuf() + b"n" * 512) * 3000
    assert read(tmp_path / "a.tar", data)[1] == {"corrupt", "empty"}


def test_forged__when_tar_has_endless_members__then_none_is_remembered(tmp_path):
    """A stream of empty folders, each after a global header with a key of its own."""
    with (tmp_path / "a.tar").open("wb") as file:
        for i in range(2000):
            extra = {f"k{i}": "v" * 500}
            file.write(tarfile.TarInfo.create_pax_global_header(extra))
            info = tarfile.TarInfo(f"folder-{i}")
            info.type = tarfile.DIRTYPE
            file.write(info.tobuf())
        file.write(bytes(1024))
    tracemalloc.start()
    try:
        _, kinds, _ = read(tmp_path / "a.tar")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kinds == {"empty"}
    assert peak < 600_000


def test_forged__when_zip_directory_claims_gigabytes__then_not_read_at_once(tmp_path):
    path = tmp_path / "a.zip"
    size = 1 << 30
    with path.open("wb") as file:  # sparse on disk
        file.seek(size)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, size, 0, 0))
    tracemalloc.start()
    try:
        _, kinds, _ = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kinds == {"corrupt", "empty"}
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".xz", lzma.compress(b"x", preset=9 | lzma.PRESET_EXTREME, filters=None)),
        (
            ".xz",
            lzma.compress(
                b"x", filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
            ),
        ),
        (
            ".zst",
            # Magic, descriptor without single segment, window of 2^31 bytes, one empty block.
            b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00",
        ),
    ],
    ids=["xz -9e", "xz with a dictionary of 512 MiB", "zstd with a window of 2 GiB"],
)
def test_forged__when_decoder_is_asked_for_memory__then_refused_beyond_the_honest(
    tmp_path, suffix, data, request
):
    texts, kinds, _ = read(tmp_path / f"a.txt{suffix}", data)
    if "-9e" in request.node.name:
        assert texts == ["x"]
    else:
        assert kinds == {"unreadable", "empty"}


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_damage__when_compressed_file_is_cut__then_said(tmp_path, suffix, keep):
    pack = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": zstd.compress,
    }[suffix]
    data = pack("".join(f'{{"text": "{i * 7919} is a number"}}\n' for i in range(5000)).encode())
    texts, kinds, findings = read(tmp_path / f"a.jsonl{suffix}", data[: int(len(data) * keep)])
    assert "corrupt" in kinds
    assert len(texts) <= 5000  # of .xz the end may hold no data, only check sums
    assert findings[0].where == f"a.jsonl{suffix}"


def test_damage__when_zip_member_is_changed__then_the_others_are_read(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("1.txt", "first")
        archive.writestr("2.txt", "second")
    texts, kinds, _ = read(tmp_path / "a.zip", buffer.getvalue().replace(b"first", b"fIrst", 1))
    assert (texts, kinds) == (["second"], {"corrupt"})


def test_json__when_numbers_have_any_number_of_digits__then_kept(tmp_path):
    data = b'{"text": "x", "n": ' + b"9" * 10_000 + b'}\n{"text": "y"}'
    assert read(tmp_path / "a.jsonl", data)[:2] == (["x", "y"], set())


def test_json__when_an_array_holds_one_giant_record__then_memory_is_bounded(tmp_path):
    data = b'[{"text": "' + b"x" * 3_000_000 + b'"}]'
    _, kinds, findings = read(tmp_path / "a.json", data, limits=Limits(record_bytes=100_000))
    assert "too_large" in kinds
    assert "longer than 100000" in findings[0].detail


def _honest_files() -> dict[str, bytes]:
    jsonl = b'{"text": "one", "n": 1}\n{"text": "two", "metadata": {"a": [1, 2]}}\n' * 5
    zipped, parquet = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", jsonl)
        archive.writestr("b.csv", "text,n\nx,1\n")
    pq.write_table(pa.table({"text": ["a", "b"] * 20, "n": [1, 2] * 20}), parquet)
    tar = tar_bytes(("a.jsonl", jsonl), ("b.zip", zipped.getvalue()), ("l", (tarfile.SYMTYPE, "x")))
    return {
        "a.jsonl": jsonl,
        "a.json": b"[" + b",".join(jsonl.splitlines()) + b"]",
        "a.csv": b'text,n\n"x, ""y""",1\nz,2\n' * 4,
        "a.md": b"---\ntitle: x\n---\nbody",
        "a.jsonl.gz": gzip.compress(jsonl, mtime=0),
        "a.jsonl.bz2": bz2.compress(jsonl),
        "a.jsonl.xz": lzma.compress(jsonl),
        "a.jsonl.zst": zstd.compress(jsonl),
        "a.zip": zipped.getvalue(),
        "a.tar": tar,
        "a.tgz": gzip.compress(tar, mtime=0),
        "a.parquet": parquet.getvalue(),
        "a.docx": word_file(["one", "two"]),
        "a.html": b"<title>x</title><p>one<p>two",
        "a.pdf": pdf_file(["one", "two"]),
        "a.warc": warc_file(("response", "text/html", b"<p>x"), ("conversion", "text/plain", b"y")),
    }


HONEST = _honest_files()


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_damage__when_any_file_is_changed_anywhere__then_never_a_crash(tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(HONEST)))
    content = bytearray(HONEST[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "insert", "repeat"]))
        if change == "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del content[place : place + data.draw(st.integers(1, 50))]
        elif change == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=20))
        else:
            content[place:place] = content[place : place + 200]
        content = content or bytearray(b"x")
    path = tmp_path_factory.mktemp("damage") / name
    texts, kinds, _ = read(path, bytes(content), limits=Limits(record_bytes=10_000))
    assert texts or kinds


@given(st.sampled_from(sorted(HONEST)), st.binary(max_size=300))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_damage__when_a_file_is_random_bytes__then_never_a_crash(tmp_path_factory, name, content):
    path = tmp_path_factory.mktemp("random") / name
    texts, kinds, _ = read(path, content)
    assert texts or kinds


def _checked_zstd(data):
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": _checked_zstd}


def _text(number):
    return f"document {number:03} " + hex(0x9E3779B97F4A7C15 ** (number + 20))[-600:]


def _row(form, number):
    text = _text(number)
    json_ = json.dumps({"text": text}) + "\n"
    return {".csv": f'"{text}",x\n', ".tsv": f"{text}\tx\n", ".txt": text + "\n"}.get(form, json_)


def _members(form, pack, count=4, rows=10):
    """Compressed members of ten rows each; the names of columns are in the first one."""
    names = {".csv": "text,n\n", ".tsv": "text\tn\n"}.get(form, "")
    for member in range(count):
        lines = [_row(form, member * rows + each) for each in range(rows)]
        yield bytearray(pack((names * (member == 0) + "".join(lines)).encode()))


def _overwrite(member):
    member[len(member) // 2 : len(member) // 2 + 20] = b"\x55" * 20


def _cut(member):
    del member[len(member) // 2 :]


def _behead(member):
    member[:4] = b"????"


@pytest.mark.parametrize("damage", [_overwrite, _cut, _behead])
@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("form", [".jsonl", ".json", ".csv", ".tsv", ".txt"])
def test_damage__when_a_member_of_packed_text_is_damaged__then_it_costs_itself(
    tmp_path, form, suffix, damage
):
    members = list(_members(form, PACKERS[suffix]))
    damage(members[1])
    texts, _, findings = read(tmp_path / f"a{form}{suffix}", b"".join(members))
    (finding,) = [f for f in findings if f.loses_data]
    seen = {number for number in range(40) if f"document {number:03} " in "\n".join(texts)}
    assert seen == {*range(10), *range(20, 40)}
    assert (finding.kind, finding.count) == ("corrupt", 1)
    assert f"{len(members[1])} compressed bytes" in finding.detail
    assert "frame" in finding.detail


@pytest.mark.parametrize("form", [".jsonl", ".json", ".csv", ".tsv"])
def test_damage__when_rows_go_across_members__then_only_those_it_touches_are_lost(tmp_path, form):
    data = {".csv": b"text,n\n", ".tsv": b"text\tn\n"}.get(form, b"")
    rows = {}
    for number in range(40):
        row = _row(form, number).encode()
        rows[number] = range(len(data), len(data) + len(row))
        data += row
    size = len(data) // 8 + 7
    members = [bytearray(gzip.compress(data[at : at + size])) for at in range(0, len(data), size)]
    _behead(members[3])
    texts, kinds, _ = read(tmp_path / f"a{form}.gz", b"".join(members))
    untouched = [n for n in rows if rows[n].stop <= 3 * size or rows[n].start >= 4 * size]
    assert texts == [_text(number) for number in untouched]
    assert "corrupt" in kinds
    assert len(untouched) < 40


DEEP = "nested as no page is"


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("<div>" * 200_000, "too_deep"),
        ("<ul><li>x" * 100_000, "too_deep"),
        ("".join(f"<font color={n}><p>x" for n in range(20_000)), "too_deep"),
        ("<p " + " ".join(f"a{n}=1" for n in range(50_000)) + ">x", "too_deep"),
        ("".join(f"<body a{n}=1>x" for n in range(50_000)), "too_deep"),
        ("<script " * 500_000, "empty"),
        ("<!--" * 500_000, "empty"),
    ],
    ids=["deep", "lists", "formats", "attributes", "bodies", "scripts", "comments"],
)
def test_html__when_made_to_keep_a_parser_busy__then_said_at_once(tmp_path, page, kind):
    # Read without a bound, each of them takes from minutes to days.
    _, kinds, findings = read(tmp_path / "a.html", page.encode())
    assert kinds == {kind, "empty"}
    assert kind == "empty" or DEEP in findings[0].detail


@pytest.mark.parametrize(
    "page",
    [
        "<a name=x>word " * 100_000,
        "<p>word <td>word <li>word " * 50_000,
        "<font color=red><b>word " * 3 + "<p>word</p>" * 100_000,
        "<div class='a b'><span><i>word</i></span></div>" * 50_000,
        "<div>" * 2_000 + "word " * 200_000,
    ],
    ids=["anchors", "cells", "formats", "spans", "deep"],
)
def test_html__when_long_and_sloppy__then_read(tmp_path, page):
    texts, kinds, _ = read(tmp_path / "a.html", page.encode())
    assert not kinds
    assert texts[0].count("word") >= 50_000
