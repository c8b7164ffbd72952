"""Evidence behind scores: canonical bundles, CIDs computed locally, stores that keep them."""

from oracles.evidence.bundle import (
    Bundle,
    bundle_parts,
    canonical_json,
    find_bundle,
    read_bundle,
    write_bundle,
)
from oracles.evidence.cid import (
    PROFILE,
    Cid,
    CidBuilder,
    bytes_cid,
    file_cid,
    stream_cid,
    write_car,
)
from oracles.evidence.store import (
    DirectoryStore,
    GatewayStore,
    IpfsStore,
    MissingError,
    QuorumStore,
    Retention,
    Store,
    StoreError,
    is_node,
    open_store,
    read,
)

__all__ = [
    "PROFILE",
    "Bundle",
    "Cid",
    "CidBuilder",
    "DirectoryStore",
    "GatewayStore",
    "IpfsStore",
    "MissingError",
    "QuorumStore",
    "Retention",
    "Store",
    "StoreError",
    "bundle_parts",
    "bytes_cid",
    "canonical_json",
    "file_cid",
    "find_bundle",
    "is_node",
    "open_store",
    "read",
    "read_bundle",
    "stream_cid",
    "write_bundle",
    "write_car",
]
