"""`recoup lake`: the data at rest: what may go, what readers from outside can open, whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter

from recoup.app import lake_care, lake_verify
from recoup.app.adoption_files import adopt_files
from recoup.app.adoption_table import adopt_table
from recoup.app.lake_care import KEEP_DAYS, KEEP_GENERATIONS, Collected
from recoup.app.lake_verify import LakeVerified
from recoup.cli import names
from recoup.cli.adoption_text import adoption_json, adoption_lines
from recoup.cli.options import Common
from recoup.cli.output import Answer
from recoup.cli.text import View, clean, counted, size
from recoup.cli.typed import typed
from recoup.model.errors import UsageError

app = App(name="lake", help="The lake: collect garbage, view what is current, adopt what was there before.")

_USUAL = Common()
_SHOWN = 20


@app.command(usage="recoup lake gc [OPTIONS]")
def gc(
    *,
    keep_generations: Annotated[int, Parameter(metavar="N", help="Of each partition.")] = KEEP_GENERATIONS,
    keep_days: Annotated[int, Parameter(metavar="N", help="Whatever was current in the last days.")] = KEEP_DAYS,
    yes: Annotated[bool, Parameter(help="Delete it; without, it only shows what would go.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Find files that nothing refers to any more, and delete them."""
    for name, value, least in (("--keep-generations", keep_generations, 1), ("--keep-days", keep_days, 0)):
        if value < least:
            raise UsageError(f"{name} is {value}", f"give a number from {least} up")
    found = lake_care.gc(common.workspace(), keep_generations=keep_generations, keep_days=keep_days, yes=yes)
    again = f"recoup lake gc --keep-generations {keep_generations} --keep-days {keep_days} --yes"
    return Answer(
        "lake gc",
        {
            "done": found.done,
            "files": found.files,
            "size_bytes": found.size_bytes,
            "publications": found.publications,
            "kept": list(found.kept),
            "items": [{"key": i.key, "size_bytes": i.size_bytes, "because": i.because} for i in found.plan.items],
        },
        lambda view: _collected_lines(found, view),
        next=common.again(again if found.files and not found.done else "recoup ledger verify"),
    )


@app.command(usage="recoup lake verify [DATASET…] [--repair]")
def verify(
    *datasets: Annotated[str, Parameter(name="DATASET", help="Only these.", completer=names.datasets)],
    repair: Annotated[bool, Parameter(help="Write pointers and manifests again from the ledger.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Read every pointer, manifest and file of what is current, and compare them with the ledger."""
    found = lake_verify.verify(common.workspace(), datasets, repair=repair)
    left = any(not damage.repaired and damage.what != lake_verify.FILE for damage in found.damages)
    again = typed("lake verify", *datasets, flags=["--repair"])
    return Answer(
        "lake verify",
        {"partitions": found.partitions, "damages": [asdict(damage) for damage in found.damages]},
        lambda view: _verified_lines(found, view),
        next=common.again(again if left and not repair else "recoup ledger verify"),
        exit_code=found.exit_code,
    )


@app.command(usage="recoup lake view DATASET [OPTIONS]")
def view(
    dataset: Annotated[str, Parameter(help="A step's dataset.", completer=names.datasets)],
    /,
    *,
    name: Annotated[str | None, Parameter(help="What the view is called; else like the dataset.")] = None,
    files: Annotated[bool, Parameter(help="The list of files instead of SQL.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Print a DuckDB view of what is current; readers from outside must not glob run folders."""
    found = lake_care.view(common.workspace(), dataset, name=name)
    return Answer(
        "lake view",
        {"dataset": found.dataset, "sql": found.sql, "files": list(found.files)},
        lambda _view: list(found.files) if files else [found.sql.rstrip("\n")],
        next=common.again(typed("publish ls", dataset) if files else f"{typed('lake view', dataset)} | duckdb"),
    )


@app.command(usage="recoup lake adopt PIPELINE STEP (--files PATTERN | --table TABLE --column NAME) [--yes]")
def adopt(
    pipeline: Annotated[str, Parameter(help="Whose step.", completer=names.pipelines)],
    step: Annotated[str, Parameter(help="What this would have been made by.", completer=names.steps)],
    /,
    *,
    files: Annotated[
        str | None, Parameter(metavar="PATTERN", help='Parquet files, such as "old/dt={partition}/*.parquet".')
    ] = None,
    table: Annotated[str | None, Parameter(metavar="TABLE", help="Rows of connection:schema.table.")] = None,
    column: Annotated[str | None, Parameter(metavar="NAME", help="The column that holds the partition.")] = None,
    yes: Annotated[bool, Parameter(help="Do it; without, it only shows what would be adopted.")] = False,
    common: Common = _USUAL,
) -> Answer:
    """Take what is there already as published partitions of a step: files where they lie, or rows of a table."""
    workspace = common.workspace()
    if files is not None and table is None and column is None:
        found, words = adopt_files(workspace, pipeline, step, files, yes=yes), ["--files", files]
    elif files is None and table is not None and column is not None:
        found = adopt_table(workspace, pipeline, step, table, column, yes=yes)
        words = ["--table", table, "--column", column]
    else:
        raise UsageError("what is to be adopted?", "give --files PATTERN, or --table TABLE and --column NAME")
    again = typed("lake adopt", pipeline, step, flags=[*words, "--yes"])
    return Answer(
        "lake adopt",
        adoption_json(found),
        lambda view: adoption_lines(found, view),
        next=common.again(again if found.count and not found.done else typed("run", pipeline)),
        exit_code=found.exit_code,
    )


def _verified_lines(found: LakeVerified, view: View) -> Iterator[str]:
    for damage in found.damages:
        told = "repaired" if damage.repaired else clean(damage.remedy)
        where = f"{damage.dataset} {damage.partition}"
        yield f"{view.paint('warn' if damage.repaired else 'bad', damage.what)}  {where}  {clean(damage.sentence)}"
        yield f"  {told}"
    partitions = counted(found.partitions, "partition")
    wrong = counted(sum(not damage.repaired for damage in found.damages), "thing")
    yield f"{partitions} read: all sound" if not found.damages else f"{partitions} read: {wrong} still wrong"


def _collected_lines(found: Collected, view: View) -> Iterator[str]:
    shown = found.plan.items if view.width is None else found.plan.items[:_SHOWN]
    yield from view.columns([size(item.size_bytes), item.key, item.because] for item in shown)
    if more := found.files - len(shown):
        yield f"and {counted(more, 'more file')}"
    yield from (view.paint("dim", f"kept: {clean(sentence)}") for sentence in found.kept)
    if not found.files:
        yield "nothing may go"
        return
    what = f"{counted(found.files, 'file')}, {size(found.size_bytes)}"
    lost = (
        f"; {counted(found.publications, 'publication')} can no longer be rolled back to" if found.publications else ""
    )
    yield f"deleted {what}{lost}" if found.done else f"nothing has been changed: {what} would be deleted{lost}"
