"""Dates of which a part is there: some steps are published and stay, others are not, and are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from recoup.engine.insight import Insight, StepInsight
from recoup.model.graph import NodeKind
from recoup.model.partition import EMPTY, PartitionSet


@dataclass(frozen=True, slots=True)
class Partial:
    """Dates that lack the same; a table is only named where its own step is not."""

    dates: PartitionSet
    published: tuple[str, ...]
    lacking: tuple[str, ...]


def partial(found: Insight) -> tuple[Partial, ...]:
    """All of them, those that lack the same together, in the order of their first date.

    What is at work is left out: it may be whole in a moment. Only what is partitioned like the pipeline says anything
    about a date: a month that is there makes no day of it so.
    """
    own = [step for step in found.steps if step.node.partitions.identity() == found.partitions.identity()]
    there = {step.node.name: step.complete - step.waived for step in own if step.node.kind is NodeKind.STEP}
    some = reduce(or_, there.values(), EMPTY) - reduce(or_, (step.running for step in own), EMPTY)
    alike: dict[tuple[str, ...], PartitionSet] = {(): (found.dates - found.completed) & some}
    for step in own:
        alike = dict(_split(alike, step))
    groups = [_told(own, there, dates, lacking) for lacking, dates in alike.items() if lacking]
    return tuple(sorted(groups, key=lambda group: group.dates.first or 0))


def _split(
    alike: Mapping[tuple[str, ...], PartitionSet], step: StepInsight
) -> Iterable[tuple[tuple[str, ...], PartitionSet]]:
    """The same groups by whether they lack this step too."""
    lacking = step.expected - step.complete
    for names, dates in alike.items():
        if rest := dates - lacking:
            yield names, rest
        if without := dates & lacking:
            yield (*names, step.node.name), without


def _told(
    own: Iterable[StepInsight], there: Mapping[str, PartitionSet], dates: PartitionSet, lacking: tuple[str, ...]
) -> Partial:
    follows = {step.node.name for step in own if step.node.sink and step.node.name.split("@")[0] in lacking}
    published = tuple(name for name, ordinals in there.items() if not dates - ordinals)
    return Partial(dates, published, tuple(name for name in lacking if name not in follows))
