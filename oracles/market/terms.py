"""The buyer's terms as a TOML file: what can never be changed is read and reviewed first."""

from __future__ import annotations

import difflib
import tomllib
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from eth_utils.address import is_hex_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from oracles.chain.terms import (
    GWEI,
    PPB,
    WAD,
    DstTerms,
    Durations,
    ScoringTerms,
    Terms,
    WeightTerms,
)
from oracles.errors import InputError
from oracles.money import DST, ETHER, Currency
from oracles.when import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Family = Literal["power", "sqrt", "log1p"]


def _scaled(unit: int, value: object) -> int:
    """A decimal or a fraction ("0.75", "3/4") as a whole number of 1/unit."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError('write it as "3/4" or "0.75"')
    try:
        # A TOML float is taken by its text: 0.1 is a tenth.
        scaled = Fraction(str(value)) * unit
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{value!r} is no number") from error
    if scaled.denominator != 1:
        raise ValueError(f"{value} is finer than 1/{unit:,}")
    if scaled < 0:
        raise ValueError(f"{value} is negative")
    return scaled.numerator


def _share(value: object) -> int:
    share = _scaled(PPB, value)
    if share > PPB:
        raise ValueError(f"{value} is more than 1")
    return share


def _wad(value: object) -> int:
    return _scaled(WAD, value)


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f'{value!r} is no length of time: write seconds, or "90 min", "7 d"')
    try:
        return duration(str(value))
    except InputError as error:
        raise ValueError(str(error)) from error


def _written(value: object) -> str:
    """An amount as it stands in the file; it is understood once the currency is known."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f'{value!r} is no amount: write "450 USDC", or a whole number of units')
    return str(value)


def _amount(currency: Currency, value: str | int, bits: int) -> int:
    try:
        amount = currency.parse(str(value))
    except InputError as error:
        raise ValueError(str(error)) from error
    if amount >> bits:
        raise ValueError(f"{value!r} is too much: {currency.format((1 << bits) - 1)} at most")
    return amount


def _gwei(value: str | int) -> int:
    wei = _amount(ETHER, value, 128)
    if wei % GWEI:
        raise ValueError(f"this is a whole number of gwei, not {wei} wei")
    if (gwei := wei // GWEI) >> 40:
        raise ValueError(f"{value!r} is too much: {ETHER.format(GWEI << 40)} does not fit")
    return gwei


def _address(text: str) -> str:
    if not is_hex_address(text):
        raise ValueError(f"{text!r} is no address: 0x and 40 hexadecimal digits are needed")
    address = to_checksum_address(text)
    if text != address and text.removeprefix("0x").lower() != text.removeprefix("0x"):
        raise ValueError(f"{text} has a wrong checksum, so a digit is wrong; copy it again")
    return address


def _bytes32(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no text: write 0x and 64 hexadecimal digits")
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise ValueError(f"{text!r} is not hexadecimal") from error
    if len(value) != 32:
        raise ValueError(f"{text} has {len(value)} bytes, not 32")
    return value


Written = Annotated[str, BeforeValidator(_written)]
Share = Annotated[int, BeforeValidator(_share)]
Wad = Annotated[int, BeforeValidator(_wad), Field(lt=1 << 64)]
Seconds = Annotated[int, BeforeValidator(_seconds), Field(lt=1 << 32)]
Bytes32 = Annotated[bytes, BeforeValidator(_bytes32)]
Gwei = Annotated[int, BeforeValidator(_gwei)]
Quality = Annotated[int, BeforeValidator(lambda value: _scaled(10_000, value)), Field(le=10_000)]
DstAmount = Annotated[int, BeforeValidator(lambda value: _amount(DST, value, 96))]


class _Section(BaseModel):
    # Strict: `true` is no number, and no text is taken for one where the page shows a bare number.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Weights(_Section):
    family: Family = "power"
    eta: Wad = WAD
    kappa: Wad = 0
    gamma: Wad = WAD


class _Durations(_Section):
    commit: Seconds
    open: Seconds = 0
    roll: Seconds
    score_commit: Seconds
    score_open: Seconds
    score_post: Seconds
    challenge: Seconds = 0
    reveal: Seconds
    settle: Seconds
    fetch: Seconds
    deliver: Seconds
    dispute: Seconds


class _Scoring(_Section):
    operator_set: Annotated[int, Field(gt=0, lt=1 << 32)]
    samples: Annotated[int, Field(ge=0, le=2048)] = 64
    q_min: Quality = 1000
    stake: Gwei
    fee: Gwei
    entry_fee: Gwei
    appeal_fee: Gwei = 0
    fetch_fee: Gwei = 0
    metric_version: Bytes32
    evaluation: Bytes32


class _Dst(_Section):
    supply: DstAmount = 0
    floor: DstAmount = 0
    cap: DstAmount = 0
    volume_weight: Share = 0
    quality_weight: Share = 0
    impact_weight: Share = 0


class _TermsFile(_Section):
    token: Annotated[str, AfterValidator(_address)]
    budget: Written
    pool: Written = "0"
    rho: Share = PPB
    tranche: Share = 0
    bond: Gwei
    max_bids: Annotated[int, Field(gt=0, lt=1 << 32)] = 10_000
    enrolment: bool = False
    #: SHA-256 of a contract text; zero for none.
    agreement: Bytes32 = bytes(32)
    scoring: _Scoring
    weights: _Weights = _Weights()
    durations: _Durations
    dst: _Dst = _Dst()


def load_terms(path: Path, currency: Callable[[str], Currency]) -> Terms:
    """Read terms.

    Shares and exponents are decimals or fractions ("0.75", "1/3"); amounts are `"450 USDC"` or
    whole numbers of the token's smallest unit; times are seconds or `"7 d"`, `"12 h"`, `"90 min"`.
    `docs/buyers.md` has a commented example.

    Args:
        path: TOML file.
        currency: the currency of the token at an address.

    Raises:
        InputError: unreadable, or a field is missing, unknown or out of range; all such fields are
            named.

    Example:
        >>> import qmia
        >>> from pathlib import Path
        >>> currency = qmia.currencies(qmia.connect(["http://127.0.0.1:8545"]))
        >>> terms = qmia.load_terms(Path("terms.toml"), currency)
    """
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the terms {path}: {error}") from error
    try:
        file = _TermsFile.model_validate(content)
        token = currency(file.token)
        return Terms(
            token=file.token,
            budget=_amount(token, file.budget, 80),
            pool=_amount(token, file.pool, 80),
            rho=file.rho,
            tranche=file.tranche,
            weights=WeightTerms(
                get_args(Family).index(file.weights.family),
                file.weights.eta,
                file.weights.kappa,
                file.weights.gamma,
            ),
            bond_gwei=file.bond,
            max_bids=file.max_bids,
            enrolment=file.enrolment,
            agreement=file.agreement,
            scoring=ScoringTerms(
                operator_set=file.scoring.operator_set,
                samples=file.scoring.samples,
                q_min=file.scoring.q_min,
                stake_gwei=file.scoring.stake,
                fee_gwei=file.scoring.fee,
                entry_fee_gwei=file.scoring.entry_fee,
                appeal_fee_gwei=file.scoring.appeal_fee,
                fetch_fee_gwei=file.scoring.fetch_fee,
                metric_version=file.scoring.metric_version,
                evaluation=file.scoring.evaluation,
            ),
            durations=Durations(**file.durations.model_dump()),
            dst=DstTerms(**file.dst.model_dump()),
        )
    except ValidationError as error:
        raise InputError(f"{path}: {'; '.join(map(_sentence, error.errors()))}") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _sentence(problem: Any) -> str:
    """One of pydantic's findings as a person would say it."""
    *parents, name = (str(part) for part in problem["loc"])
    where = ".".join((*parents, name))
    if problem["type"] == "missing":
        return f"{where} is missing"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, _names(parents), n=1)
        return f"{where} is unknown" + (f"; did you mean {near[0]}?" if near else "")
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"


def _names(parents: list[str]) -> list[str]:
    section: Any = _TermsFile
    for parent in parents:
        section = section.model_fields[parent].annotation
    return list(section.model_fields)
