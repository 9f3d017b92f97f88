"""Published or staged files as one lazy frame, old columns and new ones, narrow types and wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import polars as pl

from recoup.lake.data_files import uri_of
from recoup.lake.dtypes import AnyType, merged, schema_of
from recoup.lake.layout import is_outside, place_of
from recoup.model.keys import sides_of
from recoup.model.manifest import DataFile
from recoup.ports import ObjectStore

_PATH = "__recoup_file__"


def scan(
    store: ObjectStore,
    files: Sequence[DataFile | str],
    *,
    key: str | None = None,
    columns: Mapping[str, str] | None = None,
    partition_of: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """Read these files, in this order, when the frame is collected.

    A column that a file lacks is null there; integers and floats widen. `columns` are those of all files together
    (`merged` manifests); without them the footer of every file is read now. With `key`, such as `dt` or
    `dt/tenant`, columns of that name hold the partition as a string, unless the data has them itself; `partition_of`
    tells it by path for files that do not lie below a run.
    """
    paths = [file if isinstance(file, str) else file.path for file in files]
    if len(paths) == 1 and columns is None and key is None:
        return _open(store, paths, None)
    schema = _schema(store, paths, columns)
    added = [name for name in (key.split("/") if key else []) if name not in schema]
    if not paths:
        return pl.LazyFrame(schema={**schema, **dict.fromkeys(added, pl.String)})
    if not added:
        return _open(store, paths, schema)
    members = {path: _members(path, key or "", partition_of or {}) for path in paths}
    if len({tuple(found.items()) for found in members.values()}) == 1:
        return _open(store, paths, schema).with_columns(**_literals(members[paths[0]], added))
    if _in_memory(store):
        groups = groupby(paths, key=lambda path: members[path])
        return pl.concat([_open(store, list(same), schema).with_columns(**_literals(m, added)) for m, same in groups])
    frame = _open(store, paths, schema, include_file_paths=_PATH)
    of_file = {
        name: pl.col(_PATH).replace_strict({uri_of(store, p): members[p][name] for p in paths}, return_dtype=pl.String)
        for name in added
    }
    return frame.with_columns(**of_file).drop(_PATH)


def _schema(store: ObjectStore, paths: Sequence[str], columns: Mapping[str, str] | None) -> dict[str, AnyType]:
    if columns is not None:
        try:
            return schema_of(columns)
        except ValueError:
            # A type that another version of polars wrote: the files know it better than its name does.
            if not paths:
                return dict.fromkeys(columns, pl.Null)
    try:
        return merged(_footer(store, path) for path in paths)
    except TypeError as error:
        # What polars would say once the frame is collected; here it still has the column's name in it.
        raise pl.exceptions.SchemaError(str(error)) from error


def _footer(store: ObjectStore, path: str) -> Mapping[str, AnyType]:
    return pl.scan_parquet(
        _source(store, path), glob=False, hive_partitioning=False, storage_options=_options(store)
    ).collect_schema()


def _open(store: ObjectStore, paths: Sequence[str], schema: Mapping[str, AnyType] | None, **more: Any) -> pl.LazyFrame:  # noqa: ANN401 - polars' own options
    return pl.scan_parquet(
        [_source(store, path) for path in paths],
        schema=schema,
        missing_columns="insert",
        cast_options=pl.ScanCastOptions(
            integer_cast=["upcast", "allow-float"],
            float_cast="upcast",
            datetime_cast="upcast",
            missing_struct_fields="insert",
            categorical_to_string="allow",
        ),
        glob=False,
        hive_partitioning=False,
        storage_options=_options(store),
        **more,
    )


def _source(store: ObjectStore, path: str) -> Any:  # noqa: ANN401 - a path, a URL or the bytes themselves
    if not _in_memory(store) or is_outside(path):
        return uri_of(store, path)
    stored = store.get(path)
    if stored is None:
        raise FileNotFoundError(store.uri(path))
    return stored.data


def _in_memory(store: ObjectStore) -> bool:
    return store.url.startswith("memory://")


def _options(store: ObjectStore) -> Any:  # noqa: ANN401 - polars has a type for it that it does not export
    return store.storage_options() or None


def _members(path: str, key: str, partition_of: Mapping[str, str]) -> dict[str, str]:
    """The members of a file's partition, as its path has them or as we are told, by the names of the key."""
    place = None if path in partition_of else place_of(path)
    partition = place.partition if place and place.key == key else partition_of.get(path, "")
    if not partition:
        raise ValueError(f"{path} does not lie below {key}=…")
    return sides_of(key, partition)


def _literals(members: Mapping[str, str], names: Sequence[str]) -> dict[str, pl.Expr]:
    return {name: pl.lit(members[name], pl.String) for name in names}
