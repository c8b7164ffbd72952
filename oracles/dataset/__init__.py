"""Data sets: documents, content digests, encrypted archives and the keys to them."""

from oracles.dataset.archive import (
    Binding,
    Header,
    Packed,
    is_archive,
    pack,
    read_header,
    unpack,
    verify,
)
from oracles.dataset.digest import (
    MerkleRoot,
    content_digest,
    decode_document,
    encode_document,
    leaf_hash,
    merkle_proof,
    verify_proof,
)
from oracles.dataset.document import Document
from oracles.dataset.export import FORMATS, export
from oracles.dataset.findings import Finding, FindingKind, refuse_losses
from oracles.dataset.keys import (
    EncryptionKey,
    WrapContext,
    check_wrap,
    public_address,
    unwrap,
    wrap,
)
from oracles.dataset.read import read_documents
from oracles.dataset.records import TEXT_FIELDS
from oracles.dataset.streams import Limits

__all__ = [
    "FORMATS",
    "TEXT_FIELDS",
    "Binding",
    "Document",
    "EncryptionKey",
    "Finding",
    "FindingKind",
    "Header",
    "Limits",
    "MerkleRoot",
    "Packed",
    "WrapContext",
    "check_wrap",
    "content_digest",
    "decode_document",
    "encode_document",
    "export",
    "is_archive",
    "leaf_hash",
    "merkle_proof",
    "pack",
    "public_address",
    "read_documents",
    "read_header",
    "refuse_losses",
    "unpack",
    "unwrap",
    "verify",
    "verify_proof",
    "wrap",
]
