"""A pipeline, a plan made of it, and a clock that stands still until it is told otherwise."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

import recoup as rc
from recoup.app.prepare import Planned, Prepared
from recoup.ledger.facts import NodeId
from recoup.model.graph import Graph
from recoup.model.partition import PartitionSet
from recoup.plan.planner import make_plan
from recoup.plan.request import Request
from recoup.plan.snapshot import NodeState, Snapshot

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
JANUARY = rc.Daily("2024-01-01", "2024-01-31", key="dt")
DAYS = JANUARY.universe(NOW)


@dataclass
class StillClock:
    seconds: float = 0.0

    def now(self):
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self):
        return self.seconds

    def boottime(self):
        return self.seconds

    def random(self):
        return 0.5

    def token_bytes(self, count):
        return bytes(count)


@dataclass
class Desk:
    """Makes plans for `sample`: orders, read from a source, then totals, then a trend over seven days."""

    states: dict[str, NodeState] = field(default_factory=dict)
    there: PartitionSet = DAYS

    def graph(self):
        sample = rc.Pipeline("sample", partitions=JANUARY)
        raw = rc.Source("raw", JANUARY, probe=lambda _: True)

        @sample.step
        def orders(ctx, raw=raw): ...

        @sample.step
        def totals(ctx, orders): ...

        @sample.step
        def trend(ctx, history=rc.lookback(totals, days=7)): ...

        return sample, Graph.of(sample)

    def planned(self, **asked):
        pipeline, graph = self.graph()
        usual = NodeState(expected=DAYS)
        states = [self.states.get(node.name, usual) for node in graph.nodes]
        states[0] = NodeState(expected=DAYS, published=self.there)
        snapshot = Snapshot(tuple(states), NOW)
        ids = [NodeId(100 + node.index) for node in graph.nodes]
        prepared = Prepared(pipeline, graph, ids, [""] * len(ids), snapshot)
        return Planned(make_plan(Request("sample", **asked), graph, snapshot), prepared)


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def clock():
    return StillClock()
