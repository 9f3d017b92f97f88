"""What the contract of all sinks does not say: types, names, columns that changed, grants, and who writes beside us."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl
import psycopg
import pytest

from recoup.model import errors
from recoup.model.failure import FailureKind, RetryClass
from recoup.model.pipeline import SinkSpec
from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery, Held
from recoup.recovery.classify import classify
from recoup.sinks.postgres import PostgresSink
from tests.unit.sinks.postgres import DAY, Warehouse

pytestmark = pytest.mark.services


def refused(work: Callable[[], object]) -> RowsRefusedError:
    with pytest.raises(RowsRefusedError) as told:
        work()
    assert told.value.remedy
    assert "\n" not in told.value.message
    assert classify(told.value).retry_class is RetryClass.NOT_BLINDLY  # which kind, the server's own code says
    return told.value


# ------------------------------------------------------------------------------------------------ what arrives

VALUES: list[tuple[str, pl.DataType | type[pl.DataType], list[Any], list[Any]]] = [
    ("smallint", pl.Int8(), [-128, 127, None], [-128, 127, None]),
    ("smallint", pl.UInt8(), [0, 255], [0, 255]),
    ("smallint", pl.Int16(), [-(2**15), 2**15 - 1], [-(2**15), 2**15 - 1]),
    ("integer", pl.UInt16(), [0, 2**16 - 1], [0, 2**16 - 1]),
    ("integer", pl.Int32(), [-(2**31), None, 2**31 - 1], [-(2**31), None, 2**31 - 1]),
    ("bigint", pl.UInt32(), [0, 2**32 - 1], [0, 2**32 - 1]),
    ("bigint", pl.Int64(), [-(2**63), 2**63 - 1, None], [-(2**63), 2**63 - 1, None]),
    ("numeric", pl.UInt64(), [2**64 - 1], [Decimal(2**64 - 1)]),
    ("numeric", pl.Int128(), [-(2**100), None], [Decimal(-(2**100)), None]),
    ("real", pl.Float32(), [0.5, None, math.inf], [0.5, None, math.inf]),
    ("double precision", pl.Float64(), [0.1, -math.inf, 5e-324, None], [0.1, -math.inf, 5e-324, None]),
    ("boolean", pl.Boolean(), [True, False, None], [True, False, None]),
    (
        "text",
        pl.String(),
        ["", None, "ä\n\t\\.;'\"", "𝄞\u202e", "x" * 70_000],
        ["", None, "ä\n\t\\.;'\"", "𝄞\u202e", "x" * 70_000],
    ),
    ("text", pl.Categorical(), ["a", None, "a"], ["a", None, "a"]),
    ("text", pl.Enum(["low", "high"]), ["high", None], ["high", None]),
    ("bytea", pl.Binary(), [b"\0\xff", b"", None], [b"\0\xff", b"", None]),
    ("date", pl.Date(), [date(1, 1, 1), date(9999, 12, 31), None], [date(1, 1, 1), date(9999, 12, 31), None]),
    (
        "timestamp without time zone",
        pl.Datetime("us"),
        [datetime(1, 1, 1), datetime(2024, 2, 29, 23, 59, 59, 999_999), None],
        [datetime(1, 1, 1), datetime(2024, 2, 29, 23, 59, 59, 999_999), None],
    ),
    (
        "timestamp without time zone",
        pl.Datetime("ms"),
        [datetime(1969, 12, 31, 23, 59)],
        [datetime(1969, 12, 31, 23, 59)],
    ),
    (
        "timestamp with time zone",
        pl.Datetime("us", "America/New_York"),
        [datetime(2024, 7, 1, 12, tzinfo=UTC)],
        [datetime(2024, 7, 1, 12, tzinfo=UTC)],
    ),
    (
        "time without time zone",
        pl.Time(),
        [clock_time(23, 59, 59, 999_999), None],
        [clock_time(23, 59, 59, 999_999), None],
    ),
    (
        "interval",
        pl.Duration("us"),
        [timedelta(days=-400, microseconds=1), None],
        [timedelta(days=-400, microseconds=1), None],
    ),
    ("numeric(38,9)", pl.Decimal(38, 9), [Decimal("-0.000000001"), None], [Decimal("-0.000000001"), None]),
    ("numeric(5,2)", pl.Decimal(5, 2), [Decimal("999.99")], [Decimal("999.99")]),
    ("jsonb", pl.List(pl.Int64()), [[1, None], [], None], [[1, None], [], None]),
    ("jsonb", pl.Array(pl.String(), 2), [["a", '"'], None], [["a", '"'], None]),
    (
        "jsonb",
        pl.Struct({"at": pl.Date(), "of": pl.List(pl.Decimal(4, 1)), "by": pl.Duration("us")}),
        [{"at": date(2024, 1, 2), "of": [Decimal("1.5")], "by": timedelta(seconds=3)}, None],
        [{"at": "2024-01-02", "of": ["1.5"], "by": 3.0}, None],
    ),
]


@pytest.mark.parametrize(("kind", "dtype", "given", "found"), VALUES, ids=lambda value: str(value)[:30])
def test_every_type_arrives_as_it_is(warehouse: Warehouse, kind: str, dtype: pl.DataType, given: Any, found: Any):
    frame = pl.DataFrame({"n": range(len(given)), "value": pl.Series(given, dtype=dtype)})
    warehouse.deliver(warehouse.sink(key=["dt", "n"], mode="upsert"), frame)
    if kind == "interval":  # psycopg would count months
        assert warehouse.rows("n, extract(epoch FROM value)::numeric(20,6)") == [
            (n, None if value is None else Decimal(value // timedelta(microseconds=1)) / 1_000_000)
            for n, value in enumerate(found)
        ]
    else:
        assert warehouse.rows("n, value") == list(enumerate(found))
    assert warehouse.sql("SELECT DISTINCT pg_typeof(value)::text FROM facts") == [(kind.partition("(")[0],)]
    declared = warehouse.sql(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'facts'::regclass AND attname = 'value'"
    )
    assert declared == [(kind,)]
    before = warehouse.rows("n, xmin::text")
    warehouse.deliver(warehouse.sink(key=["dt", "n"], mode="upsert"), frame)
    assert warehouse.rows("n, xmin::text") == before  # equal rows are not written


def test_nan_is_a_number_that_equals_itself(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    frame = {"n": [1, 2], "share": [math.nan, -0.0]}
    warehouse.deliver(sink, frame)
    before = warehouse.rows("n, share::text, xmin::text")
    assert [row[1] for row in before] == ["NaN", "-0"]
    warehouse.deliver(sink, frame)
    assert warehouse.rows("n, share::text, xmin::text") == before


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            pl.Series(["a", "b\0c"]),
            "column value has a text with a NUL character, which PostgreSQL cannot hold: 'b\\x00c'",
        ),
        (pl.Series([["x\0"], None]), "unsupported Unicode escape sequence"),
        (pl.Series([[math.nan], [1.0]]), "has a value inside a list or a struct that JSON cannot hold"),
        (
            pl.Series([1, 2_001], dtype=pl.Datetime("ns")),
            "has a value with nanoseconds, and PostgreSQL keeps microseconds",
        ),
        (pl.Series([1, None], dtype=pl.Time), "has a value with nanoseconds"),
        (pl.Series([1, None], dtype=pl.Duration("ns")), "has a value with nanoseconds"),
        (pl.Series([-(2**63) + 1, None], dtype=pl.Datetime("us")), "has a time before 4713 BC"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_postgresql_cannot_hold_is_refused(warehouse: Warehouse, values: pl.Series, sentence: str):
    error = refused(lambda: warehouse.deliver(warehouse.sink(), {"n": [1, 2], "value": values}))
    assert sentence in error.message
    assert warehouse.sql("SELECT to_regclass('facts')") == [(None,)]


def test_only_the_partition_s_own_column(warehouse: Warehouse):
    frame = pl.DataFrame({"dt": [date(2013, 1, 7)] * 3})
    assert warehouse.deliver(warehouse.sink(), frame).rows == 3
    assert warehouse.rows("dt") == [(date(2013, 1, 7),)] * 3


def test_many_rows_in_several_chunks(warehouse: Warehouse):
    numbers = pl.int_range(45_000, eager=True)
    frame = pl.DataFrame(
        {"n": numbers, "name": pl.select(pl.when(numbers % 3 > 0).then("ä" + numbers.cast(pl.String))).to_series()}
    )
    warehouse.deliver(warehouse.sink(key=["dt", "n"], mode="upsert"), frame)
    assert pl.DataFrame(warehouse.rows("n, name"), frame.schema, orient="row").equals(frame)


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize("table", ["Facts", '"weekly totals"', '"a""b%s"', "größe", "select"])
def test_names_stand_as_they_are_written(warehouse: Warehouse, table: str):
    sink = warehouse.sink(table, key=["dt", "Player Id"], mode="upsert")
    columns = {"Player Id": [1, 2], "points": [1, 2], "Points": [3, 4], 'odd "%s" %(x)s; --': [5, 6], "order": [7, 8]}
    for more in (0, 1):
        warehouse.deliver(sink, {**columns, "points": [1 + more, 2]})
        name = table if table.startswith('"') else f'"{table}"'
        found = warehouse.sql(f"SELECT * FROM {name}")
        assert sorted(row[1:] for row in found) == [(1, 1 + more, 3, 5, 7), (2, 2, 4, 6, 8)]
    assert sink.check() == []


@pytest.mark.parametrize("name", ["", "x" * 64, "ü" * 32])
def test_a_column_that_cannot_be_named(warehouse: Warehouse, name: str):
    assert "cannot be a column's name" in refused(lambda: warehouse.deliver(warehouse.sink(), {name: [1]})).message


def test_a_column_of_the_system(warehouse: Warehouse):
    assert "ctid" in refused(lambda: warehouse.deliver(warehouse.sink(), {"ctid": [1]})).message


@pytest.mark.parametrize("partition", ["2013-01-07'; DROP TABLE facts; --", "%s", 'a"b', "ü/x\\"])
def test_a_partition_s_name_is_a_value(warehouse: Warehouse, partition: str):
    sink = warehouse.sink()
    for n in (1, 2):
        warehouse.deliver(sink, {"n": [n]}, partition, "member")
    assert warehouse.rows("member, n") == [(partition, 2)]


def test_a_member_that_looks_like_a_date_is_text_and_the_next_one_fits(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "tenant", "n"])
    for tenant in ("2013-01-02", "Ét"):
        given = warehouse.delivery({"n": [1]}, f"{DAY}/{tenant}", "dt/tenant")
        sink.deliver(replace(given, member_key="tenant"))
    found = warehouse.sql("SELECT pg_typeof(dt)::text, pg_typeof(tenant)::text, tenant FROM facts ORDER BY 3")
    assert found == [("date", "text", "2013-01-02"), ("date", "text", "Ét")]


def test_a_grid_has_two_columns(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "tenant", "n"], mode="upsert")
    for tenant in ("acme", "zeta"):
        warehouse.deliver(sink, {"n": [1, 2]}, f"{DAY}/{tenant}", "dt/tenant")
    warehouse.deliver(sink, {"n": [2, 3]}, f"{DAY}/acme", "dt/tenant")
    found = warehouse.sql("SELECT tenant, n FROM facts ORDER BY 1, 2")
    assert found == [("acme", 2), ("acme", 3), ("zeta", 1), ("zeta", 2)]


@pytest.mark.parametrize(
    ("kind", "partition", "shown"),
    [
        ("date", DAY, DAY),
        ("timestamp", DAY, f"{DAY} 00:00:00"),
        ("text", "2013-01", "2013-01"),
        ("integer", "7", "7"),
        ("date", "2013-01", "2013-01-01"),
        ("date", "2013-W02", DAY),
        ("timestamp", f"{DAY}T07", f"{DAY} 07:00:00"),
        ("timestamptz", DAY, f"{DAY} 00:00:00+00"),
    ],
)
def test_the_partition_is_written_in_its_column_s_own_type(warehouse: Warehouse, kind: str, partition: str, shown: str):
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql(f"CREATE TABLE facts (part {kind}, n bigint)")
    sink = warehouse.sink()
    for n in (1, 2):
        warehouse.deliver(sink, {"n": [n]}, partition, "part")
    warehouse.sql("SET TimeZone TO 'UTC'")
    assert warehouse.rows("part::text, n") == [(shown, 2)]


@pytest.mark.parametrize(
    ("kind", "partition", "held"),
    [
        ("varchar(4)", "acme2", "acme"),
        ("date", f"{DAY}T07", DAY),
        ("integer", "07", "7"),
        ("timestamp(0)", f"{DAY}T07_2", ""),
        ("timestamptz", f"{DAY}T07", ""),
    ],
)
def test_a_column_that_would_take_two_partitions_for_one_is_refused(
    warehouse: Warehouse, kind: str, partition: str, held: str
):
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql(f"CREATE TABLE facts (part {kind}, n bigint)")
    if held:
        warehouse.sql("INSERT INTO facts VALUES (%s, 1)", held)
    before = warehouse.rows("*")
    one = warehouse.delivery({"n": [2]}, partition, "part")
    for delivery in (one, replace(one, run_id=None, files=())):
        error = refused(partial(warehouse.sink().deliver, delivery))
        assert partition in error.message
    assert warehouse.rows("*") == before


@pytest.mark.parametrize(
    ("moment", "partition"),
    [(date(2013, 1, 1), "2013-01"), (datetime(2013, 1, 7, 7), f"{DAY}T07"), (date(2013, 1, 7), DAY)],
)
def test_rows_may_say_when_their_partition_begins(warehouse: Warehouse, moment: Any, partition: str):
    sink = warehouse.sink()
    for n in (1, 2):
        warehouse.deliver(sink, {"part": [moment], "n": [n]}, partition, "part")
    assert warehouse.rows("part, n") == [(moment, 2)]
    error = refused(
        lambda: warehouse.deliver(sink, {"part": [moment + timedelta(days=1)], "n": [3]}, partition, "part")
    )
    assert f"partition {partition} has a row whose part" in error.message


def test_a_day_that_begins_in_another_zone_is_refused(warehouse: Warehouse):
    begins = pl.Series([datetime(2013, 1, 7)]).dt.replace_time_zone("America/New_York")
    error = refused(lambda: warehouse.deliver(warehouse.sink(), pl.DataFrame({"dt": begins})))
    assert "partition 2013-01-07 has a row whose dt" in error.message
    assert warehouse.deliver(warehouse.sink(), pl.DataFrame({"dt": begins.dt.replace_time_zone("UTC")})).rows == 1
    assert warehouse.rows("dt") == [(datetime(2013, 1, 7, tzinfo=UTC),)]


def test_a_partition_that_its_column_cannot_hold(warehouse: Warehouse):
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql("CREATE TABLE facts (part integer, n bigint)")
    assert "acme" in refused(lambda: warehouse.deliver(warehouse.sink(), {"n": [1]}, "acme", "part")).message
    assert warehouse.rows("part") == []


# ------------------------------------------------------------------------------------------------ keys


def test_rows_that_share_a_key_are_refused(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "n"])
    error = refused(lambda: warehouse.deliver(sink, {"n": [1, 2, 2, 3], "x": [1, 2, 3, 4]}))
    assert error.message.endswith("2 rows have the key dt=2013-01-07, n=2")
    error = refused(lambda: warehouse.deliver(sink, {"n": [1, None]}))
    assert error.message.endswith("a row has the key dt=2013-01-07, n=None")
    error = refused(lambda: warehouse.deliver(sink, {"x": [1]}))
    assert "its key names n, and the rows have no such values" in error.message
    error = refused(lambda: warehouse.deliver(warehouse.sink(key=["dt"]), {"x": [1, 2]}))
    assert error.message.endswith("2 rows have the key dt=2013-01-07")


def test_upserting_writes_what_is_different_only(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    warehouse.deliver(sink, {"n": [1, 2, 3], "x": ["a", None, "c"]})
    before = dict(warehouse.rows("n, ctid::text"))
    held = warehouse.deliver(sink, {"n": [1, 2, 4], "x": ["a", "B", "d"]})
    after = dict(warehouse.rows("n, ctid::text"))
    assert held.rows == 3
    assert warehouse.rows("n, x") == [(1, "a"), (2, "B"), (4, "d")]
    assert after[1] == before[1]
    assert after[2] != before[2]


def test_upserting_keeps_rows_that_others_refer_to(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    warehouse.deliver(sink, {"n": [1, 2], "x": [1, 2]})
    warehouse.sql("CREATE TABLE notes (dt date, n bigint, FOREIGN KEY (dt, n) REFERENCES facts)")
    warehouse.sql("INSERT INTO notes VALUES (%s, 1)", DAY)
    warehouse.deliver(sink, {"n": [1, 2], "x": [10, 2]})
    assert warehouse.rows("n, x") == [(1, 10), (2, 2)]
    error = refused(lambda: warehouse.deliver(sink, {"n": [2], "x": [2]}))
    assert "foreign key" in error.message
    assert warehouse.rows("n, x") == [(1, 10), (2, 2)]


def test_columns_that_fill_themselves_are_left_alone(warehouse: Warehouse):
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql(
        "CREATE TABLE facts (id bigint GENERATED ALWAYS AS IDENTITY, dt date, n integer, x integer,"
        " twice integer GENERATED ALWAYS AS (x * 2) STORED, loaded_at timestamptz DEFAULT now(), PRIMARY KEY (n, dt))"
    )
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    warehouse.deliver(sink, {"n": [1, 2], "x": [1, 2]})
    before = warehouse.rows("n, id, twice, loaded_at, xmin::text")
    warehouse.deliver(sink, {"n": [1, 2], "x": [1, 3]})
    after = warehouse.rows("n, id, twice, loaded_at, xmin::text")
    assert after[0] == before[0]
    assert after[1][:4] == (2, before[1][1], 6, before[1][3])


def test_the_key_of_a_partition_is_its_index(warehouse: Warehouse):
    warehouse.deliver(warehouse.sink("a", key=["n", "dt"], mode="upsert"), {"n": [1]})
    warehouse.deliver(warehouse.sink("b", key=["n", "dt"]), {"n": [1]})
    found = warehouse.sql(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename <> '_recoup_held' ORDER BY tablename",
        warehouse.schema,
    )
    assert [row[0].rpartition("(")[2] for row in found] == ["dt, n)", "dt)"]


# ------------------------------------------------------------------------------------------------ columns that changed


def change(warehouse: Warehouse, statement: str) -> tuple[PostgresSink, list[Any]]:
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    warehouse.deliver(sink, {"n": [1], "points": [100_000], "name": ["long name"]})
    warehouse.sql(statement)
    return sink, warehouse.sql("SELECT * FROM facts")


@pytest.mark.parametrize(
    ("statement", "sentence", "remedy"),
    [
        (
            "DROP COLUMN points",
            "has lost the column points, which earlier deliveries filled; it has dt, n, name",
            "give it back",
        ),
        (
            "RENAME COLUMN points TO pts",
            "has lost the column points, which earlier deliveries filled; it has dt, n, pts, name",
            "give",
        ),
        (
            "ALTER COLUMN name TYPE varchar(4) USING left(name, 4)",
            "column name is character varying(4) in the table and text in the rows, and long name does not fit",
            "cast it",
        ),
        (
            "ALTER COLUMN points TYPE smallint USING 0",
            "column points is smallint in the table and bigint in the rows, and smallint out of range",
            "cast it",
        ),
        (
            "ALTER COLUMN points TYPE numeric(4,1) USING 0",
            "column points is numeric(4,1) in the table and bigint in the rows, and numeric field overflow",
            "cast it",
        ),
        (
            "ALTER COLUMN points TYPE date USING now()",
            "column points is date in the table and bigint in the rows, and cannot cast type bigint to date",
            "cast it",
        ),
        (
            "ADD COLUMN must integer NOT NULL DEFAULT 0; ALTER TABLE facts ALTER COLUMN must DROP DEFAULT",
            'null value in column "must"',
            "change",
        ),
        ("ADD CONSTRAINT few CHECK (n < 2) NOT VALID", 'violates check constraint "few"', "change"),
    ],
)
def test_a_table_that_changed_is_one_sentence_and_stays_as_it_is(
    warehouse: Warehouse, statement: str, sentence: str, remedy: str
):
    sink, before = change(warehouse, f"ALTER TABLE facts {statement}")
    error = refused(lambda: warehouse.deliver(sink, {"n": [1, 2], "points": [100_001, 5], "name": ["long name", "b"]}))
    assert sentence in error.message
    assert remedy in error.remedy
    assert warehouse.sql("SELECT * FROM facts") == before
    assert sink.held("facts", DAY) == Held("run-1", 1, "#1", 1)


def test_values_that_fit_a_narrower_column_arrive(warehouse: Warehouse):
    sink, _ = change(
        warehouse, "ALTER TABLE facts ALTER COLUMN points TYPE smallint USING 0, ALTER COLUMN n TYPE numeric(9,2)"
    )
    warehouse.deliver(sink, {"n": [1, 2], "points": [7, None], "name": ["a", "b"]})
    assert warehouse.rows("n, points") == [(1, 7), (2, None)]


def test_a_table_that_somebody_else_made_is_not_widened(warehouse: Warehouse):
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql("CREATE TABLE facts (dt date, n bigint)")
    error = refused(lambda: warehouse.deliver(warehouse.sink(), {"n": [1], "more": ["x"]}))
    assert "has no column more, which the rows have; it has dt, n" in error.message
    assert f'ALTER TABLE "{warehouse.schema}"."facts" ADD COLUMN "more" text' in error.remedy
    warehouse.deliver(warehouse.sink(), {"n": [1]})
    assert warehouse.rows("n") == [(1,)]


def test_text_goes_into_columns_that_read_it(warehouse: Warehouse):
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    warehouse.sql("CREATE TABLE facts (dt date, n int, doc json, id uuid, feels mood, PRIMARY KEY (dt, n))")
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    frame = {"n": [1], "doc": ['{"b": 1,  "a": 2}'], "id": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"], "feels": ["ok"]}
    warehouse.deliver(sink, frame)
    before = warehouse.rows("n, doc::text, id::text, feels::text, xmin::text")
    assert before[0][1:4] == ('{"b": 1,  "a": 2}', "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ok")
    warehouse.deliver(sink, frame)
    assert warehouse.rows("n, doc::text, id::text, feels::text, xmin::text") == before
    assert (
        "invalid input value for enum" in refused(lambda: warehouse.deliver(sink, {**frame, "feels": ["glad"]})).message
    )


def test_a_table_that_was_dropped_holds_nothing(warehouse: Warehouse):
    sink = warehouse.sink()
    one = warehouse.delivery({"n": [1]})
    sink.deliver(one)
    warehouse.sql("DROP TABLE facts")
    assert sink.held("facts", DAY) == Held(None, 1, "", 0)
    assert sink.deliver(one).rows == 1
    assert warehouse.rows("n") == [(1,)]
    warehouse.sql("DROP TABLE facts; CREATE TABLE facts (dt date, n bigint)")  # and made anew, by hand
    assert sink.held("facts", DAY) == Held(None, 1, "", 0)
    sink.deliver(one)
    assert warehouse.rows("n") == [(1,)]


# ------------------------------------------------------------------------------------------------ twice


def test_the_same_again_writes_nothing(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    one = warehouse.delivery({"n": [1, 2]})
    sink.deliver(one)
    before = warehouse.sql("SELECT xmin::text FROM facts UNION ALL SELECT xmin::text FROM _recoup_held")
    for _ in range(3):
        sink.deliver(one)
    assert warehouse.sql("SELECT xmin::text FROM facts UNION ALL SELECT xmin::text FROM _recoup_held") == before


def test_another_run_with_the_same_bytes_moves_the_record_only(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    one = warehouse.delivery({"n": [1, 2]})
    sink.deliver(one)
    before = warehouse.rows("n, xmin::text")
    held = sink.deliver(replace(one, run_id="another", token=9, files=("/nowhere.parquet",)))
    assert held == Held("another", 9, one.digest, 2) == sink.held("facts", DAY)
    assert warehouse.rows("n, xmin::text") == before


# ------------------------------------------------------------------------------------------------ side by side


def together(*works: Callable[[], object]) -> list[BaseException]:
    """Run all at once, each in a thread of its own; what they raised."""
    raised: list[BaseException] = []

    def safely(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a thread's errors are looked at in the test
            raised.append(error)

    threads = [threading.Thread(target=safely, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_partitions_arrive_side_by_side_even_the_very_first_ones(warehouse: Warehouse):
    days = [f"2013-01-{day:02}" for day in range(1, 9)]
    deliveries = [warehouse.delivery({"n": range(50), f"c{i % 2}": range(50)}, day) for i, day in enumerate(days)]
    sinks = [warehouse.sink(key=["dt", "n"], mode="upsert") for _ in days]
    raised = together(*(lambda s=s, d=d: s.deliver(d) for s, d in zip(sinks, deliveries, strict=True)))
    assert raised == []
    assert warehouse.rows("dt::text, count(*), count(c0) + count(c1)", "facts GROUP BY dt") == [
        (day, 50, 50) for day in days
    ]


def test_two_deliveries_of_one_partition_go_one_after_the_other(warehouse: Warehouse):
    sinks = [warehouse.sink(key=["dt", "n"]) for _ in range(4)]
    deliveries = [warehouse.delivery({"n": range(n, n + 200)}) for n in range(4)]
    raised = together(*(lambda s=s, d=d: s.deliver(d) for s, d in zip(sinks, deliveries, strict=True)))
    assert all(isinstance(error, errors.FencedError) for error in raised)
    assert warehouse.rows("n") == [(n,) for n in range(3, 203)]
    assert sinks[0].held("facts", DAY) == Held("run-4", 4, "#4", 200)


def test_a_deadlock_is_a_conflict_and_changes_nothing(warehouse: Warehouse):
    sink = warehouse.sink(key=["dt", "n"], mode="upsert")
    warehouse.deliver(sink, {"n": [1], "x": [1]})
    warehouse.sql("CREATE TABLE other (n int); INSERT INTO other VALUES (1)")
    warehouse.sql(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN PERFORM pg_sleep(0.2); UPDATE {warehouse.schema}.other SET n = n; RETURN NEW; END$$"
    )
    warehouse.sql("CREATE TRIGGER touch AFTER UPDATE ON facts FOR EACH ROW EXECUTE FUNCTION touch()")

    def rival() -> None:
        with psycopg.connect(warehouse.url) as connection:
            connection.execute("SET deadlock_timeout = '10s'")
            connection.execute(f"UPDATE {warehouse.schema}.other SET n = n")
            time.sleep(0.1)
            connection.execute(f"UPDATE {warehouse.schema}.facts SET x = 3")

    raised = together(lambda: warehouse.deliver(sink, {"n": [1], "x": [2]}), rival)
    assert [type(error) for error in raised] == [errors.ConflictError]
    assert classify(raised[0]).kind is FailureKind.CONFLICT
    assert warehouse.rows("n, x") == [(1, 3)]
    assert sink.held("facts", DAY) == Held("run-1", 1, "#1", 1)


# ------------------------------------------------------------------------------------------------ connections


def told(work: Callable[[], object], kind: type[errors.RecoupError]) -> errors.RecoupError:
    with pytest.raises(kind) as raised:
        work()
    assert raised.value.remedy
    return raised.value


@pytest.mark.parametrize(
    ("url", "kind", "failure", "words"),
    [
        ("postgresql://nobody:hush-hush@127.0.0.1/postgres", errors.IdentityRefusedError, FailureKind.AUTH, "nobody"),
        ("postgresql://root:hush-hush@127.0.0.1/nowhere", errors.ConfigError, FailureKind.CONFIG, "nowhere"),
        ("postgresql://root:hush-hush@127.0.0.1:1/postgres", errors.UnreachableError, FailureKind.NETWORK, "refused"),
        ("postgresql://root:hush-hush@no.such.host.invalid/d", errors.UnreachableError, FailureKind.NETWORK, "resolve"),
        ("host=127.0.0.1 password=hush-hush user", errors.ConfigError, FailureKind.CONFIG, "neither"),
        ("postgresql://root:hush-hush@[::1/d", errors.ConfigError, FailureKind.CONFIG, "neither"),
        ("postgresql://root:hush-hush@h/d?nonsense=hush-hush", errors.ConfigError, FailureKind.CONFIG, "neither"),
    ],
)
def test_a_connection_that_cannot_be_made_never_shows_its_password(
    warehouse: Warehouse, url: str, kind: type[errors.RecoupError], failure: FailureKind, words: str
):
    sink = warehouse.sink(url=url)
    error = told(lambda: warehouse.deliver(sink, {"n": [1]}), kind)
    assert words in error.message
    assert classify(error).kind is failure
    shown = [error.message, error.remedy, *sink.check(), json.dumps(classify(error).to_json())]
    cause = error.__cause__ or error.__context__
    assert not any("hush-hush" in text for text in [*shown, str(cause) if not error.__suppress_context__ else ""])


def test_a_server_that_takes_no_more_connections_is_busy(warehouse: Warehouse):
    name = warehouse.schema
    warehouse.sql(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 0")
    try:
        sink = warehouse.sink(url=warehouse.url.replace("root@", f"{name}@"))
        error = told(lambda: warehouse.deliver(sink, {"n": [1]}), errors.ServerBusyError)
        assert classify(error).kind is FailureKind.THROTTLED
    finally:
        warehouse.sql(f"DROP ROLE {name}")


def test_a_session_that_somebody_ends_is_tried_again(warehouse: Warehouse):
    sink = warehouse.sink()
    warehouse.deliver(sink, {"n": [1]})
    warehouse.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'recoup' AND datname = current_database()"
    )
    two = warehouse.delivery({"n": [2]})
    error = told(lambda: sink.deliver(two), errors.UnreachableError)
    assert classify(error).kind in {FailureKind.NETWORK, FailureKind.SERVICE}
    assert sink.deliver(two).rows == 1
    assert warehouse.rows("n") == [(2,)]


class Cut(PostgresSink):
    """Loses its connection in the middle of COMMIT: before the server has seen it, or before its answer came back."""

    when: str

    def _commit(self, connection: Any, delivery: Delivery, held: Held) -> None:
        real = connection.execute
        connection.execute = lambda *words: self._lost(real, connection, *words)
        super()._commit(connection, delivery, held)

    def _lost(self, real: Any, connection: Any, *words: Any) -> None:
        if self.when == "after":
            real(*words)
        connection.close()
        raise psycopg.OperationalError("the connection is lost")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_without_an_answer_is_settled_by_the_record(warehouse: Warehouse, when: str):
    warehouse.deliver(warehouse.sink(), {"n": [1]})
    spec = Postgres("warehouse", table=f"{warehouse.schema}.facts")
    sink = Cut(spec.to_json(), warehouse.url)
    sink.when = when
    two = warehouse.delivery({"n": [2]})
    if when == "after":
        assert sink.deliver(two) == Held("run-2", 2, "#2", 1)
        assert warehouse.rows("n") == [(2,)]
    else:
        told(lambda: sink.deliver(two), errors.UnreachableError)
        assert warehouse.rows("n") == [(1,)]


def test_a_commit_of_which_nothing_can_be_learnt_is_unknown(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch):
    sink = Cut(Postgres("warehouse", table=f"{warehouse.schema}.facts").to_json(), warehouse.url)
    sink.when = "before"
    one = warehouse.delivery({"n": [1]})
    opened = sink._open()
    monkeypatch.setattr(sink, "_url", "postgresql://root@127.0.0.1:1/postgres")
    error = told(lambda: sink.deliver(one), errors.CommitUnknownError)
    assert opened.closed
    assert "whether 2013-01-07 was committed is unknown" in error.message
    assert classify(error).kind is FailureKind.NETWORK


# ------------------------------------------------------------------------------------------------ grants


@pytest.fixture
def stranger(warehouse: Warehouse):
    """A role that may connect and nothing else, with a schema and a table that are not its own."""
    name = f"r{warehouse.schema}"
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql(f"CREATE TABLE facts (dt date, n bigint); CREATE ROLE {name} LOGIN")
    yield name
    warehouse.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.runbook("C-03", spelling="recoup doctor PIPELINE")
def test_grants_are_asked_for_one_after_the_other_and_named(warehouse: Warehouse, stranger: str):
    sink = warehouse.sink(key=["dt", "n"], mode="upsert", url=warehouse.url.replace("root@", f"{stranger}@"))
    one = warehouse.delivery({"n": [1]})
    error = told(lambda: sink.deliver(one), errors.GrantMissingError)
    assert classify(error).kind is FailureKind.PERMISSION
    granted = []
    while complaints := sink.check():
        grant = complaints[0].partition(": GRANT ")[2]
        assert grant, complaints
        warehouse.sql(f"GRANT {grant}")
        granted.append(grant.partition(" TO ")[0])
    schema = f'"{warehouse.schema}"'
    assert granted == [f"USAGE, CREATE ON SCHEMA {schema}", f'SELECT, INSERT, DELETE, UPDATE ON {schema}."facts"']
    assert sink.deliver(one).rows == 1
    assert sink.check() == []


def test_a_record_of_another_form_is_named(warehouse: Warehouse):
    warehouse.sql(f"CREATE SCHEMA {warehouse.schema}")
    warehouse.sql("CREATE TABLE _recoup_held (dataset text)")
    assert "_recoup_held has the columns dataset: move that table away" in warehouse.sink().check()[0]


# ------------------------------------------------------------------------------------------------ the declaration


def test_it_is_plain_data():
    spec: SinkSpec = Postgres("warehouse", table="nba.totals", key=["dt", "n"], mode="upsert")
    assert Postgres.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert (spec.kind, spec.name, spec.lane) == ("postgres", "warehouse.nba.totals", None)
    assert (
        Postgres("postgresql://me:${PASSWORD}@h/stats?sslmode=require", table='"Weekly Totals"').name
        == "stats.Weekly_Totals"
    )


@pytest.mark.parametrize(
    ("connection", "table", "key", "mode"),
    [
        ("", "t", (), "replace"),
        ("../x", "t", (), "replace"),
        ("mysql://u:hush-hush@h/d", "t", (), "replace"),
        ("postgresql://u:hush-hush@h/d", "t", (), "replace"),
        ("postgresql://h/d?password=hush-hush", "t", (), "replace"),
        ("postgresql://u:hush-hush@h:x@y/d", "t", (), "replace"),
        ("host=h password=hush-hush", "t", (), "replace"),
        ("w", "", (), "replace"),
        ("w", "a.b.c", (), "replace"),
        ("w", "t; DROP TABLE x", (), "replace"),
        ("w", "_recoup_held", (), "replace"),
        ("w", "x" * 64, (), "replace"),
        ("w", '"x', (), "replace"),
        ("w", "t", ("a", "a"), "replace"),
        ("w", "t", ("",), "replace"),
        ("w", "t", (), "upsert"),
        ("w", "t", (), "append"),
    ],
)
def test_a_declaration_that_cannot_be(connection: str, table: str, key: tuple[str, ...], mode: Any):
    with pytest.raises(errors.PipelineError) as raised:
        Postgres(connection, table=table, key=key, mode=mode)
    assert raised.value.remedy
    assert "hush" not in raised.value.message + raised.value.remedy


def test_a_key_contains_the_partition_s():
    with pytest.raises(errors.PipelineError, match="does not contain the partition's, 'dt'"):
        Postgres("w", table="t", key=["n"]).check("dt")
    with pytest.raises(errors.PipelineError, match="'tenant'"):
        Postgres("w", table="t", key=["dt", "n"]).check("dt/tenant")
    Postgres("w", table="t", key=["n", "dt"]).check("dt")
    Postgres("w", table="t").check("dt")
