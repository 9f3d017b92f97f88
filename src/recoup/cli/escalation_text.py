"""What a person reads first who has never seen the failure: what, since when, what was tried, and what is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from recoup.app.escalation import Case, Escalation
from recoup.app.standing import iso
from recoup.app.step_source import StepSource
from recoup.cli.log_text import log_lines
from recoup.cli.status_text import status_lines
from recoup.cli.text import View, clean, counted, duration, number
from recoup.cli.typed import typed
from recoup.cli.why import todo_of
from recoup.cli.why_beside import input_words
from recoup.model.errors import RecoupError
from recoup.model.partition import PartitionSet

ATTEMPTS_TOLD: Final = 10
LINES_TOLD: Final = 30
_PLAIN: Final = View()
Again = Callable[[str], str]


def report_lines(found: Escalation, again: Again, contents: Mapping[str, str]) -> Iterator[str]:
    """The report, as Markdown."""
    yield f"# {', '.join(found.statuses)}: {_title(found)}"
    yield from ("", f"Handed over by {found.who}, {iso(found.at)}.", "", *_short(found))
    yield from ("", "## Is it safe to pause?", "", *_pausing(found, again))
    for count, case in enumerate(found.cases, 1):
        yield from (
            "",
            f"## Cause {count}: {case.step}, {case.wrong.newest.failure.kind} ({case.wrong.cause.group})",
            "",
        )
        yield from _case(case, again)
    yield from ("", "## How it stands", "", *_fenced(_standing(found)))
    yield from ("", "## Looked at just now", "", *_checks(found))
    yield from ("", "## What happened", "", *_timeline(found))
    yield from ("", "## Where to read on", "", *_links(found))
    yield from ("", "## In this bundle", "", *(f"- `{name}`: {what}" for name, what in contents.items()))


def _title(found: Escalation) -> str:
    failed = f"{counted(found.why.failed, 'partition')} failed" if found.why.failed else "blocked from outside"
    return f"{failed}, {counted(len(found.cases), 'cause')}"


def _short(found: Escalation) -> Iterator[str]:
    """A line for each cause, the newest first, as they stand in `why`."""
    for case in found.cases:
        wrong, failure = case.wrong, case.wrong.newest.failure
        since = (
            f" since {iso(wrong.cause.since)} ({duration(found.at - wrong.cause.since)})" if wrong.cause.since else ""
        )
        stopped = sum(map(len, wrong.cause.blocks.values()))
        blocks = f"; {counted(stopped, 'partition')} of later steps cannot be made because of it" if stopped else ""
        yield f"- **{case.step}**, {counted(wrong.cause.count, 'partition')}{since}: {_safe(failure.message)}{blocks}"
        yield f"  {_safe(failure.advice)}"


def _pausing(found: Escalation, again: Again) -> Iterator[str]:
    yield "Yes. What is published stays as it is, nothing is made twice; a pause, a stop or even a kill loses nothing."
    yield ""
    at_work = [row for one in found.statuses.values() for row in one.active]
    for row in at_work:
        pause, resume = (again(f"recoup backfill {verb} {row.backfill_id}") for verb in ("pause", "resume"))
        yield f"- `{row.backfill_id}` is {row.state}. `{pause}` holds it; `{resume}` goes on with exactly the rest."
    if not at_work:
        rest = " or ".join(f"`{again(typed('run', name))}`" for name in found.statuses)
        yield f"Nothing of it runs now, so there is nothing to pause. Once it is mended, {rest} does exactly the rest."


# --- one cause


def _case(case: Case, again: Again) -> Iterator[str]:
    wrong, newest = case.wrong, case.wrong.newest
    yield "**The error**"
    yield ""
    yield from _fenced([newest.failure.message])
    yield ""
    rows = [f"{_name(case, node)} {_where(case, node, own)}" for node, own in sorted(wrong.cause.where.items())]
    yield f"- where: {'; '.join(rows)}"
    if wrong.cause.blocks:
        rows = [f"{_name(case, node)} {_where(case, node, own)}" for node, own in sorted(wrong.cause.blocks.items())]
        yield f"- cannot be made because of it: {'; '.join(rows)}"
    rule = newest.failure.rule or "none"
    yield f"- kind: `{newest.failure.kind}`, by the rule `{rule}`: {_safe(newest.failure.advice)}"
    yield from (f"- {name}: {_safe(str(value))}" for name, value in newest.failure.evidence.items() if _is_short(value))
    yield from ("", "**What to do about it**", "")
    for count, one in enumerate(todo_of(wrong), 1):
        yield f"{count}. {one.text}" + (f": `{again(one.command)}`" if one.command else "")
    yield from ("", "**What was tried**", "", *_tried(case))
    yield from ("", "**What it was to read**", "", *_inputs(case))
    yield from ("", "**Was it seen before?**", "", *_earlier(case))
    if case.log:
        yield from ("", "**The end of its log**", "", *_fenced(case.log.splitlines()[-LINES_TOLD:]))
    yield from ("", "**The step's code**", "", *_source(case.source))


def _tried(case: Case) -> Iterator[str]:
    if not case.attempts:
        yield "Nothing: it is blocked, so it was not even begun."
        return
    yield "| when | partition | try | outcome | why it was run | code |"
    yield "|---|---|---|---|---|---|"
    for row in case.attempts[:ATTEMPTS_TOLD]:
        outcome = f"{row['state']}({row['failure_kind']})" if row["failure_kind"] else row["state"]
        cells = (row["created_at"], row["partition"], row["attempt"], outcome, row["decision"], row["code_version"])
        yield f"| {' | '.join(_safe(str(cell)).replace('|', '/') for cell in cells)} |"
    if len(case.attempts) > ATTEMPTS_TOLD:
        yield from ("", f"and {number(len(case.attempts) - ATTEMPTS_TOLD)} more in `attempts.json`")


def _inputs(case: Case) -> Iterator[str]:
    inputs = case.wrong.beside.inputs
    yield from (f"- {_safe(input_words(one))}" for one in inputs)
    if not inputs:
        yield "Nothing that recoup publishes."
    elif not any(one.changes for one in inputs):
        yield "- no column of it came, went or changed its type"


def _earlier(case: Case) -> Iterator[str]:
    if not case.earlier:
        yield f"No: no failure of the cause `{case.wrong.cause.group}` has ever come to an end."
        return
    yield "Yes, and it came back after it had ended:"
    yield ""
    for one in case.earlier:
        took = duration(max(one.fixed_at - one.at, 0))
        yield f"- {one.step} {one.partition}, {iso(one.at)}: {one.fixed_by}, {took} later"


def _source(source: StepSource | None) -> Iterator[str]:
    if source is None:
        yield "Python does not tell where it is."
        return
    yield f"`{source.path}`, from line {source.first_line}:"
    yield from ("", *_fenced(source.text.rstrip().splitlines(), "python"), "")
    if not source.changes:
        yield "No version control knows of this file."
        return
    yield "The newest commits of its file:"
    yield from ("", *(f"- {_safe(change)}" for change in source.changes))
    if source.last_change:
        word = "**The file differs from what was committed:**" if source.is_edited else "The last change of the step:"
        yield from ("", word, "", *_fenced(source.last_change.splitlines(), "diff"))


# --- the rest


def _standing(found: Escalation) -> Iterator[str]:
    for name, one in found.statuses.items():
        yield from (line for line in status_lines(one, None, _PLAIN, _moment(found)) if "recoup escalate" not in line)
        plan = found.plans[name]
        if isinstance(plan, RecoupError):
            yield f"what would run now is not known: {clean(plan.message)}"
        else:
            yield f"`recoup run {name}` would run {number(plan.plan.actions)}; {number(plan.plan.blocked)} are blocked"


def _checks(found: Escalation) -> Iterator[str]:
    """What throttles, which grants are there, and whatever else does not pass."""
    for one in found.throttled:
        yield f"- {one.step}: {one.kind} {number(one.count)} × in the last day, last {iso(one.last_at)}"
    if not found.throttled:
        yield "- nobody has asked to slow down in the last day"
    told = [check for check in found.checks if check.verdict != "pass" or check.name.startswith("sink ")]
    for check in told:
        remedy = f" → {_safe(check.remedy)}" if check.remedy else ""
        yield f"- {check.name}: **{check.verdict}**, {_safe(check.evidence)}{remedy}"
    yield f"- {number(len(found.checks) - len(told))} other checks passed"


def _timeline(found: Escalation) -> Iterator[str]:
    if not found.logs:
        yield "No backfill has tried it."
        return
    newest = found.logs[0]
    lines = list(log_lines(newest))
    yield f"The newest backfill that tried it, `{newest.row.backfill_id}`, by {newest.row.who}:"
    yield from ("", *lines[-LINES_TOLD:])
    if len(lines) > LINES_TOLD or len(found.logs) > 1:
        yield from ("", "All of it, and of the backfills before, is in `timeline.md`.")


def _links(found: Escalation) -> Iterator[str]:
    yield from (f"- {name}: {link}" for name, link in found.links.items())
    if not found.links:
        yield "Nothing: `[links]` in recoup.toml names runbooks, dashboards and people, and they will stand here."


def _moment(found: Escalation) -> datetime:
    return datetime.fromtimestamp(found.at, UTC)


def _name(case: Case, node: int) -> str:
    return case.wrong.graph.nodes[node].name


def _where(case: Case, node: int, ordinals: PartitionSet) -> str:
    texts = case.wrong.graph.nodes[node].partitions.ranges_text(ordinals, case.wrong.expected.get(node))
    return ", ".join(texts)


def _is_short(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and "\n" not in str(value)


def _safe(text: str) -> str:
    """On one line, and nothing in it that Markdown would take for a tag."""
    return clean(text).replace("<", r"\<")


def _fenced(lines: Iterator[str] | list[str], language: str = "text") -> Iterator[str]:
    """As it is; a fence of its own would end it early."""
    yield f"~~~~{language}"
    yield from (line.replace("~~~~", "~~~ ~") for line in lines)
    yield "~~~~"
