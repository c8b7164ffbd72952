"""A provider's bids as its commands print them: what was committed, what was done, what is due."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracles.cli.output import print_json, show, show_rows, stdout, table
from oracles.evidence import is_node
from oracles.money import ETHER
from oracles.when import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from oracles.chain.packing import Score
    from oracles.chain.state import AuctionState
    from oracles.cli.options import AuctionId, Session
    from oracles.market.bids import Bids, Done
    from oracles.market.book import BidRecord
    from oracles.market.evidence import Judgement
    from oracles.market.provider import Committed, Prepared
    from oracles.market.schedule import Step
    from oracles.money import Currency


def commitment(prepared: Prepared, committed: Committed, view: AuctionState) -> dict[str, Any]:
    """What was committed, paid and shown, and when the next steps are due."""
    record, phases = committed.record, view.phases
    sampled = view.terms.scoring.samples > 0
    return {
        "auction": view.id,
        "index": record.index,
        "owner": record.owner,
        "documents": prepared.documents,
        "bytes": record.size,
        "cost": str(record.cost),
        "bond": str(prepared.bond),
        "entry_fee": str(prepared.entry_fee),
        "exposed": prepared.exposed,
        "content_digest": "0x" + record.content_digest.hex(),
        "manifest": record.manifest,
        "archive": record.archive,
        "transaction": hex_hash(committed.transaction),
        "open_start": phases.open_start if sampled else None,
        "open_end": phases.open_end if sampled else None,
        "reveal_start": phases.reveal_start,
        "reveal_end": phases.reveal_end,
    }


def show_commitment(
    values: dict[str, Any], session: Session, view: AuctionState, book: Path
) -> None:
    """Print a commitment for people, and what they have to do until when.

    Args:
        values: of `commitment`.
        session: of the command.
        view: the auction.
        book: where the bid's secrets are.
    """
    from oracles.market.view import chain_time

    now, sampled = chain_time(session.connect()), values["open_end"] is not None
    start, end = moment(values["reveal_start"], now), moment(values["reveal_end"], now)
    opens, closes = moment(view.phases.open_start, now), moment(view.phases.open_end, now)
    paid_before = "" if values["transaction"] else " (paid before: this bid was on chain already)"
    shown = {
        "cost": session.currency(view.terms.token).format(int(values["cost"])),
        "bond": ETHER.format(int(values["bond"])) + paid_before,
        "entry_fee": f"{ETHER.format(int(values['entry_fee']))}, which does not come back",
        "exposed": f"{values['exposed']:.1%} of it is shown to the operators",
        "open_start": opens if sampled else "nothing has to be opened",
        "open_end": closes if sampled else None,
        "reveal_start": start,
        "reveal_end": end,
    }
    show(values | shown, json=False)
    name = session.store_name
    where = name if is_node(name) else Path(name).absolute()
    opening = f"Open the sample between {opens} and {closes}: qmia provider open {view.id}\n"
    stdout.print(
        f"\n{opening if sampled else ''}"
        f"Reveal between {start} and {end}: qmia provider reveal {view.id}\n"
        "Whoever misses one of them loses the bond. Operators must be able to fetch manifest and"
        f" archive from {where} until claims begin. Keep a copy of the bid book"
        f" {book}: without it the bid cannot be opened.",
        soft_wrap=True,
        highlight=False,
    )


def standing_of(
    view: AuctionState,
    record: BidRecord,
    scores: Sequence[Score],
    currency: Currency,
    now: int,
) -> tuple[dict[str, Any], Step]:
    """What became of one bid, as values to print, and its next step."""
    from oracles.market.schedule import next_step
    from oracles.market.standing import standing

    index = record.place.index
    fate = standing(view, index, scores[index], currency.format) if index < len(scores) else None
    step = next_step(view, index, now)
    row = {
        "index": index,
        "owner": record.owner,
        "cost": str(record.cost),
        "q": fate and fate.q,
        "phi": fate and fate.phi,
        "weight": None if fate is None or fate.weight is None else str(fate.weight),
        "won": fate and fate.won,
        "reward": None if fate is None or fate.reward is None else str(fate.reward),
        "why": fate and fate.why,
    }
    return row | _step(step), step


def _step(step: Step) -> dict[str, Any]:
    """A step as values to print."""
    return {
        "next": step.verb,
        "next_why": step.why,
        "from": step.start,
        "until": step.end,
        "at_stake": step.stake,
    }


def overview(session: Session, book: Path, *, json: bool) -> None:
    """The next step of every bid in the book, the most urgent first."""
    from oracles.errors import InputError
    from oracles.market.bids import match
    from oracles.market.book import BidBook
    from oracles.market.schedule import next_step
    from oracles.market.view import chain_time

    if not book.is_dir():
        raise InputError(
            f"there is no bid book at {book}: `commit` makes one; name yours with --book or"
            " QMIA_BOOK, or restore your copy of it"
        )
    contract, now = session.deployment().address("DataAuction"), chain_time(session.connect())
    records = [each for each in BidBook(book).all() if each.contract == contract]
    found: list[tuple[AuctionId, int, Step]] = []
    for auction in sorted({each.auction for each in records}):
        view = session.auction(auction)
        mine = [each for each in records if each.auction == auction]
        matched = match(view, mine, None)
        indices = [r.place.index for r in (*matched.placed, *matched.bonds_left(view))]
        found += [(auction, index, next_step(view, index, now)) for index in indices]
    found.sort(key=lambda each: (each[2].verb == "done", each[2].end or 2**63, each[:2]))
    if json:
        rows = [
            {"auction": auction, "index": index} | _step(step) for auction, index, step in found
        ]
        print_json({"now": now, "bids": rows})
        return
    if not found:
        stdout.print(f"The chain has no bid of the book {book}.", soft_wrap=True)
    for auction, index, step in found:
        stdout.print(
            f"Auction {auction}, bid {index}: {_sentence(step, now, auction)}",
            soft_wrap=True,
            highlight=False,
        )


def show_standings(
    bids: list[tuple[dict[str, Any], Step]], now: int, currency: Currency, auction: AuctionId
) -> None:
    """Print what became of the bids of one auction, and the next step of each."""
    from oracles.mechanism.weights import WAD

    if not bids:
        stdout.print("The chain has no bid of this book.")
        return
    shown = ("index", "owner", "cost", "q", "phi", "weight", "won", "reward")

    def value(row: dict[str, Any], name: str) -> Any:
        if row[name] is None:
            return None
        if name in ("cost", "reward"):
            return currency.format(int(row[name]))
        if name in ("q", "phi"):
            return _share(row[name])
        return f"{int(row[name]) / WAD:.6f}" if name == "weight" else row[name]

    stdout.print(table([{name: value(row, name) for name in shown} for row, _ in bids]))
    for row, step in bids:
        if row["why"]:
            stdout.print(f"Bid {row['index']}: {row['why']}", soft_wrap=True, highlight=False)
        stdout.print(f"Bid {row['index']}: {_sentence(step, now, auction)}", soft_wrap=True)


def _sentence(step: Step, now: int, auction: AuctionId) -> str:
    """A step for people: what, from when, until when, and what is at stake."""
    if step.verb in ("wait", "done"):
        return step.why
    parts = [f"qmia provider {step.verb} {auction}"]
    if step.start is not None and step.start > now:
        parts.append(f"from {moment(step.start, now)}")
    if step.end is not None:
        parts.append(f"until {moment(step.end, now)}")
    if step.stake:
        parts.append(f"or {step.stake} {'are' if ' and ' in step.stake else 'is'} lost")
    return f"{step.why} Next: {' '.join(parts)}"


def show_judgements(found: dict[int, list[Judgement]], *, json: bool) -> None:
    """Print what operators measured of each bid, and what they found."""
    if json:
        rows = {
            str(index): [
                {
                    "operator": each.operator,
                    "evidence": "0x" + each.digest.hex(),
                    "score": each.score and each.score._asdict(),
                    "quality": each.quality,
                    "impact": each.impact,
                    "problem": each.problem,
                }
                for each in row
            ]
            for index, row in found.items()
        }
        print_json({"bids": rows})
        return
    for index, row in found.items():
        read = [each for each in row if each.score is not None]
        if read:
            title = f"Bid {index}; what counts is the median over the operators"
            stdout.print(table([_measured(each) for each in read], title=title))
        for each in row:
            if each.problem:
                _say(f"Bid {index}, operator {each.operator}: {each.problem}.")
        for sentence, operators in _findings(read).items():
            by = "" if len(operators) == len(read) else f" (by {', '.join(operators)})"
            _say(f"Bid {index}: {sentence}{by}")


def _measured(judgement: Judgement) -> dict[str, Any]:
    """One operator's numbers, between 0 and 1 where they are shares."""
    score, quality = judgement.score, judgement.quality
    made: dict[str, Any] = {"operator": judgement.operator}
    if score is not None:
        made |= {"q": _share(score.q), "phi": _share(score.phi), "volume": score.volume}
    names = ("cleanliness", "diversity", "novelty", "metadata", "unique")
    return made | {name: _share(quality.get(name)) for name in names}


def _share(value: Any) -> str | None:
    """A number of grid steps as a share; None where a stranger wrote no number."""
    from oracles.mechanism.weights import GRID

    return f"{value / GRID:.4f}" if isinstance(value, int) else None


def _findings(judgements: list[Judgement]) -> dict[str, list[str]]:
    """By finding, the operators that made it."""
    found: dict[str, list[str]] = {}
    for each in judgements:
        sentences = each.quality.get("findings")
        failed = [each.quality["failed"]] if "failed" in each.quality else []
        for sentence in [*failed, *(sentences if isinstance(sentences, list) else [])]:
            found.setdefault(str(sentence), []).append(each.operator)
    return found


def _say(sentence: str) -> None:
    stdout.print(sentence, soft_wrap=True, highlight=False, markup=False)


def show_done(
    context: typer.Context,
    bids: Bids,
    verb: str,
    done: list[Done],
    nothing: str,
    *,
    json: bool,
) -> None:
    """What was done for each bid, with the money that came of it and the next step."""
    if json:
        rows = [
            {
                "index": each.index,
                "transaction": hex_hash(each.transaction),
                "cash": str(each.cash),
                "mut": str(each.mut),
                "bond": str(each.bond),
            }
            for each in done
        ]
        print_json({"auction": bids.view.id, "done": verb, "bids": rows})
        return
    currency = context.obj.currency(bids.view.terms.token)
    money = verb in ("claim", "reclaim")
    show_rows(
        [
            {"bid": each.index}
            | (
                {
                    "cash": currency.format(each.cash),
                    "mut": currency.format(each.mut).replace(currency.symbol, "MUT"),
                    "bond": ETHER.format(each.bond),
                }
                if money
                else {}
            )
            | {"transaction": hex_hash(each.transaction)}
            for each in done
        ],
        json=False,
        empty=nothing,
    )


def hex_hash(transaction: bytes | None) -> str | None:
    """The hash of a transaction as text, where there is one."""
    return None if transaction is None else "0x" + transaction.hex()
