"""A server that is killed while rows arrive, a program that is killed at its statements: all is there once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psycopg
import pytest

from recoup.model.errors import ConflictError, UnreachableError
from recoup.model.sinks.declared import Mode
from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery, Held
from recoup.sinks.postgres import PostgresSink
from tests.crash.nursery import Nursery
from tests.crash.project import KILLED
from tests.servers import OwnServer, own_postgresql

pytestmark = pytest.mark.services

DAYS, GENERATIONS, ROWS, KILLS, WRITERS = 6, 3, 1_000, 3, 3
PATIENCE_SECONDS = 120
EVERY = 3
"""Of the statements at which a program may die: all of them take a minute, and were tried."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_postgresql() as server:
        yield server


def day(number: int) -> str:
    return f"2013-01-{number + 1:02}"


def frame(number: int, generation: int) -> pl.DataFrame:
    """What a run makes: other rows each time, of which some stay as they were."""
    ids = range(generation, ROWS + generation * 7)
    return pl.DataFrame({"n": ids, "x": [n * number + (generation if n % 3 else 0) for n in ids]})


class Writer(threading.Thread):
    """Delivers each run until it is there, as the engine does: every try under a token of its own."""

    def __init__(self, server: OwnServer, spec: Postgres, files: dict[tuple[int, int], Path], first: int) -> None:
        super().__init__()
        self.sink, self.files, self.first = PostgresSink(spec.to_json(), server.url), files, first
        self.tries = self.done = 0
        self.raised: BaseException | None = None

    def run(self) -> None:
        try:
            for generation in range(GENERATIONS):
                for number in range(self.first, DAYS, WRITERS):
                    self.deliver(number, generation)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.raised = error
        finally:
            self.sink.close()

    def deliver(self, number: int, generation: int) -> None:
        over = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < over:
            self.tries += 1
            run, file = f"run-{generation}", str(self.files[number, generation])
            delivery = Delivery("facts", "dt", day(number), run, self.tries, f"{number}.{generation}", (file,))
            try:
                held = self.sink.deliver(delivery)
            except (UnreachableError, ConflictError):
                time.sleep(0.02)
                continue
            assert held == Held(run, self.tries, delivery.digest, len(frame(number, generation)))
            self.done += 1
            return
        raise TimeoutError


@pytest.mark.parametrize("mode", ["replace", "upsert"])
@pytest.mark.runbook("B-01")
def test_a_server_that_is_killed_again_and_again(server: OwnServer, tmp_path: Path, mode: Mode) -> None:
    chance = random.Random(2013)
    files = {(n, g): tmp_path / f"{n}-{g}.parquet" for n in range(DAYS) for g in range(GENERATIONS)}
    for (number, generation), file in files.items():
        frame(number, generation).write_parquet(file)
    spec = Postgres("w", table=f"{mode}d.facts", key=["dt", "n"], mode=mode)
    writers = [Writer(server, spec, files, first) for first in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.4))
        server.kill()
        server.start()
    for writer in writers:
        writer.join(PATIENCE_SECONDS)
    assert [writer.raised for writer in writers] == [None] * WRITERS
    assert sum(writer.tries for writer in writers) > DAYS * GENERATIONS  # it did hurt
    with psycopg.connect(server.url) as connection:
        found = connection.execute(f"SELECT dt::text, n, x FROM {mode}d.facts ORDER BY 1, 2").fetchall()
        records = connection.execute(f"SELECT partition, run_id, rows FROM {mode}d._recoup_held ORDER BY 1").fetchall()
    last = {number: frame(number, GENERATIONS - 1) for number in range(DAYS)}
    assert found == [(day(number), *row) for number, rows in last.items() for row in rows.rows()]
    assert records == [(day(number), f"run-{GENERATIONS - 1}", len(rows)) for number, rows in last.items()]


PIPELINE = """
import polars as pl
import recoup as rc

stats = rc.Pipeline("stats", partitions=rc.Daily("2024-01-01", "2024-01-02", key="dt"))


@stats.step(sink=rc.Postgres("warehouse", table="SCHEMA.totals", key=["dt", "n"], mode="upsert"), version=VERSION)
def totals(ctx):
    ids = range(VERSION, 40)
    return pl.DataFrame({"n": ids, "x": [n * VERSION if n % 3 else n for n in ids]})
"""


@dataclass
class Days:
    """Two days of a pipeline, in a folder and in a schema of their own."""

    server: OwnServer
    nursery: Nursery
    folder: Path

    @property
    def schema(self) -> str:
        return f"at_{self.folder.name}"

    def run(self, version: int, *more: str, **injector: object) -> int:
        self.folder.mkdir(exist_ok=True)
        text = PIPELINE.replace("SCHEMA", self.schema).replace("VERSION", str(version))
        (self.folder / "stats.py").write_text(text, encoding="utf-8")
        (self.folder / "recoup.toml").write_text('[pipelines]\nstats = "stats.py:stats"\n', encoding="utf-8")
        environ = {"RECOUP_EXECUTOR": "inline", "RECOUP_CONNECTIONS_WAREHOUSE": self.server.url}
        words, out = ["run", "stats", *more], self.folder.with_suffix(".out")
        return self.nursery.bear(self.folder, words, out, environ, injector)

    def shown(self) -> list[object]:
        rows = self.server.say(f"SELECT dt::text, n, x FROM {self.schema}.totals ORDER BY 1, 2")
        held = self.server.say(f"SELECT partition, rows, digest FROM {self.schema}._recoup_held ORDER BY 1")
        return [rows, held]


@pytest.mark.runbook("B-01")
def test_a_program_that_is_killed_at_its_statements(server: OwnServer, nursery: Nursery, tmp_path: Path) -> None:
    """First a backfill, then all of it made again by new code; what is typed after each death is the same command."""
    quiet, wanted = Days(server, nursery, tmp_path / "quiet"), []
    for version in (1, 2):
        trace = str(tmp_path / f"{version}.txt")
        assert quiet.run(version, "--only", "missing,failed,stale", kinds=["psycopg", "after"], trace=trace) == 0
        wanted.append(quiet.shown())
    for version in (1, 2):
        points = (tmp_path / f"{version}.txt").read_text().splitlines()
        at = [number for number, point in enumerate(points, 1) if "psycopg" in point]
        assert len(at) > 10, points
        for number in at[version - 1 :: EVERY]:
            days = Days(server, nursery, tmp_path / f"{version}_{number}")
            if version > 1:
                assert days.run(1) == 0
            command = (version, "--only", "missing,failed,stale")
            assert days.run(*command, kinds=["psycopg", "after"], at=number) == KILLED
            assert days.run(*command) == 0
            assert days.shown() == wanted[version - 1], f"killed at {points[number - 1]}"
