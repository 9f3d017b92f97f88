"""What was learned from failures that nobody here had seen, by the libraries' own errors: raised, not written down."""

import decimal
import ftplib
import io
import sqlite3
import threading
from collections.abc import Callable

import duckdb
import pyarrow.csv
import pytest
from botocore.exceptions import ClientError

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.classify import classify
from recoup.recovery.decide import decide
from recoup.recovery.reported import from_json


def raised(act: Callable[[], object]) -> Kind:
    with pytest.raises(Exception) as error:  # noqa: PT011 - of whatever class
        act()
    return classify(error.value).kind


def interrupted_query():
    db = sqlite3.connect(":memory:", check_same_thread=False)
    threading.Timer(0.05, db.interrupt).start()
    db.execute("WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r").fetchall()


def refused(code: str, message: str, status: int = 400) -> None:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    raise ClientError(answer, "GetParameter")


def torn_parquet(folder):
    (folder / "t.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    duckdb.connect().execute(f"SELECT * FROM '{folder / 't.parquet'}'").fetchall()


def hides(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (interrupted_query, Kind.CANCELLED),
        (lambda: pyarrow.csv.read_csv(io.BytesIO(b"a,b\n1,2\n1,2,3\n")), Kind.CONTRACT),
        # A code that no table has is read as the words that it is made of.
        (lambda: refused("ParameterNotFound", ""), Kind.MISSING),
        (lambda: refused("WidgetConcurrencyLimitException", "", 400), Kind.THROTTLED),
        (lambda: refused("TooManyRequestsException", "more queries than you can run concurrently"), Kind.THROTTLED),
        # A key is often one word, and then only the key; a sentence is somebody's message.
        (lambda: {"a": 1}["connection_timeout"], Kind.LOGIC),
        (lambda: hides(KeyError("missing required setting WAREHOUSE_URL")), Kind.CONFIG),
        (lambda: hides(LookupError("no connection named 'warehouse_ro' is configured")), Kind.CONFIG),
        (lambda: hides(ValueError("RETRY_LIMIT must be a positive integer, got 'three'")), Kind.CONFIG),
        (lambda: hides(KeyError("the connection to the server was reset by the peer")), Kind.LOGIC),
        (lambda: hides(RuntimeError("snapshot of customers is 61 h old, at most 36 h allowed")), Kind.BLOCKED),
        (lambda: hides(RuntimeError("37 rows have http_status 503; at most 0 allowed")), Kind.QUALITY),
        # Three figures of another protocol.
        (lambda: hides(ftplib.error_perm("530 Login incorrect.")), Kind.AUTH),
        (lambda: hides(RuntimeError("530 Login incorrect.")), Kind.AUTH),
        (lambda: hides(ftplib.error_perm("550 /in/a.csv: No such file or directory")), Kind.MISSING),
        (lambda: hides(ftplib.error_temp("421 Too many connections (8) from this IP")), Kind.THROTTLED),
        (lambda: decimal.Decimal("12,50"), Kind.CONTRACT),
        (lambda: decimal.Decimal(1) / 0, Kind.LOGIC),
        # A name that somebody gave a table is no word of a sentence.
        (lambda: hides(RuntimeError("schema mismatch in throttled_requests: 7 columns")), Kind.CONTRACT),
        (lambda: hides(RuntimeError("login failed for 'etl': account is locked")), Kind.AUTH),
        (lambda: hides(RuntimeError("JWT expired at 02:00, connection closed by server")), Kind.AUTH),
        (lambda: hides(RuntimeError("worker 3: connection resets 4 times, reset by peer")), Kind.NETWORK),
    ],
)
def test_it_is_of_that_kind(act, kind):
    assert raised(act) is kind


def test_a_torn_file_is_corrupt(tmp_path):
    assert raised(lambda: torn_parquet(tmp_path)) is Kind.CORRUPT


class _Canceled(Exception):
    """As a driver of PostgreSQL raises it: one code for two reasons."""

    sqlstate = "57014"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("canceling statement due to statement timeout", Kind.TIMEOUT),
        ("canceling statement due to user request", Kind.CANCELLED),
        ("", Kind.TIMEOUT),
    ],
)
def test_a_cancelled_statement_says_why(said, kind):
    assert raised(lambda: hides(_Canceled(said))) is kind


def test_a_disk_that_is_full_is_no_throttle_though_its_status_says_so():
    body = {"exc_type": "elasticsearch.ApiError", "message": "ApiError(429, 'cluster_block_exception')"}
    assert decide(from_json({**body, "http_status": 429})).kind is Kind.DISK
