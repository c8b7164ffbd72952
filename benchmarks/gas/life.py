"""One auction from creation to the last claim, the gas of every transaction kept."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal

from coincurve import PrivateKey
from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from benchmarks.gas.node import CHAIN_ID, ETHER, ROOT, TX_GAS_CAP, Node, Sent, Tx, calldata
from oracles.chain import artifacts, codec
from oracles.mechanism import Bid, Proposal, clear, propose
from scripts.build import compile_files
from tests.support.auction import dst_proposal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: How the operators' vectors differ: not at all; two of five by one grid step in every quality;
#: all of them in every field of every score.
Dissent = Literal["none", "step", "all"]

BOND: Final = ETHER // 100
MIN_BOND: Final = ETHER
CHALLENGE_BOND: Final = ETHER // 10
#: A token unit of account (6 decimals).
UNIT: Final = 10**6
PHASE: Final = 100_000
DURATIONS: Final = codec.Durations(*[PHASE] * 9)
METRIC: Final = keccak(text="metric version of the benchmark")
DST: Final = codec.DstTerms(
    supply=10**12,
    cap=10**11,
    volume_weight=codec.PPB // 2,
    quality_weight=codec.PPB // 4,
    impact_weight=codec.PPB // 4,
)
#: Bids walked by one transaction for the water level.
DST_STEP: Final = 1000
#: Length of a wrapped key (oracles.dataset.keys).
WRAPPED_BYTES: Final = 81


def address_of(label: str) -> str:
    """An address for a role."""
    return str(to_checksum_address(keccak(text=label)[12:]))


@dataclass(slots=True)
class Provider:
    """A provider, who owns its bid and pays its bond."""

    account: str
    cost: int
    salt: bytes
    data_set: tuple[bytes, bytes, int]
    score: codec.Score
    weight: int = 0


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


class World:
    """The contracts on a node, a set of operators and a token."""

    def __init__(self, node: Node, operators: int = 5) -> None:
        self.node = node
        self.deployer, self.buyer = address_of("deployer"), address_of("buyer")
        keys = [PrivateKey(keccak(text=f"operator {i}")) for i in range(operators)]
        self.operators = sorted(((_address(k), k) for k in keys), key=lambda o: int(o[0], 16))
        node.fund([self.deployer, self.buyer, *(address for address, _ in self.operators)])

        def create(name: str, types: Sequence[str] = (), *args: Any) -> str:
            return node.deploy(self.deployer, artifacts.artifact(name)["bytecode"], types, *args)

        token, _ = compile_files([ROOT / "tests" / "contracts" / "Token.sol"])
        self.token = node.deploy(self.deployer, token["Token"]["bytecode"])
        self.oracle = create("ScoreOracle", ["uint256"] * 2, MIN_BOND, CHALLENGE_BOND)
        self.auction = create("DataAuction", ["address"], self.oracle)
        self.factory = create("DstFactory", ["address"], self.auction)
        self._erc20("mint", self.buyer, 10**30)
        self._erc20("approve", self.auction, 10**30)
        register = calldata("ScoreOracle", "register", METRIC, METRIC)
        node.send([Tx(address, self.oracle, register, MIN_BOND) for address, _ in self.operators])
        half = operators // 2 + 1
        threshold = half + 1 - half % 2
        members = [address for address, _ in self.operators]
        node.send(
            [
                Tx(
                    self.deployer,
                    self.oracle,
                    calldata("ScoreOracle", "createSet", members, threshold),
                )
            ]
        )

    def run(
        self,
        n: int,
        *,
        seed: int = 0,
        rho: Fraction = Fraction(1),
        tranche: Fraction = Fraction(0),
        eta: int = codec.WAD,
        dissent: Dissent = "none",
        settlers: int = 1,
        step: int = 5000,
        verdict: int = 0,
        dst: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Life:
        """Take an auction with `n` bids through its whole life.

        Args:
            n: bids; all are revealed and eligible, about half win.
            seed: of costs and scores.
            rho: ρ; below 1 the winners get MUT too.
            tranche: f; above 0 half of the bids are flagged.
            eta: η in 1e-18; anything but 0 and 1 makes the weight an exponential.
            dissent: how the operators' vectors differ.
            settlers: how many take turns; from three on, the last one is hostile.
            step: most bids walked by one transaction.
            verdict: how many winners one verdict of all operators strikes out.
            dst: whether participation tokens are issued.
            progress: told the phase.
        """
        rng = random.Random(f"{n} {seed}")
        life, node = Life(n), self.node
        budget = max(n, 2) * 40 * UNIT
        pool = 0 if rho == 1 else budget
        call = self._caller(life)
        progress("create and commit")
        auction, providers = self._fill(
            call, rng, n, budget=budget, pool=pool, rho=rho, tranche=tranche, eta=eta, dst=dst
        )
        start = node.time

        progress("score")
        node.time = start + PHASE
        self._score(life, rng, auction, [p.score for p in providers], dissent)

        progress("reveal")
        node.time = start + 8 * PHASE
        call("acceptScores", [(self.buyer, 0, auction)])
        revealed = call(
            "reveal",
            [
                (p.account, 0, auction, i, p.cost, p.salt, p.account, p.account)
                for i, p in enumerate(providers)
            ],
        )
        for provider, sent in zip(providers, revealed, strict=True):
            data = bytes.fromhex(sent.logs[0]["data"][2:])
            provider.weight = decode(["uint256", "bytes32", "uint256", "bool"], data)[2]

        progress("settle")
        node.time = start + 9 * PHASE
        bids = [Bid(i, p.cost, p.weight, p.score.underserved) for i, p in enumerate(providers)]
        outcome = clear(bids, budget=budget, pool=pool, rho=rho, tranche=tranche)
        proposal = propose(bids, beta=outcome.beta, tranche=tranche)
        self._settle(life, call, auction, proposal, settlers, step)
        life.winners = tuple(sorted(outcome.winners))

        progress("deliver")
        wrapped = random.Random(1).randbytes(WRAPPED_BYTES)
        call(
            "deliver",
            [
                (providers[i].account, 0, auction, i, providers[i].account, wrapped)
                for i in life.winners
            ],
        )

        if verdict:
            node.time = start + 11 * PHASE
            self._verdict(call, auction, life.winners[:verdict])

        progress("claim")
        node.time = start + 12 * PHASE
        self._claim(call, auction, providers, sorted(set(life.winners[verdict:])), life.winners)
        if dst:
            progress("participation tokens")
            self._dst(life, auction, providers, life.winners[verdict:])
        return life

    def second_round(self, n: int) -> dict[str, int]:
        """Challenge an auction of `n` bids whose every score then differs within the tolerance.

        Returns:
            Gas of publishing a whole vector, and of deciding the challenge.
        """
        rng, life, node = random.Random(n), Life(n), self.node
        call = self._caller(life)
        auction, providers = self._fill(call, rng, n, budget=n * UNIT)
        start, scores = node.time, [p.score for p in providers]
        node.time = start + PHASE
        self._score(life, rng, auction, scores, "none")
        node.time = start + 4 * PHASE
        self._oracle(life, "challenge", [(self.buyer, self.auction, auction)], CHALLENGE_BOND)
        node.time = start + 5 * PHASE
        near = [s._replace(q=s.q - 1) for s in scores]
        self._score(life, rng, auction, near, "none", round_=2, publish=True)
        node.time = start + 8 * PHASE
        self._oracle(life, "resolve", [(self.buyer, self.auction, auction)])
        name = f"{n:,} bids"
        return {
            f"publishVector, {name}": life.gas["publishVector"][0],
            f"resolve, {name}, all moved a little": life.gas["resolve"][0],
        }

    def largest_chunk(self) -> int:
        """Gas of posting a full chunk on which no two operators agree anywhere."""
        rng, life, node = random.Random(0), Life(codec.CHUNK), self.node
        auction, providers = self._fill(self._caller(life), rng, codec.CHUNK, budget=UNIT)
        node.time += PHASE
        self._score(life, rng, auction, [p.score for p in providers], "all")
        return life.gas["postScores"][0]

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
        packed = codec.pack_vector([provider.score])
        rule = codec.WeightTerms().encode()
        owner, score = provider.account, int.from_bytes(packed, "big")
        out = {
            "reveal": gas(
                "reveal",
                "(uint8,uint64,uint64,uint64),address,uint256,bytes32,uint256",
                rule,
                owner,
                provider.cost,
                provider.salt,
                score,
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
        for name, dissent in (("equal", "none"), ("step", "step"), ("different", "all")):
            vectors = _vectors(rng, scores, len(self.operators), dissent)  # type: ignore[arg-type]
            out[f"scores, {name}"] = gas("scores", "bytes[]", vectors) // n
        return out

    def _caller(self, life: Life) -> Callable[..., list[Sent]]:
        def call(function: str, calls: Iterable[tuple[Any, ...]], name: str = "") -> list[Sent]:
            """Send calls `(sender, value, *arguments)` to the auction contract."""
            sent = self.node.send(
                [
                    Tx(sender, self.auction, calldata("DataAuction", function, *args), value)
                    for sender, value, *args in calls
                ]
            )
            life.gas.setdefault(name or function, []).extend(item.gas for item in sent)
            return sent

        return call

    def _fill(
        self,
        call: Callable[..., list[Sent]],
        rng: random.Random,
        n: int,
        *,
        budget: int,
        pool: int = 0,
        rho: Fraction = Fraction(1),
        tranche: Fraction = Fraction(0),
        eta: int = codec.WAD,
        dst: bool = False,
    ) -> tuple[int, list[Provider]]:
        """Create an auction and commit `n` bids; return its id and the bids in their order."""
        self.node.time += 1
        terms = codec.Terms(
            token=self.token,
            budget=budget,
            pool=pool,
            rho=int(rho * codec.PPB),
            tranche=int(tranche * codec.PPB),
            weights=codec.WeightTerms(eta=eta),
            bond_gwei=BOND // codec.GWEI,
            max_bids=n,
            enrolment=False,
            operator_set=1,
            metric_version=METRIC,
            evaluation=METRIC,
            durations=DURATIONS,
            dst=DST if dst else codec.DstTerms(),
        )
        call("create", [(self.buyer, ETHER, terms.encode(), self._buyer_key())])
        auction = int(self.node.call(self.auction, "DataAuction", "auctionCount"))
        # Accounts of their own for each auction: they hold no tokens yet.
        providers = [_provider(rng, f"{auction} {i}", flags=tranche > 0) for i in range(n)]
        self.node.fund(p.account for p in providers)
        committed = call(
            "commit",
            [
                (
                    p.account,
                    BOND,
                    auction,
                    codec.seal_bid(CHAIN_ID, self.auction, auction, p.account, p.cost, p.salt),
                    p.data_set,
                )
                for p in providers
            ],
        )
        # A block need not keep the order in which its transactions were sent.
        order = [int(sent.logs[0]["topics"][2], 16) for sent in committed]
        pairs = sorted(zip(order, providers, strict=True), key=lambda pair: pair[0])
        return auction, [provider for _, provider in pairs]

    def _claim(
        self,
        call: Callable[..., list[Sent]],
        auction: int,
        providers: Sequence[Provider],
        winners: Sequence[int],
        all_winners: Sequence[int],
    ) -> None:
        def claims(indices: Iterable[int], parts: int) -> list[tuple[Any, ...]]:
            return [
                (p, 0, auction, i, p, p, parts) for i in indices for p in [providers[i].account]
            ]

        losers = sorted(set(range(len(providers))) - set(all_winners))
        # A tenth takes the parts apart: a cash-only claim is the peers' claim.
        apart = winners[: len(winners) // 10]
        call("claim", claims(apart, codec.CASH), "claim, cash")
        call("claim", claims(apart, codec.BOND), "claim, bond")
        everything = winners[len(apart) :]
        call("claim", claims(everything, codec.ALL_PARTS), "claim, all parts")
        call("claim", claims(losers, codec.ALL_PARTS), "claim, loser")
        call("withdrawBuyer", [(self.buyer, 0, auction, self.buyer)])

    def _verdict(
        self, call: Callable[..., list[Sent]], auction: int, indices: Sequence[int]
    ) -> None:
        """All operators find that these winners did not deliver."""
        domain = codec.Domain.oracle(CHAIN_ID, self.oracle)
        message = codec.verdict_message(domain, self.auction, auction, indices)
        digest = codec.typed_digest(message)
        signatures = [_sign(key, digest) for _, key in self.operators]
        members = list(range(len(signatures)))
        call("enterVerdict", [(self.buyer, 0, auction, list(indices), members, signatures)])

    def _dst(
        self, life: Life, auction: int, providers: Sequence[Provider], winners: Sequence[int]
    ) -> None:
        """Create the tokens, walk all bids for the water level, and let every winner claim."""
        node = self.node
        terms = DST.encode()
        # As accepted: the medians of what the operators posted.
        code = [
            bytes.fromhex(node.rpc("eth_getCode", chunk, "latest")[2:])[1:]
            for chunk in node.call(self.auction, "DataAuction", "scoreChunks", auction)
        ]
        accepted = codec.unpack_vector(b"".join(code))
        scores = {i: accepted[i] for i in winners}
        names = ("supply", "floor", "cap", "volumeWeight", "qualityWeight", "impactWeight")
        _, proposal = dst_proposal(scores, **dict(zip(names, terms, strict=True)))  # type: ignore[arg-type]
        level = tuple(proposal.values())

        def send(name: str, to: str, contract: str, function: str, *args: Any) -> None:
            data = calldata(contract, function, *args)
            sent = node.send([Tx(self.buyer, to, data)])
            life.gas.setdefault(name, []).extend(item.gas for item in sent)

        send("DST create", self.factory, "DstFactory", "create", auction, terms)
        token = str(node.call(self.factory, "DstFactory", "tokenOf", auction))
        for _ in range(0, life.n, DST_STEP):
            send("DST verify", token, "DstToken", "verify", level, DST_STEP)
        for index in winners[:10]:
            account = providers[index].account
            send("DST claim", token, "DstToken", "claim", index, account, account)

    def _score(
        self,
        life: Life,
        rng: random.Random,
        auction: int,
        scores: Sequence[codec.Score],
        dissent: Dissent,
        *,
        round_: int = 1,
        publish: bool = False,
    ) -> None:
        """Two windows of a round: all operators commit, then all chunks are posted."""
        node = self.node
        vectors = _vectors(rng, scores, len(self.operators), dissent)
        hashes = [codec.chunk_hashes(vector) for vector in vectors]
        reports = []
        domain = codec.Domain.oracle(CHAIN_ID, self.oracle)
        for member, (address, key) in enumerate(self.operators):
            message = codec.report_message(
                domain,
                self.auction,
                auction,
                round_,
                METRIC,
                codec.report_root(hashes[member]),
                METRIC,
            )
            digest = codec.typed_digest(message)
            reports.append((codec.vector_commitment(digest, address, METRIC), _sign(key, digest)))
        self._oracle(
            life,
            "commitVector",
            [
                (address, self.auction, auction, member, reports[member][0])
                for member, (address, _) in enumerate(self.operators)
            ],
        )
        node.time += PHASE
        if publish:
            whole = (0, METRIC, METRIC, reports[0][1], hashes[0], vectors[0])
            self._oracle(life, "publishVector", [(self.deployer, self.auction, auction, whole)])
        chunks = [codec.chunks(vector) for vector in vectors]
        self._oracle(
            life,
            "postScores",
            [
                (
                    self.deployer,
                    self.auction,
                    auction,
                    chunk,
                    [
                        (m, METRIC, METRIC, reports[m][1], hashes[m], chunks[m][chunk])
                        for m in range(len(vectors))
                    ],
                )
                for chunk in range(len(hashes[0]))
            ],
        )

    def _settle(
        self,
        life: Life,
        call: Callable[..., list[Sent]],
        auction: int,
        proposal: Proposal,
        settlers: int,
        step: int,
    ) -> None:
        """Rival settlers take turns; the hostile one walks a wrong proposal and single bids."""
        right = tuple(codec.NONE if m is None else m for m in proposal)
        wrong = ((right[0] + 1) % life.n, *right[1:])
        cursor = turn = 0
        while cursor < life.n:
            settler = address_of(f"settler {turn % settlers}")
            self.node.fund([settler])
            hostile = settlers > 2 and turn % settlers == settlers - 1
            if hostile and cursor + 1 < life.n:
                call("settle", [(settler, 0, auction, wrong, step // 2)], "settle, wrong")
            count = min(1 if hostile else step, life.n - cursor)
            last = "settle, last" if cursor + count == life.n else "settle"
            call("settle", [(settler, 0, auction, right, count)], last)
            life.walked[settler] = life.walked.get(settler, 0) + count
            cursor += count
            turn += 1
        # Who walks alone is paid with the last step.
        if turn > 1:
            call("claimBounty", [(settler, 0, auction) for settler in life.walked])

    def _oracle(
        self, life: Life, function: str, calls: Sequence[tuple[Any, ...]], value: int = 0
    ) -> None:
        sent = self.node.send(
            [
                Tx(sender, self.oracle, calldata("ScoreOracle", function, *args), value)
                for sender, *args in calls
            ]
        )
        life.gas.setdefault(function, []).extend(item.gas for item in sent)

    def _erc20(self, function: str, account: str, amount: int) -> None:
        selector = keccak(text=f"{function}(address,uint256)")[:4]
        data = selector + encode(["address", "uint256"], [account, amount])
        self.node.send([Tx(self.buyer, self.token, data)])

    def _buyer_key(self) -> tuple[bytes, bytes, bytes]:
        key = PrivateKey(keccak(text="buyer's encryption key"))
        public = key.public_key.format(compressed=False)[1:]
        message = codec.key_message(
            codec.Domain.auction(CHAIN_ID, self.auction), self.buyer, public
        )
        return public[:32], public[32:], _sign(key, codec.typed_digest(message))


def _provider(rng: random.Random, label: str, *, flags: bool) -> Provider:
    score = codec.Score(
        q=rng.randint(2000, 9999),
        phi=rng.randint(2000, 9999),
        volume=rng.randint(10_000, 2**31),
        eligible=True,
        underserved=flags and rng.random() < 0.5,
    )
    return Provider(
        account=address_of(f"provider {label}"),
        cost=rng.randint(1, 80 * UNIT),
        salt=rng.randbytes(32),
        data_set=(rng.randbytes(32), rng.randbytes(32), rng.randint(2**20, 2**32)),
        score=score,
    )


def _vectors(
    rng: random.Random, scores: Sequence[codec.Score], operators: int, dissent: Dissent
) -> list[bytes]:
    truth = codec.pack_vector(scores)
    if dissent == "all":
        return [
            codec.pack_vector(
                [s._replace(q=s.q - m, phi=s.phi - m, volume=s.volume - m) for s in scores]
            )
            for m in rng.sample(range(operators), operators)
        ]
    off = codec.pack_vector([s._replace(q=s.q - 1) for s in scores])
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
