"""The next command as it is typed in a shell, whatever is in the names that it takes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from recoup.app.settings import Settings


def typed(command: str, *operands: str, flags: Sequence[str] = ()) -> str:
    """`recoup publish show ys 'New York'`; operands that look like flags stand behind `--`."""
    dashed = any(operand.startswith("-") for operand in operands)
    words = [*flags, "--", *operands] if dashed else [*operands, *flags]
    return shlex.join(["recoup", *command.split(), *words])


def with_flags(command: str, flags: Sequence[str]) -> str:
    """With more flags, which stand before the operands where those stand behind `--`, and before a pipe."""
    first, pipe, rest = command.partition(" | ")
    head, dashes, operands = first.partition(" -- ")
    more = f" {shlex.join(flags)}" if flags else ""
    return f"{head}{more}{dashes}{operands}{pipe}{rest}"


def has_place(settings: Settings, pipeline: str) -> bool:
    """Whether it can be loaded: the ledger knows pipelines by their own name, and not where they are declared."""
    return pipeline in settings.pipelines or ":" in pipeline or pipeline.endswith(".py")


def status_of(settings: Settings, pipeline: str) -> str:
    """How a pipeline stands; where nobody knows its place, what of it is published."""
    return typed("status" if has_place(settings, pipeline) else "publish ls", pipeline)
