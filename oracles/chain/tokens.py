"""The tokens, typed: any ERC-20, MutToken, DstToken and its factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address

from oracles.chain import codec
from oracles.chain.client import contract_at, read

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract.contract import ContractFunction

    from oracles.chain.codec import DstTerms


class _Token:
    artifact = "MutToken"

    def __init__(self, web3: Web3, address: str) -> None:
        self.address = to_checksum_address(address)
        self._functions: Any = contract_at(web3, self.artifact, address).functions

    def approve(self, spender: str, amount: int) -> ContractFunction:
        """Allow a spender."""
        return self._call("approve", spender, amount)

    def transfer(self, to: str, amount: int) -> ContractFunction:
        """Transfer."""
        return self._call("transfer", to, amount)

    def balance_of(self, account: str, *, block: Any = "latest") -> int:
        """Balance, smallest units."""
        return int(read(self._functions.balanceOf(account), block=block))

    def total_supply(self, *, block: Any = "latest") -> int:
        """Supply, smallest units."""
        return int(read(self._functions.totalSupply(), block=block))

    def symbol(self) -> str:
        """Ticker."""
        return str(read(self._functions.symbol()))

    def decimals(self) -> int:
        """Decimals."""
        return int(read(self._functions.decimals()))

    def _call(self, name: str, *args: Any) -> ContractFunction:
        call: ContractFunction = self._functions[name](*args)
        return call


class Erc20(_Token):
    """Any ERC-20 (EIP-20), such as the settlement token."""


class Mut(_Token):
    """The revenue share of one auction."""

    def deposit(self, amount: int) -> ContractFunction:
        """Deposit revenue; approve it first."""
        return self._call("deposit", amount)

    def accrue(self) -> ContractFunction:
        """Accrue what was transferred here directly."""
        return self._call("accrue")

    def claim_for(self, holder: str) -> ContractFunction:
        """Pay a holder's revenue."""
        return self._call("claimFor", holder)

    def revenue_of(self, holder: str, *, block: Any = "latest") -> int:
        """Revenue that a claim would pay now."""
        return int(read(self._functions.revenueOf(holder), block=block))


@dataclass(frozen=True, slots=True)
class WaterLevel:
    """A proposal for DstToken.verify, see IDstToken.Proposal."""

    volume_sum: int
    quality_sum: int
    impact_sum: int
    count: int
    level_num: int
    level_den: int
    tie_remainder: int
    tie_index: int = codec.NONE

    def encode(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(getattr(self, name) for name in self.__slots__)


class Dst(_Token):
    """The participation token of one auction."""

    artifact = "DstToken"

    def verify(self, level: WaterLevel, count: int) -> ContractFunction:
        """Walk up to `count` further bids of a proposal."""
        return self._call("verify", level.encode(), count)

    def claim(self, index: int, owner: str, payer: str) -> ContractFunction:
        """Mint the share of a bid."""
        return self._call("claim", index, owner, payer)

    def share_of(self, index: int, *, block: Any = "latest") -> int:
        """Share of a delivered bid."""
        return int(read(self._functions.shareOf(index), block=block))


class DstFactoryContract:
    """The deployed DstFactory."""

    def __init__(self, web3: Web3, address: str) -> None:
        self.address = to_checksum_address(address)
        self._functions: Any = contract_at(web3, "DstFactory", address).functions

    def create(self, auction: int, terms: DstTerms) -> ContractFunction:
        """Create the token of an auction."""
        call: ContractFunction = self._functions.create(auction, terms.encode())
        return call

    def token_of(self, auction: int) -> str:
        """Where it is, or will be."""
        return str(read(self._functions.tokenOf(auction)))
