"""Which partition a step may take for the newest one, and whether it is new enough. Planner and engine share it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from recoup.model.graph import Node
from recoup.model.partition import ROW_BITS, row_of
from recoup.model.partitioning import Partitioning
from recoup.model.relation import Newest

_MOST_HOURS: Final = 72


def over_by(candidates: range, partitions: Partitioning, newest: Newest, run_as_of: float) -> range:
    """Of a snapshot's candidates those that were over at the run's moment; otherwise all of them."""
    if not newest.snapshot:
        return candidates
    row = row_of(candidates.start) << ROW_BITS
    return range(candidates.start, min(candidates.stop, row + partitions.at(_moment(run_as_of))))


def unfit(newest: Newest, parent: Node, found: Sequence[str], run_as_of: float) -> str | None:
    """Why what was found cannot be used: there is none, or it was over too long before the run's moment."""
    if not found:
        until = f" that was over at {_moment(run_as_of):%Y-%m-%dT%H:%MZ}" if newest.snapshot else ""
        return f"no partition of {parent.name}{until} is there"
    if newest.max_age_seconds is None:
        return None
    ended = parent.partitions.span(parent.partitions.ordinal(found[-1]))[1]
    age = run_as_of - ended.timestamp()
    if age <= newest.max_age_seconds:
        return None
    what = f"{parent.name} snapshot {found[-1]} is {_duration(age)} old"
    return f"{what}, and may be {_duration(newest.max_age_seconds)} old at most"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _duration(seconds: float) -> str:
    """In hours, over three days in days: nobody knows what 25,314 hours are."""
    hours = seconds / 3600
    return f"{round(hours, 1):g}h" if hours <= _MOST_HOURS else f"{round(hours / 24, 1):g} days"
