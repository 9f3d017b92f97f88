"""Short ways to deliver frames into a schema of a test's own, and to look into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from recoup.model.sinks.declared import Mode
from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery, Held
from recoup.sinks.postgres import PostgresSink

if TYPE_CHECKING:
    import psycopg

DAY = "2013-01-07"


class Warehouse:
    """A schema, a second session that sees what is committed, and frames on their way."""

    def __init__(self, url: str, schema: str, folder: Path, onlooker: psycopg.Connection) -> None:
        self.url, self.schema, self.folder, self.onlooker = url, schema, folder, onlooker
        self.token, self._sinks = 0, list[PostgresSink]()

    def sink(
        self, table: str = "facts", key: Sequence[str] = (), mode: Mode = "replace", *, url: str = ""
    ) -> PostgresSink:
        spec = Postgres("warehouse", table=f"{self.schema}.{table}", key=key, mode=mode)
        sink = PostgresSink(spec.to_json(), url or self.url)
        self._sinks.append(sink)
        return sink

    def delivery(self, frame: pl.DataFrame | Mapping[str, Any], partition: str = DAY, key: str = "dt") -> Delivery:
        self.token += 1
        file = self.folder / f"{self.token}.parquet"
        (frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)).write_parquet(file)
        return Delivery("facts", key, partition, f"run-{self.token}", self.token, f"#{self.token}", (str(file),))

    def deliver(
        self,
        sink: PostgresSink,
        frame: pl.DataFrame | Mapping[str, Any],
        partition: str = DAY,
        key: str = "dt",
    ) -> Held:
        return sink.deliver(self.delivery(frame, partition, key))

    def sql(self, query: str, *bound: object) -> list[tuple[Any, ...]]:
        """Rows of a query, `%s` bound; names stand in the test's own schema."""
        self.onlooker.execute(f"SET search_path TO {self.schema}")
        cursor = self.onlooker.execute(query, bound or None)
        return cursor.fetchall() if cursor.description else []

    def rows(self, columns: str, table: str = "facts") -> list[tuple[Any, ...]]:
        return self.sql(f"SELECT {columns} FROM {table} ORDER BY 1")

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()
