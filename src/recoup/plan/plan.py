"""What was decided: groups of actions with their reasons. Dry run and run walk the same one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from recoup.model.errors import PlanMovedError, UsageError
from recoup.model.graph import Graph, Node, NodeKind
from recoup.model.partition import EMPTY, PartitionSet
from recoup.plan.ranges import ordinals_of, ranges_of
from recoup.plan.request import Request

PLAN_VERSION = 1


class Verb(StrEnum):
    """What happens to a group."""

    RUN = "run"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Group:
    """Partitions of one node that are decided alike, and why."""

    node: int
    verb: Verb
    ordinals: PartitionSet
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision for a Request; `fingerprint` covers every fact that it rests on.

    `kept` is what is done already and stays as it is, by node; of a saved plan only their number is known, `done`.
    """

    request: Request
    groups: tuple[Group, ...]
    fingerprint: str
    done: int
    estimated_seconds: float | None
    kept: tuple[tuple[int, PartitionSet], ...] = field(default=(), compare=False)

    @property
    def actions(self) -> int:
        """How many (step, partition) will be run."""
        return sum(len(group.ordinals) for group in self.groups if group.verb is Verb.RUN)

    @property
    def blocked(self) -> int:
        """How many cannot be run, because something that they need is not there."""
        return sum(len(group.ordinals) for group in self.groups if group.verb is Verb.BLOCK)

    def of(self, node: int, verb: Verb = Verb.RUN) -> PartitionSet:
        """The partitions of one node that are decided so."""
        chosen = EMPTY
        for group in self.groups:
            if group.node == node and group.verb is verb:
                chosen |= group.ordinals
        return chosen

    def to_json(self, graph: Graph) -> dict[str, Any]:
        """A saved plan: ranges by key, both ends included."""
        return {
            "plan_version": PLAN_VERSION,
            "request": self.request.to_json(),
            "fingerprint": self.fingerprint,
            "done": self.done,
            "estimated_seconds": self.estimated_seconds,
            "groups": [self._group_json(group, graph.nodes[group.node]) for group in self.groups],
        }

    def _group_json(self, group: Group, node: Node) -> dict[str, Any]:
        body: dict[str, Any] = {
            "step": node.name,
            "verb": group.verb.value,
            "reason": group.reason,
            "count": len(group.ordinals),
            "ranges": list(ranges_of(node, group.ordinals)),
        }
        own = node.step.memory_bytes if node.kind is NodeKind.STEP and node.step else None
        if group.verb is Verb.RUN and own is not None:  # told, not read: what holds is the request's and the step's
            body["memory_bytes"] = self.request.memory_of(own)
        return body

    @classmethod
    def from_json(cls, data: Mapping[str, Any], graph: Graph) -> Plan:
        """Read a saved plan; refused when a step or a partition in it is no longer known."""
        if data.get("plan_version") != PLAN_VERSION:
            message = (
                f"the saved plan has version {data.get('plan_version')!r}; this recoup reads version {PLAN_VERSION}"
            )
            raise UsageError(message, "make it again with `recoup plan -o`")
        groups = []
        for saved in data["groups"]:
            try:
                groups.append(_group(saved, graph))
            except UsageError as error:
                message = f"the saved plan does not fit the pipeline: {error.message}"
                raise UsageError(message, "make it again with `recoup plan -o`") from error
        request = Request.from_json(data["request"])
        return cls(request, tuple(groups), data["fingerprint"], data["done"], data["estimated_seconds"])

    def refuse_if_moved(self, fingerprint: str) -> None:
        """A saved plan runs exactly as saved, or not at all."""
        if fingerprint != self.fingerprint:
            message = "the saved plan no longer matches the ledger: partitions that it rests on have moved since"
            raise PlanMovedError(message, "make it again with `recoup plan -o`, and look at what has changed")


def read_plan(text: str, graph: Graph) -> Plan:
    """A plan from its file's text."""
    try:
        return Plan.from_json(json.loads(text), graph)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        message = f"this is no saved plan: {type(error).__name__}: {error}"
        raise UsageError(message, "make one with `recoup plan -o plan.json`") from error


def _group(saved: Mapping[str, Any], graph: Graph) -> Group:
    node = graph.node(saved["step"])
    return Group(node.index, Verb(saved["verb"]), ordinals_of(node, saved["ranges"]), saved["reason"])
