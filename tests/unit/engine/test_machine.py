"""These events, exactly these instructions."""

from dataclasses import replace

import pytest

import recoup as rc
from recoup.engine import events
from recoup.engine.machine import Machine
from recoup.model.failure import RETRYABLE, Failure, FailureKind
from recoup.model.graph import Graph
from recoup.plan.request import Order
from tests.unit.plan.worlds import NOW, World, pipeline

DAYS = rc.Daily("2013-01-01", "2013-01-05")
MONTH = rc.Daily("2013-01-01", "2013-01-31")
PATIENT = rc.Retry(max_attempts=9, jitter=0)


class Driven:
    """A machine, spoken to by name: nodes, and days of January 2013 as "01"."""

    def __init__(self, world, pools=None, **wish):
        self.world = world
        self.machine = Machine(world.graph, world.plan(**wish), world.snapshot, pools or {})

    def take(self, room=100, now=0.0):
        return [self.told(start)[1:3] for start in self.machine.take(room, now)]

    def reasons(self, room=100):
        return [self.told(start)[1:] for start in self.machine.take(room, 0.0)]

    def succeed(self, node, key):
        return self.handle(events.Succeeded, node, key)

    def fail(self, node, key, kind="logic", *, now=0.0, chance=0.0, mark="", wall=0.0, **evidence):
        failure = Failure(FailureKind(kind), "it failed", fingerprint=mark, evidence=evidence)
        return self.handle(events.Failed, node, key, failure, now, chance, wall)

    def handle(self, event, node, key, *more):
        found = self.world.graph.by_name[node]
        ordinal = found.partitions.ordinal(f"2013-01-{key}" if len(key) == 2 else key)
        return [self.told(instruction) for instruction in self.machine.handle(event(found.index, ordinal, *more))]

    def told(self, instruction):
        node = self.world.graph.nodes[instruction.node]
        key = node.partitions.name(instruction.ordinal).removeprefix("2013-01-")
        kind = type(instruction).__name__
        match instruction:
            case events.CloseRun():
                return (kind, key)
            case events.Retry():
                return (kind, node.name, key, instruction.delay_seconds)
            case events.Pause():
                return (kind, node.name, instruction.pool, instruction.seconds)
            case events.Broken():
                return (kind, node.name, key, instruction.probe_in_seconds)
            case events.Enough():
                return (kind, node.name, key, instruction.failed)
            case events.Halt() | events.Outage():
                return (kind, node.name, key, instruction.failure.kind)
            case _:
                return (kind, node.name, key, instruction.reason)

    @property
    def counts(self):
        counts = self.machine.counts
        return (counts.succeeded, counts.failed, counts.blocked, counts.total)


def chain(days=DAYS, retry=PATIENT, pool=None, sink=None):
    """raw → clean → week, which looks back two days and needs all of them."""
    made = pipeline(days)
    made.step(name="raw", retry=retry, pool=pool)(lambda ctx: None)
    clean = made.step(name="clean", retry=retry)(lambda ctx, raw: None)
    made.step(name="week", retry=retry, sink=sink)(lambda ctx, before=rc.lookback(clean, days=2): None)
    return World.of(made)


def one(retry=PATIENT, pool=None, **step):
    made = pipeline(DAYS)
    made.step(name="raw", retry=retry, pool=pool, **step)(lambda ctx: None)
    return World.of(made)


# ------------------------------------------------------------------------------------------------ readiness


def test_what_waits_for_nothing_is_ready_with_its_reason():
    world = one().know("raw", failed={"logic": "2013-01-02"})
    assert Driven(world).reasons() == [
        ("raw", "01", "missing"),
        ("raw", "02", "failed(logic)"),
        ("raw", "03", "missing"),
        ("raw", "04", "missing"),
        ("raw", "05", "missing"),
    ]


def test_a_partition_is_finished_before_the_next_is_begun():
    driven = Driven(chain(), steps="raw clean", end="2013-01-02")

    assert driven.take(room=1) == [("raw", "01")]
    assert driven.succeed("raw", "01") == []
    assert driven.take(room=1) == [("clean", "01")]
    assert driven.take(room=1) == [("raw", "02")]
    assert driven.take(room=1) == []


def test_a_child_starts_as_soon_as_its_own_inputs_are_there():
    driven = Driven(chain().know("raw", published="2013-01-01…2013-01-05"))
    assert driven.take() == [("clean", f"0{day}") for day in range(1, 6)]
    assert driven.succeed("clean", "03") == []
    assert driven.take() == []
    assert driven.succeed("clean", "02") == []
    assert driven.take() == [("week", "04")]
    assert driven.succeed("clean", "01") == []
    # The first day reads nothing, but waits for the same day above it; the second reads the first, the third both.
    assert driven.take() == [("week", "01"), ("week", "02"), ("week", "03")]


def test_nobody_waits_for_what_is_there_already():
    driven = Driven(chain().all_published("week"))
    assert driven.take() == [("week", f"0{day}") for day in range(1, 6)]


def test_finer_partitions_make_a_coarser_one():
    hours = rc.Hourly("2013-01-01", "2013-01-01")
    made = pipeline(DAYS)
    hour = made.step(name="hour", partitions=hours)(lambda ctx: None)
    made.step(name="day")(lambda ctx, hour=rc.within(hour, complete=0.75): None)
    driven = Driven(World.of(made), partitions="2013-01-01")

    assert len(driven.take()) == 24
    for hour_of_day in range(23):
        assert driven.handle(events.Succeeded, "hour", f"2013-01-01T{hour_of_day:02}") == [
            ("CloseRun", f"01T{hour_of_day:02}")
        ]
        assert driven.take() == [], "a share only counts once all of it has settled"
    assert driven.fail("hour", "2013-01-01T23") == []
    assert driven.take() == [("day", "01")]


def test_one_argument_for_each_of_two_inputs_and_one_parent_read_twice():
    made = pipeline(DAYS)
    left = made.step(name="left")(lambda ctx: None)
    made.step(name="right")(lambda ctx: None)
    made.step(name="both")(lambda ctx, left, right, until=rc.trailing(left, days=2): None)
    driven = Driven(World.of(made), end="2013-01-02")
    assert len(driven.take()) == 4

    assert driven.succeed("left", "02") == []
    assert driven.succeed("right", "02") == []
    assert driven.take() == []
    assert driven.succeed("left", "01") == []
    assert driven.take() == [("both", "02")]
    assert driven.succeed("right", "01") == []
    assert driven.take() == [("both", "01")]


# ------------------------------------------------------------------------------------------------ order and room


def test_newest_first():
    driven = Driven(chain(), order=Order.NEWEST, steps="raw clean")

    assert driven.take(room=2) == [("raw", "05"), ("raw", "04")]
    driven.succeed("raw", "04")
    assert driven.take(room=2) == [("clean", "04"), ("raw", "03")]
    driven.succeed("raw", "05")
    assert driven.take(room=1) == [("clean", "05")]


def test_grains_are_mixed_by_the_time_at_which_they_begin():
    made = pipeline(DAYS)
    made.step(name="day")(lambda ctx: None)
    made.step(name="hour", partitions=rc.Hourly("2013-01-02", "2013-01-02"))(lambda ctx: None)
    driven = Driven(World.of(made), start="2013-01-02", end="2013-01-03")
    taken = driven.take()

    assert taken[:3] == [("day", "02"), ("hour", "02T00"), ("hour", "02T01")]
    assert taken[-1] == ("day", "03")


def test_no_more_than_there_is_room_for():
    driven = Driven(one())

    assert len(driven.take(room=2)) == 2
    assert driven.machine.running == 2
    assert driven.take(room=0) == []
    assert len(driven.take(room=100)) == 3
    assert driven.machine.running == 5


def test_a_pool_has_slots():
    made = pipeline(DAYS)
    made.step(name="api", pool="faa", retry=PATIENT)(lambda ctx: None)
    made.step(name="free")(lambda ctx: None)
    driven = Driven(World.of(made), pools={"faa": rc.Pool(slots=2)}, end="2013-01-03")

    assert driven.take() == [("api", "01"), ("free", "01"), ("api", "02"), ("free", "02"), ("free", "03")]
    assert driven.take() == []
    assert not driven.machine.can_take(0.0)
    driven.succeed("free", "01")
    assert driven.take() == []
    driven.succeed("api", "01")
    assert driven.machine.can_take(0.0)
    assert driven.take() == [("api", "03")]


@pytest.mark.parametrize(
    "back",
    [
        lambda driven: driven.fail("raw", "01"),
        lambda driven: driven.fail("raw", "01", "network"),
        lambda driven: driven.handle(events.Taken, "raw", "01"),
        lambda driven: driven.handle(events.Unready, "raw", "01", "why"),
    ],
)
def test_however_it_ends_its_slot_is_free_again(back):
    driven = Driven(one(pool="faa"), pools={"faa": rc.Pool(slots=1)})
    assert driven.take() == [("raw", "01")]
    back(driven)

    assert driven.machine.running == 0
    assert driven.take() == [("raw", "02")]


def test_a_delivery_does_not_take_a_slot_of_its_steps_pool():
    world = one(pool="faa", sink=rc.DuckDB("d.duckdb", table="t")).know("raw", published="2013-01-01…2013-01-05")
    assert len(Driven(world, pools={"faa": rc.Pool(slots=1)}).take()) == 5


# ------------------------------------------------------------------------------------------------ trying again


def test_the_wait_doubles_up_to_five_minutes():
    driven = Driven(one())
    delays, now = [], 0.0
    driven.take(room=5)
    for _ in range(6):
        [(_, _, _, delay)] = driven.fail("raw", "01", "network", now=now, chance=0.9)
        delays.append(delay)
        now += delay
        assert driven.take(now=now - 0.001) == []
        assert driven.take(now=now) == [("raw", "01")]
    assert delays == [30, 60, 120, 240, 300, 300]


def test_jitter_adds_its_share():
    driven = Driven(one(retry=rc.Retry(jitter=0.1)))
    driven.take()
    assert driven.fail("raw", "01", "network", chance=0.5) == [("Retry", "raw", "01", 31.5)]


def test_a_delayed_one_is_due_at_its_time():
    driven = Driven(one())
    driven.take()
    assert driven.machine.next_due(0.0) is None
    driven.fail("raw", "02", "network", now=100.0)
    driven.fail("raw", "01", "network", now=90.0)

    assert driven.machine.next_due(0.0) == 120.0
    assert not driven.machine.can_take(119.9)
    assert driven.machine.can_take(120.0)
    assert driven.take(now=120.0) == [("raw", "01")]
    assert driven.machine.next_due(120.0) == 130.0
    assert driven.counts == (0, 0, 0, 5)


@pytest.mark.parametrize("kind", sorted(RETRYABLE))
def test_what_may_pass_by_itself_is_tried_again(kind):
    driven = Driven(one(retry=rc.Retry(max_attempts=2, jitter=0)))
    driven.take()

    [retry] = driven.fail("raw", "01", kind)
    assert retry[0] == "Retry"
    driven.take(now=1000.0)
    assert driven.fail("raw", "01", kind) == []
    assert driven.counts == (0, 1, 0, 5)


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - RETRYABLE - {"auth"}))
def test_what_may_not_is_not(kind):
    driven = Driven(one())
    driven.take()

    assert driven.fail("raw", "01", kind) == []
    assert driven.machine.next_due(0.0) is None
    assert driven.counts == (0, 1, 0, 5)


def test_a_step_that_may_be_tried_once():
    driven = Driven(one(retry=rc.Retry(max_attempts=1)))
    driven.take()

    assert driven.fail("raw", "01", "network") == []
    assert driven.fail("raw", "02", "lost") == []
    assert driven.counts == (0, 2, 0, 5)


def test_workers_that_vanish_have_a_budget_of_their_own():
    driven = Driven(one(retry=rc.Retry(max_attempts=3, jitter=0)))
    driven.take()
    told = []
    for kind in ("lost", "network", "lost", "network", "lost"):
        told += driven.fail("raw", "01", kind)
        driven.take(now=1_000_000.0)

    # The first loss is tried again at once.
    assert told == [
        ("Retry", "raw", "01", 0.0),
        ("Retry", "raw", "01", 30.0),
        ("Retry", "raw", "01", 60.0),
        ("Retry", "raw", "01", 60.0),
    ]
    assert driven.counts == (0, 1, 0, 5)


@pytest.mark.parametrize("kind", ["lost", "timeout"])
def test_what_vanished_or_ran_too_long_is_tried_three_times_and_parked(kind):
    driven = Driven(one(retry=rc.Retry(max_attempts=9, jitter=0)))
    driven.take()
    for tries in (1, 2):
        assert [told[0] for told in driven.fail("raw", "01", kind)] == ["Retry"], tries
        assert driven.take(now=1000.0 * tries) == [("raw", "01")]

    assert driven.fail("raw", "01", kind) == []
    for day in ("02", "03", "04", "05"):
        driven.succeed("raw", day)
    assert driven.counts == (4, 1, 0, 5)


def test_a_kind_has_the_policy_that_a_step_gives_it():
    patient = rc.Retry(max_attempts=2, jitter=0, kinds={"timeout": rc.Retry(max_attempts=5, initial="1s", jitter=0)})
    driven = Driven(one(retry=patient))
    driven.take()
    delays = []
    for _ in range(4):
        delays += [told[3] for told in driven.fail("raw", "01", "timeout")]
        driven.take(now=1_000_000.0)
    assert delays == [1.0, 2.0, 4.0, 8.0]
    # Others have not been counted with it.
    assert driven.fail("raw", "01", "network") == [("Retry", "raw", "01", 30.0)]
    driven.take(now=2_000_000.0)
    assert driven.fail("raw", "01", "timeout") == []


def test_what_a_server_asks_for_is_obeyed():
    driven = Driven(one(retry=rc.Retry(jitter=0.5)))
    driven.take(room=2)
    assert driven.fail("raw", "01", "throttled", chance=0.9, retry_after_seconds=7) == [("Retry", "raw", "01", 7.0)]
    assert driven.fail("raw", "02", "service", retry_after_seconds=4000.5) == [("Retry", "raw", "02", 4000.5)]
    assert ("raw", "01") not in driven.take(now=6.9)
    for day in ("03", "04", "05"):
        driven.succeed("raw", day)
        driven.take(now=6.9)
    assert driven.take(now=7.0) == [("raw", "01")]


@pytest.mark.parametrize("nonsense", [0, -1, float("nan"), float("inf"), "soon", True, None])
def test_what_cannot_be_obeyed_is_not(nonsense):
    driven = Driven(one(retry=rc.Retry(jitter=0)))
    driven.take()
    told = driven.fail("raw", "01", "throttled", retry_after_seconds=nonsense)
    assert told == [("Retry", "raw", "01", 30.0)]


def test_refused_credentials_stop_the_whole_job():
    driven = Driven(chain())
    driven.take(room=3)
    driven.fail("raw", "02", "network", now=0.0)

    assert driven.fail("raw", "01", "auth")[-1] == ("Halt", "raw", "01", "auth")
    assert driven.take(now=1_000_000.0) == []
    assert not driven.machine.can_take(1_000_000.0)
    assert driven.machine.next_due(0.0) is None
    # What runs already may still end; a second refusal says nothing new.
    assert "Halt" not in {told[0] for told in driven.fail("raw", "03", "auth")}
    assert driven.machine.running == 0


def test_each_partition_has_its_own_tries():
    driven = Driven(one(retry=rc.Retry(max_attempts=2, jitter=0)))
    driven.take()
    for day in ("01", "02", "03"):
        assert driven.fail("raw", day, "network") == [("Retry", "raw", day, 30.0)]


def test_a_delivery_is_tried_again_as_its_step_says():
    world = one(retry=rc.Retry(max_attempts=2, jitter=0), sink=rc.DuckDB("d.duckdb", table="t"))
    driven = Driven(world.know("raw", published="2013-01-01…2013-01-05"))
    driven.take()

    assert driven.fail("raw@d.t", "01", "conflict") == [("Retry", "raw@d.t", "01", 30.0)]
    driven.take(now=30.0)
    assert driven.fail("raw@d.t", "01", "conflict") == []


# ------------------------------------------------------------------------------------------------ blocks


def test_what_waited_for_a_failure_is_blocked_and_so_is_what_waited_for_that():
    driven = Driven(chain())
    driven.take()
    for day in ("01", "02", "03"):
        driven.succeed("raw", day)
        driven.take()
    driven.succeed("clean", "01")
    driven.succeed("clean", "02")

    assert driven.fail("clean", "03") == [
        ("Block", "week", "04", "clean: 1 of 2 there, 2 needed; missing 2013-01-03"),
    ]
    assert driven.fail("raw", "04") == [
        ("Block", "clean", "04", "raw is not there"),
        ("Block", "week", "05", "clean: 0 of 2 there, 2 needed; missing 2013-01-03…2013-01-04 (2)"),
    ]
    assert driven.counts == (5, 2, 3, 15)


def test_a_share_that_is_still_enough_blocks_nobody():
    made = pipeline(DAYS)
    clean = made.step(name="clean")(lambda ctx: None)
    made.step(name="week")(lambda ctx, before=rc.lookback(clean, days=4, complete=0.75): None)
    driven = Driven(World.of(made), start="2013-01-05", steps="week", include_upstream=True)
    assert len(driven.take()) == 4

    assert driven.fail("clean", "02") == []
    for day in ("01", "03"):
        assert driven.succeed("clean", day) == []
    assert driven.take() == []
    assert driven.succeed("clean", "04") == [], "its other steps were not made"
    assert driven.take() == [("week", "05")]


def test_what_left_the_calendar_makes_no_share():
    made = pipeline(DAYS)
    clean = made.step(name="clean")(lambda ctx: None)
    made.step(name="week")(lambda ctx, before=rc.lookback(clean, days=4): None)
    world = World.of(made).know("clean", expected="2013-01-03…2013-01-05", published="2013-01-01…2013-01-03")
    driven = Driven(world, steps="clean week")
    driven.take()

    [block, *_] = driven.fail("clean", "04")
    assert block == ("Block", "week", "05", "clean: 1 of 2 there, 2 needed; missing 2013-01-04")


def test_an_input_outside_the_calendar_of_its_maker_is_there_all_the_same():
    """For the same partition it is asked whether it is there, not what share."""
    made = pipeline(DAYS)
    made.step(name="raw")(lambda ctx: None)
    made.step(name="other")(lambda ctx: None)
    made.step(name="clean")(lambda ctx, raw, other: None)
    world = World.of(made).know("raw", expected="2013-01-02…2013-01-05", published="2013-01-01")
    driven = Driven(world, partitions="2013-01-01", steps="other clean")
    assert driven.take() == [("other", "01")]
    driven.succeed("other", "01")

    assert driven.take() == [("clean", "01")]


def test_nothing_is_delivered_of_what_was_not_made():
    driven = Driven(chain(sink=rc.DuckDB("d.duckdb", table="t")).all_published("week", "week@d.t"))
    assert len(driven.take()) == 5

    assert driven.fail("week", "01") == [("Block", "week@d.t", "01", "week is not there")]
    assert driven.succeed("week", "02") == []
    assert driven.take() == [("week@d.t", "02")]
    assert driven.succeed("week@d.t", "02") == [("CloseRun", "02")]


def test_a_table_keeps_what_it_holds_when_a_restatement_fails():
    world = chain(sink=rc.DuckDB("d.duckdb", table="t")).all_published().know("week", stale="2013-01-01…2013-01-02")
    driven = Driven(world, only="stale")
    assert driven.take() == [("week", "01"), ("week", "02")]

    assert driven.fail("week", "01") == []
    assert driven.counts == (0, 1, 0, 3)
    driven.succeed("week", "02")
    assert driven.take() == [("week@d.t", "02")]
    assert driven.succeed("week@d.t", "02") == [("CloseRun", "02")]
    assert driven.machine.done


def test_a_step_is_not_told_that_its_input_is_not_there_when_that_is_out_of_date():
    driven = Driven(chain().all_published("clean").know("raw", stale="2013-01-01"), only="missing,stale")
    assert ("raw", "01") in driven.take()
    reason = "raw was not made anew, and what it shows is out of date"
    assert ("Block", "clean", "01", reason) in driven.fail("raw", "01")


def test_an_input_that_turned_out_not_to_be_usable():
    driven = Driven(chain(), steps="raw clean", end="2013-01-01")
    driven.take()

    assert driven.handle(events.Unready, "raw", "01", "made too late") == [
        ("Block", "raw", "01", "made too late"),
        ("Block", "clean", "01", "raw is not there"),
    ]
    assert driven.counts == (0, 0, 2, 2)
    assert driven.machine.done


# ------------------------------------------------------------------------------------------------ back, and elsewhere


def test_what_was_never_begun_is_ready_again_and_was_not_a_try():
    driven = Driven(one(retry=rc.Retry(max_attempts=2, jitter=0)))
    driven.take()
    for _ in range(5):
        assert driven.handle(events.Released, "raw", "02") == []
        assert driven.machine.running == 4
        assert driven.take() == [("raw", "02")]
    assert driven.fail("raw", "02", "network") == [("Retry", "raw", "02", 30.0)]


def test_what_another_controller_runs_is_awaited():
    driven = Driven(chain(), steps="raw clean", end="2013-01-02")
    driven.take()
    raw = driven.world.graph.by_name["raw"]
    first = DAYS.ordinal("2013-01-01")

    assert driven.handle(events.Taken, "raw", "01") == []
    assert driven.machine.elsewhere == {(raw.index, first)}
    assert driven.machine.running == 1
    assert driven.take() == []
    assert driven.succeed("raw", "01") == []
    assert driven.machine.elsewhere == frozenset()
    assert driven.take() == [("clean", "01")]
    assert driven.counts == (1, 0, 0, 4)


def test_what_failed_elsewhere_has_failed_and_is_not_tried_again_here():
    driven = Driven(chain(), steps="raw clean", end="2013-01-01")
    driven.take()
    driven.handle(events.Taken, "raw", "01")

    assert driven.handle(events.FailedElsewhere, "raw", "01") == [("Block", "clean", "01", "raw is not there")]
    assert driven.counts == (0, 1, 1, 2)
    assert driven.machine.elsewhere == frozenset()
    assert driven.machine.done


def test_what_another_controller_gave_up_is_ours():
    driven = Driven(one(pool="faa"), pools={"faa": rc.Pool(slots=1)})
    driven.take()
    driven.handle(events.Taken, "raw", "01")

    assert driven.handle(events.Released, "raw", "01") == []
    assert driven.machine.elsewhere == frozenset()
    assert driven.machine.running == 0
    assert driven.take() == [("raw", "01")]


# ------------------------------------------------------------------------------------------------ the end


def test_a_run_is_complete_when_all_steps_of_its_partition_are_there():
    driven = Driven(chain(), end="2013-01-01")
    driven.take()
    assert driven.succeed("raw", "01") == []
    driven.take()
    assert driven.succeed("clean", "01") == []
    driven.take()
    assert driven.succeed("week", "01") == [("CloseRun", "01")]
    assert driven.machine.done


def test_what_was_there_before_counts_for_the_run():
    driven = Driven(chain().know("raw", published="2013-01-01").know("week", published="2013-01-01"), end="2013-01-01")
    driven.take()
    assert driven.succeed("clean", "01") == [("CloseRun", "01")]


def test_a_run_of_which_a_step_was_not_made_stays_open():
    driven = Driven(chain(), steps="raw", end="2013-01-01")
    driven.take()
    assert driven.succeed("raw", "01") == []
    assert driven.machine.done


def test_a_run_of_which_a_step_failed_stays_open():
    driven = Driven(chain().know("raw", published="2013-01-01"), end="2013-01-01")
    driven.take()
    assert driven.fail("clean", "01") == []
    assert driven.take() == [("week", "01")], "it reads nothing of that day"
    assert driven.succeed("week", "01") == []
    assert driven.machine.done


def test_a_restatement_that_failed_leaves_the_run_open_though_old_data_is_there():
    driven = Driven(chain().all_published().know("week", same_code=""), only="stale", end="2013-01-01")
    driven.take()
    assert driven.fail("week", "01") == []


def test_a_step_that_is_not_expected_that_day_is_not_waited_for():
    world = chain().know("clean", expected="2013-01-02…2013-01-05").know("week", expected="2013-01-02…2013-01-05")
    driven = Driven(world, end="2013-01-01")
    driven.take()

    assert driven.succeed("raw", "01") == [("CloseRun", "01")]


def test_grains_have_runs_of_their_own():
    made = pipeline(DAYS)
    made.step(name="day")(lambda ctx: None)
    made.step(name="month", partitions=rc.Monthly("2013-01", "2013-01"))(lambda ctx: None)
    driven = Driven(World.of(made), end="2013-01-01")
    driven.take()

    assert driven.succeed("day", "01") == [("CloseRun", "01")]
    assert driven.handle(events.Succeeded, "month", "2013-01") == [("CloseRun", "2013-01")]


def test_a_plan_without_actions_is_done():
    driven = Driven(chain().all_published())

    assert driven.machine.done
    assert not driven.machine.can_take(0.0)
    assert driven.take() == []
    assert driven.machine.counts == events.Counts()


def test_blocks_of_the_plan_are_not_the_machines():
    driven = Driven(chain(), steps="clean")
    assert driven.machine.done
    assert driven.machine.counts == events.Counts()


def test_counts_add_up():
    counts = events.Counts(total=10, succeeded=3, failed=2, blocked=1)
    assert counts.settled == 6


def test_members_have_no_time_but_an_order():
    made = rc.Pipeline("p", partitions=rc.Static(["acme", "globex"]))
    made.step(name="raw")(lambda ctx: None)
    made.step(name="clean")(lambda ctx, raw: None)
    world = World.of(made)

    assert Driven(world, order=Order.NEWEST).take() == [("raw", "globex"), ("raw", "acme")]
    driven = Driven(world)
    assert driven.take() == [("raw", "acme"), ("raw", "globex")]
    driven.handle(events.Succeeded, "raw", "acme")
    assert driven.take() == [("clean", "acme")]


def test_a_lookback_before_the_first_day_that_is_counted():
    days = rc.Daily("1900-01-01", "1900-01-03")
    made = pipeline(days)
    clean = made.step(name="clean")(lambda ctx: None)
    made.step(name="week")(lambda ctx, before=rc.lookback(clean, days=7): None)
    driven = Driven(World.of(made))
    assert driven.take() == [("clean", f"1900-01-0{day}") for day in (1, 2, 3)]
    for day in (1, 2, 3):
        assert driven.handle(events.Succeeded, "clean", f"1900-01-0{day}") == []
    assert driven.take() == [("week", f"1900-01-0{day}") for day in (1, 2, 3)]


def test_the_graph_may_be_bound_to_other_ids():
    members = rc.Static(["acme", "globex"])
    made = rc.Pipeline("p", partitions=members)
    made.step(name="raw")(lambda ctx: None)
    graph = Graph.of(made).with_members(lambda _: {"acme": 70_000, "globex": 5})
    world = replace(World.of(made), graph=graph)
    world.know("raw", expected=graph.anchor.universe(NOW))
    driven = Driven(world)

    assert driven.take() == [("raw", "globex"), ("raw", "acme")]
    assert driven.handle(events.Succeeded, "raw", "acme") == [("CloseRun", "acme")]


# ------------------------------------------------------------------------------------------------ rates and delays


class Paced(Driven):
    """What was taken has begun, but for what `not_begun` names."""

    def take(self, room=100, now=0.0, idle=100, not_begun=()):
        taken = self.machine.take(room, now, idle)
        told = [self.told(start)[1:3] for start in taken]
        self.machine.began([start for start, name in zip(taken, told, strict=True) if name not in not_begun], now)
        return told


def test_a_rate_lets_one_start_when_it_is_due():
    driven = Paced(one(pool="faa"), pools={"faa": rc.Pool(rate="1/s")})

    assert driven.take() == [("raw", "01")]
    assert not driven.machine.can_take(0.9)
    assert driven.machine.next_due(0.0) == pytest.approx(0.98)
    assert driven.take(now=1.0) == [("raw", "02")]
    assert driven.take(now=1.5) == []
    assert driven.take(now=60.0) == [("raw", "03")]


def test_what_was_taken_and_did_not_begin_counts_for_nothing():
    driven = Paced(one(pool="faa"), pools={"faa": rc.Pool(rate="1/s")})
    driven.take(not_begun={("raw", "01")})
    driven.handle(events.Taken, "raw", "01")

    assert driven.take() == [("raw", "02")]
    assert driven.take() == []


def test_what_has_a_rate_never_waits_in_a_queue():
    """It goes to an idle worker; until there is one, nothing is queued ahead that ranks behind it."""
    made = pipeline(DAYS)
    made.step(name="asked", pool="faa")(lambda ctx: None)
    made.step(name="free")(lambda ctx: None)
    driven = Paced(World.of(made), pools={"faa": rc.Pool(rate="1/s")})

    assert driven.take(room=12, idle=0) == []
    assert not driven.machine.can_take(0.0, idle=0)
    assert driven.take(room=12, idle=1) == [("asked", "01"), *(("free", f"0{day}") for day in range(1, 6))]
    assert driven.machine.queues.is_paced(0) != driven.machine.queues.is_paced(1)


def test_a_slot_and_a_rate_must_both_be_free():
    driven = Paced(one(pool="faa"), pools={"faa": rc.Pool(slots=1, rate="1/s")})
    driven.take()

    assert driven.take(now=5.0) == []
    assert driven.machine.next_due(5.0) is None
    driven.succeed("raw", "01")
    assert driven.take(now=5.0) == [("raw", "02")]


def test_a_delay_spaces_the_beginnings_of_partitions_and_nothing_else():
    driven = Paced(chain(), steps="raw clean", end="2013-01-03")
    driven.machine.queues.spacing.delay = 10.0

    assert driven.take() == [("raw", "01")]
    driven.succeed("raw", "01")
    assert driven.take(now=1.0) == [("clean", "01")]
    assert driven.machine.next_due(1.0) == 10.0
    assert driven.take(now=9.9) == []
    assert driven.take(now=10.0) == [("raw", "02")]
    driven.machine.queues.spacing.delay = 0.0
    assert driven.take(now=10.1) == [("raw", "03")]


def test_a_partition_that_others_made_costs_no_delay():
    driven = Paced(one())
    driven.machine.queues.spacing.delay = 10.0
    driven.take(not_begun={("raw", "01")})
    driven.succeed("raw", "01")

    assert driven.take() == [("raw", "02")]
    assert driven.take() == []


# ------------------------------------------------------------------------------------------------ awaited


def streaks(**facts):
    """Each day reads the day before; 01 is made by somebody else."""
    days = pipeline(DAYS)

    @days.step
    def raw(ctx): ...

    @days.step
    def streak(ctx, before=rc.lookback(raw, days=1)): ...

    return Driven(World.of(days).know("raw", **facts), start="2013-01-02", end="2013-01-03")


@pytest.mark.parametrize(
    "facts", [{"running": "2013-01-01"}, {"coming": "2013-01-01"}], ids=["it runs", "it is planned"]
)
def test_what_others_make_is_awaited_and_in_no_count(facts):
    driven = streaks(**facts)
    raw = driven.world.graph.by_name["raw"]
    assert driven.take() == [("raw", "02"), ("raw", "03")]
    assert driven.machine.elsewhere == {(raw.index, DAYS.ordinal("2013-01-01"))}
    driven.succeed("raw", "02")
    assert driven.take() == [("streak", "03")]
    assert driven.succeed("raw", "01") == []
    assert driven.take() == [("streak", "02")]
    assert driven.counts == (1, 0, 0, 4)


@pytest.mark.parametrize("end", [events.Released, events.FailedElsewhere])
def test_what_others_did_not_make_after_all_is_missing(end):
    driven = streaks(running="2013-01-01")
    driven.take()
    [block] = driven.handle(end, "raw", "01")
    assert block[:3] == ("Block", "streak", "02")
    assert driven.take() == [], "it is not ours to make"
    assert driven.counts == (0, 0, 1, 4)


def test_what_others_make_and_nobody_reads_is_not_awaited():
    assert streaks(running="2013-01-05").machine.elsewhere == frozenset()


# -------------------------------------------------------------------------------- steps that fail alike


def month(retry=None, **pools):
    """raw → clean over a month."""
    made = pipeline(MONTH)
    made.step(name="raw", retry=retry or rc.Retry(jitter=0))(lambda ctx: None)
    made.step(name="clean")(lambda ctx, raw: None)
    return Driven(World.of(made))


def broken(driven, now=0.0):
    """Five attempts in a row that fail alike."""
    for number in range(1, 5):
        [(kind, *_)] = driven.fail("raw", f"2013-01-0{number}", "network", mark="a", now=now)
        assert kind == "Retry"
    return driven.fail("raw", "2013-01-05", "network", mark="a", now=now)


def test_attempts_that_fail_alike_open_a_breaker_and_one_probe_follows_each_interval():
    driven = month()
    driven.take(room=5)
    assert broken(driven) == [("Retry", "raw", "05", 30.0), ("Broken", "raw", "05", 30.0)]

    assert driven.take(now=29.9) == []
    assert driven.machine.next_due(29.9) == 30.0
    assert driven.machine.can_take(30.0)
    # Another partition than those that failed, and only one of them.
    assert driven.take(now=30.0) == [("raw", "06")]
    assert driven.take(now=1000.0) == []
    assert driven.fail("raw", "2013-01-06", "network", mark="a", now=40.0) == [("Retry", "raw", "06", 30.0)]
    assert driven.take(now=99.9) == []
    assert driven.take(now=100.0) == [("raw", "07")]
    # When it succeeds everything goes on, those that failed too.
    driven.succeed("raw", "2013-01-07")
    assert len([node for node, _ in driven.take(now=100.0) if node == "raw"]) == 30


def test_when_the_probes_are_spent_the_rest_is_not_tried():
    driven = month()
    driven.take(room=5)
    broken(driven)
    now, told = 0.0, []
    for probe, wait in (("06", 30.0), ("07", 60.0), ("08", 120.0)):
        now += wait
        assert driven.take(now=now) == [("raw", probe)]
        told = driven.fail("raw", f"2013-01-{probe}", "network", mark="a", now=now)

    # Eight attempts for a month: those failed; 23 days were not tried, and what reads them is blocked with them.
    assert driven.counts == (0, 8, 54, 62)
    assert driven.machine.done
    assert ("Outage", "raw", "08", "network") in told
    reasons = {reason for kind, node, _, reason in told if (kind, node) == ("Block", "raw")}
    assert reasons == {"not tried: 8 attempts in a row failed alike (it failed)"}
    assert driven.take(now=1e6) == []
    assert driven.machine.next_due(now) is None


def test_what_was_in_an_outage_before_is_only_probed_and_goes_on_when_a_probe_succeeds():
    made = pipeline(MONTH)
    made.step(name="raw", retry=rc.Retry(jitter=0))(lambda ctx: None)
    world = World.of(made)
    raw, down = world.graph.by_name["raw"].index, Failure(FailureKind.NETWORK, "nobody answers")
    driven = Driven(world)
    driven.machine = Machine(world.graph, world.plan(), world.snapshot, {}, {raw: down})
    assert driven.take(now=0.0) == [("raw", "01")]
    assert driven.take(now=0.0) == []
    driven.succeed("raw", "01")
    assert len(driven.take(room=99, now=0.0)) == 30


@pytest.mark.parametrize("marks", ["aaaab", "ababa", [""] * 5])
def test_what_does_not_fail_alike_opens_nothing(marks):
    driven = month()
    driven.take(room=5)
    told = [driven.fail("raw", f"2013-01-0{n}", "network", mark=mark) for n, mark in enumerate(marks, 1)]
    assert {kind for instructions in told for kind, *_ in instructions} == {"Retry"}
    assert len(driven.take(room=3)) == 3


def test_a_success_between_begins_the_count_anew():
    driven = month()
    driven.take(room=9)
    for number in (1, 2, 3, 4):
        driven.fail("raw", f"2013-01-0{number}", "network", mark="a")
    driven.succeed("raw", "2013-01-05")
    for number in (6, 7, 8, 9):
        assert len(driven.fail("raw", f"2013-01-0{number}", "network", mark="a")) == 1


@pytest.mark.parametrize("kind", ["logic", "throttled", "lost"])
def test_what_tells_nothing_of_the_other_side_opens_nothing(kind):
    driven = month()
    driven.take(room=9)
    told = [driven.fail("raw", f"2013-01-0{number}", kind, mark="a") for number in range(1, 10)]
    assert "Broken" not in {kind for instructions in told for kind, *_ in instructions}


def test_a_probe_that_fails_otherwise_has_reached_the_other_side():
    driven = month()
    driven.take(room=5)
    broken(driven)
    assert driven.take(now=30.0) == [("raw", "06")]
    driven.fail("raw", "2013-01-06", "logic", mark="b", now=30.0)
    assert len(driven.take(now=30.0)) == 30


def test_a_probe_that_was_never_tried_is_followed_by_another_one():
    driven = month()
    driven.take(room=5)
    broken(driven)
    assert driven.take(now=30.0) == [("raw", "06")]
    driven.handle(events.Released, "raw", "2013-01-06")
    assert len(driven.take(now=30.0)) == 1


def test_what_was_on_its_way_when_it_opened_counts_for_nothing_more():
    driven = month()
    driven.take(room=8)
    broken(driven)
    for number in (6, 7, 8):
        assert [told[0] for told in driven.fail("raw", f"2013-01-0{number}", "network", mark="a")] == ["Retry"]
    assert driven.take(now=30.0) == [("raw", "09")]


def test_another_step_is_not_held_by_it():
    made = pipeline(MONTH)
    made.step(name="raw", retry=rc.Retry(jitter=0))(lambda ctx: None)
    made.step(name="other")(lambda ctx: None)
    driven = Driven(World.of(made))
    driven.take(room=10)
    broken(driven)
    assert {node for node, _ in driven.take()} == {"other"}


def test_one_probe_is_made_even_where_nothing_is_tried_again():
    driven = month(retry=rc.Retry(max_attempts=1, jitter=0))
    driven.take(room=5)
    told = [driven.fail("raw", f"2013-01-0{number}", "timeout", mark="a") for number in range(1, 6)][-1]
    assert told[-1] == ("Broken", "raw", "05", 30.0)
    assert driven.take(now=30.0) == [("raw", "06")]
    driven.fail("raw", "2013-01-06", "timeout", mark="a", now=30.0)
    assert driven.machine.done
    assert driven.counts == (0, 6, 56, 62)


# ------------------------------------------------------------------------------- fewer at once, where that is asked


def test_a_refusal_halves_what_runs_at_once_and_successes_let_it_grow_back():
    made = pipeline(MONTH)
    made.step(name="raw", pool="api", retry=rc.Retry(jitter=0))(lambda ctx: None)
    driven = Driven(World.of(made), pools={"api": rc.Pool(8)})
    assert len(driven.take()) == 8
    # Eight that began together were refused for one and the same reason: four from now on, not none.
    for number in range(1, 9):
        driven.fail("raw", f"2013-01-0{number}", "throttled")
    sizes = []
    for _ in range(4):
        taken = driven.take()
        sizes.append(len(taken))
        for node, key in taken:
            driven.succeed(node, f"2013-01-{key}")
    assert sizes == [4, 4, 5, 6]


def test_each_refusal_of_those_that_began_after_the_last_one_halves_again():
    driven = month()
    driven.take(room=8)
    driven.fail("raw", "2013-01-01", "throttled")
    for number in range(2, 9):
        driven.succeed("raw", f"2013-01-0{number}")
    sizes = []
    for _ in range(3):
        taken = driven.take()
        sizes.append(len(taken))
        for node, key in taken:
            driven.fail(node, f"2013-01-{key}", "throttled")
    assert sizes == [4, 2, 1]
    # One is always left.
    assert len(driven.take()) == 1


def test_another_pool_is_as_wide_as_ever():
    made = pipeline(MONTH)
    made.step(name="raw", pool="api", retry=rc.Retry(jitter=0))(lambda ctx: None)
    made.step(name="other")(lambda ctx: None)
    driven = Driven(World.of(made), pools={"api": rc.Pool(2)})
    driven.take(room=4)
    driven.fail("raw", "2013-01-01", "throttled")
    driven.succeed("raw", "2013-01-02")
    assert sorted(node for node, _ in driven.take()).count("other") == 29


# ------------------------------------------------------------------------------------------------ quotas


@pytest.mark.parametrize("reset_at", [1_700_000_060, "2023-11-14T22:14:20+00:00", "2023-11-14T22:14:20"])
def test_a_quota_pauses_its_pool_until_its_reset(reset_at):
    made = pipeline(MONTH)
    made.step(name="raw", pool="api", retry=rc.Retry(jitter=0))(lambda ctx: None)
    made.step(name="other")(lambda ctx: None)
    driven = Driven(World.of(made), pools={"api": rc.Pool(2)})
    driven.take(room=4)

    told = driven.fail("raw", "2013-01-01", "quota", now=100.0, wall=1_700_000_000.0, reset_at=reset_at)
    assert told == [("Retry", "raw", "01", 60.0), ("Pause", "raw", "api", 60.0)]
    assert {node for node, _ in driven.take(now=159.9)} == {"other"}
    assert driven.machine.next_due(159.9) == 160.0
    assert driven.machine.can_take(160.0)
    assert driven.take(now=160.0) == [("raw", "01")]


@pytest.mark.parametrize("reset_at", [None, "tomorrow", True, float("nan")])
def test_a_quota_without_a_reset_time_waits_for_a_person(reset_at):
    driven = month()
    driven.take(room=1)
    assert driven.fail("raw", "2013-01-01", "quota", reset_at=reset_at)[0][0] == "Block"
    assert driven.counts[1] == 1


def test_a_quota_that_has_never_enough_comes_to_an_end():
    driven = month(retry=rc.Retry(max_attempts=2))
    driven.take(room=1)
    assert driven.fail("raw", "2013-01-01", "quota", retry_after_seconds=5)[0] == ("Retry", "raw", "01", 5.0)
    driven.take(room=1, now=5.0)
    assert driven.fail("raw", "2013-01-01", "quota", now=5.0, retry_after_seconds=5)[0][0] == "Block"


def test_a_pause_that_another_controller_has_noted_holds_here_too():
    driven = month()
    driven.machine.pause("", 50.0)
    assert driven.take(now=49.0) == []
    assert driven.machine.next_due(49.0) == 50.0
    assert len(driven.take(now=50.0)) == 31


@pytest.mark.parametrize(("pools", "at_once"), [({}, 8), ({"warehouse": rc.Pool(2)}, 2)])
def test_a_server_is_not_asked_for_endless_connections(pools, at_once):
    sink = rc.Postgres("warehouse", table="week", key=["dt"])
    driven = Driven(chain(MONTH, sink=sink).all_published("week@warehouse.week"), pools=pools)
    delivering = driven.take(1_000)
    assert [name for name, _ in delivering] == ["week@warehouse.week"] * at_once
    driven.succeed(*delivering[0])
    assert len(driven.take(1_000)) == 1


# ------------------------------------------------------------------------------------------------ enough has failed


def test_nothing_more_is_taken_once_so_many_partitions_have_failed():
    """Two steps of one partition are one; what runs may still end."""
    made = pipeline(DAYS)
    for name in ("a", "b"):
        made.step(name=name)(lambda ctx: None)
    driven = Driven(World.of(made), stop_after="2")
    driven.take(4)
    assert driven.fail("a", "01") == []
    assert driven.fail("b", "01") == []
    assert driven.fail("a", "02") == [("Enough", "a", "02", 2)]
    assert driven.take() == []
    assert not driven.machine.can_take(99.0)
    driven.succeed("b", "02")
    assert driven.counts == (1, 3, 0, 10)


def test_a_share_is_of_the_partitions_that_the_plan_runs():
    driven = Driven(chain(), stop_after="40%")
    driven.take(5)
    assert [word for word, *_ in driven.fail("raw", "01")].count("Enough") == 0
    assert [word for word, *_ in driven.fail("raw", "02")].count("Enough") == 1
