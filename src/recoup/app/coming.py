"""What other backfills that run now have still to make: a plan that reads it waits for it instead of being blocked.

Only whoever plans later waits for whoever planned before, so two backfills never wait for each other.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from recoup.app.backfills import at_work
from recoup.app.prepare import Prepared
from recoup.app.status import running_now
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.ledger.writer import Ledger
from recoup.model.errors import RecoupError
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.planner import make_plan
from recoup.plan.request import Request

_RUNNING = """
SELECT backfill, request, controller FROM backfills WHERE pipeline = ? AND state = 'running' AND backfill < ?
"""
_FAILED = """
SELECT a.ordinal FROM json_each(:planned) one CROSS JOIN attempts a ON a.node = :node AND a.ordinal = one.value
WHERE a.backfill = :backfill AND a.state = 'failed'
"""


def with_coming(workspace: Workspace, ledger: Ledger, prepared: Prepared, before: int | None = None) -> Prepared:
    """The same, with what runs and comes by others; their requests are planned again, by what is left to do today.

    Of a backfill that is at work already, `before` is its number: only older ones count. The lease of a controller that
    was killed runs on; nothing runs or comes by it.
    """
    rows = ledger.db.execute(_RUNNING, (prepared.pipeline.name, before or sys.maxsize)).fetchall()
    if not rows and not any(state.running for state in prepared.snapshot.states):
        return prepared
    reader = LedgerReader(ledger.path, ledger.db)
    live = at_work(workspace, reader)
    prepared = _with_running(prepared, running_now(reader, live))
    others = [(backfill, request) for backfill, request, controller in rows if controller in live]
    coming = [EMPTY] * len(prepared.graph.nodes)
    for backfill, request in others:
        with suppress(RecoupError):  # it asked for what is not declared any more
            # Of their runs' moments nothing is known here: that a snapshot is too old for them is for them to say.
            facts = replace(prepared.snapshot, moments=None)
            plan = make_plan(Request.from_json(json.loads(request)), prepared.graph, facts)
            for index, node_id in enumerate(prepared.node_ids):
                planned = plan.of(index)
                coming[index] |= planned - _failed(ledger, backfill, node_id, planned)
    states = (replace(state, coming=more) for state, more in zip(prepared.snapshot.states, coming, strict=True))
    snapshot = replace(prepared.snapshot, states=tuple(states))
    return replace(prepared, snapshot=snapshot, others=frozenset(backfill for backfill, _ in others))


def _with_running(prepared: Prepared, running: Mapping[int, PartitionSet]) -> Prepared:
    pairs = zip(prepared.snapshot.states, prepared.node_ids, strict=True)
    states = tuple(replace(state, running=running.get(node_id, EMPTY)) for state, node_id in pairs)
    return replace(prepared, snapshot=replace(prepared.snapshot, states=states))


def _failed(ledger: Ledger, backfill: int, node_id: int, planned: PartitionSet) -> PartitionSet:
    """What it has tried of these already, and will not again."""
    asked = {"planned": json.dumps(list(planned)), "node": node_id, "backfill": backfill}
    return PartitionSet.of(ordinal for (ordinal,) in ledger.db.execute(_FAILED, asked)) if planned else EMPTY
