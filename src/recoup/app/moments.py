"""The moment of a partition's run before it is open: what a plan needs to say how old a snapshot would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from recoup.app.asof import as_of
from recoup.engine.runs import grain_of, may_continue
from recoup.ledger.facts import RunRow
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Graph
from recoup.model.pipeline import Pipeline
from recoup.model.relation import Newest
from recoup.plan.request import Request
from recoup.plan.snapshot import Moments, NodeState


def moments(
    reader: LedgerReader,
    pipeline: Pipeline,
    graph: Graph,
    states: Sequence[NodeState],
    request: Request | None,
    now: datetime,
) -> Moments | None:
    """Those of open runs that would be continued, else what the request's mode says; None where no step asks."""
    asking = [node for node in graph.nodes if any(_is_snapshot(edge.relation) for edge in node.edges)]
    if request is None or not asking:
        return None
    asked = as_of(request.as_of_mode, pipeline, now.timestamp())
    runs = {node.index: reader.open_runs(pipeline.name, grain_of(node.partitions)) for node in asking}
    return lambda node, ordinal: _moment(
        asked(node.partitions, ordinal), ordinal, runs[node.index], states[node.index], request
    )


def _moment(asked: float, ordinal: int, runs: Mapping[int, RunRow], state: NodeState, request: Request) -> float:
    """A run that has shown this step is never continued for it."""
    run = runs.get(ordinal)
    if run is None or ordinal in state.published:
        return asked
    return run.run_as_of if may_continue(run, asked, limited=request.as_of_mode != "now") else asked


def _is_snapshot(relation: object) -> bool:
    return isinstance(relation, Newest) and relation.snapshot
