"""The gate checks that a proof is about what was committed; the proof itself is the verifier's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracles.dataset import Binding, Manifest
from oracles.dataset.manifest import Contents
from tests.support.chain import Contract, Reverted, reverts

if TYPE_CHECKING:
    from tests.support.auction import Protocol

ROOT, FACTS = b"\3" * 32, bytes(range(7, 39))
LIMITS = {"minTokens": 1000, "minClean": 9000, "minMetadata": 0, "maxDuplicates": 500}


class Gate:
    def __init__(self, protocol: Protocol, size: int = 20_000, judge: Any = None) -> None:
        self.chain = protocol.chain
        judges = [judge or self.chain.deploy("Judge") for _ in range(4)]
        self.contract: Contract = self.chain.deploy("ThresholdGate", *judges)
        contents = Contents(ROOT, size, ROOT, ROOT, 900, 90, ROOT, ROOT, facts=FACTS)
        binding = Binding(1, "0x" + "11" * 20, 1, "0x" + "22" * 20)
        manifest = Manifest(binding, "a", contents, (), "b")
        member = b'"facts":"0x' + FACTS.hex().encode() + b'"'
        self.before, self.rest = manifest.encode().split(member)
        self.data_set = {
            "manifest": manifest.digest,
            "contentDigest": ROOT,
            "size": size,
            "keyCommitment": ROOT,
        }
        self.pages = -(-size // 16_384)

    def proof(self, **change: int) -> bytes:
        numbers = [int.from_bytes(FACTS, "big"), self.pages, *(LIMITS | change).values()]
        words = [number.to_bytes(32, "big") for number in numbers]
        return keccak(encode(["bytes32[]"], [words]))

    def prove(self, proof: bytes, **change: Any) -> Any:
        given = {"data_set": self.data_set, "before": self.before, "facts": FACTS}
        given |= {"rest": self.rest, "limits": LIMITS} | change
        return self.chain.transact(self.contract, "prove", *given.values(), proof)

    @property
    def name(self) -> bytes:
        kinds = ["bytes32", "bytes32", "uint64", "bytes32"]
        return keccak(encode(kinds, list(self.data_set.values())))


def test_prove__of_a_committed_set__is_remembered_for_these_thresholds_only(
    protocol: Protocol,
) -> None:
    gate = Gate(protocol)
    event = gate.prove(gate.proof()).event("ThresholdsProved").args
    assert (bytes(event["dataSet"]), bytes(event["facts"])) == (gate.name, FACTS)
    known = lambda limits: gate.chain.call(gate.contract, "isProved", gate.name, limits)  # noqa: E731
    assert known(LIMITS)
    assert not known(LIMITS | {"minTokens": 999})


@pytest.mark.parametrize("name", list(LIMITS))
def test_prove__with_a_changed_public_input__reverts(protocol: Protocol, name: str) -> None:
    gate = Gate(protocol)
    with reverts("ProofInvalid"):
        gate.prove(gate.proof(), limits=LIMITS | {name: LIMITS[name] + 1})


def test_prove__of_facts_that_the_manifest_does_not_have__reverts(protocol: Protocol) -> None:
    gate = Gate(protocol)
    other = b"\5" * 32
    for change in (
        {"facts": other},
        {"before": gate.before + b" "},
        {"rest": b""},
        {"data_set": gate.data_set | {"manifest": ROOT}},
    ):
        with reverts("ManifestDiffers"):
            gate.prove(gate.proof(), **change)


@pytest.mark.parametrize("size", [1, 64 * 16_384, 64 * 16_384 + 1, 4_096 * 16_384, 16_384**2])
def test_prove__of_any_size_up_to_the_largest__asks_the_verifier_of_its_size(
    protocol: Protocol, size: int
) -> None:
    gate = Gate(protocol, size)
    gate.prove(gate.proof())


@pytest.mark.parametrize(("size", "pages"), [(0, 0), (16_384**2 + 1, 16_385)])
def test_prove__of_no_or_too_many_pages__reverts(protocol: Protocol, size: int, pages: int) -> None:
    gate = Gate(protocol, size)
    with reverts("PagesInvalid", pages):
        gate.prove(gate.proof())


@pytest.mark.parametrize("kind", ["nobody", "no code", "precompile", "another contract"])
def test_prove__where_the_verifier_is_none__reverts(protocol: Protocol, kind: str) -> None:
    """Also identity, which answers with what it is asked, and a contract without such a call."""
    addresses = {"nobody": "0x" + "00" * 20, "no code": "0x" + "77" * 20}
    addresses |= {"precompile": "0x" + "00" * 19 + "04", "another contract": protocol.token.address}
    gate = Gate(protocol, judge=addresses[kind])
    with pytest.raises(Reverted):
        gate.prove(gate.proof())
    assert not gate.chain.call(gate.contract, "isProved", gate.name, LIMITS)
