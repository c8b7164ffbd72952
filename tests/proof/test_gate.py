"""The gate and the verifier that `bb` generates, together on a node: what a provider would send."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracles.chain import artifacts
from oracles.chain.client import Sender, receipt_event
from oracles.chain.deployment import Deployment, deploy_gate
from oracles.chain.gate import VERIFIERS
from oracles.chain.typed_events import ThresholdsProved
from oracles.dataset import Binding, EncryptionKey, Manifest
from oracles.dataset.manifest import Contents
from oracles.errors import ChainError, ConfigError, IntegrityError
from oracles.market.buyer import Buyer
from oracles.market.gate import data_set_of, gate_of, post_proof, proved
from oracles.proof import Claim, Part, Proof, Thresholds, Tree
from oracles.quality import page_facts
from scripts.gate import verifier_code, verifier_source
from tests.cli.test_market_commands import Shell
from tests.contracts.test_threshold_gate import agreed, word
from tests.proof.test_facts import documents
from tests.proof.test_proofs import EXACT, PAGES, needs_tools, proof, toy
from tests.support import crs
from tests.support.chain import artifact
from tests.support.market import ETHER, UNIT, Market, signer

if TYPE_CHECKING:
    from tests.support.anvil import Anvil

__all__ = ["proof", "toy"]
ROOT, SIZE = b"\3" * 32, len(PAGES) * 16_384


def verifiers() -> dict[int, bytes]:
    """Code of the verifier of the smallest circuit, for the toy set-up."""
    return {"threshold-6": verifier_code(crs.believing(verifier_source("threshold-6")))}


class Gate:
    """A gate whose smallest verifier is the generated one; the others are not there."""

    def __init__(self, anvil: Anvil) -> None:
        who = signer("a provider with a proof")
        anvil.set_balance(who.address, 100 * ETHER)
        self.sender = Sender(anvil.web3, who)
        alone = deploy_gate(self.sender, Deployment(31337, 0, {}), verifiers())
        built, address = artifacts.artifact("ThresholdGate"), alone.address("ThresholdGate")
        self.contract = anvil.web3.eth.contract(address=address, abi=built["abi"])

    def prove(self, manifest: Manifest, shown: Proof, **change: Any) -> tuple[bytes, int]:
        """Prove `EXACT`, or with a changed argument; gives the name of the set, and gas."""
        facts = manifest.contents.facts
        member = b'"facts":"0x' + facts.hex().encode() + b'"'
        before, rest = manifest.encode().split(member)
        data_set = (manifest.digest, ROOT, manifest.contents.size, ROOT)
        given = {"data_set": data_set, "before": before, "facts": facts, "rest": rest}
        given |= {"limits": tuple(asdict(EXACT).values()), "parts": []} | change
        call = self.contract.functions.prove(*given.values(), shown.proof)
        receipt = self.sender.send(call)
        assert bytes(receipt_event(receipt, ThresholdsProved).facts) == facts
        name = keccak(encode(["bytes32", "bytes32", "uint64", "bytes32"], data_set))
        return name, receipt["gasUsed"]

    def known(self, name: bytes, thresholds: Thresholds) -> bool:
        limits = tuple(asdict(thresholds).values())
        return bool(self.contract.functions.isProved(name, limits).call())


def described(facts: bytes, archive: str = "a", auction: int = 1) -> Manifest:
    binding = Binding(1, "0x" + "11" * 20, auction, "0x" + "22" * 20)
    contents = Contents(ROOT, SIZE, ROOT, ROOT, 900, 90, ROOT, ROOT, facts=facts)
    return Manifest(binding, archive, contents, (), "b")


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_gate__with_the_generated_verifier__takes_the_proof_and_nothing_near_it(
    proof: Proof,
    anvil: Anvil,
) -> None:
    gate, facts = Gate(anvil), proof.claim.facts
    mine = described(facts)
    name, gas = gate.prove(mine, proof)
    assert gate.known(name, EXACT)
    assert not gate.known(name, replace(EXACT, min_tokens=EXACT.min_tokens - 1))
    assert gas < 1_300_000

    # Every public input: thresholds, the root of the facts, and the number of pages.
    limits = tuple(asdict(EXACT).values())
    for place, value in enumerate(limits):
        for step in (-1, 1):
            changed = (*limits[:place], value + step, *limits[place + 1 :])
            with pytest.raises(ChainError):
                gate.prove(mine, proof, limits=changed)
    with pytest.raises(ChainError):
        gate.prove(described(bytes(31) + b"\7"), proof)
    shorter = replace(mine, contents=replace(mine.contents, size=SIZE - 16_384))
    with pytest.raises(ChainError):
        gate.prove(shorter, proof)
    larger = replace(mine, contents=replace(mine.contents, size=65 * 16_384))
    with pytest.raises(ChainError):  # Its verifier is an address without code.
        gate.prove(larger, proof)
    with pytest.raises(ChainError, match="ManifestDiffers"):
        gate.prove(mine, proof, data_set=(ROOT, ROOT, SIZE, ROOT))
    for wrong in (b"", proof.proof[:-32], proof.proof[:200] + b"\1" + proof.proof[201:]):
        with pytest.raises(ChainError):
            gate.prove(mine, replace(proof, proof=wrong))

    # Whoever copies root and proof into a manifest of its own gets past the gate, for other text,
    # another bidder, another auction: the roll is what stops it, at the first page that is drawn.
    copied, _ = gate.prove(described(facts, "another archive", auction=2), proof)
    assert copied != name
    assert gate.known(copied, EXACT)


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_commands__send_a_committed_proof_to_the_gate_and_find_it_there(
    anvil: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = Market(anvil, tmp_path)
    ann, bob = (Shell(market, name, capsys) for name in ("ann", "bob"))
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    provider, tree = market.provider("ann"), Tree(page_facts)
    limits = Thresholds(min_tokens=400, min_clean=5_000)
    provider.commit(
        provider.prepare(auction, documents(20), 50 * UNIT, facts=tree, thresholds=limits)
    )
    plain = market.provider("bob")
    plain.commit(plain.prepare(auction, documents(5), 50 * UNIT))
    place = ("--auction", auction, "--index")

    assert "names no ThresholdGate" in ann("gate", "post", *place, 0, code=2)
    market.deployment = deploy_gate(market.sender("deployer"), market.deployment, verifiers())
    again = deploy_gate(market.sender("deployer"), market.deployment, verifiers())
    assert again.address("ThresholdGate") == market.deployment.address("ThresholdGate")
    for shell in (ann, bob):
        market.deployment.save(shell.home / "deployment.json")

    assert "Nothing was proved" in bob("gate", "check", *place, 0, code=1)
    sent = bob.json("gate", "post", *place, 0)  # Anybody may.
    assert sent["min_tokens"] == 400
    assert sent["gas"] < 1_300_000
    found = ann.json("gate", "check", *place, 0, "--min-tokens", "399", "--min-clean", "0.4")
    assert found["holds"]
    assert found["proved"] == [{"min_tokens": 400, "min_clean": 5_000, "min_metadata": 0,
                                "max_duplicates": 10_000}]  # fmt: skip
    assert not json.loads(ann("gate", "check", *place, 0, "--min-tokens", "401", "--json", code=1))[
        "holds"
    ]
    assert not json.loads(ann("gate", "check", *place, 1, "--json", code=1))["proved"]
    assert "without a proof" in bob("gate", "post", *place, 1, code=2)
    assert "no commitment 2" in bob("gate", "post", *place, 2, code=2)

    # The same from files, under another gate's address, and damaged.
    store = {path.name: path for path in Path(tmp_path / "store").rglob("*") if path.is_file()}
    record = json.loads(next((ann.home / "bids").glob("*.json")).read_text())
    manifest = store[record["manifest"]]
    shown = store[Manifest.decode(manifest.read_bytes()).proof]
    files = (shown, "--manifest", manifest)
    assert ann.json("gate", "post", *files)["data_set"] == sent["data_set"]
    assert "no ThresholdGate at" in ann("gate", "post", *files, "--gate", "0x" + "77" * 20, code=2)
    assert "--manifest" in ann("gate", "post", shown, code=2)
    content = json.loads(shown.read_bytes())
    wrong = tmp_path / "wrong.proof"
    for member, value in (
        ("min_tokens", "401"),
        ("proof", content["proof"][:-64]),
        ("proof", content["proof"][:400] + ("0" if content["proof"][400] != "0" else "1")
         + content["proof"][401:]),
    ):  # fmt: skip
        wrong.write_text(json.dumps(content | {member: value}, separators=(",", ":")))
        said = " ".join(ann("gate", "post", wrong, "--manifest", manifest, code=2).split())
        assert "refuses this proof" in said


@pytest.mark.slow
@needs_tools
@pytest.mark.usefixtures("toy")
def test_post__of_what_no_gate_could_take__is_refused_before_anything_is_sent(
    proof: Proof, anvil: Anvil
) -> None:
    gate = Gate(anvil)
    known = gate_of(anvil.web3, Deployment(31337, 0, {}), gate.contract.address)
    facts = proof.claim.facts
    mine = described(facts)
    larger = replace(mine, contents=replace(mine.contents, size=65 * 16_384))
    claim = replace(proof.claim, pages=65)
    with pytest.raises(ConfigError, match="no verifier for data sets of 65 pages"):
        post_proof(gate.sender, known, larger, replace(proof, claim=claim))
    for other in (described(bytes(31) + b"\7"), larger):
        with pytest.raises(IntegrityError, match="another data set"):
            post_proof(gate.sender, known, other, proof)
    plain = replace(mine, contents=replace(mine.contents, facts=b""), proof="")
    with pytest.raises(IntegrityError, match="has no facts"):
        post_proof(gate.sender, known, plain, proof)
    (receipt,) = post_proof(gate.sender, known, mine, proof)
    assert receipt["status"] == 1


def test_post__of_a_large_set__sends_each_part_once_and_goes_on_after_an_interruption(
    anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verifiers that take the hash of their inputs: what is sent is what is proved, in order."""
    who = signer("a provider of a large set")
    anvil.set_balance(who.address, 100 * ETHER)
    sender, judge = Sender(anvil.web3, who), artifact("Judge").bytecode
    alone = deploy_gate(sender, Deployment(31337, 0, {}), dict.fromkeys(VERIFIERS.values(), judge))
    known = gate_of(anvil.web3, alone, None)
    small = described(bytes(31) + b"\5")
    mine = replace(small, contents=replace(small.contents, size=2_050 * 16_384))
    parts = [Part(word(2 * number), word(2 * number + 1), b"") for number in range(3)]
    parts = [
        replace(part, proof=agreed(part.statement(pages)))
        for part, pages in zip(parts, (1_024, 1_024, 2), strict=True)
    ]
    made = Proof(Claim(mine.contents.facts, 2_050, EXACT), tuple(parts), b"")
    made = replace(made, proof=agreed(made.statements[0]))

    for given in (parts[:2], [*parts, parts[0]], []):
        with pytest.raises(IntegrityError, match="has 3 parts"):
            post_proof(sender, known, mine, replace(made, parts=tuple(given)))
    wrong = (parts[0], replace(parts[1], proof=parts[0].proof), parts[2])
    with pytest.raises(ChainError, match="refuses this proof"):
        post_proof(sender, known, mine, replace(made, parts=wrong))
    # The first part is there now, and the second one after an interruption.
    real = sender.send

    def send(call: Any) -> Any:
        receipt = real(call)
        monkeypatch.setattr(sender, "send", stop)
        return receipt

    def stop(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(sender, "send", send)
    with pytest.raises(KeyboardInterrupt):
        post_proof(sender, known, mine, made)
    monkeypatch.setattr(sender, "send", real)
    told: list[Any] = []
    receipts = post_proof(sender, known, mine, made, lambda *each: told.append(each))
    assert told == [("sending parts", done, 3) for done in range(3)]
    assert len(receipts) == 2
    assert proved(anvil.web3, alone, known, data_set_of(mine)) == [EXACT]
    assert len(post_proof(sender, known, mine, made)) == 1
