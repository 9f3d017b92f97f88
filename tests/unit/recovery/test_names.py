"""What must not be tried again stays so, whatever its tables, columns and limits are called."""

import pytest

from recoup.model.failure import FailureKind as Kind
from recoup.model.failure import RetryClass
from recoup.recovery.decide import decide
from recoup.recovery.reported import from_json

SAID = {
    "login failed": Kind.AUTH,
    "permission denied": Kind.PERMISSION,
    "environment variable LAKE is not set": Kind.CONFIG,
    "syntax error": Kind.LOGIC,
    "missing required columns": Kind.CONTRACT,
    "checksum mismatch": Kind.CORRUPT,
    "check failed: 12 duplicate rows": Kind.QUALITY,
    "no data found": Kind.MISSING,
    "no space left on device": Kind.DISK,
}
NAMES = (
    "in table deadlocks",
    "for column time limit",
    "in function throttle",
    "of topic slowdown",
    "from table service_unavailable",
    "(timeout=30, retries=5)",
    "while the lock held by the worker died",
    "for table rate limits",
    "(503 rows)",
    "of dataset preemptions",
)
LOG = """2024-03-05 02:11:09,123 WARN  [pool] connection reset by peer, retrying (1/5)
2024-03-05 02:11:12,001 INFO  connecting, timeout: 30 s, rate limit: 10
"""
SPARK = (
    "Job aborted due to stage failure: Task 0 failed 4 times, most recent failure: Lost task 0.3 in stage 1.0 (TID 3)"
)


def verdict_of(message, **more):
    return decide(from_json({"message": message, **more}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("said", "kind"), SAID.items())
def test_a_name_is_no_reason_to_try_again(said, kind, name):
    assert verdict_of(f"{said} {name}").kind is kind
    assert verdict_of(f"{name}: {said}").kind is kind


@pytest.mark.parametrize(("said", "kind"), SAID.items())
def test_of_a_log_its_errors_are_heard(said, kind):
    assert verdict_of(f"{LOG}2024-03-05 02:11:13 ERROR {said}", exit_code=1).kind is kind


def test_a_warning_is_heard_where_no_error_tells():
    assert verdict_of(LOG + "ERROR giving up", exit_code=1).kind is Kind.NETWORK
    assert verdict_of("INFO  connection timeout=30s\nERROR giving up", exit_code=1).kind is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("java.lang.ArithmeticException: / by zero", Kind.LOGIC),
        ("java.lang.NumberFormatException: For input string: x", Kind.CONTRACT),
        ("SparkDateTimeException: [CAST_INVALID_INPUT] it is malformed", Kind.CONTRACT),
        ("java.io.FileNotFoundException: s3a://lake/day=1", Kind.MISSING),
        ("java.nio.file.AccessDeniedException: /lake/x", Kind.PERMISSION),
        ("ExecutorLostFailure (executor 2 exited)", Kind.LOST),
        ("java.net.SocketTimeoutException: Read timed out", Kind.NETWORK),
    ],
)
def test_a_task_that_spark_lost_is_of_the_kind_of_its_cause(cause, kind):
    assert verdict_of(f"{SPARK} (10.0.0.4 executor 1): {cause}", exit_code=1).kind is kind


@pytest.mark.parametrize(
    "message",
    ["9 is not in range", "'a' is not in list", "I/O operation on closed file.", "max() arg is an empty sequence"],
)
def test_what_python_says_of_a_bug_is_no_check_of_data(message):
    verdict = verdict_of(message, exc_type="builtins.ValueError", mro=["builtins.Exception"])

    assert (verdict.kind, verdict.retry_class) == (Kind.LOGIC, RetryClass.NOT_BLINDLY)


def test_three_figures_that_count_are_no_status():
    assert verdict_of("429 duplicate rows").kind is Kind.QUALITY
    assert verdict_of("500 server rows are out of range").kind is Kind.QUALITY
    assert verdict_of("503 Service Unavailable").kind is Kind.SERVICE
    assert verdict_of("429 Too Many Requests").kind is Kind.THROTTLED


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("APIConfigException", Kind.CONFIG),
        ("SchemaMismatchError", Kind.CONTRACT),
        ("InvalidCredentials", Kind.AUTH),
        ("RateLimitExceeded", Kind.THROTTLED),
        ("APIConnectionError", Kind.NETWORK),
        ("ConnectionPoolBug", Kind.UNKNOWN),
    ],
)
def test_the_name_of_a_class_tells_where_nothing_else_does(name, kind):
    assert verdict_of("no 17", exc_type=f"vendor.{name}", mro=["builtins.Exception"]).kind is kind
    assert verdict_of("checksum mismatch", exc_type=f"vendor.{name}", mro=["builtins.Exception"]).kind is Kind.CORRUPT


def test_the_name_of_a_base_never_says_that_it_may_pass():
    assert (
        verdict_of("no 17", exc_type="vendor.Odd", mro=["vendor.ConnectionError", "vendor.Error"]).kind is Kind.UNKNOWN
    )


def test_a_tool_that_is_not_installed_is_configuration():
    trace = (
        'Traceback (most recent call last):\n  File "/usr/lib/python3.12/subprocess.py", line 1955, in _execute_child\n'
    )
    said = "[Errno 2] No such file or directory: 'dbt'"
    name = "builtins.FileNotFoundError"

    assert verdict_of(said, exc_type=name, traceback=f"{trace}FileNotFoundError: {said}").kind is Kind.CONFIG
    assert verdict_of(said, exc_type=name).kind is Kind.MISSING


def test_a_port_that_is_none_never_resolves():
    said = "[Errno -8] Servname not supported for ai_socktype"

    assert verdict_of(said, exc_type="socket.gaierror", mro=["builtins.OSError"]).kind is Kind.CONFIG


def test_a_code_in_front_is_read_but_may_be_a_setting():
    assert verdict_of("RESOURCE_DOES_NOT_EXIST: experiment 503").kind is Kind.MISSING
    assert verdict_of("COLUMN_NOT_FOUND: line 1:8").kind is Kind.CONTRACT
    assert verdict_of("QUERY_TIMEOUT: 17").kind is Kind.UNKNOWN
    assert verdict_of("{'S': 'ERROR', 'C': '42P01', 'M': 'relation \"a\" does not exist'}").kind is Kind.MISSING
