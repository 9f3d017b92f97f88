import shutil

import pytest

from recoup.app.ledger_care import verify
from recoup.app.publications import ls, show
from recoup.app.rebuild import rebuild
from recoup.app.rollback import rollback
from recoup.model.errors import RefusedError


def lose_ledger(project):
    shutil.rmtree(project.workspace.settings.state)


def of_steps(plan):
    """Without the tables: what they hold is not known from the lake, so they are asked again."""
    return {what: ranges for what, ranges in plan.items() if "@" not in what.split()[0]}


@pytest.fixture
def mixed(project):
    """Published, failed, blocked, stale by code and by input, failed while published, rolled back."""
    project.tell("bad", ["2024-01-04"])
    project.run()
    project.tell("feed", {"2024-01-02": "v2", "2024-01-06": "v2"})
    project.tell("turn", 2)
    project.tell("bad", ["2024-01-04", "2024-01-06"])
    project.run("stale", partitions=("2024-01-02", "2024-01-06"))
    rollback(project.workspace, "days.clean", ["2024-01-02"], yes=True)
    project.tell("feed", {"2024-01-02": "v2", "2024-01-06": "v2", "2024-01-08": "v2"})
    project.planned()
    return project


@pytest.mark.runbook("D-i1")
def test_a_rebuilt_ledger_plans_the_same(mixed):
    before, shown = mixed.planned(), ls(mixed.workspace, "days")
    assert {"raw run failed(unknown)", "raw run stale(input)", "week run stale(input)"} <= before.keys()
    lose_ledger(mixed)

    rebuilt = rebuild(mixed.workspace)

    assert rebuilt.trouble == ()
    assert rebuilt.strangers == ()
    assert of_steps(mixed.planned()) == of_steps(before)
    again = ls(mixed.workspace, "days")
    assert [(s.dataset, s.partition, s.run_id, s.digest, s.rows) for s in again] == [
        (s.dataset, s.partition, s.run_id, s.digest, s.rows) for s in shown if "@" not in s.dataset
    ]
    assert verify(mixed.workspace).exit_code == 0
