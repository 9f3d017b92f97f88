"""Which pipelines follow a run, and when; noted when it begins, owed when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from recoup.app.backfills import at_work
from recoup.app.configuration.follows import in_order
from recoup.app.prepare import Planned
from recoup.app.settings import Settings
from recoup.app.workspace import Workspace
from recoup.ledger.firings import Dates, Due, due_of, note_mode, owe, owe_for_earlier, take, take_dates
from recoup.ledger.transaction import Transaction
from recoup.model.partition import EMPTY
from recoup.plan.plan import Verb
from recoup.plan.request import Downstream, Request

ENDED: Final = ("done", "incomplete")
"""The states in which nothing is left to resume, so that what follows is due."""


class Firing(Protocol):
    """Why a run begins that nobody asked for."""

    def take(self, tx: Transaction, fired: int) -> None:
        """In the transaction in which the backfill begins, or goes on, that carries it out."""


@dataclass(frozen=True, slots=True)
class AtEnd:
    """Because backfills have ended."""

    due: Sequence[Due]

    def take(self, tx: Transaction, fired: int) -> None:
        """FiredElsewhereError when somebody else was first."""
        take(tx, self.due, fired)


@dataclass(frozen=True, slots=True)
class AtDates:
    """Because dates of a backfill are complete that has not ended yet."""

    by: Due
    dates: Dates

    def take(self, tx: Transaction, fired: int) -> None:
        """Only the backfill's own controller fires these."""
        take_dates(tx, self.by, self.dates, fired)


@dataclass(frozen=True, slots=True)
class Following:
    """What kind of run it is, which pipelines follow it, and when they are fired."""

    is_live: bool
    choice: Downstream
    pipelines: tuple[str, ...]

    @property
    def mode(self) -> str:
        """`live` or `backfill`."""
        return "live" if self.is_live else "backfill"

    def begin(self, tx: Transaction, backfill: int, firing: Firing | None) -> None:
        """Note it, and settle why it began."""
        note_mode(tx, backfill, self.mode, self.choice)
        if firing is not None:
            firing.take(tx, backfill)

    def end(self, tx: Transaction, backfill: int, state: str) -> None:
        """What follows is due from now on, whoever lives to carry it out."""
        if state in ENDED and self.choice is not Downstream.NONE:
            owe(tx, backfill, self.pipelines)

    def end_earlier(self, tx: Transaction, request: Request) -> None:
        """To resume is to run the same command again: what stopped before has ended with it."""
        if self.choice is not Downstream.NONE:
            owe_for_earlier(tx, request.pipeline, request.digest, self.pipelines)

    def to_json(self) -> dict[str, Any]:
        """As plans and answers show it."""
        return {"mode": self.mode, "downstream": self.choice.value, "pipelines": list(self.pipelines)}


def following(settings: Settings, place: str, planned: Planned) -> Following:
    """A live run fires at once, a backfill holds back until its end, unless something else was asked for."""
    live = is_live(planned)
    usual = Downstream.EACH if live else Downstream.HOLD
    return Following(live, planned.plan.request.downstream or usual, followers(settings, place))


def is_live(planned: Planned) -> bool:
    """Whether it is about one partition: somebody, or something, waits for that one."""
    graph, plan = planned.prepared.graph, planned.plan
    asked = EMPTY
    for group in plan.groups:
        if group.verb is Verb.RUN and graph.nodes[group.node].partitions.identity() == graph.anchor.identity():
            asked |= group.ordinals
    return len(asked) == 1 or plan.actions == 1


def due(workspace: Workspace) -> tuple[str, ...]:
    """Pipelines that are to run because of what others have published, each after those that it follows."""
    with workspace.reader() as reader:
        live = at_work(workspace, reader)
        return tuple(name for name in in_order(workspace.settings.follows) if due_of(reader, name, live))


def followers(settings: Settings, place: str) -> tuple[str, ...]:
    """The pipelines that follow the one at this place, each after those that it follows."""
    names = names_at(settings, place)
    return tuple(name for name in in_order(settings.follows) if names & set(settings.follows[name]))


def names_at(settings: Settings, place: str) -> set[str]:
    """What the settings call the pipeline at this place."""
    own = _plain(settings, place)
    return {name for name, other in settings.pipelines.items() if _plain(settings, other) == own}


def _plain(settings: Settings, place: str) -> str:
    """Equal for places that are the same."""
    file, colon, variable = place.partition(":")
    return f"{settings.root / Path(file)}{colon}{variable}" if file.endswith(".py") else place
