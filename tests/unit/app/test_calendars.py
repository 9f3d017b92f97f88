"""What is expected, read anew: from a function, keys, a file, a database, an exchange, a country."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import recoup as rc
from recoup.app.calendars import expected
from recoup.app.outside import Outside
from recoup.model.errors import ConfigError, ExitCode, PartitionError, RefusedError, UnreachableError
from recoup.sources.sql import SqlDatabase
from tests import servers

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def names(partitioning, ordinals):
    return [partitioning.name(o) for o in ordinals]


def nobody(name):
    raise AssertionError(f"nobody asked for the database {name}")


# ------------------------------------------------------------------------------------------------ functions, files


def expecting(tmp_path, **how):
    days = rc.Daily("2013-01-01", "2013-01-07", **how)
    return names(days, expected(days, NOW, Outside(tmp_path, nobody, nobody)))


def test_without_a_calendar_all_that_is_declared_is_expected(tmp_path):
    assert len(expecting(tmp_path)) == 7


def test_a_calendar_leaves_holes(tmp_path):
    assert expecting(tmp_path, calendar=rc.Calendar(lambda day: day.day % 3 == 0)) == ["2013-01-03", "2013-01-06"]
    assert expecting(tmp_path, calendar=rc.Calendar(["2013-01-05", "2020-01-01"])) == ["2013-01-05"]


def test_a_calendar_in_a_file_is_relative_to_the_project_and_read_anew(tmp_path):
    (tmp_path / "days").mkdir()
    file = tmp_path / "days" / "games.txt"
    calendar = rc.Calendar.from_file("days/games.txt")
    file.write_text("# game days\n2013-01-02\n2013-01-04  # away\n\n2020-01-01\n")
    assert expecting(tmp_path, calendar=calendar) == ["2013-01-02", "2013-01-04"]
    file.write_text("2013-01-03\n")
    assert expecting(tmp_path, calendar=calendar) == ["2013-01-03"]
    assert expecting(tmp_path, calendar=rc.Calendar.from_file(file)) == ["2013-01-03"]


def test_a_calendar_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=rf"the calendar {tmp_path}/games.txt cannot be read: No such file") as raised:
        expecting(tmp_path, calendar=rc.Calendar.from_file("games.txt"))
    assert raised.value.remedy


def test_a_calendar_that_is_no_text(tmp_path):
    (tmp_path / "games.txt").write_bytes(b"2013-01-02\n\xff\xfe\n")
    with pytest.raises(ConfigError, match="is no text in UTF-8"):
        expecting(tmp_path, calendar=rc.Calendar.from_file("games.txt"))


@pytest.mark.parametrize(("text", "why"), [("# none\n", "it names no key"), ("2020-01-01\n", "none of its keys lies")])
def test_a_calendar_that_is_empty_would_make_all_complete(tmp_path, text, why):
    (tmp_path / "games.txt").write_text(text)
    with pytest.raises(RefusedError, match=rf"{tmp_path}/games.txt is empty \({why}.*all would count as") as raised:
        expecting(tmp_path, calendar=rc.Calendar.from_file("games.txt"))
    assert (raised.value.exit_code, bool(raised.value.remedy)) == (ExitCode.REFUSED, True)


def test_a_line_that_is_no_key_is_named(tmp_path):
    (tmp_path / "games.txt").write_text("2013-01-02\n\n2013-02-30\n")
    with pytest.raises(PartitionError, match=rf"the calendar {tmp_path}/games.txt, line 3: '2013-02-30'") as raised:
        expecting(tmp_path, calendar=rc.Calendar.from_file("games.txt"))
    assert raised.value.exit_code is ExitCode.USAGE


# ------------------------------------------------------------------------------------------------ databases


@pytest.fixture
def url(tmp_path):
    url = servers.sqlite(tmp_path)
    servers.say(url, "CREATE TABLE games (game_date DATE, tipoff TIMESTAMP, status INTEGER)")
    return url


def games(url, *days, status=3):
    for day in days:
        servers.say(
            url, "INSERT INTO games VALUES (:day, :tipoff, :status)", day=day, tipoff=f"{day} 19:30:00", status=status
        )


QUERY = "SELECT DISTINCT game_date FROM games WHERE status = 3"


def asked(url, partitioning):
    with Outside(Path(), lambda name: SqlDatabase(url, name), nobody) as outside:
        return names(partitioning, expected(partitioning, NOW, outside))


def daily(query=QUERY, **how):
    return rc.Daily("2013-01-01", "2013-01-07", calendar=rc.Calendar.from_sql("warehouse", query), **how)


def test_a_table_is_a_calendar_that_is_asked_anew(url):
    games(url, "2013-01-02", "2013-01-05", "2013-01-05", "2020-01-01")
    games(url, "2013-01-03", status=1)
    assert asked(url, daily()) == ["2013-01-02", "2013-01-05"]
    servers.say(url, "UPDATE games SET status = 3")
    assert asked(url, daily()) == ["2013-01-02", "2013-01-03", "2013-01-05"]


def test_a_query_may_be_bounded_by_what_is_declared(url):
    games(url, "2013-01-07", "2013-01-08")
    assert asked(url, daily("SELECT game_date FROM games WHERE game_date BETWEEN :first AND :last")) == ["2013-01-07"]


def test_a_day_stands_for_its_hours_and_for_its_month(url):
    games(url, "2013-01-02", "2013-01-05")
    calendar = rc.Calendar.from_sql("warehouse", QUERY)
    assert asked(url, rc.Monthly("2012-12", "2013-02", calendar=calendar)) == ["2013-01"]
    hours = asked(url, rc.Hourly("2013-01-01", "2013-01-02", calendar=calendar))
    assert hours == [f"2013-01-02T{hour:02d}" for hour in range(24)]


def test_a_grid_has_a_row_for_each_cell(url):
    games(url, "2013-01-02", "2013-01-05")
    query = (
        "SELECT game_date, 'acme' FROM games UNION SELECT game_date, 'beta' FROM games WHERE game_date = '2013-01-05'"
    )
    calendar = rc.Calendar.from_sql("warehouse", query)
    days = rc.Daily("2013-01-01", "2013-01-07")
    cells = rc.Grid(days, rc.Static(["acme", "beta"], key="team"), calendar=calendar)
    assert set(asked(url, cells)) == {"2013-01-02/acme", "2013-01-05/acme", "2013-01-05/beta"}
    assert set(asked(url, rc.Grid(daily(), rc.Static(["acme"], key="team")))) == {"2013-01-02/acme", "2013-01-05/acme"}


@pytest.mark.services
def test_what_a_real_server_answers_is_a_date_or_an_instant():
    with servers.postgresql() as url:
        servers.say(
            url,
            "CREATE TABLE games (game_date date, tipoff timestamptz)",
            "INSERT INTO games VALUES ('2013-01-02', '2013-01-03 01:30Z')",
        )
        assert asked(url, daily("SELECT game_date FROM games")) == ["2013-01-02"]
        assert asked(url, daily("SELECT tipoff FROM games")) == ["2013-01-03"]
        assert asked(url, daily("SELECT tipoff FROM games", tz="America/New_York")) == ["2013-01-02"]
        assert asked(url, daily("SELECT game_date::timestamp FROM games")) == ["2013-01-02"]
        with pytest.raises(PartitionError, match="names none of the days"):
            asked(url, daily("SELECT tipoff::timestamp FROM games"))


@pytest.mark.parametrize(
    ("fill", "why"), [([], "the query gives no rows"), (["2020-01-01"], "none of its 1 rows lies in what is declared")]
)
def test_a_calendar_that_expects_nothing_is_refused(url, fill, why):
    games(url, *fill)
    with pytest.raises(RefusedError, match="nothing would be expected, and all would count as complete") as refused:
        asked(url, daily())
    assert why in refused.value.message
    assert refused.value.exit_code is ExitCode.REFUSED


def test_before_the_first_partition_is_over_nothing_is_asked(url):
    calendar = rc.Calendar.from_sql("warehouse", QUERY)
    assert asked(url, rc.Daily("2030-01-01", calendar=calendar)) == []


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("SELECT nix FROM games", ConfigError, "the calendar that 'warehouse' is asked for: .*no such column: nix"),
        ("SELECT game_date FROM nix", ConfigError, "no such table: nix"),
        ("SELECT game_date, status FROM games", PartitionError, "a row has 2 columns"),
        ("SELECT NULL FROM games", PartitionError, r"None \(NoneType\) names none of the days"),
        ("SELECT 'soon' FROM games", PartitionError, "'soon' is not a key: one day is written 2013-01-01"),
    ],
)
def test_a_query_that_gives_no_calendar(url, query, error, message):
    games(url, "2013-01-02")
    with pytest.raises(error, match=message) as raised:
        asked(url, daily(query))
    assert raised.value.remedy
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_database_that_is_out_of_reach(tmp_path):
    with pytest.raises(UnreachableError, match=r"the calendar that 'warehouse' is asked for: .*unable to open"):
        asked(f"sqlite:///{tmp_path}/nowhere/x.db", daily())


# ------------------------------------------------------------------------------------------------ exchanges, holidays


def kept(calendar, start, end, kind=rc.Daily):
    partitioning = kind(start, end, calendar=calendar)
    return names(partitioning, expected(partitioning, NOW, Outside(Path(), nobody, nobody)))


def test_an_exchange_trades_on_its_own_days():
    # The fourth of July, and a weekend.
    july = kept(rc.Calendar.exchange("XNYS"), "2024-07-03", "2024-07-09")
    assert july == ["2024-07-03", "2024-07-05", "2024-07-08", "2024-07-09"]
    assert kept(rc.Calendar.exchange("XNYS"), "2024-07-04", "2024-07-04") == []
    assert kept(rc.Calendar.exchange("XNYS"), "2024-07-05", "2024-07-05") == ["2024-07-05"]
    assert kept(rc.Calendar.exchange("XNYS"), "2024-06", "2024-07", rc.Monthly) == ["2024-06", "2024-07"]


def test_a_country_has_holidays():
    unity = ("2024-10-02", "2024-10-07")
    assert kept(rc.Calendar.holidays("DE"), *unity) == [
        "2024-10-02", "2024-10-04", "2024-10-05", "2024-10-06", "2024-10-07",
    ]  # fmt: skip
    assert kept(rc.Calendar.holidays("DE", weekends=False), *unity) == ["2024-10-02", "2024-10-04", "2024-10-07"]
    saints = ("2024-10-31", "2024-11-01")
    assert kept(rc.Calendar.holidays("DE", subdivision="BY"), *saints) == ["2024-10-31"]
    assert kept(rc.Calendar.holidays("DE", subdivision="BB"), *saints) == ["2024-11-01"]


def test_the_weekend_is_the_countrys():
    sunday = ("2024-10-13", "2024-10-13")
    assert kept(rc.Calendar.holidays("IL", weekends=False), *sunday) == ["2024-10-13"]
    assert kept(rc.Calendar.holidays("DE", weekends=False), *sunday) == []


@pytest.mark.parametrize(
    ("calendar", "message"),
    [
        (rc.Calendar.exchange("NIX"), "there is no exchange 'NIX'"),
        (rc.Calendar.holidays("XX"), "nothing is known of the holidays of 'XX'"),
        (rc.Calendar.holidays("DE", subdivision="XX"), "nothing is known of the holidays of 'DE, XX'"),
    ],
)
def test_a_calendar_that_nobody_keeps(calendar, message):
    with pytest.raises(ConfigError, match=message) as raised:
        kept(calendar, "2024-01-01", "2024-01-31")
    assert raised.value.remedy


def test_an_exchange_that_knows_no_such_year():
    with pytest.raises(ConfigError, match="the calendar of exchange XNYS does not reach from 2900-01-01"):
        kept(rc.Calendar.exchange("XNYS"), date(2900, 1, 1), date(2900, 12, 31))
