"""What an attempt may take and how often it may be tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from recoup.model.errors import PipelineError
from recoup.model.failure import RETRYABLE, FailureKind
from recoup.model.keys import quoted

USUAL_LIMIT_SECONDS = 3600.0
"""How long one attempt of a step may run, unless it says otherwise."""
OWN_BUDGETS: Mapping[FailureKind, int] = {FailureKind.TIMEOUT: 3, FailureKind.LOST: 3}
"""Kinds whose attempts are counted apart, and how many each has at most unless the policy names it."""

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

    The wait doubles from `initial` to `max`; jitter adds up to that share of it, and where that would pass `max` takes
    it away: no wait is shorter than `initial` or longer than `max`. `kinds` has other policies for some kinds of
    failure, such as `{"timeout": Retry(max_attempts=6)}`; each of them has a budget of its own, and so have attempts
    that ran over their limit, or whose worker vanished: three, where nothing else is said.
    """

    max_attempts: int
    initial_seconds: float
    max_seconds: float
    multiplier: float
    jitter: float
    kinds: Mapping[FailureKind, Retry] = field(hash=False)

    def __init__(
        self,
        max_attempts: int = 4,
        initial: str | float | timedelta = "30s",
        max: str | float | timedelta = "5m",  # noqa: A002 - the field's own word, as users write it
        multiplier: float = 2.0,
        jitter: float = 0.1,
        kinds: Mapping[str, Retry] | None = None,
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
        set_(self, "kinds", {_kind(kind): policy for kind, policy in (kinds or {}).items()})

    def of(self, kind: FailureKind) -> Retry:
        """What holds for failures of that kind."""
        return self.kinds.get(kind, self)

    def attempts(self, kind: FailureKind) -> int:
        """How many attempts may end in that kind, the first one included."""
        if kind in self.kinds:
            return self.kinds[kind].max_attempts
        return min(self.max_attempts, OWN_BUDGETS.get(kind, self.max_attempts))

    def budget(self, kind: FailureKind) -> FailureKind | None:
        """Which attempts count together: those of a kind that has a budget of its own, else all others (None)."""
        return kind if kind in self.kinds or kind in OWN_BUDGETS else None

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after the given attempt (1 is the first); `chance` is drawn from [0, 1)."""
        try:
            wait = min(self.initial_seconds * self.multiplier ** (attempt - 1), self.max_seconds)
        except OverflowError:  # after a thousand attempts
            wait = self.max_seconds
        spread = wait * self.jitter
        low = min(wait, max(self.max_seconds - spread, self.initial_seconds))
        return low + (min(low + spread, max(self.max_seconds, wait)) - low) * chance


def _kind(name: str) -> FailureKind:
    """A kind that may pass by itself; no policy makes any other one pass."""
    if name not in set(RETRYABLE):
        message = f"Retry(kinds=…): {quoted(name)} is no kind of failure that is tried again"
        raise PipelineError(message, f"choose from {', '.join(sorted(RETRYABLE))}")
    return FailureKind(name)
