"""`recoup preflight`: the gate before a backfill, one line for each check; nothing is published or delivered."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from recoup.app.preflight import preflight as examine
from recoup.cli import names
from recoup.cli.check_text import check_lines, checks_json
from recoup.cli.options import Common, Scope
from recoup.cli.output import Answer
from recoup.cli.plan_text import run_words

_EVERYTHING, _USUAL = Scope(), Common()


def preflight(
    pipeline: Annotated[
        str,
        Parameter(help="Its name in recoup.toml, or a place such as flights.py:flights.", completer=names.pipelines),
    ],
    /,
    *partitions: Annotated[str, Parameter(help="Only these, instead of --start and --end.")],
    scope: Scope = _EVERYTHING,
    test_date: Annotated[
        str | None,
        Parameter(metavar="KEY", help="The partition to try end to end; else the first that would be run."),
    ] = None,
    executor: Annotated[
        Literal["processes", "threads", "inline"] | None, Parameter(help="Where it is tried, as in `recoup run`.")
    ] = None,
    common: Common = _USUAL,
) -> Answer:
    """Check what a backfill needs, then try one partition without publishing it; exit with 4 when anything fails."""
    workspace = common.workspace()
    loaded, _ = workspace.pipeline(pipeline)
    request = scope.request(loaded.name, partitions)
    found = examine(workspace, request, pipeline, test_date=test_date, executor=executor)
    verb = "preflight" if found.failed else "run"
    return Answer(
        "preflight",
        {"pipeline": found.pipeline, "partition": found.partition, **checks_json(found.checks)},
        lambda view: check_lines(found.checks, view),
        next=common.again(run_words(request, pipeline, verb)),
        exit_code=found.exit_code,
    )
