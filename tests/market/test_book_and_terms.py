"""The bid book and the terms file: what is on disk, and what is refused."""

from __future__ import annotations

import stat
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import pytest

from oracles.chain.packing import check_salt, new_salt
from oracles.errors import ConfigError, InputError
from oracles.market.book import BidBook, BidRecord
from oracles.market.terms import load_terms
from oracles.money import Currency

if TYPE_CHECKING:
    from pathlib import Path

RECORD = BidRecord(
    chain_id=1,
    contract="0x" + "11" * 20,
    auction=3,
    owner="0x" + "22" * 20,
    payer="0x" + "22" * 20,
    cost=2**70,
    salt=bytes(range(32)),
    data_key=bytes(range(32, 64)),
    sealed_bid=bytes(range(64, 96)),
    manifest="bafk",
    archive="bafk2",
    content_digest=bytes(32),
    size=7,
    agreement=bytes(32),
    samples=64,
)

DOLLAR = Currency("USDC", 6)

TERMS = """
token = "0x1111111111111111111111111111111111111111"
budget = 450_000_000
pool = 150_000_000
rho = "3/4"
tranche = "0.1"
bond = "0.01 ether"
agreement = "0x{0}"
[scoring]
operator_set = 1
samples = 32
q_min = "0.2"
stake = "1 ether"
fee = "0.3 ether"
entry_fee = "0.001 ether"
fetch_fee = "0.002 ether"
metric_version = "0x{0}"
evaluation = "0x{0}"
[weights]
family = "power"
kappa = "0.05"
gamma = "1/2"
[durations]
commit = 1
open = 2
roll = 3
score_commit = 4
score_open = 5
score_post = 6
reveal = 8
settle = 9
fetch = 10
deliver = 11
dispute = 12
""".format("ab" * 32)


def test_book__saved__read_back_by_its_owner_only(tmp_path: Path) -> None:
    book = BidBook(tmp_path / "bids")
    path = book.save(RECORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert book.records(RECORD.contract, 3) == [RECORD]
    assert book.records(RECORD.contract, 4) == []
    assert book.records(RECORD.contract, 3, "0x" + "33" * 20) == []
    placed = book.place(RECORD, 7)
    assert placed == replace(RECORD, index=7)
    assert book.records(RECORD.contract, 3) == [placed]


def test_book__damaged_file__said_and_not_skipped(tmp_path: Path) -> None:
    book = BidBook(tmp_path)
    path = book.save(RECORD)
    path.write_text(path.read_text()[:-30])
    with pytest.raises(ConfigError, match="damaged"):
        book.records(RECORD.contract, 3)


def test_salt__guessable__refused() -> None:
    assert check_salt(new_salt())
    for salt in (b"", bytes(32), b"ab" * 16, new_salt()[:31]):
        with pytest.raises(InputError):
            check_salt(salt)


def test_terms__file__scaled_exactly(tmp_path: Path) -> None:
    path = tmp_path / "terms.toml"
    path.write_text(TERMS)
    terms = load_terms(path, lambda _: DOLLAR)
    assert (terms.rho, terms.tranche) == (750_000_000, 100_000_000)
    assert (terms.weights.kappa, terms.weights.gamma) == (5 * 10**16, 5 * 10**17)
    assert (terms.bond_gwei, terms.max_bids, terms.enrolment) == (10_000_000, 10_000, False)
    assert (terms.budget, terms.pool) == (450_000_000, 150_000_000)
    assert astuple(terms.durations) == (1, 2, 3, 4, 5, 6, 0, 8, 9, 10, 11, 12)
    assert (terms.scoring.q_min, terms.scoring.samples) == (2_000, 32)
    assert (terms.scoring.stake_gwei, terms.fee) == (10**9, 3 * 10**17)
    assert terms.deposit == 11 * 10**15
    assert terms.agreement == bytes.fromhex("ab" * 32)
    assert terms.dst.supply == 0


def test_terms__as_people_write_them__mean_the_same(tmp_path: Path) -> None:
    path = tmp_path / "terms.toml"
    path.write_text(TERMS)
    plain = load_terms(path, lambda _: DOLLAR)
    path.write_text(
        "\ufeff"
        + TERMS.replace("450_000_000", '"450 USDC"')
        .replace("150_000_000", '"150.0 usdc"')
        .replace('"3/4"', "0.75")
        .replace("commit = 1\n", 'commit = "1 s"\n', 1)
    )
    assert load_terms(path, lambda _: DOLLAR) == plain
    path.write_text(TERMS.replace("commit = 1\n", 'commit = "7 d"\n', 1))
    assert load_terms(path, lambda _: DOLLAR).durations.commit == 604_800


def test_terms__several_faults__all_are_named(tmp_path: Path) -> None:
    path = tmp_path / "terms.toml"
    path.write_text(TERMS.replace("budget", "budgett").replace("dispute", "disputte"))
    with pytest.raises(InputError) as refusal:
        load_terms(path, lambda _: DOLLAR)
    said = str(refusal.value)
    assert "budget is missing" in said
    assert "budgett is unknown; did you mean budget?" in said
    assert "durations.dispute is missing" in said
    assert "durations.disputte is unknown; did you mean dispute?" in said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("budget = 450_000_000", "budget = -5"),
        ("budget = 450_000_000", 'budget = "450 EUR"'),
        ('rho = "3/4"', 'rho = "3/0"'),
        ('rho = "3/4"', "rho = 1.5"),
        (
            "0x1111111111111111111111111111111111111111",
            "0xA111111111111111111111111111111111111111",
        ),
        ("0x1111111111111111111111111111111111111111", "0x11"),
        ("commit = 1", 'commit = "1 fortnight"'),
        ("operator_set = 1", "operator_set = 0"),
        ('rho = "3/4"', 'rho = "1/3"'),  # finer than the contract can hold
        ('bond = "0.01 ether"', "bond = 1"),
        ("budget", "bugdet"),
        ('family = "power"', 'family = "cubic"'),
        ("dispute = 12", ""),
        ("samples = 32", "samples = 2049"),
        ('q_min = "0.2"', "q_min = 1.5"),
        ('fee = "0.3 ether"', 'fee = "1 wei"'),
        ("[durations]", "[durations]\nsurprise = 1"),
        ('metric_version = "0xab', 'metric_version = "0x'),
        ("rho =", "rho"),
        # What is neither a number nor an amount is not taken for one.
        ("budget = 450_000_000", "budget = true"),
        ("budget = 450_000_000", "budget = 450.0"),
        ("budget = 450_000_000", 'budget = "4,50 USDC"'),
        ("samples = 32", "samples = true"),
        ("operator_set = 1", "operator_set = true"),
        ("[scoring]", "enrolment = 1\n[scoring]"),
        ("[scoring]", "max_bids = true\n[scoring]"),
    ],
)
def test_terms__something_wrong__refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "terms.toml"
    assert old in TERMS
    path.write_text(TERMS.replace(old, new, 1))
    with pytest.raises(InputError):
        load_terms(path, lambda _: DOLLAR)
