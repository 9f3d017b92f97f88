"""How long tasks take, learned as they finish, and so how many to queue ahead of a worker."""

from __future__ import annotations

from typing import Final

AHEAD_SECONDS: Final = 0.02
"""Work queued ahead of a worker: it keeps busy while the controller commits, and little waits behind it."""

MAX_AHEAD: Final = 12
"""No worker holds more tasks than this, however short they are."""

_WEIGHT: Final = 0.2
_SHORTEST_SECONDS: Final = 1e-5


class Pace:
    """Two exponentially weighted means: of what tasks took, and of what they were expected to take.

    Their ratio corrects the next expectation. Callers that know nothing and always expect the same get the mean of
    what was seen; callers that know each step well keep their own numbers.
    """

    def __init__(self) -> None:
        self._real = self._expected = 0.0

    def note(self, expected_seconds: float, real_seconds: float) -> None:
        """Learn from one task."""
        expected, real = max(expected_seconds, _SHORTEST_SECONDS), max(real_seconds, _SHORTEST_SECONDS)
        if not self._real:
            self._expected, self._real = expected, real
        else:
            self._expected += _WEIGHT * (expected - self._expected)
            self._real += _WEIGHT * (real - self._real)

    def estimate(self, expected_seconds: float) -> float:
        """What a task will probably take."""
        if not self._real:
            return max(expected_seconds, _SHORTEST_SECONDS)
        return max(expected_seconds * self._real / self._expected, _SHORTEST_SECONDS)

    def depth(self, load_seconds: float, count: int) -> int:
        """How many more tasks fit behind `count` others that take `load_seconds`; an idle worker always gets one."""
        if not self._real or load_seconds >= AHEAD_SECONDS:
            return 0 if count else 1
        more = int((AHEAD_SECONDS - load_seconds) / self._real)
        return min(max(more, 0 if count else 1), MAX_AHEAD - count)
