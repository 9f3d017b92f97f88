"""How the pools of a pipeline are used now: slots, the last start, and until when a quota has paused them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from recoup.engine.insight import Insight
from recoup.ledger.reader import LedgerReader
from recoup.model.graph import Node, NodeKind
from recoup.model.pool import Pool

_STARTS: Final = "SELECT pool, last_at FROM starts"
_PAUSES: Final = "SELECT pool, until, reason FROM pauses WHERE until > ?"


@dataclass(frozen=True, slots=True)
class PoolUse:
    """One pool; `running` are this pipeline's attempts in it.

    Times are seconds since 1970: the last start is kept of pools with a rate or a delay; None: never, or not paused.
    """

    pool: str
    declared: Pool
    running: int
    last_start: float | None
    paused_until: float | None
    reason: str | None


def pool_use(reader: LedgerReader, found: Insight, pools: Mapping[str, Pool], now: float) -> tuple[PoolUse, ...]:
    """Of every declared pool whose slots a step takes, or a table's server."""
    starts = dict(reader.query(_STARTS))
    pauses = {pool: (until, reason) for pool, until, reason in reader.query(_PAUSES, (now,))}
    running: dict[str, int] = {}
    for step in found.steps:
        if (name := _pool_of(step.node)) in pools:
            running[name] = running.get(name, 0) + len(step.running)

    def use(name: str) -> PoolUse:
        key = f"pool {name}"
        return PoolUse(name, pools[name], running[name], starts.get(key), *pauses.get(key, (None, None)))

    return tuple(use(name) for name in sorted(running))


def _pool_of(node: Node) -> str:
    if node.kind is NodeKind.DELIVERY:
        return (node.sink.pool if node.sink else None) or ""
    return (node.step.pool if node.step else None) or ""
