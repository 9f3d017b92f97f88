"""A terminal goes away while a backfill runs, as at a logout: with nohup and without."""

import os
import pty
import signal
import subprocess
import sys

import pytest

SEASON = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-10", "2023-11-15", key="game_date"))


@phase3.step
def player_game_summary(ctx):
    with noted(ctx):
        if [ctx.partition] >= told("from") != []:
            wait_for("go")
"""
DAYS = [f"2023-11-{number}" for number in range(10, 16)]

# The shell leads the session of its terminal: when that goes, all that it started is hung up on; unless whoever runs
# these tests has told us not to listen.
LOGIN = (
    "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.login_tty(0);"
    " os.execvp('sh', ['sh', '-c', *sys.argv[1:]])"
)
COMMAND = '{} "$0" -m recoup run phase3 > backfill.log 2>&1 < /dev/null & echo $! > pid; wait'


@pytest.fixture
def log_out(project, until):
    """Start a backfill at a terminal, and close that while the third date runs; the backfill's process id."""
    pid = project.folder / "pid"

    def at(prefix):
        project.declare("phase3", SEASON, "max_parallel = 1")
        project.write("from", DAYS[2])
        controller, terminal = pty.openpty()
        words = [sys.executable, "-c", LOGIN, COMMAND.format(prefix), sys.executable]
        with subprocess.Popen(words, cwd=project.folder, env=project._environment({}), stdin=terminal, stdout=terminal):
            os.close(terminal)
            try:
                until(lambda: len(project.calls()) == 3)
            finally:
                os.close(controller)
        return int(pid.read_text())

    yield at
    if pid.exists() and not is_over(int(pid.read_text())):
        os.kill(int(pid.read_text()), signal.SIGKILL)


def is_over(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def log(project):
    return (project.folder / "backfill.log").read_text()


@pytest.fixture
def outlived(project, until, log_out):
    """A backfill under nohup whose terminal went away, and which ended by itself."""
    pid = log_out("nohup")
    assert not is_over(pid)
    project.write("go", "")
    until(lambda: is_over(pid))
    return project


@pytest.mark.runbook("B-24")
def test_a_backfill_under_nohup_outlives_its_terminal(outlived):
    assert [call.partition for call in outlived.calls()] == DAYS
    assert "phase3: done · 6 of 6 published" in log(outlived)
    told = outlived.recoup("runs", "phase3", "--limit", "0").stdout.splitlines()
    assert [sum(day in line for line in told) for day in DAYS] == [1] * len(DAYS)


@pytest.mark.runbook("B-24")
def test_its_log_has_a_line_for_each_date(outlived):
    dated = [line for line in log(outlived).splitlines() if line.startswith("2023-")]
    assert dated == [f"{day}  done  {count}/6" for count, day in enumerate(DAYS, 1)]


def test_without_nohup_the_same_logout_stops_it_and_the_same_command_goes_on(project, until, log_out):
    pid = log_out("env")
    until(lambda: "stopping" in log(project))
    project.write("go", "")
    until(lambda: is_over(pid))
    assert "phase3: stopped; nothing is lost · 3 of 6 published · 3 to go" in log(project)
    assert project.recoup("run", "phase3").returncode == 0
    assert [call.partition for call in project.calls()] == DAYS
