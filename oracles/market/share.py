"""What a friend or relayer needs to act for a bid, without its data key.

Anybody who knows cost and salt may reveal a bid. A friend can also record the opening of its sample
and hand its data key over where the owner signed these: the signatures are for this bid, and the
masked key can be read by the buyer alone. What a share does not hold, its holder cannot do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eth_utils.address import is_hex_address, to_checksum_address

from oracles.chain.packing import seal_bid
from oracles.chain.terms import AuctionId
from oracles.chain.typed_data import opening_message
from oracles.chain.typed_events import Delivery
from oracles.errors import ConfigError, InputError
from oracles.files import write_file
from oracles.market.bids import make_delivery

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.chain.exchange import ExchangeContract
    from oracles.chain.signers import Signer
    from oracles.chain.state import AuctionState
    from oracles.chain.typed_data import Domain
    from oracles.market.book import BidRecord

SCHEMA: Final = "qmia/share/1"
#: No share is larger; a file that is, is none.
_MOST_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class SignedOpening:
    """An opening that the owner signed.

    Attributes:
        digest: of the opening, in its CID, 32 bytes.
        signature: of the owner.
    """

    digest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class OwnedDelivery:
    """A masked data key that the owner signed, so that anybody may send it.

    Attributes:
        delivery: as the contract takes it.
        ephemeral: signature of the ephemeral key.
        signature: of the owner.
    """

    delivery: Delivery
    ephemeral: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Share:
    """One bid, as far as its owner lets somebody act for it.

    Attributes:
        chain_id: EIP-155.
        contract: DataAuction.
        auction: its id.
        owner: of the bid.
        cost: token units.
        salt: 32 bytes.
        opening: signed opening of the sample; None where the owner records it.
        delivery: signed delivery; None where the owner delivers.
    """

    chain_id: int
    contract: str
    auction: AuctionId
    owner: str
    cost: int
    salt: bytes
    opening: SignedOpening | None = None
    delivery: OwnedDelivery | None = None

    @classmethod
    def of(cls, record: BidRecord) -> Share:
        """What is needed to reveal a bid of the book, and nothing else."""
        return cls(
            record.chain_id,
            record.contract,
            record.auction,
            record.owner,
            record.cost,
            record.salt,
        )

    @property
    def sealed_bid(self) -> bytes:
        """What was committed to, 32 bytes."""
        return seal_bid(
            self.chain_id, self.contract, self.auction, self.owner, self.cost, self.salt
        )


def sign_opening(domain: Domain, signer: Signer, record: BidRecord, digest: bytes) -> SignedOpening:
    """Let anybody record an opening.

    Args:
        domain: of DataAuction.
        signer: the owner's key.
        record: of a bid that is on chain.
        digest: of the opening, see `publish_opening`.
    """
    message = opening_message(domain, record.auction, record.place.index, digest)
    return SignedOpening(digest, signer.sign_typed(message))


def sign_delivery(
    exchange: ExchangeContract, view: AuctionState, signer: Signer, record: BidRecord
) -> OwnedDelivery:
    """Let anybody hand the data key over, in the delivery phase and if the bid wins.

    Whoever holds it and is in league with the buyer has the data before they are paid for.

    Raises:
        IntegrityError: the book's key is not the one that was committed to.
    """
    made = make_delivery(exchange, view, record)
    return OwnedDelivery(made.delivery, made.signature, signer.sign_typed(made.message))


def write_share(path: Path, share: Share) -> None:
    """Write a share, readable by its owner only.

    Raises:
        InputError: the disk refuses.
    """
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "chain_id": share.chain_id,
        "contract": share.contract,
        "auction": share.auction,
        "owner": share.owner,
        "cost": str(share.cost),
        "salt": _hex(share.salt),
        "opening": None,
        "delivery": None,
    }
    if share.opening is not None:
        content["opening"] = {
            "digest": _hex(share.opening.digest),
            "signature": _hex(share.opening.signature),
        }
    if share.delivery is not None:
        made = share.delivery
        content["delivery"] = {
            "wrapped": _hex(made.delivery.wrapped),
            "x": _hex(made.delivery.x),
            "y": _hex(made.delivery.y),
            "ephemeral_signature": _hex(made.ephemeral),
            "signature": _hex(made.signature),
        }
    try:
        write_file(path, json.dumps(content, indent=2) + "\n", private=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def read_share(path: Path) -> Share:
    """Read a share.

    Raises:
        ConfigError: the file is no share, or damaged.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ValueError("it is too large")
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise ValueError("unknown schema")
        return Share(
            _natural(content["chain_id"]),
            _address(content["contract"]),
            AuctionId(_natural(content["auction"])),
            _address(content["owner"]),
            _natural(int(content["cost"])),
            _bytes(content["salt"], 32),
            _opening(content["opening"]),
            _delivery(content["delivery"]),
        )
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path} is no share of a bid, or damaged: {error}") from error


def _opening(content: Any) -> SignedOpening | None:
    if content is None:
        return None
    return SignedOpening(_bytes(content["digest"], 32), _bytes(content["signature"]))


def _delivery(content: Any) -> OwnedDelivery | None:
    if content is None:
        return None
    wrapped, x, y = (_bytes(content[name], 32) for name in ("wrapped", "x", "y"))
    ephemeral = _bytes(content["ephemeral_signature"])
    return OwnedDelivery(Delivery(wrapped, x, y), ephemeral, _bytes(content["signature"]))


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 256:
        raise ValueError(f"{value!r} is no number")
    return value


def _address(value: Any) -> str:
    if not isinstance(value, str) or not is_hex_address(value):
        raise ValueError(f"{value!r} is no address")
    return to_checksum_address(value)


def _bytes(value: Any, length: int | None = None) -> bytes:
    data = bytes.fromhex(str(value).removeprefix("0x"))
    if length is not None and len(data) != length:
        raise ValueError(f"{len(data)} bytes instead of {length}")
    return data


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
