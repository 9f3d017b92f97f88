"""Moves pointers beside the engine's loop: threads that wait for the disk or the network, and report back."""

from __future__ import annotations

import os
import queue
import select
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from recoup.lake import layout
from recoup.lake.disk import FsyncFailedError
from recoup.lake.manifests import write_manifest
from recoup.lake.pointers import PublishIntent, Superseded, publish, read_pointer
from recoup.model.errors import (
    CommitUnknownError,
    ConflictError,
    CorruptError,
    DiskFullError,
    FencedError,
    RecoupError,
)
from recoup.model.manifest import Manifest, Pointer
from recoup.ports import ObjectStore

THREADS = 8
_TRIES = 12


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """A pointer that moved (`error` None), or why it did not."""

    token: int
    error: Exception | None


class Publisher:
    """Manifests and pointers of one lake."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="publish")
        # One thread, so that manifests of one run arrive in the order of its attempts.
        self._trailing = ThreadPoolExecutor(1, thread_name_prefix="manifests")
        self._last_batch: Future[None] | None = None
        self._owed: list[tuple[Manifest, str]] = []
        self._outcomes: queue.SimpleQueue[PublishOutcome] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._error: Exception | None = None
        self.pending = 0

    @property
    def fileno(self) -> int:
        """Readable when there is an outcome."""
        return self._wake_read

    def publish(self, intent: PublishIntent, manifest: Manifest, key: str, trusted: Pointer | None) -> None:
        """Make the manifest durable, then swap the pointer; what earlier attempts of the run left arrives before it.

        `trusted` is what the ledger remembers of a pointer that was there before: a corrupt one is put back first.
        """
        self.pending += 1
        earlier = self._last_batch if manifest.attempt > 1 else None
        self._threads.submit(self._publish, intent, manifest, key, trusted, earlier)

    def write_manifests(self, manifests: list[tuple[Manifest, str]]) -> None:
        """Those of steps without a table, and of failures: they follow unsynced, the ledger already knows."""
        if manifests:
            self._last_batch = self._trailing.submit(self._follow, manifests)

    def wait(self, timeout_seconds: float) -> None:
        """Until there is an outcome, or the time is over."""
        select.select([self._wake_read], [], [], timeout_seconds)

    def wake(self) -> None:
        """Make `fileno` readable, from any thread or signal handler."""
        with suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._wake_write, b"!")

    def outcomes(self) -> list[PublishOutcome]:
        """What has happened since the last call."""
        with suppress(BlockingIOError):  # nothing has happened
            os.read(self._wake_read, 4096)
        done = []
        while not self._outcomes.empty():
            done.append(self._outcomes.get())
        self.pending -= len(done)
        if self._error is not None:
            raise self._error
        return done

    @property
    def owes(self) -> bool:
        """Whether manifests could not be written; known once it is closed, and for the next start to write."""
        return bool(self._owed)

    def close(self) -> None:
        """Finish what was begun, but begin no more when something has failed; what it was is told now."""
        self._trailing.submit(self._follow, [])
        for threads in (self._trailing, self._threads):
            threads.shutdown(wait=True, cancel_futures=self._error is not None)
        os.close(self._wake_read)
        os.close(self._wake_write)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _publish(
        self, intent: PublishIntent, manifest: Manifest, key: str, trusted: Pointer | None, earlier: Future[None] | None
    ) -> None:
        error: Exception | None = None
        try:
            if earlier is not None:
                earlier.result()
            error = self._move(intent, manifest, key, trusted)
        except FsyncFailedError as caught:
            self._error = error = caught  # nobody knows what the disk holds: the process stops, the next one finds out
        except Exception as caught:  # noqa: BLE001 - carried to the engine's loop, which decides
            error = caught
        self._outcomes.put(PublishOutcome(intent.token, error))
        self.wake()

    def _move(self, intent: PublishIntent, manifest: Manifest, key: str, trusted: Pointer | None) -> Exception | None:
        try:
            before = read_pointer(self.store, intent.dataset, key, intent.partition)
        except CorruptError:
            before = trusted
        if before is None or before.high_seq <= intent.seq:
            put_manifest(self.store, key, manifest)
            if not isinstance(publish(self.store, intent, trusted), Superseded):
                return None
        message = f"{intent.dataset} {intent.partition}: a newer run is current already"
        return FencedError(message, "nothing to do: what is newer stays")

    def _follow(self, manifests: list[tuple[Manifest, str]]) -> None:
        """Write what is owed, in its order; what fails is tried again with the next batch: the ledger knows it all."""
        self._owed += manifests
        written = 0
        try:
            for manifest, key in self._owed:
                self._write(manifest, key)
                written += 1
        except (FsyncFailedError, DiskFullError) as error:
            self._error = error  # raised again in the engine's loop: what is published cannot be written either
        except RecoupError:
            pass  # a store that is out of reach for a moment ends no backfill
        except Exception as error:  # noqa: BLE001 - raised again in the engine's loop
            self._error = error
        del self._owed[:written]

    def _write(self, manifest: Manifest, key: str) -> None:
        # What succeeded is not tried again in its run; what failed may have been, by somebody who took over.
        if manifest.outcome == "success" or _newest(self.store, key, manifest)[0] <= manifest.token:
            write_manifest(self.store, key, manifest, sync=False)


def put_manifest(store: ObjectStore, key: str, manifest: Manifest) -> None:
    """Write it durably, unless a newer attempt of the same run has written its own: FencedError then.

    Most runs have no manifest yet, and a create-only write never overwrites that of somebody who has taken over.
    """
    place = layout.manifest(manifest.dataset, key, manifest.partition, manifest.run_id)
    data = manifest.to_bytes()
    for _ in range(_TRIES):
        with suppress(ConflictError, CommitUnknownError):
            store.put_new(place, data, sync=True)
            return
        token, version = _newest(store, key, manifest)
        if token > manifest.token:
            message = f"{manifest.dataset} {manifest.partition}: a newer attempt has written its manifest"
            raise FencedError(message, "nothing to do: what is newer stays")
        with suppress(ConflictError, CommitUnknownError):
            store.swap(place, data, version)
            return
    raise ConflictError(f"{store.uri(place)} never stood still", "run the same command again")


def _newest(store: ObjectStore, key: str, manifest: Manifest) -> tuple[int, str | None]:
    """The token and the version of the manifest that the run has; 0 when it has none, or half of one."""
    stored = store.get(layout.manifest(manifest.dataset, key, manifest.partition, manifest.run_id))
    if stored is None:
        return 0, None
    try:
        return Manifest.from_bytes(stored.data).token, stored.version
    except (ValueError, KeyError, TypeError):
        return 0, stored.version
