"""An independent reader and writer in JavaScript, written from docs/formats.md: both ways."""

import json
import subprocess
from pathlib import Path

import pytest

from oracles.dataset import (
    Binding,
    Contents,
    Delivery,
    DeliveryContext,
    Document,
    EncryptionKey,
    build_opening,
    draw,
    open_archive,
    opening_context,
    pack,
    read_opening,
    unpack,
    unwrap_delivery,
    wrap_delivery,
)
from oracles.errors import IntegrityError
from tests.dataset.test_formats import vectors

SCRIPT = Path(__file__).with_name("run.mjs")
KEY = bytes(range(32))
AUCTION = {"chain_id": 31337, "contract": "0x" + "11" * 20, "auction_id": 7}
BINDING = Binding(31337, AUCTION["contract"], 7, "0x" + "22" * 20)
SECRETS = [EncryptionKey(bytes(31) + bytes([n])) for n in (3, 5, 7)]
MEMBERS = [key.public for key in SECRETS]
DOCUMENTS = [
    Document("A note.", {"title": "First", "n": 1.5, "z": [None, True, {"ä": "\u20ac"}]}),
    Document('A "quotation", a \\ and a tab\t, and more.\n' * 700, {"language": "en"}),
    Document("Naïve ½ ﬁne 中文 テスト 한국어 𝐛𝐨𝐥𝐝 " * 900),
    Document("".join(f"word{n * 7919 % 100003:x} " for n in range(9000))),
]


def node(op, **given):
    """Let the program do something; bytes travel as hexadecimal."""
    text = json.dumps({"op": op, **given}, default=lambda value: {"hex": bytes(value).hex()})
    done = subprocess.run(["node", SCRIPT], input=text, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr[-2000:]
    return json.loads(done.stdout)


def facts(contents):
    return {name: getattr(contents, name) for name in Contents.__slots__}


def contents_of(answer):
    return Contents(**{k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in answer.items()})


@pytest.fixture
def packed(tmp_path):
    return pack(DOCUMENTS, tmp_path / "python.archive", key=KEY)


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "js.archive"
    documents = [{"text": each.text, "metadata": each.metadata} for each in DOCUMENTS]
    return path, contents_of(node("pack", file=str(path), documents=documents, key=KEY))


def test_vectors__are_those_of_the_page():
    known = vectors()
    texts = [*known["fold"], *known["runs"]]
    key, manifest = b"\1" * 32, b"\2" * 32
    found = node("vectors", texts=texts, draw=[key, 7, 3, manifest, 100, 5])
    assert known["fold"].items() <= found["fold"].items()
    assert known["runs"].items() <= found["runs"].items()
    assert found["draw"] == known["draw_5_of_100_key_01_manifest_02"]


def test_archive__of_python__is_read_by_javascript(packed):
    assert packed.contents.pages > 4
    found = node("unpack", file=str(packed.path), key=KEY, contents=facts(packed.contents))
    assert [Document(each["text"], each["metadata"]) for each in found] == DOCUMENTS


def test_archive__of_javascript__is_read_by_python(foreign, packed):
    path, contents = foreign
    assert list(unpack(path, KEY, contents)) == DOCUMENTS
    assert contents.content_digest == packed.contents.content_digest
    assert contents.size == packed.contents.size


def test_opening__of_javascript__is_read_by_every_member(foreign):
    path, contents = foreign
    drawn = draw(b"\1" * 32, 7, 3, b"\2" * 32, contents.pages, 3)
    opening = bytes.fromhex(
        node(
            "open",
            file=str(path),
            key=KEY,
            contents=facts(contents),
            drawn=drawn,
            members=MEMBERS,
            auction=AUCTION,
            index=3,
            content_key=b"\7" * 32,
        )
    )
    context = opening_context(BINDING, 3)
    data = path.read_bytes()
    with open_archive(path, contents) as archive:
        assert opening == build_opening(
            archive, KEY, drawn, MEMBERS, context, content_key=b"\7" * 32
        )
    for place, secret in enumerate(SECRETS):
        found = read_opening(opening, place, secret, MEMBERS, context, contents, drawn)
        read = lambda offset, size: data[offset : offset + size]  # noqa: E731
        assert [page for page, _ in found.sample(read)] == drawn
        sketch = found.sketch(read)
        for page, plain in found.sample(read):
            sketch.check_page(page, plain)


def test_opening__of_python__is_read_by_javascript(packed):
    drawn = draw(b"\1" * 32, 7, 3, b"\2" * 32, packed.contents.pages, 3)
    with open_archive(packed.path, packed.contents) as archive:
        context = opening_context(BINDING, 3)
        opening = build_opening(archive, KEY, drawn, MEMBERS, context)
        expected = [archive.page(page, KEY).hex() for page in drawn]
    found = node(
        "sample",
        file=str(packed.path),
        opening=opening,
        member=1,
        secret=SECRETS[1].secret,
        members=MEMBERS,
        contents=facts(packed.contents),
        drawn=drawn,
        auction=AUCTION,
        index=3,
    )
    assert found == expected


def test_delivery__goes_both_ways():
    buyer, context = SECRETS[1], DeliveryContext(31337, BINDING.contract, 7, 3)
    sent = node("deliver", key=KEY, buyer=buyer.public, auction=AUCTION, index=3)
    point = (int(sent["point"][:64], 16), int(sent["point"][64:], 16))
    assert unwrap_delivery(Delivery(bytes.fromhex(sent["wrapped"]), point), buyer, context) == KEY
    own = wrap_delivery(KEY, buyer.public, context)
    both = b"".join(each.to_bytes(32, "big") for each in own.point)
    got = node(
        "receive", wrapped=own.wrapped, point=both, secret=buyer.secret, auction=AUCTION, index=3
    )
    assert got == KEY.hex()


@pytest.mark.parametrize("place", [20, -1, -200, 3000])
def test_archive__when_a_byte_of_javascript_s_is_flipped__then_python_refuses(foreign, place):
    path, contents = foreign
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        list(unpack(path, KEY, contents))
