"""One auction, folded from its events: what providers, buyers, settlers and operators act on.

The audit has a state of its own, on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from oracles.chain import rpc
from oracles.chain.auction import Phases, State
from oracles.chain.codec import Score, same_address, unpack_vector
from oracles.chain.events import Event, read_events
from oracles.chain.typed_events import (
    Aborted,
    AuctionCreated,
    Challenged,
    ChallengeResolved,
    Committed,
    Delivered,
    Forfeited,
    Revealed,
    RoundCompleted,
    ScoresAccepted,
    ScoresPosted,
    Settled,
    VectorAnnounced,
    VectorCommitted,
    VectorPublished,
    Withdrawn,
)
from oracles.errors import ChainError

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3

    from oracles.chain.codec import DataSet, Terms, Windows
    from oracles.chain.deployment import Deployment
    from oracles.chain.oracle import OperatorSet
    from oracles.chain.typed_events import AuctionId, Submission


@dataclass(frozen=True, slots=True)
class Commitment:
    """One commitment.

    Attributes:
        index: order of commitment.
        provider: who sells the data.
        payer: of the bond.
        sealed_bid: 32 bytes.
        data_set: what is sold.
        withdrawn: whether it was taken back.
    """

    index: int
    provider: str
    payer: str
    sealed_bid: bytes
    data_set: DataSet
    withdrawn: bool = False


@dataclass(slots=True)
class Round:
    """One scoring round. Members are positions in the operator set; a mask has a bit per member.

    Attributes:
        committed: commitment by member.
        published: whole vector on chain, by member.
        announced: where a member's vector can be had, by member.
        posted: by mask and chunk, the address of the code that holds the medians.
        complete: mask of the members whose medians count; 0 while there are none.
    """

    committed: dict[int, bytes] = field(default_factory=dict)
    published: dict[int, Submission] = field(default_factory=dict)
    announced: dict[int, str] = field(default_factory=dict)
    posted: dict[int, dict[int, ChecksumAddress]] = field(default_factory=dict)
    complete: int = 0


@dataclass(slots=True)
class AuctionState:
    """One auction as far as its events tell.

    Attributes:
        id: from 1.
        buyer: address.
        buyer_key: 64-byte public encryption key.
        terms: what the buyer fixed.
        beta: β, token units.
        reserve: floor(f·β), token units.
        members: the operator set.
        created: unix seconds.
        commitments: by index.
        rounds: one and two.
        challenged, resolved: whether there was a challenge, and a decision on it.
        final_round: round that counts, unless a challenge is open.
        accepted_round: round whose scores the auction took over; 0 before.
        revealed: opened bids by index; their weight is 0 where they are not eligible.
        state: open, settled or aborted.
        settled: marginal winners and outcome, once settled.
        delivered: newest wrapped key by winner's index.
        forfeited: winners struck out.
    """

    id: AuctionId
    buyer: str
    buyer_key: bytes
    terms: Terms
    beta: int
    reserve: int
    members: OperatorSet
    created: int
    commitments: list[Commitment] = field(default_factory=list)
    rounds: tuple[Round, Round] = field(default_factory=lambda: (Round(), Round()))
    challenged: bool = False
    resolved: bool = False
    final_round: int = 1
    accepted_round: int = 0
    revealed: dict[int, Revealed] = field(default_factory=dict)
    state: State = State.OPEN
    settled: Settled | None = None
    delivered: dict[int, bytes] = field(default_factory=dict)
    forfeited: set[int] = field(default_factory=set)

    @classmethod
    def start(cls, event: AuctionCreated, members: OperatorSet, created: int) -> AuctionState:
        """An auction that was just created.

        Args:
            event: its creation.
            members: the operator set that its terms name.
            created: timestamp of the event's block.
        """
        key = event.key_x + event.key_y
        return cls(
            event.auction_id,
            event.buyer,
            key,
            event.terms,
            event.beta,
            event.reserve,
            members,
            created,
        )

    @property
    def phases(self) -> Phases:
        """State and deadlines, as DataAuction.phases gives them."""
        return Phases(self.state, *self.terms.durations.phases(self.created))

    def windows(self, round_: int) -> Windows:
        """Windows of a scoring round, as ScoreOracle.windows gives them."""
        return self.terms.durations.windows(self.created, round_)

    def member(self, address: str) -> int | None:
        """Position of an operator in the set; None for others."""
        for position, member in enumerate(self.members.members):
            if same_address(member, address):
                return position
        return None

    def standing(self) -> list[Commitment]:
        """Commitments that were not taken back, by index."""
        return [commitment for commitment in self.commitments if not commitment.withdrawn]

    def scores(self, web3: Web3, round_: int) -> list[Score]:
        """Scores of a complete round by index, as the contract computed and stored them.

        Raises:
            ChainError: the round is not complete, or the node does not answer.
        """
        posted = self.rounds[round_ - 1].posted.get(self.rounds[round_ - 1].complete)
        if posted is None:
            raise ChainError(f"round {round_} of auction {self.id} has no scores")
        # Contract code behind its STOP byte (libraries/Scores.sol).
        code = [rpc.code(web3, pointer)[1:] for _, pointer in sorted(posted.items())]
        return unpack_vector(b"".join(code))

    def apply(self, event: Event) -> None:
        """Take the next event of this auction, by either contract, into account."""
        match event.body:
            case Committed() as body:
                self.commitments.append(
                    Commitment(body.index, body.owner, body.payer, body.sealed_bid, body.data_set)
                )
            case Withdrawn(index=index):
                self.commitments[index] = replace(self.commitments[index], withdrawn=True)
            case ScoresAccepted(round=number):
                self.accepted_round = number
            case Revealed(index=index) as body:
                self.revealed[index] = body
            case Settled() as body:
                self.state, self.settled = State.SETTLED, body
            case Delivered(index=index, wrapped_key=key):
                self.delivered[index] = key
            case Forfeited(index=index):
                self.forfeited.add(index)
            case Aborted():
                self.state = State.ABORTED
            case Challenged():
                self.challenged = True
            case ChallengeResolved(final_round=number):
                self.resolved, self.final_round = True, number
            case ScoresPosted() as body:
                posted = self.rounds[body.round - 1].posted
                posted.setdefault(body.mask, {})[body.chunk] = body.pointer
            case RoundCompleted(round=number, mask=mask):
                self.rounds[number - 1].complete = mask
            case VectorCommitted() | VectorAnnounced() | VectorPublished() as body:
                self._apply_report(body)

    def _apply_report(self, body: VectorCommitted | VectorAnnounced | VectorPublished) -> None:
        member, round_ = self.member(body.operator), self.rounds[body.round - 1]
        if member is None:
            return
        match body:
            case VectorCommitted(commitment=commitment):
                round_.committed[member] = commitment
            case VectorAnnounced(location=location):
                round_.announced[member] = location
            case VectorPublished(submission=submission):
                round_.published[member] = submission


def load_auction(web3: Web3, deployment: Deployment, auction: int) -> AuctionState:
    """Read one auction from the logs of both contracts.

    Raises:
        ChainError: there is no such auction, or the node does not answer.
    """
    contract, oracle = deployment.address("DataAuction"), deployment.address("ScoreOracle")
    newest = rpc.newest(web3)
    consumer, number = "0x" + contract[2:].lower().rjust(64, "0"), f"0x{auction:064x}"
    events = [
        *read_events(web3, [contract], deployment.block, newest, topics=[number]),
        *read_events(web3, [oracle], deployment.block, newest, topics=[consumer, number]),
    ]
    state: AuctionState | None = None
    for event in sorted(events, key=lambda each: (each.block, each.log_index)):
        if isinstance(event.body, AuctionCreated):
            members = deployment.oracle(web3).operator_set(event.body.terms.operator_set)
            created = rpc.block(web3, event.block_hash)["timestamp"]
            state = AuctionState.start(event.body, members, created)
        elif state is not None:
            state.apply(event)
    if state is None:
        raise ChainError(f"there is no auction {auction} in {contract}")
    return state
