"""`qmia mechanism`: clear a case, weigh a provider, share DST; exact, and without a chain."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from oracles.cli.output import print_json, stdout
from oracles.errors import InputError
from oracles.mechanism import (
    ClearingCase,
    Family,
    WeightRule,
    allocate,
    dump_clearing,
    load_case,
    parse_clearing,
    parse_dst,
    weights,
)

if TYPE_CHECKING:
    from oracles.mechanism import Clearing

app = typer.Typer(no_args_is_help=True, help=__doc__)

CaseArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON file of one case, or - for standard input.")
]
JsonOrTable = Annotated[
    bool, typer.Option("--json/--table", help="JSON (the default) or a table for people.")
]


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}; give a JSON file or -") from error


@app.command("clear")
def clear_(file: CaseArgument, json: JsonOrTable = True) -> None:
    """Clear one case: winners, exact prices, rewards, cash and MUT face value."""
    case = parse_clearing(load_case(_read(file)))
    clearing = case.clear()
    if json:
        print_json(dump_clearing(clearing))
    else:
        _print_clearing(case, clearing)


def _print_clearing(case: ClearingCase, clearing: Clearing) -> None:
    prices = ", ".join(
        f"{name} {'-' if clock.price is None else clock.price}"
        for name, clock in clearing.clocks.items()
    )
    table = Table(title=f"β = {clearing.beta}; price per unit of weight: {prices}")
    for column in ("bid", "cost", "weight", "flagged", "reward", "cash", "MUT face"):
        table.add_column(column, justify="right")
    for bid in sorted(case.bids, key=lambda bid: (bid.index not in clearing.reward, bid.index)):
        table.add_row(
            str(bid.index),
            str(bid.cost),
            str(bid.weight),
            "yes" if bid.flagged else "",
            *(
                str(amounts.get(bid.index, ""))
                for amounts in (clearing.reward, clearing.cash, clearing.face)
            ),
        )
    stdout.print(table)


@app.command()
def dst(file: CaseArgument, json: JsonOrTable = True) -> None:
    """Share a DST supply by score, with a floor and a cap."""
    case = parse_dst(load_case(_read(file)))
    shares = allocate(case.scores, supply=case.supply, floor=case.floor, cap=case.cap).shares
    if json:
        print_json({"shares": [str(share) for share in shares]})
        return
    table = Table("provider", "score", "share", title=f"DST supply {case.supply}")
    for i, (score, share) in enumerate(zip(case.scores, shares, strict=True)):
        table.add_row(str(i), str(score), str(share))
    stdout.print(table)


@app.command("weights")
def weights_(
    q: Annotated[str, typer.Argument(help="Quality, a decimal in 0..1.")],
    phi: Annotated[str, typer.Argument(help="Marginal utility, a decimal in 0..1.")],
    family: Annotated[str, typer.Option(help="power, sqrt or log1p.")] = "power",
    eta: Annotated[str, typer.Option(help="η, a decimal.")] = "1",
    gamma: Annotated[str, typer.Option(help="γ, a decimal.")] = "1",
    kappa: Annotated[str, typer.Option(help="κ, a decimal.")] = "0",
    json: JsonOrTable = True,
) -> None:
    """Weight of a provider, as the contract computes it (WAD: 1e18 is 1)."""
    names = [member.name.lower() for member in Family]
    if family not in names:
        raise InputError(f"family {family!r} is unknown; choose one of {', '.join(names)}")
    rule = WeightRule(
        Family[family.upper()],
        _scaled("η", eta, weights.WAD),
        _scaled("γ", gamma, weights.WAD),
        _scaled("κ", kappa, weights.WAD),
    )
    weight = rule.weight(_scaled("q", q, weights.GRID), _scaled("φ", phi, weights.GRID))
    if json:
        print_json({"weight": str(weight)})
    else:
        stdout.print(f"{weight} ({weight / weights.WAD:.6f})", highlight=False)


def _scaled(name: str, text: str, one: int) -> int:
    """A decimal as an integer number of 1/`one`."""
    try:
        value = Fraction(text) * one
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"{name} = {text!r} is not a decimal number") from error
    if value.denominator != 1:
        raise InputError(f"{name} = {text} is finer than the grid; the smallest step is 1/{one}")
    return int(value)
