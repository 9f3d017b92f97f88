"""The stages of one backfill, one after the other: planned anew, carried out, and verified before the next begins.

Where a stage is not complete it ends there. How far it is stands in the ledger, so that a resume goes on in the stage
in which it stopped, whoever stopped it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from recoup.app.carrying import Carrying, Observer
from recoup.app.coming import with_coming
from recoup.app.gaps import GapKind
from recoup.app.gate import gate_of_stage
from recoup.app.prepare import Planned
from recoup.engine.events import Block, Counts
from recoup.engine.stopping import Progress
from recoup.ledger.backfills import set_state, wish_of
from recoup.ledger.reader import LedgerReader
from recoup.ledger.stages import StageRow, StageState, begin_stage, end_stage, stages_of
from recoup.model.graph import Node
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.plan.plan import Plan, Verb
from recoup.plan.planner import make_plan
from recoup.plan.stages import REST, Stage

LOOK_SECONDS: Final = 0.1
"""How often a pause between stages looks whether somebody wants it to end."""


class Moment(StrEnum):
    """What there is to tell of a stage."""

    BEGUN = "begun"
    PASSED = "passed"
    FAILED = "failed"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class StageNews:
    """What has become of one of `count` stages; `seconds` is how long the pause after it is."""

    moment: Moment
    stage: StageRow
    count: int
    actions: int = 0
    seconds: float = 0.0


OnStage = Callable[[StageNews], None]


@dataclass(frozen=True, slots=True)
class Staged:
    """How far it came: all that was done, and whether every stage has passed."""

    counts: Counts
    is_complete: bool


def to_rows(stages: Sequence[Stage], anchor: Partitioning) -> list[tuple[str, list[tuple[str, str]], int]]:
    """As the ledger keeps them: name, ranges by key, number of partitions."""
    return [
        (
            stage.name,
            [(anchor.name(run[0]), anchor.name(run[-1])) for run in stage.partitions.ranges()],
            len(stage.partitions),
        )
        for stage in stages
    ]


def from_rows(rows: Sequence[StageRow], anchor: Partitioning) -> tuple[Stage, ...]:
    """The inverse."""
    return tuple(Stage(row.name, _partitions(row, anchor)) for row in rows)


def staged_part(planned: Planned, stages: Sequence[Stage]) -> Planned:
    """Of what was asked for the part that lies in the stages: all of it where one of them is the rest."""
    if not stages or any(stage.is_rest for stage in stages):
        return planned
    prepared, within = planned.prepared, EMPTY
    for stage in stages:
        within |= stage.partitions
    return Planned(make_plan(planned.plan.request, prepared.graph, prepared.snapshot, within), prepared)


@dataclass
class Staging:
    """One staged backfill while it goes on; `whole` is the plan of all that was asked for when it began, or went on."""

    carrying: Carrying
    whole: Planned
    observe: Observer
    on_stage: OnStage
    _before: Counts = field(default_factory=Counts)
    _to_come: int = 0

    def __post_init__(self) -> None:
        self.workspace, self.ledger = self.carrying.workspace, self.carrying.ledger
        self.lease, self.stopping = self.carrying.lease, self.carrying.stopping
        self.backfill = self.carrying.opened.backfill

    def run(self) -> Staged:
        """Until all have passed, one has not, or somebody stops it."""
        stages = stages_of(self.ledger.db, self.backfill)
        self._to_come = self.whole.plan.actions
        for stage in stages:
            if stage.state is StageState.PASSED:
                continue
            if self.stopping.ends or not self._passes(stage, len(stages)):
                return Staged(self._before, is_complete=False)
            if stage.number < len(stages):
                self._pause(replace(stage, state=StageState.PASSED), len(stages))
        return Staged(self._before, is_complete=True)

    def _passes(self, stage: StageRow, count: int) -> bool:
        """Carry it out, and look whether it is complete."""
        planned = self._planned(stage)
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            begin_stage(tx, self.backfill, stage.number, stage.name)
        begun = replace(stage, state=StageState.RUNNING, short=())
        self.on_stage(StageNews(Moment.BEGUN, begun, count, planned.plan.actions))
        self._blocked_by_the_plan(planned.plan)
        if planned.plan.actions:
            self._to_come = max(self._to_come - planned.plan.actions, 0)
            before = self._before
            self._before = _sum(before, self.carrying.carry_out(planned, self._observer(before)))
        if self.stopping.ends and not (self.stopping.halted or self.stopping.enough):
            return False  # somebody stopped it: whether it is complete was not asked
        short = self._short(stage, planned)
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            state = end_stage(tx, self.backfill, stage.number, stage.name, short)
        moment = Moment.FAILED if short else Moment.PASSED
        self.on_stage(StageNews(moment, replace(stage, state=state, short=tuple(short)), count))
        return not short

    def _planned(self, stage: StageRow) -> Planned:
        """By what is there now; of what began after this backfill it waits for nothing, for that waits for it."""
        request, pipeline = self.whole.plan.request, self.whole.prepared.pipeline
        prepared = self.workspace.prepared(self.ledger, pipeline, request)
        prepared = with_coming(self.workspace, self.ledger, prepared, before=self.backfill)
        within = None if stage.name == REST else _partitions(stage, prepared.graph.anchor)
        return Planned(make_plan(request, prepared.graph, prepared.snapshot, within), prepared)

    def _short(self, stage: StageRow, begun: Planned) -> list[Mapping[str, Any]]:
        """What is not there of it: what is still to do, and what is published, and is not there all the same."""
        planned = self._planned(stage)
        nodes = planned.prepared.graph.nodes
        groups = planned.plan.groups
        left = [_lacking(nodes[group.node], group.ordinals, group.reason, published=False) for group in groups]
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        gate = gate_of_stage(
            self.workspace, reader, self.carrying.store, begun, stage=stage.number, meanwhile=self._look
        )
        gone = [gap for gap in gate.gaps if gap.kind is not GapKind.NOT_PUBLISHED]
        return [*left, *(_lacking(gap.node, gap.partitions, gap.why, published=True) for gap in gone)]

    # --- what an observer sees: one backfill, not many

    def _observer(self, before: Counts) -> Observer:
        def observe(progress: Progress) -> None:
            counts = _sum(before, progress.counts)
            counts.total += self._to_come
            self.observe(replace(progress, counts=counts))

        return observe

    def _blocked_by_the_plan(self, plan: Plan) -> None:
        """What the whole would have run, and this stage cannot."""
        blocks: list[Block] = []
        for group in plan.groups:
            if group.verb is Verb.BLOCK:
                more = group.ordinals - self.whole.plan.of(group.node, Verb.BLOCK)
                blocks += (Block(group.node, ordinal, group.reason) for ordinal in more)
        if blocks:
            self._to_come = max(self._to_come - len(blocks), 0)
            self._before = _sum(self._before, Counts(total=len(blocks), blocked=len(blocks)))
            counts = replace(self._before, total=self._before.total + self._to_come)
            self.observe(Progress(counts, 0, self.stopping.paused, blocked=tuple(blocks)))

    # --- between two stages

    def _pause(self, stage: StageRow, count: int) -> None:
        """As long as was asked for; whoever wants it to stop, to pause or to go on is heard."""
        clock, seconds = self.workspace.clock, self.whole.plan.request.pause_between_seconds
        if not seconds:
            return
        self.on_stage(StageNews(Moment.PAUSED, stage, count, seconds=seconds))
        until = clock.monotonic() + seconds
        while not self.stopping.ends and (self.stopping.paused or clock.monotonic() < until):
            threading.Event().wait(LOOK_SECONDS)
            self._look()

    def _look(self) -> None:
        wish, _ = wish_of(self.ledger, self.backfill)
        self.stopping.cancelled = self.stopping.cancelled or wish == "cancel"
        turned = (wish == "pause") != self.stopping.paused and not self.stopping.cancelled
        if not (turned or self.lease.renewal_due):
            return
        with self.ledger.transaction() as tx:
            self.lease.renew(tx)
            if turned:
                self.stopping.paused = wish == "pause"
                set_state(tx, self.backfill, "paused" if self.stopping.paused else "running")
        counts = replace(self._before, total=self._before.total + self._to_come)
        self.observe(Progress(counts, 0, self.stopping.paused))


def _lacking(node: Node, ordinals: PartitionSet, why: str, *, published: bool) -> Mapping[str, Any]:
    """What is short; `published` where only the data is not there."""
    texts = node.partitions.ranges_text(ordinals)
    return {"step": node.name, "partitions": texts, "count": len(ordinals), "why": why, "published": published}


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(
        one.total + other.total,
        one.succeeded + other.succeeded,
        one.failed + other.failed,
        one.blocked + other.blocked,
    )


def _partitions(stage: StageRow, anchor: Partitioning) -> PartitionSet:
    found = EMPTY
    for first, last in stage.ranges:
        found |= PartitionSet.of_range(range(anchor.ordinal(first), anchor.ordinal(last) + 1))
    return found
