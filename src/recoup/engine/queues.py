"""What is ready, and what waits for a time: in the order of its start, as pools, rates and throttles let it start."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from recoup.engine.gates import Gate
from recoup.engine.throttle import Throttles
from recoup.engine.work import Work
from recoup.model.graph import Graph
from recoup.model.pool import Pool

_EVERY_PARTITION: Final = Pool(delay=0)
_Queued = TypeVar("_Queued", tuple[int, int, int], tuple[float, int, int])
"""A rank or a moment, a node, an ordinal."""
Action = tuple[int, int, int]
"""Rank, node, ordinal: by partition first, so that one is finished before the next is begun; then along the graph."""
Queue = tuple[str, bool]
"""A pool, and whether its actions begin their partitions."""


class Queues:
    """The ready ones by pool, the delayed ones by their moment; `now` is monotonic."""

    def __init__(self, graph: Graph, work: Sequence[Work], pools: Mapping[str, Pool], *, newest_first: bool) -> None:
        self.gates = {name: Gate(pool) for name, pool in pools.items()}
        self.spacing = Gate(_EVERY_PARTITION)
        self.throttles = Throttles()
        self._graph = graph
        self._work = work
        self._newest_first = newest_first
        self._ready: dict[Queue, list[Action]] = {}
        self._delayed: list[tuple[float, int, int]] = []
        self._begun: set[tuple[int, int]] = set()
        self._beginning: set[tuple[int, int]] = set()

    # --- in

    def key(self, node: int, ordinal: int) -> Action:
        """The place of an action among all others."""
        rank = self._graph.nodes[node].partitions.rank(ordinal)
        return (-rank if self._newest_first else rank, node, ordinal)

    def load(self, node: int, ordinals: Iterable[int]) -> None:
        """Many at once, before anything has begun."""
        heap = self._ready.setdefault((self._work[node].pool, True), [])
        heap.extend(self.key(node, ordinal) for ordinal in ordinals)
        heapq.heapify(heap)

    def push(self, action: Action) -> None:
        """It waits for nothing any more but its pool and a worker."""
        _, node, ordinal = action
        work = self._work[node]
        queue = (work.pool, (work.grain, ordinal) not in self._begun)
        heapq.heappush(self._ready.setdefault(queue, []), action)

    def delay(self, until: float, node: int, ordinal: int) -> None:
        """It waits until then; `woken` gives it back."""
        heapq.heappush(self._delayed, (until, node, ordinal))

    # --- out

    def best(self, now: float) -> Queue | None:
        """The queue whose next action comes first, among those that may start."""
        best: Queue | None = None
        for queue, heap in self._ready.items():
            if not heap or (best is not None and heap[0] > self._ready[best][0]):
                continue
            if not self.throttles.lets(queue[0]):
                continue
            if all(gate.lets(now) for gate in self._gates(queue, heap[0])):
                best = queue
        return best

    def take(self, room: int, now: float, idle: int) -> list[tuple[int, int]]:
        """The next actions to start, at most `room`, and of those that have a rate or a delay at most `idle`."""
        for gate in (self.spacing, *self.gates.values()):
            gate.pending = 0
        taken: list[tuple[int, int]] = []
        while len(taken) < room and (best := self.best(now)) is not None:
            if self.paced(best):
                if not idle:
                    break
                idle -= 1
            taken.append(self._pop(best))
        return taken

    def began(self, started: Iterable[tuple[int, int]], now: float) -> None:
        """Which of those that were taken have really been claimed; only they count against a rate or a delay."""
        for node, ordinal in started:
            work = self._work[node]
            if (gate := self.gates.get(work.pool)) is not None:
                gate.spend(now)
            if (work.grain, ordinal) in self._beginning:
                self._beginning.discard((work.grain, ordinal))
                self.spacing.spend(now)
        self._begun -= self._beginning
        self._beginning.clear()

    def leave(self, node: int) -> None:
        """One that was taken runs no more."""
        if (gate := self.gates.get(self._work[node].pool)) is not None:
            gate.used -= 1

    def close(self, grain: int, ordinal: int) -> None:
        """Nothing of this partition is left."""
        self._begun.discard((grain, ordinal))

    def woken(self, now: float) -> list[tuple[int, int]]:
        """The delayed ones whose time has come; they are delayed no more."""
        self.throttles.wake(now)
        woken = []
        while self._delayed and self._delayed[0][0] <= now:
            woken.append(heapq.heappop(self._delayed)[1:])
        return woken

    def take_out_ready(self, node: int) -> list[Action]:
        """All of a step that are ready, in their order; then they are in no queue."""
        return [action for heap in self._ready.values() for action in _taken_out(heap, node)]

    def take_out_delayed(self, node: int) -> list[int]:
        """The same of those that wait for a time."""
        return [ordinal for _, _, ordinal in _taken_out(self._delayed, node)]

    # --- what is asked

    def ready(self, pool: str) -> int:
        """How many wait for nothing but this pool and a worker."""
        return sum(len(self._ready.get((pool, first), ())) for first in (True, False))

    def startable(self) -> int:
        """How many wait for nothing but a worker, a slot that is our due, and their time."""
        count = 0
        for pool in {pool for pool, _ in self._ready}:
            gate = self.gates.get(pool)
            free = math.inf if gate is None else gate.promised - gate.used
            count += int(min(self.ready(pool), max(free, 0), self.throttles.room(pool)))
        return count

    def dues(self) -> list[float]:
        """When something that waits for a time alone is ready: a retry, a pool."""
        return [*(self._delayed[0][:1] if self._delayed else ()), *self.throttles.dues()]

    def gate_dues(self) -> list[float]:
        """When the next start is permitted, where there is a slot for it."""
        dues = []
        for queue, heap in self._ready.items():
            gates = self._gates(queue, heap[0]) if heap else []
            if gates and all(gate.has_slot for gate in gates):
                dues.append(max(gate.due() for gate in gates))
        return dues

    def paced(self, queue: Queue) -> bool:
        """Whether the next start of this queue is counted, so that it must be a start when it is taken."""
        return any(gate.paced for gate in self._gates(queue, self._ready[queue][0]))

    def is_paced(self, node: int) -> bool:
        """Whether starts of this node are counted, so that they must not wait in a worker's queue."""
        gate = self.gates.get(self._work[node].pool)
        return self.spacing.paced or (gate is not None and gate.paced)

    # --- inside

    def _pop(self, queue: Queue) -> tuple[int, int]:
        """Take the first action of this queue; its partition has begun with it."""
        for gate in self._gates(queue, self._ready[queue][0]):
            gate.pending += 1
        _, node, ordinal = heapq.heappop(self._ready[queue])
        work = self._work[node]
        if work.pool in self.gates:
            self.gates[work.pool].used += 1
        key = (work.grain, ordinal)
        if key not in self._begun:
            self._begun.add(key)
            self._beginning.add(key)
        self.throttles.start((node, ordinal), work.pool)
        return node, ordinal

    def _gates(self, queue: Queue, action: Action) -> list[Gate]:
        """What the next action of this queue must pass: its pool, and the backfill's own if it begins a partition."""
        pool, first = queue
        gates = [self.gates[pool]] if pool in self.gates else []
        if first and self.spacing.paced and (self._work[action[1]].grain, action[2]) not in self._begun:
            gates.append(self.spacing)
        return gates


def _taken_out(heap: list[_Queued], node: int) -> list[_Queued]:
    """All of a node in their order, which then are in the heap no more."""
    taken = sorted(action for action in heap if action[1] == node)
    heap[:] = [action for action in heap if action[1] != node]
    heapq.heapify(heap)
    return taken
