"""DataAuction, typed. Methods that write return a call for `Sender.send`; the others read."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from oracles.chain import codec
from oracles.chain.client import ContractAt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.contract.contract import ContractFunction

    from oracles.chain.codec import DataSet, Domain, PackedBid, Terms


class State(IntEnum):
    """State of an auction (IDataAuction.State)."""

    OPEN = 0
    SETTLED = 1
    ABORTED = 2


class Phases(NamedTuple):
    """State and deadlines, unix seconds; each phase ends before its deadline."""

    state: State
    commit_end: int
    reveal_start: int
    reveal_end: int
    settle_end: int
    deliver_end: int
    verdict_end: int


class Marginals(NamedTuple):
    """Proposed marginal winners; None where a clock has no winner or is not used."""

    all: int | None = None
    flagged: int | None = None
    unflagged: int | None = None

    def encode(self) -> tuple[int, int, int]:
        """As the contract takes it."""
        first, second, third = (codec.NONE if index is None else index for index in self)
        return first, second, third


class AuctionContract(ContractAt):
    """The deployed DataAuction."""

    artifact = "DataAuction"

    @property
    def domain(self) -> Domain:
        """EIP-712 domain."""
        return codec.Domain.auction(self.chain_id, self.address)

    def seal_bid(self, auction: int, owner: str, cost: int, salt: bytes) -> bytes:
        """The sealed bid, computed here: the cost never leaves this machine."""
        return codec.seal_bid(self.chain_id, self.address, auction, owner, cost, salt)

    # Writes, in the order of an auction's life.

    def create(self, terms: Terms, public_key: bytes, signature: bytes) -> ContractFunction:
        """Create an auction; send the settlers' bounty as value."""
        key = (public_key[:32], public_key[32:], signature)
        return self._call("create", terms.encode(), key)

    def commit(self, auction: int, sealed_bid: bytes, data_set: DataSet) -> ContractFunction:
        """Commit; send the bond as value."""
        return self._call("commit", auction, sealed_bid, _data_set(data_set))

    def commit_for(
        self,
        auction: int,
        sealed_bid: bytes,
        data_set: DataSet,
        owner: str,
        deadline: int,
        signature: bytes,
    ) -> ContractFunction:
        """Relay a signed commitment; send the bond as value."""
        return self._call(
            "commitFor", auction, sealed_bid, _data_set(data_set), owner, deadline, signature
        )

    def recommit(
        self,
        auction: int,
        index: int,
        old_sealed_bid: bytes,
        payer: str,
        sealed_bid: bytes,
        data_set: DataSet,
    ) -> ContractFunction:
        """Replace one's own commitment."""
        return self._call(
            "recommit", auction, index, old_sealed_bid, payer, sealed_bid, _data_set(data_set)
        )

    def withdraw(self, auction: int, index: int, sealed_bid: bytes, payer: str) -> ContractFunction:
        """Take one's own commitment back."""
        return self._call("withdraw", auction, index, sealed_bid, payer)

    def reveal(
        self, auction: int, index: int, cost: int, salt: bytes, owner: str, payer: str
    ) -> ContractFunction:
        """Open a bid."""
        return self._call("reveal", auction, index, cost, salt, owner, payer)

    def settle(self, auction: int, marginals: Marginals, count: int) -> ContractFunction:
        """Walk up to `count` further bids of a proposal."""
        return self._call("settle", auction, marginals.encode(), count)

    def deliver(self, auction: int, index: int, payer: str, wrapped_key: bytes) -> ContractFunction:
        """Hand the wrapped data key over."""
        return self._call("deliver", auction, index, payer, wrapped_key)

    def enter_verdict(
        self,
        auction: int,
        indices: Sequence[int],
        members: Sequence[int],
        signatures: Sequence[bytes],
    ) -> ContractFunction:
        """Enter the quorum's verdict of non-delivery."""
        return self._call("enterVerdict", auction, indices, members, signatures)

    def forfeit(self, auction: int, index: int) -> ContractFunction:
        """Strike out a winner who posted no key in time."""
        return self._call("forfeit", auction, index)

    def claim(
        self, auction: int, index: int, owner: str, payer: str, parts: int = codec.ALL_PARTS
    ) -> ContractFunction:
        """Pay what is due to a bid."""
        return self._call("claim", auction, index, owner, payer, parts)

    def reclaim(
        self, auction: int, index: int, sealed_bid: bytes, owner: str, payer: str
    ) -> ContractFunction:
        """After an abort: the bond of a bid that was never revealed."""
        return self._call("reclaim", auction, index, sealed_bid, owner, payer)

    def claim_bounty(self, auction: int) -> ContractFunction:
        """The caller's part of the settlement bounty."""
        return self._call("claimBounty", auction)

    def withdraw_buyer(self, auction: int, to: str) -> ContractFunction:
        """The buyer's unspent cash, MUT and bounty."""
        return self._call("withdrawBuyer", auction, to)

    def abort(self, auction: int) -> ContractFunction:
        """End an auction that cannot be settled any more."""
        return self._call("abort", auction)

    # Reads. `block` pins them to a number or hash.

    def auction_count(self, *, block: Any = "latest") -> int:
        """Number of auctions; ids are 1 to this."""
        return int(self._read("auctionCount", block=block))

    def phases(self, auction: int, *, block: Any = "latest") -> Phases:
        """State and deadlines."""
        state, *times = self._read("phases", auction, block=block)
        return Phases(State(state), *times)

    def bid_count(self, auction: int, *, block: Any = "latest") -> int:
        """Number of indices given out."""
        return int(self._read("bidCount", auction, block=block))

    def bids(
        self, auction: int, start: int, stop: int, *, block: Any = "latest"
    ) -> list[PackedBid]:
        """Bids `[start, stop)`."""
        slots = self._read("bids", auction, start, stop, block=block)
        return [codec.unpack_bid(slot) for slot in slots]

    def nonce(self, owner: str) -> int:
        """Next nonce for a relayed commitment."""
        return int(self._read("nonces", owner))

    def deliveries_resolved(self, auction: int, *, block: Any = "latest") -> bool:
        """Whether revenue and DST may start."""
        return bool(self._read("deliveriesResolved", auction, block=block))

    def mut_token(self, auction: int) -> str:
        """Address of the auction's MUT."""
        return str(self._read("mutToken", auction))

    def oracle(self) -> str:
        """Address of the ScoreOracle."""
        return str(self._read("ORACLE"))


def _data_set(data_set: DataSet) -> tuple[bytes, bytes, int]:
    return data_set.cid, data_set.content_digest, data_set.size
