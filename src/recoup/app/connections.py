"""Named connections: where `[connections]` in recoup.toml, or a variable of its own, says that a database is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from recoup.app.settings import Settings, connection_variable
from recoup.model.errors import ConfigError

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USER_AND_PASSWORD = re.compile(r"(?<=://)[^/@]*(?=@)")


def connection_url(settings: Settings, name: str, environ: Mapping[str, str] | None = None) -> str:
    """The URL or DSN of a connection, by its name or as it stands, with its `${VARIABLE}`s filled in.

    It may hold a password: it is for the driver alone, never for a message, a log, the ledger or a worker's task.
    A variable in the place of user or password stands there as it is; it need not be percent-encoded.
    """
    environ = os.environ if environ is None else environ
    url = name if "://" in name else settings.connections.get(name)
    if url is None:
        raise _unknown(settings, name)
    url = _USER_AND_PASSWORD.sub(lambda found: _filled(found[0], name, environ, is_encoded=True), url)
    return _filled(url, name, environ, is_encoded=False)


def _filled(text: str, name: str, environ: Mapping[str, str], *, is_encoded: bool) -> str:
    def value(found: re.Match[str]) -> str:
        variable = found[1]
        if not environ.get(variable):
            which = "a connection's URL" if "://" in name else f"the connection {name!r}"
            message = f"{which} needs ${{{variable}}}, and that variable is not set"
            raise ConfigError(message, f"set {variable} where recoup and its workers run")
        return quote(environ[variable], safe="") if is_encoded else environ[variable]

    return _PLACEHOLDER.sub(value, text)


def _unknown(settings: Settings, name: str) -> ConfigError:
    known, file = ", ".join(settings.connections) or "none", settings.config or "recoup.toml"
    message = f"there is no connection {name[:80]!r}; known: {known}"
    entry, variable = f'{name[:80]} = "postgresql://…"', connection_variable(name[:80])
    return ConfigError(message, f"write {entry} under [connections] in {file}, or set {variable}")
