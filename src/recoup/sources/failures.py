"""What a database, or its driver, says when a question fails: one sentence without secrets, and what to do."""

from __future__ import annotations

import re
from typing import Final

from recoup.model.errors import (
    ConfigError,
    GrantMissingError,
    IdentityRefusedError,
    QueryError,
    RecoupError,
    UnreachableError,
)
from recoup.model.redact import redact

_TEXT_LIMIT: Final = 300
# SQLSTATE: no connection, no more resources, an operator's intervention (shutdown, timeout), a rollback.
_PASSING: Final = ("08", "53", "57", "40")
# MariaDB's own numbers for a connection that is gone, a lock that was not had and a limit that ran out.
_PASSING_NUMBERS: Final = frozenset({1040, 1205, 1213, 1927, 1969, 2006, 2013, 2055, 3024})
_NO_GRANT: Final = "42501"
_NO_GRANT_NUMBERS: Final = frozenset({1044, 1142, 1143, 1370})
_AUTH: Final = re.compile(
    r"(?i)authentication failed|no password supplied|access denied for user"
    r"|role \".*\" (does not exist|is not permitted)|no pg_hba\.conf entry"
)
_AS_URL: Final = "write it as postgresql://user:password@host:5432/database, a @ in the password as %40"


def no_library(module: str, extra: str) -> ConfigError:
    """What stands in an extra was not installed."""
    return ConfigError(f"this needs {module}, which is not installed", f'pip install "recoup[{extra}]"')


def unescaped(name: str) -> ConfigError:
    """A host with a @ in it is the rest of somebody's password; a driver would say it aloud."""
    return ConfigError(f"the connection {name!r} has a URL with two @", _AS_URL)


def cannot_open(error: Exception, name: str) -> RecoupError:
    """The connection could not be opened."""
    if isinstance(error, ModuleNotFoundError):
        message = f"the connection {name!r} needs the driver {error.name}, which is not installed"
        return ConfigError(message, f"pip install {error.name}, or name another driver in its URL")
    original = getattr(error, "orig", None)
    if original is None:  # SQLAlchemy itself: it may quote the URL
        message = f"the connection {name!r} has a URL that cannot be used ({type(error).__name__})"
        return ConfigError(message, _AS_URL)
    text = _said(original)
    message = f"the connection {name!r} cannot be opened: {text}"
    if _AUTH.search(text):
        return IdentityRefusedError(
            message, "mend user and password of the connection, then run the same command again"
        )
    return UnreachableError(message, "see that the database answers, then run the same command again")


def failed_question(error: Exception, name: str) -> RecoupError:
    """A question that was not answered."""
    original = getattr(error, "orig", None)
    if original is None:
        message = f"the connection {name!r} could not ask: {type(error).__name__}: {_first_line(str(error))}"
        return ConfigError(message, "mend the text of the SQL")
    message = f"the connection {name!r} got no answer: {_said(original)}"
    if getattr(error, "connection_invalidated", False) or _passes(original):
        return UnreachableError(message, "see that the database answers, then run the same command again")
    if _lacks_grant(original):
        return GrantMissingError(message, "GRANT SELECT on it, and USAGE on its schema, to the connection's user")
    says_why = QueryError if getattr(original, "sqlstate", None) else ConfigError
    return says_why(message, "mend the text of the SQL, or make in the database what it names")


def _passes(original: BaseException) -> bool:
    state = getattr(original, "sqlstate", None) or ""
    number = original.args[0] if original.args else None
    return state.startswith(_PASSING) or number in _PASSING_NUMBERS


def _lacks_grant(original: BaseException) -> bool:
    number = original.args[0] if original.args else None
    return getattr(original, "sqlstate", None) == _NO_GRANT or number in _NO_GRANT_NUMBERS


def _said(original: BaseException) -> str:
    """The driver's own words: MariaDB's come with a number, PostgreSQL's with the line that they mean."""
    numbered = len(original.args) > 1 and isinstance(original.args[0], int)
    return _first_line(str(original.args[1] if numbered else original))


def _first_line(text: str) -> str:
    return redact(text.strip().partition("\n")[0].strip())[:_TEXT_LIMIT]
