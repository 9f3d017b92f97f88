import pytest

from recoup.app.adoption_files import adopt_files
from recoup.app.difference import difference
from recoup.app.rollback import rollback
from recoup.model.errors import PartitionError, UsageError
from tests.unit.app.test_adoption import old_history, pattern

DAY = "2024-01-03"


def test_the_newest_against_the_one_before(twice):
    found = difference(twice.workspace, "days.clean", DAY)
    assert (found.older.generation, found.newer.generation, found.same) == (1, 2, False)
    assert found.older.digest != found.newer.digest
    assert (found.columns.added, found.columns.removed, found.columns.retyped) == ({}, {}, {})
    rows = found.rows  # by the key of its table, but for the partition's own column
    assert (rows.key, rows.added, rows.removed, rows.changed, rows.unchanged) == (("x",), 0, 0, 3, 0)
    assert {row["before"]["turn"] for row in rows.sample} == {1}
    assert {row["after"]["turn"] for row in rows.sample} == {2}


def test_generations_by_number_and_a_step_without_a_key(twice):
    rollback(twice.workspace, "days.raw", [DAY], yes=True)
    back = difference(twice.workspace, "raw", DAY, 1, 3)
    assert (back.same, back.rows.key, back.rows.unchanged) == (True, (), 3)
    assert difference(twice.workspace, "raw", DAY).older.generation == 2
    assert difference(twice.workspace, "raw", DAY, 2).newer.generation == 3


def test_a_generation_that_shows_nothing(project):
    project.run(steps=("raw",))
    rollback(project.workspace, "days.raw", [DAY], yes=True)
    gone = difference(project.workspace, "raw", DAY)
    assert (gone.newer.run_id, gone.rows.removed, gone.rows.added) == (None, 3, 0)
    assert list(gone.columns.removed) == ["x", "turn"]


def test_what_was_adopted_is_compared_where_it_lies(project):
    old_history(project.root / "old", [DAY])
    adopt_files(project.workspace, "days", "raw", pattern(project.root / "old"), yes=True)
    project.tell("feed", {DAY: "v2"})
    project.run("stale", steps=("raw",), partitions=(DAY,))
    found = difference(project.workspace, "raw", DAY)
    assert (found.older.reason, found.rows.added, found.rows.removed) == ("adopted", 3, 2)


@pytest.mark.parametrize(
    ("target", "numbers", "says"),
    [
        ("raw", (), "has no generation before 1"),
        ("raw", (1, 7), "has no generation 7"),
        ("days", (), "is a pipeline"),
        ("note", (1, 1), "makes no table"),
        ("clean@out.clean", (), "is a table"),
        ("nix", (), "nix"),
    ],
)
def test_what_makes_no_sense_is_refused(project, target, numbers, says):
    project.run(end=DAY)
    with pytest.raises(UsageError, match=says):
        difference(project.workspace, target, DAY, *numbers)


def test_a_partition_that_is_none_or_was_never_published(project):
    project.run(end=DAY)
    with pytest.raises(PartitionError):
        difference(project.workspace, "raw", "nix")
    with pytest.raises(UsageError, match="was never published"):
        difference(project.workspace, "raw", "2024-01-05")
