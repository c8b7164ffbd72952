"""Brings manifests, openings, pages and archives here: checked, of bounded size, from anybody."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracles.dataset import (
    EncryptionKey,
    Manifest,
    check_page,
    draw,
    open_archive,
    opening_context,
    opening_size,
    page_key,
    read_opening,
)
from oracles.dataset.archive import sketch_key
from oracles.dataset.manifest import MAX_BYTES
from oracles.dataset.merkle import HASH_BYTES
from oracles.errors import InputError, IntegrityError
from oracles.evidence import Cid, DirectoryStore, Store, StoreError
from oracles.evidence.cid import RAW
from oracles.proof import Proof, check_facts, check_proof
from oracles.proof import depth as root_depth
from oracles.proof import root as facts_root
from oracles.proof.thresholds import MAX_BYTES as PROOF_BYTES
from oracles.scoring import Scoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from oracles.dataset import Contents, Opening, Sketch
    from oracles.operator.job import DataSetRef, Job
    from oracles.operator.pieces import Pieces
    from oracles.proof import Facts


class Fetcher:
    """Brings files here, checked against their CIDs and of bounded size.

    Args:
        stores: where to look, in order.
        cache: folder that keeps what came over a network.
    """

    def __init__(self, stores: Sequence[Store], cache: Path) -> None:
        self._cache = DirectoryStore(cache)
        self._stores = stores

    def path(self, cid: Cid, limit: int) -> Path:
        """Path of a file here whose bytes are those of the CID.

        Args:
            cid: of the file.
            limit: most bytes.

        Raises:
            StoreError: no store has it whole now.
        """
        failures = []
        for store in (self._cache, *self._stores):
            try:
                with store.open(cid, limit=limit) as file:
                    if store is not self._cache:
                        self._cache.put(file)
                return self._cache.path(cid)
            except (StoreError, IntegrityError) as error:
                failures.append(str(error))
            except OSError as error:
                failures.append(f"no room for {cid}: {error.strerror or error}")
        raise StoreError("; ".join(failures))

    def ranges(self, cid: Cid, offset: int, size: int) -> Iterator[bytes]:
        """A range of a file as each store in turn gives it; nothing of it is checked."""
        for store in (self._cache, *self._stores):
            try:
                yield store.range(cid, offset, size)
            except (StoreError, IntegrityError, OSError):
                continue


@dataclass(frozen=True, slots=True)
class Sample:
    """What is here of one data set, all of it checked.

    Attributes:
        contents: what was committed.
        pages: number and 16 KiB of each page, ascending.
        sketch: of the whole data set.
    """

    contents: Contents
    pages: tuple[tuple[int, bytes], ...]
    sketch: Sketch


class Holdings:
    """The samples of one auction: fetched from anybody, kept, and read again without a network.

    Args:
        job: what they are.
        fetcher: brings files.
        pieces: keeps pages.
    """

    def __init__(self, job: Job, fetcher: Fetcher, pieces: Pieces) -> None:
        self._job = job
        self._fetcher = fetcher
        self._pieces = pieces
        self._members = [bytes.fromhex(each) for each in job.members]
        self._key = own_key(job, self._members[job.member])

    def sample(self, ref: DataSetRef, seconds: float = math.inf) -> Sample:
        """The sample of one data set.

        Args:
            ref: the data set.
            seconds: after which no further page is asked for; what came is kept.

        Raises:
            StoreError: a part of it cannot be had now, or not in time.
            IntegrityError, InputError: it is not what was committed, or not opened rightly.
        """
        deadline = time.monotonic() + seconds
        manifest = self._manifest(ref)
        archive, contents = _archive_cid(manifest), manifest.contents
        if self._job.samples == 0:
            return self._whole(ref, manifest, archive)
        drawn = draw(
            bytes.fromhex(self._job.sample_key),
            self._job.auction,
            ref.index,
            manifest.digest,
            contents.pages,
            self._job.samples,
        )
        size = opening_size(contents, drawn, len(self._members))
        cid = Cid.from_digest(bytes.fromhex(ref.opening), size)
        context = opening_context(self._job.binding(ref), ref.index)
        opening = read_opening(
            self._fetcher.path(cid, size).read_bytes(),
            self._job.member,
            self._key,
            self._members,
            context,
            contents,
            drawn,
        )
        pages = tuple((index, self._page(opening, archive, index, deadline)) for index in drawn)
        sketch = self._sketch(opening, archive)
        for index, page in pages:
            sketch.check_page(index, page)
        if contents.facts:
            self._check_facts(manifest, archive, pages, opening)
        self._check_entry(manifest)
        return Sample(contents, pages, sketch)

    def retrieve(self, ref: DataSetRef) -> Path:
        """Bring the whole ciphertext here and check it.

        Raises:
            StoreError: no store has it whole.
            IntegrityError: what is under its CID is not what was committed.
        """
        manifest = self._manifest(ref)
        contents = manifest.contents
        path = self._fetcher.path(_archive_cid(manifest), contents.archive_size)
        with open_archive(path, contents) as archive:
            archive.check_ciphertext()
        return path

    def examine(self, ref: DataSetRef, data_key: bytes, indices: Sequence[int]) -> str:
        """Look for a page that the right data key does not open to what was committed.

        Args:
            ref: the data set.
            data_key: from the buyer's complaint, checked against the commitment.
            indices: pages that the buyer names; none for all.

        Returns:
            What is wrong; empty if nothing is.

        Raises:
            StoreError: a page cannot be had now, so nothing can be said of it.
        """
        manifest = self._manifest(ref)
        contents, cid = manifest.contents, _archive_cid(manifest)
        path = self._fetcher.path(cid, contents.archive_size)
        with open_archive(path, contents) as archive:
            try:
                if not indices:
                    for _ in archive.documents(data_key):
                        pass
                for index in indices:
                    archive.page(index, data_key)
            except IntegrityError as error:
                return str(error)
        return ""

    def _manifest(self, ref: DataSetRef) -> Manifest:
        path = self._fetcher.path(Cid(RAW, bytes.fromhex(ref.manifest)), MAX_BYTES)
        manifest = Manifest.decode(path.read_bytes())
        manifest.expect(
            self._job.binding(ref),
            content_digest=bytes.fromhex(ref.content_digest),
            size=ref.size,
            key_commitment=bytes.fromhex(ref.key_commitment),
        )
        return manifest

    def _whole(self, ref: DataSetRef, manifest: Manifest, archive: Cid) -> Sample:
        """Where nothing is sampled, the manifest opens all pages."""
        contents = manifest.contents
        if ref.size > self._job.scoring["max_plain_bytes"]:
            raise InputError(f"{ref.size} bytes, more than are scored without samples")
        data_key = manifest.unwrap(self._job.member, self._key, self._members)
        path = self._fetcher.path(archive, contents.archive_size)
        with open_archive(path, contents) as file:
            for _ in file.documents(data_key):
                pass
            pages = tuple((index, file.page(index, data_key)) for index in range(contents.pages))
            if contents.facts:
                read = ((index, page, page_key(data_key, index)) for index, page in pages)
                check_facts(contents.facts, file.facts_leaves(), read, _count)
            self._check_entry(manifest)
            return Sample(contents, pages, file.sketch(sketch_key(data_key)))

    def _check_facts(
        self, manifest: Manifest, archive: Cid, pages: Sequence[tuple[int, bytes]], opening: Opening
    ) -> None:
        """Count the sampled pages again.

        Raises:
            StoreError: nobody gives the leaves that lead to the root.
            IntegrityError: the facts are not those of a page.
        """
        contents, failure = manifest.contents, "no store has them"
        root_depth(contents.pages)
        start, size = contents.facts_start, HASH_BYTES * contents.pages
        for data in self._pieces_and_stores(archive, start, size):
            leaves = [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]
            try:
                right = len(data) == size and facts_root(leaves) == contents.facts
            except IntegrityError:
                right = False
            if not right:
                failure = "the leaves do not lead to the root in the manifest"
                continue
            self._pieces.put(archive, start, data)
            read = ((index, page, opening.pages[index].key) for index, page in pages)
            check_facts(contents.facts, leaves, read, _count)
            return
        raise StoreError(f"the facts of {archive}: {failure}")

    def _check_entry(self, manifest: Manifest) -> None:
        """Check the proof that the metric asks for.

        Raises:
            StoreError: it cannot be had now.
            IntegrityError: there is none, or it does not hold.
            ConfigError: this operator has no programs to check it.
        """
        entry = Scoring(**self._job.scoring).entry
        if entry is None:
            return
        if not manifest.proof:
            raise IntegrityError("the metric asks for a proof of thresholds, and there is none")
        try:
            cid = Cid.parse(manifest.proof)
        except InputError as error:
            raise IntegrityError(f"the manifest names no proof: {error}") from error
        proof = Proof.decode(self._fetcher.path(cid, PROOF_BYTES).read_bytes())
        contents = manifest.contents
        check_proof(proof, contents.facts, contents.pages, entry.thresholds)

    def _page(self, opening: Opening, archive: Cid, index: int, deadline: float) -> bytes:
        """One page, from whoever gives the right one.

        Raises:
            StoreError: nobody does now; a store's wrong bytes prove nothing against the provider.
        """
        if time.monotonic() > deadline:
            raise StoreError(f"page {index} of {archive} and those before it take too long")
        place, failure = opening.pages[index], "no store has it"
        for data in self._pieces_and_stores(archive, place.offset, place.size):
            try:
                page = check_page(data, place.key, index, place.branch, opening.contents)
            except IntegrityError as error:
                failure = str(error)
                continue
            self._pieces.put(archive, place.offset, data)
            return page
        raise StoreError(f"page {index} of {archive}: {failure}")

    def _sketch(self, opening: Opening, archive: Cid) -> Sketch:
        contents, failure = opening.contents, "no store has it"
        start, size = contents.pages_end, contents.sketch_size
        for data in self._pieces_and_stores(archive, start, size):
            try:
                sketch = opening.sketch(lambda *_, data=data: data)
            except IntegrityError as error:
                failure = str(error)
                continue
            self._pieces.put(archive, start, data)
            return sketch
        raise StoreError(f"the sketch of {archive}: {failure}")

    def _pieces_and_stores(self, archive: Cid, offset: int, size: int) -> Iterator[bytes]:
        here = self._pieces.get(archive, offset, size)
        if here is not None:
            yield here
        yield from self._fetcher.ranges(archive, offset, size)


def _archive_cid(manifest: Manifest) -> Cid:
    try:
        return Cid.parse(manifest.archive)
    except InputError as error:
        raise IntegrityError(f"the manifest names no archive: {error}") from error


def _count(page: bytes) -> Facts:
    from oracles.quality import page_facts

    return page_facts(page)


def own_key(job: Job, registered: bytes) -> EncryptionKey:
    """The key that was registered when the auction was created.

    Raises:
        InputError: it is not among this operator's keys.
    """
    for each in job.keys:
        key = EncryptionKey(bytes.fromhex(each))
        if key.public == registered:
            return key
    raise InputError(
        f"auction {job.auction} is wrapped for the key 0x{registered.hex()[:16]}…, which is not"
        " among `encryption_keystore` and `old_encryption_keystores`"
    )
