"""Exactly what another pipeline's publications touch is asked for."""

import pytest

import recoup as rc
from recoup.app.backfilling import RunOptions, run
from recoup.app.datasets import datasets
from recoup.app.rollback_backfill import published_by
from recoup.app.touched import Touched, touched
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import UsageError
from recoup.plan.request import Request, parse_only

PIPELINES = """
import polars as pl
import recoup as rc

days = rc.Daily("2024-01-01", "2024-02-29")
up = rc.Pipeline("up", partitions=days)
same = rc.Pipeline("same", partitions=days)
before = rc.Pipeline("before", partitions=days)
months = rc.Pipeline("months", partitions=rc.Monthly("2024-01", "2024-02"))
apart = rc.Pipeline("apart", partitions=rc.Static(["acme", "globex"]))


@up.step
def made(ctx):
    return pl.DataFrame({"x": [1]})


@same.step
def one(ctx, made: pl.LazyFrame = made):
    return made


@same.step
def spread(ctx, one: pl.LazyFrame = rc.lookback(one, days=2)):
    return pl.DataFrame({"n": [1]})


@before.step
def back(ctx, made: pl.LazyFrame = rc.lookback(made, days=2)):
    return pl.DataFrame({"n": [1]})


@months.step
def month(ctx, made: pl.LazyFrame = rc.within(made)):
    return pl.DataFrame({"n": [1]})


@apart.step
def other(ctx):
    return pl.DataFrame({"n": [1]})
"""


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "touching.py").write_text(PIPELINES)
    names = ("up", "same", "before", "months", "apart")
    (tmp_path / "recoup.toml").write_text("[pipelines]\n" + "".join(f'{n} = "touching.py:{n}"\n' for n in names))
    return Workspace.here(tmp_path / "recoup.toml")


def make(workspace, name="up", only="missing,failed", **request):
    return run(workspace, Request(name, only=parse_only(only), **request), name, RunOptions(executor="inline"))


def asked(workspace, name):
    """What is to run of what the newest backfill of `up` touches of a pipeline."""
    request = found(workspace, name).request
    return request and (request.partitions or (request.start, request.end))


def found(workspace, name):
    with workspace.ledger_for(name) as ledger:
        prepared, reader = workspace.prepared(ledger, name), LedgerReader(ledger.path, ledger.db)
        (newest, *_) = reader.backfills("WHERE pipeline = 'up'")
        made = {one.node: one for one in datasets(reader, "up").values()}
        return touched(prepared, published_by(reader, newest.backfill_id).ordinals, made)


def test_the_same_dates_as_a_window_where_nothing_else_lies_in_it(workspace):
    make(workspace, start="2024-01-05", end="2024-01-08")
    assert asked(workspace, "same") == ("2024-01-05", "2024-01-08")
    make(workspace, partitions=("2024-01-20", "2024-01-22"))
    assert asked(workspace, "same") == ("2024-01-20", "2024-01-22")
    make(workspace, "same", start="2024-01-01", end="2024-01-31")
    assert asked(workspace, "same") == ("2024-01-20", "2024-01-22")  # spread lacks its days before, and says so


def test_a_later_date_that_was_made_of_it_is_touched_and_one_that_never_was_is_not(workspace):
    make(workspace, start="2024-01-01", end="2024-01-06")
    make(workspace, "before", start="2024-01-01", end="2024-01-04")
    make(workspace, "up", partitions=("2024-01-07",))
    assert asked(workspace, "before") == ("2024-01-07",)


def test_a_month_is_asked_for_when_its_last_day_is_there(workspace):
    make(workspace, start="2024-01-01", end="2024-01-30")
    assert found(workspace, "months") == Touched(None, ("2024-01",))
    make(workspace, partitions=("2024-01-31",))
    assert asked(workspace, "months") == ("2024-01",)
    make(workspace, "months")
    assert found(workspace, "months") == Touched(None)


def test_who_has_no_date_in_common_runs_whole(workspace):
    make(workspace, partitions=("2024-01-31",))
    assert asked(workspace, "apart") == ("acme", "globex")


def test_from_python_the_report_tells_what_followed(workspace):
    root = workspace.settings.root
    with (root / "recoup.toml").open("a") as file:
        file.write('\n[follows]\nsame = "up"\n')
    usual = {"executor": "inline", "config": root / "recoup.toml"}
    with pytest.raises(UsageError, match="downstream does not know 'later'"):
        rc.run("up", partitions=["2024-01-05"], downstream="later", **usual)
    assert rc.run("up", partitions=["2024-01-05"], downstream="none", **usual).fired == ()
    report = rc.run("up", partitions=["2024-01-06"], **usual)
    assert [(one.pipeline, one.state, one.by) for one in report.fired] == [
        ("same", "incomplete", (report.backfill_id,)),  # its lookback lacks a day
    ]
