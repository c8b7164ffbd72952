"""What a usage log holds: CloudEvents 1.0, exact amounts, and prices by version.

An amount is an integer in millionths of the settlement token's smallest unit, so that the price of
one token of text is exact. Amounts and prices are written as decimal text, since tokens with 18
decimals need more digits than a number in JSON keeps. Money moves in whole units; what is left over
is carried to the next period. No prompt, no answer and no name is in an event: a customer is a
salted hash.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import rfc8785

from oracles.dataset.merkle import keccak
from oracles.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Millionths of the smallest unit.
MICRO: Final = 10**6
_PREFIX: Final = "org.qmia."
Kind = Literal["prices", "usage", "correction", "licence"]
KINDS: Final[frozenset[str]] = frozenset({"prices", "usage", "correction", "licence"})
#: How tokens were counted: the server's word, held against our own count; or our own count.
Basis = Literal["usage", "counted"]
#: Of a price, in smallest units for a million tokens.
_LARGEST: Final = 10**30
_DECIMAL: Final = re.compile("0|-?[1-9][0-9]{0,59}")
#: Bytes of an entry.
LONGEST: Final = 1 << 20


def decimal(value: object) -> int:
    """An integer from its one decimal spelling.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError(f"{value!r} is no whole number in decimal digits")
    return int(value)


@dataclass(frozen=True, slots=True)
class Usage:
    """One answer, before it is priced.

    Attributes:
        model: that answered.
        customer: hash of who asked.
        tokens_in, tokens_out: counted.
        basis: whose count it is.
        complete: whether the whole answer left.
    """

    model: str
    customer: str
    tokens_in: int
    tokens_out: int
    basis: Basis
    complete: bool

    def priced(self, prices: Prices) -> dict[str, Any]:
        """An event's data, under the price list in force."""
        # Spelled out: `asdict` copies, and takes longer than all the rest.
        return {
            "model": self.model,
            "customer": self.customer,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "basis": self.basis,
            "complete": self.complete,
            "prices": prices.digest.hex(),
            "amount": str(prices.amount(self.model, self.tokens_in, self.tokens_out)),
        }


@dataclass(frozen=True, slots=True)
class Prices:
    """One version of the price list.

    Attributes:
        models: by model, the price of a million tokens in and out, in smallest units.
        digest: keccak256 of its canonical JSON, 32 bytes; every answer names it.
    """

    models: Mapping[str, tuple[int, int]]
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("the price list names no model")
        for model, prices in self.models.items():
            if not all(type(p) is int and 0 <= p <= _LARGEST for p in prices):
                raise InputError(f"the prices of {model!r} must be integers from 0 to 10^30")
        object.__setattr__(self, "digest", keccak(rfc8785.dumps(self.plain())))

    @classmethod
    def read(cls, text: str) -> Prices:
        """From TOML: a table for each model with `in` and `out`, per million tokens.

        Raises:
            InputError: it is not that.
        """
        import tomllib

        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"the price list is not TOML: {error}") from error
        models = {}
        for model, prices in content.items():
            if not isinstance(prices, dict) or prices.keys() != {"in", "out"}:
                raise InputError(f"the price list needs `in` and `out`, and no more, of {model!r}")
            models[model] = (prices["in"], prices["out"])
        return cls(models)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Prices:
        """From an event's data.

        Raises:
            IntegrityError: it is no price list.
        """
        try:
            return cls(
                {n: (decimal(p["in"]), decimal(p["out"])) for n, p in data["models"].items()}
            )
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"not a price list: {error}") from error

    def plain(self) -> dict[str, Any]:
        """As an event's data."""
        models = {name: {"in": str(i), "out": str(o)} for name, (i, o) in self.models.items()}
        return {"models": models}

    def check_next(self, after: Prices) -> None:
        """Refuse a list that cannot follow this one.

        Answers that are under way when a list changes are priced by the new one, so it must name
        every model that may be answering.

        Raises:
            InputError: it leaves a model out.
        """
        if gone := sorted(self.models.keys() - after.models.keys()):
            raise InputError(
                f"the new price list leaves out {', '.join(gone)}: a model stays on the list, and"
                " is retired by no longer serving it"
            )

    def amount(self, model: str, tokens_in: int, tokens_out: int) -> int:
        """Price of one answer in millionths of the smallest unit.

        Raises:
            InputError: the list does not name the model.
        """
        if model not in self.models:
            raise InputError(f"the price list does not name the model {model!r}")
        price_in, price_out = self.models[model]
        # A price per million tokens, in units, is one per token in millionths.
        return tokens_in * price_in + tokens_out * price_out


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the log.

    Attributes:
        sequence: place in the log, from 0, without gaps; CloudEvents' `id`.
        source: the log's origin.
        time: unix milliseconds by the meter's clock, never before the entry before it.
        kind: what happened.
        data: of the kind, as `oracles.meter.log` writes it.
    """

    sequence: int
    source: str
    time: int
    kind: Kind
    data: Mapping[str, Any]

    @property
    def amount(self) -> int:
        """What it adds to revenue, in millionths of the smallest unit."""
        return decimal(self.data.get("amount", "0"))

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785), without a line end."""
        value: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(self.sequence),
            "source": self.source,
            "type": _PREFIX + self.kind,
            "time": _moment(self.time),
            "data": dict(self.data),
        }
        if all(map(_plain, self.data.items())):
            # Of such values the standard library writes the same bytes, five times as fast.
            with contextlib.suppress(UnicodeEncodeError):
                return _ENCODER.encode(value).encode()
        return rfc8785.dumps(value)

    @classmethod
    def decode(cls, line: bytes) -> Event:
        """From its canonical JSON.

        Raises:
            IntegrityError: it is no event, or not in its canonical form.
        """
        try:
            value = json.loads(line)
            kind = value["type"].removeprefix(_PREFIX)
            if kind not in KINDS or value["specversion"] != "1.0":
                raise ValueError(f"its type is {value['type']!r}")
            event = cls(
                int(value["id"]), value["source"], _milliseconds(value["time"]), kind, value["data"]
            )
            if not isinstance(event.data, dict):
                raise ValueError("its data are no object")
            decimal(event.data.get("amount", "0"))
            if event.encode() != line:
                raise ValueError("not in canonical form")
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise IntegrityError(f"the log holds something that is no event: {error}") from error
        return event


def customer_hash(salt: bytes, credential: str) -> str:
    """Who asked, so that the same customer is seen as one and nobody learns who: 32 digits."""
    return keccak(b"qmia/customer" + salt + credential.encode())[:16].hex()


def period_revenue(carried: int, amounts: int) -> tuple[int, int]:
    """Whole units that a period pays, and what it carries on.

    Corrections may be larger than a period's usage: revenue is never below 0, the rest is carried.

    Args:
        carried: millionths that the period before left over; negative after large corrections.
        amounts: sum over the period's events, in millionths.
    """
    total = carried + amounts
    whole = max(0, total) // MICRO
    return whole, total - whole * MICRO


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True
)
#: From here on a number in JSON is not exact for everybody.
_INEXACT: Final = 1 << 53


def _plain(item: tuple[str, Any]) -> bool:
    """Whether a name is ASCII and its value text, a truth value, or an exact integer."""
    name, value = item
    kind = type(value)
    exact = kind is str or kind is bool or (kind is int and -_INEXACT < value < _INEXACT)
    return exact and type(name) is str and name.isascii()


def _moment(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{_second(whole)}.{rest:03}Z"


@lru_cache(maxsize=64)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _milliseconds(moment: str) -> int:
    found = datetime.fromisoformat(moment)
    if found.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return round(found.timestamp() * 1000)
