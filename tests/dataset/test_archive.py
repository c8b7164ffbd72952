"""Sealing and opening: round trips, one page alone, and every kind of forgery."""

import dataclasses
import gzip
import os

import nacl.bindings as sodium
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import (
    PAGE_BYTES,
    Document,
    Limits,
    MerkleRoot,
    check_page,
    content_digest,
    encode_document,
    is_archive,
    leaf_hash,
    open_archive,
    open_page,
    pack,
    page_count,
    page_key,
    unpack,
    verify,
)
from oracles.dataset import archive as module
from oracles.dataset.keys import key_commitment
from oracles.dataset.manifest import ENTRY_BYTES, Contents
from oracles.dataset.merkle import PAGE_NODE, keccak, level_sizes, next_level
from oracles.dataset.sketch import Sketcher
from oracles.errors import InputError, IntegrityError
from tests.dataset.strategies import documents

KEY = bytes(range(32))


def words(size):
    """Letters by fours, as random as text never is; no digits, which words lose."""
    letters = os.urandom(size // 2).hex().translate(str.maketrans("0123456789", "ghijklmnop"))
    return " ".join(letters[i : i + 4] for i in range(0, len(letters), 4))


DOCUMENTS = [Document(f"document {i} " + words(3000), {"n": i}) for i in range(30)]


@pytest.fixture
def packed(tmp_path):
    return pack(DOCUMENTS, tmp_path / "a.qmia", key=KEY)


def stream(some):
    return b"".join(encode_document(document) + b"\n" for document in some)


@given(st.lists(documents, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_archive__when_any_documents__then_they_come_back(tmp_path_factory, some):
    path = tmp_path_factory.mktemp("pack") / "a.qmia"
    packed = pack(some, path)
    back = list(unpack(path, packed.key, packed.contents))
    assert [encode_document(d) for d in back] == [encode_document(d) for d in some]
    assert [d.text for d in back] == [d.text for d in some]
    assert packed.contents.content_digest == content_digest(some)
    assert packed.contents.size == len(stream(some))


@pytest.mark.parametrize("pages", [1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 130])
@pytest.mark.parametrize("change", [-1, 0, 1])
def test_archive__when_stream_ends_at_a_page__then_pages_are_the_stream(tmp_path, pages, change):
    size = pages * PAGE_BYTES + change
    empty = len(stream([Document("")]))
    document = Document("x" * (size - empty))
    packed = pack([document], tmp_path / "a.qmia")
    assert packed.contents.size == size
    assert packed.contents.archive_size == packed.path.stat().st_size
    with open_archive(packed.path, packed.contents) as archive:
        found = [archive.page(i, packed.key) for i in range(packed.contents.pages)]
        assert {len(page) for page in found} == {PAGE_BYTES}
        plain = b"".join(found)
        assert plain == stream([document]).ljust(page_count(size) * PAGE_BYTES, b"\0")
        archive.check_ciphertext()
        with pytest.raises(IntegrityError, match="no page"):
            archive.page(packed.contents.pages, packed.key)
        with pytest.raises(IntegrityError, match="no page"):
            archive.page(-1, packed.key)
    assert list(unpack(packed.path, packed.key, packed.contents)) == [document]


def test_archive__when_packed_from_a_path__then_findings_and_same_digest(tmp_path):
    lines = [encode_document(d) + b"\n" for d in DOCUMENTS]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"".join(lines) + b"{broken\n"))
    findings = []
    packed = pack(tmp_path / "a.jsonl.gz", tmp_path / "a.qmia", findings=findings)
    assert packed.contents.content_digest == content_digest(DOCUMENTS)
    assert packed.documents == 30
    assert [f.kind for f in findings] == ["malformed"]


def test_archive__when_packed_twice__then_same_bytes_with_one_key_and_none_alike_with_two(tmp_path):
    one, same, other = (
        pack(DOCUMENTS, tmp_path / name, key=key)
        for name, key in (("a", KEY), ("b", KEY), ("c", None))
    )
    assert one.path.read_bytes() == same.path.read_bytes()
    assert one.contents == same.contents
    assert other.key != KEY
    assert other.contents.content_digest == one.contents.content_digest
    with open_archive(one.path, one.contents) as a, open_archive(other.path, other.contents) as b:
        assert a.sealed(0).ciphertext != b.sealed(0).ciphertext


def test_archive__when_made__then_nothing_of_the_text_or_key_shows(packed):
    data = packed.path.read_bytes()
    assert b"document" not in data
    assert KEY not in data
    assert KEY.hex() not in repr(packed)


def test_page__when_alone__then_few_ranges_are_read(packed):
    """What is read of the file for one page: its entry, itself and one node a level."""
    ranges = []
    with open_archive(packed.path, packed.contents) as archive:
        read = archive._read
        archive._read = lambda offset, size: ranges.append((offset, size)) or read(offset, size)
        archive.page(3, KEY)
    levels = len(level_sizes(packed.contents.pages)) - 1
    assert len(ranges) <= 2 + levels
    assert sum(size for _, size in ranges) <= 2 * ENTRY_BYTES + PAGE_BYTES + 512 + 32 * levels


def test_check_page__when_anything_is_another_pages__then_refused(packed):
    contents = packed.contents
    with open_archive(packed.path, contents) as archive:
        one, two = archive.sealed(1), archive.sealed(2)
    key = page_key(KEY, 1)
    assert len(check_page(one.ciphertext, key, 1, one.branch, contents)) == PAGE_BYTES
    for wrong in (
        (two.ciphertext, key, 1, one.branch),
        (one.ciphertext, page_key(KEY, 2), 1, one.branch),
        (one.ciphertext, key, 2, one.branch),
        (one.ciphertext, key, 1, two.branch),
        (one.ciphertext, key, 1, one.branch[:-1]),
        (one.ciphertext, key, 1, (*one.branch, bytes(32))),
        (one.ciphertext, key, 1, ()),
        (one.ciphertext, key, -1, one.branch),
        (one.ciphertext, key, contents.pages, one.branch),
        (one.ciphertext + b"\0", key, 1, one.branch),
        (one.ciphertext[:-1], key, 1, one.branch),
    ):
        with pytest.raises(IntegrityError):
            check_page(*wrong, contents)


def test_unpack__when_key_is_wrong__then_said(packed):
    with pytest.raises(IntegrityError, match="not the key"):
        next(unpack(packed.path, bytes(32), packed.contents))
    with pytest.raises(InputError, match="32 bytes"):
        next(unpack(packed.path, b"short", packed.contents))


#: What is said of facts is checked by `oracles.proof`, which stands above.
CHECKED = [field.name for field in dataclasses.fields(Contents) if field.name != "facts"]


@pytest.mark.parametrize("field", CHECKED)
def test_unpack__when_a_field_of_the_contents_is_changed__then_refused(packed, field):
    value = getattr(packed.contents, field)
    changes = [value + 1, value - 1] if isinstance(value, int) else [bytes(32)]
    for change in changes:
        other = dataclasses.replace(packed.contents, **{field: change})
        with pytest.raises(IntegrityError):
            verify(packed.path, KEY, other)


def test_unpack__when_any_byte_is_changed__then_refused(tmp_path):
    """Every byte of a small archive: magic, page, sketch, index and tree."""
    packed = pack([Document("one text, " * 5, {"a": 1})], tmp_path / "a.qmia", key=KEY)
    data = packed.path.read_bytes()
    for place in range(len(data)):
        packed.path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(IntegrityError):
            verify(packed.path, KEY, packed.contents)
    packed.path.write_bytes(data)
    assert verify(packed.path, KEY, packed.contents) == 1


def test_check_ciphertext__when_a_sealed_byte_is_changed__then_refused_without_a_key(packed):
    data = packed.path.read_bytes()
    for place in (0, 8, packed.contents.pages_end - 1, packed.contents.pages_end):
        packed.path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with (
            open_archive(packed.path, packed.contents) as archive,
            pytest.raises(IntegrityError),
        ):
            archive.check_ciphertext()


def test_unpack__when_a_node_of_the_tree_is_changed__then_refused(packed):
    """Opening all pages needs no branch, but who verifies an archive vouches for them."""
    data = packed.path.read_bytes()
    for place in range(packed.contents.tree_start, len(data), 32):
        packed.path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(IntegrityError, match="tree"):
            verify(packed.path, KEY, packed.contents)


def test_unpack__when_cut_or_lengthened__then_refused(packed):
    data = packed.path.read_bytes()
    for end in [*range(0, len(data), 997), len(data) - 1]:
        packed.path.write_bytes(data[:end])
        with pytest.raises(IntegrityError):
            verify(packed.path, KEY, packed.contents)
    packed.path.write_bytes(data + b"\0")
    with pytest.raises(IntegrityError, match="after its end"):
        verify(packed.path, KEY, packed.contents)


def forge(path, plain, *, pages=None, seal=None, keys=None, sketch=None, **fields):
    """An archive by somebody who has the key and does not follow the rules.

    Args:
        plain: what takes the place of the stream.
        pages: the pages, if they are not the stream's.
        seal: makes a ciphertext from (page, index, key).
        keys: makes a page's key from its index.
        sketch: pages of which the sketch is made.
    """
    if pages is None:
        pages = [plain[i : i + PAGE_BYTES] for i in range(0, len(plain), PAGE_BYTES)]
        pages[-1] = pages[-1].ljust(PAGE_BYTES, b"\0")
    keys = keys or (lambda index: page_key(KEY, index))
    compressor = zstd.ZstdCompressor(3)
    seal = seal or (lambda page, index, key: module._seal_page(page, index, key, compressor))
    sealed = [seal(page, index, keys(index)) for index, page in enumerate(pages)]
    hashes = [keccak(keys(index)) for index in range(len(pages))]
    leaves = [module.page_leaf(*pair) for pair in zip(sealed, hashes, strict=True)]
    sketcher = Sketcher()
    for index, page in enumerate(sketch if sketch is not None else pages):
        sketcher.add(index, page)
    sketch_key = module.sketch_key(KEY)
    frame = zstd.compress(sketcher.finish().encode())
    sealed_sketch = module._encrypt(frame, b"qmia/archive/2 sketch", sketch_key)
    end, index = len(module.MAGIC), b""
    for ciphertext, key_hash in zip(sealed, hashes, strict=True):
        end += len(ciphertext)
        index += end.to_bytes(8, "big") + key_hash
    tree, level = list(leaves), leaves
    while len(level) > 1:
        level = next_level(level, PAGE_NODE)
        tree += level
    path.write_bytes(module.MAGIC + b"".join(sealed) + sealed_sketch + index + b"".join(tree))
    root = MerkleRoot()
    for line in plain.split(b"\n")[:-1] or [plain]:
        root.add(leaf_hash(line))
    true = {
        "content_digest": root.digest(),
        "size": len(plain),
        "key_commitment": key_commitment(KEY),
        "root": level[0],
        "pages_end": end,
        "sketch_size": len(sealed_sketch),
        "sketch_hash": keccak(sealed_sketch),
        "sketch_key_hash": keccak(sketch_key),
    }
    return path, KEY, Contents(**true | fields)


PLAIN = stream(DOCUMENTS)


def test_forged__when_nothing_is_forged__then_the_program_makes_the_same_bytes(tmp_path, packed):
    path, key, contents = forge(tmp_path / "a", PLAIN)
    assert path.read_bytes() == packed.path.read_bytes()
    assert contents == packed.contents
    assert list(unpack(path, key, contents)) == DOCUMENTS


@pytest.mark.parametrize(
    "plain",
    [
        b'{"text":"x","metadata":{}}\n',
        b'{"metadata":{},"text":"x"} \n',
        b'{"metadata":{},"text":"x"}\r\n',
        b"not json\n",
        b"\n",
        b'{"metadata":{},"text":"x"}\n\n',
        b'{"metadata":{},"text":"x"}',
        b'{"metadata":{},"text":"\xff"}\n',
    ],
)
def test_forged__when_stream_is_not_canonical__then_refused(tmp_path, plain):
    with pytest.raises(IntegrityError):
        verify(*forge(tmp_path / "a", plain))


def test_forged__when_padding_is_not_zero__then_refused(tmp_path):
    plain = stream([Document("x")])
    pages = [plain.ljust(PAGE_BYTES - 1, b"\0") + b"\1"]
    with pytest.raises(IntegrityError, match="filled up"):
        verify(*forge(tmp_path / "a", plain, pages=pages))


@pytest.mark.parametrize("size", [0, 1, PAGE_BYTES - 1, PAGE_BYTES + 1, 1 << 26])
def test_forged__when_a_page_has_another_size__then_refused_in_little_memory(tmp_path, size):
    pages = [bytes(size) if i == 3 else page for i, page in enumerate(split(PLAIN))]
    path, key, contents = forge(tmp_path / "a", PLAIN, pages=pages, sketch=[])
    with pytest.raises(IntegrityError, match="page 3"):
        verify(path, key, contents)
    with open_archive(path, contents) as archive, pytest.raises(IntegrityError, match="page 3"):
        archive.page(3, key)


def split(plain):
    pages = [plain[i : i + PAGE_BYTES] for i in range(0, len(plain), PAGE_BYTES)]
    return [page.ljust(PAGE_BYTES, b"\0") for page in pages]


@pytest.mark.parametrize(
    "frame",
    [
        lambda page: page,
        lambda page: zstd.compress(page) + b"\0",
        lambda page: zstd.compress(page[:9]) + zstd.compress(page[9:]),
        lambda page: zstd.compress(page)[:-1],
        lambda _: b"",
        lambda page: b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd.compress(page),
    ],
)
def test_forged__when_a_page_is_not_one_frame__then_refused(tmp_path, frame):
    def seal(page, index, key):
        return module._encrypt(frame(page), module._associated(index), key)

    with pytest.raises(IntegrityError, match="page 0"):
        verify(*forge(tmp_path / "a", PLAIN, seal=seal))


def test_forged__when_a_frame_wants_a_large_window__then_refused(tmp_path):
    options = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.content_size_flag: 0,
    }

    def seal(page, index, key):
        compressor = zstd.ZstdCompressor(options=options)
        frame = compressor.compress(page) + compressor.flush()
        return module._encrypt(frame, module._associated(index), key)

    with pytest.raises(IntegrityError, match="page 0"):
        verify(*forge(tmp_path / "a", PLAIN, seal=seal))


def test_forged__when_pages_are_swapped__then_refused_though_the_tree_is_right(tmp_path):
    """The number of a page is in its key and in what is authenticated with it."""

    def seal(page, index, key):
        return module._seal_page(page, index ^ 1, key, zstd.ZstdCompressor(3))

    with pytest.raises(IntegrityError, match="does not decrypt"):
        verify(*forge(tmp_path / "a", PLAIN, seal=seal))


def test_forged__when_a_key_does_not_come_from_the_data_key__then_refused(tmp_path):
    """The panels open such a page with the key that they are given; the buyer cannot."""
    other = bytes(32)
    keys = lambda index: other if index == 2 else page_key(KEY, index)  # noqa: E731
    path, key, contents = forge(tmp_path / "a", PLAIN, keys=keys)
    with pytest.raises(IntegrityError, match="page 2 does not come from the data key"):
        verify(path, key, contents)
    with open_archive(path, contents) as archive:
        sealed = archive.sealed(2)
        assert check_page(sealed.ciphertext, other, 2, sealed.branch, contents)
        with pytest.raises(IntegrityError, match="not page 2"):
            archive.page(2, key)
        assert archive.page(1, key)


@pytest.mark.parametrize("sketch", [[], split(PLAIN)[:-1], split(stream([Document("other")]))])
def test_forged__when_the_sketch_lies__then_refused(tmp_path, sketch):
    with pytest.raises(IntegrityError, match="sketch"):
        verify(*forge(tmp_path / "a", PLAIN, sketch=sketch))


@pytest.mark.parametrize(
    "change",
    [
        lambda ends: [0, *ends[1:]],
        lambda ends: [ends[0], ends[0], *ends[2:]],
        lambda ends: [*ends[:-1], ends[-1] + 1],
        lambda ends: [ends[1], ends[0], *ends[2:]],
        lambda ends: [2**64 - 1, *ends[1:]],
        lambda ends: [*ends[:-1], ends[-1] - 1],
    ],
)
def test_index__when_offsets_are_wrong__then_refused(packed, change):
    contents = packed.contents
    data = bytearray(packed.path.read_bytes())
    starts = [contents.index_start + ENTRY_BYTES * i for i in range(contents.pages)]
    ends = [int.from_bytes(data[start : start + 8], "big") for start in starts]
    for start, end in zip(starts, change(ends), strict=True):
        data[start : start + 8] = end.to_bytes(8, "big")
    packed.path.write_bytes(data)
    with pytest.raises(IntegrityError):
        verify(packed.path, KEY, contents)


def test_unpack__when_beyond_the_limits__then_refused(tmp_path, packed):
    with pytest.raises(InputError, match="allowed"):
        verify(packed.path, KEY, packed.contents, limits=Limits(total_bytes=1000))
    long = pack([Document("x" * 100_000)], tmp_path / "long", key=KEY)
    with pytest.raises(IntegrityError, match="too long"):
        verify(long.path, KEY, long.contents, limits=Limits(record_bytes=1000))


def test_pack__when_a_document_is_too_long__then_left_out_and_found(tmp_path):
    findings = []
    some = [Document("x" * 5000), Document("short")]
    limits = Limits(record_bytes=1000)
    packed = pack(some, tmp_path / "a", limits=limits, findings=findings)
    assert packed.documents == 1
    assert [f.kind for f in findings] == ["too_large"]


@pytest.mark.parametrize("text", ["x" * 10**6, "word " * 10**5])
def test_pack__when_data_compress_very_well__then_packed_all_the_same(tmp_path, text):
    """A page opens to 16 KiB and no more, so there is nothing to be afraid of."""
    packed = pack([Document(text)], tmp_path / "a")
    assert verify(packed.path, packed.key, packed.contents) == 1


def test_pack__when_source_fails_midway__then_nothing_is_left(tmp_path):
    def failing():
        yield from DOCUMENTS
        raise ValueError("the disk is gone")

    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(ValueError, match="disk"):
        pack(failing(), tmp_path / "a")
    with pytest.raises(InputError, match="no document"):
        pack([], tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_pack__when_a_page_does_not_open_again__then_nothing_is_written(tmp_path, monkeypatch):
    good = module._encrypt
    bad = lambda *arguments: good(*arguments)[:-1] + b"\0"  # noqa: E731
    monkeypatch.setattr(module, "_encrypt", bad)
    with pytest.raises(IntegrityError, match="does not decrypt"):
        pack(DOCUMENTS, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_open_page__when_associated_number_differs__then_refused():
    page = bytes(PAGE_BYTES)
    sealed = module._seal_page(page, 5, KEY, zstd.ZstdCompressor(3))
    assert open_page(sealed, KEY, 5) == page
    with pytest.raises(IntegrityError):
        open_page(sealed, KEY, 6)
    assert len(sealed) > sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES


def test_is_archive__when_other_files__then_false(tmp_path, packed):
    assert is_archive(packed.path)
    (tmp_path / "text").write_text("hello")
    assert not is_archive(tmp_path / "text")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "nothing")
