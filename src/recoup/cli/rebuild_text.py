"""What a rebuild of the ledger found in the lake, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recoup.app.rebuild import Rebuilt
from recoup.cli.text import Cell, View, clean, counted, duration, number


def rebuilt_json(done: Rebuilt) -> dict[str, Any]:
    """What the new ledger holds, and what could not be taken into it."""
    return {
        "path": str(done.path),
        "ledger_id": done.ledger_id,
        "epoch": done.epoch,
        "partitions": done.partitions,
        "attempts": done.attempts,
        "generations": done.generations,
        "datasets": dict(done.datasets),
        "seconds": round(done.seconds, 3),
        "trouble": list(done.trouble),
        "strangers": list(done.strangers),
        "copy": None if done.copy is None else str(done.copy),
    }


def rebuilt_lines(done: Rebuilt, view: View) -> Iterator[str]:
    """By dataset, then the sum; what could not be used last."""
    yield from view.columns(
        [name, Cell(counted(count, "partition"), right=True)] for name, count in done.datasets.items()
    )
    what = f"{counted(done.partitions, 'partition')}, {number(done.attempts)} attempts, epoch {done.epoch}"
    yield f"{done.path}: {what}, in {duration(done.seconds)}"
    if done.copy is not None:
        yield f"the ledger that was there is kept as {done.copy}"
    yield from (view.paint("warn", clean(sentence)) for sentence in (*done.trouble, *done.strangers))
