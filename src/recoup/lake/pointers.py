"""Which run is current: one pointer per partition, swapped atomically, never back to something older.

The deciding half (`decide`, `next_pointer`) is pure; `publish` carries it out against a store that may refuse, or
say nothing at all. The swap is the publication's commit point.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from recoup.lake import layout
from recoup.lake.layout import PlaceKind
from recoup.model.errors import CommitUnknownError, ConflictError, CorruptError, LakeOwnedError
from recoup.model.manifest import POINTER_GENERATIONS, Generation, Pointer
from recoup.ports import ObjectStore

_TRIES = 12
_REMEDY = "`recoup lake verify --repair` puts it back from the ledger; so does the next publication there"


@dataclass(frozen=True, slots=True)
class PublishIntent:
    """What the ledger recorded before it touches the pointer; `run_id` None takes the partition out of sight.

    `seq` is the ledger's sequence number of this publication and decides who is newer; `nonce` is unique, stays the
    same however often the intent is carried out, and proves afterwards whose write it was.
    """

    dataset: str
    key: str
    partition: str
    run_id: str | None
    token: int
    seq: int
    digest: str
    published_at: str
    run_as_of: str
    nonce: str
    reason: str
    ledger_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Published:
    """The pointer says so now, by this call."""

    pointer: Pointer


@dataclass(frozen=True, slots=True)
class AlreadyPublished:
    """It was done before: the current generation carries the intent's nonce."""

    pointer: Pointer


@dataclass(frozen=True, slots=True)
class Superseded:
    """Something newer is current and stays so; `published_before` when this one was current for a while."""

    pointer: Pointer
    because: str
    published_before: Generation | None = None


PublishOutcome = Published | AlreadyPublished | Superseded


def decide(old: Pointer | None, intent: PublishIntent) -> Pointer | AlreadyPublished | Superseded:
    """The pointer to write, or why none is to be written.

    LakeOwnedError when another ledger of the same epoch has written here: one of the two is not what it believes.
    """
    if old is None:
        return next_pointer(None, intent)
    if old.current.nonce == intent.nonce:
        return AlreadyPublished(old)
    before = next((g for g in old.generations[1:] if g.nonce == intent.nonce), None)
    because = _newer(old, intent)
    if because:
        return Superseded(old, because, before)
    if old.ledger_id != intent.ledger_id and old.epoch == intent.epoch:
        message = (
            f"{intent.dataset} {intent.partition} was published by ledger {old.ledger_id}, "
            f"not by {intent.ledger_id}, and both are at epoch {old.epoch}"
        )
        raise LakeOwnedError(message, "run `recoup ledger adopt` with the ledger that shall own this lake")
    return next_pointer(old, intent)


def next_pointer(old: Pointer | None, intent: PublishIntent) -> Pointer:
    """The intent's generation on top of at most nineteen older ones; `high_seq` never falls."""
    older = old.generations if old else ()
    newest = Generation(
        number=older[0].number + 1 if older else 1,
        run_id=intent.run_id,
        token=intent.token,
        seq=intent.seq,
        digest=intent.digest,
        published_at=intent.published_at,
        run_as_of=intent.run_as_of,
        nonce=intent.nonce,
        reason=intent.reason,
    )
    return Pointer(
        dataset=intent.dataset,
        partition=intent.partition,
        ledger_id=intent.ledger_id,
        epoch=intent.epoch,
        high_seq=max(intent.seq, old.high_seq if old else 0),
        generations=(newest, *older[: POINTER_GENERATIONS - 1]),
    )


def read_pointer(store: ObjectStore, dataset: str, key: str, partition: str) -> Pointer | None:
    """The partition's pointer, None when nothing was ever published; CorruptError when its bytes are wrong."""
    return _sound(_look(store, dataset, partition, layout.pointer(dataset, key, partition))[0])


def pointers_below(store: ObjectStore, dataset: str = "") -> Iterator[tuple[layout.Place, Pointer | CorruptError]]:
    """Every pointer of a dataset, or of the lake, in order; a corrupt one comes as the error it would raise."""
    for found in store.list(dataset):
        place = layout.place_of(found.key)
        if place is None or place.kind is not PlaceKind.POINTER:
            continue
        pointer, _ = _look(store, place.dataset, place.partition, found.key)
        if pointer is not None:
            yield place, pointer


def publish(store: ObjectStore, intent: PublishIntent, trusted: Pointer | None = None) -> PublishOutcome:
    """Make the intent's run current, unless something newer is; safe to call again after any failure.

    A corrupt or missing pointer is first put back as the ledger remembers it (`trusted`); without that memory there is
    none. CommitUnknownError and ConflictError only when the store went on like that.
    """
    path = layout.pointer(intent.dataset, intent.key, intent.partition)
    sent = False
    trouble: ConflictError | CommitUnknownError | None = None
    for _ in range(_TRIES):
        seen, version = _look(store, intent.dataset, intent.partition, path)
        if isinstance(seen, CorruptError):
            put_aside(store, path, version)
            seen = None
        healing = trusted if seen is None else None
        match healing or decide(seen, intent):
            case Pointer() as pointer:
                try:
                    store.swap(path, pointer.to_bytes(), version)
                    if healing is None:
                        return Published(pointer)
                except (ConflictError, CommitUnknownError) as error:
                    # Whatever it was: what is there now decides, and the nonce says whether it is ours.
                    trouble = error
                sent = sent or healing is None
            case AlreadyPublished(pointer) if sent:
                return Published(pointer)
            case outcome:
                return outcome
    raise trouble or ConflictError(f"{store.uri(path)} never stood still", "run the same command again")


def put_back(store: ObjectStore, path: str, known: Pointer) -> bool:
    """Write a pointer that is corrupt or gone as the ledger remembers it; False when it is sound, or in motion."""
    seen, version = _look(store, known.dataset, known.partition, path)
    if isinstance(seen, Pointer):
        return False
    if isinstance(seen, CorruptError):
        put_aside(store, path, version)
    with suppress(ConflictError):  # somebody publishes at this moment: what that writes is newer
        store.swap(path, known.to_bytes(), version)
        return True
    return False


def put_aside(store: ObjectStore, path: str, version: str | None) -> None:
    """Keep the bytes of a corrupt pointer under another name: they may be all that tells what it said."""
    stored = store.get(path)
    if stored is not None and stored.version == version:
        with suppress(ConflictError):  # the same bytes are there already
            store.put_new(layout.corrupt_pointer(path, sha256(stored.data).hexdigest()), stored.data, sync=True)


def _newer(old: Pointer, intent: PublishIntent) -> str:
    """Why what is there is newer than the intent, in a sentence; empty when it is not."""
    if old.epoch > intent.epoch:
        return f"ledger {old.ledger_id} has taken over at epoch {old.epoch}; this one is at {intent.epoch}"
    if old.high_seq > intent.seq:
        if old.epoch < intent.epoch:
            return f"the lake has seen sequence {old.high_seq}: this ledger was not raised above it when it took over"
        return f"a newer publication is there: sequence {old.high_seq}, this one is {intent.seq}"
    return ""


def _sound(seen: Pointer | CorruptError | None) -> Pointer | None:
    if isinstance(seen, CorruptError):
        raise seen
    return seen


def _look(
    store: ObjectStore, dataset: str, partition: str, path: str
) -> tuple[Pointer | CorruptError | None, str | None]:
    """What is there and its version: a corrupt pointer has one too, so it can be swapped for a sound one."""
    stored = store.get(path)
    if stored is None:
        return None, None
    where = f"the pointer {store.uri(path)}"
    try:
        pointer = Pointer.from_bytes(stored.data)
        belongs = (pointer.dataset, pointer.partition, len(pointer.generations) > 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return CorruptError(f"{where} is corrupt: {error}", _REMEDY), stored.version
    if belongs != (dataset, partition, True):
        return CorruptError(f"{where} belongs to {pointer.dataset} {pointer.partition}", _REMEDY), stored.version
    return pointer, stored.version
