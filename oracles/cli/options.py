"""What all commands on a chain share: a session, given once in front of the command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from eth_utils.address import is_hex_address, to_checksum_address

from oracles.cli.output import stderr, watch
from oracles.errors import ConfigError

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.chain.signers import Signer
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId as AuctionId
    from oracles.evidence import Store
    from oracles.money import Currency
else:
    AuctionId = int  # Typer names the type in its help, where a person reads it.

LOCAL_NODE = "http://127.0.0.1:8545"
RegistryOption = Annotated[
    str | None,
    typer.Option(
        "--registry",
        envvar="QMIA_REGISTRY",
        help="Address of a MetricRegistry that must have accepted the"
        " metric; by default none is asked.",
    ),
]
AuctionArgument = Annotated[AuctionId, typer.Argument(metavar="AUCTION", help="Id of the auction.")]


@dataclass(frozen=True, slots=True)
class Session:
    """How to reach a chain, with which key, and where archives are.

    Every value can stand in the environment instead: QMIA_RPC, QMIA_DEPLOYMENT, QMIA_KEYSTORE,
    QMIA_PASSPHRASE_FILE, QMIA_REMOTE_SIGNER, QMIA_ADDRESS, QMIA_STORE, QMIA_MAX_FEE_GWEI.
    """

    rpc: list[str]
    deployment_file: Path
    keystore: Path | None
    passphrase_file: Path | None
    remote_signer: str | None
    signer_address: str | None
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
        from oracles.chain.client import Sender
        from oracles.chain.sending import desk_path

        signer = self._signer()
        # Beside the key, whose nonces they use: every role that has the key finds them.
        beside = self.keystore or self.deployment_file.with_name(signer.address)
        pending = desk_path(beside, self.deployment().chain_id)
        return watch(
            Sender(
                self.connect(),
                signer,
                max_fee_gwei=self.max_fee_gwei,
                pending=pending,
                notify=stderr.print,
            )
        )

    def _signer(self) -> Signer:
        from oracles.chain.keystore import read_secret
        from oracles.chain.signers import LocalSigner, RemoteSigner

        if self.remote_signer is not None:
            if self.keystore is not None:
                raise ConfigError("give --keystore or --remote-signer, not both")
            if self.signer_address is None:
                raise ConfigError("--remote-signer needs --address, the address of its key")
            return RemoteSigner(self.remote_signer, self.signer_address)
        if self.keystore is None or self.passphrase_file is None:
            raise ConfigError(
                "this needs a key: pass --keystore and --passphrase-file (`qmia keygen` makes"
                " one), or --remote-signer and --address"
            )
        return LocalSigner.from_keystore(self.keystore, read_secret(self.passphrase_file))

    def address(self) -> str | None:
        """The key's address, without opening the key; None where nothing says it."""
        from oracles.chain.keystore import keystore_address

        if self.keystore is not None:
            return keystore_address(self.keystore)
        stated = self.signer_address
        return to_checksum_address(stated) if stated and is_hex_address(stated) else None

    def auction(self, auction: AuctionId) -> AuctionState:
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


def node_addresses(given: list[str] | None) -> list[str]:
    """Addresses of nodes: several options, or commas between them as in an operator's settings."""
    parts = [part.strip() for each in given or () for part in each.split(",")]
    return [part for part in parts if part]


def open_session(
    context: typer.Context,
    rpc: Annotated[
        list[str] | None,
        typer.Option(
            envvar="QMIA_RPC",
            help="JSON-RPC address of a node (http://127.0.0.1:8545); several for fallback.",
            callback=node_addresses,
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
    remote_signer: Annotated[
        str | None,
        typer.Option(
            envvar="QMIA_REMOTE_SIGNER",
            help="JSON-RPC address of a signer that holds the key (Web3Signer, Clef, a node).",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(envvar="QMIA_ADDRESS", help="Address of the remote signer's key.")
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
        rpc=rpc or [LOCAL_NODE],
        deployment_file=deployment,
        keystore=keystore,
        passphrase_file=passphrase_file,
        remote_signer=remote_signer,
        signer_address=address,
        store_name=store,
        max_fee_gwei=max_fee_gwei,
    )
