"""A PostgreSQL server that is killed again and again while rows arrive: each partition is there once, and right."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psycopg
import pytest

from recoup.model.errors import ConflictError, UnreachableError
from recoup.model.sinks.declared import Mode
from recoup.model.sinks.postgres import Postgres
from recoup.ports import Delivery, Held
from recoup.sinks.postgres import PostgresSink
from tests.servers import OwnServer, own_postgresql

pytestmark = pytest.mark.services

DAYS, GENERATIONS, ROWS, KILLS, WRITERS = 6, 3, 1_000, 3, 3
PATIENCE_SECONDS = 120


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
