"""Deploy the contracts with Ape, and write the deployment file that everything else reads.

    ape run deploy --network ethereum:local:foundry --account TEST::0 --windows local

Ape gives the account and the network; what is deployed are the tracked artifacts, which CI compares
with the sources, so that nobody deploys something that the audit and the daemons do not know.
Addresses follow from code, arguments and salt (oracles/chain/deployment.py). Beside the deployment
file, `NAME.verification/` gets what block explorers want: the compiler's Standard JSON input, and
the encoded constructor arguments of each contract.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape.cli import account_option
from eth_utils.address import is_hex_address, to_checksum_address
from eth_utils.crypto import keccak

from oracles.chain import artifacts
from oracles.chain.deployment import (
    LOCAL,
    PUBLIC,
    SCHEMA,
    Deployment,
    deploy,
    verification,
)
from oracles.chain.tokens import Erc20
from oracles.errors import ConfigError
from scripts._ape import Command, sender
from scripts.build import ARTIFACTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ape.api import AccountAPI

    from oracles.chain.client import Sender


@click.command(cls=Command)
@account_option()
@click.option("--out", type=click.Path(path_type=Path), default=Path("deployment.json"))
@click.option(
    "--windows",
    type=click.Choice(["public", "local"]),
    default="public",
    help="`public`: a provider has a day at least for each step, an operator an hour, and samples"
    " are drawn two epochs after commitments end. `local`: seconds, for test networks.",
)
@click.option("--salt", default=SCHEMA, help="Any text; another one gives other addresses.")
@click.option(
    "--trial-token",
    metavar="ADDRESS",
    multiple=True,
    help="Also deploy a settlement token without value (LUSD), and give 1,000,000 to this address.",
)
def cli(
    account: AccountAPI, out: Path, windows: str, salt: str, trial_token: tuple[str, ...]
) -> None:
    """Deploy ScoreOracle, DataAuction with its Exchange, DstFactory and UsageLog."""
    deployment: Deployment = deploy(
        sender(account),
        PUBLIC if windows == "public" else LOCAL,
        salt=keccak(text=salt),
    )
    deployment.save(out)
    verified = verification(sender(account).web3, deployment)
    folder = out.with_suffix(".verification")
    folder.mkdir(exist_ok=True)
    shutil.copy(ARTIFACTS / "standard-input.json", folder)
    (folder / "arguments.json").write_text(json.dumps(verified, indent=2) + "\n")
    for name, contract in deployment.contracts.items():
        click.echo(f"{name:12} {contract.address}{'' if contract.transaction else ' (already)'}")
    click.echo(f"written to {out}, {folder}")
    if trial_token:
        click.echo(f"LocalDollar  {_trial_token(sender(account), trial_token)} (for trials)")


def _trial_token(payer: Sender, holders: Sequence[str]) -> str:
    """Deploy a token that is worth nothing, and give each holder a million of it."""
    for holder in holders:
        if not is_hex_address(holder):
            raise ConfigError(f"--trial-token takes an address, not {holder!r}")
    built, amount = artifacts.artifact("LocalDollar"), 10**12
    factory = payer.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
    receipt = payer.send(factory.constructor(amount * len(holders)))
    token = Erc20(payer.web3, str(receipt["contractAddress"]))
    for holder in holders:
        payer.send(token.transfer(to_checksum_address(holder), amount))
    return token.address
