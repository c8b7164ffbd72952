"""Brings data sets here: checked against their CIDs, of bounded size."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from oracles.dataset import Binding, EncryptionKey
from oracles.dataset.manifest import MAX_BYTES, Manifest
from oracles.dataset.streams import CHUNK
from oracles.errors import InputError, IntegrityError
from oracles.evidence import Cid, DirectoryStore, Store, StoreError
from oracles.evidence.cid import RAW

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from oracles.operator.job import DataSetRef, Job


class Fetcher:
    """Brings files here, checked and of bounded size.

    Args:
        stores: where to look, in order.
        cache: folder that keeps what came over a network.
    """

    def __init__(self, stores: Sequence[Store], cache: Path) -> None:
        self._folder = cache
        self._cache = DirectoryStore(cache)
        self._stores = stores

    def path(self, cid: Cid, limit: int, *, keep: bool = False) -> Path:
        """Path of a file whose bytes are those of the CID.

        Args:
            cid: of the file.
            limit: most bytes.
            keep: copy it here even from a local folder: it is needed later.

        Raises:
            StoreError: no store has it whole now.
        """
        failures = []
        for store in (self._cache, *self._stores):
            try:
                with store.open(cid, limit=limit) as file:
                    if isinstance(store, DirectoryStore) and (store is self._cache or not keep):
                        return store.path(cid)
                    with tempfile.NamedTemporaryFile(dir=self._folder) as copy:
                        while block := file.read(CHUNK):
                            copy.write(block)
                        copy.flush()
                        self._cache.put(copy.name)
                return self._cache.path(cid)
            except (StoreError, IntegrityError) as error:
                failures.append(str(error))
            except OSError as error:
                failures.append(f"no room for {cid}: {error.strerror or error}")
        raise StoreError("; ".join(failures))


def locate(job: Job, ref: DataSetRef, fetcher: Fetcher) -> tuple[bytes, Path]:
    """Fetch one data set: its key, and the path of its archive, whose content is not checked yet.

    Raises:
        StoreError: a part of it cannot be had now.
        IntegrityError: it is not what was committed, or this operator cannot open it.
        InputError: it is beyond the limits.
    """
    most = job.scoring["max_archive_bytes"]
    if ref.size > most:
        raise InputError(f"{ref.size} bytes, more than the {most} accepted")
    # Attesting the delivery needs the manifest again, when the provider's store may be gone.
    manifest_path = fetcher.path(Cid(RAW, bytes.fromhex(ref.cid)), MAX_BYTES, keep=True)
    manifest = Manifest.decode(manifest_path.read_bytes())
    data_key = unwrap_with_any(manifest, job.operator, job.keys, job.binding(ref))
    try:
        archive_cid = Cid.parse(manifest.archive)
    except InputError as error:
        raise IntegrityError(f"the manifest names no archive: {error}") from error
    archive = fetcher.path(archive_cid, ref.size)
    if archive.stat().st_size != ref.size:
        raise IntegrityError(
            f"the archive has {archive.stat().st_size} bytes where {ref.size} were committed"
        )
    return data_key, archive


def unwrap_with_any(
    manifest: Manifest, operator: str, keys: Sequence[str], binding: Binding
) -> bytes:
    """The data key, by whichever of this operator's keys opens it.

    Raises:
        IntegrityError: none does.
    """
    failure = IntegrityError("this operator has no encryption key")
    for key in keys:
        try:
            return manifest.unwrap(operator, EncryptionKey(bytes.fromhex(key)), binding)
        except IntegrityError as error:
            failure = error
    raise failure
