"""Buy data: create, settle, receive, revenue. Options of the chain precede the command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from oracles.cli.options import (
    AuctionArgument,
    Session,
    open_session,
    print_values,
    read_secret,
    show_phases,
)
from oracles.cli.output import JsonOption, print_json, stderr, stdout

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, callback=open_session)

KeyOption = Annotated[
    Path,
    typer.Option("--key-file", envvar="QMIA_BUYER_KEY_FILE", help="Your secret encryption key."),
]
DEFAULT_KEY = Path("buyer.key")


@app.command()
def keygen(key_file: KeyOption = DEFAULT_KEY, json: JsonOption = False) -> None:
    """Make the encryption key that winners wrap their data keys for."""
    from oracles.dataset import EncryptionKey
    from oracles.errors import InputError

    key = EncryptionKey.generate()
    try:
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(f"cannot write {key_file}: {error}; a key is never overwritten") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(key.secret.hex() + "\n")
    print_values({"key_file": str(key_file), "public": "0x" + key.public.hex()}, json=json)


@app.command()
def create(
    context: typer.Context,
    terms_file: Annotated[Path, typer.Argument(metavar="TERMS", help="TOML file.")],
    key_file: KeyOption = DEFAULT_KEY,
    bounty: Annotated[int, typer.Option(help="Wei for whoever settles.")] = 0,
    json: JsonOption = False,
) -> None:
    """Escrow the budget and create an auction; its terms can never be changed."""
    from oracles.chain.tokens import Erc20
    from oracles.market.terms import load_terms

    session: Session = context.obj
    web3 = session.connect()
    terms = load_terms(terms_file, lambda token: Erc20(web3, token).currency())
    auction = _buyer(context).create(terms, _key(key_file), bounty=bounty)
    phases = show_phases(context.obj, auction)
    print_values({"auction": auction, **phases}, json=json)


@app.command()
def settle(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Clear an auction: propose the marginal winners and walk the bids. Anyone may."""
    buyer = _buyer(context)
    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("bids walked", total=None)
        buyer.settle(
            auction, on_walk=lambda done, total: progress.update(task, completed=done, total=total)
        )
    view = buyer.view(auction)
    outcome = (view.settled or {}).get("outcome", {})
    shown = {name: str(value) for name, value in outcome.items()}
    print_values({"auction": auction, **shown}, json=json)


@app.command()
def receive(
    context: typer.Context,
    auction: AuctionArgument,
    key_file: KeyOption = DEFAULT_KEY,
    out: Annotated[Path, typer.Option(help="Where to put the data.")] = Path("received"),
    json: JsonOption = False,
) -> None:
    """Decrypt what was delivered, verified against what was committed. Resumes."""
    session: Session = context.obj
    rows = [
        {"index": r.index, "owner": r.owner, "path": str(r.path), "documents": r.documents}
        for r in _buyer(context).receive(auction, _key(key_file), session.store(), out)
    ]
    if json:
        print_json(rows)
        return
    table = Table("index", "owner", "documents", "path")
    for row in rows:
        table.add_row(str(row["index"]), row["owner"], str(row["documents"]), row["path"])
    stdout.print(table)


@app.command()
def forfeit(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Past the delivery deadline: strike out winners who posted no key. Anyone may."""
    print_values(
        {"auction": auction, "indices": _buyer(context).forfeit_missing(auction)}, json=json
    )


@app.command()
def bounty(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Collect your part of the bounty, if you were one of several who walked the bids."""
    amount = _buyer(context).bounty(auction)
    print_values({"auction": auction, "native": str(amount)}, json=json)


@app.command()
def withdraw(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Take back unspent cash, your MUT, and the bounty where it is due back."""
    amounts = _buyer(context).withdraw(auction)
    print_values(
        {"auction": auction, **{name: str(value) for name, value in amounts.items()}}, json=json
    )


@app.command()
def abort(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """End an auction whose scores failed or that nobody settled in time. Anyone may."""
    session: Session = context.obj
    sender = session.sender()
    sender.send(session.deployment().auction(sender.web3).abort(auction))
    print_values({"auction": auction, **show_phases(session, auction)}, json=json)


@app.command()
def deposit(
    context: typer.Context,
    auction: AuctionArgument,
    amount: Annotated[int, typer.Argument(help="Revenue, token units.")],
    json: JsonOption = False,
) -> None:
    """Pay revenue to the holders of an auction's MUT. Anyone may."""
    _buyer(context).deposit_revenue(auction, amount)
    print_values({"auction": auction, "deposited": str(amount)}, json=json)


@app.command()
def dst(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """Issue the participation tokens of an auction. Anyone may."""
    shares = _buyer(context).issue_dst(auction)
    if json:
        print_json({str(index): str(share) for index, share in shares.items()})
        return
    table = Table("index", "DST")
    for index, share in shares.items():
        table.add_row(str(index), str(share))
    stdout.print(table)


@app.command()
def status(context: typer.Context, auction: AuctionArgument, json: JsonOption = False) -> None:
    """State, deadlines, and how far an auction has come."""
    from oracles.market.view import load_auction

    session: Session = context.obj
    view = load_auction(session.connect(), session.deployment(), auction)
    values: dict[str, Any] = {
        "auction": auction,
        **show_phases(session, auction),
        "buyer": view.buyer,
        "beta": str(view.beta),
        "committed": len(view.commitments),
        "revealed": len(view.revealed),
        "delivered": len(view.delivered),
        "forfeited": len(view.forfeited),
    }
    print_values(values, json=json)


def _buyer(context: typer.Context) -> Any:
    from oracles.market.buyer import Buyer

    session: Session = context.obj
    return Buyer(session.sender(), session.deployment())


def _key(path: Path) -> Any:
    from oracles.dataset import EncryptionKey
    from oracles.errors import ConfigError

    try:
        return EncryptionKey(bytes.fromhex(read_secret(path)))
    except ValueError as error:
        raise ConfigError(f"{path} holds no key: 64 hexadecimal digits are needed") from error
