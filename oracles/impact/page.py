"""The report page of an evaluation: one HTML file with its pictures inside."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:64em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.2em .7em;border-bottom:1px solid #ccc;"
    "text-align:right}td:first-child,th:first-child{text-align:left}"
)

#: Correlations of a predictor with a truth: over halves of the providers, and over single ones.
KINDS = ("lds", "leave_one_out")


def interval_text(found: Sequence[float]) -> str:
    """A correlation with its 95 % interval."""
    point, low, high = found
    return f"{point:.2f} ({low:.2f} to {high:.2f})"


def scatter(predicted: Sequence[float], true: Sequence[float], title: str) -> str:
    """SVG: predicted gain of each random half against minus its loss on part B."""
    size, edge = 300, 30
    x, y = (np.asarray(values, np.float64) for values in (predicted, true))
    scaled = [(v - v.min()) / (np.ptp(v) or 1.0) * (size - 2 * edge) + edge for v in (x, y)]
    points = "".join(
        f'<circle cx="{a:.1f}" cy="{size - b:.1f}" r="4" fill="#1f6feb" fill-opacity=".7"/>'
        for a, b in zip(*scaled, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'font-family="sans-serif" font-size="12"><rect width="{size}" height="{size}" '
        f'fill="white" stroke="#ccc"/><text x="{edge}" y="18">{escape(title)}</text>{points}'
        f'<text x="{size - edge}" y="{size - 8}" text-anchor="end">predicted gain</text></svg>'
    )


def forest(rows: Sequence[tuple[str, Sequence[float]]], ceiling: float | None, title: str) -> str:
    """SVG: each predictor's correlation with its interval, and what limits it."""
    left, width, height, top = 240, 420, 22, 30
    total = top + height * len(rows) + 30

    def x(value: float) -> float:
        return left + width * (min(1.0, max(-0.5, value)) + 0.5) / 1.5

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 40}" height="{total}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{left + width + 40}" height="{total}" fill="white"/>'
        f'<text x="{left}" y="16">{escape(title)}</text>'
    ]
    parts += [
        f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{total - 25}" stroke="#ddd"/>'
        f'<text x="{x(tick):.1f}" y="{total - 8}" text-anchor="middle">{tick}</text>'
        for tick in (-0.5, 0, 0.5, 1)
    ]
    for place, (name, (point, low, high)) in enumerate(rows):
        y = top + height * place + height / 2
        parts.append(
            f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}" stroke="#1f6feb" '
            f'stroke-width="2"/><circle cx="{x(point):.1f}" cy="{y}" r="4" fill="#1f6feb"/>'
        )
    if ceiling is not None:
        at = x(ceiling)
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{total - 25}" stroke="#c33" '
            'stroke-dasharray="4 3"/>'
        )
    return "".join(parts) + "</svg>\n"


def cost(rows: Sequence[tuple[str, float, float]]) -> str:
    """SVG: LDS of each predictor against the processor time that it takes (logarithmic)."""
    left, width, height = 40, 480, 260
    seconds = np.array([max(0.1, row[1]) for row in rows])
    place = np.log(seconds / 0.1) / max(1e-9, float(np.log(seconds.max() / 0.1)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 140}" '
        f'height="{height + 40}" font-family="sans-serif" font-size="12">'
        f'<rect width="{left + width + 140}" height="{height + 40}" fill="white"/>'
        f'<text x="{left}" y="16">LDS against processor seconds</text>'
    ]
    for (name, spent, lds), at in zip(rows, place, strict=True):
        cx, cy = left + at * width, 20 + height * (1 - max(0.0, lds))
        parts.append(
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="#1f6feb"/>'
            f'<text x="{cx + 7:.1f}" y="{cy + 4:.1f}">{escape(name)}, {spent:.0f} s</text>'
        )
    return "".join(parts) + "</svg>\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; all cells are escaped."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def agreement_rows(result: dict[str, Any]) -> list[list[str]]:
    """What limits every correlation: parts A and B, seeds, and other truths, by truth."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    return [
        [
            name,
            f"{truth['parameters']:,}",
            str(truth["steps"]),
            *(
                number(truth[kind].get(key))
                for kind in KINDS
                for key in ("parts_agree", "seeds_agree", "agrees_with_same")
            ),
        ]
        for name, truth in result["truths"].items()
    ]


AGREEMENT_HEADER = (
    "truth",
    "parameters",
    "steps",
    "halves: A and B agree",
    "halves: two seeds agree",
    "halves: agrees with the same model",
    "leave-one-out: A and B agree",
    "leave-one-out: two seeds agree",
    "leave-one-out: agrees with the same model",
)


ELIGIBILITY_HEADER = ("effect", "m", "helpful", "of these left out", "harmful", "of these paid")


def predictor_rows(result: dict[str, Any]) -> list[list[str]]:
    """LDS and leave-one-out of every predictor under every truth, best LDS first."""
    first = next(iter(result["truths"]))
    return [
        [
            row["predictor"],
            *(
                interval_text(row["truths"][truth][kind])
                for kind in KINDS
                for truth in result["truths"]
            ),
            f"{row['seconds']:.1f}",
        ]
        for row in sorted(result["rows"], key=lambda row: -row["truths"][first]["lds"][0])
    ]


def predictor_header(result: dict[str, Any]) -> list[str]:
    """Header of `predictor_rows`."""
    names = list(result["truths"])
    return [
        "predictor",
        *(f"LDS, {name}" for name in names),
        *(f"leave-one-out, {name}" for name in names),
        "seconds",
    ]


def page(result: dict[str, Any]) -> str:
    """One HTML page of a result of `evaluation.evaluate`."""
    first = next(iter(result["truths"]))
    truth = result["truths"][first]
    rows = sorted(result["rows"], key=lambda row: -row["truths"][first]["lds"][0])
    scatters = "".join(
        scatter(row["halves"], truth["halves"], row["predictor"]) for row in rows[:3]
    )
    eligible = [[str(value) for value in row.values()] for row in result["eligibility"]]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>How well φ̂ predicts '
        f"retraining</title><style>{_STYLE}</style><h1>How well φ̂ predicts retraining</h1>"
        f"<p>{len(result['providers'])} providers, {result['tokens']['providers']:,} tokens. "
        f"Estimators see part A of the evaluation set ({result['tokens']['part_a']:,} tokens), "
        f"outcomes are losses on part B ({result['tokens']['part_b']:,} tokens): "
        f"{truth['loss']['base']:.3f} nats per token after the seed corpus, "
        f"{truth['loss']['all']:.3f} after all data. A correlation above the agreement of A and B "
        "means nothing.</p>"
        + table(predictor_header(result), predictor_rows(result))
        + "<h2>What limits them</h2>"
        + table(AGREEMENT_HEADER, agreement_rows(result))
        + forest(
            [(row["predictor"], row["truths"][first]["lds"]) for row in rows],
            truth["lds"]["parts_agree"],
            "LDS with 95 % intervals; dashed: agreement of parts A and B",
        )
        + f"<p>{scatters}</p>"
        + cost([(r["predictor"], r["seconds"], r["truths"][first]["lds"][0]) for r in rows])
        + ("<h2>Who is left out wrongly</h2>" + table(ELIGIBILITY_HEADER, eligible))
        * bool(eligible)
        + "</html>\n"
    )
