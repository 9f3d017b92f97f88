"""What is written to the ledger, and what is read from it, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NewType

from recoup.model.failure import Failure
from recoup.model.manifest import DataFile

NodeId = NewType("NodeId", int)
Token = NewType("Token", int)


ADOPTED = "adopted"
"""The decision of attempts that made nothing: what they publish was there before."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A dataset as the ledger knows it."""

    node: NodeId
    name: str
    pipeline: str
    kind: str
    label: str
    partitioning: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One execution of a pipeline for one partition."""

    run: int
    run_id: str
    partition: str
    run_as_of: float
    limited: bool = False
    """Whether it reads only what was known by then."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One (node, ordinal) that a controller wants to try now."""

    node: NodeId
    ordinal: int
    run: RunRow
    decision: str
    code_version: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that is ours: its token and which try it is within its run."""

    token: Token
    claim: Claim
    number: int


@dataclass(frozen=True, slots=True)
class Measured:
    """When an attempt ran and what it took."""

    started_at: float
    ended_at: float
    rows: int | None = None
    log: str | None = None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """What a partition shows: a run's files, or nothing (`run` None)."""

    token: Token
    node: NodeId
    ordinal: int
    run: int | None
    digest: str
    code_version: str
    input_version: str
    run_as_of: float
    nonce: str = ""
    reason: str = ""
    rows: int | None = None
    files: tuple[DataFile, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    manifest: str | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A publication as it stands in the ledger, with its place in the history."""

    publication: Publication
    run_id: str | None
    generation: int
    state: str
    published_at: float
    superseded_at: float | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An attempt that made its output; the publication becomes current with it."""

    publication: Publication
    measured: Measured
    stale: tuple[tuple[NodeId, range], ...] = ()
    """Who reads this partition: they become stale if its digest changed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that did not; `state` is failed, lost or cancelled."""

    token: Token
    node: NodeId
    ordinal: int
    failure: Failure
    measured: Measured
    state: str = "failed"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not tried, because something that it needs is not there."""

    node: NodeId
    ordinal: int
    reason: str


@dataclass(frozen=True, slots=True)
class Controls:
    """How a backfill is carried out, as a person has set it; None: as the settings say."""

    max_parallel: int | None = None
    delay_seconds: float | None = None
    priority: int | None = None

    def changed_by(self, new: Controls) -> Controls:
        """These, but for what the new ones say."""
        old = self
        return Controls(
            old.max_parallel if new.max_parallel is None else new.max_parallel,
            old.delay_seconds if new.delay_seconds is None else new.delay_seconds,
            old.priority if new.priority is None else new.priority,
        )


@dataclass(frozen=True, slots=True)
class Waiver:
    """A gap that somebody has accepted: it counts as complete."""

    node: NodeId
    ordinal: int
    reason: str
    who: str
    at: float


@dataclass(frozen=True, slots=True)
class BackfillRow:
    """A backfill as people see it."""

    backfill: int
    backfill_id: str
    pipeline: str
    state: str
    wish: str
    actions: int
    created_at: float
    ended_at: float | None
    who: str
    request: Mapping[str, Any]
    controller: int | None
    summary: Mapping[str, Any] | None = None
    controls: Controls = Controls()


@dataclass(frozen=True, slots=True)
class BlockRow:
    """Why a partition could not be tried."""

    node: NodeId
    ordinal: int
    reason: str
    at: float
