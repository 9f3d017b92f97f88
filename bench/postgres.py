"""The PostgreSQL sink against bare ADBC: 300,000 rows × 8 columns upserted, the same rows again, a redelivery.

    .venv/bin/pip install adbc-driver-postgresql
    .venv/bin/python bench/postgres.py postgresql://root@127.0.0.1/postgres

Bare is what one would write by hand: ADBC into a temporary table, then INSERT … ON CONFLICT … WHERE … IS DISTINCT FROM.
Each round does both, one after the other, in a schema of its own, and swaps who goes first.
"""
# ruff: noqa: S608 - names of this file, in its own throw-away schema

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import adbc_driver_postgresql.dbapi
import polars as pl
import psycopg

from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery
from recoup.sinks.postgres import PostgresSink

ROWS, ROUNDS, DAY = 300_000, 5, date(2024, 1, 5)
KEY = ["game_date", "player_id"]
SCHEMA = "recoup_bench"


def frame() -> pl.DataFrame:
    ids = pl.int_range(ROWS, eager=True)
    return pl.DataFrame(
        {
            "game_date": pl.repeat(DAY, ROWS, eager=True),
            "player_id": ids,
            "name": "player " + ids.cast(pl.String) + " ü",
            "points": pl.select(pl.when(ids % 10 != 0).then(ids * 7919 % 61)).to_series(),
            "share": (ids * 7919 % 10_007) / 10_007,
            "seen_at": ids * timedelta(milliseconds=61) + datetime(2024, 1, 5, tzinfo=UTC),
            "is_late": ids % 3 == 0,
            "team": "t" + (ids % 30).cast(pl.String),
        }
    )


@dataclass
class Bench:
    """One database, one file, and both ways into a table."""

    url: str
    file: str
    rows: pl.DataFrame
    tokens: int = 0

    def __post_init__(self) -> None:
        self.sink = PostgresSink(Postgres("bench", table=f"{SCHEMA}.ours", key=KEY, mode="upsert").to_json(), self.url)

    def clean(self) -> None:
        self.sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
        self.sink.close()

    def sql(self, text: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(text)

    def ours(self, digest: str) -> None:
        self.tokens += 1
        files = (self.file,)
        self.sink.deliver(Delivery("d", "game_date", str(DAY), f"run-{digest}", self.tokens, digest, files))

    def redelivered(self) -> None:
        run = f"run-{self.tokens}"
        self.sink.deliver(Delivery("d", "game_date", str(DAY), run, self.tokens, str(self.tokens), (self.file,)))

    def bare(self) -> None:
        columns = ", ".join(self.rows.columns)
        rest = [name for name in self.rows.columns if name not in KEY]
        with adbc_driver_postgresql.dbapi.connect(self.url) as connection, connection.cursor() as cursor:
            rows = pl.read_parquet(self.file).to_arrow()
            cursor.adbc_ingest("stage", rows, mode="create", temporary=True)
            cursor.execute(
                f"INSERT INTO {SCHEMA}.bare AS held ({columns}) SELECT {columns} FROM stage"
                f" ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in rest)}"
                f" WHERE ({', '.join(f'held.{n}' for n in rest)})"
                f" IS DISTINCT FROM ({', '.join(f'excluded.{n}' for n in rest)})"
            )
            connection.commit()

    def make_bare_table(self) -> None:
        self.sql(
            f"CREATE TABLE {SCHEMA}.bare (game_date date, player_id bigint, name text, points bigint,"
            " share double precision, seen_at timestamptz, is_late boolean, team text,"
            " PRIMARY KEY (game_date, player_id))"
        )


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def round_of(bench: Bench, *, ours_first: bool) -> dict[str, float]:
    bench.clean()
    bench.make_bare_table()
    found: dict[str, float] = {}
    for what in ("first", "again"):
        ways = {"bare": bench.bare, "ours": lambda: bench.ours(str(bench.tokens + 1))}
        for way in ("ours", "bare") if ours_first else ("bare", "ours"):
            bench.sql("CHECKPOINT")
            found[f"{way} {what}"] = seconds(ways[way])
    found["ours redelivered"] = seconds(bench.redelivered)
    found["ours same bytes"] = seconds(lambda: bench.ours(str(bench.tokens)))
    return found


def main(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "rows.parquet"))
        rows = frame()
        rows.write_parquet(file)
        bench = Bench(url, file, rows)
        rounds = [round_of(bench, ours_first=bool(number % 2)) for number in range(ROUNDS)]
        bench.sink.close()
        bench.sql(f"DROP SCHEMA {SCHEMA} CASCADE")
    for name in rounds[0]:
        figures = [one[name] for one in rounds]
        print(f"{name:18} median {statistics.median(figures) * 1000:8.1f} ms   {[round(f * 1000, 1) for f in figures]}")
    speed = [one["bare first"] / one["ours first"] for one in rounds]
    quicker = [one["ours first"] / one["ours again"] for one in rounds]
    again = [one["bare again"] / one["ours again"] for one in rounds]
    print(f"speed, all new, × bare:     {statistics.median(speed):.2f}   {[round(s, 2) for s in speed]}")
    print(f"speed, all equal, × bare:   {statistics.median(again):.2f}   {[round(s, 2) for s in again]}")
    print(f"again is quicker by:        {statistics.median(quicker):.2f}   {[round(s, 2) for s in quicker]}")


if __name__ == "__main__":
    main(sys.argv[1])
