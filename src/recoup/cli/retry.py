"""`recoup retry`: the failed steps of these partitions once more, in the same run where that is safe."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from recoup.app.backfilling import RunOptions
from recoup.app.retry import Insisted, retry_request
from recoup.cli import names
from recoup.cli.options import Common, Pace, Reason, Steps
from recoup.cli.run import carry_out
from recoup.model.errors import ExitCode

_USUAL_PACE, _USUAL = Pace(), Common()


def retry(
    pipeline: Annotated[str, Parameter(help="Its name.", completer=names.pipelines)],
    /,
    *partitions: Annotated[str, Parameter(help="Which partitions.")],
    step: Steps = None,
    force: Annotated[bool, Parameter(help="Though nothing has changed; with --reason.")] = False,
    reason: Reason = None,
    pace: Pace = _USUAL_PACE,
    executor: Annotated[
        Literal["processes", "threads", "inline"] | None, Parameter(help="Where steps run, as in `recoup run`.")
    ] = None,
    common: Common = _USUAL,
) -> ExitCode:
    """Try failed steps again, then what they blocked; refused for what runs, is published, or would fail alike."""
    set_, insisted = pace.controls(), Insisted(force, reason)
    workspace = common.workspace()
    request = retry_request(workspace, pipeline, partitions, tuple(step or ()), insisted)
    options = RunOptions(set_.max_parallel, executor, False, None, set_.delay_seconds, set_.priority, reason)
    return carry_out(workspace, request, pipeline, options, common, "retry")
