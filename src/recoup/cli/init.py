"""`recoup init`: a small project that runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from recoup.app import samples
from recoup.cli.output import Answer


def init(
    folder: Annotated[
        Path, Parameter(show_default=False, help="Made when it is not there, where nothing is overwritten.")
    ] = Path(),
    /,
    *,
    json: Annotated[bool, Parameter(help="Print JSON for programs; docs/json.md describes it.")] = False,
) -> Answer:
    """Write a small project that runs: a pipeline with data of its own making, and its recoup.toml."""
    del json  # was read before anything was parsed
    sample = samples.init(folder)
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    return Answer(
        "init",
        {"folder": str(sample.folder), "files": [str(path) for path in sample.files], "duckdb": sample.duckdb},
        lambda _view: [f"wrote {path}" for path in sample.files],
        next=f"{there}recoup run sample",
        notes=() if sample.duckdb else ('without DuckDB, so without a table: pip install "recoup[duckdb]"',),
    )
