"""A database for all tests of this folder, and a schema of its own for each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import servers
from tests.unit.sinks.postgres import Warehouse


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    with servers.postgresql() as url:
        yield url.replace("+psycopg", "")


@pytest.fixture
def warehouse(postgresql: str, tmp_path: Path) -> Iterator[Warehouse]:
    schema = f"s{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgresql, autocommit=True, prepare_threshold=None) as onlooker:
        warehouse = Warehouse(postgresql, schema, tmp_path, onlooker)
        yield warehouse
        warehouse.close()
        onlooker.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
