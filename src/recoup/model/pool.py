"""A named budget that attempts share: so many at once, and so many starts in a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from recoup.model.errors import PipelineError
from recoup.model.keys import quoted
from recoup.model.policy import seconds

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SLOTS = "give it at least one slot, as a whole number"
_SPELLING = 'write a number of slots, or {slots = 4, rate = "10/s", delay = "2s"} with at least one of the three'


@dataclass(frozen=True, slots=True, init=False)
class Pool:
    """At most `slots` attempts at once, `rate` starts in a time, `delay` between two starts; None: no such limit.

    A rate is spread evenly: "60/m" lets one start each second, it never lets sixty start at once.
    """

    slots: int | None
    interval_seconds: float
    delay_seconds: float

    def __init__(
        self,
        slots: int | None = None,
        rate: str | float | None = None,
        delay: str | float | timedelta | None = None,
    ) -> None:
        if slots is None and rate is None and delay is None:
            message = "a pool without slots, rate and delay limits nothing"
            raise PipelineError(message, _SPELLING)
        if slots is not None and (not isinstance(slots, int) or isinstance(slots, bool) or slots < 1):
            message = f"{quoted(slots)} is no number of slots"
            raise PipelineError(message, _SLOTS)
        set_ = object.__setattr__
        set_(self, "slots", slots)
        set_(self, "interval_seconds", 0.0 if rate is None else _interval(rate))
        set_(self, "delay_seconds", 0.0 if delay is None else seconds(delay, "delay"))

    @classmethod
    def of(cls, value: object) -> Pool:
        """What a declaration says: a Pool, a number of slots, or a table with `slots`, `rate` and `delay`."""
        if isinstance(value, Pool):
            return value
        if isinstance(value, Mapping):
            if unknown := set(value) - {"slots", "rate", "delay"}:
                message = f"a pool has no {quoted(min(map(str, unknown)))}"
                raise PipelineError(message, _SPELLING)
            return cls(**value)
        if not isinstance(value, int):
            message = f"{quoted(value)} is no number of slots"
            raise PipelineError(message, _SPELLING)
        return cls(slots=value)

    def __str__(self) -> str:
        """As people would say it."""
        parts = [f"{self.slots} slot{'s' * (self.slots != 1)}"] if self.slots is not None else []
        parts += [f"one start each {self.interval_seconds:g} s"] if self.interval_seconds else []
        parts += [f"{self.delay_seconds:g} s between starts"] if self.delay_seconds else []
        return ", ".join(parts)


def _interval(rate: str | float) -> float:
    """Seconds from one start to the next."""
    count, unit = rate, 1.0
    if isinstance(rate, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*([smhd])\s*", rate)
        if match is None:
            message = f"{quoted(rate)} is no rate"
            raise PipelineError(message, 'write it like "10/s", "600/m" or "1000/h"')
        count, unit = float(match[1]), _UNITS[match[2]]
    if not isinstance(count, int | float) or isinstance(count, bool) or not 0 <= count < float("inf"):
        message = f"{quoted(rate)} is no rate"
        raise PipelineError(message, 'write it like "10/s", "600/m" or "1000/h"')
    if not count:
        message = f"a rate of {quoted(rate)} would never let anything start"
        raise PipelineError(message, 'write it like "10/s", or leave it out for no limit')
    return unit / count
