"""The stages of a backfill for people and for programs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, assert_never

from recoup.app.prepare import Planned
from recoup.app.staging import Moment, StageNews
from recoup.app.summary import stage_json
from recoup.cli.text import Cell, View, clean, counted, duration, name_cell, number, ranges
from recoup.ledger.stages import StageRow, StageState
from recoup.plan.scope import Scope
from recoup.plan.stages import Stage

_STYLE: Final = {StageState.PASSED: "good", StageState.FAILED: "bad", StageState.RUNNING: "warn"}


def cut_json(planned: Planned, stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """What a plan has in which stage."""
    name = planned.prepared.graph.anchor.name
    return [
        {
            "stage": number,
            "name": stage.name,
            "partitions": len(stage.partitions),
            "ranges": [[name(run[0]), name(run[-1])] for run in stage.partitions.ranges()],
        }
        for number, stage in enumerate(stages, 1)
    ]


def cut_lines(planned: Planned, stages: Sequence[Stage], view: View) -> Iterator[str]:
    """One line each."""
    if not stages:
        return
    graph, snapshot = planned.prepared.graph, planned.prepared.snapshot
    expected = Scope(planned.plan.request, graph, snapshot).partitions
    yield from ("", "stages, each verified before the next begins")
    yield from view.columns(
        (
            [
                Cell(str(number), right=True),
                clean(stage.name),
                Cell(counted(len(stage.partitions), "partition"), right=True),
                ranges(graph.anchor.ranges_text(stage.partitions, expected), view, len(stage.partitions)),
            ]
            for number, stage in enumerate(stages, 1)
        ),
        indent="  ",
    )


def news_json(news: StageNews) -> dict[str, Any]:
    """One line of a run's NDJSON."""
    return {
        "moment": news.moment.value,
        "stages": news.count,
        "actions": news.actions,
        "pause_seconds": news.seconds,
        **stage_json(news.stage),
    }


def news_words(news: StageNews) -> tuple[tuple[str, str], str]:
    """Head with its style, and the rest of the line."""
    stage, place = news.stage, f"stage {news.stage.number} of {news.count}"
    match news.moment:
        case Moment.BEGUN:
            size = f"{counted(stage.partitions, 'partition')}, {number(news.actions)} to run"
            return (place, ""), f"({clean(stage.name)}): {size}"
        case Moment.PASSED:
            return (place, "good"), "complete"
        case Moment.FAILED:
            return (place, "bad"), "not complete"
        case Moment.PAUSED:
            return (place, "dim"), f"{duration(news.seconds)} before the next one"
        case _:
            assert_never(news.moment)


def standing_words(stages: Sequence[StageRow], *, at_work: bool) -> str:
    """`2 of 5 (7), failed`: the one it is in; empty for a backfill without stages."""
    if not stages:
        return ""
    now = next((stage for stage in stages if stage.state is not StageState.PASSED), None)
    if now is None:
        return f"all {len(stages)} passed"
    state = "begun" if now.state is StageState.RUNNING and not at_work else now.state.value
    return f"{now.number} of {len(stages)} ({clean(now.name)}), {state}"


def stage_lines(stages: Sequence[StageRow], view: View) -> Iterator[str]:
    """One line each, and what the gate missed."""
    if not stages:
        return
    yield from ("", "stages")
    yield from view.columns(
        (
            [
                Cell(str(stage.number), right=True),
                clean(stage.name),
                Cell(counted(stage.partitions, "partition"), right=True),
                Cell(stage.state.value, _STYLE.get(stage.state, "dim")),
            ]
            for stage in stages
        ),
        indent="  ",
    )
    yield from stopped_lines(stages, view)


def stopped_lines(stages: Sequence[StageRow], view: View, told: Collection[str] = ()) -> Iterator[str]:
    """Which stage is not complete, in what, and which ones were not begun; `told` are steps of which more is said."""
    failed = next((stage for stage in stages if stage.state is StageState.FAILED), None)
    if failed is None:
        return
    which = f"stage {failed.number} of {len(stages)} ({clean(failed.name)})"
    yield from ("", view.paint("bad", f"{which} is not complete{_not_begun(failed.number + 1, len(stages))}"))
    yield from view.columns(
        (
            [name_cell(short["step"]), ranges(short["partitions"], view, short["count"]), clean(short["why"])]
            for short in failed.short
            if short["published"] or short["step"].partition("@")[0] not in told
        ),
        indent="  ",
    )


def _not_begun(first: int, last: int) -> str:
    if first > last:
        return ""
    return f"; stage {first} did not begin" if first == last else f"; stages {first} to {last} did not begin"
