"""Who wins: the file's settings, over them an environment's table, over both the variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from recoup.app.configuration.check import ENVIRONMENTS, nearest
from recoup.app.configuration.file import Keys, SettingsFile
from recoup.app.configuration.origin import Entry, Origin, Source
from recoup.app.configuration.spec import SETTINGS
from recoup.app.configuration.variables import expanded, mentions
from recoup.model.errors import ConfigError
from recoup.model.keys import quoted

VARIABLE: Final = "RECOUP_ENV"
OWN: Final = ("lake", "ledger")
"""What each environment has for itself: shared by accident, one would overwrite what the other shows."""
_CONNECTION: Final = "RECOUP_CONNECTIONS_"

Entries = dict[Keys, Entry]


def environments(file: SettingsFile | None) -> tuple[str, ...]:
    """Those that the file has, in its order."""
    return tuple(file.body.get(ENVIRONMENTS, ())) if file else ()


def chosen_environment(given: str | None, file: SettingsFile | None, environ: Mapping[str, str]) -> str | None:
    """By the flag, else by the variable; None for the settings as they stand at the top."""
    name = environ.get(VARIABLE) if given is None else given
    if not name:
        return None
    known = environments(file)
    if name in known:
        return name
    by = "" if given is not None else f" (${VARIABLE})"
    where = "recoup.toml" if file is None else str(file.path)
    there = f"{where} has {', '.join(known)}" if known else f"{where} has none; a table [env.prod] would make one"
    raise ConfigError(f"there is no environment {quoted(name)}{by}", f"{nearest(name, known)}{there}")


def layered(file: SettingsFile | None, environment: str | None, environ: Mapping[str, str]) -> Entries:
    """The values that count, as they were written; tables are merged name by name."""
    if file:
        _refuse_two_lakes(file)
    at_top = _from_file(file, ())
    own = _from_file(file, (ENVIRONMENTS, environment)) if environment else {}
    said = {**_from_variables(environ), **_connections(at_top | own, environ)}
    if environment:
        _refuse_inherited(environment, {keys: at_top[keys] for keys in at_top.keys() - own.keys() - said.keys()})
    return _defaults(environment) | at_top | own | said


def filled_in(entries: Entries, variables: Mapping[str, str]) -> Entries:
    """With `${NAME}` filled in, except what may be secret: that stays as written until it is used."""
    return {keys: _filled(keys, entry, variables) for keys, entry in entries.items()}


def connection_variable(name: str) -> str:
    """The variable that says where a connection leads, whatever the file says."""
    return _CONNECTION + re.sub(r"\W", "_", name).upper()


def _filled(keys: Keys, entry: Entry, variables: Mapping[str, str]) -> Entry:
    if SETTINGS[keys[0]].is_secret or entry.origin.source is Source.VARIABLE:
        return entry
    return Entry(expanded(entry.value, variables, f"{entry.origin}: {'.'.join(keys)}"), entry.origin)


def _default_places(environment: str | None) -> dict[str, str]:
    """Lake and ledger where nobody names them; those of an environment lie beside those at the top, never below."""
    suffix = f"-{environment}" if environment else ""
    return {"lake": f"lake{suffix}", "ledger": f".recoup{suffix}/ledger.db"}


def _defaults(environment: str | None) -> Entries:
    origin = Origin(Source.DEFAULT, name=f"default of environment {environment}" if environment else "")
    return {(name,): Entry(place, origin) for name, place in _default_places(environment).items()}


def _from_file(file: SettingsFile | None, above: Keys) -> Entries:
    if file is None:
        return {}
    table: Mapping[str, Any] = file.body
    for key in above:
        table = table[key]
    source = Source.ENVIRONMENT if above else Source.FILE
    return {
        keys: Entry(value, Origin(source, file, (*above, *keys)))
        for name in SETTINGS
        if name in table
        for keys, value in _flat(name, table[name])
    }


def _flat(name: str, value: Any) -> Iterator[tuple[Keys, Any]]:  # noqa: ANN401 - a TOML value
    if SETTINGS[name].is_table:
        yield from (((name, key), inner) for key, inner in value.items())
    else:
        yield (name,), value


def _from_variables(environ: Mapping[str, str]) -> Entries:
    """`RECOUP_LAKE` and its like; an empty one says nothing."""
    entries: Entries = {}
    for name, setting in SETTINGS.items():
        variable = f"RECOUP_{name.upper()}"
        if environ.get(variable) and setting.kinds[-1] in (str, int, float):
            value = _converted(variable, environ[variable], setting.kinds[-1], setting.noun)
            entries[name,] = Entry(value, Origin(Source.VARIABLE, name=variable))
    return entries


def _converted(variable: str, text: str, kind: type, noun: str) -> Any:  # noqa: ANN401 - a TOML value
    try:
        return kind(text)
    except ValueError as error:
        message = f"${variable} is {text[:80]!r}, which is no {noun}"
        raise ConfigError(message, f"set it to a {noun}, or unset it") from error


def _connections(entries: Entries, environ: Mapping[str, str]) -> Entries:
    """Those that a variable leads elsewhere, and those that only variables name."""
    names = {connection_variable(keys[1]): keys[1] for keys in entries if keys[0] == "connections"}
    variables = sorted(name for name, value in environ.items() if name.startswith(_CONNECTION) and value)
    return {
        ("connections", names.get(variable) or variable.removeprefix(_CONNECTION).lower()): Entry(
            environ[variable], Origin(Source.VARIABLE, name=variable)
        )
        for variable in variables
    }


def _refuse_inherited(environment: str, inherited: Entries) -> None:
    for name in OWN:
        entry = inherited.get((name,))
        if entry and not mentions(entry.value, VARIABLE):
            message = f"{entry.origin}: environment {environment!r} would share this {name} with all others"
            remedy = f"write {name} = … under [env.{environment}], or put ${{{VARIABLE}}} into the one at the top"
            raise ConfigError(message, remedy)


def _refuse_two_lakes(file: SettingsFile) -> None:
    """A ledger remembers one lake: tables that name the same ledger must name the same lake."""
    seen: dict[str, tuple[str, str]] = {}
    for name, table in {"": file.body, **file.body.get(ENVIRONMENTS, {})}.items():
        places = _default_places(name) | {key: table[key] for key in OWN if key in table}
        lake, ledger = (places[key].replace(f"${{{VARIABLE}}}", name) for key in OWN)
        other_lake, other = seen.setdefault(ledger, (lake, name))
        if other_lake != lake:
            place = file.place((ENVIRONMENTS, name, "ledger"))
            whose = f"of environment {other!r}" if other else "at the top"
            message = f"{place}: environment {name!r} has the same ledger as the one {whose}, but another lake"
            raise ConfigError(message, "give it a ledger of its own: a ledger remembers one lake")
