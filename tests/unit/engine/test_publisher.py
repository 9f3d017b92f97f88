"""Manifests that follow: a store that is out of reach for a moment ends no backfill."""

from __future__ import annotations

import pytest

from recoup.app.backfilling import RunOptions, run
from recoup.app.workspace import Workspace
from recoup.engine.publisher import Publisher
from recoup.lake.disk import FsyncFailedError
from recoup.lake.local import LocalStore
from recoup.lake.manifests import read_manifest
from recoup.lake.memory import MemoryStore
from recoup.model.errors import DiskFullError, RecoupError, UnreachableError
from recoup.model.manifest import Manifest
from recoup.plan.request import Request

PIPELINE = """
import recoup as rc
p = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-03", key="dt"))
@p.step
def note(ctx): ctx.count("calls", 1)
"""
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


class Flaky(MemoryStore):
    """Fails while there is a trouble; all else is the real one."""

    trouble: RecoupError | None = None

    def put(self, *given, **more):
        if self.trouble is not None:
            raise self.trouble
        super().put(*given, **more)


def manifest(day: str, outcome: str = "success", token: int = 1) -> tuple[Manifest, str]:
    made = Manifest("p", "note", day, f"r-{day}", "", 1, token, outcome, "", "", 0.0, "v1", "")
    return made, "dt"


def is_there(store, day: str) -> bool:
    return read_manifest(store, "note", "dt", day, f"r-{day}") is not None


def idle(publisher: Publisher) -> None:
    publisher._trailing.submit(lambda: None).result()


def test_what_could_not_be_written_is_written_with_the_next_batch():
    store = Flaky()
    publisher = Publisher(store)
    store.trouble = UnreachableError("503 slow down")
    publisher.write_manifests([manifest(DAYS[0]), manifest(DAYS[1])])
    idle(publisher)
    assert publisher.outcomes() == []
    store.trouble = None
    publisher.write_manifests([manifest(DAYS[2])])
    publisher.close()
    assert all(is_there(store, day) for day in DAYS)
    assert not publisher.owes


def test_what_is_owed_at_the_end_is_tried_once_more():
    store = Flaky()
    publisher = Publisher(store)
    store.trouble = UnreachableError("503 slow down")
    publisher.write_manifests([manifest(DAYS[0])])
    idle(publisher)
    store.trouble = None
    publisher.close()
    assert is_there(store, DAYS[0])


def test_what_stays_owed_is_said():
    store = Flaky()
    publisher = Publisher(store)
    store.trouble = UnreachableError("503 slow down")
    publisher.write_manifests([manifest(DAYS[0])])
    publisher.close()
    assert publisher.owes


@pytest.mark.parametrize("error", [FsyncFailedError("the disk did not confirm"), DiskFullError("no room")])
def test_a_disk_that_is_full_or_broken_stops_the_process(error):
    store = Flaky()
    publisher = Publisher(store)
    store.trouble = error
    publisher.write_manifests([manifest(DAYS[0])])
    idle(publisher)
    with pytest.raises(type(error)):
        publisher.outcomes()
    with pytest.raises(type(error)):
        publisher.close()


def test_the_next_run_writes_what_this_one_owes(tmp_path, monkeypatch):
    (tmp_path / "p.py").write_text(PIPELINE)
    (tmp_path / "recoup.toml").write_text('[pipelines]\np = "p.py:p"\n')
    workspace = Workspace.here(tmp_path / "recoup.toml")
    put = LocalStore.put

    def unreachable(self, key, *given, **more):
        if key.startswith("manifests/note"):
            raise UnreachableError("503 slow down")
        put(self, key, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put", unreachable)
        assert run(workspace, Request("p"), "p", RunOptions(executor="inline")).state == "done"
    assert not list(tmp_path.glob("lake/manifests/note/*/*/manifest.json"))

    run(workspace, Request("p"), "p", RunOptions(executor="inline"))
    assert len(list(tmp_path.glob("lake/manifests/note/*/*/manifest.json"))) == len(DAYS)
