"""Where the contracts are: deploying them, and the file that says so.

The file is JSON: schema, chain id, first block, salt, and for each contract its address,
constructor arguments and transaction. Auditors start reading at its first block.

Addresses follow from code, arguments and salt alone: contracts are created (CREATE2, EIP-1014) by
the proxy that many chains have at one address, and that anybody can put there with one transaction
signed in advance (Zoltu's deterministic deployment proxy). They have no owner, so it does not
matter who deploys them, nor whether somebody else was faster.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from oracles.chain import artifacts, rpc
from oracles.chain.auction import AuctionContract
from oracles.chain.codec import encode
from oracles.chain.exchange import ExchangeContract
from oracles.chain.gate import VERIFIERS
from oracles.chain.oracle import OracleContract
from oracles.chain.tokens import DstFactoryContract
from oracles.chain.usage import UsageLogContract
from oracles.errors import ChainError, ConfigError, NodeError, reason
from oracles.files import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from eth_typing import BlockNumber, ChecksumAddress
    from web3 import Web3
    from web3.contract.contract import ContractFunction
    from web3.types import TxParams, TxReceipt

    from oracles.chain.client import Sender
    from oracles.chain.metric import RegistryRules

SCHEMA: Final = "qmia/deployment/2"
SALT: Final = keccak(text=SCHEMA)

PROXY: Final = to_checksum_address("0x4e59b44847b379578588920ca78fbf26c0b4956c")
"""Creates what follows a salt in its calldata."""
_PROXY_MAKER: Final = to_checksum_address("0x3fab184622dc19b6109349b94811493bf2a45362")
_PROXY_COST: Final = 10**16
_PROXY_TRANSACTION: Final = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba0" + "22" * 32 + "a0" + "22" * 32
)
"""Its signature has no chain and no known key: nobody else could ever create at that address."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """One deployed contract: address, constructor arguments as decimal or hex strings.

    `transaction` is empty for a contract that was there already.
    """

    address: ChecksumAddress
    arguments: tuple[str, ...]
    transaction: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """All contracts of one deployment.

    Attributes:
        chain_id: EIP-155.
        block: first block that can hold an event.
        contracts: by name.
        salt: of the addresses, 32 bytes in hexadecimal; empty if they do not follow from one.

    Example:
        `ape run deploy` writes the file.

        >>> import qmia
        >>> from pathlib import Path
        >>> deployment = qmia.Deployment.load(Path("deployment.json"))
        >>> deployment.address("DataAuction").startswith("0x")
        True
    """

    chain_id: int
    block: int
    contracts: dict[str, Deployed]
    salt: str = ""

    def address(self, name: str) -> ChecksumAddress:
        """Address of a contract."""
        return self.contracts[name].address

    def auction(self, web3: Web3) -> AuctionContract:
        """The DataAuction."""
        return AuctionContract(web3, self.address("DataAuction"))

    def exchange(self, web3: Web3) -> ExchangeContract:
        """The Exchange."""
        return ExchangeContract(web3, self.address("Exchange"))

    def oracle(self, web3: Web3) -> OracleContract:
        """The ScoreOracle."""
        return OracleContract(web3, self.address("ScoreOracle"))

    def usage_log(self, web3: Web3) -> UsageLogContract:
        """The UsageLog."""
        return UsageLogContract(web3, self.address("UsageLog"))

    def dst_factory(self, web3: Web3) -> DstFactoryContract:
        """The DstFactory."""
        return DstFactoryContract(web3, self.address("DstFactory"))

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "schema": SCHEMA,
            "chain_id": self.chain_id,
            "block": self.block,
            "salt": self.salt,
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
                content.get("salt", ""),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigError(f"this is no deployment: {reason(error)}") from error

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(self.to_json(), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read the file.

        Raises:
            ConfigError: missing, not JSON, or of another schema.
        """
        try:
            return cls.from_json(json.loads(path.read_text()))
        except OSError as error:
            raise ConfigError(
                f"cannot read the deployment file {path} ({error.strerror or error}): name the"
                " right one, or ask for it whoever deployed the contracts"
            ) from error
        except (ValueError, RecursionError, ConfigError) as error:
            raise ConfigError(f"{path} is no deployment file: {error}") from error


def creation_code(built: dict[str, Any], arguments: Sequence[str]) -> bytes:
    """Creation bytecode of an artifact, followed by its encoded constructor arguments."""
    constructors = (item for item in built["abi"] if item["type"] == "constructor")
    types = [item["type"] for entry in constructors for item in entry["inputs"]]
    values = [_value(kind, each) for kind, each in zip(types, arguments, strict=True)]
    return bytes.fromhex(built["bytecode"].removeprefix("0x")) + encode(types, values)


def _value(kind: str, argument: str) -> int | bytes | str:
    if kind.startswith("uint"):
        return int(argument)
    return bytes.fromhex(argument.removeprefix("0x")) if kind == "bytes32" else argument


def address_of(code: bytes, salt: bytes) -> ChecksumAddress:
    """Where the proxy creates a contract (EIP-1014)."""
    seed = b"\xff" + bytes.fromhex(PROXY.removeprefix("0x")) + salt + keccak(code)
    return to_checksum_address(keccak(seed)[12:])


@dataclass(frozen=True, slots=True)
class Constants:
    """What is fixed for ever when the contracts are deployed.

    Attributes:
        min_stake: least stake of an operator in one auction, wei.
        draw: seconds from the end of the commitments to the draw of the samples: two epochs on
            Ethereum, so that nobody who still can commit can foresee it.
        provider_window: least seconds of a phase in which a provider has to act.
        operator_window: least seconds of a phase in which an operator has to act.
    """

    min_stake: int
    draw: int
    provider_window: int
    operator_window: int


#: For networks with money at stake.
PUBLIC: Final = Constants(10**17, 768, 86_400, 3600)
#: For networks whose clock a test turns.
LOCAL: Final = Constants(10**17, 0, 1, 1)


def deploy(sender: Sender, constants: Constants, *, salt: bytes = SALT) -> Deployment:
    """Deploy ScoreOracle, DataAuction, DstFactory and UsageLog, or find them where they are.

    The DataAuction deploys its Exchange.

    Args:
        sender: pays.
        constants: fixed for ever.
        salt: 32 bytes; another salt gives other contracts.

    Raises:
        ChainError: the node refuses, or does not keep what is needed to find the first block.
    """
    _need_proxy(sender)
    windows = (str(constants.provider_window), str(constants.operator_window))
    oracle, block = _deploy(
        sender, salt, "ScoreOracle", str(constants.min_stake), str(constants.operator_window)
    )
    auction, _ = _deploy(sender, salt, "DataAuction", oracle.address, str(constants.draw), *windows)
    contract = AuctionContract(sender.web3, auction.address)
    exchange = Deployed(
        to_checksum_address(contract.exchange()), (oracle.address,), auction.transaction
    )
    factory, _ = _deploy(sender, salt, "DstFactory", auction.address)
    usage_log, _ = _deploy(sender, salt, "UsageLog", auction.address)
    return Deployment(
        contract.chain_id,
        block,
        {
            "ScoreOracle": oracle,
            "DataAuction": auction,
            "Exchange": exchange,
            "DstFactory": factory,
            "UsageLog": usage_log,
        },
        "0x" + salt.hex(),
    )


def deploy_registry(sender: Sender, deployment: Deployment, rules: RegistryRules) -> Deployment:
    """Deploy a MetricRegistry beside a deployment, or find it where it is.

    Args:
        sender: pays; the registry has no owner.
        deployment: whose participation tokens are locked in it.
        rules: fixed for ever; their `factory` is the deployment's, whatever they say.

    Returns:
        The deployment with the registry in the place of any that it named before.

    Raises:
        ChainError: the node or the contract refuses.
    """
    _need_proxy(sender)
    fixed = rules._replace(factory=deployment.address("DstFactory"))
    *parts, genesis = fixed
    arguments = [*map(str, parts), "0x" + genesis.hex()]
    salt = bytes.fromhex(deployment.salt.removeprefix("0x")) or SALT
    made, _ = _deploy(sender, salt, "MetricRegistry", *arguments)
    return replace(deployment, contracts=deployment.contracts | {"MetricRegistry": made})


def deploy_gate(
    sender: Sender, deployment: Deployment, verifiers: Mapping[str, bytes]
) -> Deployment:
    """Deploy a ThresholdGate beside a deployment, or find it where it is.

    Args:
        sender: pays; the gate has no owner.
        deployment: whose file names the gate.
        verifiers: creation code of what `bb` generates, by the circuit that it is for. Where one is
            left out, the gate takes no proof that needs it.

    Returns:
        The deployment with the gate in the place of any that it named before.

    Raises:
        ChainError: the node refuses.
    """
    _need_proxy(sender)
    salt = bytes.fromhex(deployment.salt.removeprefix("0x")) or SALT
    addresses = []
    for circuit in VERIFIERS.values():
        code, address = verifiers.get(circuit), to_checksum_address(bytes(20))
        if code is not None:
            address = address_of(code, salt)
            if not rpc.code(sender.web3, address):
                what = f"deploying the verifier of {circuit}"
                _send(sender, PROXY, salt + code, what)
        addresses.append(address)
    made, _ = _deploy(sender, salt, "ThresholdGate", *addresses)
    return replace(deployment, contracts=deployment.contracts | {"ThresholdGate": made})


def made(web3: Web3, deployment: Deployment) -> dict[str, Deployed]:
    """What the constructors of a deployment made besides: all other code that its contracts run.

    Raises:
        NodeError: the node does not answer.
    """
    auction = deployment.auction(web3)
    mut = auction.mut_implementation()
    found = {
        "TermsRules": (auction.rules(), deployment.contracts["DataAuction"].arguments[1:]),
        "Settlement": (auction.settlement(), (mut,)),
        "MutToken": (mut, ()),
        "DstToken": (deployment.dst_factory(web3).implementation(), (auction.address,)),
    }
    return {
        name: Deployed(to_checksum_address(address), arguments, "")
        for name, (address, arguments) in found.items()
    }


def verification(web3: Web3, deployment: Deployment) -> dict[str, Any]:
    """What block explorers ask for beside the Standard JSON input, by contract.

    Raises:
        NodeError: the node does not answer.
    """
    return {
        name: {
            "address": each.address,
            "contract": f"{artifacts.artifact(name)['sourceName']}:{name}",
            "constructor_arguments": "0x"
            + creation_code(artifacts.artifact(name) | {"bytecode": ""}, each.arguments).hex(),
        }
        for name, each in (deployment.contracts | made(web3, deployment)).items()
    }


@dataclass(frozen=True, slots=True)
class _Raw:
    """A transaction that is no function of an ABI, in the form that a sender takes."""

    web3: Web3
    to: str
    data: bytes
    fn_name: str

    def estimate_gas(self, transaction: TxParams) -> int:
        return self.web3.eth.estimate_gas(self.build_transaction(transaction))

    def build_transaction(self, transaction: TxParams) -> TxParams:
        return cast("TxParams", {**transaction, "to": self.to, "data": "0x" + self.data.hex()})


def _send(sender: Sender, to: str, data: bytes, what: str, value: int = 0) -> TxReceipt:
    call = cast("ContractFunction", _Raw(sender.web3, to, data, what))
    return sender.send(call, value=value)


def _need_proxy(sender: Sender) -> None:
    web3 = sender.web3
    if rpc.code(web3, PROXY):
        return
    if rpc.balance(web3, _PROXY_MAKER) < _PROXY_COST:
        _send(sender, _PROXY_MAKER, b"", "paying for the proxy", _PROXY_COST)
    try:
        with rpc.node_errors("creating the deployment proxy"):
            digest = web3.eth.send_raw_transaction(_PROXY_TRANSACTION)
            web3.eth.wait_for_transaction_receipt(digest)
    except NodeError as error:
        raise ChainError(
            f"this chain lacks the deployment proxy {PROXY} and refuses its transaction, which "
            f"names no chain: {error}"
        ) from error


def _deploy(sender: Sender, salt: bytes, name: str, *arguments: str) -> tuple[Deployed, int]:
    code, web3 = creation_code(artifacts.artifact(name), arguments), sender.web3
    address = address_of(code, salt)
    if rpc.code(web3, address):
        return Deployed(address, arguments, ""), _created(web3, address)
    receipt = _send(sender, PROXY, salt + code, f"deploying {name}")
    if not rpc.code(web3, address):
        raise ChainError(f"{name} was not deployed")
    digest = "0x" + bytes(receipt["transactionHash"]).hex()
    return Deployed(address, arguments, digest), receipt["blockNumber"]


def _created(web3: Web3, address: ChecksumAddress) -> int:
    """The block that created a contract, which is there now."""
    try:
        with rpc.node_errors(f"looking for the block that created {address}"):
            newest = rpc.newest(web3)
            return rpc.first_block(
                0,
                newest,
                lambda number: bool(web3.eth.get_code(address, cast("BlockNumber", number))),
            )
    except NodeError as error:
        raise NodeError(
            f"{address} is deployed already, but the node no longer knows since when: use the "
            "deployment file of that time, an archive node, or another salt"
        ) from error
