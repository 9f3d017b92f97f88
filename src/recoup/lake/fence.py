"""Settling what a vanished writer left open: either its pointer had moved, or from now on it never will."""

from __future__ import annotations

from dataclasses import replace

from recoup.lake import layout
from recoup.lake.pointers import PublishIntent, next_pointer, put_aside, read_pointer
from recoup.model.errors import CommitUnknownError, ConflictError, CorruptError
from recoup.model.manifest import Pointer
from recoup.ports import ObjectStore

_TRIES = 12


def fence(store: ObjectStore, intent: PublishIntent, trusted: Pointer | None) -> bool:
    """True when the intent's pointer had moved; else its `high_seq` is raised above the intent's.

    A writer that wakes up late then finds itself superseded. A corrupt pointer is put aside, and put back as the ledger
    remembers it (`trusted`).
    """
    path = layout.pointer(intent.dataset, intent.key, intent.partition)
    for _ in range(_TRIES):
        stored = store.get(path)
        old = _read(store, intent, trusted, stored.version) if stored else None
        if old is not None and intent.nonce in (generation.nonce for generation in old.generations):
            return old.current.nonce == intent.nonce
        if old is not None and old.high_seq > intent.seq:
            return False
        nothing = replace(intent, run_id=None, digest="", nonce=f"{intent.nonce}-fence", reason="fenced")
        fenced = replace(old or next_pointer(None, nothing), high_seq=intent.seq + 1)
        try:
            store.swap(path, fenced.to_bytes(), stored.version if stored else None)
        except (ConflictError, CommitUnknownError):
            continue  # what is there now decides
        return False
    message = f"{store.uri(path)} never stood still"
    raise ConflictError(message, "run the same command again")


def _read(store: ObjectStore, intent: PublishIntent, trusted: Pointer | None, version: str | None) -> Pointer | None:
    try:
        return read_pointer(store, intent.dataset, intent.key, intent.partition)
    except CorruptError:
        put_aside(store, layout.pointer(intent.dataset, intent.key, intent.partition), version)
        return trusted
