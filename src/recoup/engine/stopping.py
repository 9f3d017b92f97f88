"""What a signal handler or a wish says to the loop, and what the loop tells its observer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recoup.engine.events import Block, Counts, Retry
from recoup.ledger.facts import Failed
from recoup.model.failure import Failure


@dataclass
class Stopping:
    """Set by signal handlers and by wishes; the loop looks at it each turn."""

    drain: bool = False
    at_once: bool = False
    paused: bool = False
    cancelled: bool = False
    halted: Failure | None = None
    """Why nothing more may be started at all: every other attempt would fail alike."""
    wake: Callable[[], None] = lambda: None
    """Ends the loop's wait; for signal handlers, so that nobody waits until the loop looks by itself."""

    @property
    def claims(self) -> bool:
        """Whether new work may be taken."""
        return not (self.drain or self.at_once or self.paused or self.cancelled or self.halted)


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
