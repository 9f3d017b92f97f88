"""The verb `ledger export`: the ledger's history as Parquet, for whoever would rather ask polars or DuckDB.

`export(workspace, folder) -> Exported`. All files are of one moment; they are written beside the folder and moved there
at the end, so nobody finds half of them. Rows come in batches, however long the history is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoup.app.datasets import Dataset, datasets
from recoup.app.workspace import Workspace
from recoup.lake.disk import refusal
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import PartitionError, UsageError

if TYPE_CHECKING:
    import polars as pl

MARK = "recoup-export.json"
"""Tells that a folder's files are an earlier export, which may be replaced."""
ROWS_AT_ONCE = 20_000
_OF_NODES = "n.pipeline, n.name AS dataset, NULL AS partition"
_TABLES: Mapping[str, str] = {
    "nodes": "SELECT * FROM nodes ORDER BY node",
    "run_history": "SELECT * FROM run_history ORDER BY token",
    "attempts": f"SELECT {_OF_NODES}, r.run_id, a.* FROM attempts a JOIN nodes n USING (node)"  # noqa: S608 - our own text
    " LEFT JOIN runs r USING (run) ORDER BY a.token",
    "publications": f"SELECT {_OF_NODES}, r.run_id, p.* FROM publications p JOIN nodes n USING (node)"  # noqa: S608 - as above
    " LEFT JOIN runs r USING (run) WHERE p.state NOT IN ('intent', 'void') ORDER BY p.token",
    "blocks": f"SELECT {_OF_NODES}, b.* FROM blocks b JOIN nodes n USING (node) ORDER BY b.node, b.ordinal",  # noqa: S608 - as above
    "waivers": f"SELECT {_OF_NODES}, w.* FROM waivers w JOIN nodes n USING (node) ORDER BY w.node, w.ordinal",  # noqa: S608 - as above
    "backfills": "SELECT * FROM backfills ORDER BY backfill",
    "watermarks": "SELECT name, value_microseconds / 1e6 AS value, changed_at, who, sets FROM watermarks ORDER BY name",
    "events": "SELECT * FROM events ORDER BY seq",
}
_WHOLE = {
    *("node", "ordinal", "token", "run", "number", "attempt", "controller", "backfill", "rows", "rows_processed"),
    *("generation", "peak_memory_bytes", "actions", "seq", "sets"),
}
_TIMES = {
    *("value", "changed_at"),
    *("at", "claimed_at", "started_at", "ended_at", "created_at", "published_at", "superseded_at", "run_as_of"),
}
_TYPES = {**dict.fromkeys(_WHOLE, "Int64"), "cpu_seconds": "Float64", "success": "Boolean"}


@dataclass(frozen=True, slots=True)
class Exported:
    """How many rows each file has."""

    folder: Path
    tables: Mapping[str, int]


def export(workspace: Workspace, folder: Path) -> Exported:
    """Write them; UsageError where the folder holds anything but an earlier export."""
    target = folder.absolute()
    _refuse_others_files(target)
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        beside.mkdir(parents=True)
        try:
            with workspace.reader() as reader:
                reader.query("BEGIN")
                known = {found.node: found for found in datasets(reader).values()}
                tables = {name: _table(reader, known, sql, beside / f"{name}.parquet") for name, sql in _TABLES.items()}
                mark = {
                    "ledger_id": reader.meta("ledger_id"),
                    "at": workspace.clock.now().isoformat(),
                    "tables": tables,
                }
            (beside / MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
            _into_place(beside, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise refusal(error, str(target)) from error
    return Exported(folder, tables)


def _refuse_others_files(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is no folder", "name a new folder, or that of an earlier export")
    others = {path.name for path in target.iterdir()} if target.exists() else set()
    if others and MARK not in others:
        message = f"{target} holds {min(others)!r}, which is no export"
        raise UsageError(message, "name a new folder; an export overwrites nothing but an earlier export")
    if strangers := others - {MARK} - {f"{name}.parquet" for name in _TABLES}:
        message = f"{target} is an earlier export, but {min(strangers)!r} in it is not"
        raise UsageError(message, "move that away, or name a new folder")


def _into_place(beside: Path, target: Path) -> None:
    """An earlier export goes once the new one is whole."""
    if not target.exists():
        beside.rename(target)
        return
    earlier = beside.with_suffix(".old")
    target.rename(earlier)
    beside.rename(target)
    shutil.rmtree(earlier, ignore_errors=True)


def _table(reader: LedgerReader, known: Mapping[NodeId, Dataset], sql: str, path: Path) -> int:
    """One file; how many rows it has."""
    from polars.io.plugins import register_io_source

    cursor = reader.db.execute(sql)
    names = [column[0] for column in cursor.description]
    schema = _schema(names, is_view="processor_name" in names)
    counted = 0

    def batches(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del with_columns, predicate, n_rows, batch_size  # everything is asked for
        nonlocal counted
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            counted += len(rows)
            yield _frame(rows, names, schema, known)
        if not counted:
            yield _frame([], names, schema, known)

    register_io_source(batches, schema=schema).sink_parquet(path, compression="zstd", maintain_order=True)
    return counted


def _schema(names: Sequence[str], *, is_view: bool) -> dict[str, Any]:
    """Times are seconds in tables and text in the view, which people also read by hand."""
    import polars as pl

    time = pl.String() if is_view else pl.Datetime("us", "UTC")
    return {name: time if name in _TIMES else getattr(pl, _TYPES.get(name, "String"))() for name in names}


def _frame(
    rows: Sequence[Sequence[Any]], names: Sequence[str], schema: Mapping[str, Any], known: Mapping[NodeId, Dataset]
) -> pl.DataFrame:
    import polars as pl

    columns: dict[str, tuple[Any, ...]] = dict.fromkeys(names, ())
    if rows:
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    if "dataset" in columns:
        columns["partition"] = tuple(map(_name(known), columns["node"], columns["ordinal"]))
    for name, dtype in schema.items():
        if dtype == pl.Datetime:
            columns[name] = tuple(None if at is None else datetime.fromtimestamp(at, UTC) for at in columns[name])
        if dtype == pl.Boolean:
            columns[name] = tuple(None if flag is None else bool(flag) for flag in columns[name])
    return pl.DataFrame(columns, schema=dict(schema))


def _name(known: Mapping[NodeId, Dataset]) -> Callable[[NodeId, int], str | None]:
    """The key of a partition; None for one that today's time zones do not have."""

    def name(node: NodeId, ordinal: int) -> str | None:
        with suppress(KeyError, PartitionError):
            return known[node].partitions.name(ordinal)
        return None

    return name
