"""`qmia dataset` from end to end."""

import json
import stat

import pytest

from oracles.cli import main
from oracles.dataset import read_documents

CONTRACT = "0x" + "ab" * 20
PROVIDER = "0x" + "cd" * 20
BINDING = ["--chain-id", "1", "--contract", CONTRACT, "--auction", "5", "--provider", PROVIDER]


@pytest.fixture
def run(capsys):
    """Run a command; returns its exit code, JSON (if any) and standard error."""

    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["dataset", *map(str, arguments)])
        out, err = capsys.readouterr()
        return exit_.value.code, json.loads(out) if out.startswith("{") else out, err

    return call


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.jsonl"
    path.write_text('{"text": "one", "date": "2020"}\n{broken\n{"text": "two [red]"}\n')
    return path


@pytest.fixture
def archive(tmp_path, source, run):
    path = tmp_path / "a.qmia"
    assert run("pack", source, "-o", path, *BINDING, "--json")[0] == 0
    return path


def test_pack__when_done__then_all_that_a_commitment_needs(tmp_path, source, run):
    out = tmp_path / "a.qmia"
    code, result, _ = run("pack", source, "-o", out, *BINDING, "--json")
    assert code == 0
    assert result["documents"] == 2
    assert result["size"] == out.stat().st_size
    assert result["cid"].startswith("bafkrei")
    assert len(result["content_digest"]) == 66
    assert [f["kind"] for f in result["findings"]] == ["malformed"]
    key = tmp_path / "a.qmia.key"
    assert result["key_file"] == str(key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().strip() not in json.dumps(result)


def test_pack__when_key_file_exists__then_refused_and_kept(tmp_path, source, archive, run):
    before = archive.read_bytes(), (tmp_path / "a.qmia.key").read_bytes()
    code, _, error = run("pack", source, "-o", archive, *BINDING)
    assert code == 2
    assert "never overwritten" in error
    assert (archive.read_bytes(), (tmp_path / "a.qmia.key").read_bytes()) == before


def test_pack__when_strict_and_there_are_findings__then_nothing_written(tmp_path, source, run):
    code, _, error = run("pack", source, "-o", tmp_path / "b.qmia", *BINDING, "--strict")
    assert code == 2
    assert "source.jsonl:2" in error
    assert list(tmp_path.iterdir()) == [source]


def test_inspect__when_source_has_findings__then_exit_1_and_shown(source, run):
    code, result, _ = run("inspect", source, "--json")
    assert code == 1
    assert result["documents"] == 2
    assert result["metadata_fields"] == {"date": 1}
    assert result["findings"][0]["where"] == "source.jsonl:2"
    code, out, error = run("inspect", source)
    assert code == 1
    assert "source.jsonl:2" in error
    assert "content digest" in out


def test_inspect__when_archive__then_header_and_same_digest(source, archive, run):
    code, header, _ = run("inspect", archive, "--json")
    assert code == 0
    assert header["provider"] == PROVIDER
    assert header["content_digest"] == run("inspect", source, "--json")[1]["content_digest"]


def test_verify__when_good__then_0_and_when_not__then_1(archive, run):
    key = ["--key-file", f"{archive}.key"]
    code, result, _ = run("verify", archive, *key, *BINDING, "--json")
    assert (code, result["valid"]) == (0, True)
    digest = ["--content-digest", result["content_digest"]]
    assert run("verify", archive, *key, *BINDING, *digest)[0] == 0
    digest[1] = "0x" + "00" * 32
    code, result, _ = run("verify", archive, *key, *BINDING, *digest, "--json")
    assert (code, result["valid"]) == (1, False)
    assert "committed" in result["reason"]
    other = [*BINDING[:-1], CONTRACT]
    assert run("verify", archive, *key, *other)[0] == 1
    data = bytearray(archive.read_bytes())
    data[-1] ^= 1
    archive.write_bytes(data)
    assert run("verify", archive, *key, *BINDING)[0] == 1


@pytest.mark.parametrize("key", ["", "zz" * 32, "00" * 31, "é"])
def test_verify__when_key_file_is_not_a_key__then_2(tmp_path, archive, run, key):
    (tmp_path / "key").write_text(key)
    assert run("verify", archive, "--key-file", tmp_path / "key", *BINDING)[0] == 2


def test_unpack__when_good__then_documents_come_back(tmp_path, source, archive, run):
    out = tmp_path / "out.jsonl"
    key = ["--key-file", f"{archive}.key"]
    code, result, _ = run("unpack", archive, "-o", out, *key, *BINDING, "--json")
    assert (code, result["documents"]) == (0, 2)
    assert list(read_documents(out)) == list(read_documents(source, findings=[]))


def test_unpack__when_damaged_at_the_end__then_nothing_written(tmp_path, archive, run):
    archive.write_bytes(archive.read_bytes()[:-1])
    key = ["--key-file", f"{archive}.key"]
    code, _, _ = run("unpack", archive, "-o", tmp_path / "out.jsonl", *key, *BINDING)
    assert code == 2
    assert not (tmp_path / "out.jsonl").exists()


def test_export__when_done__then_documents_and_findings_are_told(tmp_path, source, run):
    code, result, _ = run("export", source, "-o", tmp_path / "out.csv", "--json")
    assert (code, result["documents"], len(result["findings"])) == (0, 2, 1)
    assert len(list(read_documents(tmp_path / "out.csv"))) == 2
