"""Back to a time, and back to what was before a backfill."""

from datetime import UTC, datetime, timedelta

import pytest

from recoup.app import rollback as module
from recoup.app.ledger_care import verify
from recoup.app.publications import ls
from recoup.app.rollback import rollback
from recoup.app.rollback_history import run_before, shown_at, shown_without
from recoup.lake import pointers
from recoup.ledger.facts import NodeId, Publication, Published, Token
from recoup.model.errors import ExitCode, RefusedError, UsageError

DAY = "2024-01-03"
STEPS = ("raw", "note", "clean", "week")


def shown(project):
    return {(s.dataset, s.partition): s for s in ls(project.workspace, "days") if "@" not in s.dataset}


def between(project):
    """A time after the first run of everything and before the second."""
    first = max(shown.published_at for shown in project.first.values())
    return (first + timedelta(microseconds=1)).isoformat()


def newest_backfill(project):
    return project.reader().backfills()[0].backfill_id


def taken_back(report):
    return sorted((move.dataset, move.partition) for move in report.plan.moves)


def test_back_to_a_time_shows_what_was_shown_then_and_a_later_one_brings_it_back(twice):
    second, table = shown(twice), twice.table()
    before = datetime.now(UTC).isoformat()

    report = rollback(twice.workspace, "days", start="2024-01-01", to=between(twice), yes=True)

    assert (report.exit_code, report.undelivered) == (ExitCode.DONE, ())
    assert twice.table() == twice.first_table
    assert {key: s.run_id for key, s in shown(twice).items()} == {
        key: s.run_id for key, s in twice.first.items() if "@" not in key[0]
    }
    rollback(twice.workspace, "days", to=before, yes=True)  # a rollback of the rollback
    assert {key: s.digest for key, s in shown(twice).items()} == {key: s.digest for key, s in second.items()}
    assert twice.table() == table
    assert verify(twice.workspace).exit_code == ExitCode.DONE
    again = rollback(twice.workspace, "days", to=before, yes=True)
    assert again.moved == 0
    assert "shows what it showed at" in again.plan.notes[0]


def test_a_time_without_a_zone_is_utc_and_the_answer_says_so(twice):
    moment = datetime.fromisoformat(between(twice))

    report = rollback(twice.workspace, "days.raw", [DAY], to=moment.replace(tzinfo=None).isoformat())

    assert [move.after and move.after.run_id for move in report.plan.moves] == [twice.first["raw", DAY].run_id]
    assert report.plan.notes == (f"as it was at {moment:%Y-%m-%dT%H:%M:%S}Z",)


def test_a_time_before_the_first_publication_is_refused_and_named(twice):
    since = twice.first["raw", DAY].published_at
    for given in ({"partitions": [DAY]}, {"start": DAY, "end": DAY}):
        with pytest.raises(
            RefusedError, match=f"raw {DAY} at 2020-01-01T00:00:00Z: it was first published at {since:%Y}"
        ):
            rollback(twice.workspace, "days.raw", to="2020-01-01", yes=True, **given)
    with pytest.raises(UsageError, match="is in the future"):
        rollback(twice.workspace, "days.raw", [DAY], to="2120-01-01", yes=True)


def test_of_a_window_what_was_published_later_for_the_first_time_stays_and_is_told(project):
    project.run(end="2024-01-04")
    moment = datetime.now(UTC).isoformat()
    project.run()

    report = rollback(project.workspace, "days.raw", start="2024-01-01", to=moment, yes=True)

    assert report.moved == 0
    assert report.plan.notes[-1].startswith("raw 2024-01-05…2024-01-08 (4): first published after")


def test_a_time_of_which_the_files_were_collected_is_refused(twice):
    first = twice.first["raw", DAY]
    with twice.workspace.ledger() as ledger, ledger.transaction() as tx:
        tx.execute("UPDATE publications SET state = 'collected' WHERE token = ?", (first.token,))

    with pytest.raises(RefusedError, match=f"raw {DAY}: the files of run {first.run_id} are gone"):
        rollback(twice.workspace, "days.raw", [DAY], to=between(twice), yes=True)


def test_a_time_that_only_a_lost_ledger_knew_is_refused(twice):
    first = twice.first["raw", DAY]
    with twice.workspace.ledger() as ledger, ledger.transaction() as tx:
        tx.execute("DELETE FROM publications WHERE token = ?", (first.token,))

    with pytest.raises(RefusedError, match=f"raw {DAY} at .*: its history is known since .* only"):
        rollback(twice.workspace, "days.raw", [DAY], to=between(twice), yes=True)


def test_a_backfill_goes_back_to_what_was_before_it_and_to_nothing_where_nothing_was(project):
    project.run(partitions=("2024-01-01",))
    project.remember()
    project.tell("feed", {"2024-01-01": "v2"})
    project.run("missing,failed,stale", end="2024-01-03")
    wrong = newest_backfill(project)

    report = rollback(project.workspace, None, backfill=wrong, yes=True)

    assert len(report.plan.moves) == 3 * len(STEPS) - 1  # the first week reads nothing, so it was not made again
    left = {key: s.run_id for key, s in shown(project).items()}
    assert left == {key: s.run_id for key, s in project.first.items() if "@" not in key[0]}
    assert project.table() == project.first_table
    again = rollback(project.workspace, None, backfill=wrong, yes=True)
    assert again.moved == 0
    assert all("has been taken back already" in note for note in again.plan.notes)
    assert project.planned("missing")["raw run missing"] == ["2024-01-02…2024-01-08 (7)"]


def test_of_a_backfill_what_another_has_published_again_since_stays_and_is_told(project):
    project.run(end="2024-01-03")
    wrong = newest_backfill(project)
    project.tell("feed", {DAY: "v2"})
    project.tell("turn", 2)
    project.run("stale", partitions=(DAY,), steps=("raw",))
    since = shown(project)["raw", DAY]

    report = rollback(project.workspace, "days", backfill=wrong, yes=True)

    assert ("raw", DAY) not in taken_back(report)
    assert f"raw {DAY}: published again since by another, so left alone" in report.plan.notes
    assert shown(project) == {("raw", DAY): since}


def test_a_backfill_of_which_one_step_is_meant_and_one_that_published_nothing(project):
    project.tell("bad", [f"2024-01-0{day}" for day in range(1, 9)])
    project.run(steps=("raw",))
    with pytest.raises(UsageError, match="has published nothing"):
        rollback(project.workspace, None, backfill=newest_backfill(project))
    project.tell("bad", [])
    project.run()

    report = rollback(project.workspace, "days.raw", backfill="latest")

    assert {move.dataset for move in report.plan.moves} == {"raw"}
    with pytest.raises(UsageError, match="there is no backfill 'nights'"):
        rollback(project.workspace, None, backfill="nights")


def test_the_rollback_of_a_backfill_that_was_killed_goes_on(twice, monkeypatch):
    left = iter(range(5))

    def dying(*given):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return pointers.publish(*given)

    monkeypatch.setattr(module, "MOVES_AT_ONCE", 2)
    monkeypatch.setattr(module, "publish", dying)
    with pytest.raises(KeyboardInterrupt):
        rollback(twice.workspace, None, backfill="latest", yes=True)
    monkeypatch.setattr(module, "publish", pointers.publish)

    report = rollback(twice.workspace, None, backfill="latest", yes=True)

    assert report.plan.begun
    assert report.moved < 8 * len(STEPS)
    assert twice.table() == twice.first_table
    assert verify(twice.workspace).exit_code == ExitCode.DONE


def row(token: int, run: int | None, reason: str = "missing") -> Published:
    publication = Publication(Token(token), NodeId(1), 0, run, f"d{run}", "", "", 0.0, reason=reason)
    return Published(publication, f"r{run}" if run else None, token, "past", float(token))


def test_what_a_rollback_brought_back_lies_on_what_was_shown_below_it():
    first, second = row(1, 1), row(2, 2)
    back, forth = row(3, 1, "rollback-1"), row(4, 2, "rollback-2")
    history = [forth, back, second, first]
    assert run_before(history) is first
    assert shown_without(history, {2}) is first
    assert shown_without(history, {1, 2}) is None
    assert [shown_at(history, at) for at in (0.5, 1.0, 2.5, 9.0)] == [None, first, second, forth]
