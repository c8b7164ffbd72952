"""Attacks by signatures: malleable, short, of nobody, twice, and by wallets that misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.auction import BUYER, GWEI, RELAYER, SCORING, UNREADABLE, sign
from tests.support.chain import ACCOUNTS, Reverted, reverts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.auction import Auction, Entry, Protocol

ALICE = ACCOUNTS[5]
FEE = SCORING["feeGwei"] * GWEI
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


def relay(auction: Auction, entry: Entry, signature: bytes) -> None:
    words = (entry.sealed, entry.data_set, auction.terms["agreement"], entry.owner)
    args = (auction.id, *words, 2**40, signature)
    auction.protocol.do("commitFor", *args, sender=RELAYER.address, value=auction.deposit)


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__for_a_commitment__is_refused(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    auction = protocol.create()
    entry = auction.entry(ALICE.address, 1, RELAYER.address)
    bad = spoil(auction.sign_commit(ALICE, entry))
    with reverts("SignatureInvalid"):
        relay(auction, entry, bad)


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__for_an_opening__is_refused(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    auction = protocol.create()
    entry = auction.commit(1, ALICE.address)
    auction.go("open")
    args = (auction.id, entry.sealed, entry.place, auction.opening(0))
    with reverts("SignatureInvalid"):
        protocol.do("openFor", *args, spoil(auction.sign_opening(ALICE, 0)))
    protocol.do("openFor", *args, auction.sign_opening(ALICE, 0))


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__of_an_ephemeral_key_or_an_owner__delivers_nothing(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    auction = protocol.create()
    entry = auction.commit(1, ALICE.address)
    auction.to("deliver")
    delivery = auction.delivery(0)
    digest = auction.delivery_digest(0, delivery.words)
    ephemeral, owner = sign(delivery.ephemeral, digest), sign(ALICE, digest)
    args = (auction.id, entry.place, delivery.words)
    with pytest.raises(Reverted, match=r"ECDSAInvalid|EphemeralKeyInvalid"):
        protocol.trade("deliver", *args, spoil(ephemeral), owner)
    with reverts("SignatureInvalid", ALICE.address):
        protocol.trade("deliver", *args, ephemeral, spoil(owner))
    protocol.trade("deliver", *args, ephemeral, owner)


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__for_the_buyers_key__is_refused(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    key: Any = protocol.key()
    key["signature"] = spoil(key["signature"])
    terms = protocol.terms(budget=0, rho=0, pool=1)
    with reverts("KeyNotOwned"):
        protocol.do("create", terms, key, sender=BUYER.address, value=FEE)


@pytest.mark.parametrize("change", [{"x": bytes(32)}, {"y": b"\xff" * 32}], ids=["x", "y"])
def test_rogue_key__off_the_curve__is_refused(protocol: Protocol, change: dict[str, bytes]) -> None:
    key = protocol.key() | change
    with reverts("KeyNotOwned"):
        protocol.do("create", protocol.terms(), key, sender=BUYER.address, value=FEE)


def test_rogue_key__somebody_elses_proof__is_refused(protocol: Protocol) -> None:
    with reverts("KeyNotOwned"):
        key = protocol.key(ALICE.address)
        protocol.do("create", protocol.terms(), key, sender=BUYER.address, value=FEE)


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_bad_signature__of_a_report__is_refused(
    protocol: Protocol, spoil: Callable[[bytes], bytes]
) -> None:
    auction = protocol.create()
    auction.commit()
    reports = auction.commit_round([])
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
    reports = auction.commit_round([])
    with pytest.raises(Reverted, match=r"NotAscending|WrongMembers"):
        auction.post([reports[i] for i in order])


def complained(protocol: Protocol) -> Auction:
    auction = protocol.lead("dispute", [1])
    auction.complain(0)
    return auction.go("dispute_verdict")


@pytest.mark.parametrize(
    ("members", "error"),
    [((0, 0, 1), "NotAscending"), ((1, 0, 2), "NotAscending"), ((0,), "NoQuorum")],
    ids=str,
)
def test_verdict__of_doubled_unordered_or_few_signers__is_refused(
    protocol: Protocol, members: tuple[int, ...], error: str
) -> None:
    auction = complained(protocol)
    with reverts(error):
        auction.verdict(0, UNREADABLE, members)


def test_verdict__entered_twice__is_refused(protocol: Protocol) -> None:
    auction = complained(protocol)
    auction.verdict(0, UNREADABLE, (0, 1))
    with reverts("AlreadyStruckOut"):
        auction.verdict(0, UNREADABLE, (0, 1, 2))


@pytest.mark.parametrize("answer", range(5), ids=["right", "garbage", "short", "revert", "burn"])
def test_contract_wallet__that_answers_anything_but_yes__only_fails_its_relayer(
    protocol: Protocol, answer: int
) -> None:
    wallet = protocol.chain.deploy("ZooWallet", answer).address
    auction = protocol.create()
    entry = auction.entry(wallet, 1, RELAYER.address)
    if answer == 0:
        relay(auction, entry, b"anything")
        auction.entries[0] = entry
    else:
        with reverts("SignatureInvalid"):
            relay(auction, entry, b"anything")
    auction.commit(1, ALICE.address)  # Whoever comes next is not hindered.


def test_contract_wallet__not_deployed_yet__cannot_sign(protocol: Protocol) -> None:
    auction = protocol.create()
    entry = auction.entry("0x" + "c0" * 20, 1, RELAYER.address)
    with reverts("SignatureInvalid"):
        relay(auction, entry, b"\x01" * 65)
