"""A table in a PostgreSQL database, as a pipeline declares it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recoup.model.errors import PipelineError
from recoup.model.sinks.declared import Mode, checked_key, checked_mode, refuse_key_without

NAME_BYTES = 63
"""PostgreSQL silently cuts what is longer."""
_PART = r'(?:[^\W\d][\w$-]*|"(?:[^"\0]|"")+")'
_TABLE = re.compile(rf"(?:({_PART})\.)?({_PART})")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]|^-")
_CONNECTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?:(?P<user>[^/?#]*)@)?[^/?#@]*(?:/(?P<database>[^?#]*))?(?P<options>\?[^#]*)?"
)


@dataclass(frozen=True, slots=True, init=False)
class Postgres:
    """A table in PostgreSQL, reached by a connection of `[connections]`, or by a URL without a password.

    `replace` deletes a partition's rows and inserts the run's. `upsert` ends with the same rows, but keeps a primary
    key on `key` and leaves rows that did not change untouched. With a `key`, rows that share one are refused. Names
    stand as they are written: `"Weekly Totals"` in double quotes where a name is more than letters, digits, _ and -.

    >>> Postgres("warehouse", table="nba.player_summary", key=["game_date", "player_id"]).name
    'warehouse.nba.player_summary'
    """

    connection: str
    table: str
    key: tuple[str, ...]
    mode: Mode

    def __init__(self, connection: str, *, table: str, key: Sequence[str] = (), mode: Mode = "replace") -> None:
        columns = checked_key(table, key, case_counts=True)
        object.__setattr__(self, "connection", _connection(connection))
        object.__setattr__(self, "table", _table(table))
        object.__setattr__(self, "key", columns)
        object.__setattr__(self, "mode", checked_mode(table, mode, columns))

    @property
    def kind(self) -> str:
        """The plug-in's name."""
        return "postgres"

    @property
    def name(self) -> str:
        """What people call it: `warehouse.nba.player_summary`."""
        table = self.table.replace('"', "")
        return _NOT_IN_A_NAME.sub("_", f"{self._place}.{table}")

    @property
    def lane(self) -> None:
        """None: PostgreSQL takes several partitions side by side."""

    @property
    def pool(self) -> str:
        """The connection's name: what else the pipelines do there may take its slots too."""
        return self._place

    @property
    def _place(self) -> str:
        url = _URL.fullmatch(self.connection)
        return (url["database"] or "postgres") if url else self.connection

    @property
    def schema_and_name(self) -> tuple[str, str]:
        """The table's two parts, without their quotes; `public` is PostgreSQL's own schema."""
        found = _TABLE.fullmatch(self.table)
        assert found is not None
        return _bare(found[1] or "public"), _bare(found[2])

    def check(self, key_names: str) -> None:
        """Refuse a key without the partition's."""
        refuse_key_without(key_names, self.key, self.name, case_counts=True)

    def to_json(self) -> dict[str, Any]:
        """What a worker needs to open it; where the connection leads, it learns from its own settings."""
        return {
            "kind": self.kind,
            "connection": self.connection,
            "table": self.table,
            "key": list(self.key),
            "mode": self.mode,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Postgres:
        """The inverse of `to_json`."""
        return cls(data["connection"], table=data["table"], key=data["key"], mode=data["mode"])


def _connection(connection: str) -> str:
    if _CONNECTION.fullmatch(connection):
        return connection
    remedy = 'name a connection of [connections] in recoup.toml, such as "warehouse", or give a postgresql:// URL'
    url = _URL.fullmatch(connection)
    if url is None:  # not shown: whatever it is, it may hold a password
        raise PipelineError("sink: what should name a PostgreSQL connection is neither a name nor a URL", remedy)
    _, _, password = (url["user"] or "").partition(":")
    if (password and not re.fullmatch(r"\$\{\w+\}", password)) or re.search(
        r"(?i)[?&](ssl)?password=(?!\$)", url["options"] or ""
    ):
        remedy = "write it as ${VARIABLE}, or name the whole under [connections] in recoup.toml"
        raise PipelineError(
            "sink: the URL of a PostgreSQL connection has a password in it, in the pipeline's code", remedy
        )
    return connection


def _table(table: str) -> str:
    found = _TABLE.fullmatch(table)
    parts = [_bare(part) for part in found.groups() if part] if found else []
    if not parts or parts[-1].startswith("_recoup_") or any(len(part.encode()) > NAME_BYTES for part in parts):
        message = f"sink: the table name {table[:80]!r} cannot be used"
        remedy = (
            f"write table or schema.table, each of at most {NAME_BYTES} bytes; in double quotes if it is no plain name"
        )
        raise PipelineError(message, f"{remedy}; names that begin with _recoup_ are recoup's own")
    return table


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
