"""Who may hold how many of a pool's slots, when several controllers want them: live runs first, nobody starves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

KEPT = 4
"""One slot in so many is kept for those of lower priority, rounded up."""
TURN_SECONDS = 0.25
"""Where there are fewer slots than controllers they take turns, and whoever has a slot keeps it for so long."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """A controller that is at work: how many slots it could use, and how many it holds since when."""

    controller: int
    priority: int
    wanted: int
    held: int = 0
    granted_at: float = 0.0


def allot(slots: int, claimants: Sequence[Claimant], now: float) -> dict[int, int]:
    """How many slots each may have; every controller comes to the same answer from the same rows.

    The highest priority gets all but a quarter; that is for those behind it, by the same rule. Equals get equal shares.
    What somebody does not want goes to the others. One slot is no share: those who want it take turns.
    """
    allotted = dict.fromkeys((c.controller for c in claimants), 0)
    waiting = sorted((c for c in claimants if c.wanted), key=lambda c: (-c.priority, c.controller))
    levels = [list(level) for _, level in groupby(waiting, key=lambda c: c.priority)]
    while levels and slots > 0:
        level = levels.pop(0)
        if slots == 1:
            level, levels = [*level, *(c for behind in levels for c in behind)], []
        behind = sum(c.wanted for level_ in levels for c in level_)
        dealt = _deal(slots - min(-(-slots // KEPT), behind), level, now)
        slots -= sum(dealt.values())
        allotted.update(dealt)
    return allotted


def _deal(slots: int, level: Sequence[Claimant], now: float) -> dict[int, int]:
    """One by one; whose turn has just begun is first, then who has nothing, then who got something last."""

    def turn(c: Claimant) -> tuple[bool, bool, float]:
        fresh = c.held > 0 and now - c.granted_at < TURN_SECONDS
        return (not fresh, c.held > 0, -c.granted_at if c.held else c.granted_at)

    dealt = dict.fromkeys((c.controller for c in level), 0)
    rest = sorted(level, key=turn)
    while slots > 0 and rest:
        for c in rest[:slots]:
            dealt[c.controller] += 1
        slots -= min(slots, len(rest))
        rest = [c for c in rest if dealt[c.controller] < c.wanted]
    return dealt
