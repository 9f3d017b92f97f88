"""What transient failures cost a backfill, and what a dead source does: 10,000 partitions of one short step.

    python bench/transient.py [--partitions 10000] [--pairs 3]

Each pair runs without a failure, then with one partition in a hundred whose first attempt is refused; a retry waits
100 ms, and holds no worker meanwhile. At last a source that never answers: how many attempts it
costs.
"""

import argparse
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

PIPELINE = """
import os
import recoup as rc

EVERY = int(os.environ["BENCH_EVERY"])
DEAD = bool(os.environ.get("BENCH_DEAD"))
days = rc.Daily("1990-01-01", "{last}")
source = rc.Pipeline("source", partitions=days, retry=rc.Retry(initial="100ms", max="1s"))


@source.step
def short(ctx):
    if DEAD or (EVERY and ctx.attempt == 1 and days.ordinal(ctx.partition) % EVERY == 0):
        raise ConnectionResetError(104, "Connection reset by peer")
"""


class Took(NamedTuple):
    """Of the whole command with its workers; processor time says more than the clock where others work, too."""

    seconds: float
    cpu_seconds: float


def run(folder: Path, **environ: str) -> Took:
    """In a new ledger."""
    for name in (".recoup", "lake"):
        shutil.rmtree(folder / name, ignore_errors=True)
    began, used = time.perf_counter(), cpu_of_children()
    command = [sys.executable, "-m", "recoup", "run", "source", "--max-parallel", "2", "--json"]
    with (folder / "out").open("w") as out:
        subprocess.run(command, cwd=folder, env={**os.environ, **environ}, stdout=out, stderr=out, check=False)
    return Took(time.perf_counter() - began, cpu_of_children() - used)


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def attempts(folder: Path) -> dict[str, int]:
    with sqlite3.connect(folder / ".recoup" / "ledger.db") as db:
        return dict(db.execute("SELECT state, count(*) FROM attempts GROUP BY state"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    last = date(1990, 1, 1) + timedelta(days=arguments.partitions - 1)
    (folder / "source.py").write_text(PIPELINE.format(last=last), encoding="utf-8")
    (folder / "recoup.toml").write_text('[pipelines]\nsource = "source.py:source"\n', encoding="utf-8")
    ratios: list[Took] = []
    for _ in range(arguments.pairs):
        without = run(folder, BENCH_EVERY="0")
        assert attempts(folder) == {"succeeded": arguments.partitions}
        some = run(folder, BENCH_EVERY="100")
        assert attempts(folder) == {"succeeded": arguments.partitions, "failed": arguments.partitions // 100}
        ratios.append(Took(some.seconds / without.seconds, some.cpu_seconds / without.cpu_seconds))
        print(f"without {without.seconds:.2f} s (cpu {without.cpu_seconds:.2f}), ", end="")
        print(f"with {some.seconds:.2f} s (cpu {some.cpu_seconds:.2f})", flush=True)
    for name in Took._fields:
        values = [getattr(ratio, name) for ratio in ratios]
        print(f"ratio of {name}: median {statistics.median(values):.3f}, {min(values):.3f} to {max(values):.3f}")
    dead = run(folder, BENCH_EVERY="0", BENCH_DEAD="1")
    print(f"a dead source: {attempts(folder)} in {dead.seconds:.2f} s")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
