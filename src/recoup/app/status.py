"""The verb status: how a pipeline stands, from the ledger as it is; no source is asked and nothing is written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from recoup.app.backfills import ACTIVE, as_they_stand, at_work
from recoup.app.bound import Bound, bound
from recoup.app.code import code_version, same_code
from recoup.app.following import names_at
from recoup.app.held import held
from recoup.app.known_calendars import KnownCalendars
from recoup.app.left_out import left_out, missing_so
from recoup.app.left_undone import left_undone
from recoup.app.lost_ledger import refuse_lost
from recoup.app.overdue import overdue
from recoup.app.pool_use import pool_use
from recoup.app.standing import Accepted, Away, FailureSample, Status, StepStatus
from recoup.app.waived import waived_of
from recoup.app.workspace import Workspace
from recoup.engine.insight import Insight, Reason, StepInsight, Window, insight
from recoup.ledger import planes as plane_names
from recoup.ledger.facts import NodeId
from recoup.ledger.firings import due_of
from recoup.ledger.outages import outages
from recoup.ledger.reader import LedgerReader
from recoup.ledger.schema import TABLES, VIEWS
from recoup.ledger.staleness import ROLLBACK
from recoup.model.errors import UsageError
from recoup.model.failure import Failure
from recoup.model.graph import Graph, Node
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.plan.snapshot import NodeState, Snapshot

_TAIL = 5_000
_UNENDED = "WHERE pipeline = ? AND state IN ('running', 'paused', 'interrupted')"
_LAST_MADE = """
SELECT max(CASE WHEN substr(p.reason, 1, :length) <> :rollback THEN p.published_at ELSE (
    SELECT max(q.published_at) FROM publications q WHERE q.node = p.node AND q.ordinal = p.ordinal AND q.run = p.run
    AND q.state = 'past' AND substr(q.reason, 1, :length) <> :rollback
) END)
FROM publications p WHERE p.node = :node AND p.ordinal BETWEEN :first AND :last AND p.state = 'current'
"""


def status(
    workspace: Workspace,
    pipeline: str | Pipeline,
    *,
    start: str | None = None,
    end: str | None = None,
    partitions: Sequence[str] = (),
    steps: Sequence[str] = (),
    ask: bool = False,
) -> Status:
    """How it stands now; before the first run everything is missing. With `ask`, tables are asked what they hold."""
    with readable(workspace) as reader:
        known = bound(workspace, reader, pipeline)
        window = Window(asked(workspace, known.graph, start, end, partitions))
        live = at_work(workspace, reader)
        snapshot, unread = _seen(workspace, reader, known, live, ask=ask)
        found = insight(known.graph, snapshot, window=window, steps=steps, reasons=_reasons(reader, known))
        rows = as_they_stand(reader.backfills(_UNENDED, (known.pipeline.name,)), live)
        active = [row for row in rows if row.state in ACTIVE]
        undone = tuple(left_undone(rows, known.graph, snapshot))
        tail = _tail(reader)
        now = workspace.clock.now()
        excluded = left_out(reader, known, now)
        steps_told = tuple(
            replace(
                _with_history(reader, known, step, tail),
                left_out=tuple(missing_so(step.node, step.missing, excluded, known, now)),
            )
            for step in found.steps
        )
        pools = {**workspace.settings.pools, **known.pipeline.pools}
        used = pool_use(reader, found, pools, workspace.clock.now().timestamp())
        late = overdue(reader, known, found, workspace.clock.now().timestamp())
        names = {node_id: node.name for node, node_id in zip(known.graph.nodes, known.node_ids, strict=True)}
        away = tuple(Away(names[n], one.since, one.message) for n, one in outages(reader).items() if n in names)
        follows = names_at(workspace.settings, workspace.pipeline(pipeline)[1])
        due = tuple(one.backfill_id for name in sorted(follows) for one in due_of(reader, name, live))
        return Status(found, steps_told, tuple(active), unread, used, late, away, due, undone)


def look(
    workspace: Workspace,
    reader: LedgerReader,
    known: Bound,
    live: frozenset[int],
    window: Window | None = None,
    steps: Sequence[str] = (),
    *,
    ask: bool = False,
) -> tuple[Insight, tuple[str, ...]]:
    """How its steps stand, and which calendars were out of reach."""
    snapshot, unread = _seen(workspace, reader, known, live, ask=ask)
    return insight(known.graph, snapshot, window=window, steps=steps, reasons=_reasons(reader, known)), unread


def _seen(
    workspace: Workspace, reader: LedgerReader, known: Bound, live: frozenset[int], *, ask: bool
) -> tuple[Snapshot, tuple[str, ...]]:
    """The facts, and which calendars were out of reach."""
    planes = reader.planes(known.node_ids)
    with workspace.outside() as outside:
        calendars = KnownCalendars(workspace.clock.now(), outside)
        wanted = [
            calendars.of(node, planes.get(node_id, {}))
            for node, node_id in zip(known.graph.nodes, known.node_ids, strict=True)
        ]
        facts = {
            node_id: held(known.graph, node, planes.get(node_id, {}), outside, wanted[node.index], ask=ask)
            for node, node_id in zip(known.graph.nodes, known.node_ids, strict=True)
        }
    return _snapshot(reader, known, live, {**planes, **facts}, wanted, calendars.now), tuple(calendars.unread)


@contextmanager
def readable(workspace: Workspace) -> Iterator[LedgerReader]:
    """The ledger as it is at one moment; where there is none yet, an empty one; LakeOwnedError where it is lost."""
    refuse_lost(workspace.settings)
    path = workspace.settings.ledger
    with LedgerReader(path, None if path.exists() else _empty()) as reader:
        reader.query("BEGIN")
        yield reader


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(TABLES + VIEWS)
    return db


def asked(
    workspace: Workspace,
    graph: Graph,
    start: str | None,
    end: str | None,
    partitions: Sequence[str],
    exclude: Sequence[str] = (),
) -> PartitionSet | None:
    """The window that was meant, in the pipeline's own partitions; None without one."""
    if exclude:
        whole = asked(workspace, graph, start, end, partitions)
        left_out = asked(workspace, graph, None, None, exclude) or EMPTY
        return (graph.anchor.universe(workspace.clock.now()) if whole is None else whole) - left_out
    if partitions and (start or end):
        message = "both a window and explicit partitions were given"
        raise UsageError(message, "give --start and --end, or partitions, not both")
    now, named = workspace.clock.now(), EMPTY
    for key in partitions:
        named |= graph.anchor.window(key, key, now)
    if partitions:
        return named
    return graph.anchor.window(start, end, now) if start or end else None


def _snapshot(
    reader: LedgerReader,
    known: Bound,
    live: frozenset[int],
    planes: Mapping[NodeId, Mapping[str, PartitionSet]],
    wanted: Sequence[PartitionSet],
    now: datetime,
) -> Snapshot:
    """The planes, with what is expected."""
    running, states = running_now(reader, live), []
    for node, node_id in zip(known.graph.nodes, known.node_ids, strict=True):
        accepted = waived_of(node, known.node_ids, planes)
        facts = planes.get(node_id, {})
        states.append(_state(node, facts, wanted[node.index], running.get(node_id, EMPTY), accepted))
    return Snapshot(tuple(states), now)


def running_now(reader: LedgerReader, live: frozenset[int]) -> dict[int, PartitionSet]:
    """What is at work; what a dead controller was running is not, though its bit stays until somebody writes."""
    found: dict[int, list[int]] = {}
    for node, ordinal, controller in reader.query(
        "SELECT node, ordinal, controller FROM attempts WHERE state = 'running'"
    ):
        if controller in live:
            found.setdefault(node, []).append(ordinal)
    return {node: PartitionSet.of(ordinals) for node, ordinals in found.items()}


def _state(
    node: Node,
    facts: Mapping[str, PartitionSet],
    wanted: PartitionSet,
    running: PartitionSet,
    waived: PartitionSet,
) -> NodeState:
    version = code_version(node)
    failed = {
        plane.removeprefix(plane_names.FAILED): ordinals
        for plane, ordinals in facts.items()
        if plane.startswith(plane_names.FAILED) and ordinals
    }
    return NodeState(
        expected=wanted - waived,
        waived=wanted & waived,
        published=facts.get(plane_names.PUBLISHED, EMPTY),
        stale=facts.get(plane_names.STALE, EMPTY),
        same_code=same_code(version, facts),
        blocked=facts.get(plane_names.BLOCKED, EMPTY),
        running=running,
        failed=failed,
        code_version=version,
    )


def _reasons(reader: LedgerReader, known: Bound) -> dict[int, list[Reason]]:
    """Why partitions were not tried, by the node's index."""
    index = {node_id: place for place, node_id in enumerate(known.node_ids)}
    gathered: dict[tuple[int, str], list[int]] = {}
    at: dict[tuple[int, str], float] = {}
    for row in reader.blocks(known.node_ids):
        key = (index[row.node], row.reason)
        gathered.setdefault(key, []).append(row.ordinal)
        at[key] = max(at.get(key, row.at), row.at)
    reasons: dict[int, list[Reason]] = {}
    for key, ordinals in gathered.items():
        reasons.setdefault(key[0], []).append(Reason(key[1], PartitionSet.of(ordinals), at[key]))
    return reasons


def _with_history(reader: LedgerReader, known: Bound, step: StepInsight, tail: Mapping[int, _Tail]) -> StepStatus:
    node_id = known.node_ids[step.node.index]
    name = step.node.partitions.name
    there = step.complete - step.waived
    newest = there.last if step.node.partitions.is_time else None
    samples = {}
    for kind, ordinals in step.failed.items():
        if sample := _sample(reader, node_id, ordinals.last or 0):
            samples[kind] = FailureSample(name(ordinals.last or 0), *sample)
    at = _last_time(reader, node_id, there, tail.get(node_id))
    newest_name = None if newest is None else name(newest)
    return StepStatus(step, newest_name, at, samples, tuple(_accepted(reader, node_id, step)))


def _accepted(reader: LedgerReader, node_id: NodeId, step: StepInsight) -> Iterator[Accepted]:
    """A step's own; that its table follows needs no line of its own."""
    if step.waived:
        together: dict[tuple[str, str, float], list[int]] = {}
        for waiver in reader.waivers([node_id]):
            if waiver.ordinal in step.waived:
                together.setdefault((waiver.reason, waiver.who, waiver.at), []).append(waiver.ordinal)
        for (reason, who, at), ordinals in together.items():
            yield Accepted(reason, who, at, PartitionSet.of(ordinals))


@dataclass(frozen=True, slots=True)
class _Tail:
    """The newest publication of a node."""

    ordinal: int
    published_at: float


def _tail(reader: LedgerReader) -> dict[int, _Tail]:
    """Of all nodes that published anything lately: one short look instead of a long one for each."""
    rows = reader.query(
        "SELECT node, ordinal, published_at FROM publications WHERE state = 'current' AND substr(reason, 1, ?) <> ?"
        " ORDER BY token DESC LIMIT ?",
        (len(ROLLBACK), ROLLBACK, _TAIL),
    )
    newest: dict[int, _Tail] = {}
    for node, ordinal, published_at in rows:
        newest.setdefault(node, _Tail(ordinal, published_at))
    return newest


def _last_time(reader: LedgerReader, node: NodeId, there: PartitionSet, tail: _Tail | None) -> float | None:
    """When the newest of these was made; to roll back makes nothing."""
    first, last = there.first, there.last
    if first is None or last is None:
        return None
    if tail is not None and tail.ordinal in there:
        return tail.published_at
    rows = reader.query(
        _LAST_MADE,
        {"node": node, "first": first, "last": last, "length": len(ROLLBACK), "rollback": ROLLBACK},
    )
    return None if rows[0][0] is None else float(rows[0][0])


def _sample(reader: LedgerReader, node: NodeId, ordinal: int) -> tuple[Failure, str | None] | None:
    rows = reader.query(
        "SELECT failure, log FROM attempts WHERE node = ? AND ordinal = ? AND failure IS NOT NULL"
        " ORDER BY token DESC LIMIT 1",
        (node, ordinal),
    )
    return (Failure.from_json(json.loads(rows[0][0])), rows[0][1]) if rows else None
