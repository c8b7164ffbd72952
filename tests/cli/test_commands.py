"""Every command there is, by the program's own parser: help, JSON, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from backports import zstd

from oracles.cli import ROLES, main
from tests.support.commands import commands, group

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = commands()
#: These print no data: three serve until they are stopped, one writes a card, one a settings file.
SILENT = {
    ("operator", "run"),
    ("meter", "serve"),
    ("page", "serve"),
    ("buyer", "model-card"),
    ("study", "plan"),
}
#: These can be run with no argument anywhere.
NEEDS_NOTHING = {("buyer", "keygen"), ("mechanism", "paper-failures")}
#: What needs a model or many runs before it looks at its arguments is left to its own tests.
HEAVY = {"impact", "study", "quality"}


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command in this process; its exit code and both streams."""
    with pytest.raises(SystemExit) as end:
        main(words)
    out, err = capsys.readouterr()
    code = end.value.code
    return code if isinstance(code, int) else 0 if code is None else 1, out, err


def required(command: Any) -> list[Any]:
    return [each for each in command.params if each.required]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command__help__says_what_it_is_for(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, _ = run(capsys, *words, "--help")
    assert code == 0
    assert "Usage" in out
    assert COMMANDS[words].help.split(None, 1)[0] in out


def test_commands__that_print_data__have_json() -> None:
    without = {
        words
        for words, each in COMMANDS.items()
        if "--json" not in {name for param in each.params for name in param.opts}
    }
    assert without == SILENT


@pytest.mark.parametrize("role", ROLES)
def test_role__without_a_command_or_with_an_unknown_one__exit_code_two(
    capsys: pytest.CaptureFixture[str], role: str
) -> None:
    for words in ([role], [role, "nonsense"]):
        code, out, err = run(capsys, *words)
        assert code == 2
        assert out or err
    if hasattr(group(role), "commands"):
        assert "nonsense" in err


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command__unknown_option_or_nothing_given__exit_code_two(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, _, err = run(capsys, *words, "--nonsense")
    assert code == 2
    assert "nonsense" in err or "Missing" in err
    if required(COMMANDS[words]):
        code, _, err = run(capsys, *words)
        assert code == 2
        assert "Missing" in err


def junk(param: Any, folder: Path) -> list[str]:
    """A value that the parser takes and that is good for nothing."""
    kind = str(param.type_descriptor.annotation)
    if "int" in kind:
        value = "7"
    elif "float" in kind:
        value = "0.5"
    elif "Path" in kind:
        value = str(folder / "missing" / param.name)
    else:
        value = "nonsense"
    return [value] if param.opts[0] == param.name else [param.opts[0], value]


@pytest.mark.parametrize("words", [each for each in COMMANDS if each[0] not in HEAVY], ids=" ".join)
def test_command__with_nothing_it_could_work_on__one_sentence_and_exit_code_two(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: tuple[str, ...],
) -> None:
    """Files that are not there, a node that is not there, text where an amount belongs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QMIA_RPC", "http://127.0.0.1:9")
    given = [word for each in required(COMMANDS[words]) for word in junk(each, tmp_path)]
    code, out, err = run(capsys, *words, *given)
    if words in NEEDS_NOTHING:
        assert code == 0
        return
    assert code == 2, out + err
    assert not out
    assert "Traceback" not in err
    assert err.strip()


DEEP = b'{"a":' * 100_000 + b"}" * 100_000


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "replay", "FILE"),
        ("buyer", "--deployment", "FILE", "status", "1"),
        ("quality", "score", "DATA", "--card", "FILE"),
        ("quality", "score", "DATA", "--parameters", "FILE"),
        ("buyer", "forget", "1", "0", "--set", "FOLDER"),
    ],
    ids=["archive", "deployment", "card", "parameters", "training-set"],
)
def test_file_of_somebody_else__nested_without_end__is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    file, data = tmp_path / "qmia.json", tmp_path / "data.txt"
    file.write_bytes(zstd.compress(DEEP) if words[0] == "audit" else DEEP)
    data.write_text("some words")
    named = {"FILE": str(file), "DATA": str(data), "FOLDER": str(tmp_path)}
    with pytest.raises(SystemExit) as end:
        main([named.get(word, word) for word in words])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
