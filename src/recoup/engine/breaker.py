"""A step whose attempts fail alike one after the other is left in peace, but for one probe now and then.

Its source is down, or its network: to try ten thousand partitions there, four times each, would tell nothing more.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from recoup.model.failure import Failure, FailureKind

IN_A_ROW: Final = 5
"""So many attempts that fail alike, with no success between them, open a breaker."""
BREAKING: Final = frozenset({FailureKind.NETWORK, FailureKind.SERVICE, FailureKind.TIMEOUT})
"""Kinds that tell of the other side, not of the partition."""
OUTAGE: Final = frozenset({FailureKind.NETWORK, FailureKind.SERVICE})
"""Kinds that tell of it for certain: it does not answer, or with an error of its own."""

Action = tuple[int, int, int]
"""As the machine's queues hold it: its rank, its node, its ordinal."""


class Follows(Enum):
    """What follows from a failure."""

    NOTHING = 1
    OPEN = 2
    """From now on only probes."""
    PROBE = 3
    """The next probe is to be set, or it is given up."""
    CLOSE = 4
    """Something else failed, so the other side answers."""


@dataclass(slots=True)
class Breaker:
    """One step's: closed, or open with one probe each interval, or given up when its probes are spent."""

    in_a_row: int = 0
    last: Failure | None = None
    is_open: bool = False
    given_up: bool = False
    probe: int | None = None
    probes: int = 0
    due: float = 0.0
    in_outage: bool = False
    """It was when the plan began: nothing but a probe was tried."""
    parked: deque[Action] = field(default_factory=deque)
    """Untried ones come first: a probe of another partition tells more."""
    failed: set[int] = field(default_factory=set)

    @property
    def reason(self) -> str:
        """Why what it holds was not tried."""
        message = self.last.message if self.last else ""
        if self.in_outage:
            return f"not tried: what it reads is in an outage ({message})"
        return f"not tried: {self.in_a_row} attempts in a row failed alike ({message})"

    def fail(self, ordinal: int, failure: Failure) -> Follows:
        """Count a failure, and say what follows from it."""
        self.failed.add(ordinal)
        was_probe = self.probe == ordinal
        if was_probe:
            self.probe = None
        elif self.is_open:
            return Follows.NOTHING  # it was on its way when the breaker opened
        if failure.kind not in BREAKING or not failure.fingerprint:
            self.in_a_row = 0
            return Follows.CLOSE if was_probe else Follows.NOTHING
        alike = was_probe or (self.last is not None and self.last.fingerprint == failure.fingerprint)
        self.in_a_row = self.in_a_row + 1 if alike else 1
        self.last = failure
        self.probes += was_probe
        if not was_probe and self.in_a_row < IN_A_ROW:
            return Follows.NOTHING
        self.is_open = True
        return Follows.PROBE if was_probe else Follows.OPEN


class Breakers:
    """Those of all steps of a plan; nobody has one before it fails."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[int, Breaker] = {}

    def of(self, node: int) -> Breaker:
        """A step's, from now on."""
        return self._of.setdefault(node, Breaker())

    def is_open(self, node: int) -> bool:
        """Whether nothing but probes of this step are tried."""
        breaker = self._of.get(node)
        return breaker is not None and breaker.is_open

    def know_outage(self, node: int, failure: Failure) -> None:
        """From the beginning only probes, the first one at once."""
        breaker = self.of(node)
        breaker.last, breaker.is_open, breaker.in_outage, breaker.due = failure, True, True, -math.inf

    def refusal(self, node: int) -> str | None:
        """Why nothing of this step is tried any more."""
        breaker = self._of.get(node)
        return breaker.reason if breaker is not None and breaker.given_up else None

    def park(self, action: Action) -> bool:
        """Whether this one must wait; then it is kept here."""
        breaker = self._of.get(action[1])
        if breaker is None or not breaker.is_open or breaker.probe == action[2]:
            return False
        breaker.parked.append(action)
        return True

    def wake(self, now: float) -> Iterator[Action]:
        """The probes whose time has come."""
        for breaker in self._of.values():
            if _is_waiting(breaker) and breaker.due <= now:
                action = breaker.parked.popleft()
                breaker.probe = action[2]
                yield action

    def dues(self) -> Iterator[float]:
        """When the next probes are."""
        return (breaker.due for breaker in self._of.values() if _is_waiting(breaker))

    def leave(self, node: int, ordinal: int) -> None:
        """It has not been tried after all: if it was the probe, another one may be."""
        breaker = self._of.get(node)
        if breaker is not None and breaker.probe == ordinal:
            breaker.probe = None

    def close(self, node: int) -> deque[Action]:
        """It answers: all that waited may go."""
        breaker = self._of.get(node)
        if breaker is None or breaker.given_up:
            return deque()
        del self._of[node]
        return breaker.parked


def _is_waiting(breaker: Breaker) -> bool:
    return breaker.is_open and not breaker.given_up and breaker.probe is None and bool(breaker.parked)
