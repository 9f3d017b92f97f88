"""How soon a `pause` from another process takes hold while the controller is busy; medians over several rounds.

    python bench/pause.py [ROUNDS]

Held: from the pause's own commit to the end of the last attempt that still ran.
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
import recoup as rc

busy = rc.Pipeline("busy", partitions=rc.Daily("1900-01-01", "2100-01-01"))


@busy.step
def first(ctx): ...


@busy.step
def second(ctx, first): ...
"""


def once(folder: Path) -> float:
    (folder / "busy.py").write_text(PIPELINE, encoding="utf-8")
    (folder / "recoup.toml").write_text('[pipelines]\nbusy = "busy.py"\n', encoding="utf-8")
    recoup = [sys.executable, "-m", "recoup"]
    run = subprocess.Popen([*recoup, "run", "busy"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(3)
    subprocess.run(
        [*recoup, "backfill", "pause", "latest"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    db = sqlite3.connect(f"file:{folder}/.recoup/ledger.db?mode=ro", uri=True)
    wished = db.execute("SELECT at FROM events WHERE kind = 'wished: pause'").fetchone()[0]
    time.sleep(0.5)
    last = db.execute("SELECT max(ended_at) FROM attempts WHERE state = 'succeeded'").fetchone()[0]
    run.terminate()
    run.wait(20)
    return last - wished


def main(rounds: int) -> None:
    held = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            held.append(once(Path(folder)))
    print(f"held after {1000 * statistics.median(held):.0f} ms (median of {rounds}; worst {1000 * max(held):.0f} ms)")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
