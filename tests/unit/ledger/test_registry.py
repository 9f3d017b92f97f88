"""What was only planned can be declared anew; what was made keeps its partitions and its maker."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import partial

import pytest

import recoup as rc
from recoup.ledger import planes
from recoup.ledger.facts import Blocked, Claim, NodeId, Waiver
from recoup.ledger.leases import ControllerLease
from recoup.ledger.registry import record_expected, record_presence, register_members, register_node, remove_member
from recoup.ledger.verify import stored_planes
from recoup.ledger.writer import Ledger
from recoup.model.errors import PartitionError, PipelineError, RefusedError
from recoup.model.partition import ROW_BITS, PartitionSet
from recoup.testing.clock import FakeClock

DAILY = {"kind": "daily", "key": "dt", "tz": "UTC"}
HOURLY = {"kind": "hourly", "key": "at", "tz": "UTC"}
THREE = PartitionSet.of([1, 2, 3])
READER = NodeId(9)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db", FakeClock())
    yield ledger
    ledger.close()


def nobody(ordinals):
    return ()


def register(ledger, name="clean", pipeline="days", kind="step", partitioning=DAILY) -> NodeId:
    with ledger.transaction() as tx:
        given = {"name": name, "pipeline": pipeline, "kind": kind, "label": name, "partitioning": partitioning}
        node = register_node(tx, ledger, **given)
        record_expected(tx, pipeline, node, THREE, nobody)
        return node


def attempt(ledger, node) -> None:
    lease = ControllerLease(ledger, "ann")
    with ledger.transaction() as tx:
        run = tx.open_run("r", "days", "day", 1, "day 1", 0.0)
        [ours] = tx.claim([Claim(node, 1, run, "missing", "c1")], lease.controller, None)
        tx.release([(ours.token, node, 1)])
    lease.close()


def test_what_was_only_planned_is_taken_as_it_is_declared_now(ledger):
    node = register(ledger)
    with ledger.transaction() as tx:
        tx.set_plane(node, planes.BLOCKED, {0: 1})
    assert register(ledger, partitioning=HOURLY) == node
    assert register(ledger, pipeline="nights", partitioning=HOURLY) == node
    assert ledger.db.execute("SELECT pipeline FROM nodes").fetchall() == [("nights",)]
    assert stored_planes(ledger.db)[0] == {node: {planes.EXPECTED: THREE}}, "nothing of before is left"


@pytest.mark.parametrize("other", [{"partitioning": HOURLY}, {"pipeline": "nights"}])
def test_what_was_tried_keeps_its_partitions_and_its_maker(ledger, other):
    attempt(ledger, register(ledger))
    with pytest.raises(PipelineError) as told:
        register(ledger, **other)
    assert "{" not in told.value.message
    assert told.value.remedy


def test_the_difference_is_told_in_words(ledger):
    attempt(ledger, register(ledger))
    with pytest.raises(PipelineError, match=r"has partitions daily by dt \(UTC\) and is now declared hourly by at"):
        register(ledger, partitioning=HOURLY)


def test_what_somebody_has_waived_is_a_fact_too(ledger):
    node = register(ledger)
    with ledger.transaction() as tx:
        tx.waive([Waiver(node, 1, "we never had it", "ann", 0.0)])
    with pytest.raises(PipelineError):
        register(ledger, partitioning=HOURLY)


def test_a_source_is_free_until_a_step_of_its_pipeline_was_tried(ledger):
    feed = register(ledger, "feed", kind="source")
    with ledger.transaction() as tx:
        record_presence(tx, feed, THREE, THREE, {1: "v1"}, {})
    register(ledger, "feed", kind="source", partitioning=HOURLY)
    assert ledger.db.execute("SELECT * FROM observations").fetchall() == []
    attempt(ledger, register(ledger))
    with pytest.raises(PipelineError):
        register(ledger, "feed", kind="source")


# ------------------------------------------------------------------------------------------------ calendars


def shown(ledger, node, *ordinals):
    with ledger.transaction() as tx:
        tx.set_plane(node, planes.PUBLISHED, {0: sum(1 << ordinal for ordinal in ordinals)})


def recall(ledger, node, *ordinals, pipeline="days"):
    """Another calendar; whoever reads a partition reads the two before it, too."""
    with ledger.transaction() as tx:
        spans = lambda run: [(READER, range(run.start, run.stop + 2))]  # noqa: E731 - as `prepare` hands it over
        record_expected(tx, pipeline, node, PartitionSet.of(ordinals), spans)


def stale(ledger):
    return sorted(stored_planes(ledger.db)[0].get(READER, {}).get(planes.STALE, PartitionSet()))


def changes(ledger):
    return [row[0] for row in ledger.db.execute("SELECT ordinal FROM calendar_changes ORDER BY ordinal")]


@pytest.mark.parametrize(
    ("now", "touched"), [((1, 2, 3), []), ((1, 3), [2, 3, 4]), ((1, 2, 3, 5), [5, 6]), ((2, 3, 4), [1, 2, 3, 4, 5, 6])]
)
def test_who_read_over_what_came_or_left_is_stale(ledger, now, touched):
    node = register(ledger)
    shown(ledger, READER, *range(1, 7))
    recall(ledger, node, *now)
    assert stale(ledger) == touched
    assert changes(ledger) == sorted({1, 2, 3} ^ set(now))
    assert stored_planes(ledger.db)[0][node] == {planes.EXPECTED: PartitionSet.of(now)}


def test_what_is_not_shown_is_not_stale(ledger):
    node = register(ledger)
    recall(ledger, node, 1, 2)
    assert stale(ledger) == []


def test_without_an_older_calendar_only_what_is_shown_can_have_left(ledger):
    node = register(ledger)
    with ledger.transaction() as tx:
        tx.set_plane(node, planes.EXPECTED, {0: 0})
    shown(ledger, node, 1, 2)
    shown(ledger, READER, *range(1, 7))
    recall(ledger, node, 1, 3)
    assert stale(ledger) == [2, 3, 4]


def test_a_source_has_the_calendar_of_the_pipeline_that_knew_it_first(ledger):
    feed = register(ledger, "feed", kind="source")
    shown(ledger, READER, *range(1, 7))
    attempt(ledger, register(ledger))
    recall(ledger, feed, 1, pipeline="nights")
    assert stale(ledger) == []
    assert stored_planes(ledger.db)[0][feed] == {planes.EXPECTED: THREE}


def test_what_nobody_asked_about_is_as_it_was(ledger):
    feed = register(ledger, "feed", kind="source")
    with ledger.transaction() as tx:
        record_presence(tx, feed, THREE, PartitionSet.of([1, 3]), {}, {})
        record_presence(tx, feed, PartitionSet.of([3, 4]), PartitionSet.of([4]), {}, {})
        assert list(tx.plane(feed, planes.PUBLISHED)) == [1, 4]


# --- members


@pytest.mark.parametrize("seed", range(8))
def test_members_that_arrive_in_any_order_keep_their_cells(ledger, seed):
    """However many come at once, and however often: a cell keeps its ordinal, and an ordinal its cell."""
    chance = random.Random(seed)
    grid = rc.Grid(rc.Daily("2013-01-01", "2013-01-03"), rc.Dynamic(key="tenant"))
    day = "2013-01-02"
    met: dict[str, int] = {}

    def asked(known, _):
        return known

    for _ in range(12):
        some = list(dict.fromkeys(f"m{chance.randrange(20)}" for _ in range(chance.randint(1, 6))))
        with ledger.transaction() as tx:
            ids = register_members(tx, "tenant", some)
        bound = grid.with_members(partial(asked, ids))
        met |= {name: bound.ordinal(f"{day}/{name}") for name in some if name not in met}

        assert {name: bound.ordinal(f"{day}/{name}") for name in met} == met
        assert {bound.name(ordinal): ordinal for ordinal in met.values()} == {f"{day}/{m}": o for m, o in met.items()}
        assert len(bound.universe(datetime(2025, 6, 1, tzinfo=UTC))) == 3 * len(met)
    assert len(met) > 10


GRID = {"kind": "grid", "key": "dt/tenant", "time": DAILY, "members": {"kind": "dynamic", "key": "tenant"}}


def cell(member, day=1):
    return member << ROW_BITS | day


def test_a_member_that_was_removed_leaves_nothing_but_its_id(ledger):
    node = register(ledger, partitioning=GRID)
    with ledger.transaction() as tx:
        assert register_members(tx, "tenant", ["acme", "acne"]) == {"acme": 0, "acne": 1}
        record_expected(tx, "days", node, PartitionSet.of([cell(0), cell(1)]), nobody)
        tx.block([Blocked(node, cell(0), "feed is not there"), Blocked(node, cell(1), "feed is not there")], None)
    with ledger.transaction() as tx:
        remove_member(tx, "tenant", "acne")
        assert register_members(tx, "tenant", ["globex", "acne"]) == {"acme": 0, "globex": 2, "acne": 3}
    only = PartitionSet.of([cell(0)])
    assert stored_planes(ledger.db)[0] == {node: {planes.EXPECTED: only, planes.BLOCKED: only}}
    assert ledger.db.execute("SELECT ordinal FROM blocks").fetchall() == [(cell(0),)]


def test_a_member_of_whom_anything_was_tried_stays(ledger):
    node = register(ledger, partitioning={"kind": "dynamic", "key": "tenant"})
    with ledger.transaction() as tx:
        register_members(tx, "tenant", ["acme", "globex"])
    attempt(ledger, node)  # of the ordinal 1
    with ledger.transaction() as tx:
        with pytest.raises(RefusedError, match="'globex' of tenant stays: clean has attempts of it"):
            remove_member(tx, "tenant", "globex")
        with pytest.raises(PartitionError, match="'nobody' is no member of tenant"):
            remove_member(tx, "tenant", "nobody")
        remove_member(tx, "tenant", "acme")
        assert register_members(tx, "tenant", ()) == {"globex": 1}
