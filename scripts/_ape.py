"""Ape's side of the scripts: its accounts sign, its networks connect; the rest is the package's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from ape import networks
from ape.cli import ConnectedProviderCommand
from eth_account.messages import encode_typed_data
from hexbytes import HexBytes

from oracles.chain.client import Sender
from oracles.errors import ConfigError, QmiaError

if TYPE_CHECKING:
    from ape.api import AccountAPI
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
    def address(self) -> str:
        """Checksummed address."""
        return str(self._account.address)

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


def sender(account: AccountAPI) -> Sender:
    """A sender for an Ape account on the connected network."""
    web3: Web3 = networks.provider.web3
    return Sender(web3, ApeSigner(account))
