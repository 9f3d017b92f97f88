"""Real databases for tests: each test gets one of its own, with a name that nobody else has, and drops it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

POSTGRESQL = os.environ.get("RECOUP_TEST_POSTGRESQL", "postgresql+psycopg://root@127.0.0.1:5432/postgres")
MARIADB = os.environ.get("RECOUP_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql")


@contextmanager
def postgresql(template: str = "") -> Iterator[str]:
    """The URL of a new database, empty or a copy of the one at another URL."""
    copied = f' TEMPLATE "{sa.make_url(template).database}"' if template else ""
    with _own(POSTGRESQL, f'CREATE DATABASE "{{}}"{copied}', 'DROP DATABASE "{}" WITH (FORCE)') as url:
        yield url


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of a new database."""
    with _own(MARIADB, "CREATE DATABASE `{}`", "DROP DATABASE `{}`") as url:
        yield url


def sqlite(folder: Path) -> str:
    """The URL of a new file."""
    return f"sqlite:///{folder / 'warehouse.db'}"


def say(url: str, *statements: str, **values: Any) -> list[Any]:
    """Statements in one transaction; the rows of the last one where it has any."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    rows: list[Any] = []
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(sa.text(statement), values or None)
            rows = list(result) if result.returns_rows else []
    return rows


@contextmanager
def _own(url: str, create: str, drop: str) -> Iterator[str]:
    name = f"recoup_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(create.format(name))
    except sa.exc.OperationalError as error:
        pytest.skip(f"no server at {engine.url!r}: {error.orig}")
    try:
        yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(drop.format(name))
