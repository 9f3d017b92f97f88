"""From the codes of a cause to a kind: the most telling of them first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from recoup.model.evidence import Cause
from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules import clouds, databases, system
from recoup.recovery.verdict import Basis, Verdict

OWN_REPLIES = frozenset({"ftplib", "smtplib", "poplib", "nntplib"})
UNTOLD_REPLIES = frozenset({"reply 421", "reply 450", "reply 451", "reply 550", "reply 553"})
_REPLY = re.compile(r"\(?(\d{3})\b")
KNOWN = frozenset({*clouds.CODE, *clouds.UNTOLD_CODE})
_MYSQL = frozenset({"pymysql", "MySQLdb", "mysql", "aiomysql", "asyncmy", "mariadb"})
_NUMBERED = (
    ("mssql", databases.SQL_SERVER),
    ("ora", databases.ORACLE),
    ("clickhouse", databases.CLICKHOUSE),
    ("snowflake", databases.SNOWFLAKE),
    ("curl", system.CURL),
    ("winerror", system.WINERROR),
)


def by_code(cause: Cause, package: str) -> Verdict | None:
    """What it says in codes; None where they say nothing, or too many things."""
    return next(filter(None, _verdicts(cause, package)), None)


def untold_code(cause: Cause) -> Verdict | None:
    """What a code that means several things means when the words are no clearer."""
    code = cause.facts.get("code")
    kind = clouds.CODE.get(code) if isinstance(code, str) else None
    return _verdict(kind, "code", code, lasting=code in clouds.LASTING_CONFLICT)


def by_status(status: int) -> Verdict | None:
    """Of HTTP; one that no table has is of its class: the fault of who asked, or of the other side."""
    unlisted = {4: Kind.LOGIC, 5: Kind.SERVICE}.get(status // 100)
    return _verdict(clouds.HTTP.get(status, unlisted), "http", status, Basis.STATUS)


def by_exit_code(code: int) -> Verdict | None:
    """Of a process."""
    return _verdict(system.EXIT_CODE.get(code), "signal" if code < 0 else "exit code", abs(code))


def by_reply(message: str) -> Verdict | None:
    """Of a server of FTP or mail."""
    found = _REPLY.match(message)
    return _verdict(system.REPLY.get(int(found.group(1))), "reply", found.group(1)) if found else None


def is_signal(code: int) -> bool:
    """An exit code that a shell, a kernel or `timeout` made, not the program."""
    return code < 0 or (code >= 124 and code != 129)  # noqa: PLR2004 - there shells begin; git's word for usage is 129


def _verdicts(cause: Cause, package: str) -> Iterator[Verdict | None]:
    facts = cause.facts
    for name, table in _NUMBERED:
        yield _verdict(table.get(facts.get(name, -1)), name, facts.get(name), lasting=_is_key(name, facts.get(name)))
    if package in _MYSQL:
        number = facts.get("number", -1)
        yield _verdict(
            databases.MYSQL.get(number), "mysql", number, lasting=number in {1007, 1022, 1050, 1061, 1062, 1586}
        )
    code = facts.get("code")
    if isinstance(code, str) and code not in clouds.UNTOLD_CODE:
        yield untold_code(cause)
    yield _by_sqlstate(_sqlstate(cause))
    if "grpc" in facts:
        yield _verdict(
            clouds.GRPC.get(str(facts["grpc"])), "grpc", facts["grpc"], lasting="EXISTS" in str(facts["grpc"]).upper()
        )
    yield _by_errno(facts.get("errno"), cause)


def _by_errno(number: Any, cause: Cause) -> Verdict | None:  # noqa: ANN401 - a fact
    if not isinstance(number, int):
        return None
    if number in system.GAI_NUMBERS:
        return _verdict(system.GAI.get(number, Kind.NETWORK), "getaddrinfo", number)
    name = system.errno_name(number)
    # A driver's or client's own number is no error of the system.
    of_system = "builtins.OSError" in cause.classes or f"[Errno {number}]" in cause.message
    return _verdict(system.ERRNO.get(name), "errno", name, lasting=name in system.LASTING_ERRNO) if of_system else None


def _sqlstate(cause: Cause) -> str | None:
    state = cause.facts.get("sqlstate")
    if isinstance(state, str):
        return state
    for name in cause.classes:
        module, _, short = name.rpartition(".")
        if module in databases.CLASSES_IN:
            return databases.SQLSTATE_OF_CLASS.get(short) or databases.SQLSTATE_OF_CLASS.get(
                short.removesuffix("Error")
            )
    return None


def _by_sqlstate(state: str | None) -> Verdict | None:
    if state is None or state in databases.UNTOLD_SQLSTATE:
        return None
    kind = databases.SQLSTATE.get(state) or databases.SQLSTATE.get(state[:2])
    return _verdict(kind, "sqlstate", state, lasting=state in databases.LASTING_SQLSTATE)


def _is_key(name: str, number: object) -> bool:
    return (name, number) in databases.LASTING_NUMBERS


def _verdict(
    kind: Kind | None, of: str, value: object, basis: Basis = Basis.CODE, *, lasting: bool = False
) -> Verdict | None:
    return Verdict(kind, f"{of} {value}", basis, lasting=lasting and kind is Kind.CONFLICT) if kind else None
