"""The files of an escalation: a report to read first, and beside it everything as data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from recoup.app.escalation import Escalation
from recoup.app.prepare import Planned
from recoup.cli.escalation_text import report_lines
from recoup.cli.log_text import log_json, log_markdown
from recoup.cli.output import error_json
from recoup.cli.plan_text import plan_json
from recoup.cli.status_text import status_json
from recoup.cli.why import why_json
from recoup.model.errors import RecoupError
from recoup.model.redact import redacted, redactor

REPORT: Final = "report.md"
CONTENTS: Final[Mapping[str, str]] = {
    "failures.json": "each cause with its evidence: what `recoup why --json` prints",
    "attempts.json": "what was tried: every attempt at the failed partitions, newest first",
    "status.json": "how the pipelines stand",
    "plan.json": "what `recoup run` would do now, and why",
    "timeline.md": "who did what to the backfills that tried it, and what went wrong",
    "timeline.json": "the same as data",
    "checks.json": "what `recoup doctor` finds now",
    "settings.json": "every setting with its origin, secrets hidden",
    "versions.json": "what it runs on",
    "logs/": "the end of the newest log of each cause",
    "manifests/": "the manifests of the attempts, and of what they read",
    "source/": "the code of the steps, with its last change",
}
Again = Callable[[str], str]


def files_of(found: Escalation, again: Again) -> dict[str, bytes]:
    """By name; nothing secret is in any of them."""
    hide = redactor(os.environ)
    timelines = "\n\n".join("\n".join(log_markdown(log)) for log in found.logs)
    texts = {REPORT: "\n".join(report_lines(found, again, CONTENTS)), "timeline.md": timelines, **dict(_cases(found))}
    files = {name: f"{hide(text)}\n".encode() for name, text in texts.items()}
    bodies = {**dict(_data(found, again)), **dict(_manifests(found))}
    return files | {name: f"{_text(redacted(body, hide))}\n".encode() for name, body in bodies.items()}


def _data(found: Escalation, again: Again) -> Iterator[tuple[str, object]]:
    attempts = {case.wrong.cause.group: [dict(row) for row in case.attempts] for case in found.cases}
    yield "failures.json", why_json(found.why, again)
    yield "attempts.json", attempts
    yield "status.json", {name: status_json(one, None) for name, one in found.statuses.items()}
    yield "plan.json", {name: _plan(one) for name, one in found.plans.items()}
    yield "timeline.json", [log_json(log) for log in found.logs]
    checks = [{"check": c.name, "verdict": c.verdict, "evidence": c.evidence, "remedy": c.remedy} for c in found.checks]
    yield "checks.json", checks
    yield "settings.json", {one.name: {"value": one.value, "origin": str(one.origin)} for one in found.settings}
    yield "versions.json", found.versions


def _manifests(found: Escalation) -> Iterator[tuple[str, object]]:
    """As they are, but for what is secret; one that is no JSON stands as its text."""
    for case in found.cases:
        for name, data in case.manifests.items():
            text = data.decode(errors="replace")
            try:
                yield f"manifests/{name}", json.loads(text)
            except ValueError:
                yield f"manifests/{name}", text


def _cases(found: Escalation) -> Iterator[tuple[str, str]]:
    for case in found.cases:
        if case.log:
            yield f"logs/{case.step}.{case.wrong.cause.group}.log", case.log
        if case.source:
            change = (
                f"\n\n# --- its last change\n#\n{_comment(case.source.last_change)}" if case.source.last_change else ""
            )
            head = f"# {case.source.path}, from line {case.source.first_line}\n\n"
            yield f"source/{case.step}.py", f"{head}{case.source.text.rstrip()}{change}"


def _plan(one: Planned | RecoupError) -> dict[str, Any]:
    return {"error": error_json(one)} if isinstance(one, RecoupError) else plan_json(one)


def _comment(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())


def _text(body: object) -> str:
    return json.dumps(body, indent=1, ensure_ascii=False, default=str)
