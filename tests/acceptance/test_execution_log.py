"""`recoup backfill log`: what people did to a backfill and why, how far it was, what went wrong, from the ledger."""

import getpass
import re
import signal
import socket

import pytest

from recoup.cli.output import SCHEMA
from tests.unit.cli.json_page import EVERYWHERE, complaints

PHASE3 = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-01", "2023-11-20"), retry=rc.Retry(1))


def processor(name):
    def make(ctx):
        with noted(ctx):
            if told("hold") == [ctx.partition]:
                wait_for("go")
            if f"{ctx.step}/{ctx.partition}" in told("bad"):
                raise ZeroDivisionError("points per <minute> are nothing")
            return pl.DataFrame({"points": [len(told("turn"))]})

    phase3.step(name=name)(make)


for name in ("players", "teams"):
    processor(name)
"""
ME = f"{getpass.getuser()}@{socket.gethostname()}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture
def phase3(project):
    project.declare("phase3", f"import polars as pl\n{PHASE3}", 'executor = "inline"\nmax_parallel = 1')
    return project


def actions(text):
    """The lines below the title, without their times, which ascend."""
    lines = text.split("## Actions Taken\n")[1].splitlines()
    times = [line.split(": ", 1)[0] for line in lines]
    assert all(re.fullmatch(TIME, time) for time in times)
    assert times == sorted(times)
    return [line.split(": ", 1)[1].rstrip() for line in lines]


@pytest.mark.runbook("B-65")
def test_it_is_written_from_the_ledger_in_the_documents_shape(phase3, until):
    phase3.write("hold", "2023-11-12")
    running = phase3.start("run", "phase3", "--reason", "the season is missing; password=hunter22")
    until(lambda: len(phase3.calls()) == 23)
    running.send_signal(signal.SIGKILL)
    running.wait()
    phase3.write("go", "")
    phase3.write("bad", "players/2023-11-15 teams/2023-11-15 players/2023-11-16")
    assert phase3.recoup("backfill", "resume", "latest", "--reason", "the machine was restarted").returncode == 1
    (backfill,) = phase3.answer("backfill", "ls")["backfills"]
    id_ = backfill["backfill_id"]
    noted = phase3.answer("backfill", "note", id_, "investigating\n2023-11-15")
    assert complaints(noted, EVERYWHERE, "backfill note") == []
    phase3.write("bad", "")
    phase3.write("phase3.py", (phase3.folder / "phase3.py").read_text().replace("bad", "worse"))
    days = ("2023-11-15", "2023-11-16")
    assert phase3.recoup("retry", "phase3", *days, "--reason", "fixed the division").returncode == 0
    back = ("publish", "rollback", "players", days[0], "--yes", "--reason", "the vendor takes it back")
    assert phase3.recoup(*back).returncode == 0

    written = phase3.recoup("backfill", "log", id_, "-o", "backfill_execution_log.md")

    assert written.stdout == "backfill_execution_log.md\n", written.stderr
    text = (phase3.folder / "backfill_execution_log.md").read_text()
    head = f"# Backfill Execution Log\nStarted: {backfill['created_at']}  \nBy: {ME}  \nBackfill: {id_}\n\n"
    assert text.startswith(f"{head}## Actions Taken\n")
    what = r"ZeroDivisionError: points per \\<minute> are nothing"
    expected = [
        rf"Started `recoup run phase3` \(20 partitions\) by {ME}: the season is missing; password=\*\*\*",
        *[rf"Processed {done}/20 partitions" for done in (2, 4, 6, 8, 10)],
        rf"Interrupted at 1[01]/20: its process {running.pid} on {socket.gethostname()} was gone",
        rf"Resuming at 1[01]/20 by {ME}: the machine was restarted",
        *[rf"Processed {done}/20 partitions" for done in (12, 14)],
        rf"Encountered error on 2023-11-15: players: logic: {what} \(2 attempts failed alike\)",
        rf"Encountered error on 2023-11-15: teams: logic: {what}",
        *[rf"Processed {done}/20 partitions" for done in (16, 18)],
        r"Ended incomplete: 18/20 partitions, 3 failed, after \d+ m?s",
        rf"investigating 2023-11-15 \({ME}\)",
        rf"Retried 2023-11-15, 2023-11-16 by {ME}: fixed the division",
        rf"Taken up by phase3-\d+-\w+, started by {ME}: fixed the division",
        r"Processed 20/20 partitions",
        r"phase3-\d+-\w+: done",
        rf"Rolling back players 2023-11-15 by {ME}: the vendor takes it back",
        r"Rolled back",
    ]
    found = actions(text)
    assert len(found) == len(expected), found
    assert [line for line, pattern in zip(found, expected, strict=True) if not re.fullmatch(pattern, line)] == [], text
    assert "hunter22" not in str(phase3.ledger("SELECT data FROM events"))

    answer = phase3.answer("backfill", "log", id_)
    assert complaints(answer, EVERYWHERE, "backfill log") == []
    assert (answer["schema"], answer["total"], len(answer["entries"])) == (SCHEMA, 20, len(expected))


def test_what_people_wish_of_it_stands_in_it_with_their_reasons(phase3, until):
    phase3.write("hold", "2023-11-02")
    running = phase3.start("run", "phase3", "--end", "2023-11-03")
    until(lambda: len(phase3.calls()) == 3)
    paused = phase3.start("backfill", "pause", "latest", "--reason", "the vendor asked for it")
    until(lambda: phase3.ledger("SELECT 1 FROM events WHERE kind = 'wished: pause'"))
    phase3.write("go", "")
    assert paused.wait() == 0
    phase3.recoup("backfill", "set", "latest", "--max-parallel", "2", "--reason", "more room")
    phase3.recoup("backfill", "resume", "latest", "--reason", "they are done")
    assert running.wait() == 0
    found = actions(phase3.recoup("backfill", "log").stdout)
    assert found[-1].startswith("Completed 3/3 partitions, after ")
    said = [
        f"Asked to pause by {ME}: the vendor asked for it",
        f"Set to at most 2 at once by {ME}: more room",
        f"Asked to go on by {ME}: they are done",
    ]
    assert [line for line in found if line in said] == said
    assert [line.split(" ")[0] for line in found if line.startswith(("Paused", "Going"))] == ["Paused", "Going"]


@pytest.mark.runbook("B-53")
def test_a_stop_tells_where_it_stopped_and_one_date_is_tried_before_it_goes_on(phase3, until):
    phase3.write("hold", "2023-11-03")
    running = phase3.start("run", "phase3", "--end", "2023-11-06")
    until(lambda: len(phase3.calls()) == 5)
    running.send_signal(signal.SIGTERM)
    until(lambda: "stopping: 1 running attempt ends first" in running.stderr.readline())
    phase3.write("go", "")
    told = running.stdout.read()
    assert running.wait() == 143
    last = "players 2023-11-03"
    assert re.search(rf"^  last success  {last}, {TIME}$", told, re.MULTILINE), told
    assert f"\n  in flight     {last} (succeeded)\n  remaining     4: 2023-11-03…2023-11-06 (4)\n" in told
    logged = actions(phase3.recoup("backfill", "log").stdout)[-1]
    left = "remaining 4: 2023-11-03…2023-11-06 (4)"
    assert logged.startswith("Stopped at 2/6 partitions, after ")
    assert logged.endswith(f"; last success {last}; in flight {last} (succeeded); {left}")

    (backfill,) = phase3.answer("backfill", "ls")["backfills"]
    assert phase3.recoup("run", "phase3", "--start", "2023-11-05", "--end", "2023-11-05").returncode == 0
    resumed = phase3.recoup("backfill", "resume", backfill["backfill_id"])
    assert resumed.returncode == 0, resumed.stderr
    dated = [line for line in resumed.stderr.splitlines() if line.startswith("2023-")]
    assert dated == ["2023-11-03  done  4/6", "2023-11-04  done  5/6", "2023-11-06  done  6/6"]
    assert len(phase3.calls()) == 12


def test_bad_input_ends_in_one_sentence_and_changes_nothing(phase3):
    assert phase3.recoup("backfill", "log").returncode == 5
    phase3.recoup("run", "phase3", "2023-11-01")
    events = phase3.ledger("SELECT count(*) FROM events")
    for words, sentence in (
        (("log", "latest", "-o", "no/such/folder.md"), "the log cannot be written to no/such/folder.md"),
        (("note", "latest", "  "), "the note is empty"),
        (("note", "nobody", "x"), "there is no backfill 'nobody'"),
    ):
        result = phase3.recoup("backfill", *words)
        assert (result.returncode, sentence in result.stderr) == (2, True), result.stderr
    assert phase3.ledger("SELECT count(*) FROM events") == events
