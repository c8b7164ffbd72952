"""Events to logs: the inverse of `oracles.chain.events.decode_log`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple

from oracles.chain import artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping


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
