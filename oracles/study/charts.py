"""Pictures of a study: vector graphics in the page's own ink, legible in grey print and in dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH: Final = 720
_LEFT: Final = 230
_RIGHT: Final = 30
#: Told apart without colour.
_DASHES: Final = ("none", "7 3", "2 3", "9 3 2 3", "4 2", "1 4", "12 4", "3 6", "6 2 2 2 2 2")


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
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _line(x1: float, y1: float, x2: float, y2: float, style: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="currentColor" {style}/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def forest(title: str, rows: Sequence[tuple[str, float, float, float]], unit: str) -> str:
    """Estimates with intervals, one a row: name, estimate, low, high."""
    low, high = _scale([v for row in rows for v in row[1:]], zero=True)
    bottom = 34 + 24 * len(rows)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - low) / (high - low)

    parts = [_line(x(0), 26, x(0), bottom, 'stroke-dasharray="4 3"')]
    for place, (name, point, least, most) in enumerate(rows):
        y = 42 + 24 * place
        parts += [
            _text(_LEFT - 10, y + 4, name, "end"),
            _line(x(least), y, x(most), y, 'stroke-width="2"'),
            f'<circle cx="{x(point):.1f}" cy="{y}" r="4.5"/>',
        ]
    parts += [
        _text(x(0), bottom + 18, "0", "middle"),
        _text(_WIDTH - _RIGHT, bottom + 18, f"{high:+.3g} {unit}", "end"),
        _text(_LEFT, bottom + 18, f"{low:+.3g}"),
    ]
    return _frame(title, bottom + 28, parts)


def bars(title: str, rows: Sequence[tuple[str, float]], unit: str = "") -> str:
    """One bar a row, from 0, with its value."""
    top = max((value for _, value in rows), default=1.0) or 1.0
    parts = []
    for place, (name, value) in enumerate(rows):
        y = 32 + 24 * place
        length = (_WIDTH - _LEFT - 130) * max(0.0, value) / top
        parts += [
            _text(_LEFT - 10, y + 13, name, "end"),
            f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="17" opacity="0.65"/>',
            _text(_LEFT + length + 8, y + 13, f"{value:.3g} {unit}".strip()),
        ]
    return _frame(title, 42 + 24 * len(rows), parts)


def lines(
    title: str, curves: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str
) -> str:
    """Curves of points (x, y), each named at the right and told apart by its dashes."""
    xs = [x for points in curves.values() for x, _ in points]
    ys = [y for points in curves.values() for _, y in points]
    (x_low, x_high), (y_low, y_high) = _scale(xs, zero=False), _scale(ys, zero=False)
    left, right, bottom = 60, _WIDTH - 190, 320

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return (
            left + (right - left) * (point[0] - x_low) / (x_high - x_low),
            bottom - (bottom - 40) * (point[1] - y_low) / (y_high - y_low),
        )

    parts = [_line(left, 40, left, bottom), _line(left, bottom, right, bottom)]
    parts += [
        _text(place((x, y_low))[0], bottom + 17, f"{x:.3g}", "middle") for x in sorted(set(xs))
    ]
    for k in range(5):
        value = y_low + (y_high - y_low) * k / 4
        parts.append(_text(left - 6, place((x_low, value))[1] + 4, f"{value:.3g}", "end"))
    parts += [_text((left + right) / 2, bottom + 36, across, "middle"), _text(left + 6, 36, up)]
    for number, (name, points) in enumerate(curves.items()):
        dash = _DASHES[number % len(_DASHES)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
        key = 48 + 20 * number
        style = f'stroke-width="2" stroke-dasharray="{dash}"'
        parts += [
            f'<polyline points="{path}" fill="none" stroke="currentColor" {style}/>',
            _line(right + 12, key, right + 48, key, style),
            _text(right + 54, key + 4, name),
        ]
    return _frame(title, 366, parts)


def histogram(title: str, values: Sequence[float], mark: float, unit: str) -> str:
    """Counts in fifteen bins of equal width, and a mark."""
    low, high = _scale([*values, mark], zero=False)
    counts = [0] * 15
    for value in values:
        counts[min(14, int(15 * (value - low) / (high - low)))] += 1
    step, bottom = (_WIDTH - 60) / 15, 240
    parts = [_line(30, bottom, _WIDTH - 30, bottom)]
    for k, count in enumerate(counts):
        height = 190 * count / max(counts)
        parts.append(
            f'<rect x="{30 + k * step:.1f}" y="{bottom - height:.1f}" width="{step - 2:.1f}" '
            f'height="{height:.1f}" opacity="0.65"/>'
        )
    at = 30 + (_WIDTH - 60) * (mark - low) / (high - low)
    parts += [
        _line(at, 28, at, bottom, 'stroke-dasharray="4 3" stroke-width="2"'),
        _text(at, bottom + 18, f"{mark:g}", "middle"),
        _text(_WIDTH - 30, bottom + 18, f"{high:.2f} {unit}", "end"),
        _text(30, bottom + 18, f"{low:.2f}"),
    ]
    return _frame(title, 268, parts)
