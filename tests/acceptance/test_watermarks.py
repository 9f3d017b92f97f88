"""Watermarks: what an incremental job has read stays read, and is read again from where a person says."""

from datetime import UTC, datetime

import pytest

from tests.unit.cli.json_page import EVERYWHERE, complaints

# Each line of `audits` is a moment at which an audit was changed; a run reads those since the watermark.
JOB = """
from datetime import datetime

goaudits = rc.Pipeline("goaudits", partitions=rc.Daily("2025-11-01", "2025-11-06"), retry=rc.Retry(1))


@goaudits.step(watermark="GoAuditsIngestion")
def ingest(ctx):
    since = ctx.watermark
    changed = [moment for moment in told("audits") if since is None or datetime.fromisoformat(moment) > since]
    (HERE / f"read-{ctx.partition}").write_text(" ".join(changed))
    note(ctx, "began")
    if told("hold") == [ctx.partition]:
        wait_for("go")
    if changed:
        ctx.advance(datetime.fromisoformat(changed[-1]))
    for what in told(f"then-{ctx.partition}"):
        os.kill(os.getpid(), signal.SIGKILL) if what == "die" else 1 / 0
"""
NAME = "GoAuditsIngestion"
AUDITS = [
    "2025-09-15T08:00:00+00:00",
    "2025-10-01T00:00:00+00:00",
    "2025-10-20T08:00:00+00:00",
    "2025-11-01T08:00:00+01:00",
]


@pytest.fixture
def job(project):
    project.declare("goaudits", JOB, 'executor = "inline"\nmax_parallel = 1')
    project.write("audits", " ".join(AUDITS))
    return project


def read(job, day):
    return (job.folder / f"read-2025-11-{day:02}").read_text().split()


def value(job):
    (one,) = job.answer("watermark", NAME)["watermarks"]
    return one["value"]


@pytest.mark.runbook("C-05", "C-06")
def test_a_job_reads_again_from_where_it_is_set_whether_or_not_it_had_a_value(job):
    made = job.answer("watermark", "set", NAME, "2025-10-01T00:00:00")
    assert complaints(made, EVERYWHERE, "watermark set") == []
    assert (made["value"], made["before"]) == ("2025-10-01T00:00:00.000Z", None)
    assert job.recoup("run", "goaudits", "2025-11-01").returncode == 0
    assert read(job, 1) == AUDITS[2:]
    assert value(job) == "2025-11-01T07:00:00.000Z"
    job.recoup("run", "goaudits", "2025-11-02")
    assert (read(job, 2), value(job)) == ([], "2025-11-01T07:00:00.000Z")

    again = ("watermark", "set", NAME, "2025-10-01T00:00:00Z", "--reason", "the vendor corrected October")
    before = datetime.now(UTC)
    assert job.recoup(*again).stdout == f"{NAME}: 2025-11-01T07:00:00.000Z → 2025-10-01T00:00:00.000Z\n"
    job.recoup("run", "goaudits", "2025-11-03")
    assert read(job, 3) == AUDITS[2:]

    shown = job.answer("watermark")
    assert complaints(shown, EVERYWHERE, "watermark") == []
    (one,) = shown["watermarks"]
    assert (one["value"], one["who"]) == ("2025-11-01T07:00:00.000Z", None)
    assert before <= datetime.fromisoformat(one["changed_at"]) <= datetime.now(UTC)
    told = [(c["kind"], c["before"], c["value"], c["partition"], c["reason"]) for c in one["history"]]
    october, november = "2025-10-01T00:00:00.000Z", "2025-11-01T07:00:00.000Z"
    assert told == [
        ("advanced", october, november, "2025-11-03", None),
        ("set", november, october, None, "the vendor corrected October"),
        ("advanced", october, november, "2025-11-01", None),
        ("set", None, october, None, None),
    ]
    assert job.recoup("watermark").stdout.split()[:2] == [NAME, november]
    lines = job.recoup("watermark", NAME, "--history").stdout.splitlines()
    assert lines[0].split()[:2] == [NAME, november]
    assert "the vendor corrected October" in lines[2]
    assert job.recoup("ledger", "verify").returncode == 0


def test_only_a_success_advances_it_and_what_is_set_meanwhile_stays(job, until):
    job.write("then-2025-11-01", "fail")
    assert job.recoup("run", "goaudits", "2025-11-01").returncode == 1
    assert job.answer("watermark")["watermarks"] == []
    job.write("then-2025-11-02", "die")
    assert job.recoup("run", "goaudits", "2025-11-02").returncode == -9
    assert job.answer("watermark")["watermarks"] == []

    job.recoup("watermark", "set", NAME, "2025-10-05")
    job.write("hold", "2025-11-03")
    running = job.start("run", "goaudits", "2025-11-03")
    until((job.folder / "read-2025-11-03").exists)
    job.recoup("watermark", "set", NAME, "2025-09-30")
    job.write("go", "")
    assert running.wait() == 0
    assert value(job) == "2025-09-30T00:00:00.000Z"
    assert [c["kind"] for c in job.answer("watermark", NAME)["watermarks"][0]["history"]] == ["kept", "set", "set"]
    job.recoup("run", "goaudits", "2025-11-04")
    assert read(job, 4) == AUDITS[1:]


def test_bad_input_ends_in_one_sentence_and_changes_nothing(job):
    job.recoup("watermark", "set", NAME, "2025-10-01")
    for words, sentence in (
        (("set", NAME, "yesterday"), "'yesterday' is no time"),
        (("set", " ", "2025-10-01"), "a watermark cannot be called ' '"),
        (("GoAudits",), "there is no watermark 'GoAudits'"),
    ):
        result = job.recoup("watermark", *words)
        assert (result.returncode, sentence in result.stderr) == (2, True), result.stderr
    ahead = job.recoup("watermark", "set", NAME, "2999-01-01")
    assert "it lies in the future" in ahead.stderr
    assert value(job) == "2999-01-01T00:00:00.000Z"
