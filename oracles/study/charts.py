"""Pictures of a study: vector graphics in the page's own ink, legible in grey print and in dark.

Nothing is told by colour alone: curves have dashes, markers and a name at their end.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH: Final = 720
_LEFT: Final = 250
_RIGHT: Final = 40
#: Dashes, marker and colour of each curve; the first is the heaviest.
_STYLES: Final = (
    ("none", "circle", "#1f6fb2"),
    ("7 3", "square", "#c2571a"),
    ("2 3", "diamond", "#2f8f4e"),
    ("9 3 2 3", "triangle", "#9b3fa0"),
    ("4 2", "circle", "#8a6d00"),
    ("12 4", "square", "#b5304f"),
    ("3 6", "diamond", "#4a6a70"),
)


def _frame(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        'width="100%" font-family="sans-serif" font-size="13" fill="currentColor" '
        f'stroke="none" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<text x="0" y="16" font-weight="bold">{escape(title)}</text>' + "".join(parts) + "</svg>"
    )


def _scale(values: Sequence[float], zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers between two ends: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{0.0 if abs(value) < 1e-12 else value:.6g}".replace("-", "−")


def _line(x1: float, y1: float, x2: float, y2: float, style: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="currentColor" {style}/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(text)}</text>'


def _marker(kind: str, x: float, y: float, colour: str, size: float = 4.0) -> str:
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
        "triangle": ((0, -1.3), (1.2, 1), (-1.2, 1)),
    }
    if kind not in corners:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{colour}"/>'
    points = " ".join(f"{x + size * a:.1f},{y + size * b:.1f}" for a, b in corners[kind])
    return f'<polygon points="{points}" fill="{colour}"/>'


_FAINT: Final = 'opacity="0.18"'


def forest(
    title: str,
    rows: Sequence[tuple[str, float, float | None, float | None]],
    unit: str,
    *,
    zero: bool = True,
) -> str:
    """Estimates with intervals, one per row: name, estimate, low, high."""
    values = [v for row in rows for v in row[1:] if v is not None]
    low, high = _scale(values, zero=zero)
    bottom = 34 + 24 * len(rows)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - low) / (high - low)

    parts = []
    for tick in ticks(low, high):
        style = 'stroke-dasharray="4 3"' if abs(tick) < 1e-12 else _FAINT
        parts.append(_line(x(tick), 26, x(tick), bottom, style))
        parts.append(_text(x(tick), bottom + 16, _number(tick), "middle", 'font-size="12"'))
    for place, (name, point, least, most) in enumerate(rows):
        y = 42 + 24 * place
        parts.append(_text(_LEFT - 12, y + 4, name, "end"))
        if least is not None and most is not None:
            parts.append(_line(x(least), y, x(most), y, 'stroke-width="2"'))
            parts += [_line(x(v), y - 4, x(v), y + 4, 'stroke-width="2"') for v in (least, most)]
        parts.append(_marker("circle", x(point), y, _STYLES[0][2], 4.5))
    parts.append(_text(_WIDTH - _RIGHT, bottom + 33, unit, "end", 'font-size="12"'))
    return _frame(title, bottom + 40, parts)


def bars(title: str, rows: Sequence[tuple[str, float]], unit: str = "") -> str:
    """One bar a row, from 0, with its value."""
    top = max((value for _, value in rows), default=1.0) or 1.0
    parts = [_line(_LEFT, 28, _LEFT, 36 + 24 * len(rows))]
    for place, (name, value) in enumerate(rows):
        y = 32 + 24 * place
        length = (_WIDTH - _LEFT - 130) * max(0.0, value) / top
        parts += [
            _text(_LEFT - 12, y + 13, name, "end"),
            f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="17" '
            f'fill="{_STYLES[0][2]}" opacity="0.75"/>',
            _text(_LEFT + length + 8, y + 13, f"{value:.3g} {unit}".strip()),
        ]
    return _frame(title, 44 + 24 * len(rows), parts)


def lines(
    title: str,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    across: str,
    up: str,
    *,
    logarithmic: bool = False,
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Curves of points (x, y), each named at its end and told apart by dashes and markers.

    Args:
        title: of the picture.
        curves: name to points.
        across: what x is.
        up: what y is.
        logarithmic: whether x is on a logarithmic scale.
        marks: heights with a name, drawn across.
    """

    def bent(x: float) -> float:
        return math.log10(x) if logarithmic else x

    xs = [bent(x) for points in curves.values() for x, _ in points]
    ys = [y for points in curves.values() for _, y in points] + [y for y, _ in marks]
    (x_low, x_high), (y_low, y_high) = _scale(xs, zero=False), _scale(ys, zero=False)
    left, right, bottom = 62, _WIDTH - 215, 330

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return (
            left + (right - left) * (bent(point[0]) - x_low) / (x_high - x_low),
            bottom - (bottom - 48) * (point[1] - y_low) / (y_high - y_low),
        )

    parts = [_line(left, 48, left, bottom), _line(left, bottom, right, bottom)]
    shown = sorted({x for points in curves.values() for x, _ in points})
    taken = -math.inf
    for x in shown:
        at = place((x, y_low))[0]
        if at - taken >= 34:
            parts.append(_text(at, bottom + 17, _number(x), "middle", 'font-size="12"'))
            parts.append(_line(at, bottom, at, bottom + 4))
            taken = at
    for tick in ticks(y_low, y_high):
        y = place((shown[0], tick))[1]
        parts.append(_line(left, y, right, y, _FAINT))
        parts.append(_text(left - 8, y + 4, _number(tick), "end", 'font-size="12"'))
    for height, name in marks:
        y = place((shown[0], height))[1]
        parts.append(_line(left, y, right, y, 'stroke-dasharray="1 4"'))
        parts.append(_text(right - 4, y - 4, name, "end", 'font-size="12"'))
    parts += [_text((left + right) / 2, bottom + 36, across, "middle"), _text(left, 38, up)]
    ends = []
    for number, (name, points) in enumerate(curves.items()):
        dash, marker, colour = _STYLES[number % len(_STYLES)]
        where = [place(point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in where)
        width = 2.6 if number == 0 else 1.8
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-dasharray="{dash}"/>'
        )
        parts += [_marker(marker, x, y, colour) for x, y in where]
        ends.append((where[-1], name, marker, colour))
    # Names at the ends, pushed apart so that none covers another.
    ends.sort(key=lambda end: end[0][1])
    heights: list[float] = []
    for (_, y), *_ in ends:
        heights.append(max(y, heights[-1] + 17) if heights else y)
    over = max(0.0, heights[-1] - (bottom - 2)) if heights else 0.0
    for ((x, y), name, marker, colour), height in zip(ends, heights, strict=True):
        height -= over
        parts.append(_line(x + 6, y, right + 8, height, f'{_FAINT} stroke-dasharray="1 2"'))
        parts.append(_marker(marker, right + 14, height, colour))
        parts.append(_text(right + 24, height + 4, name))
    return _frame(title, 376, parts)


def grid(
    title: str,
    cells: Mapping[tuple[float, float], float],
    across: str,
    up: str,
    unit: str,
) -> str:
    """A map of (x, y) to a value: darker is more, and every value is written."""
    xs, ys = sorted({x for x, _ in cells}), sorted({y for _, y in cells}, reverse=True)
    low, high = min(cells.values()), max(cells.values())
    width, height, left = 92, 34, 84
    parts = []
    for row, y in enumerate(ys):
        top = 34 + height * row
        parts.append(_text(left - 10, top + 22, _number(y), "end"))
        for column, x in enumerate(xs):
            value = cells[x, y]
            share = (value - low) / (high - low) if high > low else 0.0
            at = left + width * column
            bold = 'font-weight="bold"' if value == high else ""
            parts.append(
                f'<rect x="{at}" y="{top}" width="{width - 2}" height="{height - 2}" '
                f'fill="{_STYLES[0][2]}" opacity="{0.05 + 0.5 * share:.2f}"/>'
            )
            parts.append(_text(at + width / 2 - 1, top + 21, f"{value:.3f}", "middle", bold))
    bottom = 34 + height * len(ys)
    for column, x in enumerate(xs):
        parts.append(_text(left + width * (column + 0.5), bottom + 16, _number(x), "middle"))
    parts.append(_text(left + width * len(xs) / 2, bottom + 35, f"{across}; {unit}", "middle"))
    parts.append(_text(8, 34 + height * len(ys) / 2, up, style='font-weight="bold"'))
    return _frame(title, bottom + 42, parts)


def histogram(title: str, values: Sequence[float], mark: float, unit: str) -> str:
    """Counts in fifteen bins of equal width, and a mark."""
    low, high = _scale([*values, mark], zero=False)
    counts = [0] * 15
    for value in values:
        counts[min(14, int(15 * (value - low) / (high - low)))] += 1
    left, bottom = 50, 240
    step = (_WIDTH - left - 30) / 15
    top = max(counts)
    parts = [_line(left, bottom, _WIDTH - 30, bottom)]
    for tick in ticks(0, top, 4):
        y = bottom - 190 * tick / top
        parts.append(_line(left, y, _WIDTH - 30, y, _FAINT))
        parts.append(_text(left - 8, y + 4, _number(tick), "end", 'font-size="12"'))
    for k, count in enumerate(counts):
        height = 190 * count / top
        parts.append(
            f'<rect x="{left + k * step:.1f}" y="{bottom - height:.1f}" width="{step - 2:.1f}" '
            f'height="{height:.1f}" fill="{_STYLES[0][2]}" opacity="0.75"/>'
        )

    def x(value: float) -> float:
        return left + (_WIDTH - left - 30) * (value - low) / (high - low)

    parts.append(_line(x(mark), 28, x(mark), bottom, 'stroke-dasharray="4 3" stroke-width="2"'))
    parts += [
        _text(x(tick), bottom + 17, _number(tick), "middle", 'font-size="12"')
        for tick in ticks(low, high)
    ]
    parts.append(_text(_WIDTH - 30, bottom + 34, unit, "end", 'font-size="12"'))
    return _frame(title, 282, parts)
