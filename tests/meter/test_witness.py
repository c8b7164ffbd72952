"""Witnesses cosign a log that only grows, prove a forked one, and accuse nobody falsely."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from oracles.chain.signers import LocalSigner
from oracles.cli import main
from oracles.errors import InputError, IntegrityError
from oracles.meter.check import check_usage
from oracles.meter.events import Prices
from oracles.meter.log import UsageLog, read_lines
from oracles.meter.proxy import Proxy, Writer
from oracles.meter.witness import Checkpoint, Cosigned, Witness, offered, read_cosigned
from tests.meter.test_check import OLD, usage
from tests.meter.test_proxy import SIGNER, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPERATOR = LocalSigner.from_secret(b"\x24" * 32)
ORIGIN = f"qmia:31337/0x11/{SIGNER.address}"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[UsageLog]:
    made = UsageLog(tmp_path / "log", ORIGIN)
    made.append([("prices", OLD.plain()), usage(OLD, 3, 5)])
    yield made
    made.close()


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness", OPERATOR)


def checkpoint(log: UsageLog) -> Checkpoint:
    return Checkpoint.sign(log.origin, log.size, log.root(), SIGNER)


def test_witness__of_a_log_that_grows__signs_each_time(log: UsageLog, witness: Witness) -> None:
    first = witness.cosign(checkpoint(log), [])
    assert (first.witness(), first.checkpoint.publisher()) == (OPERATOR.address, SIGNER.address)
    log.append([usage(OLD, n, n) for n in range(5)])
    second = witness.cosign(checkpoint(log), log.consistency(2, log.size))
    assert Cosigned.decode(second.encode(), ORIGIN) == second
    assert witness.seen(ORIGIN) == second.checkpoint
    # The same again needs no proof.
    assert witness.cosign(checkpoint(log), []).checkpoint == second.checkpoint


def test_witness__of_a_forked_log__keeps_the_proof_and_signs_nothing(
    log: UsageLog, witness: Witness, tmp_path: Path
) -> None:
    witness.cosign(checkpoint(log), [])
    other = UsageLog(tmp_path / "other", ORIGIN)
    other.append([("prices", OLD.plain()), usage(OLD, 1, 1), usage(OLD, 2, 2)])
    with pytest.raises(IntegrityError, match="forked"):
        witness.cosign(checkpoint(other), other.consistency(2, 3))
    (kept,) = (tmp_path / "witness").glob("*.forked")
    both = [offered({**each, "proof": []})[0] for each in json.loads(kept.read_text())]
    assert {each.publisher() for each in both} == {SIGNER.address}
    assert [each.size for each in both] == [2, 3]
    assert witness.seen(ORIGIN) == checkpoint(log)
    other.close()


def test_witness__of_somebody_elses_or_a_shorter_log__signs_nothing(
    log: UsageLog, witness: Witness
) -> None:
    forged = Checkpoint.sign(ORIGIN, log.size, log.root(), OPERATOR)
    with pytest.raises(IntegrityError, match="not signed by"):
        witness.cosign(forged, [])
    old = checkpoint(log)
    log.append([usage(OLD, 1, 1)])
    witness.cosign(checkpoint(log), [])
    with pytest.raises(IntegrityError, match="had 3 when it was seen last"):
        witness.cosign(old, [])


def test_audit__holds_the_log_against_what_witnesses_saw(
    log: UsageLog, witness: Witness, tmp_path: Path
) -> None:
    seen = [witness.cosign(checkpoint(log), [])]
    log.append([usage(OLD, 1, 1)])
    seen.append(witness.cosign(checkpoint(log), log.consistency(2, 3)))

    def audit(lines: list[bytes], cosigned: list[Cosigned]) -> Any:
        return check_usage(lines, ORIGIN, SIGNER.address, [], cosigned=cosigned)

    lines = list(read_lines(tmp_path / "log"))
    report = audit(lines, seen)
    assert (report.differences, report.rejected) == ([], [])
    assert report.witnesses == {OPERATOR.address: 3}
    forked = [lines[0], lines[1].replace(b'"complete":true', b'"complete":false'), lines[2]]
    found = audit(forked, seen).differences
    assert [each.where for each in found] == ["checkpoint 2", "checkpoint 3"]
    assert "ends after 2" in audit(lines[:2], seen).differences[0].detail
    # Whoever makes a checkpoint up accuses nobody.
    lie = Checkpoint.sign(ORIGIN, 2, b"\1" * 32, OPERATOR)
    made_up = [Cosigned(lie, seen[0].signature), replace(seen[0], signature=b"\xff" * 65)]
    report = audit(lines, made_up)
    assert (report.differences, report.witnesses) == ([], {})
    assert len(report.rejected) == 2


def test_command__of_an_operator__cosigns_a_running_meter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = UsageLog(tmp_path / "log", ORIGIN)
    log.append([("prices", Prices({"tiny": (2, 8)}).plain())])
    config = tmp_path / "operator.toml"
    (tmp_path / "key").write_text(("24" * 32) + "\n")
    (tmp_path / "key").chmod(0o600)
    config.write_text(
        'rpc = ["http://127.0.0.1:9"]\ndeployment = "deployment.json"\nstate = "state"\n'
        'private_key_file = "key"\n[scoring]\nseed_corpus = "seed.jsonl"\n'
    )

    def cosign(url: str, publisher: str = SIGNER.address, code: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main(["operator", "cosign", url, publisher, "--config", str(config), "--json"])
        out, err = capsys.readouterr()
        assert end.value.code == code, out + err
        return out + err

    proxy = Proxy("http://127.0.0.1:9", Writer(log, SIGNER), b"salt", witnesses=[OPERATOR.address])
    with serving(proxy) as address:
        assert json.loads(cosign(address))["entries"] == 1
        log.append([usage(OLD, 1, 1)])
        assert json.loads(cosign(address))["entries"] == 2
        assert "is the meter of" in cosign(address, OPERATOR.address, code=2)
        for path in ("/qmia/checkpoint?old=99", "/qmia/checkpoint?old=x"):
            assert httpx.get(address + path).status_code == 400
        stranger = Witness(tmp_path / "stranger", SIGNER).cosign(checkpoint(log), [])
        for line in (stranger.encode(), "rubbish", ""):
            reply = httpx.post(address + "/qmia/cosignature", content=line)
            assert reply.status_code == 400
    assert "does not answer" in cosign("http://127.0.0.1:9", code=2)
    found, wrong = read_cosigned(tmp_path / "log/cosigned", ORIGIN)
    assert ([each.checkpoint.size for each in found], wrong) == ([1, 2], [])
    log.close()


def test_answers__that_are_no_checkpoint__are_refused() -> None:
    good = {"origin": ORIGIN, "size": 1, "root": "11" * 32, "signature": "22" * 65, "proof": []}
    offered(good)
    for change in (
        {"size": "1"}, {"size": -1}, {"size": True}, {"root": "11"}, {"root": 5}, {"proof": None},
        {"proof": ["11"]}, {"proof": ["11" * 32] * 1000}, {"origin": 7},
    ):  # fmt: skip
        with pytest.raises(InputError):
            offered({**good, **change})
    for plain in (None, [], "x", {}):
        with pytest.raises(InputError):
            offered(plain)
