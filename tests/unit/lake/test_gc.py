"""Garbage is what nothing refers to; when anything is unclear, it stays."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recoup.lake import layout
from recoup.lake.gc import Rules, collect, garbage, kept_runs
from recoup.lake.local import LocalStore
from recoup.lake.manifests import write_manifest
from recoup.lake.owner import claim_owner
from recoup.lake.pointers import PublishIntent, next_pointer, publish
from recoup.model.manifest import DataFile, Manifest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAMES = ("clean", "dt", "2013-01-01")


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class Lake:
    """A lake whose runs can be made as old as a test likes."""

    def __init__(self, root: Path) -> None:
        self.store = LocalStore(root)
        self.seq = 0

    def run(self, run_id: str, age_days: float, *, files: int = 1, manifest: bool = True, refers_to=()) -> list[str]:
        paths = [layout.data_file(*NAMES, run_id, 1, "n", n) for n in range(files)]
        for path in paths:
            self.store.put(path, b"data", sync=False)
            self.age(path, age_days)
        if manifest:
            outputs = tuple(DataFile(path, 1, 4, "d") for path in [*paths, *refers_to])
            written = write_manifest(self.store, "dt", self.manifest(run_id, outputs), sync=False)
            self.age(written, age_days)
        return paths

    def manifest(self, run_id: str, outputs: tuple[DataFile, ...]) -> Manifest:
        return Manifest(
            "flights",
            "clean",
            "2013-01-01",
            run_id,
            "t",
            1,
            1,
            "success",
            "t",
            "t",
            1.0,
            "c",
            "i",
            outputs=outputs,
            digest="d",
        )

    def publish(self, run_id: str | None, age_days: float) -> None:
        self.seq += 1
        at = days_ago(age_days).isoformat()
        publish(
            self.store,
            PublishIntent(*NAMES, run_id, self.seq, self.seq, "d", at, at, f"n{self.seq}", "test", "ledger-a", 1),
        )

    def published(self, run_id: str, age_days: float) -> list[str]:
        paths = self.run(run_id, age_days)
        self.publish(run_id, age_days)
        return paths

    def age(self, key: str, days: float) -> None:
        seconds = days_ago(days).timestamp()
        os.utime(Path(self.store.url) / key, (seconds, seconds))

    def garbage(self, **options):
        return garbage(self.store, NOW, **options)

    def gone(self, **options) -> set[str]:
        return {item.key for item in self.garbage(**options).items}

    def everything(self) -> set[str]:
        return {info.key for info in self.store.list("")}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def manifest_of(run_id: str) -> str:
    return layout.manifest(*NAMES, run_id)


def test_an_empty_lake_has_no_garbage(lake):
    assert lake.garbage().items == ()


def test_three_generations_are_kept_however_old(lake):
    for n, age in enumerate((400, 300, 200, 100), 1):
        lake.published(f"r{n}", age)
    assert lake.gone() == {layout.data_file(*NAMES, "r1", 1, "n", 0), manifest_of("r1")}
    assert lake.gone(keep_generations=1) >= {manifest_of("r1"), manifest_of("r2"), manifest_of("r3")}
    assert lake.gone(keep_generations=4) == set()


def test_what_was_current_in_the_last_thirty_days_is_kept_however_many(lake):
    for n in range(1, 8):
        lake.published(f"r{n}", 36 - n * 5)  # 31, 26, 21, … days ago
    assert lake.gone() == set(), "r1 was current until 26 days ago"
    assert {manifest_of("r1"), manifest_of("r2")} <= lake.gone(keep_days=15)


def test_generations_that_are_kept_by_rule():
    pointer = None
    for seq, age in enumerate((90, 60, 40, 20, 10, 5), 1):
        at = days_ago(age).isoformat()
        run = None if seq == 5 else f"r{seq}"
        pointer = next_pointer(pointer, PublishIntent(*NAMES, run, seq, seq, "d", at, at, f"n{seq}", "", "ledger-a", 1))
    assert pointer is not None
    assert kept_runs(pointer, Rules(NOW)) == dict.fromkeys(["r6", "r4", "r3"], "d")
    assert kept_runs(pointer, Rules(NOW, keep_generations=1, keep_days=0)) == {"r6": "d"}
    broken = replace(pointer, generations=tuple(replace(g, published_at="?") for g in pointer.generations))
    assert set(kept_runs(broken, Rules(NOW))) == {"r1", "r2", "r3", "r4", "r6"}, "a time nobody can read keeps"


def test_a_run_that_was_never_published_is_evidence_for_thirty_days(lake):
    lake.published("good", 100)
    failed = lake.run("failed", 29)
    assert lake.gone() == set()
    for key in (*failed, manifest_of("failed")):
        lake.age(key, 31)
    assert lake.gone() == {*failed, manifest_of("failed")}


def test_data_that_no_manifest_lists_goes_after_a_day(lake):
    lake.published("good", 100)
    orphans = lake.run("orphan", 0.9, manifest=False)
    assert lake.gone() == set()
    lake.age(orphans[0], 1.1)
    assert lake.gone() == set(orphans)
    (item,) = lake.garbage().items
    assert "no manifest" in item.because


def test_attempts_that_did_not_count_go_from_a_run_that_does(lake):
    lake.published("good", 10)
    late = layout.data_file(*NAMES, "good", 2, "late", 0)
    rejects = f"{layout.data_prefix(*NAMES, 'good')}a1-n-rejects.parquet"
    for key in (late, rejects):
        lake.store.put(key, b"?", sync=False)
        lake.age(key, 10)
    lake.age(late, 0.9)
    assert lake.gone() == set(), "it may be running still"
    lake.age(late, 10)
    assert lake.gone() == {late}, "files of a kind that is not known here stay"


def test_live_runs_are_left_alone(lake):
    lake.published("good", 100)
    lake.run("live", 60, manifest=False)
    late = layout.data_file(*NAMES, "good", 2, "late", 0)
    lake.store.put(late, b"?", sync=False)
    lake.age(late, 60)
    assert lake.gone(live_runs={"live", "good"}) == set()
    assert len(lake.gone()) == 2


def test_files_that_a_newer_run_refers_to_are_kept(lake):
    old = lake.published("r1", 400)
    for n in (2, 3, 4):
        lake.run(f"r{n}", 400 - n, files=0, refers_to=old)
        lake.publish(f"r{n}", 400 - n)
    assert lake.gone() == set(), "its data is still current, so its manifest stays too"


def test_the_manifest_of_a_step_without_a_table_stays(lake):
    lake.run("effect", 400, files=0)
    assert lake.gone() == set()


@pytest.mark.parametrize("broken", ["pointer", "manifest"])
def test_what_cannot_be_read_keeps_everything(lake, broken):
    for n, age in enumerate((400, 300, 200, 100), 1):
        lake.published(f"r{n}", age)
    lake.store.put(layout.pointer(*NAMES) if broken == "pointer" else manifest_of("r4"), b"torn", sync=False)
    plan = lake.garbage()
    assert plan.items == ()
    assert any("everything is kept" in sentence for sentence in plan.kept)


def test_the_manifest_of_another_attempt_than_the_published_one_keeps_everything(lake):
    """A failed attempt's, written late over the one that counts: readers see files that it does not list."""
    lake.published("r1", 100)
    write_manifest(lake.store, "dt", replace(lake.manifest("r1", ()), digest="", outcome="failed"), sync=False)
    lake.age(manifest_of("r1"), 90)
    plan = lake.garbage()
    assert plan.items == ()
    assert any("not the published one" in sentence for sentence in plan.kept)


def test_a_lost_pointer_keeps_what_may_have_been_current(lake):
    lake.published("r1", 400)
    lake.store.delete([layout.pointer(*NAMES)])
    orphans = lake.run("orphan", 5, manifest=False)
    plan = lake.garbage()
    assert {item.key for item in plan.items} == set(orphans)
    assert any("no pointer says" in sentence for sentence in plan.kept)


def test_what_killed_writes_left_goes_after_a_day(lake):
    lake.published("good", 10)
    left = ["clean/dt=2013-01-01/.current.json.0123456789abcdef.tmp", "_recoup/.owner.json.0123456789abcdef.tmp"]
    for key in left:
        (Path(lake.store.url) / key).parent.mkdir(exist_ok=True)
        (Path(lake.store.url) / key).write_bytes(b"half")
    assert lake.gone() == set()
    for key in left:
        lake.age(key, 2)
    assert lake.gone() == set(left)


def test_pointers_owner_summaries_errors_and_strangers_are_never_touched(lake):
    claim_owner(lake.store, "ledger-a", 1)
    for n, age in enumerate((400, 300, 200, 100), 1):
        lake.published(f"r{n}", age)
    kept = [
        layout.pointer(*NAMES),
        layout.OWNER,
        layout.summary("b1"),
        "_errors/clean/dt=2013-01-01/_SUCCESS",
        "_quarantine/clean/dt=2013-01-01/reason/a1-n-0.parquet",
        "clean/notes.txt",
        "clean/dt=2013-01-01/notes.txt",
    ]
    for key in kept[2:]:
        lake.store.put(key, b"?", sync=False)
        lake.age(key, 900)
    plan = lake.garbage(keep_generations=1, keep_days=0)
    collect(lake.store, plan)
    assert set(kept) <= lake.everything()
    assert not lake.garbage(keep_generations=1, keep_days=0).items, "nothing is left to collect"


def test_collecting_deletes_exactly_the_plan(lake):
    for n, age in enumerate((400, 300, 200, 100), 1):
        lake.published(f"r{n}", age)
    before = lake.everything()
    plan = lake.garbage()
    done = collect(lake.store, plan)
    assert {item.key for item in done.items} == {item.key for item in plan.items} == before - lake.everything()
    assert done.size_bytes == plan.size_bytes > 0
    assert collect(lake.store, plan).items == (), "twice is once"


def test_a_rollback_between_plan_and_collection_saves_its_run(lake):
    for n, age in enumerate((400, 300, 200, 100), 1):
        lake.published(f"r{n}", age)
    plan = lake.garbage()
    lake.publish("r1", 0)
    assert collect(lake.store, plan).items == ()
    assert manifest_of("r1") in lake.everything()


def test_a_collection_that_is_killed_leaves_no_manifest_without_its_data(lake):
    for n, age in enumerate((400, 300, 200, 100), 1):
        lake.published(f"r{n}", age)
    plan = lake.garbage()
    plan = replace(plan, items=tuple(reversed(plan.items)))
    deleted: list[str] = []

    class Dying(LocalStore):
        def delete(self, keys):
            for key in keys:
                deleted.append(key)
                super().delete([key])
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(Dying(lake.store.url), plan)
    assert deleted == [manifest_of("r1")]
    assert lake.gone() == {layout.data_file(*NAMES, "r1", 1, "n", 0)}
