"""A rate and a delay hold in every window of time, however starts are asked for, and through a restart."""

import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import recoup as rc
from recoup.engine.gates import SLACK_SECONDS, Gate

# Seconds between the moments at which somebody asks, and how many would start then.
asking = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 50)), min_size=1, max_size=60)


def starts(gate, asked, now=1000.0):
    begun = []
    for pause, wanted in asked:
        now += pause
        gate.pending = 0
        for _ in range(wanted):
            if not gate.lets(now):
                break
            gate.pending += 1
        for _ in range(gate.pending):
            gate.spend(now)
            begun.append(now)
    return begun


def most(begun, window):
    return max((sum(1 for other in begun if at <= other <= at + window) for at in begun), default=0)


@settings(deadline=None)
@given(asking, st.sampled_from([0.5, 1, 7, 20, 300]), st.sampled_from([0.1, 1, 4]))
def test_never_more_than_the_rate_in_any_window(asked, rate, window):
    begun = starts(Gate(rc.Pool(rate=rate)), asked)
    assert most(begun, window) <= math.floor(rate * (window + SLACK_SECONDS) + 1e-6) + 1


@settings(deadline=None)
@given(asking)
@example([(0, 2)])
def test_never_sooner_than_the_delay(asked):
    begun = starts(Gate(rc.Pool(delay="1s", rate="10/s")), asked)
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(begun))


def test_who_comes_a_little_late_loses_nothing():
    chance = random.Random(7)
    gate, now, begun = Gate(rc.Pool(rate="10/s")), 0.0, 0
    while now < 60:
        now = max(now, gate.due()) + chance.uniform(0, SLACK_SECONDS)
        if gate.lets(now):
            gate.spend(now)
            begun += 1
    assert begun >= 600


def test_what_the_ledger_kept_is_what_counts():
    before, after = Gate(rc.Pool(rate="1/s", delay="3s")), Gate(rc.Pool(rate="1/s", delay="3s"))
    before.spend(100.0)
    after.remember(before.last_at, before.next_at, 101.0)
    assert (after.due(), after.lets(102.9), after.lets(103.0)) == (103.0, False, True)


def test_a_clock_that_was_set_back_closes_it_for_one_interval_only():
    gate = Gate(rc.Pool(rate="1/m", delay="5s"))
    gate.remember(1e6, 1e6, 100.0)
    assert gate.due() <= 160.0 + SLACK_SECONDS


def test_a_share_of_the_rate_leaves_the_rest_to_others():
    gate = Gate(rc.Pool(rate="8/s"))
    gate.share = 0.25
    begun = starts(gate, [(0.01, 5)] * 1000)
    assert 19 <= len(begun) <= 21


@pytest.mark.parametrize(
    ("pool", "told"),
    [
        (rc.Pool(slots=1), "1 slot"),
        (rc.Pool(4, "10/s", "2s"), "4 slots, one start each 0.1 s, 2 s between starts"),
        (rc.Pool(rate="90/m"), "one start each 0.666667 s"),
    ],
)
def test_in_words(pool, told):
    assert str(pool) == told
