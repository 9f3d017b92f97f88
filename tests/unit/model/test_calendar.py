"""A calendar says which partitions are expected, or says in one sentence why it cannot."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from recoup.model.calendar import Calendar, File, Holidays, Query, parse_keys
from recoup.model.errors import PartitionError, PipelineError
from recoup.model.member_partitionings import Static
from recoup.model.partition import PartitionSet
from recoup.model.time_partitionings import Daily, Hourly, Monthly

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
WEEK = Daily("2013-01-07", "2013-01-13")


def expected(calendar, partitioning):
    return [partitioning.name(o) for o in calendar.mask(partitioning, partitioning.universe(NOW))]


def test_a_function_is_asked_about_the_date_of_a_day():
    assert expected(Calendar(lambda day: day.weekday() >= 5), WEEK) == ["2013-01-12", "2013-01-13"]
    assert expected(Calendar(lambda day: day == date(2013, 1, 9)), WEEK) == ["2013-01-09"]


def test_a_function_is_asked_about_the_first_day_of_a_month():
    assert expected(Calendar(lambda day: day == date(2013, 2, 1)), Monthly("2013", "2013")) == ["2013-02"]


def test_a_function_is_asked_about_the_local_time_of_an_hour():
    day = Hourly("2013-11-03", "2013-11-03", tz="America/New_York")
    asked = []

    def remember(hour):
        asked.append(hour)
        return True

    expected(Calendar(remember), day)

    assert [hour.hour for hour in asked[:4]] == [0, 1, 1, 2]
    assert [hour.utcoffset().total_seconds() / 3600 for hour in asked[:4]] == [-4, -4, -5, -5]


def test_a_function_is_asked_about_a_member():
    assert expected(Calendar(lambda tenant: tenant != "beta"), Static(["acme", "beta"])) == ["acme"]


def test_a_list_of_keys_counts_within_the_universe():
    keys: list[str | date] = ["2013-01-09", date(2013, 1, 8), "2020-01-01"]

    assert expected(Calendar(keys), WEEK) == ["2013-01-08", "2013-01-09"]
    assert expected(Calendar(iter(keys)), WEEK) == ["2013-01-08", "2013-01-09"]
    assert expected(Calendar([]), WEEK) == []


def test_a_calendar_is_a_value():
    assert Calendar(["2013-01-09"]) == Calendar(("2013-01-09",))
    assert hash(Calendar(["2013-01-09"])) == hash(Calendar(("2013-01-09",)))
    with pytest.raises(AttributeError):
        Calendar([]).keys = ()  # type: ignore[misc]


def test_a_function_that_fails_is_named_with_its_partition():
    def games(day):
        raise KeyError(day)

    with pytest.raises(PartitionError, match=r"2013-01-07.*KeyError"):
        expected(Calendar(games), WEEK)


def test_a_function_that_says_nothing_does_not_mean_no():
    def forgets_to_return(day):
        day.weekday()

    with pytest.raises(PartitionError, match=r"no answer about 2013-01-07"):
        expected(Calendar(forgets_to_return), WEEK)


@pytest.mark.parametrize("source", ["2013-01-09", b"2013-01-09", 5, None])
def test_what_is_no_calendar(source):
    with pytest.raises(PartitionError, match="cannot be made of") as refused:
        Calendar(source)
    assert "from_file" in refused.value.remedy


def test_a_file_is_remembered_but_not_read():
    calendar = Calendar.from_file(Path("games/2013.txt"))

    assert calendar.elsewhere == File(str(Path("games/2013.txt")))
    assert calendar == Calendar.from_file("games/2013.txt")
    assert Calendar([]).elsewhere is None
    with pytest.raises(ValueError, match="has yet to be read"):
        expected(calendar, WEEK)


def test_what_others_keep_is_remembered_but_not_asked():
    assert Calendar.from_sql("warehouse", "SELECT d FROM games").elsewhere == Query("warehouse", "SELECT d FROM games")
    assert Calendar.exchange("XNYS") == Calendar.exchange("XNYS") != Calendar.exchange("XLON")
    assert Calendar.holidays("DE").elsewhere == Holidays("DE", None, weekends=True)


@pytest.mark.parametrize(
    ("connection", "query", "message"),
    [
        ("postgresql://root:geheim@host/x", "SELECT 1", "the calendar does not name a connection"),
        ("", "SELECT 1", "does not name a connection"),
        ("warehouse", " ", "the calendar's query is ' '"),
        ("warehouse", "SELECT d FROM games WHERE d = :partition", "names :partition, which nobody binds"),
    ],
)
def test_a_query_that_nobody_could_ask(connection, query, message):
    with pytest.raises(PipelineError, match=message) as refused:
        Calendar.from_sql(connection, query)
    assert "geheim" not in f"{refused.value.message} {refused.value.remedy}"


def test_a_file_has_one_key_a_line():
    text = "\ufeff# game days\r\n\r\n2013-01-08\r\n  2013-01-09  # the final\n#2013-01-10\n2013-01-12"

    assert parse_keys(text, WEEK) == PartitionSet.of(map(WEEK.ordinal, ["2013-01-08", "2013-01-09", "2013-01-12"]))
    assert not parse_keys("", WEEK)


def test_a_member_may_contain_the_sign_of_a_comment():
    tenants = Static(["acme#2", "beta"])

    assert parse_keys("acme#2 # not #1\n", tenants) == PartitionSet.of([0])


def test_a_bad_line_is_named_by_its_number():
    with pytest.raises(PartitionError, match=r"line 3: '2013-1-9'"):
        parse_keys("# game days\n2013-01-08\n2013-1-9\n", WEEK)
