"""Named connections: where `[connections]` in recoup.toml, or a variable of its own, says that a database is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from recoup.app.configuration.layers import connection_variable
from recoup.app.configuration.variables import filled, mentioned_at
from recoup.app.settings import Settings
from recoup.model.errors import ConfigError

_USER_AND_PASSWORD = re.compile(r"(?<=://)[^/@]*(?=@)")
_NAMED_SECRET = re.compile(r"(?i)[?&;\s]?\w*(?:pass|pwd|secret|token|key|credential)\w*=[^?&;\s]*$")


def connection_url(settings: Settings, name: str, environ: Mapping[str, str] | None = None) -> str:
    """The URL or DSN of a connection, by its name or as it stands, with its `${VARIABLE}`s filled in.

    It may hold a password: it is for the driver alone, never for a message, a log, the ledger or a worker's task.
    A variable in the place of user or password stands there as it is; it need not be percent-encoded.
    """
    environ = os.environ if environ is None else environ
    url = name if "://" in name else settings.connections.get(name)
    if url is None:
        raise _unknown(settings, name)
    plain, encoded = _values(name, environ), _values(name, environ, spelt=lambda value: quote(value, safe=""))
    which = _which(name)
    own = _USER_AND_PASSWORD.search(url)
    if own is None:
        return filled(url, plain, which)
    parts = (url[: own.start()], plain), (own[0], encoded), (url[own.end() :], plain)
    return "".join(filled(text, value, which) for text, value in parts)


def secret_variables(settings: Settings) -> Iterator[str]:
    """Those whose values are secret by where they stand, whatever they are called.

    As a connection's password, or as all of it; not as its user, host or database, which messages must name.
    """
    for url in settings.connections.values():
        own = _USER_AND_PASSWORD.search(url)
        for variable, at in mentioned_at(url):
            is_password = own is not None and own.start() <= at < own.end() and ":" in url[own.start() : at]
            if is_password or url == f"${{{variable}}}" or _NAMED_SECRET.search(url[:at]):
                yield variable


def _values(
    name: str, environ: Mapping[str, str], spelt: Callable[[str], str] = lambda value: value
) -> Callable[[str], str]:
    def value(variable: str) -> str:
        if not environ.get(variable):
            message = f"{_which(name)} needs ${{{variable}}}, and that variable is not set"
            raise ConfigError(message, f"set {variable} where recoup and its workers run")
        return spelt(environ[variable])

    return value


def _which(name: str) -> str:
    return "a connection's URL" if "://" in name else f"the connection {name!r}"


def _unknown(settings: Settings, name: str) -> ConfigError:
    known, file = ", ".join(settings.connections) or "none", settings.config or "recoup.toml"
    message = f"there is no connection {name[:80]!r}; known: {known}"
    entry, variable = f'{name[:80]} = "postgresql://…"', connection_variable(name[:80])
    return ConfigError(message, f"write {entry} under [connections] in {file}, or set {variable}")
