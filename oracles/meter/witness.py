"""Operators as witnesses of a usage log: what they cosigned can be shown to nobody in another form.

Between two periods on chain a publisher could show one log to one customer and another to the next.
A witness keeps the last checkpoint that it saw, and signs a later one only with a proof that the
log only grew. The publisher's own signature is in every checkpoint: two of them that do not follow
from each other prove a fork, whoever holds them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from eth_account import Account
from eth_account.messages import encode_typed_data

from oracles.dataset.merkle import HASH_BYTES
from oracles.errors import InputError, IntegrityError
from oracles.files import write_file
from oracles.meter.log import read_signed, receipt_message
from oracles.meter.tree import consistent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from eth_typing import ChecksumAddress

    from oracles.chain.signers import Signer

#: In a log's folder, what witnesses signed: a cosignature a line.
COSIGNED: Final = "cosigned"
_MOST_HASHES: Final = 130
_SIGNATURE_BYTES: Final = 65


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a log is, by its publisher's word.

    Attributes:
        origin: the log's.
        size: entries.
        root: over them, 32 bytes.
        signature: of the publisher over the three (EIP-712), 65 bytes.
    """

    origin: str
    size: int
    root: bytes
    signature: bytes

    @classmethod
    def sign(cls, origin: str, size: int, root: bytes, signer: Signer) -> Checkpoint:
        """By the publisher."""
        return cls(
            origin,
            size,
            root,
            signer.sign_typed(checkpoint_message("Checkpoint", origin, size, root)),
        )

    def publisher(self) -> ChecksumAddress:
        """Who signed it.

        Raises:
            InputError: the signature is none.
        """
        return _recovered("Checkpoint", self, self.signature)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that a witness saw.

    Attributes:
        checkpoint: with the publisher's signature.
        signature: of the witness over the same three, under another name, 65 bytes.
    """

    checkpoint: Checkpoint
    signature: bytes

    def witness(self) -> ChecksumAddress:
        """Who saw it.

        Raises:
            InputError: the signature is none.
        """
        return _recovered("Witnessed", self.checkpoint, self.signature)

    def encode(self) -> str:
        """A line: size, root and both signatures, with dots between."""
        c = self.checkpoint
        return f"{c.size}.{c.root.hex()}.{c.signature.hex()}.{self.signature.hex()}"

    @classmethod
    def decode(cls, line: str, origin: str) -> Cosigned:
        """From a line.

        Raises:
            InputError: it is none.
        """
        try:
            size, *parts = line.strip().split(".")
            root, signature, own = map(bytes.fromhex, parts)
            found = cls(Checkpoint(origin, int(size), root, signature), own)
        except ValueError as error:
            raise InputError("no cosignature: size.root.signature.signature is needed") from error
        lengths = len(root), len(signature), len(own)
        if lengths != (HASH_BYTES, _SIGNATURE_BYTES, _SIGNATURE_BYTES) or int(size) < 0:
            raise InputError("no cosignature: its parts have other lengths")
        return found


def checkpoint_message(kind: str, origin: str, size: int, root: bytes) -> dict[str, Any]:
    """What publisher (`Checkpoint`) and witness (`Witnessed`) sign."""
    message = receipt_message(origin, 0, root)
    fields = [("origin", "string"), ("size", "uint256"), ("root", "bytes32")]
    return {
        **message,
        "types": {
            "EIP712Domain": message["types"]["EIP712Domain"],
            kind: [{"name": name, "type": each} for name, each in fields],
        },
        "primaryType": kind,
        "message": {"origin": origin, "size": size, "root": root},
    }


def _recovered(kind: str, checkpoint: Checkpoint, signature: bytes) -> ChecksumAddress:
    plain = checkpoint_message(kind, checkpoint.origin, checkpoint.size, checkpoint.root)
    message = encode_typed_data(full_message=plain)
    try:
        found: ChecksumAddress = Account.recover_message(message, signature=signature)
    except Exception as error:
        # The curve's library has errors of its own.
        raise InputError("the signature is none") from error
    return found


class Witness:
    """What one operator saw of publishers' logs.

    Args:
        folder: keeps the last checkpoint of each log.
        signer: the operator's.
    """

    def __init__(self, folder: Path, signer: Signer) -> None:
        self._folder, self._signer = folder, signer

    def _file(self, origin: str) -> Path:
        return self._folder / f"{sha256(origin.encode()).hexdigest()[:32]}.json"

    def seen(self, origin: str) -> Checkpoint | None:
        """The last checkpoint of a log that was cosigned.

        Raises:
            IntegrityError: what was kept is damaged.
        """
        path = self._file(origin)
        if not path.exists():
            return None
        try:
            return _checkpoint(json.loads(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError, InputError) as error:
            raise IntegrityError(f"{path} is damaged: {error}") from error

    def cosign(self, offered: Checkpoint, proof: Sequence[bytes]) -> Cosigned:
        """Sign a checkpoint, if the log only grew since the last one, and keep it.

        Args:
            offered: of the publisher.
            proof: of consistency with what was seen last; empty the first time.

        Raises:
            IntegrityError: it is not signed by the publisher that its origin names, or the log was
                forked: both checkpoints are kept as the proof.
        """
        publisher = offered.origin.rpartition("/")[2]
        if offered.publisher() != publisher:
            raise IntegrityError(f"the checkpoint is not signed by {publisher}: is it the address?")
        last = self.seen(offered.origin)
        if last is not None and not _follows(last, offered, proof):
            if offered.size < last.size:
                raise IntegrityError(
                    f"the log has {offered.size} entries, and had {last.size} when it was seen last"
                )
            forked = self._file(offered.origin).with_suffix(".forked")
            write_file(forked, json.dumps([_plain(last), _plain(offered)]) + "\n")
            raise IntegrityError(
                f"entries {last.size} and {offered.size} do not follow from each other: the log was"
                f" forked, or the proof is wrong. Both signed checkpoints are in {forked}"
            )
        message = checkpoint_message("Witnessed", offered.origin, offered.size, offered.root)
        # Kept before it is signed: after a crash the witness remembers more than it said.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(self._file(offered.origin), json.dumps(_plain(offered)) + "\n")
        return Cosigned(offered, self._signer.sign_typed(message))


def _follows(last: Checkpoint, offered: Checkpoint, proof: Sequence[bytes]) -> bool:
    return consistent(last.size, last.root, offered.size, offered.root, proof)


def _plain(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signature": checkpoint.signature.hex(),
    }


def _checkpoint(plain: Mapping[str, Any]) -> Checkpoint:
    if type(plain["size"]) is not int or not isinstance(plain["origin"], str):
        raise InputError("no checkpoint")
    return Checkpoint(
        plain["origin"],
        plain["size"],
        bytes.fromhex(plain["root"]),
        bytes.fromhex(plain["signature"]),
    )


def offer(checkpoint: Checkpoint, proof: Sequence[bytes]) -> dict[str, Any]:
    """A checkpoint and its proof as the meter gives them to witnesses."""
    return {**_plain(checkpoint), "proof": [each.hex() for each in proof]}


def offered(plain: Any) -> tuple[Checkpoint, list[bytes]]:
    """What a meter gave.

    Raises:
        InputError: it is no checkpoint with a proof.
    """
    try:
        proof = [bytes.fromhex(each) for each in plain["proof"]]
        found = _checkpoint(plain)
        lengths = {len(each) for each in (found.root, *proof)}
        if lengths != {HASH_BYTES} or len(proof) > _MOST_HASHES or found.size < 0:
            raise ValueError("its hashes have other lengths")
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise InputError(f"the meter gives no checkpoint: {error}") from error
    return found, proof


def read_cosigned(path: Path, origin: str) -> tuple[list[Cosigned], list[str]]:
    """Cosignatures, as `read_signed` gives them."""
    return read_signed(path, "cosignatures", lambda line: Cosigned.decode(line, origin))
