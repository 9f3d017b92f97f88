import shutil
from contextlib import closing

import pytest

from recoup.app.adoption_files import adopt_files
from recoup.app.ledger_care import verify
from recoup.app.rebuild import rebuild
from recoup.app.rollback import rollback
from recoup.app.status import status
from recoup.app.waiving import Gaps, take_back, waive
from recoup.lake.layout import waivers as place_of_waivers
from recoup.ledger.facts import Claim
from recoup.ledger.leases import ControllerLease
from recoup.ledger.writer import Ledger
from recoup.model.errors import ExitCode, PartitionError, PipelineError, RefusedError, UsageError
from tests.unit.app.test_adoption import old_history, pattern

BAD = "2024-01-04"
WHY = "the scanner was broken that day"


@pytest.fixture
def gap(project):
    """One day cannot be made: `raw` fails, what reads it is blocked."""
    project.tell("bad", [BAD])
    project.run()
    return project


def standing(project, state):
    """Which partitions of which steps stand so."""
    steps = status(project.workspace, "days").insight.steps
    return {
        step.node.name: step.node.partitions.ranges_text(found) for step in steps if (found := getattr(step, state))
    }


def test_it_counts_as_complete_and_is_named(gap):
    before = status(gap.workspace, "days").insight
    assert (before.complete, len(before.completed)) == (False, 7)
    assert gap.planned("missing,failed") != {}

    done = waive(gap.workspace, "days", Gaps((BAD,)), WHY)

    assert done.steps == {"raw": [BAD], "note": [BAD], "clean": [BAD]}
    assert done.published == {"week": [BAD]}
    after = status(gap.workspace, "days")
    assert (after.insight.complete, len(after.insight.completed), len(after.insight.dates)) == (True, 8, 8)
    assert standing(gap, "waived") == {name: [BAD] for name in ("raw", "note", "clean", "clean@out.clean")}
    assert standing(gap, "any_failed") == standing(gap, "blocked") == standing(gap, "stale") == {}
    (raw,) = [step for step in after.steps if step.insight.node.name == "raw"]
    ((accepted),) = raw.accepted
    assert (accepted.reason, accepted.who) == (WHY, gap.workspace.who)
    assert gap.planned("missing,failed") == {}
    assert gap.run().state == "nothing"
    assert verify(gap.workspace).exit_code is ExitCode.DONE


def test_no_share_counts_it(project):
    """`week` wants half of the three days before; of the three, two are gaps, and then only the third is expected."""
    project.tell("bad", ["2024-01-03", BAD])
    project.run()
    assert standing(project, "blocked")["week"] == ["2024-01-05…2024-01-06 (2)"]
    waive(project.workspace, "days", Gaps(start="2024-01-03", end=BAD), WHY)
    assert project.planned("missing,failed")["week run missing"] == ["2024-01-05…2024-01-06 (2)"]
    assert project.run().state == "done"
    assert status(project.workspace, "days").insight.complete


def test_what_reads_a_waived_partition_is_blocked_unless_it_is_waived_too(gap):
    waive(gap.workspace, "days", Gaps((BAD,), steps=("raw",)), WHY)
    planned = gap.planned("missing,failed")
    assert planned == {"note block raw is waived": [BAD], "clean block raw is waived": [BAD]}
    assert not status(gap.workspace, "days").insight.complete


def test_it_can_be_taken_back(gap):
    before = standing(gap, "any_failed"), standing(gap, "blocked"), gap.planned("missing,failed")
    waive(gap.workspace, "days", Gaps((BAD,)), WHY)

    done = take_back(gap.workspace, "days", Gaps((BAD,)))

    assert (done.count, done.steps["raw"]) == (3, [BAD])
    assert (standing(gap, "any_failed"), standing(gap, "blocked"), gap.planned("missing,failed")) == before
    with pytest.raises(UsageError, match="nothing of what was asked for is waived"):
        take_back(gap.workspace, "days", Gaps((BAD,)))
    assert verify(gap.workspace).exit_code is ExitCode.DONE


def test_a_publication_ends_it(gap):
    waive(gap.workspace, "days", Gaps((BAD,), steps=("raw",)), WHY)
    old_history(gap.root / "old", [BAD])

    done = adopt_files(gap.workspace, "days", "raw", pattern(gap.root / "old"), yes=True)

    assert (done.count, standing(gap, "waived")) == (1, {})
    assert gap.planned("missing,failed")["clean run missing"] == [BAD]
    rollback(gap.workspace, "days.raw", [BAD], yes=True)
    assert gap.planned("missing,failed")["raw run missing"] == [BAD], "it is not waived again by itself"
    assert verify(gap.workspace).exit_code is ExitCode.DONE


def test_a_rebuilt_ledger_knows_it(gap):
    waive(gap.workspace, "days", Gaps((BAD,)), WHY)
    before = standing(gap, "waived")
    shutil.rmtree(gap.workspace.settings.state)

    assert rebuild(gap.workspace).trouble == ()

    assert standing(gap, "waived") == before
    (raw, *_) = [step for step in status(gap.workspace, "days").steps if step.accepted]
    assert raw.accepted[0].reason == WHY
    assert verify(gap.workspace).exit_code is ExitCode.DONE


def test_a_rebuild_tells_of_corrupt_waivers(gap):
    waive(gap.workspace, "days", Gaps((BAD,)), WHY)
    (gap.root / "lake" / place_of_waivers("days")).write_text("{}")
    shutil.rmtree(gap.workspace.settings.state)
    (trouble,) = rebuild(gap.workspace).trouble
    assert "which holds accepted gaps, is corrupt" in trouble
    assert standing(gap, "waived") == {}


def test_before_the_first_run_everything_is_a_gap(project):
    waive(project.workspace, "days", Gaps(end="2024-01-02"), WHY)
    assert standing(project, "waived")["raw"] == ["2024-01-01…2024-01-02 (2)"]
    assert project.planned()["raw run missing"] == ["2024-01-03…2024-01-08 (6)"]
    with pytest.raises(PartitionError, match="is waived: its gap was accepted"):
        project.planned(partitions=("2024-01-02",))


def test_what_runs_is_refused(gap):
    with closing(Ledger(gap.workspace.settings.ledger, gap.workspace.clock)) as ledger:
        lease = ControllerLease(ledger, "somebody")
        with gap.reader() as reader:
            node = reader.nodes()["raw"].node
        with ledger.transaction() as tx:
            ordinal = tx.execute("SELECT ordinal FROM attempts WHERE failure IS NOT NULL").fetchone()[0]
            tx.claim([Claim(node, ordinal, tx.open_run("r", "days", "g", ordinal, BAD, 0.0), "", "")], 2, None)
            tx.execute("UPDATE attempts SET controller = ? WHERE state = 'running'", (lease.controller,))
        with pytest.raises(RefusedError, match=f"raw {BAD} is running"):
            waive(gap.workspace, "days", Gaps((BAD,)), WHY)
        lease.close()
    waive(gap.workspace, "days", Gaps((BAD,)), WHY)


@pytest.mark.parametrize(
    ("gaps", "reason", "error", "says"),
    [
        (Gaps(("2024-01-02",)), WHY, UsageError, "nothing is missing of what was asked for: it is published"),
        (Gaps((BAD,)), None, UsageError, "none was given"),
        (Gaps((BAD,)), " \n", UsageError, "none was given"),
        (Gaps(), WHY, UsageError, "no partition was named"),
        (Gaps((BAD,), start=BAD), WHY, UsageError, "both a window and explicit partitions"),
        (Gaps(("2025-01-01",)), WHY, PartitionError, "2025"),
        (Gaps(("nix",)), WHY, PartitionError, "nix"),
        (Gaps((BAD,), steps=("nix",)), WHY, PipelineError, "has no step 'nix'"),
        (Gaps((BAD,), steps=("feed",)), WHY, UsageError, "feed is no step"),
    ],
)
def test_what_makes_no_sense_is_refused(gap, gaps, reason, error, says):
    with pytest.raises(error, match=says):
        waive(gap.workspace, "days", gaps, reason)
    assert standing(gap, "waived") == {}
