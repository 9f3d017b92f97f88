"""What all declared sinks share: their modes, and what is refused of any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from recoup.model.errors import PipelineError, RecoupError
from recoup.model.failure import FailureKind

Mode = Literal["replace", "upsert"]


class RowsRefusedError(RecoupError):
    """Rows that a table cannot take as they are; another try would fail the same way, and the table is as it was."""

    kind = FailureKind.CONTRACT


def checked_key(table: str, key: str | Sequence[str], *, case_counts: bool) -> tuple[str, ...]:
    """The columns of a sink's key, each named once."""
    columns = (key,) if isinstance(key, str) else tuple(key)
    distinct = {column if case_counts else column.lower() for column in columns}
    if len(distinct) < len(columns) or not all(column and "\0" not in column for column in columns):
        message = f"sink: the key of {table} is {columns!r}"
        raise PipelineError(message, "name each column of the key once")
    return columns


def checked_mode(table: str, mode: Mode, key: tuple[str, ...]) -> Mode:
    """A mode that there is, and that has the key which it needs."""
    if mode not in get_args(Mode):
        message = f"sink: {table} has the mode {mode!r}"
        raise PipelineError(message, f"write one of {', '.join(get_args(Mode))}")
    if mode == "upsert" and not key:
        message = f"sink: upserting into {table} needs a key"
        raise PipelineError(message, "name the columns that tell its rows apart, the partition's first: key=[…]")
    return mode


def refuse_key_without(key_names: str, key: tuple[str, ...], name: str, *, case_counts: bool) -> None:
    """Refuse a key without the partition's: two partitions could then claim the same row."""
    own = set(key) if case_counts else {column.lower() for column in key}
    lacking = [name for name in key_names.split("/") if (name if case_counts else name.lower()) not in own]
    if key and lacking:
        partition = ", ".join(map(repr, lacking))
        message = f"sink {name}: its key ({', '.join(key)}) does not contain the partition's, {partition}"
        raise PipelineError(message, f"write key={[*lacking, *key]!r}")
