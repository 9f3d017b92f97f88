"""The gate before a backfill: what would end it badly is named, and looking leaves no trace."""

import json
import secrets
from dataclasses import replace

import pytest

from tests.acceptance.phase3 import STEPS
from tests.unit.cli.json_page import EVERYWHERE, complaints

NOVEMBER = ("--start", "2023-11", "--end", "2023-11")
DAY, FIRST = "2023-11-01", STEPS[0]


def found(answer, verdict="fail"):
    """Name → evidence of the checks that ended so."""
    return {check["check"]: check["evidence"] for check in answer["checks"] if check["verdict"] == verdict}


def traces(season):
    """Everything that a run would have left: the lake's files, the ledger's facts, the tables' rows."""
    folder = season.project.folder
    has_ledger = folder.joinpath(".recoup/ledger.db").exists()
    ledger = ("planes", "publications", "attempts", "runs", "backfills", "blocks", "observations", "stages")
    facts = [season.project.ledger(f"SELECT * FROM {table}") for table in ledger] if has_ledger else []
    lake = season.project.tree("lake") if folder.joinpath("lake").exists() else None
    folders = sorted(str(path) for path in folder.joinpath("lake").rglob("*") if path.is_dir())
    tables = []
    for (table,) in season.say("SELECT table_name FROM information_schema.tables WHERE table_schema = 'nba_analytics'"):
        tables += [(table, season.say(f"SELECT * FROM nba_analytics.{table} ORDER BY 1, 2, 3"))]
    return facts, lake, folders, sorted(tables, key=str)


@pytest.mark.services
@pytest.mark.runbook("B-29", "B-61")
def test_one_source_date_short_of_all_is_named_and_a_backfill_does_not_begin(season):
    result = season.recoup("preflight", "phase3", *NOVEMBER, "--json")
    answer = json.loads(result.stdout)
    days = len(season.between("2023-11-01", "2023-11-30"))
    assert (result.returncode, answer["failed"]) == (0, 0)
    assert complaints(answer, EVERYWHERE, "preflight") == []
    assert found(answer, "pass")["upstream nbac_team_boxscore"] == f"{days} of {days} expected are there (100.00%)"
    assert answer["next"] == "recoup run phase3 --start 2023-11 --end 2023-11"
    assert not season.project.folder.joinpath(".recoup").exists()  # and nothing was made by looking
    assert not season.project.folder.joinpath("lake").exists()

    season.say("DELETE FROM nba_raw.nbac_team_boxscore WHERE game_date = '2023-11-15'")
    answer = season.answer("preflight", "phase3", *NOVEMBER)
    assert answer["exit_code"] == 4
    told = found(answer)["upstream nbac_team_boxscore"]
    assert told.startswith(f"{days - 1} of {days} expected are there (")
    assert told.endswith("; missing 2023-11-15")
    result = season.recoup("run", "phase3", *NOVEMBER, "--preflight", "--stage", "1", "--stage", "all")
    assert result.returncode == 4
    assert "missing 2023-11-15" in result.stderr
    assert "recoup preflight phase3 --start 2023-11 --end 2023-11" in result.stderr
    assert not season.project.folder.joinpath(".recoup").exists()
    assert season.project.calls()[-1].partition == DAY  # only samples were ever tried
    words = ("run", "phase3", DAY, "--preflight", "--executor", "inline")
    assert season.recoup(*words).returncode == 0


@pytest.mark.services
@pytest.mark.runbook("B-60", "B-62")
def test_a_test_date_is_run_and_checked_and_each_table_against_what_was_published(season):
    """Nothing is left of it: the ledger's planes, the lake and the tables are what they were."""
    season.recoup("run", "phase3", DAY, "2023-11-02", "--executor", "inline")
    before, called = traces(season), len(season.project.calls())
    tried = ("preflight", "phase3", *NOVEMBER, "--test-date", DAY, "--step", FIRST)
    answer = season.answer(*tried)
    (rows,) = season.say("SELECT count(*) FROM nba_raw.nbac_team_boxscore WHERE game_date = :day", day=DAY)[0]
    assert (answer["exit_code"], answer["partition"]) == (0, DAY)
    assert found(answer, "pass")[f"trial {FIRST}"].startswith(f"{DAY}: {rows} rows, 5 columns, ")
    table = f"nba.nba_analytics.{FIRST}"
    assert found(answer, "pass")[f"trial {table}"] == f"could hold the rows of {DAY}; nothing was delivered"
    assert [(call.step, call.partition) for call in season.project.calls()[called:]] == [(FIRST, DAY)]
    assert traces(season) == before

    season.trouble(f"{FIRST}/{DAY}/ZeroDivisionError")
    answer = season.answer(*tried)
    assert (answer["exit_code"], list(found(answer))) == (4, [f"trial {FIRST}"])
    assert found(answer)[f"trial {FIRST}"].startswith(f"{DAY} failed (logic): ZeroDivisionError")
    assert traces(season) == before
    season.trouble()

    season.say(
        f"ALTER TABLE nba_analytics.{FIRST} DROP COLUMN points",
        f"ALTER TABLE nba_analytics.{STEPS[1]} ALTER COLUMN allowed TYPE smallint",
        f"ALTER TABLE nba_analytics.{STEPS[2]} RENAME COLUMN points TO pts",
    )
    before = traces(season)
    failed = found(season.answer("preflight", "phase3", DAY))
    assert "has lost the column points" in failed[f"table {table}"]
    assert "column allowed is smallint in the table" in failed[f"table nba.nba_analytics.{STEPS[1]}"]
    assert "has lost the column points" in failed[f"table nba.nba_analytics.{STEPS[2]}"]
    assert "pts" in failed[f"table nba.nba_analytics.{STEPS[2]}"]
    assert f"table nba.nba_analytics.{STEPS[3]}" not in failed
    assert traces(season) == before


@pytest.mark.services
def test_what_is_out_of_reach_or_not_asked_for_well(season):
    replace(season, url="postgresql+psycopg://root:wrong-password@127.0.0.1:1/nba").declare()
    result = season.recoup("preflight", "phase3", *NOVEMBER)
    assert result.returncode == 4
    assert "fail     connection nba" in result.stdout
    assert "fail     sources and calendars" in result.stdout
    assert f"fail     sink nba.nba_analytics.{FIRST}" in result.stdout
    assert "wrong-password" not in result.stdout
    season.declare()
    for words in (["--test-date", "2023-13-01"], ["--step", "nope"], ["--start", "2019"]):
        result = season.recoup("preflight", "phase3", *words)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.count("error: ") == 1


@pytest.mark.services
def test_credentials_that_have_expired_are_told_as_such(season):
    """A login that ran out is refused by the server itself, whoever else may still come in."""
    role, password = f"expired_{secrets.token_hex(4)}", secrets.token_hex(8)
    season.say(f"CREATE ROLE {role} LOGIN PASSWORD '{password}' CONNECTION LIMIT 0")
    try:
        season.say(f"ALTER ROLE {role} NOLOGIN")
        replace(season, url=season.url.replace("root", f"{role}:{password}", 1)).declare()
        answer = season.answer("preflight", "phase3", *NOVEMBER)
        assert answer["exit_code"] == 4
        assert role in " ".join([*found(answer).values()])
        assert "credentials of nba" in found(answer)
        assert password not in json.dumps(answer)
    finally:
        season.say(f"DROP ROLE {role}")


FILES = """
days = rc.Daily("2025-01-01", "2025-01-03", key="dt")
exported = rc.Source("exported", days, files="risk/year=2025/{partition}.json")
risks = rc.Pipeline("risks", partitions=days)


@risks.step
def scores(ctx, files: list = exported):
    note(ctx, "began")
"""


def test_a_wrong_prefix_shows_the_path_that_was_asked_for_and_what_is_there(project):
    project.declare("risks", FILES, 'executor = "inline"')
    folder = project.folder / "risk" / "2025"
    folder.mkdir(parents=True)
    for day in ("01", "02", "03"):
        folder.joinpath(f"2025-01-{day}.json").write_text("{}")
    answer = project.answer("preflight", "risks")
    assert answer["exit_code"] == 4
    assert found(answer)["upstream exported"] == (
        "0 of 3 expected are there (0.00%); missing 2025-01-01…2025-01-03 (3);"
        " asked for risk/year=2025/2025-01-01.json, and risk/ has"
        " risk/2025/2025-01-01.json, risk/2025/2025-01-02.json, risk/2025/2025-01-03.json"
    )
    project.write("risks.py", project.folder.joinpath("risks.py").read_text().replace("year=2025", "2025"))
    assert project.answer("preflight", "risks")["exit_code"] == 0


CHAIN = """
import polars as pl

days = rc.Pipeline("days", partitions=rc.Daily("2024-01-01", "2024-01-31", key="dt"))


@days.step
def raw(ctx):
    note(ctx, "began")
    return pl.DataFrame({"n": [1, 2]} if "narrow" in told("shape") else {"n": [1, 2], "m": ["a", "b"]})


@days.step(sink=rc.DuckDB("days.duckdb", table="clean", key=["dt"]))
def clean(ctx, raw: pl.LazyFrame, before: pl.LazyFrame = rc.lookback(raw, days=2, complete=0.5)):
    note(ctx, "began")
    return raw.select(pl.len().alias("rows"))
"""


def test_a_chain_reads_what_the_trial_staged_and_columns_are_compared_with_what_is_published(project):
    project.declare("days", CHAIN, 'executor = "inline"')
    answer = project.answer("preflight", "days", "--test-date", "2024-01-01")
    assert answer["exit_code"] == 0
    assert found(answer, "pass")["trial clean"].startswith("2024-01-01: 1 row, 1 column, ")
    assert not project.folder.joinpath("lake").exists()
    blocked = project.answer("preflight", "days", "2024-01-20", "--test-date", "2024-01-20")
    assert found(blocked)["trial clean"].startswith("2024-01-20 cannot run: raw: 0 of 2 there, 1 needed")

    project.recoup("run", "days", "--end", "2024-01-03")
    before = project.tree("lake"), project.tree(".recoup", "logs")
    project.write("shape", "narrow")
    answer = project.answer("preflight", "days", "--end", "2024-01-04")
    assert answer["partition"] == "2024-01-04"
    assert found(answer)["trial raw"].endswith("unlike what is published: m is gone")
    assert (project.tree("lake"), project.tree(".recoup", "logs")) == before
    assert project.answer("backfill", "ls")["backfills"][0]["state"] == "done"
