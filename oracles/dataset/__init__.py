"""Data sets: documents, content digests, sealed archives, samples of them, and the keys."""

from oracles.dataset.archive import (
    Archive,
    FactsTree,
    Packed,
    Read,
    Sealed,
    check_page,
    is_archive,
    open_archive,
    open_page,
    pack,
    page_key,
    unpack,
    verify,
)
from oracles.dataset.complaint import Complaint
from oracles.dataset.delivery import (
    Delivery,
    DeliveryContext,
    SharedPointProof,
    prove_shared_point,
    unwrap_delivery,
    wrap_delivery,
)
from oracles.dataset.digest import content_digest, decode_document, encode_document, leaf_hash
from oracles.dataset.document import Continuation, Document
from oracles.dataset.export import FORMATS, export
from oracles.dataset.findings import Finding, FindingKind, refuse_losses
from oracles.dataset.keys import (
    EncryptionKey,
    WrapContext,
    check_wrap,
    key_commitment,
    public_address,
    unwrap,
    unwrap_shared,
    wrap,
    wrap_all,
)
from oracles.dataset.manifest import Binding, Contents, Manifest
from oracles.dataset.merkle import MerkleRoot
from oracles.dataset.opening import (
    OpenedPage,
    Opening,
    build_opening,
    draw,
    exposure,
    opening_context,
    opening_size,
    read_opening,
)
from oracles.dataset.pages import PAGE_BYTES, fragments, page_count
from oracles.dataset.read import read_documents
from oracles.dataset.records import TEXT_FIELDS
from oracles.dataset.sketch import Containment, SeenRuns, Sketch, page_hashes
from oracles.dataset.streams import Limits

__all__ = [
    "FORMATS",
    "PAGE_BYTES",
    "TEXT_FIELDS",
    "Archive",
    "Binding",
    "Complaint",
    "Containment",
    "Contents",
    "Continuation",
    "Delivery",
    "DeliveryContext",
    "Document",
    "EncryptionKey",
    "FactsTree",
    "Finding",
    "FindingKind",
    "Limits",
    "Manifest",
    "MerkleRoot",
    "OpenedPage",
    "Opening",
    "Packed",
    "Read",
    "Sealed",
    "SeenRuns",
    "SharedPointProof",
    "Sketch",
    "WrapContext",
    "build_opening",
    "check_page",
    "check_wrap",
    "content_digest",
    "decode_document",
    "draw",
    "encode_document",
    "export",
    "exposure",
    "fragments",
    "is_archive",
    "key_commitment",
    "leaf_hash",
    "open_archive",
    "open_page",
    "opening_context",
    "opening_size",
    "pack",
    "page_count",
    "page_hashes",
    "page_key",
    "prove_shared_point",
    "public_address",
    "read_documents",
    "read_opening",
    "refuse_losses",
    "unpack",
    "unwrap",
    "unwrap_delivery",
    "unwrap_shared",
    "verify",
    "wrap",
    "wrap_all",
    "wrap_delivery",
]
