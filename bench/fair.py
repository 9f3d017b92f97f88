"""How soon a live run starts while a backfill of 100,000 partitions keeps every slot busy, and what the backfill keeps.

    python bench/fair.py [ROUNDS] [STEP_SECONDS]

Waited: from what the live run asked of the ledger to its first step's start; beside it, from the command to that
start, and the same with nobody else at work. Kept: the backfill's part of all starts between the first and the last
start of live runs that want every slot.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = """
import time
import recoup as rc

busy = rc.Pipeline("busy", partitions=rc.Daily("1900-01-01", "2299-12-31"))


@busy.step
def step(ctx):
    time.sleep({seconds})
"""
RECOUP = [sys.executable, "-m", "recoup"]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
LIVE = "2200-01-01"


def project(folder: Path, seconds: float) -> None:
    (folder / "busy.py").write_text(PIPELINE.format(seconds=seconds), encoding="utf-8")
    (folder / "recoup.toml").write_text('max_parallel = 4\n[pipelines]\nbusy = "busy.py"\n', encoding="utf-8")


def asked(folder: Path, sql: str, *values: object) -> list[tuple]:
    db = sqlite3.connect(f"file:{folder}/.recoup/ledger.db?mode=ro", uri=True)
    try:
        return db.execute(sql, values).fetchall()
    finally:
        db.close()


def live(folder: Path, day: str) -> tuple[float, float]:
    """Seconds from asking, and from the command, to the start of the first step."""
    typed = time.time()
    subprocess.run([*RECOUP, "run", "busy", day], cwd=folder, check=True, **QUIET)
    [(created, began)] = asked(
        folder,
        "SELECT b.created_at, a.started_at FROM attempts a JOIN backfills b USING (backfill) JOIN runs r USING (run)"
        " WHERE r.partition = ?",
        day,
    )
    return began - created, began - typed


def once(folder: Path, seconds: float) -> tuple[float, float, float, float]:
    project(folder, seconds)
    _, alone = live(folder, LIVE)
    backfill = subprocess.Popen([*RECOUP, "run", "busy", "--end", "2173-10-14"], cwd=folder, **QUIET)
    time.sleep(3 + 2 * seconds)
    waited, typed = live(folder, "2200-01-02")
    for year in (2201, 2202, 2203):
        window = ["--start", f"{year}-01-01", "--end", f"{year}-01-20"]
        subprocess.run([*RECOUP, "run", "busy", *window, "--priority", "10"], cwd=folder, check=True, **QUIET)
    [(ours, everybody)] = asked(
        folder,
        "WITH lives AS (SELECT min(token) AS first, max(token) AS last FROM attempts"
        " WHERE backfill > 3 GROUP BY backfill)"
        " SELECT sum(a.backfill = 2), count(*) FROM attempts a JOIN lives ON a.token BETWEEN first AND last"
        " WHERE a.state <> 'released'",
    )
    backfill.terminate()
    backfill.wait(60)
    return waited, typed, alone, ours / everybody


def main(rounds: int, seconds: float) -> None:
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(once(Path(folder), seconds))
    waited, typed, alone, kept = (statistics.median(column) for column in zip(*found, strict=True))
    worst = max(row[0] for row in found)
    print(f"steps of {seconds:g} s, 4 slots, median of {rounds}: a live run waited {waited:.2f} s (worst {worst:.2f});")
    print(f"from command to start {typed:.2f} s, with nobody else {alone:.2f} s; the backfill kept {100 * kept:.0f} %")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
