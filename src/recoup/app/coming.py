"""What other backfills that run now have still to make: a plan that reads it waits for it instead of being blocked.

Only whoever plans later waits for whoever planned before, so two backfills never wait for each other.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import replace

from recoup.app.prepare import Prepared
from recoup.ledger.writer import Ledger
from recoup.model.errors import RecoupError
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.planner import make_plan
from recoup.plan.request import Request

_RUNNING = """
SELECT backfill, request, controller FROM backfills JOIN controllers USING (controller)
WHERE pipeline = ? AND state = 'running' AND controllers.ended_at IS NULL AND lease_until >= ? AND backfill < ?
"""
_FAILED = "SELECT node, ordinal FROM attempts WHERE backfill = ? AND state = 'failed'"


def with_coming(
    ledger: Ledger, prepared: Prepared, before: int | None = None, live: frozenset[int] | None = None
) -> Prepared:
    """The same, with what comes by others; their requests are planned again, by what is left to do today.

    Of a backfill that is at work already, `before` is its number: only older ones count. Whose lease holds is believed
    to live, unless it is known who does: the `live` controllers.
    """
    now = ledger.clock.now().timestamp()
    others = ledger.db.execute(_RUNNING, (prepared.pipeline.name, now, before or sys.maxsize)).fetchall()
    others = [other for other in others if live is None or other[2] in live]
    if not others:
        return prepared
    coming = [EMPTY] * len(prepared.graph.nodes)
    for backfill, request, _ in others:
        with suppress(RecoupError):  # it asked for what is not declared any more
            # Of their runs' moments nothing is known here: that a snapshot is too old for them is for them to say.
            facts = replace(prepared.snapshot, moments=None)
            plan = make_plan(Request.from_json(json.loads(request)), prepared.graph, facts)
            failed = ledger.db.execute(_FAILED, (backfill,)).fetchall()
            for node in prepared.graph.nodes:
                tried = PartitionSet.of(o for node_id, o in failed if node_id == prepared.node_ids[node.index])
                coming[node.index] |= plan.of(node.index) - tried
    states = (replace(state, coming=more) for state, more in zip(prepared.snapshot.states, coming, strict=True))
    snapshot = replace(prepared.snapshot, states=tuple(states))
    return replace(prepared, snapshot=snapshot, others=frozenset(backfill for backfill, *_ in others))
