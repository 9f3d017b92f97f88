"""`recoup why` as the triage: which branch a failure took, the evidence beside it, and the exact commands to type."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recoup.model.failure import FailureKind
from recoup.recovery.triage import Category

TODAY = datetime.now(UTC).date()
FIRST, LAST = TODAY - timedelta(days=3), TODAY + timedelta(days=3)
SAID = {
    "network": "Connection timeout",
    "service": "503 Service Unavailable",
    "throttled": "Rate limit exceeded",
    "quota": "Exceeded quota: daily query bytes",
    "timeout": "Query timeout",
    "memory": "MEMORY EXCEEDED",
    "disk": "No space left on device",
    "lost": "worker vanished: node was preempted",
    "missing": "FILENOTFOUNDERROR: no raw data",
    "blocked": "dependencyerror: gap detected",
    "contract": "SchemaValidationException: column type mismatch",
    "quality": "quality gate failed",
    "corrupt": "parquet magic bytes not found in footer",
    "logic": "Division By Zero",
    "permission": "PERMISSION DENIED",
    "config": "bash: nbac: Command Not Found",
    "conflict": "deadlock detected",
    "unknown": "something odd",
    "auth": "401 Unauthorized",
}
"""One for each kind that a step can fail with; refused credentials come last, for they stop the rest."""

LAKE = f"""
lake = rc.Pipeline("lake", partitions=rc.Daily("2024-01-15", "2024-01-16", key="dt"), retry=rc.Retry(1))
SAID = {SAID!r}


def failing(kind):
    def make(ctx):
        if ctx.partition == "2024-01-15" and not told("mended"):
            raise RuntimeError(SAID[kind])

    lake.step(name=f"{{kind}}_step")(make)


for kind in SAID:
    failing(kind)
"""


@pytest.mark.runbook("E-01", "B-14")
def test_of_every_kind_the_steps_and_the_exact_command_to_type(here):
    here.project.declare("lake", LAKE, 'executor = "inline"')
    here.recoup("run", "lake")
    answer = here.answer("why", "lake", "2024-01-15")
    causes = {cause["where"][0]["step"].removesuffix("_step"): cause for cause in answer["causes"]}

    assert {step: cause["kind"] for step, cause in causes.items()} == {kind: kind for kind in SAID}
    assert {*SAID, "cancelled"} == {kind.value for kind in FailureKind}  # what a person stopped has not failed
    for kind, cause in causes.items():
        assert cause["todo"][-1]["command"], kind
        words = shlex.split(cause["todo"][-1]["command"])
        assert words[0] == "recoup"
        assert "lake" in words
        assert kind == "auth" or "2024-01-15" in words
        assert words[1] == "run" or words[words.index("--step") + 1] == f"{kind}_step"
    categories = {kind: cause["category"] for kind, cause in causes.items()}
    assert categories["network"] == Category.INFRASTRUCTURE  # though "timeout" stands in its words too
    assert (categories["config"], categories["permission"]) == 2 * (Category.INFRASTRUCTURE,)
    assert categories["missing"] == Category.DATA_AVAILABILITY
    assert categories["logic"] == Category.PROCESSING
    assert {categories[kind] for kind in ("timeout", "memory", "throttled")} == {Category.RESOURCES}
    assert categories["blocked"] == Category.DEFENSIVE_CHECK
    assert (causes["unknown"]["kind"], causes["unknown"]["attempts"]) == ("unknown", 1)

    # A person reads the same.
    text = here.recoup("why", "lake", "2024-01-15").stdout
    for cause in causes.values():
        assert f"       {cause['todo'][-1]['command']}\n" in text[text.index(f"→ {cause['advice']}") :]
    assert "1. " not in here.recoup("why", "lake").stdout  # the overview stays short

    # What is told to be typed can be typed.
    here.project.write("mended", "yes")
    for kind in ("network", "timeout", "permission", "missing"):
        done = here.recoup(*shlex.split(causes[kind]["todo"][-1]["command"])[1:])
        assert done.returncode == 0, (kind, done.stderr)
    left = {cause["kind"] for cause in here.answer("why", "lake", "2024-01-15")["causes"]}
    assert left == {*SAID} - {"network", "timeout", "permission", "missing"}
    assert here.recoup(*shlex.split(causes["blocked"]["todo"][-1]["command"])[1:]).returncode == 0
    assert here.answer("why", "lake", "2024-01-15")["state"] == "done"


PROJECTIONS = f"""
import polars as pl

projections = rc.Pipeline(
    "projections",
    partitions=rc.Daily("{FIRST}", "{LAST}", key="game_date", tz="America/New_York"),
    retry=rc.Retry(1),
)
ERRORS = {{
    "network": ConnectionRefusedError("nobody answers"),
    "missing": FileNotFoundError("no such partition"),
    "contract": RuntimeError("missing required columns ['minutes', 'team']"),
    "permission": PermissionError(13, "Permission denied", "/etc/shadow"),
    "conflict": OSError(98, "Address already in use"),
}}


def step(name, *before):
    def make(ctx, **inputs):
        for kind in told(name):
            raise ERRORS[kind]
        return pl.DataFrame({{"player": ["a", "b"]}})

    reads = ", ".join(before)
    projections.step(name=name)(eval(f"lambda ctx, {{reads}}: make(ctx)", {{"make": make}}))


step("ingest")
step("minutes", "ingest")
step("rates", "minutes")
step("sim", "rates")
step("ownership", "ingest")
step("finalize", "sim", "ownership")
"""


SORTS = """
sorts = rc.Pipeline("sorts", partitions=rc.Static(["a", "b"], key="sort"))
sorts.step(name="one")(lambda ctx: None)
"""


@pytest.mark.runbook("D-40")
def test_today_is_done_or_the_first_failing_step_and_the_branch_it_took(here):
    here.project.declare("projections", PROJECTIONS, 'executor = "inline"')
    answer = here.answer("why", "projections", "--today")
    assert (answer["exit_code"], answer["state"]) == (3, "pending")
    today = answer["partition"]

    branches = {}
    for kind in ("network", "missing", "contract", "permission", "conflict"):
        here.project.write("minutes", kind)
        here.project.write("ownership", "network")
        assert here.recoup("run", "projections", today).returncode == 1
        answer = here.answer("why", "projections", "--today")
        assert (answer["exit_code"], answer["state"], answer["partition"]) == (1, "wrong", today)
        first = next(cause for cause in answer["causes"] if cause["group"] == answer["first"])
        assert (first["kind"], first["where"][0]["step"]) == (kind, "minutes")
        assert {place["step"] for place in first["blocks"]} == {"rates", "sim", "finalize"}
        assert answer["next"] == first["todo"][-1]["command"]
        branches[kind] = first["branch"]
    assert branches == {
        "network": "network, DNS or TLS error?",
        "missing": "an input is not there?",
        "contract": "contract or schema violated?",
        "permission": "permission denied?",
        "conflict": "a port, a lock or a row that somebody else holds?",
    }
    told = here.recoup("why", "projections", "--today")
    assert f"it began at minutes: {branches['conflict'][:-1]}\n" in told.stdout

    here.project.write("minutes", "")
    here.project.write("ownership", "")
    assert here.recoup("run", "projections", today).returncode == 0
    told = here.recoup("why", "projections", "--today")
    assert (told.returncode, told.stdout) == (0, f"projections {today}: done\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [((), "of one pipeline"), (("projections", "2024-01-01"), "of one pipeline"), (("sorts",), "have no time")],
)
def test_what_has_no_today(here, words, told):
    here.project.declare("projections", PROJECTIONS + SORTS)
    with (here.project.folder / "recoup.toml").open("a") as file:
        file.write('sorts = "projections.py:sorts"\n')
    result = here.recoup("why", *words, "--today")
    assert (result.returncode, result.stdout) == (2, "")
    assert told in result.stderr


RULES = """
[[rules]]
name = "box score feed"
pattern = "feed said maybe"
kind = "service"
advice = "Ask the vendor's night desk; it has been the feed's cache each time."
"""
ODD = """
phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-15", "2023-11-15"), retry=rc.Retry(1))


@phase3.step
def player_game_summary(ctx):
    raise RuntimeError("the feed said MAYBE")
"""


@pytest.mark.runbook("B-04")
def test_what_a_team_has_learnt_is_advised_the_next_time(here):
    here.project.declare("phase3", ODD, 'executor = "inline"')
    here.recoup("run", "phase3")
    [cause] = here.answer("why", "phase3")["causes"]
    assert (cause["kind"], cause["rule"]) == ("unknown", "nothing tells")

    with (here.project.folder / "recoup.toml").open("a") as file:
        file.write(RULES)
    here.recoup("run", "phase3")
    [cause] = here.answer("why", "phase3")["causes"]
    assert (cause["kind"], cause["rule"]) == ("service", "rule box score feed")
    assert cause["advice"].startswith("Ask the vendor's night desk")
    assert "→ Ask the vendor's night desk" in here.recoup("why", "phase3").stdout


HEAVY = """
import polars as pl

phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-10", "2023-11-15"), retry=rc.Retry(1))


@phase3.step
def box(ctx):
    return pl.DataFrame({"points": range(900 if ctx.partition == "2023-11-15" else 100)})


@phase3.step(timeout="150ms")
def totals(ctx, box: pl.LazyFrame):
    if ctx.partition in ("2023-11-14", "2023-11-15"):
        time.sleep(0.3)
"""


@pytest.mark.runbook("B-35")
def test_a_timeout_beside_what_is_usual(here):
    here.project.declare("phase3", HEAVY, 'executor = "inline"')
    here.recoup("run", "phase3")
    [cause] = here.answer("why", "phase3", "2023-11-15")["causes"]

    assert cause["kind"] == "timeout"
    compared = cause["compared"]
    assert compared["elapsed_seconds"] >= 0.3 > compared["limit_seconds"] == 0.15 > compared["usual_seconds"]
    assert (compared["rows"], compared["usual_rows"]) == (900, 233)
    assert (compared["others_failed"], compared["others_complete"]) == (1, 4)
    text = here.recoup("why", "phase3", "2023-11-15").stdout
    assert "900 rows, usually 233" in text
    assert "1 other failed alike, 4 are complete" in text


DRIFT = """
import polars as pl

games = rc.Pipeline("games", partitions=rc.Daily("2024-01-01", "2024-01-02"), retry=rc.Retry(4, initial="1ms"))
feed = rc.Source("feed", games.partitions, probe=lambda key: " ".join(told("version")) or "1")
RULE = rc.Rule("odd", kind="logic")


@games.step
def raw(ctx, feed=feed):
    if told("version"):
        return pl.DataFrame({"minutes": ["12"], "nick": ["x"]})
    return pl.DataFrame({"minutes": [12], "team": ["NYK"]})


@games.step(version=(told("code") or ["1"])[0])
def clean(ctx, raw: pl.LazyFrame):
    with noted(ctx):
        if "team" not in raw.collect_schema().names():
            raise RuntimeError("missing required columns ['team']")
        return raw
"""


@pytest.mark.runbook("D-43", "D-18")
def test_a_contract_that_is_violated_shows_what_changed_upstream_and_is_not_tried_again(project):
    project.declare("games", DRIFT, 'executor = "inline"')
    assert project.recoup("run", "games").returncode == 0
    project.write("version", "2")
    assert project.recoup("run", "games", "2024-01-02", "--only", "missing,failed,stale").returncode == 1
    [cause] = project.answer("why", "games", "2024-01-02")["causes"]

    assert (cause["kind"], cause["attempts"], cause["retry_class"]) == ("contract", 1, "C")
    assert cause["evidence"]["columns"] == ["team"]
    [raw] = cause["inputs"]
    assert (raw["dataset"], raw["partition"], raw["state"], raw["rows"]) == ("raw", "2024-01-02", "published", 1)
    assert raw["columns"] == {"minutes": "String", "nick": "String"}
    assert raw["changes"] == [
        {"column": "minutes", "was": "Int64", "now": "String"},
        {"column": "team", "was": "String", "now": None},
        {"column": "nick", "was": None, "now": "String"},
    ]
    made = [m for m in project.manifests("raw") if m["run_id"] == raw["run_id"]]
    assert [(m["columns"], m["rows"], m["outputs"][0]["rows"]) for m in made] == [(raw["columns"], 1, 1)]
    assert "minutes Int64 → String, team is gone, nick is new" in project.recoup("why", "games", "2024-01-02").stdout

    # Once, by itself and by a person, until code or input is another one or a person forces it.
    assert len([call for call in project.calls() if call.partition == "2024-01-02"]) == 2
    refused = project.recoup("retry", "games", "2024-01-02")
    assert refused.returncode == 4
    assert "neither its code nor what it reads has changed" in refused.stderr
    forced = project.recoup("retry", "games", "2024-01-02", "--force", "--reason", "the vendor says so")
    assert forced.returncode == 1
    project.write("code", "2")
    assert project.recoup("retry", "games", "2024-01-02").returncode == 1
    project.write("version", "")
    assert project.recoup("run", "games", "2024-01-02", "--only", "missing,failed,stale").returncode == 0


SCHEMAS = """
import polars as pl

lake = rc.Pipeline("lake", partitions=rc.Daily("2024-01-15", "2024-01-15", key="dt"), retry=rc.Retry(4, initial="1ms"))
SAID = ["SchemaValidationException: contacts", "Column type mismatch: email", "Missing required field: email"]
pl.DataFrame({"email": ["a@b"], "age": ["many"]}).write_parquet(HERE / "contacts.parquet")
(HERE / "contacts.csv").write_text("email,age\\na@b,many\\n")
READS = [
    lambda: pl.scan_parquet(HERE / "contacts.parquet", schema={"email": pl.String, "age": pl.Int64}).collect(),
    lambda: pl.read_csv(HERE / "contacts.csv", schema={"email": pl.String, "age": pl.Int64}),
    lambda: pl.read_parquet(HERE / "contacts.parquet", columns=["phone"]),
]


def said(words):
    raise RuntimeError(words)


for n, words in enumerate(SAID):
    lake.step(name=f"said_{n}")(lambda ctx, words=words: said(words))
for n, read in enumerate(READS):
    lake.step(name=f"read_{n}")(lambda ctx, read=read: (read(), None)[1])
"""


@pytest.mark.runbook("E-08")
def test_a_schema_that_does_not_fit_by_text_and_by_real_file(here):
    here.project.declare("lake", SCHEMAS, 'executor = "inline"')
    assert here.recoup("run", "lake").returncode == 1
    rows = here.answer("runs", "lake", "--limit", "0")["runs"]
    assert {row["step"]: row["failure_kind"] for row in rows} == {
        f"{how}_{n}": "contract" for how in ("said", "read") for n in range(3)
    }
    assert len(rows) == 6  # no second attempt of any
    refused = here.recoup("retry", "lake", "2024-01-15", "--step", "read_0")
    assert refused.returncode == 4


UPSTREAM = """
import polars as pl

games = rc.Pipeline("games", partitions=rc.Daily("2023-11-14", "2023-11-15"), retry=rc.Retry(1))


@games.step
def features(ctx):
    with noted(ctx):
        return pl.DataFrame({"minutes": [12]})


@games.step
def sim(ctx, features: pl.LazyFrame):
    with noted(ctx):
        if ctx.partition in told("lost"):
            raise FileNotFoundError(f"no worlds of {ctx.partition}")
"""


@pytest.mark.runbook("D-42")
def test_a_missing_input_says_how_it_stands_upstream_and_by_which_run(here):
    here.project.declare("games", UPSTREAM, 'executor = "inline"')
    # Not made yet: blocked, and the recovery makes it first.
    assert here.recoup("run", "games", "2023-11-15", "--step", "sim").returncode == 1
    [cause] = here.answer("why", "games", "2023-11-15")["causes"]
    [read] = cause["inputs"]
    assert (read["dataset"], read["partition"], read["state"], read["run_id"]) == (
        "features",
        "2023-11-15",
        "missing",
        None,
    )
    assert "recoup recover games 2023-11-15 --dry-run" in [one["command"] for one in cause["todo"]]
    assert here.recoup("recover", "games", "2023-11-15", "--yes").returncode == 0
    assert [call.step for call in here.project.calls()] == ["features", "sim"]

    # Made, by a run of its own; the step did not find what it looked for all the same.
    assert here.recoup("run", "games", "2023-11-14", "--step", "features").returncode == 0
    here.project.write("lost", "2023-11-14")
    assert here.recoup("run", "games", "2023-11-14").returncode == 1
    [cause] = here.answer("why", "games", "2023-11-14")["causes"]
    [read] = cause["inputs"]
    runs = {m["dataset"]: m["run_id"] for m in here.project.manifests() if m["partition"] == "2023-11-14"}
    assert (cause["kind"], read["state"]) == ("missing", "published")
    assert (read["run_id"], cause["run_id"]) == (runs["features"], runs["sim"])
    assert f"published by run {runs['features']}" in here.recoup("why", "games", "2023-11-14").stdout


DENIED = """
games = rc.Pipeline("games", partitions=rc.Daily("2024-01-01", "2024-01-01"), retry=rc.Retry(4, initial="1ms"))


@games.step
def export(ctx):
    with noted(ctx):
        (HERE / "target" / "out.csv").write_text("a,b")
"""


@pytest.fixture
def as_nobody():
    """Types commands as a user without rights, in a folder of its own; root may write everywhere."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv here")
    folder = Path(tempfile.mkdtemp(prefix="recoup-nobody-"))
    prefix = []
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
        prefix = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

    def recoup(*words):
        return subprocess.run(
            [*prefix, sys.executable, "-m", "recoup", *words],
            cwd=folder,
            env={**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    yield folder, recoup
    shutil.rmtree(folder)


@pytest.mark.runbook("D-44", "D-19")
def test_a_denied_permission_shows_whose_it_is_and_waits_for_the_grant(as_nobody, projects):
    folder, recoup = as_nobody
    other = projects("other")
    other.declare("games", DENIED, 'executor = "inline"')
    for path in other.folder.iterdir():
        shutil.copy(path, folder)
    target = folder / "target"
    target.mkdir(mode=0o555)

    assert recoup("run", "games").returncode == 1
    [cause] = json.loads(recoup("why", "games", "2024-01-01", "--json").stdout)["causes"]
    told = cause["evidence"]
    assert (cause["kind"], cause["attempts"]) == ("permission", 1)  # no second one by itself
    assert (told["path"], told["seen_at"], told["mode"]) == (str(target / "out.csv"), str(target), "dr-xr-xr-x")
    assert told["owner"].startswith(target.owner())
    assert told["group"].startswith(target.group())
    assert told["running_as"].startswith(folder.owner() if os.geteuid() == 0 else told["owner"])
    assert "mode dr-xr-xr-x" in recoup("why").stdout

    refused = recoup("retry", "games", "2024-01-01")
    assert refused.returncode == 4
    assert f"neither owner nor mode of {target / 'out.csv'}" in refused.stderr
    target.chmod(0o777)
    assert recoup("retry", "games", "2024-01-01").returncode == 0
    assert (target / "out.csv").exists()


PORTS = """
import socket

live = rc.Pipeline(
    "live",
    partitions=rc.Daily("2024-01-01", "2024-01-01"),
    retry=rc.Retry(1),
    rules=[rc.Rule("address already in use", kind="conflict", name="8501",
                   advice="live-api.service and minutes-dashboard.service both want 8501: stop one of them.")],
)


@live.step
def dashboard(ctx):
    socket.create_server(("127.0.0.1", int(told("port")[0]))).close()


@live.step
def features(ctx):
    raise FileNotFoundError("Requested run=a1 missing under features_minutes_v1/game_date=2024-01-01")
"""


@pytest.mark.runbook("D-47", "D-48")
def test_a_port_that_is_in_use_and_a_run_that_is_not_there(here):
    here.project.declare("live", PORTS, 'executor = "inline"')
    for run in ("b1", "b2"):
        (here.project.folder / "features_minutes_v1" / "game_date=2024-01-01" / f"run={run}").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        here.project.write("port", str(port))
        here.recoup("run", "live")
        causes = {cause["kind"]: cause for cause in here.answer("why", "live")["causes"]}
        examined = {check["check"]: check for check in here.answer("doctor", "live")["checks"]}

    conflict = causes["conflict"]
    assert conflict["evidence"]["port"] == port
    assert f"process {os.getpid()}, " in conflict["evidence"]["held_by"]
    assert "live-api.service and minutes-dashboard.service" in conflict["advice"]
    assert examined[f"port {port}"]["verdict"] == "fail"
    assert f"process {os.getpid()}, " in examined[f"port {port}"]["evidence"]
    free = {check["check"]: check for check in here.answer("doctor", "live")["checks"]}
    assert free[f"port {port}"]["verdict"] == "pass"

    missing = causes["missing"]
    assert "run_id mismatch" in missing["advice"]
    assert missing["evidence"]["run_asked_for"] == "a1"
    assert missing["evidence"]["runs_present"] == ["b1", "b2"]
    assert "runs present: b1, b2" in here.recoup("why", "live").stdout
