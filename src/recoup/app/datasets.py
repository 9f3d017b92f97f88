"""Datasets as the ledger knows them: their partitionings, without importing the pipeline that declares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from recoup.ledger.facts import NodeId, NodeRow
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import LedgerSchemaError, PartitionError, UsageError
from recoup.model.grid import Grid
from recoup.model.keys import quoted
from recoup.model.member_partitionings import Dynamic, Members, Static
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.partitioning import Partitioning
from recoup.model.time_partitionings import Daily, Hourly, Monthly, Weekly

_FIRST = "1900"
_HOURLY_STARTS = (1900, 1925, 1950, 1975, 1990, 2000, 2010, 2020, 2030)
_YEARS = range(1900, 2040)
_FOR_EVER = datetime(2999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A node of the ledger with a partitioning that turns keys into ordinals and back."""

    node: NodeId
    name: str
    pipeline: str
    kind: str
    partitions: Partitioning

    @property
    def key(self) -> str:
        """The partition's name in paths and columns."""
        return self.partitions.key


def datasets(reader: LedgerReader, pipeline: str | None = None) -> dict[str, Dataset]:
    """All that the ledger knows, sources and deliveries too, by name."""
    return {name: _dataset(reader, row) for name, row in reader.nodes(pipeline).items()}


def dataset(reader: LedgerReader, name: str) -> Dataset:
    """One of them by name; UsageError lists what there is. Deliveries and sources hold no data of ours."""
    rows = {known: row for known, row in reader.nodes().items() if row.kind == "step"}
    if name not in rows:
        message = f"there is no dataset {quoted(name)}"
        raise UsageError(message, f"the datasets are: {', '.join(rows) or 'none yet'}")
    return _dataset(reader, rows[name])


def select(
    partitions: Partitioning,
    there: PartitionSet,
    keys: Sequence[str],
    start: str | None,
    end: str | None,
) -> PartitionSet:
    """Those of `there` that were asked for: by key, from start to end (both included), or all.

    PartitionError for a key that is none, and for a start after the end; a key that is not there is left out.
    """
    if keys and (start or end):
        message = "both a window and explicit partitions were given"
        raise UsageError(message, "give --start and --end, or partitions, not both")
    if keys:
        asked = EMPTY
        for key in keys:
            asked |= partitions.window(key, key, _FOR_EVER)
        return asked & there
    return there & partitions.window(start, end, _FOR_EVER) if start or end else there


def partitioning_of(identity: Mapping[str, object], members: Callable[[str], Mapping[str, int]]) -> Partitioning:
    """A partitioning that has this identity; of time ones, one that begins early enough for every key.

    `members` gives the ids of a key's members.
    """
    match identity:
        case {"kind": "static" | "dynamic" as kind, "key": str(key)}:
            return (Dynamic if kind == "dynamic" else Static).known(key, members(key))
        case {"kind": "grid", "time": dict(time), "members": dict(member_side)}:
            return Grid(partitioning_of(time, members), partitioning_of(member_side, members))
        case {"kind": "daily", "key": str(key), "tz": str(tz)}:
            return Daily(_FIRST, key=key, tz=tz)
        case {"kind": "weekly", "key": str(key), "tz": str(tz)}:
            return Weekly(_FIRST, key=key, tz=tz)
        case {"kind": "monthly", "key": str(key), "tz": str(tz)}:
            return Monthly(_FIRST, key=key, tz=tz)
        case {"kind": "hourly", "key": str(key), "tz": str(tz)}:
            return _hourly(identity, key, tz)
        case _:
            message = f"the ledger holds a partitioning that this recoup does not know: {dict(identity)}"
            raise LedgerSchemaError(message, "use the newer recoup that wrote it")


def undeclared(partitions: Partitioning) -> Partitioning:
    """The same partitions without a range: what is published outlives the range that was declared for it."""
    side = partitions.member_side
    return partitioning_of(partitions.identity(), lambda _: dict(side.ids) if isinstance(side, Members) else {})


def _dataset(reader: LedgerReader, row: NodeRow) -> Dataset:
    return Dataset(row.node, row.name, row.pipeline, row.kind, partitioning_of(row.partitioning, reader.members))


def _hourly(identity: Mapping[str, object], key: str, tz: str) -> Hourly:
    """A zone's hours may begin at another minute than they once did: the range must be one in which they did not."""
    for start in _HOURLY_STARTS:
        with suppress(PartitionError):
            found = Hourly(f"{start}-01-01", key=key, tz=tz)
            if found.identity() == identity:
                return found
    fitting = PartitionSet.of(year for year in _YEARS if _phase_in(year, tz) == identity.get("phase_seconds"))
    for years in [*fitting.ranges()][-1:]:
        return Hourly(f"{years[0]}-01-01", f"{years[-1]}-12-31", key=key, tz=tz)
    message = f"{tz} no longer has hours that begin as the ledger's do: {dict(identity)}"
    raise LedgerSchemaError(message, "check the system's time zone data")


def _phase_in(year: int, tz: str) -> int | None:
    try:
        return Hourly(f"{year}-01-01", f"{year}-12-31", tz=tz).phase_seconds
    except PartitionError:
        return None
