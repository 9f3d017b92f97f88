"""The verb waive: a gap is accepted for good, and counts as complete from then on; it can be taken back.

`waive(workspace, pipeline, scope, reason) -> Waived` and `take_back(workspace, pipeline, scope) -> Waived`. Waived are
the chosen steps of a partition, or all of them, that are not published. The ledger is told first, then the lake, from
which a rebuilt ledger learns it; a publication ends a waiver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recoup.app.backfills import at_work
from recoup.app.prepare import Prepared
from recoup.app.workspace import Workspace
from recoup.engine.inflight import iso
from recoup.engine.insight import Window
from recoup.lake.waivers import AcceptedGaps, write_waivers
from recoup.ledger.cells import written
from recoup.ledger.facts import NodeId, Waiver
from recoup.ledger.planes import PUBLISHED
from recoup.ledger.reader import LedgerReader
from recoup.ledger.transaction import Transaction
from recoup.ledger.writer import Ledger
from recoup.model.errors import PartitionError, RefusedError, UsageError
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.pipeline import Pipeline
from recoup.plan.snapshot import NodeState
from recoup.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class Gaps:
    """Which gaps are meant: partitions by key, or a window; of some steps, or of all."""

    partitions: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waived:
    """What was waived, or taken back: ranges by step, as people read them; `published` was left alone."""

    pipeline: str
    steps: Mapping[str, list[str]]
    count: int
    published: Mapping[str, list[str]]
    reason: str


def waive(workspace: Workspace, pipeline: str | Pipeline, gaps: Gaps, reason: str | None) -> Waived:
    """Accept them; RefusedError while one of them is running, UsageError when nothing is missing there."""
    by = workspace.acting(reason)
    text = by.get("reason", "")
    if not text:
        message = "a gap is accepted for a reason, and none was given"
        raise UsageError(message, 'say why: --reason "the source was never recorded that day"')
    with workspace.ledger_for(pipeline) as ledger:
        store = workspace.own_store(ledger)
        known = _Known(workspace, ledger, workspace.prepared(ledger, pipeline), gaps)
        with ledger.transaction() as tx:
            chosen = known.missing(tx)
            for node, ordinals in chosen.items():
                tx.waive([Waiver(known.id_of(node), o, text, workspace.who, tx.now) for o in ordinals])
            report = known.report(chosen, text)
            tx.event("waived", data={**by, **known.told(chosen, report)})
        _tell_lake(store, ledger, known)
        return report


def take_back(workspace: Workspace, pipeline: str | Pipeline, gaps: Gaps) -> Waived:
    """They are gaps again; UsageError when none of them was waived."""
    with workspace.ledger_for(pipeline) as ledger:
        store = workspace.own_store(ledger)
        known = _Known(workspace, ledger, workspace.prepared(ledger, pipeline), gaps)
        chosen = {node: own for node, asked in known.asked() if (own := asked & known.state(node).waived)}
        if not chosen:
            message = "nothing of what was asked for is waived"
            raise UsageError(message, f"`recoup status {known.prepared.graph.pipeline} --only waived` shows what is")
        with ledger.transaction() as tx:
            for node, ordinals in chosen.items():
                for ordinal in ordinals:
                    tx.unwaive(known.id_of(node), ordinal)
            report = known.report(chosen, "")
            tx.event("waiver taken back", data={**workspace.acting(), **known.told(chosen, report)})
        _tell_lake(store, ledger, known)
        return report


@dataclass(frozen=True)
class _Known:
    """A pipeline as it stands, and what was asked of it."""

    workspace: Workspace
    ledger: Ledger
    prepared: Prepared
    gaps: Gaps

    def id_of(self, node: Node) -> NodeId:
        return self.prepared.node_ids[node.index]

    def state(self, node: Node) -> NodeState:
        return self.prepared.snapshot.states[node.index]

    def asked(self) -> Iterator[tuple[Node, PartitionSet]]:
        """What is meant of each step; refused where nobody expects it."""
        anchor, own, now = self.prepared.graph.anchor, self._own(), self.prepared.snapshot.now
        nodes = self._nodes()
        seen = EMPTY
        for node in nodes:
            state = self.state(node)
            asked = (Window(own).of(node, anchor, now) or EMPTY) & (state.expected | state.waived)
            seen |= asked
            yield node, asked
        alike = any(node.partitions.identity() == anchor.identity() for node in nodes)
        if self.gaps.partitions and alike and own - seen:
            name = anchor.name((own - seen).first or 0)
            message = f"partition {name} is not expected: the calendar leaves it out"
            raise PartitionError(message, "nothing is missing there, so nothing needs to be waived")

    def missing(self, tx: Transaction) -> dict[Node, PartitionSet]:
        """What is not there, as this transaction sees it."""
        chosen = {}
        for node, asked in self.asked():
            self._refuse_running(node, asked)
            lacking = [o for o in asked if not tx.plane_has(self.id_of(node), PUBLISHED, o)]
            if lacking:
                chosen[node] = PartitionSet.of(lacking)
        if not chosen:
            message = "nothing is missing of what was asked for: it is published"
            raise UsageError(message, f"`recoup status {self.prepared.graph.pipeline}` shows what is missing")
        return chosen

    def report(self, chosen: Mapping[Node, PartitionSet], reason: str) -> Waived:
        texts = {node.name: node.partitions.ranges_text(own) for node, own in chosen.items()}
        published = {}
        for node, asked in self.asked():
            if there := asked & self.state(node).published:
                published[node.name] = node.partitions.ranges_text(there)
        count = sum(map(len, chosen.values()))
        return Waived(self.prepared.graph.pipeline, texts, count, published, reason)

    def told(self, chosen: Mapping[Node, PartitionSet], report: Waived) -> dict[str, Any]:
        """For the history."""
        cells = written((self.id_of(node), ordinals) for node, ordinals in chosen.items())
        return {"pipeline": report.pipeline, "steps": dict(report.steps), "cells": cells}

    def _own(self) -> PartitionSet:
        """In the pipeline's own partitions."""
        gaps, anchor, now = self.gaps, self.prepared.graph.anchor, self.prepared.snapshot.now
        if gaps.partitions and (gaps.start or gaps.end):
            message = "both a window and explicit partitions were given"
            raise UsageError(message, "give --start and --end, or partitions, not both")
        if not (gaps.partitions or gaps.start or gaps.end):
            raise UsageError("no partition was named", "name the partitions, or give --start and --end")
        if not gaps.partitions:
            return anchor.window(gaps.start, gaps.end, now)
        own = EMPTY
        for key in gaps.partitions:
            own |= anchor.window(key, key, now)
        return own

    def _nodes(self) -> list[Node]:
        graph = self.prepared.graph
        for name in self.gaps.steps:
            if graph.node(name).kind is not NodeKind.STEP:
                message = f"{name} is no step: what others make, and what tables show, cannot be waived"
                raise UsageError(message, "waive the steps that read it")
        wanted = set(self.gaps.steps) or {node.name for node in graph.nodes}
        return [node for node in graph.nodes if node.kind is NodeKind.STEP and node.name in wanted]

    def _refuse_running(self, node: Node, asked: PartitionSet) -> None:
        reader = LedgerReader(self.ledger.path, self.ledger.db)
        live = at_work(self.workspace, reader)
        rows = reader.query(
            "SELECT ordinal, controller FROM attempts WHERE node = ? AND state = 'running'", (self.id_of(node),)
        )
        running = next((o for o, controller in rows if controller in live and o in asked), None)
        if running is not None:
            message = f"{node.name} {node.partitions.name(running)} is running"
            raise RefusedError(message, "let it end, or cancel its backfill; then it may not be a gap any more")


def _tell_lake(store: ObjectStore, ledger: Ledger, known: _Known) -> None:
    """All that is waived of the pipeline now."""
    graph = known.prepared.graph
    together: dict[tuple[int, str, str, float], list[str]] = {}
    index = {known.id_of(node): node for node in graph.nodes}
    for waiver in LedgerReader(ledger.path, ledger.db).waivers(known.prepared.node_ids):
        node = index[waiver.node]
        key = (node.index, waiver.reason, waiver.who, waiver.at)
        together.setdefault(key, []).append(node.partitions.name(waiver.ordinal))
    gaps = [
        AcceptedGaps(graph.nodes[node].name, reason, who, iso(at), tuple(names))
        for (node, reason, who, at), names in together.items()
    ]
    write_waivers(store, graph.pipeline, gaps)
