"""Where the contracts are: deploying them, and the file that says so.

The file is JSON: schema, chain id, first block, and for each contract its address, constructor
arguments and transaction. Auditors start reading at its first block.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from eth_utils.address import to_checksum_address

from oracles.chain import artifacts
from oracles.chain.auction import AuctionContract
from oracles.chain.oracle import OracleContract
from oracles.chain.tokens import DstFactoryContract
from oracles.errors import ChainError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from web3 import Web3

    from oracles.chain.client import Sender

SCHEMA: Final = "qmia/deployment/1"


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployed contract: address, constructor arguments as decimal or hex strings."""

    address: str
    arguments: tuple[str, ...]
    transaction: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """All contracts of one deployment.

    Attributes:
        chain_id: EIP-155.
        block: first block that can hold an event.
        contracts: by name.
    """

    chain_id: int
    block: int
    contracts: dict[str, Deployed]

    def address(self, name: str) -> str:
        """Address of a contract."""
        return self.contracts[name].address

    def auction(self, web3: Web3) -> AuctionContract:
        """The DataAuction."""
        return AuctionContract(web3, self.address("DataAuction"))

    def oracle(self, web3: Web3) -> OracleContract:
        """The ScoreOracle."""
        return OracleContract(web3, self.address("ScoreOracle"))

    def dst_factory(self, web3: Web3) -> DstFactoryContract:
        """The DstFactory."""
        return DstFactoryContract(web3, self.address("DstFactory"))

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "schema": SCHEMA,
            "chain_id": self.chain_id,
            "block": self.block,
            "contracts": {name: asdict(each) for name, each in self.contracts.items()},
        }

    @classmethod
    def from_json(cls, content: Any) -> Deployment:
        """From a JSON object.

        Raises:
            ConfigError: it is another schema, or something is missing.
        """
        try:
            if content["schema"] != SCHEMA:
                raise ConfigError(f"the deployment has schema {content['schema']}, not {SCHEMA}")
            return cls(
                content["chain_id"],
                content["block"],
                {
                    name: Deployed(
                        to_checksum_address(each["address"]),
                        tuple(each["arguments"]),
                        each["transaction"],
                    )
                    for name, each in content["contracts"].items()
                },
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigError(f"this is no deployment: {error!r}") from error

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(self.to_json(), indent=2) + "\n")
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read the file.

        Raises:
            ConfigError: missing, not JSON, or of another schema.
        """
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (OSError, ValueError, ConfigError) as error:
            raise ConfigError(f"{path} is no deployment file: {error}") from error


def deploy(sender: Sender, *, min_bond: int, challenge_bond: int) -> Deployment:
    """Deploy ScoreOracle, DataAuction and DstFactory.

    Args:
        sender: pays.
        min_bond: smallest operator bond, wei.
        challenge_bond: bond of a challenge, wei.
    """
    oracle, block = _deploy(sender, "ScoreOracle", min_bond, challenge_bond)
    auction, _ = _deploy(sender, "DataAuction", oracle.address)
    factory, _ = _deploy(sender, "DstFactory", auction.address)
    return Deployment(
        sender.web3.eth.chain_id,
        block,
        {"ScoreOracle": oracle, "DataAuction": auction, "DstFactory": factory},
    )


def _deploy(sender: Sender, name: str, *arguments: Any) -> tuple[Deployed, int]:
    built = artifacts.artifact(name)
    factory = sender.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
    receipt = sender.send(factory.constructor(*arguments))
    address = receipt["contractAddress"]
    if address is None:
        raise ChainError(f"{name} was not deployed")
    deployed = Deployed(
        to_checksum_address(address),
        tuple(str(argument) for argument in arguments),
        "0x" + bytes(receipt["transactionHash"]).hex(),
    )
    return deployed, receipt["blockNumber"]
