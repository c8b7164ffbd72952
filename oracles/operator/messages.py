"""Signed reports and verdicts as they travel, and the proof that each is what it says.

A report must be signed by the member that it names, over this very round. Where it came from does
not matter, so operators pass on what they report.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError

from oracles.chain import packing, typed_data
from oracles.chain.oracle import Ground, Submission
from oracles.errors import IntegrityError
from oracles.operator.journal import SignedReport

if TYPE_CHECKING:
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.chain.typed_data import Domain

REPORT: Final = "qmia/report/1"
VERDICT: Final = "qmia/verdict/2"
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

Message = dict[str, Any]


def recover(digest: bytes, signature: bytes) -> str:
    """Signer of a digest, as strict as the contract: 65 bytes, v 27 or 28, s in the lower half.

    Raises:
        IntegrityError: no such signature.
    """
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise IntegrityError("a signature has 65 bytes and v is 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise IntegrityError("the signature is not in its canonical form")
    try:
        parsed = Signature(signature[:64] + bytes((signature[64] - 27,)))
        return to_checksum_address(
            parsed.recover_public_key_from_msg_hash(digest).to_canonical_address()
        )
    except (BadSignature, ValidationError, ValueError) as error:
        raise IntegrityError(f"not a signature: {error}") from error


@dataclass(frozen=True, slots=True)
class Contracts:
    """What reports are bound to: the oracle's EIP-712 domain and the auction contract."""

    domain: Domain
    auction: str


def report_digest(
    contracts: Contracts, auction: AuctionState, round_: int, vector: bytes, evidence: bytes
) -> bytes:
    """EIP-712 digest of a report."""
    return typed_data.typed_digest(report_message(contracts, auction, round_, vector, evidence))


def report_message(
    contracts: Contracts, auction: AuctionState, round_: int, vector: bytes, evidence: bytes
) -> Message:
    """The typed message that an operator signs."""
    return typed_data.report_message(
        contracts.domain,
        contracts.auction,
        auction.id,
        round_,
        auction.terms.scoring.metric_version,
        packing.report_root(packing.chunk_hashes(vector)),
        evidence,
    )


def encode_report(report: SignedReport) -> Message:
    """A report as it travels."""
    return {
        "schema": REPORT,
        "auction": report.auction,
        "round": report.round,
        "member": report.member,
        "salt": report.salt.hex(),
        "evidence": report.evidence.hex(),
        "signature": report.signature.hex(),
        "vector": base64.b64encode(report.vector).decode(),
    }


def decode_report(
    message: Message, contracts: Contracts, auction: AuctionState, round_: int
) -> SignedReport:
    """Check a report to the last bit.

    Raises:
        IntegrityError: malformed, about something else, or not signed by the member it names.
    """
    try:
        about = (message["schema"], message["auction"], message["round"])
        if about != (REPORT, auction.id, round_):
            raise ValueError("about another round")
        submission = Submission(
            message["member"],
            bytes.fromhex(message["salt"]),
            bytes.fromhex(message["evidence"]),
            bytes.fromhex(message["signature"]),
            base64.b64decode(message["vector"], validate=True),
        )
        return check_report(contracts, auction, round_, submission)
    except (LookupError, TypeError, ValueError) as error:
        raise IntegrityError(f"not a report of this round: {error}") from error


def check_report(
    contracts: Contracts, auction: AuctionState, round_: int, submission: Submission
) -> SignedReport:
    """Check what an operator submits for a round.

    Raises:
        IntegrityError: the vector has another length, or the signature is not the member's.
    """
    member, salt, evidence = submission.member, submission.salt, submission.evidence
    vector, signature = submission.vector, submission.signature
    if len(vector) != packing.SCORE_BYTES * len(auction.commitments):
        raise IntegrityError(
            f"a vector of {len(vector)} bytes for {len(auction.commitments)} data sets"
        )
    if len(salt) != 32 or len(evidence) != 32:
        raise IntegrityError("salt and evidence are 32 bytes each")
    operator = _operator(auction, round_, member)
    digest = report_digest(contracts, auction, round_, vector, evidence)
    if recover(digest, signature) != operator:
        raise IntegrityError(f"the report is not signed by member {member}")
    commitment = auction.rounds[round_ - 1].committed.get(member)
    return SignedReport(
        auction.id,
        round_,
        member,
        digest,
        commitment == packing.vector_commitment(digest, operator, salt),
        salt,
        evidence,
        signature,
        vector,
    )


def _operator(auction: AuctionState, round_: int, member: int) -> str:
    members = auction.panel(round_).members
    if not 0 <= member < len(members):
        raise IntegrityError(f"there is no member {member} among {len(members)}")
    return members[member]


def verdict_message(
    contracts: Contracts, auction: AuctionId, index: int, ground: Ground
) -> dict[str, Any]:
    """The typed message by which a member strikes out a winner."""
    return typed_data.verdict_message(
        contracts.domain, contracts.auction, auction, index, int(ground)
    )


def encode_verdict(
    auction: AuctionId, index: int, ground: Ground, member: int, signature: bytes
) -> Message:
    """A verdict of non-delivery as it travels."""
    return {
        "schema": VERDICT,
        "auction": auction,
        "index": index,
        "ground": int(ground),
        "member": member,
        "signature": signature.hex(),
    }


def decode_verdict(
    message: Message, contracts: Contracts, auction: AuctionState, index: int
) -> tuple[Ground, int, bytes]:
    """Check a verdict; gives ground, member of the standing panel, and signature.

    Raises:
        IntegrityError: malformed, about something else, or not signed by the member it names.
    """
    try:
        about = (message["schema"], message["auction"], message["index"])
        if about != (VERDICT, auction.id, index) or not auction.accepted_round:
            raise ValueError("about another delivery")
        ground = Ground(message["ground"])
        member: int = message["member"]
        operator = _operator(auction, auction.accepted_round, member)
        signature = bytes.fromhex(message["signature"])
    except (LookupError, TypeError, ValueError) as error:
        raise IntegrityError(f"not a verdict on this delivery: {error}") from error
    digest = typed_data.typed_digest(verdict_message(contracts, auction.id, index, ground))
    if recover(digest, signature) != operator:
        raise IntegrityError(f"the verdict is not signed by member {member}")
    return ground, member, signature
