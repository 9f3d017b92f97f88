import os
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

import recoup as rc
from recoup.app import lake_care
from recoup.app.backfilling import RunOptions, run
from recoup.app.lake_care import adopt, gc, view
from recoup.app.ledger_care import backup, verify
from recoup.app.publications import ls, show
from recoup.app.rollback import rollback
from recoup.app.workspace import Workspace
from recoup.lake.gc import Garbage, GarbagePlan, Rules
from recoup.ledger.restore import TOKENS_BETWEEN
from recoup.ledger.writer import Ledger
from recoup.model.errors import LakeOwnedError, RefusedError, UsageError
from recoup.plan.request import Request
from recoup.testing.clock import FakeClock

DAY = "2024-01-03"


def aged(project, days=40):
    """Everything that lies in the lake becomes that old; so does what the ledger remembers."""
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for folder, _, files in os.walk(project.root / "lake"):
        for file in files:
            os.utime(f"{folder}/{file}", (then, then))


@pytest.fixture
def often(project):
    """Five generations of one day; three of them can be gone in forty days."""
    for turn in range(1, 6):
        project.tell("turn", turn)
        project.tell("feed", {DAY: f"v{turn}"})
        project.run("missing,failed,stale", steps=("raw",))
        project.moments.append(datetime.now(UTC))
    aged(project)
    return project


def later(project):
    return Workspace(project.workspace.settings, FakeClock(datetime.now(UTC) + timedelta(days=40)))


def test_gc_keeps_three_generations_and_says_first(often):
    would = gc(later(often))
    assert (would.publications, would.done) == (2, False)
    assert [s.state for s in show(often.workspace, "raw", DAY).generations] == ["current"] + ["past"] * 4

    done = gc(later(often), yes=True)

    assert done.files == would.files == 4
    generations = show(often.workspace, "raw", DAY).generations
    assert [s.state for s in generations] == ["current", "past", "past", "collected", "collected"]
    config = often.root / "recoup.toml"
    for moment, turn in zip(often.moments[2:], (3, 4, 5), strict=True):
        assert rc.read("raw", DAY, as_of=moment, config=config).collect()["turn"].unique().to_list() == [turn]
    with pytest.raises(UsageError, match=f"is no longer kept for {DAY}"):
        rc.read("raw", DAY, as_of=often.moments[1], config=config)
    assert verify(often.workspace).exit_code == 0
    assert gc(later(often)).files == 0


def test_what_is_young_or_asked_for_is_kept(often):
    assert gc(often.workspace).files == 0
    assert gc(later(often), keep_generations=5).files == 0
    assert gc(later(often), keep_days=100).files == 0


def test_what_is_collected_cannot_be_rolled_back_to(often):
    oldest = show(often.workspace, "raw", DAY).generations[-1].run_id
    gc(later(often), yes=True)

    with pytest.raises(RefusedError, match=f"the files of run {oldest} are gone"):
        rollback(often.workspace, "days.raw", [DAY], to=oldest, yes=True)


def test_the_ledger_has_the_last_word(often, monkeypatch):
    """Whatever the lake takes for garbage: what the ledger shows, or keeps, stays."""
    runs = {row.run_id for row in show(often.workspace, "raw", DAY).generations}
    store = often.workspace.store()
    keys = [info.key for info in store.list(f"raw/dt={DAY}") if info.key.endswith(".parquet")]
    everything = GarbagePlan(Rules(later(often).clock.now()), tuple(Garbage(key, 1, "I say so") for key in keys))
    monkeypatch.setattr(lake_care, "garbage", lambda *_: everything)

    would = gc(later(often))

    assert len(keys) == 5
    assert {item.key.split("/")[2].removeprefix("run=") for item in would.plan.items} < runs
    assert would.files == 2


def test_what_is_rolled_back_to_while_the_lake_is_judged_is_kept(often, monkeypatch):
    """Nobody waits for the judgement, so somebody may go back to what it found to be garbage."""
    oldest = show(often.workspace, "raw", DAY).generations[-1].run_id
    by_place = lake_care._by_place

    def meanwhile(items):
        rollback(often.workspace, "days.raw", [DAY], to=oldest, yes=True)
        return by_place(items)

    monkeypatch.setattr(lake_care, "_by_place", meanwhile)
    assert gc(later(often), yes=True).files == 0
    shown = rc.read("raw", DAY, config=often.root / "recoup.toml").collect()
    assert shown["turn"].unique().to_list() == [1]


def test_datasets_that_the_ledger_does_not_know_are_kept(often):
    lake = often.root / "lake"
    (lake / "raw").rename(lake / "foreign")
    (lake / "manifests/raw").rename(lake / "manifests/foreign")
    aged(often)
    found = gc(later(often), yes=True)
    assert found.files == 0
    assert any("foreign" in sentence for sentence in found.kept)


def test_a_view_shows_what_is_current_and_nothing_else(often):
    told = view(often.workspace, "raw", name="shown")
    with duckdb.connect() as db:
        db.execute(told.sql)
        assert db.execute("SELECT count(*), max(turn), min(turn) FROM shown").fetchone() == (24, 5, 1)
    assert len(told.files) == 8


def test_an_adopted_lake_is_ours_and_tokens_go_on_above_all_it_has_seen(project, tmp_path):
    project.run()
    copy = backup(project.workspace, tmp_path / "old.db").path
    project.tell("turn", 2)
    project.tell("feed", {DAY: "v2"})
    project.run("stale")
    highest = max(s.token for s in ls(project.workspace, "days"))
    ledger = project.workspace.settings.ledger
    ledger.unlink()
    copy.rename(ledger)

    adopted = adopt(project.workspace)

    assert adopted.token >= highest + TOKENS_BETWEEN
    assert [s for s in adopted.strangers if s.startswith(f"raw {DAY} shows run")] != []
    project.tell("feed", {DAY: "v3"})
    report = project.run("stale")
    assert report.state == "done"
    assert show(project.workspace, "raw", DAY).agrees


def test_the_other_ledger_is_kept_out_after_that(project, tmp_path):
    project.run()
    other = Workspace.here(project.root / "recoup.toml")
    object.__setattr__(other.settings, "ledger", tmp_path / "other" / "ledger.db")
    with pytest.raises(LakeOwnedError):
        run(other, Request("days"), "days", RunOptions())
    assert not other.settings.ledger.exists(), "no empty ledger is made for a lake that has one"

    Ledger(other.settings.ledger, other.clock).close()
    with pytest.raises(LakeOwnedError):
        run(other, Request("days"), "days", RunOptions())
    assert adopt(other).epoch == 2

    with pytest.raises(LakeOwnedError):
        project.run("missing,failed,stale")
    assert adopt(project.workspace).epoch == 3
