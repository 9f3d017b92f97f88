"""Steps that wait: many at once in threads or on one event loop, and the same steps under every executor."""

import json
import signal
import time
from itertools import pairwise

import pytest

EXECUTORS = ("threads", "processes", "inline")
ONCE = "rc.Retry(max_attempts=1)"

GATE = """
import asyncio, threading

COUNT = 1000
api = rc.Pipeline("api", partitions=rc.Daily("2020-01-01", "2022-09-26", key="dt"))
there, all_there, threads = [], asyncio.Event(), set()


@api.step
async def calls(ctx):
    threads.add(threading.get_ident())
    there.append(ctx.partition)
    if len(there) == COUNT:
        all_there.set()
    await all_there.wait()
    if len(threads) > 1:
        raise RuntimeError("there are more threads than one")
"""


def test_a_thousand_attempts_wait_at_the_same_time_on_one_thread(project):
    """No step goes on before all of them have begun."""
    project.declare("api", GATE, 'executor = "threads"')
    answer = project.answer("run", "api", "--max-parallel", "1000")
    assert (answer["state"], answer["counts"]["succeeded"]) == ("done", 1000)


BLOCKING = """
import threading
import polars as pl

HOLD = threading.Barrier(50)
api = rc.Pipeline("api", partitions=rc.Daily("2024-01-01", "2024-02-19", key="dt"))


@api.step
def calls(ctx):
    HOLD.wait(30)
    return pl.DataFrame({"day": [ctx.partition], "n": [1]})


@api.step(sink=rc.DuckDB("api.duckdb", table="weeks", key=["dt"]))
def weeks(ctx, calls: pl.DataFrame = rc.trailing(calls, days=7)) -> pl.DataFrame:
    HOLD.wait(30)
    return calls.select(pl.col("n").sum())
"""


def test_plain_steps_wait_in_threads_read_stage_and_are_delivered(project):
    """Each step's fifty attempts meet at a barrier; the table that they end in is right."""
    project.declare("api", BLOCKING)
    answer = project.answer("run", "api", "--executor", "threads", "--max-parallel", "50", "--step", "calls")
    assert (answer["state"], answer["counts"]["succeeded"]) == ("done", 50)
    answer = project.answer("run", "api", "--executor", "threads", "--max-parallel", "50")
    assert (answer["state"], answer["counts"]["succeeded"]) == ("done", 100)
    rows = project.python(
        "import duckdb\n"
        "weeks = duckdb.connect('api.duckdb', read_only=True).sql('SELECT dt::text, n FROM weeks ORDER BY dt')\n"
        "rows = weeks.fetchall()\n"
        "print(json.dumps([len(rows), rows[0], rows[-1]]))"
    )
    assert rows == [50, ["2024-01-01", 1], ["2024-02-19", 7]]
    delivered = project.ledger(
        "SELECT a.started_at, a.ended_at FROM attempts a JOIN nodes n USING (node) WHERE n.kind = 'delivery' ORDER BY 1"
    )
    assert all(before[1] <= after[0] for before, after in pairwise(delivered))


ASYNC = """
import asyncio
import polars as pl

mixed = rc.Pipeline("mixed", partitions=rc.Daily("2024-01-01", "2024-01-12", key="dt"))


@mixed.step
async def fetched(ctx):
    print("fetching", ctx.partition)
    await asyncio.sleep(0.001)
    ctx.count("calls")
    return pl.DataFrame({"n": [ctx.partition]})


@mixed.step
def parsed(ctx, fetched: pl.LazyFrame) -> pl.LazyFrame:
    ctx.log.info("parsing %s", ctx.partition)
    return fetched.with_columns(pl.col("n").str.slice(8).cast(pl.Int64).alias("day"))


@mixed.step
async def sent(ctx, parsed: pl.DataFrame = rc.trailing(parsed, days=3)) -> pl.DataFrame:
    await asyncio.to_thread(print, "sending", ctx.partition)
    return parsed.select(pl.col("day").sum())
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_async_and_plain_steps_of_one_pipeline(project, executor):
    project.declare("mixed", ASYNC)
    answer = project.answer("run", "mixed", "--executor", executor, "--max-parallel", "3")
    assert (answer["state"], answer["counts"]["succeeded"]) == ("done", 36)
    sums = project.python("print(json.dumps(rc.read('sent').sort('dt').collect()['day'].to_list()))")
    assert sums == [1, 3, *range(6, 34, 3)]
    assert {manifest["counters"]["calls"] for manifest in project.manifests("fetched")} == {1}
    if executor != "inline":
        for step, word in (("fetched", "fetching"), ("parsed", "INFO parsing"), ("sent", "sending")):
            logs = project.ledger("SELECT log FROM run_history WHERE step = ? ORDER BY partition", step)
            printed = [(project.folder / log).read_text() for (log,) in logs]
            assert all(text.endswith(f"{word} 2024-01-{day:02}\n") for day, text in enumerate(printed, 1))
            assert [text.count("\n") for text in printed] == [1] * 12


DEADLY = f"""
import asyncio

deadly = rc.Pipeline("deadly", partitions=rc.Daily("2024-01-01", "2024-01-08", key="dt"))
ENDS = {{"02": SystemExit(3), "04": KeyboardInterrupt(), "06": asyncio.CancelledError()}}


@deadly.step(retry={ONCE})
def plain(ctx):
    if error := ENDS.get(ctx.partition[-2:]):
        raise error


@deadly.step(retry={ONCE})
async def awaited(ctx):
    await asyncio.sleep(0)
    if error := ENDS.get(ctx.partition[-2:]):
        raise error


@deadly.step(retry={ONCE})
async def nested(ctx):
    if error := ENDS.get(ctx.partition[-2:]):
        async def fail():
            raise error
        await asyncio.create_task(fail())
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_would_end_a_process_or_a_loop_fails_its_attempt_only(project, executor):
    project.declare("deadly", DEADLY)
    answer = project.answer("run", "deadly", "--executor", executor, "--max-parallel", "2")
    assert answer["counts"] == {"actions": 24, "succeeded": 15, "failed": 9, "blocked": 0, "done_before": 0}
    told = project.ledger("SELECT step, error_message FROM run_history WHERE NOT success ORDER BY step, partition")
    ends = ("RuntimeError: the step called sys.exit(3)", "KeyboardInterrupt", "CancelledError")
    assert told == [(name, end) for name in ("awaited", "nested", "plain") for end in ends]
    assert len(project.ledger("SELECT 1 FROM attempts")) == 24


LOUD = """
import subprocess, sys, threading

loud = rc.Pipeline("loud", partitions=rc.Daily("2024-01-01", "2024-01-02", key="dt"))


@loud.step
def made(ctx):
    print("from the step")
    os.write(1, b"from C\\n")
    subprocess.run(["echo", "from a child"], check=True)
    thread = threading.Thread(target=print, args=["from a thread"])
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_stdout_is_for_data_whoever_prints(project, executor):
    project.declare("loud", LOUD)
    result = project.recoup("run", "loud", "--executor", executor, "--json")
    assert result.returncode == 0
    assert [json.loads(line) for line in result.stdout.splitlines()][-1]["exit_code"] == 0
    if executor != "processes":  # there all of it is in the log
        assert all(text in result.stderr for text in ("from C", "from a child", "from a thread"))


HANGING = f"""
import asyncio

hanging = rc.Pipeline("hanging", partitions=rc.Daily("2024-01-01", "2024-01-06", key="dt"))


@hanging.step(timeout="0.3s", retry={ONCE})
async def awaited(ctx):
    with noted(ctx):
        try:
            await asyncio.sleep(600 if ctx.partition[-1] in "25" else 0)
        finally:
            note(ctx, "tidied")


@hanging.step(timeout="0.3s", retry={ONCE})
def plain(ctx):
    with noted(ctx):
        time.sleep(600 if ctx.partition[-1] in "36" else 0)
"""


def test_limits_in_threads(project):
    """A coroutine is cancelled, a thread is given up: neither holds up another, nor the end of the process."""
    project.declare("hanging", HANGING, 'executor = "threads"')
    answer = project.answer("run", "hanging", "--max-parallel", "2")
    assert answer["counts"] == {"actions": 12, "succeeded": 8, "failed": 4, "blocked": 0, "done_before": 0}
    told = {part["step"]: (part["kind"], part["count"], part["message"]) for part in answer["incomplete"]}
    limit = "the step ran longer than its limit of 0.3 s and was"
    assert told == {
        "awaited": ("timeout", 2, f"{limit} ended"),
        "plain": ("timeout", 2, f"{limit} given up; its thread goes on, unheard"),
    }
    assert len([call for call in project.calls("tidied") if call.step == "awaited"]) == 6


LATE = """
import polars as pl

late = rc.Pipeline("late", partitions=rc.Daily("2024-01-01", "2024-01-01", key="dt"))


@late.step(timeout="1s", retry=rc.Retry(max_attempts=2, initial="0s"))
def made(ctx):
    if ctx.attempt == 1:
        wait_for("go")
    return pl.DataFrame({"attempt": [ctx.attempt]})


@late.step
def after(ctx, made: pl.DataFrame):
    (HERE / "go").touch()
    while len(list(HERE.glob("lake/made/*/run=*/*.parquet"))) < 2:
        time.sleep(0.01)
    time.sleep(0.2)
    return made
"""


def test_what_was_given_up_and_ends_after_all_changes_nothing(project):
    """It stages its table beside that of the next attempt, and nobody ever sees it."""
    project.declare("late", LATE, 'executor = "threads"\nmax_parallel = 1')
    answer = project.answer("run", "late")
    assert answer["state"] == "done"
    assert project.ledger("SELECT state FROM attempts ORDER BY token") == [("failed",), ("succeeded",), ("succeeded",)]
    assert project.python("print(json.dumps(rc.read('made').collect()['attempt'].to_list()))") == [2]
    assert project.recoup("ledger", "verify").returncode == 0


STUCK = """
stuck = rc.Pipeline("stuck", partitions=rc.Daily("2024-01-01", "2024-01-06", key="dt"))


@stuck.step
def made(ctx):
    with noted(ctx):
        time.sleep(600)
"""


def test_ctrl_c_twice_leaves_threads_that_hang(project, until):
    project.declare("stuck", STUCK, 'executor = "threads"\nmax_parallel = 4')
    process = project.start("run", "stuck")
    until(lambda: len(project.calls()) == 4, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    states = project.ledger("SELECT state, count(*) FROM attempts GROUP BY state")
    assert dict(states) == {"cancelled": 4}


def test_the_executors_are_named_where_one_is_unknown(project):
    project.declare("stuck", STUCK, 'executor = "fibres"')
    result = project.recoup("plan", "stuck")
    assert result.returncode == 2
    assert "choose from processes, threads, inline" in result.stderr
