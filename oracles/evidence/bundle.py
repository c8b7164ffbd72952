"""Evidence bundles: a canonical JSON manifest, and the tensors it speaks of.

The manifest is stored as its RFC 8785 bytes; its CID is the bundle's name, and that CID's digest
goes into the report on chain. Tensors are one safetensors file, stored beside it and named in the
manifest by CID.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import rfc8785
import safetensors
import safetensors.numpy

from oracles.errors import InputError, IntegrityError
from oracles.evidence.cid import DAG_PB, PROFILE, RAW, Cid
from oracles.evidence.store import MissingError, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from oracles.evidence.store import Store

SCHEMA: Final = "qmia/evidence/1"
MAX_MANIFEST_BYTES: Final = 64 << 20
MAX_TENSOR_BYTES: Final = 4 << 30


@dataclass(frozen=True, slots=True)
class Bundle:
    """What backs one score.

    Attributes:
        content: JSON object: digests of inputs, counts, intermediate values, seeds, versions.
        tensors: Named arrays of any shape.
    """

    content: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value.

    Raises:
        InputError: NaN, an infinity, an integer beyond 2^53 (write it as a string) or a type that
            JSON does not have.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise InputError(f"evidence has no canonical JSON form: {error}") from error


def write_bundle(store: Store, bundle: Bundle) -> Cid:
    """Store a bundle, tensors first, so that a manifest never names what is not there.

    Returns:
        CID of the manifest.

    Raises:
        InputError: the content is not JSON, or a tensor's type is not supported.
        StoreError: it could not be kept.
    """
    manifest: dict[str, Any] = {
        "content": bundle.content,
        "profile": PROFILE,
        "schema": SCHEMA,
        "tensors": None,
    }
    canonical_json(manifest)  # before anything is stored
    if bundle.tensors:
        try:
            arrays = {name: array.copy(order="C") for name, array in bundle.tensors.items()}
            data = safetensors.numpy.save(arrays)
        except (KeyError, safetensors.SafetensorError) as error:
            raise InputError(f"a tensor cannot be stored: {error}") from error
        manifest["tensors"] = str(store.put(data))
    return store.put(canonical_json(manifest))


def read_bundle(store: Store, cid: Cid) -> Bundle:
    """Fetch a bundle and check everything in it that can be checked without scoring again.

    Raises:
        IntegrityError: not a canonical bundle of this schema, or the tensors are damaged.
        StoreError: a part is missing or the store does not answer.
    """
    manifest, tensor_cid = _manifest(store, cid)
    tensors: Mapping[str, np.ndarray[Any, Any]] = {}
    if tensor_cid:
        data = read(store, tensor_cid, limit=MAX_TENSOR_BYTES)
        try:
            tensors = safetensors.numpy.load(data)
        except (KeyError, ValueError, safetensors.SafetensorError) as error:
            raise IntegrityError(f"the tensors of {cid} cannot be read: {error}") from error
    return Bundle(manifest["content"], tensors)


def find_bundle(
    stores: Sequence[Store], digest: bytes, *, tensors: bool = True
) -> dict[str, Any] | None:
    """Content of the bundle with a digest, as a report on chain has it; None where it is nowhere.

    Args:
        stores: asked in turn.
        digest: of the manifest, 32 bytes.
        tensors: whether to fetch and check these as well.

    Raises:
        IntegrityError: as `read_bundle`.
        StoreError: a store does not answer.
    """
    for store in stores:
        # The digest does not say how large the file is, and with it the codec.
        for codec in (RAW, DAG_PB):
            cid = Cid(codec, digest)
            try:
                if tensors:
                    return dict(read_bundle(store, cid).content)
                return dict(_manifest(store, cid)[0]["content"])
            except MissingError:
                continue
    return None


def bundle_parts(store: Store, cid: Cid) -> list[Cid]:
    """The CIDs that belong to a bundle: its manifest, then its tensors. Hold all or none.

    Raises:
        IntegrityError: as `read_bundle`.
        StoreError: as `read_bundle`.
    """
    tensor_cid = _manifest(store, cid)[1]
    return [cid, tensor_cid] if tensor_cid else [cid]


def _number(digits: str) -> int | float:
    """Canonical JSON writes doubles below 1e21 without exponent: beyond 2^53 this is one."""
    value = int(digits)
    return value if abs(value) < 2**53 else float(value)


def _manifest(store: Store, cid: Cid) -> tuple[dict[str, Any], Cid | None]:
    data = read(store, cid, limit=MAX_MANIFEST_BYTES)
    try:
        manifest = json.loads(data, parse_int=_number)
        if canonical_json(manifest) != data:
            raise ValueError("its JSON is not canonical")
        if manifest["schema"] != SCHEMA or not isinstance(manifest["content"], dict):
            raise ValueError(f"its schema is not {SCHEMA}")
        tensors = manifest["tensors"]
        return manifest, Cid.parse(tensors) if tensors is not None else None
    except (AttributeError, InputError, LookupError, RecursionError, TypeError, ValueError) as e:
        raise IntegrityError(f"{cid} is not an evidence bundle: {e}") from e
