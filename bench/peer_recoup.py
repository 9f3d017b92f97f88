"""recoup as a peer of the harness: N daily partitions, three dependent steps, two workers.

BENCH_MODE picks what is measured:

steps    the very same functions as everybody, called as steps; manifests in a local lake (the default)
ledger   the same with a lake in memory: ledger and dispatch alone
table    each of the three steps returns a table of one row: staged, synced, published
native   the work itself, but the lake writes the Parquet and a DuckDB sink does the upsert
"""

import os
import sys
from pathlib import Path

import steps as work

import recoup as rc

MODE = os.environ.get("BENCH_MODE") or "steps"
N = int(os.environ.get("BENCH_N", "1"))
KEYS = work.days()
DAYS = rc.Daily(KEYS[0], KEYS[-1])

pipeline = rc.Pipeline("bench", partitions=DAYS)


def plain_steps() -> None:
    @pipeline.step
    def extract(ctx: rc.Context) -> None:
        work.extract(ctx.partition)

    @pipeline.step
    def transform(ctx: rc.Context, extract: None) -> None:
        work.transform(ctx.partition)

    @pipeline.step
    def load(ctx: rc.Context, transform: None) -> None:
        work.load(ctx.partition)


def table_steps() -> None:
    import polars as pl

    @pipeline.step
    def extract(ctx: rc.Context) -> pl.DataFrame:
        work.note("extract", ctx.partition)
        return pl.DataFrame({"n": [1]})

    @pipeline.step
    def transform(ctx: rc.Context, extract: pl.LazyFrame) -> pl.DataFrame:
        work.note("transform", ctx.partition)
        return pl.DataFrame({"n": [2]})

    @pipeline.step
    def load(ctx: rc.Context, transform: pl.LazyFrame) -> pl.DataFrame:
        work.note("load", ctx.partition)
        return pl.DataFrame({"n": [3]})


def native_steps() -> None:
    import datetime as dt

    import polars as pl

    @pipeline.step
    def extract(ctx: rc.Context) -> pl.DataFrame:
        i = pl.int_range(0, 20_000, eager=True)
        seed = dt.date.fromisoformat(ctx.partition).toordinal()
        work.note("extract", ctx.partition)
        return pl.DataFrame(
            {
                "id": i,
                "k": i % 2_000,
                "a": (i * 7919 + seed) % 1_000,
                "b": (i * 104_729 + seed) % 997 / 7.0,
                "c": (i * 31 + seed) % 365,
                "name": "n" + (i % 50).cast(pl.String),
            }
        )

    @pipeline.step(sink=rc.DuckDB("target.duckdb", table="t", key=["dt", "k"]))
    def transform(ctx: rc.Context, extract: pl.LazyFrame) -> pl.LazyFrame:
        work.note("transform", ctx.partition)
        work.note("load", ctx.partition)  # the sink's delivery stands for it
        rows = extract.filter(pl.col("a") >= 10)
        return rows.group_by("k").agg(pl.len().alias("n"), pl.sum("a"), pl.mean("b"), pl.max("c")).sort("k")


{"table": table_steps, "native": native_steps}.get(MODE, plain_steps)()


def main(verb: str) -> int:
    from recoup.app.backfilling import RunOptions, plan, run
    from recoup.app.settings import load_settings
    from recoup.app.workspace import Workspace
    from recoup.plan.request import Request

    if verb == "init":
        lake = "memory://bench" if MODE == "ledger" else "lake"
        Path("recoup.toml").write_text(f'lake = "{lake}"\n', encoding="utf-8")
        return 0
    workspace = Workspace(load_settings())
    place = f"{Path(__file__).absolute()}:pipeline"
    if verb == "plan":
        print(plan(workspace, Request("bench"), place).plan.actions, "actions")
        return 0
    report = run(workspace, Request("bench"), place, RunOptions(max_parallel=2))
    print("@@done", report.state, report.counts.total)
    return int(report.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
