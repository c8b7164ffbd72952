"""Logs are decoded as the ABI specification says, and refused where they do not fit."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.chain.events import decode_log
from oracles.chain.typed_events import STRUCTS
from oracles.errors import ChainError
from scripts.events import field_name, struct_name
from tests.support.logs import args_of, encode_log, entries

ADDRESS = "0x" + "11" * 20
EVENTS = entries()


def values(item: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a type as the decoder presents them."""
    kind: str = item["type"]
    if kind.endswith("]"):
        element = item | {"type": kind[: kind.rindex("[")]}
        return st.lists(values(element), max_size=3)
    if kind == "tuple":
        return st.fixed_dictionaries({c["name"]: values(c) for c in item["components"]})
    if kind == "address":
        return st.binary(min_size=20, max_size=20).map(to_checksum_address)
    if kind == "bytes32":
        return st.binary(min_size=32, max_size=32)
    if kind.startswith("uint"):
        return st.integers(0, 2 ** int(kind.removeprefix("uint")) - 1)
    return {"bool": st.booleans(), "bytes": st.binary(max_size=70), "string": st.text(max_size=40)}[
        kind
    ]


@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_decode_log__of_any_event__gives_what_was_encoded(name: str, data: st.DataObject) -> None:
    _, inputs = EVENTS[name]
    args = data.draw(st.fixed_dictionaries({item["name"]: values(item) for item in inputs}))
    event = decode_log(ADDRESS, *encode_log(name, args))
    assert event is not None
    assert (event.name, args_of(event)) == (name, args)


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("CreditAdded", 1, 0),  # more words than arguments
        ("Revealed", 3, 2),  # a boolean of 2
        ("Committed", 0, 1 << 160),  # an address of 21 bytes
        ("Committed", 4, 1 << 64),  # a size beyond uint64
    ],
)
def test_decode_log__of_a_word_out_of_range__is_refused(name: str, word: int, value: int) -> None:
    topic, inputs = EVENTS[name]
    topics = [topic, *[bytes(32) for item in inputs if item["indexed"]]]
    count = sum(len(item.get("components", [0])) for item in inputs if not item["indexed"])
    row = [0] * max(count, word + 1)
    assert decode_log(ADDRESS, topics, bytes(32 * count)) is not None
    row[word] = value
    with pytest.raises(ChainError, match=name):
        decode_log(ADDRESS, topics, b"".join(each.to_bytes(32, "big") for each in row))


def test_decode_log__with_a_topic_or_a_word_missing__is_refused() -> None:
    topic, _ = EVENTS["CreditAdded"]
    with pytest.raises(ChainError, match="account"):
        decode_log(ADDRESS, [topic], bytes(32))
    with pytest.raises(ChainError, match="amount"):
        decode_log(ADDRESS, [topic, bytes(32)], bytes(31))


def test_decode_log__of_an_indexed_address_with_more_than_20_bytes__is_refused() -> None:
    topic, _ = EVENTS["CreditAdded"]
    with pytest.raises(ChainError, match="account"):
        decode_log(ADDRESS, [topic, b"\1" + bytes(31)], bytes(32))


def test_structs__of_the_codec__have_the_fields_of_the_abi_in_its_order() -> None:
    def check(item: dict[str, Any]) -> None:
        for part in item.get("components", []):
            check(part)
        if "components" in item:
            struct = STRUCTS[struct_name(item)]
            names = [field_name(part["name"]) for part in item["components"]]
            assert [field.name for field in fields(struct)] == names

    for _, inputs in EVENTS.values():
        for item in inputs:
            check(item)
