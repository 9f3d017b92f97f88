"""The verb recover: what puts a pipeline right, as one Request; and what only a person can do.

`Recovering` decides and changes nothing. `begin(…)` notes it in the history; then `app.backfilling.run` carries the
request out, like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

from recoup.app.prepare import Planned
from recoup.app.recover_asked import Asked
from recoup.app.recover_look import Looked
from recoup.app.recover_lost import Lost
from recoup.app.recover_needs import needs
from recoup.app.recover_scope import RecoverScope
from recoup.app.recover_taken import TakenBack
from recoup.app.recover_waits import Waits
from recoup.app.recover_wounds import Wounds
from recoup.app.workspace import Workspace
from recoup.ledger.cells import written
from recoup.ledger.pools import Paused, put_pause
from recoup.model.failure import FailureKind
from recoup.model.graph import Graph, NodeKind
from recoup.model.grid import Grid
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.touching import touching
from recoup.plan.edges import read_by
from recoup.plan.plan import Plan, Verb
from recoup.plan.planner import make_plan
from recoup.plan.ranges import ranges_of
from recoup.plan.request import Place, Request
from recoup.recovery import recover as rules
from recoup.recovery.recover import Action, Around, Need, Way, Wound

SPLITTABLE = frozenset({FailureKind.MEMORY, FailureKind.TIMEOUT, FailureKind.THROTTLED, FailureKind.QUOTA})
"""Kinds of which fewer partitions at a time may make an end."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is to be done about one pipeline, by whom, and why."""

    name: str
    request: Request
    planned: Planned
    actions: tuple[Action, ...]
    needs: tuple[Need, ...]
    pauses: tuple[Paused, ...]
    pieces: tuple[tuple[str, str], ...]
    """The window in two halves, both ends included, where fewer partitions at a time may make an end."""
    untried: int
    """What nobody has tried yet, and no gap: a run's work, not a recovery's."""
    stale: int

    @property
    def graph(self) -> Graph:
        """The pipeline's."""
        return self.planned.prepared.graph

    @property
    def is_nothing(self) -> bool:
        """Whether neither recoup nor a person has anything to do."""
        return not self.actions and not self.needs


@dataclass(frozen=True)
class Recovering:
    """Decides about one pipeline; `more` is wanted of it by others, by the node's index."""

    looked: Looked
    asked: Asked
    waits: Waits
    lost: Lost
    more: Mapping[int, PartitionSet]
    taken: TakenBack = field(default_factory=TakenBack)
    only_more: bool = False
    """Nobody asked about this pipeline itself."""
    most_memory_bytes: int = 0
    """To which a step's limit can be raised; 0 where nobody is held to it."""

    def recovery(self) -> Recovery:
        """What is wrong, what of it can be tried, in which order; and the rest."""
        graph, snapshot = self.looked.prepared.graph, self.looked.snapshot
        scope = RecoverScope(self.looked, self.asked, self.lost)
        wrong = {} if self.only_more else scope.wrong()
        in_part = scope.in_part(wrong)
        whole = {index: ordinals - in_part.get(index, EMPTY) for index, ordinals in wrong.items()}
        asked = _by_node([*self.more.items(), *whole.items()])
        wanted = self._with_what_can_be(self._wanted(asked), in_part)
        asked = _by_node([*asked.items(), *in_part.items()])
        mode = self.looked.as_of_mode(wanted)
        wounds_of = Wounds(self.looked, self.asked, self.waits, self.lost, mode, self.most_memory_bytes)
        wounds = list(wounds_of.of(wanted))
        persons = [(wound.node, wound.partitions) for wound in wounds if wound.treatment.way is Way.PERSON]
        left = _by_node([*persons, *self.taken.left()])
        doing = {n: o - left.get(n, EMPTY) - self.looked.busy[n] for n, o in wanted.items()}
        memory = wounds_of.memory_bytes(wounds, doing)
        request = Request(graph.pipeline, places=self._places(doing), as_of_mode=mode, memory_bytes=memory)
        # Without places a request means everything, which is the last thing that is wanted here.
        plan = make_plan(request, graph, snapshot) if request.places else Plan(request, (), "", 0, 0.0)
        actions = self._actions(plan, wounds, asked)
        awaited = _by_node((n, o & self.looked.busy[n]) for n, o in wanted.items())
        return Recovery(
            name=self.looked.name,
            request=request,
            planned=Planned(plan, self.looked.prepared),
            actions=(*self.waits.of(self.looked, actions, wounds, awaited), *actions),
            needs=(*needs(self.looked, plan, wounds, self.taken.needs(wanted)), *self.lost.needs),
            pauses=tuple(self.waits.asked_for(self.looked, wounds)),
            pieces=tuple(_pieces(graph, wounds, plan, self.looked)),
            untried=scope.untried(wanted),
            stale=sum(len(step.stale) for step in self.looked.found.steps),
        )

    def _actions(self, plan: Plan, wounds: Sequence[Wound], asked: Mapping[int, PartitionSet]) -> list[Action]:
        blocked = {step.node.index: step.blocked for step in self.looked.found.steps}
        runs = [rules.Planned(group.node, group.ordinals) for group in plan.groups if group.verb is Verb.RUN]
        around = Around(asked, blocked, self.taken.places)
        return list(rules.ordered(self.looked.prepared.graph, runs, wounds, around))

    def _wanted(self, asked: Mapping[int, PartitionSet]) -> dict[int, PartitionSet]:
        """With what it reads and is not there."""
        graph, snapshot = self.looked.prepared.graph, self.looked.snapshot
        if not asked:
            return {}
        wish = Request(graph.pipeline, places=self._places(asked), include_upstream=True)
        wanted = _by_node((group.node, group.ordinals) for group in make_plan(wish, graph, snapshot).groups)
        for index in self.lost.places:
            if below := self.lost.of(index) & self._read(index, wanted):
                wanted[index] = wanted.get(index, EMPTY) | below
        return wanted if self.asked.steps or self.asked.groups else self._whole_dates(asked, wanted)

    def _whole_dates(
        self, asked: Mapping[int, PartitionSet], wanted: Mapping[int, PartitionSet]
    ) -> dict[int, PartitionSet]:
        """A date of which anything is filled is filled whole, as far as it can be."""
        graph, snapshot = self.looked.prepared.graph, self.looked.snapshot
        pulled = [
            touching(ordinals - asked.get(index, EMPTY), graph.nodes[index].partitions, graph.anchor, snapshot.now)
            for index, ordinals in wanted.items()
            if graph.nodes[index].partitions.identity() == graph.anchor.identity()
        ]
        dates = reduce(or_, (one for one in pulled if one), EMPTY)
        rest = {
            step.node.index: (step.expected - step.complete) & dates - wanted.get(step.node.index, EMPTY)
            for step in self.looked.found.steps
            if step.node.partitions.identity() == graph.anchor.identity()
        }
        return self._with_what_can_be(wanted, rest)

    def _with_what_can_be(
        self, wanted: Mapping[int, PartitionSet], more: Mapping[int, PartitionSet]
    ) -> dict[int, PartitionSet]:
        """And of these what can be made then: nobody misses the rest."""
        both = _by_node([*wanted.items(), *more.items()])
        if not any(more.values()):
            return both
        graph = self.looked.prepared.graph
        plan = make_plan(Request(graph.pipeline, places=self._places(both)), graph, self.looked.snapshot)
        return _by_node([*wanted.items(), *((index, own & plan.of(index)) for index, own in more.items())])

    def _read(self, index: int, wanted: Mapping[int, PartitionSet]) -> PartitionSet:
        """What these read of one node."""
        graph, now = self.looked.prepared.graph, self.looked.snapshot.now
        found, parent = EMPTY, graph.nodes[index]
        for reader, edge in graph.readers[index]:
            child, there = graph.nodes[reader], self.looked.state(parent).published
            if child.kind is NodeKind.STEP and reader in wanted:
                found |= read_by(edge, child, parent, wanted[reader], there, now)
        return found

    def _places(self, wanted: Mapping[int, PartitionSet]) -> tuple[Place, ...]:
        """Exactly these; what a table gets with its step needs no place of its own."""
        graph, places = self.looked.prepared.graph, []
        for node in graph.nodes:
            rest = wanted.get(node.index, EMPTY) if node.is_made else EMPTY
            for reason, ordinals in self.lost.places.get(node.index, {}).items():
                if again := ordinals & rest:
                    places.append(Place(node.name, tuple(ranges_of(node, again)), reason))
                    rest -= again
            if node.kind is NodeKind.DELIVERY:
                rest -= wanted.get(node.edges[0].parent, EMPTY)
            if rest:
                places.append(Place(node.name, tuple(ranges_of(node, rest))))
        return tuple(places)


def begin(workspace: Workspace, recovery: Recovery, reason: str) -> None:
    """Before it is carried out: who recovers what is history, and pools wait as the other side has asked."""
    with workspace.ledger_for(recovery.name) as ledger, ledger.transaction() as tx:
        for paused in recovery.pauses:
            put_pause(tx, paused)
        plan, node_ids = recovery.planned.plan, recovery.planned.prepared.node_ids
        groups = sorted({action.group for action in recovery.actions if action.group})
        told = {"pipeline": recovery.request.pipeline, "groups": groups, "actions": plan.actions}
        cells = written((node_ids[group.node], group.ordinals) for group in plan.groups if group.verb is Verb.RUN)
        tx.event("recover", data={**workspace.acting(reason), **told, "cells": cells})


def _by_node(pairs: Iterable[tuple[int, PartitionSet]]) -> dict[int, PartitionSet]:
    found: dict[int, PartitionSet] = {}
    for node, ordinals in pairs:
        if ordinals:
            found[node] = found.get(node, EMPTY) | ordinals
    return found


def _pieces(graph: Graph, wounds: Sequence[Wound], plan: Plan, looked: Looked) -> Iterator[tuple[str, str]]:
    """The dates of what may have been too much at once, in two halves."""
    dates, anchor = EMPTY, graph.anchor
    for wound in wounds:
        if wound.failure.kind in SPLITTABLE and (own := wound.partitions & plan.of(wound.node)):
            dates |= touching(own, graph.nodes[wound.node].partitions, anchor, looked.snapshot.now) or EMPTY
    time = anchor.time_side
    times = anchor.sides(dates)[0] if isinstance(anchor, Grid) else dates
    if time is not None and (parts := rules.halves(times)):
        for part in parts:
            yield time.name(part.first or 0), time.name(part.last or 0)


def with_coming(looked: Looked, coming: Mapping[int, PartitionSet]) -> Looked:
    """The same, where other pipelines' datasets come before it."""
    states = list(looked.snapshot.states)
    for index, ordinals in coming.items():
        states[index] = replace(states[index], coming=states[index].coming | ordinals)
    snapshot = replace(looked.snapshot, states=tuple(states))
    return replace(looked, prepared=replace(looked.prepared, snapshot=snapshot))
