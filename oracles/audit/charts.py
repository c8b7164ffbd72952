"""The page's pictures: inline SVG, legible in grey print and on a telephone.

A picture is drawn for a width, so that its letters keep their size whatever it is shown on.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Widths to draw for, in pixels: a desk or paper, and a telephone.
WIDE: Final = 960
NARROW: Final = 360
#: More bars than this are drawn as one outline.
_MOST_BARS = 300
_MOST_ROWS = 60


class Phase(NamedTuple):
    """A stretch of the timeline: name, first second, first second after it."""

    name: str
    start: int
    end: int


class Step(NamedTuple):
    """A bid in the supply curve: number, weight, ψ, whether it won."""

    number: int
    weight: float
    rate: float
    won: bool


class Row(NamedTuple):
    """A winner: label, cost, cash, MUT at face value, all in whole coins."""

    label: str
    cost: float
    cash: float
    mut: float


def timeline(phases: Sequence[Phase], events: Sequence[tuple[str, int, int]]) -> str:
    """Phases side by side, of equal width whatever their length, events as bars below.

    Args:
        phases: in order, without gaps.
        events: name, first and last time.
    """
    width = WIDE / len(phases)

    def place(time: int) -> float:
        for number, phase in enumerate(phases):
            if time < phase.end or number == len(phases) - 1:
                part = (time - phase.start) / max(1, phase.end - phase.start)
                return (number + min(max(part, 0.0), 1.0)) * width
        return 0.0

    parts = []
    for number, phase in enumerate(phases):
        x = number * width
        parts.append(f'<rect x="{x:.1f}" y="0" width="{width - 2:.1f}" height="38" class="phase"/>')
        middle = x + width / 2
        parts.append(f'<text x="{middle:.1f}" y="16" class="mid">{escape(phase.name)}</text>')
        length = _length(phase.end - phase.start) if phase.name != "claim" else "no end"
        parts.append(f'<text x="{middle:.1f}" y="31" class="mid small">{length}</text>')
    for row, (name, first, last) in enumerate(events):
        y = 52 + 17 * row
        start, end = place(first), place(last)
        parts.append(
            f'<rect x="{start:.1f}" y="{y}" width="{max(5.0, end - start):.1f}" height="9"'
            ' class="event"/>'
        )
        side = f'x="{end + 9:.1f}"' if end < WIDE * 0.75 else f'x="{start - 5:.1f}" class="end"'
        parts.append(f'<text {side} y="{y + 9}">{escape(name)}</text>')
    return _svg(WIDE, 58 + 17 * len(events), parts, "Phases, and when things happened")


def supply(
    steps: Sequence[Step], price: float, budget: float, symbol: str, width: int = WIDE
) -> str:
    """ψ against cumulative weight, with the clearing price and the budget curve β / W.

    Args:
        steps: all bids of a clock, in its order.
        price: per unit of weight, whole coins.
        budget: β of this clock, whole coins.
        symbol: of the coin.
        width: to draw for.
    """
    height, left, bottom = 336, 76 if width == WIDE else 56, 46
    total = sum(step.weight for step in steps) or 1.0
    won = sum(step.weight for step in steps if step.won)
    # Far losers would flatten everything that matters.
    top = max([1.25 * price, *(min(step.rate, 2.5 * price) for step in steps)]) or 1.0
    area = width - left - 16

    def x(weight: float) -> float:
        return left + area * weight / total

    def y(rate: float) -> float:
        return (height - bottom) * (1 - min(rate, top) / top) + 8

    parts, reached, outline = [], 0.0, []
    for step in steps:
        start, end = x(reached), x(reached + step.weight)
        outline += [f"{start:.1f},{y(step.rate):.1f}", f"{end:.1f},{y(step.rate):.1f}"]
        if len(steps) <= _MOST_BARS:
            kind = "won" if step.won else "lost"
            parts.append(
                f'<rect x="{start:.1f}" y="{y(step.rate):.1f}" width="{max(0.5, end - start):.1f}"'
                f' height="{y(0) - y(step.rate):.1f}" class="{kind}">'
                f"<title>bid {step.number}: ψ = {figure(step.rate)}</title></rect>"
            )
            if end - start > 16:
                middle = (start + end) / 2
                parts.append(
                    f'<text x="{middle:.1f}" y="{y(0) - 5:.1f}" class="mid small on-{kind}">'
                    f"{step.number}</text>"
                )
        reached += step.weight
    parts.append(f'<polyline points="{" ".join(outline)}" class="outline"/>')
    lowest = budget / top / total
    curve = []
    for number in range(201):
        weight = total * (lowest + (1 - lowest) * number / 200) if lowest < 1 else total
        curve.append(f"{x(weight):.1f},{y(budget / weight):.1f}")
    parts.append(f'<polyline points="{" ".join(curve)}" class="budget"/>')
    parts.append(
        f'<line x1="{left}" x2="{width - 16}" y1="{y(price):.1f}" y2="{y(price):.1f}"'
        ' class="price"/>'
    )
    parts.append(f'<line x1="{x(won):.1f}" x2="{x(won):.1f}" y1="8" y2="{y(0):.1f}" class="edge"/>')
    parts.append(
        f'<text x="{left + 8}" y="{y(price) - 5:.1f}">price {figure(price)} {escape(symbol)}</text>'
    )
    parts.append(f'<text x="{width - 18}" y="22" class="end small">dashed: β / W</text>')
    for number in range(5):
        rate = top * number / 4
        parts.append(
            f'<line x1="{left - 4}" x2="{left}" y1="{y(rate):.1f}" y2="{y(rate):.1f}"'
            ' class="axis"/>'
            f'<text x="{left - 7}" y="{y(rate) + 4:.1f}" class="end small">{figure(rate)}</text>'
        )
        weight = total * number / 4
        parts.append(
            f'<text x="{x(weight):.1f}" y="{y(0) + 15:.1f}" class="mid small">{weight:,.3g}</text>'
        )
    parts.append(
        f'<polyline points="{left},8 {left},{y(0):.1f} {width - 16},{y(0):.1f}" class="axis"/>'
    )
    parts.append(
        f'<text x="{left + area / 2:.0f}" y="{height - 4}" class="mid small">'
        "cumulative weight W; height: ψ</text>"
    )
    return _svg(width, height, parts, "Supply curve, clearing price and budget curve")


def payments(rows: Sequence[Row], width: int = WIDE) -> str:
    """Cost, and below it cash and MUT, for each winner."""
    shown = rows[:_MOST_ROWS]
    most = max((max(row.cost, row.cash + row.mut) for row in shown), default=1) or 1
    left, right = (90, 170) if width == WIDE else (52, 122)
    area = width - left - right
    parts = []
    for number, row in enumerate(shown):
        y = 30 * number + 4
        cost, cash, mut = (area * value / most for value in (row.cost, row.cash, row.mut))
        parts.append(f'<text x="{left - 6}" y="{y + 15}" class="end">{escape(row.label)}</text>')
        parts.append(
            f'<rect x="{left}" y="{y}" width="{cost:.1f}" height="9" class="cost"/>'
            f'<rect x="{left}" y="{y + 11}" width="{cash:.1f}" height="9" class="cash"/>'
            f'<rect x="{left + cash:.1f}" y="{y + 11}" width="{mut:.1f}" height="9" class="mut"/>'
            f'<text x="{left + max(cost, cash + mut) + 6:.1f}" y="{y + 15}" class="small">'
            f"{figure(row.cost)} → {figure(row.cash + row.mut)}</text>"
        )
    return _svg(width, 30 * len(shown) + 8, parts, "Costs and payments of the winners")


def _svg(width: int, height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def figure(value: float) -> str:
    """A number for people: whole from a thousand on, else four digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _length(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} s"
