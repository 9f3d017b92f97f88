"""The Python face: `read`, `plan`, `run` and `status`, with the words of the command line as keyword arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from recoup.app.configuration.layers import VARIABLE
from recoup.app.reading import Wanted
from recoup.app.reading import read as read_parts
from recoup.app.workspace import Workspace
from recoup.model.pipeline import Pipeline
from recoup.model.policy import seconds
from recoup.model.size import memory_bytes
from recoup.plan.request import Order, Request, parse_downstream, parse_only

if TYPE_CHECKING:
    import polars as pl

    from recoup.app.backfilling import RunReport
    from recoup.app.prepare import Planned
    from recoup.app.standing import Status
    from recoup.engine.stopping import Progress

Config = str | os.PathLike[str] | None


def read(
    dataset: str,
    partition: str | None = None,
    *,
    start: str | None = None,
    end: str | None = None,
    as_of: datetime | str | None = None,
    config: Config = None,
    env: str | None = None,
) -> pl.LazyFrame:
    """What a dataset shows, as a lazy frame: one partition, from `start` to `end` (both included), or all of it.

    With `as_of`, an aware datetime or an ISO time, what it showed at that moment. The partition's key is a column,
    unless the data has one of that name. `config` is a recoup.toml; without it the nearest one upwards counts. `env`
    is an environment of it; without one that of RECOUP_ENV.
    """
    with _workspace(config, env) as workspace:
        return read_parts(workspace, dataset, Wanted(partition, start, end, as_of))


def plan(
    pipeline: str | Pipeline,
    *,
    start: str | None = None,
    end: str | None = None,
    partitions: Sequence[str] = (),
    only: str | Sequence[str] = "missing,failed",
    steps: Sequence[str] = (),
    exclude: Sequence[str] = (),
    include_upstream: bool = False,
    order: str = "oldest",
    as_of_mode: str = "now",
    memory: str | int | None = None,
    config: Config = None,
    env: str | None = None,
) -> Planned:
    """What a run would do, and why; nothing is run."""
    from recoup.app import backfilling

    with _workspace(config, env) as workspace:
        request = Request(
            pipeline=workspace.pipeline(pipeline)[0].name,
            start=start,
            end=end,
            partitions=tuple(partitions),
            only=parse_only(only if isinstance(only, str) else tuple(only)),
            steps=tuple(steps),
            exclude=tuple(exclude),
            include_upstream=include_upstream,
            order=Order(order),
            as_of_mode=as_of_mode,
            memory_bytes=None if memory is None else memory_bytes(memory),
        )
        return backfilling.plan(workspace, request, pipeline)


def run(
    pipeline: str | Pipeline,
    *,
    start: str | None = None,
    end: str | None = None,
    partitions: Sequence[str] = (),
    only: str | Sequence[str] = "missing,failed",
    steps: Sequence[str] = (),
    exclude: Sequence[str] = (),
    include_upstream: bool = False,
    order: str = "oldest",
    as_of_mode: str = "now",
    memory: str | int | None = None,
    downstream: str | None = None,
    stages: Sequence[str] = (),
    stop_after: str | int | None = None,
    max_parallel: int | None = None,
    delay: str | float | timedelta | None = None,
    priority: int | None = None,
    executor: str | None = None,
    resume: bool = False,
    observe: Callable[[Progress], None] = lambda _progress: None,
    config: Config = None,
    env: str | None = None,
) -> RunReport:
    """Run what is missing or failed, or what `only` says; failures are in the report, they are not raised.

    `memory`, such as "4GiB", is what an attempt may take of steps whose own limit is lower. `delay` is between the
    beginnings of partitions; of two that want the same slots, the higher `priority` goes first. `downstream` says when
    pipelines that follow are fired: "hold", "each" or "none"; the report's `fired` tells what became of them.
    Each of `stages`, such as ("1", "7", "2023-10", "all"), is verified before the next begins; nothing more is started
    once `stop_after` partitions, or a share such as "10%", have failed.
    """
    from recoup.app import backfilling
    from recoup.app.firing_dates import run_and_fire

    with _workspace(config, env) as workspace:
        request = Request(
            pipeline=workspace.pipeline(pipeline)[0].name,
            start=start,
            end=end,
            partitions=tuple(partitions),
            only=parse_only(only if isinstance(only, str) else tuple(only)),
            steps=tuple(steps),
            exclude=tuple(exclude),
            include_upstream=include_upstream,
            order=Order(order),
            as_of_mode=as_of_mode,
            memory_bytes=None if memory is None else memory_bytes(memory),
            downstream=None if downstream is None else parse_downstream(downstream),
            stages=tuple(stages),
            stop_after=None if stop_after is None else str(stop_after),
        )
        options = backfilling.RunOptions(
            max_parallel=max_parallel,
            executor=executor,
            resume=resume,
            delay_seconds=None if delay is None else seconds(delay, "delay"),
            priority=priority,
        )
        return run_and_fire(workspace, request, pipeline, options, observe)


def status(
    pipeline: str | Pipeline,
    *,
    start: str | None = None,
    end: str | None = None,
    partitions: Sequence[str] = (),
    steps: Sequence[str] = (),
    config: Config = None,
    env: str | None = None,
) -> Status:
    """How a pipeline stands, from the ledger as it is; nothing is asked of any source."""
    from recoup.app.status import status as told

    with _workspace(config, env) as workspace:
        return told(workspace, pipeline, start=start, end=end, partitions=partitions, steps=steps)


@contextmanager
def _workspace(config: Config, env: str | None) -> Iterator[Workspace]:
    """With RECOUP_ENV set for the block: a pipeline's own code may ask for it, and workers inherit it."""
    workspace = Workspace.here(Path(config) if config is not None else None, env)
    before = os.environ.get(VARIABLE)
    if env is not None:
        os.environ[VARIABLE] = env
    try:
        yield workspace
    finally:
        if env is not None:
            os.environ.pop(VARIABLE)
            os.environ |= {} if before is None else {VARIABLE: before}
