"""Amounts as people write them, and as contracts count them.

Contracts count whole numbers of a currency's smallest unit. People write `450 USDC` or
`0.01 ether`. Nothing here rounds: an amount that the currency cannot hold exactly is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from oracles.errors import InputError

_AMOUNT: Final = re.compile(r"(?P<number>\d[\d_]*(?:\.\d+)?)\s*(?P<unit>[\w$.+-]+)?", re.ASCII)
#: Where a point stands between thousands this is a thousand times as much.
_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2}\.\d\d0", re.ASCII)
_SYMBOL: Final = re.compile(r"[\w$.+-]{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Currency:
    """What an amount is counted in.

    Attributes:
        symbol: name that people use, such as `USDC`.
        decimals: decimal places of one whole coin.
        smaller: further units by name (lower case), each with its decimal places.
    """

    symbol: str
    decimals: int
    smaller: tuple[tuple[str, int], ...] = ()

    def parse(self, text: str) -> int:
        """Number of smallest units that a person's text stands for.

        A bare whole number counts smallest units, as contracts do. With a unit the number may have
        decimals: `450 USDC`, `0.01 ether`, `5 gwei`, `1_000 units`.

        Raises:
            InputError: no amount, negative, in another currency, or finer than the currency; or
                `1.500`, which is a thousand times as much in half of the world.

        >>> Currency("USDC", 6).parse("450.5 USDC")
        450500000
        """
        found = _AMOUNT.fullmatch(text.strip())
        if found is None:
            raise InputError(f"{text!r} is no amount; write {self._examples()}")
        number, unit = found["number"].replace("_", ""), found["unit"]
        if unit is None and "." in number:
            raise InputError(f"{text!r} names no unit; write {number} {self.symbol}")
        if _THOUSANDS.fullmatch(number):
            whole, decimals = number.replace(".", ""), number.rstrip("0").rstrip(".")
            raise InputError(f"{text!r} can be read in two ways; write {whole} or {decimals}")
        units = Fraction(number) * Fraction(10) ** self._decimals(unit)
        if units.denominator != 1:
            raise InputError(f"{text!r} is finer than the smallest unit: {self._smallest()}")
        return units.numerator

    def format(self, amount: int) -> str:
        """An amount in whole coins, exactly, with its symbol and with commas between thousands.

        >>> Currency("USDC", 6).format(1450500000)
        '1,450.5 USDC'
        """
        whole, rest = divmod(abs(amount), 10**self.decimals)
        decimals = str(rest).zfill(self.decimals).rstrip("0") if rest else ""
        sign = "-" if amount < 0 else ""
        return f"{sign}{whole:,}{'.' if decimals else ''}{decimals} {self.symbol}"

    def _decimals(self, unit: str | None) -> int:
        if unit is None or unit.lower() in ("unit", "units"):
            return 0
        if unit.lower() == self.symbol.lower():
            return self.decimals
        for name, decimals in self.smaller:
            if unit.lower() == name:
                return decimals
        raise InputError(f"amounts are in {self.symbol} here, not in {unit}")

    def _smallest(self) -> str:
        return f"{self.symbol} has {self.decimals} decimal places"

    def _examples(self) -> str:
        return f"`12.5 {self.symbol}`, or a whole number of the smallest unit"


#: Participation tokens of any auction (DstToken).
DST: Final = Currency("DST", 18)
#: The chain's own coin: bonds, bounties and fees are paid in it.
ETHER: Final = Currency("ETH", 18, (("ether", 18), ("gwei", 9), ("wei", 0)))


def token_currency(symbol: str, decimals: int, address: str) -> Currency:
    """The currency of a token, by what the token says of itself.

    A symbol that is empty, or holds more than printable letters, digits and common signs, could
    deceive who reads it; the token's address stands in its place.

    Args:
        symbol: what the token answers.
        decimals: 0 to 255, what the token answers.
        address: of the token.
    """
    plain = _SYMBOL.fullmatch(symbol)
    if plain is None or symbol.lower() in ("eth", "ether", "gwei", "wei", "unit", "units"):
        symbol = address
    return Currency(symbol, decimals)
