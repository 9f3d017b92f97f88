"""A published file that is no longer what was published: who reads it fails as `corrupt`, and is told the way out."""

from __future__ import annotations

import re

import pytest

from recoup.app.publications import ls
from recoup.app.rollback import rollback
from recoup.model.failure import FailureKind

DAY = "2024-01-03"


def tear(project, dataset, how):
    (file,) = project.root.glob(f"lake/{dataset}/dt={DAY}/*/*.parquet")
    how(file)
    return file


TEARS = {
    "torn": (lambda file: file.write_bytes(b"PAR1 torn"), "has 9 bytes instead of"),
    "gone": (lambda file: file.unlink(), "is gone"),
    "flipped": (lambda file: file.write_bytes(b"\0" * file.stat().st_size), "has other bytes than were published"),
}


def failures(project):
    return {
        (row["step"], row["partition"]): (row["failure_kind"], row["error_message"])
        for row in project.reader().run_history("WHERE failure_kind IS NOT NULL")
    }


@pytest.mark.parametrize("tearing", TEARS)
def test_readers_and_tables_say_which_file_and_what_to_type(project, tearing):
    how, words = TEARS[tearing]
    project.run(steps=("raw",))
    raw = tear(project, "raw", how)
    project.run()
    kind, message = failures(project)["clean", DAY]
    assert kind == FailureKind.CORRUPT
    assert message.startswith(f"CorruptError: raw {DAY} is corrupt: {raw} {words}")
    (told,) = project.reader().query(
        "SELECT failure FROM attempts JOIN nodes USING (node) WHERE name = 'clean' AND failure IS NOT NULL"
    )
    assert f"recoup publish rollback raw {DAY} --to none --yes" in told[0]

    rollback(project.workspace, "days.raw", [DAY], to="none", yes=True)
    report = project.run()
    assert report.state == "done"
    assert [shown.partition for shown in ls(project.workspace, "clean")].count(DAY) == 1


def test_a_table_is_not_filled_from_a_torn_file(project):
    project.run(partitions=(DAY,))
    project.database.unlink()
    tear(project, "clean", TEARS["torn"][0])
    project.run(partitions=(DAY,))
    ((kind, message),) = [told for (step, _), told in failures(project).items() if step.startswith("clean@")]
    assert kind == FailureKind.CORRUPT
    assert re.search(f"clean {DAY} is corrupt: .*parquet has 9 bytes", message)


def test_a_bug_of_the_step_is_told_as_one(project):
    """Its inputs are not even looked at."""
    project.tell("bad", [DAY])
    project.run()
    assert failures(project)["raw", DAY][0] == FailureKind.UNKNOWN
