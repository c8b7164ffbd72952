"""Ape's side of the scripts: its accounts sign, its networks connect; the rest is the package's."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from ape import networks
from ape.cli import ConnectedProviderCommand, account_option
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

from oracles.chain.client import Sender
from oracles.chain.rpc import exact
from oracles.cli.options import Session
from oracles.errors import ConfigError, QmiaError

if TYPE_CHECKING:
    import typer
    from ape.api import AccountAPI
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.types import TxParams


class Command(ConnectedProviderCommand):
    """A command on a connected network that prints the project's errors as one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn a `QmiaError` into click's own kind with the same exit code."""
        try:
            return super().invoke(ctx)
        except QmiaError as error:
            refusal = click.ClickException(str(error))
            refusal.exit_code = error.exit_code
            raise refusal from error


class ApeSigner:
    """One of Ape's accounts as a signer: a test account, or an encrypted one."""

    def __init__(self, account: AccountAPI) -> None:
        self._account = account

    @property
    def address(self) -> ChecksumAddress:
        """Checksummed address."""
        return to_checksum_address(self._account.address)

    def sign_transaction(self, transaction: TxParams) -> bytes:
        """The raw signed transaction.

        Raises:
            ConfigError: the account's owner refused.
        """
        ecosystem = networks.provider.network.ecosystem
        fields: dict[str, Any] = {**transaction, "data": HexBytes(transaction["data"])}
        if not fields.get("to"):
            # A creation has no recipient; Ape would sign an empty one differently.
            fields.pop("to", None)
        unsigned = ecosystem.create_transaction(**fields)
        signed = self._account.sign_transaction(unsigned)
        if signed is None:
            raise ConfigError(f"the account {self.address} did not sign")
        return bytes(signed.serialize_transaction())

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """65-byte EIP-712 signature.

        Raises:
            ConfigError: the account's owner refused.
        """
        signature = self._account.sign_message(encode_typed_data(full_message=message))
        if signature is None:
            raise ConfigError(f"the account {self.address} did not sign")
        return bytes(signature.encode_rsv())


def _connected() -> Web3:
    """The connected network's node."""
    return exact(networks.provider.web3)


def sender(account: AccountAPI, *, max_fee_gwei: float | None = None) -> Sender:
    """A sender for an Ape account on the connected network."""
    return Sender(_connected(), ApeSigner(account), max_fee_gwei=max_fee_gwei)


@dataclass(frozen=True, slots=True)
class ApeSession(Session):
    """A session whose key is an Ape account, and whose node is the connected network's."""

    account: AccountAPI = field(kw_only=True)

    def connect(self) -> Web3:
        """The connected network, if it is the deployment's."""
        web3 = _connected()
        chain_id = self.deployment().chain_id
        if web3.eth.chain_id != chain_id:
            raise ConfigError(
                f"the network is chain {web3.eth.chain_id}, but the deployment is on chain"
                f" {chain_id}: pass another --network"
            )
        return web3

    def address(self) -> str:
        """The account's address."""
        return str(self.account.address)

    def sender(self) -> Sender:
        """A connection with the account's key."""
        self.connect()
        return sender(self.account, max_fee_gwei=self.max_fee_gwei)


def role(app: typer.Typer, name: str) -> click.Command:
    """One of the `qmia` roles as an Ape command: its own commands, with Ape's account.

    Args:
        app: the role's commands.
        name: of the role, for its help.
    """

    class Role(Command):
        """Shows help without asking for an account."""

        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            """Read the arguments, or print the help of the role's command and stop."""
            if {"--help", "-h"}.isdisjoint(args):
                return super().parse_args(ctx, args)
            words = list(itertools.takewhile(lambda word: not word.startswith("-"), args))
            click.echo("Also: --account ALIAS --network ECOSYSTEM:NETWORK:NODE, see `ape run`.")
            app(args=[*words[:1], "--help"], prog_name=f"ape run {name}")
            return []

    @click.command(
        cls=Role,
        help=f"The commands of `qmia {name}` with an Ape account; `{name} COMMAND --help` too.",
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
    )
    @account_option()
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(account: AccountAPI, arguments: tuple[str, ...]) -> None:
        app(args=list(arguments), prog_name=name, obj=partial(ApeSession, account=account))

    return command
