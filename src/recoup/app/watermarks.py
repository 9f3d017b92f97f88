"""The verbs of `recoup watermark`: show, history, set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from recoup.app.workspace import Workspace
from recoup.ledger import watermarks as table
from recoup.ledger.reader import LedgerReader
from recoup.ledger.watermarks import Change, Watermark
from recoup.model.errors import UsageError
from recoup.model.keys import quoted
from recoup.model.watermark import microseconds, moment_at, watermark_name


@dataclass(frozen=True, slots=True)
class Shown:
    """A watermark, and how it came to its value; no history where none was asked for."""

    watermark: Watermark
    history: Sequence[Change] = ()


@dataclass(frozen=True, slots=True)
class WasSet:
    """A watermark that a person has just set: `before` is None where there was none."""

    watermark: Watermark
    before: datetime | None
    is_ahead: bool
    """Whether it lies in the future: until then a job that reads from it finds nothing."""


def show(workspace: Workspace, name: str | None = None, *, history: bool = False) -> list[Shown]:
    """All, or the one; UsageError where there is none of that name."""
    with workspace.reader() as reader:
        found = table.watermarks(reader, name)
        if name is not None and not found:
            there = ", ".join(one.name for one in table.watermarks(reader)) or "none yet"
            remedy = f"there are: {there}; `recoup watermark set NAME TIME` makes one"
            raise UsageError(f"there is no watermark {quoted(name)}", remedy)
        return [Shown(one, table.history(reader, one.name) if history else ()) for one in found]


def set_(workspace: Workspace, name: str, time: str, reason: str | None = None) -> WasSet:
    """To this time, backwards too, whether or not there was one; a time without a zone is UTC."""
    value = microseconds(_moment(time))
    with workspace.any_ledger() as ledger, ledger.transaction() as tx:
        before = table.set_watermark(tx, watermark_name(name), value, workspace.acting(reason)).value_microseconds
        (watermark,) = table.watermarks(LedgerReader(ledger.path, ledger.db), name)
        is_ahead = watermark.value > workspace.clock.now()
        return WasSet(watermark, None if before is None else moment_at(before), is_ahead)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        message = f"{quoted(text)} is no time"
        raise UsageError(message, "write it as 2025-10-01T00:00:00Z; one without a zone is UTC") from error
