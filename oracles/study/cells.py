"""How figures of a study read in its tables and pictures, and what rules are called there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Row = Mapping[str, Any]
    #: A column's head, and what it says of a row.
    Column = tuple[str, Callable[[Row], str]]
    #: Title, head, rows.
    Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]

#: How a model is trained on what was bought.
REGIMES: Final = {"fixed": "fixed compute", "one pass": "one pass"}
#: Short names of the rules.
SHORT: Final = {
    "qmia": "Q-MIA",
    "volume": "raw tokens",
    "distinct": "new tokens",
    "eligible": "eligible tokens",
    "trust": "trust, one price",
    "trust-token": "trust, price a token",
    "hindsight": "trust, hindsight price",
    "uniform": "same price for all",
    "random": "random order",
    "impact": "φ̂ alone",
    "quality": "q alone",
    "sqrt": "√(q·φ̂)",
    "marginal": "marginal clock",
    "submodular": "submodular greedy",
    "guessing": "guessing clock",
    "design": "experimental design",
    "prune": "prune-and-split",
    "lot": "split by lot",
    "large": "large markets",
    "tranche": "tranche of 20 %",
    "optimum": "costs known",
}


def table(title: str, rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    """A table with one line for each row.

    Args:
        title: heading.
        rows: what the lines are about.
        columns: from left to right.
    """
    return (
        title,
        tuple(head for head, _ in columns),
        [[cell(row) for _, cell in columns] for row in rows],
    )


def interval(found: Sequence[float | None] | None, digits: int = 3) -> str:
    """A mean and its interval, or a dash where there is none."""
    if found is None or found[0] is None:
        return "–"
    point = f"{found[0]:+.{digits}f}"
    if found[1] is None or found[2] is None:
        return point
    return f"{point} ({found[1]:+.{digits}f} to {found[2]:+.{digits}f})"


def probability(value: float) -> str:
    """A p value."""
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def share(value: float | None) -> str:
    """A share in percent, or a dash."""
    return "–" if value is None else f"{100 * value:.0f} %"


def rules_in(result: Mapping[str, Any], regime: str) -> list[dict[str, Any]]:
    """Rows of the comparison of rules in one regime."""
    return [row for row in result["tables"]["rules"] if row["regime"] == regime]
