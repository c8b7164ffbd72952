"""The gate checks that a proof is about what was committed; the proof itself is the verifier's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracles.dataset import Binding, Manifest
from oracles.dataset.manifest import Contents
from oracles.proof import Claim, Part, Proof, Thresholds
from oracles.proof.facts import parts
from tests.support.chain import Contract, Reverted, reverts

if TYPE_CHECKING:
    from oracles.proof.thresholds import Statement
    from tests.support.auction import Protocol

ROOT, FACTS = b"\3" * 32, bytes(range(7, 39))
LIMITS = {"minTokens": 1000, "minClean": 9000, "minMetadata": 0, "maxDuplicates": 500}


class Gate:
    def __init__(self, protocol: Protocol, size: int = 20_000, judge: Any = None) -> None:
        self.chain = protocol.chain
        judges = [judge or self.chain.deploy("Judge") for _ in range(6)]
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
        sizes = parts(self.pages) if 0 < self.pages <= 65_536 else []
        self.parts = [Part(word(2 * n), word(2 * n + 1), b"") for n in range(len(sizes))]
        self.sizes = sizes

    def proof(self, shown: list[Part] | None = None, **change: int) -> bytes:
        """What the judge takes for this statement, whose inputs are those of the verifiers."""
        limits = Thresholds(*(LIMITS | change).values())
        given = tuple(self.parts if shown is None else shown)
        return agreed(Proof(Claim(FACTS, self.pages, limits), given, b"").statements[0])

    def prove(self, proof: bytes, **change: Any) -> Any:
        given = {"data_set": self.data_set, "before": self.before, "facts": FACTS}
        given |= {"rest": self.rest, "limits": LIMITS, "parts": self.parts} | change
        given["parts"] = [(each.root, each.sums) for each in given["parts"]]
        return self.chain.transact(self.contract, "prove", *given.values(), proof)

    def prove_part(self, number: int, proof: bytes | None = None) -> Any:
        part, pages = self.parts[number], self.sizes[number]
        given = agreed(part.statement(pages)) if proof is None else proof
        return self.chain.transact(self.contract, "provePart", pages, (part.root, part.sums), given)

    def knows(self, number: int, pages: int) -> bool:
        part = self.parts[number]
        name = "isPartProved", pages, (part.root, part.sums)
        return bool(self.chain.call(self.contract, *name))

    @property
    def name(self) -> bytes:
        kinds = ["bytes32", "bytes32", "uint64", "bytes32"]
        return keccak(encode(kinds, list(self.data_set.values())))


def word(number: int) -> bytes:
    return (number + 1).to_bytes(32, "big")


def agreed(statement: Statement) -> bytes:
    words = [number.to_bytes(32, "big") for number in statement.inputs]
    return keccak(encode(["bytes32[]"], [words]))


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


@pytest.mark.parametrize("pages", [1, 64, 65, 1_024])
def test_prove__of_a_small_set__takes_one_proof_by_the_verifier_of_its_size(
    protocol: Protocol, pages: int
) -> None:
    gate = Gate(protocol, pages * 16_384)
    gate.prove(gate.proof())
    with reverts("PartsInvalid", 1):
        gate.prove(gate.proof(), parts=[Part(ROOT, ROOT, b"")])


@pytest.mark.parametrize("pages", [1_025, 4_096, 4_097, 16_384, 16_385, 65_536])
def test_prove__of_a_large_set__needs_each_of_its_parts_proved(
    protocol: Protocol, pages: int
) -> None:
    """The judge takes exactly the public inputs that the command line's verifier takes."""
    gate = Gate(protocol, pages * 16_384)
    last = len(gate.parts) - 1
    for number in range(last):
        event = gate.prove_part(number).event("PartProved").args
        assert (bytes(event["root"]), event["pages"]) == (gate.parts[number].root, 1_024)
    with reverts("PartNotProved", last):
        gate.prove(gate.proof())
    gate.prove_part(last)
    gate.prove(gate.proof())
    assert gate.chain.call(gate.contract, "isProved", gate.name, LIMITS)


@pytest.mark.parametrize(
    ("pages", "verifier"),
    [(64, 0), (65, 1), (1_024, 1), (1_025, 3), (4_097, 4), (16_384, 4), (16_385, 5)],
)
def test_prove__of_any_size__asks_the_verifier_of_that_size_and_no_other(
    protocol: Protocol, pages: int, verifier: int
) -> None:
    """Verifiers in the order of the constructor; the third, of parts, is always there."""
    chain, nobody = protocol.chain, "0x" + "77" * 20
    judge = chain.deploy("Judge")
    gate = Gate(protocol, pages * 16_384)
    for there in (True, False):
        chosen = [judge if (n == verifier) is there or n == 2 else nobody for n in range(6)]
        gate.contract = chain.deploy("ThresholdGate", *chosen)
        for number in range(len(gate.parts)):
            gate.prove_part(number)
        if there:
            gate.prove(gate.proof())
        else:
            with pytest.raises(Reverted):
                gate.prove(gate.proof())


def test_prove__with_other_parts_than_those_of_the_set__reverts(protocol: Protocol) -> None:
    gate = Gate(protocol, 2_500 * 16_384)
    first, second, third = gate.parts
    for number in range(3):
        with reverts("ProofInvalid"):
            gate.prove_part(number, b"")
        gate.prove_part(number)
    assert gate.sizes == [1_024, 1_024, 452]
    assert gate.knows(2, 452)
    assert not gate.knows(2, 1_024)
    # Left out, doubled, one too many, none.
    for wrong in ([first, second], [first, second, third, third], [third], []):
        with reverts("PartsInvalid", len(wrong)):
            gate.prove(gate.proof(), parts=wrong)
    # Swapped, and doubled in the place of another: proved, but not what the total is of.
    for wrong in ([second, first, third], [first, first, third]):
        with reverts("ProofInvalid"):
            gate.prove(gate.proof(), parts=wrong)
    # The short one in a full one's place, one of another set, one with other sums.
    other = Part(first.root, third.sums, b"")
    for place, wrong in (
        (1, [first, third, third]),
        (2, [first, second, second]),
        (0, [Part(ROOT, ROOT, b""), second, third]),
        (0, [other, second, third]),
    ):
        with reverts("PartNotProved", place):
            gate.prove(gate.proof(wrong), parts=wrong)
    gate.prove(gate.proof())


@pytest.mark.parametrize(("size", "pages"), [(0, 0), (65_536 * 16_384 + 1, 65_537)])
def test_prove__of_no_or_too_many_pages__reverts(protocol: Protocol, size: int, pages: int) -> None:
    gate = Gate(protocol, size)
    with reverts("PagesInvalid", pages):
        gate.prove(b"")


@pytest.mark.parametrize("kind", ["nobody", "no code", "precompile", "another contract"])
def test_prove__where_the_verifier_is_none__reverts(protocol: Protocol, kind: str) -> None:
    """Also identity, which answers with what it is asked, and a contract without such a call."""
    addresses = {"nobody": "0x" + "00" * 20, "no code": "0x" + "77" * 20}
    addresses |= {"precompile": "0x" + "00" * 19 + "04", "another contract": protocol.token.address}
    gate = Gate(protocol, judge=addresses[kind])
    with pytest.raises(Reverted):
        gate.prove(gate.proof())
    assert not gate.chain.call(gate.contract, "isProved", gate.name, LIMITS)
