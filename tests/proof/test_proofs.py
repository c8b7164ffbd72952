"""Real proofs over a toy set-up: one accepted, and every changed claim refused."""

import hashlib
import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyrevm
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from typer.testing import CliRunner

from oracles.cli.dataset import app
from oracles.dataset import Binding, Manifest
from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.proof import Facts, Proof, Thresholds, check_proof, forget, holds, prove, prover, tools
from oracles.proof import facts as rules
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


#: A set in three parts of 64 pages, of which the tree has room for a fourth.
MANY, MANY_KEYS = [PAGE] * 130, [bytes([n, 1]) * 16 for n in range(130)]
ALL = Thresholds(260_000, 9_900, 10_000, 34)


@pytest.fixture(scope="module")
def parts(toy):
    """Parts of 64 pages instead of 1,024: another circuit, but for this all is as it is."""
    zk, name = tools.folder(), "part-6"
    (zk / "build").mkdir(exist_ok=True)
    tools.expect(tools.node("compile.mjs", *name.split("-"), str(zk / "build")), "compiling")
    bytecode = json.loads((zk / "build" / f"{name}.json").read_text())["bytecode"]
    known = {**tools.lock(), name: hashlib.sha256(bytecode.encode()).hexdigest()}
    (zk / "circuits.json").unlink()
    (zk / "circuits.json").write_text(json.dumps({"bytecode_sha256": known}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "PART_DEPTH", 6)
        patch.setattr(rules, "DEPTHS", (6, 8))
        yield toy


@pytest.fixture(scope="module")
def kept(parts, tmp_path_factory):
    assert parts
    return tmp_path_factory.mktemp("kept") / "parts"


@pytest.fixture(scope="module")
def large(kept):
    told = []
    made = prove(MANY, MANY_KEYS, ALL, keep=kept, progress=lambda *each: told.append(each))
    assert told == [("proving", n, 4) for n in range(4)]
    return made


@pytest.fixture
def proving(monkeypatch):
    """Counts proofs that are made; the exception in `fails` is raised after `most` of them."""
    made, real = SimpleNamespace(count=0, fails=None, most=0), tools.bb

    def bb(command, *rest, **paths):
        if command == "prove":
            if made.fails and made.count >= made.most:
                raise made.fails
            made.count += 1
        return real(command, *rest, **paths)

    monkeypatch.setattr(tools, "bb", bb)
    return made


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
    assert not holds(replace(proof, claim=claim))


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_proof__of_another_set_or_damaged__is_refused(proof):
    for claim in (replace(proof.claim, pages=41), replace(proof.claim, facts=b"\1" * 32)):
        assert not holds(replace(proof, claim=claim))
    size = len(proof.proof)
    changed = (proof.proof[:100] + b"\1" + proof.proof[101:], proof.proof[32:] + proof.proof[:32])
    # What cannot even be read is as false as what is wrong: it must not stop who checks it.
    hostile = (
        bytes(size),
        b"\xff" * size,
        b"7 bytes",
        bytes(2_000_000),
        random.Random(3).randbytes(size),
    )
    for data in (b"", proof.proof[:-32], *changed, *hostile):
        assert not holds(replace(proof, proof=data))
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
    real = prover._pages
    monkeypatch.setattr(prover, "_pages", lambda *each: real(*each) | {"count": "39"})
    with pytest.raises(InputError, match="not true"):
        prove(PAGES, KEYS, Thresholds(min_tokens=1))


@pytest.mark.slow
@needs_tools
def test_proof_in_parts__holds_and_shows_roots_and_sealed_sums_only(large):
    check_proof(large, large.claim.facts, 130, ALL)
    assert Proof.decode(large.encode()) == large
    assert [len(each.proof) for each in large.parts] == [8_000] * 3
    leaves = [rules.leaf(PAGE, key) for key in MANY_KEYS]
    for number, part in enumerate(large.parts):
        assert part.root == rules.subroot(leaves[64 * number : 64 * number + 64], 6)
    # The first two add up to the same, which nobody can see.
    assert len({each.sums for each in large.parts}) == 3
    with pytest.raises(IntegrityError, match="another data set"):
        check_proof(large, large.claim.facts, 129, ALL)


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize(
    ("name", "step"),
    [("min_tokens", 1), ("min_clean", -1), ("min_metadata", -1), ("max_duplicates", 1)],
)
def test_claim_in_parts__changed_after_the_proof__is_refused(large, name, step):
    limits = replace(ALL, **{name: getattr(ALL, name) + step})
    changed = replace(large, claim=replace(large.claim, thresholds=limits))
    with pytest.raises(IntegrityError, match="the proof does not hold"):
        check_proof(changed, large.claim.facts, 130, Thresholds())


@pytest.mark.slow
@needs_tools
def test_proof_in_parts__with_a_part_that_is_not_its_own__is_refused(large):
    first, second, third = large.parts
    made = [MANY[:64], MANY_KEYS[:64], [rules.leaf(PAGE, key) for key in MANY_KEYS[:64]], None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "part_salt", lambda _: 5)
        salted = prover._part(*made)
    assert salted.root == first.root
    keys = [bytes([n, 2]) * 16 for n in range(64)]
    foreign = prover._part(MANY[:64], keys, [rules.leaf(PAGE, key) for key in keys], None)
    count = "has 3 parts, and not"
    for given, why in (
        ((second, first, third), "the proof does not hold"),
        ((first, first, third), "the proof does not hold"),
        ((salted, second, third), "the proof does not hold"),
        ((foreign, second, third), "the proof does not hold"),
        ((first, second), count),
        ((first, second, third, third), count),
        ((), count),
        # The right statement with the proof of another one.
        ((first, replace(second, proof=first.proof), third), "part 2 of the proof does not"),
        ((replace(first, proof=salted.proof), second, third), "part 1 of the proof does not"),
        ((first, second, replace(third, proof=b"")), "part 3 of the proof does not"),
    ):
        with pytest.raises(IntegrityError, match=why):
            check_proof(replace(large, parts=given), large.claim.facts, 130, ALL)
    for pages in (129, 131, 192, 193):
        assert not holds(replace(large, claim=replace(large.claim, pages=pages)))
    assert not holds(replace(large, claim=replace(large.claim, facts=b"\1" * 32)))


@pytest.mark.slow
@needs_tools
def test_claim_in_parts__above_the_truth__gets_no_proof_even_past_the_first_check(
    large, kept, monkeypatch
):
    """Neither with the true sums nor with greater ones, which the parts' sums do not open to."""
    assert large
    monkeypatch.setattr(Thresholds, "missed", lambda *_: [])
    for lie in (replace(ALL, min_tokens=260_001), replace(ALL, max_duplicates=33)):
        with pytest.raises(InputError, match="not true of these facts"):
            prove(MANY, MANY_KEYS, lie, keep=kept)
    real = prover._opened

    def greater(*given):
        inputs = real(*given)
        inputs["opened"][0] = inputs["opened"][0] | {"tokens": "128001"}
        return inputs

    monkeypatch.setattr(prover, "_opened", greater)
    with pytest.raises(InputError, match="not true of these facts"):
        prove(MANY, MANY_KEYS, replace(ALL, min_tokens=260_001), keep=kept)
    monkeypatch.undo()
    # Nor is there a part's proof of other sums than those of its pages, or a total of another root.
    leaves, real_seal = [rules.leaf(PAGE, key) for key in MANY_KEYS[:64]], rules.seal
    with monkeypatch.context() as patch:
        more = lambda sums, salt: real_seal(replace(sums, tokens=sums.tokens + 1), salt)  # noqa: E731
        patch.setattr(rules, "seal", more)
        with pytest.raises(InputError, match="not true of these facts"):
            prover._part(MANY[:64], MANY_KEYS[:64], leaves, None)
    monkeypatch.setattr(rules, "root", lambda _: b"\1" * 32)
    with pytest.raises(InputError, match="not true of these facts"):
        prove(MANY, MANY_KEYS, Thresholds(min_tokens=1), keep=kept)


@pytest.mark.slow
@needs_tools
def test_parts__already_proved__are_kept_over_interruptions_and_for_other_thresholds(
    large, kept, proving, tmp_path
):
    assert large
    assert prove(MANY, MANY_KEYS, Thresholds(min_tokens=7), keep=kept).parts == large.parts
    assert proving.count == 1
    folder = tmp_path / "parts"
    folder.mkdir()
    shutil.copy(kept / "part-0", folder)
    (folder / "part-1").write_bytes(b"cut off")
    shutil.copy(kept / "part-1", folder / "part-2")
    proving.fails = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        prove(MANY, MANY_KEYS, ALL, keep=folder)
    proving.fails, proving.count = None, 0
    again = prove(MANY, MANY_KEYS, ALL, keep=folder)
    assert proving.count == 3  # What was cut off, what was of another part, and the total.
    assert again.parts[0] == large.parts[0]
    assert holds(again)


@pytest.mark.slow
@needs_tools
def test_parts__that_cannot_be_kept__say_so(parts, tmp_path):
    assert parts
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        prove(MANY, MANY_KEYS, ALL, keep=file / "parts")


@pytest.mark.slow
@needs_tools
def test_verifiers_in_parts__that_are_generated_for_the_chain__take_no_changed_input(large):
    for statement in large.statements[:2]:
        evm, me = pyrevm.EVM(), "0x" + "11" * 20
        evm.set_balance(me, 10**24)
        code = verifier_code(crs.believing(verifier_source(statement.circuit)))
        verifier = evm.deploy(me, code)
        inputs = statement.inputs
        for changed in [inputs] + [
            (*inputs[:place], inputs[place] + 1, *inputs[place + 1 :])
            for place in range(len(inputs))
        ]:
            words = [value.to_bytes(32, "big") for value in changed]
            data = keccak(text="verify(bytes,bytes32[])")[:4]
            data += encode(["bytes", "bytes32[]"], [statement.proof, words])
            if changed == inputs:
                assert int.from_bytes(evm.message_call(me, verifier, calldata=data), "big") == 1
                assert evm.result.gas_used < 1_000_000
            else:
                with pytest.raises(RuntimeError):
                    evm.message_call(me, verifier, calldata=data)


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
    for more in (["--min-tokens", "10000000"], ["--min-clean", "0.1"]):
        assert isinstance(run(app, ["prove", archive, *key, *more]).exception, InputError)


@pytest.mark.slow
@needs_tools
def test_verifier__that_is_generated_for_the_chain__takes_the_proof_and_no_changed_input(
    proof,
):
    """Its four constants of the ceremony are replaced by those of the toy set-up, as in `bb`."""
    made = verifier_code(crs.believing(verifier_source("threshold-6")))
    evm, me = pyrevm.EVM(), "0x" + "11" * 20
    evm.set_balance(me, 10**24)
    verifier = evm.deploy(me, made)

    def verify(inputs):
        words = [value.to_bytes(32, "big") for value in inputs]
        data = keccak(text="verify(bytes,bytes32[])")[:4]
        data += encode(["bytes", "bytes32[]"], [proof.proof, words])
        return int.from_bytes(evm.message_call(me, verifier, calldata=data), "big")

    inputs = proof.statements[0].inputs
    assert verify(inputs) == 1
    assert evm.result.gas_used < 900_000
    for place in range(len(inputs)):
        with pytest.raises(RuntimeError):
            verify([*inputs[:place], inputs[place] + 1, *inputs[place + 1 :]])


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize("kind", ["silent", "killed", "other", "no points", "no key", "old key"])
def test_check__where_program_or_files_are_broken__says_so_and_blames_no_proof(
    proof, toy, kind, tmp_path, monkeypatch
):
    zk, points = tmp_path / "zk", tmp_path / "crs"
    shutil.copytree(toy, zk, symlinks=True)
    shutil.copytree(tools.setup_folder(), points)
    monkeypatch.setenv("QMIA_ZK", str(zk))
    monkeypatch.setenv("QMIA_CRS", str(points))
    assert holds(proof)
    key = points / "threshold-6" / "vk"
    if kind == "no key":
        key.unlink()
        assert holds(proof)
    elif kind == "old key":
        key.write_bytes(key.read_bytes()[:-1] + b"\1")
        assert holds(proof)
    else:
        script = {
            "silent": "exit 1",
            "killed": "kill -9 $$",
            "other": "echo fine; exit 0",
            "no points": "echo 'Scheme is: ultra_honk'; echo 'HTTP request failed'; exit 1",
        }
        program = tools.program(zk)
        program.unlink()
        program.write_text(f"#!/bin/sh\n{script[kind]}\n")
        program.chmod(0o755)
        with pytest.raises(ConfigError, match="checking a proof"):
            holds(proof)


@pytest.mark.slow
@needs_tools
def test_proof__made_with_damaged_points__is_not_handed_out(toy, tmp_path, monkeypatch):
    assert toy
    points = tmp_path / "crs"
    shutil.copytree(tools.setup_folder(), points)
    monkeypatch.setenv("QMIA_CRS", str(points))
    data = (points / "bn254_g1.dat").read_bytes()
    swapped = data[64 * 5 : 64 * 6] + data[64 * 4 : 64 * 5]
    (points / "bn254_g1.dat").write_bytes(data[: 64 * 4] + swapped + data[64 * 6 :])
    with pytest.raises(ConfigError, match="damaged"):
        prove(PAGES, KEYS, EXACT)


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("parts")
def test_commands__of_a_large_set__go_on_where_they_were_interrupted(tmp_path, proving):
    source, archive, run = tmp_path / "data.jsonl", str(tmp_path / "a.qmia"), CliRunner().invoke
    lines = [json.dumps({"text": each.text, **each.metadata}) for each in documents(1_100)]
    source.write_text("\n".join(lines))
    where = ["--chain-id", "1", "--contract", "0x" + "11" * 20, "--auction", "1"]
    who = ["--provider", "0x" + "22" * 20, "--facts", "--json"]
    packed = json.loads(run(app, ["pack", str(source), "-o", archive, *where, *who]).stdout)
    assert 64 < packed["pages"] < 128
    words = ["prove", archive, "--key-file", archive + ".key", "--min-tokens", "100", "--json"]
    proving.fails, proving.most = KeyboardInterrupt(), 1
    stopped = run(app, words)
    assert stopped.exit_code == 130
    assert "the same command goes on" in " ".join(stopped.stderr.split())
    assert [each.name for each in Path(archive + ".proof.parts").iterdir()] == ["part-0"]
    proving.fails, proving.count = None, 0
    made = json.loads(run(app, words).stdout)
    assert (proving.count, made["parts"]) == (2, 2)
    assert not Path(archive + ".proof.parts").exists()
    asked = ["check-proof", archive + ".proof", "--manifest", archive + ".json", "--min-tokens"]
    assert run(app, [*asked, "100"]).exit_code == 0
    assert run(app, [*asked, "101"]).exit_code == 1


def test_prove__onto_what_it_needs_or_where_nothing_can_be__is_refused_first(tmp_path):
    archive, key, manifest = (tmp_path / name for name in ("a", "a.key", "a.json"))
    words = ["prove", str(archive), "--key-file", str(key), "--min-tokens", "1", "-o"]
    for out in (archive, key, manifest, tmp_path / "none" / ".." / "a"):
        refused = CliRunner().invoke(app, [*words, str(out)])
        assert isinstance(refused.exception, InputError)
        assert "would replace" in str(refused.exception)
    missing = CliRunner().invoke(app, [*words, str(tmp_path / "none" / "a.proof")])
    assert "there is no folder" in str(missing.exception)
    assert not (tmp_path / "none").exists()


def test_forget__of_kept_parts__leaves_what_is_not_one(tmp_path):
    for name in ("part-0", "part-1", "mine"):
        (tmp_path / name).write_bytes(b"1")
    forget(tmp_path)
    forget(tmp_path / "none")
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "mine").unlink()
    forget(tmp_path)
    assert not tmp_path.exists()


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
        tools.circuit("threshold-6")


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
