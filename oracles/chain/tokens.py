"""The tokens, typed: any ERC-20, MutToken, DstToken and its factory."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from web3.exceptions import BadFunctionCallOutput

from oracles.chain import rpc
from oracles.chain.client import ContractAt
from oracles.chain.packing import NONE
from oracles.chain.terms import encoded
from oracles.errors import ChainError, NodeError
from oracles.money import Currency, token_currency

if TYPE_CHECKING:
    from collections.abc import Callable

    from web3 import Web3
    from web3.contract.contract import ContractFunction

    from oracles.chain.client import Sender
    from oracles.chain.packing import Place
    from oracles.chain.terms import AuctionId, DstTerms


class _Token(ContractAt):
    artifact = "MutToken"

    def approve(self, spender: str, amount: int) -> ContractFunction:
        """Allow a spender."""
        return self._call("approve", spender, amount)

    def transfer(self, to: str, amount: int) -> ContractFunction:
        """Transfer."""
        return self._call("transfer", to, amount)

    def allowance(self, owner: str, spender: str) -> int:
        """What a spender may still take, smallest units."""
        return int(self._read("allowance", owner, spender))

    def balance_of(self, account: str, *, block: Any = "latest") -> int:
        """Balance, smallest units."""
        return int(self._read("balanceOf", account, block=block))

    def total_supply(self, *, block: Any = "latest") -> int:
        """Supply, smallest units."""
        return int(self._read("totalSupply", block=block))

    def symbol(self) -> str:
        """Ticker."""
        return str(self._read("symbol"))

    def decimals(self) -> int:
        """Decimals."""
        return int(self._read("decimals"))


class Erc20(_Token):
    """Any ERC-20 (EIP-20), such as the settlement token."""

    def currency(self) -> Currency:
        """What amounts of the token are counted in.

        A token without a readable symbol or decimals (both are optional in EIP-20) is counted in
        its smallest unit and called by its address.

        Raises:
            ChainError: there is no contract at this address, or the node does not answer. An
                amount that is shown in another unit than it is meant would mislead.
        """
        try:
            return token_currency(self.symbol(), self.decimals(), self.address)
        except ChainError as error:
            silent = isinstance(error, NodeError) and not error.final
            if silent and not isinstance(error.__cause__, BadFunctionCallOutput):
                raise
        if not rpc.code(self._web3, self.address):
            raise ChainError(f"there is no token at {self.address}: is its address right?")
        return Currency(self.address, 0)


def currencies(web3: Web3) -> Callable[[str], Currency]:
    """What amounts of a settlement token are counted in, by the token's address.

    Args:
        web3: connection.

    Example:
        >>> import qmia
        >>> currency = qmia.currencies(qmia.connect(["http://127.0.0.1:8545"]))
    """
    return lambda token: Erc20(web3, token).currency()


def need_balance(token: Erc20, holder: str, amount: int) -> None:
    """Say what an account is short of.

    Raises:
        ChainError: it holds less.
    """
    if (balance := token.balance_of(holder)) < amount:
        coins = token.currency()
        raise ChainError(
            f"this needs {coins.format(amount)}, but {holder} has {coins.format(balance)}"
            f" (token {token.address})"
        )


def ensure_allowance(sender: Sender, token: Erc20, spender: str, amount: int) -> None:
    """Let a spender take an amount, with as few transactions as the token's rules allow.

    Some tokens (USDT) refuse to change an allowance that is not zero, so it is set to zero first.

    Raises:
        ChainError: the balance is too small, or the token refuses or ignores the approval.
    """
    need_balance(token, sender.address, amount)
    allowed = token.allowance(sender.address, spender)
    if allowed >= amount:
        return
    if allowed:
        sender.send(token.approve(spender, 0))
    sender.send(token.approve(spender, amount))
    if (allowed := token.allowance(sender.address, spender)) < amount:
        coins = token.currency()
        raise ChainError(
            f"the token {token.address} allowed {coins.format(allowed)} instead of"
            f" {coins.format(amount)}"
        )


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

    def terms(self) -> tuple[int, str]:
        """The auction it belongs to, and the token that revenue is paid in."""
        auction, token = self._read("terms")
        return int(auction), str(token)

    def revenue_of(self, holder: str, *, block: Any = "latest") -> int:
        """Revenue that a claim would pay now."""
        return int(self._read("revenueOf", holder, block=block))


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
    tie_index: int = NONE

    def encode(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(getattr(self, name) for name in self.__slots__)


class Dst(_Token):
    """The participation token of one auction."""

    artifact = "DstToken"

    def verify(self, level: WaterLevel, count: int) -> ContractFunction:
        """Walk up to `count` further bids of a proposal."""
        return self._call("verify", level.encode(), count)

    def claim(self, place: Place) -> ContractFunction:
        """Mint the share of a bid."""
        return self._call("claim", astuple(place))

    def share_of(self, index: int, *, block: Any = "latest") -> int:
        """Share of a delivered bid."""
        return int(self._read("shareOf", index, block=block))


class DstFactoryContract(ContractAt):
    """The deployed DstFactory."""

    artifact = "DstFactory"

    def create(self, auction: AuctionId, terms: DstTerms) -> ContractFunction:
        """Create the token of an auction."""
        return self._call("create", auction, encoded(terms))

    def implementation(self) -> str:
        """Address of the DstToken whose clones the participation tokens are."""
        return str(self._read("IMPLEMENTATION"))

    def token_of(self, auction: AuctionId) -> str:
        """Where it is, or will be."""
        return str(self._read("tokenOf", auction))
