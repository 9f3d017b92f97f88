"""Names for a shell to complete with, from recoup.toml and the ledger: nothing is imported, and no source asked.

What goes wrong here is nobody's business: then there is nothing to complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

    from recoup.app.workspace import Workspace


def pipelines(context: CompletionContext) -> list[str]:
    """As recoup.toml names them; where it names none, the files here that may hold one."""
    named = list(_workspace(context).settings.pipelines)
    return named or sorted(str(file) for file in Path().glob("*.py"))


def steps(context: CompletionContext) -> list[str]:
    """Those of the pipeline that was typed, or of all."""
    return [name for name, kind, _ in _nodes(context, _typed(context, "pipeline")) if kind == "step"]


def targets(context: CompletionContext) -> list[str]:
    """Pipelines, and what they make."""
    return [*pipelines(context), *(name for name, kind, _ in _nodes(context, None) if kind != "source")]


def datasets(context: CompletionContext) -> list[str]:
    """What steps make."""
    return [name for name, kind, _ in _nodes(context, None) if kind == "step"]


def backfills(context: CompletionContext) -> dict[str, str]:
    """The newest, with how they stand."""
    from recoup.app.backfills import ls

    return {row.backfill_id: row.state for row in ls(_workspace(context))}


def watermarks(context: CompletionContext) -> dict[str, str]:
    """All, with their values."""
    from recoup.app.watermarks import show
    from recoup.model.watermark import moment_text

    return {one.watermark.name: moment_text(one.watermark.value) for one in show(_workspace(context))}


def _nodes(context: CompletionContext, pipeline: str | None) -> list[tuple[str, str, str]]:
    with _workspace(context).reader() as reader:
        known = [(node.name, node.kind, node.pipeline) for node in reader.nodes().values()]
    own = [node for node in known if node[2] == pipeline]
    return own or known


def _workspace(context: CompletionContext) -> Workspace:
    from recoup.app.workspace import Workspace

    config = _typed(context, "--config")
    return Workspace.here(Path(config) if config else None, _typed(context, "--env"))


def _typed(context: CompletionContext, name: str) -> str | None:
    found = context.get(name)
    return found.raw if found is not None else None
