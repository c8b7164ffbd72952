"""The ThresholdGate: proofs of thresholds that the chain has checked."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from oracles.chain.client import ContractAt
from oracles.chain.packing import data_set_hash

if TYPE_CHECKING:
    from web3.contract.contract import ContractFunction

    from oracles.chain.terms import DataSet
    from oracles.chain.typed_events import Thresholds

#: Most pages of a data set for each verifier, in the order of the constructor's arguments.
VERIFIERS = {"SMALL": 64, "MEDIUM": 1_024, "LARGE": 4_096, "HUGE": 16_384}


class ThresholdGateContract(ContractAt):
    """A gate; a deployment may have any number, or none."""

    artifact = "ThresholdGate"

    def prove(
        self,
        data_set: DataSet,
        manifest: tuple[bytes, bytes, bytes],
        thresholds: Thresholds,
        proof: bytes,
    ) -> ContractFunction:
        """Check a proof and remember its thresholds.

        Args:
            data_set: as it was committed.
            manifest: what stands before the member of the facts, their root, what stands after.
            thresholds: exactly those of the proof.
            proof: for the verifier.
        """
        return self._call("prove", astuple(data_set), *manifest, astuple(thresholds), proof)

    def is_proved(self, data_set: DataSet, thresholds: Thresholds) -> bool:
        """Whether exactly these thresholds were proved of a data set."""
        return bool(self._read("isProved", data_set_hash(data_set), astuple(thresholds)))

    def verifier(self, pages: int) -> str:
        """Address of the verifier of data sets of so many pages; empty for none."""
        for name, most in VERIFIERS.items():
            if 0 < pages <= most:
                return str(self._read(name))
        return ""
