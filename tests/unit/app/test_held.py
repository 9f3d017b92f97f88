"""What a table's database says for itself counts, in a plan and in the answer whether all is complete."""

import duckdb
import pytest

from recoup.app.status import status


def test_a_table_whose_database_is_gone_is_not_complete(project):
    project.run()
    assert status(project.workspace, "days").insight.complete
    project.database.unlink()
    found = status(project.workspace, "days").insight
    assert not found.complete
    assert list(project.planned().values()) == [["2024-01-01…2024-01-08 (8)"]], "the plan says so too"
    project.run()
    assert status(project.workspace, "days").insight.complete


@pytest.mark.parametrize("statement", ["DROP TABLE clean", "DROP TABLE clean; DROP TABLE _recoup_deliveries"])
def test_a_table_that_somebody_has_dropped_is_delivered_again(project, statement):
    project.run()
    before = project.table()
    with duckdb.connect(str(project.database)) as db:
        db.execute(statement)
    assert status(project.workspace, "days").insight.complete, "the ledger alone knows nothing of it"
    assert not status(project.workspace, "days", ask=True).insight.complete
    assert list(project.planned().values()) == [["2024-01-01…2024-01-08 (8)"]]
    project.run()
    assert project.table() == before
    assert status(project.workspace, "days", ask=True).insight.complete


def test_a_database_that_nobody_can_open_is_believed_to_hold_what_it_held(project):
    project.run()
    project.database.write_bytes(b"no database" * 100)
    assert status(project.workspace, "days", ask=True).insight.complete
