"""From the partitions of one partitioning to those of another that share time or a member with them."""

from __future__ import annotations

from datetime import datetime

from recoup.model.grid import Grid
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning


def touching(ordinals: PartitionSet, own: Partitioning, other: Partitioning, now: datetime) -> PartitionSet | None:
    """What of `other` these touch; a side that `own` lacks is taken whole. None: they have nothing in common."""
    if own.identity() == other.identity():
        return ordinals
    times, members = own.time_side, own.member_side
    common_time = times is not None and other.time_side is not None
    common_members = members is not None and other.member_side is not None and _alike(members, other.member_side)
    if not (common_time or common_members):
        return None
    if isinstance(own, Grid) and isinstance(other, Grid) and common_members:
        return _row_by_row(ordinals, own, other)
    columns, rows = own.sides(ordinals) if isinstance(own, Grid) else (ordinals, ordinals)
    touched = _by_time(columns, times, other.time_side) if times and other.time_side and common_time else None
    if not isinstance(other, Grid):
        return rows if touched is None else touched
    if touched is None:
        touched = other.time.universe(now)
    return other.product(touched, rows if common_members else other.members.universe(now))


def _alike(one: Partitioning, other: Partitioning) -> bool:
    return one.identity() == other.identity()


def _row_by_row(cells: PartitionSet, own: Grid, other: Grid) -> PartitionSet:
    found = EMPTY
    for row, columns in cells.rows().items():
        found |= _by_time(columns, own.time, other.time).in_rows([row])
    return found


def _by_time(ordinals: PartitionSet, own: Partitioning, other: Partitioning) -> PartitionSet:
    if _alike(own, other):
        return ordinals
    found = EMPTY
    for run in ordinals.ranges():
        begin, end = own.span(run.start)[0], own.span(run.stop - 1)[1]
        last = other.at(end)
        stop = last if other.span(last)[0] >= end else last + 1
        found |= PartitionSet.of_range(range(max(other.at(begin), 0), stop))
    return found
