"""DataAuction, typed. Methods that write return a call for `Sender.send`; the others read."""

from __future__ import annotations

from dataclasses import astuple
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from oracles.chain import packing
from oracles.chain.client import ContractAt
from oracles.chain.terms import PhaseEnds, encoded
from oracles.chain.typed_data import Domain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.contract.contract import ContractFunction

    from oracles.chain.packing import PackedBid, Place
    from oracles.chain.terms import AuctionId, DataSet, Terms


class State(IntEnum):
    """State of an auction (IDataAuction.State)."""

    OPEN = 0
    SETTLED = 1
    ABORTED = 2


class AuctionContract(ContractAt):
    """The deployed DataAuction."""

    artifact = "DataAuction"

    @property
    def domain(self) -> Domain:
        """EIP-712 domain."""
        return Domain.auction(self.chain_id, self.address)

    def seal_bid(self, auction: AuctionId, owner: str, cost: int, salt: bytes) -> bytes:
        """The sealed bid, computed here: the cost never leaves this machine."""
        return packing.seal_bid(self.chain_id, self.address, auction, owner, cost, salt)

    # Writes, in the order of an auction's life.

    def create(self, terms: Terms, public_key: bytes, signature: bytes) -> ContractFunction:
        """Create an auction; send the fee and the settlers' bounty as value."""
        key = (public_key[:32], public_key[32:], signature)
        return self._call("create", encoded(terms), key)

    def commit(
        self, auction: AuctionId, sealed_bid: bytes, data_set: DataSet, agreement: bytes
    ) -> ContractFunction:
        """Commit; send bond and entry fee as value."""
        return self._call("commit", auction, sealed_bid, encoded(data_set), agreement)

    def commit_for(
        self,
        auction: AuctionId,
        sealed_bid: bytes,
        data_set: DataSet,
        agreement: bytes,
        owner: str,
        deadline: int,
        signature: bytes,
    ) -> ContractFunction:
        """Relay a signed commitment; send bond and entry fee as value."""
        return self._call(
            "commitFor",
            auction,
            sealed_bid,
            encoded(data_set),
            agreement,
            owner,
            deadline,
            signature,
        )

    def withdraw_bid(self, auction: AuctionId, sealed_bid: bytes, place: Place) -> ContractFunction:
        """Take one's own commitment back."""
        return self._call("withdrawBid", auction, sealed_bid, astuple(place))

    def open(
        self, auction: AuctionId, sealed_bid: bytes, place: Place, opening: bytes
    ) -> ContractFunction:
        """Record where the opening of one's sample is."""
        return self._call("open", auction, sealed_bid, astuple(place), opening)

    def open_for(
        self, auction: AuctionId, sealed_bid: bytes, place: Place, opening: bytes, signature: bytes
    ) -> ContractFunction:
        """Record an opening that the owner signed."""
        return self._call("openFor", auction, sealed_bid, astuple(place), opening, signature)

    def accept_scores(self, auction: AuctionId) -> ContractFunction:
        """Take the standing scores over and pay the operators' fees."""
        return self._call("acceptScores", auction)

    def reveal(self, auction: AuctionId, place: Place, cost: int, salt: bytes) -> ContractFunction:
        """Open a bid."""
        return self._call("reveal", auction, astuple(place), cost, salt)

    def settle(
        self, auction: AuctionId, marginals: Sequence[int | None], count: int
    ) -> ContractFunction:
        """Walk up to `count` further bids of a proposal.

        Args:
            auction: id.
            marginals: marginal winners of all, flagged and unflagged bids; None where a clock has
                no winner or is not used.
            count: of bids.
        """
        words = tuple(packing.NONE if index is None else index for index in marginals)
        return self._call("settle", auction, words, count)

    def forfeit(self, auction: AuctionId, index: int) -> ContractFunction:
        """Strike out a winner who posted no key in time."""
        return self._call("forfeit", auction, index)

    def claim(
        self, auction: AuctionId, place: Place, parts: int = packing.ALL_PARTS
    ) -> ContractFunction:
        """Pay what is due to a bid."""
        return self._call("claim", auction, astuple(place), parts)

    def reclaim_bond(self, auction: AuctionId, sealed_bid: bytes, place: Place) -> ContractFunction:
        """The bond of a withdrawn commitment; after an abort that of any, with the entry fee."""
        return self._call("reclaimBond", auction, sealed_bid, astuple(place))

    def claim_bounty(self, auction: AuctionId) -> ContractFunction:
        """The caller's part of the settlement bounty."""
        return self._call("claimBounty", auction)

    def withdraw_refund(self, auction: AuctionId, to: str) -> ContractFunction:
        """The buyer's unspent cash and MUT, and bounty and fee where nobody earned them."""
        return self._call("withdrawRefund", auction, to)

    def abort(self, auction: AuctionId) -> ContractFunction:
        """End an auction that cannot be settled any more."""
        return self._call("abort", auction)

    # Reads. `block` pins them to a number or hash.

    def auction_count(self, *, block: Any = "latest") -> int:
        """Number of auctions; ids are 1 to this."""
        return int(self._read("auctionCount", block=block))

    def phases(self, auction: AuctionId, *, block: Any = "latest") -> tuple[State, PhaseEnds]:
        """State and deadlines."""
        state, ends = self._read("phases", auction, block=block)
        return State(state), PhaseEnds(*ends)

    def bid_count(self, auction: AuctionId, *, block: Any = "latest") -> int:
        """Number of indices given out."""
        return int(self._read("bidCount", auction, block=block))

    def bids(
        self, auction: AuctionId, start: int, stop: int, *, block: Any = "latest"
    ) -> list[PackedBid]:
        """Bids `[start, stop)`."""
        slots = self._read("bids", auction, start, stop, block=block)
        return [packing.unpack_bid(slot) for slot in slots]

    def nonce(self, owner: str) -> int:
        """Next nonce for a relayed commitment."""
        return int(self._read("nonces", owner))

    def deliveries_resolved(self, auction: AuctionId, *, block: Any = "latest") -> bool:
        """Whether revenue and DST may start."""
        return bool(self._read("deliveriesResolved", auction, block=block))

    def mut_token(self, auction: AuctionId) -> str:
        """Address of the auction's MUT."""
        return str(self._read("mutToken", auction))

    def draw(self) -> int:
        """Seconds from the end of the commitments to the draw of the samples."""
        return int(self._read("DRAW"))

    def oracle(self) -> str:
        """Address of the ScoreOracle."""
        return str(self._read("ORACLE"))

    def exchange(self) -> str:
        """Address of the Exchange, which this contract deployed."""
        return str(self._read("EXCHANGE"))

    def rules(self) -> str:
        """Address of the TermsRules, which this contract deployed."""
        return str(self._read("RULES"))

    def settlement(self) -> str:
        """Address of the Settlement, which this contract deployed, and whose code it runs."""
        return str(self._read("SETTLEMENT"))

    def mut_implementation(self) -> str:
        """Address of the MutToken whose clones the MUTs are."""
        return str(self._read("MUT_IMPLEMENTATION"))
