from dataclasses import dataclass

import pytest

from recoup.app import rollback as module
from recoup.app.ledger_care import verify
from recoup.app.publications import ls, show
from recoup.app.rollback import rollback
from recoup.app.rollback_history import run_before
from recoup.app.rollback_moves import TableChange
from recoup.app.status import status
from recoup.lake import pointers
from recoup.ledger.facts import Claim, NodeId, Publication, Published, RunRow, Token
from recoup.ledger.leases import ControllerLease
from recoup.model.errors import ExitCode, PartitionError, PipelineError, RefusedError, UsageError

DAY = "2024-01-03"


def shown(project, dataset):
    return {s.partition: s for s in ls(project.workspace, dataset)}


def rows_of(table, day):
    return [row for row in table if str(row[-1]) == day]


@pytest.mark.runbook("B-54", "D-15", spelling="recoup publish rollback phase3 2023-11-15 --yes")
def test_a_rolled_back_partition_shows_the_earlier_run_exactly(twice):
    second = shown(twice, "days.clean")

    report = rollback(twice.workspace, "days", [DAY], yes=True)

    assert (report.exit_code, report.undelivered) == (ExitCode.DONE, ())
    for dataset in ("raw", "note", "clean", "week"):
        now, before = shown(twice, f"days.{dataset}")[DAY], twice.first[dataset, DAY]
        assert (now.run_id, now.digest, now.rows) == (before.run_id, before.digest, before.rows)
    assert shown(twice, "days.clean")["2024-01-04"] == second["2024-01-04"]
    assert rows_of(twice.table(), DAY) == rows_of(twice.first_table, DAY)
    assert show(twice.workspace, "days.clean", DAY).agrees
    assert verify(twice.workspace).exit_code == ExitCode.DONE


@pytest.mark.runbook("B-55", "D-22")
def test_what_was_rolled_back_is_done_again_by_only_stale_and_its_attempts_stay(twice):
    attempts = len(twice.reader().run_history())
    rollback(twice.workspace, "days", [DAY], yes=True)

    assert twice.planned("missing,failed") == {}
    assert DAY in "".join(twice.planned("stale")["raw run stale(input)"])
    history = twice.reader().run_history()
    assert len(history) > attempts
    assert {row["decision"] for row in history[: len(history) - attempts]} >= {"rollback"}
    twice.run("stale")
    assert twice.planned() == {}


@pytest.mark.runbook("B-i4")
def test_the_first_publication_is_rolled_back_to_none_and_missing_again(project):
    project.run()

    report = rollback(project.workspace, "days", [DAY], yes=True)

    assert [move.after for move in report.plan.moves] == [None] * 4
    assert DAY not in shown(project, "days.clean")
    assert rows_of(project.table(), DAY) == []
    assert len(project.table()) == 21
    assert project.planned("missing,failed")["raw run missing"] == [DAY]
    assert show(project.workspace, "days.clean", DAY).agrees
    assert verify(project.workspace).exit_code == ExitCode.DONE
    project.run()
    assert rows_of(project.table(), DAY) != []


@pytest.mark.parametrize("window", [{}, {"start": "2024-01-01", "end": "2024-01-09"}])
@pytest.mark.parametrize("target", ["days", "days.raw"])
def test_of_a_window_what_was_made_once_stays_and_is_told(project, target, window):
    project.run()
    first = shown(project, "days.raw")
    project.tell("turn", 2)
    project.tell("feed", {DAY: "v2"})
    project.run("stale", steps=("raw",))

    report = rollback(project.workspace, target, **window, yes=True)

    assert [(move.dataset, move.partition) for move in report.plan.moves] == [("raw", DAY)]
    assert {day: one.run_id for day, one in shown(project, "days.raw").items()} == {
        day: one.run_id for day, one in first.items()
    }
    assert len(project.table()) == 24
    raw = next(note for note in report.plan.notes if note.startswith("raw "))
    assert "2024-01-04" in raw
    assert DAY not in raw.split(":")[0].replace("…", " ").split()
    assert "no earlier run, so left alone; `--to none`" in raw
    again = rollback(project.workspace, target, **window, yes=True)
    assert again.moved == 0


def test_to_roll_back_makes_nothing_so_the_last_success_is_not_now(twice):
    def last():
        return {step.insight.node.name: step.last_successful_time for step in status(twice.workspace, "days").steps}

    before = last()
    rollback(twice.workspace, "days", [DAY], yes=True)
    assert all(after <= before[name] for name, after in last().items())
    rollback(twice.workspace, "days", yes=True)
    assert None not in last().values()
    assert all(after < before[name] for name, after in last().items())


def test_a_dry_run_says_what_goes_and_what_comes_and_changes_nothing(twice):
    before = ls(twice.workspace, "days")

    report = rollback(twice.workspace, "days.clean", start="2024-01-02", end=DAY)

    assert [(m.partition, m.after and m.after.run_id) for m in report.plan.moves] == [
        (day, twice.first["clean", day].run_id) for day in ("2024-01-02", DAY)
    ]
    assert report.plan.tables == {"clean@out.clean": TableChange(2, 6, 6)}
    assert not report.done
    assert ls(twice.workspace, "days") == before


@pytest.mark.parametrize("target", ["days", "days.raw"])
def test_the_same_command_again_does_nothing(twice, target):
    rollback(twice.workspace, target, [DAY], yes=True)
    before = ls(twice.workspace, "days")

    report = rollback(twice.workspace, target, [DAY], yes=True)

    assert report.moved == 0
    assert "taken back already" in report.plan.notes[0]
    assert ls(twice.workspace, "days") == before


def test_to_none_takes_it_away_and_to_a_run_brings_it_back(twice):
    rollback(twice.workspace, "days.clean", [DAY], to="none", yes=True)
    assert DAY not in shown(twice, "days.clean")
    assert rows_of(twice.table(), DAY) == []

    rollback(twice.workspace, "days.clean", [DAY], to=twice.first["clean", DAY].run_id, yes=True)

    assert shown(twice, "days.clean")[DAY].run_id == twice.first["clean", DAY].run_id
    assert rows_of(twice.table(), DAY) == rows_of(twice.first_table, DAY)


def test_what_was_rolled_back_alone_does_not_keep_the_rest_from_it(twice):
    rollback(twice.workspace, "days.raw", [DAY], yes=True)

    report = rollback(twice.workspace, "days", [DAY], yes=True)

    assert [move.dataset for move in report.plan.moves] == ["note", "clean", "week"]
    assert shown(twice, "days.raw")[DAY].run_id == twice.first["raw", DAY].run_id


def test_a_named_run_may_be_a_later_one(twice):
    second = shown(twice, "days.clean")[DAY].run_id
    rollback(twice.workspace, "days.clean", [DAY], yes=True)
    rollback(twice.workspace, "days.clean", [DAY], to=second, yes=True)

    assert shown(twice, "days.clean")[DAY].run_id == second
    assert rows_of(twice.table(), DAY) != rows_of(twice.first_table, DAY)


def test_a_pipeline_goes_back_by_its_newest_run_and_leaves_what_that_did_not_touch(project):
    project.run()
    first = {(s.dataset, s.partition): s for s in ls(project.workspace, "days")}
    project.tell("turn", 2)
    project.tell("feed", {DAY: "v2"})
    project.run("stale", steps=("raw",))

    report = rollback(project.workspace, "days", [DAY], yes=True)

    assert [move.dataset for move in report.plan.moves] == ["raw"]
    for dataset in ("raw", "clean"):
        assert shown(project, f"days.{dataset}")[DAY].digest == first[dataset, DAY].digest


@dataclass
class Dying:
    """Lets so many pointers move, then the process is gone: nothing after it is carried out."""

    left: int

    def __call__(self, *given):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return pointers.publish(*given)


@pytest.mark.parametrize("before_death", [0, 1, 3, 5])
def test_killed_half_way_the_same_command_finishes(twice, monkeypatch, before_death):
    monkeypatch.setattr(module, "MOVES_AT_ONCE", 2)
    monkeypatch.setattr(module, "publish", Dying(before_death))
    with pytest.raises(KeyboardInterrupt):
        rollback(twice.workspace, "days", start="2024-01-02", end=DAY, yes=True)
    monkeypatch.setattr(module, "publish", pointers.publish)

    rollback(twice.workspace, "days", start="2024-01-02", end=DAY, yes=True)

    for dataset in ("raw", "note", "clean", "week"):
        now = shown(twice, f"days.{dataset}")
        for day in ("2024-01-02", DAY):
            assert now[day].run_id == twice.first[dataset, day].run_id
        assert now["2024-01-04"].run_id != twice.first[dataset, "2024-01-04"].run_id
    assert rows_of(twice.table(), DAY) == rows_of(twice.first_table, DAY)
    assert verify(twice.workspace).exit_code == ExitCode.DONE
    stale = "".join(twice.planned("stale")["raw run stale(input)"])
    assert "2024-01-02…2024-01-03" in stale


def test_what_was_published_since_a_rollback_was_killed_stays(twice, monkeypatch):
    monkeypatch.setattr(module, "MOVES_AT_ONCE", 1)
    monkeypatch.setattr(module, "publish", Dying(1))
    with pytest.raises(KeyboardInterrupt):
        rollback(twice.workspace, "days.raw", start="2024-01-02", end=DAY, yes=True)
    monkeypatch.setattr(module, "publish", pointers.publish)
    twice.run("stale", steps=("raw",))
    newest = shown(twice, "days.raw")

    report = rollback(twice.workspace, "days.raw", start="2024-01-02", end=DAY, yes=True)

    assert any("published again since" in note for note in report.plan.notes)
    assert shown(twice, "days.raw")["2024-01-02"] == newest["2024-01-02"]


def test_refused_while_one_of_them_runs(twice):
    with twice.workspace.ledger() as ledger:
        lease = ControllerLease(ledger, "somebody else")
        node = twice.reader().nodes()["clean"].node
        ordinal = twice.reader().planes([node])[node]["published"].first
        run = RunRow(1, "x", "2024-01-01", 0.0)
        with ledger.transaction() as tx:
            tx.claim([Claim(node, ordinal, run, "missing", "")], lease.controller, None)

        with pytest.raises(RefusedError, match="clean 2024-01-01 is running"):
            rollback(twice.workspace, "days", yes=True)

        assert shown(twice, "days.raw")[DAY].run_id != twice.first["raw", DAY].run_id
        lease.close()


def test_refused_when_the_files_of_the_earlier_run_are_gone(twice):
    lake = twice.root / "lake"
    run = twice.first["clean", DAY].run_id
    for file in (lake / f"clean/dt={DAY}/run={run}").iterdir():
        file.unlink()

    with pytest.raises(RefusedError, match=f"clean {DAY}: the files of run {run} are gone"):
        rollback(twice.workspace, "days", yes=True)

    assert shown(twice, "days.raw")[DAY].run_id != twice.first["raw", DAY].run_id


def test_a_table_that_cannot_follow_is_told_and_follows_with_the_next_run(twice):
    twice.database.rename(twice.root / "away.duckdb")
    twice.database.mkdir()

    report = rollback(twice.workspace, "days.clean", [DAY], yes=True)

    assert report.exit_code == ExitCode.INCOMPLETE
    assert DAY in report.undelivered[0]
    twice.database.rmdir()
    (twice.root / "away.duckdb").rename(twice.database)
    twice.run()
    assert rows_of(twice.table(), DAY) == rows_of(twice.first_table, DAY)


def test_a_corrupt_pointer_is_put_back_and_moved(twice):
    pointer = twice.root / f"lake/clean/dt={DAY}/current.json"
    pointer.write_bytes(b"{")

    rollback(twice.workspace, "days.clean", [DAY], yes=True)

    assert show(twice.workspace, "days.clean", DAY).agrees
    assert shown(twice, "days.clean")[DAY].run_id == twice.first["clean", DAY].run_id


@pytest.mark.parametrize(
    ("target", "partitions", "error", "told"),
    [
        ("days.clea", [DAY], PipelineError, "has no step 'clea'"),
        ("nights", [DAY], PipelineError, "no pipeline 'nights'"),
        ("days", ["2024-13-01"], PartitionError, "2024-13-01"),
        ("days", ["2025-01-01"], UsageError, "nothing of days"),
        ("days.clean@out.clean", [DAY], UsageError, "is not a step"),
    ],
)
def test_what_makes_no_sense_is_told(project, target, partitions, error, told):
    project.run()
    with pytest.raises(error, match=told):
        rollback(project.workspace, target, partitions, yes=True)


def test_the_run_before_skips_what_was_taken_back():
    def row(token: int, run: int | None, reason: str = "missing") -> Published:
        publication = Publication(Token(token), NodeId(1), 0, run, f"d{run}", "", "", 0.0, reason=reason)
        return Published(publication, f"r{run}" if run else None, token, "past", 0.0)

    first, second, third = row(1, 1), row(2, 2), row(4, 3)
    back = row(3, 1, "rollback-1")
    none = row(5, None, "rollback-2")
    assert run_before([second, first]) is first
    assert run_before([back, second, first]) is None
    assert run_before([third, back, second, first]) is first
    assert run_before([row(6, 4), none, third, back, second, first]) is None
    assert run_before([row(3, 2), second, first]) is first
    assert run_before([]) is None
