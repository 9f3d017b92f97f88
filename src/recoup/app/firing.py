"""Carrying out what is due: the pipelines that follow others run for what has been published, each once.

`fire(workspace, options) -> Iterator[Fired]` runs whatever is due, whoever left it so, in the order in which pipelines
follow each other: what one of them publishes is due for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from recoup.app import backfilling, backfills
from recoup.app.backfilling import RunOptions, RunReport
from recoup.app.carrying import Observer
from recoup.app.configuration.follows import in_order
from recoup.app.datasets import Dataset, datasets
from recoup.app.following import AtEnd, Firing
from recoup.app.prepare import Planned
from recoup.app.rollback_backfill import published_by
from recoup.app.touched import Touched, touched
from recoup.app.workspace import Workspace
from recoup.ledger.facts import NodeId
from recoup.ledger.firings import Due, dates_fired, due_of, followers_due, settle
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import ExitCode, FiredElsewhereError, RecoupError
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.request import Request

OnPlan = Callable[[Planned, str | None], None]
Published = dict[NodeId, PartitionSet]
"""Partitions by the node that shows them."""
Watch = Callable[[str], AbstractContextManager[tuple[OnPlan, Observer]]]
"""Who looks at the run of a pipeline that is fired."""


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of a pipeline that follows: its run, or why there was none."""

    pipeline: str
    by: tuple[str, ...]
    report: RunReport | None = None
    error: RecoupError | None = None
    waits: tuple[str, ...] = ()
    """Ranges of its coarser partitions that run once all that they read is there."""

    @property
    def exit_code(self) -> ExitCode:
        """Of its run; what could not even begin is incomplete."""
        if self.error is not None:
            return ExitCode.INCOMPLETE
        return self.report.exit_code if self.report else ExitCode.DONE

    @property
    def is_stopped(self) -> bool:
        """Whether a person has stopped it."""
        return self.state in ("interrupted", "cancelled")

    @property
    def state(self) -> str:
        """As a run's, or `nothing` to do, or `error`."""
        if self.error is not None:
            return "error"
        return self.report.state if self.report else "nothing"

    def to_json(self) -> dict[str, Any]:
        """For the closing line."""
        return {
            "pipeline": self.pipeline,
            "by": list(self.by),
            "state": self.state,
            "backfill_id": self.report.backfill_id if self.report else None,
            "exit_code": int(self.exit_code),
            "error": self.error.message if self.error else None,
            "waits": list(self.waits),
        }


def _unwatched(_pipeline: str) -> AbstractContextManager[tuple[OnPlan, Observer]]:
    return nullcontext((lambda _planned, _id: None, lambda _progress: None))


def fire(workspace: Workspace, options: RunOptions, watch: Watch = _unwatched) -> Iterator[Fired]:
    """All that is due, what was begun first; what could not begin stays due, and who stops one stops the rest."""
    order = in_order(workspace.settings.follows)
    with workspace.reader() as reader:
        gone = [name for name in followers_due(reader) if name not in order]
    for name in gone:
        _settle(workspace, _due(workspace, name), "follows nothing any more")
    for name in order:
        for due in _each(_due(workspace, name)):
            fired = fire_one(workspace, name, due, AtEnd(due), options, watch)
            if fired is not None:
                yield fired
            if fired and fired.is_stopped:
                return


def fire_one(
    workspace: Workspace,
    follower: str,
    due: Sequence[Due],
    firing: Firing,
    options: RunOptions,
    watch: Watch = _unwatched,
    published_of: Callable[[LedgerReader, Due], Published] | None = None,
) -> Fired | None:
    """Run one of them for what is touched; None when somebody else was first."""
    by = tuple(one.backfill_id for one in due)
    try:
        begun = due[0].begun
        found = _begun(workspace, begun) if begun else _touched(workspace, follower, due, published_of or _published)
        if found.request is None:
            _settle(workspace, due, "nothing")
            return Fired(follower, by, waits=found.waits)
        how = RunOptions(
            options.max_parallel, options.executor, resume=begun is not None, firing=firing, stopping=options.stopping
        )
        with watch(follower) as (on_plan, observe):
            report = backfilling.run(workspace, found.request, follower, how, on_plan=on_plan, observe=observe)
    except FiredElsewhereError:
        return None
    except RecoupError as error:
        return Fired(follower, by, error=error)
    if report.backfill_id is None:
        _settle(workspace, due, "nothing")
    return Fired(follower, by, report)


def _each(due: Iterable[Due]) -> list[list[Due]]:
    """What each run is for: one that was begun goes on as itself, all else is one run."""
    found: dict[str | None, list[Due]] = {}
    for one in due:
        found.setdefault(one.begun, []).append(one)
    return list(found.values())


def _begun(workspace: Workspace, backfill_id: str) -> Touched:
    """What it was asked for; so that it ends, and what follows it is due for all that it has published."""
    with workspace.reader() as reader:
        (row,) = reader.backfills("WHERE backfill_id = ?", (backfill_id,))
    return Touched(Request.from_json(row.request))


def _touched(
    workspace: Workspace,
    follower: str,
    due: Sequence[Due],
    published_of: Callable[[LedgerReader, Due], Published],
) -> Touched:
    with workspace.ledger_for(follower) as ledger:
        prepared = workspace.prepared(ledger, follower)
        reader = LedgerReader(ledger.path, ledger.db)
        published: Published = {}
        made: dict[NodeId, Dataset] = {}
        for one in due:
            for node, ordinals in published_of(reader, one).items():
                published[node] = published.get(node, EMPTY) | ordinals
            made |= {d.node: d for d in datasets(reader, one.pipeline).values() if d.kind == "step"}
        return touched(prepared, published, made)


def _published(reader: LedgerReader, due: Due) -> Published:
    """What a backfill has published, but for the dates for which this one was fired while it ran."""
    grains = {row.node: row.partitioning for row in reader.nodes(due.pipeline).values()}
    found = dict(published_by(reader, due.backfill_id).ordinals)
    for dates in dates_fired(reader, due.backfill, due.follower):
        for node in found.keys() & {node for node, grain in grains.items() if grain == dates.grain}:
            found[node] -= dates.ordinals
    return found


def _due(workspace: Workspace, follower: str) -> list[Due]:
    with workspace.reader() as reader:
        return due_of(reader, follower, backfills.at_work(workspace, reader))


def _settle(workspace: Workspace, due: Sequence[Due], outcome: str) -> None:
    with workspace.ledger() as ledger, ledger.transaction() as tx:
        settle(tx, [one for one in due if one.firing], outcome)
