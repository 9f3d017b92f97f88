"""A clock that stands still until it is told to go on, and chance that falls the same way every time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

START = datetime(2024, 1, 1, tzinfo=UTC)


class FakeClock:
    """A `ports.Clock` for tests.

    >>> clock = FakeClock()
    >>> clock.advance(90)
    >>> clock.now().isoformat(), clock.monotonic()
    ('2024-01-01T00:01:30+00:00', 90.0)
    """

    def __init__(self, start: datetime = START, *, seed: int = 0) -> None:
        self._now = start.astimezone(UTC)
        self._boottime = 0.0
        self._monotonic = 0.0
        self._chance = random.Random(seed)  # noqa: S311 - the same every time is the point

    def now(self) -> datetime:
        """Aware, UTC."""
        return self._now

    def boottime(self) -> float:
        """Begins at zero; goes on while the machine sleeps."""
        return self._boottime

    def monotonic(self) -> float:
        """Begins at zero; stands still while the machine sleeps."""
        return self._monotonic

    def random(self) -> float:
        """From [0, 1), by the seed."""
        return self._chance.random()

    def token_bytes(self, count: int) -> bytes:
        """By the seed: other bytes each time, the same in each test."""
        return self._chance.randbytes(count)

    def advance(self, seconds: float) -> None:
        """Let time pass, on all three clocks."""
        self._monotonic += _forward(seconds)
        self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        """Let the machine sleep: monotonic stands still, the others go on."""
        self._boottime += _forward(seconds)
        self.move_wall(seconds)

    def move_wall(self, seconds: float) -> None:
        """Move the wall clock alone, forward or back, as a person or a time server does."""
        self._now += timedelta(seconds=seconds)


def _forward(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(f"time goes forward, not by {seconds} s; `move_wall` sets the wall clock back")
    return seconds
