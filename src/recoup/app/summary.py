"""What `summary.json` says of a backfill: each partition's outcome as ranges, counts and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recoup.app.gaps import Gate
from recoup.app.prepare import Planned
from recoup.engine.events import Counts
from recoup.ledger import planes
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.ledger.stages import StageRow
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.plan import Verb

SUMMARY_VERSION = 1


def summarise(
    planned: Planned,
    reader: LedgerReader,
    backfill_id: str,
    state: str,
    counts: Counts,
    seconds: float,
    *,
    gate: Gate | None,
    stages: Sequence[StageRow] = (),
) -> dict[str, Any]:
    """The outcome of every partition that the plan names, as the ledger holds it now."""
    prepared, nothing = planned.prepared, EMPTY
    now = reader.planes(prepared.node_ids)
    steps: dict[str, Any] = {}
    for node in prepared.graph.nodes:
        named = nothing
        for group in planned.plan.groups:
            if group.node == node.index:
                named |= group.ordinals
        if not node.is_made or not named:
            continue
        facts = now[prepared.node_ids[node.index]]
        published = facts.get(planes.PUBLISHED, nothing) - facts.get(planes.STALE, nothing)
        outcomes = {"published": published & named, "blocked": facts.get(planes.BLOCKED, nothing) & named}
        for plane, ordinals in facts.items():
            if plane.startswith(planes.FAILED):
                outcomes[f"failed({plane.removeprefix(planes.FAILED)})"] = ordinals & named
        rest = named
        for ordinals in outcomes.values():
            rest -= ordinals
        outcomes["missing"] = rest
        steps[node.name] = {
            outcome: node.partitions.ranges_text(ordinals) for outcome, ordinals in outcomes.items() if ordinals
        }
    return {
        "summary_version": SUMMARY_VERSION,
        "backfill_id": backfill_id,
        "request": planned.plan.request.to_json(),
        "state": state,
        "verdict": "complete" if state == "done" else "incomplete",
        "gate": gate and gate.to_json(),
        "seconds": round(seconds, 3),
        "counts": {
            "actions": counts.total,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "blocked": counts.blocked + planned.plan.blocked,
            "done_before": planned.plan.done,
        },
        "partitions": steps,
        "dates": _dates(planned, now),
        **({"stages": [stage_json(stage) for stage in stages]} if stages else {}),
    }


def stage_json(stage: StageRow) -> dict[str, Any]:
    """One stage, as summaries and answers show it."""
    return {
        "stage": stage.number,
        "name": stage.name,
        "state": stage.state.value,
        "partitions": stage.partitions,
        "ranges": [list(ends) for ends in stage.ranges],
        "short": [dict(one) for one in stage.short],
    }


def _dates(planned: Planned, now: Mapping[NodeId, Mapping[str, PartitionSet]]) -> dict[str, list[str]]:
    """The dates that the plan names: those of which everything is published, a part, or nothing, by all steps."""
    prepared, named, lacking, there = planned.prepared, EMPTY, EMPTY, EMPTY
    anchor = prepared.graph.anchor
    for node in prepared.graph.nodes:
        if node.is_made and node.partitions.identity() == anchor.identity():
            facts = now[prepared.node_ids[node.index]]
            published = facts.get(planes.PUBLISHED, EMPTY) - facts.get(planes.STALE, EMPTY)
            named |= planned.plan.of(node.index) | planned.plan.of(node.index, Verb.BLOCK)
            lacking |= prepared.snapshot.states[node.index].expected - published
            there |= published if node.kind is NodeKind.STEP else EMPTY
    outcomes = {"complete": named - lacking, "partial": named & lacking & there, "empty": named & lacking - there}
    return {word: anchor.ranges_text(dates) for word, dates in outcomes.items() if dates}
