"""Every command of every role through a node that lies, loses, repeats and refuses; and Ctrl-C.

Whatever the node does: money moves once at most, a view is whole or an error, exit codes are as
documented, and nobody sees a traceback or the key in a URL. What a command must bring about is what
it does through an honest node.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account

from oracles.chain import complete, rpc, sending
from oracles.chain.keystore import write_keystore
from oracles.cli import main
from tests.support.anvil import Anvil
from tests.support.commands import commands
from tests.support.faults import Unruly
from tests.support.market import SCORES, Market, signer
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.middleman import Json

#: These auctions' windows are short, and their data sets so small that a sample shows all.
ACCEPT = ("--min-window", "10 min", "--max-exposed", "1")
TERMS = """
token = "{token}"
budget = "600 LUSD"
pool = "200 LUSD"
rho = "3/4"
bond = "0.01 ether"
agreement = "0x{zero}"
[scoring]
operator_set = 1
samples = 2
stake = "1 ether"
fee = "0.1 ether"
entry_fee = "0.001 ether"
metric_version = "0x{zero}"
evaluation = "0x{zero}"
[durations]
commit = 1000
open = 1000
roll = 1000
score_commit = 1000
score_open = 1000
score_post = 1000
reveal = 1000
settle = 1000
fetch = 1000
deliver = 1000
dispute = 1000
"""
COULD_NOT = 2
INTERRUPTED = 130
#: Seconds in which a command that was interrupted must have ended, on any machine.
ENOUGH = 60
#: Schedules in all, and those of the fast tests.
SEEDS = 240
FAST = range(0, 30, 3)
#: Schedules of Ctrl-C, and those of the fast tests.
INTERRUPTS = 120
FAST_INTERRUPTS = (6, 19, 25)


@dataclass(frozen=True)
class Case:
    """One command at one moment of an auction's life.

    Attributes:
        stage: of the world, see `World.advance`.
        person: who types it.
        words: as typed.
        last: name of the transaction with which it is done; empty for one that sends none.
    """

    stage: int
    person: str
    words: tuple[str, ...]
    last: str = ""


CASES = [
    Case(0, "a", ("operator", "deposit", "1 ether"), "deposit"),
    Case(0, "a", ("operator", "withdraw", "1 ether"), "withdrawCredit"),
    Case(0, "a", ("operator", "register"), "register"),
    Case(0, "a", ("operator", "set", "propose", "@a", "@b", "@c"), "proposeSet"),
    Case(0, "a", ("operator", "set", "leave", "1"), "leaveSet"),
    Case(0, "a", ("operator", "set", "show", "1")),
    Case(0, "buyer", ("buyer", "create", "@terms", "--bounty", "0.01 ether"), "create"),
    Case(0, "buyer", ("buyer", "create", "@terms", "--dry-run")),
    Case(1, "cheap", ("provider", "commit", "1", "@data", "--cost", "50 LUSD", *ACCEPT), "commit"),
    Case(2, "cheap", ("provider", "status", "1")),
    Case(2, "cheap", ("provider", "withdraw", "1"), "withdrawBid"),
    Case(2, "buyer", ("buyer", "status", "1")),
    Case(2, "a", ("operator", "status")),
    Case(3, "cheap", ("provider", "open", "1"), "open"),
    Case(4, "cheap", ("provider", "reveal", "1"), "reveal"),
    Case(5, "cheap", ("provider", "status", "1")),
    Case(5, "cheap", ("provider", "evidence", "1")),
    Case(5, "buyer", ("buyer", "settle", "1"), "settle"),
    Case(6, "buyer", ("buyer", "receive", "1")),
    Case(7, "cheap", ("provider", "deliver", "1"), "deliver"),
    Case(8, "buyer", ("buyer", "receive", "1")),
    Case(9, "cheap", ("provider", "claim", "1"), "claim"),
    Case(9, "dear", ("provider", "claim", "1"), "claim"),
    Case(9, "dear", ("provider", "status", "1")),
    Case(9, "buyer", ("buyer", "withdraw", "1"), "withdrawRefund"),
    Case(9, "buyer", ("buyer", "deposit", "1", "0.5 LUSD"), "deposit"),
    Case(9, "buyer", ("buyer", "forfeit", "1")),
    Case(9, "audit", ("audit", "replay", "--block-tag", "latest")),
    Case(9, "audit", ("audit", "archive", "@archive", "--block-tag", "latest")),
    Case(10, "cheap", ("provider", "revenue", "1"), "claimFor"),
]
#: Commands of the four roles on a chain that have tests of their own, or ask no node.
ELSEWHERE = {
    ("buyer", "keygen"),
    ("buyer", "abort"),  # as `settle`: one call
    ("buyer", "bounty"),
    ("buyer", "dst"),
    ("buyer", "train-set"),
    ("buyer", "forget"),
    ("buyer", "prove"),
    ("buyer", "model-card"),
    ("provider", "advise"),
    ("provider", "reclaim"),  # as `claim`
    ("operator", "check"),
    ("operator", "keygen"),
    ("operator", "metric"),
    ("operator", "evaluation"),
    ("operator", "set", "accept"),  # as `leave`
    ("operator", "challenge"),
    ("operator", "run"),  # tests/operator/test_faults.py
    ("audit", "scores"),
    ("audit", "usage"),
    ("operator", "cosign"),
    ("audit", "export"),
    ("provider", "run"),
    ("provider", "share"),
}


@dataclass
class World:
    """A market whose life goes on stage by stage, and what each person has."""

    market: Market
    between: Middleman
    stage: int = 0
    expected: dict[Case, tuple[int, Any, Counter[Any]]] = field(default_factory=dict)
    questions: dict[Case, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("cheap", "dear", "buyer", "a", "b", "c", "audit"):
            home = self.market.folder / "homes" / name
            home.mkdir(parents=True)
            self.market.sender(name)
            secret = signer(name).account.key
            (home / "key.json").write_text(
                json.dumps(Account.encrypt(secret, "open sesame", iterations=2))
            )
            (home / "passphrase").write_text("open sesame\n")
            self.market.deployment.save(home / "deployment.json")
            if name in self.market.keys:
                write_keystore(home / "enc.json", self.market.keys[name].secret, "open sesame")
        buyer = self.market.folder / "homes" / "buyer"
        text = TERMS.format(token=self.market.token.address, zero="00" * 32)
        (buyer / "terms.toml").write_text(text)
        with pytest.raises(SystemExit):
            main(["buyer", "keygen", "--key-file", str(buyer / "buyer.key")])

    def home(self, person: str) -> Path:
        return self.market.folder / "homes" / person

    def url(self) -> str:
        return self.between.url

    def words(self, case: Case) -> list[str]:
        """What to type, with the person's own files."""
        home, role = self.home(case.person), case.words[0]
        places = {
            "@data": str(self.market.data(case.person)),
            "@terms": str(home / "terms.toml"),
            "@archive": str(home / "archive"),
            **{f"@{name}": signer(name).address for name in self.market.keys},
        }
        given = [places.get(word, word) for word in case.words[1:]]
        if role == "audit":
            given += ["--rpc", self.url(), "--deployment", str(home / "deployment.json")]
        elif role == "operator":
            config = home / "operator.toml"
            config.write_text(
                f'rpc = ["{self.url()}"]\ndeployment = "{home / "deployment.json"}"\n'
                f'state = "{home / "state"}"\nkeystore = "{home / "key.json"}"\n'
                f'passphrase_file = "{home / "passphrase"}"\n'
                f'encryption_keystore = "{home / "enc.json"}"\n'
            )
            (home / "state").mkdir(exist_ok=True)
            given += ["--config", str(config)]
        else:
            session = ["--rpc", self.url(), "--deployment", str(home / "deployment.json")]
            session += ["--keystore", str(home / "key.json")]
            session += ["--passphrase-file", str(home / "passphrase")]
            session += ["--store", str(self.market.folder / "store")]
            if role == "provider" and given[0] != "revenue":
                given += ["--book", str(home / "bids")]
            if given[0] == "create" and "--dry-run" not in given:
                given += ["--key-file", str(home / "buyer.key")]
            if given[0] == "receive":
                given += ["--key-file", str(home / "buyer.key"), "--out", str(home / "received")]
            given = [*session, *given]
        return [role, *given, "--json"]

    def advance(self, stage: int, run: Callable[[Case], None]) -> None:
        """Go on to a stage, by the cases themselves where they change the world."""
        market = self.market
        while self.stage < stage:
            self.stage += 1
            ends = None
            if self.stage > 1:
                _, ends = market.deployment.auction(market.web3).phases(1)
            match self.stage, ends:
                case 1, None:
                    run(next(each for each in CASES if each.last == "create"))
                case 2, _:
                    run(next(each for each in CASES if each.last == "commit"))
                    words = ("provider", "commit", "1", "@data", "--cost", "700 LUSD", *ACCEPT)
                    run(Case(1, "dear", words, "commit"))
                case 3, ends if ends:
                    market.jump(ends.open_start)
                case 4, ends if ends:
                    for person in ("cheap", "dear"):
                        run(Case(3, person, ("provider", "open", "1"), "open"))
                    market.score(1, SCORES[:2])
                    market.jump(ends.reveal_start)
                case 5, ends if ends:
                    for person in ("cheap", "dear"):
                        run(Case(4, person, ("provider", "reveal", "1"), "reveal"))
                    market.jump(ends.reveal_end)
                case 6, _:
                    run(Case(5, "buyer", ("buyer", "settle", "1"), "settle"))
                case 7, ends if ends:
                    market.jump(ends.fetch_end)
                case 8, _:
                    run(Case(7, "cheap", ("provider", "deliver", "1"), "deliver"))
                case 9, ends if ends:
                    market.jump(ends.dispute_end)
                case 10, _:
                    run(Case(9, "cheap", ("provider", "claim", "1"), "claim"))
                    run(Case(9, "buyer", ("buyer", "deposit", "1", "5 LUSD"), "deposit"))

    def effects(self) -> Counter[Any]:
        """What stands on chain: each kind of log that was ever made, and whose money is where."""
        web3, found = self.market.web3, Counter[Any]()
        for log in web3.eth.get_logs({"fromBlock": 0}):
            found[log["address"], bytes(log["topics"][0]).hex()] += 1
        for name in ("DataAuction", "ScoreOracle"):
            found[name] = web3.eth.get_balance(self.market.deployment.address(name))
        for name in ("cheap", "dear", "buyer"):
            found[name] = self.market.token.balance_of(signer(name).address)
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    anvil = Anvil()
    between = Middleman(anvil.url)
    try:
        yield World(Market(anvil, tmp_path_factory.mktemp("unruly")), between)
    finally:
        between.close()
        anvil.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rpc, sending):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(complete, "PAUSES", (0.001,) * 5)
    monkeypatch.setattr("oracles.audit.node._PAUSE", 0.001)


def execute(world: World, case: Case, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command; its exit code, output and messages."""
    with pytest.raises(SystemExit) as end:
        main(world.words(case))
    out, err = capsys.readouterr()
    code = end.value.code
    return (code if isinstance(code, int) else 0), out, err


def shown(out: str) -> Any:
    """The JSON that was printed, without what differs from run to run."""
    if not out.strip():
        return None
    text = re.sub(r'"(transaction|cid|archive|public|key|opening)": "[^"]*"', "", out)
    json.loads(out)
    return re.sub(r'"(transaction|salt)s?": \[[^\]]*\]', "", text)


def expected(
    world: World, case: Case, capsys: pytest.CaptureFixture[str]
) -> tuple[int, Any, Counter[Any]]:
    """What the command brings about through an honest node."""
    if case not in world.expected:
        world.between.hook = lambda *_: None
        with kept(world, case):
            before = len(world.between.calls)
            code, out, err = execute(world, case, capsys)
            world.questions[case] = len(world.between.calls) - before
            assert code == 0 or not case.last, err
            world.expected[case] = code, shown(out), world.effects()
    return world.expected[case]


class kept:  # noqa: N801 - reads as a word
    """Undo on chain and on disk what is done in the block."""

    def __init__(self, world: World, case: Case) -> None:
        self._chain, self._home = world.market.anvil, world.home(case.person)
        self._copy = self._home.with_name(self._home.name + ".copy")

    def __enter__(self) -> None:
        self._snapshot = self._chain.snapshot()
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._home, self._copy)

    def __exit__(self, *_: object) -> None:
        self._chain.revert(self._snapshot)
        shutil.rmtree(self._home)
        self._copy.rename(self._home)


class Interrupting:
    """A hook: Ctrl-C at one of a command's questions, which stays without an answer.

    Args:
        seed: of the schedule.
        questions: that the command asks an honest node.
    """

    def __init__(self, seed: int, questions: int) -> None:
        draw = random.Random(seed)
        self.at = draw.randint(1, questions)
        self.heard = draw.random() < 0.5  # the node, though it does not answer
        self.over = threading.Event()
        self.stuck = False
        self._asked = 0

    def __call__(self, _: str, __: list[Any], forward: Callable[[], Json]) -> None:
        self._asked += 1
        if self._asked != self.at or self.over.is_set():
            return
        if self.heard:
            forward()
        os.kill(os.getpid(), signal.SIGINT)
        self.stuck = not self.over.wait(ENOUGH)
        raise ConnectionError

    @property
    def did(self) -> str:
        return f"Ctrl-C at question {self.at}, {'' if self.heard else 'not '}heard"


def tried(
    world: World, case: Case, how: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Type a command as often as it takes, first with trouble, then through an honest node."""

    def simply(each: Case) -> None:
        world.between.hook = lambda *_: None
        code, _, err = execute(world, each, capsys)
        assert code == 0, err

    world.advance(case.stage, simply)
    right, output, effects = expected(world, case, capsys)
    with kept(world, case):
        for attempt in range(5):
            trouble: Any = Unruly(100 * seed + attempt, share=0.25)
            if how == "interrupted":
                trouble = Interrupting(100 * seed + attempt, world.questions[case])
            world.between.hook = trouble if attempt < 4 else lambda *_: None
            code, out, err = execute(world, case, capsys)
            story = f"{case.words}, seed {seed}, try {attempt}: {err}\n{trouble.did}"
            if isinstance(trouble, Interrupting):
                trouble.over.set()
                assert not trouble.stuck, story
                assert code != INTERRUPTED or "nterrupted" in err, story
            assert "Traceback" not in err + out, story
            assert "secretkey" not in err + out, story
            assert code in {right, INTERRUPTED if how == "interrupted" else COULD_NOT, COULD_NOT}, (
                story
            )
            assert err.strip() or code == right, story
            if code == right and code not in (COULD_NOT, INTERRUPTED):
                if not case.last:
                    assert shown(out) == output, f"{story}\n{out}\n{output}"
                break
            if case.last and re.search(
                rf"{case.last} of an earlier command went through|do not repeat it:.*{case.last}\b",
                err,
            ):
                break
            if right == COULD_NOT and attempt == 4:
                break
        else:
            raise AssertionError(story)
        assert world.effects() == effects, story


def chosen() -> list[Any]:
    """Cases in the order of the world's life, each with its share of the seeds."""
    schedules = [("unruly", seed, seed in FAST) for seed in range(SEEDS)]
    schedules += [("interrupted", seed, seed in FAST_INTERRUPTS) for seed in range(INTERRUPTS)]
    schedules.sort(key=lambda each: CASES[each[1] % len(CASES)].stage)
    return [
        pytest.param(
            case := CASES[seed % len(CASES)],
            how,
            seed,
            id=f"{how}-{seed}-{' '.join(case.words[:2])}",
            marks=() if fast else pytest.mark.slow,
        )
        for how, seed, fast in schedules
    ]


@pytest.mark.parametrize(("case", "how", "seed"), chosen())
def test_command__through_trouble__does_it_once_or_says_why_not(
    world: World, capsys: pytest.CaptureFixture[str], case: Case, how: str, seed: int
) -> None:
    tried(world, case, how, seed, capsys)


def test_cases__cover_every_command_on_a_chain() -> None:
    there = {
        words for words in commands() if words[0] in ("provider", "buyer", "operator", "audit")
    }
    tried_here = {
        words for words in there if any(each.words[: len(words)] == words for each in CASES)
    }
    assert there - tried_here == ELSEWHERE & there
