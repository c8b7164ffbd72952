"""The gate and the verifier that `bb` generates, together on a node: what a provider would send."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracles.chain import artifacts
from oracles.chain.client import Sender, receipt_event
from oracles.chain.typed_events import ThresholdsProved
from oracles.dataset import Binding, Manifest
from oracles.dataset.manifest import Contents
from oracles.errors import ChainError
from oracles.proof import tools
from scripts.build import compile_sources
from tests.proof.test_proofs import EXACT, PAGES, needs_tools, proof, toy
from tests.support import crs
from tests.support.market import ETHER, signer

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.proof import Proof, Thresholds
    from tests.support.anvil import Anvil

__all__ = ["proof", "toy"]
ROOT, SIZE = b"\3" * 32, len(PAGES) * 16_384
NOBODY = "0x" + "00" * 20


def generated(folder: Path) -> dict[str, Any]:
    """ABI and code of the verifier of the smallest circuit, for the toy set-up."""
    source = folder / "Verifier.sol"
    command = [tools.program(tools.folder()), "write_solidity_verifier", "--optimized"]
    command += ["-k", tools.verification_key(6), "-o", source, "-t", "evm"]
    subprocess.run(command, check=True, capture_output=True)
    text, point = source.read_text(), crs.second_point()
    for at in range(0, 128, 32):
        text = text.replace(crs.IGNITION[at : at + 32].hex(), point[at : at + 32].hex())
    settings = {
        "optimizer": {"enabled": True, "runs": 1},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
    }
    asked = {"language": "Solidity", "sources": {"V.sol": {"content": text}}, "settings": settings}
    found: dict[str, Any] = compile_sources(asked)["contracts"]["V.sol"]["HonkVerifier"]
    return found


class Gate:
    """A gate whose smallest verifier is the generated one; the others are not there."""

    def __init__(self, anvil: Anvil, folder: Path) -> None:
        who = signer("a provider with a proof")
        anvil.set_balance(who.address, 100 * ETHER)
        self.sender = Sender(anvil.web3, who)
        made = generated(folder)
        verifier = self._deploy(made["abi"], "0x" + made["evm"]["bytecode"]["object"])
        built = artifacts.artifact("ThresholdGate")
        address = self._deploy(built["abi"], built["bytecode"], verifier, NOBODY, NOBODY, NOBODY)
        self.contract = anvil.web3.eth.contract(address=address, abi=built["abi"])

    def _deploy(self, abi: Any, code: str, *arguments: str) -> Any:
        factory = self.sender.web3.eth.contract(abi=abi, bytecode=code)
        return self.sender.send(factory.constructor(*arguments))["contractAddress"]

    def prove(self, manifest: Manifest, shown: Proof, **change: Any) -> tuple[bytes, int]:
        """Prove `EXACT`, or with a changed argument; gives the name of the set, and gas."""
        facts = manifest.contents.facts
        member = b'"facts":"0x' + facts.hex().encode() + b'"'
        before, rest = manifest.encode().split(member)
        data_set = (manifest.digest, ROOT, manifest.contents.size, ROOT)
        given = {"data_set": data_set, "before": before, "facts": facts, "rest": rest}
        given |= {"limits": tuple(asdict(EXACT).values())} | change
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
    tmp_path: Path,
) -> None:
    gate, facts = Gate(anvil, tmp_path), proof.claim.facts
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
