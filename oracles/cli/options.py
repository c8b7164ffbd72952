"""What all commands on a chain share: a session, given once in front of the command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from eth_utils.address import is_hex_address, to_checksum_address

from oracles.cli.output import stderr
from oracles.errors import ConfigError

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.chain.state import AuctionState
    from oracles.evidence import Store
    from oracles.money import Currency

LOCAL_NODE = "http://127.0.0.1:8545"
AuctionArgument = Annotated[int, typer.Argument(metavar="AUCTION", help="Id of the auction.")]


@dataclass(frozen=True, slots=True)
class Session:
    """How to reach a chain, with which key, and where archives are.

    Every value can stand in the environment instead: QMIA_RPC, QMIA_DEPLOYMENT, QMIA_KEYSTORE,
    QMIA_PASSPHRASE_FILE, QMIA_STORE, QMIA_MAX_FEE_GWEI.
    """

    rpc: list[str]
    deployment_file: Path
    keystore: Path | None
    passphrase_file: Path | None
    store_name: str
    max_fee_gwei: float | None

    def deployment(self) -> Deployment:
        """The deployment file's content."""
        from oracles.chain.deployment import Deployment

        return Deployment.load(self.deployment_file)

    def connect(self) -> Web3:
        """A connection to the deployment's chain; no key needed."""
        from oracles.chain.rpc import connect

        return connect(self.rpc, self.deployment().chain_id, notify=stderr.print)

    def sender(self) -> Sender:
        """A connection with the key.

        Raises:
            ConfigError: no key is named, or it cannot be opened.
        """
        from oracles.chain.client import LocalSigner, Sender

        if self.keystore is None or self.passphrase_file is None:
            raise ConfigError("this needs a key: pass --keystore and --passphrase-file")
        signer = LocalSigner.from_keystore(self.keystore, read_secret(self.passphrase_file))
        chain_id = self.deployment().chain_id
        # Beside the key, whose nonces they use: every role that has the key finds them.
        pending = self.keystore.with_name(f"{self.keystore.name}.{chain_id}.pending")
        return Sender(self.connect(), signer, max_fee_gwei=self.max_fee_gwei, pending=pending)

    def address(self) -> str | None:
        """The key's address as its file says, without opening it; None where it does not say."""
        if self.keystore is None:
            return None
        try:
            stated = json.loads(self.keystore.read_text("utf-8-sig")).get("address")
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(f"cannot read the keystore {self.keystore}: {error}") from error
        return to_checksum_address(stated) if is_hex_address(stated) else None

    def auction(self, auction: int) -> AuctionState:
        """An auction as its logs tell it; no key needed."""
        from oracles.chain.state import load_auction

        return load_auction(self.connect(), self.deployment(), auction)

    def currency(self, token: str) -> Currency:
        """What amounts of a token are counted in, by the token's own word."""
        from oracles.chain.tokens import Erc20

        return Erc20(self.connect(), token).currency()

    def store(self) -> Store:
        """Where archives are published and fetched.

        Raises:
            InputError: its name is neither a folder's nor an IPFS node's.
        """
        from oracles.evidence import open_store

        return open_store(self.store_name)


def open_session(
    context: typer.Context,
    rpc: Annotated[
        list[str] | None,
        typer.Option(
            envvar="QMIA_RPC",
            help="JSON-RPC address of a node (http://127.0.0.1:8545); several for fallback.",
        ),
    ] = None,
    deployment: Annotated[
        Path, typer.Option(envvar="QMIA_DEPLOYMENT", help="Deployment file.")
    ] = Path("deployment.json"),
    keystore: Annotated[
        Path | None, typer.Option(envvar="QMIA_KEYSTORE", help="Encrypted key file.")
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(envvar="QMIA_PASSPHRASE_FILE", help="File with the key's passphrase."),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            envvar="QMIA_STORE",
            help="Where archives are: a folder, or a node, as ipfs:/ip4/127.0.0.1/tcp/5001/http",
        ),
    ] = "store",
    max_fee_gwei: Annotated[
        float | None,
        typer.Option(envvar="QMIA_MAX_FEE_GWEI", help="Never pay more for a unit of gas."),
    ] = None,
) -> None:
    """Callback of a role's group: keep the session for the command that follows.

    A program that runs these commands with keys of its own passes its kind of session as `obj`.
    """
    make = context.obj or Session
    context.obj = make(
        rpc or [LOCAL_NODE], deployment, keystore, passphrase_file, store, max_fee_gwei
    )


def read_secret(path: Path) -> str:
    """The first line of a secret's file.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    try:
        return path.read_text().splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read a secret from {path}: {error}") from error
