"""The controller, or a worker, killed at each of its write points; then the same command to the end: the laws hold."""

import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.crash import laws
from tests.crash.conftest import LANES
from tests.crash.nursery import Nurseries, Nursery
from tests.crash.project import ALL, DAYS, KILLED, TABLES, Project, Rows, rows

BAD = DAYS[2]
FIRST = ALL - {f"clean {BAD}"}
"""What is published when nothing is set: on the last day `clean` fails."""
# Without `-m soak`: of a first backfill one partition and what follows on each commit, of the others every so many.
AGAIN_EVERY = 5
WORKERS_EVERY = 4

Attempt = Callable[[Nursery, int, Path], list[str]]


@dataclass
class Scenario:
    """Something to be killed: the project before it, the command's words, what it ends with."""

    name: str
    words: tuple[str, ...]
    before: Path | None
    environ: dict[str, str]
    code: int
    expected: frozenset[str]
    rows: Rows = field(default_factory=list)
    points: list[str] = field(default_factory=list)

    def project(self, folder: Path) -> Project:
        if self.before is None:
            return Project.make(folder, **self.environ)
        shutil.copytree(self.before, folder)
        return Project(folder, self.environ)

    def sample(self) -> list[int]:
        """Some of the points, by number."""
        numbered = list(enumerate(self.points, 1))
        if self.before is not None:
            return [at for at, _ in numbered[::AGAIN_EVERY]]
        return [at for at, point in numbered if DAYS[1] in point or " after " in point]


@pytest.fixture(scope="module", params=["first", "again"])
def scenario(request, nurseries, tmp_path_factory) -> Scenario:
    """A first backfill of three days, one of which fails; or all of them again with new code, and that day mended."""
    nursery = nurseries.get()
    found = SCENARIOS[request.param](nursery, tmp_path_factory.mktemp(request.param))
    nurseries.put(nursery)
    return found


def first(nursery: Nursery, folder: Path) -> Scenario:
    return measured(Scenario("first", (), None, {"DAYS_FLAKY": DAYS[1]}, 1, FIRST), nursery, folder)


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
    scenario.rows, scenario.points = undisturbed.table(), undisturbed.trace()
    assert laws.broken(undisturbed, scenario.expected, scenario.rows) == []
    return scenario


def crash_and_resume(scenario: Scenario, nursery: Nursery, at: int, folder: Path) -> list[str]:
    """Complaints about what one crash left and what the same command made of it."""
    project = scenario.project(folder)
    with laws.Reader(project) as reader:
        killed = project.run(nursery, *scenario.words, at=at, trace="trace.txt")
        done, calls = laws.current(project), project.calls()
        leave_rubbish(project)
        ended = project.run(nursery, *scenario.words)
    problems = list(reader.problems)
    if killed not in {KILLED, scenario.code} or ended != scenario.code:
        problems.append(f"exit codes {killed} and {ended}: {project.output()[-2000:]}")
    if not problems:
        problems = laws.broken(project, scenario.expected, scenario.rows)
    made = made_before(scenario, done)
    problems += [f"{name} was done and was called again" for name in made if project.calls()[name] > calls[name]]
    return [f"{scenario.name}, killed at {project.trace()[-1]}: {problem}" for problem in problems]


def leave_rubbish(project: Project) -> None:
    """Files of nobody in every run's folder, one of them half a Parquet file: nobody will take them away."""
    for run in (project.folder / "lake").glob("[!m_]*/*/run=*"):
        (run / "_SUCCESS").touch()
        (run / "a1-00000000-0.parquet").write_bytes(b"PAR1\x15\x04")


def made_before(scenario: Scenario, done: dict[str, tuple[Any, ...]]) -> list[str]:
    """What the killed command had published: what was there before it does not count."""
    before = laws.current(Project(scenario.before)) if scenario.before else {}
    return [name for name, publication in done.items() if before.get(name) != publication]


def in_lanes(points: list[int], nurseries: Nurseries, folder: Path, attempt: Attempt) -> list[str]:
    """All complaints; as many at once as there are nurseries."""

    def one(at: int) -> list[str]:
        nursery = nurseries.get()
        try:
            return attempt(nursery, at, folder / str(at))
        finally:
            nurseries.put(nursery)
            shutil.rmtree(folder / str(at), ignore_errors=True)

    with ThreadPoolExecutor(LANES) as lanes:
        return [problem for problems in lanes.map(one, points) for problem in problems]


@pytest.mark.runbook("D-10", "D-15", "D-30")
def test_the_controller_dies_at_a_write(scenario, nurseries, tmp_path, capsys):
    points = scenario.sample()
    tell(capsys, scenario, points)
    assert in_lanes(points, nurseries, tmp_path, partial(crash_and_resume, scenario)) == []


@pytest.mark.soak
def test_the_controller_dies_at_every_write(scenario, nurseries, tmp_path, capsys):
    points = list(range(1, len(scenario.points) + 1))
    tell(capsys, scenario, points)
    assert in_lanes(points, nurseries, tmp_path, partial(crash_and_resume, scenario)) == []


def tell(capsys, scenario: Scenario, points: list[int]) -> None:
    kinds = Counter(point.split(" ")[1] for point in scenario.points)
    with capsys.disabled():
        print(f"\n{scenario.name}: {len(scenario.points)} write points, killed at {len(points)} of them; {dict(kinds)}")


def test_what_was_published_when_it_died_is_not_made_again(nursery, tmp_path):
    """The last pointer has moved, and nobody was left to tell the ledger: it is told, and the run is complete."""
    environ = {"DAYS_SINK": "", "DAYS_BAD": "", "DAYS_END": "2013-01-01"}
    project = Project.make(tmp_path / "project", **environ)
    assert project.run(nursery, at=2, kinds=["send"], where="pipe") == KILLED
    calls = project.calls()
    assert laws.current(project).keys() == {f"{node} {DAYS[0]}" for node in ("fetch", "clean")}
    assert project.run(nursery) == 0
    assert project.calls() == calls
    assert laws.broken(project, {f"{node} {DAYS[0]}" for node in ("fetch", *TABLES)}, []) == []


# --- a worker


@pytest.fixture(scope="module")
def worker_points(nurseries, tmp_path_factory) -> list[str]:
    """What one worker writes while it makes three days, start and end included."""
    nursery = nurseries.get()
    project = Project.make(tmp_path_factory.mktemp("worker") / "undisturbed")
    assert run_with_a_worker(project, nursery, trace="trace.txt") == 1
    nurseries.put(nursery)
    return project.trace()


def run_with_a_worker(project: Project, nursery: Nursery, **injector: Any) -> int:
    project.environ |= {"RECOUP_EXECUTOR": "processes", "RECOUP_MAX_PARALLEL": "1"}
    return project.run(nursery, workers=injector)


def lose_a_worker(nursery: Nursery, at: int, folder: Path) -> list[str]:
    """Complaints about a backfill whose worker died: it costs one attempt, and the same command does the rest."""
    project = Project.make(folder)
    with laws.Reader(project) as reader:
        ended = run_with_a_worker(project, nursery, at=at, once="died.txt", trace="trace.txt")
    problems = list(reader.problems)
    if ended != 1 or not (folder / "died.txt").exists():
        problems.append(f"it ended with {ended}: {project.output()[-2000:]}")
    if not problems:
        problems = laws.broken(project, FIRST, rows(bad=BAD))
    with project.reader() as ledger:
        lost = ledger.query("SELECT token FROM attempts WHERE state = 'lost'")
    if len(lost) > 1:
        problems.append(f"it cost the attempts {lost}")
    twice = [name for name, count in project.calls().items() if count > 1]
    if len(twice) > len(lost):
        problems.append(f"called twice: {twice}")
    return [f"worker killed at {at}: {problem}" for problem in problems]


def test_a_worker_dies_at_a_write(worker_points, nurseries, tmp_path, capsys):
    own = [at for at, point in enumerate(worker_points, 1) if DAYS[0] in point or "duckdb" in point][::WORKERS_EVERY]
    points = sorted({1, *own, len(worker_points)})
    with capsys.disabled():
        print(f"\na worker: {len(worker_points)} write points, killed at {len(points)} of them")
    assert in_lanes(points, nurseries, tmp_path, lose_a_worker) == []


@pytest.mark.soak
def test_a_worker_dies_at_every_write(worker_points, nurseries, tmp_path):
    assert in_lanes(list(range(1, len(worker_points) + 1)), nurseries, tmp_path, lose_a_worker) == []
