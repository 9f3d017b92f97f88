"""Where a value comes from, who wins, and what each mistake is told as: with its place and a remedy."""

import os
from pathlib import Path

import pytest

from recoup.app.settings import load_settings
from recoup.model.errors import ConfigError, ExitCode
from recoup.model.pool import Pool


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def written(tmp_path):
    def write(text, name="recoup.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def load(config=None, **environ):
    return load_settings(config, environ)


FULL = """
lake = "data/lake"
ledger = "state/ledger.db"
executor = "inline"
max_parallel = 3
lease_seconds = 30

[pipelines]
flights = "flights.py:flights"

[pools]
faa-api = 2
games = {rate = "10/s", delay = "2s"}

[connections]
warehouse = "postgresql://h/d"
"""


def test_without_a_file_everything_has_its_default(tmp_path):
    settings = load()

    assert settings.root == tmp_path
    assert settings.lake == str(tmp_path / "lake")
    assert settings.ledger == tmp_path / ".recoup" / "ledger.db"
    assert settings.state == tmp_path / ".recoup"
    assert (settings.pipelines, settings.pools) == ({}, {})
    assert (settings.executor, settings.max_parallel, settings.lease_seconds) == ("processes", os.cpu_count(), 60.0)
    assert {name: str(settings.origin[name]) for name in ("config", "lake", "ledger")} == {
        "config": "no recoup.toml",
        "lake": "default",
        "ledger": "default",
    }
    assert (settings.config, settings.environment, settings.environments) == (None, None, ())


def test_a_file(written, tmp_path):
    path = written(FULL)
    settings = load()

    assert settings.lake == str(tmp_path / "data" / "lake")
    assert settings.ledger == tmp_path / "state" / "ledger.db"
    assert (settings.executor, settings.max_parallel, settings.lease_seconds) == ("inline", 3, 30.0)
    assert settings.pipelines == {"flights": "flights.py:flights"}
    assert settings.pools == {"faa-api": Pool(slots=2), "games": Pool(rate="10/s", delay="2s")}
    assert {name: str(origin) for name, origin in settings.origin.items()} == {
        "config": "nearest upwards",
        "lake": f"{path}:2",
        "ledger": f"{path}:3",
        "executor": f"{path}:4",
        "max_parallel": f"{path}:5",
        "lease_seconds": f"{path}:6",
        "pipelines.flights": f"{path}:9",
        "pools.faa-api": f"{path}:12",
        "pools.games": f"{path}:13",
        "connections.warehouse": f"{path}:16",
    }


def test_the_nearest_file_upwards_counts_and_paths_are_relative_to_it(written, tmp_path, monkeypatch):
    written("max_parallel = 1")
    written("max_parallel = 2", "a/recoup.toml")
    inner = tmp_path / "a" / "b"
    inner.mkdir()
    monkeypatch.chdir(inner)
    settings = load()

    assert settings.max_parallel == 2
    assert settings.lake == str(tmp_path / "a" / "lake")


def test_a_table_in_pyproject(written, tmp_path):
    path = written(
        '[project]\nname = "x"\n\n[tool.recoup]\nmax_parallel = 5\n[tool.recoup.pools]\napi = 1', "pyproject.toml"
    )
    settings = load()

    assert (settings.max_parallel, settings.pools) == (5, {"api": Pool(slots=1)})
    assert str(settings.origin["max_parallel"]) == f"{path}:5"
    assert settings.root == tmp_path


def test_a_pyproject_without_the_table_is_not_ours(written, tmp_path, monkeypatch):
    written("max_parallel = 7")
    inner = written("[tool.recoupment]\nmax_parallel = 5 # not [tool.recoup]\n", "a/pyproject.toml").parent
    monkeypatch.chdir(inner)

    assert load().max_parallel == 7


def test_our_own_file_wins_over_pyproject(written):
    written("[tool.recoup]\nmax_parallel = 5", "pyproject.toml")
    written("max_parallel = 6")

    assert load().max_parallel == 6


def test_variables_win_and_say_so(written, tmp_path):
    path = written(FULL)
    settings = load(
        RECOUP_MAX_PARALLEL="9", RECOUP_LAKE="s3://bucket/lake", RECOUP_LEASE_SECONDS="1.5", RECOUP_OTHER="x"
    )

    assert (settings.max_parallel, settings.lake, settings.lease_seconds) == (9, "s3://bucket/lake", 1.5)
    assert str(settings.origin["max_parallel"]) == "$RECOUP_MAX_PARALLEL"
    assert str(settings.origin["ledger"]) == f"{path}:3"
    assert settings.ledger == tmp_path / "state" / "ledger.db"


def test_connections_come_from_the_file_and_from_a_variable_each(written):
    written("[connections]\nwarehouse = 'postgresql://u:hush@h/d'\nmy-own = 'postgresql://h/e'")
    settings = load(
        RECOUP_CONNECTIONS_MY_OWN="postgresql://h/own", RECOUP_CONNECTIONS_OTHER="dbname=f", RECOUP_CONNECTIONS_NONE=""
    )

    assert settings.connections == {
        "warehouse": "postgresql://u:hush@h/d",
        "my-own": "postgresql://h/own",
        "other": "dbname=f",
    }
    assert "hush" not in repr(settings)
    assert load().config == Path("recoup.toml").absolute()


def test_an_empty_variable_says_nothing(written):
    written(FULL)
    assert load(RECOUP_MAX_PARALLEL="", RECOUP_LAKE="").max_parallel == 3


def test_the_process_environment_is_the_default(monkeypatch):
    monkeypatch.setenv("RECOUP_MAX_PARALLEL", "4")
    assert load_settings().max_parallel == 4


def test_a_file_by_name(written, tmp_path):
    path = written("max_parallel = 2", "elsewhere/own.toml")

    for settings in (load(path), load(Path("elsewhere/own.toml")), load(RECOUP_CONFIG=str(path))):
        assert settings.max_parallel == 2
        assert settings.root == tmp_path / "elsewhere"
    other = written("max_parallel = 3", "other.toml")
    assert load(other, RECOUP_CONFIG=str(path)).max_parallel == 3


def test_an_absolute_path_and_a_bucket_stay_as_they_are(written):
    written('lake = "/srv/lake"\nledger = "/srv/ledger.db"')
    assert (load().lake, load().ledger) == ("/srv/lake", Path("/srv/ledger.db"))
    written('lake = "gs://bucket/a"')
    assert load().lake == "gs://bucket/a"


def test_paths_are_shown_without_two_dots(written, tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    written('lake = "x/../lake"\nledger = "../state/l.db"')
    settings = load_settings(Path("../recoup.toml"), {})
    assert settings.root == tmp_path
    assert settings.lake == str(tmp_path / "lake")
    assert settings.ledger == tmp_path.parent / "state" / "l.db"


def test_a_file_that_begins_with_a_mark_of_its_encoding(written):
    written(b"\xef\xbb\xbfmax_parallel = 2")
    assert load().max_parallel == 2


# ------------------------------------------------------------------------------------------------ mistakes


def refused(config=None, **environ):
    with pytest.raises(ConfigError) as raised:
        load(config, **environ)
    assert raised.value.exit_code is ExitCode.USAGE
    assert raised.value.remedy
    assert "\n" not in raised.value.message
    return raised.value.message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("max_parallel = 2\nlake =\n", "at line 2, column 7"),
        ("max_parallel = 2\n\n[pools\n", "at line 3, column 7"),
        ("a = 1\na = 2\n", "at line 2, column 6"),
        ('lake = "open', "at end of document"),
        (b"max_parallel = 2\nlake = 'caf\xe9'", "at line 2, column 12"),
    ],
)
def test_broken_toml(written, text, place):
    path = written(text)
    message = refused()

    assert message.startswith(f"{path} is no valid TOML: ")
    assert place in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_paralel = 2", "1: unknown setting 'max_paralel'"),
        ("[pool]\na = 1", "1: unknown setting 'pool'"),
        ('max_parallel = "2"', "1: max_parallel must be a whole number, not '2'"),
        ("max_parallel = 2.5", "1: max_parallel must be a whole number, not 2.5"),
        ("max_parallel = true", "1: max_parallel must be a whole number, not True"),
        ("max_parallel = 0", "1: max_parallel = 0: it must be at least 1"),
        ("lease_seconds = 0", "1: lease_seconds = 0: it must be more than 0"),
        ("lease_seconds = nan", "1: lease_seconds = nan: it must be more than 0"),
        ("lease_seconds = inf", "1: lease_seconds = inf: it must be more than 0"),
        ("lake = 5", "1: lake must be a text, not 5"),
        ('lake = ""', "1: lake = '': it names no place"),
        ('ledger = "a\\u0000b"', "1: ledger = 'a\\x00b': it names no place"),
        ("lake = ['a']", "1: lake must be a text, not ['a']"),
        ('executor = "ray"', "1: executor = 'ray': choose from processes, threads, inline"),
        ('pools = "a"', "1: pools must be a table, not 'a'"),
        ("[pools]\napi = 0", "2: [pools] api: 0 is no number of slots"),
        ("[pools]\napi = 'two'", "2: [pools] api: 'two' is no number of slots"),
        ("[pools]\napi = true", "2: [pools] api: True is no number of slots"),
        ("[pools]\napi = {slots = 0}", "2: [pools] api: 0 is no number of slots"),
        ("[pools]\napi = {}", "2: [pools] api: a pool without slots, rate and delay limits nothing"),
        ("[pools]\napi = {speed = 1}", "2: [pools] api: a pool has no 'speed'"),
        ("[pools]\napi = {rate = '0/s'}", "2: [pools] api: a rate of '0/s' would never let anything start"),
        ("[pools]\napi = {rate = 0}", "2: [pools] api: a rate of 0 would never let anything start"),
        ("[pools]\napi = {rate = '10'}", "2: [pools] api: '10' is no rate"),
        ("[pools]\napi = {rate = -1}", "2: [pools] api: -1 is no rate"),
        ("[pools]\napi = {rate = nan}", "2: [pools] api: nan is no rate"),
        ("[pools]\napi = {delay = 'soon'}", "2: [pools] api: delay: 'soon' is no duration"),
        ("[pools.api]\nslots = 2\ndelay = -1", "1: [pools] api: delay: -1 must be zero or more"),
        ("[pipelines]\nflights = 5", "2: [pipelines] flights = 5 is no place"),
        ("[pipelines.flights]\nfile = 'x'", "1: [pipelines] flights = {'file': 'x'} is no place"),
        ("connections = 'postgresql://u:hush@h/d'", "1: connections must be a table, not a str"),
        ("[connections]\nwh = ['postgresql://u:hush@h/d']", "2: [connections] wh = a list is no URL"),
    ],
)
def test_a_setting_that_cannot_be(written, text, message):
    assert refused(written(text)) == f"{written(text)}:{message}"


def test_a_long_value_is_shown_in_part(written):
    assert len(refused(written(f"executor = '{'x' * 10_000}'"))) < 300


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RECOUP_MAX_PARALLEL", "many", "$RECOUP_MAX_PARALLEL is 'many', which is no whole number"),
        ("RECOUP_MAX_PARALLEL", "2.5", "$RECOUP_MAX_PARALLEL is '2.5', which is no whole number"),
        ("RECOUP_MAX_PARALLEL", "0", "$RECOUP_MAX_PARALLEL: max_parallel = 0: it must be at least 1"),
        ("RECOUP_LEASE_SECONDS", "soon", "$RECOUP_LEASE_SECONDS is 'soon', which is no number"),
        ("RECOUP_LEASE_SECONDS", "nan", "$RECOUP_LEASE_SECONDS: lease_seconds = nan: it must be more than 0"),
        ("RECOUP_EXECUTOR", "ray", "$RECOUP_EXECUTOR: executor = 'ray': choose from processes, threads, inline"),
    ],
)
def test_a_variable_that_cannot_be_is_named_even_where_there_is_a_file(written, name, value, message):
    written(FULL)
    assert refused(**{name: value}) == message


def test_a_file_that_is_not_there(tmp_path):
    assert refused(tmp_path / "none.toml") == f"there is no configuration at {tmp_path / 'none.toml'}"
    assert refused(RECOUP_CONFIG=str(tmp_path)) == f"there is no configuration at {tmp_path}"


def test_a_table_that_is_none(written):
    path = written("[tool]\nrecoup = 5", "pyproject.toml")
    assert refused(path) == f"{path}: tool.recoup must be a table"


def test_mistakes_in_pyproject_name_it(written):
    path = written("[tool.recoup]\nlakes = 'x'", "pyproject.toml")
    assert refused() == f"{path}:2: unknown setting 'lakes'"
