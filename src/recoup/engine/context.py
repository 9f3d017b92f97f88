"""What a step is told about the attempt that it is part of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Context:
    """The first argument of every step.

    `run_as_of` is what may be known: a step that asks the outside world must not use what came later.
    """

    pipeline: str
    step: str
    partition: str
    run_id: str
    run_as_of: datetime
    attempt: int
    span: tuple[datetime, datetime] | None = None
    backfill_id: str | None = None
    there: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each argument that reads a span: the partitions of it that are there."""
    counters: dict[str, float] = field(default_factory=dict)

    @property
    def log(self) -> logging.Logger:
        """Its lines go to this attempt's own log."""
        return logging.getLogger(f"recoup.step.{self.step}")

    def count(self, name: str, by: float = 1) -> None:
        """Add to one of the attempt's own counters; they are kept in its manifest."""
        self.counters[name] = self.counters.get(name, 0) + by
