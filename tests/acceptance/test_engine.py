"""Stopped, killed, paused, cancelled, half failed: what a person types next is always the same command."""

import json
import signal
import sqlite3
import time
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

TERMINATED, INTERRUPTED = 143, 130
FIRST, LAST, DATES = "2023-01-01", "2023-11-23", 327
WINDOW = ("--start", FIRST, "--end", LAST)
RUN = ("run", "phase3", *WINDOW)
INLINE = 'executor = "inline"'  # where it is no question which process a step runs in
STATUS = ("status", "phase3", *WINDOW)


def day(number):
    """The n-th date of the season, counted from 1 as people do."""
    return str(date.fromisoformat(FIRST) + timedelta(days=number - 1))


SEASON = f"""
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("{FIRST}", "{LAST}", key="game_date"))


@phase3.step(label="PlayerGameSummaryProcessor")
def player_game_summary(ctx):
    with noted(ctx):
        if ctx.partition in told("bad"):
            raise ValueError(f"no final score on {{ctx.partition}}")
        if [ctx.partition] >= told("from") != []:
            wait_for("go")
"""


@pytest.fixture
def season(project):
    """327 dates of one quick step, which waits from the date in the file `from` on until there is a file `go`."""
    project.declare("phase3", SEASON, "max_parallel = 1")
    return project


def published(project):
    return project.ledger("SELECT count(*) FROM publications WHERE state = 'current'")[0][0]


def tries(project):
    return Counter(call.partition for call in project.calls())


# --- stopped after 150 of 327


def after_150(season, until):
    """The season, standing after 150 dates with one more begun."""
    season.write("from", day(151))
    process = season.start(*RUN)
    until(lambda: len(season.calls()) == 151, process)
    until(lambda: published(season) == 150, process)
    return process


def assert_the_rest_is_done(season, again=frozenset()):
    """The unchanged command: nothing of the first 150 is called, and the figures go on where they stood."""
    before = len(season.calls())
    status = season.answer(*STATUS)
    assert (status["total_dates"], status["completed_dates"], status["remaining"]) == (DATES, 150, 177)
    season.write("go", "")
    result = season.recoup(*RUN, "--json")
    assert result.returncode == 0, result.stdout
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[-1]["counts"] == {"actions": 177, "succeeded": 177, "failed": 0, "blocked": 0, "done_before": 150}
    figures = [(line["done"], line["total"]) for line in lines if line.get("event") == "progress"]
    assert all(done >= 150 and total == DATES for done, total in figures)
    called = [call.partition for call in season.calls()[before:]]
    assert sorted(called) == [day(number) for number in range(151, DATES + 1)]
    assert {partition for partition, count in tries(season).items() if count > 1} == set(again)
    assert published(season) == DATES


@pytest.mark.runbook("B-17", "B-22", "B-23")
def test_kill_9_after_150_of_327(season, until, stop):
    process = after_150(season, until)
    workers = {call.pid for call in season.calls()}
    code, _ = stop(process, signal.SIGKILL)
    assert code == -signal.SIGKILL
    until(lambda: not any(is_alive(pid) for pid in workers))
    assert_the_rest_is_done(season, again={day(151)})


@pytest.mark.runbook("B-17", "B-22", "B-51")
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, TERMINATED), (signal.SIGHUP, INTERRUPTED)])
def test_a_polite_signal_lets_what_runs_end(season, until, number, expected):
    """The 150th date runs: it ends, and nothing else begins."""
    season.write("from", day(150))
    process = season.start(*RUN)
    until(lambda: len(season.calls()) == 150, process)
    process.send_signal(number)
    time.sleep(0.3)
    assert process.poll() is None
    season.write("go", "")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == expected
    assert len(season.calls("ended")) == 150
    assert "recoup backfill resume" in errors
    assert_the_rest_is_done(season)


@pytest.mark.runbook("B-17", "B-23", "B-51")
def test_ctrl_c_at_a_terminal_and_the_count_goes_on(season):
    """The terminal sends it to the workers too; they let the controller decide."""
    season.write("from", day(150))
    first = season.terminal(*RUN)
    first.see(f"149/{DATES}")
    first.press("\x03")
    first.see("1 running attempt ends first; press Ctrl-C again to stop at once")
    time.sleep(0.4)
    season.write("go", "")
    assert first.leave() == INTERRUPTED, first.text
    assert "stopped; nothing is lost · 150 of 327 published · 177 to go" in first.text
    (season.folder / "go").unlink()
    season.write("from", day(152))
    second = season.terminal(*RUN)
    screen = second.see(f"151/{DATES}", f"1/{DATES - 150}")
    assert f"1/{DATES - 150} " not in screen
    season.write("go", "")
    assert second.leave() == 0, second.text
    assert set(tries(season).values()) == {1}
    assert len(tries(season)) == DATES


@pytest.mark.runbook("B-51")
def test_ctrl_c_twice_stops_at_once(season):
    season.write("from", day(151))
    terminal = season.terminal(*RUN)
    terminal.see(f"150/{DATES}")
    terminal.press("\x03")
    terminal.see("press Ctrl-C again")
    terminal.press("\x03")  # and nobody writes "go", for which what runs is waiting
    assert terminal.leave() == INTERRUPTED, terminal.text
    assert "150 of 327 published" in terminal.text
    assert not any(is_alive(call.pid) for call in season.calls())
    assert_the_rest_is_done(season, again={day(151)})


def test_a_signal_is_noticed_however_rarely_the_loop_looks_by_itself(season, until):
    """It waits for its only worker, which waits for somebody who never comes."""
    season.write("from", day(1))
    code = (
        "import sys, recoup.engine.runner as r; r.LOOK_SECONDS = 3600.0; from recoup.cli import main; sys.exit(main())"
    )
    process = season.start(*RUN, module=("-c", code))
    until(season.calls, process)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # two signals at once are one
    process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# --- dates that fail


@pytest.mark.runbook("B-17", "B-i2", "B-69")
def test_three_bad_dates_end_no_backfill(season):
    bad = ["2023-03-05", "2023-07-04", "2023-11-15"]
    season.write("bad", " ".join(bad))
    result = season.recoup(*RUN)
    assert result.returncode == 1
    assert "phase3: finished, incomplete · 324 of 327 published · 3 failed" in result.stdout
    for partition in bad:
        assert partition in result.stdout
    status = season.answer(*STATUS)
    assert (status["completed_dates"], status["remaining"], status["pct_complete"]) == (324, 3, 99.08)
    failed = season.recoup(*STATUS, "--only", "failed").stdout
    assert all(partition in failed for partition in bad)

    season.write("bad", "2023-07-04")
    again = season.recoup(*RUN)
    assert again.returncode == 1
    assert "326 of 327 published · 1 failed" in again.stdout
    assert {partition: count for partition, count in tries(season).items() if count > 1} == dict.fromkeys(bad, 2)
    (part,) = season.answer(*STATUS, "--only", "failed")["incomplete"]
    assert part["ranges"] == [["2023-07-04", "2023-07-04"]]


SAYINGS = {
    "DependencyError: Gap detected": "blocked",
    "Completeness threshold not met": "blocked",
    "Cannot process 2023-11-15 - upstream gaps detected": "blocked",
    "Exceeded quota: daily query bytes": "quota",
}


@pytest.mark.runbook("B-13", "B-17", "B-30")
def test_a_step_that_says_so_itself(project):
    project.declare(
        "phase3",
        f"""
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-04"))
SAYINGS = {list(SAYINGS)}


@phase3.step
def player_game_summary(ctx):
    raise RuntimeError(SAYINGS[int(ctx.partition[-2:]) - 1])
""",
    )
    project.recoup("run", "phase3")
    kinds = {run["error_message"]: run["failure_kind"] for run in project.answer("runs", "phase3")["runs"]}
    assert kinds == {f"RuntimeError: {words}": kind for words, kind in SAYINGS.items()}


# --- paused, resumed, cancelled from another terminal


@pytest.mark.runbook("B-07")
def test_pause_and_resume_from_another_terminal(season, until):
    season.write("from", day(100))
    process = season.start(*RUN)
    until(lambda: len(season.calls()) == 100, process)
    paused = season.recoup("backfill", "pause", "latest")
    assert paused.returncode == 0, paused.stderr
    assert "running → paused" in paused.stdout
    season.write("go", "")
    until(lambda: len(season.calls("ended")) == 100, process)
    time.sleep(0.5)
    assert len(season.calls()) == 100
    assert published(season) == 100
    assert process.poll() is None
    (active,) = season.answer("status", "phase3")["active_backfills"]
    assert season.answer("backfill", "show", active)["state"] == "paused"

    resumed = season.recoup("backfill", "resume", active)
    assert resumed.returncode == 0, resumed.stderr
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert (len(tries(season)), set(tries(season).values())) == (DATES, {1})


@pytest.mark.runbook("B-07")
def test_resume_of_one_whose_controller_is_gone_runs_the_rest_here(season, until, stop):
    process = after_150(season, until)
    assert season.recoup("backfill", "pause", "latest").returncode == 0
    stop(process, signal.SIGKILL)
    season.write("go", "")
    resumed = season.answer("backfill", "resume", "latest")
    assert (resumed["state"], resumed["counts"]["succeeded"]) == ("done", 177)
    assert [row["state"] for row in season.answer("backfill", "ls")["backfills"]] == ["done"]
    assert {partition for partition, count in tries(season).items() if count > 1} == {day(151)}


BUSY = """
import polars as pl

phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-30"))


@phase3.step
def player_game_summary(ctx):
    with noted(ctx):
        if ctx.partition > "2023-11-02" and not told("quick"):
            time.sleep(30)
        return pl.DataFrame({"points": [7]})
"""


@pytest.mark.runbook("B-51")
def test_nothing_in_flight_is_published_after_a_cancel(project, until):
    project.declare("phase3", BUSY, "max_parallel = 2")
    process = project.start("run", "phase3")
    until(lambda: len(project.calls()) == 4, process)
    cancelled = project.recoup("backfill", "cancel", "latest")
    assert cancelled.returncode == 0, cancelled.stderr
    assert "running → cancelled" in cancelled.stdout
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "phase3: cancelled · 2 of 30 published" in output
    assert not any(is_alive(call.pid) for call in project.calls())
    pointers = sorted(path.parent.name for path in (project.folder / "lake").rglob("current.json"))
    assert pointers == ["dt=2023-11-01", "dt=2023-11-02"]
    assert project.answer("status", "phase3")["completed_dates"] == 2
    again = project.recoup("backfill", "cancel", "latest")
    assert again.returncode == 2
    assert "is cancelled already" in again.stderr

    project.write("quick", "yes")
    assert project.recoup("run", "phase3").returncode == 0
    assert tries(project)["2023-11-03"] == 2
    assert len(project.calls()) == 30 + 2


# --- what is asked: dates, ranges, lists

FIVE = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-30", calendar=rc.Calendar(
    lambda day: day.day not in (22, 23))))
STEPS = ("player_game_summary", "team_defense_game_summary", "team_offense_game_summary",
         "upcoming_player_game_context", "upcoming_team_game_context")


def made(name):
    @phase3.step(name=name)
    def step(ctx):
        with noted(ctx):
            if f"{name}@{ctx.partition}" in told("bad"):
                raise ZeroDivisionError(f"division by zero in {name}")


for name in STEPS:
    made(name)
"""


@pytest.fixture
def five(project):
    """Five independent steps in November; Thanksgiving and its eve have no games."""
    project.declare("phase3", FIVE, INLINE)
    return project


@pytest.mark.runbook("B-19", "D-24")
def test_one_date_then_a_range_of_what_is_missing_or_failed(five):
    """`--end` is included; nothing outside, and nothing that is complete."""
    assert five.recoup("run", "phase3", "--start", "2023-11-15", "--end", "2023-11-15").returncode == 0
    assert Counter(call.partition for call in five.calls()) == {"2023-11-15": 5}
    five.write("bad", "team_offense_game_summary@2023-11-12")
    assert five.recoup("run", "phase3", "--start", "2023-11-12", "--end", "2023-11-12").returncode == 1
    (five.folder / "bad").unlink()
    before = len(five.calls())
    window = ("--start", "2023-11-10", "--end", "2023-11-15", "--only", "missing,failed")
    assert five.recoup("run", "phase3", *window).returncode == 0
    called = {(call.partition, call.step) for call in five.calls()[before:]}
    days = Counter(partition for partition, _ in called)
    assert days == {"2023-11-10": 5, "2023-11-11": 5, "2023-11-12": 1, "2023-11-13": 5, "2023-11-14": 5}
    assert ("2023-11-12", "team_offense_game_summary") in called
    assert five.recoup("run", "phase3", *window).returncode == 0
    assert len(five.calls()) - before == len(called)


@pytest.mark.runbook("B-15", "B-68", "B-i1")
def test_four_of_five_steps_are_a_remaining_date(five):
    window = ("--start", "2023-11-15", "--end", "2023-11-24")
    five.write("bad", "upcoming_team_game_context@2023-11-20")
    assert five.recoup("run", "phase3", *window, "--order", "newest").returncode == 1
    status = five.answer("status", "phase3", *window)
    expected = {"total_dates": 8, "completed_dates": 7, "remaining": 1, "pct_complete": 87.5}
    assert {key: status[key] for key in expected} == expected
    assert not status["complete"]
    whole = five.answer("status", "phase3")
    assert (whole["total_dates"], whole["remaining"]) == (28, 21)

    step = ("--step", "upcoming_team_game_context")
    (narrow,) = five.answer("status", "phase3", *step, "--start", "2023-11-15", "--end", "2023-11-20")["steps"]
    assert narrow["last_successful_date"] == "2023-11-19"
    (row,) = five.ledger(
        "SELECT max(ended_at) FROM run_history WHERE step = ? AND success AND partition <= '2023-11-20'", step[1]
    )
    assert abs(seconds(narrow["last_successful_time"]) - seconds(row[0])) < 1
    (never,) = five.answer("status", "phase3", *step, "--start", "2023-11-01", "--end", "2023-11-02")["steps"]
    assert (never["last_successful_date"], never["last_successful_time"]) == (None, None)


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_a_failing_step_stops_no_sibling(five):
    """Three of five fail: what the other two made stays, the date is not complete, and only three run again."""
    names = ("player_game_summary", "team_defense_game_summary", "upcoming_team_game_context")
    five.write("bad", " ".join(f"{name}@2023-11-15" for name in names))
    result = five.recoup("run", "phase3", "2023-11-15")
    assert result.returncode == 1
    assert len(five.calls()) == 5
    assert [name for name in names if name in result.stdout] == list(names)
    status = five.answer("status", "phase3", "2023-11-15")
    assert [step["completed"] for step in status["steps"]] == [0, 0, 1, 1, 0]
    assert (status["completed_dates"], status["remaining"]) == (0, 1)
    (five.folder / "bad").unlink()
    assert five.recoup("run", "phase3", "2023-11-15").returncode == 0
    assert sorted(call.step for call in five.calls()[5:]) == sorted(names)


@pytest.mark.runbook("B-05")
def test_every_attempt_is_a_row_of_the_history(five):
    five.write("bad", "team_defense_game_summary@2023-11-15")
    five.recoup("run", "phase3", "2023-11-15")
    rows = {row["step"]: row for row in five.answer("runs", "phase3")["runs"]}
    assert len(rows) == 5
    facts = ("layer", "processor_name", "partition", "success", "rows_processed", "error_message", "decision")
    bad, good = rows["team_defense_game_summary"], rows["player_game_summary"]
    assert {fact: bad[fact] for fact in facts} == {
        "layer": "phase3",
        "processor_name": "team_defense_game_summary",
        "partition": "2023-11-15",
        "success": False,
        "rows_processed": None,
        "error_message": "ZeroDivisionError: division by zero in team_defense_game_summary",
        "decision": "missing",
    }
    assert (good["success"], good["error_message"], bad["failure_kind"]) == (True, None, "logic")
    assert all(abs(seconds(row["created_at"]) - time.time()) < 60 for row in rows.values())


@pytest.mark.runbook("B-16")
def test_failures_of_the_last_two_hours_newest_first_at_most_twenty(five):
    """The clock is set back for two of them, in the ledger: 1:59 h ago is in, 2:01 h ago is out."""
    days = [f"2023-11-{number:02}" for number in range(1, 22)]
    five.write("bad", " ".join(f"player_game_summary@{key}" for key in days))
    step = ("--step", "player_game_summary", "--max-parallel", "1")
    assert five.recoup("run", "phase3", "--start", days[0], "--end", days[-1], *step).returncode == 1
    asked = ("runs", "phase3", "--failed", "--since", "2h", "--limit", "20")
    newest = five.answer(*asked)["runs"]
    assert [run["partition"] for run in newest] == days[:0:-1]
    with sqlite3.connect(five.folder / ".recoup" / "ledger.db") as db:
        for at_most, minutes in ((days[1], 119), (days[0], 121)):
            sql = "UPDATE attempts SET claimed_at = ? WHERE run IN (SELECT run FROM runs WHERE partition = ?)"
            db.execute(sql, (time.time() - 60 * minutes, at_most))
    db.close()
    assert [run["partition"] for run in five.answer(*asked)["runs"]] == days[:0:-1]
    shown = five.recoup(*asked).stdout
    assert "ZeroDivisionError: division by zero in player_game_summary" in shown
    everything = five.answer("runs", "phase3", "--failed", "--since", "2h", "--limit", "0")["runs"]
    assert [run["partition"] for run in everything] == days[:0:-1]
    assert len(five.answer("runs", "phase3", "--failed", "--since", "122m", "--limit", "0")["runs"]) == 21


# --- lookbacks

LOOKING_BACK = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-30"))


@phase3.step
def player_game_summary(ctx):
    with noted(ctx):
        if ctx.partition in told("bad"):
            raise ValueError("no box score")
        time.sleep(0.004)


@phase3.step
def upcoming_player_game_context(ctx, history=rc.lookback(player_game_summary, days=7, complete=SHARE)):
    with noted(ctx):
        pass
"""


@pytest.mark.runbook("B-17", "B-30")
def test_a_gap_blocks_and_names_just_the_two_dates(project):
    project.declare("phase3", LOOKING_BACK.replace("SHARE", "1.0"), INLINE)
    project.write("bad", "2023-11-10 2023-11-12")
    before = ("--start", "2023-11-01", "--end", "2023-11-14", "--step", "player_game_summary")
    assert project.recoup("run", "phase3", *before).returncode == 1
    result = project.recoup("run", "phase3", "2023-11-15")
    reason = "player_game_summary: 5 of 7 there, 7 needed; missing 2023-11-10, 2023-11-12"
    assert result.returncode == 1
    assert reason in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if reason in line]
    assert line.endswith("2023-11-10, 2023-11-12")
    assert "failed" not in result.stdout

    late = "upcoming_player_game_context"
    assert [call for call in project.calls() if call.step == late] == []
    assert project.ledger("SELECT * FROM run_history WHERE step = ?", late) == []
    status = project.answer("status", "phase3", "2023-11-15")
    (part,) = status["incomplete"]
    assert (part["state"], part["reason"]) == ("blocked", reason)

    (project.folder / "bad").unlink()
    assert project.recoup("run", "phase3", "--start", "2023-11-10", "--end", "2023-11-15").returncode == 0
    assert [call.attempt for call in project.calls() if (call.step, call.partition) == (late, "2023-11-15")] == [1]


@pytest.mark.runbook("B-13")
@pytest.mark.parametrize(("gaps", "runs"), [("2023-11-10", True), ("2023-11-10 2023-11-12", False)])
def test_the_share_of_a_lookback(project, gaps, runs):
    """0.8 of seven days are six: at six it runs, at five it is blocked with have and need."""
    project.declare("phase3", LOOKING_BACK.replace("SHARE", "0.8"), INLINE)
    project.write("bad", gaps)
    result = project.recoup("run", "phase3", "--start", "2023-11-08", "--end", "2023-11-15", "--include-upstream")
    late = [call.partition for call in project.calls() if call.step == "upcoming_player_game_context"]
    assert ("2023-11-15" in late) is runs
    assert ("5 of 7 there, 6 needed" in result.stdout) is not runs


@pytest.mark.runbook("B-33")
def test_no_date_starts_before_its_lookback(project):
    """Newest first and eight at once: what a date needs has ended before it begins."""
    project.declare("phase3", LOOKING_BACK.replace("SHARE", "1.0"))
    result = project.recoup("run", "phase3", "--order", "newest", "--max-parallel", "8")
    assert result.returncode == 0, result.stdout
    ended = {call.partition: call.at for call in project.calls("ended") if call.step == "player_game_summary"}
    late = [call for call in project.calls() if call.step == "upcoming_player_game_context"]
    assert len(late) == 30
    for call in late:
        own = date.fromisoformat(call.partition)
        span = [str(own - timedelta(days=back)) for back in range(1, 8)]
        assert all(ended[key] <= call.at for key in span if key >= "2023-11-01")


@pytest.mark.runbook("B-33")
def test_leaving_a_needed_date_out_lists_what_will_block(project):
    project.declare("phase3", LOOKING_BACK.replace("SHARE", "1.0"))
    window = ("phase3", "--start", "2023-11-01", "--end", "2023-11-14", "--exclude", "2023-11-05")
    plan = project.recoup("plan", *window)
    blocked = [line for line in plan.stdout.splitlines() if "blocked: " in line]
    assert blocked
    assert all(line.endswith("missing 2023-11-05") for line in blocked)
    groups = [group for group in project.answer("plan", *window)["groups"] if group["verb"] == "block"]
    days = {str(key) for group in groups for first, last in group["ranges"] for key in each_day(first, last)}
    assert days == {f"2023-11-{number:02}" for number in range(6, 13)}
    assert project.calls() == []


def each_day(first, last):
    at, end = date.fromisoformat(first), date.fromisoformat(last)
    while at <= end:
        yield at
        at += timedelta(days=1)


def test_steps_may_come_from_another_module(project):
    """What workers import is the pipeline's own file, not that of its first function."""
    project.declare(
        "p",
        'import library\np = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-03"))\n'
        'p.step(name="counted")(library.count)\n',
    )
    project.write("library.py", 'def count(ctx):\n    ctx.count("called")\n')
    result = project.recoup("run", "p")
    assert result.returncode == 0, result.stderr
    assert [manifest["counters"] for manifest in project.manifests("counted")] == [{"called": 1}] * 3


# --- how many at once, time limits, workers that die

AT_ONCE = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-24"), pools={"warehouse": 2})


@phase3.step(pool=POOL)
def player_game_summary(ctx):
    with noted(ctx):
        time.sleep(0.06)
"""


@pytest.mark.runbook("D-26")
@pytest.mark.parametrize(("pool", "expected"), [(None, 4), ("warehouse", 2)])
def test_as_many_at_once_as_were_asked_for_and_never_more(project, pool, expected):
    project.declare("phase3", AT_ONCE.replace("POOL", repr(pool)))
    result = project.recoup("run", "phase3", "--max-parallel", "4")
    assert result.returncode == 0, result.stdout
    steps = [(call.at, 1) for call in project.calls()] + [(call.at, -1) for call in project.calls("ended")]
    running = most = 0
    for _, change in sorted(steps):
        running += change
        most = max(most, running)
    assert most == expected
    assert len(project.calls("ended")) == 24


STUBBORN = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-08"))
ONCE = rc.Retry(max_attempts=1)


@phase3.step(timeout="1s", retry=ONCE)
def sleepy(ctx):
    with noted(ctx):
        if ctx.partition == "2023-11-03":
            time.sleep(60)


@phase3.step(retry=rc.Retry(max_attempts=3, initial="10ms"))
def suicidal(ctx):
    with noted(ctx):
        if ctx.partition == "2023-11-05" and ctx.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
"""


def test_a_time_limit_really_kills_and_others_go_on(project):
    project.declare("phase3", STUBBORN, "max_parallel = 2")
    result = project.recoup("run", "phase3", "--step", "sleepy")
    assert result.returncode == 1
    assert "timeout: the step ran longer than its limit of 1 s and was ended" in result.stdout
    [(seconds,)] = project.ledger("SELECT ended_at - started_at FROM attempts WHERE state = 'failed'")
    assert seconds >= 1
    (call,) = [call for call in project.calls() if call.partition == "2023-11-03"]
    assert not is_alive(call.pid)
    assert len(project.calls("ended")) == 7
    status = project.recoup("status", "phase3", "--step", "sleepy", "--only", "failed")
    assert "failed(timeout)" in status.stdout
    assert "2023-11-03" in status.stdout


def test_a_worker_that_dies_costs_one_attempt_and_harms_no_neighbour(project):
    project.declare("phase3", STUBBORN, "max_parallel = 2")
    result = project.recoup("run", "phase3", "--step", "suicidal")
    assert result.returncode == 0, result.stdout
    assert "retry  suicidal 2023-11-05  lost: the worker vanished (signal 9), tried again at once" in result.stderr
    assert tries(project) == {f"2023-11-{number:02}": 2 if number == 5 else 1 for number in range(1, 9)}
    rows = project.answer("runs", "phase3", "2023-11-05")["runs"]
    assert [(row["attempt"], row["state"], row["failure_kind"]) for row in rows] == [
        (2, "succeeded", None),
        (1, "lost", "lost"),
    ]
    assert rows[0]["run_id"] == rows[1]["run_id"]


# --- longer than the lease


def test_a_step_may_take_longer_than_the_lease_where_nobody_else_is(project):
    """In the controller's own process nothing renews it meanwhile."""
    body = """
p = rc.Pipeline("p", partitions=rc.Daily("2023-01-01", "2023-01-02"))


@p.step
def slow(ctx):
    time.sleep(0.6)
"""
    project.declare("p", body, f"{INLINE}\nlease_seconds = 0.2")
    result = project.recoup("run", "p")

    assert result.returncode == 0, result.stderr
    assert published(project) == 2


# --- two controllers, a resumed request


AWAITED = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-10-31", "2023-11-03"))


@phase3.step
def games(ctx):
    with noted(ctx):
        if ctx.partition in told("slow"):
            wait_for("go")
        if ctx.partition in told("bad"):
            raise KeyError("score")


@phase3.step
def streaks(ctx, before=rc.lookback(games, days=1)):
    with noted(ctx):
        pass
"""


@pytest.mark.parametrize("bad", [False, True], ids=["it is made", "it fails"])
@pytest.mark.parametrize("slow", ["2023-11-01", "2023-10-31"], ids=["it runs", "it has not begun"])
def test_a_lookback_into_what_another_backfill_makes_waits_for_it(project, until, slow, bad):
    project.declare("phase3", AWAITED, "max_parallel = 4")
    project.write("slow", slow)
    project.write("bad", "2023-11-01" if bad else "")
    first = project.start("run", "phase3", "--step", "games", "--end", "2023-11-01", "--max-parallel", "1")
    until(lambda: [call for call in project.calls() if call.partition == slow], first)
    second = project.start("run", "phase3", "--start", "2023-11-02")
    until(lambda: [call for call in project.calls("ended") if call.step == "streaks"], second)
    assert second.poll() is None
    assert not [call for call in project.calls() if (call.step, call.partition) == ("streaks", "2023-11-02")]
    project.write("go", "")
    (_, errors), (output, more) = first.communicate(timeout=60), second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (int(bad), int(bad)), errors + output + more
    count = Counter((call.step, call.partition) for call in project.calls())
    assert set(count.values()) == {1}
    assert count["streaks", "2023-11-02"] == (not bad)
    assert ("games: 0 of 1 there" in output) == bad


TWO = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-30"))


@phase3.step
def player_game_summary(ctx):
    with noted(ctx):
        if ctx.partition >= "2023-11-05":
            wait_for("go")


@phase3.step
def upcoming_player_game_context(ctx, player_game_summary):
    with noted(ctx):
        time.sleep(0.01)
"""


@pytest.mark.runbook("B-i3")
@pytest.mark.parametrize("windows", [((1, 30), (1, 30)), ((1, 20), (11, 30))], ids=["same", "overlapping"])
def test_two_backfills_at_once_do_no_date_twice(project, until, windows):
    """Both have planned, and two dates each are begun, before either goes on to dates that both have in their plans."""
    project.declare("phase3", TWO, "max_parallel = 4")
    half = ("--max-parallel", "2")
    both = [
        project.start("run", "phase3", "--start", f"2023-11-{first:02}", "--end", f"2023-11-{last:02}", *half)
        for first, last in windows
    ]
    until(lambda: len({call.pid for call in project.calls()}) == 4)
    until(lambda: len(project.calls()) - len(project.calls("ended")) == 4)
    project.write("go", "")
    for process in both:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, output + errors
    count = Counter((call.step, call.partition) for call in project.calls())
    assert (len(count), set(count.values())) == (60, {1})
    assert project.answer("status", "phase3")["complete"]
    assert {row["state"] for row in project.answer("backfill", "ls")["backfills"]} == {"done"}


SIX = """
projections = rc.Pipeline("projections", partitions=rc.Daily("2024-01-01", "2024-01-06", key="game_date"))


@projections.step
def ingest(ctx):
    with noted(ctx):
        pass


def after(name, before):
    @projections.step(name=name)
    def step(ctx, before=before):
        with noted(ctx):
            if f"{name}@{ctx.partition}" in told("bad"):
                raise ValueError(f"{name} cannot")
            if name in told("wait"):
                wait_for("go")
    return step


minutes = after("minutes", ingest)
rates = after("rates", minutes)
sim = after("sim", rates)
ownership = after("ownership", sim)
finalize = after("finalize", ownership)
"""


@pytest.mark.runbook("D-27")
def test_resume_skips_what_is_published_and_does_the_other_sixth(project, until, stop):
    """One partition fails in its last step, some are never begun: with `--resume` only they are worked on."""
    project.declare("projections", SIX, INLINE)
    project.write("bad", "finalize@2024-01-02")
    command = ("run", "projections", "--start", "2024-01-01", "--end", "2024-01-06")
    project.write("wait", "ownership")
    process = project.start(*command)
    until(lambda: [call for call in project.calls() if call.step == "ownership"], process)
    stop(process, signal.SIGKILL)
    project.write("go", "")
    done = {(call.step, call.partition) for call in project.calls("ended")}
    assert 0 < len(done) < 36
    first = project.recoup(*command, "--resume")
    assert first.returncode == 1
    assert len(manifests_of(project, "2024-01-02", "success")) == 5
    assert len(manifests_of(project, "2024-01-01", "success")) == 6
    (project.folder / "bad").unlink()
    before = len(project.calls())
    second = project.recoup(*command, "--resume")
    assert second.returncode == 0, second.stdout
    assert [(call.step, call.partition) for call in project.calls()[before:]] == [("finalize", "2024-01-02")]
    counts = Counter((call.step, call.partition) for call in project.calls("ended"))
    assert (len(counts), set(counts.values())) == (36, {1})
    assert len(project.answer("backfill", "ls")["backfills"]) == 2


def manifests_of(project, partition, outcome):
    return [m for m in project.manifests() if (m["partition"], m["outcome"]) == (partition, outcome)]


# --- a saved plan


def test_a_saved_plan_runs_as_saved_and_only_while_it_holds(five):
    """What moved inside its window refuses it; what moved elsewhere does not."""
    saved = five.recoup("plan", "phase3", "--start", "2023-11-10", "--end", "2023-11-12", "-o", "plan.json")
    assert saved.returncode == 0, saved.stderr
    assert "next: recoup run --plan plan.json" in saved.stderr
    five.recoup("run", "phase3", "2023-11-20")
    before = len(five.calls())
    assert five.recoup("run", "--plan", "plan.json").returncode == 0
    assert {call.partition for call in five.calls()[before:]} == {"2023-11-10", "2023-11-11", "2023-11-12"}
    assert len(five.calls()) - before == 15

    five.recoup("plan", "phase3", "--start", "2023-11-24", "--end", "2023-11-26", "-o", "plan.json")
    five.recoup("run", "phase3", "2023-11-25", "--step", "player_game_summary")
    before = len(five.calls())
    moved = five.recoup("run", "--plan", "plan.json")
    assert moved.returncode == 4
    assert "the saved plan no longer matches the ledger" in moved.stderr
    assert len(five.calls()) == before


# --- what is stale

CHAIN = """
import polars as pl

shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-03"))


@shop.step
def orders(ctx):
    with noted(ctx):
        (content,) = told("content") or ["1"]
        return pl.DataFrame({"x": [int(content)]})


@shop.step
def total(ctx, orders: pl.LazyFrame):
    with noted(ctx):
        return orders.select(pl.col("x") * 2)
"""


def groups(project, *words):
    answer = project.answer("plan", "shop", *words)
    return {(group["step"], group["reason"], group["count"]) for group in answer["groups"]}


def test_editing_a_step_makes_it_stale_and_nothing_else_does(project):
    project.declare("shop", CHAIN, INLINE)
    assert project.recoup("run", "shop").returncode == 0
    text = (project.folder / "shop.py").read_text()
    project.write("shop.py", text.replace("def total(", "# a comment\ndef total("))
    assert groups(project, "--only", "stale") == set()
    project.write("shop.py", text.replace('pl.col("x") * 2', 'pl.col("x") * 3'))
    assert groups(project) == set(), "stale is always asked for"
    assert groups(project, "--only", "stale") == {("total", "stale(code)", 3)}
    status = project.recoup("status", "shop")
    assert "stale(code)" in status.stdout
    before = len(project.calls())
    assert project.recoup("run", "shop", "--only", "stale", "--start", "2024-01-02").returncode == 0
    assert sorted((call.step, call.partition) for call in project.calls()[before:]) == [
        ("total", "2024-01-02"),
        ("total", "2024-01-03"),
    ]
    assert groups(project, "--only", "stale") == {("total", "stale(code)", 1)}


def test_an_upstream_with_other_content_makes_stale_and_with_the_same_does_not(project):
    project.declare("shop", CHAIN, INLINE)
    assert project.recoup("run", "shop").returncode == 0
    text = (project.folder / "shop.py").read_text()
    again = ("run", "shop", "--only", "stale", "--step", "orders")
    project.write("shop.py", text.replace("int(content)]", "int(content) + 0]"))
    assert project.recoup(*again).returncode == 0
    assert groups(project, "--only", "stale") == set(), "republished with the same content"
    project.write("shop.py", text)
    project.write("content", "5")
    assert project.recoup(*again, "2024-01-02").returncode == 0
    assert groups(project, "--only", "stale") == {("orders", "stale(code)", 2), ("total", "stale(input)", 1)} | {
        ("total", "stale(input): orders runs again", 2)
    }
    before = len(project.calls())
    assert project.recoup("run", "shop", "--only", "stale", "2024-01-02").returncode == 0
    assert [(call.step, call.partition) for call in project.calls()[before:]] == [("total", "2024-01-02")]


# --- a restatement that fails, and what earlier tries left behind

RESTATED = """
import polars as pl

shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-02"))
VERSION = "1"


@shop.step(version=VERSION)
def orders(ctx):
    with noted(ctx):
        if told("bad"):
            raise KeyError("price")
        return pl.DataFrame({"version": [VERSION]})
"""


def read_versions(project):
    return project.python("print(json.dumps(rc.read('orders').collect()['version'].to_list()))")


def test_a_restatement_that_fails_moves_no_pointer(project):
    project.declare("shop", RESTATED, INLINE)
    assert project.recoup("run", "shop").returncode == 0
    before = project.tree("lake", "orders")
    project.write("shop.py", (project.folder / "shop.py").read_text().replace('VERSION = "1"', 'VERSION = "2"'))
    project.write("bad", "yes")
    result = project.recoup("run", "shop", "--only", "stale")
    assert result.returncode == 1
    assert project.tree("lake", "orders") == before, "byte for byte"
    assert read_versions(project) == ["1", "1"]
    (project.folder / "bad").unlink()
    assert project.recoup("run", "shop").returncode == 0
    assert read_versions(project) == ["2", "2"]


def test_a_restatement_that_fails_keeps_the_manifest_of_what_is_current(project):
    """Its partition's run is still open, because another step has failed; a step without a table has no pointer."""
    body = """
p = rc.Pipeline("p", partitions=rc.Daily("2023-01-01", "2023-01-01"))
VERSION = "1"


@p.step(version=VERSION)
def fetch(ctx):
    if told("bad"):
        raise KeyError("price")


@p.step
def clean(ctx, fetch):
    raise KeyError("gate")
"""
    project.declare("p", body, INLINE)
    assert project.recoup("run", "p").returncode == 1
    (current,) = project.manifests("fetch")
    project.write("p.py", (project.folder / "p.py").read_text().replace('VERSION = "1"', 'VERSION = "2"'))
    project.write("bad", "yes")
    assert project.recoup("run", "p", "--only", "stale").returncode == 1
    assert current in project.manifests("fetch")
    assert sorted(body["outcome"] for body in project.manifests("fetch")) == ["failed", "success"]


@pytest.mark.runbook("D-15")
def test_leftovers_in_a_run_s_folder_do_not_matter(project, until, stop):
    """A run is killed; half a file, a foreign file and somebody's folder lie in its place when it goes on."""
    project.declare("shop", RESTATED.replace("if told", "wait_for('go')\n        if told"), INLINE)
    process = project.start("run", "shop")
    until(project.calls, process)
    stop(process, signal.SIGKILL)
    (run_id,) = project.ledger("SELECT run_id FROM runs WHERE partition = '2024-01-01'")[0]
    own = project.folder / "lake" / "orders" / "dt=2024-01-01" / f"run={run_id}"
    (own / "backup").mkdir(parents=True)
    (own / "a1-00000000-0.parquet").write_bytes(b"PAR1 half a file")
    (own / "a2-00000000-0.parquet").write_bytes(b"")
    (own / ".a2-1-0.parquet.0123456789abcdef.tmp").write_bytes(b"half")
    (own / "notes.txt").write_text("who left this here?")
    project.write("go", "")
    result = project.recoup("run", "shop")
    assert result.returncode == 0, result.stdout + result.stderr
    assert read_versions(project) == ["1", "1"]
    (manifest,) = [body for body in project.manifests("orders") if body["partition"] == "2024-01-01"]
    assert (manifest["run_id"], manifest["attempt"], len(manifest["outputs"])) == (run_id, 2, 1)
    assert (own / "notes.txt").exists()
    assert list((own / "backup").iterdir()) == []
