"""The real command line in a folder of its own: what it prints, how it exits, and what it says to bad input."""

import json
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.cli.json_page import EVERYWHERE, complaints

DONE, INCOMPLETE, USAGE, PENDING, REFUSED, UNREACHABLE = 0, 1, 2, 3, 4, 5

SHOP = """
shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-31", key="dt"))
raw = rc.Source("raw", shop.partitions, probe=lambda day: day not in told("lacking"))


@shop.step(retry=rc.Retry(max_attempts=2, initial="10ms", max="10ms"))
def orders(ctx, raw=raw):
    if ctx.partition in told("bad"):
        raise ValueError(f"no price on {ctx.partition}")


@shop.step
def totals(ctx, orders):
    if [ctx.partition] >= told("wait_from") != []:
        wait_for("go")


@shop.step
def trend(ctx, history=rc.lookback(totals, days=7, complete=1.0)): ...
"""


@pytest.fixture
def shop(project):
    project.declare("shop", SHOP, 'executor = "inline"')
    return project


def lines(text):
    return text.splitlines()


def said(result, code):
    """The sentence and the remedy of a command that failed; each on one line, and nothing else."""
    assert result.returncode == code, result
    assert result.stdout == ""
    *before, error, remedy = lines(result.stderr)
    assert error.startswith("error: "), result.stderr
    assert remedy.startswith("help: "), result.stderr
    assert not any("Traceback" in line for line in before)
    assert len(error) < 400
    return error.removeprefix("error: "), remedy.removeprefix("help: ")


# --- the sample, from nothing to a rollback


def test_the_sample_runs_and_every_command_says_what_comes_next(project):
    shutil.rmtree(project.folder)
    project.folder.mkdir()
    made = project.recoup("init")
    assert lines(made.stdout) == ["wrote recoup.toml", "wrote pipeline.py", "wrote .gitignore"]
    told = made.stderr.splitlines()[-1]
    assert told == "next: recoup run sample"
    for _ in range(3):
        result = project.recoup(*told.removeprefix("next: recoup ").split())
        assert result.returncode == DONE, result.stderr
        told = result.stderr.splitlines()[-1]
        assert told.startswith("next: recoup "), result.stderr
    assert "complete" in project.recoup("status").stdout
    again = project.recoup("run", "sample")
    assert again.stdout == "sample: nothing to do, all 155 partition-steps asked for are published · gate: complete\n"


def test_init_never_overwrites(project):
    project.write("pipeline.py", "mine = True")
    error, remedy = said(project.recoup("init"), USAGE)
    assert "pipeline.py" in error
    assert "recoup init sample" in remedy
    assert (project.folder / "pipeline.py").read_text() == "mine = True"
    assert not (project.folder / "recoup.toml").exists()
    assert project.recoup("init", "sample").returncode == DONE


# --- plan, run, status, runs


def test_a_plan_says_what_and_why_in_one_line_each_and_changes_nothing(shop):
    shop.write("lacking", "2024-01-17")
    result = shop.recoup("plan", "shop")
    assert lines(result.stdout) == [
        "orders  2024-01-01…2024-01-16 (16), 2024-01-18…2024-01-31 (14)  missing",
        "orders  2024-01-17                                              blocked: raw has no such partition",
        "totals  2024-01-01…2024-01-16 (16), 2024-01-18…2024-01-31 (14)  missing",
        "totals  2024-01-17                                              blocked: orders is not there",
        "trend   2024-01-01…2024-01-17 (17), 2024-01-25…2024-01-31 (7)   missing",
        f"trend   2024-01-18…2024-01-24 (7)  {' ' * 29}blocked: totals: 6 of 7 there, 7 needed; missing 2024-01-17",
        "",
        "shop: 84 to run · 9 blocked · 0 done · no estimate yet",
    ]
    assert result.stderr == "next: recoup run shop\n"
    assert shop.calls() == []
    assert shop.recoup("plan", "shop", "--check").returncode == PENDING


def test_a_plan_shows_an_estimate_once_there_is_a_history(shop):
    shop.recoup("run", "shop", "--end", "2024-01-10")
    assert re.search(r"about .* at once", shop.recoup("plan", "shop").stdout)


@pytest.mark.runbook("B-06")
def test_what_is_published_is_not_planned_again(shop):
    shop.recoup("run", "shop", "--end", "2024-01-10")
    plan = shop.answer("plan", "shop", "--step", "orders")
    assert [(group["ranges"], group["reason"]) for group in plan["groups"]] == [
        ([["2024-01-11", "2024-01-31"]], "missing")
    ]
    assert plan["done"] == 10


def test_a_run_says_what_is_incomplete_why_and_what_to_do(shop):
    shop.write("bad", "2024-01-05 2024-01-06")
    result = shop.recoup("run", "shop")
    assert result.returncode == INCOMPLETE
    head, *rest = lines(result.stdout)
    assert head.startswith("shop: finished, incomplete · 81 of 93 published · 2 failed · 10 blocked · ")
    text = "\n".join(rest)
    assert "orders  2024-01-05…2024-01-06 (2)  unknown: ValueError: no price on 2024-01-05" in text
    assert "Nothing tells what this is: read the log before you run it again." in text
    assert "trend   2024-01-06                 totals: 4 of 5 there, 5 needed; missing 2024-01-05" in text
    assert result.stderr.splitlines()[-1] == "next: recoup why shop"
    assert sum(line.startswith("failed orders") for line in result.stderr.splitlines()) == 1  # one cause is told once


@pytest.mark.runbook("B-17", "B-i2")
def test_the_unchanged_command_after_a_failed_and_a_blocked_date_does_the_rest(shop):
    shop.write("bad", "2024-01-05")
    shop.write("lacking", "2024-01-20")
    assert shop.recoup("run", "shop").returncode == INCOMPLETE
    shop.write("bad", "")
    shop.write("lacking", "")
    assert shop.recoup("run", "shop").returncode == DONE
    assert shop.answer("status", "shop")["complete"]


def test_a_saved_plan_runs_exactly_as_saved_or_not_at_all(shop):
    saved = shop.recoup("plan", "shop", "--end", "2024-01-05", "-o", "plan.json")
    assert saved.stderr.splitlines()[-1] == "next: recoup run --plan plan.json"
    assert shop.recoup("run", "--plan", "plan.json").returncode == DONE
    assert shop.answer("status", "shop")["completed_dates"] == 5
    error, _ = said(shop.recoup("run", "--plan", "plan.json"), REFUSED)
    assert "no longer matches" in error


@pytest.mark.runbook("B-15", "B-68")
def test_status_has_the_figures_of_the_playbook(shop):
    shop.recoup("run", "shop", "--end", "2024-01-10")
    before = datetime.now(UTC) - timedelta(minutes=5)
    body = shop.answer("status", "shop", "--step", "totals", "--start", "2024-01-01", "--end", "2024-01-20")
    assert {name: body[name] for name in ("total_dates", "completed_dates", "remaining", "pct_complete")} == {
        "total_dates": 20,
        "completed_dates": 10,
        "remaining": 10,
        "pct_complete": 50.0,
    }
    (step,) = body["steps"]
    assert step["last_successful_date"] == "2024-01-10"
    assert datetime.fromisoformat(step["last_successful_time"]) > before


def test_status_before_the_first_run_and_without_a_ledger(shop):
    body = shop.answer("status", "shop")
    assert (body["total_dates"], body["completed_dates"]) == (31, 0)
    assert not (shop.folder / ".recoup").exists()
    assert shop.recoup("status", "--check").returncode == PENDING


@pytest.mark.runbook("B-69")
def test_only_failed_lists_what_failed_last(shop):
    shop.write("bad", "2024-01-05 2024-01-09")
    shop.recoup("run", "shop")
    shop.write("bad", "2024-01-09")
    shop.recoup("run", "shop")
    body = shop.answer("status", "shop", "--only", "failed")
    assert [(part["step"], part["ranges"]) for part in body["incomplete"]] == [("orders", [["2024-01-09"] * 2])]
    text = shop.recoup("status", "shop", "--only", "failed").stdout
    assert text == "orders  failed(unknown)  2024-01-09  ValueError: no price on 2024-01-09\n"


def test_status_of_one_partition(shop):
    shop.write("bad", "2024-01-05")
    shop.recoup("run", "shop")
    body = shop.answer("status", "shop", "2024-01-05")
    assert [(step["step"], step["completed"], step["blocked"]) for step in body["steps"]] == [
        ("orders", 0, 0),
        ("totals", 0, 1),
        ("trend", 1, 0),
    ]


@pytest.mark.runbook("B-05")
def test_runs_have_every_attempt_good_or_bad(shop):
    shop.write("bad", "2024-01-02")
    shop.recoup("run", "shop", "--end", "2024-01-03")
    found = shop.answer("runs", "shop", "--limit", "0")["runs"]
    assert [(r["step"], r["partition"], r["success"]) for r in found if r["partition"] == "2024-01-02"] == [
        ("trend", "2024-01-02", True),
        ("orders", "2024-01-02", False),
    ]
    (bad,) = [run for run in found if not run["success"]]
    assert bad["error_message"] == "ValueError: no price on 2024-01-02"
    assert (bad["layer"], bad["decision"], bad["rows_processed"]) == ("shop", "missing", None)
    assert bad["created_at"]


@pytest.mark.runbook("B-16")
def test_failures_of_the_last_two_hours_at_most_twenty(shop):
    """1:59 is in, 2:01 is out: the clock that is moved is the ledger's."""
    days = [f"2024-01-{number:02}" for number in range(1, 32)]
    shop.write("bad", " ".join(days))
    shop.recoup("run", "shop", "--step", "orders")
    command = ("runs", "shop", "--failed", "--since", "2h", "--limit", "20")
    newest = shop.answer(*command)["runs"]
    assert [run["partition"] for run in newest] == days[:10:-1]
    now = datetime.now(UTC).timestamp()
    with sqlite3.connect(shop.folder / ".recoup" / "ledger.db") as db:
        db.execute("UPDATE attempts SET claimed_at = ? WHERE token <= 20", (now - 121 * 60,))
        db.execute("UPDATE attempts SET claimed_at = ? WHERE token > 20", (now - 119 * 60,))
    assert [run["partition"] for run in shop.answer(*command)["runs"]] == days[:19:-1]


def test_a_list_of_ten_thousand_goes_into_a_closed_pipe_without_a_word(shop):
    shop.recoup("run", "shop")
    command = f"{sys.executable} -m recoup runs shop --limit 0 | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=shop.folder,
        capture_output=True,
        text=True,
        check=False,
        env=shop._environment({}),
    )
    assert len(lines(done.stdout)) == 1
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


# --- status, again and again


@pytest.mark.runbook("B-64")
def test_a_watched_status_follows_a_backfill_and_ends_when_all_is_complete(shop, until):
    shop.write("bad", "2024-01-01")
    shop.write("wait_from", "2024-01-10")
    running = shop.start("run", "shop", "--executor", "processes", "--max-parallel", "2")
    until(lambda: (shop.folder / ".recoup").exists() and shop.answer("backfill", "ls")["backfills"], running)
    watching = shop.start("status", "shop", "--watch", "0.1", "--check", "--json")
    events = [json.loads(watching.stdout.readline()) for _ in range(3)][1:]
    shop.write("go", "")
    assert running.wait(60) == INCOMPLETE
    seen = shop.start("status", "shop", "--watch", "0.1", "--check", "--only", "failed")
    until(lambda: "failed(" in seen.stdout.readline(), seen)
    seen.kill()
    shop.write("bad", "")
    assert shop.recoup("run", "shop").returncode == DONE
    out, _ = watching.communicate(timeout=30)
    assert watching.returncode == DONE
    *more, closing = map(json.loads, lines(out))
    assert [event["complete"] for event in [*events, *more]][-2:] == [False, True]
    assert closing == {"event": "result", "state": "done", "exit_code": 0, "next": "recoup publish ls shop"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_watched_status_gives_the_terminal_back(shop, number, code):
    terminal = shop.terminal("status", "shop", "--watch")
    terminal.see("2024-01-01…2024-01-31 (31)")
    terminal.process.send_signal(number)
    assert terminal.leave() == code
    before, _, after = terminal.text.partition("\x1b[?1049l")
    assert "every 2 s" in before
    assert "Traceback" not in terminal.text
    assert ("next: recoup run shop" in after) is (number == signal.SIGINT)


# --- backfills from another terminal


@pytest.mark.runbook("B-07")
def test_pause_and_resume_from_another_terminal(shop, until):
    shop.write("wait_from", "2024-01-10")
    running = shop.start("run", "shop", "--executor", "processes", "--max-parallel", "2")
    until(lambda: (shop.folder / ".recoup").exists() and shop.answer("backfill", "ls")["backfills"], running)
    paused = shop.recoup("backfill", "pause", "latest")
    assert paused.returncode == DONE, paused.stderr
    assert re.fullmatch(r"shop-\d{8}-\w{4}: running → paused; attempts that were running end first\n", paused.stdout)
    shop.write("go", "")
    body = shop.answer("backfill", "show", "latest")
    assert (body["state"], body["pipeline"]) == ("paused", "shop")
    resumed = shop.recoup("backfill", "resume", "latest")
    assert resumed.stdout.endswith(": paused → running\n"), resumed
    out, _ = running.communicate(timeout=30)
    assert running.returncode == DONE, out
    assert shop.answer("backfill", "show", "latest")["state"] == "done"


@pytest.mark.runbook("B-51")
def test_cancel_from_another_terminal(shop, until):
    shop.write("wait_from", "2024-01-03")
    running = shop.start("run", "shop", "--executor", "processes", "--max-parallel", "2")
    until(lambda: (shop.folder / ".recoup").exists() and shop.answer("backfill", "ls")["backfills"], running)
    result = shop.recoup("backfill", "cancel", "latest")
    assert "→ cancelled" in result.stdout, result
    out, _ = running.communicate(timeout=30)
    assert running.returncode == INCOMPLETE
    assert "cancelled" in out
    assert shop.ledger("SELECT count(*) FROM attempts WHERE state = 'running'") == [(0,)]


def test_resume_runs_the_rest_here_when_nobody_does(shop, until, stop):
    shop.write("wait_from", "2024-01-10")
    running = shop.start("run", "shop", "--executor", "processes", "--max-parallel", "2")
    until(lambda: (shop.folder / ".recoup").exists() and shop.answer("backfill", "ls")["backfills"], running)
    stop(running, signal.SIGKILL)
    status = shop.answer("status", "shop")  # who is dead runs nothing, though nobody could write that down
    assert (status["active_backfills"], sum(step["running"] for step in status["steps"])) == ([], 0)
    assert shop.answer("backfill", "show")["state"] == "interrupted"
    name = shop.answer("backfill", "ls")["backfills"][0]["backfill_id"]
    assert (status["interrupted"], status["next"]) == ([name], f"recoup backfill resume {name}")
    assert f"interrupted: {name}, `recoup backfill resume {name}`" in shop.recoup("status", "shop").stdout
    shop.write("go", "")
    result = shop.recoup("backfill", "resume", name[-4:], "--json")
    opening, *_, closing = map(json.loads, lines(result.stdout))
    assert opening["command"] == "backfill resume"
    assert (closing["state"], closing["backfill_id"], result.returncode) == ("done", name, DONE)
    error, _ = said(shop.recoup("backfill", "resume", name), USAGE)
    assert "is done" in error
    # As if somebody else had done all of it meanwhile.
    db = sqlite3.connect(shop.folder / ".recoup" / "ledger.db")
    db.executescript("UPDATE backfills SET state = 'interrupted'")
    db.close()
    status = shop.answer("status", "shop")
    assert (status["interrupted"], status["next"]) == ([], "recoup publish ls shop")


def test_cancel_of_one_that_nobody_runs(shop, until, stop):
    shop.write("wait_from", "2024-01-01")
    running = shop.start("run", "shop", "--executor", "processes")
    until(lambda: (shop.folder / ".recoup").exists() and shop.answer("backfill", "ls")["backfills"], running)
    stop(running, signal.SIGKILL)
    assert "interrupted → cancelled" in shop.recoup("backfill", "cancel", "latest").stdout
    assert shop.answer("backfill", "ls")["backfills"][0]["state"] == "cancelled"
    error, _ = said(shop.recoup("backfill", "pause", "latest"), USAGE)
    assert "is cancelled" in error


def test_an_unknown_backfill_lists_the_newest(shop):
    shop.recoup("run", "shop", "2024-01-01")
    name = shop.answer("backfill", "ls")["backfills"][0]["backfill_id"]
    error, remedy = said(shop.recoup("backfill", "show", "nix"), USAGE)
    assert error == "there is no backfill 'nix'"
    assert name in remedy


# --- what programs read


def test_json_is_what_its_page_says(project):
    """One walk through the commands; each answer is held against docs/json.md, and the page against each answer."""
    project.recoup("init")
    wrong = {}

    def hold(words, *sections, code=DONE):
        result = project.recoup(*words, "--json")
        assert result.returncode == code, result
        body = json.loads(result.stdout.replace('"sample_dates"', '"PIPELINE_dates"'))
        assert body["exit_code"] == code
        wrong[" ".join(words)] = complaints(body, EVERYWHERE, *sections)

    hold(["plan", "sample"], "plan")
    ran = project.recoup("run", "sample", "--end", "2024-01-09", "--json", "--executor", "inline")
    events = [json.loads(line) for line in lines(ran.stdout)]
    wrong["run"] = complaints(events[0], "run")
    for event in events[1:]:
        sections = ["plan"] if event["event"] == "plan" else []
        wrong[f"run: {event['event']}"] = complaints(event, f"run: {event['event']}", *sections)
    assert {event.get("event") for event in events} >= {None, "plan", "result"}
    hold(["waive", "sample", "2024-01-20", "--reason", "lost"], "waive")
    hold(["status", "sample"], "status")
    hold(["status", "sample", "--gaps"], "status --gaps")
    hold(["verify", "sample"], "verify", "verify --gate", code=INCOMPLETE)
    hold(["waive", "sample", "2024-01-20", "--take-back"], "waive")
    hold(["runs", "sample"], "runs")
    hold(["backfill", "ls"], "backfill ls")
    hold(["publish", "ls", "sample.trend"], "publish ls")
    hold(["publish", "rollback", "sample.trend", "2024-01-09"], "publish rollback")
    hold(["publish", "rollback", "sample.trend", "2024-01-08", "--yes"], "publish rollback")
    hold(["publish", "diff", "sample.trend", "2024-01-08"], "publish diff")
    hold(["publish", "accept", "sample"], "publish accept")
    hold(["lake", "gc"], "lake gc")
    hold(["lake", "verify"], "lake verify")
    hold(["lake", "view", "trend"], "lake view")
    old = "import polars as pl\npl.DataFrame({'n': [1]}).write_parquet('2024-01-31.parquet')\nprint(1)"
    project.python(old)
    hold(["lake", "adopt", "sample", "trend", "--files", "{partition}.parquet"], "lake adopt")
    hold(["ledger", "adopt"], "ledger adopt")
    hold(["ledger", "path"], "ledger path")
    hold(["ledger", "verify"], "ledger verify")
    hold(["ledger", "backup", "copy.db"], "ledger backup")
    hold(["ledger", "export", "history"], "ledger export")
    hold(["ledger", "migrate"], "ledger migrate")
    hold(["ledger", "rebuild", "--force"], "ledger rebuild")
    hold(["doctor"], "doctor")
    hold(["config", "show"], "config show")
    hold(["init", "more"], "init")
    shown = json.loads(project.recoup("publish", "show", "trend", "2024-01-09", "--json").stdout)
    wrong["publish show"] = complaints(shown, EVERYWHERE, "publish show")
    wrong["its generations"] = complaints({"publications": shown["generations"]}, "publish ls")
    refused = json.loads(project.recoup("status", "nix", "--json").stdout)
    wrong["an error"] = complaints(refused, "An error")
    assert {words: found for words, found in wrong.items() if found} == {}


CHATTY = """
from datetime import UTC, datetime
print("imported")
DAYS = rc.Daily("2024-01-01", "2024-01-02", key="dt", calendar=rc.Calendar(lambda key: print("calendar") or True))
feed = rc.Source("feed", DAYS, probe=lambda key: print("probe") or True)
chatty = rc.Pipeline("chatty", partitions=DAYS)
chatty.as_of("noon")(lambda key: print("as of") or datetime(2024, 1, 3, tzinfo=UTC))
@chatty.step
def hello(ctx, keys=feed): print("step")
"""


def test_what_a_pipeline_prints_is_no_data(project):
    """Programs read stdout; what the pipeline's own code says goes where notes go."""
    project.declare("chatty", CHATTY, 'executor = "inline"')
    for words in (["plan", "chatty"], ["run", "chatty", "--as-of-mode", "noon"], ["status", "chatty"]):
        result = project.recoup(*words, "--json")
        assert result.returncode == 0, result.stderr
        assert all(json.loads(line) for line in result.stdout.splitlines())
        assert "imported" in result.stderr


def test_json_of_failures_is_what_its_page_says(shop):
    shop.write("bad", "2024-01-05")
    ran = shop.recoup("run", "shop", "--json")
    events = [json.loads(line) for line in lines(ran.stdout)]
    failures = [event for event in events if event.get("event") == "failure"]
    assert len(failures) == 1
    wrong = complaints(failures[0], "run: failure") + complaints(events[-1], "run: result")
    wrong += complaints(shop.answer("status", "shop"), EVERYWHERE, "status")
    wrong += complaints(shop.answer("why", "shop"), EVERYWHERE, "why")
    wrong += complaints(shop.answer("recover", "shop"), EVERYWHERE, "recover")
    shown = shop.answer("backfill", "show")
    one = {"backfills": [{name: shown.pop(name) for name in BACKFILL}]}
    wrong += complaints(one, "backfill ls") + complaints(shown, EVERYWHERE, "backfill show")
    assert wrong == []


BACKFILL = ("backfill_id", "pipeline", "state", "wish", "actions", "created_at", "ended_at", "who", "request")


# --- terminals


def test_eighty_columns_are_enough(shop):
    shop.write("bad", "2024-01-05 2024-01-06")
    for words in (["plan", "shop"], ["run", "shop"], ["status", "shop"], ["runs", "shop"], ["doctor"]):
        terminal = shop.terminal(*words)
        terminal.leave()
        plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", terminal.text.replace("\r\n", "\n"))
        # A path is never broken, so that it can be copied: how long it is, is the folder's doing.
        drawn = [line.replace(str(shop.folder), "…") for text in plain.split("\n") for line in text.split("\r")]
        assert max(map(len, drawn)) <= 120, plain  # what conftest's terminal is wide


def test_no_colour_where_none_is_wanted(shop):
    shop.environ["NO_COLOR"] = "1"
    terminal = shop.terminal("status", "shop")
    terminal.leave()
    assert "\x1b[" not in terminal.text
    assert "\x1b[" not in shop.recoup("status", "shop").stdout


# --- doctor


def test_doctor_has_evidence_for_everything(shop):
    shop.recoup("run", "shop", "2024-01-01")
    result = shop.recoup("doctor", RECOUP_MAX_PARALLEL="3")
    assert result.returncode == DONE, result.stdout
    assert re.search(r"pass +setting max_parallel +3 \(\$RECOUP_MAX_PARALLEL\)", result.stdout)
    assert re.search(r"pass +pipeline shop +shop.py:shop: 3 steps, 1 source", result.stdout)
    assert re.search(r"pass +sqlite +SQLite \d", result.stdout)
    assert result.stdout.splitlines()[-1] == "nothing failed"


def test_doctor_finds_what_a_run_would_stumble_over(shop):
    shop.write("recoup.toml", '[pipelines]\nshop = "shop.py:shop"\nother = "other.py"\n')
    shop.write(
        "shop.py",
        'import recoup as rc\nshop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-31"))\n\n\n'
        '@shop.step(pool="api")\ndef a(ctx): ...\n',
    )
    result = shop.recoup("doctor")
    assert result.returncode == INCOMPLETE
    assert re.search(r"fail +pool api +step a uses it, and it is not declared", result.stdout)
    assert re.search(r"fail +pipeline other +there is no pipeline file", result.stdout)
    assert "2 checks failed" in result.stdout


def test_doctor_leaves_nothing_behind_in_an_empty_folder(project):
    assert project.recoup("doctor").returncode == DONE
    assert list(project.folder.iterdir()) == []


# --- what to type next, in a project that names nothing


def test_each_next_command_works_where_a_pipeline_is_known_by_its_place_only(project):
    """Members that a shell would take apart, and a plan in a file with a blank."""
    body = 'p = rc.Pipeline("inner", partitions=rc.Static(["New York", "a*", "--json"], key="city"))\n'
    project.write("my pipe.py", f"import recoup as rc\n\n{body}\n\n@p.step\ndef ys(ctx): ...\n")
    place = "my pipe.py:p"
    starts = [
        ["plan", place, "-o", "my plan.json"],
        ["run", place],
        ["runs"],
        ["backfill", "show"],
        *(["publish", "show", "ys", "--", city] for city in ("New York", "a*")),
        ["publish", "ls", "inner"],
        ["publish", "rollback", f"{place}.ys", "New York"],
        ["publish", "accept", "--code", f"{place}.ys", "New York"],
        ["publish", "show", f"{place}.ys", "New York"],
        ["doctor"],
    ]
    for start in starts:
        first = project.recoup(*start)
        assert first.returncode in (DONE, INCOMPLETE), first.stderr
        told = first.stderr.splitlines()[-1].removeprefix("next: ")
        after = project.recoup(*shlex.split(told)[1:])
        assert after.returncode in (DONE, INCOMPLETE), (told, after.stderr)


def test_doctor_shows_no_key_of_a_bucket_and_calls_it_a_failure(project):
    project.write("recoup.toml", 'lake = "s3://AKEY:Winter-is-c0ming@bucket/x"')
    result = project.recoup("doctor")
    assert result.returncode == INCOMPLETE
    assert "Winter" not in result.stdout + result.stderr
    assert re.search(r"fail +setting lake +s3://AKEY:\*\*\*@bucket/x", result.stdout)
    assert "Winter" not in project.recoup("doctor", "--json").stdout
