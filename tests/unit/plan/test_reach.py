"""Sources are asked about what a request may read, and about nothing else."""

from datetime import UTC, datetime

import pytest

import recoup as rc
from recoup.model.graph import Graph
from recoup.plan.reach import sources_within
from recoup.plan.request import Request

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAYS = rc.Daily("2020-01-01", "2023-12-31", key="dt")
HOURS = rc.Hourly("2020-01-01", "2023-12-31")


def graph():
    weather = rc.Source("weather", HOURS, probe=lambda key: True)
    rosters = rc.Source("rosters", DAYS, probe=lambda key: True)
    made = rc.Pipeline("p", partitions=DAYS)

    @made.step
    def raw(ctx, weather=rc.within(weather)): ...

    @made.step
    def week(ctx, raw=rc.lookback(raw, days=7)): ...

    @made.step
    def lineup(ctx, raw, rosters=rc.snapshot(rosters)): ...

    return Graph.of(made)


def asked(**request):
    found = graph()
    expected = [node.partitions.universe(NOW) for node in found.nodes]
    within = sources_within(Request("p", **request), found, expected, NOW)
    return {found.nodes[i].name: found.nodes[i].partitions.ranges_text(o) for i, o in within.items()}


DAY = ["2023-12-30T00…2023-12-30T23 (24)"]
EVER = ["2020-01-01…2023-12-31 (1,461)"]


@pytest.mark.parametrize(
    ("request_", "weather", "rosters"),
    [
        ({"partitions": ("2023-12-30",)}, DAY, EVER),
        ({"start": "2023-12-30", "end": "2023-12-30"}, DAY, EVER),
        ({"partitions": ("2023-12-30",), "include_upstream": True}, ["2023-12-23T00…2023-12-30T23 (192)"], EVER),
        ({}, ["2020-01-01T00…2023-12-31T23 (35,064)"], EVER),
    ],
)
def test_what_is_asked(request_, weather, rosters):
    assert asked(**request_) == {"weather": weather, "rosters": rosters}
