"""The verbs of `recoup backfill`: list, show, and what a person wishes of one that runs somewhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from recoup.app.workspace import Workspace
from recoup.ledger.backfills import IN_FORCE, set_controls, set_state, set_wish
from recoup.ledger.facts import BackfillRow, Controls
from recoup.ledger.firings import Told, told_of
from recoup.ledger.leases import void_dead
from recoup.ledger.reader import LedgerReader
from recoup.ledger.restore import live_controllers
from recoup.ledger.stages import StageRow, stages_of
from recoup.ledger.transaction import Transaction
from recoup.model.errors import ConfigError, PipelineError, RecoupError, UsageError
from recoup.model.failure import Failure
from recoup.model.keys import quoted

ACTIVE: Final = ("running", "paused")
STOPPED: Final = ("interrupted", "stopped")
"""Nobody runs them, and something is left of them: stopped is by a gate, or by a limit of failures."""
PATIENCE_SECONDS: Final = 5.0
CANCEL_PATIENCE_SECONDS: Final = 15.0
"""A cancel ends workers, kindly first."""
_LOOK_SECONDS: Final = 0.02
_NOBODY: Final = 0
Taken = Callable[[LedgerReader, str], bool]
"""Whether its controller has taken a wish over, by what the ledger says and the state of the backfill."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What failed for one cause: step, how often, one message, one log."""

    step: str
    count: int
    failure: Failure
    log: str | None


@dataclass(frozen=True, slots=True)
class Detail:
    """A backfill with what its attempts came to, by state, and why they failed."""

    row: BackfillRow
    attempts: Mapping[str, int]
    blocked: int
    causes: tuple[Cause, ...]
    max_parallel: int
    """How many at once, where nobody has set it for this one."""
    stages: tuple[StageRow, ...] = ()
    following: Told = field(default_factory=Told)


@dataclass(frozen=True, slots=True)
class Wished:
    """What came of a wish: `state` is how it stands now, `answered` whether its controller has taken it over."""

    row: BackfillRow
    state: str
    answered: bool


def ls(workspace: Workspace, pipeline: str | None = None, limit: int | None = 20) -> list[BackfillRow]:
    """The newest first."""
    with workspace.reader() as reader:
        where, values = ("WHERE pipeline = ?", (pipeline,)) if pipeline else ("", ())
        rows = reader.backfills(where, values)[:limit]
        return as_they_stand(rows, at_work(workspace, reader))


def show(workspace: Workspace, name: str) -> Detail:
    """One of them, as the ledger holds it."""
    with workspace.reader() as reader:
        row = as_they_stand([find(reader, name)], at_work(workspace, reader))[0]
        states = dict(
            reader.query("SELECT state, count(*) FROM attempts WHERE backfill = ? GROUP BY state", (row.backfill,))
        )
        blocked = reader.query("SELECT count(*) FROM blocks WHERE backfill = ?", (row.backfill,))[0][0]
        causes = tuple(_causes(reader, row.backfill))
        stages = tuple(stages_of(reader.db, row.backfill))
        return Detail(
            row, states, blocked, causes, workspace.settings.max_parallel, stages, told_of(reader, row.backfill)
        )


def pause(workspace: Workspace, name: str, reason: str | None = None) -> Wished:
    """No new claims; what runs ends."""
    by = workspace.acting(reason)
    return _wish(workspace, name, "pause", by, lambda _, state: state == "paused", PATIENCE_SECONDS)


def resume(workspace: Workspace, name: str, reason: str | None = None) -> Wished | None:
    """Go on with one that is paused; None when nobody runs it any more, so that it has to be run here."""
    with workspace.reader() as reader:
        row = find(reader, name)
    if row.state == "done":
        raise UsageError(f"the backfill {row.backfill_id} is done", "`recoup run` fills what has become missing since")
    with _written(workspace) as tx:
        row = _now(workspace, tx, row)
        if row.state not in ACTIVE:
            return None
        set_wish(tx, row.backfill, "", workspace.acting(reason))
    return _awaited(workspace, row, lambda _, state: state != "paused", PATIENCE_SECONDS)


def cancel(workspace: Workspace, name: str, reason: str | None = None) -> Wished:
    """What runs is ended, and nothing of it is published."""
    with workspace.reader() as reader:
        row = find(reader, name)
    with _written(workspace) as tx:
        row = _now(workspace, tx, row)
        if row.state not in ACTIVE:
            return _cancelled_here(tx, row, workspace.acting(reason))
        set_wish(tx, row.backfill, "cancel", workspace.acting(reason))
    return _awaited(workspace, row, lambda _, state: state not in ACTIVE, CANCEL_PATIENCE_SECONDS)


def adjust(workspace: Workspace, name: str, new: Controls, reason: str | None = None) -> Wished:
    """Say how it is to be carried out; one that runs takes it over at once, another one when it is resumed."""
    with workspace.reader() as reader:
        row = find(reader, name)
    with _written(workspace) as tx:
        row = _now(workspace, tx, row)
        if row.state not in (*ACTIVE, *STOPPED, "cancelled"):
            message = f"the backfill {row.backfill_id} is {row.state}: nothing of it will run"
            raise UsageError(message, "`recoup backfill ls` lists them all")
        row = replace(row, controls=row.controls.changed_by(new))
        set_controls(tx, row.backfill, row.controls, workspace.acting(reason))
        (said,) = tx.execute("SELECT max(seq) FROM events").fetchone()
    if row.state not in ACTIVE:
        return Wished(row, row.state, answered=True)
    since = "SELECT 1 FROM events WHERE seq > ? AND kind = ? AND backfill = ?"
    return _awaited(
        workspace, row, lambda reader, _: bool(reader.query(since, (said, IN_FORCE, row.backfill))), PATIENCE_SECONDS
    )


def active(workspace: Workspace) -> list[BackfillRow]:
    """Those that somebody runs, paused ones too."""
    with _written(workspace) as tx:
        void_dead(tx, workspace.settings.ledger, _NOBODY)
    with workspace.reader() as reader:
        return reader.backfills("WHERE state IN ('running', 'paused')")


def at_work(workspace: Workspace, reader: LedgerReader) -> frozenset[int]:
    """Controllers whose lease holds and whose lock is held; who may not look at locks believes the leases."""
    now = workspace.clock.now().timestamp()
    rows = reader.query("SELECT controller FROM controllers WHERE ended_at IS NULL AND lease_until >= ?", (now,))
    leased = frozenset(controller for (controller,) in rows)
    try:
        return leased.intersection(live_controllers(workspace.settings.ledger)) if leased else leased
    except ConfigError:
        return leased


def as_they_stand(rows: Sequence[BackfillRow], live: frozenset[int]) -> list[BackfillRow]:
    """What nobody runs any more is interrupted; the next command that writes will note it."""
    return [
        replace(row, state="interrupted") if row.state in ACTIVE and row.controller not in live else row for row in rows
    ]


def pipeline_of(workspace: Workspace, row: BackfillRow) -> str:
    """What recoup.toml calls the pipeline of a backfill: by its own name, else the one that loads as it."""
    name, places = row.pipeline, workspace.settings.pipelines
    if name in places:
        return name
    for other in places:
        with suppress(RecoupError):
            if workspace.pipeline(other)[0].name == name:
                return other
    message = f"recoup.toml does not say where the pipeline {quoted(name)} is"
    raise PipelineError(message, f'write {name} = "file.py:variable" under [pipelines]')


def find(reader: LedgerReader, name: str) -> BackfillRow:
    """By its id, any part of it that no other has, or `latest`."""
    rows = reader.backfills()
    if not rows:
        raise UsageError("there is no backfill yet", "`recoup run` makes one")
    if name == "latest":
        return rows[0]
    exact = [row for row in rows if row.backfill_id == name]
    found = exact or [row for row in rows if name and name in row.backfill_id]
    if len(found) == 1:
        return found[0]
    recent = ", ".join(row.backfill_id for row in (found or rows)[:5])
    if found:
        raise UsageError(f"{quoted(name)} names {len(found)} backfills", f"say which: {recent}")
    raise UsageError(f"there is no backfill {quoted(name)}", f"the newest are {recent}")


# --- wishes


def _wish(
    workspace: Workspace, name: str, wish: str, by: Mapping[str, str], taken: Taken, patience_seconds: float
) -> Wished:
    with workspace.reader() as reader:
        row = find(reader, name)
    with _written(workspace) as tx:
        row = _now(workspace, tx, row)
        if row.state not in ACTIVE:
            message = f"the backfill {row.backfill_id} is {row.state}: nothing of it runs"
            raise UsageError(message, "`recoup backfill ls` lists them all")
        set_wish(tx, row.backfill, wish, by)
    return _awaited(workspace, row, taken, patience_seconds)


@contextmanager
def _written(workspace: Workspace) -> Iterator[Transaction]:
    with workspace.ledger() as ledger, ledger.transaction() as tx:
        yield tx


def _now(workspace: Workspace, tx: Transaction, row: BackfillRow) -> BackfillRow:
    """How it really stands: one whose controller is gone is interrupted, whatever was written last."""
    void_dead(tx, workspace.settings.ledger, _NOBODY)
    state, wish = tx.execute("SELECT state, wish FROM backfills WHERE backfill = ?", (row.backfill,)).fetchone()
    return replace(row, state=state, wish=wish)


def _cancelled_here(tx: Transaction, row: BackfillRow, by: Mapping[str, str]) -> Wished:
    if row.state not in STOPPED:
        message = f"the backfill {row.backfill_id} is {row.state} already"
        raise UsageError(message, "`recoup backfill ls` lists those that can be cancelled")
    set_state(tx, row.backfill, "cancelled", dict(row.summary or {}), by)
    return Wished(row, "cancelled", answered=True)


def _awaited(workspace: Workspace, row: BackfillRow, taken: Taken, patience_seconds: float) -> Wished:
    """Look until the controller has taken the wish over; it looks at each commit, and every 200 ms."""
    clock = workspace.clock
    give_up_at = clock.monotonic() + patience_seconds
    with workspace.reader() as reader:
        while True:
            state = str(reader.query("SELECT state FROM backfills WHERE backfill = ?", (row.backfill,))[0][0])
            if (answered := taken(reader, state)) or state not in ACTIVE:
                return Wished(row, state, answered=answered)
            if clock.monotonic() > give_up_at:
                return Wished(row, state, answered=False)
            threading.Event().wait(_LOOK_SECONDS)


def _causes(reader: LedgerReader, backfill: int) -> Iterator[Cause]:
    """By step and fingerprint, the most frequent first; an attempt that was tried again successfully counts too."""
    rows = reader.query(
        "SELECT n.name, count(*), a.failure, a.log FROM attempts a JOIN nodes n USING (node)"
        " WHERE a.backfill = ? AND a.failure IS NOT NULL"
        " GROUP BY n.name, json_extract(a.failure, '$.fingerprint') ORDER BY count(*) DESC LIMIT 20",
        (backfill,),
    )
    for step, count, failure, log in rows:
        yield Cause(step, count, Failure.from_json(json.loads(failure)), log)
