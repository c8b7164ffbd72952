"""A deployment with three operators on a test node, and people who trade in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from eth_account import Account
from eth_utils.crypto import keccak
from web3.types import RPCEndpoint

from oracles.chain import artifacts, codec
from oracles.chain.client import Sender
from oracles.chain.signers import LocalSigner
from oracles.chain.codec import DstTerms, Durations, Score, Terms, WeightTerms
from oracles.chain.deployment import Deployment, deploy
from oracles.chain.oracle import Submission
from oracles.chain.tokens import Erc20
from oracles.dataset import EncryptionKey
from oracles.evidence import DirectoryStore
from oracles.market.book import BidBook
from oracles.market.provider import Limits, Provider
from oracles.market.settler import Settler

if TYPE_CHECKING:
    from pathlib import Path

    from web3 import Web3

    from tests.support.anvil import Anvil

UNIT = 10**6
ETHER = 10**18


def signer(name: str) -> LocalSigner:
    return LocalSigner(Account.from_key(keccak(text=f"market test {name}")))


class Market:
    """A deployment with three operators, on the test's node."""

    def __init__(self, anvil: Anvil, folder: Path) -> None:
        self.web3: Web3 = anvil.web3
        self.folder = folder
        self.store = DirectoryStore(folder / "store")
        self.anvil = anvil
        self.deployment: Deployment = deploy(
            self.sender("deployer"), min_bond=ETHER, challenge_bond=ETHER
        )
        built = artifacts.artifact("LocalDollar")
        factory = self.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
        receipt = self.sender("buyer").send(factory.constructor(10_000 * UNIT))
        self.token = Erc20(self.web3, str(receipt["contractAddress"]))
        self.oracle = self.deployment.oracle(self.web3)
        self.keys = {name: EncryptionKey.generate() for name in ("a", "b", "c")}
        for name, key in self.keys.items():
            self.sender(name).send(self.oracle.register(key.public), value=ETHER)
        members = [signer(name).address for name in self.keys]
        self.sender("deployer").send(self.oracle.create_set(members, 3))
        self.members = self.oracle.operator_set(1).members

    def sender(self, name: str) -> Sender:
        who = signer(name)
        self.anvil.set_balance(who.address, 1_000 * ETHER)
        return Sender(self.web3, who)

    def provider(self, name: str) -> Provider:
        book = BidBook(self.folder / name / "bids")
        limits = Limits(window=1_000)
        return Provider(self.sender(name), self.deployment, book, self.store, limits)

    def settler(self) -> Settler:
        return Settler(self.sender("settler"), self.deployment)

    def data(self, name: str) -> Path:
        path = self.folder / name / "data.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps({"text": f"{name} says {i}", "title": str(i)}) for i in range(5))
        path.write_text("\n".join(lines))
        return path

    def terms(self, **changes: object) -> Terms:
        terms = Terms(
            token=self.token.address,
            budget=600 * UNIT,
            pool=200 * UNIT,
            rho=750_000_000,
            tranche=0,
            weights=WeightTerms(),
            bond_gwei=10_000_000,
            max_bids=10,
            enrolment=False,
            operator_set=1,
            metric_version=keccak(b"metric"),
            evaluation=keccak(b"evaluation"),
            durations=Durations(*[1000] * 9),
            dst=DstTerms(
                100_000 * ETHER, ETHER, 60_000 * ETHER, 500_000_000, 250_000_000, 250_000_000
            ),
        )
        return replace(terms, **changes)  # type: ignore[arg-type]

    def jump(self, timestamp: int) -> None:
        # Anvil's blocks start where the test chain's clock is; the node keeps its own from here on.
        self.web3.provider.make_request(RPCEndpoint("evm_setNextBlockTimestamp"), [timestamp])
        self.web3.provider.make_request(RPCEndpoint("evm_mine"), [])

    def score(self, auction: int, scores: list[Score]) -> None:
        """All three operators commit, sign and post one vector."""
        consumer = self.deployment.address("DataAuction")
        windows = self.oracle.windows(consumer, auction, 1)
        self.jump(windows.commit)
        vector = codec.pack_vector(scores)
        root = codec.report_root(codec.chunk_hashes(vector))
        version = self.oracle.request(consumer, auction).metric_version
        submissions = []
        for name in self.keys:
            who, salt = signer(name), keccak(text=name)
            member = self.members.index(who.address)
            message = codec.report_message(
                self.oracle.domain, consumer, auction, 1, version, root, keccak(b"evidence")
            )
            digest = codec.typed_digest(message)
            commitment = codec.vector_commitment(digest, who.address, salt)
            call = self.oracle.commit_vector(consumer, auction, member, commitment)
            self.sender(name).send(call)
            signature = who.sign_typed(message)
            submissions.append(Submission(member, salt, keccak(b"evidence"), signature, vector))
        self.jump(windows.open)
        self.sender("a").send(self.oracle.post_scores(consumer, auction, 0, submissions))


COSTS = {"cheap": 50 * UNIT, "fair": 100 * UNIT, "dear": 700 * UNIT}
SCORES = [
    Score(8_000, 9_000, 1_000, eligible=True),
    Score(7_000, 8_000, 500, eligible=True),
    Score(9_000, 5_000, 2_000, eligible=True),
]
