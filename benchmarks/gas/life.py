"""One auction from creation to the last claim, the gas of every transaction kept."""

from __future__ import annotations

import random
import re
from dataclasses import astuple, dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from coincurve import PrivateKey
from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from benchmarks.gas.node import CHAIN_ID, ETHER, ROOT, TX_GAS_CAP, Node, Sent, Tx, calldata
from oracles.chain import artifacts, packing, typed_data
from oracles.chain.packing import Place, Score
from oracles.chain.terms import (
    DataSet,
    DstTerms,
    Durations,
    PhaseEnds,
    ScoringTerms,
    Terms,
    WeightTerms,
    encoded,
)
from oracles.dataset.delivery import (
    Delivery,
    DeliveryContext,
    prove_shared_point,
    wrap_delivery,
)
from oracles.dataset.keys import EncryptionKey
from oracles.mechanism import Bid, Proposal, clear, propose
from scripts.build import compile_files
from tests.support.auction import dst_proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: How the vectors of a panel differ: not at all; two of five by one grid step in every quality;
#: all of them in every field of every score.
Dissent = Literal["none", "step", "all"]

GWEI: Final = 10**9
PPB: Final = 10**9
WAD: Final = 10**18
BOND: Final = ETHER // 100
ENTRY_FEE: Final = ETHER // 10_000
FEE: Final = ETHER // 10
STAKE: Final = ETHER
APPEAL_FEE: Final = ETHER // 10
FETCH_FEE: Final = ETHER // 1000
#: Seconds from the end of the commitments to the draw.
DRAW: Final = 12
#: A token unit of account (6 decimals).
UNIT: Final = 10**6
PHASE: Final = 100_000
DURATIONS: Final = Durations(*[PHASE] * 12)
METRIC: Final = keccak(text="metric version of the benchmark")
AGREEMENT: Final = keccak(text="agreement of the benchmark")
DST: Final = DstTerms(
    supply=10**12,
    cap=10**11,
    volume_weight=PPB // 2,
    quality_weight=PPB // 4,
    impact_weight=PPB // 4,
)
#: Bids walked by one transaction for the water level.
DST_STEP: Final = 1000
#: Winners that the buyer names in one transaction.
NAMED: Final = 100
UNAVAILABLE, UNREADABLE = 1, 3


class Member(NamedTuple):
    """An operator and its key."""

    address: str
    key: PrivateKey


def address_of(label: str) -> str:
    """An address for a role."""
    return str(to_checksum_address(keccak(text=label)[12:]))


@dataclass(slots=True)
class Provider:
    """A provider, who owns its bid and pays its bond."""

    account: str
    cost: int
    salt: bytes
    data_key: bytes
    data_set: DataSet
    score: Score
    sealed: bytes = b""
    index: int = 0
    weight: int = 0

    @property
    def place(self) -> tuple[Any, ...]:
        """As the contracts take it."""
        data_set = packing.data_set_hash(self.data_set)
        return astuple(Place(self.index, self.account, self.account, data_set))


@dataclass(slots=True)
class Life:
    """Gas of one auction's transactions, by step, in order; and who won.

    Attributes:
        n: bids.
        gas: by step; a step is a function, or a function and its occasion.
        winners: indices.
        walked: bids walked on the proposal that passed, by settler.
    """

    n: int
    gas: dict[str, list[int]] = field(default_factory=dict)
    winners: tuple[int, ...] = ()
    walked: dict[str, int] = field(default_factory=dict)

    def mean(self, step: str) -> float:
        """Average gas of a step, the first transaction left out if there are more.

        The first one finds empty counters and pays for them; on average over an auction that is
        nothing, in a small one it would hide the steady state.
        """
        values = self.gas[step][1:] or self.gas[step]
        return sum(values) / len(values)

    def marginal(self, fewer: Life, step: str) -> int:
        """Gas of a step for one bid more: what is paid once an auction drops out."""
        return round((sum(self.gas[step]) - sum(fewer.gas[step])) / (self.n - fewer.n))


@dataclass(slots=True)
class Filled:
    """An auction whose commitments have ended, and the gas of its transactions so far."""

    life: Life
    auction: int
    providers: list[Provider]
    ends: PhaseEnds
    created: int
    terms: Terms


class World:
    """The contracts on a node, a set of two panels of equal size, and a token."""

    def __init__(self, node: Node, operators: int = 5) -> None:
        self.node = node
        self.deployer, self.buyer = address_of("deployer"), address_of("buyer")
        self.buyer_key = EncryptionKey(keccak(text="buyer's encryption key"))
        keys = [PrivateKey(keccak(text=f"operator {i}")) for i in range(2 * operators)]
        people = [Member(_address(key), key) for key in keys]
        self.first, self.appeal = (
            sorted(panel, key=lambda member: int(member.address, 16))
            for panel in (people[:operators], people[operators:])
        )
        node.fund([self.deployer, self.buyer, *(member.address for member in people)])

        def create(name: str, types: Sequence[str] = (), *args: Any) -> str:
            return node.deploy(self.deployer, artifacts.artifact(name)["bytecode"], types, *args)

        token, _ = compile_files([ROOT / "tests" / "contracts" / "solidity" / "Token.sol"])
        self.token = node.deploy(self.deployer, token["Token"]["bytecode"])
        self.oracle = create("ScoreOracle", ["uint256"] * 2, STAKE, 1)
        self.auction = create("DataAuction", ["address", *["uint256"] * 3], self.oracle, DRAW, 1, 1)
        self.exchange = str(node.call(self.auction, "DataAuction", "EXCHANGE"))
        self.factory = create("DstFactory", ["address"], self.auction)
        self._erc20("mint", self.buyer, 10**30)
        self._erc20("approve", self.auction, 10**30)
        self._found(operators)

    def _found(self, operators: int) -> None:
        """Register everybody, and let everybody accept one set."""
        life, members = Life(0), [*self.first, *self.appeal]
        domain = typed_data.Domain.oracle(CHAIN_ID, self.oracle)
        keys = []
        for member in members:
            public = member.key.public_key.format(compressed=False)[1:]
            digest = typed_data.typed_digest(typed_data.key_message(domain, member.address, public))
            keys.append((public[:32], public[32:], _sign(member.key, digest)))
        calls = [(member.address, *key) for member, key in zip(members, keys, strict=True)]
        self._oracle(life, "register", calls)
        for member in members:
            self._oracle(life, "deposit", [(member.address, member.address)], 100 * ETHER)
        half = operators // 2 + 1
        threshold = half + 1 - half % 2
        panels = [
            (threshold, [member.address for member in panel]) for panel in (self.first, self.appeal)
        ]
        self._oracle(life, "proposeSet", [(self.deployer, *panels)])
        self._oracle(
            life, "acceptSet", [(member.address, 1, i) for i, member in enumerate(members)]
        )

    def run(
        self,
        n: int,
        *,
        seed: int = 0,
        rho: Fraction = Fraction(1),
        tranche: Fraction = Fraction(0),
        eta: int = WAD,
        dissent: Dissent = "none",
        settlers: int = 1,
        step: int = 5000,
        dst: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Life:
        """Take an auction with `n` bids through its whole life.

        Args:
            n: bids; all are opened, on the roll, revealed and eligible, about half win.
            seed: of costs and scores.
            rho: ρ; below 1 the winners get MUT too.
            tranche: f; above 0 half of the bids are flagged.
            eta: η in 1e-18; anything but 0 and 1 makes the weight an exponential.
            dissent: how the operators' vectors differ.
            settlers: how many take turns; from three on, the last one is hostile.
            step: most bids walked by one transaction.
            dst: whether participation tokens are issued.
            progress: told the phase.
        """
        rng = random.Random(f"{n} {seed}")
        budget = max(n, 2) * 40 * UNIT
        pool = 0 if rho == 1 else budget
        progress("create and commit")
        filled = self._fill(
            rng, n, budget=budget, pool=pool, rho=rho, tranche=tranche, eta=eta, dst=dst
        )
        progress("open, roll, score")
        self._open(filled)
        self._roll(filled)
        self._score(filled, rng, dissent)
        progress("reveal and settle")
        self._reveal(filled)
        proposal = self._outcome(filled)
        self._settle(filled, proposal, settlers, step)
        progress("deliver and claim")
        self.node.time = filled.ends.fetch_end
        self._deliver(filled, filled.life.winners)
        self.node.time = filled.ends.dispute_end
        self._claim(filled)
        if dst:
            progress("participation tokens")
            self._dst(filled)
        return filled.life

    def appeal_round(self, n: int) -> dict[str, int]:
        """Challenge auctions of `n` bids, and let the appeal move nothing, and everything.

        Returns:
            Most gas of each step of the appeal, of the offences and of the operators' money.
        """
        steps: dict[str, int] = {}
        for moved in (False, True):
            rng, node = random.Random(n), self.node
            filled = self._fill(rng, n, budget=n * UNIT)
            self._open(filled, few=True)
            self._roll(filled)
            first = filled.terms.durations.windows(filled.created, DRAW, 1)
            second = filled.terms.durations.windows(filled.created, DRAW, 2)
            vectors = self._score(filled, rng, "none")
            life, about = filled.life, (self.auction, filled.auction)
            node.time = first.end
            self._oracle(life, "challenge", [(self.buyer, *about)], APPEAL_FEE)
            shift = packing.TOLERANCE + 1 if moved else 1
            near = [p.score._replace(q=p.score.q - shift) for p in filled.providers]
            self._score(filled, rng, "none", round_=2, scores=near, publish=True)
            node.time = second.end
            self._oracle(life, "resolve", [(self.buyer, *about)])
            if moved:
                self._oracle(
                    life, "slashDeviator", [(self.buyer, *about, *self._deviation(filled, vectors))]
                )
            node.time = filled.ends.reveal_start
            self._call(life, "acceptScores", [(self.buyer, 0, filled.auction)])
            standing = 2 if moved else 1
            self._oracle(life, "claimFee", [(self.buyer, *about, standing, 0)])
            self._oracle(life, "claimDue", [(self.buyer, *about, self.deployer)])
            node.time = second.end + 8 * 86_400
            self._oracle(life, "releaseStake", [(self.buyer, *about, 2, 0)])
            for name, values in life.gas.items():
                steps[name] = max(steps.get(name, 0), *values)
        return steps

    def exchange_round(self, n: int) -> dict[str, int]:
        """Take an auction of `n` bids through everything that can go wrong with a sale.

        Returns:
            Most gas of each step.
        """
        rng, node = random.Random(n), self.node
        filled = self._fill(rng, n, budget=n * 40 * UNIT, rho=Fraction(1, 2), pool=n * 40 * UNIT)
        life, auction, providers = filled.life, filled.auction, filled.providers
        # One is withdrawn; the others go on.
        out = providers[-1]
        node.time = filled.created
        self._call(life, "withdrawBid", [(out.account, 0, auction, out.sealed, out.place)])
        out.score = Score(0, 0, 0, present=False)
        self._open(filled)
        self._roll(filled)
        self._score(filled, rng, "none")
        self._reveal(filled, [p for p in providers if p is not out])
        self._settle(filled, self._outcome(filled), 1, n)

        winners = list(life.winners)
        half = (filled.ends.settle_end + filled.ends.fetch_end) // 2
        node.time = filled.ends.settle_end
        named = winners[:NAMED]
        calls = [(self.buyer, len(named) * FETCH_FEE, auction, named)]
        self._trade(life, "nameMissing", calls, f"nameMissing, {len(named)} winners")
        node.time = half
        self._verdict(filled, winners[0], UNAVAILABLE)
        node.time = filled.ends.fetch_end
        _, silent, wrong, *rest = winners
        self._deliver(filled, rest)
        cheat = self._deliver(filled, [wrong], right=False)[0]
        node.time = filled.ends.deliver_end
        self._refute(filled, wrong, cheat)
        calls = [(self.buyer, FETCH_FEE, auction, rest[0], METRIC)]
        self._trade(life, "complain", calls)
        self._call(life, "forfeit", [(self.buyer, 0, auction, silent)])
        node.time = (filled.ends.deliver_end + filled.ends.dispute_end) // 2
        self._verdict(filled, rest[0], UNREADABLE)
        node.time = filled.ends.dispute_end
        self._call(life, "reclaimBond", [(self.buyer, 0, auction, out.sealed, out.place)])
        return {step: max(values) for step, values in life.gas.items()}

    def largest_chunk(self) -> int:
        """Gas of posting a full chunk on which no two operators agree anywhere."""
        rng = random.Random(0)
        filled = self._fill(rng, packing.CHUNK, budget=UNIT)
        self._roll(filled)
        self._score(filled, rng, "all")
        return filled.life.gas["postScores"][0]

    def arithmetic(self, n: int) -> dict[str, int]:
        """Gas of what a reveal, a bid's settlement and a provider's score must calculate.

        The libraries alone, in a contract without storage (Arithmetic.sol); by step, as in
        `floors`.
        """
        rng, node = random.Random(n), self.node
        file = ROOT / "benchmarks" / "gas" / "Arithmetic.sol"
        built = compile_files([file])[0]["Arithmetic"]
        to = node.deploy(self.deployer, built["bytecode"])

        def gas(name: str, types: str, *args: Any) -> int:
            selector = keccak(text=f"{name}(bool,{types})")[:4]
            kinds = ["bool", *_split(types)]
            data = [selector + encode(kinds, [on, *args]) for on in (True, False)]
            request = keccak(text="difference(bytes,bytes)")[:4] + encode(["bytes"] * 2, data)
            call = {"to": to, "data": "0x" + request.hex(), "gas": hex(TX_GAS_CAP)}
            return int(node.rpc("eth_call", call, "latest"), 16)

        provider = _provider(rng, "arithmetic", flags=False)
        packed = packing.pack_vector([provider.score])
        out = {
            "reveal": gas(
                "reveal",
                "(uint8,uint64,uint64,uint64),(uint32,address,address,bytes32),uint256,bytes32,uint256",
                astuple(WeightTerms()),
                provider.place,
                provider.cost,
                provider.salt,
                int.from_bytes(packed, "big"),
            )
        }
        slots = [
            rng.randint(1, 80 * UNIT) << 72 | rng.randint(1, 10**18) << 8 | 2 | rng.choice([0, 4])
            for _ in range(n)
        ]
        for name, tranche in (("settle", False), ("settle, tranche", True)):
            more, less = (gas("settle", "bool,uint256[]", tranche, slots[:m]) for m in (n, n // 2))
            out[name] = round((more - less) / (n - n // 2))
        scores = [_provider(rng, str(i), flags=True).score for i in range(n)]
        kinds: tuple[tuple[str, Dissent], ...] = (
            ("equal", "none"),
            ("step", "step"),
            ("different", "all"),
        )
        for name, dissent in kinds:
            vectors = _vectors(rng, scores, len(self.first), dissent)
            out[f"scores, {name}"] = gas("scores", "bytes[]", vectors) // n
        return out

    # STEPS

    def _fill(
        self,
        rng: random.Random,
        n: int,
        *,
        budget: int,
        pool: int = 0,
        rho: Fraction = Fraction(1),
        tranche: Fraction = Fraction(0),
        eta: int = WAD,
        dst: bool = False,
    ) -> Filled:
        """Create an auction and commit `n` bids."""
        self.node.time += 1
        life, created = Life(n), self.node.time
        terms = Terms(
            token=self.token,
            budget=budget,
            pool=pool,
            rho=int(rho * PPB),
            tranche=int(tranche * PPB),
            weights=WeightTerms(eta=eta),
            bond_gwei=BOND // GWEI,
            max_bids=n,
            enrolment=False,
            agreement=AGREEMENT,
            scoring=ScoringTerms(
                operator_set=1,
                samples=64,
                q_min=1000,
                stake_gwei=STAKE // GWEI,
                fee_gwei=FEE // GWEI,
                entry_fee_gwei=ENTRY_FEE // GWEI,
                appeal_fee_gwei=APPEAL_FEE // GWEI,
                fetch_fee_gwei=FETCH_FEE // GWEI,
                metric_version=METRIC,
                evaluation=METRIC,
            ),
            durations=DURATIONS,
            dst=DST if dst else DstTerms(),
        )
        call = (self.buyer, FEE + ETHER, encoded(terms), self._buyer_key())
        self._call(life, "create", [call])
        auction = int(self.node.call(self.auction, "DataAuction", "auctionCount"))
        # Accounts of their own for each auction: they hold no tokens yet.
        providers = [_provider(rng, f"{auction} {i}", flags=tranche > 0) for i in range(n)]
        self.node.fund(p.account for p in providers)
        for p in providers:
            words = (CHAIN_ID, self.auction, auction, p.account, p.cost, p.salt)
            p.sealed = packing.seal_bid(*words)
        committed = self._call(
            life,
            "commit",
            [
                (p.account, BOND + ENTRY_FEE, auction, p.sealed, encoded(p.data_set), AGREEMENT)
                for p in providers
            ],
        )
        # A block need not keep the order in which its transactions were sent.
        for provider, sent in zip(providers, committed, strict=True):
            provider.index = int(sent.logs[0]["topics"][2], 16)
        providers.sort(key=lambda provider: provider.index)
        ends = terms.durations.phases(created, DRAW)
        return Filled(life, auction, providers, ends, created, terms)

    def _open(self, filled: Filled, *, few: bool = False) -> None:
        """Record where the openings are."""
        self.node.time = filled.ends.open_start
        providers = [p for p in filled.providers if p.score.present]
        self._call(
            filled.life,
            "open",
            [
                (p.account, 0, filled.auction, p.sealed, p.place, keccak(p.salt))
                for p in providers[: 10 if few else None]
            ],
        )

    def _roll(self, filled: Filled) -> None:
        """Let the appeal panel attest everything, and count the roll."""
        about, count = (self.auction, filled.auction), len(filled.providers)
        there = {p.index for p in filled.providers if p.score.present}
        words = packing.pack_roll(there, count)
        self.node.time = filled.ends.open_end
        calls = [(member.address, *about, i, words) for i, member in enumerate(self.appeal)]
        self._oracle(filled.life, "callRoll", calls)
        self.node.time += filled.terms.durations.roll
        bitmaps = [words] * len(self.appeal)
        self._oracle(filled.life, "tallyRoll", [(self.deployer, *about, bitmaps)])

    def _score(
        self,
        filled: Filled,
        rng: random.Random,
        dissent: Dissent,
        *,
        round_: int = 1,
        scores: Sequence[Score] = (),
        publish: bool = False,
    ) -> list[bytes]:
        """Two windows of a round: all members commit, then all chunks are posted."""
        node, life, about = self.node, filled.life, (self.auction, filled.auction)
        panel = self.first if round_ == 1 else self.appeal
        window = filled.terms.durations.windows(filled.created, DRAW, round_)
        scores = scores or [p.score for p in filled.providers]
        vectors = _vectors(rng, scores, len(panel), dissent)
        hashes = [packing.chunk_hashes(vector) for vector in vectors]
        signed = [self._report(filled, member, round_, hashes[i]) for i, member in enumerate(panel)]
        node.time = window.commit
        self._oracle(
            life,
            "commitVector",
            [
                (
                    member.address,
                    *about,
                    i,
                    packing.vector_commitment(digest, member.address, METRIC),
                )
                for i, (member, (digest, _)) in enumerate(zip(panel, signed, strict=True))
            ],
        )
        node.time = window.open
        if publish:
            whole = (0, METRIC, METRIC, signed[0][1], hashes[0], vectors[0])
            self._oracle(life, "publishVector", [(self.deployer, *about, whole)])
        parts = [packing.chunks(vector) for vector in vectors]
        self._oracle(
            life,
            "postScores",
            [
                (
                    self.deployer,
                    *about,
                    chunk,
                    [
                        (m, METRIC, METRIC, signed[m][1], hashes[m], parts[m][chunk])
                        for m in range(len(vectors))
                    ],
                )
                for chunk in range(len(hashes[0]))
            ],
        )
        return vectors

    def _report(
        self, filled: Filled, member: Member, round_: int, hashes: Sequence[bytes]
    ) -> tuple[bytes, bytes]:
        """Digest and signature of a report."""
        domain = typed_data.Domain.oracle(CHAIN_ID, self.oracle)
        root = packing.report_root(hashes)
        words = (self.auction, filled.auction, round_, METRIC, root, METRIC)
        digest = typed_data.typed_digest(typed_data.report_message(domain, *words))
        return digest, _sign(member.key, digest)

    def _deviation(self, filled: Filled, vectors: Sequence[bytes]) -> tuple[Any, ...]:
        """Proof that the first member of round one deviates at the first index."""
        hashes = packing.chunk_hashes(vectors[0])
        _, signature = self._report(filled, self.first[0], 1, hashes)
        return (0, 0, METRIC, signature, hashes, packing.chunks(vectors[0])[0])

    def _reveal(self, filled: Filled, providers: Sequence[Provider] = ()) -> None:
        providers = providers or filled.providers
        self.node.time = filled.ends.reveal_start
        self._call(filled.life, "acceptScores", [(self.buyer, 0, filled.auction)])
        revealed = self._call(
            filled.life,
            "reveal",
            [(p.account, 0, filled.auction, p.place, p.cost, p.salt) for p in providers],
        )
        for provider, sent in zip(providers, revealed, strict=True):
            data = bytes.fromhex(sent.logs[0]["data"][2:])
            provider.weight = decode(["uint256", "bytes32", "uint256", "bool"], data)[2]

    def _outcome(self, filled: Filled) -> Proposal:
        """The right proposal; the winners are noted."""
        terms = filled.terms
        bids = [
            Bid(p.index, p.cost, p.weight, p.score.underserved)
            for p in filled.providers
            if p.score.present
        ]
        tranche = Fraction(terms.tranche, PPB)
        outcome = clear(
            bids,
            budget=terms.budget,
            pool=terms.pool,
            rho=Fraction(terms.rho, PPB),
            tranche=tranche,
        )
        filled.life.winners = tuple(sorted(outcome.winners))
        return propose(bids, beta=outcome.beta, tranche=tranche)

    def _settle(self, filled: Filled, proposal: Proposal, settlers: int, step: int) -> None:
        """Rival settlers take turns; the hostile one walks a wrong proposal and single bids."""
        self.node.time = filled.ends.reveal_end
        life, auction = filled.life, filled.auction
        right = tuple(packing.NONE if m is None else m for m in proposal)
        wrong = ((right[0] + 1) % life.n, *right[1:])
        cursor = turn = 0
        while cursor < life.n:
            settler = address_of(f"settler {turn % settlers}")
            self.node.fund([settler])
            hostile = settlers > 2 and turn % settlers == settlers - 1
            if hostile and cursor + 1 < life.n:
                calls = [(settler, 0, auction, wrong, step // 2)]
                self._call(life, "settle", calls, "settle, wrong")
            count = min(1 if hostile else step, life.n - cursor)
            last = "settle, last" if cursor + count == life.n else "settle"
            self._call(life, "settle", [(settler, 0, auction, right, count)], last)
            life.walked[settler] = life.walked.get(settler, 0) + count
            cursor += count
            turn += 1
        # Who walks alone is paid with the last step.
        if turn > 1:
            self._call(life, "claimBounty", [(settler, 0, auction) for settler in life.walked])

    def _deliver(
        self, filled: Filled, indices: Iterable[int], *, right: bool = True
    ) -> list[Delivery]:
        """Hand the keys of winners to the buyer, or something else."""
        domain = typed_data.Domain.exchange(CHAIN_ID, self.exchange)
        calls, deliveries = [], []
        for index in indices:
            provider = filled.providers[index]
            context = DeliveryContext(CHAIN_ID, self.auction, filled.auction, index)
            data_key = provider.data_key if right else keccak(provider.data_key)
            delivery = wrap_delivery(data_key, self.buyer_key.public, context)
            x, y = (coordinate.to_bytes(32, "big") for coordinate in delivery.point)
            message = typed_data.delivery_message(
                domain, filled.auction, index, delivery.wrapped, x + y
            )
            signature = _sign(PrivateKey(delivery.secret), typed_data.typed_digest(message))
            words = (delivery.wrapped, x, y)
            calls.append(
                (provider.account, 0, filled.auction, provider.place, words, signature, b"")
            )
            deliveries.append(delivery)
        self._trade(filled.life, "deliver", calls)
        return deliveries

    def _refute(self, filled: Filled, index: int, delivery: Delivery) -> None:
        """Prove that a delivered key is wrong."""
        provider = filled.providers[index]
        context = DeliveryContext(CHAIN_ID, self.auction, filled.auction, index)
        proof = prove_shared_point(delivery.point, self.buyer_key, context)
        public = self.buyer_key.public
        point = (int.from_bytes(public[:32], "big"), int.from_bytes(public[32:], "big"))
        words = (delivery.wrapped, *(c.to_bytes(32, "big") for c in delivery.point))
        proved = (proof.shared, proof.t, proof.u, proof.slope, proof.c, proof.z)
        data_set = encoded(provider.data_set)
        call = (self.buyer, 0, filled.auction, provider.place, data_set, words, point, proved)
        self._trade(filled.life, "refute", [call])

    def _verdict(self, filled: Filled, index: int, ground: int) -> None:
        """Strike a winner out by the whole standing panel."""
        domain = typed_data.Domain.oracle(CHAIN_ID, self.oracle)
        words = (self.auction, filled.auction, index, ground)
        digest = typed_data.typed_digest(typed_data.verdict_message(domain, *words))
        signatures = [_sign(member.key, digest) for member in self.first]
        members = list(range(len(signatures)))
        call = (self.buyer, 0, filled.auction, index, ground, members, signatures)
        self._trade(filled.life, "submitVerdict", [call])

    def _claim(self, filled: Filled) -> None:
        life, winners = filled.life, filled.life.winners

        def claims(indices: Iterable[int], parts: int) -> list[tuple[Any, ...]]:
            return [
                (p.account, 0, filled.auction, p.place, parts)
                for p in (filled.providers[i] for i in indices)
            ]

        losers = sorted(set(range(len(filled.providers))) - set(winners))
        # A tenth takes the parts apart: a cash-only claim is the peers' claim.
        apart = winners[: len(winners) // 10]
        self._call(life, "claim", claims(apart, packing.CASH), "claim, cash")
        self._call(life, "claim", claims(apart, packing.BOND), "claim, bond")
        everything = winners[len(apart) :]
        self._call(life, "claim", claims(everything, packing.ALL_PARTS), "claim, all parts")
        self._call(life, "claim", claims(losers, packing.ALL_PARTS), "claim, loser")
        self._call(life, "withdrawRefund", [(self.buyer, 0, filled.auction, self.buyer)])

    def _dst(self, filled: Filled) -> None:
        """Create the tokens, walk all bids for the water level, and let some winners claim."""
        node, life, auction = self.node, filled.life, filled.auction
        terms = astuple(DST)
        # As accepted: the medians of what the operators posted.
        code = [
            bytes.fromhex(node.rpc("eth_getCode", chunk, "latest")[2:])[1:]
            for chunk in node.call(self.auction, "DataAuction", "scoreChunks", auction)
        ]
        accepted = packing.unpack_vector(b"".join(code))
        scores = {i: accepted[i] for i in life.winners}
        names = ("supply", "floor", "cap", "volumeWeight", "qualityWeight", "impactWeight")
        _, proposal = dst_proposal(scores, **dict(zip(names, terms, strict=True)))  # type: ignore[arg-type]
        level = tuple(proposal.values())

        def send(name: str, to: str, contract: str, function: str, *args: Any) -> None:
            self._send(life, name, to, contract, function, [(self.buyer, 0, *args)])

        send("DST create", self.factory, "DstFactory", "create", auction, terms)
        token = str(node.call(self.factory, "DstFactory", "tokenOf", auction))
        for _ in range(0, life.n, DST_STEP):
            send("DST verify", token, "DstToken", "verify", level, DST_STEP)
        for index in life.winners[:10]:
            send("DST claim", token, "DstToken", "claim", filled.providers[index].place)

    # SENDING: calls are `(sender, value, *arguments)`

    def _send(
        self,
        life: Life,
        name: str,
        to: str,
        contract: str,
        function: str,
        calls: Iterable[tuple[Any, ...]],
    ) -> list[Sent]:
        sent = self.node.send(
            [
                Tx(sender, to, calldata(contract, function, *args), value)
                for sender, value, *args in calls
            ]
        )
        life.gas.setdefault(name, []).extend(item.gas for item in sent)
        return sent

    def _call(
        self, life: Life, function: str, calls: Iterable[tuple[Any, ...]], name: str = ""
    ) -> list[Sent]:
        return self._send(life, name or function, self.auction, "DataAuction", function, calls)

    def _trade(
        self, life: Life, function: str, calls: Iterable[tuple[Any, ...]], name: str = ""
    ) -> list[Sent]:
        return self._send(life, name or function, self.exchange, "Exchange", function, calls)

    def _oracle(
        self, life: Life, function: str, calls: Iterable[tuple[Any, ...]], value: int = 0
    ) -> None:
        """Send calls `(sender, *arguments)` to the oracle, each with the same value."""
        worth = [(sender, value, *args) for sender, *args in calls]
        self._send(life, function, self.oracle, "ScoreOracle", function, worth)

    def _erc20(self, function: str, account: str, amount: int) -> None:
        selector = keccak(text=f"{function}(address,uint256)")[:4]
        data = selector + encode(["address", "uint256"], [account, amount])
        self.node.send([Tx(self.buyer, self.token, data)])

    def _buyer_key(self) -> tuple[bytes, bytes, bytes]:
        public = self.buyer_key.public
        domain = typed_data.Domain.auction(CHAIN_ID, self.auction)
        digest = typed_data.typed_digest(typed_data.key_message(domain, self.buyer, public))
        return public[:32], public[32:], _sign(PrivateKey(self.buyer_key.secret), digest)


def _provider(rng: random.Random, label: str, *, flags: bool) -> Provider:
    score = Score(
        q=rng.randint(2000, 9999),
        phi=rng.randint(2000, 9999),
        volume=rng.randint(10_000, 2**31),
        present=True,
        underserved=flags and rng.random() < 0.5,
    )
    data_key = rng.randbytes(32)
    return Provider(
        account=address_of(f"provider {label}"),
        cost=rng.randint(1, 80 * UNIT),
        salt=rng.randbytes(32),
        data_key=data_key,
        data_set=DataSet(
            rng.randbytes(32), rng.randbytes(32), rng.randint(2**20, 2**32), keccak(data_key)
        ),
        score=score,
    )


def _vectors(
    rng: random.Random, scores: Sequence[Score], operators: int, dissent: Dissent
) -> list[bytes]:
    truth = packing.pack_vector(scores)
    if dissent == "all":
        return [
            packing.pack_vector(
                [s._replace(q=s.q - m, phi=s.phi - m, volume=s.volume - m) for s in scores]
            )
            for m in rng.sample(range(operators), operators)
        ]
    off = packing.pack_vector([s._replace(q=max(s.q - 1, 0)) for s in scores])
    return [off if dissent == "step" and m % 2 else truth for m in range(operators)]


def _split(types: str) -> list[str]:
    """The outermost types of a list."""
    return re.findall(r"\([^)]*\)|[^,]+", types)


def _address(key: PrivateKey) -> str:
    public = key.public_key.format(compressed=False)[1:]
    return str(to_checksum_address(keccak(public)[12:]))


def _sign(key: PrivateKey, digest: bytes) -> bytes:
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])
