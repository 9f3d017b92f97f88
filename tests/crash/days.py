"""The pipeline that the crash tests kill: three days, a step without a table, two with one, a DuckDB table behind them.

What it does is set by variables, so that one file serves all tests: `DAYS_END` is the last day, `DAYS_VERSION` what the
rows are multiplied by, `DAYS_BAD` a day on which `clean` fails, `DAYS_FLAKY` one on which `fetch` fails once,
`DAYS_SLOW` and `DAYS_TIMEOUT` seconds that `fetch` and `clean` take and may take, and `DAYS_SINK=` leaves the DuckDB
table out.
"""

import os
import time
from pathlib import Path

import polars as pl

import recoup as rc

VERSION = os.environ.get("DAYS_VERSION", "1")
SLOW_SECONDS = float(os.environ.get("DAYS_SLOW", "0"))
BAD = os.environ.get("DAYS_BAD", "2013-01-03")
TIMEOUT = os.environ.get("DAYS_TIMEOUT")
FLAKY = os.environ.get("DAYS_FLAKY", "")

RETRY = rc.Retry(initial="10ms", max="500ms")

days = rc.Pipeline("days", partitions=rc.Daily("2013-01-01", os.environ.get("DAYS_END", "2013-01-03"), key="dt"))


def note(ctx: rc.Context) -> None:
    """Written by Python's own `open`: a witness beside ledger and lake, which no injector counts."""
    with Path("calls.txt").open("a", encoding="utf-8") as calls:
        calls.write(f"{ctx.step} {ctx.partition}\n")


@days.step(retry=RETRY, timeout=TIMEOUT)
def fetch(ctx: rc.Context) -> None:
    note(ctx)
    time.sleep(SLOW_SECONDS)
    if ctx.partition == FLAKY and not Path("failed.txt").exists():
        Path("failed.txt").touch()
        raise ConnectionResetError("try again")


@days.step(version=VERSION, retry=RETRY, timeout=TIMEOUT)
def clean(ctx: rc.Context, fetch: None) -> pl.DataFrame:
    note(ctx)
    time.sleep(SLOW_SECONDS)
    if ctx.partition == BAD:
        raise LookupError(f"there is no {ctx.partition}")
    day = int(ctx.partition.replace("-", "")) % 100
    return pl.DataFrame({"name": ["a", "b", "c"], "n": [int(VERSION) * day * factor for factor in (1, 2, 3)]})


SINK = rc.DuckDB("out.duckdb", table="totals", key=["dt", "name"]) if os.environ.get("DAYS_SINK", "yes") else None


@days.step(sink=SINK, retry=RETRY)
def totals(ctx: rc.Context, history: pl.LazyFrame = rc.trailing(clean, days=2, complete=0.5)) -> pl.LazyFrame:
    note(ctx)
    return history.group_by("name").agg(pl.sum("n")).sort("name")
