"""`recoup retry`: only the failed steps, in the same run where that is safe, and refused where it is not."""

import pytest

# Five processors of one day, as in the playbook; any of them can be broken by name from outside.
PHASE3 = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-13", "2023-11-16"), retry=rc.Retry(1))
raw = rc.Source("raw", phase3.partitions, probe=lambda key: "-".join(["v", *told("version")]))
ERRORS = {
    "network": ConnectionRefusedError("nobody answers"),
    "logic": ZeroDivisionError("division by zero"),
    "memory": MemoryError("too much"),
    "permission": PermissionError(13, "not yours"),
}


def processor(name):
    def make(ctx, raw=raw):
        with noted(ctx):
            for kind in told(f"{ctx.step}-{ctx.partition}"):
                raise ERRORS[kind]

    phase3.step(name=name)(make)


for name in ("games", "players", "teams", "shots", "odds"):
    processor(name)
"""
DAY = "2023-11-15"


def broken(project, kind, *steps, day=DAY):
    for step in steps:
        project.write(f"{step}-{day}", kind)


def mended(project):
    for path in project.folder.glob("*-2023-11-*"):
        path.unlink()


@pytest.fixture
def phase3(project):
    project.declare("phase3", PHASE3)
    return project


def ran(project):
    """What has been called since the last look."""
    calls = [(call.step, call.partition) for call in project.calls()]
    (project.folder / "calls.log").unlink(missing_ok=True)
    return calls


@pytest.mark.runbook("B-40", "D-27")
def test_exactly_the_failed_ones_in_the_same_run(phase3):
    broken(phase3, "network", "players", "teams", "odds")
    assert phase3.recoup("run", "phase3").returncode == 1
    ran(phase3)
    mended(phase3)
    answer = phase3.answer("retry", "phase3", DAY)

    assert (answer["state"], answer["counts"]["actions"]) == ("done", 3)
    assert sorted(ran(phase3)) == [("odds", DAY), ("players", DAY), ("teams", DAY)]
    runs = phase3.ledger("SELECT DISTINCT run_id FROM runs WHERE partition = ?", DAY)
    assert len(runs) == 1
    numbers = phase3.ledger("SELECT number FROM attempts JOIN runs USING (run) WHERE partition = ?", DAY)
    assert sorted(number for (number,) in numbers) == [1, 1, 1, 1, 1, 2, 2, 2]
    events = phase3.ledger("SELECT data FROM events WHERE kind = 'retry'")
    assert len(events) == 1


def test_only_the_steps_that_are_named(phase3):
    broken(phase3, "network", "players", "teams")
    phase3.recoup("run", "phase3")
    ran(phase3)
    mended(phase3)
    assert phase3.recoup("retry", "phase3", DAY, "--step", "teams").returncode == 0
    assert ran(phase3) == [("teams", DAY)]


@pytest.mark.runbook("B-10")
def test_what_would_fail_again_waits_for_a_change_of_code_or_input_or_for_a_person_with_a_reason(phase3):
    broken(phase3, "logic", "players")
    phase3.recoup("run", "phase3")
    # No second attempt by itself.
    assert phase3.ledger("SELECT count(*) FROM attempts WHERE failure IS NOT NULL") == [(1,)]
    ran(phase3)

    refused = phase3.recoup("retry", "phase3", DAY)
    assert refused.returncode == 4
    assert f"players {DAY} failed (logic), and neither its code nor what it reads has changed" in refused.stderr
    assert "Fix the step's code" in refused.stderr
    assert ran(phase3) == []
    assert phase3.recoup("retry", "phase3", DAY, "--force").returncode == 2

    forced = phase3.recoup("retry", "phase3", DAY, "--force", "--reason", "the vendor has mended it")
    assert forced.returncode == 1
    assert ran(phase3) == [("players", DAY)]
    assert "the vendor has mended it" in phase3.ledger("SELECT data FROM events WHERE kind = 'retry'")[-1][0]

    # An input that is another one, ...
    phase3.write("version", "2")
    assert phase3.recoup("retry", "phase3", DAY).returncode == 1
    assert ran(phase3) == [("players", DAY)]
    assert phase3.recoup("retry", "phase3", DAY).returncode == 4
    # ... or code that is another one.
    phase3.declare("phase3", PHASE3.replace("raise ERRORS[kind]", "note(ctx, kind)"))
    assert phase3.recoup("retry", "phase3", DAY).returncode == 0


def test_whoever_grants_what_was_missing_says_so_by_trying_again(phase3):
    broken(phase3, "permission", "players")
    phase3.recoup("run", "phase3")
    mended(phase3)
    assert phase3.recoup("retry", "phase3", DAY).returncode == 0


def test_what_ran_out_of_memory_gets_a_new_run_and_keeps_the_failed_one(phase3):
    broken(phase3, "memory", "players")
    phase3.recoup("run", "phase3")
    mended(phase3)
    assert phase3.recoup("retry", "phase3", DAY).returncode == 0
    runs = phase3.ledger(
        "SELECT a.state, count(DISTINCT run_id) FROM attempts a JOIN runs USING (run) JOIN nodes USING (node)"
        " WHERE partition = ? AND name = 'players' GROUP BY 1 ORDER BY 1",
        DAY,
    )
    assert runs == [("failed", 1), ("succeeded", 1)]
    assert phase3.ledger("SELECT count(DISTINCT run_id) FROM runs WHERE partition = ?", DAY) == [(2,)]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["2023-11-14"], 4, "2023-11-14 is published: there is nothing to try again"),
        ([DAY, "2023-11-14"], 4, "2023-11-14 is published"),
        (["2023-11-16"], 4, "nothing of 2023-11-16 has failed"),
        ([DAY, "--step", "shots"], 4, "2023-11-15 is published"),
        ([], 2, "no partition was named"),
        (["2023-12-01"], 2, "2023-12-01"),
        ([DAY, "--step", "nix"], 2, "has no step 'nix'"),
    ],
)
def test_what_cannot_be_tried_again(phase3, words, code, told):
    broken(phase3, "network", "players")
    phase3.recoup("run", "phase3", "--end", DAY)
    ran(phase3)
    result = phase3.recoup("retry", "phase3", *words)
    assert (result.returncode, ran(phase3)) == (code, [])
    assert told in result.stderr
    assert "help:" in result.stderr
    assert phase3.ledger("SELECT count(*) FROM events WHERE kind = 'retry'") == [(0,)]


SLOW = """
slow = rc.Pipeline("slow", partitions=rc.Daily("2023-11-15", "2023-11-15"))


@slow.step
def waits(ctx):
    with noted(ctx):
        wait_for("go")
"""


def test_what_is_running_is_left_alone(project, until):
    project.declare("slow", SLOW)
    running = project.start("run", "slow")
    until(project.calls, running)
    result = project.recoup("retry", "slow", DAY)
    project.write("go", "")
    assert running.wait(30) == 0
    assert result.returncode == 4
    assert "waits 2023-11-15 is running" in result.stderr


def test_why_names_the_retry(phase3):
    broken(phase3, "network", "players")
    phase3.recoup("run", "phase3")
    assert phase3.answer("why", "phase3")["next"] == f"recoup retry phase3 {DAY} --step players"


# --- one date, and the same run or a new one


@pytest.mark.runbook("B-18")
def test_one_date_of_all_five_by_one_command(phase3):
    """The end is included, so the same day twice is one date; and what failed of it takes one command too."""
    broken(phase3, "network", "games", "players", "teams", "shots", "odds")
    assert phase3.recoup("run", "phase3", "--start", DAY, "--end", DAY).returncode == 1
    five = sorted((step, DAY) for step in ("games", "players", "teams", "shots", "odds"))
    assert sorted(ran(phase3)) == five
    mended(phase3)
    assert phase3.recoup("retry", "phase3", DAY).returncode == 0
    assert sorted(ran(phase3)) == five
    assert phase3.recoup("run", "phase3", "--start", DAY, "--end", DAY).returncode == 0
    assert ran(phase3) == []


SLATE = """
import polars as pl

slate = rc.Pipeline("slate", partitions=rc.Daily("2023-11-15", "2023-11-15", key="game_date"), retry=rc.Retry(1))
ERRORS = {"network": ConnectionRefusedError("nobody answers"), "memory": MemoryError("too much")}


@slate.step
def features(ctx):
    with noted(ctx):
        return pl.DataFrame({"player": ["a", "b"]})


@slate.step(version=(told("version") or ["1"])[0])
def scores(ctx, features: pl.LazyFrame):
    with noted(ctx):
        for kind in told("broken"):
            raise ERRORS[kind]
        return features
"""


@pytest.fixture
def slate(project):
    project.declare("slate", SLATE, 'executor = "inline"')
    return project


def failed_run(project, kind):
    """The id of the day's run, in which only `scores` has failed."""
    project.write("broken", kind)
    assert project.recoup("run", "slate").returncode == 1
    ((run_id,),) = project.ledger("SELECT run_id FROM runs")
    ran(project)
    project.write("broken", "")
    return run_id


def files_of(project, run_id):
    """All that lies in the folders of a run, data and manifests."""
    return {path: body for path, body in project.tree("lake").items() if f"/run={run_id}/" in path}


@pytest.mark.runbook("D-16")
def test_tried_again_in_place_it_is_the_same_run_and_the_same_folder(slate):
    run_id = failed_run(slate, "network")
    before = files_of(slate, run_id)
    assert slate.recoup("retry", "slate", DAY).returncode == 0

    assert ran(slate) == [("scores", DAY)]
    assert slate.ledger("SELECT DISTINCT run_id FROM runs") == [(run_id,)]
    numbers = "SELECT name, number, state FROM attempts JOIN nodes USING (node) ORDER BY token"
    assert slate.ledger(numbers) == [
        ("features", 1, "succeeded"), ("scores", 1, "failed"), ("scores", 2, "succeeded"),
    ]  # fmt: skip
    after = files_of(slate, run_id)
    manifest = f"manifests/scores/game_date={DAY}/run={run_id}/manifest.json"
    assert [path for path, body in before.items() if after[path] != body] == [manifest]
    (added,) = [path for path in after.keys() - before.keys() if path.endswith(".parquet")]
    assert added.startswith(f"scores/game_date={DAY}/run={run_id}/")


@pytest.mark.runbook("D-17", spelling="recoup retry slate 2023-11-15, of a step that ran out of memory")
def test_a_new_run_leaves_the_failed_one_as_it_was(slate):
    failed = failed_run(slate, "memory")
    before = files_of(slate, failed)
    assert f"manifests/scores/game_date={DAY}/run={failed}/manifest.json" in before
    assert slate.recoup("retry", "slate", DAY).returncode == 0

    ((new,),) = slate.ledger("SELECT run_id FROM runs WHERE run_id <> ?", failed)
    assert files_of(slate, failed) == before
    assert f"manifests/scores/game_date={DAY}/run={new}/manifest.json" in files_of(slate, new)
    (scores,) = slate.answer("publish", "ls", "slate.scores")["publications"]
    assert scores["run_id"] == new


@pytest.mark.runbook("D-17", spelling="recoup run slate --only stale")
def test_what_is_made_anew_is_a_new_run_and_the_published_one_stays(slate):
    assert slate.recoup("run", "slate").returncode == 0
    ((first,),) = slate.ledger("SELECT run_id FROM runs")
    before = files_of(slate, first)
    slate.write("version", "2")
    slate.write("broken", "network")
    assert slate.recoup("run", "slate", "--only", "stale").returncode == 1
    slate.write("broken", "")
    assert slate.recoup("run", "slate", "--only", "stale,failed").returncode == 0
    assert slate.ledger("SELECT count(DISTINCT run_id) FROM runs") == [(2,)]
    assert files_of(slate, first) == before
