"""`qmia mechanism`: clear a case, weigh a provider, share DST; exact, and without a chain."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from oracles.cli.output import print_json, stderr, stdout
from oracles.errors import InputError
from oracles.mechanism import (
    ClearingCase,
    Family,
    WeightRule,
    advise,
    allocate,
    certify,
    discounted_rate,
    dump_clearing,
    load_case,
    paper,
    parse_clearing,
    parse_dst,
    weights,
)
from oracles.mechanism.codec import dump_fraction
from oracles.mechanism.failures import survey

if TYPE_CHECKING:
    from oracles.mechanism import Clearing

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

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
    for column in ("bid", "cost", "weight", "flagged", "reward", "cash", "MUT"):
        table.add_column(column, justify="right")
    for bid in sorted(case.bids, key=lambda bid: (bid.index not in clearing.reward, bid.index)):
        table.add_row(
            str(bid.index),
            str(bid.cost),
            str(bid.weight),
            "yes" if bid.flagged else "",
            *(
                str(amounts.get(bid.index, ""))
                for amounts in (clearing.reward, clearing.cash, clearing.mut)
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
    """Print a provider's weight as the contract computes it, in units of 1e-18."""
    names = [member.name.lower() for member in Family]
    if family not in names:
        raise InputError(f"family {family!r} is unknown; choose one of {', '.join(names)}")
    rule = WeightRule(
        Family[family.upper()],
        eta=_scaled("η", eta, weights.WAD),
        gamma=_scaled("γ", gamma, weights.WAD),
        kappa=_scaled("κ", kappa, weights.WAD),
    )
    scores = _scaled("q", q, weights.GRID), _scaled("φ", phi, weights.GRID)
    if not all(0 <= score <= weights.GRID for score in scores):
        raise InputError(f"q = {q} and φ = {phi} must be in 0..1")
    weight = rule.weight(*scores)
    if json:
        print_json({"weight": str(weight)})
    else:
        stdout.print(f"{weight} ({weight / weights.WAD:.6f})", highlight=False)


@app.command("certify")
def certify_(file: CaseArgument, json: JsonOrTable = True) -> None:
    """Compare the weight bought with a lower bound: W_S against (FOPT − max w)/2."""
    case = parse_clearing(load_case(_read(file)))
    clearing = case.clear()
    certificate = certify(case.bids, clearing.winners, beta=clearing.beta)
    if json:
        print_json(
            {
                "weight": str(certificate.weight),
                "optimum": dump_fraction(certificate.optimum),
                "bound": dump_fraction(certificate.bound),
                "holds": certificate.holds,
            }
        )
    else:
        verdict = "holds" if certificate.holds else "fails"
        stdout.print(
            f"W_S = {certificate.weight}, {float(certificate.share):.1%} of the fractional "
            f"optimum; bound {float(certificate.bound):.6g}: {verdict}",
            highlight=False,
        )
    # Only a split spends where weight is dearer, on purpose; else a failure is a defect.
    if not certificate.holds and not clearing.split:
        raise typer.Exit(1)


@app.command("literal")
def literal(file: CaseArgument, json: JsonOrTable = True) -> None:
    """Print what the paper's Algorithm 1 would have paid, taken literally; it settles nothing."""
    case = parse_clearing(load_case(_read(file)))
    outcome = paper.algorithm_1(case.bids, budget=case.budget)
    if json:
        print_json(
            {
                "winners": list(outcome.winners),
                "critical": {
                    str(index): dump_fraction(payment)
                    for index, payment in sorted(outcome.payments.items())
                },
                "overspends": outcome.overspends,
            }
        )
        return
    table = Table("bid", "critical payment", title=f"Algorithm 1, budget {outcome.budget}")
    for index, payment in outcome.payments.items():
        table.add_row(str(index), str(payment))
    table.add_section()
    table.add_row("sum", f"{outcome.total}{' (overspends)' if outcome.overspends else ''}")
    stdout.print(table)


@app.command("advise")
def advise_(
    cost: Annotated[int, typer.Argument(help="Your true cost, token units.")],
    rho: Annotated[str, typer.Option(help="ρ, share paid in cash, a decimal in 0..1.")],
    discount: Annotated[
        str, typer.Option(help="δ: a MUT unit is worth 1 − δ to you, a decimal in 0..1.")
    ],
    json: JsonOrTable = False,
) -> None:
    """Say what to bid when a revenue share is worth less than its face value to you."""
    rate = discounted_rate(_decimal("ρ", rho), _decimal("δ", discount))
    advice = advise(cost, rate)
    if json:
        print_json(
            {
                "rate": dump_fraction(advice.rate),
                "bid": None if advice.bid is None else str(advice.bid),
                "loss_if_truthful": str(advice.loss_if_truthful),
            }
        )
    else:
        stdout.print(str(advice), highlight=False)


@app.command("paper-failures")
def paper_failures(
    instances: Annotated[int, typer.Option(min=1, help="Random instances to try.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the instances.")] = 1,
    json: Annotated[bool, typer.Option("--json/--table")] = False,
) -> None:
    """Count how often each rule breaks truthfulness, individual rationality and the budget."""
    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("instances", total=instances)
        tallies = survey(instances, seed, progress=lambda: progress.advance(task))
    if json:
        print_json(
            [
                {
                    "rule": tally.rule,
                    "instances": tally.instances,
                    "dsic_violations": tally.dsic,
                    "ir_violations": tally.ir,
                    "budget_violations": tally.budget,
                    "worst_spending": float(tally.worst),
                }
                for tally in tallies
            ]
        )
        return
    table = Table(title=f"{instances} instances, 1 to 5 bidders, every half-unit deviation")
    for column in ("rule", "not truthful", "paid below cost", "overspends", "worst spending"):
        table.add_column(column, justify="left" if column == "rule" else "right")
    for tally in tallies:
        shares = (tally.dsic, tally.ir, tally.budget)
        percent = (f"{count / tally.instances:.0%}" for count in shares)
        table.add_row(tally.rule, *percent, f"{float(tally.worst):.2f} × budget")
    stdout.print(table)


def _decimal(name: str, text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"{name} = {text!r} is not a decimal number") from error


def _scaled(name: str, text: str, one: int) -> int:
    """A decimal as an integer number of 1/`one`."""
    value = _decimal(name, text) * one
    if value.denominator != 1:
        raise InputError(f"{name} = {text} is finer than the grid; the smallest step is 1/{one}")
    return int(value)
