"""Packing and unpacking: round trips, binding, and every kind of forgery."""

import dataclasses
import gzip
import json
import os

import nacl.bindings as sodium
import pytest
import rfc8785
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import (
    Binding,
    Document,
    Limits,
    content_digest,
    encode_document,
    is_archive,
    pack,
    read_header,
    unpack,
    verify,
)
from oracles.dataset import archive as module
from oracles.errors import InputError, IntegrityError
from tests.dataset.strategies import documents

BINDING = Binding(31337, "0x" + "ab" * 20, 7, "0x" + "cd" * 20)
KEY = bytes(range(32))
DOCUMENTS = [Document(f"document {i}", {"n": i}) for i in range(50)]


@pytest.fixture
def packed(tmp_path):
    return pack(DOCUMENTS, tmp_path / "a.qmia", BINDING, key=KEY)


@given(st.lists(documents, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_archive__when_any_documents__then_they_come_back(tmp_path_factory, some):
    path = tmp_path_factory.mktemp("pack") / "a.qmia"
    packed = pack(some, path, BINDING)
    back = list(unpack(path, packed.key, BINDING, content_digest=content_digest(some)))
    assert [encode_document(d) for d in back] == [encode_document(d) for d in some]
    assert [d.text for d in back] == [d.text for d in some]


@pytest.mark.parametrize("size", [1, 65_000, 65_536, 200_000, 1_000_000])
def test_archive__when_many_chunks__then_all_come_back(tmp_path, size):
    text = os.urandom(size // 2).hex() or "x"
    packed = pack([Document(text)], tmp_path / "a.qmia", BINDING)
    assert [d.text for d in unpack(packed.path, packed.key, BINDING)] == [text]
    assert packed.size == packed.path.stat().st_size


def test_archive__when_body_is_exactly_whole_chunks__then_it_comes_back(tmp_path):
    """The last chunk is full: it must still be the one that is tagged final."""
    for sealed in (65_536, 2 * 65_536):
        path = tmp_path / f"{sealed}"
        with path.open("wb") as file:
            sealer = module._Sealer(file, KEY, b"x")
            sealer.write(b"y" * sealed)
            sealer.close()
        assert path.stat().st_size == 24 + sealed // 65_536 * (65_536 + 17)
        with path.open("rb") as file:
            opener = module._Opener(file, KEY, b"x")
            data = b""
            while block := opener.read(65_536):
                data += block
        assert data == b"y" * sealed


def test_archive__when_packed_from_a_path__then_findings_and_same_digest(tmp_path):
    lines = [encode_document(d) + b"\n" for d in DOCUMENTS]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"".join(lines) + b"{broken\n"))
    findings = []
    packed = pack(tmp_path / "a.jsonl.gz", tmp_path / "a.qmia", BINDING, findings=findings)
    assert packed.content_digest == content_digest(DOCUMENTS)
    assert packed.documents == 50
    assert [f.kind for f in findings] == ["malformed"]


def test_archive__when_packed__then_header_says_so(packed):
    header = read_header(packed.path)
    assert header == packed.header == verify(packed.path, KEY, BINDING)
    assert header.binding == BINDING
    assert header.documents == 50
    assert header.plain_bytes == sum(len(encode_document(d)) + 1 for d in DOCUMENTS)
    assert header.content_digest == content_digest(DOCUMENTS)


def test_archive__when_packed_twice__then_bytes_differ_but_not_the_digest(tmp_path, packed):
    again = pack(DOCUMENTS, tmp_path / "b.qmia", BINDING, key=KEY)
    assert again.path.read_bytes() != packed.path.read_bytes()
    assert again.header == packed.header


def test_archive__when_made__then_nothing_of_the_text_or_key_shows(packed):
    data = packed.path.read_bytes()
    assert b"document" not in data.replace(b'"documents"', b"")
    assert KEY not in data
    assert KEY.hex() not in repr(packed)
    assert pack(DOCUMENTS, packed.path, BINDING).key != KEY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", 1),
        ("contract", "0x" + "ac" * 20),
        ("auction_id", 8),
        ("provider", "0x" + "ce" * 20),
    ],
)
def test_unpack__when_bound_elsewhere__then_refused_before_any_document(packed, field, value):
    other = dataclasses.replace(BINDING, **{field: value})
    with pytest.raises(IntegrityError, match=f"another auction: {field}"):
        next(unpack(packed.path, KEY, other))


def test_unpack__when_key_is_wrong__then_said(packed):
    with pytest.raises(IntegrityError, match="not the key"):
        next(unpack(packed.path, bytes(32), BINDING))
    with pytest.raises(InputError, match="32 bytes"):
        next(unpack(packed.path, b"short", BINDING))


def test_unpack__when_digest_was_not_committed__then_refused(packed):
    with pytest.raises(IntegrityError, match="not the one that was committed"):
        next(unpack(packed.path, KEY, BINDING, content_digest=bytes(32)))


def test_unpack__when_any_byte_is_changed__then_refused(packed):
    """Every byte of a small archive: header, tags, nonce and chunks."""
    data = packed.path.read_bytes()
    for place in range(len(data)):
        packed.path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(IntegrityError):
            verify(packed.path, KEY, BINDING)
    packed.path.write_bytes(data)
    assert verify(packed.path, KEY, BINDING) == packed.header


def test_unpack__when_cut_or_lengthened_anywhere__then_refused(packed):
    data = packed.path.read_bytes()
    for end in range(len(data)):
        packed.path.write_bytes(data[:end])
        with pytest.raises(IntegrityError):
            verify(packed.path, KEY, BINDING)
    packed.path.write_bytes(data + b"\0")
    with pytest.raises(IntegrityError):
        verify(packed.path, KEY, BINDING)


def test_unpack__when_chunks_are_swapped_or_dropped__then_refused(tmp_path):
    packed = pack([Document(os.urandom(300_000).hex())], tmp_path / "a.qmia", BINDING, key=KEY)
    data = packed.path.read_bytes()
    body = len(data) - packed.header.body_bytes + 24
    size = 65_536 + 17
    first, second = data[body : body + size], data[body + size : body + 2 * size]
    rest = data[body + 2 * size :]
    for changed in (
        data[:body] + second + first + rest,
        data[:body] + second + rest,
        data[:body] + first + second + first + rest,
        data[:body] + first + second,
    ):
        packed.path.write_bytes(changed)
        with pytest.raises(IntegrityError):
            verify(packed.path, KEY, BINDING)


def forge(path, lines, *, body=None, **header_fields):
    """An archive by somebody who has the key and does not follow the rules."""
    commitment, header_key, body_key = module._keys(KEY)
    associated = rfc8785.dumps(BINDING.encode())
    with path.with_suffix(".body").open("w+b") as file:
        sealer = module._Sealer(file, body_key, associated)
        sealer.write(zstd.compress(b"".join(lines)) if body is None else body)
        sealer.close()
        file.seek(0)
        sealed = file.read()
    root = module.MerkleRoot()
    for line in lines:
        root.add(module.leaf_hash(line.removesuffix(b"\n")))
    fields = {
        "content_digest": root.digest(),
        "documents": len(lines),
        "plain_bytes": sum(map(len, lines)),
        "body_bytes": len(sealed),
        "key_commitment": commitment,
        **header_fields,
    }
    encoded = module.Header(BINDING, **fields).encode()
    tag = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(b"", encoded, bytes(24), header_key)
    path.write_bytes(module._MAGIC + len(encoded).to_bytes(4, "big") + encoded + tag + sealed)
    return path


LINES = [encode_document(d) + b"\n" for d in DOCUMENTS]


def test_forged__when_nothing_is_forged__then_accepted(tmp_path):
    """The forger's tool makes a good archive when it lies about nothing."""
    path = forge(tmp_path / "a", LINES)
    assert list(unpack(path, KEY, BINDING)) == DOCUMENTS


@pytest.mark.parametrize(
    "lie",
    [
        {"content_digest": bytes(32)},
        {"documents": 49},
        {"documents": 51},
        {"plain_bytes": 10},
        {"plain_bytes": 10_000},
        {"body_bytes": 5},
        {"key_commitment": bytes(32)},
    ],
)
def test_forged__when_header_lies__then_refused(tmp_path, lie):
    with pytest.raises(IntegrityError):
        verify(forge(tmp_path / "a", LINES, **lie), KEY, BINDING)


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"text":"x","metadata":{}}\n'],
        [b'{"metadata":{},"text":"x"} \n'],
        [b'{"metadata":{},"text":"x"}\r\n'],
        [b"not json\n"],
        [b"\n"],
        [*LINES, LINES[0][:-1]],
        [os.urandom(1000) + b"\n"],
    ],
)
def test_forged__when_lines_are_not_canonical_documents__then_refused(tmp_path, lines):
    with pytest.raises(IntegrityError):
        verify(forge(tmp_path / "a", lines), KEY, BINDING)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not zstd",
        zstd.compress(b"".join(LINES))[:-3],
        zstd.compress(b"".join(LINES)) + b"rest",
        gzip.compress(b"".join(LINES), mtime=0),
    ],
    ids=["empty", "no zstd", "cut off", "more behind", "gzip"],
)
def test_forged__when_body_does_not_decompress__then_refused(tmp_path, body):
    with pytest.raises(IntegrityError):
        verify(forge(tmp_path / "a", LINES, body=body), KEY, BINDING)


def test_archive__when_something_follows_a_full_final_chunk__then_refused(tmp_path):
    """Whoever has the key could make the header count it."""
    with (tmp_path / "body").open("w+b") as file:
        sealer = module._Sealer(file, KEY, b"x")
        sealer.write(b"y" * 65_536)
        sealer.close()
        file.write(b"extra")
        file.seek(0)
        opener = module._Opener(file, KEY, b"x")
        with pytest.raises(IntegrityError, match="after its end"):
            opener.read(65_536)


def test_forged__when_chunks_are_shorter_than_published__then_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 100)
    path = forge(tmp_path / "a", [os.urandom(1000).hex().encode() + b"\n"])
    monkeypatch.undo()
    with pytest.raises(IntegrityError):
        verify(path, KEY, BINDING)


def test_forged__when_body_is_a_bomb__then_stopped_at_the_declared_size(tmp_path):
    import tracemalloc

    bomb = zstd.compress(b"x" * 300_000_000)
    path = forge(tmp_path / "a", LINES, body=bomb)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="size that its header declares"):
            verify(path, KEY, BINDING)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_forged__when_declared_size_is_a_bomb__then_refused_unread(tmp_path):
    path = forge(tmp_path / "a", LINES, plain_bytes=1 << 40)
    with pytest.raises(InputError, match="too large or mostly repetition"):
        next(unpack(path, KEY, BINDING))


def test_forged__when_one_document_is_over_the_limit__then_refused(tmp_path):
    line = encode_document(Document(os.urandom(50_000).hex())) + b"\n"
    path = forge(tmp_path / "a", [line])
    assert len(list(unpack(path, KEY, BINDING))) == 1
    with pytest.raises(IntegrityError, match="too long"):
        verify(path, KEY, BINDING, limits=Limits(record_bytes=1000))


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.replace(b'"auction_id":"7"', b'"auction_id":"07"'),
        lambda h: h.replace(b'"auction_id":"7"', b'"auction_id": "7"'),
        lambda h: h.replace(b'"schema":"qmia/archive/1"', b'"schema":"qmia/archive/2"'),
        lambda h: h.replace(b"0xabab", b"0xABab"),
        lambda _: b"[]",
        lambda _: b"{}",
        lambda h: h[:-1],
    ],
)
def test_header__when_not_canonical__then_refused(packed, change):
    data = packed.path.read_bytes()
    encoded = packed.header.encode()
    other = change(encoded)
    rest = data[len(module._MAGIC) + 4 + len(encoded) :]
    packed.path.write_bytes(module._MAGIC + len(other).to_bytes(4, "big") + other + rest)
    with pytest.raises(IntegrityError, match="header"):
        read_header(packed.path)


@pytest.mark.parametrize("data", [b"", b"{}", module._MAGIC, module._MAGIC + b"\xff" * 4])
def test_header__when_file_is_something_else__then_said(tmp_path, data):
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="not an archive"):
        read_header(path)


def test_pack__when_there_is_no_document__then_no_archive(tmp_path):
    with pytest.raises(InputError, match="no document"):
        pack([], tmp_path / "a.qmia", BINDING)
    assert not list(tmp_path.iterdir())


def test_pack__when_reading_fails_half_way__then_old_archive_stays(tmp_path, packed):
    before = packed.path.read_bytes()

    def broken():
        yield DOCUMENTS[0]
        raise InputError("the disk went away")

    with pytest.raises(InputError, match="went away"):
        pack(broken(), packed.path, BINDING)
    assert packed.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [packed.path]


def test_pack__when_folder_is_missing__then_said(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        pack(DOCUMENTS, tmp_path / "no" / "a.qmia", BINDING)


def test_pack__when_readers_would_take_it_for_a_bomb__then_refused_early(tmp_path):
    limits = Limits(small_bytes=1000, ratio=3)
    with pytest.raises(InputError, match="mostly repetition"):
        pack([Document("same")] * 10_000, tmp_path / "a.qmia", BINDING, limits=limits)


def test_pack__when_one_document_is_too_long_with_its_metadata__then_left_out(tmp_path):
    findings = []
    long = Document("x", {"a": "y" * 5000})
    packed = pack(
        [DOCUMENTS[0], long],
        tmp_path / "a.qmia",
        BINDING,
        limits=Limits(record_bytes=1000),
        findings=findings,
    )
    assert packed.documents == 1
    assert [f.kind for f in findings] == ["too_large"]


def test_pack__when_it_streams__then_memory_does_not_grow_with_the_data(tmp_path):
    import tracemalloc

    documents = (Document(os.urandom(5000).hex()) for _ in range(1000))
    tracemalloc.start()
    try:
        packed = pack(documents, tmp_path / "a.qmia", BINDING)
        assert sum(1 for _ in unpack(packed.path, packed.key, BINDING)) == 1000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert packed.size > 4_000_000
    assert peak < 2_500_000


@pytest.mark.parametrize(
    ("contract", "provider", "chain", "auction"),
    [
        ("0x12", "0x" + "cd" * 20, 1, 1),
        ("0x" + "ab" * 20, "nobody", 1, 1),
        ("0x" + "ab" * 20, "0x" + "cd" * 20, -1, 1),
        ("0x" + "ab" * 20, "0x" + "cd" * 20, 1, -1),
    ],
)
def test_binding__when_malformed__then_refused(contract, provider, chain, auction):
    with pytest.raises(InputError):
        Binding(chain, contract, auction, provider)


def test_binding__when_addresses_are_in_either_case__then_the_same():
    upper = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    assert Binding(1, upper, 1, upper) == Binding(1, upper.lower(), 1, upper.lower())


def test_binding__when_numbers_are_beyond_a_double__then_kept_exactly(tmp_path):
    binding = dataclasses.replace(BINDING, auction_id=2**256 - 1)
    pack(DOCUMENTS, tmp_path / "a", binding, key=KEY)
    assert json.loads(read_header(tmp_path / "a").encode())["auction_id"] == str(2**256 - 1)
    assert verify(tmp_path / "a", KEY, binding)


def test_is_archive__when_asked__then_tells_apart(tmp_path, packed):
    (tmp_path / "x.jsonl").write_text('{"text": "x"}')
    assert is_archive(packed.path)
    assert not is_archive(tmp_path / "x.jsonl")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "nothing")
