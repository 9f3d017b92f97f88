"""The power goes: what nobody synced is gone, and the same command makes everything right."""

import pytest

from tests.crash import laws
from tests.crash.power import cut
from tests.crash.project import ALL, KILLED, Project, rows

POINTS = [30, 60, 90, 120, 150, 180, 210, 240]
"""Of the first run's 280, about every place in the life of a partition."""


@pytest.mark.parametrize("at", [*POINTS, None])
def test_what_was_not_synced_is_made_or_written_again(at, nursery, tmp_path):
    project = Project.make(tmp_path / "project", DAYS_BAD="")
    assert project.run(nursery, at=at, trace="trace.txt") == (0 if at is None else KILLED)
    lost = cut(project, killed=at is not None)
    if at is None:
        assert [path for path in lost if path.endswith("manifest.json")], (
            "those of steps without a table follow unsynced"
        )
        assert not [path for path in lost if path.endswith((".parquet", "current.json", "summary.json"))]
    assert project.run(nursery) == 0, project.output()
    assert laws.broken(project, ALL, rows()) == []
