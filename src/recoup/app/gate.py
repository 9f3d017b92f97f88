"""The gate: what the calendar expects, held against the data itself, not against what the ledger claims of it.

`gate(workspace, pipeline, …) -> Gate` looks at every pointer, file and table of a window. `gate_of_run` is what a run
ends with: what it has just published it knows to be there, of what was published earlier it opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from recoup.app.backfills import at_work
from recoup.app.bound import Bound, bound
from recoup.app.data_there import DataThere
from recoup.app.gaps import Gate, dates_of, missing_of
from recoup.app.prepare import Planned
from recoup.app.status import asked, look, readable
from recoup.app.workspace import Workspace
from recoup.engine.insight import Insight, Window
from recoup.ledger.reader import LedgerReader
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.plan.plan import Verb
from recoup.ports import ObjectStore

LOOKED_AT_BY_A_RUN: Final = 10_000
"""So many published partitions of earlier runs it looks for in a folder, in a fraction of a second."""
LOOKED_AT_IN_A_BUCKET: Final = 100


def gate(
    workspace: Workspace,
    pipeline: str | Pipeline,
    *,
    start: str | None = None,
    end: str | None = None,
    partitions: Sequence[str] = (),
    steps: Sequence[str] = (),
    stage: int = 1,
) -> Gate:
    """Whether the data of every expected partition is there; gaps that were waived count as complete."""
    with readable(workspace) as reader:
        known = bound(workspace, reader, pipeline)
        window = Window(asked(workspace, known.graph, start, end, partitions))
        found, unread = look(workspace, reader, known, at_work(workspace, reader), window, steps)
        return gate_of(workspace, reader, known, found, unread, stage=stage)


def gate_of(
    workspace: Workspace,
    reader: LedgerReader,
    known: Bound,
    found: Insight,
    unread: tuple[str, ...] = (),
    *,
    stage: int = 1,
) -> Gate:
    """The same for what was looked up already; ends the reader's transaction."""
    reader.query("COMMIT")  # what follows takes its time: each answer is one of its own
    there = DataThere(workspace, reader, workspace.store(), known.graph, known.node_ids)
    for step in found.steps:
        there.look(step.node, step.expected - step.waived)
    gaps, now = there.gathered.gaps(), workspace.clock.now()
    return Gate(
        known.pipeline.name,
        known.graph.anchor,
        found.dates,
        missing_of(known.graph, gaps, found.dates, now),
        gaps,
        dates_of(known.graph, {step.node.index: step.waived for step in found.steps}, now) & found.dates,
        unread,
        stage=stage,
    )


def gate_of_run(workspace: Workspace, reader: LedgerReader, store: ObjectStore, planned: Planned) -> Gate:
    """The same for what a request has touched: what its plan runs, blocks, or keeps because it is published."""
    graph, now = planned.prepared.graph, workspace.clock.now()
    touched, made = _touched(planned), _made(planned)
    there = DataThere(
        workspace, reader, store, graph, planned.prepared.node_ids, made,
        at_most=LOOKED_AT_IN_A_BUCKET if "://" in store.url else LOOKED_AT_BY_A_RUN,
    )  # fmt: skip
    for index, ordinals in touched.items():
        there.look(graph.nodes[index], ordinals)
    gaps, dates = there.gathered.gaps(), dates_of(graph, touched, now)
    missing = missing_of(graph, gaps, dates, now)
    return Gate(graph.pipeline, graph.anchor, dates, missing, gaps, unopened=there.unopened)


def gate_of_stage(
    workspace: Workspace,
    reader: LedgerReader,
    store: ObjectStore,
    planned: Planned,
    *,
    stage: int,
    meanwhile: Callable[[], None],
) -> Gate:
    """The same between two stages: every pointer, file and table of the stage is looked at, this process's own too.

    `meanwhile` is called now and then: whoever runs the stages holds a lease.
    """
    graph, now = planned.prepared.graph, workspace.clock.now()
    touched = _touched(planned)
    there = DataThere(workspace, reader, store, graph, planned.prepared.node_ids)
    for index, ordinals in touched.items():
        meanwhile()
        there.look(graph.nodes[index], ordinals)
    gaps, dates = there.gathered.gaps(), dates_of(graph, touched, now)
    return Gate(graph.pipeline, graph.anchor, dates, missing_of(graph, gaps, dates, now), gaps, stage=stage)


def _touched(planned: Planned) -> Mapping[int, PartitionSet]:
    touched: dict[int, PartitionSet] = {}
    for index, ordinals in (*planned.plan.kept, *((group.node, group.ordinals) for group in planned.plan.groups)):
        touched[index] = touched.get(index, EMPTY) | ordinals
    return dict(sorted(touched.items()))


def _made(planned: Planned) -> Mapping[int, PartitionSet]:
    return {node.index: planned.plan.of(node.index, Verb.RUN) for node in planned.prepared.graph.nodes if node.is_made}
