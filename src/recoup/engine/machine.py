"""The engine's decisions: events go in, instructions come out. No clock, no ledger, no worker.

Readiness is by counters: when a partition settles, only what waits for it is touched, so that the cost of a
completion does not grow with the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import assert_never

from recoup.engine.awaited import awaited
from recoup.engine.breaker import OUTAGE, Breakers, Follows
from recoup.engine.delivery_pools import lanes_of, with_deliveries
from recoup.engine.events import (
    Block,
    Broken,
    CloseRun,
    Counts,
    Enough,
    Event,
    Failed,
    FailedElsewhere,
    Halt,
    Instruction,
    Outage,
    Pause,
    Released,
    Retry,
    Start,
    Succeeded,
    Taken,
    Unready,
)
from recoup.engine.inputs import Inputs
from recoup.engine.queues import Queues
from recoup.engine.retrying import retry_after, wait_before_retry
from recoup.engine.work import Settled, Status, Work, grains_of, mark
from recoup.model.failure import Failure, FailureKind
from recoup.model.graph import Graph, Node
from recoup.model.partition import PartitionSet
from recoup.model.policy import Retry as Policy
from recoup.model.pool import Pool
from recoup.model.relation import Same
from recoup.plan.failure_limit import FailureLimit
from recoup.plan.plan import Plan, Verb
from recoup.plan.request import Order
from recoup.plan.snapshot import Snapshot

NO_OUTAGES: Mapping[int, Failure] = {}


class Machine:
    """The state of one plan that is being carried out."""

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        snapshot: Snapshot,
        pools: Mapping[str, Pool],
        outages: Mapping[int, Failure] = NO_OUTAGES,
    ) -> None:
        self.graph = graph
        self.counts = Counts()
        self.halted = False  # nothing more is taken: every attempt would fail alike
        self.lanes = lanes_of(graph)
        self._grains = grains_of(graph)
        self._breakers = Breakers()
        for step, failure in outages.items():
            self._breakers.know_outage(step, failure)
        self._elsewhere: set[tuple[int, int]] = set()
        self._running = 0
        self._awaited = awaited(graph, plan, snapshot)
        self._work = [
            Work(node, plan.of(node.index) | self._awaited[node.index], self._grains[node.index])
            for node in graph.nodes
        ]
        newest_first = plan.request.order is Order.NEWEST
        self.queues = Queues(graph, self._work, with_deliveries(graph, pools), newest_first=newest_first)
        self._inputs = Inputs(graph, self._work, plan, snapshot)
        self._open: dict[tuple[int, int], int] = {}
        self._failed_partitions: set[tuple[int, int]] = set()
        self._over: list[tuple[int, int]] = []
        self._peers: dict[int, list[int]] = {}
        for node in graph.nodes:
            if node.is_made:
                self._peers.setdefault(self._grains[node.index], []).append(node.index)
        self._load(plan)
        limit = plan.request.stop_after
        self._most_failed = FailureLimit.parse(limit).of(len(self._open)) if limit else math.inf

    # --- what the runner asks

    @property
    def done(self) -> bool:
        """Everything has settled."""
        return self.counts.settled == self.counts.total

    @property
    def running(self) -> int:
        """Actions that were taken and have not come back."""
        return self._running

    @property
    def elsewhere(self) -> frozenset[tuple[int, int]]:
        """Actions that another controller runs, to be looked at in the ledger."""
        return frozenset(self._elsewhere)

    @property
    def has_settled(self) -> bool:
        """Whether `take_settled` would tell of a partition."""
        return bool(self._over)

    def take_settled(self) -> tuple[Settled, ...]:
        """Partitions of which everything that was planned is over, since the last call."""
        over, self._over = self._over, []
        return tuple(Settled(node, ordinal, self._outcomes(node, ordinal)) for node, ordinal in over)

    def _outcomes(self, node: int, ordinal: int) -> tuple[tuple[int, Status], ...]:
        known = ((peer, self._work[peer].get(ordinal)) for peer in self._peers[self._grains[node]])
        return tuple((peer, Status(status)) for peer, status in known if status and ordinal not in self._awaited[peer])

    def awaits(self, node: int, ordinal: int) -> bool:
        """Whether another controller makes it, and we never will."""
        return ordinal in self._awaited[node]

    def next_due(self, now: float) -> float | None:
        """When, after now, the next delayed retry comes back or the next start is permitted; monotonic."""
        if self.halted:
            return None
        due = [*self._dues(), *self.queues.gate_dues()]
        return min((moment for moment in due if moment > now), default=None)

    def _dues(self) -> list[float]:
        """When something that waits for a time alone is ready: a retry, a pool, a probe."""
        return [*self.queues.dues(), *self._breakers.dues()]

    def pause(self, pool: str, until: float) -> None:
        """Start nothing of this pool before then; monotonic."""
        self.queues.throttles.pause(pool, until)

    def can_take(self, now: float, idle: int = 1) -> bool:
        """Whether `take` would give something, if there is room."""
        if self.halted:
            return False
        best = self.queues.best(now)
        if best is None:
            return any(due <= now for due in self._dues())
        return idle > 0 or not self.queues.paced(best)

    def take(self, room: int, now: float, idle: int | None = None) -> list[Start]:
        """The next actions to start, at most `room`, as their pools let them; `began` follows.

        Of those that have a rate or a delay at most `idle`: they must start when they are taken, and never wait in a
        worker's queue. While one of them could start but for that, nothing is queued ahead of the workers.
        """
        if self.halted:
            return []
        self._wake(now)
        starts = []
        for node, ordinal in self.queues.take(room, now, room if idle is None else idle):
            self._work[node].set(ordinal, Status.RUNNING)
            self._running += 1
            starts.append(Start(node, ordinal, self._work[node].reason(ordinal)))
        return starts

    def began(self, starts: Iterable[Start], now: float) -> None:
        """Which of those that were taken have really been claimed; only they count against a rate or a delay."""
        self.queues.began(((start.node, start.ordinal) for start in starts), now)

    def handle(self, event: Event) -> list[Instruction]:
        """What follows from one event."""
        if event.ordinal in self._awaited[event.node]:
            return self._arrived(event)
        if not isinstance(event, Failed):
            self._breakers.leave(event.node, event.ordinal)
        self._adapt(event)
        match event:
            case Succeeded(node, ordinal):
                self._leave(node, ordinal)
                self.counts.succeeded += 1
                self._free(node)
                return self._settle(node, ordinal, Status.SUCCEEDED)
            case Failed():
                self._leave(event.node, event.ordinal)
                return self._failed(event)
            case Released(node, ordinal):
                self._leave(node, ordinal)
                return self._again(node, ordinal)
            case Taken(node, ordinal):
                self._leave(node, ordinal)
                self._work[node].set(ordinal, Status.ELSEWHERE)
                self._elsewhere.add((node, ordinal))
                return []
            case Unready(node, ordinal, reason):
                self._leave(node, ordinal)
                return self._refuse(node, ordinal, reason)
            case FailedElsewhere(node, ordinal):
                self._leave(node, ordinal)
                self.counts.failed += 1
                return self._settle(node, ordinal, Status.FAILED)
            case _:
                assert_never(event)

    def _adapt(self, event: Event) -> None:
        """Fewer at once where the other side asks for it, and slowly more again."""
        place = (event.node, event.ordinal)
        if isinstance(event, Succeeded):
            self.queues.throttles.succeed(place)
        elif isinstance(event, Failed) and event.failure.kind is FailureKind.THROTTLED:
            self.queues.throttles.refuse(place)
        self.queues.throttles.end(place)

    def _arrived(self, event: Event) -> list[Instruction]:
        """What we waited for is there, or nobody makes it any more: it was not in the plan, so it is in no count."""
        self._leave(event.node, event.ordinal)
        end = Status.SUCCEEDED if isinstance(event, Succeeded) else Status.FAILED
        return self._settle(event.node, event.ordinal, end)

    # --- loading

    def _load(self, plan: Plan) -> None:
        for node in self.graph.nodes:
            for group in plan.groups:
                if group.node == node.index and group.verb is Verb.RUN:
                    work = self._work[node.index]
                    work.reasons.append((group.ordinals, group.reason))
                    mark(work.status, work.extent, group.ordinals, Status.WAITING)
            for ordinal in self._awaited[node.index]:
                self._work[node.index].set(ordinal, Status.ELSEWHERE)
                self._elsewhere.add((node.index, ordinal))
        for node in self.graph.nodes:
            self.counts.total += len(plan.of(node.index))
            self._count_waits(node, plan.of(node.index))

    def _count_waits(self, node: Node, ordinals: PartitionSet) -> None:
        """How many inputs of each action are in the plan too, and have not settled."""
        work = self._work[node.index]
        inner = [edge for edge in node.edges if self._work[edge.parent].unsettled]
        only_same = all(isinstance(edge.relation, Same) for edge in inner)
        ready = []
        for ordinal in ordinals:
            if only_same:
                waits = sum(1 for edge in inner if self._work[edge.parent].get(ordinal))
            else:
                waits = sum(self._inputs.unsettled(edge, node, ordinal) for edge in inner)
            key = (work.grain, ordinal)
            self._open[key] = self._open.get(key, 0) + 1
            if waits:
                work.waiting[ordinal] = waits
            else:
                work.set(ordinal, Status.READY)
                ready.append(ordinal)
        if self._breakers.is_open(node.index):
            ready = [at for at in ready if not self._breakers.park(self.queues.key(node.index, at))]
        self.queues.load(node.index, ready)

    # --- settling

    def _settle(self, node: int, ordinal: int, status: Status) -> list[Instruction]:
        """Record an end, and go on to what waited for it; blocks cascade."""
        instructions: list[Instruction] = []
        todo = [(node, ordinal, status)]
        while todo:
            at, which, end = todo.pop()
            self._work[at].set(which, end)
            self._work[at].unsettled -= 1
            if end is Status.SUCCEEDED:
                self._inputs.add(at, which)
            if which not in self._awaited[at]:
                self._close(at, which, instructions)
            for reader, edge in self.graph.readers[at]:
                for child in self._inputs.last_waits(reader, edge, at, which):
                    reason = self._inputs.shortfall(reader, child) or self._breakers.refusal(reader)
                    if reason is None:
                        self._make_ready(reader, child)
                    elif self._inputs.keeps(reader, child):
                        self.counts.total -= 1
                        todo.append((reader, child, Status.SUCCEEDED))
                    else:
                        self.counts.blocked += 1
                        instructions.append(Block(reader, child, reason))
                        todo.append((reader, child, Status.BLOCKED))
        return instructions

    def _failed(self, event: Failed) -> list[Instruction]:
        """Try again if that is safe and allowed, else it has settled; refused credentials end the whole job."""
        work, step = self._work[event.node], self.graph.nodes[event.node].step
        wait, told = None, list[Instruction]()
        if step is not None:
            key = (event.ordinal, step.retry.budget(event.failure.kind))
            tries = work.tries[key] = work.tries.get(key, 0) + 1
            wait = wait_before_retry(event.failure, step.retry, tries, event.chance, event.wall)
            told = self._count_in_a_row(event, step.retry)
            if wait is not None and event.failure.kind is FailureKind.QUOTA:
                self.pause(work.pool, event.now + wait)
                told.append(Pause(event.node, event.ordinal, work.pool, wait, event.failure))
        if wait is not None and not self._breakers.refusal(event.node):
            self._work[event.node].set(event.ordinal, Status.DELAYED)
            self.queues.delay(event.now + wait, event.node, event.ordinal)
            return [Retry(event.node, event.ordinal, wait), *told]
        self.counts.failed += 1
        settled = [*self._settle(event.node, event.ordinal, Status.FAILED), *told]
        if self.halted:
            return settled
        if event.failure.kind is FailureKind.AUTH:
            self.halted = True
            return [*settled, Halt(event.node, event.ordinal, event.failure)]
        self._failed_partitions.add((work.grain, event.ordinal))
        if len(self._failed_partitions) < self._most_failed:
            return settled
        self.halted = True
        return [*settled, Enough(event.node, event.ordinal, len(self._failed_partitions))]

    def _count_in_a_row(self, event: Failed, retry: Policy) -> list[Instruction]:
        """What follows when a step's attempts fail alike: one probe each interval, and an end when those are spent."""
        breaker, kind = self._breakers.of(event.node), event.failure.kind
        follows = breaker.fail(event.ordinal, event.failure)
        if follows is Follows.CLOSE:
            self._free(event.node)
        if follows in (Follows.NOTHING, Follows.CLOSE):
            return []
        if breaker.probes >= max(retry.attempts(kind) - 1, 1):
            breaker.given_up = True
            outage = [Outage(event.node, event.ordinal, event.failure)] if kind in OUTAGE else []
            return [*outage, *self._give_up(event.node)]
        wait = retry_after(event.failure.evidence) or retry.of(kind).delay(breaker.probes + 1, event.chance)
        breaker.due = event.now + wait
        if follows is Follows.PROBE:
            return []
        breaker.parked.extend(self.queues.take_out_ready(event.node))
        return [Broken(event.node, event.ordinal, event.failure, wait)]

    def _free(self, node: int) -> None:
        for _, freed, ordinal in self._breakers.close(node):
            self._make_ready(freed, ordinal)

    def _give_up(self, node: int) -> list[Instruction]:
        """What of it waits has settled: as failed what was tried, as blocked what was not."""
        breaker = self._breakers.of(node)
        waiting = [ordinal for _, _, ordinal in breaker.parked]
        breaker.parked.clear()
        waiting += self.queues.take_out_delayed(node)
        told: list[Instruction] = []
        for ordinal in sorted(waiting):
            if ordinal in breaker.failed:
                self.counts.failed += 1
                told += self._settle(node, ordinal, Status.FAILED)
            else:
                told += self._refuse(node, ordinal, breaker.reason)
        return told

    def _again(self, node: int, ordinal: int) -> list[Instruction]:
        if refusal := self._breakers.refusal(node):
            return self._refuse(node, ordinal, refusal)
        self._make_ready(node, ordinal)
        return []

    def _refuse(self, node: int, ordinal: int, reason: str) -> list[Instruction]:
        self.counts.blocked += 1
        return [Block(node, ordinal, reason), *self._settle(node, ordinal, Status.BLOCKED)]

    def _close(self, node: int, ordinal: int, instructions: list[Instruction]) -> None:
        grain = self._work[node].grain
        key = (grain, ordinal)
        self._open[key] -= 1
        if self._open[key]:
            return
        del self._open[key]
        self._over.append((node, ordinal))
        self.queues.close(grain, ordinal)
        peers = self._peers[grain]
        if all(self._inputs.is_done(peer, ordinal) for peer in peers):
            instructions.append(CloseRun(node, ordinal))

    # --- queues

    def _make_ready(self, node: int, ordinal: int) -> None:
        self._work[node].set(ordinal, Status.READY)
        action = self.queues.key(node, ordinal)
        if not self._breakers.park(action):
            self.queues.push(action)

    def _leave(self, node: int, ordinal: int) -> None:
        """It no longer runs, here or elsewhere."""
        if self._work[node].get(ordinal) == Status.RUNNING:
            self._running -= 1
            self.queues.leave(node)
        self._elsewhere.discard((node, ordinal))

    def _wake(self, now: float) -> None:
        for node, ordinal in self.queues.woken(now):
            self._make_ready(node, ordinal)
        for _, node, ordinal in self._breakers.wake(now):
            self._make_ready(node, ordinal)
