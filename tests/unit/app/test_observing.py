"""What a source has: by its files, or by a function of the pipeline's."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import recoup as rc
from recoup.app.backfilling import RunOptions, run
from recoup.app.ledger_care import verify
from recoup.app.observing import listed, presence
from recoup.app.outside import Outside
from recoup.app.path_patterns import _regex
from recoup.app.publications import ls
from recoup.model.errors import ExitCode, RecoupError, RefusedError, UnreachableError
from recoup.model.graph import Graph
from recoup.plan.request import Request

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
DAYS = rc.Daily("2013-01-01", "2013-01-07")


def nobody(name):
    raise AssertionError(f"nobody asked for the database {name}")


# ------------------------------------------------------------------------------------- while a run is under way


def test_what_others_observe_between_plan_and_claim_is_what_is_read(project):
    """A claim clears what is stale, so it must pin what the ledger knows then, not what the plan saw."""

    def others(_planned, _backfill_id):
        project.tell("feed", {"2024-01-05": "v2"})
        project.planned()

    run(project.workspace, Request("days"), "days", RunOptions(executor="inline"), on_plan=others)
    (manifest,) = project.root.glob("lake/manifests/raw/dt=2024-01-05/*/manifest.json")
    assert [read["digest"] for read in json.loads(manifest.read_bytes())["inputs"]] == ["v2"]
    assert project.planned() == {}
    assert verify(project.workspace, ["days"]).exit_code == ExitCode.DONE


def test_what_a_source_has_no_longer_is_not_read(project):
    def others(_planned, _backfill_id):
        project.tell("feed", {"2024-01-05": None})
        project.planned()

    run(project.workspace, Request("days"), "days", RunOptions(executor="inline"), on_plan=others)
    with project.reader() as reader:
        reasons = {row[0] for row in reader.query("SELECT reason FROM blocks")}
    assert "feed no longer has 2024-01-05" in reasons
    assert [shown.partition for shown in ls(project.workspace, "raw")].count("2024-01-05") == 0


# ------------------------------------------------------------------------------------------------ files


def seen(root, pattern, partitioning=DAYS):
    source = rc.Source("feed", partitioning, files=pattern)
    return _presence(root, source)


def _presence(root, source):
    flights = rc.Pipeline("p", partitions=source.partitions)
    flights.step(name="raw")(lambda ctx, feed=source: None)
    node = Graph.of(flights).nodes[0]
    found = presence(node, node.partitions.universe(NOW), Outside(root, nobody, nobody))
    return {node.partitions.name(o): found.versions.get(o) for o in found.present}


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_a_partition_is_there_when_one_of_its_files_is(tmp_path):
    touch(tmp_path, "raw/dt=2013-01-02/a.csv", "raw/dt=2013-01-02/b.csv", "raw/dt=2013-01-04/c.csv")
    touch(tmp_path, "raw/dt=2013-01-05/a.txt", "raw/dt=2013-01-06/deeper/a.csv", "raw/dt=2020-01-01/a.csv")
    touch(tmp_path, "raw/dt=today/a.csv", "raw/dt=20130103/a.csv", "raw/2013-01-03/a.csv")

    assert list(seen(tmp_path, "raw/dt={partition}/*.csv")) == ["2013-01-02", "2013-01-04"]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{partition}.csv", "2013-01-02.csv"),
        ("{partition}*.csv", "2013-01-02.csv"),
        ("{partition}*.csv", "2013-01-02_part1.csv"),
        ("{partition}*.csv", "2013-01-02_2.csv"),
        ("flights_{partition}_*.csv", "flights_2013-01-02_a_b.csv"),
        ("*{partition}*", "x2013-01-02y"),
        ("*/{partition}/part-?.csv", "a/2013-01-02/part-7.csv"),
        ("{partition}/part-[0-9].csv", "2013-01-02/part-7.csv"),
        ("{partition}/part-[!a-z].csv", "2013-01-02/part-7.csv"),
        ("{partition}/[[]x].csv", "2013-01-02/[x].csv"),
        ("{partition}/**/*.csv", "2013-01-02/a/b/c.csv"),
        ("{partition}/**/*.csv", "2013-01-02/c.csv"),
        ("**/{partition}/*.csv", "a/b/2013-01-02/c.csv"),
        ("**/{partition}/*.csv", "2013-01-02/c.csv"),
        ("{partition}/{partition}.csv", "2013-01-02/2013-01-02.csv"),
        ("raw/{partition}", "raw/2013-01-02/x"),
        ("./raw/{partition}", "raw/2013-01-02"),
        ("a+b (c)/{partition}.csv", "a+b (c)/2013-01-02.csv"),
    ],
)
def test_patterns(tmp_path, pattern, path):
    touch(tmp_path, path)
    assert list(seen(tmp_path, pattern)) == ["2013-01-02"]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{partition}.csv", "2013-01-02Xcsv"),
        ("{partition}.csv", "x2013-01-02.csv"),
        ("{partition}/part-?.csv", "2013-01-02/part-10.csv"),
        ("{partition}/part-[!0-9].csv", "2013-01-02/part-7.csv"),
        ("{partition}/{partition}.csv", "2013-01-02/2013-01-03.csv"),
        ("{partition}/*.csv", "2013-01-02/.hidden.csv"),
    ],
)
def test_what_a_pattern_does_not_mean(tmp_path, pattern, path):
    touch(tmp_path, path)
    assert seen(tmp_path, pattern) == {}


def test_a_project_whose_folder_looks_like_a_pattern(tmp_path):
    root = tmp_path / "data [1]*"
    touch(root, "raw/2013-01-02.csv")
    assert list(seen(root, "raw/{partition}.csv")) == ["2013-01-02"]
    touch(tmp_path, "data 1x/raw/2013-01-03.csv")
    assert list(seen(root, "raw/{partition}.csv")) == ["2013-01-02"]


def test_a_pattern_may_lead_elsewhere(tmp_path):
    touch(tmp_path, "outside/2013-01-02.csv")
    (tmp_path / "project").mkdir()

    for pattern in ("../outside/{partition}.csv", f"{tmp_path}/outside/{{partition}}.csv"):
        assert list(seen(tmp_path / "project", pattern)) == ["2013-01-02"]


def test_hours_months_and_members(tmp_path):
    touch(tmp_path, "h/2013-11-03T00.csv", "h/2013-11-03T01.csv", "h/2013-11-03T01_2.csv", "h/2013-11-03T25.csv")
    touch(tmp_path, "h/2013-11-03T02_2.csv")
    hours = rc.Hourly("2013-11-03", "2013-11-03", tz="America/New_York")
    assert list(seen(tmp_path, "h/{partition}*", hours)) == ["2013-11-03T00", "2013-11-03T01", "2013-11-03T01_2"]

    touch(tmp_path, "m/2013-01.csv", "m/2013-01-01.csv", "m/2013-13.csv")
    assert list(seen(tmp_path, "m/{partition}.csv", rc.Monthly("2013-01", "2013-12"))) == ["2013-01"]

    touch(tmp_path, "s/acme.csv", "s/acme eu.csv", "s/other.csv", "s/a+b.csv")
    tenants = rc.Static(["acme", "acme eu", "a+b", "none"])
    assert list(seen(tmp_path, "s/{partition}.csv", tenants)) == ["acme", "acme eu", "a+b"]
    assert list(seen(tmp_path, "s/{partition}*.csv", tenants)) == ["acme", "acme eu", "a+b"]


@given(st.text("ab*?[]!-^\\/.+(){}|$ ", max_size=12))
def test_any_pattern_is_a_regular_expression(pattern):
    import re

    re.compile(_regex(pattern))


# ------------------------------------------------------------------------------------------------ probes


def probed(tmp_path, probe):
    return _presence(tmp_path, rc.Source("feed", DAYS, probe=probe))


def test_a_probe_is_asked_about_every_declared_partition(tmp_path):
    asked: list[str] = []
    assert probed(tmp_path, asked.append) == {}
    assert asked == [f"2013-01-0{day}" for day in range(1, 8)]


def test_a_probe_says_yes_no_or_a_version(tmp_path):
    answers = {"2013-01-01": True, "2013-01-02": False, "2013-01-03": None, "2013-01-04": "v7", "2013-01-05": ""}
    assert probed(tmp_path, answers.get) == {"2013-01-01": None, "2013-01-04": "v7"}


def test_a_probe_that_fails_is_told_with_its_partition(tmp_path):
    def probe(key):
        raise ConnectionError("refused")

    with pytest.raises(
        UnreachableError, match=r"source 'feed' could not be asked about 2013-01-01: ConnectionError"
    ) as r:
        probed(tmp_path, probe)
    assert r.value.exit_code is ExitCode.UNREACHABLE
    assert r.value.remedy


def test_a_probe_may_say_it_in_our_words(tmp_path):
    def probe(key):
        raise RecoupError("the vendor is on holiday", "wait")

    with pytest.raises(RecoupError, match="the vendor is on holiday"):
        probed(tmp_path, probe)


def test_a_listing_that_names_nobody_would_make_all_complete():
    tenants = rc.Dynamic(key="tenant", listing=list)
    for partitions in (tenants, rc.Grid(DAYS, tenants)):
        with pytest.raises(RefusedError, match="the listing of tenant names no members: nothing would be") as raised:
            listed(partitions)
        assert raised.value.remedy
