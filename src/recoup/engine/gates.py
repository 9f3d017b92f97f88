"""What a pool lets start: never more at once than it has slots, never sooner than its rate and its delay say.

The rate is the generic cell rate algorithm: one moment, the next start's place in an even schedule, is all that it has
to remember. So the ledger can keep it in one row, for every controller and for after a restart.
"""

from __future__ import annotations

import math

from recoup.model.pool import Pool

SLACK_SECONDS = 0.02
"""How late a start may come without the next one moving too: the grain of the runner's loop."""


class Gate:
    """One pool, as one controller sees it; `now` is whatever clock the caller keeps to."""

    __slots__ = (
        "delay",
        "interval",
        "last_at",
        "next_at",
        "own_next_at",
        "pending",
        "promised",
        "share",
        "slots",
        "used",
    )

    def __init__(self, pool: Pool) -> None:
        self.slots: float = math.inf if pool.slots is None else pool.slots
        self.interval, self.delay = pool.interval_seconds, pool.delay_seconds
        self.promised = self.slots  # those that are our due, though others may not have given them back yet
        self.used = 0
        self.pending = 0  # starts that were taken and are not certain yet
        self.share = 1.0  # of the rate, while other controllers want it too
        self.last_at = self.next_at = self.own_next_at = -math.inf

    @property
    def paced(self) -> bool:
        """Whether a start must be a start: what has a rate or a delay does not wait in any queue."""
        return self.interval > 0 or self.delay > 0

    @property
    def has_slot(self) -> bool:
        """Whether one more may run beside those that do."""
        return self.used < self.slots

    def lets(self, now: float) -> bool:
        """Whether one more may start now."""
        return self.has_slot and (not self.paced or self._permits(now) > self.pending)

    def due(self) -> float:
        """From when on the next one may start, if it has a slot."""
        due = max(self.next_at - SLACK_SECONDS if self.interval else -math.inf, self.last_at + self.delay)
        return due if self.share >= 1 else max(due, self.own_next_at - SLACK_SECONDS)

    def spend(self, now: float) -> None:
        """One has started."""
        self.next_at = max(self.next_at, now) + self.interval
        self.own_next_at = max(self.own_next_at, now) + max(self.interval, self.delay) / self.share
        self.last_at = now

    def remember(self, last_at: float, next_at: float, now: float) -> None:
        """What others, or we before a restart, have started; a clock that was set back does not close it for long."""
        self.last_at = min(last_at, now)
        self.next_at = min(next_at, now + self.interval + SLACK_SECONDS)

    def _permits(self, now: float) -> int:
        if now < self.due():
            return 0
        if self.delay:
            return 1
        count = _burst(now, self.next_at, self.interval)
        return count if self.share >= 1 else min(count, _burst(now, self.own_next_at, self.interval / self.share))


def _burst(now: float, next_at: float, interval: float) -> int:
    """How many of an even schedule's starts are due, with what the slack lets come early."""
    return int((now + SLACK_SECONDS - max(next_at, now)) / interval) + 1
