"""The stages of a backfill: cut once when it began, so that after a resume they are what they were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from recoup.ledger.reader import Executes
from recoup.ledger.transaction import Transaction


class StageState(StrEnum):
    """How far a stage is; one that failed is begun again when the backfill is resumed."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage: its number from 1, as it was typed, its partitions by key, how it stands and what it lacks."""

    number: int
    name: str
    ranges: tuple[tuple[str, str], ...]
    partitions: int
    state: StageState
    began_at: float | None = None
    ended_at: float | None = None
    short: tuple[Mapping[str, Any], ...] = ()


def record_stages(tx: Transaction, backfill: int, stages: Iterable[tuple[str, Sequence[tuple[str, str]], int]]) -> None:
    """Name, ranges and number of partitions of each, in order, when the backfill begins."""
    for number, (name, ranges, partitions) in enumerate(stages, 1):
        tx.execute(
            "INSERT INTO stages (backfill, stage, name, ranges, partitions, state) VALUES (?, ?, ?, ?, ?, 'waiting')",
            (backfill, number, name, json.dumps(ranges), partitions),
        )


def begin_stage(tx: Transaction, backfill: int, number: int, name: str) -> None:
    """For the first time, or again."""
    tx.execute(
        "UPDATE stages SET state = 'running', began_at = coalesce(began_at, ?), ended_at = NULL, short = NULL"
        " WHERE backfill = ? AND stage = ?",
        (tx.now, backfill, number),
    )
    tx.event("stage begun", backfill=backfill, data={"stage": number, "name": name})


def end_stage(tx: Transaction, backfill: int, number: int, name: str, short: Sequence[Mapping[str, Any]]) -> StageState:
    """What its gate said: with nothing short of what is expected it has passed."""
    state = StageState.FAILED if short else StageState.PASSED
    tx.execute(
        "UPDATE stages SET state = ?, ended_at = ?, short = ? WHERE backfill = ? AND stage = ?",
        (state.value, tx.now, json.dumps(short) if short else None, backfill, number),
    )
    tx.event(f"stage {state}", backfill=backfill, data={"stage": number, "name": name, "short": list(short)})
    return state


def stages_of(db: Executes, backfill: int) -> list[StageRow]:
    """In their order; none for a backfill that goes all at once."""
    rows = db.execute(
        "SELECT stage, name, ranges, partitions, state, began_at, ended_at, short FROM stages"
        " WHERE backfill = ? ORDER BY stage",
        (backfill,),
    )
    return [
        StageRow(
            number,
            name,
            tuple((first, last) for first, last in json.loads(ranges)),
            partitions,
            StageState(state),
            began_at,
            ended_at,
            tuple(json.loads(short)) if short else (),
        )
        for number, name, ranges, partitions, state, began_at, ended_at, short in rows
    ]
