"""Preflight: whether a machine and its configuration will do."""

from __future__ import annotations

import os
import shutil
import time
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import httpx
from eth_utils.address import to_checksum_address

from oracles.chain import fees, rpc
from oracles.chain.auction import State
from oracles.chain.complete import read_whole
from oracles.chain.deployment import Deployment
from oracles.chain.typed_events import (
    AuctionCreated,
    OperatorRegistered,
    SetAccepted,
    SetLeft,
    SetProposed,
)
from oracles.errors import InputError, QmiaError
from oracles.evidence import IpfsStore, StoreError, bytes_cid, is_node
from oracles.money import ETHER
from oracles.operator.exchange import download
from oracles.operator.keys import load_encryption_keys
from oracles.progress import silent
from oracles.scoring import GIB, load_scorer
from oracles.when import drift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oracles.chain.signers import Signer
    from oracles.chain.terms import Durations
    from oracles.dataset import EncryptionKey
    from oracles.operator.settings import Settings
    from oracles.progress import Progress

    LoadSigner = Callable[[], Signer | None]
    LoadKeys = Callable[[], list[EncryptionKey]]

#: Gas of one round in the worst case: commit, publish, post a chunk of 13 vectors.
_ROUND_GAS: Final = 6_000_000
#: Rounds that the balance should pay for.
_ROUNDS: Final = 20
_MOST_SKEW_SECONDS: Final = 30
_DISK_BYTES: Final = 20 * GIB
#: One look sees finality two epochs behind or nearly three.
_LAG_MARGIN: Final = 1.5
#: Longer, and the chain does not finalise as it should.
_MOST_LAG_SECONDS: Final = 1800


Result = Literal["ok", "warning", "failed"]


class CheckResult(NamedTuple):
    """What one check found."""

    name: str
    result: Result
    detail: str


def preflight(settings: Settings, progress: Progress = silent) -> list[CheckResult]:
    """Run all checks; one that cannot be done counts as failed.

    Args:
        settings: of the operator.
        progress: called as each check begins.
    """
    # Opened once: deriving a keystore's key is meant to be slow.
    signer = cache(settings.signer)
    keys = cache(partial(load_encryption_keys, settings))
    checks: dict[str, Callable[[], Iterator[CheckResult]]] = {
        "rpc": lambda: _rpc(settings),
        "keys": lambda: _keys(signer, keys),
        "operator": lambda: _operator(settings, signer, keys),
        "windows": lambda: _windows(settings, signer),
        "scoring": lambda: _scoring(settings),
        "machine": lambda: _machine(settings),
        "stores": lambda: _stores(settings),
        "exchange": lambda: _exchange(settings),
    }
    findings = []
    for done, (name, check) in enumerate(checks.items()):
        progress(name, done, len(checks))
        try:
            findings += list(check())
        except (QmiaError, httpx.HTTPError, OSError, ValueError) as error:
            findings.append(CheckResult(name, "failed", str(error)))
    return findings


def _verdict(name: str, good: bool, detail: str, *, bad: str = "failed") -> CheckResult:
    return CheckResult(name, "ok" if good else "failed" if bad == "failed" else "warning", detail)


def _rpc(settings: Settings) -> Iterator[CheckResult]:
    deployment = Deployment.load(settings.deployment)
    for number, url in enumerate(settings.rpc):
        name = f"rpc {number + 1}"
        try:
            web3 = rpc.connect([url], deployment.chain_id)
            block = rpc.block(web3, "latest")
            rpc.block(web3, settings.block)
            addresses = [each.address for each in deployment.contracts.values()]
            missing = [a for a in addresses if not rpc.code(web3, a)]
        except QmiaError as error:
            yield CheckResult(name, "failed", str(error))
            continue
        if missing:
            yield CheckResult(
                name, "failed", f"no contract at {missing[0]}: wrong deployment file?"
            )
            continue
        yield CheckResult(name, "ok", f"chain {deployment.chain_id}, block {block['number']}")
        # The daemon's own clock is the chain's; a large skew means a stalled node or a wrong clock.
        skew = time.time() - block["timestamp"]
        good = -_MOST_SKEW_SECONDS <= skew <= 10 * _MOST_SKEW_SECONDS
        detail = f"the newest block is {drift(skew)} this machine's clock"
        yield _verdict(f"clock ({name})", good, detail, bad="warning")


def _keys(load: LoadSigner, load_keys: LoadKeys) -> Iterator[CheckResult]:
    signer = load()
    if signer is None:
        yield CheckResult("signing key", "warning", "none: dry run, nothing is signed or sent")
    else:
        message = {
            "types": {"EIP712Domain": [], "Check": [{"name": "text", "type": "string"}]},
            "primaryType": "Check",
            "domain": {},
            "message": {"text": "qmia operator check"},
        }
        signer.sign_typed(message)
        yield CheckResult("signing key", "ok", signer.address)
    keys = load_keys()
    detail = f"0x{keys[0].public.hex()}" if keys else "none: data sets cannot be opened"
    yield _verdict("encryption key", bool(keys), detail)


def _operator(settings: Settings, load: LoadSigner, load_keys: LoadKeys) -> Iterator[CheckResult]:
    signer = load()
    address = signer.address if signer else settings.address
    if address is None:
        return
    deployment = Deployment.load(settings.deployment)
    web3 = rpc.connect(settings.rpc, deployment.chain_id)
    oracle = deployment.oracle(web3)
    credit, least = oracle.credit_of(address), oracle.min_stake()
    detail = f"{ETHER.format(credit)}; the least stake of an auction is {ETHER.format(least)}"
    yield _verdict("credit", credit >= least, detail)
    events = read_whole(web3, deployment, ["ScoreOracle"])
    published = [
        event.body.key_x + event.body.key_y
        for event in events
        if isinstance(event.body, OperatorRegistered) and event.body.operator == address
    ]
    keys = load_keys()
    if published and keys:
        same = published[-1] == keys[0].public
        detail = "the one on chain" if same else "another one is on chain: `qmia operator register`"
        yield _verdict("published key", same, detail)
    mine: set[int] = set()
    accepted: set[int] = set()
    for event in events:
        match event.body:
            case SetProposed(operator_set=number, first=first, appeal=appeal):
                if address in (*first.members, *appeal.members):
                    mine.add(number)
            case SetAccepted(operator_set=number, member=member) if member == address:
                accepted.add(number)
            case SetLeft(operator_set=number, member=member) if member == address:
                accepted.discard(number)
            case _:
                pass
    detail = f"serves in {', '.join(map(str, sorted(accepted)))}" if accepted else "serves in none"
    if waiting := mine - accepted:
        detail += f"; `qmia operator set accept` for {', '.join(map(str, sorted(waiting)))}"
    yield _verdict("operator sets", bool(accepted), detail, bad="warning")
    price = fees.quote(web3).max_fee
    balance = rpc.balance(web3, to_checksum_address(address))
    rounds = balance // max(1, price * _ROUND_GAS)
    detail = f"{balance / 10**18} ether, enough for {min(rounds, 10**6)} rounds at this gas price"
    yield _verdict("balance", rounds >= _ROUNDS, detail, bad="warning")


def _windows(settings: Settings, load: LoadSigner) -> Iterator[CheckResult]:
    """How far `block` is behind, and whether the auctions to be served allow for it."""
    deployment = Deployment.load(settings.deployment)
    web3 = rpc.connect(settings.rpc, deployment.chain_id)
    head = rpc.block(web3, "latest")
    measured = head["timestamp"] - rpc.block(web3, settings.block)["timestamp"]
    lag = measured * _LAG_MARGIN
    need = 2 * lag
    detail = (
        f"`{settings.block}` is {measured} s behind; commit windows of {need:.0f} s allow for it"
    )
    yield _verdict("finality", measured <= _MOST_LAG_SECONDS, detail, bad="warning")
    signer = load()
    address = signer.address if signer else settings.address
    oracle, contract = deployment.oracle(web3), deployment.auction(web3)
    for event in read_whole(web3, deployment, ["DataAuction"]):
        if not isinstance(event.body, AuctionCreated):
            continue
        auction, terms = event.body.auction_id, event.body.terms
        state, phases = contract.phases(auction)
        over = state is State.ABORTED or head["timestamp"] >= phases.dispute_end
        found = oracle.set_of(terms.scoring.operator_set)
        if not over and address in (*found.first.members, *found.appeal.members):
            result, detail = judge_windows(terms.durations, lag, settings)
            yield CheckResult(f"windows of auction {auction}", result, detail)


def judge_windows(durations: Durations, lag: float, settings: Settings) -> tuple[Result, str]:
    """Whether an auction's windows leave an operator time.

    Args:
        durations: of the auction.
        lag: seconds by which `settings.block` may be behind the newest block.
        settings: shares of windows, and pauses.
    """
    last_part = settings.publish_share * durations.score_open
    pause = settings.poll_seconds + settings.replace_seconds
    # Name, length, what it must be longer than, and what it should be.
    windows = (
        ("commit window", durations.score_commit, lag, 2 * lag),
        ("last part of the open window", last_part, settings.poll_seconds, pause),
        ("roll window", durations.roll, lag, lag / settings.roll_share),
        ("second half of the fetch phase", durations.fetch / 2, lag, 2 * lag),
        ("second half of the dispute phase", durations.dispute / 2, lag, 2 * lag),
    )
    short = [
        (f"its {name} of {length:.0f} s should be {should:.0f}", length <= must)
        for name, length, must, should in windows
        if length <= must or length < should
    ]
    if not short:
        return "ok", "long enough"
    result: Result = "failed" if any(hopeless for _, hopeless in short) else "warning"
    return result, "; ".join(text for text, _ in short)


def _scoring(settings: Settings) -> Iterator[CheckResult]:
    scoring = settings.scoring
    version = load_scorer(scoring).metric_version(scoring)
    yield CheckResult("metric version", "ok", "0x" + version.hex())
    folder = scoring.evaluations
    count = len(list(folder.glob("*.jsonl"))) if folder and folder.exists() else 0
    yield _verdict("held-out sets", count > 0, f"{count} in {folder}", bad="warning")
    if scoring.metric == "full":
        yield from _golden()


def _golden() -> Iterator[CheckResult]:
    """Score shipped documents: another result would make this operator deviate."""
    from oracles.quality import golden

    known, computed = golden.check()
    wrong = sorted(name for name, value in known.items() if computed.get(name) != value)
    detail = f"{len(known)} as shipped" if not wrong else f"other results: {', '.join(wrong)}"
    yield _verdict("golden scores", not wrong, detail)


def _machine(settings: Settings) -> Iterator[CheckResult]:
    folder = settings.state
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    detail = f"{free / GIB:.1f} GiB free in {folder}"
    yield _verdict("disk", free >= _DISK_BYTES, detail, bad="warning")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = settings.scoring.memory_bytes
    detail = f"{memory / GIB:.1f} GiB, scoring may use {needed / GIB:.1f}"
    yield _verdict("memory", memory >= needed, detail, bad="warning")
    mode = folder.stat().st_mode & 0o077
    detail = "readable by its owner only" if not mode else f"chmod 700 {folder}"
    yield _verdict("state folder", not mode, detail, bad="warning")


def _stores(settings: Settings) -> Iterator[CheckResult]:
    probe = b"qmia operator check"
    for address in settings.stores.data:
        if not is_node(address):
            there = Path(address).is_dir()
            yield _verdict(
                f"store {address}",
                there,
                "there" if there else f"no such folder: mkdir -p {address}",
            )
    nodes = {a for a in settings.stores.data if is_node(a)} | set(settings.stores.pins)
    nodes |= {settings.exchange.ipfs} if settings.exchange.ipfs else set()
    for address in sorted(nodes):
        try:
            cid = IpfsStore(address, timeout=10).put(probe)
            same = cid == bytes_cid(probe)
            yield _verdict(f"IPFS {address}", same, f"stores and pins, {cid}")
        except StoreError as error:
            yield CheckResult(f"IPFS {address}", "failed", str(error))


def _exchange(settings: Settings) -> Iterator[CheckResult]:
    exchange = settings.exchange
    if not (exchange.directory or exchange.peers or exchange.follow):
        yield CheckResult("exchange", "failed", "no directory, no peers, no announcements: alone")
    for peer in exchange.peers:
        try:
            download(f"{peer.rstrip('/')}/livez", 1000, 10)
            yield CheckResult(f"peer {peer}", "ok", "answers")
        except InputError as error:
            yield CheckResult(f"peer {peer}", "warning", str(error))
