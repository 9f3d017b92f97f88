"""The options that commands share, declared once."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from recoup.app.configuration.layers import VARIABLE
from recoup.app.workspace import Workspace
from recoup.cli import names
from recoup.cli.typed import with_flags
from recoup.ledger.facts import Controls
from recoup.model.errors import UsageError
from recoup.model.policy import seconds
from recoup.model.size import memory_bytes
from recoup.plan.request import Order, Request, parse_downstream, parse_only

MOST_AT_ONCE: Final = 10_000
HIGHEST_PRIORITY: Final = 100
Start = Annotated[
    str | None, Parameter(metavar="KEY", help="First partition, or a day, month or year that it lies in.")
]
End = Annotated[str | None, Parameter(metavar="KEY", help="Last partition; it is included.")]
Reason = Annotated[str | None, Parameter(metavar="TEXT", help="Why, for the history; `recoup backfill log` shows it.")]
Steps = Annotated[
    list[str] | None,
    Parameter(name="--step", metavar="NAME", help="Only this step; may be repeated.", completer=names.steps),
]

Stages = Annotated[
    list[str] | None,
    Parameter(
        name="--stage",
        metavar="STAGE",
        help="A part to run and verify before the next one: so many partitions, a key, a month, FIRST..LAST, or"
        " `all` for the rest; may be repeated.",
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common:
    """What every command takes."""

    json: Annotated[bool, Parameter(help="Print JSON for programs; docs/json.md describes it.")] = False
    """Read from the words themselves before anything is parsed, so that errors are JSON too."""
    config: Annotated[Path | None, Parameter(help="The recoup.toml to use; else the nearest one upwards.")] = None
    env: Annotated[
        str | None, Parameter(metavar="NAME", help="The environment, a table [env.NAME]; else that of RECOUP_ENV.")
    ] = None

    def workspace(self) -> Workspace:
        """The project that was meant."""
        workspace = Workspace.here(self.config, self.env)
        if self.env is not None:  # a pipeline's own code may ask for it, and workers inherit it
            os.environ[VARIABLE] = self.env
        return workspace

    def again(self, command: str) -> str:
        """The next command, for the same project."""
        given = {"--config": self.config, "--env": self.env}
        flags = [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
        return with_flags(command, flags) if command else ""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a backfill goes; also while it runs."""

    max_parallel: Annotated[int | None, Parameter(metavar="N", help="How many attempts at once.")] = None
    delay: Annotated[
        str | None, Parameter(metavar="TIME", help="Between the beginnings of partitions, such as 10s; 0s for none.")
    ] = None
    priority: Annotated[
        int | None, Parameter(metavar="N", help="Who goes first: 0 is usual, 10 is a run of one partition.")
    ] = None

    def controls(self) -> Controls:
        """As the ledger keeps them; UsageError for what cannot be."""
        if self.max_parallel is not None and not 1 <= self.max_parallel <= MOST_AT_ONCE:
            raise UsageError(f"--max-parallel is {self.max_parallel}", f"give a number from 1 to {MOST_AT_ONCE}")
        if self.priority is not None and abs(self.priority) > HIGHEST_PRIORITY:
            message = f"--priority is {self.priority}"
            raise UsageError(message, f"give a number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}")
        delay = None if self.delay is None else seconds(self.delay, "--delay")
        return Controls(self.max_parallel, delay, self.priority)


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Caution:
    """How carefully a run goes: stage by stage, and only until so much has failed."""

    stage: Stages = None
    stop_after: Annotated[
        str | None, Parameter(metavar="N", help="Start nothing more once so many partitions, or 10%, have failed.")
    ] = None
    pause_between: Annotated[str | None, Parameter(metavar="TIME", help="Between stages, such as 10s.")] = None
    preflight: Annotated[bool, Parameter(help="First what `recoup preflight` does; begin only when nothing fails.")] = (
        False
    )

    def on(self, request: Request) -> Request:
        """The same request, so carefully."""
        pause = 0.0 if self.pause_between is None else seconds(self.pause_between, "--pause-between")
        return replace(request, stages=tuple(self.stage or ()), stop_after=self.stop_after, pause_between_seconds=pause)

    @property
    def given(self) -> bool:
        """Whether any of it was."""
        return self != Caution()


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Scope:
    """Which partitions of which steps, with which knowledge and how much memory."""

    start: Start = None
    end: End = None
    only: Annotated[
        str, Parameter(metavar="WHAT", help="What is in scope: missing, failed, stale, separated by commas.")
    ] = "missing,failed"
    step: Steps = None
    exclude: Annotated[
        list[str] | None, Parameter(metavar="KEY", help="Leave this partition out; may be repeated.")
    ] = None
    include_upstream: Annotated[bool, Parameter(help="Fill what the chosen steps read, too.")] = False
    order: Annotated[Literal["oldest", "newest"], Parameter(help="Which partitions come first.")] = "oldest"
    as_of_mode: Annotated[
        str,
        Parameter(
            metavar="MODE", help="What may be known: now, partition-end, a name the pipeline defines, or an ISO time."
        ),
    ] = "now"
    memory: Annotated[
        str | None,
        Parameter(metavar="SIZE", help="What an attempt may take, such as 4GiB, of steps whose own limit is lower."),
    ] = None
    downstream: Annotated[
        Literal["hold", "each", "none"] | None,
        Parameter(
            help="When pipelines that follow are fired: hold for once at the end, each as soon as a date is complete, "
            "none; else each for one partition, hold for more."
        ),
    ] = None

    def request(self, pipeline: str, partitions: tuple[str, ...]) -> Request:
        """What was asked, as the planner takes it."""
        return Request(
            pipeline=pipeline,
            start=self.start,
            end=self.end,
            partitions=partitions,
            only=parse_only(self.only),
            steps=tuple(self.step or ()),
            exclude=tuple(self.exclude or ()),
            include_upstream=self.include_upstream,
            order=Order(self.order),
            as_of_mode=self.as_of_mode,
            memory_bytes=None if self.memory is None else memory_bytes(self.memory, "--memory"),
            downstream=parse_downstream(self.downstream) if self.downstream else None,
        )

    @property
    def given(self) -> bool:
        """Whether anything was narrowed down."""
        return self != Scope()


def no_scope_with_a_plan(scope: Scope, partitions: tuple[str, ...], caution: Caution) -> None:
    """A saved plan runs exactly as saved."""
    if scope.given or partitions or caution.given:
        message = "--plan runs exactly what was saved, so it takes no partitions, no scope and no stages"
        raise UsageError(message, "leave them out, or make a new plan with `recoup plan … -o plan.json`")
