"""One bad date among good ones: left out, told as open, and completed once it was exported again."""

import polars as pl
import pytest

SALES = """
import polars as pl

days = rc.Daily("2025-01-01", "2025-01-08", key="dt")
exported = rc.Source("exported", days, files="export/{partition}.parquet")
sales = rc.Pipeline("sales", partitions=days)


@sales.step(retry=rc.Retry(max_attempts=1))
def orders(ctx, files: list = exported):
    note(ctx, "began")
    return pl.read_parquet(files)


@sales.step
def totals(ctx, orders: pl.LazyFrame):
    return orders.select(pl.col("amount").sum())
"""
BAD = "2025-01-05"


def export(project, day, *, truncated=False):
    path = project.folder / "export" / f"{day}.parquet"
    path.parent.mkdir(exist_ok=True)
    pl.DataFrame({"amount": list(range(1000))}).write_parquet(path)
    if truncated:
        path.write_bytes(path.read_bytes()[:-100])


def open_parts(project):
    """State, ranges and reason of what is not complete, of the first step."""
    answer = project.answer("status", "sales", "--step", "orders")
    return [(part["state"], part["ranges"], part.get("reason") or part.get("kind")) for part in answer["incomplete"]]


@pytest.fixture
def sales(project):
    project.declare("sales", SALES, 'executor = "inline"')
    for number in range(1, 9):
        export(project, f"2025-01-0{number}", truncated=number == 5)
    return project


@pytest.mark.runbook("A-16")
def test_a_corrupt_date_is_left_out_told_as_open_and_retried_after_its_export(sales):
    assert sales.recoup("run", "sales", BAD).returncode == 1  # it is known to be corrupt
    result = sales.recoup("run", "sales", "--exclude", BAD)
    assert result.returncode == 0
    assert "14 of 14 published" in result.stdout
    assert open_parts(sales) == [("failed", [[BAD, BAD]], "corrupt")]
    shown = sales.recoup("status", "sales")
    assert "failed(corrupt)" in shown.stdout
    assert BAD in shown.stdout
    assert "7 of 8 days" in shown.stdout
    assert sales.recoup("status", "--check").returncode == 3

    refused = sales.recoup("retry", "sales", BAD)  # nothing has changed: it would fail again
    assert refused.returncode == 4
    export(sales, BAD)
    assert sales.recoup("retry", "sales", BAD).returncode == 0
    assert sales.answer("status", "sales")["complete"]


@pytest.mark.runbook("A-33", spelling="recoup run sales --end 2025-01-04; recoup run sales --start 2025-01-06")
def test_windows_before_and_after_complete_all_others_and_a_later_one_the_date_itself(sales):
    assert sales.recoup("run", "sales", "--end", "2025-01-04").returncode == 0
    assert sales.recoup("run", "sales", "--start", "2025-01-06").returncode == 0
    assert BAD not in [call.partition for call in sales.calls()]
    assert open_parts(sales) == [("missing", [[BAD, BAD]], None)]
    export(sales, BAD)
    assert sales.recoup("run", "sales", BAD).returncode == 0
    assert sales.answer("status", "sales")["complete"]
    assert len(sales.calls()) == 8


def test_what_was_never_tried_says_which_backfill_left_it_out(sales):
    answer = sales.answer("run", "sales", "--exclude", BAD, "--stage", "2", "--stage", "all")
    assert (answer["state"], len(answer["stages"])) == ("done", 2)
    reason = f"left out of {answer['backfill_id']} by --exclude"
    assert open_parts(sales) == [("missing", [[BAD, BAD]], reason)]
    assert reason in sales.recoup("status", "sales").stdout
    export(sales, BAD)
    assert sales.recoup("run", "sales").returncode == 0
    assert open_parts(sales) == []
