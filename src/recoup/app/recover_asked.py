"""What a recovery is asked to look at: pipelines, partitions, causes, a window, steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from recoup.app.loading import all_pipelines
from recoup.app.retry import Insisted
from recoup.app.settings import Settings
from recoup.model.errors import UsageError
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.plan.request import Request

_GROUP = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the words mean; `unsure` may be causes or partitions, which only the ledger can tell."""

    pipelines: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    steps: tuple[str, ...] = ()
    insisted: Insisted = field(default_factory=Insisted)
    is_named: bool = False
    """Whether a pipeline was; else they are all that there are."""

    @classmethod
    def of(cls, settings: Settings, words: Sequence[str], **more: object) -> Asked:
        """A pipeline first, if any; then partitions and causes, in any order."""
        rest, named = list(words), tuple(all_pipelines(settings)) if not words else ()
        if rest and is_pipeline(settings, rest[0]):
            named = (rest.pop(0),)
        unsure = tuple(word for word in rest if _GROUP.fullmatch(word))
        partitions = tuple(word for word in rest if not _GROUP.fullmatch(word))
        all_ = named or tuple(all_pipelines(settings))
        asked = cls(all_, partitions, unsure=unsure, is_named=bool(named), **more)  # type: ignore[arg-type] # its own fields
        if asked.partitions and (asked.start or asked.end):
            message = "both a window and explicit partitions were given"
            raise UsageError(message, "give --start and --end, or partitions, not both")
        return asked

    def settled(self, groups: Sequence[str]) -> Asked:
        """With those words as causes that are some; the rest are partitions."""
        are = tuple(word for word in self.unsure if any(group.startswith(word) for group in groups))
        rest = tuple(word for word in self.unsure if word not in are)
        return replace(self, groups=are, partitions=(*self.partitions, *rest), unsure=())

    @property
    def has_window(self) -> bool:
        """Whether partitions were named, one by one or by a window."""
        return bool(self.partitions or self.start or self.end)

    def names_time(self, anchor: Partitioning, now: datetime) -> bool:
        """Whether it says when; of a grid perhaps a member alone was named."""
        if anchor.time_side is None:
            return self.has_window
        keys: list[tuple[str | None, str | None]] = [(key, key) for key in self.partitions]
        if self.start or self.end:
            keys = [(self.start, self.end)]
        return any(anchor.asked(first, last, now)[0].time_side is not None for first, last in keys)

    @property
    def is_narrow(self) -> bool:
        """Whether it is about less than the whole pipeline."""
        return self.has_window or bool(self.groups or self.steps)

    def names(self, group: str) -> bool:
        """Whether this cause was named."""
        return any(group.startswith(word) for word in self.groups)

    def window(self, anchor: Partitioning, now: datetime) -> PartitionSet | None:
        """In the pipeline's own partitions; None for all."""
        if self.partitions:
            found = EMPTY
            for key in self.partitions:
                found |= anchor.window(key, key, now)
            return found
        return anchor.window(self.start, self.end, now) if self.has_window else None

    def request(self, pipeline: str) -> Request:
        """What sources have to be asked about."""
        return Request(pipeline, self.start, self.end, self.partitions, steps=self.steps, include_upstream=True)


def is_pipeline(settings: Settings, word: str) -> bool:
    """Whether it names one, or the place of one."""
    return word in settings.pipelines or ":" in word or word.endswith(".py")
