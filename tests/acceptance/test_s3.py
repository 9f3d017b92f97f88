"""A lake in a bucket: the same commands, the same laws, against a real server."""

import json
import logging
import signal
import uuid
from collections import Counter

import pytest

pytest.importorskip("moto.server", reason="moto is not installed")
boto3 = pytest.importorskip("boto3")
duckdb = pytest.importorskip("duckdb")

KEY_ID, SECRET, SESSION = "AKIDNOTTOBESHOWN", "wJalr/NotToBeShown+K7MDENG", "FwoGNotToBeShown"
ORDERS = "orders/dt=2024-01-02/current.json"

SHOP = """
import polars as pl

shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-12"))


@shop.step(version=(told("version") or ["1"])[0])
def orders(ctx):
    with noted(ctx):
        if ctx.partition in told("bad"):
            raise ValueError("no prices")
        if [ctx.partition] >= told("from") != []:
            wait_for("go")
        return pl.DataFrame({"n": [int(ctx.partition[-2:])], "version": told("version") or ["1"]})


@shop.step(sink=rc.DuckDB("shop.duckdb", table="weekly", key=["dt"]))
def weekly(ctx, week: pl.LazyFrame = rc.trailing(orders, days=7, complete=0.8)):
    with noted(ctx):
        return week.select(pl.col("n").sum(), days=pl.len())
"""


@pytest.fixture(scope="module")
def endpoint():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
    )


@pytest.fixture
def shop(project, endpoint, s3):
    """A project whose lake is a bucket of its own; nothing that it prints or writes may hold a secret."""
    bucket = f"lake-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    project.declare("shop", SHOP, f'lake = "s3://{bucket}/some/prefix"\nmax_parallel = 2')
    project.environ = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": SESSION,
        "AWS_REGION": "us-east-1",
    }
    yield project
    written = b"".join(project.tree().values()) + b"".join(objects(s3, bucket).values())
    for secret in (KEY_ID, SECRET, SESSION):
        assert secret.encode() not in written


def bucket_of(project):
    return (project.folder / "recoup.toml").read_text().partition("s3://")[2].partition("/")[0]


def objects(s3, bucket):
    """Every object with its bytes."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            found[entry["Key"]] = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
    return found


def pointers(s3, project):
    found = objects(s3, bucket_of(project))
    prefix = "some/prefix/"
    return {key.removeprefix(prefix): json.loads(body) for key, body in found.items() if key.endswith("/current.json")}


def table(project):
    with duckdb.connect(str(project.folder / "shop.duckdb"), read_only=True) as db:
        return db.execute("SELECT dt::varchar, n, days FROM weekly ORDER BY dt").fetchall()


def expected(days, without=()):
    """What the table must hold: sums over at most seven days that are there."""
    rows = []
    for day in days:
        span = [n for n in range(max(day - 6, 1), day + 1) if n not in without]
        rows.append((f"2024-01-{day:02}", sum(span), len(span)))
    return rows


def test_a_backfill_with_a_lookback_and_a_table(shop, s3):
    """Two bad days of seven are too many; once they are there all is."""
    shop.write("bad", "2024-01-03 2024-01-05")
    first = shop.recoup("run", "shop")
    assert first.returncode == 1, first.stderr
    assert "orders: 5 of 7 there, 6 needed; missing 2024-01-03, 2024-01-05" in first.stdout
    assert table(shop) == expected(complete_days({3, 5}), {3, 5})
    (shop.folder / "bad").unlink()
    second = shop.recoup("run", "shop")
    assert second.returncode == 0, second.stdout + second.stderr
    status = shop.answer("status", "shop")
    assert (status["complete"], status["completed_dates"]) == (True, 12)
    assert len(pointers(s3, shop)) == 24
    assert shop.python("print(json.dumps(rc.read('orders').collect()['n'].sum()))") == 78
    assert_no_secret(first, second)


def test_a_day_is_restated_and_taken_back(shop, s3):
    assert shop.recoup("run", "shop", "--end", "2024-01-02").returncode == 0
    shop.write("version", "2")
    restated = shop.recoup("run", "shop", "2024-01-02", "--only", "stale")
    assert restated.returncode == 0
    assert [generation["number"] for generation in pointers(s3, shop)[ORDERS]["generations"]] == [2, 1]
    rolled = shop.recoup("publish", "rollback", "shop.orders", "2024-01-02", "--yes")
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr
    newest, _, oldest = pointers(s3, shop)[ORDERS]["generations"]
    assert (newest["run_id"], newest["digest"]) == (oldest["run_id"], oldest["digest"])
    read = "print(json.dumps(rc.read('orders', '2024-01-02').collect()['version'].to_list()))"
    assert shop.python(read) == ["1"]
    shown = shop.recoup("publish", "show", "orders", "2024-01-02")
    assert "pointer and ledger agree" in shown.stdout
    assert_no_secret(restated, rolled, shown)


def assert_no_secret(*results):
    said = "".join(result.stdout + result.stderr for result in results)
    assert not any(secret in said for secret in (KEY_ID, SECRET, SESSION))


def complete_days(bad):
    """Days whose week has its share: six of seven, and at the range's start all but a fifth of what there is."""
    days = []
    for day in range(1, 13):
        span = range(max(day - 6, 1), day + 1)
        there = [n for n in span if n not in bad]
        if len(there) >= 0.8 * len(span):
            days.append(day)
    return days


def test_kill_9_in_the_middle_then_the_same_command(shop, s3, until, stop):
    shop.write("from", "2024-01-06")
    process = shop.start("run", "shop")
    until(lambda: len([call for call in shop.calls() if call.step == "orders"]) == 7, process)
    until(lambda: published(shop) >= 5, process)
    stop(process, signal.SIGKILL)
    before = {key: body["generations"] for key, body in pointers(s3, shop).items()}
    shop.write("go", "")
    result = shop.recoup("run", "shop")
    assert result.returncode == 0, result.stdout + result.stderr
    assert table(shop) == expected(range(1, 13))
    twice = {key for key, count in Counter((c.step, c.partition) for c in shop.calls("ended")).items() if count > 1}
    assert all(partition in {"2024-01-05", "2024-01-06", "2024-01-07"} for _, partition in twice)
    after = pointers(s3, shop)
    assert len(after) == 24
    assert {len(body["generations"]) for body in after.values()} == {1}, "nothing was published twice"
    assert {key: after[key]["generations"] for key in before} == before
    assert shop.recoup("ledger", "verify").returncode == 0


def published(project):
    return project.ledger("SELECT count(*) FROM publications WHERE state = 'current'")[0][0]


def test_a_bucket_that_is_not_there_is_one_sentence(shop):
    text = (shop.folder / "recoup.toml").read_text()
    wrong = f"{bucket_of(shop)}-not"
    shop.write("recoup.toml", text.replace(bucket_of(shop), wrong))
    result = shop.recoup("run", "shop")
    assert result.returncode == 5
    assert result.stdout == ""
    error, remedy = result.stderr.splitlines()
    assert f"the bucket {wrong} does not exist" in error
    assert remedy.startswith("help: ")
    assert_no_secret(result)
    assert shop.calls() == []


def test_a_server_that_is_not_there_is_one_sentence(shop):
    result = shop.recoup("run", "shop", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert result.returncode == 5
    error, remedy = result.stderr.splitlines()
    assert "127.0.0.1:9" in error
    assert remedy.startswith("help: ")
    assert_no_secret(result)


OLD_DAYS = """
import os
import polars as pl
from urllib.parse import urlsplit

options = {"aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"], "aws_allow_http": "true", "aws_region": "us-east-1"}
for day in range(1, 7):
    frame = pl.DataFrame({"n": [day], "version": ["old"]})
    frame.write_parquet(f"TOP/dt=2024-01-{day:02}/part.parquet", storage_options=options)
print(1)
"""


@pytest.mark.parametrize("place", ["", "some/prefix/"])
def test_what_lies_in_the_bucket_is_adopted_where_it_lies(shop, s3, place):
    """Beside the lake, and in it; a lookback reads across the seam, and the table follows."""
    bucket = bucket_of(shop)
    top = f"s3://{bucket}/{place}old"
    shop.python(OLD_DAYS.replace("TOP", top))
    before = {key: body for key, body in objects(s3, bucket).items() if "/dt=" in key}

    adopted = shop.answer("lake", "adopt", "shop", "orders", "--files", f"{top}/dt={{partition}}/*.parquet", "--yes")

    assert (adopted["count"], adopted["files"], adopted["rows"]) == (6, 6, 6)
    ran = shop.recoup("run", "shop")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert table(shop) == expected(range(1, 13))
    assert {call.partition for call in shop.calls() if call.step == "orders"} == {
        f"2024-01-{day:02}" for day in range(7, 13)
    }
    assert shop.python("print(json.dumps(rc.read('orders').collect()['n'].sum()))") == 78
    after = objects(s3, bucket)
    assert {key: after[key] for key in before} == before
    assert shop.recoup("ledger", "verify").returncode == 0
    again = shop.recoup(
        "lake", "adopt", "shop", "weekly", "--files", f"s3://{bucket}/some/prefix/*/dt={{partition}}/*/*.parquet"
    )
    assert again.returncode == 4, again.stderr
    assert "recoup owns it already" in again.stderr
    assert_no_secret(ran, again)
