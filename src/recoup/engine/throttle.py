"""How many attempts of a pool run at once after the other side has asked for fewer: half, and slowly back.

The rule is that of congestion control: a refusal halves, a success adds a little, so that one round of successes adds
one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[int, int]
"""Node and ordinal."""


@dataclass(slots=True)
class _Throttle:
    """One pool's, or that of all steps without a pool."""

    limit: float = math.inf
    used: int = 0
    refusals: int = 0
    full: int = 0
    """How many there were when it began: as many as that, and there is no limit any more."""


class Throttles:
    """Those of a plan, by pool; "" is for steps that have none."""

    __slots__ = ("_of", "_paused", "_running")

    def __init__(self) -> None:
        self._paused: dict[str, float] = {}
        self._of: dict[str, _Throttle] = {}
        self._running: dict[Place, tuple[_Throttle, int]] = {}

    def lets(self, pool: str) -> bool:
        """Whether one more may run."""
        return self.room(pool) >= 1

    def room(self, pool: str) -> float:
        """How many more may run."""
        if pool in self._paused:
            return 0
        throttle = self._of.get(pool)
        return (
            math.inf if throttle is None or throttle.limit == math.inf else max(int(throttle.limit) - throttle.used, 0)
        )

    def pause(self, pool: str, until: float) -> None:
        """Nothing of it starts before then."""
        self._paused[pool] = max(until, self._paused.get(pool, until))

    def wake(self, now: float) -> None:
        """Pauses that are over are forgotten."""
        self._paused = {pool: until for pool, until in self._paused.items() if until > now}

    def dues(self) -> Iterable[float]:
        """When the pauses are over."""
        return self._paused.values()

    def start(self, place: Place, pool: str) -> None:
        """It runs from now on."""
        throttle = self._of.setdefault(pool, _Throttle())
        throttle.used += 1
        self._running[place] = (throttle, throttle.refusals)

    def end(self, place: Place) -> None:
        """It runs no more, if it did."""
        throttle, _ = self._running.pop(place, (None, 0))
        if throttle is not None:
            throttle.used -= 1

    def refuse(self, place: Place) -> None:
        """It was asked to come later; one that began before the last such answer tells nothing new."""
        throttle, refusals = self._running.get(place, (None, 0))
        if throttle is None or refusals != throttle.refusals:
            return
        throttle.refusals += 1
        throttle.full = max(throttle.full, throttle.used)
        throttle.limit = max(throttle.used // 2, 1)

    def succeed(self, place: Place) -> None:
        """It was answered."""
        throttle, refusals = self._running.get(place, (None, 0))
        if throttle is None or throttle.limit == math.inf or refusals != throttle.refusals:
            return
        throttle.limit += 1 / throttle.limit
        if throttle.limit >= throttle.full:
            throttle.limit, throttle.full = math.inf, 0
