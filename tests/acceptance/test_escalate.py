"""`recoup escalate`: one file with which somebody who has never seen the failure can go on."""

import getpass
import json
import subprocess
import zipfile

import pytest

from tests import servers
from tests.unit.cli.json_page import EVERYWHERE, complaints

# A step that divides, one that asks a service, and a table for which a grant is missing.
SHOP = """
import urllib.error

import polars as pl

shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-05", key="dt"), retry=rc.Retry(1))


@shop.step
def raw(ctx):
    return pl.DataFrame({"n": ["x" if ctx.partition in told("odd") else 1]})


@shop.step
def orders(ctx, raw: pl.LazyFrame):
    print("dividing", ctx.partition)
    while told("hold") == [ctx.partition]:
        time.sleep(0.01)
    if ctx.partition in told("bad"):
        raise ZeroDivisionError("orders per <hour>, password=hunter22")
    return pl.DataFrame({"n": [1]})


@shop.step
def totals(ctx, orders): ...


@shop.step
def prices(ctx):
    if ctx.partition in told("busy"):
        raise urllib.error.HTTPError("http://prices", 429, "Too Many Requests", {}, None)


@shop.step(sink=rc.Postgres("warehouse", table="shop.facts", key=["dt", "n"]))
def facts(ctx):
    return pl.DataFrame({"n": [1]})
"""
SETTINGS = """
max_parallel = 2

[connections]
warehouse = "{url}"

[links]
runbook = "https://wiki.example/shop"
"""
GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org")


@pytest.fixture
def shop(project):
    with servers.postgresql() as url:
        role = f"r{url.rsplit('/', 1)[1].split('?')[0]}"
        servers.say(
            url, "CREATE SCHEMA shop", "CREATE TABLE shop.facts (dt date, n bigint)", f"CREATE ROLE {role} LOGIN"
        )
        servers.say(url, f"GRANT USAGE, CREATE ON SCHEMA shop TO {role}")
        rest = url.partition("://")[2]
        own = f"postgresql://{role}@{rest.split('@', 1)[-1]}"
        project.declare("shop", SHOP, SETTINGS.format(url=own))
        commit(project, "init", "-q")
        commit(project, "add", "shop.py")
        commit(project, "commit", "-qm", "Divide by hours")
        yield project
        servers.say(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def commit(project, *words):
    subprocess.run([*GIT, *words], cwd=project.folder, check=True)


def edit(project, old, new):
    path = project.folder / "shop.py"
    path.write_text(path.read_text().replace(old, new))


def section(report, title):
    return report.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]


@pytest.mark.services
@pytest.mark.runbook("B-66", "B-67", "A-35")
def test_everything_that_the_next_person_asks_for_is_in_one_file(shop, until):
    shop.write("bad", "2024-01-02")
    shop.recoup("run", "shop", "--end", "2024-01-02", "--step", "orders", "--include-upstream")
    edit(shop, "dividing", "now dividing")
    commit(shop, "commit", "-qam", "Say what is divided")
    shop.write("bad", "")
    assert shop.recoup("retry", "shop", "2024-01-02", "--reason", "mended the hours").returncode == 0
    shop.write("bad", "2024-01-03")
    shop.write("odd", "2024-01-03")
    shop.write("busy", "2024-01-01")
    shop.write("hold", "2024-01-04")
    running = shop.start("run", "shop", "--reason", "the rest of the week")
    until(lambda: shop.ledger("SELECT 1 FROM attempts WHERE state = 'failed' AND message LIKE '%429%'"))
    until(lambda: len(shop.ledger("SELECT 1 FROM attempts WHERE message LIKE 'ZeroDivision%'")) == 2)
    until(lambda: shop.ledger("SELECT 1 FROM attempts WHERE state = 'failed' AND message LIKE '%permission%'"))

    answer = shop.answer("escalate", "shop", "-o", "handover.zip")

    assert complaints(answer, EVERYWHERE, "escalate") == []
    (backfill,) = answer["active_backfills"]
    with zipfile.ZipFile(shop.folder / "handover.zip") as archive:
        files = {name.removeprefix("handover/"): archive.read(name).decode() for name in archive.namelist()}
    assert sorted(files) == answer["files"]
    assert not any("hunter22" in text for text in files.values())
    data = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    assert all(row["token"] > 0 for rows in data["attempts.json"].values() for row in rows)
    report = files["report.md"]
    assert report.startswith("# shop: ")
    # What happened, what was tried, how it stands.
    (cause,) = [part for part in report.split("\n## ") if part.startswith("Cause") and ": orders, logic" in part]
    for text in (
        "ZeroDivisionError: orders per <hour>, password=***",
        "- where: orders 2024-01-03",
        "| 2024-01-03 | 1 | failed(logic) | missing |",
        "now dividing 2024-01-03",
        "n Int64 → String",  # what it read is of another type than on the day before
        "Yes, and it came back after it had ended:\n\n- orders 2024-01-02",
        "the step's code was changed",
        "def orders(ctx, raw: pl.LazyFrame):",
        "Ann  Say what is divided",
        '+    print("now dividing", ctx.partition)',
    ):
        assert text in cause, (text, cause)
    assert "shop: incomplete · " in section(report, "How it stands")
    checks = section(report, "Looked at just now")
    assert "- prices: throttled 1 × in the last day" in checks
    assert "GRANT SELECT, INSERT, DELETE ON" in checks
    assert "the rest of the week" in section(report, "What happened")
    assert "mended the hours" in files["timeline.md"]
    assert "- runbook: https://wiki.example/shop" in section(report, "Where to read on")
    assert {"failures.json", "plan.json", "settings.json", "versions.json", "source/orders.py"} <= files.keys()
    assert any(name.startswith("manifests/raw/2024-01-03.") for name in files)
    # Pausing is safe, and the command is there as it is typed.
    pausing = section(report, "Is it safe to pause?")
    assert "a pause, a stop or even a kill loses nothing" in pausing
    assert f"`recoup backfill pause {backfill}`" in pausing
    pause = shop.start("backfill", "pause", backfill)
    until(lambda: shop.ledger("SELECT 1 FROM events WHERE kind = 'wished: pause'"))
    shop.write("hold", "")
    assert pause.wait() == 0
    shop.recoup("backfill", "cancel", backfill)
    running.wait()


@pytest.mark.runbook("B-66")
def test_after_two_hours_status_says_so(project):
    project.declare("shop", SHOP.replace('sink=rc.Postgres("warehouse", table="shop.facts", key=["dt", "n"])', ""))
    project.write("bad", "2024-01-02")
    project.recoup("run", "shop", "2024-01-02")
    for seconds, told in ((7_100, False), (7_300, True)):
        ledger_back(project, seconds)
        status = project.recoup("status", "shop")
        assert ("recoup escalate" in status.stdout) is told, status.stdout
        ledger_back(project, -seconds)
    ledger_back(project, 7_300)
    assert "a failure of orders is open for 2 h" in project.recoup("status", "shop").stdout
    assert project.answer("status", "shop")["overdue"]["step"] == "orders"

    folder = project.recoup("escalate", "-o", "handover")
    assert folder.stdout.splitlines()[0] == "handover: 1 cause; begin with report.md"
    text = (project.folder / "handover" / "report.md").read_text()
    assert "so there is nothing to pause. Once it is mended, `recoup run shop` does exactly the rest." in text
    assert "No version control knows of this file." in text
    assert f"Handed over by {getpass.getuser()}@" in text

    again = project.recoup("escalate", "shop", "-o", "handover")
    assert (again.returncode, "handover exists already" in again.stderr) == (2, True)
    assert project.recoup("escalate", "shop", "-o", "no/such.zip").returncode == 2
    project.write("bad", "")
    project.recoup("retry", "shop", "2024-01-02", "--force", "--reason", "the day is mended")
    well = project.recoup("escalate", "shop", "-o", "nothing.zip")
    assert (well.returncode, "nothing is wrong" in well.stdout) == (0, True)
    assert not (project.folder / "nothing.zip").exists()


def ledger_back(project, seconds):
    """As if all attempts had ended so much earlier."""
    import sqlite3

    with sqlite3.connect(project.folder / ".recoup" / "ledger.db") as db:
        db.execute("UPDATE attempts SET ended_at = ended_at - ?", (seconds,))
    db.close()
