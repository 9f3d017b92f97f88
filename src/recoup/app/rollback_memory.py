"""What the ledger remembers of a rollback from its beginning to its end: so it can be gone on with by anybody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from recoup.app.rollback_moves import Asked, Begun, RollbackPlan, decided
from recoup.ledger.reader import LedgerReader
from recoup.ledger.staleness import ROLLBACK
from recoup.ledger.transaction import Transaction
from recoup.ports import Clock

_BEGUN = "rollback begun"
_ENDED = "rollback ended"


def begin(
    tx: Transaction,
    clock: Clock,
    by: Mapping[str, str],
    pipeline: str,
    asked: Asked,
    chosen: RollbackPlan,
    cells: Mapping[str, object],
) -> str:
    """Note what was decided, before anything moves; the rollback's id."""
    rollback_id = f"{ROLLBACK}-{clock.now():%Y%m%d}-{clock.token_bytes(3).hex()}"
    decision = {"id": rollback_id, "asked": _digest(pipeline, asked), "moves": decided(chosen.moves)}
    tx.event(_BEGUN, data={**by, **decision, "pipeline": pipeline, "partitions": _named(chosen), "cells": cells})
    return rollback_id


def end(tx: Transaction, rollback_id: str) -> None:
    """All of it is done: the same command would be a new rollback."""
    tx.event(_ENDED, data={"id": rollback_id})


def begun(reader: LedgerReader, pipeline: str, asked: Asked) -> Begun | None:
    """The same command's rollback that was begun and has not ended."""
    ended: set[str] = set()
    rows = reader.query("SELECT kind, data FROM events WHERE kind IN (?, ?) ORDER BY seq DESC", (_BEGUN, _ENDED))
    for kind, text in rows:
        data = json.loads(text)
        if kind == _ENDED:
            ended.add(data["id"])
        elif data["id"] not in ended and data["asked"] == _digest(pipeline, asked):
            return Begun(data["id"], data["moves"])
    return None


def who_and_why(reader: LedgerReader) -> dict[str, str]:
    """A sentence about each rollback, by its id."""
    told = {}
    for (text,) in reader.query("SELECT data FROM events WHERE kind = ?", (_BEGUN,)):
        data = json.loads(text)
        why = f": {data['reason']}" if data.get("reason") else ""
        told[data["id"]] = f"it was rolled back by {data['who']}{why}"
    return told


def _named(chosen: RollbackPlan) -> str:
    """`sales 2024-01-01…2024-01-31 (31), week 2024-01-07`, as people read it."""
    texts = []
    for dataset, moves in chosen.by_dataset().items():
        first, last = moves[0].partition, moves[-1].partition
        texts.append(f"{dataset} {first}" if len(moves) == 1 else f"{dataset} {first}…{last} ({len(moves)})")
    return ", ".join(texts)


def _digest(pipeline: str, asked: Asked) -> str:
    """Equal for equal commands."""
    return hashlib.sha256(json.dumps([pipeline, asked.words()]).encode()).hexdigest()[:16]
