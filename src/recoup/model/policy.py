"""What an attempt may take and how often it may be tried."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from recoup.model.errors import PipelineError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(duration: str | float | timedelta, what: str = "duration") -> float:
    """`"30s"`, `"5m"`, `"1.5h"`, a number of seconds or a timedelta, as seconds."""
    if isinstance(duration, timedelta):
        value = duration.total_seconds()
    elif isinstance(duration, int | float):
        value = float(duration)
    elif match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", duration):
        value = float(match[1]) * _UNITS[match[2]]
    else:
        message = f"{what}: {duration!r} is no duration"
        raise PipelineError(message, 'write it like "30s", "5m" or "1h"')
    if not 0 <= value < float("inf"):
        message = f"{what}: {duration!r} must be zero or more"
        raise PipelineError(message, 'write it like "30s", "5m" or "1h"')
    return value


@dataclass(frozen=True, slots=True, init=False)
class Retry:
    """How often what may pass by itself is tried in the same run, and how long it waits in between.

    The wait doubles from `initial` to `max`; jitter takes up to that share away, never adds.
    """

    max_attempts: int
    initial_seconds: float
    max_seconds: float
    multiplier: float
    jitter: float

    def __init__(
        self,
        max_attempts: int = 4,
        initial: str | float | timedelta = "30s",
        max: str | float | timedelta = "5m",  # noqa: A002 - the field's own word, as users write it
        multiplier: float = 2.0,
        jitter: float = 0.1,
    ) -> None:
        if max_attempts < 1:
            message = f"Retry(max_attempts={max_attempts}): at least one attempt is needed"
            raise PipelineError(message)
        if not 1 <= multiplier < float("inf") or not 0 <= jitter <= 1:
            message = f"Retry(multiplier={multiplier}, jitter={jitter}): multiplier >= 1 and 0 <= jitter <= 1"
            raise PipelineError(message)
        set_ = object.__setattr__
        set_(self, "max_attempts", max_attempts)
        set_(self, "initial_seconds", seconds(initial, "Retry(initial=…)"))
        set_(self, "max_seconds", seconds(max, "Retry(max=…)"))
        set_(self, "multiplier", float(multiplier))
        set_(self, "jitter", float(jitter))

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after the given attempt (1 is the first); `chance` is drawn from [0, 1)."""
        try:
            wait = min(self.initial_seconds * self.multiplier ** (attempt - 1), self.max_seconds)
        except OverflowError:  # after a thousand attempts
            wait = self.max_seconds
        return wait * (1.0 - self.jitter * chance)
