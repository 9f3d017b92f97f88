"""What a signal handler or a wish says to the loop, and what the loop tells its observer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recoup.engine.events import Block, Counts, Retry
from recoup.engine.work import Settled
from recoup.ledger.facts import Failed
from recoup.model.failure import Failure


@dataclass
class Stopping:
    """Set by signal handlers and by wishes; the loop looks at it each turn."""

    drain: bool = False
    at_once: bool = False
    paused: bool = False
    cancelled: bool = False
    asked_at: float | None = None
    """When somebody first asked to stop; seconds since 1970."""
    halted: Failure | None = None
    """Why nothing more may be started at all: every other attempt would fail alike."""
    enough: int = 0
    """How many partitions had failed when their number reached what a person allows; nothing more is started."""
    wake: Callable[[], None] = lambda: None
    """Ends the loop's wait; for signal handlers, so that nobody waits until the loop looks by itself."""

    @property
    def claims(self) -> bool:
        """Whether new work may be taken."""
        return not (self.paused or self.ends)

    @property
    def ends(self) -> bool:
        """Whether it is over once nothing runs any more."""
        return bool(self.drain or self.at_once or self.cancelled or self.halted or self.enough)


@dataclass(frozen=True, slots=True)
class Progress:
    """What an observer is told after a turn in which something happened."""

    counts: Counts
    running: int
    paused: bool
    failures: tuple[Failed, ...] = ()
    blocked: tuple[Block, ...] = ()
    retries: tuple[Retry, ...] = ()
    waiting: bool = False
    """Others hold all the slots that it could go on with, so nothing of it runs."""
    settled: tuple[Settled, ...] = ()
