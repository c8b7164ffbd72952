"""What people and operators sign (EIP-712). Pure: no node is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.chain.terms import AuctionId, DataSet


@dataclass(frozen=True, slots=True)
class Domain:
    """EIP-712 domain of a contract.

    Attributes:
        name: such as `Q-MIA DataAuction`.
        chain_id: EIP-155.
        contract: its address.
    """

    name: str
    chain_id: int
    contract: str

    @classmethod
    def auction(cls, chain_id: int, contract: str) -> Domain:
        """Domain of DataAuction."""
        return cls("Q-MIA DataAuction", chain_id, contract)

    @classmethod
    def exchange(cls, chain_id: int, contract: str) -> Domain:
        """Domain of Exchange."""
        return cls("Q-MIA Exchange", chain_id, contract)

    @classmethod
    def oracle(cls, chain_id: int, contract: str) -> Domain:
        """Domain of ScoreOracle."""
        return cls("Q-MIA ScoreOracle", chain_id, contract)

    def message(
        self, primary: str, fields: Sequence[tuple[str, str]], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The whole typed message, as wallets and `eth_signTypedData_v4` take it."""
        return {
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                primary: [{"name": name, "type": kind} for kind, name in fields],
            },
            "primaryType": primary,
            "domain": {
                "name": self.name,
                "version": "1",
                "chainId": self.chain_id,
                "verifyingContract": self.contract,
            },
            "message": dict(values),
        }


_REPORT = (
    ("address", "auction"),
    ("uint256", "auctionId"),
    ("uint8", "round"),
    ("bytes32", "metricVersion"),
    ("bytes32", "root"),
    ("bytes32", "evidence"),
)
_VERDICT = (
    ("address", "auction"),
    ("uint256", "auctionId"),
    ("uint256", "index"),
    ("uint8", "ground"),
)
_COMMIT = (
    ("uint256", "auctionId"),
    ("bytes32", "sealedBid"),
    ("bytes32", "manifest"),
    ("bytes32", "contentDigest"),
    ("uint64", "size"),
    ("bytes32", "keyCommitment"),
    ("bytes32", "agreement"),
    ("address", "payer"),
    ("uint256", "nonce"),
    ("uint256", "deadline"),
)
_OPENING = (("uint256", "auctionId"), ("uint256", "index"), ("bytes32", "opening"))
_KEY = (("address", "owner"), ("bytes32", "x"), ("bytes32", "y"))
_DELIVERY = (
    ("uint256", "auctionId"),
    ("uint256", "index"),
    ("bytes32", "wrapped"),
    ("bytes32", "x"),
    ("bytes32", "y"),
)
#: Fields of every message, `(type, name)` in the order of the contracts.
TYPES: Final = {
    "Report": _REPORT,
    "NonDelivery": _VERDICT,
    "Commit": _COMMIT,
    "Opening": _OPENING,
    "EncryptionKey": _KEY,
    "Delivery": _DELIVERY,
}


def report_message(
    domain: Domain,
    consumer: str,
    auction: AuctionId,
    round_: int,
    metric_version: bytes,
    root: bytes,
    evidence: bytes,
) -> dict[str, Any]:
    """The report that an operator signs; `consumer` is the auction contract."""
    return domain.message(
        "Report",
        _REPORT,
        {
            "auction": consumer,
            "auctionId": auction,
            "round": round_,
            "metricVersion": metric_version,
            "root": root,
            "evidence": evidence,
        },
    )


def verdict_message(
    domain: Domain, consumer: str, auction: AuctionId, index: int, ground: int
) -> dict[str, Any]:
    """The verdict of non-delivery that an operator signs."""
    return domain.message(
        "NonDelivery",
        _VERDICT,
        {"auction": consumer, "auctionId": auction, "index": index, "ground": ground},
    )


def commit_message(
    domain: Domain,
    auction: AuctionId,
    sealed_bid: bytes,
    data_set: DataSet,
    agreement: bytes,
    payer: str,
    nonce: int,
    deadline: int,
) -> dict[str, Any]:
    """The commitment that a provider signs for one relayer, the payer of its bond."""
    return domain.message(
        "Commit",
        _COMMIT,
        {
            "auctionId": auction,
            "sealedBid": sealed_bid,
            "manifest": data_set.manifest,
            "contentDigest": data_set.content_digest,
            "size": data_set.size,
            "keyCommitment": data_set.key_commitment,
            "agreement": agreement,
            "payer": payer,
            "nonce": nonce,
            "deadline": deadline,
        },
    )


def opening_message(
    domain: Domain, auction: AuctionId, index: int, opening: bytes
) -> dict[str, Any]:
    """The opening that a provider signs for whoever records it."""
    return domain.message(
        "Opening", _OPENING, {"auctionId": auction, "index": index, "opening": opening}
    )


def key_message(domain: Domain, owner: str, public: bytes) -> dict[str, Any]:
    """An owner's proof that it holds the secret of an encryption key, signed by that key."""
    return domain.message(
        "EncryptionKey", _KEY, {"owner": owner, "x": public[:32], "y": public[32:]}
    )


def delivery_message(
    domain: Domain, auction: AuctionId, index: int, wrapped: bytes, point: bytes
) -> dict[str, Any]:
    """A delivery, signed by its ephemeral key, and by the owner where somebody else sends it.

    Args:
        domain: of the Exchange.
        auction: id.
        index: of the winner.
        wrapped: the data key under the mask, 32 bytes.
        point: the ephemeral public key, 64 bytes.
    """
    return domain.message(
        "Delivery",
        _DELIVERY,
        {
            "auctionId": auction,
            "index": index,
            "wrapped": wrapped,
            "x": point[:32],
            "y": point[32:],
        },
    )


def typed_digest(message: dict[str, Any]) -> bytes:
    """The 32 bytes that are signed."""
    signable = encode_typed_data(full_message=message)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)
