"""Against a real IPFS node over its RPC: the same CIDs, pins, ranges, refusals."""

import hashlib
import io
import socket

import httpx
import numpy as np
import pytest

from oracles.errors import InputError, IntegrityError
from oracles.evidence import (
    Bundle,
    DirectoryStore,
    IpfsStore,
    MissingError,
    QuorumStore,
    StoreError,
    bytes_cid,
    read,
    read_bundle,
    write_bundle,
    write_car,
)
from oracles.evidence import store as module
from oracles.evidence.cid import CHUNK_BYTES
from tests.evidence.node import NodeUnavailableError, js_ipfs


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    try:
        with js_ipfs(tmp_path_factory.mktemp("ipfs"), free_port()) as address:
            yield address
    except NodeUnavailableError as reason:
        pytest.skip(f"no IPFS node: {reason}")


@pytest.fixture
def store(address):
    return IpfsStore(address, timeout=20)


@pytest.mark.slow
@pytest.mark.parametrize(
    "size",
    [
        *(0, 1, 13, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES),
        *(5 * CHUNK_BYTES + 7, 174 * CHUNK_BYTES, 174 * CHUNK_BYTES + 1, 348 * CHUNK_BYTES + 5),
    ],
)
def test_ipfs__when_put__then_nodes_root_is_ours_and_bytes_come_back(store, size):
    data = hashlib.shake_256(b"qmia").digest(size)
    cid = store.put(data)  # raises unless the node's root equals ours
    assert cid == bytes_cid(data)
    assert store.has(cid)
    assert read(store, cid, limit=size) == data


@pytest.mark.slow
def test_ipfs__when_unpinned__then_no_longer_kept(store):
    cid = store.put(b"for a while")
    store.unpin(cid)
    assert not store.has(cid)
    with pytest.raises(MissingError):
        store.unpin(cid)


@pytest.mark.slow
def test_ipfs__when_larger_than_the_limit__then_refused_on_the_way(store, monkeypatch):
    monkeypatch.setattr(module, "_RANGE", 1000)
    for size in (999, 1000, 1001, 10_000):
        data = bytes(size)
        assert read(store, store.put(data), limit=size) == data
    cid = store.put(data)
    with pytest.raises(IntegrityError, match="more than the 5000"):
        store.open(cid, limit=5000)


@pytest.mark.slow
def test_ipfs__when_car_is_imported__then_the_same_file(store, address):
    _, _, host, _, port, _ = address.split("/")
    data = hashlib.shake_256(b"car").digest(3 * CHUNK_BYTES + 5)
    out = io.BytesIO()
    cid = write_car(io.BytesIO(data), out)
    answer = httpx.post(
        f"http://{host}:{port}/api/v0/dag/import",
        params={"pin-roots": "true"},
        files={"file": ("data.car", out.getvalue())},
    )
    assert answer.json()["Root"]["Cid"]["/"] == str(cid)
    assert store.has(cid)
    assert read(store, cid, limit=len(data)) == data


@pytest.mark.slow
def test_ipfs__when_bundle_is_pinned_beside_a_directory__then_either_suffices(store, tmp_path):
    local = DirectoryStore(tmp_path)
    both = QuorumStore([local, store], 2)
    bundle = Bundle({"q": 1}, {"t": np.arange(4)})
    cid = write_bundle(both, bundle)
    for cid_ in local.cids():
        local.path(cid_).unlink()
    assert read_bundle(both, cid).content == bundle.content
    assert read_bundle(store, cid).tensors["t"].tolist() == [0, 1, 2, 3]


@pytest.mark.slow
def test_ipfs__when_node_stores_something_else__then_refused(store, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1024)  # only what is asked of the node
    with pytest.raises(IntegrityError, match="does not follow the profile"):
        store.put(bytes(5000))


@pytest.mark.slow
def test_ipfs__when_node_is_down__then_store_error():
    store = IpfsStore(f"ipfs:/ip4/127.0.0.1/tcp/{free_port()}/http", timeout=2)
    cid = bytes_cid(b"x")
    for action in (lambda: store.put(b"x"), lambda: store.open(cid), lambda: store.has(cid)):
        with pytest.raises(StoreError, match="does not answer"):
            action()


@pytest.mark.parametrize("address", ["nonsense", "ipfs:/ip4/300.0.0.1/tcp/1/http", ""])
def test_ipfs__when_address_is_no_multiaddr__then_said(address):
    with pytest.raises(InputError, match="multiaddr"):
        IpfsStore(address)
