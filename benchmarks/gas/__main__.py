"""Gas of every function, from receipts of a local node under the rules of the main network.

    python -m benchmarks.gas [--json] [--largest 10000] [--appeal 10000] [--write]

Auctions of 10, 100, 1,000 and 10,000 bids go through their whole life under EIP-7825's cap of
16,777,216 gas a transaction; then single auctions with other terms. `--write` puts the tables into
docs/benchmarks.md and the picture into docs/gas-growth.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.gas import peers
from benchmarks.gas.floors import floor
from benchmarks.gas.life import Life, World
from benchmarks.gas.node import ROOT, TX_GAS_CAP, Node
from benchmarks.gas.peer_auctions import FEW
from benchmarks.gas.picture import growth_svg

HALF: Final = Fraction(1, 2)
PAGE: Final = ROOT / "docs" / "benchmarks.md"
PICTURE: Final = ROOT / "docs" / "gas-growth.svg"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: measured, wanted, and the least there could be."""

    step: str
    gas: int
    target: int | None = None
    floor: int | None = None
    peers: str = ""

    @property
    def over(self) -> float | None:
        """Share above the floor."""
        return None if self.floor is None else self.gas / self.floor - 1


def steady(world: World, n: int, figures: list[peers.Figure]) -> list[Row]:
    """Measure each step in auctions of `n` bids, one for each set of terms."""
    cash = world.run(n, step=n)
    mixed = world.run(n, rho=HALF, step=n, dissent="step")
    flagged = world.run(n, tranche=HALF, step=n, dissent="all")
    # A second size, so that what is paid once an auction drops out of the cost of a bid.
    less = n // 2
    cash_less = world.run(less, step=less)
    flagged_less = world.run(less, tranche=HALF, step=less)
    few = world.run(FEW, step=FEW)
    disputed = world.exchange_round(FEW)

    def mean(life: Life, step: str) -> int:
        return round(life.mean(step))

    must = world.arithmetic(n)

    def scores(life: Life, agree: str) -> tuple[int, int]:
        return sum(life.gas["postScores"]) // n, floor("scores") + must[f"scores, {agree}"]

    equal, step, different = (
        scores(cash, "equal"),
        scores(mixed, "step"),
        scores(flagged, "different"),
    )
    roll = sum(cash.gas["callRoll"] + cash.gas["tallyRoll"]) // n
    settled = floor("settle") + must["settle"], floor("settle") + must["settle, tranche"]
    rows = [
        Row("commit", mean(cash, "commit"), 58_000, floor("commit")),
        Row("open", mean(cash, "open"), 32_000, floor("open")),
        Row("roll, a provider", roll),
        Row("scores, a provider, equal", equal[0], 4_000, equal[1]),
        Row("scores, two of five a step off", step[0], 4_000, step[1]),
        Row("scores, all five different", different[0], None, different[1]),
        Row("reveal", mean(cash, "reveal"), 45_000, floor("reveal") + must["reveal"]),
        Row("settle, a bid", cash.marginal(cash_less, "settle, last"), 2_600, settled[0]),
        Row(
            "settle, a bid, tranche",
            flagged.marginal(flagged_less, "settle, last"),
            3_000,
            settled[1],
        ),
        Row(peers.SETTLE_FEW, round(sum(few.gas["settle, last"]) / few.n)),
        Row("deliver", mean(cash, "deliver"), 50_000, floor("deliver")),
        Row("refute", disputed["refute"], 120_000, floor("refute")),
        Row("claim, cash", mean(cash, "claim, cash"), 75_000, floor("claim, cash")),
        Row(
            "claim, cash and bond",
            mean(cash, "claim, all parts"),
            None,
            floor("claim, cash and bond"),
        ),
        Row(
            "claim, cash, MUT and bond",
            max(mixed.gas["claim, all parts"]),
            None,
            floor("claim, cash, MUT and bond"),
        ),
        Row("claim, loser's bond", mean(cash, "claim, loser")),
    ]
    by_name = {row.step: row.gas for row in rows}
    # All that a winner's bid costs whoever pays for it, but for a dispute.
    lived = ("commit", "open", "roll, a provider", "scores, a provider, equal", "reveal")
    shared = sum(by_name[step] for step in (*lived, "settle, a bid", "deliver"))
    rows.append(Row("winner's life, cash", shared + by_name["claim, cash and bond"], 270_000))
    rows.append(Row("winner's life, MUT", shared + by_name["claim, cash, MUT and bond"]))
    return [Row(r.step, r.gas, r.target, r.floor, peers.beside(figures, r.step)) for r in rows]


def limits(life: Life, extra: dict[str, int]) -> dict[str, int]:
    """Most gas of one transaction, by step, over an auction at the maximum and special cases."""
    most = {step: max(values) for step, values in life.gas.items() if values}
    return {step: max(most.get(step, 0), extra.get(step, 0)) for step in most | extra}


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--largest", type=int, default=10_000, help="bids of the largest auction")
    parser.add_argument(
        "--appeal", type=int, default=10_000, help="bids of the auction that is appealed"
    )
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmarks.md and the picture"
    )
    args = parser.parse_args()
    log = Console(stderr=True)
    sizes = [n for n in (10, 100, 1000, 10_000) if n < args.largest] + [args.largest]

    log.print("auctions of other projects …")
    figures = peers.measure(log)
    with Node(base_fee=1) as node:
        world = World(node)
        log.print("one auction of 1,000 bids for each set of terms …")
        rows = steady(world, 1000, figures)
        lives = []
        for n in sizes:

            def told(phase: str, n: int = n) -> None:
                log.print(f"n = {n:,}: {phase}", highlight=False)

            lives.append(
                world.run(
                    n,
                    seed=1,
                    rho=HALF,
                    tranche=HALF,
                    dissent="all",
                    settlers=3,
                    # Large enough for one transaction of the largest auction to show the limit.
                    step=3500 if n > 3500 else max(n // 4, 1),
                    dst=True,
                    progress=told,
                )
            )
    log.print("appeal, disputes and panels of thirteen …")
    with Node(base_fee=1) as node:
        most_operators = World(node, operators=13)
        extra = most_operators.exchange_round(FEW * 3)
        for step, gas in most_operators.appeal_round(args.appeal).items():
            extra[step] = max(gas, extra.get(step, 0))
        extra["postScores, all different"] = most_operators.largest_chunk()
    place = next(i for i, row in enumerate(rows) if row.step == "roll, a provider")
    called = Row(f"roll, a member at {args.appeal:,} bids", extra["callRoll"], 95_000)
    rows.insert(place + 1, called)

    most = limits(lives[-1], extra)
    totals = [{"n": life.n, **{k: sum(v) for k, v in life.gas.items()}} for life in lives]
    peer_lines = peers.cells(figures, {row.step: row.gas for row in rows})
    result: dict[str, Any] = {
        "steps": [asdict(row) for row in rows],
        "peers": [asdict(figure) for figure in figures],
        "totals": totals,
        "largest": most,
        "walked": lives[-1].walked,
        "cap": TX_GAS_CAP,
    }
    if args.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        console = Console()
        tables = (_steps(rows), peers.table(peer_lines), _largest(most), _totals(totals))
        for table in tables:
            console.print(table)
    if args.write:
        PICTURE.write_text(growth_svg(totals))
        _write(rows, peer_lines, most, totals, lives[-1])


def _cells(row: Row) -> list[str]:
    return [
        row.step,
        f"{row.gas:,}",
        f"{row.target:,}" if row.target else "–",
        f"{row.floor:,}" if row.floor else "–",
        f"{row.over:.0%}" if row.over is not None else "–",
        row.peers or "–",
    ]


_HEAD: Final = ("step", "gas", "target", "floor", "above floor", "others")


def _steps(rows: list[Row]) -> Table:
    table = Table(*_HEAD, title="Gas of a step")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _largest(most: dict[str, int]) -> Table:
    table = Table("step", "most gas", "of the cap", title="Largest transaction")
    for step, gas in most.items():
        table.add_row(step, f"{gas:,}", f"{gas / TX_GAS_CAP:.0%}")
    return table


def _totals(totals: list[dict[str, int]]) -> Table:
    table = Table("step", *(f"n = {t['n']:,}" for t in totals), title="Gas of whole auctions")
    for step in totals[-1]:
        if step != "n":
            table.add_row(step, *(f"{t.get(step, 0):,}" for t in totals))
    return table


def _markdown(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _write(
    rows: list[Row],
    peer_lines: list[list[str]],
    most: dict[str, int],
    totals: list[dict[str, int]],
    life: Life,
) -> None:
    """Replace what stands between the marks in docs/benchmarks.md."""
    steps = [step for step in totals[-1] if step != "n"]
    walked = ", ".join(f"{count:,}" for count in life.walked.values())
    parts = {
        "gas-steps": _markdown(_HEAD, [_cells(row) for row in rows]),
        "gas-peers": _markdown(peers.HEAD, peer_lines),
        "gas-largest": _markdown(
            ("step", "most gas", "of the cap"),
            [[step, f"{gas:,}", f"{gas / TX_GAS_CAP:.0%}"] for step, gas in most.items()],
        ),
        "gas-growth": _markdown(
            ("step", *(f"n = {t['n']:,}" for t in totals)),
            [[step, *(f"{t.get(step, 0):,}" for t in totals)] for step in steps],
        )
        + f"\n\nBids walked by the three settlers, the hostile one last: {walked}.",
    }
    page = PAGE.read_text()
    for name, text in parts.items():
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition(f"\n<!-- end {name} -->")
        page = f"{before}<!-- {name} -->\n{text}\n<!-- end {name} -->{after}"
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
