"""What is handed over when more is broken than a step."""

import shutil
from dataclasses import replace

import pytest

from recoup.app.bundle import write_bundle
from recoup.app.escalation import escalate
from recoup.app.workspace import Workspace
from recoup.cli.escalation_files import REPORT, files_of
from recoup.model.errors import UsageError


@pytest.fixture
def broken(project):
    project.tell("bad", ["2024-01-04"])
    project.run()
    return project


def test_a_lake_out_of_reach_hides_nothing_else(broken):
    settings = replace(broken.workspace.settings, lake="ftp://nowhere/lake")
    found = escalate(Workspace(settings), ["days"])
    files = files_of(found, str)
    report = files[REPORT].decode()
    assert "ValueError: a bad day" in report
    assert "- lake: **fail**" in report
    assert not any(name.startswith("manifests/") for name in files)


def test_a_manifest_that_is_corrupt_is_left_out(broken):
    whole = files_of(escalate(broken.workspace, ["days"]), str)
    (manifest,) = (broken.root / "lake" / "manifests" / "raw" / "dt=2024-01-04").glob("run=*/manifest.json")
    manifest.write_text("{")
    torn = files_of(escalate(broken.workspace, ["days"]), str)
    assert {name.partition(".")[0] for name in whole.keys() - torn.keys()} == {"manifests/raw/2024-01-04"}


def test_a_bundle_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_bundle(tmp_path / "out", {"a": b"1", "a/b": b"2"})
    assert list(tmp_path.iterdir()) == []
    write_bundle(tmp_path / "out.zip", {"a": b"1"})
    shutil.unpack_archive(tmp_path / "out.zip", tmp_path)
    assert (tmp_path / "out" / "a").read_bytes() == b"1"
