"""A team begins in the middle of its history: what is there is adopted, the rest is made, and nothing is moved."""

import subprocess
import sys

import pytest

pytest.importorskip("duckdb")

SHOP = """
import polars as pl

shop = rc.Pipeline("shop", partitions=rc.Daily("2013-01-01", "2013-07-31"))


@shop.step
def raw(ctx):
    with noted(ctx):
        return pl.DataFrame({"n": [1], "by": ["step"]})


@shop.step(sink=rc.DuckDB("shop.duckdb", table="weekly", key=["dt"]))
def weekly(ctx, before: pl.LazyFrame = rc.lookback(raw, days=7)):
    return before.select(pl.len().alias("days"), (pl.col("by") == "old").sum().alias("old"))
"""
OLD = """
import datetime
import pathlib
import polars as pl

for number in range(DAYS):
    place = pathlib.Path("old", f"dt={datetime.date(2013, 1, 1) + datetime.timedelta(number)}")
    place.mkdir(parents=True)
    pl.DataFrame({"n": [1], "by": ["old"]}).write_parquet(place / "part.parquet")
print(1)
"""
HALF_A_YEAR = 181
ADOPT = ("lake", "adopt", "shop", "raw", "--files", "old/dt={partition}/*.parquet")


@pytest.fixture
def shop(project):
    project.declare("shop", SHOP)
    return project


def test_half_a_year_is_adopted_and_a_run_makes_the_rest(shop):
    import duckdb

    shop.python(OLD.replace("DAYS", str(HALF_A_YEAR)))
    before = shop.tree("old")

    would = shop.recoup(*ADOPT)
    assert would.returncode == 0
    assert "nothing has been changed: raw 2013-01-01…2013-06-30 (181) would be adopted" in would.stdout
    assert would.stderr.strip().endswith("--yes")
    done = shop.recoup(*ADOPT, "--yes")
    assert done.returncode == 0, done.stderr
    ran = shop.recoup("run", "shop")
    assert ran.returncode == 0, ran.stdout + ran.stderr

    assert sorted(call.partition for call in shop.calls()) == [f"2013-07-{day:02}" for day in range(1, 32)]
    with duckdb.connect(str(shop.folder / "shop.duckdb"), read_only=True) as db:
        rows = db.execute("SELECT days, old FROM weekly WHERE dt BETWEEN '2013-06-30' AND '2013-07-09' ORDER BY dt")
        seam = rows.fetchall()
        assert db.execute("SELECT count(*) FROM weekly").fetchone() == (HALF_A_YEAR + 31,)
    assert seam == [(7, max(7 - n, 0)) for n in (0, *range(9))]
    assert shop.tree("old") == before
    assert shop.recoup("status", "shop", "--check").returncode == 0
    assert shop.recoup("ledger", "verify").returncode == 0


@pytest.mark.parametrize("link", [1, 3, 4, 6])
def test_killed_at_a_link_the_same_command_does_the_rest(shop, link):
    """Three manifests, then three pointers, become seen by one link each."""
    shop.python(OLD.replace("DAYS", "3"))
    crash = [sys.executable, "-m", "recoup.testing.crash", "--kinds", "link", "--at", str(link), "-m", "recoup"]
    killed = subprocess.run([*crash, *ADOPT, "--yes"], cwd=shop.folder, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr

    done = shop.answer(*ADOPT, "--yes")

    assert done["count"] + {1: 0, 3: 0, 4: 0, 6: 2}[link] == 3
    shown = shop.answer("publish", "ls", "shop.raw")["publications"]
    assert [(one["partition"], one["reason"]) for one in shown] == [(f"2013-01-0{n}", "adopted") for n in (1, 2, 3)]
    assert shop.python("print(rc.read('raw').collect().height)") == 3
    assert shop.recoup("ledger", "verify").returncode == 0
