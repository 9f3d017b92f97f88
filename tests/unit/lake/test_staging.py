"""What steps return, and what becomes of it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from recoup.lake import layout, staging
from recoup.lake.dtypes import text_of
from recoup.lake.local import LocalStore
from recoup.lake.memory import MemoryStore
from recoup.lake.staging import stage
from recoup.model.errors import ConflictError, DiskFullError, StepReturnError

NAMES = {"dataset": "clean", "key": "dt", "partition": "2013-01-01", "run_id": "run-1"}
FRAME = pl.DataFrame({"n": [1, 2, 3], "name": ["a", None, "ü"], "share": [0.5, None, float("nan")]})


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return LocalStore(tmp_path / "lake") if request.param == "folder" else MemoryStore()


def put(store, table, nonce="n", **more):
    return stage(store, table, **{**NAMES, "attempt": 1, "nonce": nonce, "sync": False, **more})


def read(store, staged):
    return pl.concat([pl.read_parquet(store.get(file.path).data) for file in staged.files], how="diagonal_relaxed")


class Stream:
    """Speaks the Arrow C stream interface and nothing else."""

    def __init__(self, frame):
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema=None):
        return self.frame.__arrow_c_stream__(requested_schema)


def pandas_frame():
    return pytest.importorskip("pandas").DataFrame(FRAME.to_dict(as_series=False))


def arrow_reader():
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.RecordBatchReader.from_stream(FRAME)


def duckdb_relation():
    return pytest.importorskip("duckdb").sql("SELECT 1::BIGINT AS n, 'a' AS name, 0.5::DOUBLE AS share")


TABLES = {
    "polars": lambda: FRAME,
    "lazy": lambda: FRAME.lazy().filter(pl.col("n") > 0),
    "stream": lambda: Stream(FRAME),
    "arrow table": FRAME.to_arrow,
    "arrow reader": arrow_reader,
    "pandas": pandas_frame,
}


@pytest.mark.parametrize("kind", TABLES)
def test_whatever_speaks_arrow_is_staged(store, kind):
    staged = put(store, TABLES[kind]())
    (file,) = staged.files
    assert file.path == "clean/dt=2013-01-01/run=run-1/a1-n-0.parquet"
    assert (staged.rows, file.rows, list(staged.columns)) == (3, 3, ["n", "name", "share"])
    assert staged.columns["n"] == "Int64"
    data = store.get(file.path).data
    assert (file.size_bytes, file.digest) == (len(data), hashlib.sha256(data).hexdigest())
    if kind != "pandas":  # its missing numbers are NaN
        assert_frame_equal(read(store, staged), FRAME)


def test_a_duckdb_relation_is_staged(store):
    staged = put(store, duckdb_relation())
    assert read(store, staged).rows() == [(1, "a", 0.5)]


@pytest.mark.parametrize("kind", ["polars", "lazy", "stream", "arrow table"])
def test_equal_data_gives_equal_bytes_whatever_brought_it(store, kind):
    wanted = put(store, FRAME, nonce="a").files[0].digest
    assert put(store, TABLES[kind](), nonce="b").files[0].digest == wanted


def test_equal_data_gives_equal_bytes_whatever_its_chunks(store, monkeypatch):
    whole = pl.DataFrame({"n": range(300_000), "s": [str(n % 91) for n in range(300_000)]})
    parts = [whole[:100_001], whole[100_001:250_000], whole[250_000:]]
    tables = [whole, pl.concat(parts, rechunk=False), pl.concat([part.lazy() for part in parts]), Stream(whole)]
    digests = {put(store, table, nonce=f"n{i}").files[0].digest for i, table in enumerate(tables)}
    monkeypatch.setattr(staging, "_SMALL_BYTES", 0)  # the way of large frames
    digests.add(put(store, whole, nonce="large").files[0].digest)
    assert len(digests) == 1


@given(frame=dataframes(max_cols=4, max_size=8, excluded_dtypes=[pl.Object, pl.Categorical, pl.Decimal]))
def test_every_frame_comes_back_as_it_was(frame):
    store = MemoryStore()
    staged = put(store, frame)
    again = read(store, staged)
    assert staged.rows == frame.height if frame.width else staged.rows == 0
    assert staged.columns == text_of(frame.schema)
    assert_frame_equal(again, frame, categorical_as_str=True)


def test_no_rows_are_a_table_too(store):
    staged = put(store, FRAME.clear())
    assert (staged.rows, len(staged.files)) == (0, 1)
    assert list(staged.columns) == FRAME.columns


@pytest.mark.parametrize("kind", ["list", "tuple", "generator"])
def test_several_tables_become_several_files_in_order(store, kind):
    tables = [FRAME, FRAME.lazy().head(1), Stream(FRAME.tail(1))]
    returned = {"list": tables, "tuple": tuple(tables), "generator": (table for table in tables)}[kind]
    staged = put(store, returned)
    assert [file.path[-len("a1-n-0.parquet") :] for file in staged.files] == [f"a1-n-{n}.parquet" for n in range(3)]
    assert [file.rows for file in staged.files] == [3, 1, 1]
    assert staged.rows == 5
    assert read(store, staged)["n"].to_list() == [1, 2, 3, 1, 3]


def test_a_generator_holds_one_table_at_a_time(store):
    def tables():
        for n in range(3):
            written = [info.key for info in store.list("")]
            assert len(written) == n, "the one before is on the disk already"
            yield FRAME

    assert len(put(store, tables()).files) == 3


def test_no_tables_are_no_files(store):
    staged = put(store, [])
    assert (staged.files, staged.rows, dict(staged.columns)) == ((), 0, {})


def test_tables_with_different_columns_are_put_together(store):
    staged = put(store, [pl.DataFrame({"a": [1], "b": ["x"]}), pl.DataFrame({"a": [1.5], "c": [True]})])
    assert dict(staged.columns) == {"a": "Float64", "b": "String", "c": "Boolean"}
    with pytest.raises(StepReturnError, match=r"column 'a' is Int64 in one table and String in another"):
        put(store, [pl.DataFrame({"a": [1]}), pl.DataFrame({"a": ["x"]})], nonce="m")


@pytest.mark.parametrize(
    "returned",
    [None, 7, "text", b"bytes", {"a": [1]}, [{"a": 1}], [FRAME, None], [[FRAME]], object(), ["a.parquet"], Path("x")],
)
def test_what_is_no_table_is_named(store, returned):
    with pytest.raises(StepReturnError, match="which is no table") as caught:
        put(store, returned)
    assert "polars DataFrame or LazyFrame" in caught.value.remedy


def test_one_column_is_no_table(store):
    with pytest.raises(StepReturnError, match="one column") as caught:
        put(store, FRAME["n"])
    assert "to_frame" in caught.value.remedy


def test_python_objects_are_named_by_their_column(store):
    for frame in (FRAME.with_columns(pl.Series("o", [object()] * 3)), pl.LazyFrame({"o": [object()]})):
        with pytest.raises(StepReturnError, match="column 'o' holds Python objects"):
            put(store, frame)
    assert list(store.list("")) == []


def test_the_index_that_pandas_leaves_behind_is_dropped(store):
    frame = pandas_frame()
    staged = put(store, frame[frame["n"] > 1])
    assert list(staged.columns) == ["n", "name", "share"]
    assert read(store, staged)["n"].to_list() == [2, 3]
    named = put(store, frame.set_index("name"), nonce="m")
    assert "name" in named.columns, "an index that somebody named is data"


def test_an_attempt_never_overwrites_another(store):
    put(store, FRAME)
    with pytest.raises(ConflictError):
        put(store, FRAME.head(1))
    assert read(store, put(store, FRAME.head(1), nonce="other")).height == 1


def test_what_a_lazy_frame_raises_is_the_steps_own_failure(store):
    def broken(frame):
        raise ZeroDivisionError("in the step")

    with pytest.raises(Exception, match="in the step"):
        put(store, FRAME.lazy().map_batches(broken, schema=FRAME.schema))
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        put(store, FRAME.lazy().select("nowhere"))
    assert list(store.list("")) == [], "half a file is taken away"


def test_what_a_generator_raises_is_the_steps_own_failure(store):
    def tables():
        yield FRAME
        raise OSError(errno.ENOSPC, "in the step's own files")

    with pytest.raises(OSError, match="own files"):
        put(store, tables())


@pytest.mark.parametrize("table", ["polars", "lazy", "large"])
def test_a_disk_that_fills_up_under_a_table(tmp_path, monkeypatch, table):
    store = LocalStore(tmp_path / "lake")
    real = os.write

    def write(fd, data):
        if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".parquet":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    if table == "large":
        monkeypatch.setattr(staging, "_SMALL_BYTES", 0)
    with pytest.raises(DiskFullError, match="bytes are free"):
        put(store, FRAME.lazy() if table == "lazy" else FRAME)
    assert list(store.list("")) == []


def test_a_lazy_frame_goes_to_the_disk_as_it_comes(tmp_path):
    """Never whole in memory: more rows than row groups, and the digest is right all the same."""
    store = LocalStore(tmp_path / "lake")
    source = tmp_path / "source.parquet"
    pl.DataFrame({"n": range(400_000)}).write_parquet(source, row_group_size=50_000)
    staged = put(store, pl.scan_parquet(source).with_columns(twice=pl.col("n") * 2))
    data = (tmp_path / "lake" / staged.files[0].path).read_bytes()
    assert (staged.rows, staged.files[0].digest) == (400_000, hashlib.sha256(data).hexdigest())
    assert pl.read_parquet(io.BytesIO(data))["twice"].sum() == 2 * sum(range(400_000))


def test_a_grid_is_staged_below_both_its_names(store):
    staged = put(store, FRAME, key="dt/tenant", partition="2013-01-01/a b")
    assert staged.files[0].path == "clean/dt=2013-01-01/tenant=a%20b/run=run-1/a1-n-0.parquet"
    place = layout.place_of(staged.files[0].path)
    assert place is not None
    assert place.partition == "2013-01-01/a b"
