"""Codes that stand in a message in a form that is never mere prose: what a library would say beside its words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from recoup.model.evidence import Cause

# Each: what must stand in the text at all (a quick look), the form, and which facts its groups are.
_FORMS: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = (
    ("[Errno ", re.compile(r"\[Errno (-?\d+)\]"), ("errno",)),
    ("[WinError ", re.compile(r"\[WinError (\d+)\]"), ("winerror",)),
    ("An error occurred (", re.compile(r"An error occurred \(([\w.]+)\) when calling the"), ("code",)),
    ("ErrorCode:", re.compile(r"^ErrorCode:\s*(\w+)", re.MULTILINE), ("code",)),
    ("; code: ", re.compile(r"; code: (\w+), message"), ("code",)),  # minio
    ("<Code>", re.compile(r"<Code>([\w.]+)</Code>"), ("code",)),
    ("KafkaError{", re.compile(r"KafkaError\{code=(\w+)"), ("code",)),
    # elasticsearch and trino, whose own attributes are not always at hand
    ("Error(", re.compile(r"^\w*Error\(\d{3}, ['\"](\w+)['\"]"), ("code",)),
    ("(type=", re.compile(r"^\w+Error\(type=\w+, name=(\w+),"), ("code",)),
    ("errorCode", re.compile(r"""["']errorCode["']:\s*["'](\w+)["']"""), ("code",)),
    ("__type", re.compile(r"""["']__type["']:\s*["'](?:[\w.]+#)?(\w+)["']"""), ("code",)),
    ("StatusCode.", re.compile(r"status = StatusCode\.(\w+)"), ("grpc",)),
    ("code = ", re.compile(r"rpc error: code = (\w+)"), ("grpc",)),
    ("SQLSTATE", re.compile(r"SQLSTATE[\[:= ]+([0-9A-Z]{5})\b"), ("sqlstate",)),
    ("ORA-", re.compile(r"\bORA-0*(\d+)"), ("ora",)),
    ("Code: ", re.compile(r"\bCode: (\d+)\. DB::"), ("clickhouse",)),
    ("'C': '", re.compile(r"'C': '(?!XX000)([0-9A-Z]{5})'"), ("sqlstate",)),  # pg8000, redshift
    ("[SQL Server]", re.compile(r"\[SQL Server\].*?\((\d+)\) \(SQL", re.DOTALL), ("mssql",)),
    ("[SQLServer", re.compile(r"\[SQLServer\b.*?\((\d+)\)", re.DOTALL), ("mssql",)),
    ("DB-Lib error", re.compile(r"^\((\d+), b['\"]"), ("mssql",)),
    ("Msg ", re.compile(r"\bMsg (\d+), Level \d+"), ("mssql",)),
    ("('", re.compile(r"^\('([0-9A-Z]{5})', "), ("sqlstate",)),
    ("(", re.compile(r"^\((\d{4}), [\"']"), ("number",)),
    (" (", re.compile(r"^(\d{4}) \(([0-9A-Z]{5})\)"), ("number", "sqlstate")),
    ("ERROR ", re.compile(r"\bERROR (\d{4}) \(([0-9A-Z]{5})\)"), ("number", "sqlstate")),
    (" (", re.compile(r"^0*(\d{4,6}) \(([0-9A-Z]{5})\): "), ("snowflake", "sqlstate")),
    ("curl: (", re.compile(r"curl: \((\d+)\)"), ("curl",)),
)
_STATUS = re.compile(
    r"(?:\bhttp(?:/\d(?:\.\d)?)?(?: error| status)?(?: code)?:? ?|\bstatus(?:[_ ]?code)?['\"]?[:= ]{1,3}"
    r"|\breturned (?:an? )?(?:unexpected )?(?:error|status|response|code)?:? ?(?:code:? )?|\bresponse code "
    r"|\berror code:? |\btoo many |<protocolerror for \S+: |(?:client|server) error '"
    r"|^(?=\d{3}(?:$|[:,;)]| ?-| (?-i:[A-Z<{\[]))))"
    r"([45]\d\d)\b(?! ?(?:(?:\w+ )?(?:rows|records|values|columns|lines|files|items|keys|ids|games|tables|partitions"
    r"|attempts|retries|times|errors|failures|seconds|minutes|bytes|of)\b|s\b|ms\b|%|GiB|MiB|connect|/|\.\d))",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:(401) unauthorized|(403) forbidden|(404) not found|(409) conflict|(412) precondition failed"
    r"|(429) too many requests|(500) internal server error|(502) bad gateway|(503) service unavailable"
    r"|(504) gateway time-?out|([45]\d\d) (?:client|server) error)\b",
    re.IGNORECASE,
)
_OF_ERROR = re.compile(r"[45]\d\d")
_DRIVER = re.compile(r"^\(([\w.]+\.\w+)\) (.*)", re.DOTALL)
_NUMBERS = frozenset({"errno", "winerror", "ora", "clickhouse", "mssql", "number", "snowflake", "curl"})


def told(message: str) -> dict[str, Any]:
    """The codes in a message."""
    facts: dict[str, Any] = {}
    for hint, form, names in _FORMS:
        if hint in message and (found := form.search(message)):
            for name, value in zip(names, found.groups(), strict=True):
                facts.setdefault(name, _read(name)(value))
    return facts


def wrapped(cause: Cause) -> Cause | None:
    """The driver's own error, which SQLAlchemy quotes in front of its words: `(psycopg.errors.UndefinedTable) …`."""
    is_wrapper = bool(cause.classes) and cause.classes[0].startswith("sqlalchemy.exc.")
    found = _DRIVER.match(cause.message) if is_wrapper else None
    return Cause((found.group(1),), found.group(2), told(found.group(2))) if found else None


def status_in(message: str) -> int | None:
    """An HTTP status in words that only HTTP uses; a number in an id or a count is none."""
    if not _OF_ERROR.search(message):
        return None
    if found := _REASON.search(message):
        return int(next(filter(None, found.groups())))
    found = _STATUS.search(message)
    return int(found.group(1)) if found else None


def _read(name: str) -> Callable[[str], Any]:
    return int if name in _NUMBERS else str
