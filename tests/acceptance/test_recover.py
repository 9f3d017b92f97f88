"""`recoup recover`: what can be put right is, in an order that works; what only a person can do is named."""

import json
import signal

import pytest

from recoup.app.recover import begin
from recoup.cli.dispatch import dispatch
from recoup.model.errors import ConflictError
from recoup.model.redact import SECRETS_LISTED
from tests.unit.cli.json_page import complaints

SHOP = """
shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-10"), retry=rc.Retry(1))
there = rc.Source("there", shop.partitions, probe=lambda key: key not in told("gone"))
ERRORS = {
    "logic": ZeroDivisionError("division by zero"),
    "network": ConnectionRefusedError("nobody answers"),
    "memory": MemoryError("too much"),
    "permission": PermissionError(13, "not yours"),
}


def trouble(ctx):
    with noted(ctx):
        for word in told("trouble"):
            step, day, kind = word.split("/")
            if (step, day) == (ctx.step, ctx.partition[-2:]):
                raise ERRORS[kind]


@shop.step
def orders(ctx, there=there):
    trouble(ctx)


@shop.step
def totals(ctx, orders):
    trouble(ctx)


@shop.step
def prices(ctx):
    trouble(ctx)
"""
INLINE = 'executor = "inline"'


@pytest.fixture
def shop(project):
    project.declare("shop", SHOP, INLINE)
    return project


def trouble(project, *words):
    project.write("trouble", " ".join(words))


def ran(project):
    """What has been called since the last look."""
    calls = sorted((call.step, call.partition[-2:]) for call in project.calls())
    (project.folder / "calls.log").unlink(missing_ok=True)
    return calls


def told(answer, *fields):
    """Actions or needs as tuples, partitions by their day."""
    return [(*(part[field] for field in fields), days(part)) for part in answer]


def days(part):
    return " ".join(first[-2:] if first == last else f"{first[-2:]}-{last[-2:]}" for first, last in part["ranges"])


def state(project):
    """All that a recovery could have changed."""
    tables = ("attempts", "backfills", "publications", "events", "runs")
    return [project.ledger(f"SELECT count(*) FROM {table}") for table in tables], project.tree("lake")


BROKEN = ("orders/02/network", "orders/04/logic", "totals/06/memory", "prices/08/permission")


@pytest.mark.runbook("B-02")
def test_first_understand_without_a_yes_nothing_changes(shop):
    trouble(shop, *BROKEN)
    shop.write("gone", "2024-01-09")
    shop.recoup("run", "shop")
    before = state(shop)
    causes = {cause["kind"]: cause for cause in shop.answer("why", "shop")["causes"]}
    assert causes.keys() == {"network", "logic", "memory", "permission", "blocked"}
    assert all(cause["category"] and cause["advice"] for cause in causes.values())
    assert all(causes[kind]["evidence"] for kind in causes.keys() - {"blocked"})

    for words in ((), ("--dry-run",)):
        answer = shop.answer("recover", "shop", *words)
        assert (answer["done"], answer["exit_code"], answer["to_do"]) == (False, 0, 3)
        assert told(answer["actions"], "verb", "step") == [
            ("retry", "orders", "02"), ("rerun", "totals", "06"), ("make", "totals", "02"),
        ]  # fmt: skip
        assert told((need["where"][0] | need for need in answer["needs"]), "what", "step") == [
            ("logic", "orders", "04"), ("permission", "prices", "08"), ("source", "orders", "09"),
        ]  # fmt: skip
    shown = shop.recoup("recover", "shop")
    assert shown.returncode == 0
    assert "nothing has been changed" in shown.stdout
    assert "there lacks 2024-01-09" in shown.stdout
    assert "next: recoup recover shop --yes" in shown.stderr
    assert state(shop) == before


def test_a_yes_does_the_rest_in_the_same_run_or_a_new_one_and_leaves_to_a_person_what_is_hers(shop):
    trouble(shop, *BROKEN)
    shop.recoup("run", "shop")
    runs = dict(shop.ledger("SELECT partition, run_id FROM runs"))
    ran(shop)
    trouble(shop)

    answer = shop.answer("recover", "shop", "--yes", "--reason", "the network is back")
    assert complaints(answer, "recover", "recover: result") == []
    assert (answer["state"], answer["exit_code"]) == ("incomplete", 1)
    assert ran(shop) == [("orders", "02"), ("totals", "02"), ("totals", "06")]
    again = "SELECT run_id FROM runs WHERE partition = ? ORDER BY run"
    assert shop.ledger(again, "2024-01-02") == [(runs["2024-01-02"],)]
    assert len(shop.ledger(again, "2024-01-06")) == 2
    assert "the network is back" in shop.ledger("SELECT data FROM events WHERE kind = 'recover'")[0][0]

    # A change of the code is seen; that a grant was given, somebody has to say.
    shop.declare(
        "shop", SHOP.replace("def orders(ctx, there=there):", "def orders(ctx, there=there):\n    pass"), INLINE
    )
    answer = shop.answer("recover", "shop", "--yes")
    assert (answer["exit_code"], ran(shop)) == (1, [("orders", "04"), ("totals", "04")])
    assert "its code has changed" in answer["actions"][0]["reason"]
    (need,) = answer["needs"]
    assert need["command"] == f"recoup recover shop {need['group']}"
    answer = shop.answer("recover", "shop", need["group"], "--yes")
    assert (answer["state"], answer["exit_code"], ran(shop)) == ("done", 0, [("prices", "08")]), answer

    nothing = shop.recoup("recover", "shop", "--yes")
    assert (nothing.returncode, ran(shop)) == (0, [])
    assert "shop: nothing to recover" in nothing.stdout
    assert "the cause" in shop.recoup("recover", need["group"]).stdout


def test_what_would_fail_again_is_tried_when_somebody_insists(shop):
    trouble(shop, "orders/04/logic")
    shop.recoup("run", "shop")
    ran(shop)
    assert shop.recoup("recover", "shop", "--force", "--yes").returncode == 2
    answer = shop.answer("recover", "shop", "2024-01-04", "--force", "--reason", "the vendor mended it", "--yes")
    assert (answer["exit_code"], ran(shop)) == (1, [("orders", "04")])
    # What an input that is another one has to say of it: the partition that it reads was published anew.
    trouble(shop, "totals/05/logic")
    taken = shop.answer("publish", "rollback", "shop.totals", "2024-01-05", "--yes")
    assert taken["next"] == "recoup plan shop 2024-01-05 --only missing,failed,stale"
    shop.recoup("run", "shop", "2024-01-05")
    assert shop.answer("recover", "shop", "2024-01-05")["to_do"] == 0


def test_of_five_independent_steps_two_fail_and_exactly_those_are_run(project):
    body = 'five = rc.Pipeline("five", partitions=rc.Daily("2024-01-01", "2024-01-03"), retry=rc.Retry(1))\n'
    body += "\n\n".join(
        f"@five.step\ndef {name}(ctx):\n    with noted(ctx):\n        if ctx.step in told('down'):\n"
        "            raise ConnectionRefusedError('nobody answers')"
        for name in "abcde"
    )
    project.declare("five", body, INLINE)
    project.write("down", "b d")
    project.recoup("run", "five", "2024-01-02")
    assert len(project.answer("publish", "ls", "five")["publications"]) == 3
    ran(project)
    project.write("down", "")
    assert project.recoup("recover", "five", "--yes").returncode == 0
    assert ran(project) == [("b", "02"), ("d", "02")]
    # What was never tried lies outside: that is a run's work.
    answer = project.answer("recover", "five")
    assert (answer["to_do"], answer["untried"], answer["next"]) == (0, 10, "recoup status five")


def test_what_cannot_be_asked(shop, monkeypatch, capsys):
    monkeypatch.chdir(shop.folder)
    monkeypatch.setenv(SECRETS_LISTED, "")
    for words, told in (
        (("nix",), "'nix' is neither a pipeline, a cause nor a partition"),
        (("shop", "abcdef123456"), "abcdef123456"),
        (("shop", "2024-13-01"), "2024-13-01"),
        (("shop", "2024-01-01", "--start", "2024-01-01"), "both a window and explicit partitions"),
        (("shop", "--yes", "--dry-run"), "contradict"),
        (("shop", "--step", "nix"), "nix"),
        (("shop", "--force"), "--force needs a reason"),
    ):
        assert (dispatch(["recover", *words]), ran(shop)) == (2, []), words
        errors = capsys.readouterr().err
        assert told in errors
        assert "help:" in errors
    for verb in ("why", "escalate"):
        assert dispatch([verb, "nix"]) == 2
        errors = capsys.readouterr().err
        assert "'nix' is neither a pipeline, a cause, a run nor a partition" in errors
        assert "the pipelines are shop; `recoup why` names the causes; one day is written 2013-01-01" in errors


def test_before_the_first_run_there_is_nothing_to_recover(shop):
    result = shop.recoup("recover")
    assert result.returncode == 0
    assert "shop: nothing to recover" in result.stdout
    assert "never tried" in result.stdout


PAIR = """
first = rc.Pipeline("first", partitions=rc.Daily("2024-01-01", "2024-01-02"), retry=rc.Retry(1))
second = rc.Pipeline("second", partitions=first.partitions, retry=rc.Retry(1))


@first.step
def made(ctx):
    if told("down"):
        raise ConnectionRefusedError("nobody answers")


@second.step
def also(ctx):
    made(ctx)
"""


def test_what_was_done_before_an_error_is_told(project, monkeypatch, capsys):
    project.write("down", "yes")
    project.declare("first", PAIR)
    places = 'first = "first.py:first"\nsecond = "first.py:second"'
    project.write("recoup.toml", f"{INLINE}\n[pipelines]\n{places}\n")
    for name in ("first", "second"):
        project.recoup("run", name)
    project.write("down", "")

    def refused(workspace, recovery, reason):
        if recovery.name == "second":
            raise ConflictError("somebody else was quicker", "run it again")
        begin(workspace, recovery, reason)

    monkeypatch.setattr("recoup.cli.recover_run.begin", refused)
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv(SECRETS_LISTED, "")
    assert dispatch(["recover", "--end", "2024-01-01", "--yes", "--json"]) == 4
    body = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (body["state"], body["done"], body["error"]["help"]) == ("error", False, "run it again")
    (run,) = body["runs"]
    assert (run["pipeline"], run["state"], run["counts"]["succeeded"]) == ("first", "done", 1)
    assert complaints({"schema": 1, "command": "", **body}, "recover", "recover: result", "An error") == []
    assert dispatch(["recover", "--yes"]) == 4
    shown = capsys.readouterr()
    assert "first: done · 1 of 1 published" in shown.out
    assert "somebody else was quicker" in shown.err


# --- at a terminal


def test_at_a_terminal_it_asks(shop):
    trouble(shop, "orders/02/network")
    shop.recoup("run", "shop")
    ran(shop)
    trouble(shop)
    for key, code, calls in (("n\n", 0, []), ("y\n", 0, [("orders", "02"), ("totals", "02")])):
        asking = shop.terminal("recover", "shop")
        asking.see("put this right now?")
        asking.press(key)
        assert (asking.leave(), ran(shop)) == (code, calls)


# --- what runs already


SLOW = """
slow = rc.Pipeline("slow", partitions=rc.Daily("2023-11-15", "2023-11-16"), retry=rc.Retry(1))


@slow.step
def waits(ctx):
    with noted(ctx):
        if "down" in told("down"):
            raise ConnectionRefusedError("nobody answers")
        wait_for("go")


@slow.step
def after(ctx, waits):
    with noted(ctx):
        pass
"""


def test_what_somebody_else_is_at_is_awaited_and_not_repeated(project, until):
    project.declare("slow", SLOW)
    project.write("down", "down")
    project.recoup("run", "slow")
    ran(project)
    project.write("down", "")
    running = project.start("run", "slow", "--max-parallel", "2")
    until(lambda: len(project.calls()) == 2, running)
    answer = project.answer("recover", "slow")
    assert answer["to_do"] == 0
    assert {action["verb"] for action in answer["actions"]} == {"wait"}
    assert all(action["reason"].endswith("is making it") for action in answer["actions"])
    assert "slow: what is left, somebody else is at" in project.recoup("recover", "slow").stdout
    waiting = project.recoup("recover", "slow", "--yes")
    assert waiting.returncode == 3, waiting.stdout
    project.write("go", "")
    assert running.wait(30) == 0
    assert sorted(ran(project)) == [("after", "15"), ("after", "16"), ("waits", "15"), ("waits", "16")]


def test_a_recovery_that_was_killed_is_nobody_elses_and_begins_anew(project, until, stop):
    project.declare("slow", SLOW)
    project.write("down", "down")
    project.recoup("run", "slow")
    ran(project)
    project.write("down", "")
    killed = project.start("recover", "slow", "--yes", "--max-parallel", "2")
    until(lambda: len(project.calls()) == 2, killed)
    stop(killed, signal.SIGKILL)
    answer = project.answer("recover", "slow")
    assert (answer["to_do"], {action["verb"] for action in answer["actions"]}) == (4, {"retry", "make"})
    assert project.answer("plan", "slow", "--step", "after")["blocked"] == 2
    project.write("go", "")
    assert project.recoup("recover", "slow", "--yes").returncode == 0
    assert "Started `recoup recover slow`" in project.recoup("backfill", "log", "latest").stdout


# --- upstream first


CHAIN = """
import polars as pl

chain = rc.Pipeline("chain", partitions=rc.Daily("2024-01-01", "2024-01-05", key="dt"), retry=rc.Retry(1))


@chain.step
def raw(ctx):
    with noted(ctx):
        return pl.DataFrame({"x": [1]})


@chain.step
def features(ctx, raw: pl.LazyFrame):
    with noted(ctx):
        return raw.collect()
"""


@pytest.mark.runbook("D-42")
def test_an_input_that_is_gone_is_made_again_and_then_what_reads_it(project):
    """The ledger has it as published: only the failure tells that its file is not there."""
    project.declare("chain", CHAIN, INLINE)
    project.recoup("run", "chain", "--step", "raw")
    (file,) = project.folder.glob("lake/raw/dt=2024-01-03/run=*/*.parquet")
    file.unlink()
    assert project.recoup("run", "chain").returncode == 1
    ran(project)
    (cause,) = project.answer("why", "chain", "2024-01-03")["causes"]
    assert cause["kind"] in {"missing", "corrupt"}
    (upstream,) = cause["inputs"]
    ((raw_run,),) = project.ledger("SELECT r.run_id FROM runs r WHERE partition = '2024-01-03' LIMIT 1")
    assert (bool(cause["run_id"]), upstream["run_id"]) == (True, raw_run)

    answer = project.answer("recover", "chain")
    assert told(answer["actions"], "verb", "step", "reason") == [
        ("rerun", "raw", "its file is gone or cannot be read", "03"),
        ("retry", "features", "what it lacked is filled first", "03"),
    ]
    assert project.recoup("recover", "chain", "--yes").returncode == 0
    assert [(call.step, call.partition) for call in project.calls()] == [
        ("raw", "2024-01-03"), ("features", "2024-01-03"),
    ]  # fmt: skip


PHASE2 = """
phase2 = rc.Pipeline("phase2", partitions=rc.Daily("2024-01-01", "2024-01-05", key="dt"), retry=rc.Retry(1))
there = rc.Source("there", phase2.partitions, probe=lambda key: key not in told("gone"))


@phase2.step
def boxes(ctx, there=there):
    with noted(ctx):
        pass
"""
PHASE3 = """
from phase2 import boxes

phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2024-01-01", "2024-01-05", key="dt"), retry=rc.Retry(1))


@phase3.step
def players(ctx, boxes=boxes):
    with noted(ctx):
        pass
"""


def test_another_pipeline_of_ours_comes_before_what_reads_it(project):
    project.declare("phase2", PHASE2)
    project.declare("phase3", PHASE3)
    project.write("recoup.toml", f'{INLINE}\n[pipelines]\nphase3 = "phase3.py:phase3"\nphase2 = "phase2.py:phase2"\n')
    project.write("gone", "2024-01-03")
    project.recoup("run", "phase2")
    project.recoup("run", "phase3")
    ran(project)
    answer = project.answer("recover", "phase3", "2024-01-03")
    assert (answer["to_do"], answer["pipelines"]) == (0, ["phase2", "phase3"])
    assert answer["needs"][0]["message"] == "there lacks 2024-01-03"

    project.write("gone", "")
    answer = project.answer("recover", "phase3", "2024-01-03", "--yes")
    assert (answer["state"], answer["exit_code"]) == ("done", 0)
    assert [(call.step, call.partition) for call in project.calls()] == [
        ("boxes", "2024-01-03"), ("players", "2024-01-03"),
    ]  # fmt: skip
    assert project.answer("recover")["to_do"] == 0


# --- resources


GLUTTON = """
glutton = rc.Pipeline("glutton", partitions=rc.Daily("2024-01-01", "2024-01-01"), retry=rc.Retry(1))


@glutton.step(memory="200MiB")
def eats(ctx):
    held = bytearray()
    while len(held) < 300_000_000:
        held += b"x" * 4_000_000
        time.sleep(0.01)
"""


@pytest.mark.runbook("E-19")
def test_what_ran_out_of_memory_gets_a_new_run_with_twice_as_much(project):
    project.declare("glutton", GLUTTON)
    assert project.recoup("run", "glutton").returncode == 1
    (action,) = project.answer("recover", "glutton")["actions"]
    assert (action["verb"], action["reason"]) == ("rerun", "memory: a new run, with 400 MiB")
    assert "with 400 MiB" in project.recoup("recover", "glutton").stdout
    assert project.recoup("recover", "glutton", "--yes").returncode == 0
    runs = project.ledger("SELECT run_id, state FROM attempts JOIN runs USING (run) ORDER BY token")
    assert [state for _, state in runs] == ["failed", "succeeded"]
    assert runs[0][0] != runs[1][0]


RISK = """
import polars as pl

risk = rc.Pipeline("risk", partitions=rc.Daily("2025-01-01", "2025-01-06", key="data_date"), retry=rc.Retry(1))


@risk.step(sink=rc.DuckDB("risk.duckdb", table="risk_snapshots", key=["data_date", "tenant"]))
def risk_snapshots(ctx):
    if told("slow"):
        raise TimeoutError("exceeded 180 seconds")
    day = int(ctx.partition[-2:])
    return pl.DataFrame({"tenant": ["a", "b"], "score": [day * 7 % 5, day * 11 % 13]})
"""


@pytest.mark.runbook("A-36", "E-20")
def test_pieces_of_a_window_leave_the_same_table_as_all_of_it_at_once(projects):
    shown = []
    for name in ("whole", "pieces"):
        project = projects(name)
        project.declare("risk", RISK, INLINE)
        project.write("slow", "yes")
        project.recoup("run", "risk")
        project.write("slow", "")
        answer = project.answer("recover", "risk")
        (offer,) = answer["pieces"]
        assert offer["ranges"] == [["2025-01-01", "2025-01-03"], ["2025-01-04", "2025-01-06"]]
        assert all(command in project.recoup("recover", "risk").stdout for command in offer["commands"])
        for command in offer["commands"] if name == "pieces" else ["recoup recover risk --yes"]:
            assert project.recoup(*command.split()[1:]).returncode == 0, command
        assert len(project.ledger("SELECT 1 FROM backfills")) == (3 if name == "pieces" else 2)
        query = "duckdb.connect('risk.duckdb').sql('SELECT * FROM risk_snapshots ORDER BY ALL').fetchall()"
        shown.append(project.python(f"import duckdb\nprint(json.dumps({query}, default=str))"))
    assert shown[0] == shown[1]
    assert len(shown[0]) == 12


# --- what may be known


def test_what_was_backfilled_as_of_a_moment_is_recovered_and_retried_as_of_it(shop):
    """In the same run, with the same run_as_of; what may know something else is recovered apart."""
    trouble(shop, "orders/02/network", "orders/03/network")
    shop.recoup("run", "shop", "--as-of-mode", "partition-end")
    trouble(shop, "orders/02/network", "orders/03/network", "prices/04/network")
    shop.recoup("publish", "rollback", "shop.prices", "2024-01-04", "--yes")
    shop.recoup("run", "shop", "2024-01-04")
    runs = shop.ledger("SELECT run_id, run_as_of FROM runs ORDER BY run")
    trouble(shop)

    assert shop.recoup("retry", "shop", "2024-01-02").returncode == 0
    answer = shop.answer("recover", "shop", "--yes")
    assert told(answer["actions"], "step") == [("prices", "04")]
    (need,) = answer["needs"]
    assert "--as-of-mode partition-end" in need["reason"]
    answer = shop.answer("recover", "shop", "--yes")
    assert (told(answer["actions"], "step")[0], answer["exit_code"]) == (("orders", "03"), 0)
    assert shop.ledger("SELECT run_id, run_as_of FROM runs ORDER BY run") == runs


# --- three layers


LAKE = """
lake = rc.Pipeline("lake", partitions=rc.Daily("2024-01-01", "2024-01-06", key="dt"), retry=rc.Retry(1))
crm = rc.Source("crm", lake.partitions, probe=lambda key: key not in told("gone"))


def layer(ctx):
    with noted(ctx):
        if f"{ctx.step}/{ctx.partition[-2:]}" in told("down"):
            raise ConnectionRefusedError("nobody answers")


@lake.step
def bronze(ctx, crm=crm):
    layer(ctx)


@lake.step
def silver(ctx, bronze):
    layer(ctx)


@lake.step
def gold(ctx, silver):
    layer(ctx)
"""


@pytest.mark.runbook("E-15")
def test_once_a_source_is_there_again_its_missing_range_is_filled(project):
    project.declare("lake", LAKE, INLINE)
    project.write("gone", "2024-01-02 2024-01-03 2024-01-05")
    assert project.recoup("run", "lake").returncode == 1
    ran(project)
    project.write("gone", "")
    window = ("--start", "2024-01-02", "--end", "2024-01-04")
    assert project.recoup("run", "lake", *window, "--only", "missing").returncode == 0
    layers = ("bronze", "gold", "silver")
    assert ran(project) == [(layer, day) for layer in layers for day in ("02", "03")]
    # The same by recover, without a window.
    assert project.recoup("recover", "lake", "--yes").returncode == 0
    assert ran(project) == [(layer, "05") for layer in layers]


def test_of_a_layer_only_what_the_one_below_touches_and_that_one_first(project):
    project.declare("lake", LAKE, INLINE)
    project.write("down", "bronze/02 bronze/05 silver/04")
    project.recoup("run", "lake")
    ran(project)
    window = ("--start", "2024-01-01", "--end", "2024-01-04")
    project.write("down", "bronze/02")
    assert project.recoup("recover", "lake", "--step", "silver", *window, "--yes").returncode == 1
    assert ran(project) == [("bronze", "02"), ("silver", "04")]
    project.write("down", "")
    answer = project.answer("recover", "lake", "--step", "silver", *window)
    assert told(answer["actions"], "verb", "step") == [("retry", "bronze", "02"), ("make", "silver", "02")]
    assert project.recoup("recover", "lake", "--step", "silver", *window, "--yes").returncode == 0
    assert ran(project) == [("bronze", "02"), ("silver", "02")]
    assert project.recoup("recover", "lake", "--step", "gold", *window, "--yes").returncode == 0
    assert ran(project) == [("gold", "02"), ("gold", "04")]
