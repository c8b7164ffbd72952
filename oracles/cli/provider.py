"""Sell data: commit, reveal, deliver, claim. Options of the chain precede the command."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from oracles.cli.options import (
    AuctionArgument,
    Session,
    open_session,
    print_values,
    show_phases,
)
from oracles.cli.output import JsonOption, print_json, stderr, stdout

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
    cost: Annotated[int, typer.Option(help="Your cost, token units; stays sealed.")] = 0,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Encrypt and publish a data set, seal a bid, commit both with the bond."""
    provider = _provider(context, book)
    findings: list[Any] = []
    with stderr.status("packing and encrypting"):
        prepared = provider.prepare(auction, path, cost, findings=findings)
    for finding in findings:
        stderr.print(f"[yellow]{finding.kind}[/] {finding.where}: {finding.detail}")
    record = provider.commit(prepared)
    print_values(
        {
            "auction": auction,
            "index": record.index,
            "owner": record.owner,
            "documents": prepared.documents,
            "bytes": prepared.data_set.size,
            "content_digest": "0x" + prepared.data_set.content_digest.hex(),
            "cid": record.cid,
            "archive": record.archive,
        },
        json=json,
    )


def _act(context: typer.Context, verb: str, auction: int, book: Path, *, json: bool) -> None:
    done = getattr(_provider(context, book), verb)(auction)
    indices = [record.index for record in done]
    print_values({"auction": auction, "done": verb, "indices": indices}, json=json)


@app.command()
def reveal(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Open your bids. Whoever does not loses the bond."""
    _act(context, "reveal", auction, book, json=json)


@app.command()
def deliver(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Hand the data key of every winning bid to the buyer, wrapped for its key."""
    _act(context, "deliver", auction, book, json=json)


@app.command()
def claim(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Claim cash, MUT and bond; after an abort, the bond."""
    _act(context, "claim", auction, book, json=json)


@app.command()
def withdraw(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """Take your commitments back before the deadline, with the bonds."""
    _act(context, "withdraw", auction, book, json=json)


@app.command()
def revenue(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Claim the revenue of your MUT."""
    from oracles.chain.tokens import Mut

    session: Session = context.obj
    sender = session.sender()
    mut = Mut(sender.web3, session.deployment().auction(sender.web3).mut_token(auction))
    amount = mut.revenue_of(sender.address)
    if amount:
        sender.send(mut.claim_for(sender.address))
    print_values({"auction": auction, "holder": sender.address, "revenue": str(amount)}, json=json)


@app.command()
def status(
    context: typer.Context,
    auction: AuctionArgument,
    book: BookOption = DEFAULT_BOOK,
    json: JsonOption = False,
) -> None:
    """What your bid book and the chain say about your bids."""
    from oracles.market.book import BidBook
    from oracles.market.view import load_auction, wins

    session: Session = context.obj
    deployment = session.deployment()
    view = load_auction(session.connect(), deployment, auction)
    rows: list[dict[str, Any]] = [
        {
            "index": record.index,
            "owner": record.owner,
            "cost": str(record.cost),
            "committed": record.index in view.commitments,
            "revealed": record.index in view.revealed,
            "won": record.index is not None and wins(view, record.index),
            "delivered": record.index in view.delivered,
        }
        for record in BidBook(book).records(deployment.address("DataAuction"), auction)
    ]
    phases = show_phases(session, auction)
    if json:
        print_json({"auction": auction, "phases": phases, "bids": rows})
        return
    stdout.print(f"auction {auction} is {phases['state']}")
    table = Table("index", "owner", "cost", "committed", "revealed", "won", "delivered")
    for row in rows:
        table.add_row(*map(str, row.values()))
    stdout.print(table)


def _provider(context: typer.Context, book: Path) -> Any:
    from oracles.market.book import BidBook
    from oracles.market.provider import Provider

    session: Session = context.obj
    return Provider(session.sender(), session.deployment(), BidBook(book), session.store())
