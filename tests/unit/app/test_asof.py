"""What a run may know: from the words of a mode to one moment for each partition."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

import recoup as rc
from recoup.app.asof import as_of, parse_moment
from recoup.model.errors import ExitCode, UsageError

MADE_AT = 1_700_000_000.0
DAYS = rc.Daily("2013-01-01", "2013-12-31", tz="America/New_York")
HOURS = rc.Hourly("2013-01-01", "2013-12-31", tz="America/New_York")
MONTHS = rc.Monthly("2013-01", "2013-12")


@pytest.fixture
def games():
    return rc.Pipeline("games", partitions=DAYS)


def moment(mode, pipeline, partitioning, key):
    return datetime.fromtimestamp(as_of(mode, pipeline, MADE_AT)(partitioning, partitioning.ordinal(key)), UTC)


def test_now_is_one_moment_for_the_whole_request(games):
    now = as_of("now", games, MADE_AT)
    assert {now(DAYS, ordinal) for ordinal in range(100)} == {MADE_AT}


@pytest.mark.parametrize(
    ("partitioning", "key", "end"),
    [
        (DAYS, "2013-01-05", "2013-01-06T05:00"),
        (DAYS, "2013-03-10", "2013-03-11T04:00"),  # 23 hours
        (DAYS, "2013-11-03", "2013-11-04T05:00"),  # 25 hours
        (HOURS, "2013-11-03T01", "2013-11-03T06:00"),
        (HOURS, "2013-11-03T01_2", "2013-11-03T07:00"),
        (MONTHS, "2013-02", "2013-03-01T00:00"),
    ],
)
def test_the_end_of_each_partition(games, partitioning, key, end):
    assert moment("partition-end", games, partitioning, key) == datetime.fromisoformat(f"{end}+00:00")


def test_members_have_no_end(games):
    tenants = rc.Static(["acme"])
    with pytest.raises(UsageError, match="partition-end: members of member have no end in time") as raised:
        as_of("partition-end", games, MADE_AT)(tenants, 0)
    assert "now" in raised.value.remedy


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-01-15T10:30:00Z", "2024-01-15T10:30"),
        ("2024-01-15T10:30:00+02:00", "2024-01-15T08:30"),
        ("2024-01-15T10:30:00", "2024-01-15T10:30"),
        ("2024-01-15 10:30", "2024-01-15T10:30"),
        ("2024-01-15", "2024-01-15T00:00"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59"),
    ],
)
def test_a_moment_in_iso(games, text, utc):
    assert moment(text, games, DAYS, "2013-01-05") == datetime.fromisoformat(f"{utc}+00:00")


def test_a_mode_of_the_pipelines_own(games):
    @games.as_of("tip-off")
    def tip_off(key):
        return datetime.fromisoformat(f"{key}T19:30").replace(tzinfo=timezone(timedelta(hours=-5)))

    assert moment("tip-off", games, DAYS, "2013-01-05") == datetime(2013, 1, 6, 0, 30, tzinfo=UTC)


def refused(mode, pipeline):
    with pytest.raises(UsageError) as raised:
        moment(mode, pipeline, DAYS, "2013-01-05")
    assert raised.value.exit_code is ExitCode.USAGE
    assert raised.value.remedy
    return raised.value


@pytest.mark.parametrize("mode", ["yesterday", "", "2024-13-01", "tipoff", "x" * 10_000, "10:30"])
def test_a_mode_that_nobody_knows(games, mode):
    games.as_of("tip-off")(lambda key: datetime(2013, 1, 1, tzinfo=UTC))
    error = refused(mode, games)

    assert error.message.startswith("--as-of-mode does not know ")
    assert len(error.message) < 150
    assert error.remedy.startswith("choose from now, partition-end, tip-off, or give an ISO time")


def test_a_mode_that_fails_is_told_with_its_partition(games):
    @games.as_of("tip-off")
    def tip_off(key):
        raise KeyError(key)

    assert refused("tip-off", games).message == (
        "the as-of mode 'tip-off' could not tell about 2013-01-05: KeyError: '2013-01-05'"
    )


@pytest.mark.parametrize("answer", [None, 5, "2013-01-01", datetime(2013, 1, 1)])
def test_a_mode_that_gives_no_moment(games, answer):
    games.as_of("tip-off")(lambda key: answer)
    assert refused("tip-off", games).message.startswith("the as-of mode 'tip-off' gave ")


def test_a_problem_is_told_in_the_callers_words():
    with pytest.raises(UsageError, match="--at makes no sense") as raised:
        parse_moment("soon", "--at makes no sense", "now")
    assert raised.value.remedy.startswith("choose from now")
