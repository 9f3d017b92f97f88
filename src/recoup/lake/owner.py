"""One ledger owns a lake: two that publish into the same partitions would undo each other's work."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from recoup.lake.layout import OWNER
from recoup.model.errors import CommitUnknownError, ConflictError, CorruptError, LakeOwnedError
from recoup.model.manifest import seal, unseal
from recoup.ports import ObjectStore

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Owner:
    """The ledger that owns the lake; a higher epoch beats every lower one."""

    ledger_id: str
    epoch: int

    def to_bytes(self) -> bytes:
        """JSON that carries its own digest."""
        return seal(asdict(self))


def read_owner(store: ObjectStore) -> Owner | None:
    """Who owns the lake; None when nobody does yet. CorruptError when the record cannot be read."""
    return _read(store)[0]


def claim_owner(store: ObjectStore, ledger_id: str, epoch: int) -> Owner:
    """Become the owner of a lake that has none, or find that we are; LakeOwnedError when somebody else is.

    One read when it is ours already: cheap enough to ask before each batch of publications.
    """
    wanted = Owner(ledger_id, epoch)
    for _ in range(_TRIES):
        current, version = _read(store)
        if current == wanted:
            return wanted
        if current is not None and (current.ledger_id != ledger_id or current.epoch > epoch):
            raise _owned(store, current, wanted)
        if _written(store, wanted, version):
            return wanted
    raise _restless(store)


def adopt(store: ObjectStore, ledger_id: str, epoch: int) -> Owner:
    """Take the lake over, at an epoch above everybody's so far; the ledger must go on with the one returned.

    Called again with that epoch it does nothing, so an adoption that was killed can simply be repeated.
    """
    for _ in range(_TRIES):
        try:
            current, version = _read(store)
        except CorruptError:
            stored = store.get(OWNER)
            current, version = None, stored.version if stored else None
        if current == Owner(ledger_id, epoch):
            return current
        wanted = Owner(ledger_id, max(epoch, current.epoch + 1 if current else 1))
        if _written(store, wanted, version):
            return wanted
    raise _restless(store)


def _written(store: ObjectStore, owner: Owner, version: str | None) -> bool:
    """Whether the swap took place; doubt is settled by reading again."""
    try:
        store.swap(OWNER, owner.to_bytes(), version)
    except (ConflictError, CommitUnknownError):
        return _read(store)[0] == owner
    return True


def _read(store: ObjectStore) -> tuple[Owner | None, str | None]:
    stored = store.get(OWNER)
    if stored is None:
        return None, None
    try:
        body = unseal(stored.data)
        return Owner(str(body["ledger_id"]), int(body["epoch"])), stored.version
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{store.uri(OWNER)}, which says who owns this lake, is corrupt: {error}"
        raise CorruptError(message, "run `recoup ledger adopt` with the ledger that shall own this lake") from error


def _owned(store: ObjectStore, current: Owner, wanted: Owner) -> LakeOwnedError:
    if current.ledger_id == wanted.ledger_id:
        what = f"this ledger has been adopted elsewhere: the lake is at epoch {current.epoch}, we are at {wanted.epoch}"
    else:
        what = f"it belongs to ledger {current.ledger_id} (epoch {current.epoch}), not to {wanted.ledger_id}"
    message = f"the lake {store.url} is not ours: {what}"
    return LakeOwnedError(message, "use that ledger, or take the lake over with `recoup ledger adopt`")


def _restless(store: ObjectStore) -> LakeOwnedError:
    message = f"the owner of {store.url} keeps changing: somebody else claims it at this moment"
    return LakeOwnedError(message, "stop the other one, then run the same command again")
