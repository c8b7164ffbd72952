"""Exchange, typed. Methods that write return a call for `Sender.send`."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from oracles.chain.client import ContractAt
from oracles.chain.terms import encoded
from oracles.chain.typed_data import Domain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.contract.contract import ContractFunction

    from oracles.chain.oracle import Ground
    from oracles.chain.packing import Place
    from oracles.chain.terms import AuctionId, DataSet
    from oracles.chain.typed_events import Delivery, Proof


class ExchangeContract(ContractAt):
    """The Exchange that the DataAuction deployed."""

    artifact = "Exchange"

    @property
    def domain(self) -> Domain:
        """EIP-712 domain."""
        return Domain.exchange(self.chain_id, self.address)

    def name_missing(self, auction: AuctionId, indices: Sequence[int]) -> ContractFunction:
        """Name winners whose ciphertext cannot be had; send the fetch fee for each as value."""
        return self._call("nameMissing", auction, list(indices))

    def deliver(
        self,
        auction: AuctionId,
        place: Place,
        delivery: Delivery,
        ephemeral_signature: bytes,
        owner_signature: bytes = b"",
    ) -> ContractFunction:
        """Hand a data key over, once; without the owner's signature the owner must send it."""
        return self._call(
            "deliver",
            auction,
            astuple(place),
            astuple(delivery),
            ephemeral_signature,
            owner_signature,
        )

    def refute(
        self,
        auction: AuctionId,
        place: Place,
        data_set: DataSet,
        delivery: Delivery,
        public_key: bytes,
        proof: Proof,
    ) -> ContractFunction:
        """Prove that a delivered key is not the one committed to."""
        key = (int.from_bytes(public_key[:32], "big"), int.from_bytes(public_key[32:], "big"))
        return self._call(
            "refute",
            auction,
            astuple(place),
            encoded(data_set),
            astuple(delivery),
            key,
            astuple(proof),
        )

    def complain(self, auction: AuctionId, index: int, complaint: bytes) -> ContractFunction:
        """Complain that the right key opens some page wrongly; send the fetch fee as value."""
        return self._call("complain", auction, index, complaint)

    def submit_verdict(
        self,
        auction: AuctionId,
        index: int,
        ground: Ground,
        members: Sequence[int],
        signatures: Sequence[bytes],
    ) -> ContractFunction:
        """Strike out a winner that the buyer named, by a majority of the standing panel."""
        return self._call(
            "submitVerdict", auction, index, int(ground), list(members), list(signatures)
        )
