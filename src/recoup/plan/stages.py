"""A backfill in stages: what was asked for, cut into parts of which each is verified before the next begins.

A number is so many more partitions of which something is to do, by the request's order; a key, month, year or range
`FIRST..LAST` names a window; `all` is the rest. A window may hold an earlier stage whole (first a week, then its month)
and then means what that one left; windows that share only a part of their partitions are a slip of the hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from recoup.model.errors import PartitionError, UsageError
from recoup.model.graph import Graph
from recoup.model.keys import quoted
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.touching import touching
from recoup.plan.plan import Plan
from recoup.plan.request import Order
from recoup.plan.scope import Scope
from recoup.plan.snapshot import Snapshot

REST: Final = "all"
_COUNT: Final = re.compile(r"-?\d+")
_YEAR: Final = re.compile(r"(19|2\d)\d\d")
_FORMS: Final = "a stage is so many partitions, a key, a month, FIRST..LAST, or `all` for the rest"
_APART: Final = "name windows that lie apart, or one that holds the earlier one whole"


@dataclass(frozen=True, slots=True)
class Stage:
    """One part: as it was typed, and its partitions, in the pipeline's own partitioning."""

    name: str
    partitions: PartitionSet

    @property
    def is_rest(self) -> bool:
        """Whether it is everything that was asked for and is not in an earlier one."""
        return self.name == REST


def cut(plan: Plan, graph: Graph, snapshot: Snapshot) -> tuple[Stage, ...]:
    """The stages of the plan's request; UsageError for one that is empty, outside, overlapping or goes backwards."""
    return _Cutting(plan, graph, snapshot).stages()


@dataclass
class _Cutting:
    plan: Plan
    graph: Graph
    snapshot: Snapshot
    found: list[Stage] = field(default_factory=list)
    taken: PartitionSet = EMPTY

    def __post_init__(self) -> None:
        request = self.plan.request
        self.asked = Scope(request, self.graph, self.snapshot).partitions
        self.named = Scope(replace(request, exclude=()), self.graph, self.snapshot).partitions
        self.to_do = self._to_do() & self.asked

    def stages(self) -> tuple[Stage, ...]:
        for word in self.plan.request.stages:
            name = word.strip()
            partitions = self._of(name)
            if not partitions:
                raise self._empty(name)
            self.found.append(Stage(name, partitions))
            self.taken |= partitions
        return tuple(self.found)

    def _of(self, name: str) -> PartitionSet:
        if name == REST:
            return self.asked - self.taken
        if _COUNT.fullmatch(name) and not (self.graph.anchor.is_time and _YEAR.fullmatch(name)):
            return self._next(name, int(name))
        return self._window(name)

    def _next(self, name: str, count: int) -> PartitionSet:
        before = self.found[-1].name if self.found else ""
        if before.isdigit() and not _YEAR.fullmatch(before) and 0 < count < int(before):
            message = f"{self._called(name)} is smaller than the one before it: stages go from little to much"
            raise UsageError(message, f"a number is so many more; begin with --stage {count}")
        newest = self.plan.request.order is Order.NEWEST
        rank = self.graph.anchor.rank
        rest = sorted(self.to_do - self.taken, key=lambda ordinal: (rank(ordinal), ordinal), reverse=newest)
        return PartitionSet.of(rest[: max(count, 0)])

    def _window(self, name: str) -> PartitionSet:
        window = self._expected_in(name)
        if outside := window - self.named:
            where = _some(self.graph.anchor.ranges_text(outside, window))
            message = f"{self._called(name)} reaches outside of what is asked for: {where}"
            raise UsageError(message, "widen --start and --end, or narrow the stage")
        window &= self.asked
        if window and not window - self.taken:
            message = f"{self._called(name)} goes backwards: the stages before it hold all of it"
            raise UsageError(message, "put the smaller one first, or leave it out")
        for number, earlier in enumerate(self.found, 1):
            common = window & earlier.partitions
            if common and earlier.partitions - window:
                where = _some(self.graph.anchor.ranges_text(common, window))
                message = f"{self._called(name)} overlaps stage {number} ({earlier.name}) in {where}"
                raise UsageError(message, _APART)
        return window - self.taken

    def _expected_in(self, name: str) -> PartitionSet:
        first, dots, last = name.partition("..")
        anchor = self.graph.anchor
        try:
            own, ordinals = anchor.asked(first, last if dots else first, self.snapshot.now)
        except PartitionError as error:
            raise PartitionError(f"{self._called(name)}: {error.message}", error.remedy or _FORMS) from error
        expected = Scope(
            replace(self.plan.request, exclude=(), start=None, end=None, partitions=()), self.graph, self.snapshot
        )
        return (touching(ordinals, own, anchor, self.snapshot.now) or EMPTY) & expected.partitions

    def _to_do(self) -> PartitionSet:
        """Of which something is run, or would be if it were not blocked."""
        found = EMPTY
        for group in self.plan.groups:
            node = self.graph.nodes[group.node]
            found |= touching(group.ordinals, node.partitions, self.graph.anchor, self.snapshot.now) or EMPTY
        return found

    def _empty(self, name: str) -> UsageError:
        left = "nothing is left for it" if self.found else "nothing that is asked for and expected lies in it"
        if self.found and not any(stage.is_rest for stage in self.found):
            left += f": the stages before it hold {len(self.taken):,} partitions"
        return UsageError(f"{self._called(name)} is empty: {left}", "leave it out, or widen it")

    def _called(self, name: str) -> str:
        return f"stage {len(self.found) + 1} ({quoted(name)})"


def _some(texts: Sequence[str], shown: int = 3) -> str:
    return ", ".join(texts[:shown]) + (", …" if len(texts) > shown else "")
