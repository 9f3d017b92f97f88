"""Five hundred partitions, and somebody who kills at random, a controller or a worker, until all is done; then again.

`RECOUP_SOAK_SECONDS` says how long, `RECOUP_SOAK_SEED` what chance does; the seed is printed.
"""

import os
import random
import subprocess
import time
from collections import Counter
from contextlib import suppress
from datetime import date, timedelta

import psutil
import pytest

from tests.crash import laws
from tests.crash.project import KILLED, NODES, Project, ended, rows

SECONDS = float(os.environ.get("RECOUP_SOAK_SECONDS", "60"))
SEED = int(os.environ.get("RECOUP_SOAK_SEED", "2013"))
DAYS = [str(date(2013, 1, 1) + timedelta(days=n)) for n in range(500)]
PATIENCE_SECONDS = 300.0


@pytest.mark.soak
def test_random_kills(tmp_path, capsys):
    chance = random.Random(SEED)
    over, rounds = time.monotonic() + SECONDS, 0
    while rounds == 0 or time.monotonic() < over:
        rounds += 1
        killed, reads = backfill(Project.make(tmp_path / str(rounds), DAYS_BAD="", DAYS_END=DAYS[-1]), chance, over)
        with capsys.disabled():
            print(f"\nseed {SEED}, round {rounds}: killed {dict(killed)}, {reads} reads beside it")


def backfill(project: Project, chance: random.Random, over: float) -> tuple[Counter[str], int]:
    """As many lives as it takes; who was killed how often, and how much was read meanwhile."""
    killed: Counter[str] = Counter()
    code = None
    with laws.Reader(project) as reader:
        while code != 0:
            done, calls = laws.current(project), project.calls()
            code = live(project, chance, killed, over)
            again = [name for name in done if project.calls()[name] > calls[name]]
            assert not again, f"seed {SEED}: {again} were done and were called again"
    assert not reader.problems, f"seed {SEED}"
    assert laws.broken(project, {f"{node} {day}" for node in NODES for day in DAYS}, rows(DAYS)) == [], f"seed {SEED}"
    return killed, reader.reads


def live(project: Project, chance: random.Random, killed: Counter[str], over: float) -> int:
    """One life of a controller, which may lose workers in it; ends with its exit code."""
    undisturbed = time.monotonic() >= over
    controller = project.start("--max-parallel", "2")
    with ended(controller):
        while time.monotonic() < over and controller.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                controller.wait(chance.uniform(0.2, 1.5))
                break
            victim = chance.choice(["controller", "worker", "worker"])
            killed[victim] += 1
            if victim == "controller":
                controller.kill()
            else:
                kill_a_worker(controller, chance)
        _, errors = controller.communicate(timeout=PATIENCE_SECONDS)
    # It gives up (1) when three workers in a row have not lived to see their first task.
    assert controller.returncode in ({0} if undisturbed else {0, 1, KILLED}), errors
    return controller.returncode


def kill_a_worker(controller: "subprocess.Popen[str]", chance: random.Random) -> None:
    with suppress(psutil.NoSuchProcess):
        workers = psutil.Process(controller.pid).children()
        if workers:
            chance.choice(workers).kill()
