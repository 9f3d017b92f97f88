"""What the planner knows: a few sets per node, taken from the ledger at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from recoup.model.graph import Node
from recoup.model.partition import EMPTY, PartitionSet

Moments = Callable[[Node, int], float]
"""The `run_as_of` that a partition of a node has, or will have."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node's facts. `same_code` holds what today's code made; `failed` is by kind; `coming` others have to make.

    What is `waived`, a gap that was accepted, is `expected` no more: so nobody plans it, and no share counts it.
    """

    expected: PartitionSet = EMPTY
    waived: PartitionSet = EMPTY
    published: PartitionSet = EMPTY
    stale: PartitionSet = EMPTY
    same_code: PartitionSet = EMPTY
    blocked: PartitionSet = EMPTY
    running: PartitionSet = EMPTY
    coming: PartitionSet = EMPTY
    failed: Mapping[str, PartitionSet] = field(default_factory=dict)
    code_version: str = ""
    mean_seconds: float | None = None

    @property
    def any_failed(self) -> PartitionSet:
        """Failed, of whatever kind."""
        everything = EMPTY
        for ordinals in self.failed.values():
            everything |= ordinals
        return everything


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All nodes' states by their index in the graph, as they were at `now`.

    `moments` says how old a snapshot would be; None: nobody asks for it.
    """

    states: tuple[NodeState, ...]
    now: datetime
    moments: Moments | None = None
