"""Real databases fail in each way that has a kind."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from recoup.model.errors import UnreachableError
from recoup.model.failure import FailureKind
from recoup.recovery.classify import classify
from tests import servers

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def postgresql():
    with servers.postgresql() as url:
        servers.say(
            url, "CREATE TABLE box (points integer PRIMARY KEY CHECK (points < 100))", "INSERT INTO box VALUES (1)"
        )
        yield url


@pytest.fixture(scope="module")
def mariadb():
    with servers.mariadb() as url:
        servers.say(url, "CREATE TABLE box (points INTEGER PRIMARY KEY)", "INSERT INTO box VALUES (1)")
        yield url


def kind_of(url, *statements):
    with pytest.raises(sa.exc.DBAPIError) as raised:
        servers.say(url, *statements)
    bare, wrapped = raised.value.orig, raised.value
    assert bare is not None
    assert classify(bare).kind == classify(wrapped).kind
    return classify(wrapped).kind


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (["SELECT 1 / 0"], FailureKind.LOGIC),
        (["SELECT 'x'::integer"], FailureKind.CONTRACT),
        (["INSERT INTO box VALUES (NULL)"], FailureKind.CONTRACT),
        (["INSERT INTO box VALUES (100)"], FailureKind.QUALITY),
        (["INSERT INTO box VALUES (1)"], FailureKind.CONFLICT),
        (["SELEC 1"], FailureKind.LOGIC),
        (["SELECT 1 FROM nix"], FailureKind.MISSING),
        (["SELECT 1 FROM nix.box"], FailureKind.MISSING),
        (["SELECT nix FROM box"], FailureKind.CONTRACT),
        (["SET LOCAL statement_timeout = 10", "SELECT pg_sleep(5)"], FailureKind.TIMEOUT),
        (["SET LOCAL ROLE pg_monitor", "INSERT INTO box VALUES (2)"], FailureKind.PERMISSION),
        (["SELECT pg_terminate_backend(pg_backend_pid())"], FailureKind.SERVICE),
    ],
)
def test_postgresql(postgresql, statements, kind):
    assert kind_of(postgresql, *statements) is kind


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (["INSERT INTO box VALUES (1)"], FailureKind.CONFLICT),
        (["INSERT INTO box VALUES (NULL)"], FailureKind.CONTRACT),
        (["SELEC 1"], FailureKind.LOGIC),
        (["SELECT 1 FROM nix"], FailureKind.MISSING),
        (["SELECT nix FROM box"], FailureKind.CONTRACT),
        (["SET STATEMENT max_statement_time = 0.01 FOR SELECT SLEEP(5), benchmark(100000000, 1)"], FailureKind.TIMEOUT),
    ],
)
def test_mariadb(mariadb, statements, kind):
    assert kind_of(mariadb, *statements) is kind


def test_mariadb_knows_nobody_and_is_not_there(mariadb):
    assert kind_of(mariadb.replace("root@", "root:geheim@"), "SELECT 1") is FailureKind.AUTH
    assert kind_of(mariadb.replace(":3306", ":1"), "SELECT 1") is FailureKind.NETWORK


def test_what_we_say_about_it_does_not_hide_the_answer(postgresql):
    with pytest.raises(sa.exc.DBAPIError) as raised:
        servers.say(postgresql, "SELECT 1 FROM nix")
    error = UnreachableError("the table is not there")
    error.__cause__ = raised.value
    assert classify(error).kind is FailureKind.MISSING
