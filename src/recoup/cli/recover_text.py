"""A recovery for people and for programs: what is done, in order, and what only a person can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recoup.app.recover import Recovery
from recoup.app.recover_taken import ROLLED_BACK
from recoup.app.recovering import Recovered
from recoup.app.standing import iso
from recoup.cli.plan_text import estimate
from recoup.cli.tally import where_json
from recoup.cli.text import Cell, Row, View, clean, counted, name_cell, number, ranges
from recoup.cli.typed import typed
from recoup.model.partition import PartitionSet
from recoup.recovery.recover import Action, Need, Verb

KEYS_TYPED = 5
_STYLES = {Verb.WAIT: "warn", Verb.FILL: "", Verb.RETRY: "good", Verb.RERUN: "good", Verb.MAKE: "", Verb.DELIVER: ""}


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed, to be typed again."""

    words: Sequence[str]
    window: Sequence[str]
    flags: Sequence[str]
    again: Callable[[str], str]
    """Makes a command one for the same project."""

    def command(self, *flags: str) -> str:
        """The same, perhaps with more flags."""
        return self.again(typed("recover", *self.words, flags=[*self.window, *self.flags, *flags]))

    def pieces(self, one: Recovery) -> list[str]:
        """A command for each half of the window."""
        halves = (["--start", first, "--end", last] for first, last in one.pieces)
        return [self.again(typed("recover", one.name, flags=[*half, *self.flags, "--yes"])) for half in halves]

    def once_mended(self, one: Recovery, need: Need) -> str:
        """What to type then; where recoup cannot see that it was, the group says so."""
        if need.what == ROLLED_BACK:
            return self.again(_run_again(one, need))
        return self.again(typed("recover", one.name, need.group)) if need.group else self.command()


def _run_again(one: Recovery, need: Need) -> str:
    """A person's word that it shall be made: each partition, or the window that holds them."""
    nodes = [(one.graph.nodes[index].partitions, ordinals) for index, ordinals in sorted(need.where.items())]
    keys = list(dict.fromkeys(partitions.name(ordinal) for partitions, ordinals in nodes for ordinal in ordinals))
    if len(keys) > KEYS_TYPED and nodes[0][0].is_time:
        partitions, ordinals = nodes[0]
        window = ["--start", partitions.name(ordinals.first or 0), "--end", partitions.name(ordinals.last or 0)]
        return typed("run", one.name, flags=window)
    return typed("run", one.name, *keys)


def needs_left(found: Recovered) -> list[str]:
    """A line for each thing that only a person can do."""
    return [
        f"{one.name}: left to you: {need.what}: {clean(need.message)}" for one in found.recoveries for need in one.needs
    ]


# --- for programs


def recovered_json(found: Recovered, given: Typed) -> dict[str, Any]:
    """Everything, pipeline by pipeline, in the order in which it is done."""
    return {
        "pipelines": [recovery.name for recovery in found.recoveries],
        "to_do": sum(recovery.planned.plan.actions for recovery in found.recoveries),
        "actions": [_action_json(one, action) for one in found.recoveries for action in one.actions],
        "needs": [_need_json(one, need, given) for one in found.recoveries for need in one.needs],
        "pieces": [_pieces_json(one, given) for one in found.recoveries if one.pieces],
        "untried": sum(recovery.untried for recovery in found.recoveries),
        "stale": sum(recovery.stale for recovery in found.recoveries),
        "ended": list(found.ended),
        "due": list(found.due),
        "errors": [{"pipeline": name, "message": error.message} for name, error in found.errors.items()],
    }


def _action_json(one: Recovery, action: Action) -> dict[str, Any]:
    return {
        "pipeline": one.name,
        "verb": action.verb.value,
        "reason": action.reason,
        "group": action.group or None,
        "until": None if action.until is None else iso(action.until),
        **where_json(one.graph.nodes[action.node], action.partitions),
    }


def _need_json(one: Recovery, need: Need, given: Typed) -> dict[str, Any]:
    return {
        "pipeline": one.name,
        "what": need.what,
        "message": need.message,
        "advice": need.advice,
        "reason": need.reason or None,
        "group": need.group or None,
        "where": _places_json(one, need.where),
        "blocks": _places_json(one, need.blocks),
        "command": given.once_mended(one, need),
    }


def _places_json(one: Recovery, places: Mapping[int, PartitionSet]) -> list[dict[str, Any]]:
    return [where_json(one.graph.nodes[node], ordinals) for node, ordinals in sorted(places.items())]


def _pieces_json(one: Recovery, given: Typed) -> dict[str, Any]:
    return {"pipeline": one.name, "ranges": [list(piece) for piece in one.pieces], "commands": given.pieces(one)}


# --- for people


def recovered_lines(found: Recovered, given: Typed, view: View, parallel: int) -> Iterator[str]:
    """Pipeline by pipeline."""
    for group in found.ended:
        yield f"the cause {group} has ended: nothing fails for it any more"
    for place, one in enumerate(found.recoveries):
        if place:
            yield ""
        yield from _lines(one, given, view, parallel)
    if found.due:
        yield ""
        yield f"due for what others have published: {', '.join(found.due)}"


def _lines(one: Recovery, given: Typed, view: View, parallel: int) -> Iterator[str]:
    if one.is_nothing:
        yield f"{one.name}: {view.paint('good', 'nothing to recover')}"
    else:
        yield _headline(one, parallel)
        yield from view.columns((_row(one, action, view) for action in one.actions), indent="  ")
        yield from _need_lines(one, given, view)
        yield from _piece_lines(one, given)
    if one.untried:
        yield f"never tried, and no gap: {number(one.untried)}; `{given.again(typed('run', one.name))}` runs them"
    if one.stale:
        stale = given.again(typed("plan", one.name, flags=["--only", "stale"]))
        yield f"out of date: {number(one.stale)}; `{stale}` says why, and whether they are made again is yours to say"


def _headline(one: Recovery, parallel: int) -> str:
    actions = one.planned.plan.actions
    rest = "what is left, somebody else is at" if one.actions else "nothing that can be tried"
    parts = [f"{number(actions)} to do, {estimate(one.planned, parallel)}" if actions else rest]
    parts += [f"as of {one.request.as_of_mode}"] if one.request.as_of_mode != "now" else []
    parts += [f"{counted(len(one.needs), 'cause')} for you to mend"] if one.needs else []
    return f"{one.name}: {' · '.join(parts)}"


def _row(one: Recovery, action: Action, view: View) -> Row:
    node = one.graph.nodes[action.node]
    expected = one.planned.prepared.snapshot.states[action.node].expected
    texts = node.partitions.ranges_text(action.partitions, expected)
    until = "" if action.until is None else f"until {iso(action.until)}: "
    where = ranges(texts, view, len(action.partitions))
    return [
        Cell(action.verb.value, _STYLES[action.verb]),
        name_cell(node.name),
        where,
        f"{until}{clean(action.reason)}",
    ]


def _need_lines(one: Recovery, given: Typed, view: View) -> Iterator[str]:
    if one.needs:
        yield from ("", view.paint("bad", "only you can"))
    for need in one.needs:
        head = [view.paint("bold", need.group)] if need.group else []
        yield f"  {'  '.join([*head, f'{need.what}: {clean(need.message)}'])}"
        yield from view.columns(_place_rows(one, need.where, view), indent="    ")
        if need.blocks:
            yield "    blocks"
            yield from view.columns(_place_rows(one, need.blocks, view), indent="      ")
        if need.reason:
            yield from view.columns([[need.reason]], indent="    ")
        yield from view.columns([[need.advice]], indent="    → ")
        yield f"    then: {given.once_mended(one, need)}"


def _place_rows(one: Recovery, places: Mapping[int, PartitionSet], view: View) -> Iterator[Row]:
    for node, ordinals in sorted(places.items()):
        made = one.graph.nodes[node]
        expected = one.planned.prepared.snapshot.states[node].expected
        yield [name_cell(made.name), ranges(made.partitions.ranges_text(ordinals, expected), view, len(ordinals))]


def _piece_lines(one: Recovery, given: Typed) -> Iterator[str]:
    if one.pieces:
        yield from ("", "if that is too much at once, in two pieces, one after the other")
        yield from (f"  {command}" for command in given.pieces(one))
