"""`${NAME}` is filled in once, and what cannot be is told without showing what stands there."""

import pytest

from recoup.app.configuration.variables import expanded, mentions
from recoup.model.errors import ConfigError

VARIABLES = {"BUCKET": "b", "EMPTY": "", "TRICK": "${BUCKET}"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("s3://${BUCKET}/lake", "s3://b/lake"),
        ("${BUCKET}${BUCKET}", "bb"),
        ("$BUCKET $ {BUCKET} a$b }", "$BUCKET $ {BUCKET} a$b }"),
        ("$${BUCKET} ${BUCKET}", "${BUCKET} b"),
        ("${TRICK}", "${BUCKET}"),
        (["${BUCKET}/*.py", "x"], ["b/*.py", "x"]),
        ({"rate": "${BUCKET}/s", "slots": 4}, {"rate": "b/s", "slots": 4}),
        (5, 5),
        (True, True),
    ],
)
def test_what_is_read(written, read):
    assert expanded(written, VARIABLES, "here") == read


@pytest.mark.parametrize("name", ["NIX", "EMPTY"])
def test_a_variable_that_is_not_set(name):
    with pytest.raises(ConfigError) as told:
        expanded(f"s3://hush/${{{name}}}", VARIABLES, "recoup.toml:3: lake")
    assert told.value.message == f"recoup.toml:3: lake needs ${{{name}}}, and that variable is not set"
    assert told.value.remedy == f"set {name}"


@pytest.mark.parametrize("written", ["${", "${hush", "${}", "${1A}", "${A-B}", "${hush }", "x ${A B} y"])
def test_what_names_no_variable(written):
    with pytest.raises(ConfigError) as told:
        expanded(written, VARIABLES, "recoup.toml:3: lake")
    assert told.value.message == "recoup.toml:3: lake: a ${ in it names no variable"
    assert "$${" in told.value.remedy


def test_whether_a_text_is_made_with_a_variable():
    assert mentions("a/${RECOUP_ENV}", "RECOUP_ENV")
    assert not any(mentions(value, "RECOUP_ENV") for value in ("$${RECOUP_ENV}", "RECOUP_ENV", "${OTHER}", 5, None))
