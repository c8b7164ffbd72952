"""The page of a usage log: what a model earned over time, by model, customer and holder.

It takes what `qmia audit usage --json` says and no more, so it can be drawn again from that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from oracles.audit.charts import figure
from oracles.audit.report import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.money import Currency

#: Millionths of the smallest unit, in which entries are counted.
_MICRO: Final = 10**6
#: Series with a colour of their own; what is smaller is put together.
_SERIES: Final = 6
_COLOURS: Final = ("#2f6fb0", "#2f7f6d", "#b8873a", "#8c5a9e", "#b3261e", "#5d6878", "#c9cfd8")
_REST: Final = "all others"
#: Longer tables are cut; `--json` has everything.
_MOST_ROWS: Final = 200
#: Periods that a picture has room for; more are put together in order.
_MOST_BARS: Final = 90


class Log(NamedTuple):
    """Which log a page is about: chain, MUT, publisher, settlement currency."""

    chain_id: int
    mut: str
    publisher: str
    currency: Currency


def usage_page(found: Mapping[str, Any], log: Log, shares: Sequence[Mapping[str, int]]) -> str:
    """The whole page.

    Args:
        found: a report's plain form.
        log: which log it is of.
        shares: of each posted period, smallest units by holder; what is not minted yet is under ``.
    """
    periods = found["by_period"]
    labels = [_day(each["end"]) for each in periods]
    coins = 10**log.currency.decimals
    by_model = [_coins(each["by_model"], coins * _MICRO) for each in periods]
    by_customer = [_coins(each["by_customer"], coins * _MICRO) for each in periods]
    by_holder = [
        _coins({name or "not claimed yet": str(v) for name, v in each.items()}, coins)
        for each in shares
    ]
    parts = ["<h1>Usage of a model</h1>", _head(found, log), _findings(found)]
    for title, series, what in (
        ("model", by_model, "Licences and other flat fees stand under (licences)."),
        ("customer", by_customer, "Customers are salted hashes: nobody's name is in the log."),
        ("holder", by_holder, "Each holder's share of what the period paid, at its balance then."),
    ):
        parts.append(f'<h2>By {title}</h2><p class="soft">{what}</p>')
        parts.append(_bars(labels, series, log.currency.symbol))
        parts.append(_totals(title, series, log.currency.symbol))
    parts += ["<h2>Periods</h2>", _periods(periods, log)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Usage of a model</title><style>{STYLE}</style></head><body>"
        f"{''.join(parts)}</body></html>\n"
    )


def _coins(amounts: Mapping[str, str], unit: int) -> dict[str, float]:
    return {name: float(Fraction(int(amount), unit)) for name, amount in amounts.items()}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _head(found: Mapping[str, Any], log: Log) -> str:
    wrong = len(found["differences"])
    verdict = f"{wrong} findings" if wrong else "passed"
    money = log.currency.format
    rows = [
        ("chain", str(log.chain_id)),
        ("MUT", f"<code>{escape(log.mut)}</code>"),
        ("publisher", f"<code>{escape(log.publisher)}</code>"),
        ("entries", f"{found['entries']:,}, of which {found['open_entries']:,} behind the last"
         " period"),
        ("periods on chain", str(len(found["by_period"]))),
        ("paid for usage", escape(money(int(found["metered"])))),
        ("other revenue of the MUT", escape(money(int(found["other"])))),
    ]  # fmt: skip
    return (
        f'<p><span class="verdict{"" if wrong else " passed"}">{verdict}</span></p>'
        '<p class="soft">Every price, root and payment was computed again from the log and held'
        " against the chain. What was never written down, and of which nobody holds a receipt, no"
        " log can show. Times are in UTC.</p>"
        + _table((), [(name, value) for name, value in rows], raw=True)
    )


def _findings(found: Mapping[str, Any]) -> str:
    rows = [(each["where"], each["detail"]) for each in found["differences"]]
    text = "<h2>Findings</h2>" + _table(("where", "what"), rows) if rows else ""
    rejected = [(each["where"], each["detail"]) for each in found["rejected"]]
    if rejected:
        text += "<h3>Receipts that prove nothing</h3>" + _table(("where", "why"), rejected)
    return text


def _largest(series: Sequence[Mapping[str, float]]) -> list[str]:
    """Names by their sum, largest first."""
    sums: dict[str, float] = {}
    for each in series:
        for name, value in each.items():
            sums[name] = sums.get(name, 0.0) + value
    return sorted(sums, key=lambda name: (-sums[name], name))


def _bars(labels: Sequence[str], series: Sequence[Mapping[str, float]], symbol: str) -> str:
    """A bar for each period, cut by name; the largest have colours of their own."""
    if not any(any(each.values()) for each in series):
        return '<p class="soft">Nothing was earned.</p>'
    named = _largest(series)[:_SERIES]
    together = -(-len(series) // _MOST_BARS)
    bars: list[tuple[str, list[float]]] = []
    for start in range(0, len(series), together):
        part = series[start : start + together]
        values = [sum(each.get(name, 0.0) for each in part) for name in named]
        rest = sum(v for each in part for name, v in each.items() if name not in named)
        bars.append((labels[min(start + together, len(labels)) - 1], [*values, rest]))
    most = max(sum(max(v, 0.0) for v in values) for _, values in bars) or 1.0
    width, height, left, base = 960, 260, 80, 220
    step = (width - left) / len(bars)
    parts = [
        f'<text class="end small" x="{left - 8}" y="20">{figure(most)} {escape(symbol)}</text>',
        f'<text class="end small" x="{left - 8}" y="{base}">0</text>',
        f'<path class="axis" d="M{left} 10V{base}H{width}"/>',
    ]
    for place, (label, values) in enumerate(bars):
        top = float(base)
        for colour, value in zip(_COLOURS, values, strict=False):
            tall = max(value, 0.0) / most * (base - 15)
            top -= tall
            if tall > 0:
                parts.append(
                    f'<rect x="{left + place * step + 1:.1f}" y="{top:.1f}"'
                    f' width="{max(step - 2, 1):.1f}" height="{tall:.2f}" fill="{colour}"/>'
                )
        if place in (0, len(bars) - 1):
            end = " end" if place else ""
            x = width if place else left
            parts.append(f'<text class="small{end}" x="{x}" y="{base + 18}">{escape(label)}</text>')
    key = "".join(
        f'<span style="background:{colour}"></span>{escape(name)}'
        for colour, name in zip(_COLOURS, [*named, _REST], strict=False)
        if name != _REST or any(values[-1] for _, values in bars)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="earned in each period">'
        f'{"".join(parts)}</svg><p class="key">{key}</p>'
    )


def _totals(title: str, series: Sequence[Mapping[str, float]], symbol: str) -> str:
    names = _largest(series)
    rows = [
        (name, f"{figure(sum(each.get(name, 0.0) for each in series))} {symbol}")
        for name in names[:_MOST_ROWS]
    ]
    cut = f'<p class="soft">{len(names) - _MOST_ROWS} more.</p>' if len(names) > _MOST_ROWS else ""
    return _table((title, "in all"), rows) + cut


def _periods(periods: Sequence[Mapping[str, Any]], log: Log) -> str:
    rows = [
        (
            str(each["period"]),
            _day(each["end"]),
            f"{each['entries']:,}",
            log.currency.format(int(each["revenue"])),
        )
        for each in periods[-_MOST_ROWS:]
    ]
    return _table(("period", "end", "entries", "paid"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, raw: bool = False) -> str:
    """A table; cells are text, or HTML where `raw`."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell if raw else escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table>{f"<tr>{top}</tr>" if head else ""}{body}</table></div>'
