"""The buyer's and the settler's role with an Ape account: create, settle, receive, deposit, DST.

    ape run buyer create terms.toml --account bob --network ethereum:sepolia:node
    ape run buyer settle 1 --account bob --network ethereum:sepolia:node

`qmia buyer` does the same with a keystore file; both share `oracles.market.buyer`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape.cli import account_option

from oracles.chain.deployment import Deployment
from oracles.dataset import EncryptionKey
from oracles.evidence import DirectoryStore
from oracles.market.buyer import Buyer
from oracles.market.terms import load_terms
from scripts._ape import Command, sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from ape.api import AccountAPI

PATH = click.Path(path_type=Path)


@click.group()
def cli() -> None:
    """Buy data, or settle for anybody."""


@cli.command(cls=Command)
@account_option()
@click.argument("terms", type=PATH)
@click.option("--key-file", type=PATH, default=Path("buyer.key"), help="From `qmia buyer keygen`.")
@click.option("--bounty", type=int, default=0, help="Wei for whoever settles.")
@click.option("--deployment", type=PATH, default=Path("deployment.json"))
def create(account: AccountAPI, terms: Path, key_file: Path, bounty: int, deployment: Path) -> None:
    """Escrow the budget and create an auction."""
    auction = _buyer(account, deployment).create(load_terms(terms), _key(key_file), bounty=bounty)
    click.echo(f"auction {auction}")


@cli.command(cls=Command)
@account_option()
@click.argument("auction", type=int)
@click.option("--out", type=PATH, default=Path("received"))
@click.option("--store", type=PATH, default=Path("store"))
@click.option("--key-file", type=PATH, default=Path("buyer.key"))
@click.option("--deployment", type=PATH, default=Path("deployment.json"))
def receive(
    account: AccountAPI, auction: int, out: Path, store: Path, key_file: Path, deployment: Path
) -> None:
    """Decrypt what was delivered, verified against what was committed."""
    buyer = _buyer(account, deployment)
    for each in buyer.receive(auction, _key(key_file), DirectoryStore(store), out):
        click.echo(f"{each.index} {each.owner} {each.documents} documents {each.path}")


@cli.command(cls=Command)
@account_option()
@click.argument("auction", type=int)
@click.argument("amount", type=int)
@click.option("--deployment", type=PATH, default=Path("deployment.json"))
def deposit(account: AccountAPI, auction: int, amount: int, deployment: Path) -> None:
    """Pay revenue to the holders of an auction's MUT."""
    _buyer(account, deployment).deposit_revenue(auction, amount)
    click.echo(f"deposited {amount}")


def _step(name: str, text: str, action: Callable[[Buyer, int], object]) -> None:
    """Add a command that moves one auction on."""

    @cli.command(name, cls=Command, help=text)
    @account_option()
    @click.argument("auction", type=int)
    @click.option("--deployment", type=PATH, default=Path("deployment.json"))
    def command(account: AccountAPI, auction: int, deployment: Path) -> None:
        result = action(_buyer(account, deployment), auction)
        click.echo(f"{name}: {'done' if result is None else result}")


_step("settle", "Propose the marginal winners and walk the bids. Anyone may.", Buyer.settle)
_step("forfeit", "Strike out winners who posted no key. Anyone may.", Buyer.forfeit_missing)
_step("bounty", "Collect your part of the bounty, if several walked the bids.", Buyer.bounty)
_step("withdraw", "Take back unspent cash, MUT and bounty.", Buyer.withdraw)
_step("dst", "Issue the participation tokens. Anyone may.", Buyer.issue_dst)


def _buyer(account: AccountAPI, deployment: Path) -> Buyer:
    return Buyer(sender(account), Deployment.load(deployment))


def _key(path: Path) -> EncryptionKey:
    return EncryptionKey(bytes.fromhex(path.read_text().strip()))
