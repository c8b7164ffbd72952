"""`qmia dataset` from end to end."""

import json
import stat

import pytest

from oracles.cli import main
from oracles.dataset import Manifest, read_documents

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
    assert result["archive_bytes"] == out.stat().st_size
    manifest = Manifest.decode((tmp_path / "a.qmia.json").read_bytes())
    assert result["manifest"] == "0x" + manifest.digest.hex()
    assert result["cid"] == manifest.archive
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


def test_inspect__when_archive__then_told_what_to_use(archive, run):
    code, _, error = run("inspect", archive)
    assert code == 2
    assert "dataset show" in error


def test_show__when_archive__then_manifest_and_what_samples_expose(source, archive, run):
    code, shown, _ = run("show", archive, "--samples", "1", "--json")
    assert code == 0
    assert shown["provider"] == PROVIDER
    assert shown["content_digest"] == run("inspect", source, "--json")[1]["content_digest"]
    assert shown["pages"] == shown["exposed"] == 1
    assert run("show", archive, "--manifest", source)[0] == 2


def test_verify__when_good__then_0_and_when_not__then_1(tmp_path, archive, run):
    key = ["--key-file", f"{archive}.key"]
    code, result, _ = run("verify", archive, *key, "--json")
    assert (code, result["valid"], result["documents"]) == (0, True, 2)
    code, result, _ = run("verify", archive, "--json")
    assert (code, result["valid"], result["documents"]) == (0, True, None)
    (tmp_path / "other.key").write_text("00" * 32)
    code, result, _ = run("verify", archive, "--key-file", tmp_path / "other.key", "--json")
    assert (code, result["valid"]) == (1, False)
    assert "not the key" in result["reason"]
    data = bytearray(archive.read_bytes())
    for place in (20, -1):
        changed = data.copy()
        changed[place] ^= 1
        archive.write_bytes(changed)
        assert run("verify", archive, *key)[0] == 1
        assert run("verify", archive)[0] == 1


def test_page__when_opened_alone__then_its_documents(archive, run):
    key = ["--key-file", f"{archive}.key"]
    code, result, _ = run("page", archive, 0, *key, "--json")
    assert code == 0
    assert [document["text"] for document in result["documents"]] == ["one", "two [red]"]
    code, out, _ = run("page", archive, 0, *key)
    assert code == 0
    assert "two [red]" in out
    assert run("page", archive, 1, *key)[0] == 2


@pytest.mark.parametrize("key", ["", "zz" * 32, "00" * 31, "é"])
def test_verify__when_key_file_is_not_a_key__then_2(tmp_path, archive, run, key):
    (tmp_path / "key").write_text(key)
    assert run("verify", archive, "--key-file", tmp_path / "key")[0] == 2


def test_unpack__when_good__then_documents_come_back(tmp_path, source, archive, run):
    out = tmp_path / "out.jsonl"
    key = ["--key-file", f"{archive}.key"]
    code, result, _ = run("unpack", archive, "-o", out, *key, "--json")
    assert (code, result["documents"]) == (0, 2)
    assert list(read_documents(out)) == list(read_documents(source, findings=[]))


def test_unpack__when_damaged_at_the_end__then_nothing_written(tmp_path, archive, run):
    archive.write_bytes(archive.read_bytes()[:-1])
    key = ["--key-file", f"{archive}.key"]
    code, _, _ = run("unpack", archive, "-o", tmp_path / "out.jsonl", *key)
    assert code == 2
    assert not (tmp_path / "out.jsonl").exists()


def test_export__when_done__then_documents_and_findings_are_told(tmp_path, source, run):
    code, result, _ = run("export", source, "-o", tmp_path / "out.csv", "--json")
    assert (code, result["documents"], len(result["findings"])) == (0, 2, 1)
    assert len(list(read_documents(tmp_path / "out.csv"))) == 2
