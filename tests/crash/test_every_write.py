"""The controller, and a worker, killed at each of their write points; then the same command, to the end: the laws hold."""

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.crash import laws
from tests.crash.nursery import Nursery
from tests.crash.project import KILLED, Project

BAD = "2013-01-03"
DAYS = ("2013-01-01", "2013-01-02", BAD)
EXPECTED = {f"{node} {day}" for node in laws.NODES for day in DAYS} - {f"clean {BAD}"}
LANES = 2
EVERY = 5
"""Every so many points are tried by default, beside all those of one partition; all of them with `-m soak`."""


@dataclass
class Scenario:
    """Something to be killed: how a fresh project is made, the command's words, what it ends with."""

    name: str
    words: tuple[str, ...]
    before: Path | None
    environ: dict[str, str]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    points: list[str] = field(default_factory=list)

    def project(self, folder: Path) -> Project:
        if self.before is None:
            return Project.make(folder, **self.environ)
        shutil.copytree(self.before, folder)
        return Project(folder, self.environ)

    def sample(self) -> list[int]:
        """All points of the middle partition, and some of the others."""
        own = [at for at, point in enumerate(self.points, 1) if DAYS[1] in point]
        return sorted({*range(own[0] - 1, own[-1] + 2), *range(1, len(self.points) + 1, EVERY)})


@pytest.fixture(scope="module")
def nurseries() -> Iterator["SimpleQueue[Nursery]"]:
    idle: SimpleQueue[Nursery] = SimpleQueue()
    made = [Nursery() for _ in range(LANES)]
    for nursery in made:
        idle.put(nursery)
    yield idle
    for nursery in made:
        nursery.close()


@pytest.fixture(scope="module", params=["first", "again"])
def scenario(request, nurseries, tmp_path_factory) -> Scenario:
    """A first backfill of three days, one of which fails; or the same again with new code, over what is published."""
    folder = tmp_path_factory.mktemp(request.param)
    nursery = nurseries.get()
    if request.param == "first":
        found = Scenario("first", (), None, {})
    else:
        before = Project.make(folder / "before")
        assert before.run(nursery) == 1
        (before.folder / "calls.txt").unlink()
        found = Scenario("again", ("--only", "missing,failed,stale"), before.folder, {"DAYS_VERSION": "2"})
    undisturbed = found.project(folder / "undisturbed")
    assert undisturbed.run(nursery, *found.words, trace="trace.txt") == 1
    assert laws.broken(undisturbed, EXPECTED) == []
    found.rows, found.points = undisturbed.table(), undisturbed.trace()
    nurseries.put(nursery)
    return found


def crash_and_resume(scenario: Scenario, nursery: Nursery, at: int, folder: Path) -> list[str]:
    """Complaints about what one crash left and what the same command made of it."""
    project = scenario.project(folder)
    with laws.Reader(project) as reader:
        killed = project.run(nursery, *scenario.words, at=at, trace="trace.txt")
        done, calls = laws.current(project), project.calls()
        ended = project.run(nursery, *scenario.words)
    problems = list(reader.problems)
    if killed not in {KILLED, 1} or ended != 1:
        problems.append(f"exit codes {killed} and {ended}: {project.output()[-2000:]}")
    if not problems:
        problems = laws.broken(project, EXPECTED)
    if project.table() != scenario.rows:
        problems.append(f"the table holds {project.table()}")
    made = made_before(scenario, done)
    problems += [f"{name} was done and was called again" for name in made if project.calls()[name] > calls[name]]
    return [f"{scenario.name}, killed at {project.trace()[-1]}: {problem}" for problem in problems]


def made_before(scenario: Scenario, done: dict[str, tuple[Any, ...]]) -> list[str]:
    """What the killed command had published: what was there before it does not count."""
    before = laws.current(Project(scenario.before)) if scenario.before else {}
    return [name for name, publication in done.items() if before.get(name) != publication]


def try_all(scenario: Scenario, points: list[int], nurseries: "SimpleQueue[Nursery]", folder: Path) -> list[str]:
    def attempt(at: int) -> list[str]:
        nursery = nurseries.get()
        try:
            return crash_and_resume(scenario, nursery, at, folder / str(at))
        finally:
            nurseries.put(nursery)
            shutil.rmtree(folder / str(at), ignore_errors=True)

    with ThreadPoolExecutor(LANES) as lanes:
        return [problem for problems in lanes.map(attempt, points) for problem in problems]


@pytest.mark.runbook("D-15", "D-10")
def test_the_controller_dies_at_a_write(scenario, nurseries, tmp_path, capsys):
    points = scenario.sample()
    tell(capsys, scenario, points)
    assert try_all(scenario, points, nurseries, tmp_path) == []


@pytest.mark.soak
def test_the_controller_dies_at_every_write(scenario, nurseries, tmp_path, capsys):
    points = list(range(1, len(scenario.points) + 1))
    tell(capsys, scenario, points)
    assert try_all(scenario, points, nurseries, tmp_path) == []


def tell(capsys, scenario: Scenario, points: list[int]) -> None:
    kinds = Counter(point.split(" ")[1] for point in scenario.points)
    with capsys.disabled():
        print(f"\n{scenario.name}: {len(scenario.points)} write points, killed at {len(points)} of them; {dict(kinds)}")
