"""The DataAuction from its logs: every state that matters, and every number in it once more."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.audit.recompute import Standing
from oracles.audit.tokens import DstLedger, MutLedger
from oracles.chain.codec import (
    GWEI,
    NONE,
    PPB,
    SCORE_BYTES,
    DataSet,
    DstTerms,
    Durations,
    Score,
    Terms,
    WeightTerms,
    unpack_score,
)
from oracles.errors import InputError
from oracles.mechanism.weights import GRID, Family, WeightRule

if TYPE_CHECKING:
    from oracles.audit.cash import Cash
    from oracles.audit.findings import Checks
    from oracles.audit.operators import Feed, Operators
    from oracles.audit.recompute import Outcome

SCHEMA: Final = 1
OPEN, SETTLED, ABORTED = "open", "settled", "aborted"
_MAX_BONUS: Final = 2**48 - 1


@dataclass(slots=True)
class Bid:
    """One commitment and what became of it.

    Attributes:
        index: order of commitment.
        owner, payer: addresses.
        sealed: hash of the bid.
        data_set: what was committed to; None where the log is missing.
        standing: False once withdrawn, or its bond reclaimed.
        cost: revealed; None before.
        weight: 0 where it takes part in no clock.
        flagged: under-served.
        delivered, forfeited: after settlement.
        paid: parts claimed so far: cash, face, bond.
    """

    index: int
    owner: str
    payer: str
    sealed: bytes
    data_set: DataSet | None
    standing: bool = True
    cost: int | None = None
    weight: int = 0
    flagged: bool = False
    delivered: bool = False
    forfeited: bool = False
    wins: bool = False
    paid: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Auction:
    """State of one auction.

    Attributes:
        id: from 1.
        buyer: address.
        terms: what the buyer fixed.
        beta, reserve: β and f·β, recomputed.
        created: time.
        bounty: wei.
        bids: by index.
        state: open, settled, aborted.
        accepted: scoring round taken over, 0 before; `scores` are its medians.
        outcome: recomputed clocks, once settled.
        settled_at: time.
        bonus: gwei for each honest revealer.
        refund, buyer_mut: due to the buyer.
        winners: how many won.
        happened: first and last time of each event.
        alone: who walked all bids in the last step, or nobody.
        ends: of the phases.
    """

    id: int
    buyer: str
    terms: Terms
    rule: WeightRule
    beta: int
    reserve: int
    created: int
    bounty: int
    bids: list[Bid] = field(default_factory=list)
    state: str = OPEN
    accepted: int = 0
    scores: bytes = b""
    outcome: Outcome | None = None
    settled: dict[str, Any] = field(default_factory=dict)
    settled_at: int = 0
    bonus: int = 0
    refund: int = 0
    buyer_mut: int = 0
    winners: int = 0
    walked: dict[bytes, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    cursors: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    last_walk: bytes = b""
    alone: str = ""
    mut: MutLedger | None = None
    dst: DstLedger | None = None
    happened: dict[str, tuple[int, int]] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        d = self.terms.durations
        end = self.created + d.commit
        self.ends["commit"] = end
        end += 2 * (d.score_commit + d.score_open + d.score_post) + d.challenge
        self.ends["score"] = end
        for name in ("reveal", "settle", "deliver", "verdict"):
            end += getattr(d, name)
            self.ends[name] = end

    def resolved(self, time: int) -> bool:
        """Whether every winner has delivered or been struck out and no verdict can follow."""
        done = sum(1 for bid in self.bids if bid.delivered or bid.forfeited)
        return self.state == SETTLED and time >= self.ends["verdict"] and done == self.winners

    def score(self, index: int) -> Score:
        """Accepted score of a bid."""
        return unpack_score(self.scores[index * SCORE_BYTES : (index + 1) * SCORE_BYTES])

    def reward(self, bid: Bid) -> tuple[int, int]:
        """Cash and MUT of a winner."""
        if self.outcome is None or not bid.weight:
            return 0, 0
        clock = self.outcome.clock_of(bid.flagged)
        return recompute.reward(clock, bid.weight, self.terms.rho)

    def standing(self) -> list[Standing]:
        """Bids that take part in the clocks."""
        return [
            Standing(bid.index, bid.cost, bid.weight, bid.flagged)
            for bid in self.bids
            if bid.cost is not None and bid.weight
        ]


class Auctions:
    """State of the DataAuction, its tokens included.

    Args:
        checks: where findings go.
        cash: transfers of settlement tokens.
        operators: the ScoreOracle.
        chain_id: EIP-155.
        address: of the contract.
        factory: DstFactory's address.
    """

    def __init__(
        self,
        checks: Checks,
        cash: Cash,
        operators: Operators,
        chain_id: int,
        address: str,
        factory: str,
    ) -> None:
        self.checks = checks
        self.cash = cash
        self.operators = operators
        self.chain_id = chain_id
        self.address = address
        self.factory = factory
        self.auctions: dict[int, Auction] = {}
        self.muts: dict[str, tuple[Auction, MutLedger]] = {}
        self.dsts: dict[str, tuple[Auction, DstLedger]] = {}
        self.tokens: set[str] = set()
        # Auction and settler, if the next event must be the payment of a bounty.
        self._owed: tuple[int, str] | None = None
        cash.holders.add(address)
        # The constructor makes the implementation first of all.
        self._mut_implementation = hashes.created_by(address, 1)
        self._dst_implementation = hashes.created_by(factory, 1)
        self._handlers = {
            "Committed": self._committed,
            "Withdrawn": self._withdrawn,
            "ScoresAccepted": self._accepted,
            "Revealed": self._revealed,
            "Walked": self._walked,
            "Settled": self._settled,
            "Delivered": self._delivered,
            "Forfeited": self._forfeited,
            "Claimed": self._claimed,
            "BountyClaimed": self._bounty_claimed,
            "BuyerWithdrawn": self._buyer_withdrawn,
            "Aborted": self._aborted,
        }

    def bid_count(self, consumer: str, auction: int) -> int | None:
        """Bids of an auction; None for a foreign consumer or an unknown auction."""
        if consumer != self.address or auction not in self.auctions:
            return None
        return len(self.auctions[auction].bids)

    def mut_address(self, auction: int) -> str:
        """Where the auction's MUT is, or would be; no log says so."""
        return hashes.clone_of(self._mut_implementation, self.address, auction)

    def apply(self, name: str, args: dict[str, Any], time: int) -> bool:
        """Check one event of the contract and follow it; False where it has no such event."""
        if self._owed:
            paid = (args.get("auction"), args.get("settler")) if name == "BountyClaimed" else name
            self.checks.equal("bounty.alone", self._owed, paid)
            self._owed = None
        if name == "AuctionCreated":
            self._created(args, time)
            return True
        handler = self._handlers.get(name)
        if handler is None:
            return False
        known = args["auction"] in self.auctions
        self.checks.require("auction.known", known, "an auction that was created", args["auction"])
        auction = self.auctions[args["auction"]]
        first, _ = auction.happened.get(name, (time, time))
        auction.happened[name] = (first, time)
        handler(auction, args, time)
        return True

    # CREATE

    def _created(self, args: dict[str, Any], time: int) -> None:
        checks, number = self.checks, args["auction"]
        checks.require("schema.version", args["schema"] == SCHEMA, SCHEMA, args["schema"])
        checks.equal("auction.id", len(self.auctions) + 1, number)
        terms = _terms(args["terms"])
        rule = self._terms(terms)
        checks.true("key.point", hashes.on_curve(args["keyX"], args["keyY"]), "on the curve")
        beta = recompute.beta_of(terms.budget, terms.pool, terms.rho)
        reserve = beta * terms.tranche // PPB
        checks.equal("terms.beta", beta, args["beta"])
        checks.true("terms.beta", 0 < beta < 2**80, "between 1 and 2^80 - 1", beta)
        checks.equal("terms.reserve", reserve, args["reserve"])
        auction = Auction(number, args["buyer"], terms, rule, beta, reserve, time, args["bounty"])
        self.auctions[number] = auction
        auction.happened["AuctionCreated"] = (time, time)
        self.tokens.add(terms.token)
        self.cash.took("cash.escrow", terms.token, self.address, args["buyer"], terms.budget)
        feed = self._feed(auction)
        d = terms.durations
        expected: list[Any] = [terms.operator_set, time + d.commit, d.score_commit, d.score_open]
        expected += [d.score_post, d.challenge, terms.metric_version]
        checks.equal("request.terms", expected, list(feed.request.values()))

    def _terms(self, terms: Terms) -> WeightRule:
        checks, durations = self.checks, terms.durations.encode()
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

    # COMMIT AND REVEAL

    def _in(self, check: str, time: int, start: int, end: int | None) -> None:
        inside = start <= time and (end is None or time < end)
        span = f"from {start}" if end is None else f"in [{start}, {end})"
        self.checks.true(check, inside, span, time)

    def _state(self, auction: Auction, *states: str) -> None:
        wanted = " or ".join(states)
        self.checks.true("auction.state", auction.state in states, wanted, auction.state)

    def _bid(self, auction: Auction, args: dict[str, Any]) -> Bid:
        count, index = len(auction.bids), int(args["index"])
        self.checks.require("bid.known", index < count, f"an index below {count}", index)
        return auction.bids[index]

    def _committed(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        checks, data = self.checks, args["dataSet"]
        self._state(auction, OPEN)
        self._in("phase.commit", time, auction.created, auction.ends["commit"])
        expected = len(auction.bids)
        # A gap means that a log is missing: fill it, so that it is found once and not for ever.
        if not checks.equal("bid.index", expected, args["index"]):
            checks.require("bid.index", expected < args["index"] < expected + 2**16, expected)
            while len(auction.bids) < args["index"]:
                auction.bids.append(Bid(len(auction.bids), "", "", b"", None, standing=False))
        limit = auction.terms.max_bids
        checks.true("bid.limit", args["index"] < limit, f"below {limit}", args["index"])
        sealed, owner = args["sealedBid"], args["owner"]
        if auction.terms.enrolment:
            plain = hashes.seal(self.chain_id, self.address, auction.id, owner, 0, bytes(32))
            checks.equal("commitment.enrolment", plain, sealed)
        data_set = DataSet(data["cid"], data["contentDigest"], data["size"])
        auction.bids.append(Bid(args["index"], owner, args["payer"], sealed, data_set))

    def _withdrawn(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        bid = self._bid(auction, args)
        stands = bid.standing and bid.cost is None
        self.checks.true("bid.withdrawn", stands, "a sealed bid that stands")
        if auction.state != ABORTED:
            self._in("phase.commit", time, auction.created, auction.ends["commit"])
        bid.standing = False

    def _accepted(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        checks = self.checks
        ends = auction.ends
        self._in("phase.reveal", time, ends["score"], ends["reveal"])
        checks.true("score.once", not auction.accepted, "accepted once")
        feed = self._feed(auction)
        checks.equal("score.round", feed.final_round, args["round"])
        checks.require("score.round", args["round"] in (1, 2), "1 or 2", args["round"])
        checks.equal("score.chunks", feed.pointers(args["round"]), list(args["chunks"]))
        auction.accepted, auction.scores = args["round"], feed.scores(args["round"])
        size = len(auction.bids) * SCORE_BYTES
        checks.require("score.count", len(auction.scores) == size, size, len(auction.scores))

    def _feed(self, auction: Auction) -> Feed:
        asked = (self.address, auction.id) in self.operators.feeds
        self.checks.require("request.opened", asked, "a request for its scores")
        return self.operators.feeds[self.address, auction.id]

    def _revealed(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        checks, bid = self.checks, self._bid(auction, args)
        ends = auction.ends
        self._in("phase.reveal", time, ends["score"], ends["reveal"])
        self._state(auction, OPEN)
        sealed = bid.standing and bid.cost is None
        checks.true("bid.revealed", sealed, "a sealed bid that stands")
        cost = args["cost"]
        opened = (
            hashes.seal(self.chain_id, self.address, auction.id, bid.owner, cost, args["salt"])
            if bid.owner
            else b""
        )
        checks.equal("commitment.opens", bid.sealed, opened)
        bid.cost = cost
        checks.require("score.accepted", auction.accepted, "scores were accepted before")
        score = auction.score(bid.index)
        weighs = score.eligible and cost <= auction.beta
        weight = auction.rule.weight(score.q, score.phi) if weighs else 0
        checks.equal("weight.value", weight, args["weight"])
        checks.equal("weight.flag", score.underserved, args["flagged"])
        bid.weight, bid.flagged = weight, score.underserved

    # SETTLE

    def _walked(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        ends, proposal, count = auction.ends, args["proposal"], len(auction.bids)
        self._in("phase.settle", time, ends["reveal"], ends["settle"])
        self._state(auction, OPEN)
        start, end = args["from"], args["to"]
        self.checks.equal("settle.walk", auction.cursors[proposal], start)
        forward = start < end <= count or count == start == end == 0
        self.checks.true("settle.walk", forward, f"forward, within {count} bids", (start, end))
        auction.cursors[proposal] = end
        auction.walked[proposal][args["settler"]] += end - start
        auction.last_walk = proposal
        auction.alone = args["settler"] if start == 0 < end == count else ""

    def _settled(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        checks, terms, count = self.checks, auction.terms, len(auction.bids)
        ends = auction.ends
        self._in("phase.settle", time, ends["reveal"], ends["settle"])
        self._state(auction, OPEN)
        marginals, found = args["marginals"], args["outcome"]
        proposal = keccak(hashes.words(auction.id, *marginals.values()))
        checks.equal("settle.proposal", proposal, auction.last_walk)
        checks.equal("settle.walk", count, auction.cursors[auction.last_walk])
        auction.last_walk = proposal

        bids = auction.standing()
        outcome = recompute.settle(bids, auction.beta, auction.reserve, tranche=terms.tranche > 0)
        expected, clocks = self._expected(auction, outcome)
        checks.equal(
            "settle.marginals",
            [
                outcome.pooled.marginal,
                outcome.flagged.marginal if outcome.flagged else NONE,
                outcome.unflagged.marginal if outcome.unflagged else NONE,
            ],
            list(marginals.values()),
        )
        for name, value in expected.items():
            checks.equal(f"settle.{name}", value, found[name])
        scored = expected["revealed"] or not expected["unrevealed"] or auction.accepted
        checks.true("settle.scored", scored, "scores accepted, or nobody to lose a bond")

        self._owed = (auction.id, auction.alone) if auction.alone else None
        auction.state, auction.outcome, auction.settled = SETTLED, outcome, dict(found)
        auction.settled_at = time
        auction.bonus, auction.bounty = expected["bonusGwei"], expected["bounty"]
        auction.refund, auction.buyer_mut = expected["refund"], expected["buyerMut"]
        auction.winners = expected["winners"]
        winning = {index for clock in clocks for index in clock.winners}
        cash = face = 0
        for bid in auction.bids:
            bid.wins = bid.index in winning
            if bid.wins:
                part = auction.reward(bid)
                cash, face = cash + part[0], face + part[1]
                checks.true("reward.rational", sum(part) >= (bid.cost or 0), bid.cost, sum(part))
        spent, allotted = terms.budget - auction.refund, found["mutSupply"] - auction.buyer_mut
        checks.true("reward.budget", cash <= spent <= terms.budget, f"≤ {spent}", cash)
        checks.true("reward.pool", face <= allotted, f"≤ {allotted}", face)
        if expected["mutSupply"]:
            address = self.mut_address(auction.id)
            auction.mut = MutLedger(checks, self.cash, address, terms.token, expected["mutSupply"])
            self.muts[address] = (auction, auction.mut)
            self.cash.holders.add(address)

    @staticmethod
    def _expected(
        auction: Auction, outcome: Outcome
    ) -> tuple[dict[str, Any], list[recompute.Prefix]]:
        """Every field of the Outcome, and the clocks that pay."""
        terms = auction.terms
        clocks = [outcome.pooled]
        if outcome.flagged is not None and outcome.unflagged is not None:
            clocks = [outcome.flagged, outcome.unflagged]
        parts = [recompute.spent(clock, terms.rho) for clock in clocks]
        cash, allotment = (sum(each) for each in zip(*parts, strict=True))
        revealed = sum(1 for bid in auction.bids if bid.cost is not None)
        unrevealed = sum(1 for bid in auction.bids if bid.standing and bid.cost is None)
        forfeited = unrevealed * terms.bond_gwei
        bonus = min(forfeited // 2 // revealed, _MAX_BONUS) if revealed else 0
        buyer_mut = max(0, terms.pool - allotment)
        prices = [(clock.num, clock.den) if clock.den else (0, 1) for clock in clocks]
        second = prices[1] if len(prices) > 1 else (0, 1)
        return {
            "split": outcome.split,
            "num": prices[0][0],
            "den": prices[0][1],
            "unflaggedNum": second[0],
            "unflaggedDen": second[1],
            "winners": sum(len(clock.winners) for clock in clocks),
            "revealed": revealed,
            "unrevealed": unrevealed,
            "refund": terms.budget - cash,
            "mutSupply": allotment + buyer_mut,
            "buyerMut": buyer_mut,
            "bounty": auction.bounty + (forfeited - bonus * revealed) * GWEI,
            "bonusGwei": bonus,
        }, clocks

    # DELIVER

    def _delivered(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        bid = self._bid(auction, args)
        self._state(auction, SETTLED)
        self._in("phase.deliver", time, auction.settled_at, auction.ends["deliver"])
        self.checks.true("delivery.winner", bid.wins, "a winner", bid.index)
        bid.delivered = True

    def _forfeited(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        checks, bid, ends = self.checks, self._bid(auction, args), auction.ends
        self._state(auction, SETTLED)
        verdict = args["verdict"]
        end = ends["verdict"] if verdict else None
        self._in("phase.verdict" if verdict else "phase.forfeit", time, ends["deliver"], end)
        right = bid.wins and not bid.forfeited and bid.delivered == verdict
        wanted = "delivered, by a verdict" if verdict else "a winner who posted no key"
        checks.true("forfeit.winner", right, wanted, bid.index)
        named = self.operators.condemned(self.address, auction.id, bid.index)
        checks.equal("forfeit.verdict", verdict, named)
        checks.require("forfeit.settled", auction.outcome is not None, "a settled auction")
        cash, face = auction.reward(bid)
        checks.equal("forfeit.cash", cash, args["cash"])
        checks.equal("forfeit.face", face, args["face"])
        bid.delivered, bid.forfeited = False, True
        auction.refund += cash
        if auction.mut is not None:
            auction.mut.reduced(face)

    # CLAIM

    def _claimed(self, auction: Auction, args: dict[str, Any], time: int) -> None:
        checks, bid, terms = self.checks, self._bid(auction, args), auction.terms
        checks.true("claim.revealed", bid.cost is not None, "a revealed bid", bid.index)
        checks.equal("claim.owner", (bid.owner, bid.payer), (args["owner"], args["payer"]))
        self._state(auction, SETTLED, ABORTED)
        bond = terms.bond_gwei * GWEI
        due = {"cash": 0, "face": 0, "bond": bond + auction.bonus * GWEI}
        if bid.wins:
            self._in("phase.claim", time, auction.ends["verdict"], None)
            checks.true("claim.delivered", bid.delivered, "a winner who delivered", bid.index)
            if bid.delivered:
                due["cash"], due["face"] = auction.reward(bid)
            else:
                due = dict.fromkeys(due, 0)
        names = {"cash": "reward.cash", "face": "reward.face", "bond": "bond.paid"}
        for part, check in names.items():
            left = 0 if part in bid.paid else due[part]
            # A claim may leave parts for later; a part is paid whole.
            checks.true(check, args[part] in (0, left), f"0 or {left}", args[part])
            if args[part]:
                bid.paid[part] = args[part]
        open_zero = any(not due[part] for part in names)
        some = any(args[part] for part in names)
        checks.true("claim.something", some or open_zero, "something paid")
        self.cash.expect(terms.token, self.address, bid.owner, args["cash"])
        if args["face"] and auction.mut is not None:
            auction.mut.mints.append((args["owner"], args["face"]))

    def _bounty_claimed(self, auction: Auction, args: dict[str, Any], _: int) -> None:
        self._state(auction, SETTLED)
        walked = auction.walked[auction.last_walk].pop(args["settler"], 0)
        share = auction.bounty * walked // (len(auction.bids) or 1)
        self.checks.true("bounty.settler", walked, "who walked bids", args["settler"])
        self.checks.equal("bounty.split", share, args["amount"])

    def _buyer_withdrawn(self, auction: Auction, args: dict[str, Any], _: int) -> None:
        checks = self.checks
        self._state(auction, SETTLED, ABORTED)
        native = 0
        if auction.state == ABORTED or not auction.bids:
            native, auction.bounty = auction.bounty, 0
        checks.equal("buyer.refund", auction.refund, args["amount"])
        checks.equal("buyer.mut", auction.buyer_mut, args["face"])
        checks.equal("buyer.bounty", native, args["native"])
        auction.refund = auction.buyer_mut = 0
        self.cash.expect(auction.terms.token, self.address, args["to"], args["amount"])
        if args["face"] and auction.mut is not None:
            auction.mut.mints.append((args["to"], args["face"]))

    def _aborted(self, auction: Auction, _: dict[str, Any], time: int) -> None:
        self._state(auction, OPEN)
        late = time >= auction.ends["settle"] or self._feed(auction).failed(time)
        self.checks.true("phase.abort", late, "past the settlement, or without scores", time)
        auction.state, auction.refund = ABORTED, auction.terms.budget

    # TOKENS

    def apply_mut(self, address: str, name: str, args: dict[str, Any], time: int) -> bool:
        """An event of a MUT token."""
        auction, mut = self.muts[address]
        return mut.apply(name, args, resolved=lambda: auction.resolved(time))

    def apply_factory(self, name: str, args: dict[str, Any]) -> bool:
        """An event of the DstFactory."""
        if name != "DstCreated":
            return False
        number, checks = args["auction"], self.checks
        checks.require("auction.known", number in self.auctions, "a known auction", number)
        auction = self.auctions[number]
        checks.true("dst.once", auction.dst is None, "created once")
        checks.true("dst.terms", auction.terms.dst.supply, "participation tokens in the terms")
        address = hashes.clone_of(
            self._dst_implementation, self.factory, number, number.to_bytes(32, "big")
        )
        checks.equal("dst.address", address, args["token"])
        auction.dst = DstLedger(checks, number, auction.terms.dst)
        self.dsts[args["token"]] = (auction, auction.dst)
        return True

    def apply_dst(self, address: str, name: str, args: dict[str, Any], time: int) -> bool:
        """An event of a DST token."""
        auction, dst = self.dsts[address]
        bids = auction.bids
        if name == "DstWalked":
            dst.walked(args, len(bids), resolved=auction.resolved(time))
        elif name == "DstVerified":
            delivered = {bid.index: auction.score(bid.index) for bid in bids if bid.delivered}
            dst.verified(args, delivered, len(bids))
        elif name == "DstClaimed":
            self.checks.require("bid.known", args["index"] < len(bids), "a bid", args["index"])
            dst.claim(args, bids[args["index"]].owner)
        elif name == "Transfer":
            dst.transfer(args["from"], args["to"], args["value"])
        else:
            return name == "Approval"
        return True

    def finish(self) -> None:
        """What must not be open at the end of the logs."""
        self.checks.true("bounty.alone", not self._owed, "a bounty paid at once", self._owed)
        for number, auction in self.auctions.items():
            self.checks.auction = number
            for token in (auction.mut, auction.dst):
                if token is not None:
                    token.finish()


def _terms(values: dict[str, Any]) -> Terms:
    dst, durations = DstTerms(*values["dst"].values()), Durations(*values["durations"].values())
    nested = {
        "weights": WeightTerms(*values["weights"].values()),
        "durations": durations,
        "dst": dst,
    }
    return Terms(*(values | nested).values())
