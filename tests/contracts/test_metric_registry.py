"""The registry of metric versions keeps tokens, so that none is used twice or for a moment."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.contracts.test_tokens import enrolled
from tests.support.auction import NONE, Protocol, person
from tests.support.chain import Contract, Reverted, encode_call, reverts

if TYPE_CHECKING:
    from tests.support.chain import Receipt

DAY = 86_400
WINDOW, BOND = 14 * DAY, 10**17
DOCUMENT, OTHER = b'{"weights":[1,2]}', b'{"weights":[2,1]}'
VERSION, OTHER_VERSION = (hashlib.sha256(each).digest() for each in (DOCUMENT, OTHER))
PROPOSER, THIEF = person("proposer of a metric").address, person("thief of tokens").address


class Registry:
    """A registry, and an auction whose first provider holds participation tokens."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol, self.chain = protocol, protocol.chain
        auction = enrolled(protocol)
        self.token, self.holder = auction.dst(), auction.entries[0].owner
        self.chain.transact(self.token, "verify", auction.dst_shares()[1], NONE)
        self.chain.transact(self.token, "claim", auction.entries[0].place)
        self.supply = self.held(self.holder)
        self.contract: Contract = self.chain.deploy("MetricRegistry", *self.rules())
        for who in (PROPOSER, THIEF, self.holder):
            protocol.fund(who)
        self.chain.transact(
            self.token, "approve", self.contract, 2 * self.supply, sender=self.holder
        )

    def rules(self, **change: int) -> list[Any]:
        rules = {"floor": 1_000, "share": 2_000, "window": WINDOW, "bond": BOND} | change
        return [self.protocol.factory, self.protocol.token, *rules.values(), b"\1" * 32]

    def held(self, who: str | Contract) -> int:
        return int(self.chain.call(self.token, "balanceOf", who))

    def do(self, function: str, *args: Any, sender: str = "", value: int = 0) -> Receipt:
        sender = sender or self.holder
        return self.chain.transact(self.contract, function, *args, sender=sender, value=value)

    def propose(self, document: bytes = DOCUMENT, value: int = BOND) -> Receipt:
        return self.do("propose", document, sender=PROPOSER, value=value)

    def ask(self, function: str, *args: Any) -> Any:
        return self.chain.call(self.contract, function, *args)


@pytest.fixture
def registry(protocol: Protocol) -> Registry:
    return Registry(protocol)


def test_propose__of_a_document__names_its_digest_and_returns_the_bond(registry: Registry) -> None:
    start = registry.chain.time
    event = registry.propose().event("Proposed").args
    assert (bytes(event["version"]), event["document"]) == (VERSION, DOCUMENT)
    assert (event["closes"], event["latest"]) == (start + WINDOW, start + 2 * WINDOW)
    with reverts("AlreadyProposed", VERSION):
        registry.propose()
    with reverts("TooEarly", start + WINDOW):
        registry.do("returnBond", VERSION)
    registry.chain.time += WINDOW
    before = registry.chain.balance(PROPOSER)
    event = registry.do("returnBond", VERSION, sender=THIEF).event("BondReturned").args
    assert (bytes(event["version"]), event["proposer"]) == (VERSION, PROPOSER)
    assert event["amount"] == BOND == registry.chain.balance(PROPOSER) - before
    with reverts("BondGone", VERSION):
        registry.do("returnBond", VERSION)


def test_propose__without_document_or_bond__reverts(registry: Registry) -> None:
    for document in (b"", bytes(24_577)):
        with reverts("DocumentInvalid", len(document)):
            registry.propose(document)
    with reverts("BondWrong", BOND - 1, BOND):
        registry.propose(value=BOND - 1)
    for name in ("returnBond", "closesAt"):
        if name == "closesAt":
            assert registry.ask(name, VERSION) == 0
        else:
            with reverts("NotProposed", VERSION):
                registry.do(name, VERSION)
    with reverts("NotProposed", VERSION):
        registry.do("object", VERSION, registry.token)


@pytest.mark.parametrize(
    "change",
    [{"window": 0}, {"window": 365 * DAY + 1}, {"floor": 0}, {"share": 0}, {"share": 10_001}],
)
def test_deploy__with_rules_that_mean_nothing__reverts(
    registry: Registry, change: dict[str, int]
) -> None:
    with reverts("RulesInvalid"):
        registry.chain.deploy("MetricRegistry", *registry.rules(**change))


@pytest.mark.parametrize(
    "change", [{"window": 365 * DAY}, {"floor": 1}, {"share": 1}, {"share": 10_000}, {"bond": 0}]
)
def test_deploy__with_rules_at_their_bounds__is_what_it_was_told(
    registry: Registry, change: dict[str, int]
) -> None:
    rules = registry.rules(**change)
    contract = registry.chain.deploy("MetricRegistry", *rules)
    names = ("FACTORY", "PAYOUT_TOKEN", "FLOOR", "SHARE", "WINDOW", "BOND", "GENESIS")
    for name, wanted in zip(names, rules, strict=True):
        found = registry.chain.call(contract, name)
        assert found == (wanted.address if isinstance(wanted, Contract) else wanted), name


def test_propose__of_the_longest_document__is_taken(registry: Registry) -> None:
    registry.propose(bytes(24_576))
    with reverts("BondWrong", BOND + 1, BOND):
        registry.propose(value=BOND + 1)


def test_object__with_locked_tokens__counts_for_every_version_and_they_come_back(
    registry: Registry,
) -> None:
    """Decoys: many proposals at once do not split those who object."""
    registry.propose()
    registry.propose(OTHER)
    event = registry.do("lock", registry.token, registry.supply).event("Locked").args
    assert (event["token"], event["holder"]) == (registry.token.address, registry.holder)
    assert event["amount"] == registry.supply == registry.held(registry.contract)
    for version in (VERSION, OTHER_VERSION):
        event = registry.do("object", version, registry.token).event("Objected").args
        assert (event["holder"], event["amount"]) == (registry.holder, registry.supply)
        with reverts("NothingLocked"):
            registry.do("object", version, registry.token)
    amount, until = registry.ask("lockOf", registry.holder, registry.token)
    assert (amount, until) == (registry.supply, registry.chain.time + 2 * WINDOW)
    registry.chain.time = until - 1
    with reverts("TooEarly", until):
        registry.do("release", registry.token)
    registry.chain.time = until
    event = registry.do("release", registry.token).event("Released").args
    assert (event["token"], event["holder"]) == (registry.token.address, registry.holder)
    assert event["amount"] == registry.supply == registry.held(registry.holder)
    with reverts("NothingLocked"):
        registry.do("release", registry.token)


def test_flash_loan__of_tokens__cannot_be_given_back_in_the_same_moment(registry: Registry) -> None:
    """Price: the tokens themselves, for two windows."""
    registry.propose()
    registry.do("lock", registry.token, registry.supply)
    registry.do("object", VERSION, registry.token)
    with reverts("TooEarly"):
        registry.do("release", registry.token)


def test_passed_on_tokens__cannot_object_twice(registry: Registry) -> None:
    registry.propose()
    registry.do("lock", registry.token, registry.supply)
    registry.do("object", VERSION, registry.token)
    with pytest.raises(Reverted):
        registry.chain.transact(
            registry.token, "transfer", THIEF, registry.supply, sender=registry.holder
        )
    with reverts("NothingLocked"):
        registry.do("object", VERSION, registry.token, sender=THIEF)


def test_last_second__objection__gives_others_a_day_up_to_a_second_window(
    registry: Registry,
) -> None:
    registry.propose()
    closes = registry.ask("closesAt", VERSION)
    latest = closes + WINDOW
    registry.do("lock", registry.token, 1)
    registry.chain.time = closes - 1
    extended = registry.do("object", VERSION, registry.token).event("Extended").args["closes"]
    assert extended == closes - 1 + DAY
    while registry.chain.time + DAY < latest:
        registry.chain.time = registry.ask("closesAt", VERSION) - 1
        registry.do("lock", registry.token, 1)
        registry.do("object", VERSION, registry.token)
    assert registry.ask("closesAt", VERSION) == latest
    registry.chain.time = latest
    registry.do("lock", registry.token, 1)
    with reverts("Closed", VERSION, latest):
        registry.do("object", VERSION, registry.token)


def test_object__early__extends_nothing(registry: Registry) -> None:
    """Early is a day before the end, to the second."""
    registry.propose()
    closes = registry.ask("closesAt", VERSION)
    registry.do("lock", registry.token, 5)
    registry.chain.time = closes - DAY
    assert not registry.do("object", VERSION, registry.token).events("Extended")
    assert registry.ask("closesAt", VERSION) == closes
    assert registry.ask("objectionOf", VERSION, registry.token, registry.holder) == 5


def test_lock__of_tokens_that_are_not_the_factory_s__reverts(registry: Registry) -> None:
    for token in (registry.protocol.token, THIEF, registry.protocol.auction):
        with reverts("NotAParticipationToken"):
            registry.do("lock", token, 1)


def test_lock__of_what_one_does_not_have__reverts(registry: Registry) -> None:
    with pytest.raises(Reverted):
        registry.do("lock", registry.token, registry.supply + 1)
    with reverts("NothingLocked"):
        registry.do("release", registry.token)


def test_propose__of_the_version_that_holds_from_the_start__reverts(registry: Registry) -> None:
    rules = [*registry.rules()[:-1], VERSION]
    contract = registry.chain.deploy("MetricRegistry", *rules)
    with reverts("AlreadyProposed", VERSION):
        registry.chain.transact(contract, "propose", DOCUMENT, sender=PROPOSER, value=BOND)


def test_lock__of_a_token_that_says_it_is_an_auctions__reverts(registry: Registry) -> None:
    """It answers with the number of a true auction, whose token is another one."""
    parrot = registry.chain.deploy("Parrot", (1).to_bytes(32, "big"))
    with reverts("NotAParticipationToken", parrot.address):
        registry.do("lock", parrot, 1)


def test_return_bond__to_who_refuses_it__waits_for_it(registry: Registry) -> None:
    chain = registry.chain
    wallet = chain.deploy("Wallet", PROPOSER)
    call = encode_call(registry.contract, "propose", DOCUMENT)
    chain.transact(wallet, "execute", registry.contract, BOND, call, value=BOND)
    chain.transact(wallet, "refuse", True)
    chain.time += WINDOW
    with reverts("BondGone", VERSION):
        registry.do("returnBond", VERSION)
    chain.transact(wallet, "refuse", False)
    registry.do("returnBond", VERSION)
    assert chain.balance(wallet.address) == BOND
