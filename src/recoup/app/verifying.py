"""The verb verify: after a recovery, whether everything is as it should be, on the data as it is now.

`verify(workspace, pipeline, …) -> Verified`: the gate, and five lines: checks, row counts, freshness, failures, reads.
Nothing is believed: pointers, manifests, files and tables are read. What cannot be evaluated is unknown, never passed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from recoup.app.backfills import at_work, find, pipeline_of
from recoup.app.bound import Bound, bound
from recoup.app.data_there import DataThere
from recoup.app.gate import gate_of
from recoup.app.read_back import ReadBack
from recoup.app.runs import ago, first_since
from recoup.app.standing import iso
from recoup.app.status import asked, look, readable
from recoup.app.verified import MOST_FOUND, Findings, Line, Outcome, Verified
from recoup.app.workspace import Workspace
from recoup.engine.insight import Insight, StepInsight, Window
from recoup.ledger import planes
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY
from recoup.model.pipeline import Pipeline
from recoup.plan.request import Request

Checker = Callable[[StepInsight], tuple[int, Sequence[str]] | None]
"""Evaluates a step's checks anew on what it has published: how many, and what is wrong; None where it has none."""
_STANDING = """
SELECT a.node, a.ordinal, a.message FROM attempts a JOIN json_each(:nodes) wanted ON a.node = wanted.value
WHERE a.token >= :token AND a.state IN ('failed', 'lost') AND NOT EXISTS (
    SELECT 1 FROM attempts b WHERE b.node = a.node AND b.ordinal = a.ordinal AND b.token > a.token)
"""
_TRIED_AGAIN = """
SELECT count(*) FROM attempts a JOIN json_each(:nodes) wanted ON a.node = wanted.value
WHERE a.token >= :token AND a. state IN ('failed', 'lost')
"""


@dataclass(frozen=True, slots=True)
class Began:
    """When the recovery did, in seconds since 1970, and how people say that."""

    at: float
    name: str


def verify(
    workspace: Workspace,
    pipeline: str | Pipeline,
    *,
    start: str | None = None,
    end: str | None = None,
    partitions: Sequence[str] = (),
    steps: Sequence[str] = (),
    since: str | None = None,
    checkers: Sequence[Checker] = (),
) -> Verified:
    """Look at everything; `since` is a duration such as `2h`, without it the newest backfill began the recovery."""
    request = Request("", start, end, tuple(partitions), steps=tuple(steps))
    began = None if since is None else Began(workspace.clock.now().timestamp() - ago(since), f"within {since}")
    return _verify(workspace, pipeline, request, began, checkers)


def verify_backfill(workspace: Workspace, name: str, *, checkers: Sequence[Checker] = ()) -> tuple[str, Verified]:
    """What one backfill was asked for, since it began, and the name of its pipeline."""
    with workspace.reader() as reader:
        row = find(reader, name)
    pipeline = pipeline_of(workspace, row)
    began = _with_backfill(row.backfill_id, row.created_at)
    return pipeline, _verify(workspace, pipeline, Request.from_json(row.request), began, checkers)


def _verify(
    workspace: Workspace,
    pipeline: str | Pipeline,
    request: Request,
    began: Began | None,
    checkers: Sequence[Checker],
) -> Verified:
    with readable(workspace) as reader:
        known = bound(workspace, reader, pipeline)
        wanted = asked(workspace, known.graph, request.start, request.end, request.partitions, request.exclude)
        live = at_work(workspace, reader)
        found, unread = look(workspace, reader, known, live, Window(wanted), request.steps)
        passed = gate_of(workspace, reader, known, found, unread)
        verifying = _Verifying(workspace, reader, known, found)
        counts, reads = verifying.read_back()
        failures = verifying.failures(began or verifying.newest_backfill())
        return Verified(passed, (_checks(found, checkers), counts, verifying.freshness(), failures, reads))


def _with_backfill(backfill_id: str, at: float) -> Began:
    return Began(at, f"since backfill {backfill_id} began, {iso(at)}")


def _checks(found: Insight, checkers: Sequence[Checker]) -> Line:
    """Evaluated anew: what they said when it was published may hold no longer."""
    findings = Findings()
    for check in checkers:
        for step in found.steps:
            if told := check(step):
                findings.count += told[0]
                for sentence in told[1]:
                    findings.note(sentence)
    if not findings.count:
        return Line("checks", Outcome.UNKNOWN, "no checks are declared")
    return findings.line("checks", "checks", "check")


@dataclass
class _Verifying:
    workspace: Workspace
    reader: LedgerReader
    known: Bound
    found: Insight

    def read_back(self) -> tuple[Line, Line]:
        """Row counts and real reads: one pass tells both."""
        there = DataThere(self.workspace, self.reader, self.workspace.store(), self.known.graph, self.known.node_ids)
        back = ReadBack(there)
        for step in self.found.steps:
            wanted = step.expected - step.waived
            if step.node.kind is NodeKind.STEP:
                back.step(step.node, wanted)
            else:
                back.table(step.node, wanted)
        return back.counts.line("counts", "row counts", "row count"), back.reads.line(
            "reads", "partitions and tables", "partition or table"
        )

    def freshness(self) -> Line:
        """How old the newest data is, whatever the window; without a promise nobody can tell whether that is good."""
        limit, newest = self.known.pipeline.fresh_within_seconds, self._newest()
        told = "there is none" if newest is None else f"the newest is of {newest[0]}"
        if limit is None:
            return Line("freshness", Outcome.UNKNOWN, f"no freshness is promised (fresh_within=); {told}")
        if newest is None:
            return Line("freshness", Outcome.FAIL, told)
        age = self.workspace.clock.now() - newest[1]
        outcome = Outcome.PASS if age.total_seconds() <= limit else Outcome.FAIL
        hours = f"{max(age.total_seconds(), 0) / 3600:,.1f} h"
        return Line("freshness", outcome, f"{told}, {hours} old; {limit / 3600:,.1f} h are promised")

    def _newest(self) -> tuple[str, datetime] | None:
        """The step that lags most decides: its newest partition, and when that ended."""
        lagging: tuple[str, datetime] | None = None
        for step in self.found.steps:
            node, node_id = step.node, self.known.node_ids[step.node.index]
            if node.kind is not NodeKind.STEP:
                continue
            there = self.reader.planes([node_id])[node_id].get(planes.PUBLISHED, EMPTY)
            ordinal = max(there, key=node.partitions.rank, default=None) if node.partitions.is_time else there.last
            if ordinal is None:
                return None
            ended = node.partitions.span(ordinal)[1] if node.partitions.is_time else self._published_at(node_id)
            if lagging is None or ended < lagging[1]:
                lagging = f"{node.name} {node.partitions.name(ordinal)}", ended
        return lagging

    def _published_at(self, node_id: int) -> datetime:
        sql = "SELECT max(published_at) FROM publications WHERE node = ? AND state = 'current'"
        return datetime.fromtimestamp(self.reader.query(sql, (node_id,))[0][0] or 0.0, UTC)

    def newest_backfill(self) -> Began | None:
        """With it the recovery began, unless something else was said."""
        rows = self.reader.backfills("WHERE pipeline = ?", (self.known.pipeline.name,))
        return _with_backfill(rows[0].backfill_id, rows[0].created_at) if rows else None

    def failures(self, began: Began | None) -> Line:
        """What failed since then and was not made good; what was tried again and passed is told, and is no failure."""
        if began is None:
            return Line("failures", Outcome.UNKNOWN, "nothing has been run yet")
        token, steps = first_since(self.reader, began.at), {}
        for step in self.found.steps:
            steps[self.known.node_ids[step.node.index]] = step
        of_these = {"nodes": json.dumps(list(steps)), "token": token}
        rows = self.reader.query(_STANDING, of_these)
        standing = [row for row in rows if row[1] in steps[row[0]].expected]
        tried = int(self.reader.query(_TRIED_AGAIN, of_these)[0][0]) - len(rows)
        again = f"; {tried:,} failed attempts were tried again" if tried > 0 else ""
        if not standing:
            return Line("failures", Outcome.PASS, f"none {began.name}{again}")
        names = [(steps[node].node, ordinal, message) for node, ordinal, message in standing[:MOST_FOUND]]
        found = tuple(f"{node.name} {node.partitions.name(ordinal)}: {message}" for node, ordinal, message in names)
        return Line("failures", Outcome.FAIL, f"{len(standing):,} {began.name}{again}", found)
