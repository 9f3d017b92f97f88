"""The quality gate of the NBA playbook: the schedule's game days against the rows that PostgreSQL really holds."""

from __future__ import annotations

import re
import uuid

import pytest
import sqlalchemy as sa

from recoup.model.failure import ADVICE
from tests.acceptance.phase3 import PIPELINE, STEPS

pytestmark = pytest.mark.services
FIRST = STEPS[0]
WINDOW = ("--start", "2023-11-01", "--end", "2023-11-12")


def delete(season, step, *days):
    """Behind recoup's back: its ledger, and the table's own record, say that all is done."""
    season.say(f"DELETE FROM nba_analytics.{step} WHERE game_date = ANY (CAST(:days AS date[]))", days=list(days))


@pytest.mark.runbook("B-42", "B-43", spelling="recoup verify phase3 --gate")
def test_rows_that_are_gone_are_named_by_their_dates(season):
    days = season.between(WINDOW[1], WINDOW[3])
    ran = season.recoup("run", "phase3", *WINDOW)
    assert ran.stdout.splitlines()[0].endswith("· gate: complete")
    passed = season.answer("verify", "phase3", "--gate", *WINDOW)
    assert (passed["phase3_dates"], passed["missing_dates"]) == (len(days), 0)
    assert (passed["gate_status"], passed["exit_code"]) == ("✅ STAGE 1 COMPLETE", 0)

    lost = [days[1], days[4], days[8]]
    delete(season, FIRST, *lost)
    assert season.answer("status", "phase3", *WINDOW)["complete"]  # by the ledger
    passed = season.answer("verify", "phase3", "--gate", *WINDOW)
    assert (passed["phase3_dates"], passed["missing_dates"]) == (len(days) - 3, 3)
    assert (passed["gate_status"], passed["missing"]) == ("⚠️ STAGE 1 INCOMPLETE", lost)
    (gap,) = passed["gaps"]
    assert (gap["step"], gap["kind"]) == (f"{FIRST}@nba.nba_analytics.{FIRST}", "no-rows")
    shown = season.recoup("verify", "phase3", "--gate", *WINDOW)
    assert shown.returncode == 1
    assert shown.stdout.splitlines()[:3] == [
        f"phase3_dates: {len(days) - 3}",
        "missing_dates: 3",
        "gate_status: ⚠️ STAGE 1 INCOMPLETE",
    ]
    assert all(day in shown.stdout for day in lost)

    assert season.answer("verify", "phase3", "--step", STEPS[1], *lost)["verified"]
    assert shown.stderr == f"next: recoup recover phase3 {' '.join(WINDOW)}\n"

    again = season.recoup("run", "phase3", *WINDOW)
    assert again.returncode == 1
    assert f"gate: incomplete, 3 of {len(days)} missing" in again.stdout
    assert f"no rows in nba.nba_analytics.{FIRST}" in again.stdout


NOTHING = """

@phase3.step(sink=table("quiet"))
def quiet(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        return only(box, "points").filter(pl.lit(ctx.partition not in told("silent")))
"""


@pytest.mark.runbook("B-44", "B-46")
def test_a_date_without_rows_is_named_and_the_run_is_no_success(season):
    season.declare(more=NOTHING)
    season.project.write("silent", "2023-11-03")
    asked = ("phase3", "--start", "2023-11-02", "--end", "2023-11-04", "--step", "quiet", "--step", FIRST)
    closing = season.answer("run", *asked)
    assert (closing["state"], closing["exit_code"], closing["counts"]["failed"]) == ("incomplete", 1, 0)
    assert (closing["gate"]["verdict"], closing["gate"]["missing"]) == ("incomplete", ["2023-11-03"])
    (gap,) = closing["gate"]["gaps"]
    assert (gap["step"], gap["kind"], gap["why"]) == ("quiet", "empty", "published without a row")
    summary = season.project.summary()
    assert (summary["verdict"], summary["gate"]["verdict"]) == ("incomplete", "incomplete")

    season.trouble(f"{FIRST}/2023-11-07/ZeroDivisionError")  # a partial failure
    day = ("phase3", "2023-11-07", "--step", "quiet", "--step", FIRST)
    result = season.recoup("run", *day)
    assert result.returncode == 1
    assert "gate: incomplete, 1 of 1 missing" in result.stdout
    assert season.project.summary()["gate"]["missing"] == ["2023-11-07"]
    season.trouble()
    retried = season.answer("run", *day)
    assert (retried["gate"]["verdict"], retried["exit_code"]) == ("complete", 0)
    assert season.project.summary()["verdict"] == "complete"


# ------------------------------------------------------------------------------------------------ after a recovery


@pytest.fixture
def outsider(season):
    """Somebody who may connect, and may read nothing."""
    name = f"recoup_{uuid.uuid4().hex[:12]}"
    season.say(f'CREATE ROLE "{name}" LOGIN')
    yield sa.make_url(season.url).set(username=name).render_as_string(hide_password=False)
    season.say(f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


def outcomes(answer):
    return {line["name"]: line["outcome"] for line in answer["lines"]}


@pytest.mark.runbook("B-21", "D-29", "E-57", "E-58")
def test_five_of_five_is_verified_and_four_of_five_is_not(season):
    """Nothing is promised about freshness, and no check is declared: that is unknown, and does not pass."""
    day = "2023-11-15"
    season.trouble(f"{STEPS[2]}/{day}/ValueError")
    season.recoup("run", "phase3", day)
    status = season.recoup("status", "phase3", day)
    words = [line.split()[:2] for line in status.stdout.splitlines() if line]
    steps = [line for line in words if line[0] in STEPS and line[1].endswith("/1")]
    assert len(steps) == len(STEPS)
    assert [step for step in steps if step[1] == "1/1"] == [[step, "1/1"] for step in STEPS if step != STEPS[2]]
    four = season.answer("verify", "phase3", day)
    assert (four["exit_code"], four["verified"], four["missing"]) == (1, False, [day])
    assert {gap["step"] for gap in four["gaps"]} == {STEPS[2]}
    assert outcomes(four)["failures"] == "fail"
    (backfill,) = season.answer("backfill", "ls")["backfills"]
    assert season.recoup("verify", "--backfill", backfill["backfill_id"]).returncode == 1

    season.trouble()
    assert season.recoup("retry", "phase3", day, "--force", "--reason", "mended").returncode == 0
    five = season.answer("verify", "phase3", day)
    assert (five["exit_code"], five["verified"], five["phase3_dates"]) == (0, True, 1)
    usual = {"checks": "unknown", "counts": "pass", "freshness": "unknown", "failures": "pass", "reads": "pass"}
    assert outcomes(five) == usual
    assert outcomes(season.answer("verify", "phase3", day, "--since", "1h"))["failures"] == "pass"
    assert season.recoup("verify", "--backfill", backfill["backfill_id"]).returncode == 0
    (manifest,) = season.project.folder.glob(f"lake/manifests/{STEPS[4]}/game_date={day}/*/manifest.json")
    manifest.unlink()
    without = season.answer("verify", "--backfill", backfill["backfill_id"])
    assert (without["exit_code"], outcomes(without)["counts"]) == (1, "fail")
    season.recoup("lake", "verify", "--repair")

    season.declare(PIPELINE.replace("partitions=days)", "partitions=days, fresh_within='36h')"))
    old = season.answer("verify", "phase3", day)
    assert (old["exit_code"], outcomes(old)) == (1, {**usual, "freshness": "fail"})
    season.declare(PIPELINE.replace("partitions=days)", "partitions=days, fresh_within='999999h')"))
    assert outcomes(season.answer("verify", "phase3", day)) == {**usual, "freshness": "pass"}


@pytest.mark.runbook("D-22")
def test_a_published_file_that_was_changed_by_hand_is_found(season):
    day = "2023-11-15"
    season.recoup("run", "phase3", day, "--step", FIRST)
    (file,) = season.project.folder.glob(f"lake/{FIRST}/game_date={day}/run=*/*.parquet")
    body = bytearray(file.read_bytes())
    body[6] ^= 1
    file.write_bytes(bytes(body))
    answer = season.answer("verify", "phase3", day, "--step", FIRST)
    assert (answer["exit_code"], outcomes(answer)["reads"]) == (1, "fail")
    assert "other bytes than were published" in str(answer["lines"])
    for advice in ADVICE.values():
        assert not re.search(r"\b(delete|edit)\b.*\b(data|file|partition)", advice)


@pytest.mark.runbook("E-59")
def test_a_grant_that_is_broken_fails_the_reads(season, outsider):
    day = "2023-11-15"
    season.recoup("run", "phase3", day, "--step", FIRST)
    season.say("GRANT USAGE ON SCHEMA nba_raw TO PUBLIC", "GRANT SELECT ON ALL TABLES IN SCHEMA nba_raw TO PUBLIC")
    season.say("GRANT USAGE ON SCHEMA nba_analytics TO PUBLIC")
    shown = season.recoup("verify", "phase3", day, "--step", FIRST, RECOUP_CONNECTIONS_NBA=outsider)
    assert shown.returncode == 1
    assert re.search(r"reads +fail", shown.stdout)
    assert "lacks a grant: permission denied for table" in shown.stdout
    season.say("GRANT SELECT ON ALL TABLES IN SCHEMA nba_analytics TO PUBLIC")
    assert season.recoup("verify", "phase3", day, "--step", FIRST, RECOUP_CONNECTIONS_NBA=outsider).returncode == 0
