"""A table in a DuckDB file: each partition arrives in one transaction, together with the record of its run."""
# ruff: noqa: S608 - names cannot be bound, so `_quoted` quotes them; every value is bound

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoup.model import errors
from recoup.model.sinks import DuckDB, RowsRefusedError
from recoup.ports import Delivery, Held

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection as Connection

_Row = tuple[Any, ...]

_RECORD = "main._recoup_deliveries"
_RECORD_COLUMNS = ["dataset", "table_name", "partition", "run_id", "token", "digest", "rows", "delivered_at"]
_CREATE_RECORD = """CREATE TABLE IF NOT EXISTS main._recoup_deliveries (
    dataset VARCHAR, table_name VARCHAR, partition VARCHAR, run_id VARCHAR, token BIGINT NOT NULL,
    digest VARCHAR NOT NULL, rows BIGINT NOT NULL, delivered_at TIMESTAMP NOT NULL,
    PRIMARY KEY (dataset, table_name, partition))"""
_INSERT_RECORD = """INSERT INTO main._recoup_deliveries
    VALUES ($dataset, $table, $partition, $run_id, $token, $digest, $rows, make_timestamp(epoch_us(now())))"""
# Update or insert, whichever fits: INSERT OR REPLACE takes three times as long.
_UPDATE_RECORD = """UPDATE main._recoup_deliveries
    SET run_id = $run_id, token = $token, digest = $digest, rows = $rows, delivered_at = make_timestamp(epoch_us(now()))
    WHERE dataset = $dataset AND table_name = $table AND partition = $partition"""
_READ_RECORD = """SELECT run_id, token, digest, rows FROM main._recoup_deliveries
    WHERE dataset = $dataset AND table_name = $table AND partition = $partition"""
_VOID_RECORDS = """UPDATE main._recoup_deliveries SET run_id = NULL, digest = '', rows = 0
    WHERE table_name = $table AND run_id IS NOT NULL"""
_KEYS = """SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE')
    AND database_name = current_database() AND lower(schema_name) = ? AND lower(table_name) = ?"""
# One thread: the other cores are the other workers', and a small delivery is faster so.
_SETTINGS = "SET threads = 1; SET TimeZone = 'UTC'; SET autoinstall_known_extensions = false"
_PARQUET = "read_parquet($files, union_by_name = true, hive_partitioning = false)"
_STREAM = "_recoup_arrived"


class DuckDBSink:
    """One table; its connection opens with the first use and stays until `close` or an error."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = DuckDB.from_json(spec)
        self._path = Path(self._spec.database)
        self._connection: Connection | None = None
        self._table = _Table(self._spec)
        self._has_record = False

    def deliver(self, delivery: Delivery) -> Held:
        """Make the table hold this run; when it does already, nothing is written, or only a newer token."""
        with self._closing_on_error():
            connection = self._open()
            connection.begin()
            held = self._project(connection, delivery)
            self._commit(connection, delivery, held)
            return held

    def held(self, dataset: str, partition: str) -> Held | None:
        """What the record says; a table that somebody has dropped holds nothing. Creates no file."""
        with self._closing_on_error():
            if self._connection is None and not self._path.exists():
                return None
            connection = self._open()
            return self._recorded(connection, dataset, partition) if self._has_record else None

    def check(self) -> list[str]:
        """What stands in the way of a delivery, with the remedy. Creates no file."""
        try:
            with self._closing_on_error():
                return self._complaints()
        except errors.RecoupError as error:
            return [f"{error.message}: {error.remedy}"]

    def close(self) -> None:
        """Let other processes open the database; an open transaction is undone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = _connect(self._path)
            # Once is enough: no other process can change them now. Not within a transaction, which an error would end.
            self._table = _Table.found(self._connection, self._spec)
            self._has_record = bool(_columns(self._connection, _RECORD))
        return self._connection

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        """An open transaction ends with its connection; an instance that DuckDB has given up is not used again."""
        try:
            yield
        except BaseException as error:
            self.close()
            if meaning := _meaning(error, self._spec):
                raise meaning from error
            raise

    def _recorded(self, connection: Connection, dataset: str, partition: str) -> Held | None:
        names = {"dataset": dataset, "table": self._table.recorded_name, "partition": partition}
        row = _first(connection, _READ_RECORD, names)
        held = Held(*row) if row else None
        if held and held.run_id and not self._table.columns:
            # The token outlives the table: who was fenced once stays fenced.
            return Held(None, held.token, "", 0)
        return held

    def _project(self, connection: Connection, delivery: Delivery) -> Held:
        if not self._has_record:
            connection.execute(_CREATE_RECORD)
            self._has_record = True
        before = self._recorded(connection, delivery.dataset, delivery.partition)
        if before and before.token > delivery.token:
            newer = f"token {before.token}, newer than {delivery.token}"
            message = f"{self._spec.name} holds {delivery.partition} under {newer}"
            raise errors.FencedError(message, "nothing is to be done: somebody else has taken over")
        if before and (before.run_id, before.digest) == (delivery.run_id, delivery.digest):
            rows = before.rows
        else:
            rows = self._replace_rows(connection, delivery, is_on_record=before is not None)
        held = Held(delivery.run_id, delivery.token, delivery.digest, rows)
        if held != before:
            names = {"dataset": delivery.dataset, "table": self._table.recorded_name, "partition": delivery.partition}
            values = {"run_id": held.run_id, "token": held.token, "digest": held.digest, "rows": held.rows}
            connection.execute(_UPDATE_RECORD if before else _INSERT_RECORD, {**names, **values})
        return held

    def _replace_rows(self, connection: Connection, delivery: Delivery, *, is_on_record: bool) -> int:
        part = _Part(delivery.key, delivery.partition)
        if delivery.run_id is None or not delivery.files:
            self._table.delete(connection, part)
            return 0
        with _arrived(connection, delivery) as arrived:
            arrived.check_partition(connection, part, self._spec)
            arrived.check_keys(connection, part, self._spec)
            table = self._table = self._table.widened(connection, arrived, part)
            arrived.check_types(connection, part, self._spec, table.columns)
            if table.is_made_here and not is_on_record:
                return table.insert(connection, arrived, part)
            if table.has_key:
                return table.upsert(connection, arrived, part)
            table.delete(connection, part)
            return table.insert(connection, arrived, part)

    def _commit(self, connection: Connection, delivery: Delivery, held: Held) -> None:
        """Commit; when that fails, the record tells whether it happened."""
        try:
            connection.commit()
        except Exception as error:
            self.close()
            try:
                found = self.held(delivery.dataset, delivery.partition)
            except Exception as unread:  # noqa: BLE001 - whatever it is, nothing was learnt
                message = f"{self._spec.name}: whether {delivery.partition} was committed is unknown: {unread}"
                raise errors.CommitUnknownError(message, "deliver it again when the database can be read") from error
            if found != held:
                raise

    def _complaints(self) -> list[str]:
        folder = next(folder for folder in self._path.absolute().parents if folder.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            return [f"{folder} cannot be written, where DuckDB keeps its log: grant this user the right to"]
        if not self._path.exists():
            _package()
            return []
        columns = list(_columns(self._open(), _RECORD))
        if columns and columns != _RECORD_COLUMNS:
            return [f"{self._path}: _recoup_deliveries has the columns {', '.join(columns)}: move that table away"]
        return []


@dataclass(frozen=True, slots=True)
class _Part:
    """The partition as a column and the value that its rows have there."""

    name: str
    value: str

    def typed(self, columns: Mapping[str, str]) -> str:
        return f"CAST($part AS {columns[self.name.lower()]})"

    def kind(self) -> str:
        """The type of the column when it is ours to choose."""
        with suppress(ValueError):
            if date.fromisoformat(self.value).isoformat() == self.value:  # not 20130101, nor a week
                return "DATE"
        return "VARCHAR"


@dataclass(frozen=True, slots=True)
class _Arrived:
    """The delivered rows: what stands after FROM, what it binds, and the columns with their types."""

    sql: str
    bound: Mapping[str, Any]
    columns: Mapping[str, str]

    def beside(self, part: _Part) -> dict[str, str]:
        """The columns without the partition's, which is always written from its name."""
        return {name: kind for name, kind in self.columns.items() if name.lower() != part.name.lower()}

    def check_partition(self, connection: Connection, part: _Part, spec: DuckDB) -> None:
        """Refuse rows that say they are another partition's."""
        for name, kind in self.columns.items():
            if name.lower() == part.name.lower():
                odd = f"{_quoted(name)} IS DISTINCT FROM TRY_CAST($part AS {kind}) OR {_quoted(name)} IS NULL"
                if stray := self._example(connection, name, odd, {"part": part.value}):
                    message = f"{spec.name}: partition {part.value} has a row whose {name} ({kind}) is {stray[0]}"
                    raise RowsRefusedError(message, "let the step keep its own partition's rows, or rename the column")

    def check_keys(self, connection: Connection, part: _Part, spec: DuckDB) -> None:
        """Refuse rows that share a key or lack one."""
        names = [name for name in spec.key if name.lower() != part.name.lower()]
        if missing := {name.lower() for name in names} - {name.lower() for name in self.columns}:
            message = f"{spec.name}: its key names {', '.join(sorted(missing))}, and the rows have no such values"
            raise RowsRefusedError(message, "let the step return that column, or correct the sink's key")
        if not spec.key:
            return
        group = f"GROUP BY {_list(names)}" if names else ""
        null = "".join(f" OR {_quoted(name)} IS NULL" for name in names)
        shown = "".join(f"CAST({_quoted(name)} AS VARCHAR), " for name in names)
        query = f"SELECT {shown}count(*) FROM {self.sql} {group} HAVING count(*) > 1{null} LIMIT 1"
        if twice := _first(connection, query, self.bound):
            key = ", ".join(f"{n}={v}" for n, v in zip([part.name, *names], [part.value, *twice[:-1]], strict=True))
            message = f"{spec.name}: {twice[-1]} rows have the key {key}"
            raise RowsRefusedError(message, "let the step return one row per key, and none without")

    def check_types(self, connection: Connection, part: _Part, spec: DuckDB, columns: Mapping[str, str]) -> None:
        """Refuse a value that the table's column cannot hold, or would hold changed, as an INTEGER does 1.5."""
        for name, kind in self.beside(part).items():
            target, column = columns[name.lower()], _quoted(name)
            changed = f"TRY_CAST(TRY_CAST({column} AS {target}) AS {kind}) IS DISTINCT FROM {column}"
            if kind != target and (lost := self._example(connection, name, changed, {})):
                where = f"{spec.name}: column {name} is {target} in the table and {kind} in the rows"
                message = f"{where}, and {lost[0]} does not fit"
                raise RowsRefusedError(message, "cast it in the step, or widen the table's column")

    def _example(self, connection: Connection, name: str, condition: str, bound: Mapping[str, str]) -> _Row | None:
        query = f"SELECT CAST({_quoted(name)} AS VARCHAR) FROM {self.sql} WHERE {condition} LIMIT 1"
        return _first(connection, query, {**self.bound, **bound})


@dataclass(frozen=True, slots=True)
class _Table:
    """The table as it is: types by lower-case column name, none at all when there is no table.

    `is_made_here`: this connection made it, and has locked the file since; what is not on record is not in it.
    """

    spec: DuckDB
    columns: Mapping[str, str] = field(default_factory=dict)
    has_key: bool = False
    is_made_here: bool = False

    @classmethod
    def found(cls, connection: Connection, spec: DuckDB) -> _Table:
        columns = _columns(connection, cls(spec).sql)
        if spec.mode == "replace" or not columns:
            return cls(spec, columns)
        keys = connection.execute(_KEYS, [name.lower() for name in spec.schema_and_name]).fetchall()
        own = {name.lower() for name in spec.key}
        return cls(spec, columns, has_key=any({name.lower() for name in key} == own for (key,) in keys))

    @property
    def recorded_name(self) -> str:
        return ".".join(self.spec.schema_and_name).lower().removeprefix("main.")

    @property
    def sql(self) -> str:
        return ".".join(_quoted(name) for name in self.spec.schema_and_name)

    def widened(self, connection: Connection, arrived: _Arrived, part: _Part) -> _Table:
        """Make the table, or add the columns that it lacks."""
        wanted = dict(arrived.columns)
        if len(arrived.beside(part)) == len(wanted):
            wanted[part.name] = part.kind()
        lacking = {name: kind for name, kind in wanted.items() if name.lower() not in self.columns}
        columns = {**self.columns, **{name.lower(): kind for name, kind in lacking.items()}}
        if not self.columns:
            self._create(connection, wanted)
            return _Table(self.spec, columns, has_key=self.spec.mode == "upsert", is_made_here=True)
        for name, kind in lacking.items():
            connection.execute(f"ALTER TABLE {self.sql} ADD COLUMN {_quoted(name)} {kind}")
        return replace(self, columns=columns) if lacking else self

    def _create(self, connection: Connection, columns: Mapping[str, str]) -> None:
        """An earlier table of this name may have been dropped: what the record said of it is void."""
        lines = [f"{_quoted(name)} {kind}" for name, kind in columns.items()]
        if self.spec.mode == "upsert":
            lines.append(f"PRIMARY KEY ({_list(self.spec.key)})")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(self.spec.schema_and_name[0])}")
        connection.execute(f"CREATE TABLE {self.sql} ({', '.join(lines)})")
        connection.execute(_VOID_RECORDS, {"table": self.recorded_name})

    def delete(
        self, connection: Connection, part: _Part, unless: str = "", bound: Mapping[str, Any] | None = None
    ) -> None:
        """Delete the partition's rows."""
        if part.name.lower() in self.columns:
            query = f"DELETE FROM {self.sql} AS held WHERE {_quoted(part.name)} = {part.typed(self.columns)}{unless}"
            connection.execute(query, {"part": part.value, **(bound or {})})

    def insert(self, connection: Connection, arrived: _Arrived, part: _Part, conflict: str = "") -> int:
        """Insert all rows that arrived; the columns that they lack are NULL."""
        names = list(arrived.beside(part))
        query = (
            f"INSERT INTO {self.sql} AS held ({_list([*names, part.name])})"
            f" SELECT {', '.join([*map(_quoted, names), part.typed(self.columns)])} FROM {arrived.sql}{conflict}"
        )
        return _count(connection, query, {**arrived.bound, "part": part.value})

    def upsert(self, connection: Connection, arrived: _Arrived, part: _Part) -> int:
        """Delete the partition's keys that did not arrive, update rows that changed, insert new ones."""
        own = [name for name in self.spec.key if name.lower() != part.name.lower()]
        same = "".join(
            f" AND CAST(arrived.{_quoted(name)} AS {self.columns[name.lower()]}) = held.{_quoted(name)}" for name in own
        )
        gone = f" AND NOT EXISTS (SELECT 1 FROM {arrived.sql} AS arrived WHERE true{same})"
        self.delete(connection, part, gone, arrived.bound)
        keys = {name.lower() for name in self.spec.key}
        rest = [name for name in self.columns if name not in keys]
        update = f"UPDATE SET {', '.join(f'{_quoted(name)} = excluded.{_quoted(name)}' for name in rest)}"
        changed = f"({_list(rest, of='held.')}) IS DISTINCT FROM ({_list(rest, of='excluded.')})"
        action = f"{update} WHERE {changed}" if rest else "NOTHING"
        self.insert(connection, arrived, part, f" ON CONFLICT ({_list(self.spec.key)}) DO {action}")
        return _count(connection, f"SELECT count(*) FROM {arrived.sql}", arrived.bound)


class _Stream:
    """A frame as plain Arrow: handed the frame itself, DuckDB would ask for pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


@contextmanager
def _arrived(connection: Connection, delivery: Delivery) -> Iterator[_Arrived]:
    """The rows of the files, read by DuckDB itself where they are local and their names are no patterns to it."""
    if not any("://" in file or re.search(r"[*?\[]", file) for file in delivery.files):
        yield _described(connection, _PARQUET, {"files": list(delivery.files)})
        return
    connection.register(_STREAM, _Stream(_frame(delivery)))
    yield _described(connection, _STREAM, {})
    connection.unregister(_STREAM)


def _described(connection: Connection, sql: str, bound: Mapping[str, Any]) -> _Arrived:
    # A column without a type holds only NULL; the table gets it when it has one.
    return _Arrived(sql, bound, {name: kind for name, kind in _kinds(connection, sql, bound) if kind != '"NULL"'})


def _frame(delivery: Delivery) -> pl.DataFrame:
    import polars as pl

    options = dict(delivery.storage_options)
    scans = [pl.scan_parquet(f, storage_options=options, glob=False, hive_partitioning=False) for f in delivery.files]
    frame = pl.concat(scans, how="diagonal_relaxed").collect()
    return frame.drop(name for name, kind in frame.schema.items() if kind == pl.Null)


def _columns(connection: Connection, table: str) -> dict[str, str]:
    """Types by lower-case name, none when there is no such table; the catalog's own views are 50 times slower."""
    try:
        return {name.lower(): kind for name, kind in _kinds(connection, table, {})}
    except _package().CatalogException:
        return {}


def _kinds(connection: Connection, sql: str, bound: Mapping[str, Any]) -> list[tuple[str, str]]:
    result = connection.execute(f"SELECT * FROM {sql} LIMIT 0", dict(bound))
    kinds = [(name, str(kind)) for name, kind, *_ in result.description or []]
    result.fetchall()
    return kinds


def _first(connection: Connection, query: str, bound: Mapping[str, Any]) -> _Row | None:
    """The only row, if any. Fetched to the end: the connection does nothing else before a result is finished."""
    rows = connection.execute(query, dict(bound)).fetchall()
    return rows[0] if rows else None


def _count(connection: Connection, query: str, bound: Mapping[str, Any]) -> int:
    row = _first(connection, query, bound)
    return int(row[0]) if row else 0


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(names: Iterable[str], of: str = "") -> str:
    return ", ".join(of + _quoted(name) for name in names)


# --- the file and what its errors mean ---------------------------------------------------------------------------


def _package() -> Any:  # noqa: ANN401 - a module
    try:
        import duckdb
    except ModuleNotFoundError as error:
        message = "the package duckdb is not installed"
        raise errors.ConfigError(message, 'pip install "recoup[duckdb]"') from error
    return duckdb


def _connect(path: Path) -> Connection:
    duckdb = _package()
    # Beside a log that lost its database DuckDB itself makes the file anew, and drops the log under its own lock.
    if not path.exists() and not path.with_name(f"{path.name}.wal").exists():
        _create(path)
    elif path.exists() and not _is_duckdb(path):
        message = f"{path} is no DuckDB database"
        raise errors.ConfigError(message, _OTHER_FILE)
    connection: Connection = duckdb.connect(str(path))
    connection.execute(_SETTINGS)
    return connection


def _is_duckdb(path: Path) -> bool:
    """By its first bytes: handed a SQLite file, DuckDB would want to download an extension."""
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def _create(path: Path) -> None:
    """A database appears whole or not at all: nothing could open one that a crash or a full disk left half made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        new = Path(folder, path.name)
        _package().connect(str(new)).close()
        with suppress(FileExistsError):
            os.link(new, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _meaning(error: BaseException, spec: DuckDB) -> errors.RecoupError | None:
    """What an error of DuckDB or of the file system is called here, by its words; None when it has no other name."""
    if isinstance(error, errors.RecoupError):
        return None
    text = str(error).partition("\n")[0]
    for pattern, kind, message, remedy in _MEANINGS:
        if re.search(pattern, text):
            holder = re.search(r"held in (.+?) \(PID (\d+)\)", text)
            by = f" by process {holder[2]} ({holder[1]})" if holder else ""
            return kind(message.format(database=spec.database, name=spec.name, by=by, text=text), remedy)
    return None


_OTHER_FILE = "name another file in the step's sink, or move that one away"
_MEANINGS: tuple[tuple[str, type[errors.RecoupError], str, str], ...] = (
    (
        r"set lock on file|already open|different configuration|onflict on",
        errors.ConflictError,
        "{database} is held open{by}",
        "close it there; the delivery is tried again by itself",
    ),
    (
        r"No space left|File too large|quota exceeded|max_temp_directory_size",
        errors.DiskFullError,
        "there is no room to write {database}",
        "make room on its disk, then run the same command again; the table is as it was",
    ),
    (
        r"not a valid DuckDB|version number|Is a directory",
        errors.ConfigError,
        "{database} cannot be opened: {text}",
        _OTHER_FILE,
    ),
    (
        r"Permission denied|Read-only file system",
        errors.ConfigError,
        "{name} lacks a permission: {text}",
        "grant this user the right to write the database and its folder, and to read the published files",
    ),
    (
        r"No files found|No magic bytes|too small to be a Parquet|know what type|Decompression",
        errors.CorruptError,
        "a file on its way to {name} cannot be read: {text}",
        "run the partition again",
    ),
    (
        r"Corrupt database|Could not read enough bytes|does not match database",
        errors.CorruptError,
        "{database} is damaged: {text}",
        "move it and its log (.wal) away, then deliver again: the published runs have all of it",
    ),
    (
        r"^(Conversion|Constraint) Error",
        RowsRefusedError,
        "{name} does not take the rows: {text}",
        "change the rows in the step, or the table",
    ),
)
