"""From the creation of an auction to the last reveal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oracles.audit import hashes, recompute
from oracles.audit.auction import ABORTED, OPEN, Auction, AuditedBid, Ends
from oracles.chain.codec import NONE, PPB, SCORE_BYTES
from oracles.chain.typed_events import Request
from oracles.errors import InputError
from oracles.mechanism.weights import GRID, Family, WeightRule

if TYPE_CHECKING:
    from oracles.audit.auction import Context
    from oracles.chain.codec import Terms
    from oracles.chain.typed_events import (
        AuctionCreated,
        Committed,
        Revealed,
        ScoresAccepted,
        Withdrawn,
    )

SCHEMA: Final = 1


class Bids:
    """Checks of creation, commitments, scores and reveals."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._checks = context.checks

    def created(self, body: AuctionCreated, expected_id: int, time: int) -> Auction:
        """A new auction."""
        checks, context = self._checks, self._context
        checks.require("schema.version", body.schema == SCHEMA, SCHEMA, body.schema)
        checks.equal("auction.id", expected_id, body.auction_id)
        terms = body.terms
        rule = self._check_terms(terms)
        checks.true("key.point", hashes.on_curve(body.key_x, body.key_y), "on the curve")
        beta = recompute.beta_of(terms.budget, terms.pool, terms.rho)
        reserve = beta * terms.tranche // PPB
        checks.equal("terms.beta", beta, body.beta)
        checks.true("terms.beta", 0 < beta < 2**80, "between 1 and 2^80 - 1", beta)
        checks.equal("terms.reserve", reserve, body.reserve)
        context.cash.took("cash.escrow", terms.token, context.address, body.buyer, terms.budget)
        ends = Ends.of(time, terms.durations)
        return Auction(
            body.auction_id, body.buyer, terms, rule, beta, reserve, time, body.bounty, ends
        )

    def requested(self, auction: Auction) -> None:
        """The oracle was asked for the scores that the terms name."""
        terms, d = auction.terms, auction.terms.durations
        expected = Request(
            terms.operator_set,  # type: ignore[arg-type]  # a number here, an id there
            auction.ends.commit,
            d.score_commit,
            d.score_open,
            d.score_post,
            d.challenge,
            terms.metric_version,
        )
        self._checks.equal("request.terms", expected, self._context.feed(auction.id).request)

    def _check_terms(self, terms: Terms) -> WeightRule:
        checks, durations = self._checks, terms.durations.encode()
        checks.require("terms.share", terms.rho <= PPB, "ρ ≤ 1", terms.rho)
        checks.true("terms.share", terms.tranche <= PPB, "f ≤ 1", terms.tranche)
        checks.true("terms.bids", 0 < terms.max_bids < NONE, "between 1 and 2^32 - 2")
        # Only the challenge window may be empty (position 4).
        lengths = durations[:4] + durations[5:]
        checks.true("terms.phases", all(lengths), "a length for every phase", list(durations))
        dst = terms.dst
        shares = dst.volume_weight + dst.quality_weight + dst.impact_weight
        sound = not dst.supply or (shares == PPB and 0 < dst.cap >= dst.floor)
        checks.true("terms.dst", sound, "weights that sum to 1, floor ≤ cap", dst)
        weights = terms.weights
        try:
            rule = WeightRule(Family(weights.family), weights.eta, weights.gamma, weights.kappa)
            top = rule.weight(GRID, GRID)
        except (InputError, ValueError) as error:
            checks.require("terms.weights", False, "a weight below 2^63", error)
            raise
        checks.true("terms.weights", top <= 2**63, "a weight below 2^63", top)
        return rule

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
                gap = AuditedBid(len(auction.bids), "", "", b"", None, standing=False)
                auction.bids.append(gap)
        limit = auction.terms.max_bids
        checks.true("bid.limit", index < limit, f"below {limit}", index)
        if auction.terms.enrolment:
            plain = self._seal(auction, body.owner, 0, bytes(32))
            checks.equal("commitment.enrolment", plain, body.sealed_bid)
        auction.bids.append(
            AuditedBid(index, body.owner, body.payer, body.sealed_bid, body.data_set)
        )

    def _seal(self, auction: Auction, owner: str, cost: int, salt: bytes) -> bytes:
        context = self._context
        return hashes.seal(context.chain_id, context.address, auction.id, owner, cost, salt)

    def withdrawn(self, auction: Auction, body: Withdrawn, time: int) -> None:
        """A commitment is taken back; after an abort, its bond."""
        bid = self._context.bid(auction, body.index)
        stands = bid.standing and bid.cost is None
        self._checks.true("bid.withdrawn", stands, "a sealed bid that stands")
        if auction.state != ABORTED:
            self._checks.within("phase.commit", time, auction.created, auction.ends.commit)
        bid.standing = False

    def accepted(self, auction: Auction, body: ScoresAccepted, time: int) -> None:
        """The auction takes the scores of a round over."""
        checks, ends = self._checks, auction.ends
        checks.within("phase.reveal", time, ends.score, ends.reveal)
        checks.true("score.once", not auction.accepted, "accepted once")
        feed = self._context.feed(auction.id)
        checks.equal("score.round", feed.final_round, body.round)
        checks.require("score.round", body.round in (1, 2), "1 or 2", body.round)
        checks.equal("score.chunks", feed.pointers(body.round), list(body.chunks))
        auction.accepted, auction.scores = body.round, feed.scores(body.round)
        size = len(auction.bids) * SCORE_BYTES
        checks.require("score.count", len(auction.scores) == size, size, len(auction.scores))

    def revealed(self, auction: Auction, body: Revealed, time: int) -> None:
        """A bid is opened, and gets its weight."""
        checks, bid = self._checks, self._context.bid(auction, body.index)
        checks.within("phase.reveal", time, auction.ends.score, auction.ends.reveal)
        self._context.state(auction, OPEN)
        sealed = bid.standing and bid.cost is None
        checks.true("bid.revealed", sealed, "a sealed bid that stands")
        opened = self._seal(auction, bid.owner, body.cost, body.salt) if bid.owner else b""
        checks.equal("commitment.opens", bid.sealed, opened)
        bid.cost = body.cost
        checks.require("score.accepted", auction.accepted, "scores were accepted before")
        score = auction.score(bid.index)
        weighs = score.eligible and body.cost <= auction.beta
        weight = auction.rule.weight(score.q, score.phi) if weighs else 0
        checks.equal("weight.value", weight, body.weight)
        checks.equal("weight.flag", score.underserved, body.flagged)
        bid.weight, bid.flagged = weight, score.underserved
