"""`recoup why`: what is wrong now, by cause, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Annotated, Any, Final

from cyclopts import Parameter

from recoup.app.seen_before import SeenBefore
from recoup.app.standing import iso
from recoup.app.why import Why, Wrong
from recoup.app.why import why as ask
from recoup.cli import names
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.tally import where_json
from recoup.cli.text import Cell, Row, View, ago, clean, counted, duration, name_cell, number, ranges
from recoup.cli.typed import typed
from recoup.cli.why_beside import beside_lines
from recoup.model.errors import ExitCode
from recoup.model.failure import FailureKind
from recoup.model.graph import NodeKind
from recoup.model.partition import PartitionSet
from recoup.recovery.triage import Command, Of, triage

NAMED: Final = 3
"""So many partitions are named in the next command; of more, the pipeline as a whole is run."""
_USUAL = Common()


def why(
    *words: Annotated[
        str,
        Parameter(help="A pipeline, then a partition, a run or a group; or one alone.", completer=names.pipelines),
    ],
    today: Annotated[
        bool, Parameter(help="Of today's partition; exit with 0 when it is done, 1 when something is wrong, else 3.")
    ] = False,
    common: Common = _USUAL,
) -> Answer:
    """Tell what is wrong now, grouped by cause, the newest first: since when, how many, the evidence, what to do."""
    workspace = common.workspace()
    found = ask(workspace, words, today=today)
    now = workspace.clock.now().timestamp()
    return Answer(
        "why",
        why_json(found, common.again),
        lambda view: why_lines(found, view, now),
        next=common.again(_next(found)),
        exit_code=_code(found) if today else ExitCode.DONE,
        notes=tuple(f"warning: {name}: {error.message}" for name, error in found.errors.items()),
    )


def _code(found: Why) -> ExitCode:
    if found.wrong:
        return ExitCode.INCOMPLETE
    return ExitCode.PENDING if found.open else ExitCode.DONE


def _next(found: Why) -> str:
    """What ends the first failure of a close look, or the only one; several causes are put right by one command."""
    if len(found.wrong) > 1 and not found.partition:
        return typed("recover", *([found.pipelines[0]] if len(found.pipelines) == 1 else []))
    if found.wrong:
        return todo_of(found.first or found.wrong[0] if found.partition else found.wrong[0])[-1].command
    name = found.pipelines[0] if len(found.pipelines) == 1 else ""
    return typed("run" if found.missing and name else "status", *([name] if name else []))


# --- for programs


def why_json(found: Why, again: Callable[[str], str] = str) -> dict[str, Any]:
    """Each cause with its evidence; `again` makes a command one for the same project."""
    first = found.first if found.partition else None
    return {
        "pipelines": list(found.pipelines),
        "partition": found.partition,
        "state": "wrong" if found.wrong else "pending" if found.open else "done",
        "first": None if first is None else first.cause.group,
        "failed": found.failed,
        "missing": found.missing,
        "causes": [_wrong_json(wrong, again) for wrong in found.wrong],
        "errors": [{"pipeline": name, "message": error.message} for name, error in found.errors.items()],
    }


def _wrong_json(wrong: Wrong, again: Callable[[str], str]) -> dict[str, Any]:
    cause, newest = wrong.cause, wrong.newest
    told = triage(newest.failure.kind)
    return {
        "group": cause.group,
        "pipeline": wrong.pipeline,
        "kind": newest.failure.kind.value,
        "category": told.category.value,
        "branch": told.branch,
        "retry_class": newest.failure.retry_class.value,
        "rule": newest.failure.rule or None,
        "message": newest.failure.message,
        "advice": newest.failure.advice,
        "todo": [{"text": one.text, "command": again(one.command) or None} for one in todo_of(wrong)],
        "since": iso(cause.since),
        "last_at": iso(cause.newest.at),
        "count": cause.count,
        "attempts": newest.attempts,
        "evidence": dict(newest.failure.evidence),
        "compared": asdict(wrong.beside.compared),
        "inputs": [asdict(one) for one in wrong.beside.inputs],
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


# --- what to type


@dataclass(frozen=True, slots=True)
class Typed:
    """One thing to do, with the command as it is typed; "" where it is none."""

    text: str
    command: str


def todo_of(wrong: Wrong) -> list[Typed]:
    """Step by step; the last command is what ends it."""
    todo = triage(wrong.newest.failure.kind).todo
    return [Typed(one.text, _typed(one.command, wrong) if one.command else "") for one in todo]


def _typed(command: Command, wrong: Wrong) -> str:
    """Of a few partitions by name; of more, or of more than one step, the pipeline as a whole is run."""
    verb, flags, nodes = command.verb, list(command.flags), wrong.graph.nodes
    made = [nodes[node] for node in wrong.chosen]
    steps = {nodes[one.edges[0].parent].name if one.kind is NodeKind.DELIVERY else one.name for one in made}
    keys = [one.partitions.name(ordinal) for one in made for ordinal in islice(wrong.chosen[one.index], NAMED + 1)]
    if command.of is Of.NOTHING:
        return typed(verb, flags=flags)
    if command.of is Of.PIPELINE:
        return typed(verb, wrong.pipeline, flags=flags)
    if len(steps) > 1 or len(keys) > NAMED:
        verb, flags = ("run", []) if verb == "retry" else (verb, flags)  # a retry names its partitions
        return typed(verb, wrong.pipeline, flags=flags)
    return typed(verb, wrong.pipeline, *keys, flags=[*(["--step", *steps] if command.of is Of.STEP else []), *flags])


# --- for people


def why_lines(found: Why, view: View, now: float) -> Iterator[str]:
    """A headline, then each cause; from close by, also what to do about it, step by step."""
    what = " ".join(filter(None, [", ".join(found.pipelines) or "nothing", found.partition]))
    if not found.wrong:
        missing = f"; {number(found.missing)} never tried" if found.missing else ""
        word = "done" if found.partition and not found.open else "nothing is wrong"
        yield f"{what}: {view.paint('good', word)}{missing}"
        return
    blocked = sum(w.cause.count for w in found.wrong if w.cause.newest.failure.kind is FailureKind.BLOCKED)
    counts = [f"{number(found.failed)} failed"] if found.failed else []
    counts += [f"{number(blocked)} blocked from outside"] if blocked else []
    yield f"{what}: {counted(len(found.wrong), 'cause')} · {' · '.join(counts)}"
    if found.partition and (first := found.first):
        names = ", ".join(first.graph.nodes[node].name for node in sorted(first.chosen))
        yield f"it began at {names}: {triage(first.newest.failure.kind).branch.rstrip('?')}"
    for wrong in found.wrong:
        yield ""
        yield from _wrong_lines(wrong, view, now)
        if found.is_close:
            yield from _todo_lines(wrong, view)


def _wrong_lines(wrong: Wrong, view: View, now: float) -> Iterator[str]:
    cause, failure = wrong.cause, wrong.newest.failure
    is_block = failure.kind is FailureKind.BLOCKED
    word = view.paint("warn" if is_block else "bad", "blocked" if is_block else f"failed({failure.kind})")
    how_many = f"{counted(cause.count, 'partition')} · {_since(cause.since, view, now)}"
    yield f"{view.paint('bold', cause.group)}  {word} · {how_many}"
    yield from view.columns([[clean(failure.message)]], indent="  ")
    yield from view.columns(_place_rows(wrong, cause.where, view), indent="  ")
    for line in beside_lines(wrong):
        yield from view.columns([[Cell(clean(line), "dim")]], indent="  ")
    if cause.blocks:
        yield "  blocks"
        yield from view.columns(_place_rows(wrong, cause.blocks, view), indent="    ")
    if seen := wrong.seen:
        took = duration(max(seen.fixed_at - seen.at, 0))
        yield f"  seen before: {seen.step} {seen.partition}, {iso(seen.at)[:10]}; {seen.fixed_by}, {took} later"
    yield from view.columns([[failure.advice]], indent="  → ")


def _todo_lines(wrong: Wrong, view: View) -> Iterator[str]:
    for count, one in enumerate(todo_of(wrong), 1):
        yield from view.columns([[one.text + (":" if one.command else "")]], indent=f"    {count}. ")
        if one.command:
            yield f"       {one.command}"


def _since(since: float, view: View, now: float) -> str:
    if not since:
        return "nobody knows since when"
    return f"since {iso(since)}" if view.width is None else f"began {ago(now - since)}"


def _place_rows(wrong: Wrong, places: Mapping[int, PartitionSet], view: View) -> Iterator[Row]:
    for node, ordinals in sorted(places.items()):
        made = wrong.graph.nodes[node]
        texts = made.partitions.ranges_text(ordinals, wrong.expected.get(node))
        yield [name_cell(made.name), ranges(texts, view, len(ordinals))]
