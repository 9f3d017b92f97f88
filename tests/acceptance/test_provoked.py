"""Failures that really happen, against real servers: what `recoup run` does about them, and what `recoup why` says."""

import json
import logging
import re
import urllib.request
import uuid

import pytest

from tests import servers
from tests.acceptance.vendor import REASON, silent_door, vendor

FEEDS = """
import json
import ssl
import urllib.request
import requests

games = rc.Pipeline("games", partitions=rc.Daily("2024-01-15", "2024-01-15", key="dt"), retry=rc.Retry(1))


def get(path, timeout=0.3):
    with urllib.request.urlopen(told("vendor")[0] + path, timeout=timeout) as answer:
        return answer.read()


def asks(name, retry=None):
    def declare(ask):
        games.step(name=name, retry=retry)(lambda ctx: (ask(), None)[1])
        return ask

    return declare


@asks("failing")
def _():
    get("/500?api_key=hush-hush-hush")


@asks("failing_requests")
def _():
    requests.get(told("vendor")[0] + "/503", timeout=5).raise_for_status()


@asks("recovering", retry=rc.Retry(3, initial="5m"))
def _():
    get("/429-once")


@asks("closing")
def _():
    get("/closed")


@asks("hanging")
def _():
    get("/hang")


@asks("gone")
def _():
    get("/404")


@asks("empty")
def _():
    if not json.loads(get("/empty"))["rows"]:
        raise RuntimeError("No data found for 2024-01-15")


@asks("broken")
def _():
    json.loads(get("/broken"))


@asks("unnamed", retry=rc.Retry(4, initial="20ms", max="10s", jitter=0.4))
def _():
    urllib.request.urlopen("http://nobody.invalid/feed", timeout=2)


@asks("silent", retry=rc.Retry(4, initial="20ms", max="10s", jitter=0.4))
def _():
    urllib.request.urlopen("https://127.0.0.1:" + told("door")[0], timeout=0.1, context=ssl.create_default_context())


@asks("torn")
def _():
    import polars

    polars.DataFrame({"points": range(1000)}).write_parquet(HERE / "whole.parquet")
    data = (HERE / "whole.parquet").read_bytes()
    (HERE / "torn.parquet").write_bytes(data[: len(data) // 2])
    polars.read_parquet(HERE / "torn.parquet")


@asks("dividing")
def _():
    1 / 0
"""


@pytest.mark.runbook("D-51", "E-13")
def test_what_a_vendor_does(here):
    here.project.declare("games", FEEDS, 'executor = "inline"')
    with vendor() as known, silent_door() as door:
        here.project.write("vendor", known.url)
        here.project.write("door", str(door))
        ran = here.recoup("run", "games", "--json")
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    causes = {cause["where"][0]["step"]: cause for cause in here.answer("why", "games")["causes"]}

    assert ran.returncode == 1
    assert {step: cause["kind"] for step, cause in causes.items()} == {
        "failing": "service",
        "failing_requests": "service",
        "closing": "network",
        "hanging": "network",
        "gone": "missing",
        "empty": "missing",
        "broken": "corrupt",
        "unnamed": "network",
        "silent": "network",
        "torn": "corrupt",
        "dividing": "logic",
    }
    # A server's Retry-After is obeyed: after a second, not after five minutes.
    assert known.asked.count("429-once") == 2
    [asked] = [e for e in events if e.get("event") == "failure" and e["step"] == "recovering"]
    assert (asked["kind"], asked["retry_in_seconds"]) == ("throttled", 1.0)

    # Status, where it came from, and how the answer begins; no key of ours.
    for step, path in (("failing", "/500"), ("failing_requests", "/503")):
        told = causes[step]["evidence"]
        assert (told["http_status"], told["address"], told["answer"]) == (int(path[1:]), known.url + path, REASON)
    text = here.recoup("why", "games").stdout
    assert f"answer: {REASON}" in text
    assert f"address {known.url}/500" in text
    assert b"hush-hush" not in b"".join(here.project.tree(".recoup").values())
    assert b"hush-hush" not in b"".join(here.project.tree("lake").values())

    # Waits grow, and no two are the same.
    for step in ("unnamed", "silent"):
        waits = [e["retry_in_seconds"] for e in events if e.get("event") == "failure" and e["step"] == step]
        assert len(waits) == 4
        assert waits[-1] is None
        assert all(low <= wait <= 1.4 * low for wait, low in zip(waits, (0.02, 0.04, 0.08), strict=False))
        assert len({wait / 2**n for n, wait in enumerate(waits[:-1])}) == 3


WAREHOUSE = """
import threading

import psycopg

phase3 = rc.Pipeline("phase3", partitions=rc.Daily("2023-11-15", "2023-11-15"), retry=rc.Retry(3, initial="20ms"))


def connect():
    return psycopg.connect(told("warehouse")[0])


@phase3.step
def deadlocked(ctx):
    if ctx.attempt > 1:
        return
    met, raised = threading.Barrier(2), []

    def lock(first, second):
        try:
            with connect() as db:
                db.execute("SET deadlock_timeout = '20ms'")
                db.execute("UPDATE games SET points = 1 WHERE game = %s", [first])
                met.wait(10)
                db.execute("UPDATE games SET points = 2 WHERE game = %s", [second])
        except psycopg.Error as error:
            raised.append(error)

    threads = [threading.Thread(target=lock, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    raise raised[0]


@phase3.step
def slow(ctx):
    with connect() as db:
        db.execute("SET statement_timeout = '40ms'")
        db.execute("SELECT pg_sleep(20)")


@phase3.step
def refused(ctx):
    with connect() as db:
        if not told("granted"):
            db.execute("SET ROLE pg_read_all_stats")
        db.execute("SELECT count(*) FROM games")


@phase3.step
def absent(ctx):
    with connect() as db:
        db.execute("SELECT * FROM nbac_team_boxscore")


@phase3.step
def divided(ctx):
    with connect() as db:
        db.execute("SELECT 1 / (points - points) FROM games")


@phase3.step
def null(ctx):
    with connect() as db:
        db.execute("INSERT INTO games VALUES (9, NULL)")


@phase3.step
def cast(ctx):
    with connect() as db:
        db.execute("SELECT 'eleven'::text::integer")
"""


@pytest.mark.services
@pytest.mark.runbook("B-34")
def test_what_a_warehouse_does(here):
    here.project.declare("phase3", WAREHOUSE, 'executor = "inline"')
    with servers.postgresql() as url:
        servers.say(
            url,
            "CREATE TABLE games (game int PRIMARY KEY, points int NOT NULL)",
            "INSERT INTO games VALUES (1, 0), (2, 0)",
        )
        here.project.write("warehouse", url.replace("postgresql+psycopg", "postgresql"))
        assert here.recoup("run", "phase3").returncode == 1
        causes = {cause["where"][0]["step"]: cause for cause in here.answer("why", "phase3")["causes"]}

        assert {step: (c["kind"], c["attempts"], c["evidence"]["sqlstate"]) for step, c in causes.items()} == {
            "slow": ("timeout", 3, "57014"),
            "refused": ("permission", 1, "42501"),
            "absent": ("missing", 1, "42P01"),
            "divided": ("logic", 1, "22012"),
            "null": ("contract", 1, "23502"),
            "cast": ("contract", 1, "22P02"),
        }
        # Whether the step is wrong or its rows are: both are errors of the processing, and neither passes by itself.
        assert {causes[step]["category"] for step in ("divided", "null", "cast")} == {"processing"}
        # A deadlock's victim is tried again, and passes.
        [lost, won] = [r for r in here.answer("runs", "phase3", "--limit", "0")["runs"] if r["step"] == "deadlocked"][
            ::-1
        ]
        assert (lost["failure_kind"], lost["success"], won["success"]) == ("conflict", False, True)

        # A grant is seen by nobody but who gives it: the same command, by name, is enough then.
        here.project.write("granted", "yes")
        assert here.recoup("retry", "phase3", "2023-11-15", "--step", "refused").returncode == 0


BUCKET = """
import boto3
from botocore.config import Config

lake = rc.Pipeline("lake", partitions=rc.Daily("2024-01-15", "2024-01-15", key="dt"), retry=rc.Retry(3, initial="20ms"))


def client(service, key="key", endpoint="endpoint", **config):
    names = {"aws_access_key_id": told(key)[0], "aws_secret_access_key": told(key)[1], "region_name": "us-east-1"}
    once = Config(retries={"max_attempts": 0}, **config)
    return boto3.client(service, endpoint_url=told(endpoint)[0], config=once, **names)


@lake.step
def denied(ctx):
    client("s3").get_object(Bucket=told("bucket")[0], Key="crm")


@lake.step
def stranger(ctx):
    client("s3", "bad").get_object(Bucket=told("bucket")[0], Key="crm")


@lake.step
def secret(ctx):
    client("secretsmanager", endpoint="silent", read_timeout=0.1, connect_timeout=1).get_secret_value(SecretId="crm")


@lake.step
def vendor(ctx):
    import urllib.request

    urllib.request.urlopen(told("vendor")[0] + ("/503" if ctx.attempt == 1 else "/well"), timeout=5).close()
"""


@pytest.fixture
def guarded():
    """A server that knows users and what they may; `put_policy` says what the second one may."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    own = uuid.uuid4().hex[:8]
    bucket = f"crm-{own}"

    def client(service, key):
        names = {"aws_access_key_id": key[0], "aws_secret_access_key": key[1], "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=url, **names)

    def user(name):
        client("iam", ("any", "any")).create_user(UserName=f"{name}-{own}")
        made = client("iam", ("any", "any")).create_access_key(UserName=f"{name}-{own}")["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def put_policy(name, action):
        allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        client("iam", owner).put_user_policy(UserName=f"{name}-{own}", PolicyName="it", PolicyDocument=policy)

    def ask_for_keys_after(actions):
        asked = urllib.request.Request(f"{url}/moto-api/reset-auth", actions.encode(), {"Content-Type": "text/plain"})
        urllib.request.urlopen(asked).close()

    s3 = client("s3", ("any", "any"))
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="crm", Body=b"rows")
    owner, key = user("owner"), user("reader")
    put_policy("owner", "*")
    put_policy("reader", "s3:ListAllMyBuckets")
    ask_for_keys_after("0")
    yield url, bucket, key, put_policy
    ask_for_keys_after("inf")  # the server's state is this process's
    server.stop()


@pytest.mark.runbook("E-22", "E-24")
def test_what_a_bucket_refuses(here, guarded):
    url, bucket, key, put_policy = guarded
    here.project.declare("lake", BUCKET, 'executor = "inline"')
    with vendor() as known, silent_door() as door:
        told = {"endpoint": url, "bucket": bucket, "key": " ".join(key), "bad": f"{key[0]} not-the-secret"}
        told |= {"vendor": known.url, "silent": f"http://127.0.0.1:{door}"}
        for name, text in told.items():
            here.project.write(name, text)
        # Refused credentials stop a run at once, so each step has a run of its own.
        for step in ("denied", "stranger", "secret"):
            assert here.recoup("run", "lake", "--step", step).returncode == 1
        assert here.recoup("run", "lake", "--step", "vendor").returncode == 0
    causes = {cause["where"][0]["step"]: cause for cause in here.answer("why", "lake")["causes"]}
    seen = {step: (c["kind"], c["attempts"], c["evidence"].get("http_status")) for step, c in causes.items()}
    assert seen == {"denied": ("auth", 1, 403), "stranger": ("auth", 1, 403), "secret": ("network", 3, None)}
    assert causes["denied"]["evidence"]["code"] == "AccessDenied"
    runs = [r for r in here.answer("runs", "lake", "--limit", "0")["runs"] if r["step"] == "vendor"]
    assert [(r["failure_kind"], r["success"]) for r in runs] == [(None, True), ("service", False)]

    # It waits for the policy, and then the same command by name completes it.
    assert here.recoup("retry", "lake", "2024-01-15", "--step", "denied").returncode == 1
    put_policy("reader", "s3:GetObject")
    assert here.recoup("retry", "lake", "2024-01-15", "--step", "denied").returncode == 0


LAKE = """
import polars as pl

shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-03"))


@shop.step
def orders(ctx):
    return pl.DataFrame({"n": [int(ctx.partition[-2:])]})
"""


@pytest.mark.runbook("E-59")
def test_a_lake_that_may_not_be_read_any_more(project, guarded):
    """Whoever is downstream reads through the pointer, with the grant that there is."""
    url, bucket, key, put_policy = guarded
    put_policy("reader", "s3:*")
    project.environ = {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}
    project.environ |= {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    project.declare("shop", LAKE, f'lake = "s3://{bucket}/lake"\nexecutor = "inline"')
    assert project.recoup("run", "shop").returncode == 0
    sound = project.answer("verify", "shop")
    assert (sound["exit_code"], {line["name"]: line["outcome"] for line in sound["lines"]}["reads"]) == (0, "pass")
    put_policy("reader", "s3:ListBucket")
    denied = project.recoup("verify", "shop")
    assert denied.returncode == 1
    assert re.search(r"reads +fail", denied.stdout)
    assert "may not read s3://" in denied.stdout
    assert key[1] not in denied.stdout + denied.stderr
