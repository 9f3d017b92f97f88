"""`recoup watermark`: up to when incremental jobs have read, and to set one back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from recoup.app import watermarks
from recoup.app.standing import iso
from recoup.app.watermarks import Shown
from recoup.cli import names
from recoup.cli.options import Common, Reason
from recoup.cli.output import Answer
from recoup.cli.text import Cell, View, ago, clean, name_cell
from recoup.cli.typed import typed
from recoup.ledger.watermarks import ADVANCED, SET, Change, Watermark
from recoup.model.watermark import moment_text

app = App(
    name="watermark",
    help="Up to when incremental jobs have read.",
    usage="recoup watermark [NAME] [--history], or watermark set NAME TIME",
)

_USUAL = Common()
_WORDS = {SET: "set", ADVANCED: "advanced"}


@app.default
def show(
    name: Annotated[str | None, Parameter(help="Only this one.", completer=names.watermarks)] = None,
    /,
    *,
    history: Annotated[bool, Parameter(help="Every value that it had, and who or what changed it.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Show their values, and when they changed."""
    workspace = common.workspace()
    found = watermarks.show(workspace, name, history=history or common.json)
    first = found[0].watermark.name if found else "NAME"
    return Answer(
        "watermark",
        {"watermarks": [_json(one) for one in found]},
        lambda view: _lines(found, view, workspace.clock.now().timestamp()),
        next=common.again(
            typed("watermark", first, flags=["--history"])
            if found and not history
            else typed("watermark set", first, "2025-10-01T00:00:00Z")
        ),
    )


@app.command(name="set", usage="recoup watermark set NAME TIME [--reason TEXT] [OPTIONS]")
def set_(
    name: Annotated[str, Parameter(help="The job's name; it need not exist yet.", completer=names.watermarks)],
    time: Annotated[str, Parameter(help="An ISO time, such as 2025-10-01T00:00:00Z; without a zone it is UTC.")],
    /,
    *,
    reason: Reason = None,
    common: Common = _USUAL,
) -> Answer:
    """Set it to this time, backwards too, whether or not there is one; what runs now advances it no more."""
    found = watermarks.set_(common.workspace(), name, time, reason)
    was = _text(found.before)
    value = _text(found.watermark.value)
    words = f"{clean(name)}: {was} → {value}" if was else f"{clean(name)}: {value}, new"
    ahead = ("it lies in the future: until then, what reads from it finds nothing",) if found.is_ahead else ()
    return Answer(
        "watermark set",
        {**_head(found.watermark), "before": was},
        lambda _view: [words],
        next=common.again(typed("watermark", name, flags=["--history"])),
        notes=ahead,
    )


def _head(one: Watermark) -> dict[str, Any]:
    return {"name": one.name, "value": _text(one.value), "changed_at": iso(one.changed_at), "who": one.who}


def _json(one: Shown) -> dict[str, Any]:
    return {**_head(one.watermark), "history": [_change_json(change) for change in one.history]}


def _change_json(change: Change) -> dict[str, Any]:
    by = {"who": change.who, "reason": change.reason, "step": change.step, "partition": change.partition}
    values = {"value": _text(change.value), "before": _text(change.before)}
    return {"at": iso(change.at), "kind": _WORDS.get(change.kind, "kept"), **values, **by}


def _lines(found: Sequence[Shown], view: View, now: float) -> Iterator[str]:
    if not found:
        yield "there is no watermark yet"
    yield from view.columns(_head_row(one.watermark, _when(one.watermark.changed_at, view, now)) for one in found)
    for one in found:
        yield from view.columns((_row(change) for change in one.history), indent="  ")


def _head_row(one: Watermark, when: str) -> list[str | Cell]:
    return [name_cell(clean(one.name)), _text(one.value) or "", f"changed {when}", f"by {one.who or 'its job'}"]


def _row(change: Change) -> list[str | Cell]:
    by = f"by {change.who}" if change.who else f"by {change.step} {change.partition}"
    text = f"{by}: {change.reason}" if change.reason else by
    if change.kind in _WORDS:
        return [iso(change.at), _WORDS[change.kind], f"{_text(change.before) or '–'} → {_text(change.value)}", text]
    kept = f"{_text(change.before)}, not {_text(change.value)}"
    return [iso(change.at), "kept", kept, f"{text}, which began before it was set"]


def _when(moment: float, view: View, now: float) -> str:
    return iso(moment) if view.width is None else ago(now - moment)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)
