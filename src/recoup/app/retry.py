"""The verb retry: the failed steps of these partitions once more, where that is safe; refused whole, or not at all.

What was blocked by them follows, unless steps were named.

`retry_request(…) -> Request` checks and notes it in the history; `app.backfilling.run` carries the request out. What
failed because of its code or its inputs would fail again, so one of them must have changed; of a path that the system
refused, its owner or its mode, or who we are. Whether a grant in a database, a credential, a setting or a full disk was
mended nobody here can see: there the person who types it says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from recoup.app.backfills import at_work
from recoup.app.newer_files import has_newer_file
from recoup.app.prepare import Prepared
from recoup.app.workspace import Workspace
from recoup.engine.surroundings import ownership
from recoup.ledger.cells import written
from recoup.ledger.facts import NodeId
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import RefusedError, UsageError
from recoup.model.failure import ADVICE, FAILS_AGAIN, Failure, FailureKind
from recoup.model.graph import Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.model.relation import parents
from recoup.plan.request import Only, Request
from recoup.plan.scope import Scope
from recoup.plan.snapshot import NodeState

NEEDS_A_NEW_RUN: Final = frozenset({FailureKind.MEMORY})
_LAST = """
SELECT a.run, a.code_version, a.claimed_at, a.failure, coalesce(json_extract(b.request, '$.as_of_mode'), 'now')
FROM attempts a LEFT JOIN backfills b USING (backfill)
WHERE node = ? AND ordinal = ? AND failure IS NOT NULL AND a.state IN ('failed', 'lost') ORDER BY token DESC LIMIT 1
"""
_NEWER = """
SELECT 1 FROM publications WHERE node = ? AND ordinal >= ? AND ordinal < ? AND state = 'current' AND published_at > ?
UNION ALL
SELECT 1 FROM observations WHERE node = ? AND ordinal >= ? AND ordinal < ? AND observed_at > ? LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Insisted:
    """That a person wants it all the same, and why."""

    force: bool = False
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.force and not (self.reason or "").strip():
            raise UsageError("--force needs a reason", 'say why it may pass now: --reason "the vendor fixed the file"')


def retry_request(
    workspace: Workspace, pipeline: str, partitions: Sequence[str], steps: Sequence[str], insisted: Insisted
) -> Request:
    """What to run; RefusedError for what runs, is published, never failed, or would fail again."""
    if not partitions:
        remedy = f"name the partitions; `recoup run {pipeline}` tries everything that failed or is missing"
        raise UsageError("no partition was named", remedy)
    loaded, _ = workspace.pipeline(pipeline)
    request = Request(loaded.name, partitions=tuple(partitions), only=(Only.FAILED,), steps=tuple(steps))
    with workspace.ledger_for(pipeline) as ledger:
        prepared = workspace.prepared(ledger, pipeline, request)
        asked = _Asked(workspace, LedgerReader(ledger.path, ledger.db), prepared, request, pipeline)
        asked.refuse_what_did_not_fail()
        failed = list(asked.failed())
        if not insisted.force:
            asked.refuse_what_would_fail_again(failed)
        mode = _mode_of(failed)
        with ledger.transaction() as tx:
            tx.close_runs([one.run for one in failed if one.kind in NEEDS_A_NEW_RUN])
            told = {"pipeline": loaded.name, "partitions": list(partitions), "steps": list(steps)}
            cells = written((asked.id_of(one.node), PartitionSet.of([one.ordinal])) for one in failed)
            by = workspace.acting(insisted.reason)
            tx.event("retry", data={"reason": "", **by, **told, "force": insisted.force, "cells": cells})
        return replace(request if steps else asked.with_what_waits(failed), as_of_mode=mode)


@dataclass(frozen=True, slots=True)
class _Failed:
    """One failed partition of a step, by its last attempt."""

    node: Node
    ordinal: int
    kind: FailureKind
    run: int
    code_version: str
    claimed_at: float
    evidence: Mapping[str, Any]
    as_of_mode: str


@dataclass(frozen=True)
class _Asked:
    workspace: Workspace
    reader: LedgerReader
    prepared: Prepared
    request: Request
    name: str
    """The pipeline, as it was typed."""

    def refuse_what_did_not_fail(self) -> None:
        """Each partition for itself: one of three that is published is a slip of the hand."""
        running = self._running()
        for key in self.request.partitions:
            own = self._of(key)
            for node, ordinals in own:
                if at := ordinals & running.get(self.id_of(node), EMPTY):
                    message = f"{node.name} {node.partitions.name(at.first or 0)} is running"
                    raise RefusedError(message, "wait for its end, `recoup backfill ls` shows whose it is")
            if any(ordinals & self._state(node).any_failed for node, ordinals in own):
                continue
            if all(not ordinals - self._state(node).published for node, ordinals in own):
                message = f"{key} is published: there is nothing to try again"
                remedy = f"`recoup run {self.name} {key} --only stale` makes again what is out of date"
                raise RefusedError(message, remedy)
            message = f"nothing of {key} has failed: what is not there was not tried, or is blocked"
            raise RefusedError(message, f"`recoup run {self.name} {key}` runs it")

    def failed(self) -> Iterator[_Failed]:
        """What would be tried again."""
        for node, ordinals in self._of(*self.request.partitions):
            for kind, own in self._state(node).failed.items():
                for ordinal in own & ordinals:
                    for run, code, claimed_at, text, mode in self.reader.query(_LAST, (self.id_of(node), ordinal)):
                        evidence = Failure.from_json(json.loads(text)).evidence
                        yield _Failed(node, ordinal, FailureKind(kind), run, code, claimed_at, evidence, mode)

    def with_what_waits(self, failed: Sequence[_Failed]) -> Request:
        """What was blocked at these partitions is run too: the date is complete when its failed steps succeed."""
        blocked = [
            node for node, ordinals in self._of(*self.request.partitions) if ordinals & self._state(node).blocked
        ]
        if not blocked:
            return self.request
        names = dict.fromkeys(self._step_of(node) for node in (*(one.node for one in failed), *blocked))
        return replace(self.request, only=(Only.MISSING, Only.FAILED), steps=tuple(names))

    def _step_of(self, node: Node) -> str:
        is_table = node.kind is NodeKind.DELIVERY
        return self.prepared.graph.nodes[node.edges[0].parent].name if is_table else node.name

    def refuse_what_would_fail_again(self, failed: Sequence[_Failed]) -> None:
        """Code and inputs are what they were when it failed, or the path's owner and mode are."""
        same = [one for one in failed if _would_fail_again(one) and not self._has_changed(one)]
        if not same:
            return
        first = same[0]
        name = f"{first.node.name} {first.node.partitions.name(first.ordinal)}"
        others = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        what = "its code nor what it reads has"
        if first.kind is FailureKind.PERMISSION:
            what = f"owner nor mode of {first.evidence['path']} nor who we run as have"
        message = f"{name}{others} failed ({first.kind}), and neither {what} changed since"
        raise RefusedError(message, f"{ADVICE[first.kind]} Or insist: --force --reason TEXT")

    def _has_changed(self, one: _Failed) -> bool:
        if one.code_version != self.prepared.code_versions[one.node.index]:
            return True
        for edge in one.node.edges:
            parent = self.prepared.graph.nodes[edge.parent]
            span = parents(edge.relation, one.node.partitions, parent.partitions, one.ordinal)
            of_it = (self.id_of(parent), span.start, span.stop, one.claimed_at)
            if span and self.reader.query(_NEWER, (*of_it, *of_it)):
                return True
            if span and has_newer_file(self.workspace.settings.root, parent, span, one.claimed_at):
                return True
        return False

    def _of(self, *keys: str) -> list[tuple[Node, PartitionSet]]:
        """What these mean of each step that was chosen, and of its tables."""
        graph, snapshot = self.prepared.graph, self.prepared.snapshot
        scope = Scope(replace(self.request, partitions=keys), graph, snapshot)
        chosen = {graph.node(name).index for name in self.request.steps}
        found = []
        for node in graph.nodes:
            of_step = node.edges[0].parent if node.kind is NodeKind.DELIVERY else node.index
            if node.is_made and (not chosen or of_step in chosen):
                found.append((node, scope.of(node)))
        return found

    def _running(self) -> dict[int, PartitionSet]:
        """What a controller that lives is at."""
        live = at_work(self.workspace, self.reader)
        found: dict[int, PartitionSet] = {}
        rows = self.reader.query("SELECT node, ordinal, controller FROM attempts WHERE state = 'running'")
        for node, ordinal, controller in rows:
            if controller in live:
                found[node] = found.get(node, EMPTY) | PartitionSet.of([ordinal])
        return found

    def id_of(self, node: Node) -> NodeId:
        """In the ledger."""
        return self.prepared.node_ids[node.index]

    def _state(self, node: Node) -> NodeState:
        return self.prepared.snapshot.states[node.index]


def _mode_of(failed: Sequence[_Failed]) -> str:
    """What it may know is what it might know when it failed: else it would be another run."""
    modes = sorted({one.as_of_mode for one in failed})
    if len(modes) > 1:
        message = f"they were tried with different knowledge: --as-of-mode {', '.join(modes)}"
        raise RefusedError(message, "retry them one after the other")
    return modes[0] if modes else "now"


def _would_fail_again(one: _Failed) -> bool:
    """Unless its code or its inputs have changed."""
    if one.kind is not FailureKind.PERMISSION or "path" not in one.evidence:
        return one.kind in FAILS_AGAIN
    now = ownership(one.evidence["path"])
    return now == {name: value for name, value in one.evidence.items() if name in now}
