"""What a step returned becomes Parquet below its own run: create-only, hashed on the way, seen by nobody yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO, cast

import polars as pl

from recoup.lake import layout
from recoup.lake.dtypes import AnyType, merged, text_of
from recoup.lake.files import FileStore, NewFile
from recoup.model.errors import StepReturnError
from recoup.model.manifest import DataFile
from recoup.ports import ObjectStore

# Fixed: left to polars it follows the frame's chunks, and equal data would not give equal bytes.
ROW_GROUP_ROWS = 122_880
_ACCEPTED = (
    "return a polars DataFrame or LazyFrame, anything else that speaks the Arrow C stream interface (pandas, "
    "pyarrow, DuckDB), or a list or generator of these"
)
_SMALL_BYTES = 32 << 20
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True, slots=True)
class StagedTable:
    """The files of one attempt in order, their columns as polars names the types, and all their rows."""

    files: tuple[DataFile, ...]
    columns: Mapping[str, str]
    rows: int


def stage(
    store: ObjectStore,
    table: object,
    *,
    dataset: str,
    key: str,
    partition: str,
    run_id: str,
    attempt: int,
    nonce: str,
    sync: bool,
) -> StagedTable:
    """Write what a step returned; StepReturnError when it is no table.

    Lazy frames and Arrow streams go to the disk as they come, never whole into memory; the tables of a list or
    generator go one after the other, a file each. Equal data gives equal bytes, with the same version of polars.
    With `sync` the files and their folders are durable when it returns.
    """
    place = _file_store(store)
    files: list[DataFile] = []
    schemas: list[Mapping[str, AnyType]] = []
    for n, frame in enumerate(_tables(table)):
        path = layout.data_file(dataset, key, partition, run_id, attempt, nonce, n)
        file, schema = _write(place, path, frame, sync=sync)
        files.append(file)
        schemas.append(schema)
    try:
        columns = merged(schemas)
    except TypeError as error:
        raise StepReturnError(f"the step's tables do not fit together: {error}", "give the column one type") from error
    return StagedTable(tuple(files), text_of(columns), sum(file.rows for file in files))


def _write(
    store: FileStore, path: str, frame: pl.DataFrame | pl.LazyFrame, *, sync: bool
) -> tuple[DataFile, Mapping[str, AnyType]]:
    schema: Mapping[str, AnyType] = frame.collect_schema()
    _refuse_objects(schema)
    with store.create(path, sync=sync) as file:
        if isinstance(frame, pl.DataFrame):
            rows = frame.height
            _sink_frame(frame, file)
        else:
            _sink(frame, file)
            rows, schema = _footer(file)
    return DataFile(path, rows, file.size_bytes, file.digest), schema


def _sink_frame(frame: pl.DataFrame, file: NewFile) -> None:
    """A small frame takes the way through memory: calling back into Python costs more than its bytes."""
    if frame.estimated_size() > _SMALL_BYTES:
        _sink(frame.lazy(), file)
        return
    buffer = BytesIO()
    _sink(frame.lazy(), buffer)
    file.write(buffer.getbuffer())


def _sink(frame: pl.LazyFrame, target: NewFile | BytesIO) -> None:
    """One writer for all kinds of tables: the same bytes, whether a step collected or not."""
    frame.sink_parquet(
        cast(IO[bytes], target),  # of all that, it asks for `write` and `flush`
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        maintain_order=True,
    )


def _footer(file: NewFile) -> tuple[int, Mapping[str, AnyType]]:
    """Rows and columns of what was just streamed to the disk."""
    written = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    rows: int = written.select(pl.len()).collect(engine="in-memory").item()
    return rows, written.collect_schema()


def _tables(returned: object) -> Iterator[pl.DataFrame | pl.LazyFrame]:
    frame = _frame(returned)
    if frame is not None:
        yield frame
        return
    if not isinstance(returned, Iterable) or isinstance(returned, (str, bytes, Mapping)):
        raise StepReturnError(f"the step returned {_kind(returned)}, which is no table", _ACCEPTED)
    for n, item in enumerate(returned):
        frame = _frame(item)
        if frame is None:
            raise StepReturnError(f"item {n} of what the step returned is {_kind(item)}, which is no table", _ACCEPTED)
        yield frame


def _frame(table: object) -> pl.DataFrame | pl.LazyFrame | None:
    """The table as polars sees it; None when it is none."""
    if isinstance(table, (pl.DataFrame, pl.LazyFrame)):
        return table
    if not hasattr(table, "__arrow_c_stream__"):
        return None
    try:
        lazy = pl.scan_arrow_c_stream(table)
    except ValueError as error:
        remedy = "name its column: `.to_frame(name)` makes it a table"
        raise StepReturnError(f"the step returned {_kind(table)}, one column without a table", remedy) from error
    # pandas sends an index that is no range along as a column that nobody named.
    nameless = [name for name in lazy.collect_schema() if _PANDAS_INDEX.fullmatch(name)]
    return lazy.drop(nameless) if nameless else lazy


def _refuse_objects(schema: Mapping[str, AnyType]) -> None:
    objects = [name for name, dtype in schema.items() if dtype == pl.Object]
    if objects:
        remedy = "make it a column of numbers, strings, times, lists or structs"
        raise StepReturnError(f"column {objects[0]!r} holds Python objects, which Parquet cannot", remedy)


def _file_store(store: ObjectStore) -> FileStore:
    if not hasattr(store, "create"):
        raise TypeError(f"{type(store).__name__} cannot take files: it has no `create`")
    return cast(FileStore, store)


def _kind(thing: object) -> str:
    kind = type(thing)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeiouAEIO' else 'a'} {name}"
