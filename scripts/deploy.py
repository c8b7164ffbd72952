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
from eth_utils.crypto import keccak

from oracles.chain.deployment import (
    LOCAL,
    PUBLIC,
    SCHEMA,
    Deployment,
    deploy,
    verification,
)
from scripts._ape import Command, sender
from scripts.build import ARTIFACTS

if TYPE_CHECKING:
    from ape.api import AccountAPI


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
def cli(account: AccountAPI, out: Path, windows: str, salt: str) -> None:
    """Deploy ScoreOracle, DataAuction with its Exchange, and DstFactory."""
    deployment: Deployment = deploy(
        sender(account),
        PUBLIC if windows == "public" else LOCAL,
        salt=keccak(text=salt),
    )
    deployment.save(out)
    folder = out.with_suffix(".verification")
    folder.mkdir(exist_ok=True)
    shutil.copy(ARTIFACTS / "standard-input.json", folder)
    (folder / "arguments.json").write_text(json.dumps(verification(deployment), indent=2) + "\n")
    for name, contract in deployment.contracts.items():
        click.echo(f"{name:12} {contract.address}{'' if contract.transaction else ' (already)'}")
    click.echo(f"written to {out}, {folder}")
