"""The stores that come with recoup keep the contract."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from recoup.lake.files import FileStore
from recoup.lake.local import LocalStore
from recoup.lake.memory import MemoryStore
from recoup.model.errors import UnreachableError
from recoup.model.manifest import DataFile
from recoup.testing.stores import ObjectStoreContract


class TestLocalStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileStore:
        return LocalStore(tmp_path / "lake")


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> FileStore:
        return MemoryStore()


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server of this process's own, on a free port of the loopback interface."""
    pytest.importorskip("moto.server")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    boto3 = pytest.importorskip("boto3")
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "a secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return bucket


class TestS3Store(ObjectStoreContract):
    rounds = 4

    @pytest.fixture
    def store(self, s3_bucket: str) -> FileStore:
        from recoup.lake.s3 import S3Store

        return S3Store(f"s3://{s3_bucket}/some/prefix")

    def test_tables_are_staged_and_read_where_keys_need_encoding(self, store: FileStore) -> None:
        import polars as pl

        from recoup.lake.scan import scan
        from recoup.lake.staging import stage

        files: list[DataFile] = []
        for tenant in ("a/b c", "ü %+#?"):
            frame = pl.DataFrame({"n": [1, 2]}).lazy()
            names = {"dataset": "clean", "key": "tenant", "partition": tenant, "run_id": "r", "nonce": "n"}
            files += stage(store, [frame, frame], **names, attempt=1, sync=True).files
        found = scan(store, files, key="tenant").collect()
        assert found["tenant"].unique(maintain_order=True).to_list() == ["a/b c", "ü %+#?"]
        assert (found.height, found["n"].sum()) == (8, 12)

    def test_files_too_large_for_one_request_go_in_parts(
        self, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from recoup.lake import s3

        monkeypatch.setattr(s3, "_WHOLE_BYTES", 1_000)
        with store.create("a/large", sync=True) as file:
            file.write(b"x" * 12_000_000)
        stored = store.get("a/large")
        assert stored is not None
        assert len(stored.data) == 12_000_000

    def test_a_bucket_that_is_not_there_is_named(self, s3_bucket: str) -> None:
        from recoup.lake.s3 import S3Store

        store = S3Store(f"s3://{s3_bucket}-not")
        for attempt in (
            lambda: store.get("a"),
            lambda: store.put("a", b"", sync=True),
            lambda: store.put_new("a", b"", sync=True),
            lambda: store.swap("a", b"", "version"),
            lambda: list(store.list("")),
            lambda: store.delete(["a"]),
        ):
            with pytest.raises(UnreachableError, match=f"the bucket {s3_bucket}-not does not exist"):
                attempt()


class TestS3StoreWithoutPrefix(ObjectStoreContract):
    rounds = 1

    @pytest.fixture
    def store(self, s3_bucket: str) -> FileStore:
        from recoup.lake.s3 import S3Store

        return S3Store(f"s3://{s3_bucket}")
