"""What takes more memory than it may is ended alone, says how much it took, and may take more when somebody says so."""

import json
import re

import pytest

GLUTTON = """
import polars as pl

glutton = rc.Pipeline("glutton", partitions=rc.Daily("2024-01-01", "2024-01-04"), retry=rc.Retry(1), memory="8GiB")


@glutton.step(memory="250MiB")
def eats(ctx):
    with noted(ctx):
        held = bytearray()
        while len(held) < (400_000_000 if ctx.partition == "2024-01-02" else 1_000_000):
            held += b"x" * 4_000_000
            time.sleep(0.01)
        if ctx.partition != "2024-01-02":
            time.sleep(1.0)
    return pl.DataFrame({"bytes": [len(held)]})
"""


def told(project):
    return project.recoup("why", "glutton").stdout


@pytest.fixture
def glutton(project):
    project.declare("glutton", GLUTTON, "max_parallel = 2")
    return project


@pytest.mark.runbook("E-18")
def test_a_step_over_its_limit_is_ended_alone_and_passes_with_more(glutton):
    result = glutton.recoup("run", "glutton")
    assert result.returncode == 1, result.stderr
    assert "MiB of memory, more than its limit of 250 MiB" in result.stdout
    assert {call.partition for call in glutton.calls("ended")} == {"2024-01-01", "2024-01-03", "2024-01-04"}
    measured = "SELECT peak_memory_bytes, cpu_seconds, ended_at - started_at FROM attempts"
    assert all(value > 0 for row in glutton.ledger(measured) for value in row)

    (cause,) = glutton.answer("why", "glutton")["causes"]
    assert (cause["kind"], cause["evidence"]["memory_limit_bytes"]) == ("memory", 250 * 1024**2)
    assert (
        250 * 1024**2 < cause["evidence"]["peak_memory_bytes"] == cause["compared"]["peak_memory_bytes"] < 400_000_000
    )
    assert cause["compared"]["cpu_seconds"] > 0
    assert cause["compared"]["usual_memory_bytes"] > 1_000_000
    assert re.search(
        r"took [\d.]+ m?s of 1 h, usually .* · CPU .* · memory \d+ MiB of 250 MiB, usually \d+", told(glutton)
    )

    plan = glutton.recoup("plan", "glutton", "--memory", "2GiB").stdout
    assert "eats may take 2 GiB of memory this time, 250 MiB as a rule" in plan
    (group,) = glutton.answer("plan", "glutton", "--memory", "2GiB")["groups"]
    assert group["memory_bytes"] == 2 * 1024**3
    failed = glutton.ledger("SELECT DISTINCT run FROM attempts WHERE state = 'failed'")
    assert glutton.recoup("run", "glutton", "--memory", "2GiB").returncode == 0
    runs = "SELECT run, state FROM attempts JOIN runs USING (run) WHERE partition = '2024-01-02' ORDER BY token"
    assert [(run == failed[0][0], state) for run, state in glutton.ledger(runs)] == [
        (True, "failed"),
        (False, "succeeded"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory", "much"], "--memory: 'much' is no size"),
        (["--memory", "1MiB"], "less than a worker takes before it begins"),
        (["--memory", "100MiB"], "--memory 100 MiB raises nothing: no step of this plan has a limit below that"),
        (["--memory", "2GiB", "--executor", "threads"], "the executor threads cannot hold an attempt to a limit"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(glutton, words, message):
    result = glutton.recoup("run", "glutton", *words)
    assert result.returncode == 2
    assert message in result.stderr
    assert not glutton.calls()


def test_an_executor_that_holds_nobody_says_so(glutton):
    result = glutton.recoup("run", "glutton", "2024-01-01", "--executor", "inline")
    assert result.returncode == 0
    assert "warning: the executor inline holds nobody to a memory limit; worker processes do: eats" in result.stderr


RESOURCES = """
import subprocess

emr = rc.Pipeline("emr", partitions=rc.Daily("2024-01-15", "2024-01-15"), retry=rc.Retry(1))


class AirflowTaskTimeout(BaseException):
    __module__ = "airflow.exceptions"


def command(text):
    subprocess.run(["sh", "-c", text], check=True, capture_output=True)


@emr.step
def python(ctx):
    raise MemoryError


@emr.step
def allocates(ctx):
    return len(bytearray(1 << 60))


@emr.step
def spark(ctx):
    command("echo 'Exception in thread \\"main\\" java.lang.OutOfMemoryError: Java heap space' >&2; exit 1")


@emr.step
def yarn(ctx):
    command("echo 'ExecutorLostFailure (executor 7 exited caused by one of the running tasks) Reason: Container killed"
            " by YARN for exceeding memory limits. 5.5 GB of 5.5 GB physical memory used.' >&2; exit 1")


@emr.step
def container(ctx):
    command("exit 137")


@emr.step(memory="200MiB")
def limited(ctx):
    held = bytearray(b"x" * 600_000_000)
    time.sleep(5)


@emr.step(memory="200MiB")
def quick(ctx):
    return len(bytearray(b"x" * 300_000_000))


@emr.step(timeout="300ms")
def slow(ctx):
    time.sleep(5)


@emr.step
def airflow(ctx):
    raise AirflowTaskTimeout("Timeout, PID: 4711")
"""


@pytest.mark.runbook("E-17")
def test_out_of_memory_and_out_of_time_are_told_apart(project):
    project.declare("emr", RESOURCES, "max_parallel = 2")
    assert project.recoup("run", "emr").returncode == 1
    kinds = {row["step"]: row["failure_kind"] for row in project.answer("runs", "emr")["runs"]}
    memory = dict.fromkeys(["python", "allocates", "spark", "yarn", "container", "limited", "quick"], "memory")
    assert kinds == {**memory, "slow": "timeout", "airflow": "timeout"}
    classes = "SELECT name, failure FROM attempts JOIN nodes USING (node)"
    told = {name: json.loads(failure) for name, failure in project.ledger(classes)}
    assert {failure["retry_class"] for name, failure in told.items() if name in memory} == {"B"}
    assert told["limited"]["evidence"]["memory_limit_bytes"] == 200 * 1024**2
