"""A DuckDB file: opened, made, asked, and what its errors mean."""
# ruff: noqa: S608 - names cannot be bound, so `quoted` quotes them; every value is bound

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoup.model import errors
from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.duckdb import DuckDB
from recoup.sinks.duckdb_turns import head_of, in_turn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

Row = tuple[Any, ...]
# One thread: the other cores are the other workers', and a small delivery is faster so.
_SETTINGS = "SET threads = 1; SET TimeZone = 'UTC'; SET autoinstall_known_extensions = false"


def duckdb_package() -> Any:  # noqa: ANN401 - a module
    """The module; ConfigError with the remedy when it is not installed."""
    try:
        import duckdb
    except ModuleNotFoundError as error:
        message = "the package duckdb is not installed"
        raise errors.ConfigError(message, 'pip install "recoup[duckdb]"') from error
    return duckdb


def connect(path: Path, *, wait: bool = True) -> Connection:
    """Open the database, made when it is not there yet; `wait` while another process has it."""
    duckdb = duckdb_package()
    # Beside a log that lost its database DuckDB itself makes the file anew, and drops the log under its own lock.
    if not path.exists() and not path.with_name(f"{path.name}.wal").exists():
        _create(path)
    elif path.exists() and not _is_duckdb(path):
        message = f"{path} is no DuckDB database"
        raise errors.ConfigError(message, _OTHER_FILE)
    connection: Connection = in_turn(path, lambda: duckdb.connect(str(path)), _is_taken, wait=wait)
    connection.execute(_SETTINGS)
    return connection


def _is_duckdb(path: Path) -> bool:
    """By its first bytes: handed a SQLite file, DuckDB would want to download an extension."""
    return head_of(path, 12)[8:] == b"DUCK"


def _is_taken(error: Exception) -> bool:
    return "Could not set lock on file" in str(error)


def _create(path: Path) -> None:
    """A database appears whole or not at all: nothing could open one that a crash or a full disk left half made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        new = Path(folder, path.name)
        duckdb_package().connect(str(new)).close()
        with suppress(FileExistsError):
            os.link(new, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def meaning_of(error: BaseException, spec: DuckDB) -> errors.RecoupError | None:
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


def columns_of(connection: Connection, table: str) -> dict[str, str]:
    """Types by lower-case name, none when there is no such table; the catalog's own views are 50 times slower."""
    try:
        return {name.lower(): kind for name, kind in kinds_of(connection, table, {})}
    except duckdb_package().CatalogException:
        return {}


def kinds_of(connection: Connection, sql: str, bound: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The columns of what stands after FROM, with their types."""
    result = connection.execute(f"SELECT * FROM {sql} LIMIT 0", dict(bound))
    kinds = [(name, str(kind)) for name, kind, *_ in result.description or []]
    result.fetchall()
    return kinds


def first_row(connection: Connection, query: str, bound: Mapping[str, Any]) -> Row | None:
    """The only row, if any. Fetched to the end: the connection does nothing else before a result is finished."""
    rows = connection.execute(query, dict(bound)).fetchall()
    return rows[0] if rows else None


def count_of(connection: Connection, query: str, bound: Mapping[str, Any]) -> int:
    """The number that a query or a statement answers with."""
    row = first_row(connection, query, bound)
    return int(row[0]) if row else 0


def quoted(name: str) -> str:
    """A name as it stands in SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str], of: str = "") -> str:
    """Names as a list in SQL, each with its table's before it."""
    return ", ".join(of + quoted(name) for name in names)
