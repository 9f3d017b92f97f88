"""What is known beside a failure's message, in lines for people: its evidence, its time and rows, its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from recoup.app.circumstances import Compared, Input
from recoup.app.why import Wrong
from recoup.cli.paths import from_here
from recoup.cli.text import counted, duration, number
from recoup.model.failure import FailureKind
from recoup.model.size import memory_text

_SAID_ELSEWHERE: Final = (
    *("types", "remedy", "trace", "chain", "answer", "seconds", "limit_seconds"),
    *("cpu_seconds", "peak_memory_bytes", "memory_limit_bytes"),
)
_OF_TIME: Final = frozenset({FailureKind.TIMEOUT, FailureKind.MEMORY, FailureKind.LOST})
"""Kinds that may come from how much there was to do."""
_OF_INPUT: Final = frozenset({FailureKind.CONTRACT, FailureKind.MISSING, FailureKind.CORRUPT})
"""Kinds that may come from what was read."""


def beside_lines(wrong: Wrong) -> Iterator[str]:
    """As many as the kind calls for."""
    failure = wrong.newest.failure
    if told := _evidence(wrong):
        yield told
    for name in ("columns", "runs_present"):
        if values := failure.evidence.get(name):
            yield f"{name.replace('_', ' ')}: {', '.join(map(str, values))}"
    if answer := failure.evidence.get("answer"):
        yield f"answer: {answer}"
    if failure.kind in _OF_TIME and (compared := " · ".join(_compared(wrong.beside.compared))):
        yield compared
    if failure.kind in _OF_INPUT:
        yield from map(input_words, wrong.beside.inputs)


def _evidence(wrong: Wrong) -> str:
    newest = wrong.newest
    told = [f"{name} {value}" for name, value in newest.failure.evidence.items() if _is_short(name, value)]
    told += [f"tried {newest.attempts} times"] if newest.attempts > 1 else []
    told += [f"log {from_here(newest.log)}"] if newest.log else []
    return " · ".join(told)


def _is_short(name: str, value: object) -> bool:
    return name not in _SAID_ELSEWHERE and isinstance(value, str | int | float) and not isinstance(value, bool)


def _compared(found: Compared) -> Iterator[str]:
    """`took 3 min of 3 min, usually 12 s · CPU 9 s · memory 2.1 GiB of 2 GiB, usually 900 MiB · 9,120 rows, …`."""
    if found.elapsed_seconds is not None:
        limit = f" of {duration(found.limit_seconds)}" if found.limit_seconds is not None else ""
        usual = f", usually {duration(found.usual_seconds)}" if found.usual_seconds is not None else ""
        yield f"took {duration(found.elapsed_seconds)}{limit}{usual}"
    if found.cpu_seconds is not None:
        yield f"CPU {duration(found.cpu_seconds)}"
    if found.peak_memory_bytes is not None:
        limit = f" of {memory_text(found.memory_limit_bytes)}" if found.memory_limit_bytes is not None else ""
        usual = f", usually {memory_text(found.usual_memory_bytes)}" if found.usual_memory_bytes is not None else ""
        yield f"memory {memory_text(found.peak_memory_bytes)}{limit}{usual}"
    if found.rows is not None and found.usual_rows is not None:
        yield f"{counted(found.rows, 'row')}, usually {number(found.usual_rows)}"
    failed = f"{counted(found.others_failed, 'other')} failed alike" if found.others_failed else "no other failed alike"
    yield f"{failed}, {number(found.others_complete)} are complete"


def input_words(found: Input) -> str:
    """`raw 2024-01-15: published by run 01a1…, 40 rows; since run 019f…: minutes Int64 → String, team is gone`."""
    run = f" by run {found.run_id}" if found.run_id else ""
    rows = "" if found.rows is None else f", {counted(found.rows, 'row')}"
    text = f"{found.dataset} {found.partition}: {found.state}{run}{rows}"
    changes = ", ".join(
        f"{c.column} is new"
        if c.was is None
        else f"{c.column} is gone"
        if c.now is None
        else f"{c.column} {c.was} → {c.now}"
        for c in found.changes
    )
    return f"{text}; since run {found.before}: {changes}" if changes else text
