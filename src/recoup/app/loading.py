"""From a pipeline's name or place to the Pipeline; what goes wrong while importing it is told with its line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from recoup.app.aside import aside
from recoup.app.configuration.check import nearest
from recoup.app.settings import Settings
from recoup.model.errors import ConfigError, PipelineError, RecoupError
from recoup.model.pipeline import Pipeline


def resolve(settings: Settings, name: str) -> str:
    """The place of a pipeline: by its name in `[pipelines]`, else the place itself."""
    if name in settings.pipelines:
        return settings.pipelines[name]
    if ":" in name or name.endswith(".py"):
        return name
    known = ", ".join(settings.pipelines) or "none"
    message = f"there is no pipeline {name[:80]!r}"
    hint = nearest(name, settings.pipelines)
    raise PipelineError(message, f"{hint}recoup.toml names: {known}; or give a place such as flights.py:flights")


def all_pipelines(settings: Settings) -> list[str]:
    """Those that recoup.toml names or finds; ConfigError when there is none."""
    if not settings.pipelines:
        remedy = 'name them under [pipelines] in recoup.toml, or find them with discover = ["pipelines/*.py"]'
        raise ConfigError("no pipelines are named here", f"{remedy}; `recoup init sample` makes one to begin with")
    return list(settings.pipelines)


def load_pipeline(place: str, root: Path) -> Pipeline:
    """Import `file.py:variable` or `package.module:variable`; without a variable, the only Pipeline there."""
    target, _, variable = place.partition(":")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        with aside():
            module = _import_file(root / target) if target.endswith(".py") else importlib.import_module(target)
    except (Exception, SystemExit) as error:  # a script without a guard may even end the process
        raise _import_failure(place, root, error) from error
    found = {name: value for name, value in vars(module).items() if isinstance(value, Pipeline)}
    if variable:
        if variable not in found:
            message = f"{target} has no pipeline {variable!r}"
            raise PipelineError(message, f"it has: {', '.join(found) or 'none'}")
        return found[variable]
    if len(set(map(id, found.values()))) != 1:
        message = f"{target} holds {len(found)} pipelines"
        raise PipelineError(message, f"say which: {', '.join(f'{target}:{name}' for name in found) or 'declare one'}")
    return next(iter(found.values()))


class _AsWritten(SourceFileLoader):
    """A file as it is now: Python's cache takes one of the same second and size for unchanged, and runs old code."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _import_file(path: Path) -> object:
    if not path.is_file():
        message = f"there is no pipeline file {path}"
        raise PipelineError(message, "mend the place in recoup.toml's [pipelines]")
    name = f"recoup_pipeline_{path.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=_AsWritten(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_failure(place: str, root: Path, error: Exception | SystemExit) -> PipelineError:
    """With the innermost line of the project's own; packages installed below it are not."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_own(Path(f.filename), root)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    what, remedy = f"{type(error).__name__}: {error}", "mend that line, or install what it imports"
    if isinstance(error, SyntaxError):
        where = f" ({Path(error.filename or place).name}, line {error.lineno})"
        what = f"{type(error).__name__}: {error.msg}"
    elif isinstance(error, RecoupError):
        what, remedy = error.message, error.remedy or remedy
        if not frames:  # it is not in the file: the place itself is wrong
            return PipelineError(what, remedy)
    elif isinstance(error, SystemExit):
        what = f"it ends the process, with sys.exit({error.code!r})"
    return PipelineError(f"the pipeline {place} cannot be imported{where}: {what}", remedy)


def _is_own(file: Path, root: Path) -> bool:
    return file.is_relative_to(root) and "site-packages" not in file.relative_to(root).parts
