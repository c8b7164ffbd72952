"""Evidence bundles: canonical, addressed by what they say, refused when they are not."""

import json

import numpy as np
import pytest

from oracles.errors import InputError, IntegrityError
from oracles.evidence import (
    Bundle,
    DirectoryStore,
    MissingError,
    bundle_parts,
    bytes_cid,
    canonical_json,
    read,
    read_bundle,
    write_bundle,
)

CONTENT = {"metric": "cleanliness", "counts": {"words": 10, "errors": 1}, "seed": "0x01", "x": 0.1}
TENSORS = {
    "histogram": np.arange(6, dtype=np.int64).reshape(2, 3),
    "centroids": np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2).T,
}


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path)


def test_bundle__when_written__then_read_back_equal(store):
    cid = write_bundle(store, Bundle(CONTENT, TENSORS))
    back = read_bundle(store, cid)
    assert back.content == CONTENT
    assert back.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert back.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(back.tensors[name], tensor)
    assert bundle_parts(store, cid) == [cid, *(c for c in store.cids() if c != cid)]


def test_bundle__when_there_are_no_tensors__then_one_file(store):
    cid = write_bundle(store, Bundle(CONTENT))
    assert store.cids() == bundle_parts(store, cid) == [cid]
    assert read_bundle(store, cid) == Bundle(CONTENT, {})


def test_bundle__when_same_content_in_another_order__then_same_cid(store):
    other = dict(reversed(CONTENT.items()))
    tensors = dict(reversed(TENSORS.items()))
    assert write_bundle(store, Bundle(other, tensors)) == write_bundle(
        store, Bundle(CONTENT, TENSORS)
    )


def test_bundle__when_known__then_known_bytes_and_cid(store):
    """Pins the schema: an auditor years later must find the same name."""
    cid = write_bundle(store, Bundle({"q": 1}))
    assert read(store, cid, limit=1000) == (
        b'{"content":{"q":1},"profile":{"chunker":"size-262144","cid_version":1,"hash":"sha2-256",'
        b'"layout":"balanced","max_links":174,"raw_leaves":true},"schema":"qmia/evidence/1",'
        b'"tensors":null}'
    )
    assert str(cid) == "bafkreidq4vqtyru4ypr7b7bexlahvcikagbxx7d3gkfvsyfmqzzmudk6ra"
    tensors = write_bundle(store, Bundle({"q": 1}, {"t": np.arange(3, dtype=np.int32)}))
    assert str(tensors) == "bafkreifhvfeavbaebwaewhpbxqjkd65aqbtxbpmswq6pifjwmlmrhktksq"


def test_bundle__when_numbers_are_large_doubles__then_still_canonical(store):
    content = {"a": 1e20, "b": -2.240473186750043e16, "c": 2**53 - 1}
    assert read_bundle(store, write_bundle(store, Bundle(content))).content == content


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, b"x", object(), "\ud800"])
def test_bundle__when_content_is_not_json__then_refused_and_nothing_stored(store, value):
    with pytest.raises(InputError, match="canonical"):
        write_bundle(store, Bundle({"a": value}, TENSORS))
    assert store.cids() == []


def test_bundle__when_tensor_type_is_unknown__then_refused(store):
    with pytest.raises(InputError, match="tensor"):
        write_bundle(store, Bundle({}, {"a": np.array(["x"], dtype=object)}))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: json.dumps(m),
        lambda m: canonical_json({**m, "schema": "qmia/evidence/2"}),
        lambda m: canonical_json({**m, "content": []}),
        lambda m: canonical_json({**m, "tensors": "../../etc/passwd"}),
        lambda m: canonical_json({**m, "tensors": 5}),
        lambda m: canonical_json({"content": m["content"], "schema": m["schema"]}),
        lambda _: "[]",
        lambda _: "null",
        lambda _: b"\xff",
        lambda _: b"[" * 100_000,
    ],
)
def test_bundle__when_manifest_is_something_else__then_refused(store, change):
    manifest = json.loads(read(store, write_bundle(store, Bundle(CONTENT)), limit=10_000))
    data = change(manifest)
    cid = store.put(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(IntegrityError, match="not an evidence bundle"):
        read_bundle(store, cid)


def test_bundle__when_tensors_are_missing_or_damaged__then_said(store):
    cid = write_bundle(store, Bundle(CONTENT, TENSORS))
    tensors = bundle_parts(store, cid)[1]
    store.path(tensors).write_bytes(b"damage")
    with pytest.raises(IntegrityError):
        read_bundle(store, cid)
    store.path(tensors).unlink()
    with pytest.raises(MissingError):
        read_bundle(store, cid)
    manifest = json.loads(read(store, cid, limit=10_000))
    manifest["tensors"] = str(store.put(b"not safetensors"))
    with pytest.raises(IntegrityError, match="tensors"):
        read_bundle(store, store.put(canonical_json(manifest)))


def test_bundle__when_digest_is_taken__then_it_is_the_one_on_chain(store):
    cid = write_bundle(store, Bundle(CONTENT))
    assert bytes_cid(read(store, cid, limit=10_000)).digest == cid.digest
