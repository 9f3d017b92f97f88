"""What a file or a variable says, held against what the settings may be; each refusal names its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from recoup.app.configuration.file import Keys, SettingsFile
from recoup.app.configuration.origin import Entry
from recoup.app.configuration.spec import SETTINGS
from recoup.model.errors import ConfigError, PipelineError
from recoup.model.keys import quoted

ENVIRONMENTS: Final = "env"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")


def check_file(file: SettingsFile) -> None:
    """Names and types, in the tables of all environments too: a slip is told before it matters."""
    _check_table(file, {name: value for name, value in file.body.items() if name != ENVIRONMENTS}, ())
    environments = file.body.get(ENVIRONMENTS, {})
    if not isinstance(environments, dict):
        message = f"{file.place((ENVIRONMENTS,))}: {ENVIRONMENTS} must be a table, not {environments!r:.80}"
        raise ConfigError(message, "write the settings of an environment below [env.prod]")
    for name, table in environments.items():
        keys = (ENVIRONMENTS, name)
        if not _NAME.fullmatch(name):
            message = f"{file.place(keys)}: {quoted(name)} cannot name an environment"
            raise ConfigError(message, "use letters, digits, - and _, at most 50: it becomes part of a folder's name")
        if not isinstance(table, dict):
            message = f"{file.place(keys)}: env.{name} must be a table, not {table!r:.80}"
            raise ConfigError(message, f"write the settings of this environment below [env.{name}]")
        _check_table(file, table, keys)


def read_entries(entries: Mapping[Keys, Entry]) -> dict[Keys, Entry]:
    """As the settings hold them; refused is what has the right type, and still cannot be."""
    return {keys: Entry(_read(keys, entry), entry.origin) for keys, entry in entries.items()}


def _read(keys: Keys, entry: Entry) -> Any:  # noqa: ANN401 - whatever the setting holds
    name, *below = keys
    setting = SETTINGS[name]
    what, gap = (f"[{name}] {below[0]}", " ") if below else (name, ": ")
    if wrong := setting.problem(entry.value):
        raise ConfigError(f"{entry.origin}: {what} = {setting.shown(entry.value)}{gap}{wrong}", setting.remedy)
    try:
        return setting.read(entry.value)
    except PipelineError as error:
        raise ConfigError(f"{entry.origin}: {what}: {error}", error.remedy) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean …? `, when something is near enough."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""


def _check_table(file: SettingsFile, values: Mapping[str, Any], above: Keys) -> None:
    known = [*SETTINGS, *([] if above else [ENVIRONMENTS])]
    for name, value in values.items():
        where = file.place((*above, name))
        if name not in SETTINGS:
            remedy = f"{nearest(name, known)}the settings are {', '.join(known)}"
            raise ConfigError(f"{where}: unknown setting {quoted(name)}", remedy)
        if not SETTINGS[name].fits(value):
            message = f"{where}: {name} must be a {SETTINGS[name].noun}, not {SETTINGS[name].shown(value)}"
            raise ConfigError(message, SETTINGS[name].remedy)
