"""One project of the crash tests: a folder, the command that is killed and repeated, and what its witnesses say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from recoup.app.settings import load_settings
from recoup.app.workspace import Workspace
from recoup.lake.local import LocalStore
from recoup.ledger.reader import LedgerReader
from tests.crash.nursery import Nursery

PIPELINE = Path(__file__).with_name("days.py")
RUN = ("run", "days")
KILLED = -signal.SIGKILL

DAYS = ("2013-01-01", "2013-01-02", "2013-01-03")
TABLES = ("clean", "totals")
NODES = ("fetch", *TABLES, "totals@out.totals")
"""All that is published: what steps make, and what the table holds of it."""
ALL = frozenset(f"{node} {day}" for node in NODES for day in DAYS)
Rows = list[tuple[Any, ...]]


def rows(days: Sequence[str] = DAYS, bad: str = "", version: int = 1) -> Rows:
    """What the table holds of these days in the end: for each, the sums of its own and the day before."""
    own = [0 if day == bad else version * (int(day.replace("-", "")) % 100) for day in days]
    sums = [today + before for today, before in zip(own, [0, *own], strict=False)]
    names = (("a", 1), ("b", 2), ("c", 3))
    return [(date.fromisoformat(day), n, total * m) for day, total in zip(days, sums, strict=True) for n, m in names]


@dataclass
class Project:
    """A folder with a recoup.toml; its lake and ledger come with the first run."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    out: Path = field(init=False)
    """What forked commands say; not in the folder, which may be on a disk that is full."""

    def __post_init__(self) -> None:
        self.out = self.folder.with_suffix(".out")

    @classmethod
    def make(cls, folder: Path, *lines: str, **environ: str) -> Project:
        """A new project; `lines` are settings, variables go to every command."""
        folder.mkdir(parents=True)
        text = "\n".join([*lines, "[pipelines]", f'days = "{PIPELINE}:days"', ""])
        (folder / "recoup.toml").write_text(text, encoding="utf-8")
        return cls(folder, environ)

    # --- the command, in a fork

    def run(self, nursery: Nursery, *more: str, **injector: Any) -> int:
        """`recoup run days`, inline; killed or failed as the injector's fields say."""
        return self.recoup(nursery, *RUN, *more, **injector)

    def recoup(self, nursery: Nursery, *words: str, **injector: Any) -> int:
        """Any command."""
        environ = {"RECOUP_EXECUTOR": "inline", **self.environ}
        return nursery.bear(self.folder, list(words), self.out, environ, injector)

    # --- the command, as people start it

    def start(self, *more: str, crash: Sequence[str] | None = None, **environ: str) -> subprocess.Popen[str]:
        """`recoup run days` with worker processes; `crash` are options of the injector."""
        words = ["-m", "recoup", *RUN, *more]
        if crash is not None:
            words = ["-m", "recoup.testing.crash", *crash, *words]
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, "POLARS_MAX_THREADS": "1", **self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *more: str, crash: Sequence[str] | None = None, **environ: str) -> tuple[int, str]:
        """The same, awaited: exit code and stderr."""
        process = self.start(*more, crash=crash, **environ)
        _, errors = process.communicate(timeout=100)
        return process.returncode, errors

    # --- witnesses

    @cached_property
    def lake(self) -> LocalStore:
        """Read from while others write: it makes nothing."""
        return LocalStore(self.folder / "lake", read_only=True)

    @property
    def ledger(self) -> Path:
        return self.folder / ".recoup" / "ledger.db"

    def reader(self) -> LedgerReader:
        return LedgerReader(self.ledger)

    def workspace(self) -> Workspace:
        return Workspace(load_settings(self.folder / "recoup.toml"))

    def calls(self) -> Counter[str]:
        """How often each `step partition` was called."""
        path = self.folder / "calls.txt"
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()

    def table(self) -> Rows:
        """What the DuckDB table holds."""
        return self.duckdb()[0]

    def duckdb(self) -> tuple[Rows, Rows]:
        """The rows of the table, and of the record of what it holds: partition, run, token and digest."""
        if not (self.folder / "out.duckdb").exists():
            return [], []
        with duckdb.connect(str(self.folder / "out.duckdb"), read_only=True, config={"threads": 1}) as connection:
            rows = connection.execute("SELECT dt, name, n FROM totals ORDER BY ALL").fetchall()
            held = connection.execute("SELECT partition, run_id, token, digest FROM _recoup_deliveries ORDER BY ALL")
            return rows, held.fetchall()

    def output(self) -> str:
        """What forked commands said."""
        return self.out.read_text(errors="replace")

    def trace(self) -> list[str]:
        return (self.folder / "trace.txt").read_text().splitlines()


@contextmanager
def ended(*processes: subprocess.Popen[str]):
    """Nobody outlives the block, whatever state it is in."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
