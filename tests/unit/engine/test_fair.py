"""Live runs first, a quarter for backfills, turns where there is one slot; nothing left lying that somebody wants."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.engine.fair import TURN_SECONDS, Claimant, allot

BACKFILL, LIVE = 0, 10
NOW = 1000.0


def backfill(wanted=99, held=0, granted_at=0.0, controller=1):
    return Claimant(controller, BACKFILL, wanted, held, granted_at)


def live(wanted=99, held=0, granted_at=0.0, controller=2):
    return Claimant(controller, LIVE, wanted, held, granted_at)


@pytest.mark.parametrize(
    ("slots", "claimants", "allotted"),
    [
        (4, [backfill(99)], [4]),
        (4, [backfill(3)], [3]),
        (4, [backfill(), live()], [1, 3]),
        (8, [backfill(), live()], [2, 6]),
        (5, [backfill(), live()], [2, 3]),  # a quarter, rounded up
        (2, [backfill(), live()], [1, 1]),
        (4, [backfill(), live(1)], [3, 1]),
        (8, [backfill(1), live()], [1, 7]),
        (4, [backfill(0), live()], [0, 4]),
        (4, [backfill(), backfill(controller=2)], [2, 2]),
        (4, [backfill(), backfill(1, controller=2)], [3, 1]),
        (4, [backfill(), live(), live(controller=3)], [1, 2, 1]),
        (8, [Claimant(1, -5, 9), backfill(controller=2), live(controller=3)], [1, 1, 6]),
        (0, [backfill()], [0]),
        (4, [], []),
    ],
)
def test_who_gets_how_many(slots, claimants, allotted):
    assert list(allot(slots, claimants, NOW).values()) == allotted


def test_one_slot_goes_round():
    long_ago, just_now = NOW - 60, NOW - TURN_SECONDS / 2
    assert allot(1, [backfill(held=1, granted_at=long_ago), live()], NOW) == {1: 0, 2: 1}
    assert allot(1, [backfill(), live(held=1, granted_at=just_now)], NOW) == {1: 0, 2: 1}
    assert allot(1, [backfill(), live(held=1, granted_at=long_ago)], NOW) == {1: 1, 2: 0}


def test_two_slots_go_round_among_three():
    held = [backfill(held=1, granted_at=1.0), backfill(held=1, granted_at=2.0, controller=2), backfill(controller=3)]
    assert allot(2, held, NOW) == {1: 0, 2: 1, 3: 1}


def test_an_odd_slot_stays_where_it_is():
    held = [backfill(held=1, granted_at=1.0), backfill(held=2, granted_at=2.0, controller=2)]
    assert allot(3, held, NOW) == {1: 1, 2: 2}


people = st.lists(
    st.builds(
        Claimant,
        st.integers(0, 10**9),
        st.integers(-3, 3),
        st.integers(0, 9),
        st.integers(0, 3),
        st.floats(900, 1000),
    ),
    max_size=6,
    unique_by=lambda c: c.controller,
)


@given(st.integers(0, 20), people)
def test_all_slots_are_used_and_nobody_gets_more_than_it_wants(slots, claimants):
    allotted = allot(slots, claimants, NOW)
    assert all(0 <= allotted[c.controller] <= c.wanted for c in claimants)
    assert sum(allotted.values()) == min(slots, sum(c.wanted for c in claimants))
    assert allotted == allot(slots, claimants[::-1], NOW)


@given(st.integers(2, 20), people)
def test_the_first_have_most_and_the_others_a_quarter(slots, claimants):
    allotted = allot(slots, claimants, NOW)
    wanting = [c for c in claimants if c.wanted]
    top = max((c.priority for c in wanting), default=0)
    first = sum(allotted[c.controller] for c in wanting if c.priority == top)
    wanted_behind = sum(c.wanted for c in wanting if c.priority < top)
    wanted_first = sum(c.wanted for c in wanting if c.priority == top)
    kept = min(math.ceil(slots / 4), wanted_behind)
    assert sum(allotted.values()) - first >= min(kept, wanted_behind)
    assert first >= min(wanted_first, slots - kept)
