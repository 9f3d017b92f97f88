"""A connection by name: from the settings, with variables filled in; what is missing is told without its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from recoup.app.connections import connection_url, secret_variables
from recoup.app.settings import Settings
from recoup.model.errors import ConfigError, ExitCode


def settings(**connections: str) -> Settings:
    return Settings(Path("/p"), "lake", Path("/p/ledger.db"), connections=connections, config=Path("/p/recoup.toml"))


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("postgresql://h:5433/d", "postgresql://h:5433/d"),
        ("${URL}", "postgresql://a:b@h/d"),
        (
            "postgresql://me:${PASSWORD}@${HOST}/d?sslmode=${MODE}",
            "postgresql://me:p%40%2F%25%24@db.example/d?sslmode=require",
        ),
        ("host=${HOST} password='${PASSWORD}'", "host=db.example password='p@/%$'"),
        ("postgresql://me:a$b@h/d", "postgresql://me:a$b@h/d"),
    ],
)
def test_variables_are_filled_in(written: str, filled: str) -> None:
    environ = {"URL": "postgresql://a:b@h/d", "PASSWORD": "p@/%$", "HOST": "db.example", "MODE": "require"}
    assert connection_url(settings(warehouse=written), "warehouse", environ) == filled


def test_a_url_is_its_own_connection() -> None:
    assert connection_url(settings(), "postgresql://me:${P}@h/d", {"P": "x y"}) == "postgresql://me:x%20y@h/d"


def test_a_value_that_looks_like_a_placeholder_is_not_filled_in_again() -> None:
    environ = {"A": "${B}", "B": "secret"}
    assert connection_url(settings(w="host=${A}"), "w", environ) == "host=${B}"


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_HOST", "h")
    assert connection_url(settings(w="host=${SOME_HOST}"), "w") == "host=h"


def test_a_variable_that_is_not_set_is_named_and_nothing_else_is_shown() -> None:
    with pytest.raises(ConfigError) as told:
        connection_url(settings(warehouse="postgresql://me:hush${REST}@h/d"), "warehouse", {"REST": ""})
    assert told.value.message == "the connection 'warehouse' needs ${REST}, and that variable is not set"
    assert told.value.remedy
    with pytest.raises(ConfigError) as told:
        connection_url(settings(), "postgresql://me:hush${REST}@h/d", {})
    assert "hush" not in told.value.message + told.value.remedy


@pytest.mark.parametrize("name", ["warehuose", "", "../x", "x" * 10_000])
def test_an_unknown_connection(name: str) -> None:
    with pytest.raises(ConfigError) as told:
        connection_url(settings(warehouse="postgresql://me:hush@h/d", lake="host=h"), name, {})
    assert told.value.exit_code is ExitCode.USAGE
    assert "known: warehouse, lake" in told.value.message
    assert "RECOUP_CONNECTIONS_" in told.value.remedy
    assert "hush" not in told.value.message + told.value.remedy
    assert len(told.value.message + told.value.remedy) < 500


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("postgresql://${WHO}:${WORD}@${HOST}:${PORT}/${DB}", ["WORD"]),
        ("postgresql://${WHO}@host/db", []),
        ("postgresql://me:pre-${ONE}${TWO}@host/db", ["ONE", "TWO"]),
        ("postgresql://host/db?user=${WHO}&password=${WORD}&sslmode=${MODE}", ["WORD"]),
        ("host=${HOST} password=${WORD} dbname=${DB}", ["WORD"]),
        ("${EVERYTHING}", ["EVERYTHING"]),
        ("postgresql://me:$${WORD}@host/db", []),
    ],
)
def test_a_variable_is_secret_by_where_it_stands(url, secret):
    assert list(secret_variables(settings(wh=url))) == secret
