"""Several controllers on one ledger, in any order: never more slots than there are, and everybody gets its due."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from recoup.engine.fair import TURN_SECONDS
from recoup.engine.shares import Holding, part
from recoup.ledger.pools import Share

LIVE, BACKFILL = 10, 0
SECONDS = 0.1
"""Between two moments at which a controller looks at the ledger."""


class Worker:
    """A controller that starts what it may, step by step; each step takes some looks."""

    def __init__(self, number, priority, slots, length):
        self.number, self.priority, self.length = number, priority, length
        self.left, self.may, self.started = 10**9, 0, 0
        self.running: list[int] = []
        self.at_work = True
        share = Share("host", number, priority, slots, 0, 0, 0.0)
        self.holding = Holding(share, lambda: slots, lambda: len(self.running), self.could_use, self.hold_to)

    def could_use(self):
        return len(self.running) + self.left

    def hold_to(self, may, due):
        self.may = may

    def turn(self, others, now):
        self.running = [rest - 1 for rest in self.running if rest > 1]
        self.holding.share = self.holding.settle(self.priority, others, now, claims=self.at_work)
        while self.at_work and self.left and len(self.running) < self.may:
            self.running.append(self.length)
            self.left -= 1
            self.started += 1


class House:
    """All controllers of one ledger."""

    def __init__(self, slots, *workers):
        self.slots, self.now = slots, 1000.0
        self.workers = [Worker(number, priority, slots, length) for number, (priority, length) in enumerate(workers)]

    def turn(self, worker):
        present = [w.holding.share for w in self.workers if w is not worker and (w.holding.share.held or w.at_work)]
        worker.turn(present, self.now)
        assert sum(len(w.running) for w in self.workers) <= self.slots
        assert sum(w.holding.share.held for w in self.workers) <= self.slots

    def go(self, looks):
        for _ in range(looks):
            self.now += SECONDS
            for worker in self.workers:
                self.turn(worker)

    def started(self, looks):
        before = Counter({w.number: w.started for w in self.workers})
        self.go(looks)
        return [w.started - before[w.number] for w in self.workers]


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from([LIVE, BACKFILL]), st.integers(1, 8)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["look", "look", "look", "leave", "come"])), max_size=120),
)
def test_never_more_than_there_are_and_nobody_starves(slots, workers, events):
    house = House(slots, *workers)
    for number, event in events:
        worker = house.workers[number % len(workers)]
        house.now += SECONDS
        worker.at_work = {"leave": False, "come": True}.get(event, worker.at_work)
        house.turn(worker)
    for worker in house.workers:
        worker.at_work = True
    house.go(20)
    assert all(count > 0 for count in house.started(40 * len(workers)))


def test_a_live_run_waits_for_one_step_and_not_for_two():
    house = House(4, (BACKFILL, 7), (LIVE, 7))
    backfill, live = house.workers
    live.at_work = False
    house.go(20)
    assert (len(backfill.running), len(live.running)) == (4, 0)
    live.at_work = True
    house.go(7 + 1)
    assert live.started >= 1


def test_a_backfill_keeps_a_quarter_and_gets_all_back():
    house = House(8, (BACKFILL, 3), (LIVE, 3))
    house.go(12)
    backfill, live = house.started(30)
    assert (backfill, live) == (20, 60)
    house.workers[1].at_work = False
    house.go(6)
    assert house.started(30) == [80, 0]


def test_one_slot_is_used_all_the_time_and_goes_round():
    house = House(1, (BACKFILL, 1), (LIVE, 1), (BACKFILL, 1))
    house.go(20)
    started = house.started(120)
    assert min(started) >= 25
    assert sum(started) >= 120 * TURN_SECONDS / (TURN_SECONDS + 2 * SECONDS)


def test_a_rate_is_shared_by_those_who_want_it():
    def share(number, priority, wanted):
        return Share("pool api", number, priority, 0, 0, wanted, 0.0)

    backfill, live, done = share(1, BACKFILL, 1), share(2, LIVE, 1), share(3, LIVE, 0)
    assert part(backfill, [], 0.0) == 1
    assert part(backfill, [done], 0.0) == 1
    assert (part(backfill, [live], 0.0), part(live, [backfill, done], 0.0)) == (0.25, 0.75)
