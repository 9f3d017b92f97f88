"""What the demo made, counted in ledger, lake and table, and compared with what the year's data gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from recoup.app.backfilling import RunReport
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import ConflictError, ExitCode
from recoup.model.graph import Node
from recoup.model.partition import PartitionSet
from recoup.model.relation import Edge, Within, parents
from recoup.ports import ObjectStore

DATABASE = "delays.duckdb"
TABLE = "carrier_delays"
COLUMNS = "dt, carrier, flights, cancelled, in_rain, delay_minutes, week_delay_minutes, change_minutes"
EXCERPT_ROWS = 4

EXPECTED: Mapping[str, int] = {
    "flights": 336_776,
    "cancelled": 8_255,
    "without a tail number": 2_512,
    "days of raw_flights": 365,
    "days of clean_flights": 365,
    "days of flights_weather": 364,
    "days of carrier_delays": 364,
    "days in the table": 364,
    "days blocked for want of weather": 1,
}


@dataclass(frozen=True, slots=True)
class Total:
    """How much of a dataset is there; a delivered table says so under its own name."""

    name: str
    days: int
    expected: int
    rows: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A step's partition of which a source lacks hours; `blocked` says why it was not made, if it was not."""

    partition: str
    step: str
    source: str
    there: int
    expected: int
    missing: tuple[str, ...]
    blocked: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The first and the last rows of the delivered table, and how many it has."""

    rows: int
    columns: tuple[str, ...]
    first: tuple[tuple[Any, ...], ...]
    last: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Demo:
    """The result; `differences` names the figures that are not as expected.

    `consequences` are what is blocked because something before it is: partition, step, reason.
    """

    folder: str
    backfill_id: str | None
    actions: int
    done_before: int
    seconds: float
    totals: tuple[Total, ...]
    figures: Mapping[str, int]
    gaps: tuple[Gap, ...]
    consequences: tuple[tuple[str, str, str], ...]
    excerpt: Excerpt | None
    differences: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The blocked day is expected, so it is no reason for another code."""
        return ExitCode.INCOMPLETE if self.differences else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "exit_code": int(self.exit_code)}


def look(report: RunReport, reader: LedgerReader, store: ObjectStore, folder: Path) -> Demo:
    """Count what is there."""
    seen = _Look(report, reader, store)
    totals, gaps = seen.totals(), seen.gaps()
    figures = {
        **seen.flights(),
        **_days(totals),
        "days blocked for want of weather": sum(bool(g.blocked) for g in gaps),
    }
    excerpt = _excerpt(folder / DATABASE)
    rows = excerpt.rows if excerpt else 0
    delivered = Total(f"table {TABLE}", figures["days in the table"], totals[-1].expected, rows)
    return Demo(
        folder=str(folder),
        backfill_id=report.backfill_id,
        actions=report.counts.succeeded,
        done_before=report.planned.plan.done,
        seconds=round(report.seconds, 1),
        totals=(*(total for total in totals if "@" not in total.name), delivered),
        figures=figures,
        gaps=gaps,
        consequences=tuple(seen.consequences()),
        excerpt=excerpt,
        differences=tuple(_differences(figures, totals, rows)),
    )


class _Look:
    """One pipeline's publications and blocks."""

    def __init__(self, report: RunReport, reader: LedgerReader, store: ObjectStore) -> None:
        self.prepared = report.planned.prepared
        self.nodes = self.prepared.graph.nodes
        self.reader = reader
        self.store = store
        blocks = reader.blocks(self.prepared.node_ids)
        self.reasons = {(block.node, block.ordinal): block.reason for block in blocks}

    def totals(self) -> tuple[Total, ...]:
        """Every step and every delivery, in the order of the graph."""
        return tuple(self._total(node) for node in self.nodes if node.is_made)

    def flights(self) -> dict[str, int]:
        """Counted in the rows that readers see now."""
        import polars as pl

        tail, seen = pl.col("tail_number"), pl.col("visibility_miles")
        flights = self._rows("clean_flights").select(
            pl.len().alias("flights"),
            pl.col("cancelled").sum(),
            tail.null_count().alias("without a tail number"),
        )
        joined = self._rows("flights_weather").select(seen.null_count().alias("without weather at their airport"))
        return {**flights.collect().row(0, named=True), **joined.collect().row(0, named=True)}

    def gaps(self) -> tuple[Gap, ...]:
        """Each partition that reads finer ones of which some are not there, oldest first."""
        return tuple(
            gap
            for node in self.nodes
            for edge in node.edges
            if isinstance(edge.relation, Within)
            for ordinal in self._expected(node)
            if (gap := self._gap(node, edge, ordinal)) is not None
        )

    def consequences(self) -> Iterator[tuple[str, str, str]]:
        """What is blocked because something before it in the pipeline is."""
        for node in self.nodes:
            if not any(isinstance(edge.relation, Within) for edge in node.edges):
                for ordinal in self._expected(node):
                    if reason := self._reason(node, ordinal):
                        yield node.partitions.name(ordinal), node.name, reason

    def _total(self, node: Node) -> Total:
        published = [found.publication for found in self._published(node)]
        rows = sum(publication.rows or 0 for publication in published)
        return Total(node.name, len(published), len(self._expected(node)), rows)

    def _gap(self, node: Node, edge: Edge, ordinal: int) -> Gap | None:
        source = self.nodes[edge.parent]
        state = self.prepared.snapshot.states[source.index]
        span = parents(edge.relation, node.partitions, source.partitions, ordinal)
        expected = state.expected.within(span)
        missing = expected - state.published
        if not missing:
            return None
        return Gap(
            partition=node.partitions.name(ordinal),
            step=node.name,
            source=source.name,
            there=len(expected) - len(missing),
            expected=len(expected),
            missing=tuple(source.partitions.ranges_text(missing)),
            blocked=self._reason(node, ordinal),
        )

    def _reason(self, node: Node, ordinal: int) -> str:
        return self.reasons.get((self.prepared.node_ids[node.index], ordinal), "")

    def _expected(self, node: Node) -> PartitionSet:
        return self.prepared.snapshot.states[node.index].expected

    def _published(self, node: Node) -> Any:  # noqa: ANN401 - an iterator of Published
        expected = self._expected(node)
        whole = range(expected.first or 0, (expected.last or 0) + 1)
        return self.reader.current(self.prepared.node_ids[node.index], whole)

    def _rows(self, dataset: str) -> Any:  # noqa: ANN401 - a lazy frame, whose package is heavy
        from recoup.lake.scan import scan

        published = self._published(self.prepared.graph.node(dataset))
        return scan(self.store, [file for found in published for file in found.publication.files])


def _days(totals: tuple[Total, ...]) -> dict[str, int]:
    return {"days in the table" if "@" in t.name else f"days of {t.name}": t.days for t in totals}


def _excerpt(database: Path) -> Excerpt | None:
    """Both ends of the table; None when somebody has deleted it."""
    import duckdb

    if not database.exists():
        return None
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            table = connection.table(TABLE).project(COLUMNS)
            first = table.order("dt, carrier").limit(EXCERPT_ROWS).fetchall()
            last = table.order("dt DESC, carrier DESC").limit(EXCERPT_ROWS).fetchall()
            return Excerpt(table.shape[0], tuple(table.columns), _plain(first), _plain(last[::-1]))
    except duckdb.CatalogException:
        return None
    except duckdb.Error as error:
        message = f"the table in {database} cannot be read: {str(error).partition(chr(10))[0]}"
        raise ConflictError(message, "close it where it is open, then run the same command again") from error


def _plain(rows: list[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """Days as text: JSON has no other word for them."""
    kept = (int, float, NoneType)
    return tuple(tuple(value if isinstance(value, kept) else str(value) for value in row) for row in rows)


def _differences(figures: Mapping[str, int], totals: tuple[Total, ...], rows: int) -> Iterator[str]:
    for name, expected in EXPECTED.items():
        if figures[name] != expected:
            yield f"{name}: {figures[name]:,} instead of {expected:,}"
    published = next(total.rows for total in totals if total.name == TABLE)
    if rows != published:
        yield f"rows in the table: {rows:,}, but {published:,} are published"
