"""How a pipeline stands, as a value: its steps, and the partitions that stand alike, in the words that people see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from recoup.app.notebook import Table, page, ranges_text
from recoup.app.pool_use import PoolUse
from recoup.engine.insight import Insight, StepInsight
from recoup.ledger.facts import BackfillRow
from recoup.model.failure import Failure
from recoup.model.partition import PartitionSet

FIGURES: Final = ("done", "missing", "running", "failed", "blocked", "waived", "stale")


@dataclass(frozen=True, slots=True)
class FailureSample:
    """One partition's last failure, for all of its step that failed with that kind."""

    partition: str
    failure: Failure
    log: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Gaps that were accepted together, and why."""

    reason: str
    who: str
    at: float
    partitions: PartitionSet


@dataclass(frozen=True, slots=True)
class StepStatus:
    """A step with what its attempts tell; times are seconds since 1970."""

    insight: StepInsight
    last_successful_date: str | None
    last_successful_time: float | None
    samples: Mapping[str, FailureSample]
    accepted: tuple[Accepted, ...] = ()
    left_out: tuple[tuple[str, PartitionSet], ...] = ()
    """Of what is missing, what a backfill was told to leave out; and by which one."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """A failure that is open for too long: since when, at which step, and for how many seconds."""

    step: str
    since: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Away:
    """A source that stays away, or a step that asks somebody who does; what reads it waits for a good probe."""

    dataset: str
    since: float
    message: str


@dataclass(frozen=True, slots=True)
class Status:
    """A pipeline within a window, and the backfills that are at work on it.

    `unread` says which calendars were out of reach: what the last plan found on them stands in.
    """

    insight: Insight
    steps: tuple[StepStatus, ...]
    active: tuple[BackfillRow, ...]
    unread: tuple[str, ...] = ()
    pools: tuple[PoolUse, ...] = ()
    overdue: Overdue | None = None
    outages: tuple[Away, ...] = ()
    due: tuple[str, ...] = ()
    """Backfills that it follows, and for which it has not run yet."""
    undone: tuple[BackfillRow, ...] = ()
    """Backfills that were interrupted, and of which something is left to do."""

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        found = self.insight
        word = "complete" if found.complete else "incomplete"
        share = f"{len(found.completed):,} of {len(found.dates):,} {found.partitions.grain} ({found.pct_complete:g} %)"
        at_work = "".join(f" · backfill {row.backfill_id} {row.state}" for row in self.active)
        at_work += "".join(f" · {text}; as it was at the last plan" for text in self.unread)
        return page(f"{found.pipeline}: {word} · {share}{at_work}", [_figures(self), _incomplete(self)])


@dataclass(frozen=True, slots=True)
class Part:
    """Partitions of one step that stand alike; `word` is what people see."""

    step: StepInsight
    state: str
    word: str
    partitions: PartitionSet
    text: str = ""
    more: Mapping[str, Any] | None = None


def parts(found: Status, only: str | None) -> Iterator[Part]:
    """Everything but what is complete, step by step; `only` picks one state."""
    for status in found.steps:
        for part in _parts(status):
            if only in (None, part.state):
                yield part


def _parts(status: StepStatus) -> Iterator[Part]:
    step = status.insight
    for kind, ordinals in step.failed.items():
        sample = status.samples.get(kind)
        text = sample.failure.message if sample else ""
        more: dict[str, Any] = {"kind": kind}
        if sample:
            more |= {"message": sample.failure.message, "advice": sample.failure.advice, "log": sample.log}
        yield Part(step, "failed", f"failed({kind})", ordinals, text, more)
    rest = step.blocked
    for reason in step.reasons:
        rest -= reason.partitions
        yield Part(step, "blocked", "blocked", reason.partitions, reason.text, {"reason": reason.text})
    if rest:
        yield Part(step, "blocked", "blocked", rest, "", {"reason": ""})
    missing = step.missing
    for text, ordinals in status.left_out:
        missing -= ordinals
        yield Part(step, "missing", "missing", ordinals, text, {"reason": text})
    for state, ordinals in (("missing", missing), ("running", step.running)):
        if ordinals:
            yield Part(step, state, state, ordinals)
    for word, ordinals in (("stale(code)", step.stale_code), ("stale(input)", step.stale_input)):
        if ordinals:
            yield Part(step, "stale", word, ordinals, more={"kind": word[6:-1]})
    yield from _waived_parts(status)
    yield from _unexpected_parts(step)


def _unexpected_parts(step: StepInsight) -> Iterator[Part]:
    if left := step.unexpected - step.departed:
        yield Part(step, "unexpected", "unexpected", left, "no longer expected; counts nowhere")
    if step.departed:
        text = "its member is not there any more; counts nowhere"
        yield Part(step, "unexpected", "unexpected", step.departed, text)


def _waived_parts(status: StepStatus) -> Iterator[Part]:
    for accepted in status.accepted:
        told = {"reason": accepted.reason, "who": accepted.who, "at": iso(accepted.at)}
        text = f"{accepted.reason} ({accepted.who}, {iso(accepted.at)[:10]})"
        yield Part(status.insight, "waived", "waived", accepted.partitions, text, told)


def counts(step: StepInsight) -> dict[str, int]:
    """How many of its partitions stand so, by the word."""
    return {
        "done": len(step.complete),
        "missing": len(step.missing),
        "running": len(step.running),
        "failed": len(step.any_failed),
        "blocked": len(step.blocked),
        "waived": len(step.waived),
        "stale": len(step.stale),
    }


def iso(at: float) -> str:
    """Seconds since 1970 as UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _figures(found: Status) -> Table:
    """A row for each step."""
    figures = [(status, counts(status.insight)) for status in found.steps]
    shown = [word for word in FIGURES if word in ("done", "missing") or any(count[word] for _, count in figures)]
    heads = ["step", "expected", *shown, "last success"]
    return Table(heads, [_figures_row(status, [count[word] for word in shown]) for status, count in figures])


def _figures_row(status: StepStatus, numbers: Sequence[int]) -> list[str | int | None]:
    at, day = status.last_successful_time, status.last_successful_date
    last = (
        "never"
        if at is None
        else ", ".join(filter(None, [day, f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"]))
    )
    name, expected = status.insight.node.name, len(status.insight.expected)
    return [name, expected, *(number or None for number in numbers), last]


def _incomplete(found: Status) -> Table:
    """A row for each part."""
    rows = [
        (part.step.node.name, part.word, len(part.partitions), _where(part), part.text) for part in parts(found, None)
    ]
    return Table(["step", "state", "count", "partitions", "why"], rows)


def _where(part: Part) -> str:
    return ranges_text(part.step.node.partitions.ranges_text(part.partitions, part.step.expected))
