"""An outsider who looks for what nobody thought of: borrowed code, batches, bombs, clones, dust."""

from __future__ import annotations

import pytest
from eth_account import Account
from pyrevm import AccountInfo

from scripts.build import ROOT, compile_input, compile_sources
from tests.contracts.test_tokens import MIXED
from tests.support.auction import (
    BUYER,
    CASH,
    GWEI,
    MUT,
    NONE,
    PPB,
    RELAYER,
    SETTLER,
    Protocol,
    person,
    sign,
)
from tests.support.chain import ACCOUNTS, ETHER, Reverted, artifact, encode_call, reverts
from tests.support.discrete_log import N
from tests.support.revm import Revm

ALICE, MALLORY = ACCOUNTS[5], ACCOUNTS[6]
#: Run-time code that answers every call with a megabyte of zeros.
BOMB = bytes.fromhex("621000006000f3") + bytes(33)


def lend(protocol: Protocol, address: str, code: bytes) -> None:
    """Give an account code, as EIP-7702 lets its key do; on a chain of its own."""
    assert isinstance(protocol.chain, Revm)
    info = AccountInfo(balance=protocol.chain.balance(address), nonce=1, code=code)
    protocol.chain._evm.insert_account_info(address, info)
    assert protocol.chain.code(address)


class TestBorrowedCode:
    """EIP-7702: an account's code may change after it has signed; its key acts for it all along."""

    @pytest.mark.parametrize("answer", [1, 3, 4], ids=["garbage", "revert", "burn"])
    def test_account__that_lent_itself_code_after_signing__is_bound_by_its_key(
        self, answer: int
    ) -> None:
        """A friend holds its opening and its delivery; without this the bond would burn."""
        protocol = Protocol(Revm())
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE, 1)
        wallet = protocol.chain.deploy("ZooWallet", answer)
        lend(protocol, ALICE.address, protocol.chain.code(wallet.address))
        auction.go("open").open_for(0, ALICE)
        auction.go("roll").to("reveal").reveal(0, MALLORY.address)
        auction.to("deliver")
        with reverts("SignatureInvalid", ALICE.address):
            auction.deliver(0, sender=MALLORY.address, signer=MALLORY)
        auction.deliver(0, sender=MALLORY.address, signer=ALICE)
        auction.go("claim").claim(0)

    def test_account__that_lent_itself_code_that_says_yes__is_its_own_fault_alone(self) -> None:
        protocol = Protocol(Revm())
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE, 1)
        auction.commit(1)
        lend(
            protocol,
            ALICE.address,
            protocol.chain.code(protocol.chain.deploy("ZooWallet", 0).address),
        )
        auction.go("open").open_for(0, MALLORY)  # Its code allows everybody everything.
        with reverts("SignatureInvalid"):
            auction.open_for(1, MALLORY)


class TestBatch:
    """What is repaid must never be more than a call costs, also as one of many in a transaction."""

    @pytest.mark.parametrize(("members", "bids"), [(3, 1), (13, 3), (5, 300)])
    def test_gas__repaid_for_the_vectors_of_others__is_never_a_profit(
        self, members: int, bids: int
    ) -> None:
        """100,000 and more were repaid for 24,000, out of the operators' fees."""
        protocol = Protocol(Revm(), first=members)
        auction = protocol.lead("score", [1] * bids)
        signed = auction.commit_round([])
        batch = protocol.chain.deploy("Batch")
        oracle = protocol.oracle
        calls = [
            encode_call(oracle, "publishVector", protocol.auction, 1, each.submission())
            for each in signed
        ]
        spent = protocol.chain.call(batch, "run", oracle, calls)
        assert all(24_000 + 60 * bids < gas for gas in spent)
        chunk = [each.submission(0) for each in signed]
        post = encode_call(oracle, "postScores", protocol.auction, 1, 0, chunk)
        (gas,) = protocol.chain.call(batch, "run", oracle, [post])
        assert 100_000 + 30 * 8 * bids * members < gas + 16 * 8 * bids * members

    def test_stranger__that_publishes_what_was_posted__is_owed_nothing(
        self, protocol: Protocol
    ) -> None:
        """Whoever has seen a chunk posted has the reports of all members."""
        auction = protocol.lead("score")
        signed = auction.score([])
        with reverts("RoundComplete", 1):
            auction.ask("publishVector", signed[0].submission(), sender=MALLORY.address)


class TestBomb:
    """A megabyte of answer to every transfer: as good as a refusal, and no more."""

    def test_payer__with_an_answer_of_a_megabyte__stops_only_its_own_bond(self) -> None:
        protocol = Protocol(Revm())
        auction = protocol.create(rho=PPB // 2, pool=10**6)
        auction.commit_for(ALICE.address, ALICE, 100_000)
        auction.commit(200_000)
        lend(protocol, RELAYER.address, BOMB)
        auction.go("roll").to("reveal")
        for index in range(2):
            auction.reveal(index, MALLORY.address)
        auction.to("claim")
        assert auction.claim(0, CASH | MUT).events("Claimed")
        assert auction.claim(1).events("Claimed")
        assert auction.withdraw_refund().events("RefundWithdrawn")

    @pytest.mark.parametrize("who", [SETTLER.address, BUYER.address])
    def test_settler_or_buyer__with_an_answer_of_a_megabyte__stops_nobody(self, who: str) -> None:
        protocol = Protocol(Revm())
        auction = protocol.lead("settle", bounty=ETHER)
        lend(protocol, who, BOMB)
        auction.settle(sender=RELAYER.address)
        auction.to("claim")
        for index in auction.entries:
            auction.claim(index)


class TestSettlementCode:
    """`Settlement` is run by delegatecall; by itself it must be of no use to anybody."""

    @pytest.mark.parametrize("auction_id", [0, 1, 2**256 - 1])
    def test_settlement__called_by_itself__finds_no_auction(
        self, protocol: Protocol, auction_id: int
    ) -> None:
        auction = protocol.lead("settle")
        code = protocol.chain.at("Settlement", protocol.view("SETTLEMENT"))
        for marginals in (auction.proposal(), (NONE, NONE, NONE)):
            with reverts("OutOfPhase", protocol.chain.time, 0, 0):
                protocol.chain.transact(code, "settle", auction_id, marginals, NONE)
        assert auction.state() == 0

    def test_settlement__in_the_auctions_storage__has_the_same_slots(self) -> None:
        """What both know stands first, slot by slot; what is the auction's own comes after it."""
        names = [f"contracts/{name}.sol" for name in ("DataAuction", "Settlement")]
        texts = {name: (ROOT / name).read_text() for name in names}
        wanted = compile_input(texts, {"*": {"*": ["storageLayout"]}})
        output = compile_sources(wanted, cached=True)["contracts"]
        auction, settlement = (
            [
                (row["label"], row["slot"], row["offset"])
                for row in output[name][name[10:-4]]["storageLayout"]["storage"]
            ]
            for name in names
        )
        assert len(settlement) == 5
        assert auction[: len(settlement)] == settlement
        last = max(int(slot) for _, slot, _ in settlement)
        assert all(int(slot) > last for _, slot, _ in auction[len(settlement) :])

    def test_settlement__has_nothing_that_ends_or_replaces_it(self) -> None:
        """No self-destruct and no call into another's code (the clones' code is not its own)."""
        code = artifact("Settlement").deployed_bytecode
        code = code[: -2 - int.from_bytes(code[-2:], "big")]
        found, position = set(), 0
        while position < len(code):
            found.add(code[position])
            position += code[position] - 0x5E if 0x60 <= code[position] <= 0x7F else 1
        assert not found & {0xFF, 0xF2}  # SELFDESTRUCT, CALLCODE


@pytest.mark.parametrize("secret", [1, 2, N - 1, N - 2], ids=["G", "2G", "-G", "-2G"])
def test_wrong_key__under_a_special_ephemeral_point__is_refuted_and_a_right_one_is_not(
    protocol: Protocol, secret: int
) -> None:
    """The sum of two multiples of G is the case that precompiles and slopes get wrong."""
    auction = protocol.lead("deliver", (1, 2))
    ephemeral = Account.from_key(secret.to_bytes(32, "big"))
    auction.deliver(0, auction.delivery(0, b"\7" * 32, ephemeral))
    auction.deliver(1, auction.delivery(1, None, ephemeral))
    auction.go("dispute")
    auction.refute(0, auction.delivery(0, b"\7" * 32, ephemeral))
    with reverts("KeyIsRight", auction.id, 1):
        auction.refute(1, auction.delivery(1, None, ephemeral))


def test_ephemeral_point__that_is_the_buyers_own_key__cannot_be_signed_for(
    protocol: Protocol,
) -> None:
    auction = protocol.lead("deliver", (1,))
    entry, words = auction.entries[0], (b"\7" * 32, protocol.key()["x"], protocol.key()["y"])
    signature = sign(person("cheat"), auction.delivery_digest(0, words))
    with reverts("EphemeralKeyInvalid"):
        args = (auction.id, entry.place, words, signature, b"")
        protocol.trade("deliver", *args, sender=entry.owner)


def test_agreement__with_the_same_first_half__is_another_one(protocol: Protocol) -> None:
    """Half a digest is kept, but of a hash: no text with a chosen beginning passes."""
    auction = protocol.create()
    other = auction.terms["agreement"][:16] + bytes(16)
    entry = auction.entry(protocol.fund(ALICE.address), 1)
    args = (auction.id, entry.sealed, entry.data_set, other)
    with reverts("AgreementDiffers", other):
        protocol.do("commit", *args, sender=ALICE.address, value=auction.deposit)


def test_usage__paid_to_a_mut_that_nobody_will_ever_hold__is_refused(protocol: Protocol) -> None:
    """A careless publisher's money stayed in the token for ever."""
    auction = protocol.lead("deliver", [0, 0], budget=100, pool=100, rho=0).go("dispute")
    for index in range(2):
        auction.forfeit(index)
    auction.go("claim").withdraw_refund()
    chain, mut = protocol.chain, auction.mut()
    log = chain.deploy("UsageLog", protocol.auction)
    chain.transact(protocol.token, "mint", ALICE.address, 50)
    chain.transact(protocol.token, "approve", log, 50, sender=ALICE.address)
    with reverts("NothingAccrued", mut.address):
        period = (1, chain.time, 50, b"\1" * 32, b"\2" * 32, b"\3" * 32)
        chain.transact(log, "close", mut, period, sender=ALICE.address)
    assert protocol.held(ALICE.address) == 50
    chain.transact(log, "close", mut, (1, chain.time, 0, *period[3:]), sender=ALICE.address)


def test_clones__before_and_after_their_auction_settles__take_orders_from_nobody(
    protocol: Protocol,
) -> None:
    """Nobody can make, initialise, fill or empty a token at the address that is foreseen for it."""
    auction = protocol.lead("settle", **MIXED)
    mut, chain = auction.mut(), protocol.chain
    assert not chain.code(mut.address)
    auction.settle()
    for token in (mut, chain.at("MutToken", protocol.view("MUT_IMPLEMENTATION"))):
        for call in (
            ("initialize", 1, MALLORY.address, 5),
            ("mint", MALLORY.address, 5),
            ("reduce", 5),
        ):
            with reverts("NotTheAuction", MALLORY.address):
                chain.transact(token, *call, sender=MALLORY.address)


def test_consumer__that_is_nobodys_contract__takes_no_stake_of_a_set_that_it_names(
    protocol: Protocol,
) -> None:
    """Anybody may ask the oracle under any set; only what members sign for that consumer counts."""
    auction = protocol.lead("score")
    signed = auction.commit_round([])
    request = protocol.chain.call(protocol.oracle, "requestOf", protocol.auction, auction.id)[0]
    mine = tuple(
        protocol.chain.time + 1 if name == "start" else getattr(request, name)
        for name in request._fields
    )
    protocol.ask("open", 1, mine, sender=MALLORY.address)
    protocol.chain.time += 50
    operator = protocol.first[0].address
    credit = protocol.credit(operator)
    for report in signed:
        with pytest.raises(Reverted):
            protocol.ask("publishVector", MALLORY.address, 1, report.submission())
        with pytest.raises(Reverted):
            protocol.ask("postScores", MALLORY.address, 1, 0, [report.submission(0)])
    both = (signed[0].signed(1), signed[0]._replace(evidence=b"\7" * 32).signed(1))
    with reverts("NotSlashable", operator):
        protocol.ask("slashContradiction", MALLORY.address, 1, 0, *both)
    protocol.chain.time += 10**6
    with reverts("NotSlashable", operator):
        protocol.ask("slashMissing", MALLORY.address, 1, 1, 0)
    assert protocol.credit(operator) == credit


def test_revenue__in_many_small_parts_with_empty_transfers_between__loses_a_unit_each_at_most(
    protocol: Protocol,
) -> None:
    """Anybody may move nothing from or to a holder; that rounds its due down, once a deposit."""
    auction = protocol.lead("claim", **MIXED)
    auction.claim(0)
    chain, mut, holder = protocol.chain, auction.mut(), auction.entries[0].owner
    share = chain.call(mut, "balanceOf", holder), chain.call(mut, "totalSupply")
    parts = 20
    chain.transact(protocol.token, "mint", MALLORY.address, 7 * parts)
    for _ in range(parts):
        chain.transact(protocol.token, "transfer", mut, 7, sender=MALLORY.address)
        chain.transact(mut, "accrue")
        chain.transact(mut, "transferFrom", holder, MALLORY.address, 0, sender=MALLORY.address)
    fair = 7 * parts * share[0] // share[1]
    assert fair - parts <= chain.call(mut, "revenueOf", holder) <= fair


def test_mut__as_the_money_of_another_auction__pays_out_whole(protocol: Protocol) -> None:
    """What it earns in escrow goes to the contract that holds it and is nobody's (known issue)."""
    auction = protocol.lead("claim", **MIXED)
    auction.withdraw_refund()
    mut, chain = auction.mut(), protocol.chain
    budget = chain.call(mut, "balanceOf", BUYER.address)
    chain.transact(mut, "approve", protocol.auction, budget, sender=BUYER.address)
    terms = protocol.terms(token=mut.address, budget=budget)
    fee = terms["scoring"]["feeGwei"] * GWEI
    protocol.do("create", terms, protocol.key(), sender=BUYER.address, value=fee)
    chain.transact(protocol.token, "mint", MALLORY.address, 1000)
    chain.transact(protocol.token, "transfer", mut, 1000, sender=MALLORY.address)
    chain.transact(mut, "accrue")
    before = protocol.held(protocol.auction)
    chain.transact(mut, "claimFor", protocol.auction)
    assert protocol.held(protocol.auction) > before
    for index in range(2):
        auction.claim(index)  # The first auction pays what it owes all the same.
    chain.time += 90 * 86_400
    protocol.do("abort", 2)
    protocol.do("withdrawRefund", 2, BUYER.address, sender=BUYER.address)
    assert chain.call(mut, "balanceOf", BUYER.address) == budget


def test_walk__of_a_count_beyond_all_numbers__harms_only_who_asks_for_it(
    protocol: Protocol,
) -> None:
    auction = protocol.lead("settle")
    proposal = auction.proposal()
    protocol.do("settle", auction.id, proposal, 1, sender=MALLORY.address)
    with pytest.raises(Reverted):
        protocol.do("settle", auction.id, proposal, 2**256 - 1, sender=MALLORY.address)
    assert auction.settle().events("Settled")
