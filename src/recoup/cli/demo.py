"""`recoup demo`: a year of flights, and where it is incomplete."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from recoup.app import demo as flights
from recoup.app.clock import SystemClock
from recoup.app.demo_page import print_page
from recoup.cli import version
from recoup.cli.output import Output, error_json
from recoup.cli.progress import Shown
from recoup.model.errors import ExitCode, RecoupError


def demo(
    folder: Annotated[Path | None, Parameter(help="Where to; else recoup-demo below the current folder.")] = None,
    /,
    *,
    json: Annotated[bool, Parameter(help="Print NDJSON for programs; docs/json.md describes it.")] = False,
) -> int:
    """Backfill a year of flights out of New York, and tell where the data is incomplete and why."""
    output, clock = Output(json=json), SystemClock()
    shown = Shown(output, clock, "demo", version(), os.cpu_count() or 1)
    try:
        with shown.on():
            made = flights.make_demo(folder, on_plan=shown.on_plan, observe=shown.observe)
    except RecoupError as error:
        if not json:
            raise
        output.result({"state": "error", "error": error_json(error)}, error.exit_code, "")
        return error.exit_code
    if isinstance(made, ExitCode):
        again = "recoup demo" if folder is None else f"recoup demo {shlex.quote(str(folder))}"
        if json:
            output.result({"state": "interrupted"}, made, again)
        else:
            output.next(again)
        return made
    look = f"cd {shlex.quote(made.folder)} && recoup status flights"
    if json:
        state = "done" if made.exit_code is ExitCode.DONE else "differs"
        output.result({"state": state, **made.to_json()}, made.exit_code, look)
    else:
        print_page(made, sys.stdout)
        output.next(look)
    return made.exit_code
