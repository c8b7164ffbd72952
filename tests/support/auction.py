"""The whole protocol driven from a test: deploy it, then lead an auction from phase to phase.

Typed data, score packing and proposals are made here from their descriptions in docs/protocol.md,
not by the contracts' own view functions, so that both sides are checked against each other.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from eth_abi.abi import encode
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_typing import Hash32
from eth_utils.crypto import keccak

from oracles.mechanism import Bid, Proposal, allocate, clear, dst_scores, propose
from tests.support.chain import ACCOUNTS, CHAIN_ID, ETHER, Chain, Contract, Receipt, encode_call
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eth_account.signers.local import LocalAccount

WAD = 10**18
PPB = 10**9
GWEI = 10**9
NONE = 2**32 - 1
CHUNK = 1024
BURN = "0x000000000000000000000000000000000000dEaD"
ZERO = bytes(32)

DEPLOYER, BUYER, RELAYER, SETTLER, CHALLENGER = ACCOUNTS[:5]
MIN_BOND = ETHER
CHALLENGE_BOND = ETHER // 2
BOND_GWEI = 10**7  # 0.01 ether

OPEN, SETTLED, ABORTED = range(3)
COMMITTED, REVEALED, FLAGGED, DELIVERED = 1, 2, 4, 8
FORFEITED, CASH_PAID, MUT_PAID, BOND_PAID = 16, 32, 64, 128
CASH, MUT, BOND = 1, 2, 4
ELIGIBLE, UNDERSERVED = 1, 2

DURATIONS = {
    "commit": 100,
    "scoreCommit": 10,
    "scoreOpen": 20,
    "scorePost": 30,
    "challenge": 40,
    "reveal": 100,
    "settle": 200,
    "deliver": 300,
    "verdict": 400,
}
NO_DST = {
    "supply": 0,
    "floor": 0,
    "cap": 0,
    "volumeWeight": 0,
    "qualityWeight": 0,
    "impactWeight": 0,
}
POWER, SQRT, LOG1P = range(3)


def weights(family: int = POWER, eta: int = WAD, kappa: int = 0, gamma: int = WAD) -> Any:
    """Return a `WeightRule`."""
    return {"family": family, "eta": eta, "kappa": kappa, "gamma": gamma}


@functools.cache
def person(name: str) -> LocalAccount:
    """Return an account with its key, the same for the same name."""
    account: LocalAccount = Account.from_key(keccak(text=f"qmia test person {name}"))
    return account


class Score(NamedTuple):
    """One provider's score; `phi` and `q` on the grid 0..10000."""

    volume: int = 1000
    phi: int = 10_000
    q: int = 10_000
    flags: int = ELIGIBLE

    def packed(self) -> bytes:
        """Return its eight bytes."""
        word = self.volume | self.phi << 32 | self.q << 46 | self.flags << 60
        return word.to_bytes(8, "big")

    @classmethod
    def unpack(cls, data: bytes) -> Score:
        """Return the score that eight bytes mean."""
        word = int.from_bytes(data, "big")
        return cls(word & 0xFFFFFFFF, word >> 32 & 0x3FFF, word >> 46 & 0x3FFF, word >> 60)


def pack(scores: Iterable[Score]) -> bytes:
    """Return a vector of scores."""
    return b"".join(score.packed() for score in scores)


def chunks_of(vector: bytes) -> list[bytes]:
    """Return a vector's chunks."""
    size = CHUNK * 8
    return [vector[i : i + size] for i in range(0, len(vector), size)]


# TYPED DATA


def typed_digest(name: str, contract: str, struct: bytes) -> bytes:
    """EIP-712 digest of a struct hash, in the domain of one of the two contracts."""
    domain = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                keccak(
                    text="EIP712Domain(string name,string version,uint256 chainId,"
                    "address verifyingContract)"
                ),
                keccak(text=name),
                keccak(text="1"),
                CHAIN_ID,
                contract,
            ],
        )
    )
    return keccak(b"\x19\x01" + domain + struct)


def struct_hash(type_: str, *values: Any) -> bytes:
    """EIP-712 hash of a struct with atomic members, and uint32 arrays."""
    kinds = [member.split()[0] for member in type_.partition("(")[2][:-1].split(",")]
    words = [
        b"".join(encode(["uint32"], [v]) for v in value) if k == "uint32[]" else None
        for k, value in zip(kinds, values, strict=True)
    ]
    return keccak(
        encode(
            ["bytes32", *("bytes32" if k == "uint32[]" else k for k in kinds)],
            [
                keccak(text=type_),
                *(v if w is None else keccak(w) for v, w in zip(values, words, strict=True)),
            ],
        )
    )


COMMIT_TYPE = (
    "Commit(uint256 auction,bytes32 sealedBid,bytes32 cid,bytes32 contentDigest,uint64 size,"
    "address payer,uint256 nonce,uint256 deadline)"
)
KEY_TYPE = "EncryptionKey(address buyer,bytes32 x,bytes32 y)"
REPORT_TYPE = (
    "Report(address auction,uint256 auctionId,uint8 round,bytes32 metricVersion,bytes32 root,"
    "bytes32 evidence)"
)
VERDICT_TYPE = "NonDelivery(address auction,uint256 auctionId,uint32[] indices)"
AUCTION_DOMAIN = "Q-MIA DataAuction"
ORACLE_DOMAIN = "Q-MIA ScoreOracle"


def sign(account: LocalAccount, digest: bytes) -> bytes:
    """Sign a digest."""
    return bytes(account.unsafe_sign_hash(Hash32(digest)).signature)


def public_key(account: LocalAccount) -> tuple[bytes, bytes]:
    """Return an account's key as the coordinates of a point."""
    point = PrivateKey(bytes(account.key)).public_key.to_bytes()
    return point[:32], point[32:]


class Report(NamedTuple):
    """An operator's whole vector, as it was committed to."""

    operator: int
    vector: bytes
    evidence: bytes
    salt: bytes
    signature: bytes
    digest: bytes

    @property
    def chunk_hashes(self) -> list[bytes]:
        return [keccak(chunk) for chunk in chunks_of(self.vector)]

    @property
    def root(self) -> bytes:
        return keccak(b"".join(self.chunk_hashes))

    def submission(self, chunk: int | None = None) -> dict[str, Any]:
        """Return the `Submission` of one chunk, or of the whole vector."""
        return {
            "member": self.operator,
            "salt": self.salt,
            "evidence": self.evidence,
            "signature": self.signature,
            "chunkHashes": self.chunk_hashes,
            "vector": self.vector if chunk is None else chunks_of(self.vector)[chunk],
        }

    def signed(self, round_: int) -> tuple[Any, ...]:
        """Return the report without its vector, for a proof of equivocation."""
        return (round_, self.root, self.evidence, self.signature)


# THE PROTOCOL


class Protocol:
    """Deployed contracts, a settlement token, and a set of operators.

    Attributes:
      operators: in the set's order.
      operator_set: its id.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        operators: int = 3,
        threshold: int | None = None,
        token: str = "Token",
    ) -> None:
        self.chain = chain
        self.oracle = chain.deploy("ScoreOracle", MIN_BOND, CHALLENGE_BOND)
        self.auction = chain.deploy("DataAuction", self.oracle)
        self.factory = chain.deploy("DstFactory", self.auction)
        self.token = chain.deploy(token)
        self.funded: set[str] = {account.address for account in ACCOUNTS}
        people = [person(f"operator {i}") for i in range(operators)]
        self.operators = sorted(people, key=lambda account: int(account.address, 16))
        for operator in self.operators:
            self.fund(operator.address)
            self.ask("register", *public_key(operator), sender=operator.address, value=MIN_BOND)
        majority = operators // 2 + 1
        self.threshold = threshold or majority + (majority + 1) % 2
        members = [operator.address for operator in self.operators]
        created = self.ask("createSet", members, self.threshold)
        self.operator_set: int = created.event("SetCreated").args["operatorSet"]

    def fund(self, address: str) -> str:
        """Give an address ether once; return it."""
        if address not in self.funded:
            self.chain.set_balance(address, 1000 * ETHER)
            self.funded.add(address)
        return address

    def do(self, function: str, *args: Any, sender: str = "", value: int = 0) -> Receipt:
        """Send a transaction to the auction contract."""
        return self.chain.transact(self.auction, function, *args, sender=sender, value=value)

    def ask(self, function: str, *args: Any, sender: str = "", value: int = 0) -> Receipt:
        """Send a transaction to the oracle contract."""
        return self.chain.transact(self.oracle, function, *args, sender=sender, value=value)

    def through(self, wallet: Contract, function: str, *args: Any, value: int = 0) -> Receipt:
        """Send a transaction to the auction contract by way of a `Wallet`."""
        data = encode_call(self.auction, function, *args)
        call = (self.auction, value, data)
        return self.chain.transact(wallet, "execute", *call, value=value)

    def view(self, function: str, *args: Any) -> Any:
        """Call a view of the auction contract."""
        return self.chain.call(self.auction, function, *args)

    def held(self, address: str | Contract) -> int:
        """Return the settlement tokens that an address holds."""
        held: int = self.chain.call(self.token, "balanceOf", address)
        return held

    def terms(self, **changes: Any) -> dict[str, Any]:
        """Return valid terms with changes; `durations` and `dst` may be partial."""
        durations = DURATIONS | changes.pop("durations", {})
        dst = NO_DST | changes.pop("dst", {})
        return {
            "token": self.token.address,
            "budget": 1_000_000,
            "pool": 0,
            "rho": PPB,
            "tranche": 0,
            "weights": weights(),
            "bondGwei": BOND_GWEI,
            "maxBids": 10_000,
            "enrolment": False,
            "operatorSet": self.operator_set,
            "metricVersion": keccak(text="metric"),
            "evaluation": keccak(text="evaluation"),
            "durations": durations,
            "dst": dst,
        } | changes

    def key(self, buyer: str = BUYER.address, name: str = "buyer's key") -> dict[str, Any]:
        """Return a buyer's encryption key with its proof of possession."""
        owner = person(name)
        x, y = public_key(owner)
        struct = struct_hash(KEY_TYPE, buyer, x, y)
        digest = typed_digest(AUCTION_DOMAIN, self.auction.address, struct)
        return {"x": x, "y": y, "signature": sign(owner, digest)}

    def create(self, *, bounty: int = 0, buyer: str = BUYER.address, **changes: Any) -> Auction:
        """Create an auction; the buyer gets and approves the budget first."""
        terms = self.terms(**changes)
        if terms["budget"]:
            self.chain.transact(self.token, "mint", buyer, terms["budget"], sender=buyer)
            self.chain.transact(self.token, "approve", self.auction, terms["budget"], sender=buyer)
        receipt = self.do("create", terms, self.key(buyer), sender=buyer, value=bounty)
        event = receipt.event("AuctionCreated")
        return Auction(self, event.args["auction"], terms, self.chain.time, buyer, receipt)

    def crowd(self, bids: int, **changes: Any) -> Auction:
        """Create an auction without bonds and commit so many bids of one owner."""
        auction = self.create(bondGwei=0, **changes)
        for _ in range(bids):
            auction.commit(0, person("crowd").address)
        return auction

    def lead(
        self,
        phase: str,
        costs: Sequence[int] = (100_000, 200_000, 900_000),
        scores: Sequence[Score] = (),
        **changes: Any,
    ) -> Auction:
        """Create an auction and lead it to the first second of a phase by the short path.

        Bids are committed before `score`, scored before `reveal`, revealed before `settle`, settled
        before `deliver`; the winners deliver before `verdict`, and `claim` is past it. With the
        default bids and equal scores the first two win and the third loses.
        """
        auction = self.create(**changes)
        for cost in costs:
            auction.commit(cost)
        steps = ("score", "reveal", "settle", "deliver", "verdict", "claim")
        for step in steps[: steps.index(phase) + 1]:
            if step == "reveal":
                auction.score(scores or [Score()] * len(costs))
            elif step == "settle":
                for index in range(len(costs)):
                    auction.reveal(index)
            elif step == "deliver":
                auction.settle()
            elif step == "verdict":
                for index in auction.winners():
                    auction.deliver(index)
            if step != "deliver":
                auction.go(step)
        return auction


@dataclass
class Entry:
    """What a provider knows about one commitment."""

    index: int
    owner: str
    payer: str
    cost: int
    salt: bytes
    sealed: bytes


@dataclass
class Auction:
    """One auction, and what all its participants know together."""

    protocol: Protocol
    id: int
    terms: dict[str, Any]
    created: int
    buyer: str
    receipt: Receipt
    entries: dict[int, Entry] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)

    # TIME

    def starts(self) -> dict[str, int]:
        """Return the first second of every phase, of round 2 and its windows, and of claims."""
        d = self.terms["durations"]
        t, out = self.created, {}
        steps = [
            ("commit", d["commit"]),
            ("score", d["scoreCommit"]),
            ("open", d["scoreOpen"]),
            ("post", d["scorePost"]),
            ("challenge", d["challenge"]),
            ("score2", d["scoreCommit"]),
            ("open2", d["scoreOpen"]),
            ("post2", d["scorePost"]),
            ("reveal", d["reveal"]),
            ("settle", d["settle"]),
            ("deliver_late", d["deliver"]),
            ("verdict", d["verdict"]),
        ]
        for name, length in steps:
            out[name] = t
            t += length
        out["claim"] = t
        return out

    def go(self, phase: str, offset: int = 0) -> Auction:
        """Move the clock to a phase's first second, or some seconds from it."""
        self.protocol.chain.time = self.starts()[phase] + offset
        return self

    # PROVIDERS

    def seal(self, owner: str, cost: int, salt: bytes) -> bytes:
        """Return the sealed bid."""
        return keccak(
            encode(
                ["uint256", "address", "uint256", "address", "uint256", "bytes32"],
                [CHAIN_ID, self.protocol.auction.address, self.id, owner, cost, salt],
            )
        )

    def data_set(self, label: str = "data") -> dict[str, Any]:
        """Return a data set's descriptor."""
        return {"cid": keccak(text=label), "contentDigest": keccak(text=label + "!"), "size": 4096}

    @property
    def bond(self) -> int:
        bond: int = self.terms["bondGwei"] * GWEI
        return bond

    def entry(self, owner: str, cost: int, payer: str | None = None) -> Entry:
        """Return a new entry that is not on chain yet; its index is the next one."""
        index = len(self.entries)
        salt = ZERO if self.terms["enrolment"] else keccak(text=f"salt {self.id} {index}")
        cost = 0 if self.terms["enrolment"] else cost
        return Entry(index, owner, payer or owner, cost, salt, self.seal(owner, cost, salt))

    def commit(self, cost: int = 0, owner: str | None = None) -> Entry:
        """Commit a bid of `owner`, by default somebody new."""
        owner = owner or person(f"provider {len(self.entries)}").address
        entry = self.entry(self.protocol.fund(owner), cost)
        args = (self.id, entry.sealed, self.data_set())
        receipt = self.protocol.do("commit", *args, sender=owner, value=self.bond)
        assert receipt.event("Committed").args["index"] == entry.index
        self.entries[entry.index] = entry
        return entry

    def commit_for(
        self,
        owner: str,
        signer: LocalAccount,
        cost: int = 0,
        *,
        payer: str = RELAYER.address,
        nonce: int = 0,
        deadline: int = 2**40,
    ) -> Entry:
        """Relay a signed commitment."""
        entry = self.entry(owner, cost, payer)
        signature = self.sign_commit(signer, entry, nonce, deadline)
        args = (self.id, entry.sealed, self.data_set(), owner, deadline, signature)
        self.protocol.do("commitFor", *args, sender=payer, value=self.bond)
        self.entries[entry.index] = entry
        return entry

    def sign_commit(
        self, signer: LocalAccount, entry: Entry, nonce: int = 0, deadline: int = 2**40
    ) -> bytes:
        """Sign a commitment that somebody else will submit."""
        struct = struct_hash(
            COMMIT_TYPE,
            self.id,
            entry.sealed,
            *self.data_set().values(),
            entry.payer,
            nonce,
            deadline,
        )
        return sign(signer, typed_digest(AUCTION_DOMAIN, self.protocol.auction.address, struct))

    def recommit(self, index: int, cost: int) -> Entry:
        """Replace a commitment."""
        old = self.entries[index]
        entry = self.entry(old.owner, cost, old.payer)
        args = (self.id, index, old.sealed, old.payer, entry.sealed, self.data_set("new"))
        self.protocol.do("recommit", *args, sender=old.owner)
        self.entries[entry.index] = entry
        return entry

    def withdraw(self, index: int) -> Receipt:
        """Take a commitment back."""
        entry = self.entries[index]
        args = (self.id, index, entry.sealed, entry.payer)
        return self.protocol.do("withdraw", *args, sender=entry.owner)

    def reveal(self, index: int, sender: str = "") -> Receipt:
        """Open a bid."""
        e = self.entries[index]
        args = (self.id, index, e.cost, e.salt, e.owner, e.payer)
        return self.protocol.do("reveal", *args, sender=sender or e.owner)

    def deliver(self, index: int, key: bytes = b"wrapped") -> Receipt:
        """Post a wrapped key."""
        e = self.entries[index]
        return self.protocol.do("deliver", self.id, index, e.payer, key, sender=e.owner)

    def claim(self, index: int, parts: int = 7, sender: str = "") -> Receipt:
        """Claim what is due to a bid; anyone may."""
        e = self.entries[index]
        args = (self.id, index, e.owner, e.payer, parts)
        return self.protocol.do("claim", *args, sender=sender)

    def reclaim(self, index: int) -> Receipt:
        """Get the bond of an unrevealed bid back after an abort."""
        e = self.entries[index]
        return self.protocol.do("reclaim", self.id, index, e.sealed, e.owner, e.payer)

    # OPERATORS

    def report(self, operator: int, scores: Sequence[Score], round_: int = 1) -> Report:
        """Sign a vector."""
        label = f"{self.id} {round_} {operator}"
        unsigned = Report(
            operator, pack(scores), keccak(text=label), keccak(text="s" + label), b"", b""
        )
        digest = typed_digest(
            ORACLE_DOMAIN,
            self.protocol.oracle.address,
            struct_hash(
                REPORT_TYPE,
                self.protocol.auction.address,
                self.id,
                round_,
                self.terms["metricVersion"],
                unsigned.root,
                unsigned.evidence,
            ),
        )
        signature = sign(self.protocol.operators[operator], digest)
        return unsigned._replace(signature=signature, digest=digest)

    def ask(self, function: str, *args: Any, sender: str = "", value: int = 0) -> Receipt:
        """Send a transaction about this auction to the oracle."""
        auction = self.protocol.auction
        return self.protocol.ask(function, auction, self.id, *args, sender=sender, value=value)

    def commit_vector(self, report: Report) -> Receipt:
        """Commit to a report."""
        operator = self.protocol.operators[report.operator].address
        commitment = keccak(
            encode(["bytes32", "address", "bytes32"], [report.digest, operator, report.salt])
        )
        return self.ask("commitVector", report.operator, commitment, sender=operator)

    def publish(self, report: Report) -> Receipt:
        """Publish a vector; anyone who has it may."""
        return self.ask("publishVector", report.submission())

    def post(self, reports: Sequence[Report]) -> Receipt:
        """Post all chunks; return the last receipt."""
        for chunk in range(len(chunks_of(reports[0].vector))):
            receipt = self.ask("postScores", chunk, [r.submission(chunk) for r in reports])
        return receipt

    def score(self, *vectors: Sequence[Score], round_: int = 1) -> list[Report]:
        """Lead a scoring round by the short path; one vector for all, or one an operator."""
        suffix = "" if round_ == 1 else "2"
        count = len(self.protocol.operators)
        every = vectors if len(vectors) > 1 else vectors * count
        reports = [self.report(i, vector, round_) for i, vector in enumerate(every)]
        self.go("score" + suffix)
        for report in reports:
            self.commit_vector(report)
        self.go("open" + suffix)
        self.post(reports)
        self.scores = list(vectors[0])
        return reports

    def verdict(self, indices: Sequence[int], members: Sequence[int]) -> Receipt:
        """Enter a verdict on non-delivery."""
        struct = struct_hash(VERDICT_TYPE, self.protocol.auction.address, self.id, list(indices))
        digest = typed_digest(ORACLE_DOMAIN, self.protocol.oracle.address, struct)
        signatures = [sign(self.protocol.operators[member], digest) for member in members]
        return self.protocol.do("enterVerdict", self.id, list(indices), list(members), signatures)

    # SETTLEMENT

    @property
    def beta(self) -> int:
        beta: int = self.receipt.event("AuctionCreated").args["beta"]
        return beta

    @property
    def tranche(self) -> Fraction:
        return Fraction(self.terms["tranche"], PPB)

    def slots(self) -> list[int]:
        """Return the packed bids."""
        count = self.protocol.view("bidCount", self.id)
        return list(self.protocol.view("bids", self.id, 0, count))

    def tag(self, index: int) -> int:
        """Return the tag of a revealed bid."""
        entry, auction = self.entries[index], self.protocol.auction.address
        words = [CHAIN_ID, auction, self.id, index, entry.owner, entry.payer]
        kinds = ["uint256", "address", "uint256", "uint256", "address", "address"]
        return int.from_bytes(keccak(encode(kinds, words))[:13], "big")

    def overwrite(self, bids: Iterable[Bid]) -> None:
        """Put revealed bids into the slots: scores reach few weights only.

        By the rule of `reveal`: a bid that is dearer than β keeps neither cost nor weight.
        """
        chain = self.protocol.chain
        assert isinstance(chain, Revm)
        address, first = self.protocol.auction.address, self.slots()[0]
        (root,) = (
            slot
            for slot in (bids_slot(self.id, position) for position in range(32))
            if chain.storage(address, slot) == first
        )
        for bid in bids:
            stands = bid.cost <= self.beta
            word = self.tag(bid.index) << 152 | REVEALED | (FLAGGED if bid.flagged else 0)
            if stands:
                word |= bid.cost << 72 | bid.weight << 8
            chain.set_storage(address, root + bid.index, word)

    def bids(self) -> list[Bid]:
        """Return the revealed bids; weight 0 for those that take no part."""
        return [
            Bid(i, slot >> 72 & 2**80 - 1, slot >> 8 & 2**64 - 1, bool(slot & FLAGGED))
            for i, slot in enumerate(self.slots())
            if slot & REVEALED
        ]

    def proposal(self) -> tuple[int, int, int]:
        """Return the right proposal."""
        return marginals(propose(self.bids(), beta=self.beta, tranche=self.tranche))

    def settle(self, count: int = NONE, sender: str = SETTLER.address) -> Receipt:
        """Settle by the right proposal; return the last receipt."""
        proposal = self.proposal()
        while True:
            receipt = self.protocol.do("settle", self.id, proposal, count, sender=sender)
            if receipt.events("Settled"):
                return receipt

    def winners(self) -> list[int]:
        """Return the winners, by the model."""
        cleared = clear(
            self.bids(),
            budget=self.terms["budget"],
            pool=self.terms["pool"],
            rho=Fraction(self.terms["rho"], PPB),
            tranche=self.tranche,
        )
        return sorted(cleared.winners)

    def mut(self) -> Contract:
        """Return the revenue-share token."""
        return self.protocol.chain.at("MutToken", self.protocol.view("mutToken", self.id))

    # PARTICIPATION TOKENS

    def dst(self) -> Contract:
        """Return the participation token, created if it was not."""
        chain, factory = self.protocol.chain, self.protocol.factory
        token = chain.at("DstToken", chain.call(factory, "tokenOf", self.id))
        if not chain.code(token.address):
            chain.transact(factory, "create", self.id, self.terms["dst"])
        return token

    def dst_shares(self) -> tuple[dict[int, int], dict[str, int]]:
        """Return the share of every delivered bid, and the proposal that proves them."""
        delivered = [i for i, slot in enumerate(self.slots()) if slot & DELIVERED]
        return dst_proposal({i: self.scores[i] for i in delivered}, **self.terms["dst"])


def bids_slot(auction: int, position: int) -> int:
    """Where an auction's bids start, if the mapping is at `position` in the contract's layout."""
    return int.from_bytes(keccak(encode(["uint256", "uint256"], [auction, position])), "big")


def marginals(proposal: Proposal) -> tuple[int, int, int]:
    """Return a proposal as the contract takes it."""
    first, second, third = (NONE if index is None else index for index in proposal)
    return first, second, third


def dst_proposal(
    scores: dict[int, Score],
    *,
    supply: int,
    floor: int,
    cap: int,
    volumeWeight: int,
    qualityWeight: int,
    impactWeight: int,
) -> tuple[dict[int, int], dict[str, int]]:
    """Return the shares by index, and the `Proposal` of IDstToken that proves them."""
    volume, quality, impact = (
        [getattr(score, name) for score in scores.values()] for name in ("volume", "q", "phi")
    )
    fractions = dst_scores(
        volume,
        quality,
        impact,
        alpha=Fraction(volumeWeight, PPB),
        beta=Fraction(qualityWeight, PPB),
        gamma=Fraction(impactWeight, PPB),
    )
    allocation = allocate(fractions, supply=supply, floor=floor, cap=cap)
    sums = sum(volume), sum(quality), sum(impact)
    v, q, g = (total or 1 for total in sums)
    level = allocation.level / (PPB * v * q * g)
    tie, remainder = NONE, 0
    if allocation.marginal is not None:
        tie = list(scores)[allocation.marginal]
        share = allocation.level * fractions[allocation.marginal]
        # Over levelDen, as the contract divides.
        remainder = int((share % 1) * level.denominator)
    proposal = {
        "volumeSum": sums[0],
        "qualitySum": sums[1],
        "impactSum": sums[2],
        "count": len(scores),
        "levelNum": level.numerator,
        "levelDen": level.denominator,
        "tieRemainder": remainder,
        "tieIndex": tie,
    }
    return dict(zip(scores, allocation.shares, strict=True)), proposal
