"""The scores of one auction as the audit knows them.

This state is the audit's own, on purpose, like all its sums: `oracles.chain.state` folds the same
events for those who take part, and a mistake there must not be repeated here. Do not merge them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId
    from oracles.chain.typed_events import Panel, Request

#: Seconds after the last window during which stakes stay locked.
LOCK: Final = 7 * 86_400
#: Gas that is repaid, fixed and for each: to who posts a chunk, for a byte of the vectors;
#: to who publishes a vector of somebody else, or its own, for an index on the roll.
POST_GAS: Final = (100_000, 30)
PUBLISH_GAS: Final = (24_000, 60)
OWN_GAS: Final = (50_000, 170)


class Charge(NamedTuple):
    """An offence of a panel's member in one round of one auction."""

    consumer: str
    auction: AuctionId
    member: str
    round: int
    offence: str


class Slash(NamedTuple):
    """A stake that was lost: what of it was burned and what repaid others' gas, in wei."""

    auction: AuctionId
    member: str
    round: int
    offence: str
    burned: int
    dues: int


class Fees(NamedTuple):
    """A payment of fees to the members that made the standing scores, in wei."""

    consumer: str
    auction: AuctionId
    amount: int
    refund_to: str


@dataclass(slots=True)
class Round:
    """One scoring round; masks have a bit for each position in the round's panel.

    Attributes:
        commitments: by position.
        committed, published, complete: masks.
        settled: mask of the members whose stake was lost or given back.
        reports: digest of the report that a member is known to have signed.
        evidence: digest of the evidence bundle, by position.
        vectors: what each member submitted, by chunk.
        chunks: pointer and medians, by mask and chunk.
        parts: what each member that counts may claim, wei.
        claimed: what members have claimed, by position, wei.
    """

    commitments: dict[int, bytes] = field(default_factory=dict)
    committed: int = 0
    published: int = 0
    complete: int = 0
    settled: int = 0
    reports: dict[int, bytes] = field(default_factory=dict)
    evidence: dict[int, bytes] = field(default_factory=dict)
    vectors: dict[int, dict[int, bytes]] = field(default_factory=dict)
    chunks: dict[int, dict[int, tuple[str, bytes]]] = field(default_factory=dict)
    parts: int = 0
    claimed: dict[int, int] = field(default_factory=dict)

    @property
    def _final(self) -> list[tuple[str, bytes]]:
        chunks = self.chunks.get(self.complete, {})
        return [chunks[number] for number in sorted(chunks)]

    @property
    def scores(self) -> bytes:
        """Medians of the complete round, all chunks in a row."""
        return b"".join(medians for _, medians in self._final)

    @property
    def pointers(self) -> list[str]:
        """Where the contract keeps them."""
        return [pointer for pointer, _ in self._final]


class Windows(NamedTuple):
    """Bounds of one round, unix seconds: commit, then open, then post, then over."""

    commit: int
    open: int
    post: int
    end: int


@dataclass(slots=True)
class Feed:
    """Scores of one auction: the request, the roll, its two rounds, the challenge, the money.

    Attributes:
        consumer: contract that asked.
        auction: its id there.
        request: what it asked for.
        panels: first and appeal; the appeal panel may have no members.
        keys: encryption keys of all members when the request was opened.
        bitmaps: what members attested, by position in the attesting panel.
        roll: which indices take part, as a bitmap; None before the roll is counted.
        rounds: one and two.
        challenger: empty while nobody has challenged.
        standing: round that stands; 0 while none does.
        moved: whether the appeal changed a score.
        owed: gas to be repaid, by account, wei.
        creditor: account of the newest part of it.
        covered: what of all that is paid for, wei.
        repaid: what accounts have claimed of it, wei.
    """

    consumer: str
    auction: AuctionId
    request: Request
    panels: tuple[Panel, Panel]
    keys: dict[str, bytes]
    bitmaps: dict[int, tuple[int, ...]] = field(default_factory=dict)
    roll: tuple[int, ...] | None = None
    rounds: tuple[Round, Round] = field(default_factory=lambda: (Round(), Round()))
    challenger: str = ""
    standing: int = 0
    moved: bool = False
    owed: dict[str, int] = field(default_factory=dict)
    creditor: str = ""
    covered: int = 0
    repaid: dict[str, int] = field(default_factory=dict)

    def windows(self, round_: int) -> Windows:
        """Windows of a round; the roll call ends where round one begins."""
        terms = self.request
        length = terms.commit_window + terms.open_window + terms.post_window
        start = terms.start + terms.roll_window
        start += 0 if round_ == 1 else length + terms.challenge_window
        opens = start + terms.commit_window
        posts = opens + terms.open_window
        return Windows(start, opens, posts, posts + terms.post_window)

    @property
    def end(self) -> int:
        """Time from which the scores are decided."""
        return self.windows(2 if self.request.challenge_window else 1).end

    def panel(self, round_: int) -> Panel:
        """Panel of a round."""
        return self.panels[round_ - 1]

    @property
    def attesting(self) -> Panel:
        """The panel that calls the roll: the appeal panel, where there is one."""
        return self.panel(2 if self.request.challenge_window else 1)

    @property
    def callers(self) -> int:
        """Mask of the members that called the roll."""
        return sum(1 << position for position in self.bitmaps)

    def on_roll(self, index: int) -> bool:
        """Whether an index takes part."""
        word = index // 256
        return (
            self.roll is not None
            and word < len(self.roll)
            and self.roll[word] >> index % 256 & 1 == 1
        )

    def round_at(self, time: int) -> int:
        """Which round a time belongs to."""
        return 2 if self.challenger and time >= self.windows(2).commit else 1

    def failed(self, time: int) -> bool:
        """Whether no scores can come any more."""
        if self.rounds[0].complete:
            return False
        windows = self.windows(1)
        few = len(self.bitmaps) < self.attesting.threshold
        return time >= (windows.commit if few else windows.end)

    def missing(self, round_: int) -> int:
        """Mask of the members that committed, and neither posted nor published.

        Where too few committed for any scores, nobody is missing.
        """
        each = self.rounds[round_ - 1]
        if each.committed.bit_count() < self.panel(round_).threshold:
            return 0
        return each.committed & ~(each.complete | each.published)
