"""What the contract of all sinks does not say: the spec, identifiers, errors, locks, and kill -9."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recoup.model import errors
from recoup.model.failure import FailureKind
from recoup.model.pipeline import SinkSpec
from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.duckdb import DuckDB
from recoup.ports import Delivery, Held
from recoup.sinks.duckdb import DuckDBSink

DAY = "2013-01-07"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "delays.duckdb"


@pytest.fixture
def sink(database: Path) -> Iterator[DuckDBSink]:
    sink = DuckDBSink(DuckDB(database, table="delays").to_json())
    yield sink
    sink.close()


class Deliverer:
    """Short ways to deliver frames and to look into a table."""

    def __init__(self, database: Path, folder: Path) -> None:
        self.database, self.folder, self.token = database, folder, 0

    def __call__(
        self, sink: DuckDBSink, frame: pl.DataFrame | dict[str, list[object]], partition: str = DAY, key: str = "dt"
    ) -> Held:
        self.token += 1
        file = self.folder / f"{self.token}.parquet"
        pl.DataFrame(frame).write_parquet(file)
        return sink.deliver(Delivery("delays", key, partition, f"run-{self.token}", self.token, "", (str(file),)))

    def sql(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.database)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def deliver(database: Path, tmp_path: Path) -> Deliverer:
    return Deliverer(database, tmp_path)


# --- the spec ----------------------------------------------------------------------------------------------------


def test_a_spec_travels_as_json():
    spec: SinkSpec = DuckDB(Path("out/delays.duckdb"), table="marts.delays", key=["dt", "carrier"], mode="upsert")
    assert DuckDB.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert (spec.kind, spec.name, spec.lane) == ("duckdb", "delays.marts.delays", "duckdb:out/delays.duckdb")
    assert DuckDB("out/delays.duckdb", table="delays").mode == "replace"


def test_one_file_is_one_lane_however_it_is_written():
    lanes = {
        DuckDB(path, table="t").lane for path in ("a/b.duckdb", "./a/b.duckdb", "a//x/../b.duckdb", Path("a/b.duckdb"))
    }
    assert lanes == {"duckdb:a/b.duckdb"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("w.v2.duckdb", "w.v2.t"),
        ("my file.db", "my_file.t"),
        ("-x.db", "_x.t"),
        ("données", "donn_es.t"),
        (".h", ".h.t"),
    ],
)
def test_a_name_can_be_typed_in_a_command(path, name):
    assert DuckDB(path, table="t").name == name


@pytest.mark.parametrize("path", ["", ":memory:", "md:x", "s3://b/x.duckdb", "a\0b"])
def test_what_is_no_file_is_refused(path):
    with pytest.raises(errors.PipelineError) as told:
        DuckDB(path, table="delays")
    assert told.value.remedy


@pytest.mark.parametrize(
    "table", ["", "a.b.c", 'x"; DROP', "1x", ".x", "x.", "_recoup_deliveries", "main._RECOUP_x", "é"]
)
def test_what_is_no_table_is_refused(table):
    with pytest.raises(errors.PipelineError) as told:
        DuckDB("x.duckdb", table=table)
    assert told.value.remedy


@pytest.mark.parametrize(
    "options", [{"mode": "upsert"}, {"mode": "append", "key": ["a"]}, {"key": ["a", "A"]}, {"key": [""]}]
)
def test_a_key_that_cannot_be_is_refused(options):
    with pytest.raises(errors.PipelineError) as told:
        DuckDB("x.duckdb", table="t", **options)
    assert told.value.remedy


def test_the_key_contains_the_partitions():
    DuckDB("x.duckdb", table="t").check("dt")
    DuckDB("x.duckdb", table="t", key=["DT", "carrier"]).check("dt")
    with pytest.raises(errors.PipelineError, match="does not contain the partition's") as told:
        DuckDB("x.duckdb", table="t", key=["carrier"]).check("dt")
    assert told.value.remedy == "write key=['dt', 'carrier']"


# --- tables and columns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partition", "kind"),
    [(DAY, "DATE"), ("2013-01-07T05", "VARCHAR"), ("2013-01", "VARCHAR"), ("20130107", "VARCHAR"), ("acme", "VARCHAR")],
)
def test_the_partition_column_is_a_date_where_it_looks_like_a_day(sink, deliver, partition, kind):
    for _ in range(2):
        deliver(sink, {"n": [1, 2]}, partition)
    assert deliver.sql("SELECT typeof(dt), count(*), min(dt)::VARCHAR FROM delays GROUP BY 1") == [(kind, 2, partition)]


def test_hostile_names_and_values_are_only_names_and_values(sink, deliver):
    column = 'x"; DROP TABLE delays; --'
    frame = {column: ["'; DROP TABLE delays; --"], "select": [1], "s": [{'a"b': 1}]}
    for _ in range(2):
        deliver(sink, frame, "'); DROP TABLE delays; --", key='d"t')
    assert deliver.sql("SELECT count(*) FROM delays") == [(1,)]
    assert deliver.sql("SELECT column_name FROM duckdb_columns() WHERE table_name = 'delays'") == [
        (column,), ("select",), ("s",), ('d"t',),
    ]  # fmt: skip


def test_columns_match_whatever_their_case(database, deliver):
    deliver.sql("CREATE TABLE delays (DT DATE, Carrier VARCHAR, n BIGINT)")
    sink = DuckDBSink(DuckDB(database, table="Delays", key=["dt", "carrier"], mode="upsert").to_json())
    for _ in range(2):
        deliver(sink, {"CARRIER": ["a"], "N": [1]})
    sink.close()
    assert deliver.sql("SELECT DT::VARCHAR, Carrier, n FROM delays") == [(DAY, "a", 1)]


@pytest.mark.parametrize("constraint", ["PRIMARY KEY (carrier, dt)", "UNIQUE (dt, carrier)"])
def test_an_upsert_uses_the_key_that_a_table_has(database, deliver, constraint):
    deliver.sql(f"CREATE TABLE delays (dt DATE, carrier VARCHAR, n BIGINT, {constraint})")
    deliver.sql("INSERT INTO delays VALUES ('2013-01-07', 'by hand', 0), ('2013-01-08', 'by hand', 0)")
    sink = DuckDBSink(DuckDB(database, table="delays", key=["dt", "carrier"], mode="upsert").to_json())
    deliver(sink, {"carrier": ["a", "b"], "n": [1, 2]})
    assert deliver(sink, {"carrier": ["b", "c"], "n": [3, 4]}).rows == 2
    sink.close()
    rows = deliver.sql("SELECT dt::VARCHAR, carrier, n FROM delays ORDER BY ALL")
    assert rows == [(DAY, "b", 3), (DAY, "c", 4), ("2013-01-08", "by hand", 0)]


def test_an_upsert_may_consist_of_its_key(database, deliver):
    sink = DuckDBSink(DuckDB(database, table="delays", key=["dt", "carrier"], mode="upsert").to_json())
    for carriers in (["a", "b"], ["b", "c"]):
        deliver(sink, {"carrier": carriers})
    sink.close()
    assert deliver.sql("SELECT carrier FROM delays ORDER BY 1") == [("b",), ("c",)]


def test_the_key_may_be_the_partition_alone(database, deliver):
    sink = DuckDBSink(DuckDB(database, table="delays", key=["dt"], mode="upsert").to_json())
    for n in (1, 2):
        deliver(sink, {"n": [n]})
    with pytest.raises(RowsRefusedError, match="2 rows have the key dt=2013-01-07"):
        deliver(sink, {"n": [1, 2]})
    assert deliver.sql("SELECT n FROM delays") == [(2,)]


def test_columns_may_be_called_as_the_statements_call_their_tables(database, deliver):
    spec = DuckDB(database, table="delays", key=["dt", "held"], mode="upsert")
    for held in (["a", "b"], ["b", "c"]):
        sink = DuckDBSink(spec.to_json())
        deliver(sink, {"held": held, "arrived": [{"held": 1}] * 2, "excluded": [{"held": 2}] * 2, "part": [1, 2]})
        sink.close()
    assert deliver.sql("SELECT held, part FROM delays ORDER BY 1") == [("b", 1), ("c", 2)]


def test_an_enum_of_the_table_takes_its_own_words_only(sink, deliver):
    deliver.sql("""CREATE TABLE delays (dt DATE, word ENUM ('on time', 'it''s "late"'))""")
    assert deliver(sink, {"word": ['it\'s "late"', None]}).rows == 2
    with pytest.raises(RowsRefusedError, match="and never does not fit"):
        deliver(sink, {"word": ["never"]})


def test_a_schema_is_made(database, deliver):
    sink = DuckDBSink(DuckDB(database, table="marts.delays").to_json())
    deliver(sink, {"n": [1]})
    sink.close()
    assert deliver.sql("SELECT n FROM marts.delays") == [(1,)]
    assert deliver.sql("SELECT table_name FROM _recoup_deliveries") == [("marts.delays",)]


def test_rows_that_were_there_before_are_replaced(sink, deliver):
    deliver.sql("CREATE TABLE delays AS SELECT 0 AS n, DATE '2013-01-07' AS dt")
    deliver(sink, {"n": [1]})
    assert deliver.sql("SELECT n FROM delays") == [(1,)]


def test_a_table_that_was_dropped_holds_nothing_and_is_filled_again(sink, deliver):
    first = deliver(sink, {"n": [1]})
    deliver(sink, {"n": [2]}, "2013-01-08")
    sink.close()
    deliver.sql("DROP TABLE delays")
    assert sink.held("delays", DAY) == Held(None, first.token, "", 0)
    deliver.token = first.token - 1
    assert deliver(sink, {"n": [3]}) == first
    assert sink.held("delays", "2013-01-08") == Held(None, 2, "", 0)
    assert deliver.sql("SELECT n FROM delays") == [(3,)]


def test_a_whole_file_may_vanish(sink, database, deliver):
    deliver(sink, {"n": [1]})
    sink.close()
    database.unlink()
    Path(f"{database}.wal").write_bytes(b"of the file that vanished")
    assert sink.held("delays", DAY) is None
    assert not database.exists()
    deliver(sink, {"n": [2]})
    assert deliver.sql("SELECT n FROM delays") == [(2,)]


@pytest.mark.parametrize("folder", ["lake[1]", "l*ke", "l?ke"])
def test_names_of_files_are_no_patterns(sink, deliver, tmp_path, folder):
    for name, n in ((folder, 1), ("lake1", 2), ("lake", 3)):
        (tmp_path / name).mkdir()
        pl.DataFrame({"n": [n], "empty": [None]}).write_parquet(tmp_path / name / "a.parquet")
    file = str(tmp_path / folder / "a.parquet")
    held = sink.deliver(Delivery("delays", "dt", DAY, "run", 1, "", (file,)))
    assert held.rows == 1
    assert deliver.sql("SELECT * EXCLUDE dt FROM delays") == [(1,)]


@pytest.mark.parametrize("mode", ["replace", "upsert"])
def test_a_url_is_read_without_an_extension(database, deliver, tmp_path, mode):
    pl.DataFrame({"n": [1], "void": [None]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"n": [2.5]}).write_parquet(tmp_path / "b.parquet")
    files = ((tmp_path / "a.parquet").as_uri(), (tmp_path / "b.parquet").as_uri())
    sink = DuckDBSink(DuckDB(database, table="delays", key=["dt", "n"], mode=mode).to_json())
    for token in (1, 2):
        assert sink.deliver(Delivery("delays", "dt", DAY, f"run-{token}", token, "", files)).rows == 2
    with pytest.raises(RowsRefusedError, match="2 rows have the key"):
        sink.deliver(Delivery("delays", "dt", DAY, "run-3", 3, "", files[:1] * 2))
    assert sink.deliver(Delivery("delays", "dt", DAY, "run-4", 4, "", files[:1])).rows == 1
    sink.close()
    assert deliver.sql("SELECT n FROM delays") == [(1.0,)]


# --- rows that a table cannot take -------------------------------------------------------------------------------


def told(exception: pytest.ExceptionInfo[RowsRefusedError]) -> str:
    assert exception.value.kind is FailureKind.CONTRACT
    assert exception.value.remedy
    return str(exception.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ([1], ["x"], "column n is BIGINT in the table and VARCHAR in the rows, and x does not fit"),
        ([1], [1.5], "column n is BIGINT in the table and DOUBLE in the rows, and 1.5 does not fit"),
        ([1], [[1]], "column n is BIGINT in the table and BIGINT[] in the rows, and [1] does not fit"),
        ([{"a": 1}], [{"a": 1, "b": 2}], "does not fit"),
        (pl.Series([1], dtype=pl.Int8), [300], "column n is TINYINT in the table and BIGINT in the rows, and 300 does"),
    ],
)
def test_a_type_that_does_not_fit_names_table_column_and_both_types(sink, deliver, before, after, message):
    deliver(sink, {"n": before})
    with pytest.raises(RowsRefusedError) as exception:
        deliver(sink, {"n": after})
    assert message in told(exception)
    assert told(exception).startswith("delays.delays: ")
    assert sink.held("delays", DAY).token == 1


@pytest.mark.parametrize(("before", "after"), [([1.5], [2]), ([1], [2.0, None]), (["a"], [7]), ([1], [None])])
def test_a_type_that_loses_nothing_is_cast(sink, deliver, before, after):
    deliver(sink, {"n": before})
    assert deliver(sink, {"n": after}).rows == len(after)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"carrier": ["a", "b", "a"]}, "2 rows have the key dt=2013-01-07, carrier=a"),
        ({"carrier": ["a", None]}, "1 rows have the key dt=2013-01-07, carrier=None"),
        ({"n": [1]}, "its key names carrier, and the rows have no such values"),
        ({"carrier": ["a"], "dt": ["2013-01-08"]}, "has a row whose dt (VARCHAR) is 2013-01-08"),
    ],
)
@pytest.mark.parametrize("mode", ["replace", "upsert"])
def test_keys_and_partitions_that_are_wrong_are_named(database, deliver, frame, message, mode):
    sink = DuckDBSink(DuckDB(database, table="delays", key=["dt", "carrier"], mode=mode).to_json())
    with pytest.raises(RowsRefusedError) as exception:
        deliver(sink, frame)
    assert message in told(exception)
    assert sink.held("delays", DAY) is None


def test_a_constraint_of_the_table_itself_is_told(sink, deliver):
    deliver.sql("CREATE TABLE delays (n BIGINT CHECK (n < 10), dt DATE)")
    with pytest.raises(RowsRefusedError, match=r"^delays\.delays does not take the rows: .*CHECK"):
        deliver(sink, {"n": [10]})


# --- errors of the file and the machine --------------------------------------------------------------------------


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


HOLDER = """
    import duckdb, sys
    connection = duckdb.connect(sys.argv[1])
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_database_that_another_process_holds(sink, deliver, database, monkeypatch):
    monkeypatch.setattr("recoup.sinks.duckdb_turns.PATIENCE_SECONDS", 0.05)
    deliver(sink, {"n": [1]})
    sink.close()
    with child(HOLDER, database) as holder:
        assert first_line(holder) == "open\n"
        with pytest.raises(errors.ConflictError, match=f"held open by process {holder.pid} ") as exception:
            deliver(sink, {"n": [2]})
        assert "tried again" in exception.value.remedy
        with pytest.raises(errors.ConflictError):
            sink.held("delays", DAY)
        assert str(holder.pid) in sink.check()[0]
        holder.communicate()
        assert holder.returncode == 0
    assert deliver(sink, {"n": [2]}).rows == 1


def test_a_delivery_waits_until_the_other_process_is_done(sink, deliver, database):
    deliver(sink, {"n": [1]})
    sink.close()
    with child(HOLDER, database) as holder:
        assert first_line(holder) == "open\n"
        leave = threading.Timer(0.3, holder.communicate)
        leave.start()
        assert deliver(sink, {"n": [2]}).rows == 1
        leave.join()


def test_a_second_table_of_the_file_lets_nobody_else_in(sink, deliver, database):
    """Looking into the file must not let go of the lock that the first one has on it."""
    deliver(sink, {"n": [1]})
    other = DuckDBSink(DuckDB(database, table="others").to_json())
    deliver(other, {"n": [1]})
    other.close()
    deliver(other, {"n": [1]})
    with child(HOLDER, database) as somebody:
        assert first_line(somebody) == "", "DuckDB refuses a second process"
        somebody.communicate()
    other.close()


@pytest.mark.parametrize("tables", [1, 2])
def test_one_that_delivers_without_a_pause_lets_others_have_their_turn(sink, deliver, database, monkeypatch, tables):
    monkeypatch.setattr("recoup.sinks.duckdb_turns.TURN_SECONDS", 0.0)
    deliver(sink, {"n": [1]})
    other = DuckDBSink(DuckDB(database, table="others").to_json()) if tables > 1 else sink
    code = """
        import sys, time
        from pathlib import Path
        from recoup.sinks.duckdb_file import connect
        print("waits", flush=True)
        connect(Path(sys.argv[1])).close()
        print("was in", flush=True)
    """
    with child(code, database) as waiting:
        assert first_line(waiting) == "waits\n"
        while waiting.poll() is None:
            deliver(sink, {"n": [2]})
            deliver(other, {"n": [2]})
        assert first_line(waiting) == "was in\n"
    other.close()


def test_a_database_that_this_process_reads(sink, deliver, database):
    deliver(sink, {"n": [1]})
    sink.close()
    with duckdb.connect(str(database), read_only=True), pytest.raises(errors.ConflictError, match="is held open"):
        deliver(sink, {"n": [2]})


def test_people_can_query_between_batches(sink, deliver, database):
    deliver(sink, {"n": [1]})
    sink.close()
    code = (
        "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).sql('SELECT n FROM delays').fetchall())"
    )
    with child(code, database) as person:
        assert person.communicate()[0] == "[(1,)]\n"


def sqlite_file(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE delays (n)")
    connection.close()


@pytest.mark.parametrize(
    "make", [Path.touch, lambda path: path.write_text("dt,n\n" * 1000), sqlite_file], ids=["empty", "text", "SQLite"]
)
def test_what_is_no_database_is_refused_and_left_alone(sink, deliver, database, make):
    make(database)
    before = database.read_bytes()
    with pytest.raises(errors.ConfigError) as exception:
        deliver(sink, {"n": [1]})
    assert exception.value.remedy
    assert len(sink.check()) == 1
    assert database.read_bytes() == before


@pytest.mark.parametrize("harm", [lambda data: data[:5000], lambda data: data[:4200] + b"harm" + data[4204:]])
def test_a_damaged_database_is_told_apart(sink, deliver, database, harm):
    deliver(sink, {"n": [1]})
    sink.close()
    database.write_bytes(harm(database.read_bytes()))
    with pytest.raises(errors.CorruptError, match="is damaged") as exception:
        sink.held("delays", DAY)
    assert "deliver again" in exception.value.remedy


def test_a_folder_is_no_database(sink, deliver, database):
    database.mkdir()
    with pytest.raises(errors.ConfigError, match="cannot be opened"):
        deliver(sink, {"n": [1]})


def test_the_package_may_be_missing(sink, deliver, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(errors.ConfigError) as exception:
        deliver(sink, {"n": [1]})
    assert exception.value.remedy == 'pip install "recoup[duckdb]"'
    assert sink.check() == ['the package duckdb is not installed: pip install "recoup[duckdb]"']


def test_a_file_that_vanished_or_is_torn(sink, deliver, tmp_path):
    deliver(sink, {"n": [1]})
    torn = tmp_path / "torn.parquet"
    torn.write_bytes((tmp_path / "1.parquet").read_bytes()[:-20])
    for file in (tmp_path / "nowhere.parquet", torn):
        with pytest.raises(errors.CorruptError) as exception:
            sink.deliver(Delivery("delays", "dt", DAY, "run", 9, "", (str(file),)))
        assert str(file) in str(exception.value)
    assert sink.held("delays", DAY).token == 1


def test_check_tells_what_is_wrong(sink, deliver, database):
    assert sink.check() == []
    assert not database.exists()
    deliver(sink, {"n": [1]})
    assert sink.check() == []
    sink.close()
    deliver.sql("ALTER TABLE _recoup_deliveries DROP COLUMN delivered_at")
    assert "_recoup_deliveries has the columns" in sink.check()[0]


FULL = """
    import json, resource, signal, sys
    from recoup.model.errors import DiskFullError
    from recoup.ports import Delivery
    from recoup.sinks.duckdb import DuckDBSink

    sink = DuckDBSink(json.loads(sys.argv[1]))
    sink.held("delays", "2013-01-07")
    if sys.argv[3:]:
        sink.deliver(Delivery("delays", "dt", "2013-01-01", "run-0", 1, "", (sys.argv[2],)))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int((sys.argv[3:] or [1000])[0]), resource.RLIM_INFINITY))
    for token in range(2, 40):
        try:
            sink.deliver(Delivery("delays", "dt", f"2013-02-{token:02d}", f"run-{token}", token, "", (sys.argv[2],)))
        except DiskFullError as error:
            print(token, error.remedy)
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    sink.deliver(Delivery("delays", "dt", f"2013-02-{token:02d}", f"run-{token}", token, "", (sys.argv[2],)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
@pytest.mark.parametrize("limit", [(), (400_000,), (800_000,)], ids=["at birth", "early", "late"])
def test_a_full_disk_loses_nothing_and_blocks_nothing(deliver, database, tmp_path, limit):
    pl.DataFrame({"n": [random.Random(n).random() for n in range(5_000)]}).write_parquet(tmp_path / "a.parquet")
    with child(FULL, json.dumps(DuckDB(database, table="delays").to_json()), tmp_path / "a.parquet", *limit) as worker:
        output = worker.communicate()[0]
    assert worker.returncode == 0
    token, _, remedy = output.partition(" ")
    assert "make room" in remedy
    held = int(token) if limit else 1
    assert deliver.sql("SELECT count(*), count(DISTINCT dt) FROM delays") == [(held * 5_000, held)]
    assert deliver.sql("SELECT count(*) FROM _recoup_deliveries") == [(held,)]


# --- commits that fail -------------------------------------------------------------------------------------------


class Unsure:
    """A connection whose commit raises: before it happened, or after."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, happens: bool) -> None:
        self._connection, self._happens = connection, happens

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def commit(self) -> None:
        if self._happens:
            self._connection.commit()
        message = "FATAL Error: the log could not be synced"
        raise duckdb.FatalException(message)


def test_a_commit_that_happened_after_all_counts(sink, deliver):
    deliver(sink, {"n": [1]})
    sink._connection = Unsure(sink._connection, happens=True)
    assert deliver(sink, {"n": [2]}) == sink.held("delays", DAY) == Held("run-2", 2, "", 1)


def test_a_commit_that_did_not_happen_is_an_error(sink, deliver):
    deliver(sink, {"n": [1]})
    sink._connection = Unsure(sink._connection, happens=False)
    with pytest.raises(duckdb.FatalException):
        deliver(sink, {"n": [2]})
    assert sink.held("delays", DAY) == Held("run-1", 1, "", 1)


def test_a_commit_of_which_nobody_can_tell_is_unknown(sink, deliver, database, monkeypatch):
    deliver(sink, {"n": [1]})
    sink._connection = Unsure(sink._connection, happens=True)
    monkeypatch.setattr(sink, "_look", lambda *_, **_more: (_ for _ in ()).throw(errors.ConflictError("held open")))
    with pytest.raises(errors.CommitUnknownError, match="whether 2013-01-07 was committed is unknown"):
        deliver(sink, {"n": [2]})


# --- kill -9 -----------------------------------------------------------------------------------------------------

VICTIM = """
    import itertools, json, sys
    from recoup.ports import Delivery
    from recoup.sinks.duckdb import DuckDBSink

    sink = DuckDBSink(json.loads(sys.argv[1]))
    print("ready", flush=True)
    for token in itertools.count(int(sys.argv[2])):
        run = token % 5
        partition = f"2013-01-0{token % 3 + 1}"
        sink.deliver(Delivery("delays", "dt", partition, f"run-{run}", token, "", (sys.argv[3].format(run=run),)))
        if token % 7 == 0:
            sink.close()
"""


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mode", ["replace", "upsert"])
def test_kill_9_leaves_the_old_run_or_the_new_one(database, deliver, tmp_path, mode, seed):
    print("seed", seed)
    chance, token = random.Random(seed), 1
    spec = DuckDB(database, table="delays", key=["dt", "n"], mode=mode)
    for run in range(5):  # run 3 has 300 rows, all of which say 3
        pl.DataFrame({"n": range(100 * run), "run": [run] * 100 * run}).write_parquet(tmp_path / f"run-{run}.parquet")
    pattern = str(tmp_path / "run-{run}.parquet")
    for _ in range(4):
        with child(VICTIM, json.dumps(spec.to_json()), token, pattern) as victim:
            assert first_line(victim) == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                victim.wait(chance.uniform(0, 0.3))
            victim.send_signal(signal.SIGKILL)
        sink = DuckDBSink(spec.to_json())
        for day in range(1, 4):
            partition = f"2013-01-0{day}"
            held = sink.held("delays", partition) or Held(None, 0, "", 0)
            token = max(token, held.token)
            run = int(held.run_id[-1]) if held.run_id else 0
            assert shown(sink, deliver, partition) == ([(100 * run, run, run)] if run else [])
            again = Delivery("delays", "dt", partition, "run-4", held.token + 1, "", (pattern.format(run=4),))
            assert sink.deliver(again).rows == 400
            assert sink.deliver(replace(again, run_id="run-1", files=(pattern.format(run=1),))).rows == 100
            assert shown(sink, deliver, partition) == [(100, 1, 1)]
        sink.close()
        token += 2


def shown(sink: DuckDBSink, deliver: Deliverer, partition: str) -> list[tuple[object, ...]]:
    if sink.held("delays", partition) is None:
        return []
    return deliver.sql(f"SELECT count(*), min(run), max(run) FROM delays WHERE dt = '{partition}' HAVING count(*) > 0")


def test_a_column_that_would_hold_two_partitions_as_one_is_refused(sink, deliver):
    deliver(sink, {"v": [1], "store": [7]}, "7", "store")
    with pytest.raises(RowsRefusedError, match="its column store is BIGINT, and would hold the partition 07 as 7"):
        deliver(sink, {"v": [2]}, "07", "store")
    sink.close()
    assert deliver.sql("SELECT v, store FROM delays") == [(1, 7)]


def test_a_member_that_looks_like_a_date_is_text_and_the_next_one_fits(sink, deliver, tmp_path):
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"n": [1]}).write_parquet(file)
    for token, tenant in enumerate(("2013-01-02", "Ét"), start=1):
        partition = f"{DAY}/{tenant}"
        given = Delivery("delays", "dt/tenant", partition, f"run-{token}", token, "", (str(file),), member_key="tenant")
        sink.deliver(given)
    sink.close()
    found = deliver.sql("SELECT typeof(dt), typeof(tenant), tenant FROM delays ORDER BY 3")
    assert found == [("DATE", "VARCHAR", "2013-01-02"), ("DATE", "VARCHAR", "Ét")]
