"""A database that is asked: real PostgreSQL, MariaDB and SQLite answer, and fail."""

from __future__ import annotations

import socket
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from recoup.model.errors import (
    ConfigError,
    ExitCode,
    GrantMissingError,
    IdentityRefusedError,
    RecoupError,
    UnreachableError,
)
from recoup.sources.sql import SqlDatabase
from tests import servers

DAY = date(2023, 11, 15)
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


@pytest.fixture
def database(url):
    opened = SqlDatabase(url, "warehouse")
    yield opened
    opened.close()


everywhere = pytest.mark.parametrize("url", DATABASES, indirect=True)
on_postgresql = pytest.mark.parametrize("url", DATABASES[:1], indirect=True)
on_mariadb = pytest.mark.parametrize("url", DATABASES[1:2], indirect=True)
on_sqlite = pytest.mark.parametrize("url", DATABASES[2:], indirect=True)


@everywhere
def test_values_are_bound_with_their_types(url, database):
    servers.say(
        url,
        "CREATE TABLE box (game_date DATE, tipoff TIMESTAMP, team VARCHAR(20), points INTEGER)",
        "INSERT INTO box VALUES ('2023-11-15', '2023-11-15 07:00:00', 'acme', 1), ('2023-11-16', '2023-11-15 08:00:00',"
        " 'o''neil', 2)",
    )
    assert database.rows("SELECT points FROM box WHERE game_date = :partition", {"partition": DAY}) == [(1,)]
    assert database.rows("SELECT points FROM box WHERE team = :partition", {"partition": "o'neil"}) == [(2,)]
    assert database.rows("SELECT points FROM box WHERE team = :partition", {"partition": "x' OR 'a' = 'a"}) == []
    days = [DAY, DAY + timedelta(days=1)]
    found = database.rows("SELECT points FROM box WHERE game_date IN :partitions ORDER BY 1", {"partitions": days})
    assert found == [(1,), (2,)]
    assert database.rows("SELECT points FROM box WHERE game_date IN :partitions", {"partitions": []}) == []
    # 07:00 UTC, named from far away: an instant is an instant.
    seven = datetime(2023, 11, 15, 2, tzinfo=ZoneInfo("America/New_York"))
    hour = {"start": seven, "end": seven + timedelta(hours=1)}
    assert database.rows("SELECT points FROM box WHERE tipoff >= :start AND tipoff < :end", hour) == [(1,)]


@everywhere
def test_what_the_text_does_not_name_is_left_out_and_casts_are_no_names(url, database):
    assert database.rows("SELECT 'a:b', '12:30'", {"partition": DAY}) == [("a:b", "12:30")]
    if "postgresql" in url:
        assert database.rows("SELECT '1'::int, :partition::date", {"partition": "2023-11-15"}) == [(1, DAY)]


@everywhere
def test_a_question_changes_nothing(url, database):
    servers.say(url, "CREATE TABLE box (points INTEGER)", "INSERT INTO box VALUES (1)")
    with pytest.raises(RecoupError):
        database.rows("DELETE FROM box", {})
    assert database.rows("SELECT count(*) FROM box", {}) == [(1,)]


@everywhere
def test_the_frames_of_several_questions_lie_below_each_other(url, database):
    servers.say(url, "CREATE TABLE box (game_date DATE, points INTEGER)")
    for day in (15, 16):
        servers.say(url, f"INSERT INTO box VALUES ('2023-11-{day}', {day})")
    asked = [{"partition": date(2023, 11, day)} for day in (16, 15, 17)]
    frame = database.frame("SELECT points AS p, 'x' AS word FROM box WHERE game_date = :partition", asked)
    assert frame.rows() == [(16, "x"), (15, "x")]
    nothing = database.frame("SELECT points AS p FROM box WHERE game_date = :partition", [{"partition": None}])
    assert nothing.columns == ["p"]
    assert nothing.is_empty()


@on_postgresql
def test_postgresql_keeps_its_types_where_nothing_is_in_them(url, database):
    servers.say(
        url,
        """CREATE TABLE box (i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric(10, 2),
        b boolean, t text, v varchar(5), d date, ts timestamp, tz timestamptz, tm time, iv interval, u uuid, by bytea,
        j jsonb, a integer[])""",
    )
    names = "i2, i4, i8, f4, f8, n, b, t, v, d, ts, tz, tm, iv, u, by"
    empty = database.frame(f"SELECT {names} FROM box", [{}])
    assert dict(empty.schema) == {
        "i2": pl.Int16, "i4": pl.Int32, "i8": pl.Int64, "f4": pl.Float32, "f8": pl.Float64, "n": pl.Decimal(10, 2),
        "b": pl.Boolean, "t": pl.String, "v": pl.String, "d": pl.Date, "ts": pl.Datetime("us"),
        "tz": pl.Datetime("us", "UTC"), "tm": pl.Time, "iv": pl.Duration("us"), "u": pl.String, "by": pl.Binary,
    }  # fmt: skip
    servers.say(
        url,
        """INSERT INTO box VALUES (1, 2, 3, 0.5, 0.25, 1.50, true, 'ä', 'v', '2023-11-15', '2023-11-15 07:00',
        '2023-11-15 02:00-05', '07:30', '90 minutes', '0190163d-8694-739b-aea5-966c26f8ad91', 'ab', '{"x": [1]}',
        '{1,2}')""",
        "INSERT INTO box (i2) VALUES (NULL)",
    )
    full = database.frame(f"SELECT {names} FROM box", [{}])
    assert full.schema == empty.schema
    assert full.row(0) == (
        1, 2, 3, 0.5, 0.25, Decimal("1.50"), True, "ä", "v", DAY, datetime(2023, 11, 15, 7),
        datetime(2023, 11, 15, 7, tzinfo=UTC), time(7, 30), timedelta(minutes=90),
        "0190163d-8694-739b-aea5-966c26f8ad91", b"ab",
    )  # fmt: skip
    assert full.row(1) == (None,) * 16
    odd = database.frame("SELECT j, a, sum(n) OVER () AS s, inet '10.0.0.1' AS ip FROM box WHERE i2 = 1", [{}])
    assert odd.row(0) == ('{"x": [1]}', [1, 2], Decimal("1.50"), "10.0.0.1")


@on_mariadb
def test_mariadb_keeps_its_types(url, database):
    servers.say(
        url,
        """CREATE TABLE box (i INT, big BIGINT UNSIGNED, f DOUBLE, n DECIMAL(10, 2), t TEXT, d DATE, ts DATETIME(3),
        bl BLOB, tm TIME)""",
    )
    empty = database.frame("SELECT i, f, n, d, ts, tm FROM box", [{}])
    assert dict(empty.schema) == {
        "i": pl.Int64, "f": pl.Float64, "n": pl.Decimal(38, 2), "d": pl.Date, "ts": pl.Datetime("us"),
        "tm": pl.Duration("us"),
    }  # fmt: skip
    servers.say(
        url,
        """INSERT INTO box VALUES (1, 18446744073709551615, 0.5, 1.50, 'ä', '2023-11-15', '2023-11-15 07:00:00.125',
        'ab', '00:01:00')""",
    )
    assert database.frame("SELECT * FROM box", [{}]).row(0) == (
        1, 18446744073709551615, 0.5, Decimal("1.50"), "ä", DAY, datetime(2023, 11, 15, 7, 0, 0, 125_000), b"ab",
        timedelta(minutes=1),
    )  # fmt: skip


@on_sqlite
def test_sqlite_has_the_types_of_its_values(url, database):
    frame = database.frame(
        "SELECT 1 AS i, 0.5 AS f, 'a' AS t, NULL AS n, x'61' AS b UNION ALL SELECT 2, 2, 'b', NULL, x'62'", [{}]
    )
    assert frame.schema == {"i": pl.Int64, "f": pl.Float64, "t": pl.String, "n": pl.Null, "b": pl.Binary}


@on_sqlite
def test_columns_that_no_frame_can_hold_are_refused(url, database):
    with pytest.raises(ConfigError, match="gives the columns 'a, a'") as raised:
        database.frame("SELECT 1 AS a, 2 AS a", [{}])
    assert "AS" in raised.value.remedy
    with pytest.raises(ConfigError, match="column 'a' do not fit one type"):
        database.frame("SELECT 1 AS a UNION ALL SELECT 'x'", [{}])


@everywhere
@pytest.mark.parametrize("text", ["SELECT 1 FROM nix", "SELECT nix FROM box", "SELEC 1"])
def test_a_question_that_cannot_be_answered_is_the_askers(url, database, text):
    servers.say(url, "CREATE TABLE box (points INTEGER)")
    with pytest.raises(RecoupError, match=r"the connection 'warehouse' got no answer: .*(nix|SELEC)") as raised:
        database.rows(text, {})
    assert "\n" not in raised.value.message
    assert raised.value.exit_code is ExitCode.USAGE
    assert database.rows("SELECT count(*) FROM box", {}) == [(0,)]  # and it goes on


@on_postgresql
def test_a_server_that_ends_the_connection_is_out_of_reach_and_asked_anew_the_next_time(database):
    with pytest.raises(UnreachableError, match="'warehouse' got no answer: terminating connection"):
        database.rows("SELECT pg_terminate_backend(pg_backend_pid())", {})
    assert database.rows("SELECT 1", {}) == [(1,)]


@on_postgresql
def test_a_grant_that_is_missing_is_named_and_not_the_text_of_the_sql(url):
    servers.say(url, "CREATE TABLE box (points INTEGER)")
    # A role that every server has, and that may read no table of ours.
    database = SqlDatabase(f"{url}?options=-c%20role%3Dpg_signal_backend", "warehouse")
    with pytest.raises(GrantMissingError, match="permission denied for table box") as raised:
        database.rows("SELECT points FROM box", {})
    assert "GRANT SELECT" in raised.value.remedy
    database.close()


@on_postgresql
def test_a_limit_that_runs_out_is_out_of_reach(url):
    database = SqlDatabase(f"{url}?options=-c%20statement_timeout%3D20", "warehouse")
    with pytest.raises(UnreachableError, match="statement timeout"):
        database.rows("SELECT pg_sleep(5)", {})
    database.close()


@on_mariadb
def test_a_wrong_password_is_never_shown(url):
    wrong = url.replace("root@", "root:geheim-7391@")
    with pytest.raises(IdentityRefusedError, match="Access denied for user 'root'") as raised:
        SqlDatabase(wrong, "warehouse").rows("SELECT 1", {})
    assert raised.value.exit_code is ExitCode.UNREACHABLE
    assert "geheim" not in f"{raised.value.message} {raised.value.remedy}"


@pytest.fixture
def deaf_port():
    """Taken by somebody who never answers, so that nobody else can be there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("dialect", ["postgresql", "mysql+pymysql"])
def test_a_server_that_is_not_there_is_out_of_reach(dialect, deaf_port):
    with pytest.raises(UnreachableError, match=r"the connection 'warehouse' cannot be opened: .*refused") as raised:
        SqlDatabase(f"{dialect}://root:geheim-7391@127.0.0.1:{deaf_port}/x", "warehouse").rows("SELECT 1", {})
    assert raised.value.exit_code is ExitCode.UNREACHABLE
    assert "geheim" not in raised.value.message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("geheim-7391", "has a URL that cannot be used"),
        ("nix://root:geheim-7391@host/x", "has a URL that cannot be used"),
        ("postgresql://root:geheim-7391@home@127.0.0.1/x", "has a URL with two @"),
        ("postgresql://root:geheim-7391@host:port/x", "has a URL that cannot be used"),
        ("oracle://root:geheim-7391@host/x", "needs the driver oracledb, which is not installed"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_it(url, message):
    with pytest.raises(ConfigError, match=message) as raised:
        SqlDatabase(url, "warehouse").rows("SELECT 1", {})
    assert "geheim" not in f"{raised.value.message} {raised.value.remedy}"
    assert "home" not in raised.value.message


def test_postgres_is_another_word_for_postgresql(deaf_port):
    with pytest.raises(UnreachableError):
        SqlDatabase(f"postgres://root@127.0.0.1:{deaf_port}/x", "warehouse").rows("SELECT 1", {})
