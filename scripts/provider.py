"""The provider's role with an Ape account: commit, reveal, deliver, claim, withdraw.

    ape run provider commit 1 data/ --cost 120000000 --account alice --network ethereum:sepolia:node
    ape run provider reveal 1 --account alice --network ethereum:sepolia:node

`qmia provider` does the same with a keystore file; both share `oracles.market.provider`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ape.cli import account_option

from oracles.chain.deployment import Deployment
from oracles.evidence import DirectoryStore
from oracles.market.book import BidBook
from oracles.market.provider import Provider
from scripts._ape import Command, sender

if TYPE_CHECKING:
    from ape.api import AccountAPI

PATH = click.Path(path_type=Path)


@click.group()
def cli() -> None:
    """Sell data in an auction."""


@cli.command(cls=Command)
@account_option()
@click.argument("auction", type=int)
@click.argument("path", type=PATH)
@click.option("--cost", type=int, default=0, help="Your cost, token units; stays sealed.")
@click.option("--deployment", type=PATH, default=Path("deployment.json"))
@click.option("--book", type=PATH, default=Path("bids"), help="Salts and data keys.")
@click.option("--store", type=PATH, default=Path("store"), help="Where archives are published.")
def commit(
    account: AccountAPI,
    auction: int,
    path: Path,
    cost: int,
    deployment: Path,
    book: Path,
    store: Path,
) -> None:
    """Encrypt and publish a data set, seal a bid, commit both with the bond."""
    provider = _provider(account, deployment, book, store)
    record = provider.commit(provider.prepare(auction, path, cost))
    click.echo(f"committed as {record.index}; manifest {record.cid}")


def _verb(name: str, text: str) -> None:
    """Add a command that does one thing for all of the account's bids."""

    @cli.command(name, cls=Command, help=text)
    @account_option()
    @click.argument("auction", type=int)
    @click.option("--deployment", type=PATH, default=Path("deployment.json"))
    @click.option("--book", type=PATH, default=Path("bids"))
    def command(account: AccountAPI, auction: int, deployment: Path, book: Path) -> None:
        provider = _provider(account, deployment, book, Path("store"))
        records: list[Any] = getattr(provider, name)(auction)
        click.echo(f"{name}: bids {[record.index for record in records]}")


_verb("reveal", "Open your bids. Whoever does not loses the bond.")
_verb("deliver", "Hand the data key of every winning bid to the buyer.")
_verb("claim", "Claim cash, MUT and bond; after an abort, the bond.")
_verb("withdraw", "Take your commitments back before the deadline.")


def _provider(account: AccountAPI, deployment: Path, book: Path, store: Path) -> Provider:
    return Provider(
        sender(account), Deployment.load(deployment), BidBook(book), DirectoryStore(store)
    )
