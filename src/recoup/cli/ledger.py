"""`recoup ledger`: the durable memory, and looking after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from recoup.app import lake_care, ledger_care
from recoup.app.ledger_export import export as export_to
from recoup.app.rebuild import rebuild as build_anew
from recoup.cli.ledger_text import (
    adopted_lines,
    migrated_lines,
    rebuilt_json,
    rebuilt_lines,
    verified_json,
    verified_lines,
)
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.text import Cell, counted, size

app = App(name="ledger", help="The ledger: where it is, whether it is sound, copies of it, and getting it back.")

_USUAL = Common()
Pipelines = Annotated[str, Parameter(name="PIPELINE", help="Beside those that recoup.toml names.")]


@app.command(usage="recoup ledger path")
def path(*, common: Common = _USUAL) -> Answer:
    """Print where the ledger is; any SQLite reader opens it, and `run_history` is the view to read."""
    where = ledger_care.path(common.workspace())
    body = {"path": str(where), "exists": where.exists()}
    return Answer("ledger path", body, lambda _view: [str(where)], next=common.again("recoup ledger verify"))


@app.command(usage="recoup ledger verify [PIPELINE…] [--repair]")
def verify(
    *pipelines: Pipelines,
    repair: Annotated[bool, Parameter(help="Write what the facts say.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Recompute every plane from the facts and compare."""
    found = ledger_care.verify(common.workspace(), pipelines, repair=repair)
    wrong = found.differences and not found.repaired
    return Answer(
        "ledger verify",
        verified_json(found),
        lambda view: verified_lines(found, view),
        next=common.again("recoup ledger verify --repair" if wrong else "recoup ledger backup FILE"),
        exit_code=found.exit_code,
    )


@app.command(usage="recoup ledger backup FILE")
def backup(
    to: Annotated[Path, Parameter(name="FILE", help="A new file, or a folder.")], /, *, common: Common = _USUAL
) -> Answer:
    """Write a consistent copy into one file, while others may run."""
    made = ledger_care.backup(common.workspace(), to)
    return Answer(
        "ledger backup",
        {"path": str(made.path), "size_bytes": made.size_bytes},
        lambda _view: [f"{made.path}  {size(made.size_bytes)}"],
        next=common.again("recoup ledger verify"),
    )


@app.command(usage="recoup ledger export FOLDER")
def export(
    folder: Annotated[Path, Parameter(name="FOLDER", help="A new one, or that of an earlier export.")],
    /,
    *,
    common: Common = _USUAL,
) -> Answer:
    """Write the history as Parquet files, for polars, DuckDB and their like; while others may run."""
    made = export_to(common.workspace(), folder)
    return Answer(
        "ledger export",
        {"folder": str(made.folder), "tables": dict(made.tables)},
        lambda view: view.columns(
            [str(made.folder / f"{name}.parquet"), Cell(counted(count, "row"), right=True)]
            for name, count in made.tables.items()
        ),
        next=common.again("recoup ledger verify"),
    )


@app.command(usage="recoup ledger migrate")
def migrate(*, common: Common = _USUAL) -> Answer:
    """Bring an older ledger to today's schema; a copy of it is kept."""
    done = ledger_care.migrate(common.workspace())
    copy = None if done.copy is None else str(done.copy)
    return Answer(
        "ledger migrate",
        {"before": done.before, "after": done.after, "copy": copy},
        lambda _view: migrated_lines(done),
        next=common.again("recoup ledger verify"),
    )


@app.command(usage="recoup ledger rebuild [PIPELINE…] [--force]")
def rebuild(
    *pipelines: Pipelines,
    force: Annotated[bool, Parameter(help="Also where a ledger is; it is kept under another name.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Read manifests and pointers of the lake, and write a ledger that plans the same."""
    done = build_anew(common.workspace(), pipelines, force=force)
    return Answer(
        "ledger rebuild",
        rebuilt_json(done),
        lambda view: rebuilt_lines(done, view),
        next=common.again("recoup ledger verify"),
    )


@app.command(usage="recoup ledger adopt")
def adopt(*, common: Common = _USUAL) -> Answer:
    """Make the lake this ledger's own; whoever owned it before can publish no more."""
    done = lake_care.adopt(common.workspace())
    body = {
        "lake": done.lake,
        "ledger_id": done.ledger_id,
        "epoch": done.epoch,
        "token": done.token,
        "strangers": list(done.strangers),
    }
    after = "recoup ledger rebuild" if done.strangers else "recoup status"
    return Answer("ledger adopt", body, lambda view: adopted_lines(done, view), next=common.again(after))
