"""The sinks that come with recoup keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recoup.model.sinks import DuckDB, Mode
from recoup.sinks.duckdb import DuckDBSink
from recoup.testing.sinks import Row, Rows, SinkContract

duckdb = pytest.importorskip("duckdb")


class DuckDBContract(SinkContract):
    mode: Mode = "replace"
    made_before = ""

    @pytest.fixture
    def database(self, tmp_path: Path) -> Path:
        return tmp_path / "warehouse" / "facts.duckdb"

    @pytest.fixture
    def sink(self, database: Path) -> Iterator[DuckDBSink]:
        if self.made_before:
            database.parent.mkdir()
            with duckdb.connect(str(database)) as connection:
                connection.execute(self.made_before)
        sink = DuckDBSink(DuckDB(database, table=self.table, key=["dt", "name"], mode=self.mode).to_json())
        yield sink
        sink.close()

    @pytest.fixture
    def rows(self, database: Path) -> Rows:
        def read(table: str) -> list[Row]:
            with duckdb.connect(str(database)) as connection:
                names = {name for (name,) in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()}
                is_there = table.rpartition(".")[2] in names
                found: list[Row] = connection.sql(f"SELECT * FROM {table}").pl().to_dicts() if is_there else []
                return found

        return read


class TestReplace(DuckDBContract):
    pass


class TestUpsert(DuckDBContract):
    mode = "upsert"


class TestUpsertWithoutAnIndex(DuckDBContract):
    """A table that somebody made before, without a primary key."""

    mode = "upsert"
    made_before = "CREATE TABLE facts (name VARCHAR, count BIGINT)"
