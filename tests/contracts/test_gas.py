"""Gas of the main calls, as receipts of a real node tell it, against a file in the repository.

The figures are exact and reproducible, so any change shows. After a wanted one, write them anew:

    python -m tests.contracts.test_gas
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from tests.contracts.test_metric_registry import VERSION, WINDOW, Registry
from tests.contracts.test_usage_log import ROOTS, Usage
from tests.support.anvil import Anvil
from tests.support.auction import (
    CASH,
    DEPLOYER,
    NONE,
    PPB,
    PRESENT,
    SETTLER,
    UNAVAILABLE,
    UNDERSERVED,
    UNREADABLE,
    WEEK,
    Auction,
    Protocol,
    Score,
    person,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.chain import Receipt

    Note = Callable[[str, Receipt], Receipt]

SNAPSHOT = Path(__file__).with_name("gas.json")
BIDS = 40
#: The whole life of a winner that is paid in cash, opening and delivery included.
LIFE = ("commit", "open", "reveal", "deliver", "claim, cash")
MOST_OF_A_LIFE = 270_000
DST = {
    "supply": 100_000,
    "floor": 100,
    "cap": 50_000,
    "volumeWeight": PPB // 2,
    "qualityWeight": PPB // 4,
    "impactWeight": PPB - PPB // 2 - PPB // 4,
}


def measure(chain: Anvil) -> dict[str, int]:
    """Gas of each call, by name."""
    gas: dict[str, int] = {}

    def note(name: str, receipt: Receipt) -> Receipt:
        assert receipt.gas_used is not None
        gas[name] = receipt.gas_used
        return receipt

    # Five score, three judge: the size of set that docs/security.md counts with.
    protocol = Protocol(chain, first=5, appeal=3)
    # The first of anything writes slots that are never written again.
    protocol.lead("claim", (1, 2)).withdraw_refund()
    terms = {"pool": 1_000_000, "rho": PPB // 2, "bounty": 10**9, "dst": DST}
    auction = protocol.create(**terms)
    note("create", auction.receipt)
    _provide(auction, note)
    _score(auction, note)
    _settle(auction, note)
    _exchange(auction, note)
    _claim(auction, note)

    scores = _scores(BIDS)
    tranche = protocol.lead("settle", range(20_000, 20_040), scores, tranche=PPB * 3 // 5)
    args = (tranche.id, tranche.proposal(), NONE)
    note("settle, 40 bids with a tranche", protocol.do("settle", *args))
    failed = protocol.lead("roll").go("challenge")
    note("abort", protocol.do("abort", failed.id))
    note("reclaimBond, after an abort", failed.reclaim(0))
    _object(Registry(protocol), note)
    _use(Usage(protocol), note)
    return gas


def _scores(count: int) -> list[Score]:
    flags = [PRESENT, PRESENT | UNDERSERVED]
    return [Score(1_000 + i, 9_000 - 50 * i, 9_900 - 100 * i, flags[i % 2]) for i in range(count)]


def _provide(auction: Auction, note: Note) -> None:
    protocol, relayed = auction.protocol, person("relayed")
    for index in range(BIDS - 1):
        owner = person(f"provider {index}").address
        entry = auction.entry(protocol.fund(owner), 60_000 + index)
        args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
        note("commit", protocol.do("commit", *args, sender=owner, value=auction.deposit))
        auction.entries[index] = entry
    entry = auction.entry(relayed.address, 9, SETTLER.address)
    args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
    words = (relayed.address, 2**40, auction.sign_commit(relayed, entry))
    receipt = protocol.do("commitFor", *args, *words, sender=SETTLER.address, value=auction.deposit)
    note("commitFor", receipt)
    auction.entries[BIDS - 1] = entry
    note("withdrawBid", auction.withdraw(1))
    auction.go("open")
    note("open", auction.open(0))
    note("openFor", auction.open_for(BIDS - 1, relayed))
    note("reclaimBond, of a withdrawn bid", auction.reclaim(1))


def _score(auction: Auction, note: Note) -> None:
    chain = auction.protocol.chain
    assert isinstance(chain, Anvil)
    chain.base_fee = 10**9  # What posting costs is repaid at this price.
    auction.go("roll")
    for member in range(3):
        note("callRoll, 40 bids", auction.call_roll(member))
    auction.go("score")
    note("tallyRoll, 40 bids of 3 members", auction.tally())
    scores = _scores(BIDS)
    reports = [auction.report(member, scores) for member in range(5)]
    for report in reports:
        note("commitVector", auction.commit_vector(report))
    auction.go("score_open")
    note("publishVector, 40 scores", auction.publish(reports[0]))
    note("postScores, 40 scores of 5 operators", auction.post(reports))
    note("challenge", auction.challenge())
    auction.scores = [score._replace(q=score.q + 11) for score in scores]
    auction.score(auction.scores, round_=2)
    note("resolve, 40 scores", auction.go("reveal").ask("resolve"))
    note("slashDeviator", auction.ask("slashDeviator", *auction.deviation(reports[0], 3)))
    chain.base_fee = 0


def _settle(auction: Auction, note: Note) -> None:
    protocol = auction.protocol
    note("acceptScores", protocol.do("acceptScores", auction.id))
    for index in [0, *range(2, BIDS)]:
        note("reveal", auction.reveal(index))
    auction.go("settle")
    right = auction.proposal()
    args = (auction.id, right, 20)
    note("settle, 20 of 40 bids", protocol.do("settle", *args, sender=SETTLER.address))
    args = (auction.id, right, NONE)
    note("settle, the last 20", protocol.do("settle", *args, sender=SETTLER.address))


def _exchange(auction: Auction, note: Note) -> None:
    gone, wrong, silent, unread, *rest = auction.winners()
    auction.go("fetch")
    note("nameMissing", auction.name_missing(gone))
    auction.go("fetch_verdict")
    note("submitVerdict, of 2 members", auction.verdict(gone, UNAVAILABLE, [0, 1]))
    auction.go("deliver")
    for index in (wrong, unread, *rest):
        garbage = keccak(text="garbage") if index == wrong else None
        note("deliver", auction.deliver(index, auction.delivery(index, garbage)))
    auction.go("dispute")
    delivery = auction.delivery(wrong, keccak(text="garbage"))
    note("refute", auction.refute(wrong, delivery))
    note("forfeit", auction.forfeit(silent))
    note("complain", auction.complain(unread))
    auction.go("dispute_verdict").verdict(unread, UNREADABLE, [0, 2])


def _claim(auction: Auction, note: Note) -> None:
    protocol, chain = auction.protocol, auction.protocol.chain
    auction.go("claim")
    paid, whole = auction.winners()[-2:]
    note("claim, cash", auction.claim(paid, CASH))
    note("claim, cash, MUT and bond", auction.claim(whole))
    loser = min(set(range(2, BIDS)) - set(auction.winners()))
    note("claim, bond of a loser", auction.claim(loser))
    note("claimBounty", protocol.do("claimBounty", auction.id, sender=SETTLER.address))
    note("withdrawRefund", auction.withdraw_refund())
    note("claimFee", auction.ask("claimFee", 2, 0))
    note("claimDue", auction.ask("claimDue", DEPLOYER.address))
    auction.go("reveal", WEEK)
    note("releaseStake", auction.ask("releaseStake", 2, 0))

    mut, holder = auction.mut(), auction.entries[whole].owner
    chain.transact(protocol.token, "mint", SETTLER.address, 10**9)
    chain.transact(protocol.token, "approve", mut, 10**9, sender=SETTLER.address)
    chain.transact(mut, "deposit", 10**6, sender=SETTLER.address)
    note("MUT deposit", chain.transact(mut, "deposit", 10**6, sender=SETTLER.address))
    note("MUT claimFor", chain.transact(mut, "claimFor", holder))
    note("MUT transfer", chain.transact(mut, "transfer", SETTLER.address, 5, sender=holder))
    note("DST create", chain.transact(protocol.factory, "create", auction.id, DST))
    token = auction.dst()
    _, proposal = auction.dst_shares()
    note("DST verify, 40 bids", chain.transact(token, "verify", proposal, NONE))
    place = auction.entries[whole].place
    note("DST claim", chain.transact(token, "claim", place))


def _object(registry: Registry, note: Note) -> None:
    """A metric is proposed, and one holder objects to two versions."""
    document = bytes(range(1, 201)) * 10
    note("propose a metric, document of 2 kB", registry.propose(document))
    registry.propose()
    note("lock DST", registry.do("lock", registry.token, 10))
    version = hashlib.sha256(document).digest()
    note("object, the first time", registry.do("object", version, registry.token))
    note("object, to a second version", registry.do("object", VERSION, registry.token))
    registry.chain.time += 2 * WINDOW
    note("release DST", registry.do("release", registry.token))
    note("returnBond", registry.do("returnBond", version))


def _use(usage: Usage, note: Note) -> None:
    """A model's publisher closes periods of its usage log."""
    for number, (name, revenue) in enumerate(
        (("the first", 100), ("with revenue", 100), ("without revenue", 0)), 1
    ):
        usage.protocol.chain.time += 60
        note(f"UsageLog close, {name}", usage.close(number, ROOTS[number], revenue))


def test_gas__of_the_main_calls__is_that_of_the_snapshot(anvil: Anvil) -> None:
    gas = measure(anvil)
    assert gas == json.loads(SNAPSHOT.read_text())
    assert sum(gas[name] for name in LIFE) <= MOST_OF_A_LIFE


def main() -> None:
    """Write the snapshot."""
    node = Anvil()
    try:
        gas = measure(node)
    finally:
        node.close()
    SNAPSHOT.write_text(json.dumps(gas, indent=1) + "\n")
    print(f"{len(gas)} figures in {SNAPSHOT.name}")


if __name__ == "__main__":
    main()
