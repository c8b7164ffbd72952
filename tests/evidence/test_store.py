"""Directory and quorum stores: durable, checked, and never without what is held."""

import errno
import os
import threading

import pytest

from oracles.errors import InputError, IntegrityError
from oracles.evidence import (
    Cid,
    DirectoryStore,
    GatewayStore,
    IpfsStore,
    MissingError,
    QuorumStore,
    Retention,
    StoreError,
    bytes_cid,
    is_node,
    open_store,
    read,
)
from tests.support.dripping import dripping

ALL = Retention(min_age_seconds=0)


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "store")


def age(store, cid, seconds):
    """Make a file look older."""
    path = store.path(cid)
    modified = path.stat().st_mtime - seconds
    os.utime(path, (modified, modified))


def test_directory__when_put__then_open_gives_it_back(store, tmp_path):
    (tmp_path / "file").write_bytes(b"content" * 100_000)
    cid = store.put(tmp_path / "file")
    assert cid == bytes_cid(b"content" * 100_000)
    with store.open(cid) as file:
        assert file.read() == b"content" * 100_000
    assert store.has(cid)
    assert store.cids() == [cid]
    assert store.path(cid).read_bytes() == b"content" * 100_000
    assert store.put(str(tmp_path / "file")) == cid
    assert DirectoryStore(tmp_path / "store").has(cid)


def test_directory__when_missing__then_said(store):
    cid = bytes_cid(b"nothing")
    assert not store.has(cid)
    with pytest.raises(MissingError):
        store.open(cid)
    with pytest.raises(MissingError):
        store.path(cid)


@pytest.mark.parametrize("damage", [b"contenT", b"conten", b"content ", b""])
def test_directory__when_disk_lies__then_refused(store, damage):
    cid = store.put(b"content")
    store.path(cid).write_bytes(damage)
    with pytest.raises(IntegrityError):
        store.open(cid)


def test_directory__when_damaged_file_is_put_again__then_mended(store):
    cid = store.put(b"content")
    store.path(cid).write_bytes(b"damage")
    store.put(b"content")
    assert read(store, cid, limit=7) == b"content"


def test_directory__when_larger_than_the_limit__then_refused(store):
    cid = store.put(b"content")
    assert read(store, cid, limit=7) == b"content"
    with pytest.raises(IntegrityError, match="more than the 6"):
        store.open(cid, limit=6)


def test_directory__when_source_is_missing__then_said(store, tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        store.put(tmp_path / "nothing")


def test_directory__when_disk_is_full__then_store_error_and_nothing_left(store, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.put(b"content")
    monkeypatch.undo()
    assert store.cids() == []
    assert not any((store._root / "tmp").iterdir())


def test_directory__when_put_returns__then_file_and_folders_were_synced(store, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_ino), real(handle))
    )
    cid = store.put(b"content")
    path = store.path(cid)
    assert synced[0] == path.stat().st_ino  # before the rename
    assert {path.parent.stat().st_ino, path.parent.parent.stat().st_ino} <= set(synced)


def test_directory__when_it_cannot_be_made__then_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        DirectoryStore(tmp_path / "file" / "store")


def test_directory__when_many_threads_put_the_same__then_one_whole_file(store):
    data = os.urandom(600_000)
    threads = [threading.Thread(target=store.put, args=(data,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.cids() == [bytes_cid(data)]
    assert read(store, bytes_cid(data), limit=600_000) == data


def test_collect__when_nothing_protects__then_old_files_go_and_young_stay(store):
    old, young = store.put(b"old"), store.put(b"young")
    age(store, old, 100)
    assert store.collect(Retention(min_age_seconds=50)) == [old]
    assert store.cids() == [young]


def test_collect__when_held__then_stays_until_every_reason_is_released(store, tmp_path):
    cid = store.put(b"evidence")
    store.hold(cid, "auction-1")
    store.hold(cid, "dispute-1")
    reopened = DirectoryStore(tmp_path / "store")
    assert reopened.held(cid) == ["auction-1", "dispute-1"]
    assert reopened.collect(ALL) == []
    store.release(cid, "auction-1")
    store.release(cid, "auction-1")
    assert store.collect(ALL) == []
    store.release(cid, "dispute-1")
    assert store.held(cid) == []
    assert store.collect(ALL) == [cid]
    assert not store.has(cid)


def test_collect__when_caller_keeps__then_stays(store):
    one, two = store.put(b"one"), store.put(b"two")
    assert store.collect(ALL, keep={one}) == [two]


def test_collect__when_there_is_a_size__then_oldest_go_until_it_fits(store):
    cids = [store.put(bytes([i]) * 1000) for i in range(5)]
    for i, cid in enumerate(cids):
        age(store, cid, 100 - i)
    store.hold(cids[1], "dispute")
    policy = Retention(min_age_seconds=10, max_bytes=3000)
    assert store.collect(policy) == [cids[0], cids[2]]
    assert store.collect(policy) == []


def test_collect__when_put_again__then_young_again(store):
    cid = store.put(b"content")
    age(store, cid, 100)
    store.put(b"content")
    assert store.collect(Retention(min_age_seconds=50)) == []


def test_collect__when_a_put_was_killed__then_its_rest_goes(store):
    leftover = store._root / "tmp" / "killed"
    leftover.write_bytes(b"half")
    store.collect(Retention(min_age_seconds=50))
    assert leftover.exists()
    store.collect(Retention(min_age_seconds=50), now=leftover.stat().st_mtime + 60)
    assert not leftover.exists()


@pytest.mark.parametrize("reason", ["", "..", "a/b", "/etc"])
def test_hold__when_reason_is_no_file_name__then_refused(store, reason):
    with pytest.raises(InputError, match="file name"):
        store.hold(bytes_cid(b"x"), reason)


class Broken:
    """A node that is down."""

    def _down(self, *_arguments, **_options):
        raise StoreError("down")

    put = open = has = _down


def test_quorum__when_enough_stores_work__then_kept_and_found(tmp_path):
    stores = [Broken(), DirectoryStore(tmp_path / "1"), DirectoryStore(tmp_path / "2")]
    quorum = QuorumStore(stores, 2)
    cid = quorum.put(b"content")
    assert stores[1].has(cid)
    assert stores[2].has(cid)
    assert quorum.has(cid)
    assert read(quorum, cid, limit=7) == b"content"


def test_quorum__when_too_few_work__then_store_error_says_why(tmp_path):
    quorum = QuorumStore([Broken(), DirectoryStore(tmp_path / "1")], 2)
    with pytest.raises(StoreError, match=r"1 of 2 stores, 2 are needed: down"):
        quorum.put(b"content")
    assert not quorum.has(bytes_cid(b"content"))


def test_quorum__when_first_store_is_damaged__then_the_next_is_read(tmp_path):
    first, second = DirectoryStore(tmp_path / "1"), DirectoryStore(tmp_path / "2")
    quorum = QuorumStore([first, second], 1)
    cid = quorum.put(b"content")
    first.path(cid).write_bytes(b"damage!")
    assert read(quorum, cid, limit=7) == b"content"
    second.path(cid).unlink()
    with pytest.raises(MissingError, match="no store"):
        quorum.open(cid)


def test_quorum__when_source_is_an_open_file__then_every_store_gets_all_of_it(tmp_path):
    stores = [DirectoryStore(tmp_path / name) for name in "abc"]
    cid = stores[0].put(b"content")
    with stores[0].open(cid) as file:
        file.read(3)
        assert QuorumStore(stores[1:], 2).put(file) == cid
    assert all(read(store, cid, limit=7) == b"content" for store in stores)


@pytest.mark.parametrize("quorum", [0, 3])
def test_quorum__when_impossible__then_refused(tmp_path, quorum):
    with pytest.raises(InputError, match="impossible"):
        QuorumStore([Broken(), DirectoryStore(tmp_path)], quorum)


@pytest.mark.parametrize(
    "name",
    [
        "https:/ipfs.example",
        "ipfs://bafy",
        "ipfs:bafy",
        "/ip4/127.0.0.1/tcp/5001/http",
        "/ip6/::1/tcp/5001",
        "/dns/ipfs/tcp/5001",
        "/dnsaddr/ipfs.example",
        "s3:bucket",
    ],
)
def test_open_store__when_name_is_neither_folder_nor_node__then_refused_and_nothing_made(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"is not a store: give a folder, or .* ipfs:/ip4/"):
        open_store(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["store", "./a:b", "srv/ip4/x", "ip4", "/ip4nodes/x", "dns"])
def test_is_node__when_a_folder__then_no(name):
    assert not is_node(name)


def test_open_store__when_named__then_folder_or_node(tmp_path):
    assert isinstance(open_store(str(tmp_path / "store")), DirectoryStore)
    assert isinstance(open_store("ipfs:/ip4/127.0.0.1/tcp/5001/http"), IpfsStore)


def test_gateway__when_its_headers_come_byte_by_byte__then_it_is_given_up():
    cid = Cid.from_digest(bytes(32), 1)
    with dripping(headers=200) as url:
        store = GatewayStore(url, timeout=0.2)
        with pytest.raises(StoreError, match="does not answer"):
            store.range(cid, 0, 1 << 20)


def test_gateway__when_it_answers_byte_by_byte__then_it_is_given_up():
    """No pause is longer than the timeout, so that alone would wait for ever."""
    cid = Cid.from_digest(bytes(32), 1)
    with dripping() as url:
        store = GatewayStore(url, timeout=0.2)
        with pytest.raises(StoreError, match="too slowly"):
            store.range(cid, 0, 1 << 20)
        with pytest.raises(StoreError, match="too slowly"):
            store.open(cid)
        # Its 200 is the whole file, from the first byte on.
        with pytest.raises(StoreError, match="does not know ranges"):
            store.range(cid, 1 << 40, 1)
