"""`recoup backfill`: what was asked for, how far it is, and to pause, resume, cancel or slow it from any terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from recoup.app import backfills
from recoup.app.backfilling import RunOptions
from recoup.app.backfills import Wished
from recoup.app.execution_log import execution_log
from recoup.app.execution_log import note as add_note
from recoup.app.standing import iso
from recoup.app.workspace import Workspace
from recoup.cli import names
from recoup.cli.backfill_text import controls_json, controls_words, detail_json, detail_lines, row_json, row_lines
from recoup.cli.log_text import log_json, log_markdown
from recoup.cli.options import Common, Pace, Reason
from recoup.cli.output import Answer
from recoup.cli.run import carry_out
from recoup.cli.saved import save
from recoup.cli.typed import status_of, typed
from recoup.ledger.facts import BackfillRow, Controls
from recoup.model.errors import ExitCode, UsageError
from recoup.plan.request import Request

app = App(
    name="backfill", help="List backfills and their logs; pause, resume, cancel or slow one down from any terminal."
)

_USUAL_PACE, _USUAL = Pace(), Common()
_ID_HELP = "Its id, any part of it that no other has, or `latest`."
Id = Annotated[str | None, Parameter(name="ID", help=_ID_HELP, completer=names.backfills)]
All = Annotated[bool, Parameter(name="--all", help="Every one that is at work.")]
_ONE_OR_ALL = "name a backfill (`latest` is the newest), or --all"


@app.command(usage="recoup backfill ls [PIPELINE] [OPTIONS]")
def ls(
    pipeline: Annotated[str | None, Parameter(help="Only those of this pipeline.", completer=names.pipelines)] = None,
    /,
    *,
    limit: Annotated[int, Parameter(metavar="N", help="At most so many; 0 for all.")] = 20,
    common: Common = _USUAL,
) -> Answer:
    """List backfills, newest first."""
    workspace = common.workspace()
    rows = backfills.ls(workspace, pipeline, limit or None)
    return Answer(
        "backfill ls",
        {"backfills": [row_json(row) for row in rows]},
        lambda view: row_lines(rows, view, workspace.clock.now().timestamp()),
        next=common.again(f"recoup backfill show {rows[0].backfill_id}" if rows else "recoup run"),
    )


@app.command(usage="recoup backfill show [ID]")
def show(id_: Id = "latest", /, *, common: Common = _USUAL) -> Answer:
    """Show what was asked, how far it is, and what failed."""
    workspace = common.workspace()
    detail = backfills.show(workspace, id_ or "latest")
    return Answer(
        "backfill show",
        detail_json(detail),
        lambda view: detail_lines(detail, view, workspace.clock.now().timestamp()),
        next=common.again(_next(workspace, detail.row)),
    )


@app.command(usage="recoup backfill log [ID] [-o PATH]")
def log(
    id_: Id = "latest",
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["-o", "--output"], help="Write it to this file.")] = None,
    common: Common = _USUAL,
) -> Answer:
    """Who started, stopped, retried or rolled back what, when, and why; how far it was, and what went wrong."""
    found = execution_log(common.workspace(), id_ or "latest")
    lines = list(log_markdown(found))
    if output is not None:
        save(output, "\n".join(lines), "the log")
    return Answer(
        "backfill log",
        {**log_json(found), "output": None if output is None else str(output)},
        lambda _view: [str(output)] if output is not None else lines,
        next=common.again(typed("backfill note", found.row.backfill_id, "what there is to add")),
    )


@app.command(usage="recoup backfill note ID TEXT")
def note(
    id_: Annotated[str, Parameter(name="ID", help=_ID_HELP, completer=names.backfills)],
    text: Annotated[str, Parameter(help="What there is to say.")],
    /,
    *,
    common: Common = _USUAL,
) -> Answer:
    """Add a line of your own to its log."""
    row, entry = add_note(common.workspace(), id_, text)
    return Answer(
        "backfill note",
        {"backfill_id": row.backfill_id, "at": iso(entry.at), "who": entry.who, "text": entry.data["text"]},
        lambda _view: [f"{row.backfill_id}: {iso(entry.at)}: {entry.data['text']} ({entry.who})"],
        next=common.again(typed("backfill log", row.backfill_id)),
    )


@app.command(usage="recoup backfill pause ID, or pause --all")
def pause(id_: Id = None, /, *, all_: All = False, reason: Reason = None, common: Common = _USUAL) -> Answer:
    """Let running attempts end and claim nothing new, until `resume`."""
    workspace = common.workspace()
    wished = [backfills.pause(workspace, name, reason) for name in _chosen(workspace, id_, all_=all_)]
    return _answer("backfill pause", wished, "resume", common)


@app.command(usage="recoup backfill cancel ID, or cancel --all")
def cancel(id_: Id = None, /, *, all_: All = False, reason: Reason = None, common: Common = _USUAL) -> Answer:
    """Stop it now; what is in flight is ended and never published."""
    workspace = common.workspace()
    wished = [backfills.cancel(workspace, name, reason) for name in _chosen(workspace, id_, all_=all_)]
    return _answer("backfill cancel", wished, "show", common)


@app.command(usage="recoup backfill resume ID, or resume --all")
def resume(id_: Id = None, /, *, all_: All = False, reason: Reason = None, common: Common = _USUAL) -> Answer | int:
    """Do the rest: a paused one goes on where it runs; one whose controller is gone is run here."""
    workspace = common.workspace()
    if not all_ and id_ is not None:
        found = backfills.resume(workspace, id_, reason)
        if found is None:
            return _run_here(workspace, id_, reason, common)
        return _answer("backfill resume", [found], "show", common)
    paused = _chosen(workspace, id_, all_=all_, state="paused")
    wished = [backfills.resume(workspace, name, reason) for name in paused]
    return _answer("backfill resume", [one for one in wished if one is not None], "show", common)


@app.command(name="set", usage="recoup backfill set ID [OPTIONS]")
def set_(
    id_: Annotated[str, Parameter(name="ID", help=_ID_HELP, completer=names.backfills)],
    /,
    *,
    pace: Pace = _USUAL_PACE,
    reason: Reason = None,
    common: Common = _USUAL,
) -> Answer:
    """Change how fast it goes: at once where it runs, and kept when it is resumed."""
    controls = pace.controls()
    if controls == Controls():
        raise UsageError("nothing was said to set", "give --max-parallel, --delay or --priority")
    one = backfills.adjust(common.workspace(), id_, controls, reason)
    body = {"backfill_id": one.row.backfill_id, "state": one.state, "answered": one.answered}
    words = f"{one.row.backfill_id}: {controls_words(one.row.controls)}"
    if not one.answered:
        words += "; written down, but its controller has not answered yet"
    elif one.state not in backfills.ACTIVE:
        words += f"; it is {one.state}, and will go on so"
    return Answer(
        "backfill set",
        {**body, "controls": controls_json(one.row.controls)},
        lambda _view: [words],
        next=common.again(f"recoup backfill show {one.row.backfill_id}"),
        exit_code=ExitCode.DONE if one.answered else ExitCode.INCOMPLETE,
    )


def _run_here(workspace: Workspace, name: str, reason: str | None, common: Common) -> int:
    row = backfills.show(workspace, name).row
    pipeline, request = backfills.pipeline_of(workspace, row), Request.from_json(row.request)
    return carry_out(workspace, request, pipeline, RunOptions(resume=True, reason=reason), common, "backfill resume")


def _chosen(workspace: Workspace, name: str | None, *, all_: bool, state: str | None = None) -> list[str]:
    if (name is None) != all_:
        raise UsageError("one backfill or all of them?", _ONE_OR_ALL)
    if name is not None:
        return [name]
    return [row.backfill_id for row in backfills.active(workspace) if state in (None, row.state)]


def _answer(command: str, wished: list[Wished], then: str, common: Common) -> Answer:
    answered = all(one.answered for one in wished)
    body = [
        {"backfill_id": one.row.backfill_id, "before": one.row.state, "state": one.state, "answered": one.answered}
        for one in wished
    ]
    word = command.removeprefix("backfill ")
    sentence: Callable[[Wished], str] = lambda one: _sentence(one, word)  # noqa: E731 - a name for the next line
    lines = [sentence(one) for one in wished] or [f"nothing to {word}"]
    first = wished[0].row.backfill_id if wished else ""
    return Answer(
        command,
        {"backfills": body},
        lambda _view: lines,
        next=common.again(f"recoup backfill {then} {first}" if wished else "recoup backfill ls"),
        exit_code=ExitCode.DONE if answered else ExitCode.INCOMPLETE,
    )


def _sentence(one: Wished, wish: str) -> str:
    name = one.row.backfill_id
    if one.answered:
        more = "; attempts that were running end first" if one.state == "paused" else ""
        return f"{name}: {one.row.state} → {one.state}{more}"
    if one.state in backfills.ACTIVE:
        return f"{name}: the wish to {wish} is written down, but its controller has not answered yet; it is {one.state}"
    return f"{name}: it ended before it could {wish}; it is {one.state}"


def _next(workspace: Workspace, row: BackfillRow) -> str:
    match row.state:
        case "running":
            return f"recoup backfill pause {row.backfill_id}"
        case "paused" | "interrupted" | "cancelled" | "stopped":
            return f"recoup backfill resume {row.backfill_id}"
        case "incomplete":
            return status_of(workspace.settings, row.pipeline)
        case _:
            return typed("publish ls", row.pipeline)
