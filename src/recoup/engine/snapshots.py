"""Which partition a step may take for the newest one, and whether it is new enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from recoup.model.graph import Node
from recoup.model.partition import ROW_BITS, row_of
from recoup.model.partitioning import Partitioning
from recoup.model.relation import Newest


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
    what = f"{parent.name} snapshot {found[-1]} is {_hours(age)} old"
    return f"{what}, and may be {_hours(newest.max_age_seconds)} old at most"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _hours(seconds: float) -> str:
    return f"{round(seconds / 3600, 1):g}h"
