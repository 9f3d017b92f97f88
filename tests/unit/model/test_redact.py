"""No secret is kept, by its looks or by its value; what is none is left."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from recoup.model.redact import HIDDEN, redact, redacted, redactor

SECRET = "hunter2-9f8e7d6c5b4a"


@pytest.mark.parametrize(
    "key",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "xoxb-123456789012-abcdefghijkl",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    ],
)
def test_keys_that_are_known_by_their_looks(key):
    assert key not in redact(f"they refused {key} at once")


@pytest.mark.parametrize("text", [f"its password is '{SECRET}'", f'the api key was "{SECRET}"', f"DB_PW={SECRET} make"])
def test_a_secret_by_what_stands_before_it(text):
    assert SECRET not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'token'",
        "nothing at http://db.example:8080/path?x=1",
        "basic validation failed: 3 rows",
        "no such file: lake/clean/dt=2013-01-01/a1-9f8e7d6c-0.parquet",
        "signature() takes 2 arguments, the tokens were 5",
        "expected key=dt, got carrier",
        "the password is required, and the token was not sent",
    ],
)
def test_what_is_no_secret_is_left(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "name", ["PGPASSWORD", "DB_PASS", "SMTP_PWD", "DB_PW", "GITHUB_TOKEN", "FAA_API_KEY", "MY_SECRET"]
)
def test_the_value_of_a_secret_variable_is_hidden_wherever_it_stands(name):
    assert redactor({name: SECRET})(f"they said {SECRET}!") == "they said ***!"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", f"postgresql://bob:{SECRET}@db/x"), ("AZURE", f"AccountName=a;AccountKey={SECRET};Suffix=x")],
)
def test_a_secret_within_the_value_of_another_variable(name, value):
    assert redactor({name: value})(f"they said {SECRET}!") == "they said ***!"


@pytest.mark.parametrize(
    "name", ["PWD", "OLDPWD", "AWS_WEB_IDENTITY_TOKEN_FILE", "TOKEN_URL", "HOME", "AWS_ACCESS_KEY_ID"]
)
def test_variables_that_hold_no_secret(name):
    assert redactor({name: "/srv/orders"})("no such file: /srv/orders/x") == "no such file: /srv/orders/x"


def test_a_secret_in_another_spelling():
    secret = 'p@ss/wörd "7"'
    hide = redactor({"DB_PASSWORD": secret})

    for spelling in (secret, quote(secret, safe=""), json.dumps(secret), repr(secret)):
        assert secret not in hide(f"<{spelling}>")
        assert "7" not in hide(f"<{spelling}>")


def test_the_longer_of_two_secrets_is_hidden_whole():
    assert redactor({"A_TOKEN": "abcdef", "B_TOKEN": "abcdef-and-more"})("abcdef-and-more") == "***"


def test_a_short_value_is_not_hunted_for():
    assert redactor({"DB_PASSWORD": "root"})("the root of the lake") == "the root of the lake"


def test_a_private_key():
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"
    assert "MIIEow" not in redact(f"loaded {key} from a file")
    assert "MIIEowIBAAKCAQEA" not in redactor({"SSH_PRIVATE_KEY": "--\nMIIEowIBAAKCAQEA\n--"})("x MIIEowIBAAKCAQEA")


def test_json_stays_json_and_a_number_that_is_called_token_is_none():
    body = {
        "token": 17,
        "password": "open sesame",
        "log": "/runs/token=t0ps3cret/a.log",
        "tries": [{"message": "postgresql://ann:t0ps3cret@db/x", "ok": True, "at": None, "seconds": 0.5}],
    }
    assert redacted(body, redact) == {
        "token": 17,
        "password": HIDDEN,
        "log": f"/runs/token={HIDDEN}",
        "tries": [{"message": f"postgresql://ann:{HIDDEN}@db/x", "ok": True, "at": None, "seconds": 0.5}],
    }
