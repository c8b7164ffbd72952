"""The ThresholdGate: proofs of thresholds that the chain has checked."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from oracles.chain.client import ContractAt
from oracles.chain.packing import data_set_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.contract.contract import ContractFunction

    from oracles.chain.terms import DataSet
    from oracles.chain.typed_events import Thresholds

#: Circuit of each verifier, in the order of the constructor's arguments.
VERIFIERS = {
    "SMALL": "threshold-6",
    "MEDIUM": "threshold-10",
    "PART": "part-10",
    "FOUR": "total-2",
    "SIXTEEN": "total-4",
    "SIXTY_FOUR": "total-6",
}


class ThresholdGateContract(ContractAt):
    """A gate; a deployment may have any number, or none."""

    artifact = "ThresholdGate"

    def prove(
        self,
        data_set: DataSet,
        manifest: tuple[bytes, bytes, bytes],
        thresholds: Thresholds,
        parts: Sequence[tuple[bytes, bytes]],
        proof: bytes,
    ) -> ContractFunction:
        """Check a proof and remember its thresholds.

        Args:
            data_set: as it was committed.
            manifest: what stands before the member of the facts, their root, what stands after.
            thresholds: exactly those of the proof.
            parts: root and sums of each part, where the data set has parts; all proved before.
            proof: for the verifier.
        """
        limits = astuple(thresholds)
        return self._call("prove", astuple(data_set), *manifest, limits, [*parts], proof)

    def prove_part(self, pages: int, part: tuple[bytes, bytes], proof: bytes) -> ContractFunction:
        """Check the proof of a part and remember it.

        Args:
            pages: of the part.
            part: root and sums.
            proof: for the verifier.
        """
        return self._call("provePart", pages, part, proof)

    def is_part_proved(self, pages: int, part: tuple[bytes, bytes]) -> bool:
        """Whether a part was proved."""
        return bool(self._read("isPartProved", pages, part))

    def is_proved(self, data_set: DataSet, thresholds: Thresholds) -> bool:
        """Whether exactly these thresholds were proved of a data set."""
        return bool(self._read("isProved", data_set_hash(data_set), astuple(thresholds)))

    def verifier(self, circuit: str) -> str:
        """Address of the verifier of a circuit, such as `part-10`; empty for none."""
        for name, each in VERIFIERS.items():
            if each == circuit:
                return str(self._read(name))
        return ""
