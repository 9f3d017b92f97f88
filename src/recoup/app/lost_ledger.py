"""A lake that a ledger owns beside a ledger that knows nothing: no empty project, but a ledger that is lost."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from recoup.app.settings import Settings
from recoup.lake.owner import Owner, read_owner
from recoup.lake.stores import open_store
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import LakeOwnedError, RecoupError

REMEDY = "use that ledger; when it is lost, `recoup ledger rebuild` makes it again from the lake"


def refuse_lost(settings: Settings) -> None:
    """LakeOwnedError where all that is in the lake would be taken for missing; the lake is asked only then."""
    place = settings.ledger
    there, ours = place.exists(), None
    if there:
        with LedgerReader(place) as reader:
            if not reader.is_empty:
                return
            ours = reader.meta("ledger_id") if reader.is_made else None
    owner = _owner(settings.lake)
    if owner is None or owner.ledger_id == ours:
        return
    if place.exists() != there:  # made a moment ago, by whoever owns the lake since
        return
    message = f"the lake {settings.lake} belongs to ledger {owner.ledger_id}, {_not_here(place, ours)}"
    raise LakeOwnedError(message, REMEDY)


def _owner(lake: str | Path) -> Owner | None:
    """Nobody, where the lake cannot be asked: who writes into it will say so."""
    with suppress(RecoupError):
        return read_owner(open_store(lake, read_only=True))
    return None


def _not_here(place: Path, ours: str | None) -> str:
    return f"and there is no ledger at {place}" if ours is None else f"and the one at {place} is empty"
