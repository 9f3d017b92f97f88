"""Environments: what each changes, what it keeps to itself, and what is refused before two can meet in one ledger."""

import os

import pytest

from recoup.app.settings import load_settings
from recoup.app.shown_settings import shown
from recoup.model.errors import ConfigError, ExitCode
from recoup.model.pool import Pool
from recoup.model.redact import redactor

FULL = """\
max_parallel = 2
executor = "processes"

[pools]
api = 2
db = 1

[connections]
warehouse = "postgresql://localhost/dev"

[env.dev]
executor = "inline"

[env.prod]
lake = "s3://bucket/lake"
ledger = "/srv/recoup/ledger.db"
max_parallel = 64
pools.api = 16

[env.prod.connections]
warehouse = "postgresql://app:${PG_PASSWORD}@db/app"
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def load(tmp_path):
    def load(text, environment=None, **environ):
        (tmp_path / "recoup.toml").write_text(text)
        return load_settings(None, environ, environment=environment)

    return load


def test_without_one_the_settings_stand_as_at_the_top(load, tmp_path):
    settings = load(FULL)
    assert (settings.environment, settings.environments) == (None, ("dev", "prod"))
    assert (settings.max_parallel, settings.lake) == (2, str(tmp_path / "lake"))


def test_its_table_wins_over_the_top_and_tables_are_merged_by_name(load, tmp_path):
    settings = load(FULL, "prod")

    assert (settings.lake, str(settings.ledger)) == ("s3://bucket/lake", "/srv/recoup/ledger.db")
    assert (settings.max_parallel, settings.executor) == (64, "processes")
    assert settings.pools == {"api": Pool(slots=16), "db": Pool(slots=1)}
    assert settings.connections == {"warehouse": "postgresql://app:${PG_PASSWORD}@db/app"}
    file = tmp_path / "recoup.toml"
    assert str(settings.origin["pools.api"]) == f"{file}:18"
    assert settings.origin["pools.api"].environment == "prod"
    assert str(settings.origin["pools.db"]) == f"{file}:6"
    assert settings.origin["pools.db"].environment is None


def test_lake_and_ledger_are_its_own_even_where_nobody_names_them(load, tmp_path):
    dev, top = load(FULL, "dev"), load(FULL)
    assert (dev.lake, dev.ledger) == (str(tmp_path / "lake-dev"), tmp_path / ".recoup-dev" / "ledger.db")
    assert {dev.lake, dev.ledger}.isdisjoint({top.lake, top.ledger})
    assert str(dev.origin["lake"]) == "default of environment dev"


def test_the_flag_wins_over_the_variable_and_an_empty_flag_means_the_top(load):
    assert load(FULL, RECOUP_ENV="dev").environment == "dev"
    assert load(FULL, "prod", RECOUP_ENV="dev").environment == "prod"
    assert load(FULL, "", RECOUP_ENV="dev").environment is None
    assert load(FULL, RECOUP_ENV="").environment is None
    assert str(load(FULL, RECOUP_ENV="dev").origin["environment"]) == "$RECOUP_ENV"
    assert str(load(FULL, "prod", RECOUP_ENV="dev").origin["environment"]) == "--env"


def test_variables_win_over_the_table(load):
    settings = load(FULL, "prod", RECOUP_MAX_PARALLEL="3", RECOUP_CONNECTIONS_WAREHOUSE="postgresql://h/own")
    assert settings.max_parallel == 3
    assert settings.connections == {"warehouse": "postgresql://h/own"}


def test_the_name_can_stand_in_a_place_at_the_top(load, tmp_path):
    text = 'lake = "s3://bucket/${RECOUP_ENV}"\nledger = "state/${RECOUP_ENV}.db"\n[env.a]\n[env.b]\n'
    assert (load(text, "a").lake, load(text, "b").lake) == ("s3://bucket/a", "s3://bucket/b")
    assert load(text, "b").ledger == tmp_path / "state" / "b.db"
    with pytest.raises(ConfigError) as told:
        load(text)
    assert told.value.message.endswith("recoup.toml:1: lake needs ${RECOUP_ENV}, and that variable is not set")


def test_a_variable_of_another_environment_need_not_be_set(load):
    text = '[env.a]\nlake = "s3://${NIX}/a"\n[env.b]\n'
    assert load(text, "b").environment == "b"
    assert load(text, "a", RECOUP_LAKE="own").lake.endswith("/own")
    with pytest.raises(ConfigError):
        load(text, "a")


# ------------------------------------------------------------------------------------------------ mistakes


@pytest.fixture
def refused(load, tmp_path):
    def refused(text, environment=None, **environ):
        with pytest.raises(ConfigError) as raised:
            load(text, environment, **environ)
        assert raised.value.exit_code is ExitCode.USAGE
        assert raised.value.remedy
        assert "\n" not in raised.value.message + raised.value.remedy
        return raised.value.message.replace(f"{tmp_path}/", ""), raised.value.remedy.replace(f"{tmp_path}/", "")

    return refused


def test_an_unknown_one_lists_what_there_is(refused):
    assert refused(FULL, "prdo") == (
        "there is no environment 'prdo'",
        "did you mean prod? recoup.toml has dev, prod",
    )
    assert refused(FULL, RECOUP_ENV="x" * 10_000)[0].endswith("($RECOUP_ENV)")
    assert len(refused(FULL, "x" * 10_000)[0]) < 200
    assert refused("max_parallel = 1", "prod")[1] == "recoup.toml has none; a table [env.prod] would make one"


def test_without_a_file_there_is_none(tmp_path):
    with pytest.raises(ConfigError) as told:
        load_settings(None, {}, environment="prod")
    assert told.value.remedy == "recoup.toml has none; a table [env.prod] would make one"


@pytest.mark.parametrize("name", ["lake", "ledger"])
def test_a_place_at_the_top_is_not_shared_by_accident(refused, load, name):
    text = f'{name} = "data/x"\n[env.ci]\nmax_parallel = 1\n'
    message, remedy = refused(text, "ci")
    assert message == f"recoup.toml:1: environment 'ci' would share this {name} with all others"
    assert remedy == f"write {name} = … under [env.ci], or put ${{RECOUP_ENV}} into the one at the top"
    assert load(text).max_parallel != 1
    assert load(text, "ci", **{f"RECOUP_{name.upper()}": "own"}).max_parallel == 1


def test_on_purpose_it_can_be_shared(load):
    text = 'lake = "l"\nledger = "x.db"\n[env.ci]\nmax_parallel = 1\nlake = "l"\nledger = "x.db"\n'
    assert (load(text).ledger, load(text).lake) == (load(text, "ci").ledger, load(text, "ci").lake)


@pytest.mark.parametrize(
    ("text", "line", "whose"),
    [
        ("[env.a]\nledger = 'x.db'\n[env.b]\nledger = 'x.db'\n", 4, "of environment 'a'"),
        ("[env.a]\nlake = 'l'\nledger = 'x.db'\n[env.b]\nledger = 'x.db'\nlake = 'm'", 5, "of environment 'a'"),
        ("ledger = 'x.db'\nlake = 'l'\n[env.b]\nledger = 'x.db'\n", 4, "at the top"),
        ("[env.b]\nledger = '.recoup/ledger.db'\n", 2, "at the top"),
    ],
)
@pytest.mark.parametrize("environment", [None, "b"])
def test_one_ledger_cannot_have_two_lakes(refused, text, line, whose, environment):
    message, _ = refused(text, environment)
    assert message == (f"recoup.toml:{line}: environment 'b' has the same ledger as the one {whose}, but another lake")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env = 'prod'", "1: env must be a table, not 'prod'"),
        ("[env]\nprod = 'x'", "2: env.prod must be a table, not 'x'"),
        ("[env.'../x']", "1: '../x' cannot name an environment"),
        ("[env.'']", "1: '' cannot name an environment"),
        ("[env.'a b']", "1: 'a b' cannot name an environment"),
        ("[env.prod]\nlaek = 'x'", "2: unknown setting 'laek'"),
        ("[env.prod]\nmax_parallel = 'x'", "2: max_parallel must be a whole number, not 'x'"),
        ("[env.prod.env.deep]\nlake = 'x'", "1: unknown setting 'env'"),
    ],
)
def test_a_table_that_cannot_be_is_told_whichever_is_chosen(refused, text, message):
    assert refused(text)[0] == f"recoup.toml:{message}"
    assert refused(text, "fine")[0] == f"recoup.toml:{message}"


def test_a_value_that_cannot_be_is_told_where_it_counts(refused, load):
    text = "[env.a]\nmax_parallel = 0\n[env.b]\n"
    assert refused(text, "a")[0] == "recoup.toml:2: max_parallel = 0: it must be at least 1"
    assert load(text, "b").environment == "b"


def test_the_nearest_name_is_suggested(refused):
    assert refused("max_paralel = 1")[1].startswith("did you mean max_parallel? the settings are lake, ledger, ")
    assert refused("[environment.x]")[1].startswith("the settings are ")
    assert refused("[envs.x]")[1].startswith("did you mean env? ")


# ------------------------------------------------------------------------------------------------ shown


def test_what_is_shown_has_no_secret(load):
    secret = "correct-horse"
    text = FULL.replace("${PG_PASSWORD}", "battery-staple") + 'other = "host=h password=hush"\n'
    environ = {"PG_PASSWORD": secret, "RECOUP_LAKE": f"s3://{secret}/x", "RECOUP_CONNECTIONS_API": "https://u:sesame@h"}
    settings = load(text, "prod", **environ)
    rows = {row.name: row.value for row in shown(settings, redactor(environ))}

    assert rows["connections.warehouse"] == "postgresql://app:***@db/app"
    assert rows["connections.other"] == "host=h password=***"
    assert rows["connections.api"] == "https://u:***@h"
    assert rows["lake"] == "s3://***/x"
    assert not any(word in repr((rows, settings)) for word in ("battery", "hush", "sesame"))


def test_a_connection_is_shown_as_it_is_written(load):
    rows = {row.name: row.value for row in shown(load(FULL, "prod", PG_PASSWORD="x"), redactor({}))}
    assert rows["connections.warehouse"] in ("postgresql://app:***@db/app", "postgresql://app:${PG_PASSWORD}@db/app")


def test_every_value_has_an_origin(load, tmp_path):
    rows = {row.name: row for row in shown(load(FULL, "dev"), redactor({}))}
    assert (rows["environment"].value, str(rows["environment"].origin)) == ("dev", "--env")
    assert rows["config"].value == str(tmp_path / "recoup.toml")
    assert (rows["max_parallel"].value, str(rows["max_parallel"].origin)) == (2, f"{tmp_path}/recoup.toml:1")
    assert str(rows["lease_seconds"].origin) == "default"
    assert rows["lease_seconds"].value == 60.0
    assert load("").max_parallel == os.cpu_count()
