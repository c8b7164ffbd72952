"""What the chain says: an index of the contracts' logs, and the states of auctions folded from it.

A cycle reads logs up to one block and works on these alone, so all that it decides is pinned to
that block's hash. When the chain is reorganised, the index is rewound to the fork.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eth_utils.address import to_checksum_address

from oracles.chain import rpc, typed_events
from oracles.chain.complete import check_auction
from oracles.chain.events import read_events
from oracles.chain.state import AuctionState
from oracles.chain.typed_events import (
    AuctionCreated,
    OperatorRegistered,
    SetProposed,
)
from oracles.errors import ChainError, GapError, NodeError

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.events import Event
    from oracles.chain.packing import Score
    from oracles.chain.terms import AuctionId
    from oracles.chain.typed_events import Panel
    from oracles.service.logindex import LogIndex


_EVENTS: Final = (
    typed_events.Aborted,
    typed_events.AuctionCreated,
    typed_events.BondReclaimed,
    typed_events.ChallengeResolved,
    typed_events.Challenged,
    typed_events.Claimed,
    typed_events.Committed,
    typed_events.Complained,
    typed_events.ContradictionProved,
    typed_events.Delivered,
    typed_events.DueAdded,
    typed_events.DueClaimed,
    typed_events.FeeClaimed,
    typed_events.FeesPaid,
    typed_events.Missed,
    typed_events.Opened,
    typed_events.OperatorRegistered,
    typed_events.Refuted,
    typed_events.Revealed,
    typed_events.RollCalled,
    typed_events.RollTallied,
    typed_events.RoundCompleted,
    typed_events.ScoresAccepted,
    typed_events.ScoresPosted,
    typed_events.SetAccepted,
    typed_events.SetLeft,
    typed_events.SetProposed,
    typed_events.Settled,
    typed_events.StakeReleased,
    typed_events.StakeSlashed,
    typed_events.StruckOut,
    typed_events.VectorAnnounced,
    typed_events.VectorCommitted,
    typed_events.VectorPublished,
    typed_events.Withdrawn,
)


@dataclass(frozen=True, slots=True)
class Head:
    """The block that a cycle is pinned to.

    Attributes:
        number, hash, timestamp: of the newest block.
        settled: timestamp of the newest block that may be built on (see `Settings.block`).
        settled_number: its number.
        base_fee: wei for a unit of gas in the newest block.
    """

    number: int
    hash: bytes
    timestamp: int
    settled: int
    settled_number: int
    base_fee: int = 0


class ChainIndex:
    """Keeps the index of logs in step with the chain.

    Args:
        web3: connection.
        deployment: where the contracts are.
        logs: where the index is.
        tag: newest block that may be built on.
    """

    def __init__(self, web3: Web3, deployment: Deployment, logs: LogIndex, tag: str) -> None:
        self.web3 = web3
        self._logs = logs
        self._tag = tag
        self._auction = to_checksum_address(deployment.address("DataAuction"))
        oracle = to_checksum_address(deployment.address("ScoreOracle"))
        exchange = to_checksum_address(deployment.address("Exchange"))
        self._contracts = [self._auction, oracle, exchange]
        self._deployment = deployment
        self._first = deployment.block
        self._contract = deployment.auction(web3)
        self._draw = self._contract.draw()
        #: First block of those read last, and whether they were read twice.
        kept = logs.checkpoints()
        self._read_from = kept[1][0] + 1 if len(kept) > 1 else None
        self._confirmed = False
        #: Head at which an auction was last held against storage.
        self._checked: dict[int, bytes] = {}
        #: Kept from cycle to cycle, so that an auction is not folded again for each event.
        self._states: dict[int, AuctionState] = {}
        #: With which there is nothing to do until a member commits to a vector.
        self._left: set[int] = set()

    def follow(self) -> Head:
        """Read what is new and return the block that this cycle is pinned to.

        The blocks read last are read once more: a node's index of logs may lag behind its head,
        and what it left out then is found now.

        Raises:
            GapError: the node's logs have fewer auctions than the contract; all are read again.
            ChainError: the node does not answer, or the chain changed meanwhile (try again).
        """
        head = rpc.block(self.web3, "latest")
        settled = head if self._tag == "latest" else rpc.block(self.web3, self._tag)
        number, digest = head["number"], bytes(head["hash"])
        start = self._fork_point()
        again = start if self._read_from is None else min(start, self._read_from)
        if number >= start or not self._confirmed:
            events = list(read_events(self.web3, self._contracts, again, number, kinds=_EVENTS))
            if rpc.block_hash(self.web3, number) != digest:
                raise NodeError("the chain was reorganised while it was read")
            ours = [
                event
                for event in events
                if getattr(event.body, "consumer", self._auction) == self._auction
            ]
            known = self._logs.places(again)
            fresh = [each for each in ours if (each.block, each.log_index) not in known]
            late = {each.auction_id for each in fresh if each.block < start}
            self._logs.store(fresh, number, digest)
            self._confirmed, self._read_from = number < start, start
            for event in fresh:
                if isinstance(event.body, typed_events.VectorCommitted):
                    self._left.discard(event.auction_id or 0)
                if event.auction_id in late:
                    self._states.pop(event.auction_id or 0, None)  # Folded anew, in order.
                elif state := self._states.get(event.auction_id or 0):
                    state.apply(event)
            self._count(number)
        return Head(
            number,
            digest,
            head["timestamp"],
            settled["timestamp"],
            settled["number"],
            rpc.base_fee(head),
        )

    def _count(self, number: int) -> None:
        """Raise unless there are as many auctions as the contract has."""
        count = self._contract.auction_count(block=number)
        known = self._logs.numbers()
        if known == set(range(1, count + 1)):
            return
        missing = min(set(range(1, count + 2)) - known)
        # Ids rise with the blocks: what is missing comes after the auction before it.
        before = [e.block for e in self._logs.events("AuctionCreated", subject=missing - 1)]
        self._rewind(before[0] if before else -1)
        rpc.turn_to_next(self.web3)
        raise GapError(
            f"the contract has {count} auctions at block {number}, but the node's logs have"
            f" {len(known)}: they are read again"
        )

    def check(self, auction: AuctionState, head: Head) -> None:
        """Hold an auction's state against the contracts' storage, once for each block.

        Raises:
            GapError: the node left logs out; they will be read again from the auction's first.
            ChainError: the node does not answer.
        """
        if self._checked.get(auction.id) == head.hash:
            return
        try:
            check_auction(auction, self.web3, self._deployment, head.number, page=head.number)
        except GapError:
            self._rewind(auction.created_at[0] - 1)
            rpc.turn_to_next(self.web3)
            raise
        self._checked[auction.id] = head.hash

    def _fork_point(self) -> int:
        """First block to read, after dropping what is no longer on the chain."""
        checkpoints = self._logs.checkpoints()
        for position, (number, digest) in enumerate(checkpoints):
            if rpc.block_hash(self.web3, number) == digest:
                if position:
                    self._rewind(number)
                return number + 1
        if checkpoints:
            self._rewind(-1)
        return self._first

    def _rewind(self, number: int) -> None:
        self._states.clear()
        self._left.clear()
        self._read_from = None
        self._logs.rewind(number)

    def reread(self) -> None:
        """Forget everything, also that auctions were let go: the next look reads all again."""
        self._rewind(-1)

    def auctions(self) -> list[AuctionId]:
        """Ids of all auctions but those that were let go or left."""
        return [number for number in self._logs.created() if number not in self._left]

    def state(self, auction: AuctionId) -> AuctionState | None:
        """One auction at the block that this cycle is pinned to; None without its creation.

        Raises:
            ChainError: the node does not answer.
        """
        if auction not in self._states:
            state = self._fold(auction)
            if state is None:
                return None
            self._states[auction] = state
        return self._states[auction]

    def forget(self, auction: AuctionId) -> None:
        """Let go of an auction that is over."""
        self._states.pop(auction, None)
        self._checked.pop(auction, None)

    def leave(self, auction: AuctionId) -> None:
        """Look at an auction no more, until a member of its panels commits to a vector.

        Its logs are still kept, so that another look finds them.
        """
        self._left.add(auction)
        self.forget(auction)

    def events(self, name: str, auction: AuctionId) -> list[Event]:
        """Indexed events of one kind about one auction, in order."""
        return self._logs.events(name, subject=auction)

    def scores(self, auction: AuctionState, round_: int) -> list[Score]:
        """Scores of a complete round, as the contract stored them.

        Raises:
            ChainError: the round is not complete, or the node does not answer.
        """
        return auction.scores(self.web3, round_)

    def _fold(self, auction: AuctionId) -> AuctionState | None:
        state: AuctionState | None = None
        for event in self._logs.events(subject=auction):
            if isinstance(event.body, AuctionCreated):
                panels = self._panels(event.body.terms.scoring.operator_set)
                state = AuctionState.start(event, panels, self._timestamp(event), self._draw)
            elif state is not None:
                state.apply(event)
        return state

    def _panels(self, number: int) -> tuple[Panel, Panel]:
        for event in self._logs.events("SetProposed", subject=number):
            if isinstance(event.body, SetProposed):
                return event.body.first, event.body.appeal
        raise ChainError(f"operator set {number} was not proposed")

    def keys(self, auction: AuctionState) -> dict[str, bytes]:
        """Encryption keys (64 bytes) of all members as they stood when an auction was created.

        Raises:
            ChainError: a member has none, so that this index is not that of the contracts.
        """
        members = {*auction.panel(1).members, *auction.panel(2).members}
        keys: dict[str, bytes] = {}
        for event in self._logs.events("OperatorRegistered"):
            body = event.body
            if (event.block, event.log_index) > auction.created_at:
                break
            if isinstance(body, OperatorRegistered) and body.operator in members:
                keys[body.operator] = body.key_x + body.key_y
        if missing := members - keys.keys():
            raise ChainError(f"members without a key: {', '.join(sorted(missing))}")
        return keys

    def _timestamp(self, event: Event) -> int:
        return rpc.block(self.web3, event.block_hash)["timestamp"]

    def draw(self, auction: AuctionState, newest: int) -> bytes:
        """What samples are drawn from: prevrandao of the first block of the open phase.

        Args:
            auction: whose draw is over.
            newest: number of a block that is not before that.

        Raises:
            ChainError: the node does not answer.
        """
        start = auction.phases.open_start

        def reached(number: int) -> bool:
            return rpc.block(self.web3, number)["timestamp"] >= start

        number = rpc.first_block(self._first, newest, reached)
        return bytes(rpc.block(self.web3, number)["mixHash"])
