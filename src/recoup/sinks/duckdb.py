"""A table in a DuckDB file: each partition arrives in one transaction, together with the record of its run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoup.model import errors
from recoup.model.keys import sides_of
from recoup.model.sinks.duckdb import DuckDB
from recoup.ports import Delivery, Held
from recoup.sinks.duckdb_counts import row_counts
from recoup.sinks.duckdb_file import columns_of, connect, duckdb_package, first_row, meaning_of
from recoup.sinks.duckdb_rows import Part, arrived_rows
from recoup.sinks.duckdb_table import Table
from recoup.sinks.duckdb_turns import Turn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_RECORD = "main._recoup_deliveries"
_RECORD_COLUMNS = ["dataset", "table_name", "partition", "run_id", "token", "digest", "rows", "delivered_at"]
_CREATE_RECORD = """CREATE TABLE IF NOT EXISTS main._recoup_deliveries (
    dataset VARCHAR, table_name VARCHAR, partition VARCHAR, run_id VARCHAR, token BIGINT NOT NULL,
    digest VARCHAR NOT NULL, rows BIGINT NOT NULL, delivered_at TIMESTAMP NOT NULL,
    PRIMARY KEY (dataset, table_name, partition))"""
_INSERT_RECORD = """INSERT INTO main._recoup_deliveries
    VALUES ($dataset, $table, $partition, $run_id, $token, $digest, $rows, make_timestamp(epoch_us(now())))"""
# Update or insert, whichever fits: INSERT OR REPLACE takes three times as long.
_UPDATE_RECORD = """UPDATE main._recoup_deliveries
    SET run_id = $run_id, token = $token, digest = $digest, rows = $rows, delivered_at = make_timestamp(epoch_us(now()))
    WHERE dataset = $dataset AND table_name = $table AND partition = $partition"""
_READ_RECORD = """SELECT run_id, token, digest, rows FROM main._recoup_deliveries
    WHERE dataset = $dataset AND table_name = $table AND partition = $partition"""


_OPEN: dict[DuckDBSink, Path] = {}
"""Sinks of this process that hold their file open; those of one file are of one lane, so no two are at work at once."""


class DuckDBSink:
    """One table; its connection opens with the first use and stays until `close` or an error."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = DuckDB.from_json(spec)
        self._path = Path(self._spec.database)
        self._connection: Connection | None = None
        self._table = Table(self._spec)
        self._has_record = False
        self._turn = Turn(self._path)

    def deliver(self, delivery: Delivery) -> Held:
        """Make the table hold this run; when it does already, nothing is written, or only a newer token."""
        with self._closing_on_error():
            connection = self._open()
            connection.begin()
            held = self._project(connection, delivery)
            self._commit(connection, delivery, held)
        if self._turn.is_over:
            for inside, path in list(_OPEN.items()):
                if path == self._path:
                    inside.close()
            self._turn.give_way()
        return held

    def held(self, dataset: str, partition: str) -> Held | None:
        """What the record says; a table that somebody has dropped holds nothing. Makes no file, waits for nobody."""
        return self._look(dataset, partition, wait=False)

    def counts(
        self, key: str, partitions: Sequence[str], *, only_whether: bool = False, wait: bool = True
    ) -> Mapping[str, int]:
        """The rows that are there, by the partition's columns; makes no file."""
        with self._closing_on_error():
            if self._connection is None and not self._path.exists():
                return {}
            return row_counts(self._open(wait=wait), self._table, key.split("/"), partitions, only_whether=only_whether)

    def _look(self, dataset: str, partition: str, *, wait: bool) -> Held | None:
        with self._closing_on_error():
            if self._connection is None and not self._path.exists():
                return None
            connection = self._open(wait=wait)
            return self._recorded(connection, dataset, partition) if self._has_record else None

    def check(self) -> list[str]:
        """What stands in the way of a delivery, with the remedy. Creates no file."""
        try:
            with self._closing_on_error():
                return self._complaints()
        except errors.RecoupError as error:
            return [f"{error.message}: {error.remedy}"]

    def rehearse(self, delivery: Delivery) -> list[str]:
        """The delivery itself, undone. A column that the record counts on and the table has lost is named."""
        if not self._path.exists() or not delivery.files:
            return []
        try:
            with self._closing_on_error():
                connection = self._open(wait=False)
                lost = self._lost(connection, delivery)
                connection.begin()
                self._replace_rows(connection, delivery, is_on_record=True)
                connection.rollback()
        except errors.RecoupError as error:
            return [f"{error.message}: {error.remedy}"]
        finally:
            self.close()  # what it remembers of the table was undone
        return lost

    def _lost(self, connection: Connection, delivery: Delivery) -> list[str]:
        held = self._recorded(connection, delivery.dataset, delivery.partition) if self._has_record else None
        if held is None or (held.run_id, held.digest) != (delivery.run_id, delivery.digest):
            return []
        with arrived_rows(connection, delivery) as arrived:
            names = [name for name in arrived.columns if name.lower() not in self._table.columns]
        lost, others = ", ".join(names), ", ".join(self._table.columns)
        told = f"{self._spec.name} has lost the column {lost}, which an earlier delivery filled; it has {others}"
        return [told] if names else []

    def close(self) -> None:
        """Let other processes open the database; an open transaction is undone."""
        connection, self._connection = self._connection, None
        _OPEN.pop(self, None)
        if connection is not None:
            connection.close()

    def _open(self, *, wait: bool = True) -> Connection:
        if self._connection is None:
            self._connection = connect(self._path, wait=wait)
            self._turn = Turn(self._path)
            _OPEN[self] = self._path
            # Once is enough: no other process can change them now. Not within a transaction, which an error would end.
            self._table = Table.found(self._connection, self._spec)
            self._has_record = bool(columns_of(self._connection, _RECORD))
        return self._connection

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        """An open transaction ends with its connection; an instance that DuckDB has given up is not used again."""
        try:
            yield
        except BaseException as error:
            self.close()
            if meaning := meaning_of(error, self._spec):
                raise meaning from error
            raise

    def _recorded(self, connection: Connection, dataset: str, partition: str) -> Held | None:
        names = {"dataset": dataset, "table": self._table.recorded_name, "partition": partition}
        row = first_row(connection, _READ_RECORD, names)
        held = Held(*row) if row else None
        if held and held.run_id and not self._table.columns:
            # The token outlives the table: who was fenced once stays fenced.
            return Held(None, held.token, "", 0)
        return held

    def _project(self, connection: Connection, delivery: Delivery) -> Held:
        if not self._has_record:
            connection.execute(_CREATE_RECORD)
            self._has_record = True
        before = self._recorded(connection, delivery.dataset, delivery.partition)
        if before and before.token > delivery.token:
            newer = f"token {before.token}, newer than {delivery.token}"
            message = f"{self._spec.name} holds {delivery.partition} under {newer}"
            raise errors.FencedError(message, "nothing is to be done: somebody else has taken over")
        if before and not delivery.anew and (before.run_id, before.digest) == (delivery.run_id, delivery.digest):
            rows = before.rows
        else:
            rows = self._replace_rows(connection, delivery, is_on_record=before is not None)
        held = Held(delivery.run_id, delivery.token, delivery.digest, rows)
        if held != before:
            names = {"dataset": delivery.dataset, "table": self._table.recorded_name, "partition": delivery.partition}
            values = {"run_id": held.run_id, "token": held.token, "digest": held.digest, "rows": held.rows}
            connection.execute(_UPDATE_RECORD if before else _INSERT_RECORD, {**names, **values})
        return held

    def _replace_rows(self, connection: Connection, delivery: Delivery, *, is_on_record: bool) -> int:
        part = Part(sides_of(delivery.key, delivery.partition), delivery.member_key)
        part.check_held(connection, self._table.columns, self._spec.name)
        if delivery.run_id is None or not delivery.files:
            self._table.delete(connection, part)
            return 0
        with arrived_rows(connection, delivery) as arrived:
            arrived.check_partition(connection, part, self._spec)
            arrived.check_keys(connection, part, self._spec)
            table = self._table = self._table.widened(connection, arrived, part)
            arrived.check_types(connection, part, self._spec, table.columns)
            if table.is_made_here and not is_on_record:
                return table.insert(connection, arrived, part)
            if table.has_key:
                return table.upsert(connection, arrived, part)
            table.delete(connection, part)
            return table.insert(connection, arrived, part)

    def _commit(self, connection: Connection, delivery: Delivery, held: Held) -> None:
        """Commit; when that fails, the record tells whether it happened."""
        try:
            connection.commit()
        except Exception as error:
            self.close()
            try:
                found = self._look(delivery.dataset, delivery.partition, wait=True)
            except Exception as unread:  # noqa: BLE001 - whatever it is, nothing was learnt
                message = f"{self._spec.name}: whether {delivery.partition} was committed is unknown: {unread}"
                raise errors.CommitUnknownError(message, "deliver it again when the database can be read") from error
            if found != held:
                raise

    def _complaints(self) -> list[str]:
        folder = next(folder for folder in self._path.absolute().parents if folder.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            return [f"{folder} cannot be written, where DuckDB keeps its log: grant this user the right to"]
        if not self._path.exists():
            duckdb_package()
            return []
        columns = list(columns_of(self._open(wait=False), _RECORD))
        if columns and columns != _RECORD_COLUMNS:
            return [f"{self._path}: _recoup_deliveries has the columns {', '.join(columns)}: move that table away"]
        return []
