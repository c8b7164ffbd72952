"""Wrapping a key for one reader, so that whoever knows the key can check the wrapping.

ECIES over secp256k1, with nothing random in it. For a key d of 32 bytes, a recipient's public key R
and a context c (HKDF is RFC 5869 with SHA-256 and no salt, AEAD is XChaCha20-Poly1305):

    e       = 1 + (HKDF(d, "qmia/wrap/2 ephemeral" ‖ R ‖ c, 48 bytes) mod (n − 1)), E = e·G
    k       = HKDF(SHA-256(e·R), "qmia/wrap/2 key" ‖ E ‖ R ‖ c)
    wrapped = E (33 bytes) ‖ AEAD(k, nonce 0, d) (48 bytes)

The same inputs give the same 81 bytes, so whoever opens one of several wrappings of a key makes all
of them again and sees whether each is right. k serves one message only, hence the fixed nonce.
Encryption keys are secp256k1 keys because a contract can check who holds one: `ecrecover` of a
signature gives keccak256(public key)[12:].
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import nacl.bindings
import nacl.exceptions
from coincurve import PrivateKey, PublicKey
from coincurve.utils import GROUP_ORDER_INT
from eth_utils.address import to_checksum_address
from eth_utils.hexadecimal import is_0x_prefixed, is_hex

from oracles.dataset.merkle import keccak
from oracles.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a wrapped key is for.
Purpose = Literal["manifest", "opening", "complaint"]
DATA_KEY_BYTES = 32
WRAPPED_BYTES = 33 + DATA_KEY_BYTES + 16
_NONCE = bytes(nacl.bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)


def derive(secret: bytes, purpose: bytes, size: int = 32) -> bytes:
    """HKDF-SHA-256 (RFC 5869) of a uniformly random secret, without salt."""
    key = hmac.digest(bytes(32), secret, "sha256")
    derived = block = b""
    for number in range(1, -(-size // 32) + 1):
        block = hmac.digest(key, block + purpose + bytes([number]), "sha256")
        derived += block
    return derived[:size]


def check_data_key(data_key: bytes) -> bytes:
    """Give back a data key.

    Raises:
        InputError: it is not 32 bytes long.
    """
    if len(data_key) != DATA_KEY_BYTES:
        raise InputError(f"a data key is {DATA_KEY_BYTES} bytes, this is {len(data_key)}")
    return data_key


def key_commitment(data_key: bytes) -> bytes:
    """keccak256 of a data key, as a commitment on chain holds it: 32 bytes.

    Raises:
        InputError: it is not 32 bytes long.
    """
    return keccak(check_data_key(data_key))


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address in hexadecimal.

    Raises:
        InputError: not an address, or its EIP-55 check sum is wrong.
    """
    digits = address.removeprefix("0x")
    if len(digits) != 40 or not is_0x_prefixed(address) or not is_hex(address):
        raise InputError(f"{address!r} is not an address: 0x and 40 hexadecimal digits are needed")
    if digits not in (digits.lower(), digits.upper()) and to_checksum_address(address) != address:
        raise InputError(f"{address} has a wrong check sum (EIP-55): copy it again")
    return bytes.fromhex(digits)


@dataclass(frozen=True, slots=True)
class WrapContext:
    """What one wrapping is for; the same key wrapped elsewhere looks different.

    Attributes:
        purpose: `manifest`, `opening` or `complaint`.
        chain_id: EIP-155 chain id.
        contract: Address of the auction contract.
        auction_id: Auction in that contract.
        subject: the index of the commitment; in a manifest, which is made before there is one, the
            provider's address as a number.
    """

    purpose: Purpose
    chain_id: int
    contract: str
    auction_id: int
    subject: int

    def encode(self) -> bytes:
        """Five words of 32 bytes: the purpose filled up with zeros, then numbers, big-endian.

        Raises:
            InputError: a number is not a uint256, the contract no address, the purpose none.
        """
        if self.purpose not in get_args(Purpose):
            raise InputError(f"a key is wrapped for {get_args(Purpose)}, not for {self.purpose!r}")
        contract = int.from_bytes(address_bytes(self.contract), "big")
        try:
            words = [
                number.to_bytes(32, "big")
                for number in (self.chain_id, contract, self.auction_id, self.subject)
            ]
        except OverflowError as error:
            raise InputError(f"chain, auction and index are unsigned numbers: {self}") from error
        return self.purpose.encode().ljust(32, b"\0") + b"".join(words)


class EncryptionKey:
    """A secp256k1 key pair that data keys are wrapped for.

    Args:
        secret: 32 bytes.

    Raises:
        InputError: not a secp256k1 secret.

    Example:
        >>> import qmia
        >>> key = qmia.EncryptionKey.generate()
        >>> len(key.public)
        64
    """

    def __init__(self, secret: bytes) -> None:
        try:
            if len(secret) != 32:
                raise ValueError(len(secret))
            self._key = PrivateKey(secret)
        except ValueError as error:
            message = "an encryption key is 32 bytes, between 1 and the order of secp256k1"
            raise InputError(message) from error

    @classmethod
    def generate(cls) -> EncryptionKey:
        """A new key from the system's randomness."""
        return cls(PrivateKey().secret)

    @property
    def secret(self) -> bytes:
        """32 bytes. Keep them."""
        return self._key.secret

    @property
    def public(self) -> bytes:
        """64 bytes, x ‖ y, as the contracts hold it."""
        return self._key.public_key.format(compressed=False)[1:]

    @property
    def address(self) -> str:
        """Address that `ecrecover` gives for this key's signatures (EIP-55)."""
        return public_address(self.public)

    def shared(self, sender: bytes) -> bytes:
        """SHA-256 of the compressed Diffie-Hellman point: 32 bytes.

        Raises:
            ValueError: `sender` is not a point on the curve.
        """
        return self._key.ecdh(sender)


def _point(public: bytes) -> PublicKey:
    try:
        return PublicKey(b"\4" + public if len(public) == 64 else public)
    except ValueError as error:
        message = "not a secp256k1 public key: 64 bytes (x, y) of a point on the curve are needed"
        raise InputError(message) from error


def public_address(public: bytes) -> str:
    """Address of a public key: keccak256(x ‖ y)[12:], in EIP-55 form.

    Raises:
        InputError: not a point on the curve.
    """
    return to_checksum_address(keccak(_point(public).format(compressed=False)[1:])[12:])


def _wrapping_key(shared: bytes, ephemeral: bytes, recipient: bytes, context: bytes) -> bytes:
    return derive(shared, b"qmia/wrap/2 key" + ephemeral + recipient + context)


def wrap(data_key: bytes, recipient: bytes, context: WrapContext) -> bytes:
    """Wrap a data key for a recipient.

    Args:
        data_key: 32 random bytes.
        recipient: Public key, 64 bytes (33 and 65 byte encodings are read too).
        context: Where the wrapping is valid.

    Returns:
        81 bytes, the same for the same arguments.

    Raises:
        InputError: the key is not 32 bytes, or the recipient not a point on the curve.
    """
    check_data_key(data_key)
    point = _point(recipient)
    public = point.format(compressed=False)[1:]
    where = context.encode()
    # 48 bytes: the bias of the reduction is below 2^-128.
    wide = derive(data_key, b"qmia/wrap/2 ephemeral" + public + where, 48)
    ephemeral = EncryptionKey(
        (1 + int.from_bytes(wide, "big") % (GROUP_ORDER_INT - 1)).to_bytes(32, "big")
    )
    sender = _point(ephemeral.public).format(compressed=True)
    key = _wrapping_key(ephemeral.shared(point.format()), sender, public, where)
    seal = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(data_key, b"", _NONCE, key)
    return sender + seal


def unwrap(wrapped: bytes, key: EncryptionKey, context: WrapContext) -> bytes:
    """Open a wrapped data key.

    Raises:
        IntegrityError: it was made for another key or context, is damaged, or was not made by
            `wrap` (an operator could then not have attested it).
    """
    failure = IntegrityError(
        "the wrapped key does not open: it is for another key or another auction, or damaged"
    )
    if len(wrapped) != WRAPPED_BYTES:
        raise failure
    sender, seal = wrapped[:33], wrapped[33:]
    try:
        secret = _wrapping_key(key.shared(sender), sender, key.public, context.encode())
        data_key = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            seal, b"", _NONCE, secret
        )
    except (ValueError, nacl.exceptions.CryptoError) as error:
        raise failure from error
    if not check_wrap(wrapped, data_key, key.public, context):
        raise IntegrityError("the wrapped key opens, but was not made by the published rule")
    return data_key


def check_wrap(wrapped: bytes, data_key: bytes, recipient: bytes, context: WrapContext) -> bool:
    """Whether `wrapped` gives `data_key` to `recipient`, by making it again.

    Raises:
        InputError: as for `wrap`.
    """
    return hmac.compare_digest(wrapped, wrap(data_key, recipient, context))


def wrap_all(data_key: bytes, members: Sequence[bytes], context: WrapContext) -> list[bytes]:
    """Wrap a key for several recipients: 81 bytes for each, in their order.

    Raises:
        InputError: as for `wrap`.
    """
    return [wrap(data_key, public, context) for public in members]


def unwrap_shared(
    wraps: Sequence[bytes],
    member: int,
    key: EncryptionKey,
    members: Sequence[bytes],
    context: WrapContext,
) -> bytes:
    """Open one of several wrappings of a key, and make all of them again.

    Args:
        wraps: one for each member.
        member: place of the reader among the members.
        key: of the reader.
        members: public keys, 64 bytes each.
        context: where the wrappings are valid.

    Raises:
        IntegrityError: the reader's does not open, or one is not right for its member. What is not
            right for every member counts for none.
    """
    if len(wraps) != len(members):
        raise IntegrityError(f"{len(wraps)} keys are wrapped for {len(members)} members")
    if not 0 <= member < len(members) or members[member] != key.public:
        raise InputError("this encryption key is not the one registered for this member")
    data_key = unwrap(wraps[member], key, context)
    for place, (wrapped, public) in enumerate(zip(wraps, members, strict=True)):
        if not check_wrap(wrapped, data_key, public, context):
            raise IntegrityError(f"the key is not wrapped rightly for member {place}")
    return data_key
