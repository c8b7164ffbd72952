"""Operators as real processes around a real node; the test turns the clock."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak
from web3 import Web3

from oracles.audit import replay
from oracles.audit.evidence import check_bundles, check_samples
from oracles.audit.node import Node
from oracles.audit.storage import check_storage
from oracles.chain import packing
from oracles.chain.auction import State
from oracles.chain.client import Sender, receipt_event
from oracles.chain.deployment import LOCAL, deploy
from oracles.chain.events import read_events
from oracles.chain.packing import Place, Status, data_set_hash
from oracles.chain.signers import LocalSigner
from oracles.chain.state import load_auction
from oracles.chain.terms import GWEI, PPB, DataSet, Durations, ScoringTerms, Terms, WeightTerms
from oracles.chain.typed_data import delivery_message, key_message
from oracles.chain.typed_events import AuctionCreated, Committed, Delivery
from oracles.dataset import (
    Binding,
    DeliveryContext,
    Document,
    EncryptionKey,
    Manifest,
    build_opening,
    draw,
    open_archive,
    opening_context,
    pack,
    wrap_delivery,
)
from oracles.evidence import Cid, DirectoryStore
from oracles.mechanism import Proposal
from oracles.scoring import Scoring
from tests.operator.scorer import Quick
from tests.support import forks
from tests.support.anvil import Anvil
from tests.support.chain import ACCOUNTS, artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from oracles.chain.oracle import RoundMasks
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import Windows


ETHER = 10**18
STAKE, FEE, ENTRY_FEE = ETHER, ETHER // 10, ETHER // 100
COMMAND = [sys.executable, "-m", "tests.operator.sabotage", "operator"]
METRIC = Quick().metric_version(Scoring())
#: Chain seconds that pass with every block the test mines, and real seconds between them.
STEP, PAUSE = 5, 0.15
#: Real seconds between looks while the chain's clock stands still: looking makes nothing faster.
LOOK = 0.4
#: Real seconds, generous, and looks: on a busy machine each look takes longer, as all else does.
PATIENCE, LOOKS = 240.0, 600
#: Long windows, because the test's clock must not outrun a busy machine.
DURATIONS = Durations(
    commit=3000,
    open=3000,
    roll=6000,
    score_commit=6000,
    score_open=6000,
    score_post=6000,
    challenge=0,
    reveal=600,
    settle=600,
    fetch=12_000,
    deliver=600,
    dispute=12_000,
)
#: Pages of each data set that are opened.
SAMPLES = 2


def texts(seed: int, count: int = 3) -> list[Document]:
    return [Document(f"text {seed}-{i} " + "lorem ipsum " * (seed + 1)) for i in range(count)]


@dataclass
class Provider:
    """A provider's side of one commitment."""

    sender: Sender
    place: Place
    data_key: bytes
    cost: int
    salt: bytes
    sealed_bid: bytes
    manifest: Manifest | None = None

    @property
    def index(self) -> int:
        return self.place.index


@dataclass
class Daemon:
    """One operator's process."""

    config: Path
    state: Path
    address: str
    environment: dict[str, str] = field(default_factory=dict)
    process: BaseProcess | None = None

    def start(self, *flags: str) -> None:
        words = ["operator", "run", *flags, "--config", str(self.config)]
        log = self.state.parent / f"{self.state.name}.log"
        self.process = forks.start(words, log, self.environment)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is tidied up."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        self.process.terminate()
        self.process.join(timeout=30)
        code = self.process.exitcode
        assert code is not None, "it goes on"
        self.process = None
        return code

    @property
    def orders(self) -> Path:
        """File in which a test orders it to die; see `tests.operator.sabotage`."""
        return self.state.parent / f"{self.state.name}.kill"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    def log(self) -> list[dict[str, Any]]:
        lines = (self.state.parent / f"{self.state.name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line.get("event") == name]


class Network:
    """A chain, its contracts, an operator set, a buyer and providers."""

    def __init__(
        self,
        folder: Path,
        operators: int = 3,
        threshold: int | None = None,
        appeal: int = 0,
        **options: Any,
    ) -> None:
        self.folder = folder
        self.node = Anvil(*options.pop("anvil", ()))
        self.web3 = Web3(self.node.web3.provider)
        self.store = DirectoryStore(folder / "store")
        self.deployer = self.sender(0)
        self.deployment = deploy(self.deployer, LOCAL)
        self.deployment.save(folder / "deployment.json")
        self.since = self.deployment.block
        self.oracle = self.deployment.oracle(self.web3)
        self.auctions = self.deployment.auction(self.web3)
        self.exchange = self.deployment.exchange(self.web3)
        built = artifact("Token")
        factory = self.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
        self.token = self.web3.eth.contract(
            address=self.deployer.send(factory.constructor())["contractAddress"], abi=built.abi
        )
        self.buyer = self.sender(1)
        self.buyer_key = EncryptionKey(keccak(text="buyer"))
        # Member i of the set is daemon i: members are in the order of their addresses, those of the
        # appeal panel after the others.
        last = 10 + operators
        accounts = sorted(ACCOUNTS[10:last], key=lambda a: str(a.address).lower())
        accounts += sorted(ACCOUNTS[last : last + appeal], key=lambda a: str(a.address).lower())
        self.keys = {
            str(a.address): EncryptionKey(keccak(text=f"encryption {a.address}")) for a in accounts
        }
        self.signers = [LocalSigner(account) for account in accounts]
        for signer in self.signers:
            key, sender = self.keys[signer.address], Sender(self.web3, signer)
            message = key_message(self.oracle.domain, signer.address, key.public)
            signature = LocalSigner.from_secret(key.secret).sign_typed(message)
            sender.send(self.oracle.register(key.public, signature))
            sender.send(self.oracle.deposit(signer.address), value=20 * ETHER)
        addresses = [signer.address for signer in self.signers]
        first = (addresses[:operators], threshold or (operators // 2 + 1) | 1)
        second = (addresses[operators:], (appeal // 2 + 1) | 1 if appeal else 0)
        self.deployer.send(self.oracle.propose_set(first, second))
        for position, signer in enumerate(self.signers):
            Sender(self.web3, signer).send(self.oracle.accept_set(1, position))
        self.appeal = appeal
        self.daemons = [self._configure(i, **options) for i in range(operators + appeal)]

    def sender(self, number: int) -> Sender:
        return Sender(self.web3, LocalSigner(ACCOUNTS[number]))

    def _configure(self, number: int, **options: Any) -> Daemon:
        signer = self.signers[number]
        state = self.folder / f"op{number}"
        secrets = self.folder / f"secrets{number}"
        secrets.mkdir()
        self.own_store(number).mkdir()
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
            # What everybody is served, and what this operator alone is.
            "stores.data": [str(self.folder / "store"), str(self.own_store(number))],
            "exchange.directory": str(self.folder / "exchange"),
            "exchange.listen": "127.0.0.1:0",
            "scoring.metric": "tests.operator.scorer:Quick",
            "scoring.allow_foreign": True,
            **options,
        }
        config = self.folder / f"op{number}.toml"
        # JSON's strings, numbers, booleans and arrays are TOML's too.
        config.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()))
        return Daemon(config, state, signer.address)

    def own_store(self, number: int) -> Path:
        """Folder of what one operator alone is served."""
        return self.folder / f"store{number}"

    def hide(self, cid: Cid, *shown_to: int) -> Path:
        """Serve a file to these operators only; gives a copy of it."""
        path = self.store.path(cid)
        for number in shown_to:
            DirectoryStore(self.own_store(number)).put(path)
        return path.replace(self.folder / f"hidden-{cid}")

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
        give_up, looks = time.monotonic() + PATIENCE, 0
        while not (value := condition()):
            looks += 1
            if looks > LOOKS and time.monotonic() > give_up:
                raise AssertionError(f"{what} did not happen:\n{self.last_words()}")
            if step:
                self.mine()
            time.sleep(PAUSE if step else LOOK)
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

    def create(self, durations: Durations = DURATIONS, samples: int = SAMPLES, **terms: Any) -> int:
        if self.appeal:
            durations = replace(durations, challenge=durations.challenge or 6000)
        if not samples:
            durations = replace(durations, open=0)
        terms = {
            "token": self.token.address,
            "budget": 10**9,
            "pool": 0,
            "rho": PPB,
            "tranche": 0,
            "weights": WeightTerms(),
            "bond_gwei": 10**6,
            "max_bids": 2000,
            "enrolment": False,
            "agreement": bytes(32),
            "durations": durations,
            **terms,
        }
        scoring: dict[str, Any] = {
            "operator_set": 1,
            "samples": samples,
            "q_min": 1000,
            "stake_gwei": STAKE // GWEI,
            "fee_gwei": FEE // GWEI,
            "entry_fee_gwei": ENTRY_FEE // GWEI,
            "appeal_fee_gwei": FEE // GWEI,
            "fetch_fee_gwei": 10**6,
            "metric_version": METRIC,
            "evaluation": bytes(32),
        }
        scoring |= {name: terms.pop(name) for name in scoring.keys() & terms.keys()}
        made = Terms(**terms, scoring=ScoringTerms(**scoring))
        buyer = self.buyer.address
        self.buyer.send(self.token.functions.mint(buyer, made.budget))
        self.buyer.send(self.token.functions.approve(self.auctions.address, made.budget))
        message = key_message(self.auctions.domain, buyer, self.buyer_key.public)
        signature = LocalSigner.from_secret(self.buyer_key.secret).sign_typed(message)
        call = self.auctions.create(made, self.buyer_key.public, signature)
        receipt = self.buyer.send(call, value=made.fee + ETHER)
        return receipt_event(receipt, AuctionCreated).auction_id

    def state(self, auction: int) -> AuctionState:
        return load_auction(self.web3, self.deployment, auction)

    def members(self) -> list[bytes]:
        return [self.keys[signer.address].public for signer in self.signers]

    def seal(
        self,
        auction: int,
        sender: Sender,
        documents: Sequence[Document],
        samples: int = SAMPLES,
        **lies: Any,
    ) -> tuple[DataSet, Manifest, bytes]:
        """Pack and store; gives what goes into the commitment, the manifest and the data key."""
        binding = Binding(self.auctions.chain_id, self.auctions.address, auction, sender.address)
        out = self.folder / f"{auction}-{sender.address}.archive"
        packed = pack(documents, out)
        archive, contents = str(self.store.put(out)), replace(packed.contents, **lies)
        if samples:
            manifest = Manifest(binding, archive, contents)
        else:
            manifest = Manifest.open_to(binding, archive, contents, packed.key, self.members())
        self.store.put(manifest.encode())
        data_set = DataSet(
            manifest.digest, contents.content_digest, contents.size, contents.key_commitment
        )
        return data_set, manifest, packed.key

    def commit(
        self,
        auction: int,
        number: int,
        documents: Sequence[Document],
        cost: int = 1000,
        samples: int = SAMPLES,
        **lies: Any,
    ) -> Provider:
        sender = self.sender(number)
        data_set, manifest, data_key = self.seal(auction, sender, documents, samples, **lies)
        provider = self.commit_data_set(auction, sender, data_set, data_key, cost)
        return replace(provider, manifest=manifest)

    def commit_data_set(
        self, auction: int, sender: Sender, data_set: DataSet, data_key: bytes, cost: int = 1000
    ) -> Provider:
        owner = sender.address
        salt = keccak(text=f"salt {owner}")
        sealed = self.auctions.seal_bid(auction, owner, cost, salt)
        call = self.auctions.commit(auction, sealed, data_set, bytes(32))
        committed = receipt_event(sender.send(call, value=10**6 * GWEI + ENTRY_FEE), Committed)
        place = Place(committed.index, owner, owner, data_set_hash(data_set))
        return Provider(sender, place, data_key, cost, salt, sealed)

    def opening(
        self, auction: int, provider: Provider, members: Sequence[bytes] | None = None
    ) -> bytes:
        """The opening of a sample, once it is drawn."""
        view, manifest = self.state(auction), provider.manifest
        assert manifest is not None
        blocks = range(1, int(self.web3.eth.block_number) + 1)
        headers = (self.web3.eth.get_block(number) for number in blocks)
        first = next(each for each in headers if each["timestamp"] >= view.phases.open_start)
        pages, samples = manifest.contents.pages, view.terms.scoring.samples
        key = bytes(first["mixHash"])
        drawn = draw(key, auction, provider.index, manifest.digest, pages, samples)
        path = self.folder / f"{auction}-{provider.sender.address}.archive"
        with open_archive(path, manifest.contents) as archive:
            context = opening_context(manifest.binding, provider.index)
            keys = members or self.members()
            return build_opening(archive, provider.data_key, drawn, keys, context)

    def open(
        self, auction: int, provider: Provider, members: Sequence[bytes] | None = None
    ) -> None:
        """Open a provider's sample to the operators, or to those who have other keys."""
        digest = self.store.put(self.opening(auction, provider, members)).digest
        call = self.auctions.open(auction, provider.sealed_bid, provider.place, digest)
        provider.sender.send(call)

    def auction(self, providers: int = 3, **terms: Any) -> tuple[int, list[Provider]]:
        """Create one, commit to it, and open all samples; the roll call can begin."""
        auction = self.create(**terms)
        samples = terms.get("samples", SAMPLES)
        committed = [
            self.commit(auction, 2 + i, texts(i), samples=samples) for i in range(providers)
        ]
        self.open_all(auction, committed if samples else ())
        return auction, committed

    def open_all(self, auction: int, providers: Sequence[Provider]) -> None:
        """Wait for the draw, open all samples, and let the roll call begin."""
        self.mine(self.state(auction).phases.open_start)
        for provider in providers:
            self.open(auction, provider)
        self.mine(self.state(auction).phases.open_end)

    def settle(self, auction: int, providers: Sequence[Provider]) -> None:
        """Reveal all, and let everybody win."""
        self.reveal(auction, providers)
        self.clear(auction)

    def reveal(self, auction: int, providers: Sequence[Provider]) -> None:
        """Reveal all bids."""
        self.mine(self.state(auction).phases.reveal_start)
        for p in providers:
            self.buyer.send(self.auctions.reveal(auction, p.place, p.cost, p.salt))

    def clear(self, auction: int) -> None:
        """Settle, so that every bid that stands wins."""
        self.mine(self.state(auction).phases.reveal_end)
        bids = self.auctions.bids(auction, 0, self.auctions.bid_count(auction))
        standing = [(b.cost / b.weight, i) for i, b in enumerate(bids) if b.stands]
        marginal = max(standing)[1] if standing else None
        self.buyer.send(self.auctions.settle(auction, Proposal(marginal), len(bids)))
        self.mine(self.state(auction).phases.settle_end)

    def deliver(self, auction: int, provider: Provider, data_key: bytes | None = None) -> None:
        """Hand a key over, in the deliver phase."""
        context = DeliveryContext(
            self.auctions.chain_id, self.auctions.address, auction, provider.index
        )
        key = provider.data_key if data_key is None else data_key
        sealed = wrap_delivery(key, self.buyer_key.public, context)
        x, y = (number.to_bytes(32, "big") for number in sealed.point)
        message = delivery_message(
            self.exchange.domain, auction, provider.index, sealed.wrapped, x + y
        )
        signature = LocalSigner.from_secret(sealed.secret).sign_typed(message)
        call = self.exchange.deliver(
            auction, provider.place, Delivery(sealed.wrapped, x, y), signature
        )
        provider.sender.send(call)

    def collect(self, auction: int, providers: Sequence[Provider]) -> None:
        """Everybody takes what is due to them; nothing may stay behind."""
        contract, buyer, view = self.auctions, self.buyer, self.state(auction)
        bids = contract.bids(auction, 0, contract.bid_count(auction))
        for p in providers:
            status = bids[p.index].status
            if status & Status.REVEALED and not status & Status.OUT:
                p.sender.send(contract.claim(auction, p.place))
            elif status & Status.COMMITTED and view.state is State.ABORTED:
                p.sender.send(contract.reclaim_bond(auction, p.sealed_bid, p.place))
        buyer.send(contract.withdraw_refund(auction, buyer.address))

    def conclude(
        self,
        auction: int,
        providers: Sequence[Provider],
        round_: int = 1,
        contradictors: Sequence[str] = (),
    ) -> None:
        """From accepted scores to the last claim, and then all that must hold."""
        self.settle(auction, providers)
        phases = self.state(auction).phases
        self.mine(phases.fetch_end)
        for provider in providers:
            if self.auctions.bids(auction, provider.index, provider.index + 1)[0].stands:
                self.deliver(auction, provider)
        self.mine(phases.dispute_end)
        self.collect(auction, providers)
        self.check(auction, round_, contradictors)
        self.audit()

    # WHAT MUST HOLD

    def events(self, *names: str) -> list[Any]:
        """Events since `since`, in order."""
        addresses = [self.auctions.address, self.oracle.address, self.exchange.address]
        found = read_events(self.web3, addresses, self.since, self.web3.eth.block_number)
        return [event for event in found if event.name in names]

    def source(self) -> Node:
        """All logs up to now, and the state at the end of them.

        Daemons go on sending. While they do, anvil answers for its newest block from the state of
        the one that it is making, even if asked by hash; so another block is made first.
        """
        last = self.web3.eth.block_number
        self.mine()
        return Node(self.web3, self.deployment, block_tag=str(last))

    def audit(self) -> None:
        """Every log is what the rules say, and the contracts hold what the logs say.

        When every auction is over and all is collected, nothing but rounding is left of it.
        """
        node = self.source()
        state = replay(node)
        check_storage(state, self.web3)
        assert state.findings() == [], state.findings()
        ledger = state.auctions.context.ledger
        for token, holder, amount in node.header.balances:
            assert token or amount == ledger.held[holder]
        for auction in state.auctions.auctions.values():
            assert auction.state != "open"
            assert (auction.ether, auction.refund) == (0, 0)
            assert auction.cash < max(1, 2 * auction.winners)

    def audit_files(self, auction: int) -> None:
        """Samples and evidence of an auction are what the logs say."""
        state = replay(self.source())
        view = state.auctions.auctions[auction]
        stores = [self.store, *(DirectoryStore(d.state / "evidence") for d in self.daemons)]
        samples = check_samples(state, view, stores)
        check_bundles(state, view, stores)
        assert state.findings() == [], state.findings()
        assert frozenset(samples) == self.state(auction).roll

    def complete(self, auction: int, round_: int = 1) -> bool:
        return bool(self.masks(auction, round_).complete)

    def masks(self, auction: int, round_: int = 1) -> RoundMasks:
        return self.oracle.request(self.auctions.address, auction).rounds[round_ - 1]

    def committed(self, auction: int, round_: int = 1) -> int:
        return self.masks(auction, round_).committed.bit_count()

    def await_roll(self, auction: int, late: bool = False) -> frozenset[int]:
        """Wait until the roll is called, pass its end, and wait until it is counted.

        Args:
            auction: id.
            late: let so much time pass that who misses something waits for it no longer.
        """
        if late:
            start, end = self.state(auction).phases.open_end, self.windows(auction).commit
            self.mine(end - (end - start) // 4)
        panel = self.appeal or len(self.daemons)

        def called() -> bool:
            running = [d for d in self.daemons[-panel:] if d.alive]
            callers, _ = self.oracle.roll_of(self.auctions.address, auction)
            return callers.bit_count() >= len(running)

        self.until(called, "the roll call", step=False)
        self.mine(self.windows(auction).commit)
        self.until(lambda: self.state(auction).roll is not None, "the tally")
        roll = self.state(auction).roll
        assert roll is not None
        return roll

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
            return self.masks(auction, round_).published.bit_count() >= expected

        self.until(published, "publications", step=False)
        self.mine(window.post)

    def score(
        self, auction: int, expected: int | None = None, round_: int = 1
    ) -> list[packing.Score]:
        """Pass through roll and scoring round; gives the scores that the oracle accepted."""
        if self.state(auction).roll is None:
            self.await_roll(auction)
        self.await_commitments(auction, expected or len(self.daemons) - self.appeal, round_)
        self.until(lambda: self.complete(auction, round_), "scoring")
        return self.scores(auction)

    def scores(self, auction: int) -> list[packing.Score]:
        """Accepted scores, read from the contract's storage."""
        _, chunks = self.oracle._functions.finalScores(self.auctions.address, auction).call()
        data = b"".join(bytes(self.web3.eth.get_code(chunk))[1:] for chunk in chunks)
        return packing.unpack_vector(data)

    def check(self, auction: int, round_: int = 1, contradictors: Sequence[str] = ()) -> None:
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
            root = packing.report_root(given.chunk_hashes)
            key = (event.body.round, event.body.member)
            signed.setdefault(key, set()).add((root, given.evidence))
        found = self.oracle.set_of(1)
        panels = (found.first.members, found.appeal.members)
        for event in posted:
            for given in event.body.submissions:
                key = (event.body.round, panels[event.body.round - 1][given.member])
                root = packing.report_root(given.chunk_hashes)
                signed.setdefault(key, set()).add((root, given.evidence))
        assert all(len(reports) == 1 for reports in signed.values())
        proved = [e.body.member for e in self.events("ContradictionProved")]
        assert sorted(proved) == sorted(contradictors)
