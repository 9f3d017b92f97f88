from pathlib import Path

import pytest

from recoup.app.rollback import rollback
from tests.unit.app.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.make(tmp_path)


@pytest.fixture(scope="session")
def twice_once(tmp_path_factory) -> Project:
    project = Project.make(tmp_path_factory.mktemp("twice"))
    project.run()
    project.remember()
    project.tell("turn", 2)
    project.tell("feed", {f"2024-01-{day:02}": "v2" for day in range(1, 9)})
    project.run("missing,failed,stale")
    assert project.table() != project.first_table
    return project


@pytest.fixture(scope="session")
def mixed_once(tmp_path_factory) -> Project:
    project = Project.make(tmp_path_factory.mktemp("mixed"))
    project.tell("bad", ["2024-01-04"])
    project.run()
    project.tell("feed", {"2024-01-02": "v2", "2024-01-06": "v2"})
    project.tell("turn", 2)
    project.tell("bad", ["2024-01-04", "2024-01-06"])
    project.run("stale", partitions=("2024-01-02", "2024-01-06"))
    rollback(project.workspace, "days.clean", ["2024-01-02"], yes=True)
    project.tell("feed", {"2024-01-02": "v2", "2024-01-06": "v2", "2024-01-08": "v2"})
    project.planned()
    return project


@pytest.fixture
def twice(twice_once: Project, tmp_path: Path) -> Project:
    """Two runs of everything, with other rows; `first` and `first_table` are of the first one."""
    return twice_once.copy(tmp_path)


@pytest.fixture
def mixed(mixed_once: Project, tmp_path: Path) -> Project:
    """Published, failed, blocked, stale by code and by input, failed while published, rolled back."""
    return mixed_once.copy(tmp_path)
