"""A lake in a bucket: conditional puts, and a look at what is there whenever an answer leaves doubt."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store as Client

from recoup.lake.files import NewFile, spooled
from recoup.lake.layout import check_key, check_prefix
from recoup.lake.s3_settings import S3Settings
from recoup.model.errors import CommitUnknownError, ConflictError, UnreachableError
from recoup.ports import ObjectInfo, Stored

if TYPE_CHECKING:
    from obstore import PutMode

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
RETRIES = 4
REQUESTS = 16
_WHOLE_BYTES = 64 << 20  # up to here one request, which can be create-only; above, parts
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
# What the client raises; "not found" comes as Python's own error.
_ERRORS = (BaseError, OSError)
_FAILED_CONDITION = (AlreadyExistsError, PreconditionError)


class S3Store:
    """A bucket, or a prefix in one. The version of a key is its ETag; every put is durable when it returns."""

    durable_puts = True

    def __init__(
        self, url: str, environment: Mapping[str, str] | None = None, *, request_seconds: float = REQUEST_SECONDS
    ) -> None:
        self._settings = S3Settings.of(url, os.environ if environment is None else environment)
        self._client = Client(
            self._settings.bucket,
            **{_CLIENT_NAMES.get(name, name): value for name, value in self._settings.options.items()},  # type: ignore[arg-type]
            client_options={
                "allow_http": self._settings.allow_http,
                "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, request_seconds)),
                "timeout": timedelta(seconds=request_seconds),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=2 * request_seconds)},
        )

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self._settings.bucket}/{self._settings.prefix}".removesuffix("/")

    def get(self, key: str) -> Stored | None:
        """The bytes under a key and their ETag."""
        try:
            found = obstore.get(self._client, self._name(key))
            return Stored(bytes(found.bytes()), found.meta["e_tag"] or "")
        except _ERRORS as error:
            if isinstance(error, FileNotFoundError) and _code(error) != "NoSuchBucket":
                return None
            raise self._unreachable("read", key, error) from error

    def put(self, key: str, data: bytes, *, sync: bool) -> None:  # noqa: ARG002 - a bucket is always durable
        """Write whole; doing it twice does no harm, so doubt is settled by whoever asks again."""
        try:
            obstore.put(self._client, self._name(key), data)
        except _ERRORS as error:
            raise self._unreachable("write", key, error) from error

    def put_new(self, key: str, data: bytes, *, sync: bool) -> None:  # noqa: ARG002 - a bucket is always durable
        """Write whole unless the key is taken."""
        self._put_if(key, data, None)

    def put_all_new(self, items: Sequence[tuple[str, bytes]]) -> list[str]:
        """Many requests on their way at once."""
        with ThreadPoolExecutor(REQUESTS) as threads:
            made = threads.map(lambda item: self._made(*item), items)
            return [key for (key, _), is_new in zip(items, made, strict=True) if not is_new]

    def _made(self, key: str, data: bytes) -> bool:
        try:
            self._put_if(key, data, None)
        except ConflictError:
            return False
        return True

    def swap(self, key: str, data: bytes, expected: str | None) -> None:
        """Compare and replace on the server."""
        self._put_if(key, data, expected)

    def create(self, key: str, *, sync: bool) -> AbstractContextManager[NewFile]:  # noqa: ARG002 - always durable
        """A temporary file that is uploaded at the end of the block."""
        check_key(key)
        return spooled(lambda path: self._upload(key, path))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All keys below a prefix, in order."""
        own = len(self._settings.prefix)
        top = self._settings.prefix + check_prefix(prefix)
        try:
            for chunk in obstore.list(self._client, top or None):
                for found in chunk:
                    yield ObjectInfo(found["path"][own:], found["size"], found["last_modified"])
        except _ERRORS as error:
            raise self._unreachable("list", prefix, error) from error

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys, many in one request."""
        try:
            if keys:
                obstore.delete(self._client, [self._name(key) for key in keys])
        except _ERRORS as error:
            raise self._unreachable("delete", keys[0], error) from error

    def uri(self, key: str) -> str:
        """What polars opens, as it is: it does not decode a `%`."""
        return f"s3://{self._settings.bucket}/{self._name(key)}"

    def storage_options(self) -> dict[str, str]:
        """What polars needs; holds secrets."""
        options = {f"aws_{name}": value for name, value in self._settings.options.items()}
        return options | ({"aws_allow_http": "true"} if self._settings.allow_http else {})

    def describe(self) -> dict[str, Any]:
        """The URL: keys come from the environment of whoever opens it."""
        return {"kind": "s3", "url": self.url}

    def _name(self, key: str) -> str:
        return self._settings.prefix + check_key(key)

    def _put_if(self, key: str, data: bytes, expected: str | None) -> None:
        mode: PutMode = "create" if expected is None else {"e_tag": expected}
        try:
            obstore.put(self._client, self._name(key), data, mode=mode, use_multipart=False)
        except _ERRORS as error:
            self._settle(key, data, expected, error)

    def _settle(self, key: str, data: bytes, expected: str | None, error: Exception) -> None:
        """After anything but a plain yes: what is there decides.

        A put that the client sent again can fail on its own first success; and a put that got no answer may
        still arrive, as long as what it expects is there.
        """
        if _refused(error):
            raise self._unreachable("write", key, error) from error
        try:
            there = self.get(key)
        except UnreachableError as again:
            message = f"{self.url}/{key} may or may not have been written: {again.message}"
            raise CommitUnknownError(message, again.remedy) from error
        if there is not None and there.data == data:
            return
        if isinstance(error, _FAILED_CONDITION) or (there.version if there else None) != expected:
            message = f"{self.url}/{key} is not what was expected"
            raise ConflictError(message, "read it again, then decide again") from error
        message = f"{self.url}/{key} is not there yet, but its write got no answer ({_reason(error)})"
        raise CommitUnknownError(message, "read it again before anything else") from error

    def _upload(self, key: str, path: Path) -> None:
        size = path.stat().st_size
        if size <= _WHOLE_BYTES:
            self._put_if(key, path.read_bytes(), None)
            return
        try:
            # Parts cannot be create-only; the name holds a nonce, so nobody else writes it.
            obstore.put(self._client, self._name(key), path, use_multipart=True)
        except _ERRORS as error:
            raise self._unreachable("write", key, error) from error

    def _unreachable(self, verb: str, key: str, error: Exception) -> UnreachableError:
        reason = _reason(error)
        if _code(error) == "NoSuchBucket":
            message = f"the bucket {self._settings.bucket} does not exist"
            return UnreachableError(message, "create it, or correct the lake's URL")
        if _refused(error):
            message = f"may not {verb} {self.url}/{key}: {reason}"
            return UnreachableError(message, _RIGHTS)
        endpoint = self._settings.options.get("endpoint_url", "AWS")
        message = f"could not {verb} {self.url}/{key}: {endpoint} {reason}"
        return UnreachableError(message, "check network and AWS_ENDPOINT_URL, then run the same command again")


_RIGHTS = (
    "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and grant s3:GetObject, s3:PutObject, s3:DeleteObject "
    "and s3:ListBucket (without it, S3 answers 403 for a key that is not there)"
)
_REFUSALS = {"NoSuchBucket", "InvalidBucketName", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed"}
_CLIENT_NAMES = {"endpoint_url": "endpoint"}


def _code(error: Exception) -> str:
    """The code of S3's answer, such as `NoSuchBucket`."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _refused(error: Exception) -> bool:
    """Whether the server said no, and will say it again: nothing was written."""
    found = _STATUS.search(str(error))
    return (found is not None and found[1] in {"401", "403"}) or _code(error) in _REFUSALS


def _reason(error: Exception) -> str:
    """The code or the kind of trouble; never the whole text, which quotes the request."""
    text = str(error)
    found = _STATUS.search(text)
    if found:
        return f"answered {found[1]} {_code(error)}".rstrip()
    for sign, meaning in _SIGNS:
        if sign in text.lower():
            return meaning
    return "did not answer"


_SIGNS = (
    ("connection refused", "refused the connection"),
    ("dns error", "is not known: its name was not found"),
    ("certificate", "has a certificate that is not trusted"),
    ("timed out", "did not answer in time"),
    ("timeout", "did not answer in time"),
    ("metadata", "gave no credentials: AWS_ACCESS_KEY_ID is not set and this machine has no role"),
)
