"""How fast the audit replays, on generated, valid logs of one auction.

    python -m benchmarks.audit [--bids 100 1000 10000] [--json]

Every number in the logs is made by `oracles.mechanism` and `oracles.chain.packing`, none by
`oracles.audit`. Each size is an archive, replayed in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from oracles.audit import Archive, Block, Header, Log, replay
from oracles.audit.archive import write_records
from oracles.audit.auctions import exchange_of
from oracles.audit.hashes import created_by
from oracles.audit.records import Draw
from oracles.chain import packing
from oracles.chain.deployment import Deployed, Deployment
from oracles.chain.packing import NONE, Score
from oracles.chain.terms import GWEI, PPB, Durations, ScoringTerms, Terms, WeightTerms, encoded
from oracles.chain.typed_data import Domain, report_message, typed_digest
from oracles.mechanism import Bid, WeightRule, clear, propose, settlement_totals
from tests.support.logs import encode_log, entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eth_account.signers.local import LocalAccount

    from oracles.audit.records import Record

CHAIN_ID = 31337
STAKE = 10**18
START = 1_800_000_000
LENGTH = 1_000
#: At most as many as one auction takes.
SIZES = (100, 1_000, 10_000)
#: Logs in one generated block.
BLOCK = 100


class Writer:
    """Makes records: events in, blocks and logs out."""

    def __init__(self) -> None:
        self.number = 0
        self.time = START
        self._in_block = BLOCK

    def log(self, address: str, name: str, *values: Any) -> Iterator[Record]:
        """The records of one event, its arguments in order."""
        if self._in_block == BLOCK:
            yield self.block()
        self._in_block += 1
        _, inputs = entries()[name]
        names = (item["name"] for item in inputs)
        topics, data = encode_log(name, dict(zip(names, values, strict=True)))
        yield Log(address, topics, data, bytes(32), self._in_block)

    def block(self) -> Block:
        """The next block."""
        self.number += 1
        self._in_block = 0
        return Block(self.number, keccak(self.number.to_bytes(8, "big")), self.time, 0)

    def jump(self, timestamp: int) -> None:
        """Let time pass; the next log opens a block."""
        self.time, self._in_block = timestamp, BLOCK


def _address(label: str) -> str:
    return to_checksum_address(keccak(text=label)[12:])


AUCTION, ORACLE, FACTORY = (_address(name) for name in ("auction", "oracle", "factory"))
EXCHANGE = exchange_of(AUCTION)
TOKEN, BUYER = _address("token"), _address("buyer")
OPERATORS = sorted(
    (Account.from_key(keccak(text=f"operator {i}")) for i in range(3)),
    key=lambda account: int(account.address, 16),
)
SCORING = ScoringTerms(
    1, 8, 100, STAKE // GWEI, 0, 0, 0, 0, keccak(text="metric"), keccak(text="evaluation")
)
DURATIONS = Durations(**dict.fromkeys(Durations.__slots__, LENGTH) | {"challenge": 0})
PHASES = DURATIONS.phases(START, 0)


def deployment() -> Deployment:
    """Where the generated contracts are."""
    made = {
        "ScoreOracle": (ORACLE, (str(STAKE), "1")),
        "DataAuction": (AUCTION, (ORACLE, "0", "1", "1")),
        "Exchange": (EXCHANGE, (ORACLE,)),
        "DstFactory": (FACTORY, (AUCTION,)),
    }
    return Deployment(
        CHAIN_ID,
        0,
        {
            name: Deployed(to_checksum_address(address), arguments, "0x")
            for name, (address, arguments) in made.items()
        },
    )


def generate(bids: int, writer: Writer) -> Iterator[Record]:
    """A whole auction: commitments, openings, the roll, three operators' scores, sale, claims."""
    draw = random.Random(bids)
    budget = 1_000 * bids
    terms = Terms(
        TOKEN, budget, 0, PPB, 0, WeightTerms(), 10**6, bids, False, bytes(32), SCORING, DURATIONS
    )
    yield from _create(writer, terms)

    owners = [_address(f"provider {i}") for i in range(bids)]
    costs = [draw.randrange(1, 3_000) for _ in range(bids)]
    salts = [keccak(i.to_bytes(8, "big")) for i in range(bids)]
    for i in range(bids):
        sealed = packing.seal_bid(CHAIN_ID, AUCTION, 1, owners[i], costs[i], salts[i])
        data = (salts[i], salts[i], 4096, salts[i])
        yield from writer.log(AUCTION, "Committed", 1, i, owners[i], owners[i], sealed, data)
    writer.jump(PHASES.open_start)
    for i in range(bids):
        yield from writer.log(AUCTION, "Opened", 1, i, salts[i])

    scores = [
        Score(draw.randrange(1_000, 10_001), draw.randrange(10, 10_001), 1_000, present=True)
        for _ in range(bids)
    ]
    yield from _score(writer, scores)

    rule = WeightRule()
    claims = [Bid(i, costs[i], rule.weight(scores[i].q, scores[i].phi)) for i in range(bids)]
    for claim in claims:
        shown = (claim.index, claim.cost, salts[claim.index], claim.weight, False)
        yield from writer.log(AUCTION, "Revealed", 1, *shown)
    writer.jump(PHASES.reveal_end)
    yield from _settle(writer, claims, budget)

    cleared = clear(claims, budget=budget, pool=0, rho=Fraction(1))
    writer.jump(PHASES.fetch_end)
    for i in cleared.winners:
        yield from writer.log(EXCHANGE, "Delivered", 1, i, (bytes(32), *_point(OPERATORS[0])))
    writer.jump(PHASES.dispute_end)
    for i in range(bids):
        cash = cleared.cash.get(i, 0)
        paid = (1, i, owners[i], owners[i], cash, 0, terms.bond_gwei * GWEI)
        yield from writer.log(AUCTION, "Claimed", *paid)
        if cash:
            yield from writer.log(TOKEN, "Transfer", AUCTION, owners[i], cash)


def _point(account: LocalAccount) -> tuple[bytes, bytes]:
    """An account's key, by its coordinates."""
    point = PrivateKey(bytes(account.key)).public_key.to_bytes()
    return point[:32], point[32:]


def _create(writer: Writer, terms: Terms) -> Iterator[Record]:
    """Operators agree to serve, and the buyer creates the auction."""
    members = [account.address for account in OPERATORS]
    for account in OPERATORS:
        yield from writer.log(ORACLE, "OperatorRegistered", account.address, *_point(account))
        yield from writer.log(ORACLE, "CreditAdded", account.address, STAKE)
    yield from writer.log(ORACLE, "SetProposed", 1, BUYER, (3, members), (0, []))
    for number, member in enumerate(members, 1):
        yield from writer.log(ORACLE, "SetAccepted", 1, member, number == len(members))
    d = DURATIONS
    windows = (d.roll, d.score_commit, d.score_open, d.score_post, d.challenge)
    request = (1, PHASES.open_end, *windows, SCORING.metric_version, STAKE, 0)
    yield from writer.log(ORACLE, "RequestOpened", AUCTION, 1, 2, request, PHASES.reveal_start)
    created = (1, BUYER, 2, encoded(terms), *_point(OPERATORS[0]), 0, terms.budget, 0)
    yield from writer.log(AUCTION, "AuctionCreated", *created)
    yield from writer.log(TOKEN, "Transfer", BUYER, AUCTION, terms.budget)


def _score(writer: Writer, scores: list[Score]) -> Iterator[Record]:
    """All operators hold everything, and are of one mind."""
    roll = packing.pack_roll(set(range(len(scores))), len(scores))
    writer.jump(PHASES.open_end)
    for account in OPERATORS:
        yield from writer.log(ORACLE, "RollCalled", AUCTION, 1, account.address, roll)
    window = DURATIONS.windows(START, 0, 1)
    writer.jump(window.commit)
    yield from writer.log(ORACLE, "RollTallied", AUCTION, 1, 7, roll)

    vector = packing.pack_vector(scores)
    hashes = packing.chunk_hashes(vector)
    root, evidence = packing.report_root(hashes), bytes(32)
    facts = (AUCTION, 1, 1, SCORING.metric_version, root, evidence)
    digest = typed_digest(report_message(Domain.oracle(CHAIN_ID, ORACLE), *facts))
    signed = []
    for account in OPERATORS:
        signed.append(bytes(account.unsafe_sign_hash(digest).signature))
        commitment = packing.vector_commitment(digest, account.address, bytes(32))
        yield from writer.log(ORACLE, "VectorCommitted", AUCTION, 1, 1, account.address, commitment)
    writer.jump(window.open)
    pointers = []
    for number, chunk in enumerate(packing.chunks(vector)):
        # The roll was the first contract that the oracle made.
        pointers.append(created_by(ORACLE, number + 2))
        posted = [
            (i, bytes(32), evidence, signature, hashes, chunk) for i, signature in enumerate(signed)
        ]
        yield from writer.log(ORACLE, "DueAdded", AUCTION, 1, BUYER, 0)
        event = (AUCTION, 1, 1, number, 7, pointers[-1], posted)
        yield from writer.log(ORACLE, "ScoresPosted", *event)
    yield from writer.log(ORACLE, "RoundCompleted", AUCTION, 1, 1, 7)
    writer.jump(PHASES.reveal_start)
    yield from writer.log(AUCTION, "ScoresAccepted", 1, 1, pointers, 0)


def _settle(writer: Writer, claims: list[Bid], budget: int) -> Iterator[Record]:
    marginals = tuple(
        NONE if index is None else index
        for index in propose(claims, beta=budget, tranche=Fraction(0))
    )
    proposal = keccak(encode(["uint256"] * 4, [1, *marginals]))
    yield from writer.log(AUCTION, "Walked", 1, proposal, BUYER, 0, len(claims))
    cleared = clear(claims, budget=budget, pool=0, rho=Fraction(1))
    totals = settlement_totals(cleared, budget=budget, pool=0, rho=Fraction(1))
    winners = set(cleared.winners)
    weights = sum(claims[i].weight for i in winners)
    # The contract's fraction is not reduced: β / W, or the first loser's cost / weight.
    lost = [bid for bid in claims if bid.index not in winners]
    price = (budget, weights)
    if lost:
        first = min(lost, key=lambda bid: (Fraction(bid.cost, bid.weight), bid.index))
        if budget * first.weight >= first.cost * weights:
            price = (first.cost, first.weight)
    counts = (len(cleared.winners), len(claims), 0)
    outcome = (False, *price, 0, 1, *counts, totals.buyer_cash, 0, 0)
    yield from writer.log(AUCTION, "Settled", 1, marginals, outcome)
    yield from writer.log(AUCTION, "BountyClaimed", 1, BUYER, 0)


def write(bids: int, path: Path) -> None:
    """Generate an archive."""
    writer = Writer()
    records = list(generate(bids, writer))
    last = records[max(i for i, each in enumerate(records) if isinstance(each, Block))]
    assert isinstance(last, Block)  # noqa: S101 - for the type checker
    draws = {1: Draw(1, PHASES.open_start, START, bytes(32))}
    header = Header(CHAIN_ID, deployment(), 0, last.number, last.hash, draws=draws)
    write_records(path, header, records)


def measure(path: str) -> tuple[int, int, float, int]:
    """Events, findings, seconds, peak memory in bytes, of one replay."""
    before = time.perf_counter()
    state = replay(Archive(Path(path)))
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return state.followed(), len(state.findings()), seconds, peak


def main() -> None:
    """Print a line a size, and how time grows with it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bids", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for bids in arguments.bids:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "generated.qmia-archive"
            write(bids, path)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                events, findings, seconds, peak = pool.apply(measure, (str(path),))
            row = {
                "bids": bids,
                "events": events,
                "findings": findings,
                "archive_bytes": path.stat().st_size,
                "seconds": round(seconds, 3),
                "events_per_second": round(events / seconds),
                "peak_bytes": peak,
            }
        rows.append(row)
        if not arguments.json:
            growth = ""
            if len(rows) > 1:
                growth = f", time x {row['seconds'] / rows[-2]['seconds']:.1f}"
            sys.stdout.write(
                f"{bids:>7,} bids: {events:>8,} events in {seconds:7.2f} s,"
                f" {row['events_per_second']:>6,} per second, peak {peak >> 20} MiB,"
                f" {findings} findings{growth}\n"
            )
            sys.stdout.flush()
    if arguments.json:
        sys.stdout.write(json.dumps({"rows": rows}) + "\n")
    sys.exit(1 if any(row["findings"] for row in rows) else 0)


if __name__ == "__main__":
    main()
