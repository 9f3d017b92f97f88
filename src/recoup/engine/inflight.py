"""An attempt between its claim and its end, and the facts that its result becomes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recoup.lake.pointers import PublishIntent
from recoup.ledger.facts import Claimed, Measured, NodeId, Publication
from recoup.ledger.watermarks import Advance, Pinned
from recoup.model.failure import Failure
from recoup.model.graph import Node, NodeKind
from recoup.model.manifest import DataFile, InputRead, Manifest, output_digest
from recoup.ports import Lost
from recoup.recovery.classify import lost, out_of_memory, timed_out


@dataclass(slots=True)
class Inflight:
    """What the controller remembers of an attempt that it has claimed; the ledger knows all that matters."""

    claimed: Claimed
    node: Node
    partition: str
    inputs: tuple[InputRead, ...]
    input_version: str
    given: Mapping[str, Mapping[str, Any]]
    delivery: Mapping[str, Any] | None
    nonce: str
    log: str
    publication: Publication | None = None
    measured: Measured | None = None
    result: Mapping[str, Any] | None = None
    killed: Failure | None = None
    watermark: Pinned | None = None

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.claimed.token

    def measure(self, result: Mapping[str, Any], now: float) -> Measured:
        """When it ran and what it took, as the worker measured it."""
        resources = result.get("resources") or {}
        return Measured(
            started_at=result.get("started", now),
            ended_at=result.get("ended", now),
            rows=result.get("rows"),
            log=self.log_if_any(),
            peak_memory_bytes=resources.get("peak_memory_bytes"),
            cpu_seconds=resources.get("cpu_seconds"),
        )

    def measure_lost(self, evidence: Mapping[str, Any], now: float) -> Measured:
        """Likewise, of one whose worker is gone: as it was seen from outside."""
        return Measured(
            started_at=now - evidence.get("seconds", 0.0),
            ended_at=now,
            log=self.log_if_any(),
            peak_memory_bytes=evidence.get("peak_memory_bytes"),
            cpu_seconds=evidence.get("cpu_seconds"),
        )

    def lost(self, event: Lost) -> Failure:
        """The failure of an attempt whose worker is gone: killed at a limit of its own, or by somebody else."""
        step, evidence = self.node.step, event.evidence
        if event.timed_out and step is not None and step.timeout_seconds is not None:
            return timed_out(step.timeout_seconds, evidence, self.node.name)
        if "memory_limit_bytes" in evidence or "out_of_memory" in evidence:
            return out_of_memory(evidence, self.node.name)
        return lost(evidence)

    def over_memory(self, result: Mapping[str, Any]) -> Failure | None:
        """The failure of an attempt that came to its end, but took more than it may."""
        over = (result.get("resources") or {}).get("over_memory")
        return out_of_memory(over, self.node.name) if over else None

    def log_if_any(self) -> str | None:
        """Where its output lies; a step that says nothing has no log."""
        return self.log if os.path.exists(self.log) else None  # noqa: PTH110 - asked for each attempt: a Path costs more

    def advances(self) -> list[Advance]:
        """How far its step has read, if it says so."""
        to = (self.result or {}).get("watermark")
        return [] if to is None or self.watermark is None else [Advance(self.token, self.watermark, to)]

    def publish(self, result: Mapping[str, Any], node_id: NodeId) -> Publication:
        """What its partition will show: its files, the run that a table holds, or the fact that it was done."""
        files = tuple(DataFile(*f) for f in result["files"]) if "files" in result else ()
        claim = self.claimed.claim
        run: int | None = claim.run.run
        digest = f"attempt:{self.token}"
        if self.node.kind is NodeKind.DELIVERY and self.delivery is not None:
            digest = self.delivery["digest"]
            run = run if self.delivery["run_id"] is not None else None
        elif "files" in result:
            digest = output_digest(files)
        return Publication(
            token=self.claimed.token,
            node=node_id,
            ordinal=claim.ordinal,
            run=run,
            digest=digest,
            code_version=claim.code_version,
            input_version=self.input_version,
            run_as_of=claim.run.run_as_of,
            nonce=self.nonce if "files" in result else "",
            reason=claim.decision,
            rows=result.get("rows"),
            files=files,
            columns=result.get("columns", {}),
        )


def iso(moment: float) -> str:
    """ISO 8601, UTC, to the microsecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Whose:
    """For which backfill attempts are made, whether it is `live` or a `backfill`, and when it fires what follows.

    What was adopted was made for none.
    """

    pipeline: str
    backfill_id: str | None = None
    mode: str | None = None
    downstream: str | None = None


def manifest_of(
    whose: Whose,
    inflight: Inflight,
    measured: Measured,
    outcome: str,
    failure: Failure | None,
) -> Manifest:
    """The artifact of this attempt, good or bad."""
    claim, publication = inflight.claimed.claim, inflight.publication
    result = inflight.result or {}
    return Manifest(
        pipeline=whose.pipeline,
        dataset=inflight.node.name,
        partition=inflight.partition,
        run_id=claim.run.run_id,
        run_as_of=iso(claim.run.run_as_of),
        attempt=inflight.claimed.number,
        token=inflight.token,
        outcome=outcome,
        started_at=iso(measured.started_at),
        ended_at=iso(measured.ended_at),
        duration_seconds=round(measured.ended_at - measured.started_at, 6),
        code_version=claim.code_version,
        input_version=inflight.input_version,
        inputs=inflight.inputs,
        outputs=publication.files if publication else (),
        columns=publication.columns if publication else {},
        rows=measured.rows,
        digest=publication.digest if publication else "",
        counters=result.get("counters", {}),
        failure={**failure.to_json(), "advice": failure.advice} if failure else None,
        backfill_id=whose.backfill_id,
        mode=whose.mode,
        downstream=whose.downstream,
        limited=claim.run.limited,
        peak_memory_bytes=measured.peak_memory_bytes,
        cpu_seconds=measured.cpu_seconds,
    )


def intent_of(
    node: Node, partition: str, run_id: str | None, publication: Publication, ledger_id: str, epoch: int, now: float
) -> PublishIntent:
    """The pointer's move, as the lake needs it."""
    return PublishIntent(
        dataset=node.name,
        key=node.partitions.key,
        partition=partition,
        run_id=run_id,
        token=publication.token,
        seq=publication.token,
        digest=publication.digest,
        published_at=iso(now),
        run_as_of=iso(publication.run_as_of),
        nonce=publication.nonce,
        reason=publication.reason,
        ledger_id=ledger_id,
        epoch=epoch,
    )
