"""The verb why: what is wrong now, by cause, with what each cause has stopped, and what ended it the last time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recoup.app.backfills import at_work
from recoup.app.bound import Bound, bound
from recoup.app.circumstances import Circumstances, circumstances
from recoup.app.failed import last_attempts
from recoup.app.loading import all_pipelines
from recoup.app.seen_before import SeenBefore, seen_before
from recoup.app.status import look, readable
from recoup.app.unknown_word import unknown_word
from recoup.app.workspace import Workspace
from recoup.engine.causes import Cause, Current, causes
from recoup.engine.insight import Insight, Window
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import RecoupError, UsageError
from recoup.model.failure import FailureKind
from recoup.model.graph import Graph
from recoup.model.keys import quoted
from recoup.model.partition import EMPTY, PartitionSet

_RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP = re.compile(r"[0-9a-f]{6,64}")
_SINCE = """
SELECT min(a.ended_at) FROM json_each(?) one JOIN attempts a ON a.node = ? AND a.ordinal = one.value
WHERE json_extract(a.failure, '$.fingerprint') = ? AND a.token > coalesce(
    (SELECT max(token) FROM attempts WHERE node = a.node AND ordinal = a.ordinal AND state = 'succeeded'), 0)
"""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One cause of one pipeline; `expected` by node says over which gaps a range may run.

    `chosen` are its partitions in the window that was asked for, or all where it only reaches into it; `newest` is the
    last of them that failed.
    """

    pipeline: str
    cause: Cause
    graph: Graph
    expected: Mapping[int, PartitionSet]
    chosen: Mapping[int, PartitionSet]
    newest: Current
    beside: Circumstances
    seen: SeenBefore | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """What is wrong, newest first; `failed` and `blocked` count (step, partition) of all that was looked at.

    `partition` is the one that was asked for; `open` are those that nobody has made yet, tried or not. It `is_close`
    when a partition, a run or a group was asked for.
    """

    wrong: tuple[Wrong, ...]
    pipelines: tuple[str, ...]
    missing: int
    errors: Mapping[str, RecoupError]
    partition: str | None = None
    open: int = 0
    is_close: bool = False

    @property
    def failed(self) -> int:
        """How many failed."""
        kinds = ((wrong.cause.newest.failure.kind, wrong.cause.count) for wrong in self.wrong)
        return sum(count for kind, count in kinds if kind is not FailureKind.BLOCKED)

    @property
    def first(self) -> Wrong | None:
        """Where it began: the cause whose step comes first along the graph."""
        return min(self.wrong, key=lambda one: min(one.chosen, default=0), default=None)


def why(workspace: Workspace, words: Sequence[str], *, today: bool = False) -> Why:
    """What is wrong now with a pipeline, a partition, a run or a group; without words, with everything.

    `today` stands for the partition that holds this moment, or the newest that is due by now.
    """
    with readable(workspace) as reader:
        asked = _Asked.of(workspace, reader, [*words, _today(workspace, words)] if today else words)
        found: list[_Looked] = []
        errors: dict[str, RecoupError] = {}
        for name in asked.pipelines:
            try:
                found.append(_look(workspace, reader, name, asked))
            except RecoupError as error:  # one that cannot be loaded hides no other
                if asked.is_named or (len(asked.pipelines) == 1 and asked.partition is None):
                    raise
                errors[name] = error
        if asked.partition is not None and not found:
            raise unknown_word(workspace.settings, errors.values(), ("a pipeline", "a cause", "a run"))
        wrong = [one for looked in found for one in looked.wrong]
        if asked.group is not None:
            wrong = [one for one in wrong if one.cause.group.startswith(asked.group)]
        wrong = [replace(one, seen=seen_before(reader, one.cause)) for one in wrong]
        wrong.sort(key=lambda one: -one.cause.newest.at)
        names = tuple(looked.pipeline for looked in found)
        missing, left = sum(looked.missing for looked in found), sum(looked.open for looked in found)
        is_close = bool(asked.partition or asked.group)
        return Why(tuple(wrong), names, missing, errors, asked.partition, left, is_close)


def _today(workspace: Workspace, words: Sequence[str]) -> str:
    """Of the one pipeline that was named, or that there is."""
    named = words or tuple(all_pipelines(workspace.settings))
    if len(named) != 1 or not _is_pipeline(workspace, named[0]):
        raise UsageError("--today is asked of one pipeline", "name it, and no partition, run or group")
    days = Graph.of(workspace.pipeline(named[0])[0]).anchor.time_side
    if days is None:
        raise UsageError(f"the partitions of {named[0]} have no time, so none is today's", "name one of them")
    now = workspace.clock.now()
    due = days.universe(now).within(range(days.at(now) + 1))
    if due.last is None:
        raise UsageError(f"no partition of {named[0]} is due yet", "see its first day, where it is declared")
    return days.name(due.last)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the words mean."""

    pipelines: tuple[str, ...]
    partition: str | None = None
    is_named: bool = False
    """Whether a pipeline was; else they are all that there are."""
    run_id: str | None = None
    group: str | None = None

    @classmethod
    def of(cls, workspace: Workspace, reader: LedgerReader, words: Sequence[str]) -> _Asked:
        rest = list(words)
        named: tuple[str, ...] = ()
        if rest and _is_pipeline(workspace, rest[0]):
            named = (rest.pop(0),)
        if len(rest) > 1:
            message = f"{quoted(rest[1])} is one word too many"
            raise UsageError(message, "name a pipeline and one partition, run or group")
        if rest and _RUN.fullmatch(rest[0]):
            return cls._of_run(workspace, reader, rest[0])
        pipelines = named or tuple(all_pipelines(workspace.settings))
        if not rest:
            return cls(pipelines, is_named=bool(named))
        if _GROUP.fullmatch(rest[0]) and _is_known(reader, rest[0]):
            return cls(pipelines, group=rest[0], is_named=bool(named))
        return cls(pipelines, partition=rest[0], is_named=bool(named))

    @classmethod
    def _of_run(cls, workspace: Workspace, reader: LedgerReader, run_id: str) -> _Asked:
        rows = reader.query("SELECT pipeline, partition FROM runs WHERE run_id = ?", (run_id,))
        if not rows:
            raise UsageError(
                f"there is no run {run_id}", "`recoup runs` shows the newest attempts, and --json their runs"
            )
        pipeline, partition = rows[0]
        names = [n for n in workspace.settings.pipelines if n == pipeline] or list(workspace.settings.pipelines)
        return cls(tuple(names), partition=partition, run_id=run_id)


@dataclass(frozen=True, slots=True)
class _Looked:
    pipeline: str
    wrong: list[Wrong]
    missing: int
    open: int


def _is_pipeline(workspace: Workspace, word: str) -> bool:
    return word in workspace.settings.pipelines or ":" in word or word.endswith(".py")


def _is_known(reader: LedgerReader, group: str) -> bool:
    """Whether any failure has a fingerprint that begins so; blocks are named by their words, and have no row of it."""
    sql = (
        "SELECT 1 FROM attempts WHERE failure IS NOT NULL AND json_extract(failure, '$.fingerprint') >= ?"
        " AND json_extract(failure, '$.fingerprint') < ? LIMIT 1"
    )
    return bool(reader.query(sql, (group, group + "g")))


def _look(workspace: Workspace, reader: LedgerReader, name: str, asked: _Asked) -> _Looked:
    known = bound(workspace, reader, name)
    found, _ = look(workspace, reader, known, at_work(workspace, reader))
    window = _window(workspace, known, asked.partition)
    now = workspace.clock.now()
    chosen = {step.node.index: window.of(step.node, known.graph.anchor, now) for step in found.steps}
    current = [
        one.current for step in found.steps for one in last_attempts(reader, step, known.node_ids[step.node.index])
    ]
    if asked.run_id is not None:
        current = [c for c in current if c.run_id == asked.run_id]
    together = causes(found, known.graph, current)
    own = [cause for cause in together if _concerns(cause, chosen, blocks_too=asked.run_id is None)]
    for cause in own:
        _date(reader, known, cause)
    expected = {step.node.index: step.expected for step in found.steps}
    wrong = []
    for cause in own:
        places = _chosen(cause, chosen)
        newest = _newest(cause, places, current)
        beside = circumstances(reader, known, found, cause.where, newest)
        wrong.append(Wrong(name, cause, known.graph, expected, places, newest, beside))
    left = ((step.expected - step.complete, chosen[step.node.index]) for step in found.steps)
    return _Looked(name, wrong, _missing(found, chosen), sum(len(o if w is None else o & w) for o, w in left))


def _chosen(cause: Cause, windows: Mapping[int, PartitionSet | None]) -> dict[int, PartitionSet]:
    """What of it lies in the window; it may only block something there."""
    own = {n: o if (w := windows.get(n)) is None else o & w for n, o in cause.where.items()}
    return {node: ordinals for node, ordinals in own.items() if ordinals} or cause.where


def _newest(cause: Cause, places: Mapping[int, PartitionSet], current: Sequence[Current]) -> Current:
    """The last that failed there; where nothing was tried, any of them stands for all."""
    own = [one for one in current if one.ordinal in places.get(one.node, EMPTY)]
    node, ordinals = next(iter(places.items()))
    return max(own, key=lambda one: one.at, default=replace(cause.newest, node=node, ordinal=ordinals.last or 0))


def _window(workspace: Workspace, known: Bound, partition: str | None) -> Window:
    if partition is None:
        return Window()
    return Window(known.graph.anchor.window(partition, partition, workspace.clock.now()))


def _concerns(cause: Cause, chosen: Mapping[int, PartitionSet | None], *, blocks_too: bool) -> bool:
    """Whether it has to do with what was asked for: it failed there, or blocks something there."""
    if cause.newest.failure.kind is FailureKind.BLOCKED and not blocks_too:
        return False
    places = [*cause.where.items(), *cause.blocks.items()]
    return any((own := chosen.get(node)) is None or bool(ordinals & own) for node, ordinals in places)


def _missing(found: Insight, chosen: Mapping[int, PartitionSet | None]) -> int:
    own = ((step.missing, chosen[step.node.index]) for step in found.steps)
    return sum(len(missing if window is None else missing & window) for missing, window in own)


def _date(reader: LedgerReader, known: Bound, cause: Cause) -> None:
    """Since when it is so: the first attempt that failed alike after the last that succeeded."""
    if not cause.newest.failure.fingerprint:
        return
    for node, ordinals in cause.where.items():
        values = (json.dumps(list(ordinals)), known.node_ids[node], cause.newest.failure.fingerprint)
        if (first := reader.query(_SINCE, values)[0][0]) is not None:
            cause.since = min(cause.since, first)
