"""`recoup waive`: a gap that will never be filled counts as complete; it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from recoup.app import waiving
from recoup.app.waiving import Gaps, Waived
from recoup.cli import names
from recoup.cli.options import Common, End, Start, Steps
from recoup.cli.output import Answer
from recoup.cli.text import View, clean, counted, ranges
from recoup.cli.typed import typed
from recoup.model.errors import UsageError

_USUAL = Common()


def waive(
    pipeline: Annotated[str, Parameter(help="Its name.", completer=names.pipelines)],
    /,
    *partitions: Annotated[str, Parameter(help="Which gaps; or --start and --end.")],
    reason: Annotated[str | None, Parameter(metavar="TEXT", help="Why nobody will ever fill it.")] = None,
    start: Start = None,
    end: End = None,
    step: Steps = None,
    take_back: Annotated[bool, Parameter(help="It is a gap again.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Accept a gap for good: what is not published there counts as complete, and is named as waived."""
    gaps = Gaps(partitions, start, end, tuple(step or ()))
    if take_back and reason is not None:
        raise UsageError("--take-back needs no reason", "leave --reason out")
    workspace = common.workspace()
    found = (
        waiving.take_back(workspace, pipeline, gaps) if take_back else waiving.waive(workspace, pipeline, gaps, reason)
    )
    return Answer(
        "waive",
        {
            "pipeline": found.pipeline,
            "waived": not take_back,
            "count": found.count,
            "steps": dict(found.steps),
            "published": dict(found.published),
            "reason": found.reason or None,
        },
        lambda view: _lines(found, view, "taken back" if take_back else "waived"),
        next=common.again(typed("run" if take_back else "status", pipeline)),
    )


def _lines(found: Waived, view: View, word: str) -> Iterator[str]:
    yield from view.columns([name, word, ranges(texts, view)] for name, texts in found.steps.items())
    for name, texts in found.published.items() if word == "waived" else ():
        yield view.paint("dim", f"{name} {ranges(texts, view)} is published: nothing to waive")
    why = f": {clean(found.reason)}" if found.reason else ""
    yield f"{found.pipeline}: {counted(found.count, 'gap')} {word}{why}"
