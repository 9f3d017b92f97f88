"""`recoup classify`, a team's own rules, and the texts of the documents, raised by steps."""

import json
import subprocess
import sys

import pytest

WRITTEN = {
    "exc_type": "builtins.OSError",
    "mro": ["builtins.Exception", "builtins.BaseException"],
    "message": "[Errno 28] No space left on device",
    "traceback": None,
    "exit_code": None,
    "http_status": None,
}
SAID = {
    "bash: line 1: nbac: command not found": "config",  # B-08
    "Permission denied": "permission",
    "connection timeout": "network",
    "FileNotFoundError: No raw data found for game_date=2023-11-15": "missing",  # B-09, B-25
    "No data found": "missing",
    "Table not found": "missing",
    "Division by zero": "logic",  # B-10
    "NULL value": "logic",
    "Invalid data type": "logic",
    "Query timeout": "timeout",  # B-11, B-34
    "ERROR: Query timeout: exceeded 180 seconds": "timeout",
    "Memory exceeded": "memory",
    "Rate limit exceeded": "throttled",
    "DependencyError: Gap detected": "blocked",  # B-12
    "upstream processor failed": "blocked",
    "COMPLETENESS THRESHOLD NOT MET": "blocked",
    "Exceeded quota: concurrent queries": "quota",  # B-58
    "address already in use (0.0.0.0:8501)": "conflict",  # D-47
    "Requested run=a1 missing under /lake/features_minutes_v1/2024": "missing",  # D-48
    "Roster snapshot is 30h old": "blocked",  # D-49
    "missing required columns ['minutes', 'team']": "contract",  # D-50
    "Temporary failure in name resolution": "network",  # D-51
    "SSL handshake timed out": "network",
    "SchemaValidationException: column type mismatch": "contract",  # E-08
    "java.lang.OutOfMemoryError: Java heap space": "memory",  # E-17
    "Task timed out after 3600 seconds": "timeout",
    "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied": "auth",  # E-22
    "something odd": "unknown",  # B-14
}


def classified(project, *lines):
    done = subprocess.run(
        [sys.executable, "-m", "recoup", "classify"],
        input="\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines),
        capture_output=True,
        text=True,
        cwd=project.folder,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_lines_in_lines_out_in_the_same_order(project):
    code, answers = classified(project, WRITTEN, {"message": "failed"}, {"exit_code": -9})

    assert code == 0
    assert [(a["kind"], a["rule"], a["retry_class"]) for a in answers] == [
        ("disk", "errno ENOSPC", "C"),
        ("unknown", "nothing tells", "C"),
        ("lost", "signal 9", "A"),
    ]


def test_a_line_that_is_no_failure_does_not_stop_the_others(project):
    code, answers = classified(project, "nope", WRITTEN, '{"exit_code": "1"}', "[]", '{"mro": 5}')

    assert code == 2
    assert answers[1]["kind"] == "disk"
    assert [answer["error"].split(":")[0] for answer in answers if "error" in answer] == [
        "line 1",
        "line 3",
        "line 4",
        "line 5",
    ]


def test_explained_for_a_person(project):
    done = project.recoup("classify", "--explain", "deadlock detected")

    assert done.returncode == 0
    assert "conflict" in done.stdout
    assert "words: deadlock detected" in done.stdout
    assert "next: recoup why" in done.stderr


def test_a_teams_own_rule_goes_first(project):
    with (project.folder / "recoup.toml").open("a") as file:
        file.write('\n[[rules]]\nname = "live"\npattern = "no space"\nkind = "conflict"\nadvice = "Stop live-api."\n')

    _, (answer,) = classified(project, WRITTEN)
    assert (answer["kind"], answer["rule"]) == ("conflict", "rule live")
    assert "Stop live-api." in project.recoup("classify", "--explain", "No space left").stdout


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("[[rules]]\npattern = '('\nkind = 'conflict'", "broken pattern"),
        ("[[rules]]\npattern = 'x'\nkind = 'odd'", 'unknown kind "odd"'),
        ("[[rules]]\npattern = 'x'\nkind = 'quota'\n[[rules]]\npattern = 'X'\nkind = 'disk'", "contradict each other"),
        ("[[rules]]\nkind = 'quota'", "needs a pattern or a type"),
        ("[[rules]]\npattern = 'x'\nkinds = 'quota'", "has no"),
    ],
)
def test_a_rule_that_cannot_be_is_one_sentence(project, rules, words):
    with (project.folder / "recoup.toml").open("a") as file:
        file.write(f"\n{rules}\n")
    done = project.recoup("classify", "--explain", "x")

    assert done.returncode == 2
    assert words.replace('"', "") in done.stderr.replace('"', "").replace("'", "")
    assert "Traceback" not in done.stderr


@pytest.mark.runbook(
    "B-08", "B-09", "B-10", "B-11", "B-12", "B-14", "B-25", "B-34", "D-46", "D-47", "D-48", "D-50", "D-51", "E-17"
)
def test_what_the_documents_quote(project):
    last = len(SAID)
    project.declare(
        "phase3",
        f"""
phase3 = rc.Pipeline(
    "phase3",
    partitions=rc.Daily("2023-11-01", "2023-11-{last}"),
    retry=rc.Retry(max_attempts=1),
    rules=[rc.Rule("8501", kind="conflict", advice="Stop live-api.service or minutes-dashboard.service.")],
)
SAID = {list(SAID)!r}


@phase3.step
def player_game_summary(ctx):
    raise RuntimeError(SAID[int(ctx.partition[-2:]) - 1])
""",
    )
    # Refused credentials would stop the whole, so each day is a run of its own that the others do not see.
    for day, kind in enumerate(SAID.values(), start=1):
        if kind == "auth":
            project.recoup("run", "phase3", f"2023-11-{day:02}")
    project.recoup("run", "phase3", "--exclude", "2023-11-27")
    rows = project.answer("runs", "phase3", "--limit", "0")["runs"]
    assert {row["error_message"]: row["failure_kind"] for row in rows} == {
        f"RuntimeError: {words}": kind for words, kind in SAID.items()
    }
    assert {row["failure_rule"] for row in rows} > {"rule 8501", "nothing tells"}
    failures = {
        manifest["failure"]["message"]: manifest["failure"]
        for path in project.folder.glob("lake/manifests/player_game_summary/**/manifest.json")
        for manifest in [json.loads(path.read_text())]
    }
    port = failures["RuntimeError: address already in use (0.0.0.0:8501)"]
    assert (port["rule"], port["advice"]) == ("rule 8501", "Stop live-api.service or minutes-dashboard.service.")
    columns = failures["RuntimeError: missing required columns ['minutes', 'team']"]
    assert columns["evidence"]["columns"] == ["minutes", "team"]
    assert "run_id mismatch" in next(f["advice"] for m, f in failures.items() if "Requested run" in m)
