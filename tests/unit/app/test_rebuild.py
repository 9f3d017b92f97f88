import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import recoup as rc
from recoup.app import rebuild as module
from recoup.app.ledger_care import verify
from recoup.app.publications import ls, show
from recoup.app.rebuild import rebuild
from recoup.app.rollback import rollback
from recoup.lake.folders_below import folders_below, run_folders
from recoup.lake.layout import manifest, pointer
from recoup.lake.manifests import read_manifest, write_manifest
from recoup.lake.memory import MemoryStore
from recoup.lake.owner import Owner, read_owner
from recoup.ledger.leases import ControllerLease
from recoup.ledger.restore import TOKENS_BETWEEN
from recoup.model.errors import ConfigError, CorruptError, LakeOwnedError, RefusedError
from tests.unit.app.project import Project

DAY = "2024-01-03"


def lose_ledger(project):
    shutil.rmtree(project.workspace.settings.state)


def of_steps(plan):
    """Without the tables: what they hold is not known from the lake, so they are asked again."""
    return {what: ranges for what, ranges in plan.items() if "@" not in what.split()[0]}


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


def test_the_table_is_delivered_again_and_stays_as_it_was(mixed):
    before = mixed.table()
    lose_ledger(mixed)
    rebuild(mixed.workspace)
    assert [what for what in mixed.planned("missing,failed") if "@" in what] == [
        "clean@out.clean run undelivered",
        "clean@out.clean run follows clean",
    ]

    mixed.tell("bad", [])
    report = mixed.run("missing,failed,stale")

    assert report.state == "done"
    assert len(mixed.table()) == len(before) + 3
    assert mixed.planned() == {}


def test_history_and_as_of_survive(mixed):
    moment = datetime.now(UTC)
    config = mixed.root / "recoup.toml"
    told = [
        (s.generation, s.run_id, s.reason, s.token) for s in show(mixed.workspace, "clean", "2024-01-02").generations
    ]
    attempts = {row["token"] for row in mixed.reader().run_history()}
    then = rc.read("clean", as_of=moment, config=config).collect()
    lose_ledger(mixed)

    rebuild(mixed.workspace)

    again = show(mixed.workspace, "clean", "2024-01-02")
    assert [(s.generation, s.run_id, s.reason, s.token) for s in again.generations] == told
    assert again.agrees
    assert rc.read("clean", as_of=moment, config=config).collect().equals(then)
    history = mixed.reader().run_history()
    assert {row["token"] for row in history} <= attempts
    assert {row["failure_kind"] for row in history} == {None, "unknown"}
    assert {row["backfill_id"] for row in history if row["success"] and row["decision"] == "missing"} != {None}


def test_an_open_run_that_was_limited_still_is(project):
    project.tell("bad", ["2024-01-02", "2024-01-03"])
    project.run(partitions=("2024-01-02",), as_of_mode="partition-end")
    project.run(partitions=("2024-01-03",))
    before = open_runs(project)
    assert [limited for _, limited in before] == [1, 0]
    lose_ledger(project)

    rebuild(project.workspace)

    assert open_runs(project) == before


def open_runs(project: Project) -> list[tuple[str, int]]:
    return project.reader().query("SELECT run_id, limited FROM runs WHERE closed_at IS NULL ORDER BY ordinal")


def test_backfills_are_known_again_by_their_summaries(mixed):
    before = {b.backfill_id: (b.state, b.request) for b in mixed.reader().backfills()}
    lose_ledger(mixed)
    rebuild(mixed.workspace)
    assert {b.backfill_id: (b.state, b.request) for b in mixed.reader().backfills()} == before


def test_the_epoch_is_raised_and_tokens_go_on_far_above(mixed):
    highest = max(row["token"] for row in mixed.reader().run_history())
    lose_ledger(mixed)
    rebuilt = rebuild(mixed.workspace)
    assert rebuilt.epoch == 2
    assert read_owner(mixed.workspace.store()) == Owner(rebuilt.ledger_id, 2)
    mixed.tell("bad", [])
    mixed.run()
    assert min(s.token for s in ls(mixed.workspace, "raw", ["2024-01-04"])) > highest
    assert ls(mixed.workspace, "raw", ["2024-01-04"])[0].token > TOKENS_BETWEEN


def test_the_obvious_command_after_a_loss_leads_to_the_rebuild_and_not_away_from_it(project):
    """It makes an empty ledger; what it says then, and that again, is all that it takes."""
    project.run()
    lose_ledger(project)
    with pytest.raises(LakeOwnedError) as told:
        project.run()
    assert "recoup ledger rebuild" in told.value.remedy
    assert "adopt" not in told.value.remedy
    assert rebuild(project.workspace).partitions > 0
    assert {words.split()[-1] for words in project.planned()} <= {"undelivered"}


def test_a_ledger_is_not_overwritten_and_with_force_it_is_kept(mixed):
    with pytest.raises(RefusedError, match="there is a ledger at"):
        rebuild(mixed.workspace)
    before = of_steps(mixed.planned())

    rebuilt = rebuild(mixed.workspace, force=True)

    assert of_steps(mixed.planned()) == before
    assert rebuilt.copy is not None
    assert rebuilt.copy.exists()
    shutil.rmtree(mixed.root / "other", ignore_errors=True)
    mixed.workspace.settings.ledger.unlink()
    rebuilt.copy.rename(mixed.workspace.settings.ledger)
    with pytest.raises(LakeOwnedError):
        mixed.run()


def test_one_that_is_no_database_any_more_is_moved_away(mixed):
    mixed.workspace.settings.ledger.write_bytes(b"torn" * 1000)
    rebuilt = rebuild(mixed.workspace, force=True)
    assert rebuilt.copy is not None
    assert rebuilt.copy.read_bytes() == b"torn" * 1000
    assert verify(mixed.workspace).exit_code == 0


def test_refused_while_somebody_works_with_it(mixed):
    with mixed.workspace.ledger() as ledger:
        lease = ControllerLease(ledger, "somebody")
        with pytest.raises(RefusedError, match="is in use"):
            rebuild(mixed.workspace, force=True)
        lease.close()


def test_killed_before_the_end_it_is_simply_repeated(mixed, monkeypatch):
    before = of_steps(mixed.planned())
    lose_ledger(mixed)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_into_place", killed)
    with pytest.raises(KeyboardInterrupt):
        rebuild(mixed.workspace)
    monkeypatch.undo()
    assert not mixed.workspace.settings.ledger.exists()

    assert rebuild(mixed.workspace).epoch == 3

    assert of_steps(mixed.planned()) == before
    assert not (mixed.workspace.settings.state / "rebuilding").exists()


def test_what_is_corrupt_is_told_and_left_out(mixed):
    shown = {s.partition: s for s in ls(mixed.workspace, "raw")}
    store = mixed.workspace.store()
    lost = shown["2024-01-07"]
    store.put(pointer("raw", "dt", "2024-01-05"), b"{}", sync=False)
    store.put(manifest("note", "dt", "2024-01-07", str(lost.run_id)), b"{", sync=False)
    lose_ledger(mixed)

    rebuilt = rebuild(mixed.workspace)

    assert len(rebuilt.trouble) == 2
    assert all("is corrupt" in sentence for sentence in rebuilt.trouble)
    plan = mixed.planned("missing")
    assert plan["raw run missing"] == ["2024-01-05"]
    assert "2024-01-07" in "".join(plan["note run missing"])
    with pytest.raises(CorruptError, match="remembers no generation"):
        rc.read("raw", "2024-01-05", config=mixed.root / "recoup.toml")


def test_a_partition_whose_pointer_was_corrupt_is_made_again_without_a_clean_up(mixed):
    mixed.workspace.store().put(pointer("raw", "dt", "2024-01-05"), b"{}", sync=False)
    lose_ledger(mixed)
    rebuild(mixed.workspace)
    assert verify(mixed.workspace).exit_code == 0

    mixed.run("missing", steps=("raw",))

    assert show(mixed.workspace, "raw", "2024-01-05").agrees
    assert rc.read("raw", "2024-01-05", config=mixed.root / "recoup.toml").collect().height == 3


def test_files_of_a_run_whose_manifest_tells_of_a_later_try_are_found_by_their_digest(mixed):
    current, store = {s.partition: s for s in ls(mixed.workspace, "raw")}["2024-01-07"], mixed.workspace.store()
    told = read_manifest(store, "raw", "dt", "2024-01-07", str(current.run_id))
    assert told is not None
    failure = {"kind": "logic", "message": "a later try", "exception": "", "fingerprint": "", "evidence": {}}
    later = replace(told, outcome="failed", token=told.token + 900, outputs=(), digest="", failure=failure)
    write_manifest(store, "dt", later, sync=False)
    lose_ledger(mixed)

    assert rebuild(mixed.workspace).trouble == ()

    again = {s.partition: s for s in ls(mixed.workspace, "raw")}["2024-01-07"]
    assert (again.run_id, again.digest, again.rows) == (current.run_id, current.digest, current.rows)
    assert rc.read("raw", "2024-01-07", config=mixed.root / "recoup.toml").collect().height == 3
    assert "2024-01-07" in mixed.planned()["raw run failed(logic)"]


def test_a_current_run_that_is_nowhere_is_told_and_missing(mixed):
    current = {s.partition: s for s in ls(mixed.workspace, "raw")}["2024-01-07"]
    lake = mixed.root / "lake"
    shutil.rmtree(lake / f"raw/dt=2024-01-07/run={current.run_id}")
    shutil.rmtree(lake / f"manifests/raw/dt=2024-01-07/run={current.run_id}")
    lose_ledger(mixed)

    rebuilt = rebuild(mixed.workspace)

    assert "neither its manifest nor its files are there" in rebuilt.trouble[0]
    assert mixed.planned("missing")["raw run missing"] == ["2024-01-07"]


def test_rolled_back_to_none_stays_none(project):
    project.run()
    rollback(project.workspace, "days", [DAY], yes=True)
    before = of_steps(project.planned())
    lose_ledger(project)
    rebuild(project.workspace)
    assert of_steps(project.planned()) == before
    assert before["raw run missing"] == [DAY]
    assert show(project.workspace, "raw", DAY).agrees


def test_what_others_made_is_told_and_a_pipeline_must_be_there(mixed):
    lake = mixed.root / "lake"
    shutil.copytree(lake / "manifests/raw", lake / "manifests/foreign")
    lose_ledger(mixed)
    assert rebuild(mixed.workspace).strangers == ("foreign: no pipeline here makes it",)
    lose_ledger(mixed)
    (mixed.root / "recoup.toml").write_text("")
    with pytest.raises(ConfigError, match="nothing tells how datasets are partitioned"):
        rebuild(mixed.workspace)


def test_any_store_tells_its_folders():
    store = MemoryStore.opened("folders")
    for key in (
        "raw/dt=2024-01-01/current.json",
        "raw/dt=2024-01-01/run=a/a1-x-0.parquet",
        "raw/dt=2024-01-02/current.json",
        "manifests/raw/dt=2024-01-01/run=a/manifest.json",
        "manifests/raw/dt=2024-01-01/run=b/manifest.json",
        "manifests/raw/dt=2024-01-03/run=c/manifest.json",
        "manifests/backfills/x/summary.json",
    ):
        store.put(key, b"", sync=False)
    assert list(run_folders(store, "raw")) == [
        ("dt=2024-01-01", ["a", "b"]),
        ("dt=2024-01-02", []),
        ("dt=2024-01-03", ["c"]),
    ]
    assert folders_below(store, "manifests/") == ["backfills", "raw"]
