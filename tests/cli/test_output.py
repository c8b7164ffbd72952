"""What commands print: whole values for pipes, plain words for people."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from oracles.chain import artifacts
from oracles.cli import main
from oracles.cli.explain import _SENTENCES, explain
from oracles.cli.output import show, show_rows, stderr
from oracles.errors import Reverted
from oracles.when import moment, span
from scripts.build import ROOT
from tests.mechanism.test_cli import CASE

DIGEST = "0x" + "ab" * 64


def piped(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_table__piped__no_value_is_cut_or_broken() -> None:
    rows = f"[{{'digest': '{DIGEST}', 'owner': '{DIGEST}', 'path': '/very/long' * 40}}]"
    out = piped(
        f"from oracles.cli.output import show_rows; show_rows({rows}, json=False, empty='')"
    )
    assert out.count(DIGEST) == 2
    assert "/very/long" * 40 in out


def test_show__record__plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    show({"had_bid": True, "price": None, "indices": [0, 2], "none": []}, json=False)
    assert capsys.readouterr().out.splitlines() == [
        "had bid: yes",
        "price: -",
        "indices: 0, 2",
        "none: none",
    ]


def test_show__markup_of_a_stranger__is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show({"symbol": "[red]X[/]"}, json=False)
    assert capsys.readouterr().out == "symbol: [red]X[/]\n"


HOSTILE = "a\x1b[2J\x9b31mb\u202egpj.exe\x07"
SEEN = "a\\x1b[2J\\x9b31mb\\u202egpj.exe"


def test_show__what_a_terminal_obeys__is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    show({"symbol": HOSTILE}, json=False)
    show_rows([{"symbol": HOSTILE}], json=False, empty="")
    show_rows([], json=False, empty=HOSTILE)
    stderr.print(f"Interrupted: {HOSTILE}")
    found = capsys.readouterr()
    assert found.out.count(SEEN) == 3
    assert SEEN in found.err
    assert not set("\x1b\x9b\u202e\x07") & set(found.out + found.err)


def test_show__json_of_what_a_terminal_obeys__is_the_same_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show({"symbol": HOSTILE}, json=True)
    written = capsys.readouterr().out
    assert json.loads(written) == {"symbol": HOSTILE}
    assert not set("\x1b\x9b\u202e\x07") & set(written)


def test_show_rows__json__is_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"a": True}], json=True, empty="")
    assert json.loads(capsys.readouterr().out) == [{"a": True}]


def test_show_rows__no_rows__says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([], json=False, empty="The chain has no bid of this key.")
    assert capsys.readouterr().out == "The chain has no bid of this key.\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (3_600, "1 h"), (90_061, "1 d 1 h"), (86_405, "1 d")],
)
def test_span__seconds__two_largest_units(seconds: int, text: str) -> None:
    assert span(seconds) == text


def test_moment__after_and_before_now__says_how_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert moment(1_800_000_000, 1_799_999_940).endswith("(in 1 min)")
    assert moment(1_800_000_000, 1_800_000_060).endswith("(1 min ago)")
    assert moment(1 << 80, 0).startswith("unix second")


def test_explain__out_of_phase__says_when_and_which_way() -> None:
    early = explain("OutOfPhase", {"now_": 100, "from": 340, "to": 400})
    late = explain("OutOfPhase", {"now_": 460, "from": 340, "to": 400})
    assert early is not None
    assert "opens" in early
    assert "in 4 min" in early
    assert late is not None
    assert "too late" in late
    assert "1 min ago" in late


def test_explain__amounts__in_ether() -> None:
    said = explain("DepositMismatch", {"sent": 0, "due": 10**16})
    assert said == "bond and entry fee are 0.01 ETH, but 0 ETH was sent"


def test_explain__every_error_of_the_contracts__finds_the_arguments_it_speaks_of() -> None:
    """By the ABIs: an argument under another name would be a traceback in place of a sentence."""
    found = set()
    for path in sorted((ROOT / "oracles/chain/artifacts").glob("*.json")):
        for entry in json.loads(path.read_text()).get("abi", ()):
            if entry["type"] != "error":
                continue
            arguments = {
                each["name"] or str(number): 1 if each["type"].startswith("uint") else "0x00"
                for number, each in enumerate(entry["inputs"])
            }
            if explain(entry["name"], arguments) is not None:
                found.add(entry["name"])
    # The last two are of the settlement tokens that people use.
    assert _SENTENCES.keys() - found <= {"ERC20InsufficientBalance", "InsufficientBalance"}


#: Errors that no command of a person can meet: a daemon's or a program's own mistake, which its log
#: names as the contract does, or of OpenZeppelin's code beneath ours.
_OF_PROGRAMS = frozenset(
    """
    AlreadyCalled AlreadyCommitted BitmapLengthInvalid CertificateFailed ChunkPosted ChunkUnknown
    ConstantsInvalid LeastWindowsInvalid LevelWrong MarginalInvalid NoQuorum NotAGroundForVerdicts
    NotTheBitmap NotTheExchange NotTheFactory NotTheVector ProposalInvalid RequestExists
    RollAlreadyTallied RoundComplete SignerMismatch SumsDiffer UnknownRequest UnknownRound
    WrongMembers
    AddressEmptyCode CloneArgumentsTooLong Create2EmptyBytecode ECDSAInvalidSignature
    ECDSAInvalidSignatureLength ECDSAInvalidSignatureS ERC20InvalidApprover ERC20InvalidReceiver
    ERC20InvalidSender ERC20InvalidSpender FailedCall FailedDeployment InvalidAccountNonce
    InvalidShortString ReentrancyGuardReentrantCall SafeCastOverflowedUintDowncast StringTooLong
    StringsInsufficientHexLength
    """.split()  # noqa: SIM905 (a table reads better)
)


def test_explain__every_error_that_a_person_can_meet__is_a_sentence() -> None:
    named = {entry["name"] for entry in artifacts.errors().values()}
    assert named - _SENTENCES.keys() - _OF_PROGRAMS == set()
    assert _SENTENCES.keys() & _OF_PROGRAMS == set()


@pytest.mark.parametrize("words", ["--help", "--version", "mechanism clear {case}"])
def test_output__whoever_reads_it_has_enough__is_no_finding_and_no_traceback(
    tmp_path: Path, words: str
) -> None:
    case = tmp_path / "case.json"
    case.write_text(json.dumps(CASE))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from oracles.cli import main; main()"]
    done = subprocess.run(
        [*command, *words.format(case=case).split()],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def _qmia(*words: str, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from oracles.cli import main; main()", *words]
    return subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.PIPE, **streams)


def test_output__disk_is_full__is_one_sentence_and_not_a_finding(tmp_path: Path) -> None:
    case = tmp_path / "case.json"
    case.write_text(json.dumps(CASE))
    with Path("/dev/full").open("wb") as full:
        done = _qmia("mechanism", "clear", str(case), stdout=full)
    assert done.returncode == 2
    assert done.stderr == b"qmia: cannot read or write the output: No space left on device\n"


def test_output__closed_by_the_caller__the_command_does_its_work(tmp_path: Path) -> None:
    case = tmp_path / "case.json"
    case.write_text(json.dumps(CASE))
    done = _qmia("mechanism", "clear", str(case), preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("places", [("report.html",), ("report.html.0a1b", None, "report.html")])
def test_main__a_file_cannot_be_written__is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], places: tuple[str, ...]
) -> None:
    """Also where it was written beside its place first."""

    def app(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", *places)

    monkeypatch.setattr("oracles.cli.audit.app", app)
    with pytest.raises(SystemExit) as end:
        main(["audit", "replay"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said == "qmia: cannot read or write report.html: Read-only file system\n"


def test_main__interrupted_at_work__says_so_and_what_was_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(**_: object) -> None:
        sys.exit(130)  # as typer does

    monkeypatch.setattr("oracles.cli.buyer.app", app)
    monkeypatch.setattr("oracles.cli.output.done_before", lambda: ". Done before that: approve")
    with pytest.raises(SystemExit) as end:
        main(["buyer", "create"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "qmia: interrupted. Done before that: approve\n"


def test_main__interrupted_while_libraries_load__is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupt)
    with pytest.raises(SystemExit) as end:
        main(["provider", "status"])
    assert end.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_main__interrupted_in_a_library_that_swallows_it__ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "careless.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    import colorsys\n"
        "except:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    # As a process begins; other tests of this process may have left another handler.
    left = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)

    def app(**_: object) -> None:
        importlib.import_module("careless")
        threading.Event().wait(60)
        raise AssertionError("nobody interrupted it")

    monkeypatch.setattr("oracles.cli.buyer.app", app)
    try:
        with pytest.raises(SystemExit) as end:
            main(["buyer", "create"])
        assert end.value.code == 130
        assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM))
    finally:
        signal.signal(signal.SIGINT, left)


def test_entry__before_main_runs__nothing_of_size_is_imported() -> None:
    """Ctrl-C is handled from `main` on; what is imported before it takes no time."""
    code = "import sys, oracles.cli; print({'typer', 'rich', 'web3'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == b"set()"


def test_explain__unknown_error__is_left_to_speak_for_itself() -> None:
    assert explain("Unheard", {}) is None


def test_main__contract_refuses__is_said_as_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(**_: object) -> None:
        raise Reverted("reveal", "OutOfPhase", {"timestamp": 100, "from": 340, "to": 400})

    monkeypatch.setattr("oracles.cli.provider.app", app)
    with pytest.raises(SystemExit) as end:
        main(["provider", "reveal", "1"])
    said = " ".join(capsys.readouterr().err.split())
    assert end.value.code == 2
    assert "qmia: reveal: too early: this opens" in said
    assert "(in 4 min)" in said
