"""CIDs against values that IPFS nodes gave, and the structure behind them."""

import hashlib
import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.errors import InputError
from oracles.evidence import Cid, CidBuilder, bytes_cid, file_cid, stream_cid, write_car
from oracles.evidence.cid import CHUNK_BYTES, DAG_PB, MAX_LINKS, RAW

# `add` with cid-version 1, raw leaves and size-262144 on js-ipfs 0.18.1 (npm ipfs 0.66.1), of the
# first n bytes of SHAKE-256 of "qmia".
NODE = {
    0: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    1: "bafkreiahkgml7zqxmxjv7gin5puqswouhcuuhtxltu4uidt5wvcv2reqqy",
    13: "bafkreiefkynwm6nlmsreu7wch7jyrx2jyze3kvttm6b4nqd3nx5u65gqny",
    CHUNK_BYTES - 1: "bafkreigcoxgskn7fbioegzdckp7ko5nupg64ljxqloaa6kctxrwqv27e5q",
    CHUNK_BYTES: "bafkreibkorerrzu2cn4d7dvlcoly4jfedxhy4yxkcwzfucvskx7bvkfj2m",
    CHUNK_BYTES + 1: "bafybeibcjsilkxevufgsnhx7r4danffusciuvh2frfq44mcyps2mdhdonq",
    2 * CHUNK_BYTES: "bafybeicqwf2xds6wvuzfzwj5t4po3n6boxocs4m5jwmmogbopfxqwtyebm",
    2 * CHUNK_BYTES + 1: "bafybeigors5lnnrhbyei2tybpfewtnk7rkial7qdwr4fmxh7pr7iayidba",
    5 * CHUNK_BYTES + 7: "bafybeif3pwx4nsg7ypt3j34tgozjftf6q5apgsxyhu3pbzquyp3ug2lx4e",
    173 * CHUNK_BYTES: "bafybeiaw23lt5tjlpqgezc5kltcxeb5c2iajt4vpqni2bfqmnbwcjcxmdy",
    174 * CHUNK_BYTES: "bafybeibgxz2kfljs4gjj3q7krfyrdt3dyc52dvclavuzg3t2fqlhl7a3du",
    174 * CHUNK_BYTES + 1: "bafybeihz3tfaoey5sd3ykszmhxortwrseg6ogbmmcsip7hn3usbrasm66i",
    175 * CHUNK_BYTES: "bafybeigshzjqrdzremue3nhx5uzlqr2rrflwwukx3tmlzhzr33acntyjky",
    348 * CHUNK_BYTES + 5: "bafybeihsfnju5f22p4ct62fjsozzrorvosqstu6ylnemimyoxxqydgd4o4",
}
# 174² + 3 chunks of zeros and then "tail": three levels. From aleph-cid 0.1.0, a Rust builder.
THREE_LEVELS = "bafybeicwghwhqtn3nd5qp2svld3sgy63beetxgztbyzvq2dgx752tfqfye"


@pytest.fixture(scope="module")
def stream():
    return hashlib.shake_256(b"qmia").digest(max(NODE))


@pytest.mark.parametrize("size", NODE)
def test_cid__when_file_has_any_shape__then_equal_to_a_nodes(stream, size, tmp_path):
    cid = bytes_cid(stream[:size])
    assert str(cid) == NODE[size]
    assert Cid.from_digest(cid.digest, size) == cid
    if size < 10 * CHUNK_BYTES:
        (tmp_path / "file").write_bytes(stream[:size])
        assert file_cid(tmp_path / "file") == cid


@pytest.mark.slow
def test_cid__when_tree_has_three_levels__then_equal_to_another_builders():
    builder = CidBuilder()
    for _ in range(MAX_LINKS**2 + 3):
        builder.write(bytes(CHUNK_BYTES))
    builder.write(b"tail")
    assert str(builder.finish()) == THREE_LEVELS


@given(st.lists(st.integers(0, 3 * CHUNK_BYTES), max_size=6))
@settings(max_examples=25, deadline=None)
def test_builder__when_written_in_any_pieces__then_the_same_cid(cuts):
    data = bytes(range(256)) * (3 * CHUNK_BYTES // 256)
    places = [0, *sorted(cuts), len(data)]
    builder = CidBuilder()
    for start, end in itertools.pairwise(places):
        builder.write(data[start:end])
    assert builder.finish() == bytes_cid(data)


def test_builder__when_blocks_are_wanted__then_children_first_and_all_hashed(stream):
    blocks = []
    root = stream_cid(io.BytesIO(stream), lambda cid, data: blocks.append((cid, data)))
    assert blocks[-1][0] == root
    assert all(hashlib.sha256(data).digest() == cid.digest for cid, data in blocks)
    assert b"".join(data for cid, data in blocks if cid.codec == RAW) == stream
    assert sum(cid.codec == DAG_PB for cid, _ in blocks) == 4  # three nodes and their parent


def test_builder__when_file_is_long__then_memory_is_bounded():
    import tracemalloc

    chunk = bytes(1 << 20)
    builder = CidBuilder()
    tracemalloc.start()
    try:
        for _ in range(60):
            builder.write(chunk)
        builder.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@given(st.sampled_from([RAW, DAG_PB]), st.binary(min_size=32, max_size=32))
def test_cid__when_printed__then_parses_back(codec, digest):
    cid = Cid(codec, digest)
    assert Cid.parse(str(cid)) == cid
    assert len(str(cid)) == 59


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",  # version 0
        NODE[0].upper(),
        NODE[0][:-1],
        NODE[0] + "a",
        NODE[0][:-1] + "1",
        "z" + NODE[0][1:],
        "bafyreih" + "a" * 51,  # dag-cbor
        "../../etc/passwd",
        "é" * 59,
    ],
)
def test_cid__when_text_is_another_kind__then_refused(text):
    with pytest.raises(InputError):
        Cid.parse(text)


def test_cid__when_digest_or_codec_is_wrong__then_refused():
    with pytest.raises(InputError):
        Cid(RAW, bytes(31))
    with pytest.raises(InputError):
        Cid(0x71, bytes(32))


def test_file_cid__when_file_is_missing__then_said(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        file_cid(tmp_path / "nothing")


@pytest.mark.parametrize("size", [0, 5, 3 * CHUNK_BYTES + 5])
def test_car__when_written__then_header_names_the_root_and_blocks_follow(stream, size):
    """Read back by the CARv1 specification."""
    out = io.BytesIO(b"before")
    out.seek(6)
    root = write_car(io.BytesIO(stream[:size]), out)
    assert root == bytes_cid(stream[:size])
    data = out.getvalue()[6:]

    def varint(place):
        value = shift = 0
        while True:
            value |= (data[place] & 0x7F) << shift
            shift += 7
            place += 1
            if data[place - 1] < 0x80:
                return value, place

    length, place = varint(0)
    assert data[place : place + length] == (
        b"\xa2eroots\x81\xd8\x2aX\x25\0" + bytes(root) + b"gversion\x01"
    )
    place += length
    blocks = {}
    while place < len(data):
        length, place = varint(place)
        block = data[place + 36 : place + length]
        blocks[data[place : place + 36]] = block
        assert hashlib.sha256(block).digest() == data[place + 4 : place + 36]
        place += length
    assert bytes(root) in blocks
    assert len(blocks) == (1 if size <= CHUNK_BYTES else 5)
