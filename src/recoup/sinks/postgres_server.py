"""A PostgreSQL server: connected to, asked, and what its errors mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from recoup.model import errors
from recoup.model.sinks.declared import RowsRefusedError
from recoup.model.sinks.postgres import Postgres

if TYPE_CHECKING:
    from recoup.sinks.postgres_sql import Connection

CONNECT_SECONDS = 10
LOCK_SECONDS = 60
"""How long a delivery waits for another one of its partition, before it is tried again later."""
# A server whose machine has vanished is noticed within a minute.
_USUAL = {
    "application_name": "recoup",
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
# Session-wide, but undone by the end of the transaction, so that a pooler may share the session. A commit is durable
# when it returns, whatever the database's own default is; a stopped worker does not keep its locks for ever. Of rows
# that came a moment ago the planner knows nothing: it would take a partition for empty, and compare each with each in
# nested loops.
_BEGIN = f"""BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT
    set_config('TimeZone', 'UTC', true), set_config('enable_nestloop', 'off', true),
    set_config('lock_timeout', '{LOCK_SECONDS}s', true),
    set_config('idle_in_transaction_session_timeout', '{2 * LOCK_SECONDS}s', true),
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END"""


def psycopg_package() -> Any:  # noqa: ANN401 - a module
    """The module; ConfigError with the remedy when it is not installed."""
    try:
        import numpy as np  # noqa: F401 - rows are encoded with it
        import psycopg
    except ImportError as error:
        message = f"the PostgreSQL sink needs a package that is not installed: {error.name or error}"
        raise errors.ConfigError(message, 'pip install "recoup[postgres]"') from error
    return psycopg


def connect(url: str, name: str) -> Connection:
    """A connection in which each statement stands alone until `begin`. Nothing that is raised holds the URL."""
    psycopg = psycopg_package()
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(_SCHEME.sub("postgresql://", url))
    except psycopg.Error:
        message = f"the connection of {name} is neither a postgresql:// URL nor a DSN"
        raise errors.ConfigError(message, "mend it under [connections] in recoup.toml, or in its variable") from None
    given = {**_USUAL, **parameters}
    try:
        # No prepared statements: a pooler hands out another session each time.
        connection: Connection = psycopg.connect(
            **given, client_encoding="utf8", autocommit=True, prepare_threshold=None
        )
        return connection
    except psycopg.Error as error:
        raise _not_connected(str(error), name) from None


def begin(connection: Connection) -> None:
    """Start a transaction in which each statement sees what others have committed."""
    connection.execute(_BEGIN)


def begin_reading(connection: Connection) -> None:
    """Start a transaction that only reads, in which a partition's moments mean what they mean to a delivery."""
    connection.execute("BEGIN READ ONLY; SELECT set_config('TimeZone', 'UTC', true)")


def lock(connection: Connection, *names: str) -> None:
    """Wait for a lock of that name; it ends with the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", ["recoup " + "\n".join(names)])


def _not_connected(text: str, name: str) -> errors.RecoupError:
    lines = [line for line in text.splitlines() if line and not line.startswith("\t")] or ["no answer"]
    told = re.sub(r"^.*(FATAL|ERROR|failed): +", "", lines[-1])
    for pattern, kind, remedy in _NOT_CONNECTED:
        if re.search(pattern, text):
            return kind(f"PostgreSQL of {name} cannot be reached: {told}", remedy)
    return errors.UnreachableError(
        f"PostgreSQL of {name} cannot be reached: {told}", "see that the server is up and answers from here"
    )


_NOT_CONNECTED: tuple[tuple[str, type[errors.RecoupError], str], ...] = (
    (
        r"authentication|no password|pg_hba\.conf|role \".*\" (does not exist|is not permitted)|certificate",
        errors.IdentityRefusedError,
        "mend user and password of the connection, or its variables",
    ),
    (r"permission denied for database", errors.GrantMissingError, "GRANT CONNECT ON DATABASE … TO this user"),
    (r"database \".*\" does not exist", errors.ConfigError, "create that database, or correct the connection's URL"),
    (
        r"too many (clients|connections)|connection slots",
        errors.ServerBusyError,
        "lower --max-parallel, or let the server take more connections",
    ),
)


def meaning_of(error: BaseException, spec: Postgres) -> errors.RecoupError | None:
    """What an error of PostgreSQL is called here, by its SQLSTATE; None when it has no other name."""
    psycopg = psycopg_package()
    if not isinstance(error, psycopg.Error):
        return None
    # Without a code it is the driver's: a connection that broke. Anything else of it is a bug, and is told as it is.
    code, text = error.sqlstate or ("08" if isinstance(error, psycopg.OperationalError) else "none"), _told(error)
    for codes, kind, message, remedy in _MEANINGS:
        if code.startswith(codes):
            return kind(
                message.format(name=spec.name, text=text, seconds=LOCK_SECONDS), remedy.format(table=spec.table)
            )
    return None


def _told(error: Any) -> str:  # noqa: ANN401 - a psycopg.Error
    """The server's own sentence, with its detail; without the query and the place in it."""
    primary = error.diag.message_primary or next(iter(str(error).strip().splitlines()), type(error).__name__)
    return f"{primary} ({error.diag.message_detail})" if error.diag.message_detail else primary


_LATER = "nothing is to be done: the delivery is tried again by itself"
_MEANINGS: tuple[tuple[tuple[str, ...], type[errors.RecoupError], str, str], ...] = (
    (("40", "55006"), errors.ConflictError, "{name}: another transaction is in the way: {text}", _LATER),
    (
        ("55P03",),
        errors.ConflictError,
        "{name}: somebody else has held a lock for {seconds} s: {text}",
        "end the session that holds it (pg_stat_activity shows it); the delivery is tried again by itself",
    ),
    (
        ("23505", "23P01"),
        errors.ConflictError,
        "{name} has another row with that key, which is not this partition's: {text}",
        "see which constraint of {table} it is; another program may write there too",
    ),
    (
        ("22", "23", "42804", "42846", "42883", "428C9", "0A000"),
        RowsRefusedError,
        "{name} does not take the rows: {text}",
        "change the rows in the step, or the table {table}",
    ),
    (
        ("42703", "42P01", "42701", "42622", "42601", "42P07"),
        RowsRefusedError,
        "{name} is not as its rows need it: {text}",
        "see which columns {table} has now, and run the same command again",
    ),
    (
        ("42501",),
        errors.GrantMissingError,
        "{name} lacks a grant: {text}",
        "`recoup doctor` names the GRANT to type; then run the same command again",
    ),
    (("28",), errors.IdentityRefusedError, "{name}: {text}", "mend user and password of the connection"),
    (
        ("53100",),
        errors.DiskFullError,
        "the server of {name} has no room: {text}",
        "make room on the server's disk, then run the same command again; the table is as it was",
    ),
    (
        ("53300",),
        errors.ServerBusyError,
        "the server of {name} takes no more connections: {text}",
        "lower --max-parallel",
    ),
    (
        ("08", "25006", "25P03", "53", "57P", "58"),
        errors.UnreachableError,
        "the connection to {name} broke: {text}",
        "see that the server is up; the delivery is tried again by itself, and the table is as it was",
    ),
)
