"""Real proofs over a toy set-up: one accepted, and every changed claim refused."""

import json
import os
import shutil
from dataclasses import replace

import pyrevm
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from typer.testing import CliRunner

from oracles.cli.dataset import app
from oracles.dataset import Binding, Manifest
from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.proof import Claim, Facts, Proof, Thresholds, check_proof, holds, prove, tools
from scripts.gate import verifier_code, verifier_source
from tests.proof.test_facts import documents
from tests.support import crs

try:
    tools.program(tools.folder())
    MISSING = "" if shutil.which("node") else "Node is not installed"
except ConfigError as error:
    MISSING = str(error)
needs_tools = pytest.mark.skipif(bool(MISSING), reason=MISSING)
PAGE = Facts(tokens=2_000, letters=10_100, lost=100, filled=5, expected=5, repeated=30, runs=9_000)
PAGES, KEYS = [PAGE] * 40, [bytes([n]) * 32 for n in range(40)]
#: What holds exactly of these pages: one more of anything is untrue.
EXACT = Thresholds(80_000, 9_900, 10_000, 34)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Tools with a set-up whose secret is known."""
    changed = crs.install(tmp_path_factory.mktemp("toy"), (1 << 14) + 1)
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    yield changed["QMIA_ZK"]
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="module")
def proof(toy):
    assert toy
    return prove(PAGES, KEYS, EXACT)


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_proof__of_a_true_claim__holds_and_shows_only_the_claim(proof):
    check_proof(proof, proof.claim.facts, 40, EXACT)
    check_proof(proof, proof.claim.facts, 40, Thresholds(min_tokens=79_999))
    assert Proof.decode(proof.encode()) == proof
    assert len(proof.proof) < 12_000
    assert prove(PAGES, KEYS, EXACT).proof != proof.proof


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("name", "step"),
    [("min_tokens", 1), ("min_clean", 1), ("min_metadata", -1), ("max_duplicates", -1)],
)
def test_claim__changed_after_the_proof__is_refused(proof, name, step):
    """A raised claim, and a lowered one as well: public inputs are part of the proof."""
    changed = {name: getattr(EXACT, name) + step}
    claim = replace(proof.claim, thresholds=replace(EXACT, **changed))
    assert not holds(Proof(claim, proof.proof))


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_proof__of_another_set_or_damaged__is_refused(proof):
    for claim in (replace(proof.claim, pages=41), replace(proof.claim, facts=b"\1" * 32)):
        assert not holds(Proof(claim, proof.proof))
    for data in (b"", proof.proof[:-32], proof.proof[:100] + b"\1" + proof.proof[101:]):
        assert not holds(Proof(proof.claim, data))
    with pytest.raises(IntegrityError, match="another data set"):
        check_proof(proof, proof.claim.facts, 39, EXACT)
    with pytest.raises(IntegrityError, match="asked for"):
        check_proof(proof, proof.claim.facts, 40, replace(EXACT, min_tokens=80_001))


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    "lie",
    [
        Thresholds(min_tokens=80_001),
        Thresholds(min_clean=9_901),
        Thresholds(max_duplicates=33),
    ],
)
def test_claim__above_the_truth__gets_no_proof_even_past_the_first_check(monkeypatch, lie):
    """Who takes the check out of the program still meets the circuit."""
    with pytest.raises(InputError, match="what is not true"):
        prove(PAGES, KEYS, lie)
    monkeypatch.setattr(Thresholds, "missed", lambda *_: [])
    with pytest.raises(InputError, match="not true of these facts"):
        prove(PAGES, KEYS, lie)


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_claim__of_pages_that_there_are_not__gets_no_proof(monkeypatch):
    """Padding is never sampled, so the circuit lets it say nothing."""
    from oracles.proof import prover

    real = Claim.inputs.fget
    monkeypatch.setattr(
        Claim, "inputs", property(lambda self: (real(self)[0], 39, *real(self)[2:]))
    )
    with pytest.raises(InputError, match="not true"):
        prover.prove(PAGES, KEYS, Thresholds(min_tokens=1))


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_commands__from_packing_to_a_checked_proof(tmp_path):
    source = tmp_path / "data.jsonl"
    lines = [json.dumps({"text": each.text, **each.metadata}) for each in documents()]
    source.write_text("\n".join(lines))
    archive, run = str(tmp_path / "a.qmia"), CliRunner().invoke
    where = ["--chain-id", "1", "--contract", "0x" + "11" * 20, "--auction", "1"]
    who = ["--provider", "0x" + "22" * 20, "--facts", "--json"]
    assert run(app, ["pack", str(source), "-o", archive, *where, *who]).exit_code == 0
    key, manifest = ["--key-file", archive + ".key"], ["--manifest", archive + ".json"]
    assert run(app, ["check-facts", archive, *key, "--json"]).exit_code == 0
    done = run(app, ["prove", archive, *key, "--min-tokens", "100", "--min-clean", "0.1", "--json"])
    assert done.exit_code == 0, done.output
    asked = [archive + ".proof", *manifest, "--min-tokens"]
    assert run(app, ["check-proof", *asked, "100"]).exit_code == 0
    assert run(app, ["check-proof", *asked, "101"]).exit_code == 1
    refused = run(app, ["prove", archive, *key, "--min-tokens", "10000000"])
    assert isinstance(refused.exception, InputError)


@pytest.mark.slow
@needs_tools
def test_verifier__that_is_generated_for_the_chain__takes_the_proof_and_no_changed_input(
    proof,
):
    """Its four constants of the ceremony are replaced by those of the toy set-up, as in `bb`."""
    made = verifier_code(crs.believing(verifier_source(64)))
    evm, me = pyrevm.EVM(), "0x" + "11" * 20
    evm.set_balance(me, 10**24)
    verifier = evm.deploy(me, made)

    def verify(inputs):
        words = [value.to_bytes(32, "big") for value in inputs]
        data = keccak(text="verify(bytes,bytes32[])")[:4]
        data += encode(["bytes", "bytes32[]"], [proof.proof, words])
        return int.from_bytes(evm.message_call(me, verifier, calldata=data), "big")

    inputs = proof.claim.inputs
    assert verify(inputs) == 1
    assert evm.result.gas_used < 900_000
    for place in range(len(inputs)):
        with pytest.raises(RuntimeError):
            verify([*inputs[:place], inputs[place] + 1, *inputs[place + 1 :]])


def test_tools__that_are_missing__are_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIA_ZK", str(tmp_path))
    with pytest.raises(ConfigError, match="make zk"):
        prove(PAGES, KEYS, EXACT)


@needs_tools
def test_circuit__that_is_not_the_published_one__is_refused(tmp_path, monkeypatch):
    zk = tmp_path / "zk"
    (zk / "build").mkdir(parents=True)
    for name in ("circuits.json", "node_modules"):
        (zk / name).symlink_to(tools.folder() / name)
    (zk / "build" / "threshold-6.json").write_text(json.dumps({"bytecode": "AAAA"}))
    monkeypatch.setenv("QMIA_ZK", str(zk))
    with pytest.raises(ConfigError, match="not the circuit that was published"):
        tools.circuit(6)


def test_manifest__with_facts_and_proof__is_read_back_and_nothing_else_is_taken():
    from oracles.dataset.manifest import Contents

    root = b"\3" * 32
    contents = Contents(root, 20_000, root, root, 900, 90, root, root, facts=b"\4" * 32)
    manifest = Manifest(Binding(1, "0x" + "11" * 20, 1, "0x" + "22" * 20), "a", contents, (), "b")
    data = manifest.encode()
    assert Manifest.decode(data) == manifest
    plain = replace(manifest, contents=replace(contents, facts=b""), proof="")
    assert b"facts" not in plain.encode()
    assert plain.contents.archive_size == contents.archive_size - 32 * contents.pages
    for wrong in (
        replace(plain, proof="b").encode(),
        data.replace(b"04" * 32, b"04" * 31),
        data.replace(b'"facts"', b'"fact"'),
    ):
        with pytest.raises(IntegrityError):
            Manifest.decode(wrong)
