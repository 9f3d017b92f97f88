"""What a table's database says for itself counts, in a plan and in the answer whether all is complete."""

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
