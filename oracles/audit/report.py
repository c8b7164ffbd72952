"""The page: what happened in each auction, and every check. One file, no network, prints well."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from oracles.audit import charts, recompute
from oracles.audit.summary import certificate, literal
from oracles.chain.codec import PPB, WAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oracles.audit.auction import Auction, AuditedBid
    from oracles.audit.checks import Difference
    from oracles.audit.oracle import Feed
    from oracles.audit.replay import Replay
    from oracles.chain.typed_events import Outcome

#: Longer tables are cut; `--json` has everything.
_MOST_ROWS = 400

_STYLE = """
:root { --ink: #1c2430; --soft: #5d6878; --line: #ccd3dc; --good: #17735b; --bad: #b3261e;
  --won: #2f7f6d; --lost: #c9cfd8; --cash: #2f6fb0; --face: #8fb8dd; --cost: #b8873a; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 1000px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.3rem; margin: 2.6rem 0 .4rem;
  border-bottom: 2px solid var(--ink); } h3 { font-size: 1.02rem; margin: 1.6rem 0 .4rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.verdict { display: inline-block; padding: .15rem .7rem; border-radius: .3rem; color: #fff;
  font-weight: 600; background: var(--bad); } .verdict.passed { background: var(--good); }
table { border-collapse: collapse; width: 100%; font-size: .84rem; margin: .4rem 0; }
th, td { text-align: left; padding: .18rem .5rem .18rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { color: var(--soft); font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code { font: .92em ui-monospace, monospace; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.two { columns: 2; column-gap: 2rem; } .two table { break-inside: auto; }
svg { width: 100%; height: auto; margin: .3rem 0; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .mid { text-anchor: middle; } svg .end { text-anchor: end; }
svg .small { font-size: 11px; fill: var(--soft); } svg .phase { fill: #e9edf2; }
svg .event { fill: var(--cash); } svg .won { fill: var(--won); fill-opacity: .75; stroke: #fff; }
svg .lost { fill: var(--lost); stroke: #fff; } svg .axis, svg .outline { fill: none;
  stroke: var(--ink); } svg .budget { fill: none; stroke: var(--soft); stroke-dasharray: 5 4; }
svg .price { stroke: var(--bad); stroke-width: 1.6; } svg .edge { stroke: var(--soft);
  stroke-dasharray: 2 3; } svg .cost { fill: var(--cost); } svg .cash { fill: var(--cash); }
svg .face { fill: var(--face); } svg .on-won { fill: #fff; } svg .on-lost { fill: var(--ink); }
.key span { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt; } h2 { break-before: page; }
  h2.first { break-before: auto; } tr, svg { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


def page(state: Replay, auction: int | None = None) -> str:
    """The whole page.

    Args:
        state: a finished replay.
        auction: only this one, or None for all.
    """
    findings = state.findings(auction)
    header = state.header
    made = sum(state.checks.made.values())
    verdict = "passed" if not findings else f"{len(findings)} findings"
    chosen = [
        each
        for number, each in sorted(state.auctions.auctions.items())
        if auction is None or number == auction
    ]
    body = [
        "<h1>Q-MIA audit</h1>",
        f'<p><span class="verdict{"" if findings else " passed"}">{verdict}</span> '
        f"{made:,} checks on {state.events:,} events of chain {header.chain_id}, blocks"
        f" {header.from_block:,} to {header.to_block:,} (<code>{_hex(header.to_hash)}</code>)."
        "</p>",
        '<p class="soft">Recomputed from the chain\'s logs alone, in exact integers. Amounts are in'
        " the settlement token's smallest unit, times in UTC.</p>",
        _finding_list(findings),
    ]
    body += [_auction(state, each, first=each is chosen[0]) for each in chosen]
    body += [_operators(state), _checks(state, findings)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Q-MIA audit</title><style>{_STYLE}</style></head><body>"
        f"{''.join(body)}</body></html>\n"
    )


def _auction(state: Replay, auction: Auction, *, first: bool) -> str:
    kind = ' class="first"' if first else ""
    parts = [f"<h2{kind}>Auction {auction.id}: {auction.state}</h2>", _facts(auction)]
    parts += ["<h3>Timeline</h3>", _timeline(auction)]
    if auction.settlement is not None:
        parts += [_efficiency(auction), *_curves(auction), _payments(auction)]
    if auction.bids:
        parts += ["<h3>Bids</h3>", _bids(auction)]
    feed = state.oracle.feeds.get((state.auctions.address, auction.id))
    if feed is not None:
        parts += ["<h3>Who signed what</h3>", _signatures(feed)]
    parts.append(_tokens(auction))
    return "".join(parts)


def _facts(auction: Auction) -> str:
    terms, out = auction.terms, auction.outcome
    rows = [
        ("buyer", _code(auction.buyer)),
        ("settlement token", _code(terms.token)),
        ("budget B, pool U", f"{terms.budget:,} cash, {terms.pool:,} MUT"),
        ("ρ, tranche f", f"{terms.rho / PPB:g}, {terms.tranche / PPB:g}"),
        ("β, reserve f·β", f"{auction.beta:,}, {auction.reserve:,}"),
        ("bond", f"{terms.bond_gwei:,} gwei"),
        ("operator set, metric version", f"{terms.operator_set}, {_code(terms.metric_version)}"),
        ("evaluation set", _code(terms.evaluation)),
    ]
    if out:
        rows += [
            ("clearing price", _price(out.num, out.den)),
            ("winners, revealed, not revealed", _three(out)),
            ("refund to the buyer", f"{out.refund:,}"),
            ("MUT supply, the buyer's part", f"{out.mut_supply:,}, {out.buyer_mut:,}"),
            (
                "bounty, bonus for each revealer",
                f"{out.bounty:,} wei, {out.bonus_gwei:,} gwei",
            ),
        ]
        if out.split:
            price = _price(out.unflagged_num, out.unflagged_den)
            rows.insert(9, ("price of bids that are not flagged", price))
    return _table(None, [[escape(name), value] for name, value in rows])


def _three(out: Outcome) -> str:
    return f"{out.winners}, {out.revealed}, {out.unrevealed}"


def _timeline(auction: Auction) -> str:
    d, ends = auction.terms.durations, auction.ends
    start = auction.created
    spans = [("commit", d.commit)]
    spans += [("score 1", d.score_commit + d.score_open + d.score_post)]
    spans += [("challenge", d.challenge), ("score 2", spans[1][1])]
    spans += [(name, getattr(d, name)) for name in ("reveal", "settle", "deliver", "verdict")]
    phases = []
    for name, length in spans:
        phases.append(charts.Phase(name, start, start + length))
        start += length
    last = max([start, *(time for _, time in auction.happened.values())])
    phases.append(charts.Phase("claim", ends.verdict, last + 1))
    events = [(name, *span) for name, span in auction.happened.items()]
    note = f'<p class="soft">Created {_time(auction.created)}; claims from {_time(start)}.</p>'
    return charts.timeline(phases, events) + note


def _efficiency(auction: Auction) -> str:
    bound, rule = certificate(auction), literal(auction)
    holds = "holds" if bound["holds"] else "does not hold"
    split = auction.settlement is not None and auction.settlement.split
    why = " (a tranche spends a part of the budget where weight is dearer)" if split else ""
    excess = rule["total"] / int(rule["budget"])
    return (
        "<h3>Efficiency, and the paper's own rule</h3>"
        f"<p>The winners' weight is {bound['share']:.1%} of what somebody who knew all costs could"
        f" have bought; the bound (FOPT − max w) / 2 {holds}{why}. The paper's literal listing"
        f" would have paid {rule['total']:,.0f} to {rule['winners']} winners, {excess:.2f} times"
        f" the {int(rule['budget']):,} there is"
        + (': <span class="bad">it overspends</span>.</p>' if rule["overspends"] else ".</p>")
    )


def _curves(auction: Auction) -> list[str]:
    outcome = auction.settlement
    if outcome is None:
        return []
    bids, beta = auction.standing(), auction.beta
    if outcome.flagged is None or outcome.unflagged is None:
        clocks = [("Supply curve", outcome.pooled, bids, beta)]
    else:
        flagged, rest = outcome.flagged, outcome.unflagged
        kept = -(-flagged.num * flagged.weight // flagged.den)
        clocks = [
            ("Under-served providers", flagged, [b for b in bids if b.flagged], auction.reserve),
            ("All others", rest, [b for b in bids if not b.flagged], beta - kept),
        ]
    parts = []
    for title, clock, own, budget in clocks:
        if not own or not clock.den:
            continue
        won = set(clock.winners)
        steps = [
            charts.Step(b.index, b.weight / WAD, b.cost * WAD / b.weight, b.index in won)
            for b in recompute.in_order(own)
        ]
        price = clock.num * WAD / clock.den
        parts.append(f"<h3>{title}</h3>{charts.supply(steps, price, budget)}")
    return parts


def _payments(auction: Auction) -> str:
    winners = [bid for bid in auction.bids if bid.wins]
    if not winners:
        return ""
    rows = [
        charts.Row(f"bid {bid.index}", bid.cost or 0, *auction.reward(bid))
        for bid in sorted(winners, key=lambda bid: -sum(auction.reward(bid)))
    ]
    key = "".join(
        f'<span style="background: var(--{kind})"></span>{text}'
        for kind, text in (("cost", "cost"), ("cash", "cash"), ("face", "MUT at face value"))
    )
    return f'<h3>Payments beside costs</h3><p class="key soft">{key}</p>{charts.payments(rows)}'


def _bids(auction: Auction) -> str:
    head = ["#", "provider", "q", "φ", "volume", "weight", "cost", "ψ", "outcome", "cash", "MUT"]
    rows = [_bid(auction, bid) for bid in auction.bids[:_MOST_ROWS]]
    more = len(auction.bids) - len(rows)
    note = f'<p class="soft">… and {more} more.</p>' if more else ""
    return _table(head, rows, numbers=(0, 2, 3, 4, 5, 6, 7, 9, 10)) + note


def _bid(auction: Auction, bid: AuditedBid) -> list[str]:
    row = [str(bid.index), _code(bid.owner, short=True)]
    if auction.scores:
        score = auction.score(bid.index)
        row += [f"{score.q / 10_000:.4f}", f"{score.phi / 10_000:.4f}", f"{score.volume:,}"]
    else:
        row += ["", "", ""]
    rate = f"{(bid.cost or 0) * WAD / bid.weight:,.0f}" if bid.weight else ""
    weight = f"{bid.weight / WAD:.4f}" if bid.weight else ""
    row += [weight, "" if bid.cost is None else f"{bid.cost:,}", rate, _fate(auction, bid)]
    cash, face = auction.reward(bid) if bid.wins else (0, 0)
    return [*row, f"{cash:,}" if bid.wins else "", f"{face:,}" if bid.wins else ""]


def _fate(auction: Auction, bid: AuditedBid) -> str:
    flag = ", under-served" if bid.flagged else ""
    if bid.cost is None:
        return "not revealed" if bid.standing else "withdrawn"
    if bid.forfeited:
        return f'<span class="bad">forfeited</span>{flag}'
    if bid.wins:
        return f'<span class="good">won{", delivered" if bid.delivered else ""}</span>{flag}'
    if not bid.weight:
        return "above β" if bid.cost > auction.beta else "not eligible"
    return f"lost{flag}" if auction.settlement is not None else f"revealed{flag}"


def _signatures(feed: Feed) -> str:
    rows = []
    for number, round_ in enumerate(feed.rounds, 1):
        for member, operator in enumerate(feed.members):
            if number == 2 and not round_.committed >> member & 1:
                continue
            report = round_.reports.get(member)
            used = round_.complete >> member & 1
            rows.append(
                [
                    str(number),
                    _code(operator, short=True),
                    _yes(round_.committed >> member & 1),
                    _yes(round_.published >> member & 1),
                    _code(report, short=True) if report else "–",
                    _yes(used),
                ]
            )
    head = ["round", "operator", "committed", "published on chain", "signed report", "in medians"]
    note = f"<p>{feed.threshold} of {len(feed.members)} must sign. Round"
    note += f" {feed.final_round} counts." if feed.final_round else ": none counts."
    if feed.challenger:
        moved = "moved the scores" if feed.moved else "did not move the scores"
        note += f" Challenged by {_code(feed.challenger)}: it {moved}."
    return note + "</p>" + _table(head, rows)


def _tokens(auction: Auction) -> str:
    parts = []
    if auction.mut is not None:
        mut = auction.mut
        rows = [
            [_code(holder), f"{account.balance:,}", f"{mut.due(holder):,}"]
            for holder, account in list(mut.accounts.items())[:_MOST_ROWS]
        ]
        parts.append(
            f"<h3>MUT</h3><p>{_code(mut.address)}: supply {mut.supply:,}, revenue"
            f" {mut.revenue:,}, of which {mut.paid:,} paid out.</p>"
            + _table(["holder", "balance", "revenue due"], rows, numbers=(1, 2))
        )
    if auction.dst is not None and auction.dst.shares is not None:
        shares = auction.dst.shares
        rows = [
            [str(index), f"{share:,}", _yes(index in auction.dst.claimed)]
            for index, share in list(shares.items())[:_MOST_ROWS]
        ]
        parts.append(
            f"<h3>DST</h3><p>{sum(shares.values()):,} of {auction.terms.dst.supply:,} issued.</p>"
            + _table(["bid", "share", "claimed"], rows, numbers=(0, 1))
        )
    return "".join(parts)


def _operators(state: Replay) -> str:
    rows = [
        [_code(account), f"{operator.bond:,}", _time(operator.locked_until)]
        for account, operator in state.oracle.operators.items()
    ]
    body = "<h2>Operators</h2>" + _table(["operator", "bond, wei", "locked until"], rows, (1,))
    if state.oracle.slashes:
        slashes = [
            [_code(each.operator), each.offence, f"{each.amount:,}", f"{each.reward:,}"]
            for each in state.oracle.slashes
        ]
        head = ["slashed", "for", "amount, wei", "reward, wei"]
        body += _table(head, slashes, numbers=(2, 3))
    return body


def _checks(state: Replay, findings: Sequence[Difference]) -> str:
    found = Counter(finding.check for finding in findings)
    rows = [
        [
            _code(name),
            f"{made:,}",
            f'<span class="bad">{found[name]} found</span>'
            if found[name]
            else '<span class="good">✓</span>',
        ]
        for name, made in sorted(state.checks.made.items())
    ]
    return '<h2>Checks</h2><div class="two">' + _table(["check", "made", ""], rows, (1,)) + "</div>"


def _finding_list(findings: Sequence[Difference]) -> str:
    if not findings:
        return ""
    rows = [
        [
            f'<span class="bad">{escape(each.check)}</span>',
            "" if each.auction is None else str(each.auction),
            escape(each.where),
            escape(each.expected[:200]),
            escape(each.found[:200]),
        ]
        for each in findings[:_MOST_ROWS]
    ]
    return "<h3>Findings</h3>" + _table(["check", "auction", "where", "expected", "found"], rows)


def _table(
    head: Sequence[str] | None, rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """Rows of HTML; the columns in `numbers` are set to the right."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if i in numbers else ''}>{cell}</{tag}>"
            for i, cell in enumerate(row)
        )

    top = f"<thead><tr>{cells('th', head)}</tr></thead>" if head else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _code(value: str | bytes, *, short: bool = False) -> str:
    text = _hex(value) if isinstance(value, bytes) else value
    shown = f"{text[:8]}…{text[-4:]}" if short and len(text) > 14 else text
    return f'<code title="{escape(text)}">{escape(shown)}</code>'


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _price(num: int, den: int) -> str:
    return f"{num * WAD / den:,.2f} <span class=soft>= {num:,} / {den:,} · 10¹⁸</span>"


def _yes(value: object) -> str:
    return "yes" if value else "–"


def _time(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S")
