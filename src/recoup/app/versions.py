"""What all this runs on: recoup, Python, the system, and the libraries that steps and sinks work with."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from typing import Final

_PACKAGES: Final = (
    *("recoup", "polars", "pyarrow", "pandas", "duckdb", "psycopg", "adbc-driver-postgresql", "sqlalchemy"),
    *("boto3", "httpx", "requests", "prefect", "ray"),
)


def versions() -> dict[str, str]:
    """By name; what is not installed is left out."""
    found = {"python": platform.python_version(), "system": platform.platform(), "sqlite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
