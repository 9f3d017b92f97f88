"""What a run has told so far, gathered by what it means: failures by cause, blocks by reason, and the rate."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from recoup.app.prepare import Planned
from recoup.engine.events import Counts
from recoup.engine.stopping import Progress
from recoup.model.failure import Failure, FailureKind
from recoup.model.graph import Node
from recoup.model.partition import PartitionSet
from recoup.plan.plan import Verb

RATE_SECONDS: Final = 30.0
_SAMPLE_SECONDS: Final = 0.5
_FEWEST: Final = 2


@dataclass(slots=True)
class FailureGroup:
    """Partitions of one step that failed for one cause, for good."""

    node: Node
    failure: Failure
    log: str | None
    ordinals: list[int] = field(default_factory=list)


@dataclass(slots=True)
class BlockGroup:
    """Partitions of one step that are blocked for one reason."""

    node: Node
    reason: str
    ordinals: PartitionSet


@dataclass(frozen=True, slots=True)
class News:
    """One attempt that failed; `retry_seconds` is None when that was the end of it, `first` when its cause is new."""

    node: Node
    ordinal: int
    failure: Failure
    log: str | None
    retry_seconds: float | None
    first: bool


@dataclass
class Tally:
    """All that an observer has been told; `at` is monotonic."""

    planned: Planned
    began: float
    counts: Counts = field(default_factory=Counts)
    running: int = 0
    paused: bool = False
    waiting: bool = False
    failures: dict[tuple[int, str], FailureGroup] = field(default_factory=dict)
    _causes: set[tuple[int, str, bool]] = field(default_factory=set)
    _blocks: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        prepared = self.planned.prepared
        self.nodes = prepared.graph.nodes
        self._index = {node_id: index for index, node_id in enumerate(prepared.node_ids)}
        self.counts = Counts(total=self.planned.plan.actions)

    def take(self, progress: Progress) -> list[News]:
        """Add what happened; the answer is what failed, retried or not."""
        self.counts, self.running = progress.counts, progress.running
        self.paused, self.waiting = progress.paused, progress.waiting
        for block in progress.blocked:
            self._blocks.setdefault((block.node, block.reason), []).append(block.ordinal)
        delays = {(retry.node, retry.ordinal): retry.delay_seconds for retry in progress.retries}
        news = []
        for failed in progress.failures:
            if failed.failure.kind is FailureKind.CANCELLED:
                continue  # somebody stopped it: nothing went wrong
            index = self._index[failed.node]
            delay = delays.get((index, failed.ordinal))
            cause = (index, failed.failure.fingerprint, delay is None)
            first = cause not in self._causes
            self._causes.add(cause)
            one = News(self.nodes[index], failed.ordinal, failed.failure, failed.measured.log, delay, first)
            news.append(one)
            if delay is None:
                group = FailureGroup(one.node, one.failure, one.log)
                self.failures.setdefault(cause[:2], group).ordinals.append(one.ordinal)
        return news

    # --- figures

    @property
    def total(self) -> int:
        """Everything that was asked for, what was done before included: a resumed run goes on with 151/327."""
        plan = self.planned.plan
        return plan.done + self.counts.total + plan.blocked

    @property
    def done(self) -> int:
        """What is published of it."""
        return self.planned.plan.done + self.counts.succeeded

    @property
    def blocked(self) -> int:
        """What cannot be tried."""
        return self.planned.plan.blocked + self.counts.blocked

    @property
    def share(self) -> float:
        """How much has settled, from 0 to 1."""
        settled = self.done + self.counts.failed + self.blocked
        return settled / self.total if self.total else 1.0

    @property
    def published_share(self) -> float:
        """How much is published, from 0 to 1."""
        return self.done / self.total if self.total else 1.0

    def rate(self, now: float) -> float | None:
        """Settled a second, over the last half minute; None before there is enough to tell."""
        samples, settled = self._samples, self.counts.settled
        if not samples or now - samples[-1][0] >= _SAMPLE_SECONDS:
            samples.append((now, settled))
        while len(samples) > _FEWEST and now - samples[1][0] > RATE_SECONDS:
            samples.popleft()
        then, before = samples[0]
        if now - then < _SAMPLE_SECONDS or settled == before:
            return None
        return (settled - before) / (now - then)

    def seconds_left(self, now: float) -> float | None:
        """At that rate; None when nobody can tell."""
        rate = self.rate(now)
        return None if rate is None or self.paused else (self.counts.total - self.counts.settled) / rate

    # --- what is incomplete

    def block_groups(self) -> Iterator[BlockGroup]:
        """What the plan blocked, and what was blocked on the way, in the order of the graph."""
        found: dict[tuple[int, str], PartitionSet] = {}
        for group in self.planned.plan.groups:
            if group.verb is Verb.BLOCK:
                key = group.node, group.reason
                found[key] = found.get(key, PartitionSet()) | group.ordinals
        for key, ordinals in self._blocks.items():
            found[key] = found.get(key, PartitionSet()) | PartitionSet.of(ordinals)
        for (node, reason), blocked in sorted(found.items(), key=lambda item: (item[0][0], item[1].first or 0)):
            yield BlockGroup(self.nodes[node], reason, blocked)

    def failure_groups(self) -> list[FailureGroup]:
        """The largest cause first."""
        return sorted(self.failures.values(), key=lambda group: -len(group.ordinals))

    def incomplete_json(self) -> list[dict[str, Any]]:
        """What failed and what is blocked, by cause."""
        failed = [
            {"state": "failed", "kind": g.failure.kind.value, "message": g.failure.message, "advice": g.failure.advice}
            | {"fingerprint": g.failure.fingerprint, "log": g.log}
            | where_json(g.node, PartitionSet.of(g.ordinals))
            for g in self.failure_groups()
        ]
        blocked = [
            {"state": "blocked", "reason": g.reason} | where_json(g.node, g.ordinals) for g in self.block_groups()
        ]
        return [*failed, *blocked]


def where_json(node: Node, ordinals: PartitionSet) -> dict[str, Any]:
    """Step, ranges by key with both ends included, and how many partitions that is."""
    name = node.partitions.name
    ranges = [[name(run.start), name(run.stop - 1)] for run in ordinals.ranges()]
    return {"step": node.name, "count": len(ordinals), "ranges": ranges}
