"""What recover decides of grids, months, tables, waivers, and of rows and files that are gone; all in one process."""

from contextlib import contextmanager
from datetime import timedelta

import duckdb
import pytest

from recoup.app.backfilling import RunOptions, run
from recoup.app.recover import begin
from recoup.app.recovering import recoveries
from recoup.app.rollback import rollback
from recoup.app.waiving import Gaps, waive
from recoup.app.workspace import Workspace
from recoup.cli.recover_text import Typed
from recoup.plan.request import Request
from recoup.recovery.recover import Verb
from recoup.testing.clock import FakeClock

PIPELINES = """
from pathlib import Path

import polars as pl
import recoup as rc

ROOT = Path(__file__).parent
days = rc.Daily("2024-01-01", "2024-02-29", key="dt")
tenants = rc.Static(["acme", "globex"], key="tenant")


def trouble(ctx):
    file = ROOT / "trouble"
    if file.exists() and f"{ctx.step}:{ctx.partition}" in file.read_text().split():
        raise ConnectionRefusedError("nobody answers")


usage = rc.Pipeline("usage", partitions=rc.Grid(days, tenants), retry=rc.Retry(1))


@usage.step
def calls(ctx): trouble(ctx)


@usage.step
def bills(ctx, calls): trouble(ctx)


@usage.step(partitions=days)
def totals(ctx, calls=rc.within(calls)): trouble(ctx)


shop = rc.Pipeline("shop", partitions=days, retry=rc.Retry(1))


@shop.step(sink=rc.DuckDB("shop.duckdb", table="sales", key=["dt"]))
def sales(ctx):
    trouble(ctx)
    return pl.DataFrame({"n": [int(ctx.partition[-2:])]})


@shop.step(partitions=rc.Monthly("2024-01", "2024-02", key="month"))
def months(ctx, sales: pl.LazyFrame = rc.within(sales)):
    return sales.select(pl.col("n").sum())


class QuotaError(Exception):
    def __init__(self, message):
        super().__init__(message)
        self.retry_after = 3600


api = rc.Pipeline("api", partitions=days, retry=rc.Retry(1))


@api.step(pool="vendor")
def pages(ctx):
    if (ROOT / "trouble").exists():
        raise QuotaError("Exceeded quota: daily query bytes")
"""


@pytest.fixture
def project(tmp_path):
    name = f"recover_{tmp_path.name}"  # code that was loaded once stays loaded
    (tmp_path / f"{name}.py").write_text(PIPELINES)
    places = "\n".join(f'{one} = "{name}.py:{one}"' for one in ("usage", "shop", "api"))
    (tmp_path / "recoup.toml").write_text(f'executor = "inline"\npools.vendor = 1\n[pipelines]\n{places}\n')
    return Workspace.here(tmp_path / "recoup.toml")


@contextmanager
def trouble(project, *words):
    file = project.settings.root / "trouble"
    file.write_text(" ".join(words))
    yield
    file.unlink()


def ran(project, name, **asked):
    return run(project, Request(name, **asked), name, RunOptions())


def decided(project, *words, **more):
    """What would be done, and what is left to a person."""
    (one,) = recoveries(project, words, **more).recoveries
    nodes = one.graph.nodes
    done = [
        (a.verb.value, nodes[a.node].name, *nodes[a.node].partitions.ranges_text(a.partitions)) for a in one.actions
    ]
    return done, [need.message for need in one.needs]


def sold(verb, *dates):
    """Sales that are made, and what is delivered of them."""
    return [(verb, "sales", *dates), ("deliver", "sales@shop.sales", *dates)]


def carried_out(project, *words, **more):
    (one,) = recoveries(project, words, **more).recoveries
    begin(project, one, "a test")
    return run(project, one.request, one.name, RunOptions())


def test_of_a_grid_a_day_or_a_member_and_a_day_for_all_members_when_it_can_be(project):
    with trouble(project, "calls:2024-01-05/acme", "calls:2024-01-06/globex"):
        ran(project, "usage", start="2024-01-01", end="2024-01-10")
    both = "2024-01-05 × acme", "2024-01-06 × globex"
    assert decided(project, "usage") == (
        [("retry", "calls", *both), ("make", "bills", *both), ("make", "totals", "2024-01-05…2024-01-06 (2)")],
        [],
    )
    assert decided(project, "usage", "acme")[0] == [
        ("retry", "calls", "2024-01-05 × acme"),
        ("make", "bills", "2024-01-05 × acme"),
        ("make", "totals", "2024-01-05"),
    ]
    report = carried_out(project, "usage", "2024-01-06")
    assert (report.state, report.counts.succeeded) == ("done", 3)
    assert decided(project, "usage", "globex") == ([], [])


def test_a_month_is_made_when_its_last_day_is(project):
    with trouble(project, "sales:2024-01-09", "sales:2024-01-20", "sales:2024-02-03"):
        ran(project, "shop")
    january = ("make", "months", "2024-01")
    assert decided(project, "shop", start="2024-01-01", end="2024-01-15")[0] == sold("retry", "2024-01-09")
    assert january in decided(project, "shop", start="2024-01-09", end="2024-01-20")[0]
    assert decided(project, "shop", "2024-02")[0] == [*sold("retry", "2024-02-03"), ("make", "months", "2024-02")]
    # Asked for by name, a month brings what it lacks.
    assert decided(project, "shop", "2024-01-09", steps=["months"])[0] == [
        *sold("retry", "2024-01-09", "2024-01-20"), january,
    ]  # fmt: skip
    assert carried_out(project, "shop").state == "done"


def test_a_gap_lies_amid_what_was_tried_and_what_was_waived_is_none(project):
    ran(project, "shop", start="2024-01-10", end="2024-01-12", steps=("sales",))
    ran(project, "shop", start="2024-01-15", end="2024-01-15", steps=("sales",))
    assert decided(project, "shop", steps=["sales"])[0] == sold("fill", "2024-01-13…2024-01-14 (2)")
    waive(project, "shop", Gaps(partitions=("2024-01-13",)), "nobody was open")
    assert decided(project, "shop", steps=["sales"])[0] == sold("fill", "2024-01-14")
    whole = decided(project, "shop", start="2024-01-08", end="2024-01-14", steps=["sales"])[0]
    assert whole == sold("fill", "2024-01-08…2024-01-09 (2)", "2024-01-14")


def test_what_a_person_has_rolled_back_is_hers_to_bring_back_unless_it_is_named(project):
    ran(project, "shop", start="2024-01-01", end="2024-01-04", steps=("sales",))
    rollback(project, "shop.sales", ["2024-01-02"], yes=True, reason="prices were wrong")
    why = f"it was rolled back by {project.who}: prices were wrong"
    for window in ({}, {"start": "2024-01-01", "end": "2024-01-04"}):
        assert decided(project, "shop", steps=["sales"], **window) == ([], [why])
    found = recoveries(project, ["shop"], steps=["sales"])
    (need,) = found.recoveries[0].needs
    given = Typed(["shop"], [], [], str)
    assert given.once_mended(found.recoveries[0], need) == "recoup run shop 2024-01-02"

    (one,) = recoveries(project, ["shop", "2024-01-02"], steps=["sales"]).recoveries
    assert [(action.verb, action.reason) for action in one.actions][:1] == [(Verb.FILL, why)]
    assert carried_out(project, "shop", "2024-01-02", steps=["sales"]).state == "done"
    assert decided(project, "shop", steps=["sales"]) == ([], [])


def test_rows_and_files_that_are_gone_come_back_in_a_window(project):
    ran(project, "shop", start="2024-01-01", end="2024-01-04", steps=("sales",))
    root = project.settings.root
    with duckdb.connect(str(root / "shop.duckdb")) as db:
        db.execute("DELETE FROM sales WHERE dt = '2024-01-02'")
    (file,) = root.glob("lake/sales/dt=2024-01-03/run=*/*.parquet")
    file.write_bytes(file.read_bytes()[:-8])
    window = {"start": "2024-01-01", "end": "2024-01-04", "steps": ["sales"]}
    assert decided(project, "shop", steps=["sales"]) == ([], [])
    assert decided(project, "shop", **window)[0] == [
        ("rerun", "sales", "2024-01-03"),
        ("deliver", "sales@shop.sales", "2024-01-02"),
        ("deliver", "sales@shop.sales", "2024-01-03"),
    ]  # fmt: skip
    assert carried_out(project, "shop", **window).state == "done"
    assert decided(project, "shop", **window) == ([], [])
    with duckdb.connect(str(root / "shop.duckdb")) as db:
        assert db.sql("SELECT n FROM sales ORDER BY dt").fetchall() == [(1,), (2,), (3,), (4,)]


def test_a_quota_is_waited_for_until_the_moment_that_was_said(project):
    now = project.clock.now()
    with trouble(project):
        assert ran(project, "api", partitions=("2024-01-02",)).counts.failed == 1
    (one,) = recoveries(project, ["api"]).recoveries
    assert [action.verb for action in one.actions] == [Verb.WAIT, Verb.RETRY]
    assert one.actions[0].until == pytest.approx(now.timestamp() + 3600, abs=60)
    begin(project, one, "")
    with project.reader() as reader:
        assert reader.query("SELECT pool, until FROM pauses") == [("pool vendor", one.actions[0].until)]
    project.clock = FakeClock(now + timedelta(seconds=3700))
    assert decided(project, "api")[0] == [("retry", "pages", "2024-01-02")]
    assert carried_out(project, "api").state == "done"
