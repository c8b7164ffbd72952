"""Operators as real processes around a real node; the test turns the clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak
from web3 import Web3

from oracles.audit import replay
from oracles.audit.node import Node
from oracles.audit.storage import check_storage
from oracles.chain import codec
from oracles.chain.auction import Marginals, State
from oracles.chain.client import LocalSigner, Sender, receipt_event
from oracles.chain.codec import DataSet, Durations, Status, Terms
from oracles.chain.deployment import deploy
from oracles.chain.events import read_events
from oracles.chain.typed_events import AuctionCreated, Committed
from oracles.dataset import Binding, Document, EncryptionKey, WrapContext, pack, wrap
from oracles.dataset.manifest import Manifest
from oracles.evidence import DirectoryStore
from oracles.scoring import Scoring
from scripts.build import ROOT
from tests.operator.scorer import Quick
from tests.support.anvil import Anvil
from tests.support.chain import ACCOUNTS, artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from oracles.chain.oracle import Windows


ETHER = 10**18
GWEI = 10**9
MIN_BOND = ETHER
COMMAND = [sys.executable, "-m", "tests.operator.sabotage", "operator"]
METRIC = Quick().metric_version(Scoring())
#: Chain seconds that pass with every block the test mines, and real seconds between them.
STEP, PAUSE = 5, 0.15
#: Real seconds, generous: a busy machine is no failure.
PATIENCE = 240.0
#: Long windows, because the test's clock must not outrun a busy machine.
DURATIONS = Durations(
    commit=3000,
    score_commit=6000,
    score_open=6000,
    score_post=6000,
    challenge=600,
    reveal=600,
    settle=600,
    deliver=600,
    verdict=12_000,
)


def texts(seed: int, count: int = 3) -> list[Document]:
    return [Document(f"text {seed}-{i} " + "lorem ipsum " * (seed + 1)) for i in range(count)]


@dataclass
class Provider:
    """A provider's side of one commitment."""

    sender: Sender
    index: int
    data_key: bytes
    cost: int
    salt: bytes


@dataclass
class Daemon:
    """One operator's process."""

    config: Path
    state: Path
    address: str
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str) -> None:
        with (self.state.parent / f"{self.state.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run", *flags, "--config", str(self.config)],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", **self.environment},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is tidied up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process = None
        return code

    @property
    def orders(self) -> Path:
        """File in which a test orders it to die; see `tests.operator.sabotage`."""
        return self.state.parent / f"{self.state.name}.kill"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> list[dict[str, Any]]:
        lines = (self.state.parent / f"{self.state.name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line.get("event") == name]


class Network:
    """A chain, its contracts, an operator set, a buyer and providers."""

    def __init__(
        self, folder: Path, operators: int = 3, threshold: int | None = None, **options: Any
    ) -> None:
        self.folder = folder
        self.node = Anvil(*options.pop("anvil", ()))
        self.web3 = Web3(self.node.web3.provider)
        self.store = DirectoryStore(folder / "store")
        self.deployer = self.sender(0)
        self.deployment = deploy(self.deployer, min_bond=MIN_BOND, challenge_bond=ETHER // 2)
        self.deployment.save(folder / "deployment.json")
        self.since = self.deployment.block
        self.oracle = self.deployment.oracle(self.web3)
        self.auctions = self.deployment.auction(self.web3)
        built = artifact("Token")
        factory = self.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
        self.token = self.web3.eth.contract(
            address=self.deployer.send(factory.constructor())["contractAddress"], abi=built.abi
        )
        self.buyer = self.sender(1)
        self.buyer_key = EncryptionKey(keccak(text="buyer"))
        # Member i of the set is daemon i: members are in the order of their addresses.
        accounts = sorted(ACCOUNTS[10 : 10 + operators], key=lambda a: str(a.address).lower())
        self.keys = {
            str(a.address): EncryptionKey(keccak(text=f"encryption {a.address}")) for a in accounts
        }
        self.signers = [LocalSigner(account) for account in accounts]
        for signer in self.signers:
            public = self.keys[signer.address].public
            Sender(self.web3, signer).send(self.oracle.register(public), value=2 * ETHER)
        threshold = threshold or operators // 2 + 1 + (operators // 2 % 2)
        self.deployer.send(self.oracle.create_set([s.address for s in self.signers], threshold))
        self.daemons = [self._configure(i, **options) for i in range(operators)]

    def sender(self, number: int) -> Sender:
        return Sender(self.web3, LocalSigner(ACCOUNTS[number]))

    def _configure(self, number: int, **options: Any) -> Daemon:
        signer = self.signers[number]
        state = self.folder / f"op{number}"
        secrets = self.folder / f"secrets{number}"
        secrets.mkdir()
        (secrets / "signing").write_text(signer.account.key.hex())
        (secrets / "encryption").write_text(self.keys[signer.address].secret.hex())
        settings = {
            "rpc": [self.node.url],
            "deployment": str(self.folder / "deployment.json"),
            "state": str(state),
            "block": "latest",
            "poll_seconds": 0.3,
            "private_key_file": str(secrets / "signing"),
            "encryption_key_file": str(secrets / "encryption"),
            "turn_seconds": 6,
            "replace_seconds": 3,
            "max_fee_gwei": 1000,
            "stores.data": [str(self.folder / "store")],
            "exchange.directory": str(self.folder / "exchange"),
            "exchange.listen": "127.0.0.1:0",
            "scoring.metric": "tests.operator.scorer:Quick",
            "scoring.allow_foreign": True,
            "scoring.fetch_share": 0.0005,
            **options,
        }
        config = self.folder / f"op{number}.toml"
        # JSON's strings, numbers, booleans and arrays are TOML's too.
        config.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()))
        return Daemon(config, state, signer.address)

    def start(self, *numbers: int) -> None:
        for number in numbers or range(len(self.daemons)):
            self.daemons[number].start()

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.kill()
        self.node.close()

    # TIME

    @property
    def now(self) -> int:
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def mine(self, timestamp: int | None = None) -> None:
        self.node.rpc("evm_setNextBlockTimestamp", hex(max(self.now + STEP, timestamp or 0)))
        self.node.rpc("evm_mine")

    def until(self, condition: Callable[[], Any], what: str, step: bool = True) -> Any:
        """Let time pass until something holds."""
        give_up = time.monotonic() + PATIENCE
        while not (value := condition()):
            if time.monotonic() > give_up:
                raise AssertionError(f"{what} did not happen:\n{self.last_words()}")
            if step:
                self.mine()
            time.sleep(PAUSE)
        return value

    def last_words(self) -> str:
        parts = []
        for number in range(len(self.daemons)):
            path = self.folder / f"op{number}.log"
            lines = path.read_text().splitlines() if path.exists() else []
            tail = [line for line in lines if '"started"' not in line][-15:]
            parts.append(f"--- operator {number}\n" + "\n".join(tail))
        return "\n".join(parts)

    # AN AUCTION

    def create(self, durations: Durations = DURATIONS, **terms: Any) -> int:
        terms = {
            "token": self.token.address,
            "budget": 10**9,
            "pool": 0,
            "rho": codec.PPB,
            "tranche": 0,
            "weights": codec.WeightTerms(),
            "bond_gwei": 10**6,
            "max_bids": 2000,
            "enrolment": False,
            "operator_set": 1,
            "metric_version": METRIC,
            "evaluation": bytes(32),
            "durations": durations,
            **terms,
        }
        buyer = self.buyer.address
        self.buyer.send(self.token.functions.mint(buyer, terms["budget"]))
        self.buyer.send(self.token.functions.approve(self.auctions.address, terms["budget"]))
        message = codec.key_message(self.auctions.domain, buyer, self.buyer_key.public)
        signature = LocalSigner.from_secret(self.buyer_key.secret).sign_typed(message)
        call = self.auctions.create(Terms(**terms), self.buyer_key.public, signature)
        return receipt_event(self.buyer.send(call, value=ETHER), AuctionCreated).auction_id

    def archive(
        self, auction: int, sender: Sender, documents: Sequence[Document]
    ) -> tuple[DataSet, bytes]:
        """Pack, store, and give what goes into the commitment, and the data key."""
        binding = Binding(self.auctions.chain_id, self.auctions.address, auction, sender.address)
        out = self.folder / f"{auction}-{sender.address}.archive"
        packed = pack(documents, out, binding)
        public = {address: key.public for address, key in self.keys.items()}
        cid = self.store.put(out)
        manifest = Manifest.make(str(cid), packed.key, binding, public)
        root = self.store.put(manifest.encode())
        return DataSet(root.digest, packed.content_digest, packed.size), packed.key

    def commit(
        self, auction: int, number: int, documents: Sequence[Document], cost: int = 1000
    ) -> Provider:
        sender = self.sender(number)
        data_set, data_key = self.archive(auction, sender, documents)
        return self.commit_data_set(auction, sender, data_set, data_key, cost)

    def commit_data_set(
        self, auction: int, sender: Sender, data_set: DataSet, data_key: bytes, cost: int = 1000
    ) -> Provider:
        salt = keccak(text=f"salt {sender.address}")
        sealed = self.auctions.seal_bid(auction, sender.address, cost, salt)
        call = self.auctions.commit(auction, sealed, data_set)
        committed = receipt_event(sender.send(call, value=10**6 * GWEI), Committed)
        return Provider(sender, committed.index, data_key, cost, salt)

    def auction(self, providers: int = 3, **terms: Any) -> tuple[int, list[Provider]]:
        """Create one, commit to it, and pass the commit phase."""
        auction = self.create(**terms)
        committed = [self.commit(auction, 2 + i, texts(i)) for i in range(providers)]
        self.mine(self.auctions.phases(auction).commit_end)
        return auction, committed

    def settle(self, auction: int, providers: Sequence[Provider]) -> None:
        """Reveal all, and let everybody win."""
        self.reveal(auction, providers)
        self.clear(auction)

    def reveal(self, auction: int, providers: Sequence[Provider]) -> None:
        """Reveal all bids."""
        self.mine(self.auctions.phases(auction).reveal_start)
        for p in providers:
            owner = p.sender.address
            self.buyer.send(self.auctions.reveal(auction, p.index, p.cost, p.salt, owner, owner))

    def clear(self, auction: int) -> None:
        """Settle, so that every bid that stands wins."""
        self.mine(self.auctions.phases(auction).reveal_end)
        bids = self.auctions.bids(auction, 0, self.auctions.bid_count(auction))
        standing = [(b.cost / b.weight, i) for i, b in enumerate(bids) if b.stands]
        marginal = max(standing)[1] if standing else None
        self.buyer.send(self.auctions.settle(auction, Marginals(marginal), len(bids)))

    def deliver(self, auction: int, provider: Provider, wrapped: bytes | None = None) -> None:
        context = WrapContext(
            self.auctions.chain_id, self.auctions.address, auction, provider.index
        )
        wrapped = wrapped or wrap(provider.data_key, self.buyer_key.public, context)
        call = self.auctions.deliver(auction, provider.index, provider.sender.address, wrapped)
        provider.sender.send(call)

    def collect(self, auction: int, providers: Sequence[Provider]) -> None:
        """Everybody takes what is due to them; nothing may stay behind."""
        contract, buyer = self.auctions, self.buyer
        aborted = contract.phases(auction).state is State.ABORTED
        bids = contract.bids(auction, 0, contract.bid_count(auction))
        for p in providers:
            owner, status = p.sender.address, bids[p.index].status
            if status & Status.REVEALED and not status & Status.FORFEITED:
                p.sender.send(contract.claim(auction, p.index, owner, owner))
            elif status & Status.COMMITTED and aborted:
                sealed = contract.seal_bid(auction, owner, p.cost, p.salt)
                p.sender.send(contract.reclaim(auction, p.index, sealed, owner, owner))
        buyer.send(contract.withdraw_buyer(auction, buyer.address))

    def conclude(
        self,
        auction: int,
        providers: Sequence[Provider],
        round_: int = 1,
        equivocators: Sequence[str] = (),
    ) -> None:
        """From accepted scores to the last claim, and then all that must hold."""
        self.settle(auction, providers)
        for provider in providers:
            if self.auctions.bids(auction, provider.index, provider.index + 1)[0].stands:
                self.deliver(auction, provider)
        self.mine(self.auctions.phases(auction).verdict_end)
        self.collect(auction, providers)
        self.check(auction, round_, equivocators)
        self.audit()

    # WHAT MUST HOLD

    def events(self, *names: str) -> list[Any]:
        """Events since `since`, in order."""
        addresses = [self.auctions.address, self.oracle.address]
        found = read_events(self.web3, addresses, self.since, self.web3.eth.block_number)
        return [event for event in found if event.name in names]

    def audit(self) -> None:
        """All funds are accounted for, when every auction is over and all is collected.

        The auditor's replay of the logs finds nothing, nor does it in the contracts' storage. The
        auction contract is empty but for rounding (less than a unit a winner), and the oracle holds
        exactly the bonds and the credit that the replay comes to.
        """
        cache = self.folder / "audit.sqlite"
        state = replay(Node(self.web3, self.deployment, cache=cache, block_tag="latest"))
        check_storage(state, self.web3)
        assert not state.findings(), "\n".join(map(str, state.findings()))
        empty, auctions = self.auctions.address, state.auctions.auctions.values()
        assert all(auction.state != "open" for auction in auctions)
        winners = sum(auction.winners for auction in auctions)
        assert self.token.functions.balanceOf(empty).call() < max(1, winners)
        assert self.web3.eth.get_balance(empty) == 0
        books = state.oracle
        due = sum(operator.bond for operator in books.operators.values())
        due += sum(books.credit.values())
        assert self.web3.eth.get_balance(self.oracle.address) == due

    def complete(self, auction: int, round_: int = 1) -> bool:
        return bool(self.oracle.request(self.auctions.address, auction).complete[round_ - 1])

    def committed(self, auction: int, round_: int = 1) -> int:
        return self.oracle.request(self.auctions.address, auction).committed[round_ - 1].bit_count()

    def windows(self, auction: int, round_: int = 1) -> Windows:
        return self.oracle.windows(self.auctions.address, auction, round_)

    def await_commitments(self, auction: int, expected: int, round_: int = 1) -> None:
        """Wait until this many operators have committed, then open the next window.

        The chain's clock stands still meanwhile: a slow machine makes nobody late.
        """
        self.until(lambda: self.committed(auction, round_) >= expected, "commitments", step=False)
        self.mine(self.windows(auction, round_).open)

    def await_published(self, auction: int, expected: int, round_: int = 1) -> None:
        """Go to the end of the open window, wait until this many published, open the next one."""
        window = self.windows(auction, round_)
        self.mine(window.post - (window.post - window.open) // 4)

        def published() -> bool:
            masks = self.oracle.request(self.auctions.address, auction).published
            return masks[round_ - 1].bit_count() >= expected

        self.until(published, "publications", step=False)
        self.mine(window.post)

    def score(
        self, auction: int, expected: int | None = None, round_: int = 1
    ) -> list[codec.Score]:
        """Pass through a scoring round; gives the scores that the oracle accepted."""
        self.await_commitments(auction, expected or len(self.daemons), round_)
        self.until(lambda: self.complete(auction, round_), "scoring")
        return self.scores(auction)

    def scores(self, auction: int) -> list[codec.Score]:
        """Accepted scores, read from the contract's storage."""
        _, chunks = self.oracle._functions.finalScores(self.auctions.address, auction).call()
        data = b"".join(bytes(self.web3.eth.get_code(chunk))[1:] for chunk in chunks)
        return codec.unpack_vector(data)

    def check(self, auction: int, round_: int = 1, equivocators: Sequence[str] = ()) -> None:
        """Exactly one accepted score set; nobody signed twice but those who mean to."""
        done = [
            e
            for e in self.events("RoundCompleted")
            if e.body.auction_id == auction and e.body.round == round_
        ]
        assert len(done) == 1, f"{len(done)} score sets were accepted"
        posted = [
            e
            for e in self.events("ScoresPosted")
            if e.body.auction_id == auction and e.body.round == round_
        ]
        chunks = [(e.body.mask, e.body.chunk) for e in posted]
        assert len(set(chunks)) == len(chunks)
        signed: dict[tuple[int, str], set[tuple[bytes, bytes]]] = {}
        for event in self.events("VectorPublished"):
            given = event.body.submission
            root = codec.report_root(given.chunk_hashes)
            key = (event.body.round, event.body.operator)
            signed.setdefault(key, set()).add((root, given.evidence))
        members = self.oracle.operator_set(1).members
        for event in posted:
            for given in event.body.submissions:
                key = (event.body.round, members[given.member])
                root = codec.report_root(given.chunk_hashes)
                signed.setdefault(key, set()).add((root, given.evidence))
        assert all(len(reports) == 1 for reports in signed.values())
        proved = [e.body.operator for e in self.events("EquivocationProved")]
        assert sorted(proved) == sorted(equivocators)
