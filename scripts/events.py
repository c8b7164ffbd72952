"""Python source for the contracts' events: one frozen dataclass per event and per struct in one."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Item = dict[str, Any]

#: Structs that `oracles.chain.terms` has already, with its name for them.
_TERMS: Final = {
    "DataSet": "DataSet",
    "DstTerms": "DstTerms",
    "Durations": "Durations",
    "Scoring": "ScoringTerms",
    "Terms": "Terms",
    "WeightRule": "WeightTerms",
}
#: The oracle's consumer is the auction contract, so its ids are those of auctions.
_RENAMED: Final = {"id": "auction_id"}
#: Fields that are numbers of something, by their Python name.
_IDS: Final = {"auction_id": "AuctionId", "operator_set": "OperatorSetId"}

_HEAD: Final = '''\
"""Every event of the contracts, typed. Do not edit: `python -m scripts.build` writes it.

A field is the argument of the same name in the interface, which explains it, in snake_case. Amounts
are integers in the token's smallest unit or in wei, times are unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from oracles.chain.terms import (
{imported}
)

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress


# STRUCTS
'''


def typed_events(abis: Mapping[str, Sequence[Item]]) -> str:
    """Return the text of `oracles/chain/typed_events.py`.

    Args:
      abis: by contract name.

    Raises:
      ValueError: two events, or two structs, have one name and different fields.
    """
    events: dict[str, Sequence[Item]] = {}
    emitters: dict[str, list[str]] = {}
    structs: dict[str, Sequence[Item]] = {}
    homes: dict[str, str] = {}
    for contract, abi in sorted(abis.items()):
        for entry in abi:
            if entry["type"] == "event":
                _add(events, entry["name"], entry["inputs"])
                emitters.setdefault(entry["name"], []).append(contract)
                _add_structs(structs, homes, entry["inputs"])
    names = sorted(events)
    own = sorted(structs.keys() - _TERMS.keys())
    shared = {_TERMS[name] for name in structs.keys() & _TERMS.keys()}
    imported = sorted(shared | set(_IDS.values()))
    parts = [_HEAD.format(imported="\n".join(f"    {name}," for name in imported))]
    parts += [_dataclass(name, f"Struct of {homes[name]}.", structs[name]) for name in own]
    parts += ["\n\n# EVENTS\n"]
    parts += [
        _dataclass(name, f"Event of {' and '.join(emitters[name])}.", events[name])
        for name in names
    ]
    parts += ["\n\nBody = (\n    " + "\n    | ".join(names) + "\n)\n"]
    parts += ["#: What decodes an event, by its name.\n"]
    parts += [
        "EVENTS: Final[dict[str, type[Body]]] = {each.__name__: each for each in get_args(Body)}\n"
    ]
    parts += ["#: What decodes a struct, by its name in Solidity.\n"]
    rows = [f'    "{name}": {_TERMS.get(name, name)},\n' for name in sorted(structs)]
    parts += ["STRUCTS: Final[dict[str, type]] = {\n", *rows, "}\n"]
    return "".join(parts)


def field_name(name: str) -> str:
    """Python's name for an argument: snake_case, not a keyword."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    snake = _RENAMED.get(snake, snake)
    return snake + "_" if keyword.iskeyword(snake) else snake


def struct_name(item: Item) -> str:
    """A struct's name without interface and brackets."""
    internal: str = item["internalType"]
    return re.sub(r"^struct (?:.*\.)?|(?:\[\d*\])+$", "", internal)


def _add(known: dict[str, Sequence[Item]], name: str, fields: Sequence[Item]) -> None:
    if known.setdefault(name, fields) != fields:
        raise ValueError(f"{name} is declared twice with different fields: rename one.")


def _add_structs(
    known: dict[str, Sequence[Item]], homes: dict[str, str], fields: Iterable[Item]
) -> None:
    for item in fields:
        if "components" in item:
            name = struct_name(item)
            _add(known, name, item["components"])
            homes[name] = item["internalType"].removeprefix("struct ").partition(".")[0]
            _add_structs(known, homes, item["components"])


def _dataclass(name: str, text: str, fields: Sequence[Item]) -> str:
    lines = [f"    {field_name(item['name'])}: {_type(item)}\n" for item in fields]
    head = f'\n\n@dataclass(frozen=True, slots=True)\nclass {name}:\n    """{text}"""\n'
    return head + ("\n" + "".join(lines) if lines else "")


def _type(item: Item) -> str:
    kind: str = item["type"]
    if kind.endswith("]"):
        element = item | {"type": kind[: kind.rindex("[")]}
        return f"tuple[{_type(element)}, ...]"
    if kind == "tuple":
        name = struct_name(item)
        return _TERMS.get(name, name)
    if kind.startswith("uint"):
        return _IDS.get(field_name(item["name"]), "int")
    if kind.startswith("bytes"):
        return "bytes"
    return {"address": "ChecksumAddress", "bool": "bool", "string": "str"}[kind]
