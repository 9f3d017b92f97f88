import pytest

from recoup.app.ledger_care import verify
from recoup.app.publications import ls, show
from recoup.app.rollback import rollback
from recoup.model.errors import UsageError


def test_a_rolled_back_partition_shows_the_earlier_run_exactly(project):
    project.run()
    first, table = ls(project.workspace, "days.clean"), project.table()
    project.tell("turn", 2)
    project.tell("feed", {"2024-01-03": "v2", "2024-01-04": "v2"})
    project.run("missing,failed,stale")
    assert project.table() != table

    report = rollback(project.workspace, "days", ["2024-01-03"], yes=True)

    assert report.undelivered == ()
    now = {s.partition: s for s in ls(project.workspace, "days.clean")}
    before = {s.partition: s for s in first}
    assert now["2024-01-03"].run_id == before["2024-01-03"].run_id
    assert now["2024-01-03"].digest == before["2024-01-03"].digest
    assert now["2024-01-04"].run_id != before["2024-01-04"].run_id
    third = [row for row in project.table() if str(row[-1]) == "2024-01-03"]
    assert third == [row for row in table if str(row[-1]) == "2024-01-03"]
    assert "clean run stale(input)" in project.planned()
    assert show(project.workspace, "days.clean", "2024-01-03").agrees
    assert verify(project.workspace).exit_code == 0
