"""A backfill in stages, each verified before the next begins; and one that stops when too much has failed."""

import json
import signal

import pytest

from tests.unit.cli.json_page import EVERYWHERE, complaints

DAYS = """
import polars as pl

days = rc.Pipeline("days", partitions=rc.Daily("2024-01-01", "2024-01-31", key="dt"))


@days.step(retry=rc.Retry(max_attempts=1))
def raw(ctx):
    with noted(ctx):
        while ctx.partition in told("wait"):
            time.sleep(0.01)
        if ctx.partition in told("trouble"):
            time.sleep(0.03)  # longer than an inline executor goes on before it tells
            raise ValueError("bad day")
        return pl.DataFrame({"n": [1]})


@days.step
def clean(ctx, raw):
    return raw
"""
STAGED = ("--stage", "2", "--stage", "2024-01-10..2024-01-12", "--stage", "all")


def began(project):
    return [call.partition for call in project.calls()]


def stands(project):
    return [(stage["name"], stage["state"]) for stage in project.answer("backfill", "show")["stages"]]


def events(text, kind="stage"):
    return [event for event in map(json.loads, text.splitlines()) if event.get("event") == kind]


@pytest.fixture
def days(project):
    project.declare("days", DAYS, 'executor = "inline"\nmax_parallel = 2')
    return project


# ------------------------------------------------------------------------------------------------ the gate


@pytest.mark.services
@pytest.mark.runbook("B-63")
def test_a_week_then_its_month_before_then_the_rest_and_a_gate_that_fails_ends_it_there(season):
    """What the second stage misses is named, the third does not begin, and it goes on as the same backfill."""
    first, asked = "player_game_summary", ("--start", "2023-10", "--end", "2023-11")
    stages = ("--stage", "2023-11-01..2023-11-07", "--stage", "2023-10", "--stage", "all")
    words = ("run", "phase3", *asked, "--step", first, "--executor", "inline", *stages)
    week, month = season.between("2023-11-01", "2023-11-07"), season.between("2023-10-01", "2023-10-31")
    bad = month[1]
    season.trouble(f"{first}/{bad}/ValueError")

    plan = season.answer("plan", "phase3", *asked, "--step", first, *stages)
    assert complaints(plan, EVERYWHERE, "plan") == []
    assert [(stage["name"], stage["partitions"]) for stage in plan["stages"][:2]] == [
        ("2023-11-01..2023-11-07", len(week)),
        ("2023-10", len(month)),
    ]

    result = season.recoup(*words, "--json")
    assert result.returncode == 4
    answer = json.loads(result.stdout.splitlines()[-1])
    assert (answer["state"], answer["exit_code"]) == ("stopped", 4)
    assert [(stage["name"], stage["state"], stage["partitions"]) for stage in answer["stages"]] == [
        ("2023-11-01..2023-11-07", "passed", len(week)),
        ("2023-10", "failed", len(month)),
        ("all", "waiting", len(season.between("2023-11-08", "2023-11-30"))),
    ]
    short = answer["stages"][1]["short"]
    assert {step["step"].partition("@")[0] for step in short} == {first}
    assert all(step["partitions"] == [bad] for step in short)
    assert answer["next"] == f"recoup backfill resume {answer['backfill_id']}"
    assert [day for _, day in season.called()] == sorted([*week, *month])
    assert [call.partition for call in season.project.calls()][: len(week)] == week
    rows = season.say(f"SELECT DISTINCT game_date::text FROM nba_analytics.{first} ORDER BY 1")
    assert [day for (day,) in rows] == sorted({*week, *month} - {bad})
    assert [complaints(event, "run: stage") for event in events(result.stdout)] == [[]] * 4
    assert complaints(answer, "run: result") == []
    moments = [(event["stage"], event["moment"]) for event in events(result.stdout)]
    assert moments == [(1, "begun"), (1, "passed"), (2, "begun"), (2, "failed")]

    shown = season.recoup("backfill", "show").stdout
    assert "2 of 3 (2023-10), failed" in shown
    assert "stage 2 of 3 (2023-10) is not complete; stage 3 did not begin" in shown
    log = season.recoup("backfill", "log").stdout
    assert "Stage 1 (2023-11-01..2023-11-07) passed" in log
    assert f"Stage 2 (2023-10) failed: {first} {bad}" in log
    season.trouble()
    again = season.answer(*words)  # the same command goes on in the stage in which it stopped
    assert (again["state"], again["backfill_id"]) == ("done", answer["backfill_id"])
    assert len(season.called()) == len(season.between("2023-10-01", "2023-11-30")) + 1
    assert [stage["state"] for stage in again["stages"]] == ["passed"] * 3
    assert [row["state"] for row in season.answer("backfill", "ls")["backfills"]] == ["done"]
    assert season.recoup(*words).returncode == 0  # and then there is nothing to do


def test_the_gate_looks_at_the_data_and_not_at_what_the_ledger_says(days):
    """A file that was published in the stage is gone before its end."""
    gone = """
        if ctx.partition == "2024-01-12":
            next((HERE / "lake/raw/dt=2024-01-10").glob("run=*/*.parquet")).unlink()
"""
    days.declare("days", DAYS.replace("        while", gone.strip("\n") + "\n        while"), 'executor = "inline"')
    result = days.recoup("run", "days", *STAGED, "--step", "raw", "--max-parallel", "1")
    assert result.returncode == 4
    assert "stage 2 of 3 (2024-01-10..2024-01-12) is not complete; stage 3 did not begin" in result.stdout
    assert "raw  2024-01-10  " in result.stdout
    assert days.answer("status", "days", "--start", "2024-01-10", "--end", "2024-01-12", "--step", "raw")["complete"]


def test_killed_in_a_stage_it_goes_on_there_as_the_same_backfill(days, until):
    days.write("wait", "2024-01-11")
    process = days.start("run", "days", *STAGED, "--executor", "processes")
    until(lambda: "2024-01-11" in began(days), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    days.write("wait", "")
    before = len(began(days))
    assert stands(days) == [("2", "passed"), ("2024-01-10..2024-01-12", "running"), ("all", "waiting")]
    assert days.answer("backfill", "ls")["backfills"][0]["state"] == "interrupted"
    assert "2 of 3 (2024-01-10..2024-01-12), begun" in days.recoup("backfill", "show").stdout

    answer = days.answer("backfill", "resume", "latest")
    assert (answer["state"], answer["counts"]["succeeded"] + answer["counts"]["done_before"]) == ("done", 62)
    assert not {"2024-01-01", "2024-01-02"} & set(began(days)[before:])
    assert stands(days)[-1] == ("all", "passed")
    assert len(days.answer("backfill", "ls")["backfills"]) == 1
    assert [stage["state"] for stage in days.summary()["stages"]] == ["passed"] * 3


def test_stages_are_what_they_were_when_it_began(days):
    """Numbers count what was to do then, whatever has become of it since."""
    days.write("trouble", "2024-01-03")
    words = ("run", "days", "--stage", "2", "--stage", "2", "--stage", "2024-01-20..2024-01-21")
    assert days.recoup(*words).returncode == 4
    days.recoup("run", "days", "2024-01-25")
    days.write("trouble", "")
    answer = days.answer(*words)
    assert [stage["ranges"] for stage in answer["stages"]] == [
        [["2024-01-01", "2024-01-02"]],
        [["2024-01-03", "2024-01-04"]],
        [["2024-01-20", "2024-01-21"]],
    ]
    assert answer["state"] == "done"
    made = {"2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-20", "2024-01-21", "2024-01-25"}
    assert set(began(days)) == made


def test_a_pause_between_stages_can_be_paused_resumed_and_interrupted(days, until, stop):
    process = days.start("run", "days", *STAGED, "--pause-between", "1h", "--json")
    until(lambda: days.folder.joinpath(".recoup/ledger.db").exists(), process)
    until(lambda: ("2", "passed") in stands(days), process)
    assert days.answer("backfill", "pause", "latest")["backfills"][0]["state"] == "paused"
    assert days.answer("backfill", "resume", "latest")["backfills"][0]["state"] == "running"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130
    assert events(out)[-1]["moment"] == "paused"
    assert events(out)[-1]["pause_seconds"] == 3600
    assert events(out, "result")[0]["state"] == "interrupted"
    assert began(days) == ["2024-01-01", "2024-01-02"]
    assert stands(days)[1:] == [("2024-01-10..2024-01-12", "waiting"), ("all", "waiting")]

    answer = days.answer("run", "days", *STAGED)  # without a pause it is the same backfill
    assert (answer["state"], len(days.answer("backfill", "ls")["backfills"])) == ("done", 1)


def test_a_staged_backfill_is_cancelled_between_two_stages(days, until):
    process = days.start("run", "days", *STAGED, "--pause-between", "1h")
    until(lambda: days.folder.joinpath(".recoup/ledger.db").exists(), process)
    until(lambda: ("2", "passed") in stands(days), process)
    assert days.answer("backfill", "cancel", "latest")["backfills"][0]["state"] == "cancelled"
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "1 h before the next one" in errors
    answer = days.answer("run", "days", *STAGED)  # given up: the same words are a new one, of what is left
    assert answer["stages"][0]["ranges"] == [["2024-01-03", "2024-01-04"]]
    assert len(days.answer("backfill", "ls")["backfills"]) == 2


# ------------------------------------------------------------------------------------------------ enough has failed


def test_a_run_stops_when_enough_has_failed_and_goes_on_later(days):
    days.write("trouble", " ".join(f"2024-01-{day:02}" for day in range(1, 32)))
    result = days.recoup("run", "days", "--stop-after", "3", "--max-parallel", "1")
    assert result.returncode == 4
    assert "stopped, as --stop-after 3 says: 3 partitions failed" in result.stdout
    assert began(days) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    backfill_id = days.answer("backfill", "ls")["backfills"][0]["backfill_id"]
    assert f"next: recoup backfill resume {backfill_id}" in result.stderr

    days.write("trouble", "2024-01-05")
    answer = days.answer("run", "days", "--stop-after", "10%", "--resume")
    assert (answer["state"], answer["exit_code"], answer["stopped_after"]) == ("incomplete", 1, None)
    assert answer["backfill_id"] == backfill_id
    answer = days.answer("run", "days", "2024-01-05", "--stop-after", "1%")
    assert (answer["state"], answer["exit_code"]) == ("incomplete", 1)  # all was tried: nothing is left to stop


def test_in_a_stage_the_limit_ends_it_before_its_gate(days):
    days.write("trouble", "2024-01-10")
    result = days.recoup("run", "days", *STAGED, "--stop-after", "10%", "--max-parallel", "1")
    assert result.returncode == 4
    assert [day for day in began(days) if day >= "2024-01-10"] == ["2024-01-10"]
    assert "stopped, as --stop-after 10% says: 1 partition failed" in result.stdout
    assert stands(days)[1:] == [("2024-01-10..2024-01-12", "failed"), ("all", "waiting")]
    days.write("trouble", "")
    assert days.recoup("backfill", "resume", "latest").returncode == 0


# ------------------------------------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--stage", "2024-01-05..2024-01-09", "--stage", "2024-01-07..2024-01-12"), "overlaps stage 1"),
        (("--stage", "all", "--stage", "7"), "is empty"),
        (("--start", "2024-01-10", "--stage", "2024-01-05"), "reaches outside of what is asked for"),
        (("--stop-after", "0"), "--stop-after '0'"),
        (("--stage", "1", "--pause-between", "soon"), "--pause-between: 'soon' is no duration"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_changed(days, words, message):
    result = days.recoup("run", "days", *words)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("error:") == 1
    assert began(days) == []
    assert not days.folder.joinpath(".recoup/ledger.db").exists() or not days.ledger("SELECT * FROM backfills")


def test_a_plan_shows_its_stages_and_python_has_them_too(days):
    shown = days.recoup("plan", "days", *STAGED).stdout
    assert "stages, each verified before the next begins" in shown
    assert "  2  2024-01-10..2024-01-12   3 partitions  2024-01-10…2024-01-12 (3)" in shown
    assert days.recoup("plan", "days", *STAGED, "-o", "plan.json").returncode == 2
    state = days.python("print(json.dumps(rc.run('days', stages=['1', '2024-01-03'], stop_after=5).state))")
    assert state == "done"
    assert sorted({call.partition for call in days.calls()}) == ["2024-01-01", "2024-01-03"]
