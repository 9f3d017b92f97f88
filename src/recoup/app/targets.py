"""What people mean by `PIPELINE` or `PIPELINE.DATASET`, to be loaded or only to be looked up in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from recoup.app.datasets import Dataset, datasets
from recoup.app.settings import Settings
from recoup.app.workspace import Workspace
from recoup.ledger.reader import LedgerReader
from recoup.model.errors import RecoupError, UsageError
from recoup.model.keys import quoted
from recoup.model.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Target:
    """A pipeline as `Workspace.pipeline` takes it, and one of its datasets; None: all of them."""

    pipeline: str | Pipeline
    dataset: str | None = None


def parse_target(settings: Settings, target: str | Pipeline) -> Target:
    """By name as in recoup.toml, or by place: `flights`, `flights.clean`, `flights.py:flights.clean`."""
    if isinstance(target, Pipeline):
        return Target(target)
    if target in settings.pipelines:
        return Target(target)
    head, _, rest = target.partition(".")
    if head in settings.pipelines:
        return Target(head, rest)
    place, colon, rest = target.partition(":")
    if colon:
        variable, _, name = rest.partition(".")
        return Target(f"{place}:{variable}", name or None)
    return Target(target)


def own_pipeline(settings: Settings, reader: LedgerReader, target: str | Pipeline) -> Target:
    """Like `parse_target`, and a step alone, whose pipeline the ledger knows."""
    parsed = parse_target(settings, target)
    if isinstance(target, str) and parsed == Target(target) and target not in settings.pipelines:
        known = datasets(reader).get(target)
        if known is not None:
            return Target(known.pipeline, target)
    return parsed


def shown_datasets(workspace: Workspace, reader: LedgerReader, target: str | Pipeline) -> list[Dataset]:
    """The steps and deliveries that are meant, as the ledger knows them; UsageError lists what there is.

    A dataset may also be named alone. The pipeline is only loaded when the ledger does not know its name.
    """
    known = datasets(reader)
    made = {name: found for name, found in known.items() if found.kind != "source"}
    if isinstance(target, str) and target in made:
        return [made[target]]
    parsed = parse_target(workspace.settings, target)
    name, wanted = _known_name(workspace, made, parsed, target)
    own = {found.name: found for found in made.values() if found.pipeline == name}
    if wanted is not None and wanted in own:
        return [own[wanted]]
    if own and wanted is None:
        return list(own.values())
    message = f"nothing is known of {quoted(str(wanted or name))}" + (f" in pipeline {name!r}" if wanted else "")
    there = ", ".join(own) or ", ".join(sorted({found.pipeline for found in made.values()}))
    raise UsageError(message, f"there is: {there or 'nothing yet; run a pipeline first'}")


def _known_name(
    workspace: Workspace, made: dict[str, Dataset], parsed: Target, target: str | Pipeline
) -> tuple[str, str | None]:
    """The pipeline's own name, which may differ from what recoup.toml calls it."""
    pipelines = {found.pipeline for found in made.values()}
    if isinstance(target, str):
        head, _, rest = target.partition(".")
        if head in pipelines:
            return head, rest or None
    if isinstance(parsed.pipeline, Pipeline):
        return parsed.pipeline.name, parsed.dataset
    try:
        return workspace.pipeline(parsed.pipeline)[0].name, parsed.dataset
    except RecoupError as error:
        message = f"there is no pipeline or dataset {quoted(target)}"
        known = ", ".join([*sorted(pipelines), *made]) or "nothing yet"
        raise UsageError(message, f"the ledger knows: {known}") from error
