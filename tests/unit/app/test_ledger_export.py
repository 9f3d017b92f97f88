from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest

from recoup.app import ledger_export
from recoup.app.ledger_export import MARK, export
from recoup.app.waiving import Gaps, waive
from recoup.app.watermarks import set_
from recoup.model.errors import UnreachableError, UsageError

BAD = "2024-01-04"


@pytest.fixture
def made(project):
    """A day that failed, and what it blocked; one gap was accepted."""
    project.tell("bad", [BAD])
    project.run()
    waive(project.workspace, "days", Gaps((BAD,), steps=("raw",)), "lost")
    set_(project.workspace, "job", "2025-10-01T00:00:00.000001")
    return project


@pytest.mark.parametrize("at_once", [3, 20_000])
def test_every_row_arrives(made, monkeypatch, at_once):
    monkeypatch.setattr(ledger_export, "ROWS_AT_ONCE", at_once)
    folder = made.root / "history"

    done = export(made.workspace, folder)

    with made.reader() as reader:
        for table in ("nodes", "attempts", "backfills", "blocks", "waivers", "watermarks", "events", "run_history"):
            count = reader.query(f"SELECT count(*) FROM {table}")[0][0]
            assert (done.tables[table], pl.read_parquet(folder / f"{table}.parquet").height) == (count, count)
        tokens = [row[0] for row in reader.query("SELECT token FROM publications ORDER BY token")]
    assert pl.read_parquet(folder / "publications.parquet")["token"].to_list() == tokens
    assert done.tables["blocks"] > 0
    assert done.tables["waivers"] == 1
    (mark,) = pl.read_parquet(folder / "watermarks.parquet").to_dicts()
    assert (mark["name"], mark["value"]) == ("job", datetime(2025, 10, 1, 0, 0, 0, 1, UTC))


def test_people_find_names_and_times(made):
    export(made.workspace, made.root / "history")
    shown = pl.scan_parquet(made.root / "history" / "publications.parquet")
    raw = shown.filter(pl.col("dataset") == "raw", pl.col("state") == "current").sort("partition").collect()
    assert raw["partition"].to_list() == [f"2024-01-{day:02}" for day in range(1, 9) if f"2024-01-{day:02}" != BAD]
    assert raw["published_at"].dtype == pl.Datetime("us", "UTC")
    assert max(raw["published_at"].to_list()) <= datetime.now(UTC)
    with duckdb.connect() as db:
        failed = db.execute(
            "SELECT step, partition, success, failure_kind FROM read_parquet(?) WHERE NOT success",
            [str(made.root / "history" / "run_history.parquet")],
        ).fetchall()
    assert failed == [("raw", BAD, False, "unknown")]
    assert pl.read_parquet(made.root / "history" / "waivers.parquet")["reason"].to_list() == ["lost"]


def test_an_earlier_export_is_replaced_and_nothing_else(made):
    folder = made.root / "history"
    before = export(made.workspace, folder).tables
    made.tell("feed", {"2024-01-01": "v2"})
    made.run("stale")
    after = export(made.workspace, folder).tables
    assert after["attempts"] > before["attempts"]
    assert [path.name for path in made.root.iterdir() if path.name.startswith(".history")] == []

    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"'notes\.txt' in it is not"):
        export(made.workspace, folder)
    (folder / MARK).unlink()
    with pytest.raises(UsageError, match="which is no export"):
        export(made.workspace, folder)
    with pytest.raises(UsageError, match="is no folder"):
        export(made.workspace, folder / "notes.txt")
    assert (folder / "notes.txt").read_text() == "mine"


def test_without_a_ledger(project):
    with pytest.raises(UnreachableError, match="there is no ledger"):
        export(project.workspace, project.root / "history")
    assert not (project.root / "history").exists()
