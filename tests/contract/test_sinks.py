"""The sinks that come with recoup keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from recoup.model.sinks.declared import Mode
from recoup.model.sinks.duckdb import DuckDB
from recoup.model.sinks.postgres import Postgres
from recoup.sinks.duckdb import DuckDBSink
from recoup.sinks.postgres import PostgresSink
from recoup.testing.sinks import Row, Rows, SinkContract
from tests import servers

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


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with servers.postgresql() as url:
        yield url


@pytest.fixture(scope="module")
def onlooker(postgresql: str) -> Iterator[psycopg.Connection]:
    """Somebody else's session, which sees what is committed."""
    with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True, prepare_threshold=None) as connection:
        yield connection


class PostgresContract(SinkContract):
    mode: Mode = "replace"
    made_before = ""

    @pytest.fixture
    def sink(self, postgresql: str, onlooker: psycopg.Connection) -> Iterator[PostgresSink]:
        onlooker.execute(f"DROP TABLE IF EXISTS facts, _recoup_held; {self.made_before}")
        sink = PostgresSink(Postgres("w", table=self.table, key=["dt", "name"], mode=self.mode).to_json(), postgresql)
        yield sink
        sink.close()

    @pytest.fixture
    def rows(self, onlooker: psycopg.Connection) -> Rows:
        def read(table: str) -> list[Row]:
            is_there = onlooker.execute("SELECT to_regclass(%s)", [table]).fetchone() != (None,)
            cursor = onlooker.cursor(row_factory=dict_row)
            return [*cursor.execute(f"SELECT * FROM {table}")] if is_there else []

        return read


@pytest.mark.services
class TestPostgresReplace(PostgresContract):
    pass


@pytest.mark.services
class TestPostgresUpsert(PostgresContract):
    mode = "upsert"


@pytest.mark.services
class TestPostgresUpsertWithoutAnIndex(PostgresContract):
    """A table that somebody made before, without a primary key; its owner lets recoup widen it."""

    mode = "upsert"
    made_before = "CREATE TABLE facts (name text, count bigint); COMMENT ON TABLE facts IS 'Made by recoup, too'"
