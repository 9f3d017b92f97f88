"""What a step is told about the attempt that it is part of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from recoup.engine.lines import NAME
from recoup.model.errors import PipelineError
from recoup.model.member_names import check_members
from recoup.model.member_partitionings import Dynamic


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
    keys: Mapping[str, str] = field(default_factory=dict)
    """The partition by the names of its sides: `{"dt": "2023-11-15", "tenant": "acme"}`."""
    counters: dict[str, float] = field(default_factory=dict)
    watermark: datetime | None = None
    """Up to when its step has read: the value of the watermark that it declares; None where it has none yet."""
    has_watermark: bool = False
    advanced: list[datetime] = field(default_factory=list)
    arrived: dict[str, list[str]] = field(default_factory=dict)
    fit: Callable[[str, Iterable[str]], None] = field(default=lambda _key, _members: None, repr=False)
    """Refuses members of a key that its pipeline's grids cannot have."""

    @property
    def log(self) -> logging.Logger:
        """Its lines go to this attempt's own log."""
        return logging.getLogger(f"{NAME}.{self.step}")

    def add_members(self, to: Dynamic, members: Iterable[str]) -> None:
        """Members that have arrived: they are known when this attempt has succeeded, and planned for from then on."""
        if to.listing is not None:
            message = f"the members of {to.key} come from its listing"
            raise PipelineError(message, "leave listing= out if steps add them")
        checked = check_members(dict.fromkeys(members))
        self.fit(to.key, checked)
        self.arrived.setdefault(to.key, []).extend(checked)

    def advance(self, to: datetime) -> None:
        """It has read up to here: the watermark of its step, once this attempt has succeeded; a naive time is UTC.

        It never goes back, so that an earlier partition that is run again leaves it: only a person sets it back.
        """
        if not self.has_watermark:
            message = f"step {self.step!r} declares no watermark"
            raise PipelineError(message, 'declare it: @pipeline.step(watermark="NAME")')
        aware = to.astimezone(UTC) if to.tzinfo else to.replace(tzinfo=UTC)
        self.advanced.append(aware)

    def count(self, name: str, by: float = 1) -> None:
        """Add to one of the attempt's own counters; they are kept in its manifest."""
        self.counters[name] = self.counters.get(name, 0) + by
