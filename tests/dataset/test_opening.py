"""Manifests, openings, samples and complaints: cut, changed, reordered or foreign, and refused."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracles.dataset import (
    Binding,
    Complaint,
    Document,
    EncryptionKey,
    Manifest,
    WrapContext,
    build_opening,
    check_page,
    draw,
    open_archive,
    opening_context,
    pack,
    page_key,
    read_opening,
)
from oracles.errors import IntegrityError

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
BINDING = Binding(31337, "0x" + "11" * 20, 7, "0x" + "22" * 20)
SECRETS = [EncryptionKey(bytes(31) + bytes([n])) for n in (3, 5, 7)]
MEMBERS = [key.public for key in SECRETS]
CONTEXT = opening_context(BINDING, 3)
COMPLAINT = WrapContext("complaint", 31337, BINDING.contract, 7, 3)
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two data sets of the same size, the drawn pages of the first, and openings of both."""
    folder = tmp_path_factory.mktemp("opening")
    made = []
    for name, key in (("a", KEY), ("b", OTHER_KEY)):
        text = " ".join(f"{name}{n * 7919 % 100_003:x}" for n in range(20_000))
        packed = pack([Document(text[:110_000])], folder / name, key=key)
        drawn = draw(b"\1" * 32, 7, 3, b"\2" * 32, packed.contents.pages, 3)
        with open_archive(packed.path, packed.contents) as archive:
            sealed = [archive.sealed(index) for index in range(packed.contents.pages)]
            opening = build_opening(archive, key, drawn, MEMBERS, CONTEXT)
        made.append((packed, drawn, sealed, opening, packed.path.read_bytes()))
    return made


def read(world, opening, **other):
    packed, drawn, *_ = world[0]
    given = {
        "member": 1,
        "key": SECRETS[1],
        "members": MEMBERS,
        "context": CONTEXT,
        "contents": packed.contents,
        "drawn": drawn,
    } | other
    return read_opening(opening, *given.values())


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_opening__when_changed_in_any_way__then_refused(world, data):
    opening = world[0][3]
    place = data.draw(st.integers(0, len(opening) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "lengthen", "reorder", "splice"])):
        case "flip":
            bit = 1 << data.draw(st.integers(0, 7))
            changed = opening[:place] + bytes([opening[place] ^ bit]) + opening[place + 1 :]
        case "cut":
            changed = opening[:place]
        case "lengthen":
            changed = opening + bytes(data.draw(st.integers(1, 40)))
        case "reorder":
            changed = opening[:9] + opening[90:171] + opening[9:90] + opening[171:]
        case _:
            changed = opening[:place] + world[1][3][place:]
    if changed == opening:
        return
    with pytest.raises(IntegrityError):
        read(world, changed)


def test_opening__when_it_is_of_other_pages_members_or_places__then_refused(world):
    drawn = world[0][1]
    foreign = world[1][3]
    for message, opening, other in (
        ("sketch's key", foreign, {}),
        ("does not open", world[0][3], {"context": opening_context(BINDING, 4)}),
        ("another size", world[0][3], {"drawn": drawn[:-1]}),
        ("another size", world[0][3], {"members": [*MEMBERS, MEMBERS[0]]}),
        ("for member 2", world[0][3], {"members": [*MEMBERS[:2], MEMBERS[0]]}),
    ):
        with pytest.raises(IntegrityError, match=message):
            read(world, opening, **other)


def test_sample__when_other_pages_than_drawn_are_opened__then_the_page_is_refused(world):
    """The opening is well-formed; what it opens is not what the draw asks for."""
    packed, drawn, _, _, data = world[0]
    others = [index for index in range(packed.contents.pages) if index not in drawn][: len(drawn)]
    with open_archive(packed.path, packed.contents) as archive:
        wrong = build_opening(archive, KEY, others, MEMBERS, CONTEXT)
    if len(wrong) != len(world[0][3]):
        with pytest.raises(IntegrityError, match="another size"):
            read(world, wrong)
        return
    with pytest.raises(IntegrityError, match="not page"):
        list(read(world, wrong).sample(lambda start, size: data[start : start + size]))


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_page__when_cut_flipped_reordered_or_foreign__then_refused_by_its_number(world, data):
    packed, _, sealed, _, _ = world[0]
    index = data.draw(st.integers(0, len(sealed) - 1))
    own, key = sealed[index], page_key(KEY, index)
    cipher, branch = own.ciphertext, list(own.branch)
    place = data.draw(st.integers(0, len(cipher) - 1))
    match data.draw(st.sampled_from(["cut", "flip", "other", "foreign", "branch", "key"])):
        case "cut":
            cipher = cipher[:place]
        case "flip":
            cipher = cipher[:place] + bytes([cipher[place] ^ 1]) + cipher[place + 1 :]
        case "other":
            cipher = sealed[(index + 1) % len(sealed)].ciphertext
        case "foreign":
            cipher = world[1][2][index].ciphertext
        case "branch":
            branch.reverse()
            if branch == list(own.branch):
                branch.pop()
        case _:
            key = page_key(OTHER_KEY, index)
    with pytest.raises(IntegrityError, match=f"page {index}"):
        check_page(cipher, key, index, branch, packed.contents)


@pytest.fixture(scope="module")
def manifest(world):
    return Manifest.open_to(BINDING, CID, world[0][0].contents, KEY, MEMBERS)


def test_manifest__when_decoded__then_the_same_and_every_member_reads_the_key(manifest):
    assert Manifest.decode(manifest.encode()) == manifest
    for place, secret in enumerate(SECRETS):
        assert manifest.unwrap(place, secret, MEMBERS) == KEY


@given(data=st.data())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_manifest__when_changed_in_any_way__then_another_digest_or_refused(manifest, data):
    encoded = manifest.encode()
    place = data.draw(st.integers(0, len(encoded) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = data.draw(
        st.sampled_from(
            [
                encoded[:place],
                encoded[:place] + bytes([byte]) + encoded[place + 1 :],
                encoded[place:] + encoded[:place],
                encoded + b" ",
                b" " + encoded,
            ]
        )
    )
    try:
        found = Manifest.decode(changed)
    except IntegrityError:
        return
    assert (found.digest == manifest.digest) == (changed == encoded)


def test_manifest__when_it_is_of_another_commitment__then_the_difference_is_named(manifest):
    committed = {
        "content_digest": manifest.contents.content_digest,
        "size": manifest.contents.size,
        "key_commitment": manifest.contents.key_commitment,
    }
    manifest.expect(BINDING, **committed)
    for name, value in (("chain_id", 1), ("auction_id", 8), ("provider", "0x" + "33" * 20)):
        with pytest.raises(IntegrityError, match=name):
            manifest.expect(replace(BINDING, **{name: value}), **committed)
    for name, value, message in (
        ("content_digest", bytes(32), "content digest"),
        ("size", 1, "bytes were committed"),
        ("key_commitment", bytes(32), "key commitment"),
    ):
        with pytest.raises(IntegrityError, match=message):
            manifest.expect(BINDING, **committed | {name: value})


def test_complaint__when_made__then_each_member_has_the_key_and_nothing_else_is_one():
    made = Complaint.make([5, 2, 5, 9], KEY, MEMBERS, COMPLAINT)
    assert made.pages == (2, 5, 9)
    encoded = made.encode()
    assert Complaint.decode(encoded) == made
    assert [made.unwrap(i, s, MEMBERS, COMPLAINT) for i, s in enumerate(SECRETS)] == [KEY] * 3
    for changed in (
        b"",
        encoded[:-1],
        encoded + b" ",
        encoded.replace(b'"2","5"', b'"5","2"'),
        encoded.replace(b'"2"', b'"-2"'),
        encoded.replace(b'"2"', b'"02"'),
        encoded.replace(b"complaint/2", b"complaint/1"),
        encoded[: encoded.rindex(b'"')] + b'00"]}',
    ):
        with pytest.raises(IntegrityError):
            Complaint.decode(changed)
    with pytest.raises(IntegrityError):
        made.unwrap(0, SECRETS[0], MEMBERS, CONTEXT)


@pytest.mark.parametrize(("pages", "samples"), [(1, 0), (5, 5), (5, 9), (100, 7), (2**40, 64)])
def test_draw__when_any_numbers__then_distinct_pages_that_depend_on_all_inputs(pages, samples):
    inputs = [b"\1" * 32, 7, 3, b"\2" * 32]
    drawn = draw(*inputs, pages, samples)
    assert drawn == sorted(set(drawn))
    assert len(drawn) == (samples if 0 < samples < pages else pages)
    assert all(0 <= page < pages for page in drawn)
    if pages > 50:
        for place, other in enumerate((b"\3" * 32, 8, 4, b"\3" * 32)):
            changed = [*inputs[:place], other, *inputs[place + 1 :]]
            assert draw(*changed, pages, samples) != drawn
