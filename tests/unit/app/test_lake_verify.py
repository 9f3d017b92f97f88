"""What somebody did to the lake is found, and written again from the ledger as far as that knows it."""

from __future__ import annotations

import json

import pytest

from recoup.app.lake_verify import FILE, MANIFEST, POINTER, verify
from recoup.app.rebuild import rebuild
from recoup.app.rollback import rollback
from recoup.lake.manifests import read_manifest
from recoup.model.errors import ExitCode
from tests.unit.app.test_rebuild import lose_ledger, of_steps

DAY = "2024-01-03"


@pytest.fixture
def made(project):
    project.run()
    rollback(project.workspace, "days.week", [DAY], to="none", yes=True)
    assert verify(project.workspace).damages == ()
    return project


def pointer(project, dataset="raw"):
    return project.root / f"lake/{dataset}/dt={DAY}/current.json"


def manifest(project, dataset="raw"):
    (path,) = project.root.glob(f"lake/manifests/{dataset}/dt={DAY}/*/manifest.json")
    return path


BREAKS = {"garbage": lambda path: path.write_text("garbage"), "gone": lambda path: path.unlink()}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("what", [POINTER, MANIFEST])
def test_a_pointer_or_a_manifest_is_written_again(made, what, how):
    path = pointer(made) if what == POINTER else manifest(made)
    before = json.loads(path.read_bytes())
    BREAKS[how](path)

    found = verify(made.workspace)
    assert [(d.dataset, d.partition, d.what, d.repaired) for d in found.damages] == [("raw", DAY, what, False)]
    assert "recoup lake verify --repair" in found.damages[0].remedy
    assert found.exit_code == ExitCode.INCOMPLETE

    assert verify(made.workspace, repair=True).exit_code == ExitCode.DONE
    assert verify(made.workspace).damages == ()
    assert told(json.loads(path.read_bytes())) == told(before)


def told(body):
    """All that counts; a pointer moves a moment before the ledger takes note of it."""
    for generation in body.get("generations", []):
        generation.pop("published_at")
    return {name: value for name, value in body.items() if name not in ("self_digest", "counters")}


def test_a_ledger_that_is_lost_after_the_repair_is_rebuilt_as_it_was(made):
    planned = of_steps(made.planned())
    pointer(made).write_text("garbage")
    manifest(made).unlink()
    verify(made.workspace, repair=True)
    lose_ledger(made)
    rebuild(made.workspace)
    assert of_steps(made.planned()) == planned


def test_a_torn_file_is_named_with_the_way_out_and_not_touched(made):
    (file,) = made.root.glob(f"lake/raw/dt={DAY}/*/*.parquet")
    file.write_bytes(b"torn")
    for repair in (False, True):
        found = verify(made.workspace, ["raw"], repair=repair)
        ((what, repaired, remedy),) = [(d.what, d.repaired, d.remedy) for d in found.damages]
        assert (what, repaired) == (FILE, False)
        assert f"recoup publish rollback raw {DAY} --to none --yes" in remedy
        assert found.exit_code == ExitCode.INCOMPLETE
    assert file.read_bytes() == b"torn"


def test_a_sound_pointer_that_shows_something_else_is_left_alone(made):
    """Whoever wrote it knows more than we do."""
    other = made.root / "lake/raw/dt=2024-01-04/current.json"
    text = pointer(made).read_bytes()
    made.tell("feed", {DAY: "v2"})
    made.tell("turn", 2)
    made.run("stale", steps=("raw",))
    pointer(made).write_bytes(text)
    found = verify(made.workspace, repair=True)
    ((what, repaired),) = [(d.what, d.repaired) for d in found.damages]
    assert (what, repaired) == (POINTER, False)
    assert pointer(made).read_bytes() == text
    assert other.exists()


def test_a_manifest_of_a_pipeline_that_nobody_names_cannot_be_written(made):
    (made.root / "recoup.toml").write_text("")
    manifest(made).unlink()
    assert not verify(made.workspace, repair=True).damages[0].repaired
    run_id = verify(made.workspace).damages[0].sentence.split()[4]
    assert read_manifest(made.workspace.store(), "raw", "dt", DAY, run_id) is None
