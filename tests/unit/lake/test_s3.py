"""A bucket that refuses, hangs, fails or answers twice: one clear sentence each, and never a doubt left open."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recoup.lake.s3 import RETRIES, S3Store
from recoup.lake.s3_settings import S3Settings
from recoup.model.errors import CommitUnknownError, ConfigError, ConflictError, RecoupError, UnreachableError

SECRET = "wJalrXUtnFEMI"


class Bucket:
    """A bucket with one object, on loopback; `script` says what each PUT does, the last one for good."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.etag = ""
        self.script: list[str] = ["put"]
        self.reads = "get"
        self.requests: list[str] = []
        self.url = ""

    def put(self, data: bytes, condition: str) -> tuple[int, str]:
        if condition == "new" and self.data is not None:
            return 412, "PreconditionFailed"
        if condition not in {"", "new", self.etag}:
            return 412, "PreconditionFailed"
        self.data, self.etag = data, f'"{len(self.requests)}"'
        return 200, ""


class Handler(BaseHTTPRequestHandler):
    bucket: Bucket

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.bucket.requests.append("PUT")
        condition = "new" if self.headers["If-None-Match"] else (self.headers["If-Match"] or "")
        script = self.bucket.script
        step = script.pop(0) if len(script) > 1 else script[0]
        if step == "hang":
            time.sleep(2)
            return
        status, code = self.bucket.put(data, condition) if step.startswith("put") else (int(step), "SomethingElse")
        if step == "put, then reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
            self.close_connection = True
            return
        if step == "put, then 503":
            status, code = 503, "SlowDown"
        if step == "put by a rival, then 503":
            self.bucket.put(b"the rival's", self.bucket.etag)
            status, code = 503, "SlowDown"
        self.answer(status, code)

    def do_GET(self):
        self.bucket.requests.append("GET")
        if self.bucket.reads != "get":
            self.answer(int(self.bucket.reads), "AccessDenied")
        elif self.bucket.data is None:
            self.answer(404, "NoSuchKey")
        else:
            self.answer(200, "", self.bucket.data)

    def answer(self, status, code, data=b""):
        body = data if status == 200 else f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.bucket.etag)
        self.send_header("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    served = Bucket()
    handler = type("BucketHandler", (Handler,), {"bucket": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def open_bucket(endpoint: str, seconds: float = 1.0) -> S3Store:
    return S3Store("s3://some-bucket/lake", environment(endpoint), request_seconds=seconds)


def environment(endpoint: str, **more: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": "",
        **more,
    }


WRITES: dict[str, Callable[[S3Store], None]] = {
    "put_new": lambda store: store.put_new("a/b", b"ours", sync=True),
    "swap": lambda store: store.swap("a/b", b"ours", None),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("script", [["put, then 503", "put"], ["put, then reset"], ["put, then 503"]])
def test_a_write_whose_answer_was_lost_is_recognised_as_our_own(bucket, write, script):
    """The client may send it again and be refused by its own first success: what is there decides."""
    bucket.script = list(script)
    WRITES[write](open_bucket(bucket.url))
    assert bucket.data == b"ours"
    assert bucket.requests[-1] == "GET", "read back"


@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_a_rival_overtook_is_a_conflict(bucket, write):
    bucket.script = ["put by a rival, then 503", "put"]
    with pytest.raises(ConflictError):
        WRITES[write](open_bucket(bucket.url))
    assert bucket.data == b"the rival's"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("script", [["500"], ["hang"]])
def test_a_write_without_an_answer_is_unknown_as_long_as_it_may_still_arrive(bucket, write, script):
    bucket.script = list(script)
    with pytest.raises(CommitUnknownError, match="got no answer"):
        WRITES[write](open_bucket(bucket.url, 0.3))
    assert 1 <= bucket.requests.count("PUT") <= 1 + RETRIES


def test_a_write_without_an_answer_that_can_no_longer_arrive_is_a_conflict(bucket):
    store = open_bucket(bucket.url)
    store.put("a/b", b"1", sync=True)
    before = store.get("a/b")
    assert before is not None
    store.put("a/b", b"2", sync=True)
    bucket.script = ["500"]
    with pytest.raises(ConflictError):
        store.swap("a/b", b"ours", before.version)


def test_a_write_that_cannot_be_read_back_is_unknown(bucket):
    bucket.script, bucket.reads = ["500"], "403"
    with pytest.raises(CommitUnknownError, match="may or may not"):
        open_bucket(bucket.url).put_new("a/b", b"ours", sync=True)


OPERATIONS: dict[str, Callable[[S3Store], object]] = {
    "get": lambda store: store.get("a/b"),
    "put": lambda store: store.put("a/b", b"1", sync=True),
    "put_new": lambda store: store.put_new("a/b", b"1", sync=True),
    "swap": lambda store: store.swap("a/b", b"1", None),
    "list": lambda store: list(store.list("a/")),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_refusal_says_what_to_grant_and_shows_no_secret(bucket, operation):
    bucket.script, bucket.reads = ["403"], "403"
    with pytest.raises(UnreachableError, match=r"may not .*403") as caught:
        OPERATIONS[operation](open_bucket(bucket.url))
    assert not isinstance(caught.value, CommitUnknownError), "the server said no: nothing was written"
    assert "s3:ListBucket" in caught.value.remedy
    assert SECRET not in caught.value.message + caught.value.remedy
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_endpoint_that_is_not_there_is_named(operation):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UnreachableError, match="refused the connection") as caught:
        OPERATIONS[operation](open_bucket(endpoint, 0.3))
    assert endpoint in caught.value.message


# --- settings ----------------------------------------------------------------------------------------------------


def test_keys_come_from_the_environment_and_empty_ones_are_dropped():
    settings = S3Settings.of("s3://some-bucket/a/b/", environment("http://127.0.0.1:9000", AWS_REGION="eu-central-1"))
    assert (settings.bucket, settings.prefix, settings.allow_http) == ("some-bucket", "a/b/", True)
    assert settings.options == {
        "region": "eu-central-1",
        "endpoint_url": "http://127.0.0.1:9000",
        "access_key_id": "AKIA",
        "secret_access_key": SECRET,
    }
    assert SECRET not in repr(settings)


def test_polars_is_told_the_same():
    store = S3Store("s3://some-bucket", environment("http://localhost:9000", AWS_SESSION_TOKEN="t"))
    assert store.storage_options() == {
        "aws_region": "us-east-1",
        "aws_endpoint_url": "http://localhost:9000",
        "aws_access_key_id": "AKIA",
        "aws_secret_access_key": SECRET,
        "aws_session_token": "t",
        "aws_allow_http": "true",
    }
    assert store.uri("a/t=x%2Fy") == "s3://some-bucket/a/t=x%2Fy"
    assert store.describe() == {"kind": "s3", "url": "s3://some-bucket"}


def test_plain_http_is_for_this_machine_only():
    with pytest.raises(ConfigError, match="not encrypted") as caught:
        S3Settings.of("s3://some-bucket", environment("http://minio.example:9000"))
    assert "AWS_ALLOW_HTTP" in caught.value.remedy
    asked = environment("http://minio.example:9000", AWS_ALLOW_HTTP="true")
    assert S3Settings.of("s3://some-bucket", asked).allow_http
    assert not S3Settings.of("s3://some-bucket", environment("https://minio.example")).allow_http


@pytest.mark.parametrize("url", ["s3://", "s3://UPPER/x", "s3://b", "s3://bucket/../x", "s3://bucket/a//b", "s3:///x",
                                 "s3://user:pw@bucket/x", "s3://bucket/x?y=1", "gs://bucket"])  # fmt: skip
def test_what_is_no_bucket_is_a_usage_error(url):
    with pytest.raises(ConfigError) as caught:
        S3Settings.of(url, {})
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, RecoupError)
