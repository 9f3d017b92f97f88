"""A lake in memory: for tests and benchmarks; it is gone with its process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from recoup.lake.files import NewFile, spooled
from recoup.lake.layout import check_key, check_prefix
from recoup.model.errors import ConflictError, UnreachableError
from recoup.ports import ObjectInfo, Stored


class MemoryStore:
    """A dictionary that swaps under one lock; threads that open the same name share it."""

    durable_puts = True

    def __init__(self, name: str = "") -> None:
        self._name = name or uuid4().hex
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Stored, datetime]] = {}
        self._writes = 0
        _OPEN[self._name] = self

    @property
    def url(self) -> str:
        """`memory://` and its name."""
        return f"memory://{self._name}"

    @classmethod
    def opened(cls, name: str) -> MemoryStore:
        """The store of that name, made if need be; without a name one of its own."""
        return _OPEN.get(name) or cls(name)

    @classmethod
    def named(cls, name: str) -> MemoryStore:
        """The store of that name in this process; UnreachableError when there is none."""
        found = _OPEN.get(name)
        if found is None:
            message = f"memory://{name} does not exist in this process"
            raise UnreachableError(message, "a lake in memory cannot be shared: use a folder or a bucket")
        return found

    def get(self, key: str) -> Stored | None:
        """The bytes under a key and the number of the write that put them there."""
        with self._lock:
            held = self._held.get(check_key(key))
        return held[0] if held else None

    def put(self, key: str, data: bytes, *, sync: bool) -> None:  # noqa: ARG002 - memory has nothing to sync
        """Write whole."""
        with self._lock:
            self._set(key, data)

    def put_new(self, key: str, data: bytes, *, sync: bool) -> None:  # noqa: ARG002 - memory has nothing to sync
        """Write whole unless the key is taken."""
        self.swap(key, data, None)

    def put_all_new(self, items: Sequence[tuple[str, bytes]]) -> list[str]:
        """One after the other."""
        taken = []
        for key, data in items:
            try:
                self.put_new(key, data, sync=True)
            except ConflictError:
                taken.append(key)
        return taken

    def swap(self, key: str, data: bytes, expected: str | None) -> None:
        """Compare and replace under the lock."""
        with self._lock:
            held = self._held.get(check_key(key))
            if (held[0].version if held else None) != expected:
                message = f"{self.url}/{key} is not what was expected"
                raise ConflictError(message, "read it again, then decide again")
            self._set(key, data)

    def create(self, key: str, *, sync: bool) -> AbstractContextManager[NewFile]:
        """A temporary file that becomes the value at the end of the block."""
        check_key(key)
        return spooled(lambda path: self.put_new(key, path.read_bytes(), sync=sync))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All keys below a prefix, in order, as they were when the listing began."""
        top = check_prefix(prefix)
        with self._lock:
            held = [(key, *value) for key, value in self._held.items() if key.startswith(top)]
        for key, stored, written_at in sorted(held, key=lambda found: found[0]):
            yield ObjectInfo(key, len(stored.data), written_at)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys."""
        with self._lock:
            for key in keys:
                self._held.pop(check_key(key), None)

    def uri(self, key: str) -> str:
        """A name for messages; `scan` reads the bytes."""
        return f"{self.url}/{check_key(key)}"

    def storage_options(self) -> dict[str, str]:
        """None are needed."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Its name, which means something in this process only."""
        return {"kind": "memory", "name": self._name}

    def _set(self, key: str, data: bytes) -> None:
        self._writes += 1
        self._held[check_key(key)] = (Stored(bytes(data), str(self._writes)), datetime.now(UTC))  # noqa: TID251 - as a disk does


# The one thing that must be shared by all who open the same name; it keeps nothing alive.
_OPEN: WeakValueDictionary[str, MemoryStore] = WeakValueDictionary()
