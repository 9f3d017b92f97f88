"""Whatever a step raises is told as what it is, even what is meant for a whole process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import polars as pl
import pytest

import recoup as rc
from recoup.engine.attempt import AttemptPerformer
from recoup.lake.memory import MemoryStore
from recoup.model.failure import Failure, FailureKind
from recoup.model.graph import Graph
from recoup.model.redact import redact

RAISED = {
    "a panic of polars": (pl.exceptions.PanicException("index out of bounds"), FailureKind.UNKNOWN),
    "the end of a task": (asyncio.CancelledError("by hand"), FailureKind.CANCELLED),
    "Ctrl-C": (KeyboardInterrupt(), FailureKind.CANCELLED),
    "the end of the process": (SystemExit(3), FailureKind.UNKNOWN),
    "a bug": (KeyError("x"), FailureKind.LOGIC),
}


def perform(error: BaseException) -> Failure:
    pipeline = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-02"))

    @pipeline.step
    def raises(ctx: rc.Context) -> None:
        raise error

    performer = AttemptPerformer(
        Graph.of(pipeline),
        open_store=MemoryStore,
        open_sink=lambda _: pytest.fail("there is none"),
        open_database=lambda _: pytest.fail("there is none"),
        root=Path(),
        redact=redact,
    )
    body = {"node": 0, "partition": "2024-01-01", "ordinal": 0, "run_id": "r", "run_as_of": 0.0, "attempt": 1}
    return Failure.from_json(performer(body)["failure"])


@pytest.mark.parametrize("raised", RAISED)
def test_it_is_a_failure_of_the_attempt_with_its_own_words(raised):
    error, kind = RAISED[raised]
    told = perform(error)
    assert told.kind is kind
    words = "sys.exit(3)" if isinstance(error, SystemExit) else str(error) or type(error).__name__
    assert words in told.message
    assert str(told.evidence["place"]).startswith("raises:")
