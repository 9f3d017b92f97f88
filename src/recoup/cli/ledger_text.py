"""What looking after the ledger found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from recoup.app.lake_care import Adopted
from recoup.app.ledger_care import Verified
from recoup.app.rebuild import Rebuilt
from recoup.cli.text import Cell, View, clean, counted, duration, number, ranges
from recoup.ledger.migrate import Migration


def verified_json(found: Verified) -> dict[str, Any]:
    """Differences by dataset and plane, laws that are broken, what could not be checked."""
    return {
        "planes": found.planes,
        "differences": [asdict(difference) for difference in found.differences],
        "broken": list(found.broken),
        "unchecked": list(found.unchecked),
        "repaired": found.repaired,
    }


def verified_lines(found: Verified, view: View) -> Iterator[str]:
    """What is wrong, then the verdict."""
    for difference in found.differences:
        for word, texts in (("lacks", difference.lacking), ("has too much", difference.extra)):
            if texts:
                yield from view.columns([[difference.dataset, difference.plane, f"{word} {ranges(texts, view)}"]])
    yield from (view.paint("bad", clean(sentence)) for sentence in found.broken)
    yield from (view.paint("warn", clean(sentence)) for sentence in found.unchecked)
    planes = counted(found.planes, "plane")
    if found.differences and found.repaired:
        yield f"{planes} compared, {counted(len(found.differences), 'difference')} repaired"
    elif found.differences or found.broken:
        wrong = len(found.differences) + len(found.broken)
        yield f"{planes} compared: {counted(wrong, 'thing')} wrong"
    else:
        yield f"{planes} compared: all sound"


def migrated_lines(done: Migration) -> list[str]:
    """One sentence."""
    if done.copy is None:
        return [f"nothing to do: the ledger has schema {done.after}, which is today's"]
    return [f"schema {done.before} → {done.after}; the ledger as it was is kept as {done.copy}"]


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


def adopted_lines(done: Adopted, view: View) -> Iterator[str]:
    """Whose the lake is now, and what it shows that this ledger does not know."""
    yield f"{done.lake} is now ledger {done.ledger_id}'s, at epoch {done.epoch}"
    if done.strangers:
        yield view.paint("warn", "it shows what this ledger does not know:")
        yield from (f"  {clean(sentence)}" for sentence in done.strangers)
