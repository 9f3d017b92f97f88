"""The gate looks at the data: what is published and is not there all the same is named."""

from __future__ import annotations

import json
import subprocess
import sys

import duckdb
import pytest

from recoup.app.gaps import GapKind
from recoup.app.gate import gate
from recoup.app.waiving import Gaps, waive
from recoup.model.errors import ExitCode

DAY = "2024-01-03"


@pytest.fixture
def made(project):
    report = project.run()
    assert report.gate.is_complete
    assert len(report.gate.expected) == 8
    return project


def found(project, **window):
    """What is not there, step by step."""
    passed = gate(project.workspace, "days", **window)
    gaps = [(gap.node.name, gap.kind, gap.node.partitions.ranges_text(gap.partitions)) for gap in passed.gaps]
    missing = [passed.partitions.name(ordinal) for ordinal in passed.missing]
    assert passed.is_complete == (not gaps)
    assert passed.exit_code == (ExitCode.INCOMPLETE if gaps else ExitCode.DONE)
    return gaps, missing


def data(project, dataset="raw"):
    (path,) = project.root.glob(f"lake/{dataset}/dt={DAY}/*/*.parquet")
    return path


def delete_rows(project, where):
    with duckdb.connect(str(project.database)) as db:
        db.execute(f"DELETE FROM clean WHERE {where}")


def test_all_is_there(made):
    assert found(made) == ([], [])


BREAKS = {
    "gone": lambda project: data(project).unlink(),
    "torn": lambda project: data(project).write_bytes(data(project).read_bytes()[:-20]),
    "another": lambda project: data(project).write_bytes(data(project, "week").read_bytes()),
    "no pointer": lambda project: (project.root / f"lake/raw/dt={DAY}/current.json").unlink(),
    "no sound pointer": lambda project: (project.root / f"lake/raw/dt={DAY}/current.json").write_text("{}"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_file_that_is_gone_or_is_none_is_named(made, how):
    BREAKS[how](made)
    assert found(made) == ([("raw", GapKind.UNREADABLE, [DAY])], [DAY])
    assert found(made, start="2024-01-04", end="2024-01-08") == ([], [])
    assert found(made, steps=["clean"]) == ([], [])


def test_rows_that_somebody_deleted_from_a_table_are_missed(made):
    delete_rows(made, f"dt IN ('{DAY}', '2024-01-06') OR (dt = '2024-01-08' AND x = 2)")
    table = "clean@out.clean"
    assert found(made) == (
        [
            (table, GapKind.NO_ROWS, [DAY, "2024-01-06"]),
            (table, GapKind.FEWER_ROWS, ["2024-01-08"]),
        ],
        [DAY, "2024-01-06", "2024-01-08"],
    )
    assert found(made, partitions=["2024-01-05"]) == ([], [])


def test_a_run_that_has_nothing_to_do_does_not_call_that_done(made):
    """The ledger takes all of it for published."""
    delete_rows(made, f"dt = '{DAY}'")
    report = made.run()
    assert (report.state, report.exit_code, report.backfill_id) == ("incomplete", ExitCode.INCOMPLETE, None)
    assert [gap.kind for gap in report.gate.gaps] == [GapKind.NO_ROWS]
    data(made).unlink()
    assert [gap.kind for gap in made.run().gate.gaps] == [GapKind.UNREADABLE, GapKind.NO_ROWS]
    assert made.run(start="2024-01-04").gate.is_complete


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def test_a_database_that_somebody_has_open_is_no_damage_and_no_proof(made):
    words = [sys.executable, "-c", HOLD, str(made.database)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"open\n"
        report = made.run()
        holder.stdin.close()
    assert (report.state, report.gate.verdict, report.gate.unopened) == ("nothing", "complete", 8)


def test_a_database_that_is_gone_holds_nothing_and_one_that_is_none_tells_nothing(made):
    made.database.unlink()
    gaps, missing = found(made)
    assert gaps == [("clean@out.clean", GapKind.NO_ROWS, ["2024-01-01…2024-01-08 (8)"])]
    assert len(missing) == 8
    made.database.write_text("no database at all")
    assert [kind for _, kind, _ in found(made)[0]] == [GapKind.UNKNOWN]


def test_what_was_never_made_is_missing_and_what_was_waived_is_not(project):
    project.tell("bad", [DAY])
    report = project.run()
    assert report.state == "incomplete"
    assert {gap.kind for gap in report.gate.gaps} == {GapKind.NOT_PUBLISHED}
    gaps, missing = found(project)
    assert gaps == [(step, GapKind.NOT_PUBLISHED, [DAY]) for step in ("raw", "note", "clean")]
    assert missing == [DAY]
    waive(project.workspace, "days", Gaps((DAY,)), "no games were played")
    passed = gate(project.workspace, "days")
    assert passed.is_complete
    assert [passed.partitions.name(ordinal) for ordinal in passed.waived] == [DAY]
    assert len(passed.expected) == 8


EMPTY = """
import polars as pl
import recoup as rc
rows = rc.Pipeline("rows", partitions=rc.Daily("2024-01-01", "2024-01-03"))

@rows.step(may_be_empty={may})
def quiet(ctx):
    return pl.DataFrame({{"x": [1] * (ctx.partition != "2024-01-02")}}, schema={{"x": pl.Int64}})
"""


@pytest.mark.parametrize("may", [False, True])
def test_an_expected_date_without_a_row_is_not_passed_over_in_silence(project, may):
    (project.root / f"rows_{may}.py").write_text(EMPTY.format(may=may))
    (project.root / "recoup.toml").write_text(f'[pipelines]\nrows = "rows_{may}.py:rows"\n')
    from recoup.app.backfilling import RunOptions, run
    from recoup.plan.request import Request

    for _ in range(2):
        report = run(project.workspace, Request("rows"), "rows", RunOptions(executor="inline"))
        assert report.exit_code == (ExitCode.DONE if may else ExitCode.INCOMPLETE)
        assert report.gate is not None
        told = [(gap.kind, gap.node.partitions.ranges_text(gap.partitions)) for gap in report.gate.gaps]
        assert told == ([] if may else [(GapKind.EMPTY, ["2024-01-02"])])
    passed = gate(project.workspace, "rows")
    assert passed.is_complete == may


def test_the_verdict_stands_in_the_summary(made):
    (path,) = made.root.glob("lake/manifests/backfills/*/summary.json")
    body = json.loads(path.read_text())
    assert (body["verdict"], body["gate"]["verdict"], body["gate"]["missing_dates"]) == ("complete", "complete", 0)
