import sqlite3
from contextlib import closing

import pytest

import recoup as rc
from recoup.app import adoption_table
from recoup.app.adoption_table import adopt_table
from recoup.app.ledger_care import verify
from recoup.app.publications import ls, show
from recoup.model.errors import ConfigError, ExitCode, UsageError
from recoup.sources.table import SqlTable

pytest.importorskip("sqlalchemy")

FIRST = [f"2024-01-{day:02}" for day in range(1, 5)]


@pytest.fixture
def warehouse(project):
    """Four days of rows, and some that belong nowhere."""
    place = project.root / "warehouse.db"
    with closing(sqlite3.connect(place)) as db, db:
        db.execute("CREATE TABLE box (dt DATE, x INTEGER, turn INTEGER)")
        rows: list[tuple[str | None, int, int]] = [
            (day, n, 0) for number, day in enumerate(FIRST) for n in range(number + 1)
        ]
        rows += [("2024-02-01", 1, 0), ("never", 1, 0), (None, 1, 0)]
        db.executemany("INSERT INTO box VALUES (?, ?, ?)", rows)
    toml = project.root / "recoup.toml"
    toml.write_text(toml.read_text() + f'\n[connections]\nwarehouse = "sqlite:///{place}"\n')
    return project


def test_rows_become_files_of_ours_and_a_run_makes_the_rest(warehouse):
    would = adopt_table(warehouse.workspace, "days", "raw", "warehouse:box", "dt")
    assert (would.done, would.count, would.rows, ls(warehouse.workspace, "days")) == (False, 4, 10, [])

    done = adopt_table(warehouse.workspace, "days", "raw", "warehouse:box", "dt", yes=True)

    assert (done.count, done.rows, done.unexpected) == (4, 10, ("2024-02-01",))
    assert sorted(done.strangers) == ["NULL (1 row)", "never (1 row)"]
    config = warehouse.root / "recoup.toml"
    assert rc.read("raw", FIRST[2], config=config).collect()["x"].to_list() == [0, 1, 2]
    assert show(warehouse.workspace, "raw", FIRST[2]).generations[0].reason == "adopted"
    assert warehouse.planned()["raw run missing"] == ["2024-01-05…2024-01-08 (4)"]
    assert warehouse.run().state == "done"
    assert warehouse.planned() == {}
    assert verify(warehouse.workspace).exit_code is ExitCode.DONE
    again = adopt_table(warehouse.workspace, "days", "raw", "warehouse:box", "dt", yes=True)
    assert (again.count, again.published) == (0, ("2024-01-01…2024-01-04 (4)",))


def test_stopped_half_way_the_same_command_does_the_rest(warehouse, monkeypatch):
    monkeypatch.setattr(adoption_table, "AT_ONCE", 1)
    real, asked = SqlTable.between, []

    def stops(self, first, last):
        asked.append(first)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(self, first, last)

    monkeypatch.setattr(SqlTable, "between", stops)
    with pytest.raises(KeyboardInterrupt):
        adopt_table(warehouse.workspace, "days", "raw", "warehouse:box", "dt", yes=True)
    done = adopt_table(warehouse.workspace, "days", "raw", "warehouse:box", "dt", yes=True)
    assert (done.published, done.partitions) == (("2024-01-01…2024-01-02 (2)",), ("2024-01-03…2024-01-04 (2)",))
    assert verify(warehouse.workspace).exit_code is ExitCode.DONE


@pytest.mark.parametrize(
    ("table", "column", "error", "says"),
    [
        ("box", "dt", UsageError, "does not name a connection and a table"),
        ("warehouse:", "dt", UsageError, "does not name a connection and a table"),
        ("nix:box", "dt", ConfigError, "no connection 'nix'"),
        ("warehouse:nix", "dt", ConfigError, "nix"),
        ("warehouse:box", "nix", ConfigError, "nix"),
    ],
)
def test_what_makes_no_sense_is_refused(warehouse, table, column, error, says):
    with pytest.raises(error, match=says):
        adopt_table(warehouse.workspace, "days", "raw", table, column, yes=True)
    assert not (warehouse.root / "lake" / "raw").exists()


def test_an_empty_table_is_refused(warehouse):
    with closing(sqlite3.connect(warehouse.root / "warehouse.db")) as db, db:
        db.execute("DELETE FROM box")
    with pytest.raises(UsageError, match="has no rows"):
        adopt_table(warehouse.workspace, "days", "raw", "warehouse:box", "dt", yes=True)
