"""Attacks by signatures: malleable, short, of nobody, twice, and by wallets that misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.play import revealed
from tests.support.auction import BUYER, RELAYER, Score
from tests.support.chain import ACCOUNTS, Reverted, reverts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.auction import Auction, Protocol

ALICE = ACCOUNTS[5]
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def twin(signature: bytes) -> bytes:
    """The other signature of the same key over the same digest."""
    s = N - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


BAD: dict[str, Callable[[bytes], bytes]] = {
    "malleable": twin,
    "short": lambda signature: signature[:64],
    "empty": lambda _: b"",
    "long": lambda signature: signature + b"\0",
    "recovers zero": lambda _: bytes(64) + b"\x1b",
    "no recovery id": lambda signature: signature[:64] + b"\0",
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__for_a_commitment__is_refused(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    auction = protocol.create()
    entry = auction.entry(ALICE.address, 1, RELAYER.address)
    bad = spoil(auction.sign_commit(ALICE, entry))
    args = (auction.id, entry.sealed, auction.data_set(), ALICE.address, 2**40, bad)
    with reverts("SignatureInvalid"):
        protocol.do("commitFor", *args, sender=RELAYER.address, value=auction.bond)


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__for_the_buyers_key__is_refused(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    key: Any = protocol.key()
    key["signature"] = spoil(key["signature"])
    with pytest.raises(Reverted, match=r"ECDSAInvalid|KeyNotOwned"):
        protocol.do("create", protocol.terms(budget=0, rho=0, pool=1), key, sender=BUYER.address)


def test_rogue_key__somebody_elses_proof__is_refused(protocol: Protocol) -> None:
    with reverts("KeyNotOwned"):
        protocol.do("create", protocol.terms(), protocol.key(ALICE.address), sender=BUYER.address)


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__of_a_report__is_refused(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    auction = protocol.create()
    auction.commit()
    auction.go("score")
    reports = [auction.report(i, [Score()]) for i in range(3)]
    for report in reports:
        auction.commit_vector(report)
    auction.go("open")
    bad = reports[1]._replace(signature=spoil(reports[1].signature))
    with pytest.raises(Reverted, match=r"ECDSAInvalid|SignerMismatch"):
        auction.post([reports[0], bad, reports[2]])
    auction.post(reports)


@pytest.mark.parametrize("order", [(0, 0, 1), (1, 0, 2), (2, 1, 0), (0, 1)], ids=str)
def test_unordered_signers__of_reports__are_refused(
    protocol: Protocol, order: tuple[int, ...]
) -> None:
    auction = protocol.create()
    auction.commit()
    auction.go("score")
    reports = [auction.report(i, [Score()]) for i in range(3)]
    for report in reports:
        auction.commit_vector(report)
    auction.go("open")
    with pytest.raises(Reverted, match=r"MembersUnordered|WrongMembers"):
        auction.post([reports[i] for i in order])


def delivered(protocol: Protocol) -> Auction:
    auction = revealed(protocol, [1])
    auction.settle()
    auction.deliver(0)
    return auction.go("verdict")


@pytest.mark.parametrize(
    ("members", "error"),
    [((0, 0, 1), "MembersUnordered"), ((1, 0, 2), "MembersUnordered"), ((0, 1), "NoQuorum")],
    ids=str,
)
def test_verdict__of_doubled_unordered_or_few_signers__is_refused(
    protocol: Protocol, members: tuple[int, ...], error: str
) -> None:
    auction = delivered(protocol)
    with reverts(error):
        auction.verdict([0], members)


def test_verdict__entered_twice_or_with_an_index_twice__is_refused(protocol: Protocol) -> None:
    auction = delivered(protocol)
    with reverts("NotForfeitable"):
        auction.verdict([0, 0], (0, 1, 2))
    auction.verdict([0], (0, 1, 2))
    with reverts("NotForfeitable"):
        auction.verdict([0], (0, 1, 2))


@pytest.mark.parametrize("answer", range(5), ids=["right", "garbage", "short", "revert", "burn"])
def test_contract_wallet__that_answers_anything_but_yes__only_fails_its_relayer(
    protocol: Protocol, answer: int
) -> None:
    wallet = protocol.chain.deploy("ZooWallet", answer).address
    auction = protocol.create()
    entry = auction.entry(wallet, 1, RELAYER.address)
    args = (auction.id, entry.sealed, auction.data_set(), wallet, 2**40, b"anything")
    if answer == 0:
        protocol.do("commitFor", *args, sender=RELAYER.address, value=auction.bond)
    else:
        with reverts("SignatureInvalid"):
            protocol.do("commitFor", *args, sender=RELAYER.address, value=auction.bond)
    # Whoever comes next is not hindered.
    protocol.do(
        "commit",
        auction.id,
        entry.sealed,
        auction.data_set(),
        sender=ALICE.address,
        value=auction.bond,
    )


def test_contract_wallet__not_deployed_yet__cannot_sign(protocol: Protocol) -> None:
    auction = protocol.create()
    entry = auction.entry("0x" + "c0" * 20, 1, RELAYER.address)
    args = (auction.id, entry.sealed, auction.data_set(), entry.owner, 2**40, b"\x01" * 65)
    with reverts("SignatureInvalid"):
        protocol.do("commitFor", *args, sender=RELAYER.address, value=auction.bond)
