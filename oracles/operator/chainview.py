"""What the chain says: an index of the contracts' logs, and the view of an auction folded from it.

A cycle reads logs up to one block and works on these alone, so all that it decides is pinned to
that block's hash. When the chain is reorganised, the index is rewound to the fork.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address
from web3.exceptions import BlockNotFound, Web3Exception

from oracles.chain import artifacts
from oracles.chain.auction import Phases, State
from oracles.chain.codec import DataSet, Terms, same_address
from oracles.chain.events import read_events
from oracles.chain.oracle import OperatorSet, Windows
from oracles.errors import ChainError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.events import Event
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
        published: event by member.
        announced: location by member.
        posted: by mask of members and chunk, the address that holds the medians.
        complete: mask of the members whose medians count; 0 while there are none.
    """

    committed: dict[int, bytes] = field(default_factory=dict)
    published: dict[int, Event] = field(default_factory=dict)
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
        if event.name == "AuctionCreated":
            view = AuctionView(
                event.args["auction"],
                Terms.decode(event.args["terms"]),
                event.args["keyX"] + event.args["keyY"],
                operator_set,
                created,
            )
        elif view is not None:
            _apply(view, event.name, event.args, event)
    return view


def _apply(view: AuctionView, name: str, args: dict[str, Any], event: Event) -> None:
    if name == "Committed":
        data = args["dataSet"]
        data_set = DataSet(data["cid"], data["contentDigest"], data["size"])
        view.commitments.append(Commitment(args["index"], args["owner"], data_set))
    elif name == "Withdrawn":
        kept = view.commitments[args["index"]]
        view.commitments[args["index"]] = Commitment(
            kept.index, kept.provider, kept.data_set, withdrawn=True
        )
    elif name == "Delivered":
        view.delivered[args["index"]] = args["wrappedKey"]
    elif name == "Forfeited":
        view.forfeited.add(args["index"])
    elif name == "Settled":
        view.state = State.SETTLED
    elif name == "Aborted":
        view.state = State.ABORTED
    elif name == "Challenged":
        view.challenged = True
    elif name == "ChallengeResolved":
        view.resolved, view.final_round = True, args["finalRound"]
    elif "round" in args:
        _apply_round(view, name, args, event)


def _apply_round(view: AuctionView, name: str, args: dict[str, Any], event: Event) -> None:
    round_ = view.rounds[args["round"] - 1]
    member = view.member(args["operator"]) if "operator" in args else None
    if name == "ScoresPosted":
        round_.posted.setdefault(args["mask"], {})[args["chunk"]] = args["pointer"]
    elif name == "RoundCompleted":
        round_.complete = args["mask"]
    elif member is None:
        return
    elif name == "VectorCommitted":
        round_.committed[member] = args["commitment"]
    elif name == "VectorAnnounced":
        round_.announced[member] = args["location"]
    elif name == "VectorPublished":
        round_.published[member] = event


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
                if event.args.get("consumer", self._auction) == self._auction
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
        return [event.args["auction"] for event in self._logs.events("AuctionCreated")]

    def view(self, auction: int) -> AuctionView | None:
        """Fold one auction.

        Raises:
            ChainError: the node does not answer.
        """
        events = [
            event for event in self._logs.events(subject=auction) if event.name != "SetCreated"
        ]
        creation = next((each for each in events if each.name == "AuctionCreated"), None)
        if creation is None:
            return None
        sets = self._logs.events("SetCreated", subject=creation.args["terms"]["operatorSet"])
        if not sets:
            raise ChainError(f"auction {auction} names an operator set that was not created")
        operator_set = OperatorSet(tuple(sets[0].args["members"]), sets[0].args["threshold"])
        return fold(events, operator_set, self._timestamp(creation))

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
