"""The verb init: a small project that runs at once, with data of its own making."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from recoup.app.configuration.file import FILE
from recoup.model.errors import ConfigError, UsageError

_TOML: Final = """\
# recoup's settings; paths are relative to this file. `recoup doctor` shows all of them, and where each comes from.
# The ledger, which remembers what happened, lies in .recoup/; the data lies in lake/.

[pipelines]
sample = "pipeline.py:sample"

# [pools]
# api = 2        # steps with pool="api" run two at a time
# faa = {slots = 4, rate = "10/s", delay = "0s"}        # and so many of them start in a second
"""

_PIPELINE: Final = '''\
"""A shop's orders, a month of them: made, cleaned, summed up by day, and compared with the week before.

    recoup plan sample       what would run, and why
    recoup run sample        do it; run it again, and nothing is done twice
    recoup status sample     is it complete?

Then break something. Let `clean_orders` raise an error for one day, change another step, and look at `recoup plan
sample --only missing,failed,stale` before you run it again.
"""

import random
{imports}
import polars as pl
import recoup as rc

sample = rc.Pipeline("sample", partitions=rc.Daily("2024-01-01", "2024-01-31", key="dt"))


@sample.step(retry=rc.Retry(max_attempts=3, initial="1s", max="10s"))
def raw_orders(ctx: rc.Context) -> pl.DataFrame:
    """What an interface would give; the day alone decides, so that a rerun gives the same."""
    chance = random.Random(ctx.partition)
    orders = range(chance.randint(80, 120))
    return pl.DataFrame(
        {{
            "dt": [ctx.partition for _ in orders],
            "order_id": [f"{{ctx.partition}}-{{number:04}}" for number in orders],
            "shop": [chance.choice(["Berlin", "Lisbon", "Oslo"]) for _ in orders],
            "amount": [round(chance.uniform(-5, 200), 2) for _ in orders],
        }}
    )


@sample.step
def clean_orders(ctx: rc.Context, raw_orders: pl.LazyFrame) -> pl.LazyFrame:
    """An argument named like a step is that step's output for the same day. A refund is no order."""
    return raw_orders.filter(pl.col("amount") > 0)


@sample.step{sink}
def shop_days(ctx: rc.Context, clean_orders: pl.LazyFrame) -> pl.LazyFrame:
    """Sales of each shop."""
    sales = pl.col("amount").sum().round(2)
    return clean_orders.group_by("dt", "shop").agg(pl.len().alias("orders"), sales).sort("shop")


@sample.step
def trend(
    ctx: rc.Context,
    today: pl.LazyFrame = shop_days,
    week: pl.LazyFrame = rc.lookback(shop_days, days=7, complete=0.8),
) -> pl.LazyFrame:
    """Today beside the mean of the seven days before, of which at least 80 % must be there."""
    usual = week.group_by("shop").agg(pl.col("amount").mean().round(2).alias("usual"))
    return today.join(usual, on="shop", how="left")
'''

_SINK: Final = '(sink=rc.DuckDB(Path(__file__).with_name("sample.duckdb"), table="shop_days", key=["dt", "shop"]))'
_IGNORE: Final = """\
.recoup/
lake/
*.duckdb
__pycache__/
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was written, and whether it delivers to a DuckDB table."""

    folder: Path
    files: tuple[Path, ...]
    duckdb: bool


def init(folder: Path) -> Sample:
    """Write the sample into a folder, made when it is not there; a file that is there is never overwritten."""
    duckdb = find_spec("duckdb") is not None
    pipeline = _PIPELINE.format(imports="from pathlib import Path\n" if duckdb else "", sink=_SINK if duckdb else "")
    texts = {FILE: _TOML, "pipeline.py": pipeline, ".gitignore": _IGNORE}
    there = [name for name in texts if (folder / name).exists()]
    if there:
        message = f"{folder} already has {' and '.join(there)}"
        raise UsageError(message, "name an empty or a new folder: `recoup init sample`")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", "name another folder") from error
    return Sample(folder, tuple(folder / name for name in texts), duckdb)
