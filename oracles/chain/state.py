"""One auction, folded from its events: what providers, buyers, settlers and operators act on.

The audit has a state of its own, on purpose.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from oracles.chain import rpc
from oracles.chain.auction import State
from oracles.chain.complete import check_auction, whole
from oracles.chain.events import Event, read_events
from oracles.chain.packing import (
    Place,
    Score,
    data_set_hash,
    same_address,
    unpack_roll,
    unpack_vector,
)
from oracles.chain.terms import GWEI, AuctionId
from oracles.chain.typed_events import (
    Aborted,
    AuctionCreated,
    BondReclaimed,
    Challenged,
    ChallengeResolved,
    Claimed,
    Committed,
    Complained,
    Delivered,
    DueAdded,
    DueClaimed,
    FeeClaimed,
    FeesPaid,
    Missed,
    Opened,
    Revealed,
    RollCalled,
    RollTallied,
    RoundCompleted,
    ScoresAccepted,
    ScoresPosted,
    Settled,
    StakeReleased,
    StakeSlashed,
    StruckOut,
    VectorAnnounced,
    VectorCommitted,
    VectorPublished,
    Withdrawn,
)
from oracles.errors import ChainError, GapError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eth_typing import ChecksumAddress
    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.terms import AuctionId, DataSet, PhaseEnds, Terms, Windows
    from oracles.chain.typed_events import Body, Delivery, Panel, Submission

#: ScoreOracle.LOCK: seconds after the last window during which offences can be proved.
LOCK_SECONDS: Final = 7 * 86_400


class Seat(NamedTuple):
    """Where an operator sits: the round that its panel scores, and its position in the panel."""

    round: int
    position: int


@dataclass(frozen=True, slots=True)
class Commitment:
    """One commitment.

    Attributes:
        index: order of commitment.
        owner: who sells the data.
        payer: of the bond.
        sealed_bid: 32 bytes.
        data_set: what is sold.
        withdrawn: whether it was taken back.
        opening: digest in the CID of the opening of its sample; None while there is none.
        repaid: whether its bond went back, after a withdrawal or an abort.
    """

    index: int
    owner: str
    payer: str
    sealed_bid: bytes
    data_set: DataSet
    withdrawn: bool = False
    opening: bytes | None = None
    repaid: bool = False

    @property
    def place(self) -> Place:
        """What calls name it by."""
        return Place(self.index, self.owner, self.payer, data_set_hash(self.data_set))


@dataclass(slots=True)
class Round:
    """One scoring round. Members are positions in the round's panel.

    Attributes:
        committed: commitment by member.
        published: whole vector on chain, by member.
        announced: where a member's vector can be had, by member.
        posted: by mask and chunk, the address of the code that holds the medians.
        evidence: digest of the evidence bundle that a member signed with its vector, by member.
        complete: mask of the members whose medians count; 0 while there are none.
        stakes: members whose stake is neither burned nor released.
        burned: members whose stake was burned.
        parts: wei that each member that counts can claim in all, see FeesPaid.
        claimed: wei that members have claimed, by member.
    """

    committed: dict[int, bytes] = field(default_factory=dict)
    published: dict[int, Submission] = field(default_factory=dict)
    announced: dict[int, str] = field(default_factory=dict)
    posted: dict[int, dict[int, ChecksumAddress]] = field(default_factory=dict)
    evidence: dict[int, bytes] = field(default_factory=dict)
    complete: int = 0
    stakes: set[int] = field(default_factory=set)
    burned: set[int] = field(default_factory=set)
    parts: int = 0
    claimed: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class AuctionState:
    """One auction as far as its events tell.

    Attributes:
        id: from 1.
        buyer: address.
        buyer_key: 64-byte public encryption key.
        terms: what the buyer fixed.
        bounty: wei for those who settle.
        beta: β, token units.
        reserve: floor(f·β), token units.
        panels: first and appeal; the appeal panel may be empty.
        created: unix seconds.
        created_at: block and position of the log that created it.
        draw: seconds from the end of the commitments to the draw.
        commitments: by index.
        called: by member of the attesting panel, its bitmap.
        roll: indices that take part; None before the roll is counted.
        roll_block: block in which it was counted.
        rounds: one and two.
        challenged, resolved: whether there was a challenge, and a decision on it.
        moved: whether that decision changed scores.
        standing: round that stands, 0 while an undecided challenge is open.
        accepted_round: round whose scores the auction took over; 0 before.
        revealed: opened bids by index; their weight is 0 where they are not eligible.
        state: open, settled or aborted.
        settled: marginal winners and outcome, once settled.
        missing: winners whose ciphertext the buyer named as missing.
        deliveries: by winner's index.
        complaints: digest of the complaint by index.
        struck_out: winners without pay.
        returned: cash of theirs that went back to the buyer, token units.
        claimed: what was claimed for a bid: cash and MUT in token units, and wei of the bond.
        dues: wei of gas to be repaid, by account, if all of them are covered.
        covered: wei that there are to repay them with.
        dues_claimed: wei that was repaid, by account.
    """

    id: AuctionId
    buyer: str
    buyer_key: bytes
    terms: Terms
    bounty: int
    beta: int
    reserve: int
    panels: tuple[Panel, Panel]
    created: int
    created_at: tuple[int, int]
    draw: int
    commitments: list[Commitment] = field(default_factory=list)
    called: dict[int, tuple[int, ...]] = field(default_factory=dict)
    roll: frozenset[int] | None = None
    roll_block: int = 0
    rounds: tuple[Round, Round] = field(default_factory=lambda: (Round(), Round()))
    challenged: bool = False
    resolved: bool = False
    moved: bool = False
    standing: int = 0
    accepted_round: int = 0
    revealed: dict[int, Revealed] = field(default_factory=dict)
    state: State = State.OPEN
    settled: Settled | None = None
    missing: set[int] = field(default_factory=set)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    complaints: dict[int, bytes] = field(default_factory=dict)
    struck_out: set[int] = field(default_factory=set)
    returned: int = 0
    claimed: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    dues: dict[str, int] = field(default_factory=dict)
    covered: int = 0
    dues_claimed: dict[str, int] = field(default_factory=dict)

    @classmethod
    def start(
        cls, event: Event, panels: tuple[Panel, Panel], created: int, draw: int
    ) -> AuctionState:
        """An auction that was just created.

        Args:
            event: its creation, an AuctionCreated.
            panels: of the operator set that its terms name.
            created: timestamp of the event's block.
            draw: DataAuction.DRAW.
        """
        body = event.body
        if not isinstance(body, AuctionCreated):
            raise ChainError(f"{event.name} creates no auction")
        return cls(
            body.auction_id,
            body.buyer,
            body.key_x + body.key_y,
            body.terms,
            body.bounty,
            body.beta,
            body.reserve,
            panels,
            created,
            (event.block, event.log_index),
            draw,
        )

    @property
    def payout(self) -> int:
        """What of the budget goes to providers, claimed or not, token units; 0 before settlement.

        Rounding may leave less than two of them for each winner with the contract.
        """
        if self.settled is None:
            return 0
        return self.terms.budget - self.settled.outcome.refund - self.returned

    @property
    def phases(self) -> PhaseEnds:
        """Deadlines, as DataAuction.phases gives them."""
        return self.terms.durations.phases(self.created, self.draw)

    def windows(self, round_: int) -> Windows:
        """Windows of a scoring round, as ScoreOracle.windows gives them."""
        return self.terms.durations.windows(self.created, self.draw, round_)

    @property
    def stakes_free(self) -> int:
        """Time from which stakes can be released, unix seconds."""
        return self.scores_end + LOCK_SECONDS

    @property
    def scores_end(self) -> int:
        """End of the last window for scores, that of an appeal where there is one."""
        return self.windows(2 if self.terms.durations.challenge else 1).end

    @property
    def stake(self) -> int:
        """What each operator puts at risk, wei."""
        return self.terms.scoring.stake_gwei * GWEI

    def panel(self, round_: int) -> Panel:
        """Panel of a round."""
        return self.panels[round_ - 1]

    @property
    def attesting_round(self) -> int:
        """Round whose panel calls the roll: the appeal panel's, where there is one."""
        return 2 if self.panels[1].members else 1

    def seat(self, address: str) -> Seat | None:
        """Where an operator sits; None for others."""
        for round_, panel in enumerate(self.panels, 1):
            for position, member in enumerate(panel.members):
                if same_address(member, address):
                    return Seat(round_, position)
        return None

    @property
    def opened(self) -> frozenset[int]:
        """Indices that can be on the roll: not withdrawn, and opened where something is sampled."""
        sampled = self.terms.scoring.samples > 0
        return frozenset(
            each.index
            for each in self.commitments
            if not each.withdrawn and (each.opening is not None or not sampled)
        )

    def fee_due(self, seat: Seat) -> int:
        """Wei of fees that a member can claim now."""
        round_ = self.rounds[seat.round - 1]
        counted = round_.complete >> seat.position & 1
        return round_.parts - round_.claimed.get(seat.position, 0) if counted else 0

    def gas_due(self, account: str) -> int:
        """Wei of gas that an account can have repaid now (ScoreOracle.claimDue)."""
        owed = sum(self.dues.values())
        part = self.dues.get(account, 0) * self.covered // owed if owed else 0
        return part - self.dues_claimed.get(account, 0)

    def remaining(self) -> list[Commitment]:
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
        scores = unpack_vector(b"".join(code))
        if len(scores) != len(self.commitments):
            raise GapError(
                f"the node gives {len(scores)} scores of auction {self.id}, which has"
                f" {len(self.commitments)} bids; try again, or name another node"
            )
        return scores

    def apply(self, event: Event) -> None:
        """Take the next event of this auction, by any of the contracts, into account.

        Raises:
            GapError: it needs an earlier one that is missing.
        """
        body = event.body
        try:
            if isinstance(body, RollTallied):
                self.roll, self.roll_block = unpack_roll(body.roll), event.block
            elif not any(
                each(body) for each in (self._apply_bid, self._apply_scoring, self._apply_money)
            ):
                self._apply_exchange(body)
        except (LookupError, ValueError) as error:
            raise GapError(
                f"auction {self.id}: {event.name} in block {event.block} needs a log that the node"
                " left out; try again, or name another node"
            ) from error

    def _apply_bid(self, body: Body) -> bool:
        """Commitments, reveals, and how the auction ends."""
        match body:
            case Committed():
                if body.index != len(self.commitments):
                    raise LookupError(body.index)
                self.commitments.append(
                    Commitment(body.index, body.owner, body.payer, body.sealed_bid, body.data_set)
                )
            case Withdrawn(index=index):
                self.commitments[index] = replace(self.commitments[index], withdrawn=True)
            case BondReclaimed(index=index):
                self.commitments[index] = replace(self.commitments[index], repaid=True)
            case Claimed(index=index):
                cash, mut, bond = self.claimed.get(index, (0, 0, 0))
                self.claimed[index] = (cash + body.cash, mut + body.mut, bond + body.bond)
            case Opened(index=index, opening=opening):
                # The first one counts.
                if self.commitments[index].opening is None:
                    self.commitments[index] = replace(self.commitments[index], opening=opening)
            case ScoresAccepted(round=number):
                self.accepted_round = number
            case Revealed(index=index):
                self.revealed[index] = body
            case Settled():
                self.state, self.settled = State.SETTLED, body
            case Aborted():
                self.state = State.ABORTED
            case _:
                return False
        return True

    def _apply_scoring(self, body: Body) -> bool:
        """Roll calls, rounds and challenges."""
        match body:
            case RollCalled(member=member, bitmap=bitmap):
                self.called[self._position(self.attesting_round, member)] = bitmap
            case Challenged():
                self.challenged, self.standing = True, 0
            case ChallengeResolved():
                self.resolved, self.moved, self.standing = True, body.moved, body.standing
            case ScoresPosted():
                round_ = self.rounds[body.round - 1]
                round_.posted.setdefault(body.mask, {})[body.chunk] = body.pointer
                round_.evidence |= {each.member: each.evidence for each in body.submissions}
            case RoundCompleted(round=number, mask=mask):
                self.rounds[number - 1].complete = mask
                if number == 1:
                    self.standing = 1
            case VectorCommitted(round=number, member=member, commitment=commitment):
                position = self._position(number, member)
                self.rounds[number - 1].committed[position] = commitment
                self.rounds[number - 1].stakes.add(position)
            case VectorAnnounced(round=number, member=member, location=location):
                self.rounds[number - 1].announced[self._position(number, member)] = location
            case VectorPublished(round=number, member=member, submission=submission):
                self.rounds[number - 1].published[self._position(number, member)] = submission
            case _:
                return False
        return True

    def _apply_money(self, body: Body) -> bool:
        """Stakes and fees."""
        match body:
            case StakeSlashed(round=number, member=member, dues=dues):
                position = self._position(number, member)
                self.rounds[number - 1].stakes.discard(position)
                self.rounds[number - 1].burned.add(position)
                self.covered += dues
            case StakeReleased(round=number, member=member):
                self.rounds[number - 1].stakes.discard(self._position(number, member))
            case FeesPaid(round=number, part=part, dues=dues):
                self.rounds[number - 1].parts += part
                self.covered += dues
            case FeeClaimed(round=number, member=member, amount=amount):
                claimed, position = self.rounds[number - 1].claimed, self._position(number, member)
                claimed[position] = claimed.get(position, 0) + amount
            case DueAdded(account=account, amount=amount):
                self.dues[account] = self.dues.get(account, 0) + amount
            case DueClaimed(account=account, amount=amount):
                self.dues_claimed[account] = self.dues_claimed.get(account, 0) + amount
            case _:
                return False
        return True

    def _apply_exchange(self, body: Body) -> None:
        """Deliveries, and who is struck out."""
        match body:
            case Missed(index=index):
                self.missing.add(index)
            case Delivered(index=index, delivery=delivery):
                self.deliveries[index] = delivery
            case Complained(index=index, complaint=complaint):
                self.complaints[index] = complaint
            case StruckOut(index=index, cash=cash):
                self.struck_out.add(index)
                self.returned += cash
            case _:
                pass

    def _position(self, round_: int, member: str) -> int:
        return self.panel(round_).members.index(member)


def load_auction(
    web3: Web3,
    deployment: Deployment,
    auction: AuctionId,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> AuctionState:
    """Read one auction from the logs of its three contracts, and hold it against their storage.

    What a node leaves out for the moment is asked again, elsewhere where there are more nodes.

    Args:
        web3: connection.
        deployment: where the contracts are.
        auction: its id.
        sleep: between two tries.

    Raises:
        GapError: the logs stay incomplete.
        ChainError: there is no such auction, or the node does not answer.
    """
    return whole(web3, lambda: _read_auction(web3, deployment, auction), sleep=sleep)


def _read_auction(web3: Web3, deployment: Deployment, auction: AuctionId) -> AuctionState:
    """One auction at the newest block, complete or not at all."""
    newest = rpc.block(web3, "latest")
    number, digest = newest["number"], bytes(newest["hash"])
    # No topic holds another number, and a node would only say that it does not understand.
    possible = 0 < auction < 1 << 256
    state = _fold(web3, deployment, auction, number) if possible else None
    if state is None:
        count = deployment.auction(web3).auction_count(block=number)
        if not 0 < auction <= count:
            contract = deployment.address("DataAuction")
            raise ChainError(f"there is no auction {auction} in {contract}, which has {count}")
        raise GapError(
            f"the contract has {count} auctions, but the node gives no logs of auction {auction};"
            " try again, or name another node"
        )
    check_auction(state, web3, deployment, number)
    if rpc.block_hash(web3, number) != digest:
        raise GapError("the chain was reorganised while it was read; try again")
    return state


def _fold(
    web3: Web3, deployment: Deployment, auction: AuctionId, newest: int
) -> AuctionState | None:
    """An auction from its logs alone; None without its creation."""
    contract, oracle = deployment.address("DataAuction"), deployment.address("ScoreOracle")
    exchange = deployment.address("Exchange")
    consumer, number = "0x" + contract[2:].lower().rjust(64, "0"), f"0x{auction:064x}"
    events = [
        *read_events(web3, [contract, exchange], deployment.block, newest, topics=[number]),
        *read_events(web3, [oracle], deployment.block, newest, topics=[consumer, number]),
    ]
    state: AuctionState | None = None
    for event in sorted(events, key=lambda each: (each.block, each.log_index)):
        if isinstance(event.body, AuctionCreated):
            found = deployment.oracle(web3).set_of(event.body.terms.scoring.operator_set)
            created = rpc.block(web3, event.block_hash)["timestamp"]
            draw = deployment.auction(web3).draw()
            state = AuctionState.start(event, (found.first, found.appeal), created, draw)
        elif state is not None:
            state.apply(event)
    return state
