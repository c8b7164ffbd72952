"""The whole protocol driven from a test: deploy it, then lead an auction from phase to phase.

Typed data, packed scores, masks of keys and proposals are made here from their descriptions in
docs/protocol.md, not by the contracts' own view functions, so that both sides are checked against
each other.
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
from tests.support.discrete_log import Point, multiply, prove
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
NOBODY = "0x" + "00" * 20
ZERO = bytes(32)
WEEK = 7 * 86_400

DEPLOYER, BUYER, RELAYER, SETTLER, CHALLENGER = ACCOUNTS[:5]
MIN_STAKE = ETHER // 2
DRAW, LEAST_PROVIDER_WINDOW, LEAST_OPERATOR_WINDOW = 12, 20, 5
DEPOSIT = 100 * ETHER  # Credit of each operator at the start.

OPEN, SETTLED, ABORTED = range(3)
COMMITTED, REVEALED, FLAGGED, DELIVERED = 1, 2, 4, 8
OUT, CASH_PAID, MUT_PAID, BOND_PAID = 16, 32, 64, 128
STRUCK = OUT | CASH_PAID | MUT_PAID | BOND_PAID
CASH, MUT, BOND = 1, 2, 4
PRESENT, UNDERSERVED = 1, 2
SILENT, UNAVAILABLE, REFUTED, UNREADABLE = range(4)  # Grounds on which winners are struck out.

DURATIONS = {
    "commit": 100,
    "open": 80,
    "roll": 20,
    "scoreCommit": 10,
    "scoreOpen": 20,
    "scorePost": 30,
    "challenge": 40,
    "reveal": 100,
    "settle": 200,
    "fetch": 60,
    "deliver": 300,
    "dispute": 400,
}
#: The phases through which `Auction.to` leads, each with its usual course.
PHASES: tuple[str, ...] = (
    "commit",
    "open",
    "roll",
    "score",
    "challenge",
    "reveal",
    "settle",
    "fetch",
    "deliver",
)
PHASES += ("dispute", "claim")
SCORING = {
    "operatorSet": 1,
    "samples": 8,
    "qMin": 100,
    "stakeGwei": 10**9,
    "feeGwei": 3 * 10**6,
    "entryFeeGwei": 10**5,
    "appealFeeGwei": 6 * 10**6,
    "fetchFeeGwei": 10**4,
    "metricVersion": keccak(text="metric"),
    "evaluation": keccak(text="evaluation"),
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
    flags: int = PRESENT

    def packed(self) -> bytes:
        """Return its eight bytes."""
        word = self.volume | self.phi << 32 | self.q << 46 | self.flags << 60
        return word.to_bytes(8, "big")

    @classmethod
    def unpack(cls, data: bytes) -> Score:
        """Return the score that eight bytes mean."""
        word = int.from_bytes(data, "big")
        return cls(word & 0xFFFFFFFF, word >> 32 & 0x3FFF, word >> 46 & 0x3FFF, word >> 60)


#: What stands where an index is not on the roll.
ABSENT = Score(0, 0, 0, 0)


def pack(scores: Iterable[Score]) -> bytes:
    """Return a vector of scores."""
    return b"".join(score.packed() for score in scores)


def chunks_of(vector: bytes) -> list[bytes]:
    """Return a vector's chunks."""
    size = CHUNK * 8
    return [vector[i : i + size] for i in range(0, len(vector), size)]


def bitmap(indices: Iterable[int], count: int) -> list[int]:
    """Return a roll's words: index i is bit `i % 256` of word `i // 256`."""
    words = [0] * -(-count // 256)
    for index in indices:
        words[index // 256] |= 1 << index % 256
    return words


# TYPED DATA


def typed_digest(name: str, contract: str, struct: bytes) -> bytes:
    """EIP-712 digest of a struct hash, in the domain of one of the contracts."""
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    words = [keccak(text=kind), keccak(text=name), keccak(text="1"), CHAIN_ID, contract]
    domain = keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], words))
    return keccak(b"\x19\x01" + domain + struct)


def struct_hash(type_: str, *values: Any) -> bytes:
    """EIP-712 hash of a struct with atomic members."""
    kinds = [member.split()[0] for member in type_.partition("(")[2][:-1].split(",")]
    return keccak(encode(["bytes32", *kinds], [keccak(text=type_), *values]))


COMMIT_TYPE = (
    "Commit(uint256 auctionId,bytes32 sealedBid,bytes32 manifest,bytes32 contentDigest,uint64 size,"
    "bytes32 keyCommitment,bytes32 agreement,address payer,uint256 nonce,uint256 deadline)"
)
OPENING_TYPE = "Opening(uint256 auctionId,uint256 index,bytes32 opening)"
KEY_TYPE = "EncryptionKey(address owner,bytes32 x,bytes32 y)"
DELIVERY_TYPE = "Delivery(uint256 auctionId,uint256 index,bytes32 wrapped,bytes32 x,bytes32 y)"
REPORT_TYPE = (
    "Report(address auction,uint256 auctionId,uint8 round,bytes32 metricVersion,bytes32 root,"
    "bytes32 evidence)"
)
VERDICT_TYPE = "NonDelivery(address auction,uint256 auctionId,uint256 index,uint8 ground)"
AUCTION_DOMAIN = "Q-MIA DataAuction"
ORACLE_DOMAIN = "Q-MIA ScoreOracle"
EXCHANGE_DOMAIN = "Q-MIA Exchange"


@functools.lru_cache(maxsize=100_000)
def sign(account: LocalAccount, digest: bytes) -> bytes:
    """Sign a digest."""
    return bytes(account.unsafe_sign_hash(Hash32(digest)).signature)


def public_key(account: LocalAccount) -> tuple[bytes, bytes]:
    """Return an account's key as the coordinates of a point."""
    point = PrivateKey(bytes(account.key)).public_key.to_bytes()
    return point[:32], point[32:]


def point_of(account: LocalAccount) -> Point:
    """Return an account's key as a point."""
    x, y = public_key(account)
    return int.from_bytes(x, "big"), int.from_bytes(y, "big")


@functools.cache
def shared_point(account: LocalAccount, other: Point) -> Point:
    """Return the Diffie-Hellman point of one account's secret and another's key."""
    return multiply(int.from_bytes(bytes(account.key), "big"), other)


class Report(NamedTuple):
    """An operator's whole vector, as it was committed to."""

    member: int
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
            "member": self.member,
            "salt": self.salt,
            "evidence": self.evidence,
            "signature": self.signature,
            "chunkHashes": self.chunk_hashes,
            "vector": self.vector if chunk is None else chunks_of(self.vector)[chunk],
        }

    def signed(self, round_: int) -> tuple[Any, ...]:
        """Return the report without its vector, for a proof of contradiction."""
        return (round_, self.root, self.evidence, self.signature)


class Delivery(NamedTuple):
    """A data key wrapped for the buyer, and the account of its ephemeral point."""

    wrapped: bytes
    ephemeral: LocalAccount

    @property
    def words(self) -> tuple[bytes, bytes, bytes]:
        """As the contract takes it."""
        return (self.wrapped, *public_key(self.ephemeral))


# THE PROTOCOL


class Protocol:
    """Deployed contracts, a settlement token, and a set of operators.

    Attributes:
      first, appeal: operators of the two panels, in the set's order.
      operator_set: the set's id.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        first: int = 3,
        appeal: int = 1,
        threshold: int | None = None,
        token: str = "Token",
    ) -> None:
        self.chain = chain
        self.oracle = chain.deploy("ScoreOracle", MIN_STAKE, LEAST_OPERATOR_WINDOW)
        windows = (DRAW, LEAST_PROVIDER_WINDOW, LEAST_OPERATOR_WINDOW)
        self.auction = chain.deploy("DataAuction", self.oracle, *windows)
        self.exchange = chain.at("Exchange", self.view("EXCHANGE"))
        self.factory = chain.deploy("DstFactory", self.auction)
        self.token = chain.deploy(token)
        self.funded: set[str] = {account.address for account in ACCOUNTS}
        people = [person(f"operator {i}") for i in range(first + appeal)]
        self.first, self.appeal = by_address(people[:first]), by_address(people[first:])
        for operator in self.operators:
            self.register(operator)
        self.operator_set = self.propose(self.first, self.appeal, threshold)
        for position, operator in enumerate(self.operators):
            self.ask("acceptSet", self.operator_set, position, sender=operator.address)

    @property
    def operators(self) -> list[LocalAccount]:
        """The members of both panels, in the order of their positions in the set."""
        return [*self.first, *self.appeal]

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

    def trade(self, function: str, *args: Any, sender: str = "", value: int = 0) -> Receipt:
        """Send a transaction to the exchange contract."""
        return self.chain.transact(self.exchange, function, *args, sender=sender, value=value)

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

    # OPERATORS

    def credit(self, address: str) -> int:
        """Return the ether that an account can withdraw from the oracle or stake."""
        credit: int = self.chain.call(self.oracle, "credit", address)
        return credit

    def register(self, operator: LocalAccount, *, deposit: int = DEPOSIT) -> None:
        """Register an operator under its own key, with some credit."""
        address = self.fund(operator.address)
        key = public_key(operator)
        struct = struct_hash(KEY_TYPE, address, *key)
        signature = sign(operator, typed_digest(ORACLE_DOMAIN, self.oracle.address, struct))
        self.ask("register", *key, signature, sender=address)
        if deposit:
            self.ask("deposit", address, sender=address, value=deposit)

    def propose(
        self,
        first: Sequence[LocalAccount],
        appeal: Sequence[LocalAccount] = (),
        threshold: int | None = None,
    ) -> int:
        """Propose a set; return its id. The thresholds are the least unless one is given."""
        panels = [
            (threshold or least_threshold(len(panel)), [member.address for member in panel])
            for panel in (first, appeal)
        ]
        if not appeal:
            panels[1] = (0, [])
        proposed: int = self.ask("proposeSet", *panels).event("SetProposed").args["operatorSet"]
        return proposed

    # AUCTIONS

    def terms(self, **changes: Any) -> dict[str, Any]:
        """Return valid terms with changes.

        Fields of `scoring` may be changed by their own names; `durations` and `dst` may be partial.
        Without an appeal panel there is no challenge.
        """
        durations = DURATIONS | ({} if self.appeal else {"challenge": 0})
        scoring = SCORING | {"operatorSet": self.operator_set}
        scoring |= {name: changes.pop(name) for name in SCORING if name in changes}
        return {
            "token": self.token.address,
            "budget": 1_000_000,
            "pool": 0,
            "rho": PPB,
            "tranche": 0,
            "weights": weights(),
            "bondGwei": 10**7,
            "maxBids": 10_000,
            "enrolment": False,
            "agreement": keccak(text="agreement"),
            "scoring": scoring,
            "durations": durations | changes.pop("durations", {}),
            "dst": NO_DST | changes.pop("dst", {}),
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
        value = terms["scoring"]["feeGwei"] * GWEI + bounty
        receipt = self.do("create", terms, self.key(buyer), sender=buyer, value=value)
        event = receipt.event("AuctionCreated")
        return Auction(self, event.args["auctionId"], terms, self.chain.time, buyer, receipt)

    def crowd(self, bids: int, **changes: Any) -> Auction:
        """Create an auction without bonds and fees and commit so many bids of one owner."""
        auction = self.create(**{"bondGwei": 0, "entryFeeGwei": 0} | changes)
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
        """Create an auction, commit bids of these costs, and lead it to a phase by `Auction.to`.

        With the default bids and equal scores the first two win and the third loses.
        """
        auction = self.create(**changes)
        for cost in costs:
            auction.commit(cost)
        auction.scores = list(scores)
        return auction.to(phase)


def by_address(people: Iterable[LocalAccount]) -> list[LocalAccount]:
    """Return accounts in the order that a panel wants."""
    return sorted(people, key=lambda account: int(account.address, 16))


def least_threshold(members: int) -> int:
    """Return the least threshold that a panel may have: odd, more than half."""
    majority = members // 2 + 1
    return majority + (majority + 1) % 2


@dataclass
class Entry:
    """What a provider knows about one commitment."""

    index: int
    owner: str
    payer: str
    cost: int
    salt: bytes
    sealed: bytes
    data_key: bytes
    data_set: dict[str, Any]
    withdrawn: bool = False

    @property
    def place(self) -> dict[str, Any]:
        """The `Place` that names it in later calls."""
        kinds = ["bytes32", "bytes32", "uint64", "bytes32"]
        digest = keccak(encode(kinds, list(self.data_set.values())))
        return {
            "index": self.index,
            "owner": self.owner,
            "payer": self.payer,
            "dataSet": digest,
        }


@dataclass
class Auction:
    """One auction, and what all its participants know together.

    Attributes:
      entries: commitments on chain, by index.
      scores: the honest scores; by default everybody's are full.
    """

    protocol: Protocol
    id: int
    terms: dict[str, Any]
    created: int
    buyer: str
    receipt: Receipt
    entries: dict[int, Entry] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    _costs: dict[int, int] = field(default_factory=dict)

    # TIME

    def starts(self) -> dict[str, int]:
        """Return the first second of every phase and of the windows within."""
        d = self.terms["durations"]
        again = [d["scoreCommit"], d["scoreOpen"], d["scorePost"]] if d["challenge"] else [0, 0, 0]
        t, out = self.created, {}
        for name, length in [
            ("commit", d["commit"]),
            ("draw", DRAW),
            ("open", d["open"]),
            ("roll", d["roll"]),
            ("score", d["scoreCommit"]),
            ("score_open", d["scoreOpen"]),
            ("score_post", d["scorePost"]),
            ("challenge", d["challenge"]),
            ("appeal", again[0]),
            ("appeal_open", again[1]),
            ("appeal_post", again[2]),
            ("reveal", d["reveal"]),
            ("settle", d["settle"]),
            ("fetch", d["fetch"]),
            ("deliver", d["deliver"]),
            ("dispute", d["dispute"]),
        ]:
            out[name] = t
            t += length
        out["claim"] = t
        # The second halves, in which verdicts are due.
        out["fetch_verdict"] = (out["fetch"] + out["deliver"]) // 2
        out["dispute_verdict"] = (out["dispute"] + out["claim"]) // 2
        return out

    def go(self, phase: str, offset: int = 0) -> Auction:
        """Move the clock to a phase's first second, or some seconds from it, and nothing else."""
        self.protocol.chain.time = self.starts()[phase] + offset
        return self

    def to(self, phase: str) -> Auction:
        """Lead the auction to a phase's first second by its usual course: everybody is honest.

        What has been done already is left as it is.
        """
        starts = self.starts()
        for name in PHASES:
            if starts[name] >= starts[phase]:
                break
            if name == "challenge" and not self.terms["durations"]["challenge"]:
                continue
            following = [starts[each] for each in PHASES if starts[each] > starts[name]]
            if self.protocol.chain.time < min(following):
                self.protocol.chain.time = max(self.protocol.chain.time, starts[name])
                getattr(self, f"_{name}_phase")()
        return self.go(phase)

    def _commit_phase(self) -> None:
        pass

    def _open_phase(self) -> None:
        for index, entry in self.entries.items():
            if not entry.withdrawn:
                self.open(index)

    def _roll_phase(self) -> None:
        callers, _ = self.roll_of()
        for member in range(len(self.attesting)):
            if not callers >> member & 1:
                self.call_roll(member)

    def _score_phase(self) -> None:
        if not self.rounds()[0].complete and self.entries:
            self.score(self.scores)

    def _challenge_phase(self) -> None:
        pass

    def _reveal_phase(self) -> None:
        if self.challenger() != NOBODY and not self.standing():
            self.ask("resolve")
        for index, slot in enumerate(self.slots()):
            if not slot & REVEALED and not self.entries[index].withdrawn:
                self.reveal(index)

    def _settle_phase(self) -> None:
        if self.state() == OPEN:
            self.settle()

    def _fetch_phase(self) -> None:
        pass

    def _deliver_phase(self) -> None:
        for index in self.winners():
            if not self.slots()[index] & (DELIVERED | OUT):
                self.deliver(index)

    def _dispute_phase(self) -> None:
        pass

    # PROVIDERS

    def seal(self, owner: str, cost: int, salt: bytes) -> bytes:
        """Return the sealed bid."""
        words = [CHAIN_ID, self.protocol.auction.address, self.id, owner, cost, salt]
        return keccak(
            encode(["uint256", "address", "uint256", "address", "uint256", "bytes32"], words)
        )

    @property
    def bond(self) -> int:
        """Wei."""
        bond: int = self.terms["bondGwei"] * GWEI
        return bond

    @property
    def entry_fee(self) -> int:
        """Wei."""
        fee: int = self.terms["scoring"]["entryFeeGwei"] * GWEI
        return fee

    @property
    def deposit(self) -> int:
        """What a commitment pays: bond and entry fee, in wei."""
        return self.bond + self.entry_fee

    def entry(self, owner: str, cost: int, payer: str | None = None) -> Entry:
        """Return a new entry that is not on chain yet; its index is the next one."""
        index = len(self.entries)
        label = f"{self.id} {index}"
        salt = ZERO if self.terms["enrolment"] else keccak(text=f"salt {label}")
        cost = 0 if self.terms["enrolment"] else cost
        data_key = keccak(text=f"data key {label}")
        data_set = {
            "manifest": keccak(text=f"manifest {label}"),
            "contentDigest": keccak(text=f"content {label}"),
            "size": 4096 + index,
            "keyCommitment": keccak(data_key),
        }
        sealed = self.seal(owner, cost, salt)
        return Entry(index, owner, payer or owner, cost, salt, sealed, data_key, data_set)

    def commit(self, cost: int = 0, owner: str | None = None) -> Entry:
        """Commit a bid of `owner`, by default somebody new."""
        owner = owner or person(f"provider {len(self.entries)}").address
        entry = self.entry(self.protocol.fund(owner), cost)
        args = (self.id, entry.sealed, entry.data_set, self.terms["agreement"])
        receipt = self.protocol.do("commit", *args, sender=owner, value=self.deposit)
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
        args = (entry.sealed, entry.data_set, self.terms["agreement"], owner, deadline, signature)
        self.protocol.do("commitFor", self.id, *args, sender=payer, value=self.deposit)
        self.entries[entry.index] = entry
        return entry

    def sign_commit(
        self, signer: LocalAccount, entry: Entry, nonce: int = 0, deadline: int = 2**40
    ) -> bytes:
        """Sign a commitment that somebody else will submit."""
        words = (self.id, entry.sealed, *entry.data_set.values(), self.terms["agreement"])
        struct = struct_hash(COMMIT_TYPE, *words, entry.payer, nonce, deadline)
        return sign(signer, typed_digest(AUCTION_DOMAIN, self.protocol.auction.address, struct))

    def withdraw(self, index: int, sender: str = "") -> Receipt:
        """Take a commitment back."""
        e = self.entries[index]
        receipt = self.protocol.do(
            "withdrawBid", self.id, e.sealed, e.place, sender=sender or e.owner
        )
        e.withdrawn = True
        return receipt

    @staticmethod
    def opening(index: int) -> bytes:
        """Return the digest of an index's opening."""
        return keccak(text=f"opening {index}")

    def open(self, index: int, sender: str = "") -> Receipt:
        """Record where the opening of a sample is."""
        e = self.entries[index]
        args = (self.id, e.sealed, e.place, self.opening(index))
        return self.protocol.do("open", *args, sender=sender or e.owner)

    def sign_opening(self, signer: LocalAccount, index: int) -> bytes:
        """Sign an opening that somebody else will record."""
        struct = struct_hash(OPENING_TYPE, self.id, index, self.opening(index))
        return sign(signer, typed_digest(AUCTION_DOMAIN, self.protocol.auction.address, struct))

    def open_for(self, index: int, signer: LocalAccount) -> Receipt:
        """Record a signed opening."""
        e = self.entries[index]
        signature = self.sign_opening(signer, index)
        args = (self.id, e.sealed, e.place, self.opening(index), signature)
        return self.protocol.do("openFor", *args)

    def reveal(self, index: int, sender: str = "") -> Receipt:
        """Open a bid."""
        e = self.entries[index]
        args = (self.id, e.place, e.cost, e.salt)
        return self.protocol.do("reveal", *args, sender=sender or e.owner)

    def claim(self, index: int, parts: int = 7, sender: str = "") -> Receipt:
        """Claim what is due to a bid; anyone may."""
        args = (self.id, self.entries[index].place, parts)
        return self.protocol.do("claim", *args, sender=sender)

    def reclaim(self, index: int) -> Receipt:
        """Get the bond of a withdrawn bid back, or after an abort that of any unrevealed one."""
        e = self.entries[index]
        return self.protocol.do("reclaimBond", self.id, e.sealed, e.place)

    # OPERATORS

    def ask(self, function: str, *args: Any, sender: str = "", value: int = 0) -> Receipt:
        """Send a transaction about this auction to the oracle."""
        auction = self.protocol.auction
        return self.protocol.ask(function, auction, self.id, *args, sender=sender, value=value)

    def asked(self, function: str, *args: Any) -> Any:
        """Call a view of the oracle about this auction."""
        chain, oracle = self.protocol.chain, self.protocol.oracle
        return chain.call(oracle, function, self.protocol.auction, self.id, *args)

    def rounds(self) -> Any:
        """Return the masks of both rounds."""
        return self.asked("requestOf")[1]

    def challenger(self) -> str:
        """Return who challenged, or address 0."""
        who: str = self.asked("requestOf")[2]
        return who

    def standing(self) -> int:
        """Return the number of the round that stands, 0 while that is not decided."""
        standing: int = self.asked("requestOf")[3]
        return standing

    def roll_of(self) -> Any:
        """Return the mask of the members that called, and the address of the roll."""
        return self.asked("rollOf")

    def panel(self, round_: int) -> list[LocalAccount]:
        """Return the panel of a round."""
        return self.protocol.first if round_ == 1 else self.protocol.appeal

    @property
    def attesting(self) -> list[LocalAccount]:
        """The panel that calls the roll."""
        return self.protocol.appeal or self.protocol.first

    def call_roll(self, member: int, indices: Iterable[int] | None = None) -> Receipt:
        """Attest indices, by default all that are not withdrawn."""
        if indices is None:
            indices = [index for index, entry in self.entries.items() if not entry.withdrawn]
        words = bitmap(indices, len(self.entries))
        return self.ask("callRoll", member, words, sender=self.attesting[member].address)

    def tally(self, bitmaps: Sequence[Iterable[int]] | None = None) -> Receipt:
        """Count the roll; by default every caller attested all that are not withdrawn."""
        if bitmaps is None:
            all_ = [index for index, entry in self.entries.items() if not entry.withdrawn]
            bitmaps = [all_] * self.roll_of()[0].bit_count()
        return self.ask("tallyRoll", [bitmap(each, len(self.entries)) for each in bitmaps])

    def roll(self, *attested: Iterable[int] | None) -> Auction:
        """Call the whole roll and count it: indices by member, None for a silent one."""
        self.go("roll")
        called = [(i, list(each)) for i, each in enumerate(attested) if each is not None]
        for member, indices in called:
            self.call_roll(member, indices)
        self.go("score")
        self.tally([indices for _, indices in called])
        return self

    def report(self, member: int, scores: Sequence[Score], round_: int = 1) -> Report:
        """Sign a vector."""
        label = f"{self.id} {round_} {member}"
        evidence, salt = keccak(text=label), keccak(text="s" + label)
        unsigned = Report(member, pack(scores), evidence, salt, b"", b"")
        words = (round_, self.terms["scoring"]["metricVersion"], unsigned.root, evidence)
        struct = struct_hash(REPORT_TYPE, self.protocol.auction.address, self.id, *words)
        digest = typed_digest(ORACLE_DOMAIN, self.protocol.oracle.address, struct)
        signature = sign(self.panel(round_)[member], digest)
        return unsigned._replace(signature=signature, digest=digest)

    def commit_vector(self, report: Report, round_: int = 1) -> Receipt:
        """Stake and commit to a report."""
        operator = self.panel(round_)[report.member].address
        words = [report.digest, operator, report.salt]
        commitment = keccak(encode(["bytes32", "address", "bytes32"], words))
        return self.ask("commitVector", report.member, commitment, sender=operator)

    def publish(self, report: Report) -> Receipt:
        """Publish a vector; anyone who has it may."""
        return self.ask("publishVector", report.submission())

    def post(self, reports: Sequence[Report]) -> Receipt:
        """Post all chunks; return the last receipt."""
        for chunk in range(len(chunks_of(reports[0].vector))):
            receipt = self.ask("postScores", chunk, [r.submission(chunk) for r in reports])
        return receipt

    def commit_round(self, *vectors: Sequence[Score] | None, round_: int = 1) -> list[Report]:
        """Commit one vector for all members, or one by member, None for a silent one.

        The roll is called and counted first if it was not. The clock stands where posting begins.
        """
        every = vectors if len(vectors) > 1 else vectors * len(self.panel(round_))
        every = tuple(
            [Score()] * len(self.entries) if vector is not None and not vector else vector
            for vector in every
        )
        if self.roll_of()[1] == NOBODY:
            self.to("roll")
            self._roll_phase()
            self.go("score")
            self.tally()
        reports = [self.report(i, v, round_) for i, v in enumerate(every) if v is not None]
        self.go("score" if round_ == 1 else "appeal")
        for report in reports:
            self.commit_vector(report, round_)
        self.go("score_open" if round_ == 1 else "appeal_open")
        return reports

    def score(self, *vectors: Sequence[Score] | None, round_: int = 1) -> list[Report]:
        """Lead a scoring round by the short path, see `commit_round`."""
        reports = self.commit_round(*vectors, round_=round_)
        self.post(reports)
        if round_ == 1:
            self.scores = list(vectors[0] or self.scores or [Score()] * len(self.entries))
        return reports

    def challenge(self, sender: str = CHALLENGER.address) -> Receipt:
        """Pay for an appeal."""
        value = self.terms["scoring"]["appealFeeGwei"] * GWEI
        return self.go("challenge").ask("challenge", sender=sender, value=value)

    def deviation(self, report: Report, index: int) -> tuple[Any, ...]:
        """Return the arguments that prove a deviation of round one at an index."""
        vector = chunks_of(report.vector)[index // CHUNK]
        proof = (report.evidence, report.signature, report.chunk_hashes, vector)
        return (report.member, index, *proof)

    # SETTLEMENT

    @property
    def beta(self) -> int:
        beta: int = self.receipt.event("AuctionCreated").args["beta"]
        return beta

    @property
    def tranche(self) -> Fraction:
        return Fraction(self.terms["tranche"], PPB)

    def state(self) -> int:
        """Return whether the auction is open, settled or aborted."""
        state: int = self.protocol.view("phases", self.id)[0]
        return state

    def slots(self) -> list[int]:
        """Return the packed bids."""
        count = self.protocol.view("bidCount", self.id)
        return list(self.protocol.view("bids", self.id, 0, count))

    def commitment(self, index: int) -> int:
        """Return the upper 248 bits of an unrevealed bid's slot."""
        e = self.entries[index]
        words = [e.sealed, *e.place.values()]
        kinds = ["bytes32", "uint256", "address", "address", "bytes32"]
        return int.from_bytes(keccak(encode(kinds, words)), "big") & ~0xFF

    def tag(self, index: int) -> int:
        """Return the tag of a revealed bid."""
        words = [CHAIN_ID, self.protocol.auction.address, self.id]
        words += self.entries[index].place.values()
        kinds = ["uint256", "address", "uint256", "uint256", "address", "address", "bytes32"]
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
        bids = []
        for index, slot in enumerate(self.slots()):
            if not slot & REVEALED:
                continue
            # A delivery takes the place of the cost.
            if not slot & (DELIVERED | OUT):
                self._costs[index] = slot >> 72 & 2**80 - 1
            weight, flagged = slot >> 8 & 2**64 - 1, bool(slot & FLAGGED)
            bids.append(Bid(index, self._costs[index], weight, flagged))
        return bids

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

    def withdraw_refund(self, to: str = "", sender: str = "") -> Receipt:
        """Take what is left to the buyer."""
        args = (self.id, to or self.buyer)
        return self.protocol.do("withdrawRefund", *args, sender=sender or self.buyer)

    # EXCHANGE

    @property
    def fetch_fee(self) -> int:
        """Wei for each index that the buyer names."""
        fee: int = self.terms["scoring"]["fetchFeeGwei"] * GWEI
        return fee

    @property
    def buyer_key(self) -> LocalAccount:
        """The account of the buyer's encryption key."""
        return person("buyer's key")

    def context(self, index: int) -> bytes:
        """Return what a mask and a proof are bound to."""
        words = [CHAIN_ID, self.protocol.auction.address, self.id, index]
        return keccak(encode(["uint256", "address", "uint256", "uint256"], words))

    def mask(self, index: int, shared: Point) -> bytes:
        """Return what a data key is added to."""
        return keccak(encode(["uint256", "uint256", "bytes32"], [*shared, self.context(index)]))

    def delivery(
        self, index: int, data_key: bytes | None = None, ephemeral: LocalAccount | None = None
    ) -> Delivery:
        """Wrap a data key for the buyer, by default the right one."""
        ephemeral = ephemeral or person(f"ephemeral {self.id} {index}")
        mask = self.mask(index, shared_point(ephemeral, point_of(self.buyer_key)))
        key = data_key or self.entries[index].data_key
        return Delivery(bytes(a ^ b for a, b in zip(key, mask, strict=True)), ephemeral)

    def delivery_digest(self, index: int, words: tuple[bytes, bytes, bytes]) -> bytes:
        """Return what the ephemeral key signs."""
        struct = struct_hash(DELIVERY_TYPE, self.id, index, *words)
        return typed_digest(EXCHANGE_DOMAIN, self.protocol.exchange.address, struct)

    def deliver(
        self,
        index: int,
        delivery: Delivery | None = None,
        *,
        sender: str = "",
        signer: LocalAccount | None = None,
    ) -> Receipt:
        """Deliver a data key, by default the right one, by the owner or by `signer`'s signature."""
        e, delivery = self.entries[index], delivery or self.delivery(index)
        digest = self.delivery_digest(index, delivery.words)
        own = sign(signer, digest) if signer else b""
        args = (self.id, e.place, delivery.words, sign(delivery.ephemeral, digest), own)
        return self.protocol.trade("deliver", *args, sender=sender or e.owner)

    def proof(
        self,
        index: int,
        delivery: Delivery,
        shared: Point | None = None,
        *,
        beside: bool = False,
    ) -> dict[str, Any]:
        """Prove the shared point of a delivery, or make a false proof of another; see `prove`."""
        secret = int.from_bytes(bytes(self.buyer_key.key), "big")
        point = point_of(delivery.ephemeral)
        return prove(self.context(index), secret, point, 12_345, shared, beside=beside)

    def refute(
        self,
        index: int,
        delivery: Delivery | None = None,
        proof: dict[str, Any] | None = None,
        sender: str = BUYER.address,
    ) -> Receipt:
        """Prove that a delivered key is wrong."""
        e, delivery = self.entries[index], delivery or self.delivery(index)
        proof = proof or self.proof(index, delivery)
        args = (e.place, e.data_set, delivery.words, point_of(self.buyer_key), proof)
        return self.protocol.trade("refute", self.id, *args, sender=sender)

    def name_missing(self, *indices: int, sender: str = "") -> Receipt:
        """Name winners whose ciphertext the buyer cannot get."""
        value = self.fetch_fee * len(indices)
        args = (self.id, list(indices))
        return self.protocol.trade("nameMissing", *args, sender=sender or self.buyer, value=value)

    def complain(self, index: int, sender: str = "") -> Receipt:
        """Complain that a page does not open to what was committed."""
        args = (self.id, index, keccak(text=f"complaint {index}"))
        fee = self.fetch_fee
        return self.protocol.trade("complain", *args, sender=sender or self.buyer, value=fee)

    def verdict(self, index: int, ground: int, members: Sequence[int]) -> Receipt:
        """Strike out a winner by the signatures of members of the standing panel."""
        struct = struct_hash(VERDICT_TYPE, self.protocol.auction.address, self.id, index, ground)
        digest = typed_digest(ORACLE_DOMAIN, self.protocol.oracle.address, struct)
        panel = self.panel(self.standing())
        signatures = [sign(panel[member], digest) for member in members]
        args = (self.id, index, ground, list(members), signatures)
        return self.protocol.trade("submitVerdict", *args)

    def forfeit(self, index: int) -> Receipt:
        """Strike out a winner who delivered nothing."""
        return self.protocol.do("forfeit", self.id, index)

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


def bids_slot(auction_id: int, position: int) -> int:
    """Where an auction's bids start, if the mapping is at `position` in the contract's layout."""
    return int.from_bytes(keccak(encode(["uint256", "uint256"], [auction_id, position])), "big")


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
