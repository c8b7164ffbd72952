"""The growth of gas with the number of bids, as an SVG on logarithmic axes."""

from __future__ import annotations

import math
from typing import Final

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 440, 70, 190, 20, 50
_SHOWN: Final = {
    "commit": "#4269d0",
    "open": "#97bbf5",
    "reveal": "#efb118",
    "postScores": "#ff725c",
    "settle": "#6cc5b0",
    "deliver": "#3ca951",
    "claim": "#a463f2",
}


def growth_svg(totals: list[dict[str, int]]) -> str:
    """Draw one line per step; parts of a step (after a comma) count to it.

    Args:
        totals: of each auction `n` and the gas by step.
    """
    lines = {
        name: [
            (t["n"], sum(g for s, g in t.items() if s.partition(",")[0] == name)) for t in totals
        ]
        for name in _SHOWN
    }
    smallest = math.floor(math.log10(min(g for line in lines.values() for _, g in line if g)))
    largest = math.ceil(math.log10(max(g for line in lines.values() for _, g in line)))
    first, last = math.log10(totals[0]["n"]), math.log10(totals[-1]["n"])

    def x(n: float) -> float:
        return _LEFT + (math.log10(n) - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(gas: float) -> float:
        share = (math.log10(gas) - smallest) / (largest - smallest)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for power in range(smallest, largest + 1):
        at = y(10**power)
        out.append(
            f'<path d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">1e{power}</text>'
        )
    for total in totals:
        at = x(total["n"])
        out.append(
            f'<path d="M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#ddd"/>'
            f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">'
            f"{total['n']:,}</text>"
        )
    out.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" '
        'text-anchor="middle">bids</text>'
        f'<text x="14" y="{_HEIGHT / 2}" transform="rotate(-90 14 {_HEIGHT / 2})" '
        'text-anchor="middle">gas, all transactions</text>'
    )
    order = sorted(lines, key=lambda name: -lines[name][-1][1])
    for position, name in enumerate(order):
        points = " ".join(f"{x(n):.1f},{y(g):.1f}" for n, g in lines[name] if g)
        slope = _slope(lines[name])
        at = _TOP + 16 + 20 * position
        out.append(
            f'<polyline points="{points}" fill="none" stroke="{_SHOWN[name]}" stroke-width="2"/>'
            f'<text x="{_WIDTH - _RIGHT + 12}" y="{at}" fill="{_SHOWN[name]}">'
            f"{name}: n^{slope:.2f}</text>"
        )
    return "\n".join([*out, "</svg>", ""])


def _slope(line: list[tuple[int, int]]) -> float:
    """Exponent of growth between the two largest auctions."""
    (n, gas), (m, more) = line[-2:]
    return math.log(more / gas) / math.log(m / n)
