"""What arrives with a delivery: its rows, as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recoup.ports import Delivery

if TYPE_CHECKING:
    import polars as pl


def delivered_frame(delivery: Delivery) -> pl.DataFrame:
    """All rows of the files; a column that holds nothing but NULL and has no type is left out."""
    import polars as pl

    options = dict(delivery.storage_options)
    scans = [pl.scan_parquet(f, storage_options=options, glob=False, hive_partitioning=False) for f in delivery.files]
    frame = pl.concat(scans, how="diagonal_relaxed").collect()
    return frame.drop(name for name, kind in frame.schema.items() if kind == pl.Null)
