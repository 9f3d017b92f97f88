"""`recoup config`: the settings, and where each of them comes from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from cyclopts import App

from recoup.app.configuration.origin import Origin
from recoup.app.shown_settings import Shown, shown
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.paths import from_here
from recoup.cli.text import Cell, View, clean
from recoup.model.redact import redactor

app = App(name="config", help="The settings, and where each of them comes from.")

_USUAL = Common()


@app.command(usage="recoup config show [OPTIONS]")
def show(*, common: Common = _USUAL) -> Answer:
    """Show every setting with its value and where that comes from; secrets are hidden."""
    settings = common.workspace().settings
    rows = list(shown(settings, redactor(os.environ)))
    return Answer(
        "config show",
        {
            "environment": settings.environment,
            "environments": list(settings.environments),
            "settings": [_row_json(row) for row in rows],
        },
        lambda view: _lines(rows, settings.environments, view),
        next=common.again("recoup doctor"),
    )


def _row_json(row: Shown) -> dict[str, Any]:
    return {"name": row.name, "value": row.value, "source": row.origin.source.value, "where": str(row.origin)}


def _lines(rows: Iterable[Shown], environments: Iterable[str], view: View) -> Iterator[str]:
    yield from view.columns(
        [row.name, clean(from_here(row.text)) or "none", Cell(_where(row.origin), "dim")] for row in rows
    )
    if names := ", ".join(environments):
        yield ""
        yield f"environments: {names}; choose one with --env"


def _where(origin: Origin) -> str:
    table = f" [env.{origin.environment}]" if origin.environment else ""
    return f"{from_here(str(origin))}{table}"
