"""A backfill's execution log as Markdown, in the form that people keep by hand, and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from recoup.app.execution_log import NOTE, Entry, ExecutionLog
from recoup.app.standing import iso
from recoup.cli.backfill_text import controls_words
from recoup.cli.plan_text import run_words
from recoup.cli.text import clean, counted, duration, number
from recoup.ledger.facts import Controls
from recoup.plan.request import Request

_WRAP: Final = "  "
"""Two blanks at its end make a line of Markdown stand for itself."""


def log_markdown(log: ExecutionLog) -> Iterator[str]:
    """`# Backfill Execution Log`, who and when, then a dated line for each thing that happened."""
    yield "# Backfill Execution Log"
    yield f"Started: {iso(log.row.created_at)}{_WRAP}"
    yield f"By: {log.row.who}{_WRAP}"
    yield f"Backfill: {log.row.backfill_id}"
    yield from ("", "## Actions Taken", *log_lines(log))


def log_lines(log: ExecutionLog) -> Iterator[str]:
    """The dated lines."""
    for entry in log.entries:
        line = f"{iso(entry.at)}: {entry_words(entry, log)}"
        yield clean(line).replace("<", r"\<") + _WRAP  # or Markdown takes it for a tag, and does not show it


def log_json(log: ExecutionLog) -> dict[str, Any]:
    """The same, with what each entry was made from."""
    row = log.row
    head = {"backfill_id": row.backfill_id, "pipeline": row.pipeline, "state": row.state, "who": row.who}
    entries = [entry_json(entry, log) for entry in log.entries]
    return {**head, "started_at": iso(row.created_at), "total": log.total, "entries": entries}


def entry_json(entry: Entry, log: ExecutionLog) -> dict[str, Any]:
    """One entry; `data` is what its event kept."""
    told = {"at": iso(entry.at), "kind": entry.kind, "who": entry.who, "reason": entry.reason}
    return {**told, "text": entry_words(entry, log), "data": dict(entry.data)}


def entry_words(entry: Entry, log: ExecutionLog) -> str:
    """`Paused by ann@host: the vendor asked for it`."""
    say = _WORDS.get(entry.kind)
    text = say(entry, log) if say else _other(entry)
    text += f" by {entry.who}" if entry.who and entry.kind != NOTE else ""
    return f"{text}: {entry.reason}" if entry.reason else text


def _started(_: Entry, log: ExecutionLog) -> str:
    request = Request.from_json(log.row.request)
    return f"Started `{run_words(request, log.row.pipeline)}` ({counted(log.total, 'partition')})"


def _error(entry: Entry, _: ExecutionLog) -> str:
    data = entry.data
    alike = f" ({number(data['attempts'])} attempts failed alike)" if data["attempts"] > 1 else ""
    return f"Encountered error on {data['partition']}: {data['step']}: {data['kind']}: {data['message']}{alike}"


def _set(entry: Entry, _: ExecutionLog) -> str:
    names = ("max_parallel", "delay_seconds", "priority")
    return f"Set to {controls_words(Controls(*(entry.data.get(name) for name in names)))}"


def _retried(entry: Entry, _: ExecutionLog) -> str:
    data = entry.data
    steps = f" ({', '.join(data['steps'])})" if data["steps"] else ""
    return f"Retried {', '.join(data['partitions'])}{steps}{', by force,' if data['force'] else ''}"


def _other(entry: Entry) -> str:
    """How another backfill ended, mostly."""
    about = entry.data.get("id")
    words = entry.kind.removeprefix("other backfill ")
    return f"{about}: {words}" if about else words.capitalize()


def _by_step(texts: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{name} {', '.join(ranges)}" for name, ranges in texts.items())


def _ended(entry: Entry, log: ExecutionLog) -> str:
    summary = entry.data.get("summary", {})
    counts = summary.get("counts", {})
    state = entry.kind.removeprefix("backfill ")
    head = {"done": "Completed", "incomplete": "Ended incomplete:", "cancelled": "Cancelled at"}.get(
        state, "Stopped at"
    )
    rest = [f"{number(counts[word])} {word}" for word in ("failed", "blocked") if counts.get(word)]
    text = ", ".join([f"{head} {_so_far(entry, log)} partitions", *rest])
    text = f"{text}, after {duration(summary['seconds'])}" if "seconds" in summary else text
    return f"{text}; {_where(entry.data['stopped'])}" if "stopped" in entry.data else text


def _where(stopped: Mapping[str, Any]) -> str:
    """`last success players 2023-11-12; in flight teams 2023-11-13; remaining 2: 2023-11-13…2023-11-14`."""
    last, flying = stopped["last_success"], stopped["in_flight"]
    flown = ", ".join(f"{one['step']} {one['partition']} ({one['state']})" for one in flying)
    ends = f"last success {last['step']} {last['partition']}" if last else "no success"
    left = f"{number(stopped['remaining'])}: {', '.join(stopped['ranges'])}" if stopped["ranges"] else "nothing"
    return f"{ends}; in flight {flown or 'nothing'}; remaining {left}"


def _so_far(entry: Entry, log: ExecutionLog) -> str:
    return f"{number(log.completed_by(entry.at))}/{number(log.total)}"


def _stage(entry: Entry, _: ExecutionLog) -> str:
    """`Stage 2 (2023-10) failed: players 2023-10-25`."""
    lacking = "; ".join(f"{one['step']} {', '.join(one['partitions'])}" for one in entry.data.get("short", ()))
    head = f"Stage {entry.data['stage']} ({entry.data['name']}) {entry.kind.removeprefix('stage ')}"
    return f"{head}: {lacking}" if lacking else head


_WORDS: Final[Mapping[str, Callable[[Entry, ExecutionLog], str]]] = {
    "backfill started": _started,
    "backfill resumed": lambda entry, log: f"Resuming at {_so_far(entry, log)}",
    "backfill paused": lambda entry, log: f"Paused at {_so_far(entry, log)}",
    "backfill running": lambda entry, log: f"Going on from {_so_far(entry, log)}",
    "backfill done": _ended,
    "backfill incomplete": _ended,
    "backfill interrupted": _ended,
    "backfill cancelled": _ended,
    "backfill stopped": _ended,
    "backfill set": _set,
    "downstream due": lambda entry, _log: f"Due for what was published: {', '.join(entry.data['pipelines'])}",
    "downstream fired": lambda entry, _log: f"Fired by what was published: {', '.join(entry.data['by'])}",
    "downstream begun": lambda entry, _log: f"Fired {entry.data['pipeline']}: {entry.data['backfill_id']}",
    "stage begun": _stage,
    "stage passed": _stage,
    "stage failed": _stage,
    "wished: pause": lambda _entry, _log: "Asked to pause",
    "wished: cancel": lambda _entry, _log: "Asked to cancel",
    "wished: resume": lambda _entry, _log: "Asked to go on",
    "progress": lambda entry, _log: f"Processed {number(entry.data['done'])}/{number(entry.data['total'])} partitions",
    "error": _error,
    "blocked": lambda entry, _log: f"Blocked, the first of them: {entry.data['because']}",
    "halted": lambda entry, _log: (
        f"Stopped at once, as everything else would fail alike: {entry.data['kind']}: {entry.data['message']}"
    ),
    "failures reached their limit": lambda entry, _log: (
        f"Started nothing more, as {counted(entry.data['partitions'], 'partition')} had failed"
    ),
    "breaker opened": lambda entry, _log: (
        f"Holding {entry.data['step']} back, as its attempts fail alike: {entry.data['message']}"
    ),
    "controller gone": lambda entry, log: (
        f"Interrupted at {_so_far(entry, log)}: its process {entry.data['pid']} on {entry.data['host']} was gone"
    ),
    NOTE: lambda entry, _log: f"{entry.data['text']} ({entry.who})",
    "retry": _retried,
    "recover": lambda entry, _log: f"Recovering: {number(entry.data['actions'])} to run again or for the first time",
    "waived": lambda entry, _log: f"Waived {_by_step(entry.data['steps'])}",
    "waiver taken back": lambda entry, _log: f"Took the waiver back of {_by_step(entry.data['steps'])}",
    "rollback begun": lambda entry, _log: f"Rolling back {entry.data['partitions']}",
    "rollback ended": lambda _entry, _log: "Rolled back",
    "code accepted": lambda entry, _log: f"Accepted what older code made: {_by_step(entry.data['ranges'])}",
    "other backfill started": lambda entry, _log: f"Taken up by {entry.data['id']}, started",
}
"""What is said of each kind of entry; of any other, its kind."""
