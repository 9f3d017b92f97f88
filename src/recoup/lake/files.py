"""A data file while it is being written: hashed as it goes, whole or gone."""

# Paths are strings on the way of every write: a Path costs as much as the system call.
# ruff: noqa: PTH108

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from recoup.lake.disk import refusal, sync_file, write_all
from recoup.ports import ObjectStore


class NewFile:
    """What a table writer writes to: counts and hashes every byte on its way to the disk.

    It has no `fileno` on purpose: writers that find one go round `write`, and the digest would miss their bytes.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.path = path
        self.size_bytes = 0
        self.error: OSError | None = None
        self._fd = fd
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The sha256 of what was written, in hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Append; an OSError is kept, because a writer in another language reports it as something else."""
        self._hash.update(data)
        try:
            write_all(self._fd, data)
        except OSError as error:
            self.error = error
            raise
        self.size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self, *, sync: bool) -> None:
        """All is written; with `sync` its bytes are durable, its folder's entry not yet."""
        try:
            if sync:
                sync_file(self._fd, self.path)
        finally:
            self._close()

    def abandon(self) -> None:
        """Take it away again: nothing ever refers to half a file, and its room is wanted."""
        with suppress(OSError):
            os.unlink(self.path)
        with suppress(OSError):
            self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            os.close(fd)
        except OSError as error:
            self.error = error
            raise


class FileStore(ObjectStore, Protocol):
    """An object store that takes files too large for memory."""

    def create(self, key: str, *, sync: bool) -> AbstractContextManager[NewFile]:
        """A create-only file: it is there when the block ends, and gone when the block raises."""


@contextmanager
def written(file: NewFile, *, sync: bool) -> Iterator[NewFile]:
    """Close the file at the end of the block, or take it away; what the disk refused is said plainly."""
    try:
        yield file
        file.close(sync=sync)
    except BaseException as error:
        file.abandon()
        if file.error is not None:
            raise refusal(file.error, file.path) from error
        raise


@contextmanager
def spooled(upload: Callable[[Path], None]) -> Iterator[NewFile]:
    """For stores that are no folder: written to a temporary file, then uploaded whole."""
    fd, path = tempfile.mkstemp(prefix="recoup-", suffix=".parquet")
    try:
        with written(NewFile(fd, path), sync=False) as file:
            yield file
        upload(Path(path))
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)
