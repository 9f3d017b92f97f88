"""Real databases for tests: each test gets one of its own, with a name that nobody else has, and drops it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
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


class OwnServer:
    """A PostgreSQL server that a test may kill; it has a folder and a port of its own, and may ask for passwords."""

    def __init__(self, folder: Path, *, password: bool = False) -> None:
        self.folder, self.data = folder, folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        auth = ["--auth-local=trust", "--auth-host=scram-sha-256" if password else "--auth-host=trust"]
        self._tool("initdb", "--no-sync", *auth, "--username=root", "--encoding=UTF8", "-D", str(self.data))

    @property
    def url(self) -> str:
        return f"postgresql://root@127.0.0.1:{self.port}/postgres"

    def say(self, *statements: str) -> list[tuple[Any, ...]]:
        """By the socket, which asks for no password; the rows of the last statement."""
        place = f"host={self.folder} port={self.port} user=root dbname=postgres"
        with psycopg.connect(place, autocommit=True) as connection:
            cursors = [connection.execute(statement.encode()) for statement in statements]
            return cursors[-1].fetchall() if cursors[-1].description else []

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        self._tool("pg_ctl", "start", "-w", "-s", "-D", str(self.data), "-l", str(self.folder / "log"), "-o", options)

    def kill(self) -> None:
        """As a crash would: sessions are cut, nothing is flushed."""
        self._tool("pg_ctl", "stop", "-s", "-m", "immediate", "-D", str(self.data))

    def _tool(self, name: str, *words: str) -> None:
        places = [shutil.which(name), *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)]
        program = next((str(place) for place in places if place), None)
        if program is None:
            pytest.skip(f"there is no {name} here")
        # The server refuses to run as root.
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run([*user, program, *words], cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=60)


@contextmanager
def own_postgresql(*, password: bool = False) -> Iterator[OwnServer]:
    """A server that runs; whatever is left of it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="recoup-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = OwnServer(folder, password=password)
        server.start()
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):  # it may be dead already
                server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
