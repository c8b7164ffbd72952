"""What a buyer fixes and a provider commits to, and when each phase is. Pure: no node is asked.

The structs are those of IDataAuction, field by field; `encoded` gives them as the contract takes
them.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import Any, Final, NamedTuple, NewType

#: Numbers of an auction in its DataAuction and of an operator set in its ScoreOracle. They are
#: types of their own, so that no index of a bid, round or member is passed in their place.
AuctionId = NewType("AuctionId", int)
OperatorSetId = NewType("OperatorSetId", int)

#: Parts per billion: the unit of ρ, the tranche and the DST weights.
PPB: Final = 10**9
WAD: Final = 10**18
GWEI: Final = 10**9


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a provider commits to.

    Attributes:
        manifest: sha2-256 digest in the CIDv1 of the manifest.
        content_digest: digest of the canonical document stream.
        size: bytes of the canonical document stream.
        key_commitment: keccak256 of the 32-byte data key.
    """

    manifest: bytes
    content_digest: bytes
    size: int
    key_commitment: bytes


class Windows(NamedTuple):
    """Bounds of one scoring round, unix seconds: commit, then open, then post, then over."""

    commit: int
    open: int
    post: int
    end: int


class PhaseEnds(NamedTuple):
    """Deadlines as DataAuction.phases gives them, unix seconds; each phase ends before its own.

    The roll call and the scores are between `open_end` and `reveal_start`.
    """

    commit_end: int
    open_start: int
    open_end: int
    reveal_start: int
    reveal_end: int
    settle_end: int
    fetch_end: int
    deliver_end: int
    dispute_end: int


@dataclass(frozen=True, slots=True)
class Durations:
    """Lengths of the phases in seconds, in order; `challenge` is 0 where there is no appeal."""

    commit: int
    open: int
    roll: int
    score_commit: int
    score_open: int
    score_post: int
    challenge: int
    reveal: int
    settle: int
    fetch: int
    deliver: int
    dispute: int

    def windows(self, created: int, draw: int, round_: int) -> Windows:
        """Windows of a scoring round (ScoreOracle.windows).

        Args:
            created: when the auction was created, unix seconds.
            draw: seconds from the end of the commitments to the draw (DataAuction.DRAW).
            round_: 1, or 2 for the appeal.
        """
        length = self.score_commit + self.score_open + self.score_post
        start = created + self.commit + draw + self.open + self.roll
        start += 0 if round_ == 1 else length + self.challenge
        opens = start + self.score_commit
        posts = opens + self.score_open
        return Windows(start, opens, posts, posts + self.score_post)

    def phases(self, created: int, draw: int) -> PhaseEnds:
        """When the phases end (DataAuction.phases).

        Args:
            created: when the auction was created, unix seconds.
            draw: seconds from the end of the commitments to the draw (DataAuction.DRAW).
        """
        commit_end = created + self.commit
        open_start = commit_end + draw
        reveal_start = self.windows(created, draw, 2 if self.challenge else 1).end
        reveal_end = reveal_start + self.reveal
        settle_end = reveal_end + self.settle
        fetch_end = settle_end + self.fetch
        deliver_end = fetch_end + self.deliver
        return PhaseEnds(
            commit_end,
            open_start,
            open_start + self.open,
            reveal_start,
            reveal_end,
            settle_end,
            fetch_end,
            deliver_end,
            deliver_end + self.dispute,
        )


@dataclass(frozen=True, slots=True)
class DstTerms:
    """Terms of the participation tokens; the weights in parts per billion."""

    supply: int = 0
    floor: int = 0
    cap: int = 0
    volume_weight: int = 0
    quality_weight: int = 0
    impact_weight: int = 0


@dataclass(frozen=True, slots=True)
class WeightTerms:
    """A weight rule as the contract takes it, which need not be a sound one.

    `oracles.mechanism.WeightRule` has the same fields, refuses unsound ones and computes weights.

    Attributes:
        family: 0 power, 1 square root, 2 log1p.
        eta: η, 1e-18, exponent of the quality.
        kappa: κ, 1e-18, added to φ.
        gamma: γ, 1e-18, exponent of the marginal utility.
    """

    family: int = 0
    eta: int = WAD
    kappa: int = 0
    gamma: int = WAD


@dataclass(frozen=True, slots=True)
class ScoringTerms:
    """What operators are asked for, what they risk and what they earn (IDataAuction.Scoring).

    Attributes:
        operator_set: a standing set; its appeal panel is part of it.
        samples: pages of each data set that are opened; 0 for all, by the manifest.
        q_min: least q of an eligible data set, 1e-4.
        stake_gwei: what each operator puts at risk.
        fee_gwei: paid by the buyer for the scores.
        entry_fee_gwei: paid by each bid.
        appeal_fee_gwei: bond of a challenge, and pay of the appeal panel where nothing moved.
        fetch_fee_gwei: paid by the buyer for each index that it names as missing or unreadable.
        metric_version: 32 bytes.
        evaluation: digest of the held-out evaluation set, 32 bytes.
    """

    operator_set: int
    samples: int
    q_min: int
    stake_gwei: int
    fee_gwei: int
    entry_fee_gwei: int
    appeal_fee_gwei: int
    fetch_fee_gwei: int
    metric_version: bytes
    evaluation: bytes


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything a buyer fixes by creating an auction (IDataAuction.Terms).

    Attributes:
        token: settlement ERC-20.
        budget: B, token units.
        pool: U, token units of MUT face value.
        rho: ρ in parts per billion.
        tranche: f in parts per billion.
        weights: weight rule.
        bond_gwei: bond of a bid.
        max_bids: most commitments taken.
        enrolment: no bids; the pool is shared by weight (paper §6).
        agreement: digest of the contract text that buyer and providers agree to, 32 bytes.
        scoring: what operators do.
        durations: phase lengths.
        dst: participation tokens.

    Example:
        A buyer writes them as TOML (docs/buyers.md has a commented file). With `web3` of `connect`:

        >>> import qmia
        >>> from pathlib import Path
        >>> web3 = qmia.connect(["http://127.0.0.1:8545"])
        >>> terms = qmia.load_terms(Path("terms.toml"), qmia.currencies(web3))
        >>> terms.budget
        600000000
    """

    token: str
    budget: int
    pool: int
    rho: int
    tranche: int
    weights: WeightTerms
    bond_gwei: int
    max_bids: int
    enrolment: bool
    agreement: bytes
    scoring: ScoringTerms
    durations: Durations
    dst: DstTerms = field(default_factory=DstTerms)

    @property
    def fee(self) -> int:
        """Wei that the buyer pays for the scores; what it sends beyond is the bounty."""
        return self.scoring.fee_gwei * GWEI

    @property
    def deposit(self) -> int:
        """Wei that a commitment costs: its bond, and the entry fee, which does not come back."""
        return (self.bond_gwei + self.scoring.entry_fee_gwei) * GWEI


def encoded(struct: Terms | DataSet | DstTerms) -> tuple[Any, ...]:
    """A struct as the contract takes it: nested tuples in the order of the fields."""
    return astuple(struct)
