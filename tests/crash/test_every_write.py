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

DAYS = ("2013-01-01", "2013-01-02", "2013-01-03")
ALL = {f"{node} {day}" for node in laws.NODES for day in DAYS}
LANES = 2
EVERY = 5
"""Every so many points are tried by default, beside all those of one partition; all of them with `-m soak`."""


@dataclass
class Scenario:
    """Something to be killed: the project before it, the command's words, what it ends with."""

    name: str
    words: tuple[str, ...]
    before: Path | None
    environ: dict[str, str]
    code: int
    expected: set[str]
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
    """A first backfill of three days, one of which fails; or all of it with new code, and that day mended."""
    nursery = nurseries.get()
    found = SCENARIOS[request.param](nursery, tmp_path_factory.mktemp(request.param))
    nurseries.put(nursery)
    return found


def first(nursery: Nursery, folder: Path) -> Scenario:
    return measured(Scenario("first", (), None, {}, 1, ALL - {f"clean {DAYS[2]}"}), nursery, folder)


def again(nursery: Nursery, folder: Path) -> Scenario:
    before = Project.make(folder / "before")
    assert before.run(nursery) == 1
    (before.folder / "calls.txt").unlink()
    mended = {"DAYS_VERSION": "2", "DAYS_BAD": ""}
    words = ("--only", "missing,failed,stale")
    return measured(Scenario("again", words, before.folder, mended, 0, ALL), nursery, folder)


SCENARIOS = {"first": first, "again": again}


def measured(scenario: Scenario, nursery: Nursery, folder: Path) -> Scenario:
    """With its write points, and the rows that it ends with when nobody disturbs it."""
    undisturbed = scenario.project(folder / "undisturbed")
    assert undisturbed.run(nursery, *scenario.words, trace="trace.txt") == scenario.code
    assert laws.broken(undisturbed, scenario.expected) == []
    scenario.rows, scenario.points = undisturbed.table(), undisturbed.trace()
    return scenario


def crash_and_resume(scenario: Scenario, nursery: Nursery, at: int, folder: Path) -> list[str]:
    """Complaints about what one crash left and what the same command made of it."""
    project = scenario.project(folder)
    with laws.Reader(project) as reader:
        killed = project.run(nursery, *scenario.words, at=at, trace="trace.txt")
        done, calls = laws.current(project), project.calls()
        ended = project.run(nursery, *scenario.words)
    problems = list(reader.problems)
    if killed not in {KILLED, scenario.code} or ended != scenario.code:
        problems.append(f"exit codes {killed} and {ended}: {project.output()[-2000:]}")
    if not problems:
        problems = laws.broken(project, scenario.expected)
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
