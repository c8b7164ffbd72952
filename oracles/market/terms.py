"""The buyer's terms as a TOML file: what is fixed for ever can be read and reviewed first."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from oracles.chain.codec import GWEI, PPB, WAD, DstTerms, Durations, Terms, WeightTerms
from oracles.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = ("power", "sqrt", "log1p")


def load_terms(path: Path) -> Terms:
    """Read terms.

    Shares and exponents are decimals or fractions ("0.75", "1/3"), amounts whole token units, times
    seconds. `docs/buyers.md` has a commented example.

    Raises:
        InputError: unreadable, a field is missing, unknown, or out of range.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the terms {path}: {error}") from error
    try:
        return _terms(content)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: {error!r} is missing, unknown or no number") from error


def _terms(content: dict[str, Any]) -> Terms:
    weights = content.pop("weights", {})
    durations = content.pop("durations")
    dst = content.pop("dst", {})
    terms = Terms(
        token=content.pop("token"),
        budget=int(content.pop("budget")),
        pool=int(content.pop("pool", 0)),
        rho=_scaled(content.pop("rho", "1"), PPB),
        tranche=_scaled(content.pop("tranche", "0"), PPB),
        weights=WeightTerms(
            FAMILIES.index(weights.pop("family", "power")),
            _scaled(weights.pop("eta", "1"), WAD),
            _scaled(weights.pop("kappa", "0"), WAD),
            _scaled(weights.pop("gamma", "1"), WAD),
        ),
        bond_gwei=_whole_gwei(int(content.pop("bond_wei"))),
        max_bids=int(content.pop("max_bids", 10_000)),
        enrolment=bool(content.pop("enrolment", False)),
        operator_set=int(content.pop("operator_set")),
        metric_version=_bytes32(content.pop("metric_version")),
        evaluation=_bytes32(content.pop("evaluation")),
        durations=Durations(*(int(durations.pop(field.name)) for field in fields(Durations))),
        dst=DstTerms(
            int(dst.pop("supply", 0)),
            int(dst.pop("floor", 0)),
            int(dst.pop("cap", 0)),
            _scaled(dst.pop("volume_weight", "0"), PPB),
            _scaled(dst.pop("quality_weight", "0"), PPB),
            _scaled(dst.pop("impact_weight", "0"), PPB),
        ),
    )
    for left in (content, weights, durations, dst):
        if left:
            raise KeyError(next(iter(left)))
    return terms


def _scaled(value: str | int, unit: int) -> int:
    scaled = Fraction(str(value)) * unit
    if scaled.denominator != 1:
        raise ValueError(f"{value} is finer than 1/{unit}")
    return scaled.numerator


def _whole_gwei(wei: int) -> int:
    if wei % GWEI:
        raise ValueError(f"a bond is a whole number of gwei, not {wei} wei")
    return wei // GWEI


def _bytes32(text: str) -> bytes:
    value = bytes.fromhex(text.removeprefix("0x"))
    if len(value) != 32:
        raise ValueError(f"{text} is not 32 bytes")
    return value
