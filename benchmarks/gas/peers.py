"""Gas of other auctions beside ours: their own code on the same kind of node, from receipts.

    python -m benchmarks.gas.peers [--json]

What cannot be fetched is quoted from its authors, and marked so.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from benchmarks.gas.foreign import UnavailableError
from benchmarks.gas.life import World
from benchmarks.gas.node import Node
from benchmarks.gas.peer_auctions import (
    EASY,
    EASY_DEPLOYED,
    FEW,
    MANY,
    Market,
    OrderedNode,
    continuous_clearing,
    easy_auction,
    encrypted_marginal,
    over_collateralized,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Our step: a whole settlement of a small auction, divided by its bids.
SETTLE_FEW: Final = f"settle, a bid of {FEW}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of another auction, or the calls a winner needs.

    Attributes:
        name: as in the result of its function in `peer_auctions`.
        step: ours that it stands beside, as in `__main__`.
        what: the transaction and all it does.
        published: gas its authors state, if they do.
        label: in the cell beside our step; empty to leave it out there.
    """

    name: str
    step: str
    what: str
    published: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """Gas of a peer's call; `measured` says whether here or by its authors."""

    peer: str
    call: Call
    gas: int
    measured: bool


_EASY: Final = (
    Call(
        "place",
        "commit",
        "`placeSellOrders`, one order of a new user: registers it, takes the payment (ERC-20)",
        176_000,
        "EasyAuction",
    ),
    Call("place, known user", "commit", "the same by a user registered before"),
    Call(
        "settle, an order",
        "settle, a bid",
        f"`settleAuction`, an order that is filled, from {FEW} to {MANY:,} orders",
        2_600,
        "EasyAuction",
    ),
    Call(
        "settle, few",
        SETTLE_FEW,
        f"`settleAuction` of {FEW} orders, divided by {FEW}",
        3_700,
        "EasyAuction",
    ),
    Call(
        "claim",
        "claim, cash",
        "`claimFromParticipantOrder`, one order: pays tokens to an account without any",
        101_000,
        "EasyAuction",
    ),
    Call("life", "winner's life, cash", "place, settle and claim, a new user", None, "EasyAuction"),
    Call("life, known user", "winner's life, cash", "the same by a user registered before"),
)
CALLS: Final[Mapping[str, tuple[Call, ...]]] = {
    "EasyAuction": _EASY,
    "EasyAuction, as deployed": tuple(Call(c.name, c.step, c.what) for c in _EASY),
    "a16z": (
        Call("commit", "commit", "`commitBid`: takes the collateral (ether)", 58_000, "a16z"),
        Call(
            "reveal",
            "reveal",
            "`revealBid`, not the highest: pays the collateral back",
            47_000,
            "a16z",
        ),
    ),
    "CCA": (
        Call(
            "bid",
            "commit",
            "`submitBid`, at a price in use, not the first of its block: takes the payment (ether)",
            150_000,
            "CCA",
        ),
        Call("bid, first of its block", "commit", "the same, first of its block"),
        Call("exit", "claim, cash", "`exitBid`, filled: counts the tokens", 84_000, "CCA exit"),
        Call(
            "claim",
            "claim, cash",
            "`claimTokens`: pays tokens to an account without any",
            67_000,
            "CCA claim",
        ),
        Call("life", "winner's life, cash", "all three, not the first of a block", None, "CCA"),
    ),
    "Axis": (
        Call("bid", "commit", "`bid`, encrypted: takes the payment (ERC-20)", None, "Axis"),
        Call(
            "decrypt, a bid",
            "reveal",
            "`decryptAndSortBids`, a bid of 100: the seller's key opens it",
            None,
            "Axis",
        ),
        Call(
            "settle, a bid",
            "settle, a bid",
            f"`settle`, a bid that is filled, from {FEW} to {MANY:,} bids",
            6_800,
            "Axis",
        ),
        Call(
            "claim",
            "claim, cash",
            "`claimBids`, one bid: pays tokens to an account without any",
            None,
            "Axis",
        ),
        Call("life", "winner's life, cash", "all four", None, "Axis"),
    ),
}
AUCTIONS: Final[Mapping[str, Callable[[Market], dict[str, int]]]] = {
    "EasyAuction": partial(easy_auction, project=EASY),
    "EasyAuction, as deployed": partial(easy_auction, project=EASY_DEPLOYED),
    "a16z": over_collateralized,
    "CCA": continuous_clearing,
    "Axis": encrypted_marginal,
}
HEAD: Final = ("call", "gas", "published", "beside our", "gas of ours")


def measure(log: Console) -> list[Figure]:
    """Measure every call, or take its published gas.

    Args:
        log: told why a contract cannot be measured.
    """
    figures = []
    for peer, run in AUCTIONS.items():
        found: dict[str, int] = {}
        try:
            with OrderedNode() as node:
                found = run(Market(node))
        except UnavailableError as error:
            log.print(f"{peer} is quoted, not measured: {error}", soft_wrap=True, markup=False)
        for call in CALLS[peer]:
            gas = found[call.name] if found else call.published
            if gas is not None:
                figures.append(Figure(peer, call, gas, bool(found)))
    return figures


def beside(figures: list[Figure], step: str) -> str:
    """The peers' figures for a step of ours, in one cell."""
    return "; ".join(
        f"{f.call.label} {_short(f.gas)}{'' if f.measured else ' (published)'}"
        for f in figures
        if f.call.step == step and f.call.label
    )


def cells(figures: list[Figure], ours: Mapping[str, int]) -> list[list[str]]:
    """Lines of the table under `HEAD`; `ours` is gas by step."""
    return [
        [
            f"{figure.peer}: {figure.call.what}",
            f"{figure.gas:,}" if figure.measured else "–",
            _short(figure.call.published) if figure.call.published else "–",
            figure.call.step,
            f"{ours[figure.call.step]:,}",
        ]
        for figure in figures
    ]


def table(lines: list[list[str]]) -> Table:
    """The same for a terminal."""
    out = Table(*HEAD, title="Gas of other auctions")
    for line in lines:
        out.add_row(*line)
    return out


def own(world: World) -> dict[str, int]:
    """Our gas of the steps that have a peer, cash terms."""
    more, fewer, few = (world.run(n, step=n) for n in (MANY, MANY // 2, FEW))
    each = ("commit", "open", "reveal", "deliver", "claim, cash")
    gas = {step: round(more.mean(step)) for step in each}
    gas["settle, a bid"] = more.marginal(fewer, "settle, last")
    gas[SETTLE_FEW] = round(sum(few.gas["settle, last"]) / FEW)
    once = sum(sum(more.gas[step]) // more.n for step in ("callRoll", "tallyRoll", "postScores"))
    claim = round(more.mean("claim, all parts"))
    shared = sum(gas[step] for step in ("commit", "open", "reveal", "settle, a bid", "deliver"))
    return gas | {"winner's life, cash": shared + once + claim}


def _short(gas: int) -> str:
    return f"{gas / 1000:.{1 if gas < 10_000 else 0}f}k"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    figures = measure(Console(stderr=True))
    with Node(base_fee=1) as node:
        ours = own(World(node))
    if args.json:
        result = {"peers": [asdict(figure) for figure in figures], "ours": ours}
        sys.stdout.write(json.dumps(result) + "\n")
        return
    Console().print(table(cells(figures, ours)))


if __name__ == "__main__":
    main()
