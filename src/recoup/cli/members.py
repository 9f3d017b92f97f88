"""`recoup members`: who is in a pipeline's sets of members, and how somebody comes in or goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from recoup.app import membership
from recoup.app.membership import MemberSet
from recoup.cli import names
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.text import View, clean, counted
from recoup.cli.typed import typed

app = App(name="members", help="The members that a pipeline's partitions name.")

_USUAL = Common()
Pipeline = Annotated[str, Parameter(help="Its name.", completer=names.pipelines)]


@app.command(usage="recoup members ls PIPELINE [OPTIONS]")
def ls(pipeline: Pipeline, /, *, common: Common = _USUAL) -> Answer:
    """Show who is in each set of members, in the order in which they came."""
    found = membership.members(common.workspace(), pipeline)
    return Answer(
        "members ls",
        {"pipeline": pipeline, "sets": [_json(one) for one in found]},
        lambda view: _lines(found, view),
        next=common.again(typed("status", pipeline)),
    )


@app.command(usage="recoup members add PIPELINE MEMBER… [--key KEY] [OPTIONS]")
def add(
    pipeline: Pipeline,
    /,
    *members: Annotated[str, Parameter(help="Their names.")],
    key: Annotated[str | None, Parameter(help="Which set, where the pipeline has several.")] = None,
    common: Common = _USUAL,
) -> Answer:
    """Add members: their partitions are planned for from now on."""
    found = membership.add_members(common.workspace(), pipeline, members, key)
    return Answer(
        "members add",
        {"pipeline": pipeline, **_json(found)},
        lambda view: _lines([found], view),
        next=common.again(typed("plan", pipeline)),
    )


@app.command(usage="recoup members remove PIPELINE MEMBER [--key KEY] [OPTIONS]")
def remove(
    pipeline: Pipeline,
    member: Annotated[str, Parameter(help="Its name.")],
    /,
    *,
    key: Annotated[str | None, Parameter(help="Which set, where the pipeline has several.")] = None,
    common: Common = _USUAL,
) -> Answer:
    """Remove a member that was typed wrongly; refused when anything of it was ever tried."""
    found = membership.remove_member(common.workspace(), pipeline, member, key)
    return Answer(
        "members remove",
        {"pipeline": pipeline, **_json(found)},
        lambda view: _lines([found], view),
        next=common.again(typed("plan", pipeline)),
    )


def _json(found: MemberSet) -> dict[str, Any]:
    return {"key": found.key, "kind": found.kind, "arrive": found.arrives, "members": list(found.members)}


def _lines(found: Sequence[MemberSet], view: View) -> Iterator[str]:
    if not found:
        yield "its partitions name no members"
    for one in found:
        yield f"{one.key}: {counted(len(one.members), 'member')}, {one.arrives}"
        yield from view.columns([f"  {clean(member)}"] for member in one.members)
