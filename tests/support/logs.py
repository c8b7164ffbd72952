"""Events to logs: the inverse of `oracles.chain.events.decode_log`, by the names of the ABI."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple

from oracles.chain import artifacts
from oracles.chain.events import decode_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.chain.events import Event


@cache
def entries() -> dict[str, tuple[bytes, list[dict[str, Any]]]]:
    """Topic and inputs of every event, by name."""
    return {entry["name"]: (topic, entry["inputs"]) for topic, entry in artifacts.events().items()}


def encode_log(name: str, args: Mapping[str, Any]) -> tuple[tuple[bytes, ...], bytes]:
    """Topics and data of an event; structs are tuples, or dictionaries as when decoded."""
    topic, inputs = entries()[name]
    topics, kinds, values = [topic], [], []
    for item in inputs:
        kind, value = collapse_if_tuple(item), _plain(item, args[item["name"]])
        if item["indexed"]:
            topics.append(encode([kind], [value]))
        else:
            kinds.append(kind)
            values.append(value)
    return tuple(topics), encode(kinds, values)


def _plain(item: dict[str, Any], value: Any) -> Any:
    if item["type"].endswith("]"):
        element = item | {"type": item["type"][: item["type"].rindex("[")]}
        return [_plain(element, each) for each in value]
    if isinstance(value, dict):
        return tuple(_plain(part, value[part["name"]]) for part in item["components"])
    return value


def args_of(event: Event) -> dict[str, Any]:
    """Arguments of a decoded event, as `encode_log` takes them."""
    return _named(entries()[event.name][1], event.body)


def _named(items: Sequence[dict[str, Any]], struct: Any) -> dict[str, Any]:
    values = [getattr(struct, field.name) for field in fields(struct)]
    return {i["name"]: _as_args(i, value) for i, value in zip(items, values, strict=True)}


def _as_args(item: dict[str, Any], value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_args(item, each) for each in value]
    return _named(item["components"], value) if "components" in item else value


def any_event(name: str, args: Mapping[str, Any], *, block: int = 1) -> Event:
    """An event with these arguments, and nothing in the others."""
    inputs = entries()[name][1]
    known = {item["name"]: args.get(item["name"], _nothing(item)) for item in inputs}
    event = decode_log(
        "0x" + "0a" * 20,
        *encode_log(name, known),
        block=block,
        block_hash=bytes([block]),
        transaction=b"t",
        log_index=0,
    )
    assert event is not None
    return event


def _nothing(item: dict[str, Any]) -> Any:
    kind: str = item["type"]
    if kind.endswith("]"):
        return []
    if kind == "tuple":
        return {part["name"]: _nothing(part) for part in item["components"]}
    if kind.startswith("uint"):
        return 0
    return {"address": "0x" + "00" * 20, "bool": False, "bytes32": bytes(32), "string": ""}.get(
        kind, b""
    )
