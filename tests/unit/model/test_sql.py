"""What a source is asked in SQL: which names its texts may have, and what their values are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

import recoup as rc
from recoup.model.errors import PartitionError, PipelineError
from recoup.model.partition import PartitionSet
from recoup.model.sql import key_columns, of_none, of_one, of_whole, ordinals_of, ordinals_of_key
from recoup.model.sql_text import parameters

DAYS = rc.Daily("2023-11-01", "2023-11-30")
HOURS = rc.Hourly("2023-11-01", "2023-11-30", tz="America/New_York")
MONTHS = rc.Monthly("2023-01", "2023-12")
TENANTS = rc.Static(["acme", "beta", "7"])
CELLS = rc.Grid(DAYS, TENANTS)
COUNT = "SELECT count(*) FROM box WHERE d = :partition"


def source(partitions=DAYS, probe=COUNT, load=None, connection="warehouse", **more):
    return rc.Source("box", partitions, sql=rc.Sql(connection, probe, load), **more)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT :a, b = :b_2 AND (:a)", {"a", "b_2"}),
        ("SELECT d::date, :a::date, '12:30', 'x::y'", {"a"}),
        (r"SELECT '\:no'", set()),
        ("SELECT 1", set()),
    ],
)
def test_names_in_a_text(text, names):
    assert parameters(text) == names


@pytest.mark.parametrize(
    ("partitions", "probe", "once"),
    [
        (DAYS, COUNT, False),
        (HOURS, "SELECT count(*) FROM box WHERE at >= :start AND at < :end", False),
        (DAYS, "SELECT d, count(*) FROM box WHERE d BETWEEN :first AND :last GROUP BY 1", True),
        (TENANTS, "SELECT tenant, count(*) FROM box GROUP BY 1", True),
    ],
)
def test_a_probe_asks_about_one_or_about_all(partitions, probe, once):
    declared = source(partitions, probe).sql
    assert declared is not None
    assert declared.asks_once is once


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"connection": "postgresql://root:geheim@host/x"}, "source 'box' does not name a connection"),
        ({"connection": None}, "source 'box' does not name a connection"),
        ({"probe": ""}, "its probe is ''"),
        ({"probe": None}, "its probe is None"),
        ({"load": " "}, "its load is ' '"),
        ({"probe": "SELECT 1 WHERE d = :day"}, "its probe names :day, which nobody binds"),
        ({"probe": "SELECT 1 WHERE d IN :partitions"}, "its probe names :partitions, which nobody binds"),
        ({"probe": "SELECT 1 WHERE d > :first AND d = :partition"}, "names :first, :partition, so it asks about one"),
        ({"partitions": TENANTS, "probe": "SELECT 1 WHERE t > :start"}, "its probe names :start, which nobody binds"),
        ({"load": "SELECT 1 WHERE d > :first"}, "its load names :first, which nobody binds"),
        ({"load": "SELECT * FROM box"}, "its load does not say which partition it loads"),
        ({"load": "SELECT * FROM box WHERE d = :partition", "how": list}, "source 'box' has two ways to load"),
    ],
)
def test_what_nobody_could_ask(how, message):
    loader = {"load": how.pop("how")} if "how" in how else {}
    given = {"partitions": DAYS, "probe": COUNT, "load": None, "connection": "warehouse"} | how
    sql = rc.Sql(given["connection"], given["probe"], given["load"])
    with pytest.raises(PipelineError, match=message) as refused:
        rc.Source("box", given["partitions"], sql=sql, **loader)
    assert refused.value.remedy
    assert "geheim" not in f"{refused.value.message} {refused.value.remedy}"


def test_what_is_bound_for_one_partition():
    midnight = datetime(2023, 11, 15, tzinfo=UTC)
    assert of_one(DAYS, "2023-11-15") == {
        "partition": date(2023, 11, 15), "start": midnight, "end": midnight + timedelta(days=1),
    }  # fmt: skip
    assert of_one(MONTHS, "2023-11")["partition"] == date(2023, 11, 1)
    # The hour that comes twice is two instants.
    first, second = (of_one(HOURS, f"2023-11-05T01{again}") for again in ("", "_2"))
    assert first["end"] == second["start"] == datetime(2023, 11, 5, 6, tzinfo=UTC)
    assert of_one(TENANTS, "acme") == {"partition": "acme"}
    assert of_one(CELLS, "2023-11-15/acme") == {
        "partition": "2023-11-15/acme", "dt": date(2023, 11, 15), "member": "acme", "start": midnight,
        "end": midnight + timedelta(days=1),
    }  # fmt: skip
    assert of_none(TENANTS) == {"partition": None}


def test_what_is_bound_for_all():
    universe = DAYS.universe(datetime(2025, 1, 1, tzinfo=UTC))
    assert of_whole(DAYS, universe) == {"first": date(2023, 11, 1), "last": date(2023, 11, 30)}
    cells = PartitionSet.of(map(CELLS.ordinal, ["2023-11-07/acme", "2023-11-03/beta"]))
    assert of_whole(CELLS, cells) == {"first": date(2023, 11, 3), "last": date(2023, 11, 7)}
    assert of_whole(TENANTS, TENANTS.universe(datetime(2025, 1, 1, tzinfo=UTC))) == {}


@pytest.mark.parametrize(
    ("partitions", "value", "names"),
    [
        (DAYS, date(2023, 11, 15), ["2023-11-15"]),
        (DAYS, datetime(2023, 11, 15), ["2023-11-15"]),  # a date as a naive midnight, which some drivers give
        (DAYS, "2023-11-15", ["2023-11-15"]),
        (DAYS, datetime(2023, 11, 15, 23, tzinfo=timezone(-timedelta(hours=2))), ["2023-11-16"]),
        (MONTHS, date(2023, 11, 15), ["2023-11"]),
        (MONTHS, "2023-11-15", ["2023-11"]),
        (MONTHS, "2023-11", ["2023-11"]),
        (HOURS, datetime(2023, 11, 5, 6, 30, tzinfo=UTC), ["2023-11-05T01_2"]),
        (TENANTS, "acme", ["acme"]),
        (TENANTS, 7, ["7"]),
    ],
)
def test_what_a_value_stands_for(partitions, value, names):
    assert [partitions.name(ordinal) for ordinal in ordinals_of(partitions, value)] == names


def test_a_date_stands_for_the_hours_of_its_day():
    assert len(ordinals_of(HOURS, date(2023, 11, 5))) == 25


@pytest.mark.parametrize(
    ("partitions", "value"),
    [(DAYS, None), (DAYS, 20231115), (DAYS, datetime(2023, 11, 15, 7)), (TENANTS, True), (TENANTS, None), (DAYS, b"x")],
)
def test_a_value_that_names_nothing(partitions, value):
    with pytest.raises(PartitionError, match="names none of the") as refused:
        ordinals_of(partitions, value)
    assert refused.value.remedy


@pytest.mark.parametrize(("partitions", "value"), [(DAYS, "2023-11-31"), (TENANTS, "nix")])
def test_a_text_that_is_no_key(partitions, value):
    with pytest.raises(PartitionError):
        ordinals_of(partitions, value)


def test_a_row_of_a_grid_has_two_keys():
    assert key_columns(CELLS) == 2
    assert key_columns(DAYS) == 1
    found = ordinals_of_key(CELLS, (date(2023, 11, 15), "acme"))
    assert [CELLS.name(ordinal) for ordinal in found] == ["2023-11-15/acme"]
    assert list(ordinals_of_key(CELLS, (date(2023, 11, 15), "somebody else's"))) == []
    assert list(ordinals_of_key(TENANTS, (8,))) == []
    source(CELLS, "SELECT count(*) FROM box WHERE d = :dt AND tenant = :member")
    with pytest.raises(PipelineError, match="names :tenant, which nobody binds"):
        source(CELLS, "SELECT count(*) FROM box WHERE d = :dt AND tenant = :tenant")
