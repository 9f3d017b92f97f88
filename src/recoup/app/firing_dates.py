"""While a backfill runs: what follows it runs for each date as soon as that is complete, beside it.

A thread of its own looks now and then at what the ledger says; it runs what follows like any other controller, and for
all dates that have become complete since, so that slow followers fall behind in larger steps and not one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from recoup.app import backfilling
from recoup.app.backfilling import RunOptions, RunReport
from recoup.app.carrying import Observer
from recoup.app.firing import Fired, Published, fire, fire_one
from recoup.app.following import ENDED, AtDates, Following, following
from recoup.app.prepare import Planned
from recoup.app.workspace import Workspace
from recoup.engine.stopping import Stopping
from recoup.ledger.facts import NodeId
from recoup.ledger.firings import Dates, Due
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Node
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.plan.request import Downstream, Request

LOOK_SECONDS: Final = 0.5
_MADE = (
    "SELECT p.node, p.ordinal FROM publications p JOIN attempts a USING (token)"
    " WHERE p.token > ? AND a.backfill = ? AND p.state IN ('current', 'past')"
)


@dataclass
class DateByDate:
    """Fires for the dates of one run, from `begin` to `end`; what is left then is due at its end."""

    workspace: Workspace
    options: RunOptions
    fired: list[Fired] = field(default_factory=list)
    run_stopping: Stopping = field(default_factory=Stopping)
    """Of the run that is followed: who stops that one stops what follows it, too."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _stopping: Stopping = field(default_factory=Stopping)
    _thread: threading.Thread | None = None

    def begin(self, wanted: Following, planned: Planned, backfill_id: str | None) -> None:
        """When its plan is there; does nothing where all is fired at the end anyway."""
        if wanted.choice is Downstream.EACH and not wanted.is_live and wanted.pipelines and backfill_id:
            looked_at = (planned, backfill_id, wanted.pipelines)
            self._thread = threading.Thread(target=self._watch, args=looked_at, name="downstream", daemon=True)
            self._thread.start()

    @contextmanager
    def until_end(self) -> Iterator[None]:
        """While the run goes on; a follower that still runs ends first, or is stopped if it was stopped."""
        try:
            yield
        except BaseException:
            self.run_stopping.drain = True
            raise
        finally:
            self._ended.set()
            if self.run_stopping.ends and not self.run_stopping.enough:
                self._stopping.drain, self._stopping.at_once = True, self.run_stopping.at_once
                self._stopping.wake()
            if self._thread is not None:
                self._thread.join()

    def _watch(self, planned: Planned, backfill_id: str, pipelines: Sequence[str]) -> None:
        with self.workspace.reader() as reader:
            (row,) = reader.backfills("WHERE backfill_id = ?", (backfill_id,))
            since = reader.query("SELECT coalesce(min(token), 0) - 1 FROM attempts WHERE backfill = ?", (row.backfill,))
        done = EMPTY
        while not self._ended.wait(LOOK_SECONDS):
            with self.workspace.reader() as reader:
                made = _made(reader, row.backfill, max(since[0][0], 0))
            if dates := _complete(planned, made) - done:
                done |= dates
                for name in pipelines:
                    self._fire(planned, Due(0, row.backfill, backfill_id, row.pipeline, name), made, dates)

    def _fire(self, planned: Planned, by: Due, made: Published, dates: PartitionSet) -> None:
        grain = planned.prepared.graph.anchor.identity()
        own = {planned.prepared.node_ids[node.index] for node in _own(planned)}
        published = {node: ordinals & dates for node, ordinals in made.items() if node in own}
        firing = AtDates(by, Dates(dict(grain), dates))
        how = RunOptions(self.options.max_parallel, self.options.executor, stopping=self._stopping)
        fired = fire_one(self.workspace, by.follower, [by], firing, how, published_of=lambda _reader, _due: published)
        if fired is not None:
            self.fired.append(fired)


def run_and_fire(
    workspace: Workspace,
    request: Request,
    pipeline: str | Pipeline,
    options: RunOptions,
    observe: Observer = lambda _progress: None,
) -> RunReport:
    """A run with all that follows it; its report's `fired` tells what became of that."""
    place, dates = workspace.pipeline(pipeline)[1], DateByDate(workspace, options)

    def on_plan(planned: Planned, backfill_id: str | None) -> None:
        dates.begin(following(workspace.settings, place, planned), planned, backfill_id)

    how = replace(options, stopping=dates.run_stopping)
    with dates.until_end():
        report = backfilling.run(workspace, request, pipeline, how, on_plan=on_plan, observe=observe)
    choice = following(workspace.settings, place, report.planned).choice
    is_stopped = report.state not in (*ENDED, "nothing") or any(fired.is_stopped for fired in dates.fired)
    fires = not is_stopped and choice is not Downstream.NONE
    rest = fire(workspace, options) if fires else ()
    return replace(report, fired=(*dates.fired, *rest))


def _made(reader: LedgerReader, backfill: int, since: int) -> Published:
    """What it has published so far."""
    ordinals: dict[NodeId, list[int]] = {}
    for node, ordinal in reader.query(_MADE, (since, backfill)):
        ordinals.setdefault(NodeId(node), []).append(ordinal)
    return {node: PartitionSet.of(sorted(set(found))) for node, found in ordinals.items()}


def _complete(planned: Planned, made: Published) -> PartitionSet:
    """The dates of which everything is made that the plan makes."""
    wanted, lacking = EMPTY, EMPTY
    for node in _own(planned):
        own = planned.plan.of(node.index)
        wanted |= own
        lacking |= own - made.get(planned.prepared.node_ids[node.index], EMPTY)
    return wanted - lacking


def _own(planned: Planned) -> list[Node]:
    """What is partitioned like the pipeline."""
    anchor = planned.prepared.graph.anchor.identity()
    return [node for node in planned.prepared.graph.nodes if node.is_made and node.partitions.identity() == anchor]
