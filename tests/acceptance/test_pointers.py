"""What a pointer shows: only what has passed, all of it or nothing, and told apart from what never came so far."""

import json
import random
import signal
import time

import pytest

HEAD = """
import polars as pl

heads = rc.Pipeline("heads", partitions=rc.Daily("2024-01-01", "2024-01-02", key="game_date"), retry=rc.Retry(1))
VERSION = (told("version") or ["1"])[0]


@heads.step(version=VERSION)
def train(ctx):
    rows = pl.DataFrame({"version": [int(VERSION)] * 1000, "row": range(1000)})
    if told("bad"):
        raise ValueError(f"{len(rows)} rows, and none of them is any good")
    return rows


@heads.step(version=VERSION)
def promote(ctx, train: pl.LazyFrame):
    with noted(ctx):
        if told("unreachable"):
            raise ConnectionRefusedError("nobody answers")
        return train
"""
DAY = "2024-01-01"
AGAIN = ("run", "heads", "--only", "missing,failed,stale")


@pytest.fixture
def heads(project):
    """Trained and promoted once, with version 1."""
    project.declare("heads", HEAD, 'executor = "inline"')
    assert project.recoup("run", "heads").returncode == 0
    return project


def pointer(project, step="promote", day=DAY):
    return (project.folder / f"lake/{step}/game_date={day}/current.json").read_bytes()


def read(project):
    return project.python(f'print(json.dumps(rc.read("promote", "{DAY}").collect()["version"].unique().to_list()))')


@pytest.mark.runbook("D-10")
@pytest.mark.parametrize(("trouble", "steps"), [("bad", ["train", "promote"]), ("unreachable", ["promote"])])
def test_a_pointer_does_not_move_before_all_has_passed(heads, trouble, steps):
    before = {(step, day): pointer(heads, step, day) for step in steps for day in (DAY, "2024-01-02")}
    heads.write("version", "2")
    heads.write(trouble, "yes")
    assert heads.recoup(*AGAIN).returncode == 1
    assert {(step, day): pointer(heads, step, day) for step, day in before} == before
    assert read(heads) == [1]

    (heads.folder / trouble).unlink()
    assert heads.recoup(*AGAIN).returncode == 0
    assert all(pointer(heads, step, day) != was for (step, day), was in before.items())
    assert read(heads) == [2]


# Reads as fast as it can, until it is told to stop; each new thing that it saw, in order.
READER = f"""
from pathlib import Path
seen, reads = [], Path("reads").open("a")
while not Path("stop").exists():
    rows = rc.read("promote", "{DAY}").collect()
    found = [rows["version"].unique().to_list(), len(rows)]
    seen += [found] * (seen[-1:] != [found])
    print(".", end="", file=reads, flush=True)
print(json.dumps(seen))
"""


@pytest.mark.runbook("D-30", spelling="recoup run heads --only stale; the head is what the step's current.json names")
def test_a_reader_in_a_tight_loop_sees_the_old_or_the_new_through_kill_9(heads, until, stop):
    reader = heads.start(module=("-c", f"import json\nimport recoup as rc\n{READER}"))
    reads = heads.folder / "reads"
    until(lambda: reads.exists() and reads.stat().st_size, reader)
    chance, codes = random.Random(30), []
    for version in range(2, 8):
        heads.write("version", str(version))
        (heads.folder / "calls.log").unlink()
        running = heads.start(*AGAIN)
        until(heads.calls, running)
        time.sleep(chance.uniform(0, 0.04))
        codes.append(stop(running, signal.SIGKILL)[0])
    assert -signal.SIGKILL in codes
    assert heads.recoup(*AGAIN).returncode == 0
    at = reads.stat().st_size
    until(lambda: reads.stat().st_size > at + 1, reader)
    heads.write("stop", "")
    out, errors = reader.communicate(timeout=30)
    assert reader.returncode == 0, errors
    seen = json.loads(out.splitlines()[-1])
    assert {len(versions) for versions, _ in seen} == {1}
    assert {rows for _, rows in seen} == {1000}
    order = [versions[0] for versions, _ in seen]
    assert order == sorted(set(order))
    assert (order[0], order[-1]) == (1, 7)


@pytest.mark.runbook("D-14", spelling="recoup publish show heads.promote 2024-01-01")
def test_the_pointer_s_run_and_time_and_whether_it_was_reached_or_not(project):
    show = ("publish", "show", "heads.promote", DAY)
    project.declare("heads", HEAD, 'executor = "inline"')
    project.write("bad", "yes")
    project.recoup("run", "heads")
    # Not reached: nothing was ever published, and what stands before it is named.
    assert "promote 2024-01-01 was never published" in project.recoup(*show).stderr
    assert told(project) == {"train": "failed", "promote": "blocked"}

    (project.folder / "bad").unlink()
    assert project.recoup(*AGAIN).returncode == 0
    shown = project.answer(*show)
    (first,) = shown["generations"]
    assert shown["agrees"]
    assert first["run_id"] in pointer(project).decode()
    (manifest,) = [m for m in project.manifests("promote") if m["partition"] == DAY]
    assert (first["run_id"], first["state"]) == (manifest["run_id"], "current")
    assert first["published_at"] >= manifest["run_as_of"]
    before = pointer(project)

    # Reached, and not updated: it still shows the run of before, and the step stands as failed.
    project.write("version", "2")
    project.write("unreachable", "yes")
    assert project.recoup(*AGAIN).returncode == 1
    assert project.answer(*show)["generations"] == [first]
    assert told(project) == {"promote": "failed"}

    # Somebody has put an old pointer back: told too.
    (project.folder / "unreachable").unlink()
    assert project.recoup(*AGAIN).returncode == 0
    (project.folder / f"lake/promote/game_date={DAY}/current.json").write_bytes(before)
    shown = project.answer(*show)
    assert not shown["agrees"]
    assert "the ledger remembers run" in shown["verdict"]


def told(project):
    body = project.answer("status", "heads", DAY)
    return {part["step"]: part["state"] for part in body["incomplete"]}
