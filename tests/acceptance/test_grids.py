"""Grids, members that arrive, and inputs from coarser partitions, other pipelines and the newest one there is."""

import duckdb
import pytest

HEAD = "import polars as pl\nfrom pathlib import Path\n"
SHOP = """
tenants = rc.Dynamic(key="tenant")
days = rc.Daily("2023-11-01", "2023-11-07", key="dt")
cells = rc.Grid(days, tenants)
shop = rc.Pipeline("shop", partitions=cells)


@shop.step(partitions=days)
def feed(ctx):
    ctx.add_members(tenants, told("tenants"))
    return pl.DataFrame({"day": [ctx.partition]})


@shop.step(sink=rc.DuckDB("shop.duckdb", table="sales", key=["dt", "tenant", "item"]))
def sales(ctx, feed: pl.DataFrame = rc.enclosing(feed)):
    note(ctx, "began")
    assert feed["day"].item() == ctx.keys["dt"]
    if ctx.partition in told("bad"):
        raise ValueError("no sales")
    return pl.DataFrame({"item": [1, 2], "amount": [1.5, len(ctx.keys["tenant"])]})


@shop.step
def week(ctx, sales: pl.DataFrame = rc.trailing(sales, days=3, complete=0.5)):
    assert set(sales["tenant"]) == {ctx.keys["tenant"]}
    return sales.select(pl.len().alias("rows"))


@shop.step(partitions=days)
def totals(ctx, sales: pl.LazyFrame = rc.within(sales, complete=0.5)):
    return sales.group_by("tenant").agg(pl.col("amount").sum()).sort("tenant")


@shop.step(partitions=tenants)
def history(ctx, week: pl.LazyFrame = rc.within(week, complete=0.5)):
    return week.select(pl.col("rows").sum())
"""


@pytest.fixture
def shop(project):
    project.declare("shop", HEAD + SHOP)
    project.write("tenants", "acme globex")
    return project


def plan(project, *words):
    groups = project.answer("plan", "shop", *words)["groups"]
    return {(group["step"], group["verb"], tuple(map(tuple, group["ranges"]))) for group in groups}


def test_members_arrive_and_are_planned_for_from_then_on(shop):
    first = shop.recoup("run", "shop")
    assert first.returncode == 1, first.stderr
    assert "totals  2023-11-01…2023-11-07 (7)  nothing of sales is there yet" in first.stdout
    assert "2 members arrived (acme, globex): 44 more to run" in first.stdout
    assert first.stdout.endswith("next: recoup run shop\n") or first.stderr.endswith("next: recoup run shop\n")
    assert shop.answer("status", "shop")["complete"] is False  # two tenants have come, and nothing of theirs is there

    second = shop.recoup("run", "shop")
    assert second.returncode == 0, second.stderr
    assert len({call.partition for call in shop.calls()}) == 14

    shop.write("tenants", "acme globex initech")
    assert shop.recoup("publish", "rollback", "shop.feed", "2023-11-07", "--yes").returncode in (0, 2)
    assert shop.recoup("run", "shop", "--step", "feed", "--only", "stale,missing").returncode == 0
    with duckdb.connect(shop.folder / "shop.duckdb") as db:
        assert db.execute("SELECT count(*), count(DISTINCT tenant) FROM sales").fetchone() == (28, 2)


def test_members_by_hand(shop):
    assert shop.answer("members", "add", "shop", "initech", "acme")["members"] == ["initech", "acme"]
    added = shop.recoup("members", "add", "shop", "Acme")
    assert (added.returncode, added.stdout) == (2, "")
    assert "'acme' and 'Acme' differ only in case" in added.stderr
    for odd, why in (("../x", "another folder"), ("*", "all members"), ("2023-11-03", "reads as a time")):
        refused = shop.recoup("members", "add", "shop", odd)
        assert (refused.returncode, why in refused.stderr) == (2, True), refused.stderr
    listed = shop.answer("members", "ls", "shop")["sets"]
    assert listed == [{"key": "tenant", "kind": "dynamic", "arrive": "added", "members": ["initech", "acme"]}]
    assert shop.answer("members", "add", "shop", "acne")["members"] == ["initech", "acme", "acne"]
    assert shop.answer("members", "remove", "shop", "acne")["members"] == ["initech", "acme"]
    run = shop.recoup("run", "shop", "acme", "--include-upstream")
    assert run.returncode == 0, run.stdout + run.stderr
    stays = shop.recoup("members", "remove", "shop", "acme")
    assert (stays.returncode, "'acme' of tenant stays: sales has published partitions" in stays.stderr) == (4, True)
    assert shop.recoup("members", "remove", "shop", "acne").returncode == 2
    assert shop.recoup("ledger", "verify").returncode == 0
    assert {call.partition.partition("/")[2] for call in shop.calls()} == {"acme"}


def test_a_step_cannot_add_a_member_that_reads_as_a_day(shop):
    shop.write("tenants", "acme 2023-11-03")
    told = shop.recoup("run", "shop", "--step", "feed")
    assert told.returncode == 1
    assert "'2023-11-03' cannot be a member of tenant" in told.stdout
    assert shop.answer("members", "ls", "shop")["sets"][0]["members"] == []


def test_by_either_side(shop):
    shop.recoup("run", "shop")
    cell = "2023-11-03/acme"
    steps = {step for step, verb, ranges in plan(shop, cell) if (verb, ranges) == ("run", ((cell, cell),))}
    assert steps == {"sales", "sales@shop.sales"}  # of three days that a week needs, one is not enough
    shop.write("bad", cell)
    bad = shop.recoup("run", "shop", "2023-11-03")
    assert bad.returncode == 1
    assert "2023-11-03 × acme" in bad.stdout
    assert {call.partition for call in shop.calls()} == {"2023-11-03/acme", "2023-11-03/globex"}

    shop.write("bad", "")
    again = shop.recoup("run", "shop", "acme")
    assert again.returncode in (0, 1), again.stderr
    status = shop.answer("status", "shop", "*/acme")
    assert {s["step"]: s["completed"] for s in status["steps"]}["sales"] == 7


def test_a_column_and_a_row_are_read_whole(shop):
    shop.recoup("run", "shop")
    assert shop.recoup("run", "shop").returncode == 0
    import recoup

    config = shop.folder / "recoup.toml"
    totals = recoup.read("totals", "2023-11-03", config=config).collect()
    assert totals["tenant"].to_list() == ["acme", "globex"]
    assert totals["amount"].to_list() == [5.5, 7.5]
    history = recoup.read("history", "acme", config=config).collect()
    assert history["rows"].item() == 2 * (1 + 2 + 3 * 5)
    week = recoup.read("week", "2023-11-03/acme", config=config).collect()
    assert (week["dt"].item(), week["tenant"].item()) == ("2023-11-03", "acme")


def test_what_was_lost_is_rebuilt_with_the_members_that_had_arrived(shop):
    shop.recoup("run", "shop")
    shop.recoup("run", "shop")
    before = shop.answer("status", "shop")
    for file in (shop.folder / ".recoup").glob("ledger.db*"):
        if file.is_file():
            file.unlink()

    assert shop.recoup("ledger", "rebuild").returncode == 0
    after = shop.answer("status", "shop")
    made = [{s["step"]: s["completed"] for s in told["steps"] if s["kind"] == "step"} for told in (before, after)]
    assert made[0] == made[1]
    assert made[0]["sales"] == 14
    assert shop.recoup("ledger", "verify").returncode == 0


OTHERS = """
days = rc.Daily("2024-01-01", "2024-01-05", key="dt")
up = rc.Pipeline("up", partitions=days)
down = rc.Pipeline("down", partitions=days)


@up.step
def base(ctx):
    return pl.DataFrame({"n": told("n." + ctx.partition) or told("n")})


@down.step
def copy(ctx, base=base):
    note(ctx, "began")
    return base


@down.step
def span(ctx, base=rc.trailing(base, days=2, complete=0.5)):
    note(ctx, "began")
    return base.select(pl.len())


@down.step
def last(ctx, base=rc.newest(rc.Dataset("base", days))):
    note(ctx, "began")
    return base
"""


@pytest.fixture
def two(project):
    project.declare("up", HEAD + OTHERS)
    project.write("recoup.toml", '[pipelines]\nup = "up.py:up"\ndown = "up.py:down"\n')
    project.write("n", "1")
    return project


def stale(project):
    steps = project.answer("status", "down")["steps"]
    return {s["step"]: s["stale"]["input"] for s in steps}


def test_another_pipelines_dataset_is_awaited_and_makes_its_readers_stale(two):
    first = two.recoup("run", "down")
    assert first.returncode == 1
    assert "base is not there" in first.stdout
    assert two.recoup("run", "up", "--end", "2024-01-04").returncode == 0
    assert two.recoup("run", "down", "--end", "2024-01-04").returncode == 0
    assert stale(two) == {"copy": 0, "span": 0, "last": 0}

    # A new partition changes no span that was read; what is made again with other rows does.
    assert two.recoup("run", "up").returncode == 0
    assert stale(two) == {"copy": 0, "span": 0, "last": 0}
    two.write("n.2024-01-03", "2")
    two.write("up.py", (two.folder / "up.py").read_text().replace('told("n")', "told('n') or []"))
    assert two.recoup("run", "up", "2024-01-03", "--only", "stale").returncode == 0
    assert stale(two) == {"copy": 1, "span": 2, "last": 0}
    assert two.recoup("ledger", "verify").returncode == 0

    two.write("n.2024-01-04", "3")
    assert two.recoup("run", "up", "2024-01-04", "--only", "stale").returncode == 0
    assert stale(two) == {"copy": 2, "span": 2, "last": 4}  # the newest that all four had read

    two.recoup("run", "down", "--only", "missing,stale")
    assert stale(two) == {"copy": 0, "span": 0, "last": 0}
    for file in (two.folder / ".recoup").glob("ledger.db*"):
        if file.is_file():
            file.unlink()
    assert two.recoup("ledger", "rebuild").returncode == 0
    assert stale(two) == {"copy": 0, "span": 0, "last": 0}
    assert two.recoup("ledger", "verify").returncode == 0


SNAPSHOT = """
days = rc.Daily("2024-01-01", "2024-01-10", key="dt")
roster = rc.Source("roster", days, files="roster/{partition}.csv")
p = rc.Pipeline("p", partitions=days)


@p.step
def uses(ctx, roster=rc.snapshot(roster, max_age="36h")):
    [file] = roster
    return pl.DataFrame({"file": [Path(file).stem]})
"""


@pytest.mark.runbook("D-49", spelling="rc.snapshot(…, max_age=…)")
def test_a_snapshot_is_as_old_as_it_was_at_the_runs_moment(project):
    project.declare("p", HEAD + SNAPSHOT)
    (project.folder / "roster").mkdir()
    for day in ("2024-01-03", "2024-01-06"):
        project.write(f"roster/{day}.csv", "x")

    planned = project.answer("plan", "p", "--as-of-mode", "partition-end")
    assert (planned["actions"], planned["blocked"]) == (4, 6)
    ran = project.answer("run", "p", "--as-of-mode", "partition-end")
    assert ran["counts"]["actions"] == 4
    blocks = {(group["reason"], *group["ranges"][0]) for group in planned["groups"] if group["verb"] == "block"}
    assert {(part["reason"], *part["ranges"][0]) for part in ran["incomplete"]} == blocks
    told = project.recoup("run", "p", "--as-of-mode", "partition-end")
    assert told.returncode == 1
    assert "roster snapshot 2024-01-03 is 48h old, and may be 36h old at most" in told.stdout
    assert "no partition of roster that was over at 2024-01-03T00:00Z is there" in told.stdout
    import recoup

    frame = recoup.read("uses", config=project.folder / "recoup.toml").collect()
    # The moment of a day is its end: the snapshot of that day itself is just over.
    assert dict(zip(frame["dt"], frame["file"], strict=True)) == {
        "2024-01-03": "2024-01-03",
        "2024-01-04": "2024-01-03",
        "2024-01-06": "2024-01-06",
        "2024-01-07": "2024-01-06",
    }

    now = project.recoup("run", "p", "2024-01-05")
    assert now.returncode == 1
    assert " days old, and may be 36h old at most" in now.stdout
