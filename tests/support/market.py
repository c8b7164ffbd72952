"""A deployment with three operators on a test node, and people who trade in it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from eth_account import Account
from eth_utils.crypto import keccak
from web3.types import RPCEndpoint

from oracles.chain import artifacts, packing
from oracles.chain.client import Sender
from oracles.chain.deployment import LOCAL, Deployment, deploy
from oracles.chain.oracle import Submission
from oracles.chain.packing import Score
from oracles.chain.signers import LocalSigner
from oracles.chain.state import load_auction
from oracles.chain.terms import DstTerms, Durations, ScoringTerms, Terms, WeightTerms
from oracles.chain.tokens import Dst, Erc20
from oracles.chain.typed_data import key_message, report_message, typed_digest
from oracles.dataset import EncryptionKey
from oracles.evidence import DirectoryStore
from oracles.market.book import BidBook
from oracles.market.provider import Limits, Provider
from oracles.market.settler import WALK, Settler
from oracles.market.shares import water_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from web3 import Web3

    from oracles.chain.state import Commitment
    from oracles.chain.terms import AuctionId
    from tests.support.anvil import Anvil

UNIT = 10**6
ETHER = 10**18
GWEI = 10**9
BOND, ENTRY_FEE, FEE, FETCH_FEE = ETHER // 100, ETHER // 1000, ETHER // 10, ETHER // 1000
WINDOW = 1000
#: That the buyer's tokens and the operators' credit are enough for.
AUCTIONS = 100
#: Seconds of every phase; there is no appeal panel, so no challenge.
DURATIONS = Durations(
    commit=WINDOW,
    open=WINDOW,
    roll=WINDOW,
    score_commit=WINDOW,
    score_open=WINDOW,
    score_post=WINDOW,
    challenge=0,
    reveal=WINDOW,
    settle=WINDOW,
    fetch=WINDOW,
    deliver=WINDOW,
    dispute=WINDOW,
)


def signer(name: str) -> LocalSigner:
    return LocalSigner(Account.from_key(keccak(text=f"market test {name}")))


NO_EVIDENCE: Final[Mapping[str, bytes]] = {}


class Market:
    """A deployment with three operators, on the test's node."""

    def __init__(self, anvil: Anvil, folder: Path) -> None:
        self.web3: Web3 = anvil.web3
        self.folder = folder
        self.store = DirectoryStore(folder / "store")
        self.anvil = anvil
        self.deployment: Deployment = deploy(self.sender("deployer"), LOCAL)
        built = artifacts.artifact("LocalDollar")
        factory = self.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
        receipt = self.sender("buyer").send(factory.constructor(AUCTIONS * 1_000 * UNIT))
        self.token = Erc20(self.web3, str(receipt["contractAddress"]))
        self.oracle = self.deployment.oracle(self.web3)
        self.keys = {name: EncryptionKey.generate() for name in ("a", "b", "c")}
        for name, key in self.keys.items():
            sender = self.sender(name)
            message = key_message(self.oracle.domain, sender.address, key.public)
            signature = LocalSigner.from_secret(key.secret).sign_typed(message)
            sender.send(self.oracle.register(key.public, signature))
            sender.send(self.oracle.deposit(sender.address), value=AUCTIONS * ETHER)
        members = sorted((signer(name).address for name in self.keys), key=str.lower)
        self.sender("deployer").send(self.oracle.propose_set((members, 3), ([], 0)))
        self.members = self.oracle.set_of(1).first.members
        for name in self.keys:
            position = self.members.index(signer(name).address)
            self.sender(name).send(self.oracle.accept_set(1, position))

    @contextmanager
    def rollback(self, folder: Path) -> Iterator[Market]:
        """The same deployment with files of its own; what is done to the chain is undone."""
        mine = copy(self)
        mine.folder, mine.store = folder, DirectoryStore(folder / "store")
        with self.anvil.rollback():
            yield mine
        # The node keeps these over a rollback.
        self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
        self.anvil.rpc("evm_setAutomine", True)
        self.anvil.rpc("anvil_dropAllTransactions")

    def sender(self, name: str) -> Sender:
        who = signer(name)
        self.anvil.set_balance(who.address, 1_000 * ETHER)
        return Sender(self.web3, who)

    def provider(self, name: str, **limits: float) -> Provider:
        """A provider who accepts what these tests' auctions ask for, unless told otherwise."""
        book = BidBook(self.folder / name / "bids")
        accepted = Limits(**{"window": WINDOW, "exposed": 1.0, **limits})  # type: ignore[arg-type]
        return Provider(self.sender(name), self.deployment, book, self.store, accepted)

    def settler(self) -> Settler:
        return Settler(self.sender("settler"), self.deployment)

    def data(self, name: str) -> Path:
        path = self.folder / name / "data.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps({"text": f"{name} says {i}", "title": str(i)}) for i in range(5))
        path.write_text("\n".join(lines))
        return path

    def scoring(self, **changes: int) -> ScoringTerms:
        scoring = ScoringTerms(
            operator_set=1,
            samples=2,
            q_min=1000,
            stake_gwei=ETHER // GWEI,
            fee_gwei=FEE // GWEI,
            entry_fee_gwei=ENTRY_FEE // GWEI,
            appeal_fee_gwei=0,
            fetch_fee_gwei=FETCH_FEE // GWEI,
            metric_version=keccak(b"metric"),
            evaluation=keccak(b"evaluation"),
        )
        return replace(scoring, **changes)  # type: ignore[arg-type]

    def terms(self, **changes: object) -> Terms:
        terms = Terms(
            token=self.token.address,
            budget=600 * UNIT,
            pool=200 * UNIT,
            rho=750_000_000,
            tranche=0,
            weights=WeightTerms(),
            bond_gwei=BOND // GWEI,
            max_bids=10,
            enrolment=False,
            agreement=bytes(32),
            scoring=self.scoring(),
            durations=DURATIONS,
            dst=DstTerms(
                100_000 * ETHER, ETHER, 60_000 * ETHER, 500_000_000, 250_000_000, 250_000_000
            ),
        )
        return replace(terms, **changes)  # type: ignore[arg-type]

    def count_dst(self, auction: AuctionId) -> None:
        """Create the participation tokens and prove their shares; nobody has taken any yet."""
        view = load_auction(self.web3, self.deployment, auction)
        scores = view.scores(self.web3, view.accepted_round)
        level, _ = water_level({index: scores[index] for index in view.deliveries}, view.terms.dst)
        factory, sender = self.deployment.dst_factory(self.web3), self.sender("buyer")
        sender.send(factory.create(auction, view.terms.dst))
        sender.send(Dst(self.web3, factory.token_of(auction)).verify(level, WALK))

    def commitments(self, auction: AuctionId) -> list[Commitment]:
        """What was committed to, in order."""
        return load_auction(self.web3, self.deployment, auction).commitments

    def jump(self, timestamp: int) -> None:
        # Anvil's blocks start where the test chain's clock is; the node keeps its own from here on.
        self.web3.provider.make_request(RPCEndpoint("evm_setNextBlockTimestamp"), [timestamp])
        self.web3.provider.make_request(RPCEndpoint("evm_mine"), [])

    def open(self, auction: AuctionId, *names: str) -> None:
        """These providers open their samples, when the time for it has come."""
        self.jump(self.deployment.auction(self.web3).phases(auction)[1].open_start)
        for name in names:
            provider = self.provider(name)
            provider.open(provider.bids(auction))

    def score(
        self, auction: AuctionId, scores: list[Score], evidence: Mapping[str, bytes] = NO_EVIDENCE
    ) -> None:
        """All three operators call the roll, commit, sign and post one vector, which is accepted.

        An index is on the roll where its score says that it is present. Operators name evidence by
        these digests.
        """
        consumer = self.deployment.address("DataAuction")
        auctions = self.deployment.auction(self.web3)
        self.jump(auctions.phases(auction)[1].open_end)
        present = {index for index, score in enumerate(scores) if score.present}
        bitmap = packing.pack_roll(present, len(scores))
        for name in self.keys:
            member = self.members.index(signer(name).address)
            self.sender(name).send(self.oracle.call_roll(consumer, auction, member, bitmap))
        windows = self.oracle.windows(consumer, auction, 1)
        self.jump(windows.commit)
        tally = self.oracle.tally_roll(consumer, auction, [bitmap] * len(self.keys))
        self.sender("a").send(tally)
        vector = packing.pack_vector(scores)
        root = packing.report_root(packing.chunk_hashes(vector))
        version = self.oracle.request(consumer, auction).metric_version
        submissions = []
        for name in self.keys:
            who, salt = signer(name), keccak(text=name)
            member = self.members.index(who.address)
            digest = evidence.get(name, keccak(b"evidence"))
            message = report_message(
                self.oracle.domain, consumer, auction, 1, version, root, digest
            )
            commitment = packing.vector_commitment(typed_digest(message), who.address, salt)
            call = self.oracle.commit_vector(consumer, auction, member, commitment)
            self.sender(name).send(call)
            signature = who.sign_typed(message)
            submissions.append(Submission(member, salt, digest, signature, vector))
        self.jump(windows.open)
        self.sender("a").send(self.oracle.post_scores(consumer, auction, 0, submissions))
        self.jump(windows.end)
        self.sender("a").send(auctions.accept_scores(auction))


COSTS = {"cheap": 50 * UNIT, "fair": 100 * UNIT, "dear": 700 * UNIT}
SCORES = [
    Score(8_000, 9_000, 1_000, present=True),
    Score(7_000, 8_000, 500, present=True),
    Score(9_000, 5_000, 2_000, present=True),
]
