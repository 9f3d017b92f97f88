"""The verb escalate: all that the next person needs of what is wrong now, from ledger, lake, code and settings.

`escalate(workspace, words) -> Escalation` looks, and changes nothing; `bundle` writes the files that were made of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recoup.app import backfilling
from recoup.app.bound import Bound, bound
from recoup.app.checks import Check
from recoup.app.doctor import doctor
from recoup.app.execution_log import ExecutionLog, log_of
from recoup.app.prepare import Planned
from recoup.app.seen_before import SeenBefore, earlier
from recoup.app.shown_settings import Shown, shown
from recoup.app.standing import Status
from recoup.app.status import readable, status
from recoup.app.step_source import StepSource, step_source
from recoup.app.versions import versions
from recoup.app.why import Why, Wrong, why
from recoup.app.workspace import Workspace
from recoup.lake.manifests import read_manifest
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import CorruptError, RecoupError
from recoup.model.graph import Node, NodeKind
from recoup.model.redact import redactor
from recoup.plan.request import Request

ATTEMPTS: Final = 200
EARLIER: Final = 20
LOGS: Final = 5
MANIFESTS: Final = 20
TAIL_BYTES: Final = 65_536
"""Of a long log its end: that is where it says why."""
_PARTITIONS: Final = 1_000
_DAY_SECONDS: Final = 86_400.0
_TRIED: Final = (
    "WHERE token IN (SELECT a.token FROM json_each(?) one JOIN attempts a ON a.node = ? AND a.ordinal = one.value)"
)
_TRIED_BY: Final = """
WITH cells AS (SELECT value AS ordinal, ? AS node FROM json_each(?))
SELECT a.backfill FROM cells c JOIN attempts a USING (node, ordinal) WHERE a.backfill IS NOT NULL
UNION SELECT b.backfill FROM cells c JOIN blocks b USING (node, ordinal) WHERE b.backfill IS NOT NULL
"""
_FAILED_ALIKE: Final = """
SELECT DISTINCT backfill FROM attempts
WHERE failure IS NOT NULL AND json_extract(failure, '$.fingerprint') = ? AND backfill IS NOT NULL
ORDER BY backfill DESC LIMIT ?
"""
_THROTTLED: Final = """
SELECT n.name, json_extract(a.failure, '$.kind') AS failed, count(*), max(a.ended_at)
FROM attempts a JOIN nodes n USING (node)
WHERE n.pipeline = ? AND a.failure IS NOT NULL AND a.ended_at >= ? AND failed IN ('throttled', 'quota')
GROUP BY 1, 2 ORDER BY 3 DESC
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One cause, with what was tried, how it ended earlier, and the code that it happens in; `log` is a log's end."""

    wrong: Wrong
    attempts: Sequence[Mapping[str, Any]]
    earlier: Sequence[SeenBefore]
    source: StepSource | None
    log: str
    manifests: Mapping[str, bytes]

    @property
    def step(self) -> str:
        """Where the newest of it failed."""
        return self.wrong.graph.nodes[self.wrong.newest.node].name


@dataclass(frozen=True, slots=True)
class Throttled:
    """How often another side asked a step to slow down, in the last day."""

    step: str
    kind: str
    count: int
    last_at: float


@dataclass(frozen=True, slots=True)
class Escalation:
    """Everything; `plans` are what `recoup run` would do now, or why nobody can tell."""

    at: float
    who: str
    why: Why
    cases: Sequence[Case]
    statuses: Mapping[str, Status]
    plans: Mapping[str, Planned | RecoupError]
    logs: Sequence[ExecutionLog]
    throttled: Sequence[Throttled]
    checks: Sequence[Check]
    settings: Sequence[Shown]
    versions: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)


def escalate(workspace: Workspace, words: Sequence[str]) -> Escalation:
    """What is wrong with a pipeline, a partition, a run or a group, or with everything; see `why`."""
    found = why(workspace, words)
    names = list(dict.fromkeys(one.pipeline for one in found.wrong))
    now = workspace.clock.now().timestamp()
    with readable(workspace) as reader:
        known = {name: bound(workspace, reader, name) for name in names}
        cases = [_case(workspace, reader, known[one.pipeline], one) for one in found.wrong]
        logs = [log_of(reader, row) for row in _backfills(reader, known, found.wrong)]
        slow = [Throttled(*row) for one in known.values() for row in _throttled(reader, one, now)]
    hide = redactor(os.environ)
    return Escalation(
        now,
        workspace.who,
        found,
        cases,
        {name: status(workspace, name) for name in names},
        {name: _plan(workspace, name, known[name]) for name in names},
        logs,
        slow,
        doctor(workspace, names) if names else [],
        list(shown(workspace.settings, hide)),
        versions(),
        {name: hide(link) for name, link in workspace.settings.links.items()},
    )


def _case(workspace: Workspace, reader: LedgerReader, known: Bound, wrong: Wrong) -> Case:
    node = known.graph.nodes[wrong.newest.node]
    tried: list[dict[str, Any]] = []
    for index, ordinals in wrong.cause.where.items():
        some = json.dumps(list(ordinals)[-_PARTITIONS:])
        tried += reader.run_history(_TRIED, (some, known.node_ids[index]), ATTEMPTS)
    tried.sort(key=lambda row: -row["token"])
    made = _maker(known, node)
    source = step_source(made.step) if made.step is not None else None
    manifests = dict(_manifests(workspace, wrong, tried))
    return Case(
        wrong, tried[:ATTEMPTS], earlier(reader, wrong.cause, EARLIER), source, _tail(wrong.newest.log), manifests
    )


def _maker(known: Bound, node: Node) -> Node:
    """The step of a delivery."""
    return known.graph.nodes[node.edges[0].parent] if node.kind is NodeKind.DELIVERY else node


def _tail(log: str | None) -> str:
    """The end of the newest log; what is gone says nothing."""
    if log is None:
        return ""
    try:
        with Path(log).open("rb") as file:
            file.seek(max(Path(log).stat().st_size - TAIL_BYTES, 0))
            return redactor(os.environ)(file.read().decode(errors="replace"))
    except OSError:
        return ""


def _manifests(workspace: Workspace, wrong: Wrong, tried: Sequence[Mapping[str, Any]]) -> Mapping[str, bytes]:
    """Of the newest attempts, and of what they were to read, by the name of a file; what cannot be read is left out."""
    keys = {node.name: node.partitions.key for node in wrong.graph.nodes}
    wanted = [(row["step"], row["partition"], row["run_id"]) for row in tried]
    wanted = [*((one.dataset, one.partition, one.run_id) for one in wrong.beside.inputs if one.run_id), *wanted]
    places = [place for place in dict.fromkeys(wanted) if place[0] in keys]
    found: dict[str, bytes] = {}
    try:
        store = workspace.store()
        for dataset, partition, run_id in places[:MANIFESTS]:
            with suppress(CorruptError):
                if manifest := read_manifest(store, dataset, keys[dataset], partition, run_id):
                    found[f"{dataset}/{partition.replace('/', '+')}.{run_id}.json"] = manifest.to_bytes()
    except RecoupError:
        pass  # a lake that is out of reach may be just what is handed over: `recoup doctor` tells of it
    return found


def _backfills(reader: LedgerReader, known: Mapping[str, Bound], wrong: Sequence[Wrong]) -> list[Any]:
    """Those that tried any of it, or in which something failed alike before; newest first."""
    numbers: set[int] = set()
    for one in wrong:
        alike = reader.query(_FAILED_ALIKE, (one.cause.newest.failure.fingerprint, LOGS))
        numbers.update(row[0] for row in alike)
        for index, ordinals in one.cause.where.items():
            some = json.dumps(list(ordinals)[-_PARTITIONS:])
            rows = reader.query(_TRIED_BY, (known[one.pipeline].node_ids[index], some))
            numbers.update(row[0] for row in rows)
    newest = sorted(numbers, reverse=True)[:LOGS]
    return reader.backfills("WHERE backfill IN (SELECT value FROM json_each(?))", (json.dumps(newest),))


def _throttled(reader: LedgerReader, known: Bound, now: float) -> list[tuple[Any, ...]]:
    return reader.query(_THROTTLED, (known.pipeline.name, now - _DAY_SECONDS))


def _plan(workspace: Workspace, name: str, known: Bound) -> Planned | RecoupError:
    """A source or a calendar may be just what is out of reach."""
    try:
        return backfilling.plan(workspace, Request(known.pipeline.name), name)
    except RecoupError as error:
        return error
