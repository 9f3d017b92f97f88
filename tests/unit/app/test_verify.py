"""After a recovery: five lines, each on the data as it is now, and unknown where nobody can tell."""

from __future__ import annotations

import duckdb
import pytest

from recoup.app.gaps import GapKind
from recoup.app.runs import runs
from recoup.app.verified import Outcome
from recoup.app.verifying import verify, verify_backfill
from recoup.app.waiving import Gaps, waive
from recoup.cli.text import View
from recoup.cli.verify_text import verified_json, verified_lines
from recoup.model.errors import ExitCode, UsageError

DAY = "2024-01-03"
PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
SOUND = {"checks": UNKNOWN, "counts": PASS, "freshness": UNKNOWN, "failures": PASS, "reads": PASS}


@pytest.fixture
def made(project):
    project.run()
    return project


def outcomes(found):
    assert found.exit_code == (ExitCode.DONE if found.is_sound else ExitCode.INCOMPLETE)
    return {line.name: line.outcome for line in found.lines}


def line(found, name):
    return next(line for line in found.lines if line.name == name)


def looked(project, **asked):
    return verify(project.workspace, "days", **asked)


def path(project, pattern):
    (found,) = project.root.glob(f"lake/{pattern}")
    return found


def test_all_is_as_it_should_be(made):
    found = looked(made)
    assert outcomes(found) == SOUND
    assert line(found, "checks").evidence == "no checks are declared"
    assert found.is_sound
    assert not found.is_idle
    one = looked(made, partitions=(DAY,), steps=("raw",))
    assert (line(one, "counts").evidence, line(one, "reads").evidence) == ("1 row count", "1 partition or table")


def test_a_file_that_was_changed_by_hand_is_found_by_its_bytes(made):
    """Its footer and its rows are as they were."""
    file = path(made, f"raw/dt={DAY}/run=*/*.parquet")
    body = bytearray(file.read_bytes())
    body[8] ^= 1
    file.write_bytes(bytes(body))
    found = looked(made)
    assert outcomes(found) == {**SOUND, "reads": FAIL}
    assert found.gate.is_complete
    (sentence,) = line(found, "reads").found
    assert sentence.startswith(f"raw {DAY}: ")
    assert sentence.endswith("has other bytes than were published")
    assert outcomes(looked(made, start="2024-01-04")) == SOUND


def test_a_manifest_that_is_gone_or_a_row_too_many_is_counted(made):
    path(made, f"manifests/note/dt={DAY}/run=*/manifest.json").unlink()
    with duckdb.connect(str(made.database)) as db:
        db.execute(f"INSERT INTO clean (dt, x) VALUES ('{DAY}', 77)")
    found = looked(made)
    assert outcomes(found) == {**SOUND, "counts": FAIL}
    gone, more = line(found, "counts").found
    assert gone.startswith(f"note {DAY}: the manifest of run ")
    assert more == f"out.clean {DAY}: 4 rows instead of 3"


def test_a_table_that_cannot_be_read_fails(made):
    made.database.write_text("no database at all")
    found = looked(made)
    assert outcomes(found)["reads"] == FAIL
    assert [gap.kind for gap in found.gate.gaps] == [GapKind.UNKNOWN]


def test_where_all_is_waived_nothing_was_looked_at_and_that_is_not_called_verified(project):
    waive(project.workspace, "days", Gaps((DAY,)), "a test")
    none = looked(project, partitions=(DAY,))
    assert (none.is_sound, none.is_idle) == (True, True)
    *_, verdict = verified_lines(none, "days", View())
    assert verdict == "days: nothing to verify: all that is expected is waived · 4 unknown"
    assert verified_json(none, "days")["verified"] is False


def test_checks_are_evaluated_anew_where_there_are_some(made):
    """The socket for those that a step declares."""

    def nothing(_step):
        return None

    def some(step):
        return (3, [f"{step.node.name}: a mean of NaN"] if step.node.name == "week" else [])

    assert outcomes(looked(made, checkers=[nothing])) == SOUND
    found = looked(made, checkers=[nothing, some])
    assert line(found, "checks").outcome is FAIL
    assert line(found, "checks").found == ("week: a mean of NaN",)
    assert outcomes(looked(made, checkers=[some], steps=["raw"]))["checks"] is PASS


def test_a_failure_since_the_recovery_began_unless_it_was_made_good(project):
    assert line(looked(project), "failures").outcome is UNKNOWN
    project.tell("bad", [DAY])
    project.run()
    found = looked(project)
    assert line(found, "failures").outcome is FAIL
    assert line(found, "failures").found == (f"raw {DAY}: ValueError: a bad day",)
    assert not found.is_sound
    assert line(looked(project, start="2024-01-04"), "failures").outcome is PASS
    project.tell("bad", [])
    project.run()  # the newest backfill: what failed before it began is no failure of the recovery
    assert line(looked(project), "failures").evidence.startswith("none since backfill days-")
    told = line(looked(project, since="1h"), "failures")
    assert (told.outcome, told.evidence) == (PASS, "none within 1h; 1 failed attempts were tried again")
    assert len(runs(project.workspace, "days", failed=True)) == 1


def test_freshness_is_held_against_what_was_promised(made, monkeypatch):
    pipeline, _ = made.workspace.pipeline("days")
    monkeypatch.setattr(pipeline, "fresh_within_seconds", 3600.0)
    found = looked(made)
    assert line(found, "freshness").outcome is FAIL
    assert "2024-01-08" in line(found, "freshness").evidence
    monkeypatch.setattr(pipeline, "fresh_within_seconds", 100 * 365 * 86_400.0)
    assert line(looked(made), "freshness").outcome is PASS


def test_a_backfill_is_verified_for_what_it_was_asked(project):
    first = project.run(start="2024-01-01", end="2024-01-04")
    project.tell("bad", ["2024-01-06"])
    second = project.run(start="2024-01-05", end="2024-01-06", exclude=("2024-01-05",))
    name, found = verify_backfill(project.workspace, first.backfill_id)
    assert (name, found.is_sound, len(found.gate.expected)) == ("days", True, 4)
    _, found = verify_backfill(project.workspace, second.backfill_id)
    assert [found.gate.partitions.name(day) for day in found.gate.expected] == ["2024-01-06"]
    assert line(found, "failures").outcome is FAIL
    path(project, f"manifests/week/dt={DAY}/run=*/manifest.json").unlink()
    _, found = verify_backfill(project.workspace, first.backfill_id)
    assert outcomes(found)["counts"] is FAIL
    with pytest.raises(UsageError):
        verify_backfill(project.workspace, "nix")
