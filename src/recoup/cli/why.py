"""`recoup why`: what is wrong now, by cause, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from cyclopts import Parameter

from recoup.app.retry import FAILS_AGAIN
from recoup.app.standing import iso
from recoup.app.why import SeenBefore, Why, Wrong
from recoup.app.why import why as ask
from recoup.cli import names
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.run_text import from_here
from recoup.cli.tally import where_json
from recoup.cli.text import Row, View, ago, clean, counted, duration, name_cell, number, ranges
from recoup.cli.typed import typed
from recoup.model.failure import FailureKind
from recoup.model.graph import NodeKind
from recoup.model.partition import PartitionSet

NAMED: Final = 3
"""So many partitions are named in the next command; of more, the pipeline as a whole is run."""
_USUAL = Common()
_SAID_ELSEWHERE: Final = ("types", "remedy", "trace", "chain")


def why(
    *words: Annotated[
        str,
        Parameter(help="A pipeline, then a partition, a run or a group; or one alone.", completer=names.pipelines),
    ],
    common: Common = _USUAL,
) -> Answer:
    """Tell what is wrong now, grouped by cause, the newest first: since when, how many, the evidence, what to do."""
    workspace = common.workspace()
    found = ask(workspace, words)
    now = workspace.clock.now().timestamp()
    return Answer(
        "why",
        why_json(found),
        lambda view: why_lines(found, view, now),
        next=common.again(_next(found)),
        notes=tuple(f"warning: {name}: {error.message}" for name, error in found.errors.items()),
    )


def why_json(found: Why) -> dict[str, Any]:
    """Each cause with its evidence."""
    return {
        "pipelines": list(found.pipelines),
        "failed": found.failed,
        "missing": found.missing,
        "causes": [_wrong_json(wrong) for wrong in found.wrong],
        "errors": [{"pipeline": name, "message": error.message} for name, error in found.errors.items()],
    }


def _wrong_json(wrong: Wrong) -> dict[str, Any]:
    cause, newest = wrong.cause, wrong.cause.newest
    return {
        "group": cause.group,
        "pipeline": wrong.pipeline,
        "kind": newest.failure.kind.value,
        "message": newest.failure.message,
        "advice": newest.failure.advice,
        "since": iso(cause.since),
        "last_at": iso(newest.at),
        "count": cause.count,
        "attempts": newest.attempts,
        "evidence": dict(newest.failure.evidence),
        "log": newest.log,
        "run_id": newest.run_id or None,
        "where": _places_json(wrong, cause.where),
        "blocks": _places_json(wrong, cause.blocks),
        "seen_before": _seen_json(wrong.seen),
    }


def _places_json(wrong: Wrong, places: Mapping[int, PartitionSet]) -> list[dict[str, Any]]:
    return [where_json(wrong.graph.nodes[node], ordinals) for node, ordinals in sorted(places.items())]


def _seen_json(seen: SeenBefore | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    told = {"step": seen.step, "partition": seen.partition, "at": iso(seen.at), "fixed_at": iso(seen.fixed_at)}
    return {**told, "fixed_by": seen.fixed_by}


# --- for people


def why_lines(found: Why, view: View, now: float) -> Iterator[str]:
    """A headline, then each cause."""
    what = ", ".join(found.pipelines) or "nothing"
    if not found.wrong:
        missing = f"; {number(found.missing)} never tried" if found.missing else ""
        yield f"{what}: {view.paint('good', 'nothing is wrong')}{missing}"
        return
    blocked = sum(w.cause.count for w in found.wrong if w.cause.newest.failure.kind is FailureKind.BLOCKED)
    counts = [f"{number(found.failed)} failed"] if found.failed else []
    counts += [f"{number(blocked)} blocked from outside"] if blocked else []
    yield f"{what}: {counted(len(found.wrong), 'cause')} · {' · '.join(counts)}"
    for wrong in found.wrong:
        yield ""
        yield from _wrong_lines(wrong, view, now)


def _wrong_lines(wrong: Wrong, view: View, now: float) -> Iterator[str]:
    cause, failure = wrong.cause, wrong.cause.newest.failure
    is_block = failure.kind is FailureKind.BLOCKED
    word = view.paint("warn" if is_block else "bad", "blocked" if is_block else f"failed({failure.kind})")
    how_many = f"{counted(cause.count, 'partition')} · {_since(cause.since, view, now)}"
    yield f"{view.paint('bold', cause.group)}  {word} · {how_many}"
    yield from view.columns([[clean(failure.message)]], indent="  ")
    yield from view.columns(_place_rows(wrong, cause.where, view), indent="  ")
    if evidence := _evidence(wrong):
        yield from view.columns([[view.paint("dim", evidence)]], indent="  ")
    if cause.blocks:
        yield "  blocks"
        yield from view.columns(_place_rows(wrong, cause.blocks, view), indent="    ")
    if seen := wrong.seen:
        took = duration(max(seen.fixed_at - seen.at, 0))
        yield f"  seen before: {seen.step} {seen.partition}, {iso(seen.at)[:10]}; {seen.fixed_by}, {took} later"
    yield from view.columns([[failure.advice]], indent="  → ")


def _since(since: float, view: View, now: float) -> str:
    if not since:
        return "nobody knows since when"
    return f"since {iso(since)}" if view.width is None else f"began {ago(now - since)}"


def _place_rows(wrong: Wrong, places: Mapping[int, PartitionSet], view: View) -> Iterator[Row]:
    for node, ordinals in sorted(places.items()):
        made = wrong.graph.nodes[node]
        texts = made.partitions.ranges_text(ordinals, wrong.expected.get(node))
        yield [name_cell(made.name), ranges(texts, view, len(ordinals))]


def _evidence(wrong: Wrong) -> str:
    """What is known beside the message, in one line."""
    newest = wrong.cause.newest
    told = [f"{name} {clean(str(value))}" for name, value in newest.failure.evidence.items() if _is_short(name, value)]
    told += [f"tried {newest.attempts} times"] if newest.attempts > 1 else []
    told += [f"log {from_here(newest.log)}"] if newest.log else []
    return " · ".join(told)


def _is_short(name: str, value: object) -> bool:
    return name not in _SAID_ELSEWHERE and isinstance(value, str | int | float) and not isinstance(value, bool)


def _next(found: Why) -> str:
    """For the newest cause: a few failed partitions are tried again by name, once what the advice says is done."""
    if not found.wrong:
        name = found.pipelines[0] if len(found.pipelines) == 1 else ""
        return typed("run" if found.missing and name else "status", *([name] if name else []))
    first = found.wrong[0]
    failure, where = first.cause.newest.failure, first.cause.where
    if failure.kind in {FailureKind.BLOCKED, *FAILS_AGAIN} or len(where) > 1 or first.cause.count > NAMED:
        return typed("run", first.pipeline)
    [(node, ordinals)] = where.items()
    made = first.graph.nodes[node]
    of_step = first.graph.nodes[made.edges[0].parent] if made.kind is NodeKind.DELIVERY else made
    keys = [made.partitions.name(ordinal) for ordinal in ordinals]
    return typed("retry", first.pipeline, *keys, flags=["--step", of_step.name])
