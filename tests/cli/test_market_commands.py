"""The commands of provider and buyer, word by word as a person would give them."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account

from oracles.chain.state import load_auction
from oracles.cli import main
from oracles.cli.serving import listening
from oracles.dataset import EncryptionKey
from oracles.errors import InputError
from oracles.evidence import Bundle, write_bundle
from oracles.market.buyer import Buyer
from oracles.when import local
from tests.support.market import ETHER, SCORES, UNIT, Market, signer

if TYPE_CHECKING:
    from pathlib import Path


#: These auctions' windows are short, and their data sets so small that a sample shows all.
ACCEPT = ("--min-window", "10 min", "--max-exposed", "1")


class Shell:
    """One person's shell: runs `qmia ROLE …` in this process."""

    def __init__(self, market: Market, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.market, self.name, self._capsys = market, name, capsys
        self.home = market.folder / name
        self.home.mkdir(exist_ok=True)
        market.sender(name)
        keystore = self.home / "key.json"
        secret = signer(name).account.key
        keystore.write_text(json.dumps(Account.encrypt(secret, "open sesame", iterations=2)))
        (self.home / "passphrase").write_text("open sesame\n")
        market.deployment.save(self.home / "deployment.json")

    def __call__(self, role: str, *words: object, code: int = 0) -> str:
        """Run a command; returns what it printed, both streams."""
        found, said = self.through(self.market.anvil.url, role, *words)
        assert found == code, said
        return said

    def through(self, url: str, role: str, *words: object) -> tuple[Any, str]:
        """Run a command by a node; its exit code, and what it printed."""
        session = ["--rpc", url]
        session += ["--deployment", str(self.home / "deployment.json")]
        session += ["--keystore", str(self.home / "key.json")]
        session += ["--passphrase-file", str(self.home / "passphrase")]
        session += ["--store", str(self.market.folder / "store")]
        with pytest.raises(SystemExit) as end:
            main([role, *session, *map(str, words)])
        out, err = self._capsys.readouterr()
        return end.value.code, out + err

    def json(self, role: str, *words: object) -> Any:
        """Run a command with --json."""
        return json.loads(self(role, *words, "--json"))

    @property
    def book(self) -> tuple[str, Path]:
        return "--book", self.home / "bids"


@pytest.fixture
def auction(market: Market) -> int:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    return buyer.create(market.terms(), EncryptionKey.generate())


def commit(shell: Shell, auction: int, cost: str, *more: str) -> tuple[object, ...]:
    data = shell.market.data(shell.name)
    return ("commit", auction, data, "--cost", cost, *ACCEPT, *shell.book, *more)


def test_commit__when_reading_loses_data__then_refused_with_the_findings_unless_accepted(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shell = Shell(market, "ann", capsys)
    data = tmp_path / "notes.jsonl"
    data.write_text('{"note": "kept", "ward": 1}\n{broken\n')
    words = ("commit", auction, data, "--cost", "1", *ACCEPT, *shell.book)
    shown = shell("provider", *words, code=2)
    assert "no_text" in shown
    assert "malformed" in shown
    words = (*words, "--text-field", "note")
    assert "1 finding loses data" in shell("provider", *words, code=2)
    said = shell("provider", *words, "--accept-losses")
    assert "documents: 1" in said


def test_commit__accepted__says_when_to_come_back_and_what_is_at_stake(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "cheap", capsys)
    said = shell("provider", *commit(shell, auction, "50 LUSD"))
    assert "bond: 0.01 ETH" in said
    assert "cost: 50 LUSD" in said
    assert "0.001 ETH, which does not come back" in said
    assert f"qmia provider open {auction}" in said
    assert "Whoever misses one of them loses the bond." in said
    calendar = (shell.home / "bids" / f"auction-{auction}-bid-0.ics").read_text()
    assert calendar.count("BEGIN:VEVENT") == 4
    assert f"qmia provider reveal {auction}" in calendar


def test_commit__given_twice__pays_once(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "cheap", capsys)
    first = shell.json("provider", *commit(shell, auction, "50 LUSD"))
    paid = market.web3.eth.get_balance(signer("cheap").address)
    again = shell.json("provider", *commit(shell, auction, str(50 * UNIT)))
    assert (again["index"], again["transaction"]) == (first["index"], None)
    assert market.web3.eth.get_balance(signer("cheap").address) == paid


def test_commit__same_data_at_another_cost__is_refused_until_the_first_is_withdrawn(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "cheap", capsys)
    shell("provider", *commit(shell, auction, "50 LUSD"))
    paid = market.web3.eth.get_balance(signer("cheap").address)
    assert "withdraw 1 --index 0" in shell("provider", *commit(shell, auction, "5 LUSD"), code=2)
    assert market.web3.eth.get_balance(signer("cheap").address) == paid
    shell("provider", "withdraw", auction, "--index", 0, *shell.book)
    assert shell.json("provider", *commit(shell, auction, "5 LUSD"))["index"] == 1


def test_withdraw__bond_waits__status_says_so_until_it_is_back(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "cheap", capsys)
    shell("provider", *commit(shell, auction, "50 LUSD"))
    _, phases = market.deployment.auction(market.web3).phases(auction)
    said = shell("provider", "withdraw", auction, *shell.book)
    assert local(phases.commit_end) in said
    next_words = f"qmia provider reclaim {auction}"
    assert next_words in said
    market.jump(phases.open_start)
    for words in (("status", auction), ("status",)):
        assert next_words in shell("provider", *words, *shell.book)
    assert "0.01 ETH" in shell("provider", "reclaim", auction, *shell.book)
    for words in (("status", auction), ("status",)):
        assert next_words not in shell("provider", *words, *shell.book)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cost", "5 EUR"), "amounts are in LUSD here"),
        ((), "say your cost with --cost"),
        (("--cost", "5 LUSD", "--max-bond", "1 gwei"), "more than the"),
        (("--cost", "5 LUSD", "--max-exposed", "0.2"), "raise --max-exposed"),
        (("--cost", "5 LUSD", "--min-window", "1 h"), "gives 1000 s to open"),
    ],
)
def test_commit__doubtful__is_refused_before_anything_is_paid(
    market: Market,
    auction: int,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    shell = Shell(market, "cheap", capsys)
    data = market.data("cheap")
    # What is said twice is taken as it is said last.
    out = shell("provider", "commit", auction, data, *ACCEPT, *words, *shell.book, code=2)
    assert said in out
    assert market.web3.eth.get_balance(signer("cheap").address) == 1_000 * ETHER
    assert not (shell.home / "bids").exists()


def test_status__book_lost__names_the_bids_and_fails(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "cheap", capsys)
    shell("provider", *commit(shell, auction, "50 LUSD"))
    (shell.home / "bids").rename(shell.home / "copy")
    said = shell("provider", "status", auction, *shell.book, code=1)
    assert "[0]" in said
    assert str(shell.home / "bids") in said
    # What is due first is the sample: a book that comes back for the reveal would be too late.
    _, phases = market.deployment.auction(market.web3).phases(auction)
    assert f"before {local(phases.open_end)}" in said
    assert not (shell.home / "bids").exists()  # A reading command makes no folder.
    assert "restore your copy" in shell("provider", "reveal", auction, *shell.book, code=2)


def test_life__of_a_winner_and_a_loser__each_is_told_why_and_what_next(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    winner, loser = Shell(market, "cheap", capsys), Shell(market, "dear", capsys)
    winner("provider", *commit(winner, auction, "50 LUSD"))
    loser("provider", *commit(loser, auction, "700 LUSD"))
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.open_start)
    for shell in (winner, loser):
        assert "0x" in shell("provider", "open", auction, *shell.book)
        assert "All are open already" in shell("provider", "open", auction, *shell.book)
    market.score(auction, SCORES[:2])
    market.jump(phases.reveal_start)
    assert "or the bond is lost" in winner("provider", "status", auction, *winner.book)
    for shell in (winner, loser):
        assert "0x" in shell("provider", "reveal", auction, *shell.book)
        assert "All are open already" in shell("provider", "reveal", auction, *shell.book)
    market.jump(phases.reveal_end)
    settled = Shell(market, "buyer", capsys)("buyer", "settle", auction)
    assert "winners: bid 0\n" in settled
    assert "cannot be fetched has to be named in that time" in settled
    assert "LUSD" in settled

    (fate,) = loser.json("provider", "status", auction, *loser.book)["bids"]
    assert (fate["won"], fate["next"]) == (False, "claim")
    assert "less than its cost" in fate["why"]
    (fate,) = winner.json("provider", "status", auction, *winner.book)["bids"]
    assert (fate["won"], fate["next"], fate["until"]) == (True, "deliver", phases.deliver_end)
    assert "what won is paid from" in winner("provider", "claim", auction, *winner.book, code=2)
    market.jump(phases.fetch_end)
    winner("provider", "deliver", auction, *winner.book)
    buyer = Shell(market, "buyer", capsys)
    assert "has to be disputed" in buyer.json("buyer", "status", auction)["next"]
    assert "what won is paid from" in winner("provider", "claim", auction, *winner.book, code=2)
    market.jump(phases.dispute_end)
    assert "takes back" in buyer.json("buyer", "status", auction)["next"]
    (paid,) = winner.json("provider", "claim", auction, *winner.book)["bids"]
    assert int(paid["cash"]) == market.token.balance_of(signer("cheap").address)
    assert int(paid["bond"]) == ETHER // 100
    assert "0.01 ETH" in loser("provider", "claim", auction, *loser.book)
    said = Shell(market, "buyer", capsys)("buyer", "deposit", auction, "0.5 LUSD")
    assert "deposited: 0.5 LUSD" in said


def bundle(market: Market, auction: int, name: str, **changes: object) -> bytes:
    """Publish the evidence of an operator on bid 0; its digest."""
    contract = market.deployment.auction(market.web3)
    view = load_auction(market.web3, market.deployment, auction)
    quality = {"cleanliness": 9_000, "findings": ["Without a valid source.", "\x1b[2J"]}
    row = {
        "index": 0,
        "manifest": view.commitments[0].data_set.manifest.hex(),
        "score": SCORES[0]._asdict(),
    }
    content = {
        "contract": contract.address.lower(),
        "auction": str(auction),
        "round": 1,
        "operator": signer(name).address.lower(),
        "data_sets": [row],
        "assessment": {"quality": {"0": quality}, "impact": None},
    }
    return write_bundle(market.store, Bundle(content | changes)).digest


def test_evidence__of_a_bid__is_what_each_operator_found_checked_against_the_chain(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "cheap", capsys)
    shell("provider", *commit(shell, auction, "50 LUSD"))
    said = shell("provider", "evidence", auction, *shell.book, code=2)
    assert "no scores" in said
    assert "look again after" in said
    market.open(auction, "cheap")
    evidence = {
        "a": bundle(market, auction, "a"),
        "b": bundle(market, auction, "b", operator=signer("a").address.lower()),
    }
    market.score(auction, SCORES[:1], evidence)
    (row,) = shell.json("provider", "evidence", auction, *shell.book)["bids"].values()
    found = {each["operator"]: each for each in row}
    good, wrong, missing = (found[signer(name).address] for name in "abc")
    assert good["score"] == SCORES[0]._asdict()
    assert good["evidence"] == "0x" + evidence["a"].hex()
    assert good["quality"]["cleanliness"] == 9_000
    assert "of another operator" in wrong["problem"]
    assert "in none of these stores" in missing["problem"]
    said = shell("provider", "evidence", auction, *shell.book)
    assert "0.9000" in said
    assert "Without a valid source." in said
    assert "\x1b" not in said
    assert "in none of these stores" in said


def test_evidence__served_nowhere__says_whom_to_ask(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "cheap", capsys)
    shell("provider", *commit(shell, auction, "50 LUSD"))
    market.open(auction, "cheap")
    market.score(auction, SCORES[:1])
    said = shell("provider", "evidence", auction, *shell.book, code=2)
    assert "ask an operator" in said
    assert "--evidence" in said


def test_status__of_an_auction_that_fails__tells_the_buyer_what_to_do(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "buyer", capsys)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    assert f"then qmia buyer settle {auction}" in shell("buyer", "status", auction)
    market.jump(phases.settle_end)
    assert f"qmia buyer abort {auction}: it cannot" in shell("buyer", "status", auction)
    assert f"qmia buyer withdraw {auction}: everything" in shell("buyer", "abort", auction)


def test_deposit__aborted_auction__is_refused(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "buyer", capsys)
    said = shell("buyer", "deposit", auction, "1 LUSD", code=2)
    assert "has no MUT" in said


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("buyer", ("receive",)),
        ("buyer", ("forfeit",)),
        ("buyer", ("deposit", "1 LUSD")),
        ("provider", ("revenue",)),
    ],
)
def test_command__before_the_auction_is_settled__says_so_and_does_not_pass(
    market: Market,
    auction: int,
    capsys: pytest.CaptureFixture[str],
    role: str,
    words: tuple[str, ...],
) -> None:
    shell = Shell(market, "buyer", capsys)
    key = shell.home / "buyer.key"
    shell("buyer", "keygen", "--key-file", key)
    command, *rest = words
    out = ("--key-file", key, "--out", shell.home / "received") if command == "receive" else ()
    said = shell(role, command, auction, *rest, *out, code=2)
    assert "not settled" in said
    assert not (shell.home / "received").exists()


@pytest.mark.parametrize("auction", [0, -1, 2, 1 << 256, 10**90])
@pytest.mark.parametrize("role", ["buyer", "provider"])
def test_status__no_such_auction__says_how_many_there_are(
    market: Market, capsys: pytest.CaptureFixture[str], role: str, auction: int
) -> None:
    shell = Shell(market, "buyer", capsys)
    said = shell(role, "status", "--", auction, code=2)
    assert f"there is no auction {auction} in" in said


def write_terms(market: Market, old: str = "", new: str = "") -> Path:
    terms = market.folder / "terms.toml"
    terms.write_text(
        f"""
        token = "{market.token.address}"
        budget = "600 LUSD"
        pool = "200 LUSD"
        rho = "3/4"
        bond = "0.01 ether"
        agreement = "0x{bytes(32).hex()}"
        [scoring]
        operator_set = 1
        stake = "1 ether"
        fee = "0.1 ether"
        entry_fee = "0.001 ether"
        metric_version = "0x{"ab" * 32}"
        evaluation = "0x{"cd" * 32}"
        [durations]
        commit = "7 d"
        open = "2 d"
        roll = "1 d"
        score_commit = "2 d"
        score_open = "6 h"
        score_post = "6 h"
        reveal = "2 d"
        settle = "1 d"
        fetch = "2 d"
        deliver = "2 d"
        dispute = "2 d"
        """.replace(old, new)
    )
    return terms


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("operator_set = 1", "operator_set = 9", "there is no operator set 9"),
        ('commit = "7 d"', "commit = 0", "a length of 0 s in [durations] cannot be"),
        ('commit = "7 d"', 'commit = "31 d"', "at most 30 d"),
        ('stake = "1 ether"', 'stake = "1 gwei"', "is too small"),
        ('budget = "600 LUSD"', 'budget = "1_000_000_000 LUSD"', "needs 1,000,000,000 LUSD"),
        ('fee = "0.1 ether"', 'fee = "1099 ether"', "needs 1,099 ETH to pay"),
        ('fee = "0.1 ether"', 'fee = "5000 ether"', "scoring.fee: '5000 ether' is too much"),
        ('pool = "200 LUSD"', f'pool = "{10**20} LUSD"', "is too much"),
        ("operator_set = 1", f"operator_set = {1 << 32}", "operator_set: Input should be less"),
        ('commit = "7 d"', f"commit = {1 << 32}", "durations.commit: Input should be less"),
    ],
)
def test_create__dry_run_of_terms_that_cannot_be__fails_as_the_auction_would(
    market: Market, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    shell = Shell(market, "buyer", capsys)
    terms = write_terms(market, f"\n        {old}", f"\n        {new}")
    assert said in shell("buyer", "create", terms, "--dry-run", code=2)
    assert said in shell("buyer", "create", terms, "--dry-run", "--json", code=2)


def test_create__dry_run__explains_and_sends_nothing(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "buyer", capsys)
    sent = market.web3.eth.get_transaction_count(signer("buyer").address)
    terms = write_terms(market)
    said = shell("buyer", "create", terms, "--dry-run", "--bounty", "0.01 ether")
    assert "600 LUSD leave your account" in said
    assert "3 members, of which 3 must answer" in said
    assert "in 7 d" in said
    assert "takes these terms" in said
    assert market.web3.eth.get_transaction_count(signer("buyer").address) == sent


def test_descriptors__of_an_auction__name_its_tokens(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shell, out = Shell(market, "ann", capsys), tmp_path / "erc7730"
    assert "files in" in shell("page", "descriptors", "--out", out)
    assert not (out / "calldata-MutToken.json").exists()
    shell("page", "descriptors", "--out", out, "--auction", auction)
    mut = market.deployment.auction(market.web3).mut_token(auction)
    dst = market.deployment.dst_factory(market.web3).token_of(auction)
    for name, address in (("MutToken", mut), ("DstToken", dst)):
        file = json.loads((out / f"calldata-{name}.json").read_text())
        assert [each["address"] for each in file["context"]["contract"]["deployments"]] == [address]


def test_nodes__with_commas_between_them__are_asked_in_turn_by_every_role(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "ann", capsys)
    both = f"http://127.0.0.1:9, {market.anvil.url}"
    assert shell.through(both, "buyer", "status", auction)[0] in (0, None)
    deployment = str(shell.home / "deployment.json")
    for tag, code in (("latest", 0), ("newest", 2)):
        words = ["replay", "--rpc", both, "--deployment", deployment, "--block-tag", tag]
        with pytest.raises(SystemExit) as end:
            main(["audit", *words])
        assert (end.value.code or 0) == code
    assert "finalized, safe, latest; not 'newest'" in capsys.readouterr().err


def test_status__where_there_is_no_book__says_so_and_makes_none(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "ann", capsys)
    said = shell("provider", "status", "--book", shell.home / "lost", code=2)
    assert f"there is no bid book at {shell.home / 'lost'}" in said
    assert not (shell.home / "lost").exists()


@pytest.mark.parametrize("listen", ["127.0.0.1:{taken}", "192.0.2.1:0", "nowhere.invalid:80"])
def test_page_serve__where_it_cannot_listen__is_one_sentence_and_no_finding(
    market: Market, capsys: pytest.CaptureFixture[str], listen: str
) -> None:
    shell = Shell(market, "ann", capsys)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = listen.format(taken=taken.getsockname()[1])
        said = shell("page", "serve", "--listen", listen, code=2)
    assert f"qmia: cannot listen on {listen}" in said
    assert "serving" not in said


@pytest.mark.parametrize("listen", ["here:port", "127.0.0.1:99999"])
def test_listening__no_address__is_said(listen: str) -> None:
    with pytest.raises(InputError, match="takes an address and a port"):
        listening(listen)
