"""What somebody tries who wants stakes, pay for nothing, or honest operators out of the way."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from eth_utils.crypto import keccak

from oracles.chain import artifacts
from oracles.chain.client import Sender
from oracles.chain.deployment import deploy_registry
from oracles.chain.metric import RegistryRules
from oracles.chain.oracle import Ground
from oracles.chain.packing import Score, pack_score
from oracles.chain.signers import LocalSigner
from oracles.chain.typed_data import key_message
from oracles.dataset import EncryptionKey
from oracles.errors import ChainError
from oracles.evidence import Cid, GatewayStore, StoreError, read
from oracles.evidence.cid import RAW
from oracles.market.buyer import Buyer
from tests.operator.network import DURATIONS, ETHER, FEE, GWEI, METRIC, STAKE, Network, texts
from tests.operator.rogue import Rogue
from tests.operator.test_cli import qmia
from tests.operator.test_faults import free_port
from tests.support.dripping import dripping

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.market.buyer import Received
    from tests.operator.network import Provider


def archive_of(provider: Provider) -> Cid:
    assert provider.manifest is not None
    return Cid.parse(provider.manifest.archive)


def appeal(network: Network, auction: int) -> None:
    """Challenge the first round, and open the second one's commit window."""
    network.mine(network.windows(auction).end)
    call = network.oracle.challenge(network.auctions.address, auction)
    network.buyer.send(call, value=FEE)
    network.mine(network.windows(auction, 2).commit)


def receive(network: Network, auction: int, out: str) -> dict[int, Received]:
    """What the buyer finds, and does about it."""
    buyer = Buyer(network.buyer, network.deployment)
    found = buyer.receive(auction, network.buyer_key, network.store, network.folder / out)
    return {each.index: each for each in found}


def introduce(network: Network) -> list[str]:
    """Tell daemons that are to be started of each other's servers; gives their addresses."""
    ports = [free_port() for _ in network.daemons]
    for daemon, port in zip(network.daemons, ports, strict=True):
        text = daemon.config.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"')
        peers = ", ".join(f'"http://127.0.0.1:{other}"' for other in ports if other != port)
        daemon.config.write_text(f"{text}exchange.peers = [{peers}]\n")
    return [f"http://127.0.0.1:{port}" for port in ports]


def assert_nobody_lost(network: Network) -> None:
    assert not network.events("StakeSlashed")
    assert not network.events("ContradictionProved")


# DATA THAT IS NOT SERVED


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_data__served_after_the_roll_only__takes_no_part_and_no_appeal_moves_anything(
    tmp_path: Path, size: int
) -> None:
    network = Network(tmp_path, operators=size, threshold=size, appeal=size)
    try:
        network.start()
        auction = network.create()
        late, good = network.commit(auction, 2, texts(0)), network.commit(auction, 3, texts(1))
        vanishes = network.commit(auction, 4, texts(2))
        hidden = network.hide(archive_of(late))
        network.open_all(auction, [late, good, vanishes])
        roll = network.await_roll(auction, late=True)
        assert roll == {good.index, vanishes.index}
        before = network.score(auction)
        assert [score.present for score in before] == [False, True, True]
        # One appears now, the other one is gone: the appeal has the same inputs all the same.
        network.store.put(hidden)
        network.hide(archive_of(vanishes))
        appeal(network, auction)
        network.await_commitments(auction, size, round_=2)
        network.until(lambda: network.complete(auction, 2), "the second round")
        (resolved,) = network.until(lambda: network.events("ChallengeResolved"), "the resolution")
        assert (resolved.body.quorum, resolved.body.moved) == (True, False)
        assert network.scores(auction) == before
        # Who is not on the roll cannot reveal, and loses its bond.
        network.mine(network.state(auction).phases.reveal_start)
        with pytest.raises(ChainError):
            network.buyer.send(network.auctions.reveal(auction, late.place, late.cost, late.salt))
        network.conclude(auction, [good, vanishes], round_=2)
        assert_nobody_lost(network)
    finally:
        network.close()


@pytest.mark.slow
def test_data__two_sets_served_to_different_operators__nobody_honest_loses(
    tmp_path: Path,
) -> None:
    """Of five, 0 to 2 get one data set and 2 to 4 the other: both are on the roll."""
    network = Network(tmp_path, operators=5, threshold=3)
    try:
        network.start()
        auction = network.create()
        one, two = network.commit(auction, 2, texts(0)), network.commit(auction, 3, texts(1))
        network.hide(archive_of(one), 0, 1, 2)
        network.hide(archive_of(two), 2, 3, 4)
        network.open_all(auction, [one, two])
        assert network.await_roll(auction, late=True) == {0, 1}
        network.until(lambda: network.committed(auction), "the one that has both", step=False)
        network.mine(network.windows(auction).end)
        network.until(lambda: network.events("Aborted"), "the abort")
        assert network.committed(auction) == 1
        assert not network.events("RoundCompleted")
        network.collect(auction, [one, two])
        network.mine(network.state(auction).stakes_free)
        network.until(lambda: network.events("StakeReleased"), "the stake")
        assert_nobody_lost(network)
        network.audit()
    finally:
        network.close()


@pytest.mark.slow
def test_data__served_to_one_operator_only__the_others_have_it_from_there(tmp_path: Path) -> None:
    network = Network(tmp_path)
    try:
        introduce(network)
        network.start()
        auction = network.create()
        only = network.commit(auction, 2, texts(0))
        assert only.manifest is not None
        network.hide(archive_of(only), 0)
        network.hide(Cid(RAW, only.manifest.digest), 0)
        network.open_all(auction, [only])
        assert network.await_roll(auction) == {only.index}
        network.score(auction)
        network.conclude(auction, [only])
    finally:
        network.close()


# KEYS THAT ARE NOT FOR EVERYBODY


@pytest.mark.parametrize("samples", [2, pytest.param(0, marks=pytest.mark.slow)])
def test_wrapping__wrong_for_one_of_three__is_right_for_nobody_and_shields_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: int
) -> None:
    network = Network(tmp_path)
    try:
        network.start()
        auction = network.create(samples=samples)
        right = network.members()
        stranger = EncryptionKey(keccak(text="stranger")).public
        wrong = [*right[:2], stranger]
        with monkeypatch.context() as patched:
            patched.setattr(network, "members", lambda: wrong)
            split = network.commit(auction, 2, texts(0), samples=samples)
        good = network.commit(auction, 3, texts(1), samples=samples)
        network.mine(network.state(auction).phases.open_start)
        if samples:
            network.open(auction, split, wrong)
            network.open(auction, good)
        network.mine(network.state(auction).phases.open_end)
        assert network.await_roll(auction) == {good.index}
        # What is no good needs no second look, so nobody waited for it.
        assert not network.daemons[0].events("data missing")
        network.score(auction)
        network.conclude(auction, [good])
        assert_nobody_lost(network)
    finally:
        network.close()


# THE SALE


def test_sale__archive_gone_before_delivery_or_wrong__struck_out__gone_afterwards__paid(
    tmp_path: Path,
) -> None:
    network = Network(tmp_path)
    try:
        servers = introduce(network)
        network.start()
        auction = network.create()
        gone, host_down = network.commit(auction, 2, texts(0)), network.commit(auction, 3, texts(1))
        # Its pages all open, but they are not what was committed.
        lie = network.commit(auction, 4, texts(2), content_digest=keccak(text="better data"))
        # The buyer does not find it, but one of the operators does.
        found_by_one = network.commit(auction, 5, texts(3))
        providers = [gone, host_down, lie, found_by_one]
        network.open_all(auction, providers)
        network.await_roll(auction)
        network.score(auction)
        network.settle(auction, providers)
        network.hide(archive_of(gone))
        network.hide(archive_of(found_by_one), 0)
        found = receive(network, auction, "first look")
        assert found[gone.index].action == "named missing"
        assert found[found_by_one.index].action == "named missing"
        here = GatewayStore(servers[1])
        network.until(lambda: _has(here, archive_of(found_by_one)), "the archive", step=False)
        phases = network.state(auction).phases
        network.mine(phases.fetch_end - (phases.fetch_end - phases.settle_end) // 4)

        def struck_out(ground: Ground) -> list[int]:
            events = network.events("StruckOut")
            return [e.body.index for e in events if e.body.ground == ground]

        unavailable = Ground.UNAVAILABLE
        network.until(lambda: struck_out(unavailable) == [gone.index], "the verdict", step=False)
        network.mine(phases.fetch_end)
        for provider in (host_down, lie, found_by_one):
            network.deliver(auction, provider)
        with pytest.raises(ChainError):
            network.deliver(auction, gone)
        # Nobody who has handed its key over is struck out because it cannot be reached.
        kept = network.hide(archive_of(host_down))
        network.mine(phases.deliver_end)
        found = receive(network, auction, "first look")
        assert found[lie.index].action == "complained"
        assert found[host_down.index].documents == 3
        network.store.put(read(here, archive_of(found_by_one), limit=1 << 20))
        found = receive(network, auction, "second look")
        assert found[found_by_one.index].documents == 3
        half = phases.dispute_end - (phases.dispute_end - phases.deliver_end) // 2
        network.mine(half)
        unreadable = Ground.UNREADABLE
        network.until(lambda: struck_out(unreadable) == [lie.index], "the verdict", step=False)
        network.mine(phases.dispute_end)
        network.collect(auction, [host_down, found_by_one])
        claimed = {e.body.index: e.body.cash for e in network.events("Claimed")}
        assert claimed.keys() == {host_down.index, found_by_one.index}
        assert all(claimed.values())
        assert kept.exists()
        network.check(auction)
        network.audit()
        # A stranger pays a few wei, again and again: nobody spends gas on claiming them.
        network.until(lambda: len(network.events("FeeClaimed")) == 3, "the fees", step=False)
        oracle = network.web3.eth.contract(network.oracle.address, abi=artifacts.abi("ScoreOracle"))
        words = (network.auctions.address, auction, network.buyer.address)
        pay = oracle.functions.payFees(*words)
        for _ in range(5):
            network.buyer.send(pay, value=30)
            network.mine()
            time.sleep(1)
        network.buyer.send(pay, value=3 * ETHER)
        network.until(lambda: len(network.events("FeeClaimed")) >= 6, "the fees", step=False)
        claimed = [e.body.amount for e in network.events("FeeClaimed")]
        assert claimed[3:] == [ETHER + 50] * 3
    finally:
        network.close()


@pytest.mark.slow
def test_archives__that_come_byte_by_byte__leave_time_to_look_for_the_others(
    tmp_path: Path,
) -> None:
    """A buyer names two of its own, whose archives trickle, and an honest winner beside them."""
    with dripping() as url:
        network = Network(tmp_path, **{"stores.data": [str(tmp_path / "store"), url]})
        try:
            network.start()
            auction = network.create()
            providers = [network.commit(auction, 2 + i, texts(i)) for i in range(3)]
            honest = providers[2]
            network.open_all(auction, providers)
            network.await_roll(auction)
            network.score(auction)
            network.settle(auction, providers)
            for slow in providers[:2]:
                network.hide(archive_of(slow))
            fee = network.state(auction).terms.scoring.fetch_fee_gwei * GWEI
            named = network.exchange.name_missing(auction, [0, 1, 2])
            network.buyer.send(named, value=3 * fee)
            network.until(
                lambda: all(len(d.events("retrieving started")) == 2 for d in network.daemons),
                "a look at both",
                step=False,
            )
            phases = network.state(auction).phases
            network.mine(phases.fetch_end - (phases.fetch_end - phases.settle_end) // 4)

            def judged(fault: bool) -> int:
                return sum(e["fault"] == fault for d in network.daemons for e in d.events("judged"))

            network.until(lambda: (judged(True), judged(False)) == (6, 3), "looks", step=False)
            network.until(
                lambda: network.state(auction).struck_out == {0, 1}, "verdicts", step=False
            )
            network.mine(phases.fetch_end)
            network.deliver(auction, honest)
            network.mine(phases.dispute_end)
            network.collect(auction, providers)
            network.check(auction)
            network.audit()
        finally:
            network.close()


def _has(store: GatewayStore, cid: Cid) -> bool:
    try:
        return bool(read(store, cid, limit=1 << 20))
    except StoreError:
        return False


# COLLUSION


def test_first_panel__lies_as_one__is_overruled_by_the_appeal_and_loses_its_stakes(
    tmp_path: Path,
) -> None:
    network = Network(tmp_path, operators=3, appeal=1)
    honest = network.daemons[3]
    try:
        network.start(3)
        auction, providers = network.auction(2)
        assert network.await_roll(auction) == {0, 1}
        rogues = [Rogue(network, member) for member in range(3)]
        # The rival is made worthless, the own data set wonderful.
        lie = pack_score(Score(0, 0, 0, present=True)) + pack_score(
            Score(9000, 9000, 10**6, present=True)
        )
        reports = []
        for rogue in rogues:
            reports.append(rogue.report(auction, lie))
            rogue.commit(auction, reports[-1])
        network.mine(network.windows(auction).open)
        post = network.oracle.post_scores(network.auctions.address, auction, 0, reports)
        rogues[0].sender.send(post)
        assert network.scores(auction)[0].q == 0
        network.mine(network.windows(auction).end)

        said = qmia("challenge", str(auction), "--config", str(honest.config), "--json")
        assert said["bond"] == "0.1 ETH"
        network.mine(network.windows(auction, 2).commit)
        network.await_commitments(auction, 1, round_=2)
        network.until(lambda: network.complete(auction, 2), "the second round")
        (resolved,) = network.until(lambda: network.events("ChallengeResolved"), "the resolution")
        assert (resolved.body.standing, resolved.body.moved) == (2, True)
        assert network.scores(auction)[0].q > 1000
        network.mine(network.windows(auction, 2).end)
        burned = network.until(
            lambda: len(slashed := network.events("StakeSlashed")) == 3 and slashed, "the penalties"
        )
        assert {e.body.member for e in burned} == {rogue.signer.address for rogue in rogues}
        assert [(e.body.burned, e.body.offence.rstrip(b"\0")) for e in burned] == [
            (STAKE, b"deviation")
        ] * 3
        network.conclude(auction, providers, round_=2)
        network.until(lambda: network.events("FeeClaimed"), "the fee")
        (claimed,) = network.events("FeeClaimed")
        assert claimed.body.member == honest.address
        assert honest.events("fee earned")[0]["wei"] == str(claimed.body.amount)
    finally:
        network.close()


# STRANGERS


def test_set__drafted_or_left__no_auction_can_name_it_and_running_ones_go_on(
    tmp_path: Path,
) -> None:
    network = Network(tmp_path, operators=1, threshold=1)
    (victim,) = network.daemons
    try:
        network.start()
        auction, providers = network.auction(1)
        # A stranger and its friend name the operator, who does not accept.
        friends = [network.sender(5), network.sender(6)]
        for friend in friends:
            key = network.buyer_key
            message = key_message(network.oracle.domain, friend.address, key.public)
            signature = LocalSigner.from_secret(key.secret).sign_typed(message)
            friend.send(network.oracle.register(key.public, signature))
        members = sorted([victim.address, *(f.address for f in friends)], key=str.lower)
        friends[0].send(network.oracle.propose_set((members, 3)))
        for friend in friends:
            friend.send(network.oracle.accept_set(2, members.index(friend.address)))
        with pytest.raises(ChainError, match="SetNotStanding"):
            network.create(operator_set=2)
        # The operator leaves its own set, and changes its key, while an auction runs.
        operator = Sender(network.web3, network.signers[0])
        operator.send(network.oracle.leave_set(1, 0))
        new = EncryptionKey(keccak(text="new"))
        message = key_message(network.oracle.domain, victim.address, new.public)
        signature = LocalSigner.from_secret(new.secret).sign_typed(message)
        operator.send(network.oracle.register(new.public, signature))
        with pytest.raises(ChainError, match="SetNotStanding"):
            network.create()
        assert network.await_roll(auction) == {0}
        network.score(auction)
        network.conclude(auction, providers)
        assert_nobody_lost(network)
    finally:
        network.close()


def test_terms__beyond_the_policy__are_declined_and_cost_nothing(tmp_path: Path) -> None:
    network = Network(
        tmp_path,
        operators=1,
        threshold=1,
        **{"policy.most_stake": 1.5, "policy.most_lock_days": 20, "policy.least_fee": 0.05},
    )
    (daemon,) = network.daemons
    month = 30 * 86_400
    rules = RegistryRules("", network.token.address, 1, 2000, 86_400, 0, METRIC)
    deployment = deploy_registry(network.deployer, network.deployment, rules)
    deployment.save(network.folder / "deployment.json")
    try:
        with pytest.raises(ChainError, match="WindowOutOfBounds"):
            network.create(replace(DURATIONS, score_post=month + 1))
        daemon.start()
        declined = [
            network.create(replace(DURATIONS, score_post=month)),
            network.create(stake_gwei=2 * ETHER // GWEI),
            network.create(fee_gwei=ETHER // 25 // GWEI),
            network.create(metric_version=keccak(b"a metric that nobody proposed")),
        ]

        def looked_at() -> bool:
            return {line["auction"] for line in daemon.events("auction seen")} >= set(declined)

        # Before their draws: nobody bids, and then a daemon need not look at them any more.
        network.until(looked_at, "a look at each", step=False)
        auction, providers = network.auction(1)
        network.await_roll(auction)
        network.score(auction)
        seen = {line["auction"]: line["declined"] for line in daemon.events("auction seen")}
        assert "its metric was never proposed" in seen[declined.pop()]
        assert [seen[number].partition(":")[0] for number in declined] == [
            "days until its stake is free",
            "its stake, in ether",
            "its fee for this operator, in ether",
        ]
        assert seen[auction] == ""
        assert network.oracle.credit_of(daemon.address) == 20 * ETHER - STAKE
        sent = {line["duty"].split(":")[1] for line in daemon.events("sent")}
        assert sent == {str(auction)}
        network.settle(auction, providers)
    finally:
        network.close()
