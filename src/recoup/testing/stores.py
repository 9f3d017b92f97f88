"""What every object store must do, and a store that fails in chosen ways.

Whoever adds a store subclasses `ObjectStoreContract` and gives it a fixture `store`, new and empty.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from recoup.lake.files import FileStore, NewFile
from recoup.lake.stores import from_description
from recoup.model.errors import CommitUnknownError, ConflictError, UsageError
from recoup.ports import ObjectInfo, Stored

KEYS = ("a/b.json", "a/dt=2013-01-01/x.json", "a/tenant=a%2Fb/x.json", "a/t=ü %/x.json", "a.txt", "ab/c")
OUTSIDE = ("", "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", "a\0b", "a\\..\\b", ".", "..")


class ObjectStoreContract:
    """Bytes under keys, whole, swapped by one writer at a time, and nothing outside the root."""

    writers = 6
    rounds = 10

    def test_get_of_nothing_is_none(self, store: FileStore) -> None:
        assert store.get("a/b/c.json") is None
        store.put("a/b", b"a file where a folder would be", sync=False)
        assert store.get("a/b/c.json") is None
        assert store.get("a") is None

    @pytest.mark.parametrize("sync", [False, True])
    def test_put_writes_and_overwrites_whole(self, store: FileStore, sync: bool) -> None:  # noqa: FBT001 - pytest passes it by name
        for data in (b"a long first text", b"short", b""):
            store.put("a/b/c.json", data, sync=sync)
            assert _data(store, "a/b/c.json") == data

    @pytest.mark.parametrize("sync", [False, True])
    def test_put_new_writes_once(self, store: FileStore, sync: bool) -> None:  # noqa: FBT001 - pytest passes it by name
        store.put_new("a/b/c.json", b"1", sync=sync)
        with pytest.raises(ConflictError):
            store.put_new("a/b/c.json", b"2", sync=sync)
        assert _data(store, "a/b/c.json") == b"1"

    def test_put_all_new_writes_each_once_and_tells_which_were_taken(self, store: FileStore) -> None:
        store.put("a/2/x", b"old", sync=False)
        assert store.put_all_new([(f"a/{n}/x", b"%d" % n) for n in range(4)]) == ["a/2/x"]
        assert [_data(store, f"a/{n}/x") for n in range(4)] == [b"0", b"1", b"old", b"3"]
        assert [info.key for info in store.list("a/")] == [f"a/{n}/x" for n in range(4)], "nothing is left beside them"
        assert store.put_all_new([]) == []

    def test_large_values_come_back(self, store: FileStore) -> None:
        data = bytes(range(256)) * 30_000
        store.put("a/large", data, sync=False)
        store.put_new("a/large too", data, sync=False)
        assert _data(store, "a/large") == _data(store, "a/large too") == data

    def test_a_version_changes_with_the_bytes(self, store: FileStore) -> None:
        store.put("a/b", b"1", sync=False)
        first = _version(store, "a/b")
        assert _version(store, "a/b") == first
        store.put("a/b", b"2", sync=False)
        assert _version(store, "a/b") != first

    def test_swap_asks_for_what_is_there(self, store: FileStore) -> None:
        with pytest.raises(ConflictError):
            store.swap("a/b", b"0", "some version")
        store.swap("a/b", b"1", None)
        first = _version(store, "a/b")
        with pytest.raises(ConflictError):
            store.swap("a/b", b"2", None)
        store.swap("a/b", b"3", first)
        with pytest.raises(ConflictError):
            store.swap("a/b", b"4", first)
        assert _data(store, "a/b") == b"3"

    def test_of_concurrent_swaps_exactly_one_wins(self, store: FileStore) -> None:
        for number in range(self.rounds):
            before = store.get("a/b")
            version = before.version if before else None
            # As pointers do, each text names its writer: a version may be nothing but a digest of the bytes.
            texts = [b"%d by %d" % (number, writer) for writer in range(self.writers)]
            won = self._race([partial(store.swap, "a/b", text, version) for text in texts])
            assert len(won) == 1
            assert _data(store, "a/b") == texts[won[0]]

    def test_of_concurrent_new_puts_exactly_one_wins(self, store: FileStore) -> None:
        for number in range(self.rounds):
            key = f"a/{number}"
            won = self._race([partial(store.put_new, key, b"%d" % n, sync=False) for n in range(self.writers)])
            assert len(won) == 1
            assert _data(store, key) == b"%d" % won[0]

    def test_nobody_sees_half_of_what_is_swapped(self, store: FileStore) -> None:
        texts = [bytes([letter]) * 50_000 for letter in b"abc"]
        store.put("a/b", texts[0], sync=False)
        seen: set[bytes] = set()
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                seen.add(_data(store, "a/b"))

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(12):
            store.swap("a/b", texts[number % 3], _version(store, "a/b"))
        done.set()
        reader.join()
        assert seen <= set(texts)

    def test_list_gives_keys_below_a_folder_in_order(self, store: FileStore) -> None:
        for key in KEYS:
            store.put(key, key.encode(), sync=False)
        assert [info.key for info in store.list("")] == sorted(KEYS)
        below = sorted(key for key in KEYS if key.startswith("a/"))
        assert [info.key for info in store.list("a/")] == below
        assert [info.key for info in store.list("a")] == below, "a prefix is a folder, not the start of a name"
        assert list(store.list("nowhere/")) == []
        assert all(_data(store, key) == key.encode() for key in KEYS)

    def test_a_listing_tells_size_and_time(self, store: FileStore) -> None:
        store.put("a/b", b"12345", sync=False)
        (info,) = store.list("a/")
        assert info.size_bytes == len(b"12345")
        assert abs(info.modified_at - datetime.now(UTC)) < timedelta(minutes=5)

    def test_delete_forgives_what_is_not_there(self, store: FileStore) -> None:
        store.put("a/b", b"1", sync=False)
        store.put("a/c", b"2", sync=False)
        store.delete(["a/b", "a/nothing", "nowhere/at all"])
        store.delete([])
        assert [info.key for info in store.list("")] == ["a/c"]
        store.put("a/b", b"again", sync=True)
        assert _data(store, "a/b") == b"again"

    @pytest.mark.parametrize("key", OUTSIDE)
    def test_no_key_leaves_the_root(self, store: FileStore, key: str) -> None:
        attempts: list[Callable[[], object]] = [
            lambda: store.get(key),
            lambda: store.put(key, b"", sync=False),
            lambda: store.put_new(key, b"", sync=False),
            lambda: store.swap(key, b"", None),
            lambda: store.delete([key]),
            lambda: store.uri(key),
            lambda: store.create(key, sync=False).__enter__(),
        ]
        for attempt in attempts:
            with pytest.raises(UsageError):
                attempt()
        assert list(store.list("")) == []

    def test_a_created_file_is_there_at_the_end_of_its_block(self, store: FileStore) -> None:
        with store.create("a/f.parquet", sync=True) as file:
            file.write(b"one ")
            file.write(b"two")
            assert Path(file.path).read_bytes() == b"one two", "it can be read back before it counts"
        assert _data(store, "a/f.parquet") == b"one two"
        assert (file.size_bytes, file.digest) == (7, hashlib.sha256(b"one two").hexdigest())

    def test_a_created_file_is_gone_when_its_block_raises(self, store: FileStore) -> None:
        with pytest.raises(ZeroDivisionError), store.create("a/f.parquet", sync=False) as file:
            file.write(b"%d" % (1 // file.size_bytes))
        assert list(store.list("")) == []
        assert not Path(file.path).exists()

    def test_a_created_file_overwrites_nothing(self, store: FileStore) -> None:
        store.put("a/f.parquet", b"first", sync=False)
        with pytest.raises(ConflictError), store.create("a/f.parquet", sync=False) as file:
            file.write(b"second")
        assert _data(store, "a/f.parquet") == b"first"

    def test_its_description_opens_it_again(self, store: FileStore) -> None:
        store.put("a/b", b"1", sync=False)
        again = from_description(store.describe())
        assert again.url == store.url
        assert _data(again, "a/b") == b"1"

    def _race(self, writes: Sequence[Callable[[], None]]) -> list[int]:
        """Which of the writes, all made at once, were not refused."""
        won: list[int] = []
        barrier = threading.Barrier(len(writes))

        def enter(number: int) -> None:
            barrier.wait()
            with suppress(ConflictError):
                writes[number]()
                won.append(number)

        threads = [threading.Thread(target=enter, args=(number,)) for number in range(len(writes))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return won


class Fault(Enum):
    """What goes wrong with one swap."""

    CONFLICT = "refused, as if somebody had been faster; `meanwhile` is that somebody"
    CONFLICT_AFTER_SUCCESS = "written, then refused: the client sent it twice"
    UNKNOWN_AFTER_SUCCESS = "written, but the answer was lost"
    UNKNOWN_WITHOUT_SUCCESS = "lost on its way"


class FaultyStore:
    """A store whose next swaps fail as told, one fault each; everything else is the inner store's."""

    def __init__(self, inner: FileStore, *faults: Fault, meanwhile: Callable[[], object] | None = None) -> None:
        self.inner = inner
        self.faults = list(faults)
        self.meanwhile = meanwhile
        self.swaps = 0

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def durable_puts(self) -> bool:
        return self.inner.durable_puts

    def get(self, key: str) -> Stored | None:
        return self.inner.get(key)

    def put(self, key: str, data: bytes, *, sync: bool) -> None:
        self.inner.put(key, data, sync=sync)

    def put_new(self, key: str, data: bytes, *, sync: bool) -> None:
        self.inner.put_new(key, data, sync=sync)

    def put_all_new(self, items: Sequence[tuple[str, bytes]]) -> list[str]:
        return self.inner.put_all_new(items)

    def swap(self, key: str, data: bytes, expected: str | None) -> None:
        self.swaps += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.CONFLICT and self.meanwhile is not None:
            self.meanwhile()
        if fault not in {Fault.CONFLICT, Fault.UNKNOWN_WITHOUT_SUCCESS}:
            self.inner.swap(key, data, expected)
        if fault in {Fault.CONFLICT, Fault.CONFLICT_AFTER_SUCCESS}:
            raise ConflictError(f"{key}: 412")
        if fault is not None:
            raise CommitUnknownError(f"{key}: the connection was reset")

    def create(self, key: str, *, sync: bool) -> AbstractContextManager[NewFile]:
        return self.inner.create(key, sync=sync)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self.inner.list(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        self.inner.delete(keys)

    def uri(self, key: str) -> str:
        return self.inner.uri(key)

    def storage_options(self) -> dict[str, str]:
        return self.inner.storage_options()

    def describe(self) -> dict[str, Any]:
        return self.inner.describe()


def _data(store: FileStore, key: str) -> bytes:
    stored = store.get(key)
    assert stored is not None, f"nothing under {key}"
    return stored.data


def _version(store: FileStore, key: str) -> str:
    stored = store.get(key)
    assert stored is not None, f"nothing under {key}"
    return stored.version
