"""`recoup status --gaps`: the partitions that are not complete, one a line, as a script or a person fills them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recoup.app.standing import Status
from recoup.cli.text import View
from recoup.engine.insight import StepInsight
from recoup.model.graph import NodeKind
from recoup.model.partition import PartitionSet


def gaps_json(found: Status) -> dict[str, Any]:
    """Each step's gaps, in order."""
    return {
        "pipeline": found.insight.pipeline,
        "complete": found.insight.complete,
        "gaps": [
            {"step": step.node.name, "count": len(gaps), "partitions": [step.node.partitions.name(o) for o in gaps]}
            for step, gaps in _gaps(found)
        ],
    }


def gaps_lines(found: Status, view: View) -> Iterator[str]:
    """The keys alone where one step was asked about."""
    gaps = list(_gaps(found))
    if len(gaps) == 1:
        step, only = gaps[0]
        yield from (step.node.partitions.name(ordinal) for ordinal in only)
        return
    rows = ([step.node.name, step.node.partitions.name(ordinal)] for step, each in gaps for ordinal in each)
    yield from view.columns(rows)


def any_gap(found: Status) -> bool:
    """Whether there is one."""
    return any(gaps for _, gaps in _gaps(found))


def _gaps(found: Status) -> Iterator[tuple[StepInsight, PartitionSet]]:
    """Of each step: what is not made, or is not in a table that shall show it."""
    insights = [status.insight for status in found.steps]
    for step in insights:
        if step.node.kind is NodeKind.STEP:
            lacking = step.expected - step.complete
            for table in insights:
                if table.node.kind is NodeKind.DELIVERY and table.node.edges[0].parent == step.node.index:
                    lacking |= table.expected - table.complete
            yield step, lacking
