"""What the chain says: an index of the contracts' logs, and the view of an auction folded from it.

A cycle reads logs up to one block and works on these alone, so all that it decides is pinned to
that block's hash. When the chain is reorganised, the index is rewound to the fork.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address
from web3.exceptions import BlockNotFound, Web3Exception

from oracles.chain import artifacts
from oracles.chain.auction import Phases, State
from oracles.chain.codec import DataSet, Terms, same_address
from oracles.chain.events import read_events
from oracles.chain.oracle import OperatorSet, Windows
from oracles.chain.typed_events import (
    Aborted,
    AuctionCreated,
    Challenged,
    ChallengeResolved,
    Committed,
    Delivered,
    Forfeited,
    RoundCompleted,
    ScoresPosted,
    SetCreated,
    Settled,
    VectorAnnounced,
    VectorCommitted,
    VectorPublished,
    Withdrawn,
)
from oracles.errors import ChainError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.events import Event
    from oracles.chain.typed_events import Body, Submission
    from oracles.operator.journal import LogIndex

_EVENTS = frozenset(
    {
        "Aborted",
        "AuctionCreated",
        "ChallengeResolved",
        "Challenged",
        "Committed",
        "Delivered",
        "Forfeited",
        "OperatorRegistered",
        "RoundCompleted",
        "ScoresPosted",
        "SetCreated",
        "Settled",
        "VectorAnnounced",
        "VectorCommitted",
        "VectorPublished",
        "Withdrawn",
    }
)


@dataclass(frozen=True, slots=True)
class Head:
    """The block that a cycle is pinned to.

    Attributes:
        number, hash, timestamp: of the newest block.
        settled: timestamp of the newest block that may be built on (see `Settings.block`).
        settled_number: its number.
    """

    number: int
    hash: bytes
    timestamp: int
    settled: int
    settled_number: int


@dataclass(frozen=True, slots=True)
class Commitment:
    """A provider's commitment: its index, address, data set, and whether it was taken back."""

    index: int
    provider: str
    data_set: DataSet
    withdrawn: bool = False


@dataclass(slots=True)
class Round:
    """One scoring round as the logs have it.

    Attributes:
        committed: commitment by member.
        published: what a member published, by member.
        announced: location by member.
        posted: by mask of members and chunk, the address that holds the medians.
        complete: mask of the members whose medians count; 0 while there are none.
    """

    committed: dict[int, bytes] = field(default_factory=dict)
    published: dict[int, Submission] = field(default_factory=dict)
    announced: dict[int, str] = field(default_factory=dict)
    posted: dict[int, dict[int, str]] = field(default_factory=dict)
    complete: int = 0


@dataclass(slots=True)
class AuctionView:
    """All that an operator needs to know of an auction.

    Attributes:
        id: of the auction.
        terms: fixed at creation.
        buyer_key: 64-byte public encryption key.
        members: the operator set.
        created: timestamp of creation.
        commitments: by index.
        rounds: one and two.
        challenged, resolved: whether there was a challenge, and a decision on it.
        final_round: round that counts, once resolved.
        state: open, settled or aborted.
        delivered: newest wrapped key by winner's index.
        forfeited: winners struck out.
    """

    id: int
    terms: Terms
    buyer_key: bytes
    members: OperatorSet
    created: int
    commitments: list[Commitment] = field(default_factory=list)
    rounds: tuple[Round, Round] = field(default_factory=lambda: (Round(), Round()))
    challenged: bool = False
    resolved: bool = False
    final_round: int = 1
    state: State = State.OPEN
    delivered: dict[int, bytes] = field(default_factory=dict)
    forfeited: set[int] = field(default_factory=set)

    def member(self, address: str) -> int | None:
        """Position of an operator in the set."""
        for position, member in enumerate(self.members.members):
            if same_address(member, address):
                return position
        return None

    def windows(self, round_: int) -> Windows:
        """Windows of a round, unix seconds."""
        d = self.terms.durations
        length = d.score_commit + d.score_open + d.score_post
        start = self.phases.commit_end + (0 if round_ == 1 else length + d.challenge)
        opens = start + d.score_commit
        posts = opens + d.score_open
        return Windows(start, opens, posts, posts + d.score_post)

    @property
    def phases(self) -> Phases:
        """State and deadlines."""
        d = self.terms.durations
        commit_end = self.created + d.commit
        reveal = commit_end + 2 * (d.score_commit + d.score_open + d.score_post) + d.challenge
        reveal_end = reveal + d.reveal
        settle_end = reveal_end + d.settle
        deliver_end = settle_end + d.deliver
        return Phases(
            self.state,
            commit_end,
            reveal,
            reveal_end,
            settle_end,
            deliver_end,
            deliver_end + d.verdict,
        )


def fold(events: Iterable[Event], operator_set: OperatorSet, created: int) -> AuctionView | None:
    """Fold an auction's events, in order, into a view; None without its creation."""
    view: AuctionView | None = None
    for event in events:
        if isinstance(event.body, AuctionCreated):
            body = event.body
            view = AuctionView(
                body.auction_id, body.terms, body.key_x + body.key_y, operator_set, created
            )
        elif view is not None:
            _apply(view, event.body)
    return view


def _apply(view: AuctionView, body: Body) -> None:
    match body:
        case Committed(index=index, owner=owner, data_set=data_set):
            view.commitments.append(Commitment(index, owner, data_set))
        case Withdrawn(index=index):
            view.commitments[index] = replace(view.commitments[index], withdrawn=True)
        case Delivered(index=index, wrapped_key=key):
            view.delivered[index] = key
        case Forfeited(index=index):
            view.forfeited.add(index)
        case Settled():
            view.state = State.SETTLED
        case Aborted():
            view.state = State.ABORTED
        case Challenged():
            view.challenged = True
        case ChallengeResolved(final_round=number):
            view.resolved, view.final_round = True, number
        case ScoresPosted(round=number):
            posted = view.rounds[number - 1].posted.setdefault(body.mask, {})
            posted[body.chunk] = body.pointer
        case RoundCompleted(round=number, mask=mask):
            view.rounds[number - 1].complete = mask
        case (
            VectorCommitted(round=number)
            | VectorAnnounced(round=number)
            | VectorPublished(round=number)
        ):
            _apply_member(view, view.rounds[number - 1], body)


def _apply_member(
    view: AuctionView, round_: Round, body: VectorCommitted | VectorAnnounced | VectorPublished
) -> None:
    member = view.member(body.operator)
    if member is None:
        return
    match body:
        case VectorCommitted(commitment=commitment):
            round_.committed[member] = commitment
        case VectorAnnounced(location=location):
            round_.announced[member] = location
        case VectorPublished(submission=submission):
            round_.published[member] = submission


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
        self._oracle = to_checksum_address(deployment.address("ScoreOracle"))
        self._first = deployment.block
        self._topics = [
            "0x" + topic.hex()
            for topic, entry in artifacts.events().items()
            if entry["name"] in _EVENTS
        ]
        self._times: dict[bytes, int] = {}

    def follow(self) -> Head:
        """Read what is new and return the block that this cycle is pinned to.

        Raises:
            ChainError: the node does not answer, or the chain changed meanwhile (try again).
        """
        try:
            return self._follow()
        except (Web3Exception, OSError, ValueError, KeyError) as error:
            raise ChainError(f"the node does not answer: {error}") from error

    def _follow(self) -> Head:
        head = self.web3.eth.get_block("latest")
        settled = head if self._tag == "latest" else self.web3.eth.get_block(self._tag)  # type: ignore[arg-type]
        number, digest = head["number"], bytes(head["hash"])
        start = self._fork_point()
        if number >= start:
            events = list(
                read_events(
                    self.web3,
                    [self._auction, self._oracle],
                    start,
                    number,
                    topics=[self._topics],
                )
            )
            if bytes(self.web3.eth.get_block(number)["hash"]) != digest:
                raise ChainError("the chain was reorganised while it was read")
            ours = (
                event
                for event in events
                if getattr(event.body, "consumer", self._auction) == self._auction
            )
            self._logs.store(ours, number, digest)
        return Head(number, digest, head["timestamp"], settled["timestamp"], settled["number"])

    def _fork_point(self) -> int:
        """First block to read, after dropping what is no longer on the chain."""
        checkpoints = self._logs.checkpoints()
        for position, (number, digest) in enumerate(checkpoints):
            try:
                same = bytes(self.web3.eth.get_block(number)["hash"]) == digest
            except BlockNotFound:
                same = False
            if same:
                if position:
                    self._logs.rewind(number)
                return number + 1
        if checkpoints:
            self._logs.rewind(-1)
        return self._first

    def auctions(self) -> list[int]:
        """Ids of all auctions."""
        created = self._logs.events("AuctionCreated")
        return [event.auction_id for event in created if event.auction_id is not None]

    def view(self, auction: int) -> AuctionView | None:
        """Fold one auction.

        Raises:
            ChainError: the node does not answer.
        """
        events = [
            event for event in self._logs.events(subject=auction) if event.name != "SetCreated"
        ]
        for creation in events:
            if isinstance(creation.body, AuctionCreated):
                operator_set = self._operator_set(creation.body.terms.operator_set)
                return fold(events, operator_set, self._timestamp(creation))
        return None

    def _operator_set(self, number: int) -> OperatorSet:
        for event in self._logs.events("SetCreated", subject=number):
            if isinstance(event.body, SetCreated):
                return OperatorSet(event.body.members, event.body.threshold)
        raise ChainError(f"operator set {number} was not created")

    def _timestamp(self, event: Event) -> int:
        if event.block_hash not in self._times:
            try:
                block = self.web3.eth.get_block(event.block_hash)  # type: ignore[arg-type]
            except (Web3Exception, OSError, ValueError) as error:
                raise ChainError(f"the node does not answer: {error}") from error
            self._times[event.block_hash] = block["timestamp"]
        return self._times[event.block_hash]

    def first_block_at(self, timestamp: int, newest: int) -> bytes:
        """Hash of the first block whose timestamp is not below `timestamp`.

        Raises:
            ChainError: the node does not answer.
        """
        low, high = self._first, newest
        try:
            while low < high:
                middle = (low + high) // 2
                if self.web3.eth.get_block(middle)["timestamp"] < timestamp:
                    low = middle + 1
                else:
                    high = middle
            return bytes(self.web3.eth.get_block(low)["hash"])
        except (Web3Exception, OSError, ValueError) as error:
            raise ChainError(f"the node does not answer: {error}") from error
