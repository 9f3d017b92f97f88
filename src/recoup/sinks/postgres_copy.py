"""Rows as `COPY … (FORMAT binary)` reads them, put together by whole columns.

Measured against ADBC and against text, this was the fastest way into a staging table, and it needs no second
connection: one transaction holds all of a delivery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from recoup.sinks.postgres_types import Kind

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Counts = NDArray[np.int64]

CHUNK_ROWS = 20_000
"""The server takes in one chunk while the next one is put together."""
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_LENGTH_BYTES = 4
_ABSENT = -1


def copy_chunks(frame: pl.DataFrame, kinds: Mapping[str, Kind]) -> Iterator[bytes]:
    """The stream that COPY reads: a head, the rows, an end."""
    yield _HEAD
    for start in range(0, len(frame), CHUNK_ROWS):
        yield _rows(frame.slice(start, CHUNK_ROWS), kinds)
    yield _TAIL


def _rows(frame: pl.DataFrame, kinds: Mapping[str, Kind]) -> bytes:
    """Each row: how many fields, then each field's length (or -1 for NULL) and bytes."""
    import numpy as np

    fields = [_field(frame[name], kind) for name, kind in kinds.items()]
    lengths = np.full(len(frame), 2, np.int64)
    for sizes, _ in fields:
        lengths += _LENGTH_BYTES + np.maximum(sizes, 0)
    ends = np.cumsum(lengths)
    out = np.empty(int(ends[-1]), np.uint8)
    place = ends - lengths
    out[place], out[place + 1] = divmod(len(fields), 256)
    place += 2
    for sizes, data in fields:
        out[place[:, None] + np.arange(_LENGTH_BYTES)] = sizes.astype(">i4").view(np.uint8).reshape(-1, _LENGTH_BYTES)
        place += _LENGTH_BYTES
        there = sizes > 0
        _scatter(out, place[there], sizes[there], data)
        place += np.maximum(sizes, 0)
    return out.tobytes()


def _scatter(out: Bytes, places: Counts, sizes: Counts, data: Bytes) -> None:
    """Copy values that lie one behind the other to where each belongs."""
    import numpy as np

    if len(sizes) and sizes[0] * len(sizes) == len(data) and (sizes == sizes[0]).all():
        out[places[:, None] + np.arange(sizes[0])] = data.reshape(-1, sizes[0])
        return
    begins = np.cumsum(sizes) - sizes
    out[np.repeat(places - begins, sizes) + np.arange(len(data))] = data


def _field(series: pl.Series, kind: Kind) -> tuple[Counts, Bytes]:
    """The size of each value, -1 where it is NULL, and the bytes of those that are there."""
    import numpy as np
    import polars as pl

    values = kind.values(series)
    there = values.drop_nulls()
    if kind.dtype:
        width = np.dtype(kind.dtype).itemsize
        data = np.ascontiguousarray(there.to_numpy().astype(kind.dtype)).view(np.uint8)
        sizes = np.full(len(series), width, np.int64)
    else:
        whole = there.str.join("").item().encode() if there.dtype == pl.String else b"".join(there.to_list())
        data = np.frombuffer(whole, np.uint8)
        size = values.str.len_bytes() if values.dtype == pl.String else values.bin.size()
        sizes = size.fill_null(_ABSENT).to_numpy().astype(np.int64)
    if there.len() < len(series):
        sizes[values.is_null().to_numpy()] = _ABSENT
    return sizes, data
