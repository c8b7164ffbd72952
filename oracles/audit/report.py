"""The page: what happened in each auction, and every check. One file, no network, prints well."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Final

from oracles.audit import charts, recompute
from oracles.audit.summary import certificate, literal
from oracles.chain.oracle import Ground
from oracles.chain.terms import GWEI, PPB, WAD
from oracles.money import DST, ETHER, Currency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from oracles.audit.auction import Auction, AuditedBid
    from oracles.audit.checks import Difference
    from oracles.audit.feed import Feed
    from oracles.audit.replay import Replay
    from oracles.chain.terms import AuctionId
    from oracles.chain.typed_events import Outcome

#: Longer tables are cut; `--json` has everything.
_MOST_ROWS = 400

#: Of every page that the audit writes.
STYLE = """
:root { --ink: #1c2430; --soft: #5d6878; --line: #ccd3dc; --good: #17735b; --bad: #b3261e;
  --won: #2f7f6d; --lost: #c9cfd8; --cash: #2f6fb0; --mut: #8fb8dd; --cost: #b8873a; }
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
.scroll { overflow-x: auto; } .short { white-space: nowrap; }
dl { columns: 2; column-gap: 2rem; font-size: .9rem; margin: .4rem 0; }
dl div { break-inside: avoid; margin-bottom: .35rem; } dt { font-weight: 600; display: inline; }
dd { display: inline; margin: 0 0 0 .4rem; color: var(--soft); } abbr { text-decoration: none; }
svg { width: 100%; height: auto; margin: .3rem 0; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .mid { text-anchor: middle; } svg .end { text-anchor: end; }
svg .small { font-size: 11px; fill: var(--soft); } svg .phase { fill: #e9edf2; }
svg .event { fill: var(--cash); } svg .won { fill: var(--won); fill-opacity: .75; stroke: #fff; }
svg .lost { fill: var(--lost); stroke: #fff; } svg .axis, svg .outline { fill: none;
  stroke: var(--ink); } svg .budget { fill: none; stroke: var(--soft); stroke-dasharray: 5 4; }
svg .price { stroke: var(--bad); stroke-width: 1.6; } svg .edge { stroke: var(--soft);
  stroke-dasharray: 2 3; } svg .cost { fill: var(--cost); } svg .cash { fill: var(--cash); }
svg .mut { fill: var(--mut); } svg .on-won { fill: #fff; } svg .on-lost { fill: var(--ink); }
.key span { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
.narrow { display: none; }
@media screen and (max-width: 640px) { body { margin: 1rem auto; } .wide { display: none; }
  .narrow { display: block; } .two, dl { columns: 1; }
  .scroll .n, .scroll th { white-space: nowrap; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; } }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt; } h2 { break-before: page; }
  h2.first { break-before: auto; } tr, svg { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


#: What the page's symbols mean. Those of tokens are plain text already (`token_currency`).
_SYMBOLS: Final = (
    ("q", "quality of a data set, 0 to 1, as the operators measured it"),
    ("φ", "estimated use of a data set for the model, 0 to 1, where 1 is the most useful one"),
    ("weight", "what q and φ together are worth by this auction's rule; 0 takes part in no clock"),
    ("ψ", "cost per unit of weight: bids are taken in this order, cheapest first"),
    ("β", "most that the auction can spend on rewards: budget and pool together, by ρ"),
    ("ρ", "share of every reward that is paid in cash; the rest is paid in MUT"),
    ("f", "share of β that is reserved for data that is underserved (the tranche)"),
    ("B, U", "the buyer's budget in cash, and its pool of MUT"),
    ("MUT", "share in the revenue of the model, given at face value; DST: record of participation"),
    ("bond", "what a provider loses for not revealing, or for winning and not delivering"),
    ("roll", "the data sets that enough operators attest to hold, checked; only they take part"),
    ("stake", "what an operator loses for two signed reports, or for one that it never shows"),
    ("clock", "the rule that finds the price per unit of weight at which β just suffices"),
)


def page(state: Replay, auction: AuctionId | None = None) -> str:
    """The whole page.

    Args:
        state: a finished replay.
        auction: only this one with what all share, or None for all.
    """
    findings = state.findings(auction)
    chosen = [
        each
        for number, each in sorted(state.auctions.auctions.items())
        if auction is None or number == auction
    ]
    body = ["<h1>Q-MIA audit</h1>", _head(state, auction), _finding_list(findings), _legend()]
    body += [_auction(state, each, first=each is chosen[0]) for each in chosen]
    body += [_operators(state), _checks(state, auction)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Q-MIA audit</title><style>{STYLE}</style></head><body>"
        f"{''.join(body)}</body></html>\n"
    )


def _head(state: Replay, auction: AuctionId | None) -> str:
    """The verdict, and what exactly it is about."""
    header, findings = state.header, state.findings(auction)
    verdict = "passed" if not findings else f"{len(findings)} findings"
    total = len(state.auctions.auctions)
    scope = f"{total} auctions" if auction is None else f"auction {auction} of {total}"
    counted = "" if header.auctions is None else f"; the contract counts {header.auctions}"
    rows = [
        ("chain", str(header.chain_id)),
        ("blocks", f"{header.from_block:,} to {header.to_block:,}"),
        ("last block", _code(header.to_hash)),
        ("auctions", f"{total} in the logs{counted}"),
    ]
    rows += [(name, _code(each.address)) for name, each in header.deployment.contracts.items()]
    for token, currency in header.currencies.items():
        text = f"{currency.symbol}, {currency.decimals} decimals, {_code(token)}"
        rows.append(("settlement token", text))
    return (
        f'<p><span class="verdict{"" if findings else " passed"}">{verdict}</span> '
        f"{scope}: {sum(state.made(auction).values()):,} checks on"
        f" {state.followed(auction):,} events.</p>"
        '<p class="soft">Recomputed from the chain\'s logs alone, in exact integers. Whoever'
        " reads this: compare the contracts below with those that you know. What a token is called,"
        " and how many decimals it has, is the token's own word. Times are in UTC.</p>"
        + _table(None, rows)
    )


def _legend() -> str:
    rows = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in _SYMBOLS)
    return f"<h3>Words and symbols</h3><dl>{rows}</dl>"


@dataclass(frozen=True, slots=True)
class _Money:
    """Amounts of one auction as people read them."""

    cash: Currency

    @property
    def mut(self) -> Currency:
        """MUT has the decimals of the settlement token, in which its face value is counted."""
        return Currency("MUT", self.cash.decimals)

    def coins(self, amount: float) -> float:
        """An amount in whole coins, for pictures."""
        return float(amount / 10**self.cash.decimals)


def _auction(state: Replay, auction: Auction, *, first: bool) -> str:
    money = _Money(state.header.currency(auction.terms.token))
    kind = ' class="first"' if first else ""
    parts = [f"<h2{kind}>Auction {auction.id}: {auction.state}</h2>", _facts(auction, money)]
    parts += ["<h3>Timeline</h3>", _timeline(auction)]
    if auction.settlement is not None:
        parts += [_efficiency(auction, money), *_curves(auction, money)]
        parts.append(_payments(auction, money))
    if auction.bids:
        parts += ["<h3>Bids</h3>", _bids(auction, money)]
    feed = state.oracle.feeds.get((state.auctions.address, auction.id))
    if feed is not None:
        parts += ["<h3>Who signed what</h3>", _signatures(feed)]
    parts.append(_tokens(auction, money))
    return "".join(parts)


def _facts(auction: Auction, money: _Money) -> str:
    terms, out, cash, mut = auction.terms, auction.outcome, money.cash.format, money.mut.format
    rows = [
        ("buyer", _code(auction.buyer)),
        ("budget B", cash(terms.budget)),
        ("pool U", mut(terms.pool)),
        ("ρ, tranche f", f"{terms.rho / PPB:g}, {terms.tranche / PPB:g}"),
        ("β", cash(auction.beta)),
        ("reserve f·β", cash(auction.reserve)),
        ("bond, entry fee", f"{ETHER.format(auction.bond)}, {ETHER.format(auction.entry_fee)}"),
        ("agreement", _code(terms.agreement)),
        ("operator set", str(terms.scoring.operator_set)),
        ("stake of each operator", ETHER.format(terms.scoring.stake_gwei * GWEI)),
        ("fee for the scores", ETHER.format(terms.scoring.fee_gwei * GWEI)),
        ("metric version", _code(terms.scoring.metric_version)),
        ("evaluation set", _code(terms.scoring.evaluation)),
    ]
    if out:
        rows.append(("clearing price", _price(out.num, out.den, money)))
        if out.split:
            price = _price(out.unflagged_num, out.unflagged_den, money)
            rows.append(("price of bids that are not underserved", price))
        rows += [
            ("winners, revealed, not revealed", _three(out)),
            ("refund to the buyer", cash(out.refund)),
            ("MUT supply", mut(out.mut_supply)),
            ("the buyer's part of it", mut(out.buyer_mut)),
            ("bonds burned for not revealing", ETHER.format(out.unrevealed * auction.bond)),
        ]
    return _table(None, [[escape(name), value] for name, value in rows])


def _three(out: Outcome) -> str:
    return f"{out.winners}, {out.revealed}, {out.unrevealed}"


def _timeline(auction: Auction) -> str:
    ends, start = auction.ends, auction.created
    phases = []
    for name, end in zip(ends._fields, ends, strict=True):
        if end > start:
            phases.append(charts.Phase(name, start, end))
        start = end
    last = max([start, *(time for _, time in auction.happened.values())])
    phases.append(charts.Phase("claim", ends.dispute, last + 1))
    events = [(name, *span) for name, span in auction.happened.items()]
    note = f'<p class="soft">Created {_time(auction.created)}; claims from {_time(start)}.</p>'
    rows = [[f"<b>{each.name}</b> begins", _time(each.start)] for each in phases]
    rows += [[name, _time(first)] for name, first, _ in events]
    listed = _table(None, sorted(rows, key=lambda row: row[1]))
    picture = charts.timeline(phases, events)
    return f'<div class="wide">{picture}</div><div class="narrow">{listed}</div>{note}'


def _efficiency(auction: Auction, money: _Money) -> str:
    bound, rule = certificate(auction), literal(auction)
    holds = "holds" if bound["holds"] else "does not hold"
    split = auction.settlement is not None and auction.settlement.split
    why = " (a tranche spends a part of the budget where weight is dearer)" if split else ""
    excess = rule["total"] / int(rule["budget"])
    return (
        "<h3>Efficiency, and the paper's own rule</h3>"
        f"<p>The winners' weight is {bound['share']:.1%} of what somebody who knew all costs could"
        f" have bought; the bound (FOPT − max w) / 2 {holds}{why}. The paper's literal listing"
        f" would have paid {money.cash.format(int(rule['total']))} to {rule['winners']}"
        f" winners, {excess:.2f} times the {money.cash.format(int(rule['budget']))} there is"
        + (': <span class="bad">it overspends</span>.</p>' if rule["overspends"] else ".</p>")
    )


def _curves(auction: Auction, money: _Money) -> list[str]:
    settlement = auction.settlement
    if settlement is None:
        return []
    bids, beta = auction.standing(), auction.beta
    if settlement.flagged is None or settlement.unflagged is None:
        clocks = [("Supply curve", settlement.pooled, bids, beta)]
    else:
        flagged, rest = settlement.flagged, settlement.unflagged
        kept = -(-flagged.num * flagged.weight // flagged.den)
        clocks = [
            ("Underserved providers", flagged, [b for b in bids if b.flagged], auction.reserve),
            ("All others", rest, [b for b in bids if not b.flagged], beta - kept),
        ]
    parts = []
    for title, clock, own, budget in clocks:
        if not own or not clock.den:
            continue
        won = set(clock.winners)
        steps = [
            charts.Step(
                b.index, b.weight / WAD, money.coins(b.cost * WAD / b.weight), b.index in won
            )
            for b in recompute.in_order(own)
        ]
        price = money.coins(clock.num * WAD / clock.den)
        parts.append(
            f"<h3>{title}</h3>"
            + _both(partial(charts.supply, steps, price, money.coins(budget), money.cash.symbol))
        )
    return parts


def _both(draw: Callable[[int], str]) -> str:
    """One picture for wide pages and print, and one for telephones; letters are equally large."""
    wide, narrow = draw(charts.WIDE), draw(charts.NARROW)
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def _payments(auction: Auction, money: _Money) -> str:
    winners = [bid for bid in auction.bids if bid.wins]
    if not winners:
        return ""
    rows = []
    for bid in sorted(winners, key=lambda bid: -sum(auction.reward(bid))):
        parts = [money.coins(each) for each in (bid.cost or 0, *auction.reward(bid))]
        rows.append(charts.Row(f"bid {bid.index}", *parts))
    key = "".join(
        f'<span style="background: var(--{kind})"></span>{text}'
        for kind, text in (("cost", "cost"), ("cash", "cash"), ("mut", "MUT at face value"))
    )
    drawn = _both(partial(charts.payments, rows))
    unit = money.cash.symbol
    return f'<h3>Payments beside costs, in {unit}</h3><p class="key soft">{key}</p>{drawn}'


def _bids(auction: Auction, money: _Money) -> str:
    unit = f"in {money.cash.symbol}"
    titles = dict(_SYMBOLS)
    head = ["#", "provider", "q", "φ", "volume", "weight", "cost", "ψ", "outcome", "cash", "MUT"]
    explained = [
        f'<abbr title="{escape(titles[each])}">{each}</abbr>' if each in titles else each
        for each in head
    ]
    rows = [_bid(auction, bid, money) for bid in auction.bids[:_MOST_ROWS]]
    more = len(auction.bids) - len(rows)
    note = f"… and {more} more. " if more else ""
    note += f"Cost, ψ and cash are {unit}; volume is in tokens of text."
    table = _table(explained, rows, numbers=(0, 2, 3, 4, 5, 6, 7, 9, 10))
    return table + f'<p class="soft">{note}</p>'


def _bid(auction: Auction, bid: AuditedBid, money: _Money) -> list[str]:
    row = [str(bid.index), _code(bid.owner, short=True)]
    if auction.scores:
        score = auction.score(bid.index)
        row += [f"{score.q / 10_000:.4f}", f"{score.phi / 10_000:.4f}", f"{score.volume:,}"]
    else:
        row += ["", "", ""]
    rate = charts.figure(money.coins((bid.cost or 0) * WAD / bid.weight)) if bid.weight else ""
    weight = f"{bid.weight / WAD:.4f}" if bid.weight else ""
    row += [weight, "" if bid.cost is None else _amount(money.cash, bid.cost), rate]
    row.append(_fate(auction, bid))
    cash, mut = auction.reward(bid) if bid.wins else (0, 0)
    row.append(_amount(money.cash, cash) if bid.wins else "")
    row.append(_amount(money.mut, mut) if bid.wins else "")
    return row


def _amount(currency: Currency, amount: int) -> str:
    """Exactly, and without the symbol."""
    return currency.format(amount).rpartition(" ")[0]


def _fate(auction: Auction, bid: AuditedBid) -> str:
    flag = ", underserved" if bid.flagged else ""
    if bid.cost is None:
        return "withdrawn" if bid.withdrawn else "not revealed"
    if bid.out is not None:
        return f'<span class="bad">struck out, {Ground(bid.out).name.lower()}</span>{flag}'
    if bid.wins:
        return f'<span class="good">won{", delivered" if bid.delivered else ""}</span>{flag}'
    if not bid.weight:
        return _excluded(auction, bid)
    return f"lost: ψ is above the price{flag}" if auction.settlement else f"revealed{flag}"


def _excluded(auction: Auction, bid: AuditedBid) -> str:
    """Why a revealed bid takes part in no clock."""
    score, least = auction.score(bid.index), auction.terms.scoring.q_min
    if not score.phi:
        return "not eligible: φ is 0: it was not found to make the model better"
    if score.q < least:
        return f"not eligible: q is below the auction's {least / 10_000:.4f}"
    return "cost is above β"


def _signatures(feed: Feed) -> str:
    """The roll call, and both rounds member by member."""
    panel = feed.attesting
    called = ", ".join(_code(panel.members[each], short=True) for each in sorted(feed.bitmaps))
    note = f"<p>The roll was called by {called or 'nobody'}; {panel.threshold} are needed.</p>"
    rows = []
    for number, round_ in enumerate(feed.rounds, 1):
        for position, member in enumerate(feed.panel(number).members):
            if number == 2 and not round_.committed >> position & 1:
                continue
            report = round_.reports.get(position)
            rows.append(
                [
                    str(number),
                    _code(member, short=True),
                    _yes(round_.committed >> position & 1),
                    _yes(round_.published >> position & 1),
                    _code(report, short=True) if report else "–",
                    _yes(round_.complete >> position & 1),
                    ETHER.format(round_.claimed.get(position, 0)),
                ]
            )
    head = ["round", "operator", "staked", "published on chain", "signed report", "in medians"]
    standing = f"Round {feed.standing} stands." if feed.standing else "No round stands."
    note += f"<p>{feed.panel(1).threshold} of {len(feed.panel(1).members)} must sign. {standing}"
    if feed.challenger:
        moved = "moved the scores" if feed.moved else "did not move the scores"
        note += f" Challenged by {_code(feed.challenger)}: the appeal {moved}."
    return note + "</p>" + _table([*head, "fee claimed"], rows, (6,))


def _tokens(auction: Auction, money: _Money) -> str:
    parts = []
    if auction.mut is not None:
        mut = auction.mut
        rows = [
            [
                _code(holder),
                _amount(money.mut, account.balance),
                _amount(money.cash, mut.due(holder)),
            ]
            for holder, account in list(mut.accounts.items())[:_MOST_ROWS]
        ]
        cash = money.cash.format
        parts.append(
            f"<h3>MUT</h3><p>{_code(mut.address)}: supply {money.mut.format(mut.supply)}, revenue"
            f" {cash(mut.revenue)}, of which {cash(mut.paid)} paid out.</p>"
            + _table(["holder", "MUT", f"revenue due, {money.cash.symbol}"], rows, (1, 2))
        )
    if auction.dst is not None and auction.dst.shares is not None:
        shares = auction.dst.shares
        issued = _amount(DST, sum(shares.values()))
        rows = [
            [str(index), _amount(DST, share), _yes(index in auction.dst.claimed)]
            for index, share in list(shares.items())[:_MOST_ROWS]
        ]
        parts.append(
            f"<h3>DST</h3><p>{issued} of {DST.format(auction.terms.dst.supply)} issued.</p>"
            + _table(["bid", "share", "claimed"], rows, numbers=(0, 1))
        )
    return "".join(parts)


def _operators(state: Replay) -> str:
    """Who agreed to serve, what accounts can withdraw, and which stakes were lost."""
    found = state.oracle.operators
    sets = [
        [
            str(number),
            "<br>".join(_panel(panel.threshold, panel.members) for panel in each.panels),
            "standing" if each.standing else f"accepted by {len(each.accepted)}",
        ]
        for number, each in found.sets.items()
    ]
    body = "<h2>Operators</h2>" + _table(["set", "panels", ""], sets)
    credit = [[_code(account), ETHER.format(held)] for account, held in found.credit.items()]
    body += _table(["account", "credit"], credit, (1,))
    if state.oracle.stakes.slashes:
        slashes = [
            [
                str(each.auction),
                _code(each.member),
                each.offence,
                ETHER.format(each.burned),
                ETHER.format(each.dues),
            ]
            for each in state.oracle.stakes.slashes
        ]
        head = ["auction", "slashed", "for", "burned", "repays gas"]
        body += _table(head, slashes, numbers=(3, 4))
    return body + _ether(state)


def _panel(threshold: int, members: Sequence[str]) -> str:
    if not members:
        return "no appeal panel"
    return f"{threshold} of " + ", ".join(_code(member, short=True) for member in members)


def _ether(state: Replay) -> str:
    """What the contracts hold by the logs, and by the node."""
    ledger = state.auctions.context.ledger
    rows = [
        [_code(each.holder), ETHER.format(ledger.held[each.holder]), ETHER.format(each.amount)]
        for each in state.header.balances
        if not each.token
    ]
    head = ["contract", "holds by the logs", "holds by the node"]
    burned = f"<p>{ETHER.format(ledger.burned)} were burned.</p>"
    if not rows:
        burned += "<p>Not compared: the node no longer had the state of the last block.</p>"
    return "<h3>Ether</h3>" + _table(head, rows, (1, 2)) + burned


def _checks(state: Replay, auction: AuctionId | None) -> str:
    found = Counter(finding.check for finding in state.findings(auction))
    rows = [
        [
            _code(name),
            f"{made:,}",
            f'<span class="bad">{found[name]} found</span>'
            if found[name]
            else '<span class="good">✓</span>',
        ]
        for name, made in sorted(state.made(auction).items())
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
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


def _code(value: str | bytes, *, short: bool = False) -> str:
    text = _hex(value) if isinstance(value, bytes) else value
    shown = f"{text[:8]}…{text[-4:]}" if short and len(text) > 14 else text
    kind = " class=short" if short else ""
    return f'<code{kind} title="{escape(text)}">{escape(shown)}</code>'


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _price(num: int, den: int, money: _Money) -> str:
    whole = f"{charts.figure(money.coins(num * WAD / den))} {money.cash.symbol}"
    return f"{whole} per unit of weight <span class=soft>= {num:,} / {den:,} · 10¹⁸ units</span>"


def _yes(value: object) -> str:
    return "yes" if value else "–"


def _time(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S")
