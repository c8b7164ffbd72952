"""The MetricRegistry: versions of the metric, and objections to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oracles.chain.client import ContractAt

if TYPE_CHECKING:
    from web3.contract.contract import ContractFunction


class RegistryRules(NamedTuple):
    """What a registry was deployed with; see IMetricRegistry."""

    factory: str
    payout_token: str
    floor: int
    share: int
    window: int
    bond: int
    genesis: bytes


class MetricRegistryContract(ContractAt):
    """A registry; a deployment may have any number, or none."""

    artifact = "MetricRegistry"

    def rules(self) -> RegistryRules:
        """What it was deployed with."""
        return RegistryRules(
            str(self._read("FACTORY")),
            str(self._read("PAYOUT_TOKEN")),
            int(self._read("FLOOR")),
            int(self._read("SHARE")),
            int(self._read("WINDOW")),
            int(self._read("BOND")),
            bytes(self._read("GENESIS")),
        )

    def propose(self, document: bytes) -> ContractFunction:
        """Propose the version of a document; the bond goes with it."""
        return self._call("propose", document)

    def lock(self, token: str, amount: int) -> ContractFunction:
        """Lock participation tokens, which must be allowed to this contract."""
        return self._call("lock", token, amount)

    def object(self, version: bytes, token: str) -> ContractFunction:
        """Object with all that is locked of a token."""
        return self._call("object", version, token)

    def release(self, token: str) -> ContractFunction:
        """Take back what is locked of a token."""
        return self._call("release", token)

    def return_bond(self, version: bytes) -> ContractFunction:
        """Give a bond back to its proposer."""
        return self._call("returnBond", version)

    def closes_at(self, version: bytes, *, block: int | str = "latest") -> int:
        """When objections to a version end, unix seconds; 0 if nobody proposed it."""
        return int(self._read("closesAt", version, block=block))

    def lock_of(self, holder: str, token: str) -> tuple[int, int]:
        """What a holder has locked of a token, and until when."""
        amount, until = self._read("lockOf", holder, token)
        return int(amount), int(until)
