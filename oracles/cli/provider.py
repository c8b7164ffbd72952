"""Sell data: commit, reveal, deliver, claim. Options of the chain precede the command."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.options import AuctionArgument, RegistryOption, Session, open_session
from oracles.cli.output import JsonOption, print_json, show, show_rows, stderr, stdout, table
from oracles.money import ETHER
from oracles.when import duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.dataset import Document, Finding
    from oracles.market.bids import Bids, Done
    from oracles.market.provider import Provider
    from oracles.market.schedule import Step
    from oracles.money import Currency
    from oracles.proof import Thresholds, Tree

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

BookOption = Annotated[
    Path,
    typer.Option("--book", envvar="QMIA_BOOK", help="Your salts and data keys. Keep a copy of it."),
]
DEFAULT_BOOK = Path("bids")


@app.command()
def advise(
    cost: Annotated[int, typer.Argument(help="Your true cost, token units.")],
    rho: Annotated[str, typer.Option(help="ρ of the auction, a fraction or decimal.")],
    discount: Annotated[
        str, typer.Option(help="δ: how much less than its face a MUT is worth to you.")
    ] = "0",
    json: JsonOption = False,
) -> None:
    """What to bid when part of the reward is MUT and you do not value it at face (§8.6)."""
    from oracles.errors import InputError
    from oracles.mechanism import advise as advise_bid
    from oracles.mechanism import discounted_rate

    try:
        rate = discounted_rate(Fraction(rho), Fraction(discount))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"ρ and δ are numbers between 0 and 1: {error}") from error
    advice = advise_bid(cost, rate)
    if json:
        bid = None if advice.bid is None else str(advice.bid)
        print_json(
            {"rate": str(advice.rate), "bid": bid, "loss_if_truthful": str(advice.loss_if_truthful)}
        )
    else:
        stdout.print(str(advice))


@app.command()
def commit(
    context: typer.Context,
    auction: AuctionArgument,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File or folder to sell.")],
    cost: Annotated[
        str | None,
        typer.Option(
            help="Your cost, which stays sealed: `120 USDC`, or a whole number of the token's"
            " smallest unit. Required, but in an enrolment, which takes no bids."
        ),
    ] = None,
    max_bond: Annotated[
        str, typer.Option(help="Refuse an auction that asks for a larger bond.")
    ] = "0.1 ether",
    min_window: Annotated[
        str,
        typer.Option(help="Refuse an auction that gives less time to open, reveal or deliver."),
    ] = "1 h",
    agreement: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The contract text that you agree to. Required where the auction names one.",
        ),
    ] = None,
    max_exposed: Annotated[
        float,
        typer.Option(
            help="Refuse if the sample, with those of this data set opened in earlier auctions,"
            " would show the operators more than this share of it.",
        ),
    ] = 0.2,
    text_field: Annotated[
        str | None, typer.Option("--text-field", help="Field or column that is the text.")
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(
            "--card", metavar="FILE", help="Croissant file: what it states, each document gets."
        ),
    ] = None,
    metric: Annotated[
        Path | None,
        typer.Option(
            "--metric",
            metavar="FILE",
            help="The metric's document (`qmia metric document`). Where it asks for thresholds,"
            " they are proved; without the proof the set would not be on the roll.",
        ),
    ] = None,
    registry: RegistryOption = None,
    accept_losses: Annotated[
        bool, typer.Option("--accept-losses", help="Commit even where reading loses data.")
    ] = False,
    calendar: Annotated[
        Path | None,
        typer.Option(help="Where to write the deadlines (iCalendar); beside the book by default."),
    ] = None,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Encrypt and publish a data set, seal a bid, commit both with bond and entry fee.

    The same command once more finishes an interrupted commitment and pays only once.
    """
    from oracles.cli.dataset import print_findings
    from oracles.dataset import refuse_losses
    from oracles.market.calendar import deadlines
    from oracles.market.provider import Limits
    from oracles.market.veto import check_version
    from oracles.market.view import chain_time

    session: Session = context.obj
    limits = Limits(ETHER.parse(max_bond), duration(min_window), max_exposed)
    provider = _provider(context, book, limits)
    view = session.auction(auction)
    currency = session.currency(view.terms.token)
    units = None if cost is None else currency.parse(cost)
    findings: list[Finding] = []
    documents = _documents(path, text_field, card, findings)
    thresholds = _entry(metric, view.terms.scoring.metric_version)
    web3, deployment = session.connect(), session.deployment()
    check_version(web3, deployment, registry, view.terms.scoring.metric_version, view.created)
    if not accept_losses:
        documents = refuse_losses(documents, findings)
    try:
        with stderr.status("packing and encrypting"):
            prepared = provider.prepare(
                auction,
                documents,
                units,
                agreement=agreement,
                findings=findings,
                facts=_tree() if thresholds else None,
                thresholds=thresholds,
            )
    finally:
        print_findings(findings)
    try:
        committed = provider.commit(prepared)
    except KeyboardInterrupt:
        stderr.print(
            f"Interrupted. The commitment may be on chain: `qmia provider status {auction}` tells,"
            " and the same commit once more finishes it without paying twice."
        )
        raise
    record = committed.record
    phases, sampled = view.phases, view.terms.scoring.samples > 0
    file = calendar or book / f"auction-{auction}-bid-{record.index}.ics"
    index = record.place.index
    file.write_bytes(deadlines(phases, auction, record.contract, index, sampled=sampled))
    values = {
        "auction": auction,
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
        "transaction": _hash(committed.transaction),
        "open_start": phases.open_start if sampled else None,
        "open_end": phases.open_end if sampled else None,
        "reveal_start": phases.reveal_start,
        "reveal_end": phases.reveal_end,
        "calendar": str(file),
    }
    if json:
        print_json(values)
        return
    now = chain_time(session.connect())
    start, end = moment(phases.reveal_start, now), moment(phases.reveal_end, now)
    opens, closes = moment(phases.open_start, now), moment(phases.open_end, now)
    show(
        values
        | {
            "cost": currency.format(record.cost),
            "bond": f"{ETHER.format(prepared.bond)}"
            + ("" if committed.transaction else " (paid before: this bid was on chain already)"),
            "entry_fee": f"{ETHER.format(prepared.entry_fee)}, which does not come back",
            "exposed": f"{prepared.exposed:.1%} of it is shown to the operators",
            "open_start": opens if sampled else "nothing has to be opened",
            "open_end": closes if sampled else None,
            "reveal_start": start,
            "reveal_end": end,
        },
        json=False,
    )
    opening = f"Open the sample between {opens} and {closes}: qmia provider open {auction}\n"
    stdout.print(
        f"\n{opening if sampled else ''}"
        f"Reveal between {start} and {end}: qmia provider reveal {auction}\n"
        "Whoever misses one of them loses the bond. Operators must be able to fetch manifest and"
        f" archive from {session.store_name} until claims begin. Keep a copy of the bid book"
        f" {book}: without it the bid cannot be opened.",
        soft_wrap=True,
        highlight=False,
    )


def _entry(metric: Path | None, version: bytes) -> Thresholds | None:
    """What the metric of an auction asks to be proved; None where nothing is known of it.

    Raises:
        InputError: the document is not that of the metric.
    """
    from oracles.market.metric import read_document
    from oracles.scoring import Entry

    if metric is None:
        return None
    entry = read_document(metric, version).get("entry")
    return None if entry is None else Entry.model_validate(entry).thresholds


def _tree() -> Tree:
    from oracles.proof import Tree
    from oracles.quality import page_facts

    return Tree(page_facts)


@app.command("open")
def open_sample(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Open the pages that were drawn of your data to the operators, or lose the bond."""
    provider = _provider(context, book)
    bids = provider.bids(auction)
    with stderr.status("wrapping the keys of the drawn pages"):
        done = provider.open(bids)
    _show_done(context, bids, "open", done, "All are open already.", json=json)


@app.command()
def reveal(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Open your bids. Whoever does not loses the bond."""
    bids = _provider(context, book).bids(auction)
    _show_done(context, bids, "reveal", bids.reveal(), "All are open already.", json=json)


@app.command()
def deliver(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Hand the data key of every winning bid to the buyer, wrapped for its key."""
    bids = _provider(context, book).bids(auction)
    nothing = "No bid of yours has a key to deliver: they did not win, or have delivered."
    _show_done(context, bids, "deliver", bids.deliver(), nothing, json=json)


@app.command()
def claim(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Claim cash, MUT and bond; after an abort, the bond."""
    bids = _provider(context, book).bids(auction)
    _show_done(context, bids, "claim", bids.claim(), "Nothing is due.", json=json)


@app.command()
def withdraw(
    context: typer.Context,
    auction: AuctionArgument,
    index: Annotated[int | None, typer.Option(help="Only this bid.")] = None,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Take your commitments back before the deadline. Bonds come back by `reclaim` after it."""
    bids = _provider(context, book).bids(auction)
    done = bids.withdraw(index)
    _show_done(context, bids, "withdraw", done, "Nothing to withdraw.", json=json)


@app.command()
def reclaim(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Take the bonds of withdrawn bids back, once commitments have ended."""
    bids = _provider(context, book).bids(auction)
    _show_done(context, bids, "reclaim", bids.reclaim(), "No withdrawn bid has a bond.", json=json)


@app.command()
def revenue(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Claim the revenue of your MUT."""
    from oracles.chain.tokens import Mut

    session: Session = context.obj
    sender = session.sender()
    view = session.auction(auction)
    mut = Mut(sender.web3, session.deployment().auction(sender.web3).mut_token(auction))
    amount = mut.revenue_of(sender.address)
    transaction = None
    if amount:
        transaction = bytes(sender.send(mut.claim_for(sender.address))["transactionHash"])
    shown = str(amount) if json else session.currency(view.terms.token).format(amount)
    show(
        {
            "auction": auction,
            "holder": sender.address,
            "revenue": shown,
            "transaction": _hash(transaction),
        },
        json=json,
    )


@app.command()
def share(
    context: typer.Context,
    auction: AuctionArgument,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")],
    index: Annotated[int | None, typer.Option(help="Only this bid.")] = None,
    opening: Annotated[
        bool, typer.Option("--opening", help="With the signed opening of the sample, once drawn.")
    ] = False,
    delivery: Annotated[
        bool,
        typer.Option(
            "--delivery",
            help="With the signed delivery. Who holds it and is in league with the buyer has your"
            " data before they are paid for.",
        ),
    ] = False,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Write what somebody else needs to reveal your bids, without your key and your data key.

    Cost and salt are in it: give it to somebody you trust not to tell them before the reveal, best
    after commitments have ended.
    """
    from dataclasses import replace

    from oracles.errors import InputError
    from oracles.market import share as shares
    from oracles.market.bids import match
    from oracles.market.book import BidBook
    from oracles.market.provider import publish_opening
    from oracles.market.view import chain_time, draw, member_keys

    session: Session = context.obj
    view, deployment, web3 = session.auction(auction), session.deployment(), session.connect()
    records = BidBook(book).records(deployment.address("DataAuction"), auction)
    found = [r for r in match(view, records, None).placed if index in (None, r.index)]
    if not found:
        raise InputError(f"the bid book {book} has no such bid of auction {auction} on chain")
    signer = session.sender().signer if opening or delivery else None
    rows = []
    for record in found:
        made = shares.Share.of(record)
        if signer is not None and signer.address != record.owner:
            raise InputError(f"bid {record.index} is {record.owner}'s, who has to sign")
        if signer is not None and opening and view.terms.scoring.samples:
            members = [*member_keys(web3, deployment, view).values()]
            with stderr.status("wrapping the keys of the drawn pages"):
                digest = publish_opening(
                    session.store(), record, draw(web3, deployment, view), members
                )
            domain = deployment.auction(web3).domain
            made = replace(made, opening=shares.sign_opening(domain, signer, record, digest))
        if signer is not None and delivery:
            signed = shares.sign_delivery(deployment.exchange(web3), view, signer, record)
            made = replace(made, delivery=signed)
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = out / f"{auction}-{record.index}.json"
        shares.write_share(path, made)
        rows.append(
            {
                "bid": record.index,
                "file": str(path),
                "reveal": True,
                "open": made.opening is not None,
                "deliver": made.delivery is not None,
            }
        )
    show_rows(rows, json=json, empty="")
    if chain_time(web3) < view.phases.commit_end:
        stderr.print(
            "[bold]Commitments have not ended:[/] whoever reads these files can still bid against"
            " your costs.",
            soft_wrap=True,
        )


@app.command()
def run(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="TOML file; QMIA_… variables go before it."),
    ] = None,
    book: Annotated[Path | None, typer.Option("--book", help="The bid book.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due now, see it through, and end.")
    ] = False,
    wait: Annotated[
        str, typer.Option(help="With --once: most time for what is on its way.")
    ] = "2 min",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Watch and tell, but sign and send nothing.")
    ] = False,
    listen: Annotated[
        str | None, typer.Option(help="host:port for /livez, /readyz, /metrics; empty for none.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every cycle.")] = False,
    json: JsonOption = False,
) -> None:
    """Leave it running: open, reveal, deliver and claim in time, and warn before deadlines.

    With --once, exit code 1 says that something is due and could not be done.
    """
    from oracles.companion import companion
    from oracles.companion.settings import load
    from oracles.service.logs import configure

    settings = load(config, book=book, listen=listen, **_given(context))
    configure("json" if json else settings.log, verbose=verbose, to_stdout=json)
    if dry_run:
        settings.address, signer = settings.named_address(), None
    else:
        signer = settings.signer()
    if not once:
        companion.run(settings, signer)
        return
    undone = companion.once(settings, signer, duration(wait))
    if json:
        print_json({"undone": undone})
    for sentence in undone:
        stderr.print(sentence, soft_wrap=True, highlight=False, markup=False)
    if undone:
        raise typer.Exit(1)


def _given(context: typer.Context) -> dict[str, Any]:
    """Options of the chain that were given on the command line, by the names of settings."""
    parent = context.parent
    if parent is None:
        return {}
    sources = {name: parent.get_parameter_source(name) for name in parent.params}
    return {
        name: parent.params[name]
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE"
    }


@app.command()
def status(
    context: typer.Context,
    auction: Annotated[
        int | None,
        typer.Argument(metavar="[AUCTION]", help="Id of the auction; all of the book by default."),
    ] = None,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """What became of your bids, why, and what to do next until when.

    The bid book is matched with the chain by sealed bid. Exit code 1: the chain has a bid of your
    key that the book does not know.
    """
    if auction is None:
        _overview(context.obj, book, json=json)
        return
    from oracles.market.bids import match
    from oracles.market.book import BidBook
    from oracles.market.schedule import next_step
    from oracles.market.standing import standing
    from oracles.market.view import chain_time

    session: Session = context.obj
    deployment, web3 = session.deployment(), session.connect()
    view = session.auction(auction)
    phases, now = view.phases, chain_time(web3)
    currency = session.currency(view.terms.token)
    records = BidBook(book).records(deployment.address("DataAuction"), auction)
    owner = session.address() or (records[0].owner if records else None)
    matched = match(view, records, owner)
    scores = view.scores(web3, view.accepted_round) if view.accepted_round else []
    rows: list[dict[str, Any]] = []
    steps: list[tuple[int, Step]] = []
    for record in matched.placed:
        index = record.place.index
        fate = standing(view, index, scores[index]) if index < len(scores) else None
        step = next_step(view, index, now)
        steps.append((index, step))
        rows.append(
            {
                "index": index,
                "owner": record.owner,
                "cost": str(record.cost),
                "q": fate and fate.q,
                "phi": fate and fate.phi,
                "weight": None if fate is None or fate.weight is None else str(fate.weight),
                "won": fate and fate.won,
                "reward": None if fate is None or fate.reward is None else str(fate.reward),
                "why": fate and fate.why,
                "next": step.verb,
                "next_why": step.why,
                "from": step.start,
                "until": step.end,
                "at_stake": step.stake,
            }
        )
    if json:
        times = {**phases._asdict(), "state": view.state.name.lower()}
        unknown = list(matched.unknown)
        print_json(
            {"auction": auction, "now": now, "phases": times, "bids": rows, "unknown": unknown}
        )
    else:
        stdout.print(f"Auction {auction} is {view.state.name.lower()}.")
        _show_standings(rows, steps, now, currency, auction)
        for record in matched.unsent:
            stdout.print(
                f"Not on chain: the bid of {currency.format(record.cost)}"
                f" (seal 0x{record.sealed_bid.hex()}). It was never sent.",
                soft_wrap=True,
            )
    if matched.unknown:
        stderr.print(
            f"[bold red]The chain has bids {list(matched.unknown)} of {owner} that the book {book}"
            f" does not know.[/] Restore your copy of the book before"
            f" {moment(phases.reveal_end, now)}, or their bonds are lost.",
            soft_wrap=True,
        )
        raise typer.Exit(1)


def _overview(session: Session, book: Path, *, json: bool) -> None:
    """The next step of every bid in the book, the most urgent first."""
    from oracles.market.bids import match
    from oracles.market.book import BidBook
    from oracles.market.schedule import next_step
    from oracles.market.view import chain_time

    contract, now = session.deployment().address("DataAuction"), chain_time(session.connect())
    records = [each for each in BidBook(book).all() if each.contract == contract]
    found: list[tuple[int, int, Step]] = []
    for auction in sorted({each.auction for each in records}):
        view = session.auction(auction)
        mine = [each for each in records if each.auction == auction]
        indices = [record.place.index for record in match(view, mine, None).placed]
        found += [(auction, index, next_step(view, index, now)) for index in indices]
    found.sort(key=lambda each: (each[2].verb == "done", each[2].end or 2**63, each[:2]))
    if json:
        rows = [
            {
                "auction": auction,
                "index": index,
                "next": step.verb,
                "next_why": step.why,
                "from": step.start,
                "until": step.end,
                "at_stake": step.stake,
            }
            for auction, index, step in found
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


def _show_standings(
    rows: list[dict[str, Any]],
    steps: list[tuple[int, Step]],
    now: int,
    currency: Currency,
    auction: int,
) -> None:
    from oracles.mechanism.weights import GRID, WAD

    if not rows:
        stdout.print("The chain has no bid of this book.")
        return
    shown = ("index", "owner", "cost", "q", "phi", "weight", "won", "reward")

    def value(row: dict[str, Any], name: str) -> Any:
        if row[name] is None:
            return None
        if name in ("cost", "reward"):
            return currency.format(int(row[name]))
        if name in ("q", "phi"):
            return f"{row[name] / GRID:.4f}"
        return f"{int(row[name]) / WAD:.6f}" if name == "weight" else row[name]

    stdout.print(table([{name: value(row, name) for name in shown} for row in rows]))
    for row, (index, step) in zip(rows, steps, strict=True):
        if row["why"]:
            stdout.print(f"Bid {index}: {row['why']}", soft_wrap=True, highlight=False)
        stdout.print(f"Bid {index}: {_sentence(step, now, auction)}", soft_wrap=True)


def _sentence(step: Step, now: int, auction: int) -> str:
    """A step for people: what, from when, until when, and what is at stake."""
    if step.verb in ("wait", "done"):
        return step.why
    parts = [f"qmia provider {step.verb} {auction}"]
    if step.start is not None and step.start > now:
        parts.append(f"from {moment(step.start, now)}")
    if step.end is not None:
        parts.append(f"until {moment(step.end, now)}")
    if step.stake:
        parts.append(f"or {step.stake} is lost")
    return f"{step.why} Next: {' '.join(parts)}"


def _show_done(
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
                "transaction": _hash(each.transaction),
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
            | {"transaction": _hash(each.transaction)}
            for each in done
        ],
        json=False,
        empty=nothing,
    )


def _hash(transaction: bytes | None) -> str | None:
    return None if transaction is None else "0x" + transaction.hex()


def _documents(
    path: Path, text_field: str | None, card: Path | None, findings: list[Finding]
) -> Iterator[Document]:
    """Documents of a data set, with what the card states for all: operators see no card."""
    from oracles.dataset import Document, read_documents

    documents = read_documents(path, findings=findings, text_field=text_field)
    if card is None:
        return documents
    from oracles.quality.metadata import inherit, read_card

    stated = read_card(card)
    return (Document(d.text, inherit(d.metadata, stated)) for d in documents)


def _provider(context: typer.Context, book: Path, limits: Any = None) -> Provider:
    from oracles.market.book import BidBook
    from oracles.market.provider import Limits, Provider

    session: Session = context.obj
    return Provider(
        session.sender(), session.deployment(), BidBook(book), session.store(), limits or Limits()
    )
