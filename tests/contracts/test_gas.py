"""Gas of the main calls, as receipts of a real node tell it, against a file in the repository.

The figures are exact and reproducible, so any change shows. After a wanted one, write them anew:

    python -m tests.contracts.test_gas
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.anvil import Anvil
from tests.support.auction import (
    BUYER,
    CASH,
    ELIGIBLE,
    NONE,
    PPB,
    SETTLER,
    UNDERSERVED,
    Protocol,
    Score,
    person,
)

if TYPE_CHECKING:
    from tests.support.chain import Receipt

SNAPSHOT = Path(__file__).with_name("gas.json")
BIDS = 40


def measure(chain: Anvil) -> dict[str, int]:
    """Gas of each call, by name."""
    gas: dict[str, int] = {}

    def note(name: str, receipt: Receipt) -> Receipt:
        assert receipt.gas_used is not None
        gas[name] = receipt.gas_used
        return receipt

    protocol = Protocol(chain)
    dst = {
        "supply": 100_000,
        "floor": 100,
        "cap": 50_000,
        "volumeWeight": PPB // 2,
        "qualityWeight": PPB // 4,
        "impactWeight": PPB - PPB // 2 - PPB // 4,
    }
    protocol.create()
    auction = protocol.create(pool=1_000_000, rho=PPB // 2, bounty=10**9, dst=dst)
    note("create", auction.receipt)
    relayed = person("relayed")
    for index in range(BIDS - 2):
        owner = person(f"provider {index}").address
        entry = auction.entry(protocol.fund(owner), 20_000 + index)
        args = (auction.id, entry.sealed, auction.data_set())
        note("commit", protocol.do("commit", *args, sender=owner, value=auction.bond))
        auction.entries[index] = entry
    auction.commit_for(relayed.address, relayed, 9)
    entry = auction.entry(relayed.address, 90_000, SETTLER.address)
    signature = auction.sign_commit(relayed, entry, 1)
    args = (auction.id, entry.sealed, auction.data_set(), relayed.address, 2**40, signature)
    receipt = protocol.do("commitFor", *args, sender=SETTLER.address, value=auction.bond)
    note("commitFor", receipt)
    auction.entries[BIDS - 1] = entry
    old = auction.entries[0]
    args = (auction.id, 0, old.sealed, old.payer, entry.sealed, auction.data_set("new"))
    note("recommit", protocol.do("recommit", *args, sender=old.owner))
    note("withdraw", auction.withdraw(1))

    count = BIDS + 1
    flags = [ELIGIBLE, ELIGIBLE | UNDERSERVED]
    scores = [Score(1_000 + i, 9_000 - 50 * i, 9_900 - 100 * i, flags[i % 2]) for i in range(count)]
    auction.go("score")
    reports = [auction.report(i, scores) for i in range(3)]
    for report in reports:
        note("commitVector", auction.commit_vector(report))
    auction.go("open")
    note("publishVector, 41 scores", auction.publish(reports[0]))
    note("postScores, 41 scores of 3 operators", auction.post(reports))
    auction.scores = scores
    auction.go("reveal")
    note("reveal, the first", auction.reveal(2))
    for index in range(3, BIDS):
        note("reveal", auction.reveal(index))
    auction.go("settle")
    right = auction.proposal()
    args = (auction.id, right, 20)
    note("settle, 20 of 41 bids", protocol.do("settle", *args, sender=SETTLER.address))
    args = (auction.id, right, NONE)
    note("settle, the last 21", protocol.do("settle", *args, sender=SETTLER.address))
    winners = auction.winners()
    for index in winners[1:]:
        note("deliver, 100 bytes", auction.deliver(index, b"k" * 100))
    auction.go("verdict")
    note("forfeit", protocol.do("forfeit", auction.id, winners[0]))
    note("enterVerdict", auction.verdict([winners[1]], [0, 1, 2]))
    auction.go("claim")
    note("claim, cash", auction.claim(winners[2], CASH))
    note("claim, cash, MUT and bond", auction.claim(winners[3]))
    losers = sorted(set(range(2, BIDS)) - set(winners))
    note("claim, bond of a loser", auction.claim(losers[0]))
    note("claimBounty", protocol.do("claimBounty", auction.id, sender=SETTLER.address))
    args = (auction.id, BUYER.address)
    note("withdrawBuyer", protocol.do("withdrawBuyer", *args, sender=BUYER.address))

    mut, holder = auction.mut(), auction.entries[winners[3]].owner
    chain.transact(protocol.token, "mint", SETTLER.address, 10**9)
    chain.transact(protocol.token, "approve", mut, 10**9, sender=SETTLER.address)
    chain.transact(mut, "deposit", 10**6, sender=SETTLER.address)
    note("MUT deposit", chain.transact(mut, "deposit", 10**6, sender=SETTLER.address))
    note("MUT claimFor", chain.transact(mut, "claimFor", holder))
    note("MUT transfer", chain.transact(mut, "transfer", SETTLER.address, 5, sender=holder))

    note("DST create", chain.transact(protocol.factory, "create", auction.id, dst))
    token = auction.dst()
    _, proposal = auction.dst_shares()
    note("DST verify, 41 bids", chain.transact(token, "verify", proposal, NONE))
    e = auction.entries[winners[3]]
    note("DST claim", chain.transact(token, "claim", winners[3], e.owner, e.payer))

    tranche = protocol.lead("settle", range(20_000, 20_041), scores, tranche=PPB * 3 // 5)
    right = tranche.proposal()
    note("settle, 41 bids with a tranche", protocol.do("settle", tranche.id, right, NONE))
    failed = protocol.lead("score")
    failed.go("challenge")
    note("abort", protocol.do("abort", failed.id))
    note("reclaim", failed.reclaim(0))
    return gas


def test_gas__of_the_main_calls__is_that_of_the_snapshot(anvil: Anvil) -> None:
    assert measure(anvil) == json.loads(SNAPSHOT.read_text())


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
