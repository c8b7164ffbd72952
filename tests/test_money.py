"""Amounts: what a person types is what the contract counts, to the last unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.errors import InputError
from oracles.money import ETHER, Currency, token_currency

DOLLAR = Currency("USDC", 6)
currencies = st.builds(Currency, st.just("TOK"), st.integers(0, 36))


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("450 USDC", 450_000_000),
        ("450.000001usdc", 450_000_001),
        ("1_000", 1_000),
        ("7 units", 7),
        ("0 USDC", 0),
        (" 12 ", 12),
    ],
)
def test_parse__as_people_write_it__counts_smallest_units(text: str, units: int) -> None:
    assert DOLLAR.parse(text) == units


@pytest.mark.parametrize(
    ("text", "units"), [("0.01 ether", 10**16), ("5 gwei", 5 * 10**9), ("2 ETH", 2 * 10**18)]
)
def test_parse__coin_of_the_chain__knows_its_units(text: str, units: int) -> None:
    assert ETHER.parse(text) == units


@pytest.mark.parametrize(
    "text",
    ["", "-5", "-5 USDC", "1.5", "0.0000001 USDC", "5 EUR", "1,000 USDC", "1e3", "٣", "five"],
)
def test_parse__doubtful__is_refused(text: str) -> None:
    with pytest.raises(InputError):
        DOLLAR.parse(text)


def test_parse__number_with_a_comma_or_an_exponent__is_not_taken_for_a_currency() -> None:
    for text in ("4,50 USDC", "1e400 USDC", "450 000 USDC"):
        with pytest.raises(InputError, match="is no amount"):
            DOLLAR.parse(text)
    assert Currency("1INCH", 18).parse("2 1inch") == 2 * 10**18


@pytest.mark.parametrize("text", ["1.500 USDC", "450.000 USDC", "20.000usdc"])
def test_parse__a_point_that_may_stand_between_thousands__is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"in two ways; write (1500 or 1\.5|450000 or 450|20000)"):
        DOLLAR.parse(text)
    assert DOLLAR.parse("0.500 USDC") == 500_000
    assert DOLLAR.parse("1.2500 USDC") == 1_250_000


@given(currencies, st.integers(0, 2**128))
def test_format__read_back__is_the_same_amount(currency: Currency, amount: int) -> None:
    assert currency.parse(currency.format(amount).replace(",", "")) == amount


def test_format__thousands_and_decimals__are_legible() -> None:
    assert DOLLAR.format(1_234_567_890_000) == "1,234,567.89 USDC"
    assert DOLLAR.format(-1) == "-0.000001 USDC"
    assert Currency("X", 0).format(5) == "5 X"


@pytest.mark.parametrize("symbol", ["", "US DC", "ЕTH", "x" * 40, "ether", "\x1b[31m"])
def test_token_currency__symbol_that_could_deceive__is_replaced_by_the_address(symbol: str) -> None:
    assert token_currency(symbol, 6, "0xabc").symbol == "0xabc"


def test_token_currency__plain_symbol__is_kept() -> None:
    assert token_currency("USDT.e", 6, "0xabc") == Currency("USDT.e", 6)
