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


class TestS3StoreWithoutPrefix(ObjectStoreContract):
    rounds = 1

    @pytest.fixture
    def store(self, s3_bucket: str) -> FileStore:
        from recoup.lake.s3 import S3Store

        return S3Store(f"s3://{s3_bucket}")
