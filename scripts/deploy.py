"""Deploy the contracts with Ape, and write the deployment file that everything else reads.

    ape run deploy --network ethereum:local:foundry --account TEST::0

Ape gives the account and the network; what is deployed are the tracked artifacts, which CI compares
with the sources, so that nobody deploys something that the audit and the daemons do not know.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from ape.cli import account_option

from oracles.chain.deployment import Deployment, deploy
from scripts._ape import Command, sender

if TYPE_CHECKING:
    from ape.api import AccountAPI

ETHER = 10**18


@click.command(cls=Command)
@account_option()
@click.option("--out", type=click.Path(path_type=Path), default=Path("deployment.json"))
@click.option("--min-bond", type=float, default=1.0, help="Smallest operator bond, ether.")
@click.option("--challenge-bond", type=float, default=0.5, help="Bond of a challenge, ether.")
def cli(account: AccountAPI, out: Path, min_bond: float, challenge_bond: float) -> None:
    """Deploy ScoreOracle, DataAuction and DstFactory."""
    deployment: Deployment = deploy(
        sender(account),
        min_bond=int(min_bond * ETHER),
        challenge_bond=int(challenge_bond * ETHER),
    )
    deployment.save(out)
    for name, contract in deployment.contracts.items():
        click.echo(f"{name:12} {contract.address}")
    click.echo(f"written to {out}")
