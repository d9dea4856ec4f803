"""What every store of objects keeps to: the one in memory, and S3's on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from msgspec import Struct

from sofetch.ports import ObjectStore, ObjectStream
from sofetch.record import ObjectRef, Reason
from sofetch.testing import MemoryObjectStore
from wrapping import unwrap_settings


class StoreBench(Struct):
    """A store, a bucket in it, and the means to put and remove objects from outside; ``put`` gives the version's id."""

    store: ObjectStore
    bucket: str
    put: Callable[[str, bytes], str]
    remove: Callable[[str], None]

    def ref(self, key: str, version_id: str | None = None) -> ObjectRef:
        return ObjectRef(self.bucket, key, version_id)


@pytest.fixture
def _server_store(request: pytest.FixtureRequest) -> Iterator[StoreBench]:
    from sofetch.source.s3 import S3Store

    client: Any = request.getfixturevalue("s3_client")
    bucket: str = request.getfixturevalue("bucket")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def put(key: str, body: bytes) -> str:
        return str(client.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])

    def remove(key: str) -> None:
        client.delete_object(Bucket=bucket, Key=key)

    endpoint: str = request.getfixturevalue("s3_endpoint")
    with closing(S3Store(unwrap_settings("s3_pointer", s3_endpoint=endpoint))) as store:
        yield StoreBench(store, bucket, put, remove)


@pytest.fixture(params=["memory", pytest.param("s3-on-server", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest) -> StoreBench:
    """Each store that keeps the contract."""
    if request.param == "memory":
        memory = MemoryObjectStore()
        return StoreBench(
            memory, "b", lambda key, body: memory.put("b", key, body), lambda key: memory.remove("b", key)
        )
    found: StoreBench = request.getfixturevalue("_server_store")
    return found


def opened(bench: StoreBench, ref: ObjectRef, *, max_bytes: int = 1_000_000) -> ObjectStream:
    stream = bench.store.open(ref, max_bytes=max_bytes)
    assert not isinstance(stream, Reason)
    return stream


KEYS = ["a", "a/b c+d.jsonl", "ü%2B&=?#", "a//b", "~!$'()*,;:@"]


@pytest.mark.parametrize("key", KEYS)
def test_object_is_read_by_its_name_as_it_is(bench: StoreBench, key: str) -> None:
    bench.put(key, b"body of " + key.encode())
    assert bench.store.fetch([bench.ref(key)], max_bytes=1_000) == [b"body of " + key.encode()]


def test_many_objects_are_fetched_in_order_and_one_that_is_missing_or_too_large_spares_the_others(
    bench: StoreBench,
) -> None:
    for number in range(12):
        bench.put(f"k{number}", b"x" * number)
    refs = [bench.ref(f"k{number}") for number in range(12)]
    assert bench.store.fetch([*refs[:10], bench.ref("none"), *refs[10:]], max_bytes=10) == [
        *(b"x" * number for number in range(10)),
        Reason.OBJECT_MISSING,
        b"x" * 10,
        Reason.OBJECT_TOO_LARGE,
    ]
    assert bench.store.fetch([], max_bytes=10) == []


def test_stream_gives_the_whole_object_in_pieces(bench: StoreBench) -> None:
    body = bytes(range(256)) * 1_000
    bench.put("large", body)
    with closing(opened(bench, bench.ref("large"))) as stream:
        pieces = list(stream)
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= 65_536
    assert stream.modified_ms > 0


def test_stream_that_is_missing_or_too_large_is_a_reason(bench: StoreBench) -> None:
    bench.put("k", b"12345")
    assert bench.store.open(bench.ref("none"), max_bytes=10) is Reason.OBJECT_MISSING
    assert bench.store.open(bench.ref("k"), max_bytes=4) is Reason.OBJECT_TOO_LARGE
    opened(bench, bench.ref("k"), max_bytes=5).close()


def test_stream_may_be_closed_before_its_end_and_twice(bench: StoreBench) -> None:
    bench.put("large", bytes(500_000))
    for _ in range(20):
        stream = opened(bench, bench.ref("large"))
        next(iter(stream))
        stream.close()
        stream.close()


def test_same_content_has_one_version_and_another_content_another(bench: StoreBench) -> None:
    first = bench.put("k", b"one")
    with closing(opened(bench, bench.ref("k"))) as before, closing(opened(bench, bench.ref("k"))) as again:
        assert (before.version, before.modified_ms) == (again.version, again.modified_ms)
    bench.put("k", b"two")
    with closing(opened(bench, bench.ref("k"))) as after, closing(opened(bench, bench.ref("k", first))) as old:
        assert after.version != before.version
        assert (old.version, b"".join(old)) == (before.version, b"one")


def test_object_that_was_removed_and_a_version_that_never_was_are_missing(bench: StoreBench) -> None:
    bench.put("k", b"one")
    assert bench.store.open(bench.ref("k", "no-such-version"), max_bytes=10) is Reason.OBJECT_MISSING
    bench.remove("k")
    assert bench.store.open(bench.ref("k"), max_bytes=10) is Reason.OBJECT_MISSING


def test_empty_object_is_empty(bench: StoreBench) -> None:
    bench.put("k", b"")
    assert bench.store.fetch([bench.ref("k")], max_bytes=10) == [b""]
    with closing(opened(bench, bench.ref("k"))) as stream:
        assert b"".join(stream) == b""
