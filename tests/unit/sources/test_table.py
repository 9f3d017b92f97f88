from contextlib import closing
from datetime import UTC, date, datetime

import polars as pl
import pytest

from recoup.model.errors import ConfigError
from recoup.sources.table import SqlTable
from tests import servers

pytest.importorskip("sqlalchemy")

DATABASES = [
    pytest.param("postgresql", marks=pytest.mark.services),
    pytest.param("mariadb", marks=pytest.mark.services),
    "sqlite",
]


@pytest.fixture
def url(request, tmp_path):
    if request.param == "sqlite":
        yield servers.sqlite(tmp_path)
        return
    with getattr(servers, request.param)() as url:
        yield url


everywhere = pytest.mark.parametrize("url", DATABASES, indirect=True)


def opened(url, table, column):
    return closing(SqlTable(url, "warehouse", table, column))


@everywhere
def test_counts_and_rows_by_a_column_of_dates(url):
    servers.say(
        url,
        "CREATE TABLE box (dt DATE, points INTEGER)",
        "INSERT INTO box VALUES ('2024-01-02', 3), ('2024-01-01', 1), ('2024-01-01', 2), (NULL, 9)",
    )
    with opened(url, "box", "dt") as table:
        counts = [(str(value), count) for value, count in table.counts() if value is not None]
        assert counts == [("2024-01-01", 2), ("2024-01-02", 1)]
        first = next(value for value, _ in table.counts() if str(value) == "2024-01-01")
        assert sorted(table.between(first, first)["points"].to_list()) == [1, 2]
        last = next(value for value, _ in table.counts() if str(value) == "2024-01-02")
        assert sorted(table.between(first, last)["points"].to_list()) == [1, 2, 3]


@everywhere
def test_names_are_quoted_and_values_bound(url):
    quote = "`" if "mysql" in url or "mariadb" in url else '"'
    name, column = "box; DROP", "from"
    servers.say(
        url,
        f"CREATE TABLE {quote}{name}{quote} ({quote}{column}{quote} VARCHAR(40), n INTEGER)",
        f"INSERT INTO {quote}{name}{quote} VALUES ('x'' OR ''1''=''1', 1), ('y', 2)",
    )
    with opened(url, name, column) as table:
        assert dict(table.counts()) == {"x' OR '1'='1": 1, "y": 1}
        assert table.between("x' OR '1'='1", "x' OR '1'='1")["n"].to_list() == [1]


@everywhere
def test_what_is_not_there_is_told(url):
    servers.say(url, "CREATE TABLE box (dt DATE, points INTEGER)")
    for name, column, says in (("nix", "dt", "has no table 'nix'"), ("box", "nix", "has no column 'nix'")):
        with opened(url, name, column) as table, pytest.raises(ConfigError, match=says):
            table.counts()


@pytest.mark.parametrize("url", DATABASES[:1], indirect=True)
def test_a_schema_and_instants(url):
    servers.say(
        url,
        "CREATE SCHEMA old",
        "CREATE TABLE old.box (at timestamptz, n integer)",
        "INSERT INTO old.box VALUES ('2024-01-01 07:15Z', 1), ('2024-01-01 07:45Z', 2), ('2024-01-01 08:00Z', 3)",
    )
    with opened(url, "old.box", "at") as table:
        first, last = datetime(2024, 1, 1, 7, 15, tzinfo=UTC), datetime(2024, 1, 1, 7, 45, tzinfo=UTC)
        frame = table.between(first, last)
        assert sorted(frame["n"].to_list()) == [1, 2]
        assert frame.schema["at"] == pl.Datetime("us", "UTC")
        assert [value.date() for value, _ in table.counts()] == [date(2024, 1, 1)] * 3
