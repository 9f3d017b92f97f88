"""Files of many partitions and many ages, read as one table."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.lake.dtypes import dtype_of, merged, schema_of, text_of, wider
from recoup.lake.local import LocalStore
from recoup.lake.memory import MemoryStore
from recoup.lake.scan import scan
from recoup.lake.staging import stage


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return LocalStore(tmp_path / "it's a [lake]*") if request.param == "folder" else MemoryStore()


def staged(store, partition, table, key="dt"):
    return stage(
        store, table, dataset="clean", key=key, partition=partition, run_id="r", attempt=1, nonce="n", sync=False
    )


def test_one_partition_as_it_is(store):
    files = staged(store, "2013-01-01", [pl.DataFrame({"n": [2, 1]}), pl.DataFrame({"n": [3]})]).files
    assert scan(store, files).collect().to_dict(as_series=False) == {"n": [2, 1, 3]}
    assert scan(store, files[:1]).collect()["n"].to_list() == [2, 1]
    assert scan(store, [file.path for file in files]).collect().height == 3, "paths do as well"


def test_nothing_is_read_before_it_is_asked_for(store):
    (file,) = staged(store, "2013-01-01", pl.DataFrame({"n": [1]})).files
    frame = scan(store, [file], columns={"n": "Int64"})
    if isinstance(store, LocalStore):
        store.delete([file.path])
        with pytest.raises(FileNotFoundError):
            frame.collect()


def test_old_files_and_new_ones_together(store):
    days = {
        "2013-01-01": pl.DataFrame({"n": [1], "gone": ["x"]}, schema={"n": pl.Int16, "gone": pl.String}),
        "2013-01-02": pl.DataFrame({"n": [2**40], "share": [0.5]}),
        "2013-01-03": pl.DataFrame({"share": [1.5], "n": [3], "gone": [None]}, schema_overrides={"share": pl.Float32}),
        "2013-01-04": pl.DataFrame({"n": [None]}),
    }
    files = [file for day, frame in days.items() for file in staged(store, day, frame).files]
    wanted = {
        "n": [1, 2**40, 3, None],
        "gone": ["x", None, None, None],
        "share": [None, 0.5, 1.5, None],
    }
    for frame in (scan(store, files), scan(store, files, columns={"n": "Int64", "gone": "String", "share": "Float64"})):
        assert frame.collect().to_dict(as_series=False) == wanted
    assert scan(store, files).collect_schema()["n"] == pl.Int64


def test_integers_become_floats_where_pandas_made_them_so(store):
    files = [
        *staged(store, "2013-01-01", pl.DataFrame({"n": [1]})).files,
        *staged(store, "2013-01-02", pl.DataFrame({"n": [None, 2.5]})).files,
    ]
    assert scan(store, files).collect()["n"].to_list() == [1.0, None, 2.5]


def test_types_that_do_not_fit_are_named(store):
    files = [
        *staged(store, "2013-01-01", pl.DataFrame({"n": [1]})).files,
        *staged(store, "2013-01-02", pl.DataFrame({"n": ["x"]})).files,
    ]
    with pytest.raises(pl.exceptions.SchemaError, match="column 'n' is Int64 in one table and String in another"):
        scan(store, files)


def test_the_partition_as_a_column(store):
    files = []
    for day in ("2013-01-02", "2013-01-01", "2013-01-03"):
        files += staged(store, day, [pl.DataFrame({"n": [int(day[-1])]})] * 2).files
    frame = scan(store, files, key="dt")
    assert frame.collect_schema()["dt"] == pl.String
    assert frame.collect().select("dt", "n").rows() == [
        (day, int(day[-1])) for day in ("2013-01-02", "2013-01-01", "2013-01-03") for _ in range(2)
    ]
    assert scan(store, files[:2], key="dt").collect()["dt"].to_list() == ["2013-01-02"] * 2
    assert frame.filter(pl.col("dt") == "2013-01-03").collect().height == 2


def test_the_datas_own_column_stays(store):
    files = [
        file
        for day in ("2013-01-01", "2013-01-02")
        for file in staged(store, day, pl.DataFrame({"dt": ["mine"], "n": [1]})).files
    ]
    assert scan(store, files, key="dt").collect()["dt"].to_list() == ["mine", "mine"]
    assert scan(store, files).collect().columns == ["dt", "n"], "folders are no columns"


def test_a_grid_gives_a_column_for_each_name(store):
    files = [
        file
        for tenant in ("a b", "ü/%")
        for file in staged(store, f"2013-01-01/{tenant}", pl.DataFrame({"n": [1]}), key="dt/tenant").files
    ]
    found = scan(store, files, key="dt/tenant").collect()
    assert found.select("dt", "tenant").rows() == [("2013-01-01", "a b"), ("2013-01-01", "ü/%")]


def test_no_files_are_an_empty_table(store):
    assert scan(store, []).collect().shape == (0, 0)
    frame = scan(store, [], key="dt", columns={"n": "Int64", "at": "Datetime(time_unit='us', time_zone='UTC')"})
    assert frame.collect_schema() == {"n": pl.Int64, "at": pl.Datetime("us", "UTC"), "dt": pl.String}
    assert frame.collect().height == 0


def test_a_type_of_another_version_is_read_from_the_files(store):
    (file,) = staged(store, "2013-01-01", pl.DataFrame({"n": [1]})).files
    assert scan(store, [file], columns={"n": "Int4096"}).collect()["n"].to_list() == [1]
    assert scan(store, [], columns={"n": "Int4096"}).collect().columns == ["n"]


# --- types as text -----------------------------------------------------------------------------------------------


TYPES = [
    pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.String, pl.Boolean, pl.Binary, pl.Date, pl.Time, pl.Null,
    pl.Categorical(), pl.Datetime("ms"), pl.Datetime("ns", "Europe/Berlin"), pl.Duration("us"), pl.Decimal(10, 2),
    pl.Enum(["a", "it's"]), pl.List(pl.List(pl.Int8)), pl.Array(pl.Int64, 3),
    pl.Struct({"a": pl.Int64, "b c": pl.List(pl.Datetime("us"))}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_type_survives_being_written_down(dtype):
    assert dtype_of(str(dtype)) == dtype
    assert schema_of(text_of({"a": dtype})) == {"a": dtype}


@pytest.mark.parametrize(
    "text",
    ["", "int", "Int64()()", "__import__('os')", "DataFrame", "List(open('x'))", "Int64 if 1 else 2", "lambda: 1", "7",
     "pl.Int64", "[" * 5000, "List(Int64).__class__", "Enum(categories=[x for x in 'ab'])"],
)  # fmt: skip
def test_a_type_that_is_none_is_never_evaluated(text):
    with pytest.raises(ValueError, match="is no column type"):
        dtype_of(text)


integers = st.sampled_from([pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64])


@given(one=integers, other=integers)
def test_wider_integers_hold_both_ends_of_both(one, other):
    wide = wider(one, other)
    assert wide is not None
    assert wide == wider(other, one)
    for dtype in (one, other):
        ends = pl.select(low=dtype.min(), high=dtype.max())
        assert ends.cast(pl.Int128).rows() == ends.cast(wide).cast(pl.Int128).rows()


def test_what_fits_and_what_does_not():
    assert wider(pl.Null, pl.String) == wider(pl.String, pl.Null) == pl.String
    assert wider(pl.Float32, pl.Int8) == pl.Float64
    assert wider(pl.Datetime("ms", "UTC"), pl.Datetime("us", "UTC")) == pl.Datetime("us", "UTC")
    assert wider(pl.Categorical(), pl.String()) == pl.String
    for one, other in ((pl.String, pl.Int8), (pl.Datetime("us"), pl.Datetime("us", "UTC")), (pl.Date, pl.Int8)):
        assert wider(one, other) is None
    assert list(merged([{"a": pl.Int8}, {"b": pl.Int8}, {"a": pl.Int16}])) == ["a", "b"]
