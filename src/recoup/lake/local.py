"""A lake in a local folder: whole files, compare and swap, and fsync where it was asked for."""

# Paths are strings on the way of every write: a Path costs as much as the system call.
# ruff: noqa: PTH104, PTH106, PTH108

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from recoup.lake.disk import refusal, sync_disk, sync_file, write_all
from recoup.lake.files import NewFile, written
from recoup.lake.folders import Folders
from recoup.lake.layout import LOCKS, check_key, check_prefix
from recoup.lake.locks import FolderLocks
from recoup.lake.root import opened_root
from recoup.model.errors import ConflictError, UnreachableError
from recoup.ports import ObjectInfo, Stored

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_TRIES = 3


class LocalStore:
    """A folder. The version of a key is the sha256 of its bytes.

    Nothing below the root may be a symbolic link; the root itself may. An unsynced `put` of a key that is not there
    yet is written in place: a name beside it and a rename would cost half as much again, and what is put unsynced
    (manifests) carries its own digest, so a torn file is found, and written again from the ledger.
    """

    durable_puts = False

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        self._root = opened_root(Path(root), read_only=read_only)
        self._folders = Folders(self._root)
        self._locks = FolderLocks(f"{self._root}/{LOCKS}")

    @property
    def url(self) -> str:
        """The folder, absolute."""
        return self._root

    def get(self, key: str) -> Stored | None:
        """The bytes under a key and their digest."""
        path = self._path(key)
        try:
            self._folders.check(path.rpartition("/")[0])
            data = _read(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise refusal(error, path) from error
        return Stored(data, sha256(data).hexdigest())

    def put(self, key: str, data: bytes, *, sync: bool) -> None:
        """Write whole; see the class for the one exception."""
        path = self._path(key)
        try:
            if sync:
                self._replace(path, data, sync=True)
                return
            try:
                fd = self._open_new(path)
            except FileExistsError:
                self._replace(path, data, sync=False)
            else:
                _fill(fd, path, data, sync=False)
        except OSError as error:
            raise refusal(error, path) from error

    def put_new(self, key: str, data: bytes, *, sync: bool) -> None:
        """Write beside, then link: a link refuses where a rename would overwrite."""
        path = self._path(key)
        try:
            beside = self._write_beside(path, data, sync=sync)
            try:
                os.link(beside, path)
            finally:
                os.unlink(beside)
            if sync:
                self._folders.sync(path.rpartition("/")[0])
        except FileExistsError as error:
            raise _taken(path) from error
        except OSError as error:
            raise refusal(error, path) from error

    def put_all_new(self, items: Sequence[tuple[str, bytes]]) -> list[str]:
        """All bytes beside their places, one sync, then all links, one sync: two syncs for however many."""
        paths = [(key, self._path(key), data) for key, data in items]
        waiting: list[tuple[str, str, str]] = []
        try:
            try:
                for key, path, data in paths:
                    waiting.append((key, path, self._write_beside(path, data, sync=False)))
                sync_disk(self._root)
                taken = [key for key, path, beside in waiting if not self._linked(beside, path)]
            finally:
                for _, _, beside in waiting:
                    os.unlink(beside)
            sync_disk(self._root)
        except OSError as error:
            raise refusal(error, self._root) from error
        return taken

    def _linked(self, beside: str, path: str) -> bool:
        """Under the folder's lock, for somebody may be swapping what we would make."""
        with self._locks.held(path.rpartition("/")[0]):
            try:
                os.link(beside, path)
            except FileExistsError:
                return False
        return True

    def swap(self, key: str, data: bytes, expected: str | None) -> None:
        """Compare and replace under the folder's lock; durable when it returns."""
        path = self._path(key)
        try:
            with self._locks.held(path.rpartition("/")[0]):
                current = self.get(key)
                if (current.version if current else None) != expected:
                    message = f"{path} is not what it was when it was read"
                    raise ConflictError(message, "read it again, then decide again")
                # Trusted: what a pointer refers to was staged with sync, folders included, before anybody swaps.
                self._replace(path, data, sync=True, trusted=True)
        except OSError as error:
            raise refusal(error, path) from error

    @contextmanager
    def create(self, key: str, *, sync: bool) -> Iterator[NewFile]:
        """A new file, written in place: nothing refers to it before its manifest lists it."""
        path = self._path(key)
        try:
            fd = self._open_new(path)
        except FileExistsError as error:
            raise _taken(path) from error
        except OSError as error:
            raise refusal(error, path) from error
        with written(NewFile(fd, path), sync=sync) as file:
            yield file
        if sync:
            self._sync_folder_of(path)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All files below a folder, in the order of their keys; links and lock files are not shown."""
        top = check_prefix(prefix)
        folder = f"{self._root}/{top}".removesuffix("/")
        try:
            self._folders.check(folder)
            yield from self._walk(folder, top)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise refusal(error, folder) from error

    def delete(self, keys: Sequence[str]) -> None:
        """Remove files, and their folders once these are empty."""
        folders = set()
        for key in keys:
            path = self._path(key)
            try:
                self._folders.check(path.rpartition("/")[0])
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise refusal(error, path) from error
            folders.add(path.rpartition("/")[0])
        for folder in folders - {self._root}:
            with suppress(OSError):
                os.rmdir(folder)
        self._folders.forget()

    def uri(self, key: str) -> str:
        """The absolute path."""
        return self._path(key)

    def storage_options(self) -> dict[str, str]:
        """None are needed."""
        return {}

    def describe(self) -> dict[str, Any]:
        """What `stores.from_description` opens again."""
        return {"kind": "local", "root": self._root}

    def _sync_folder_of(self, path: str) -> None:
        try:
            self._folders.sync(path.rpartition("/")[0])
        except OSError as error:
            raise refusal(error, path) from error

    def _path(self, key: str) -> str:
        return f"{self._root}/{check_key(key)}"

    def _open_new(self, path: str) -> int:
        folder = path.rpartition("/")[0]
        for _ in range(_TRIES):
            try:
                self._folders.make(folder)
                return os.open(path, _NEW, 0o666)
            except FileNotFoundError:
                # A folder that we knew is gone: `delete` took it when it was empty.
                self._folders.forget()
        message = f"{folder} cannot be made: it vanishes again, or the lake is gone"
        raise UnreachableError(message, f"check that {self._root} is mounted")

    def _write_beside(self, path: str, data: bytes, *, sync: bool) -> str:
        folder, _, name = path.rpartition("/")
        beside = f"{folder}/.{name}.{os.urandom(8).hex()}.tmp"
        _fill(self._open_new(beside), beside, data, sync=sync)
        return beside

    def _replace(self, path: str, data: bytes, *, sync: bool, trusted: bool = False) -> None:
        beside = self._write_beside(path, data, sync=sync)
        try:
            os.rename(beside, path)
        except OSError:
            os.unlink(beside)
            raise
        if sync:
            self._folders.sync(path.rpartition("/")[0], trusted=trusted)

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        with os.scandir(folder) as found:
            # A folder sorts as its keys do: with the `/` that follows its name.
            entries = sorted((e.name + "/" if e.is_dir(follow_symlinks=False) else e.name, e) for e in found)
        for name, entry in entries:
            with suppress(FileNotFoundError):  # taken away while we were listing
                if not name.endswith("/"):
                    if entry.is_file(follow_symlinks=False):
                        yield _info(prefix + name, entry)
                elif prefix + name != f"{LOCKS}/":
                    yield from self._walk(entry.path, prefix + name)


def _taken(path: str) -> ConflictError:
    return ConflictError(f"{path} exists already", "choose another name; nothing was overwritten")


def _info(key: str, entry: os.DirEntry[str]) -> ObjectInfo:
    found = entry.stat(follow_symlinks=False)
    return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _fill(fd: int, path: str, data: bytes, *, sync: bool) -> None:
    """Write and close; half a file is taken away again."""
    try:
        try:
            write_all(fd, data)
            if sync:
                sync_file(fd, path)
        finally:
            os.close(fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise


def _read(path: str) -> bytes:
    fd = os.open(path, _READ)
    try:
        parts = []
        while part := os.read(fd, os.fstat(fd).st_size + 1):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)
