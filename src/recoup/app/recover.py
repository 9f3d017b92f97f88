"""The verb recover: what puts a pipeline right, as one Request; and what only a person can do.

`recoveries(…)` decides and changes nothing. `begin(…)` notes it in the history and closes the runs that must not go on;
then `app.backfilling.run` carries the request out, like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from recoup.app.failed import LastAttempt
from recoup.app.prepare import Planned
from recoup.app.recover_asked import Asked
from recoup.app.recover_look import Looked, within
from recoup.app.recover_needs import needs
from recoup.app.recover_waits import Waits
from recoup.app.workspace import Workspace
from recoup.engine.causes import group_of
from recoup.ledger.pools import Paused, put_pause
from recoup.model.failure import FailureKind, RetryClass
from recoup.model.graph import Graph, NodeKind
from recoup.model.grid import Grid
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.touching import touching
from recoup.plan.edges import readers_of
from recoup.plan.plan import Plan, Verb
from recoup.plan.planner import make_plan
from recoup.plan.ranges import ranges_of
from recoup.plan.request import Place, Request
from recoup.recovery import recover as rules
from recoup.recovery.recover import Action, Around, Known, Need, Way, Wound

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
    rerun: tuple[int, ...]
    """Runs that end here, because what is tried again needs a new one."""
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
    more: Mapping[int, PartitionSet]
    only_more: bool = False
    """Nobody asked about this pipeline itself."""

    def recovery(self) -> Recovery:
        """What is wrong, what of it can be tried, in which order; and the rest."""
        graph, snapshot = self.looked.prepared.graph, self.looked.snapshot
        asked = self._asked()
        wanted = self._wanted(asked)
        wounds = list(self._wounds(wanted))
        left = _by_node((w.node, w.partitions) for w in wounds if w.treatment.way is Way.PERSON)
        doing = {n: o - left.get(n, EMPTY) - self.looked.busy[n] for n, o in wanted.items()}
        request = Request(graph.pipeline, places=_places(graph, doing))
        # Without places a request means everything, which is the last thing that is wanted here.
        plan = make_plan(request, graph, snapshot) if request.places else Plan(request, (), "", 0, 0.0)
        around = Around(asked, {step.node.index: step.blocked for step in self.looked.found.steps})
        runs = [rules.Planned(group.node, group.ordinals) for group in plan.groups if group.verb is Verb.RUN]
        actions = list(rules.ordered(graph, runs, wounds, around))
        awaited = {n: o & self.looked.busy[n] for n, o in wanted.items() if o & self.looked.busy[n]}
        waits = list(self.waits.of(self.looked, actions, wounds, awaited))
        return Recovery(
            name=self.looked.name,
            request=request,
            planned=Planned(plan, self.looked.prepared),
            actions=(*waits, *actions),
            needs=tuple(needs(self.looked, plan, wounds)),
            pauses=tuple(self.waits.asked_for(self.looked, wounds)),
            rerun=tuple(self._ending(wounds, plan)),
            pieces=tuple(_pieces(graph, wounds, plan, self.looked)),
            untried=0 if self.asked.is_narrow else self._untried(wanted),
            stale=sum(len(step.stale) for step in self.looked.found.steps),
        )

    # --- what is meant

    def _asked(self) -> dict[int, PartitionSet]:
        """What is not as it should be, as far as it was asked for."""
        found = {step.node.index: step for step in self.looked.found.steps}
        chosen = self._chosen()
        asked = dict(self.more)
        for index, step in found.items():
            if index in chosen and not self.only_more:
                window = self._window(index)
                wrong = step.any_failed | step.blocked | (step.missing & self._gaps(index))
                own = wrong if window is None else wrong & window
                asked[index] = asked.get(index, EMPTY) | (own & self._of_groups(index))
        return {index: ordinals for index, ordinals in asked.items() if ordinals}

    def _chosen(self) -> frozenset[int]:
        graph = self.looked.prepared.graph
        if not self.asked.steps:
            return frozenset(node.index for node in graph.nodes)
        steps = {graph.node(name).index for name in self.asked.steps}
        tables = (node for node in graph.nodes if node.kind is NodeKind.DELIVERY)
        return frozenset({*steps, *(table.index for table in tables if table.edges[0].parent in steps)})

    def _window(self, index: int) -> PartitionSet | None:
        graph = self.looked.prepared.graph
        window = self.asked.window(graph.anchor, self.looked.snapshot.now)
        return within(window, graph.anchor, graph.nodes[index], self.looked.snapshot)

    def _gaps(self, index: int) -> PartitionSet:
        """Where what is missing counts as forgotten: anywhere in a window that was named, else amid what was tried."""
        graph, now = self.looked.prepared.graph, self.looked.snapshot.now
        node, tried = graph.nodes[index], self.looked.tried
        if self.asked.has_window:
            return node.partitions.universe(now)
        if tried is None:
            return EMPTY
        own = within(tried, graph.anchor, node, self.looked.snapshot)
        return node.partitions.universe(now) if own is None else own

    def _of_groups(self, index: int) -> PartitionSet:
        """What the named causes have to do with; without any, everything."""
        if not self.asked.groups:
            return self.looked.prepared.graph.nodes[index].partitions.universe(self.looked.snapshot.now)
        found = EMPTY
        for cause in self.looked.causes:
            if self.asked.names(cause.group):
                found |= cause.where.get(index, EMPTY) | cause.blocks.get(index, EMPTY)
        return found

    def _untried(self, wanted: Mapping[int, PartitionSet]) -> int:
        return sum(len(step.missing - wanted.get(step.node.index, EMPTY)) for step in self.looked.found.steps)

    # --- what belongs to it

    def _wanted(self, asked: Mapping[int, PartitionSet]) -> dict[int, PartitionSet]:
        """With what it reads and is not there; a date of which anything is filled is filled whole."""
        graph, snapshot = self.looked.prepared.graph, self.looked.snapshot
        if not asked:
            return {}
        wish = Request(graph.pipeline, places=_places(graph, asked), include_upstream=True)
        wanted = _by_node((group.node, group.ordinals) for group in make_plan(wish, graph, snapshot).groups)
        if self.asked.steps or self.asked.groups:
            return wanted
        pulled = [
            touching(ordinals - asked.get(index, EMPTY), graph.nodes[index].partitions, graph.anchor, snapshot.now)
            for index, ordinals in wanted.items()
            if graph.nodes[index].partitions.identity() == graph.anchor.identity()
        ]
        dates = reduce(or_, (one for one in pulled if one), EMPTY)
        for step in self.looked.found.steps:
            if step.node.partitions.identity() == graph.anchor.identity():
                lacking = (step.expected - step.complete) & dates
                wanted[step.node.index] = wanted.get(step.node.index, EMPTY) | lacking
        return wanted

    # --- what failed

    def _wounds(self, wanted: Mapping[int, PartitionSet]) -> Iterator[Wound]:
        """What failed of it, by cause and by what is done about it; the newest failure tells."""
        together: dict[tuple[int, str, rules.Treatment], list[LastAttempt]] = {}
        for last in self.looked.lasts:
            if last.current.ordinal in wanted.get(last.current.node, EMPTY):
                group = group_of(last.current.failure)
                what = rules.treatment(last.current.failure, self._known(last, group, wanted))
                together.setdefault((last.current.node, group, what), []).append(last)
        for (node, group, what), lasts in together.items():
            newest = max(lasts, key=lambda last: last.current.at)
            ordinals = PartitionSet.of(last.current.ordinal for last in lasts)
            yield Wound(node, ordinals, group, newest.current.failure, what)

    def _known(self, last: LastAttempt, group: str, wanted: Mapping[int, PartitionSet]) -> Known:
        failure = last.current.failure
        blindly = failure.retry_class is not RetryClass.NOT_BLINDLY
        return Known(
            changed="" if blindly else self.looked.changed(last),
            filled=failure.kind is FailureKind.MISSING and self._is_filled(last, wanted),
            reset=failure.kind is FailureKind.QUOTA and self.waits.until(last.current) is not None,
            named=self.asked.names(group),
            forced=self.asked.insisted.force,
        )

    def _is_filled(self, last: LastAttempt, wanted: Mapping[int, PartitionSet]) -> bool:
        """Whether something that it reads is made before it, and was not there."""
        graph, now = self.looked.prepared.graph, self.looked.snapshot.now
        node = graph.nodes[last.current.node]
        for edge in node.edges:
            parent = graph.nodes[edge.parent]
            lacking = wanted.get(parent.index, EMPTY) - self.looked.state(parent).published
            if lacking and last.current.ordinal in readers_of(edge, node, parent, lacking, EMPTY, now):
                return True
        return False

    def _ending(self, wounds: Iterable[Wound], plan: Plan) -> Iterator[int]:
        """The runs of what is run anew."""
        anew = _by_node((w.node, w.partitions & plan.of(w.node)) for w in wounds if w.treatment.way is Way.RERUN)
        for last in self.looked.lasts:
            if last.run is not None and last.current.ordinal in anew.get(last.current.node, EMPTY):
                yield last.run


def begin(workspace: Workspace, recovery: Recovery, reason: str) -> None:
    """Before it is carried out: who recovers what is history, runs that must not go on end, pools wait as asked."""
    with workspace.ledger_for(recovery.name) as ledger, ledger.transaction() as tx:
        tx.close_runs(sorted({*recovery.rerun}))
        for paused in recovery.pauses:
            put_pause(tx, paused)
        groups = sorted({action.group for action in recovery.actions if action.group})
        told = {"who": workspace.who, "pipeline": recovery.request.pipeline, "groups": groups, "reason": reason}
        tx.event("recover", data={**told, "actions": recovery.planned.plan.actions})


def _by_node(pairs: Iterable[tuple[int, PartitionSet]]) -> dict[int, PartitionSet]:
    found: dict[int, PartitionSet] = {}
    for node, ordinals in pairs:
        if ordinals:
            found[node] = found.get(node, EMPTY) | ordinals
    return found


def _places(graph: Graph, wanted: Mapping[int, PartitionSet]) -> tuple[Place, ...]:
    """Exactly these; what a table gets with its step needs no place of its own."""
    places = []
    for node in graph.nodes:
        ordinals = wanted.get(node.index, EMPTY)
        if node.kind is NodeKind.DELIVERY:
            ordinals -= wanted.get(node.edges[0].parent, EMPTY)
        if ordinals and node.is_made:
            places.append(Place(node.name, tuple(ranges_of(node, ordinals))))
    return tuple(places)


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
