"""From the creation of an auction to the last reveal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oracles.audit import curve, hashes, recompute
from oracles.audit.auction import ABORTED, OPEN, Auction, AuditedBid, Ends
from oracles.audit.feed import Fees
from oracles.chain.packing import SCORE_BYTES
from oracles.chain.terms import GWEI, PPB, OperatorSetId
from oracles.chain.typed_events import Request
from oracles.errors import InputError
from oracles.mechanism.weights import GRID, Family, WeightRule

if TYPE_CHECKING:
    from oracles.audit.auction import Context
    from oracles.audit.feed import Feed
    from oracles.audit.records import Draw
    from oracles.chain.terms import AuctionId, Durations, Terms
    from oracles.chain.typed_events import (
        AuctionCreated,
        BondReclaimed,
        Committed,
        Opened,
        Revealed,
        ScoresAccepted,
        Withdrawn,
    )

SCHEMA: Final = 2
MAX_SAMPLES: Final = 2048
MAX_BIDS: Final = 10_000
DAY: Final = 86_400


class Bids:
    """Checks of creation, commitments, openings, scores and reveals.

    Args:
        context: what the checks share.
        windows: least seconds of a phase of providers, and of one of operators.
    """

    def __init__(self, context: Context, windows: tuple[int, int]) -> None:
        self._context = context
        self._checks = context.checks
        self._windows = windows

    def created(self, body: AuctionCreated, expected_id: AuctionId, time: int) -> Auction:
        """A new auction."""
        checks, context = self._checks, self._context
        checks.require("schema.version", body.schema == SCHEMA, SCHEMA, body.schema)
        checks.equal("auction.id", expected_id, body.auction_id)
        terms = body.terms
        rule = self._check_terms(terms)
        checks.true("key.point", curve.key_on_curve(body.key_x, body.key_y), "on the curve")
        beta = recompute.beta_of(terms.budget, terms.pool, terms.rho)
        reserve = beta * terms.tranche // PPB
        checks.equal("terms.beta", beta, body.beta)
        checks.true("terms.beta", 0 < beta < 2**80, "between 1 and 2^80 - 1", beta)
        checks.equal("terms.reserve", reserve, body.reserve)
        context.cash.expect_in(terms.token, context.address, body.buyer, terms.budget)
        auction = Auction(
            body.auction_id,
            body.buyer,
            body.key_x + body.key_y,
            terms,
            rule,
            beta,
            reserve,
            time,
            body.bounty,
            Ends.of(time, context.wait, terms.durations),
            fee=terms.scoring.fee_gwei * GWEI,
            cash=terms.budget,
        )
        context.receives(auction, body.bounty + auction.fee)
        return auction

    def requested(self, auction: Auction) -> None:
        """The oracle was asked for the scores that the terms name."""
        scoring, d = auction.terms.scoring, auction.terms.durations
        expected = Request(
            operator_set=OperatorSetId(scoring.operator_set),
            start=auction.ends.open,
            roll_window=d.roll,
            commit_window=d.score_commit,
            open_window=d.score_open,
            post_window=d.score_post,
            challenge_window=d.challenge,
            metric_version=scoring.metric_version,
            stake=scoring.stake_gwei * GWEI,
            appeal_fee=scoring.appeal_fee_gwei * GWEI,
        )
        self._checks.equal("request.terms", expected, self._context.feed(auction.id).request)

    def _check_terms(self, terms: Terms) -> WeightRule:
        checks, scoring = self._checks, terms.scoring
        checks.require("terms.share", terms.rho <= PPB, "ρ ≤ 1", terms.rho)
        checks.true("terms.share", terms.tranche <= PPB, "f ≤ 1", terms.tranche)
        bids = terms.max_bids
        checks.true("terms.bids", 0 < bids <= MAX_BIDS, f"between 1 and {MAX_BIDS}", bids)
        most = scoring.samples <= MAX_SAMPLES
        checks.true("terms.samples", most, f"at most {MAX_SAMPLES}", scoring.samples)
        self._check_phases(terms.durations, sampled=scoring.samples > 0)
        dst = terms.dst
        shares = dst.volume_weight + dst.quality_weight + dst.impact_weight
        sound = not dst.supply or (shares == PPB and 0 < dst.cap >= dst.floor)
        checks.true("terms.dst", sound, "weights that sum to 1, floor ≤ cap", dst)
        weights = terms.weights
        try:
            rule = WeightRule(
                Family(weights.family), eta=weights.eta, gamma=weights.gamma, kappa=weights.kappa
            )
            top = rule.weight(GRID, GRID)
        except (InputError, ValueError) as error:
            checks.require("terms.weights", False, "a weight below 2^63", error)
            raise
        checks.true("terms.weights", top <= 2**63, "a weight below 2^63", top)
        return rule

    def _check_phases(self, d: Durations, *, sampled: bool) -> None:
        """The windows of the scores are the oracle's to check."""
        provider, operator = self._windows
        least = {
            "commit": provider,
            "reveal": provider,
            "settle": operator,
            "fetch": 2 * operator,
            "deliver": provider,
            "dispute": 2 * operator,
        }
        if sampled:
            least["open"] = provider
        else:
            self._checks.equal("terms.phases", 0, d.open)
        wrong = {
            name: length
            for name in least
            if not least[name] <= (length := getattr(d, name)) <= 30 * DAY
        }
        self._checks.true("terms.phases", not wrong, f"from {least} to 30 days", wrong)
        length = Ends.of(0, self._context.wait, d).dispute
        self._checks.true("terms.phases", length <= 90 * DAY, "at most 90 days in all", length)

    # COMMITMENTS

    def committed(self, auction: Auction, body: Committed, time: int) -> None:
        """A sealed bid with its data set."""
        checks, index = self._checks, body.index
        self._context.state(auction, OPEN)
        checks.within("phase.commit", time, auction.created, auction.ends.commit)
        expected = len(auction.bids)
        # A gap means that a log is missing: fill it, so that it is found once and not at each bid.
        if not checks.equal("bid.index", expected, index):
            checks.require("bid.index", expected < index < expected + 2**16, expected)
            while len(auction.bids) < index:
                auction.bids.append(AuditedBid(len(auction.bids), "", "", b"", None))
        limit = auction.terms.max_bids
        checks.true("bid.limit", index < limit, f"below {limit}", index)
        if auction.terms.enrolment:
            plain = self._seal(auction, body.owner, 0, bytes(32))
            checks.equal("commitment.enrolment", plain, body.sealed_bid)
        auction.bids.append(
            AuditedBid(index, body.owner, body.payer, body.sealed_bid, body.data_set)
        )
        self._context.receives(auction, auction.bond + auction.entry_fee)

    def _seal(self, auction: Auction, owner: str, cost: int, salt: bytes) -> bytes:
        context = self._context
        return hashes.seal(context.chain_id, context.address, auction.id, owner, cost, salt)

    def withdrawn(self, auction: Auction, body: Withdrawn, time: int) -> None:
        """A commitment is taken back; its bond stays until commitments end."""
        bid = self._context.bid(auction, body.index)
        self._checks.true("bid.withdrawn", bid.sealed_still, "a sealed bid that stands")
        self._checks.within("phase.commit", time, auction.created, auction.ends.commit)
        bid.withdrawn = True

    def opened(self, auction: Auction, body: Opened, time: int) -> None:
        """A provider recorded where the opening of its sample is; the first one counts."""
        bid, ends = self._context.bid(auction, body.index), auction.ends
        self._checks.within("phase.open", time, ends.draw, ends.open)
        self._checks.true("bid.opened", bid.sealed_still, "a sealed bid that stands")
        if bid.opening is None:
            bid.opening = body.opening

    def reclaimed(self, auction: Auction, body: BondReclaimed, time: int) -> None:
        """Bond, and without scores the entry fee, of an unrevealed bid went back."""
        checks, context = self._checks, self._context
        bid = context.bid(auction, body.index)
        checks.within("phase.reclaim", time, auction.ends.commit)
        checks.equal("reclaim.payer", bid.payer, body.payer)
        over = auction.state != OPEN
        back = bid.withdrawn or auction.state == ABORTED
        right = bid.cost is None and back and not bid.cleared
        checks.true("reclaim.bid", right, "a withdrawn bid, or a sealed one after an abort")
        amount = 0
        if not bid.bond_back:
            bid.bond_back, amount = True, auction.bond
        # Scores that stood have been paid for, whatever became of the auction.
        if over and not auction.accepted and not bid.entry_back:
            bid.entry_back, amount = True, amount + auction.entry_fee
        bid.cleared = over
        checks.true("reclaim.amount", body.amount == amount > 0, amount, body.amount)
        context.pays(auction, body.amount)

    # SCORES AND REVEALS

    def drawn(self, auction: Auction, draw: Draw | None, until: int) -> None:
        """The samples come from the first block of the open phase.

        Args:
            auction: any.
            draw: the block, as far as it is known.
            until: time up to which there are records.
        """
        start = auction.ends.draw
        if not auction.terms.scoring.samples or until < start:
            return
        found = "none" if draw is None else f"a block at {draw.time} after one at {draw.before}"
        right = draw is not None and draw.before < start <= draw.time
        self._checks.true("draw.block", right, f"the first block from {start} on", found)

    def rolled(self, auction: Auction, feed: Feed) -> None:
        """Only what was opened in time, and not withdrawn, can be held by anybody."""
        sampled = auction.terms.scoring.samples > 0
        wrong = [
            bid.index
            for bid in auction.bids
            if (bid.withdrawn or (sampled and bid.opening is None)) and feed.on_roll(bid.index)
        ]
        self._checks.true("roll.opened", not wrong, "opened commitments that stand", wrong)

    def accepted(self, auction: Auction, body: ScoresAccepted, time: int) -> None:
        """The auction takes the standing scores over, and pays for them."""
        checks, ends, context = self._checks, auction.ends, self._context
        checks.within("phase.reveal", time, ends.score, ends.reveal)
        checks.true("score.once", not auction.accepted, "accepted once")
        feed = context.feed(auction.id)
        checks.equal("score.round", feed.standing, body.round)
        checks.require("score.round", body.round in (1, 2), "1 or 2", body.round)
        round_ = feed.rounds[body.round - 1]
        checks.equal("score.chunks", round_.pointers, list(body.chunks))
        auction.accepted, auction.scores = body.round, round_.scores
        size = len(auction.bids) * SCORE_BYTES
        checks.require("score.count", len(auction.scores) == size, size, len(auction.scores))
        fees = auction.fee + auction.entry_fee * len(auction.bids)
        checks.equal("score.fees", fees, body.fees)
        auction.fee = 0
        context.pays(auction, fees)
        if fees:
            paid = Fees(context.address, auction.id, fees, auction.buyer)
            context.announced.announce_next("fees.paid", context.oracle.address, paid)

    def revealed(self, auction: Auction, body: Revealed, time: int) -> None:
        """A bid is opened, and gets its weight."""
        checks, bid = self._checks, self._context.bid(auction, body.index)
        checks.within("phase.reveal", time, auction.ends.score, auction.ends.reveal)
        self._context.state(auction, OPEN)
        checks.true("bid.revealed", bid.sealed_still, "a sealed bid that stands")
        opened = self._seal(auction, bid.owner, body.cost, body.salt) if bid.owner else b""
        checks.equal("commitment.opens", bid.sealed, opened)
        bid.cost = body.cost
        scored = auction.accepted and auction.has_score(bid.index)
        checks.require("score.accepted", scored, "scores were accepted before")
        score = auction.score(bid.index)
        checks.true("bid.on_roll", score.present, "on the roll", bid.index)
        fit = score.q >= auction.terms.scoring.q_min and score.phi > 0
        weighs = fit and body.cost <= auction.beta
        weight = auction.rule.weight(score.q, score.phi) if weighs else 0
        checks.equal("weight.value", weight, body.weight)
        checks.equal("weight.flag", score.underserved, body.flagged)
        bid.weight, bid.flagged = weight, score.underserved
