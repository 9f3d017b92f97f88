"""What a run may know, who it was, and what is written down beside the data."""

import json
import re
import time
from datetime import UTC, datetime

import pytest

PROJECTIONS = """
import polars as pl
from datetime import UTC, datetime, timedelta

STEPS = ("ingest", "minutes", "rates", "sim", "ownership", "finalize")
TIP_OFFS = {"2024-01-01": "2024-01-01T17:00:00+00:00", "2024-01-02": "2024-01-02T23:30:00+00:00",
            "2024-01-03": "2024-01-03T20:00:00+00:00"}
projections = rc.Pipeline("projections", partitions=rc.Daily("2024-01-01", "2024-01-03", key="game_date"))


@projections.as_of("pretip")
def pretip(key):
    return datetime.fromisoformat(TIP_OFFS[key]) - timedelta(minutes=1)


@projections.step(version=(told("ingest_version") or ["1"])[0])
def ingest(ctx):
    \"\"\"Injuries as they were reported: the second one became known during the game.\"\"\"
    tip = datetime.fromisoformat(TIP_OFFS[ctx.partition])
    rows = pl.DataFrame({"player": ["a", "b"], "known_at": [tip - timedelta(hours=3), tip + timedelta(hours=1)]})
    return rows.filter(pl.col("known_at") <= ctx.run_as_of)


def after(name, before):
    @projections.step(name=name, version=(told(f"{name}_version") or ["1"])[0])
    def step(ctx, before: pl.LazyFrame = before):
        if f"{name}@{ctx.partition}" in told("bad"):
            raise KeyError("minutes_played")
        return before.with_columns(pl.lit(ctx.run_as_of.isoformat()).alias(name))

    return step


minutes = after("minutes", ingest)
rates = after("rates", minutes)
sim = after("sim", rates)
ownership = after("ownership", sim)
finalize = after("finalize", ownership)
"""
STEPS = {"ingest", "minutes", "rates", "sim", "ownership", "finalize"}
TIP_OFFS = {"2024-01-01": "17:00", "2024-01-02": "23:30", "2024-01-03": "20:00"}


@pytest.fixture
def projections(project):
    project.declare("projections", PROJECTIONS, 'executor = "inline"')
    return project


def iso(text):
    return datetime.fromisoformat(text)


def of_dataset(manifests, name):
    return {body["partition"]: body for body in manifests if body["dataset"] == name}


# --- one run, one moment


@pytest.mark.runbook("D-02", "D-03", "D-04", "D-05", "D-28")
def test_each_step_of_a_run_leaves_its_manifest(projections):
    began = datetime.now(UTC)
    projections.write("bad", "sim@2024-01-02")
    result = projections.recoup("run", "projections", "--start", "2024-01-01", "--end", "2024-01-02")
    assert result.returncode == 1
    manifests = projections.manifests()
    good = [body for body in manifests if body["partition"] == "2024-01-01"]
    bad = [body for body in manifests if body["partition"] == "2024-01-02"]
    assert {body["dataset"] for body in good} == STEPS
    assert [len({body["run_id"] for body in day}) for day in (good, bad)] == [1, 1]
    assert good[0]["run_id"] != bad[0]["run_id"]
    assert len({body["run_as_of"] for body in manifests}) == 1, "`now` is one moment for the whole request"
    assert began <= iso(manifests[0]["run_as_of"]) <= datetime.now(UTC)

    for body in manifests:
        name, run_id, partition = body["dataset"], body["run_id"], body["partition"]
        path = projections.folder / f"lake/manifests/{name}/game_date={partition}/run={run_id}/manifest.json"
        assert path.is_file()
        assert {"inputs", "outputs", "checks", "duration_seconds", "failure"} <= body.keys()
        assert body["duration_seconds"] > 0
    (success,) = [body for body in good if body["dataset"] == "sim"]
    assert (success["outcome"], success["failure"], len(success["outputs"])) == ("success", None, 1)
    assert [(read["dataset"], read["partition"]) for read in success["inputs"]] == [("rates", "2024-01-01")]
    assert success["outputs"][0]["digest"]
    (failure,) = [body for body in bad if body["outcome"] == "failed"]
    assert (failure["dataset"], failure["outputs"]) == ("sim", [])
    assert (failure["failure"]["kind"], failure["failure"]["message"]) == ("logic", "KeyError: 'minutes_played'")
    assert [read["dataset"] for read in failure["inputs"]] == ["rates"]

    summary = projections.summary()
    assert (summary["state"], summary["verdict"]) == ("incomplete", "incomplete")
    assert summary["counts"] == {"actions": 12, "succeeded": 9, "failed": 1, "blocked": 2, "done_before": 0}
    assert summary["partitions"]["sim"] == {"published": ["2024-01-01"], "failed(logic)": ["2024-01-02"]}
    assert summary["partitions"]["finalize"] == {"published": ["2024-01-01"], "blocked": ["2024-01-02"]}

    (projections.folder / "bad").unlink()
    assert projections.recoup("run", "projections", "2024-01-02").returncode == 0
    again = [body for body in projections.manifests() if body["partition"] == "2024-01-02"]
    assert {(body["run_id"], body["run_as_of"]) for body in again} == {(bad[0]["run_id"], bad[0]["run_as_of"])}
    assert len(again) == 6
    assert projections.summary()["verdict"] == "complete"


@pytest.mark.runbook("D-13", spelling="recoup status projections 2024-01-01; recoup lake verify")
def test_manifests_of_the_expected_steps_and_one_that_was_deleted(projections):
    projections.write("bad", "sim@2024-01-02")
    projections.recoup("run", "projections", "--start", "2024-01-01", "--end", "2024-01-02")
    whole, half = (projections.answer("status", "projections", day) for day in ("2024-01-01", "2024-01-02"))
    assert {step["step"] for step in whole["steps"] if step["completed"]} == STEPS
    assert (whole["complete"], whole["incomplete"]) == (True, [])
    absent = {part["step"]: part["state"] for part in half["incomplete"]}
    assert absent == {"sim": "failed", "ownership": "blocked", "finalize": "blocked"}
    succeeded = {
        body["dataset"]
        for body in projections.manifests()
        if (body["partition"], body["outcome"]) == ("2024-01-02", "success")
    }
    assert succeeded == STEPS - absent.keys()

    assert projections.recoup("lake", "verify").returncode == 0
    (manifest,) = projections.folder.glob("lake/manifests/rates/game_date=2024-01-01/run=*/manifest.json")
    kept = json.loads(manifest.read_text())
    manifest.unlink()
    noticed = projections.recoup("lake", "verify")
    assert noticed.returncode == 1
    assert any("rates" in line and "2024-01-01" in line and "manifest" in line for line in noticed.stdout.splitlines())
    assert projections.recoup("lake", "verify", "--repair").returncode == 0
    again = json.loads(manifest.read_text())
    assert {name: again[name] for name in ("run_id", "inputs", "outputs", "outcome")} == {
        name: kept[name] for name in ("run_id", "inputs", "outputs", "outcome")
    }


def test_the_end_of_the_partition_and_a_moment_of_ones_own(projections):
    window = ("--start", "2024-01-01", "--end", "2024-01-02", "--as-of-mode")
    assert projections.recoup("run", "projections", *window, "partition-end").returncode == 0
    moments = {body["partition"]: body["run_as_of"] for body in projections.manifests()}
    assert {key: iso(moment) for key, moment in moments.items()} == {
        "2024-01-01": datetime(2024, 1, 2, tzinfo=UTC),
        "2024-01-02": datetime(2024, 1, 3, tzinfo=UTC),
    }
    result = projections.recoup("run", "projections", "2024-01-03", "--as-of-mode", "2024-01-03T21:30:00+01:00")
    assert result.returncode == 0, result.stderr
    last = of_dataset(projections.manifests(), "finalize")["2024-01-03"]
    assert iso(last["run_as_of"]) == datetime(2024, 1, 3, 20, 30, tzinfo=UTC)
    assert last["rows"] == 1, "at 20:30 the second injury is not known yet"
    for command in ("run", "plan"):
        wrong = projections.recoup(command, "projections", "--as-of-mode", "yesterday")
        assert wrong.returncode == 2, "though there is nothing to run"
        assert "choose from now, partition-end, pretip, or give an ISO time such as 2024-01-15T10:30" in wrong.stderr


def test_a_mode_that_cannot_tell_about_one_date_is_told_before_anything_runs(projections):
    text = (projections.folder / "projections.py").read_text()
    projections.write("projections.py", text.replace('"2024-01-03"', '"2024-01-04"', 1))
    result = projections.recoup("run", "projections", "--as-of-mode", "pretip")
    assert result.returncode == 2
    assert "the as-of mode 'pretip' could not tell about 2024-01-03: KeyError: '2024-01-03'" in result.stderr
    assert projections.manifests() == []
    assert projections.answer("backfill", "ls")["backfills"] == []


@pytest.mark.runbook("D-02", "D-25")
def test_before_the_tip_off_nothing_is_known_that_came_later(projections):
    """First by the rows' own time; then by publications: what was restated later is there, and is not read."""
    assert projections.recoup("run", "projections", "--as-of-mode", "pretip").returncode == 0
    first = of_dataset(projections.manifests(), "sim")
    for key, tip in TIP_OFFS.items():
        hour, minute = map(int, tip.split(":"))
        tip_off = datetime.fromisoformat(key).replace(hour=hour, minute=minute, tzinfo=UTC)
        assert (tip_off - iso(first[key]["run_as_of"])).total_seconds() == 60
        assert first[key]["rows"] == 1

    projections.write("ingest_version", "2")
    restated = projections.recoup("run", "projections", "--only", "stale", "--step", "ingest")
    assert restated.returncode == 0, restated.stdout
    ingests = of_dataset([m for m in projections.manifests("ingest") if m["code_version"] == "v2"], "ingest")
    assert [body["rows"] for body in ingests.values()] == [2, 2, 2]

    projections.write("minutes_version", "2")
    stale = ("run", "projections", "--only", "stale", "--step", "minutes")
    assert projections.recoup(*stale, "2024-01-01", "--as-of-mode", "pretip").returncode == 0
    assert projections.recoup(*stale, "2024-01-02").returncode == 0
    new = of_dataset([m for m in projections.manifests("minutes") if m["code_version"] == "v2"], "minutes")
    assert [body["rows"] for body in new.values()] == [1, 2]
    assert new["2024-01-01"]["inputs"][0]["run_id"] == first["2024-01-01"]["run_id"]
    assert new["2024-01-02"]["inputs"][0]["run_id"] == ingests["2024-01-02"]["run_id"]


def test_what_was_only_made_later_blocks(projections):
    assert projections.recoup("run", "projections", "2024-01-01", "--step", "ingest").returncode == 0
    result = projections.recoup(
        "run", "projections", "2024-01-01", "--step", "minutes", "--as-of-mode", "2024-01-01T12:00:00Z"
    )
    assert result.returncode == 1, result.stdout
    assert "made later than run_as_of" in result.stdout


def test_a_plain_run_does_not_go_on_with_one_that_may_only_know_what_was_known_then(projections):
    """It would read what was restated since, and say that it was known at the end of the partition."""
    projections.write("bad", "minutes@2024-01-01")
    assert projections.recoup("run", "projections", "2024-01-01", "--as-of-mode", "partition-end").returncode == 1
    projections.write("ingest_version", "2")
    before = datetime.now(UTC)
    assert projections.recoup("run", "projections", "2024-01-01", "--only", "stale", "--step", "ingest").returncode == 0
    (projections.folder / "bad").unlink()
    assert projections.recoup("run", "projections", "2024-01-01").returncode == 0
    (made,) = [m for m in projections.manifests("minutes") if m["outcome"] == "success"]
    (restated,) = [m for m in projections.manifests("ingest") if m["code_version"] == "v2"]
    assert made["inputs"][0]["run_id"] == restated["run_id"], "what is there now is read"
    assert iso(made["run_as_of"]) >= before, "and the run says so"


# --- what was shown at some moment


def test_read_as_of_gives_the_former_generation(projections):
    assert projections.recoup("run", "projections", "2024-01-01", "--as-of-mode", "pretip").returncode == 0
    between = datetime.now(UTC).isoformat()
    time.sleep(0.05)
    projections.write("ingest_version", "2")
    assert projections.recoup("run", "projections", "2024-01-01", "--only", "stale").returncode == 0
    found = projections.python(
        f"""
now, then = rc.read("finalize").collect(), rc.read("finalize", as_of={between!r}).collect()
try:
    rc.read("finalize", as_of="2020-01-01T00:00:00Z")
except rc.RecoupError as error:
    print(json.dumps([now.height, then.height, error.message]))
"""
    )
    assert found == [2, 1, "nothing of finalize is published for any partition as of 2020-01-01T00:00:00Z"]


# --- the same DAG by day and by window


@pytest.mark.runbook("D-23")
def test_a_date_done_by_day_and_one_done_by_backfill_have_equal_digests(projects):
    digests = []
    first, last = "2024-01-01", "2024-01-02"
    for name, windows in {"daily": [(first, first), (last, last)], "backfill": [(first, last)]}.items():
        made = projects(name)
        made.declare("projections", PROJECTIONS, 'executor = "inline"')
        for start, end in windows:
            scope = ("--start", start, "--end", end, "--as-of-mode", "partition-end")
            assert made.recoup("run", "projections", *scope).returncode == 0
        digests.append({(m["dataset"], m["partition"]): (m["digest"], m["code_version"]) for m in made.manifests()})
    assert len(digests[0]) == 12
    assert digests[0] == digests[1]


# --- days in New York

SLATE = """
import polars as pl
from datetime import datetime

slate = rc.Pipeline("slate", partitions=rc.Daily("2024-03-08", "2024-11-05", key="game_date", tz="America/New_York"))
GAMES = ["2024-03-10T00:30:00+00:00", "2024-03-10T23:00:00+00:00", "2024-03-11T00:30:00+00:00",
         "2024-03-11T03:59:00+00:00", "2024-03-11T04:00:00+00:00", "2024-11-03T03:59:00+00:00",
         "2024-11-04T00:30:00+00:00",
         "2024-11-04T04:59:00+00:00", "2024-11-04T05:00:00+00:00"]


@slate.step
def games(ctx):
    start, end = ctx.span
    ctx.count("hours", (end - start).total_seconds() / 3600)
    return pl.DataFrame({"tip_off": [at for at in GAMES if start <= datetime.fromisoformat(at) < end]},
                        schema={"tip_off": pl.String})
"""


@pytest.mark.runbook("D-01")
def test_a_game_at_half_past_midnight_utc_belongs_to_the_day_before(project):
    project.declare("slate", SLATE, 'executor = "inline"')
    for start, end in (("2024-03-09", "2024-03-11"), ("2024-11-02", "2024-11-04")):
        assert project.recoup("run", "slate", "--start", start, "--end", end).returncode == 0
    manifests = of_dataset(project.manifests(), "games")
    assert {key: (m["counters"]["hours"], m["rows"]) for key, m in manifests.items()} == {
        "2024-03-09": (24, 1),
        "2024-03-10": (23, 3),
        "2024-03-11": (24, 1),
        "2024-11-02": (24, 1),
        "2024-11-03": (25, 2),
        "2024-11-04": (24, 1),
    }
    shown = project.python("print(json.dumps(sorted(rc.read('games', '2024-03-10').collect()['tip_off'].to_list())))")
    assert shown == ["2024-03-10T23:00:00+00:00", "2024-03-11T00:30:00+00:00", "2024-03-11T03:59:00+00:00"]
    status = project.answer("status", "slate", "--start", "2024-11-03", "--end", "2024-11-03")
    assert (status["total_dates"], status["completed_dates"]) == (1, 1)
    plan = project.recoup("plan", "slate", "--start", "2024-03-09", "--end", "2024-03-12")
    assert re.search(r"games\s+2024-03-12\s+missing", plan.stdout)
