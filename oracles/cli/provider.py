"""Sell data: commit, open, reveal, deliver, claim.

Options of the chain (--rpc, --keystore, …) stand before the command.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracles.cli.bids import (
    commitment,
    hex_hash,
    overview,
    show_commitment,
    show_done,
    show_judgements,
    show_standings,
    standing_of,
)
from oracles.cli.options import AuctionArgument, AuctionId, RegistryOption, Session, open_session
from oracles.cli.output import JsonOption, bars, print_json, show, show_rows, stderr, stdout
from oracles.money import ETHER
from oracles.when import duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.chain.signers import Signer
    from oracles.chain.state import AuctionState
    from oracles.dataset import Document, Finding
    from oracles.market.book import BidRecord
    from oracles.market.provider import Provider
    from oracles.market.share import Share
    from oracles.proof import Thresholds, Tree

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

BookOption = Annotated[
    Path,
    typer.Option(
        "--book",
        envvar="QMIA_BOOK",
        help="Folder with your salts and data keys. Keep a copy of it.",
    ),
]
DEFAULT_BOOK = Path("bids")


@app.command()
def advise(
    cost: Annotated[int, typer.Argument(help="Your true cost, token units.")],
    rho: Annotated[str, typer.Option(help="ρ of the auction, a fraction or decimal.")],
    discount: Annotated[
        str, typer.Option(help="δ: a MUT of face value 1 is worth 1 − δ to you.")
    ] = "0",
    json: JsonOption = False,
) -> None:
    """Say what to bid when part of the reward is MUT, worth less to you than its face value."""
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
            " smallest unit. Required, except in an enrolment, which takes no bids."
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
    other_book: Annotated[
        bool,
        typer.Option(
            "--other-book",
            help="Bid although your key has bids in this auction that this book does not know.",
        ),
    ] = False,
    text_field: Annotated[
        str | None, typer.Option("--text-field", help="Field or column that is the text.")
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(
            "--card",
            metavar="FILE",
            help="Croissant file; what it states is added to each document.",
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

    Repeat the same command to finish an interrupted commitment; it pays only once.
    """
    from oracles.cli.dataset import print_findings
    from oracles.dataset import refuse_losses
    from oracles.market.calendar import deadlines
    from oracles.market.provider import Limits
    from oracles.registry import check_version

    session: Session = context.obj
    provider = _provider(
        context, book, Limits(ETHER.parse(max_bond), duration(min_window), max_exposed, other_book)
    )
    view = session.auction(auction)
    units = None if cost is None else session.currency(view.terms.token).parse(cost)
    version = view.terms.scoring.metric_version
    thresholds = _entry(metric, version)
    check_version(session.connect(), session.deployment(), registry, version, view.created)
    findings: list[Finding] = []
    documents = _documents(path, text_field, card, findings)
    if not accept_losses:
        documents = refuse_losses(documents, findings)
    try:
        with bars() as progress:
            progress("packing and encrypting", 0, None)
            prepared = provider.prepare(
                auction,
                documents,
                units,
                agreement=agreement,
                findings=findings,
                facts=_tree() if thresholds else None,
                thresholds=thresholds,
                progress=progress,
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
    index, sampled = committed.record.place.index, view.terms.scoring.samples > 0
    file = calendar or book / f"auction-{auction}-bid-{index}.ics"
    contract = committed.record.contract
    file.write_bytes(deadlines(view.phases, auction, contract, index, sampled=sampled))
    values = commitment(prepared, committed, view) | {"calendar": str(file)}
    if json:
        print_json(values)
    else:
        show_commitment(values, session, view, book)


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
    """Open the drawn pages of your data to the operators; if you do not, you lose the bond."""
    provider = _provider(context, book)
    bids = provider.bids(auction)
    with stderr.status("wrapping the keys of the drawn pages"):
        done = provider.open(bids)
    show_done(context, bids, "open", done, "All are open already.", json=json)


@app.command()
def reveal(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Reveal your bids; if you do not, you lose their bonds."""
    bids = _provider(context, book).bids(auction)
    show_done(context, bids, "reveal", bids.reveal(), "All are open already.", json=json)


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
    show_done(context, bids, "deliver", bids.deliver(), nothing, json=json)


@app.command()
def claim(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Claim cash, MUT and bond; after an abort, the bond."""
    bids = _provider(context, book).bids(auction)
    show_done(context, bids, "claim", bids.claim(), "Nothing is due.", json=json)


@app.command()
def withdraw(
    context: typer.Context,
    auction: AuctionArgument,
    index: Annotated[int | None, typer.Option(help="Only this bid.")] = None,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Take your commitments back before commitments end; `reclaim` their bonds afterwards."""
    from oracles.market.view import chain_time

    bids = _provider(context, book).bids(auction)
    done = bids.withdraw(index)
    show_done(context, bids, "withdraw", done, "Nothing to withdraw.", json=json)
    if not json:
        end = moment(bids.view.phases.commit_end, chain_time(context.obj.connect()))
        stdout.print(
            f"The bond can be taken back once commitments have ended, {end}:"
            f" qmia provider reclaim {auction}",
            soft_wrap=True,
            highlight=False,
        )


@app.command()
def reclaim(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Take back the bonds of withdrawn bids, once commitments have ended."""
    bids = _provider(context, book).bids(auction)
    show_done(context, bids, "reclaim", bids.reclaim(), "No withdrawn bid has a bond.", json=json)


@app.command()
def revenue(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Claim the revenue of your MUT."""
    from oracles.market.view import mut_of

    session: Session = context.obj
    sender = session.sender()
    view = session.auction(auction)
    mut = mut_of(sender.web3, session.deployment(), auction)
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
            "transaction": hex_hash(transaction),
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
        bool,
        typer.Option("--opening", help="Add the signed opening of the sample, once it is drawn."),
    ] = False,
    delivery: Annotated[
        bool,
        typer.Option(
            "--delivery",
            help="Add the signed delivery. Somebody who has it and"
            " works with the buyer can get your"
            " data before you are paid.",
        ),
    ] = False,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Write what somebody else needs to reveal your bids, without your key and your data key.

    Cost and salt are in it: give it to somebody you trust not to tell them before the reveal, best
    after commitments have ended.
    """
    from oracles.errors import InputError
    from oracles.market import share as shares
    from oracles.market.bids import match
    from oracles.market.book import BidBook
    from oracles.market.view import chain_time

    session: Session = context.obj
    view, deployment = session.auction(auction), session.deployment()
    records = BidBook(book).records(deployment.address("DataAuction"), auction)
    found = [r for r in match(view, records, None).placed if index in (None, r.index)]
    if not found:
        raise InputError(f"the bid book {book} has no such bid of auction {auction} on chain")
    signer = session.sender().signer if opening or delivery else None
    rows = []
    for record in found:
        made = shares.Share.of(record)
        if signer is not None:
            made = _signed(made, session, view, record, signer, opening=opening, delivery=delivery)
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
    if chain_time(session.connect()) < view.phases.commit_end:
        stderr.print(
            "[bold]Commitments have not ended:[/] whoever reads these files can still bid against"
            " your costs.",
            soft_wrap=True,
        )


def _signed(
    made: Share,
    session: Session,
    view: AuctionState,
    record: BidRecord,
    signer: Signer,
    *,
    opening: bool,
    delivery: bool,
) -> Share:
    """A share with the opening and the delivery that its owner signs.

    Raises:
        InputError: the key is not that of the bid's owner.
    """
    from oracles.errors import InputError
    from oracles.market import share as shares
    from oracles.market.provider import publish_opening
    from oracles.market.view import draw, member_keys

    if signer.address != record.owner:
        raise InputError(f"bid {record.index} is {record.owner}'s, who has to sign")
    deployment, web3 = session.deployment(), session.connect()
    if opening and view.terms.scoring.samples:
        members = [*member_keys(web3, deployment, view).values()]
        with stderr.status("wrapping the keys of the drawn pages"):
            digest = publish_opening(session.store(), record, draw(web3, deployment, view), members)
        domain = deployment.auction(web3).domain
        made = replace(made, opening=shares.sign_opening(domain, signer, record, digest))
    if delivery:
        signed = shares.sign_delivery(deployment.exchange(web3), view, signer, record)
        made = replace(made, delivery=signed)
    return made


@app.command()
def run(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="TOML file; QMIA_… variables take precedence over it."),
    ] = None,
    book: Annotated[Path | None, typer.Option("--book", help="The bid book.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due now, wait until it is done, and end.")
    ] = False,
    wait: Annotated[
        str, typer.Option(help="With --once: longest time to wait for transactions that are sent.")
    ] = "2 min",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Watch and report, but sign and send nothing.")
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
        AuctionId | None,
        typer.Argument(
            metavar="[AUCTION]",
            help="Id of the auction; by default all auctions in the book.",
        ),
    ] = None,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Show what became of your bids, why, and what to do next by when.

    The bid book is matched with the chain by sealed bid. Exit code 1: the chain has a bid of your
    key that the book does not know.
    """
    if auction is None:
        overview(context.obj, book, json=json)
        return
    from oracles.market.bids import match
    from oracles.market.book import BidBook
    from oracles.market.schedule import next_step
    from oracles.market.view import chain_time

    session: Session = context.obj
    contract, web3 = session.deployment().address("DataAuction"), session.connect()
    view = session.auction(auction)
    phases, now = view.phases, chain_time(web3)
    records = BidBook(book).records(contract, auction)
    owner = session.address() or (records[0].owner if records else None)
    matched = match(view, records, owner)
    scores = view.scores(web3, view.accepted_round) if view.accepted_round else []
    currency = session.currency(view.terms.token)
    bids = [standing_of(view, record, scores, currency, now) for record in matched.placed]
    bids += [standing_of(view, record, [], currency, now) for record in matched.bonds_left(view)]
    if json:
        times = {**phases._asdict(), "state": view.state.name.lower()}
        rows = [row for row, _ in bids]
        unknown = list(matched.unknown)
        print_json(
            {"auction": auction, "now": now, "phases": times, "bids": rows, "unknown": unknown}
        )
    else:
        stdout.print(f"Auction {auction} is {view.state.name.lower()}.")
        show_standings(bids, now, currency, auction)
        for record in matched.unsent:
            stdout.print(
                f"Not on chain: the bid of {currency.format(record.cost)}"
                f" (seal 0x{record.sealed_bid.hex()}). It was never sent.",
                soft_wrap=True,
            )
    if matched.unknown:
        ends = [next_step(view, index, now).end for index in matched.unknown]
        first = min((end for end in ends if end is not None), default=None)
        stderr.print(
            f"[bold red]The chain has bids {list(matched.unknown)} of {owner} that the book {book}"
            " does not know.[/] Restore your copy of the book"
            + ("." if first is None else f" before {moment(first, now)}, or bonds are lost."),
            soft_wrap=True,
        )
        raise typer.Exit(1)


@app.command()
def evidence(
    context: typer.Context,
    auction: AuctionArgument,
    stores: Annotated[
        list[str] | None,
        typer.Option(
            "--evidence",
            help="Where operators serve their evidence: https://operator.example, a folder, an"
            " IPFS node as ipfs:/ip4/…; the store by default.",
        ),
    ] = None,
    index: Annotated[int | None, typer.Option(help="Only this bid.")] = None,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Show why your bids have their scores: what each operator measured and found.

    The files are checked against the digests that the operators signed. No key is needed.
    """
    from oracles.errors import ConfigError, InputError
    from oracles.evidence import open_store
    from oracles.market.bids import match
    from oracles.market.book import BidBook
    from oracles.market.evidence import judgements
    from oracles.market.view import chain_time

    session: Session = context.obj
    contract, view = session.deployment().address("DataAuction"), session.auction(auction)
    records = BidBook(book).records(contract, auction)
    placed = [each.place.index for each in match(view, records, None).placed]
    chosen = [each for each in placed if index in (None, each)]
    if not chosen:
        raise InputError(f"the bid book {book} has no such bid of auction {auction} on chain")
    places = [open_store(name) for name in stores] if stores else [session.store()]
    found = judgements(view, chosen, places, contract, chain_time(session.connect()))
    if not any(each.score for row in found.values() for each in row):
        first = next((each.problem for row in found.values() for each in row), "none was published")
        raise ConfigError(
            f"no operator's evidence can be read ({first}): ask an operator of auction {auction}"
            " where it serves its evidence, and name that with --evidence"
        )
    show_judgements(found, json=json)


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
