"""The options that commands share, declared once."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from recoup.app.workspace import Workspace
from recoup.model.errors import UsageError
from recoup.plan.request import Order, Request, parse_only

Start = Annotated[
    str | None, Parameter(metavar="KEY", help="First partition, or a day, month or year that it lies in.")
]
End = Annotated[str | None, Parameter(metavar="KEY", help="Last partition; it is included.")]
Steps = Annotated[list[str] | None, Parameter(name="--step", metavar="NAME", help="Only this step; may be repeated.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common:
    """What every command takes."""

    json: Annotated[bool, Parameter(help="Print JSON for programs; docs/json.md describes it.")] = False
    """Read from the words themselves before anything is parsed, so that errors are JSON too."""
    config: Annotated[Path | None, Parameter(help="The recoup.toml to use; else the nearest one upwards.")] = None

    def workspace(self) -> Workspace:
        """The project that was meant."""
        return Workspace.here(self.config)

    def again(self, command: str) -> str:
        """The next command, for the same project."""
        return f"{command} --config {shlex.quote(str(self.config))}" if command and self.config else command


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Scope:
    """Which partitions of which steps."""

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
        )

    @property
    def given(self) -> bool:
        """Whether anything was narrowed down."""
        return self != Scope()


def no_scope_with_a_plan(scope: Scope, partitions: tuple[str, ...]) -> None:
    """A saved plan runs exactly as saved."""
    if scope.given or partitions:
        message = "--plan runs exactly what was saved, so it takes no partitions and no scope"
        raise UsageError(message, "leave them out, or make a new plan with `recoup plan … -o plan.json`")
