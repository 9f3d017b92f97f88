"""What went wrong, from real exceptions: provoked where they can be, raised where they cannot."""

import errno
import json
import os
import socket
import sqlite3
import urllib.request
from pathlib import Path

import polars as pl
import pytest

from recoup.model.errors import CorruptError, DiskFullError, GrantMissingError, PipelineError, StepReturnError
from recoup.model.failure import ADVICE, RETRYABLE, Failure, FailureKind, RetryClass
from recoup.recovery.classify import MESSAGE_LIMIT, classify, fingerprint, lost, out_of_memory, timed_out

Kind = FailureKind


def caught(function, *arguments):
    """The exception as it comes out of a step, with all that it drags along."""
    try:
        function(*arguments)
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError("it did not fail")


def raised(error):
    def fail():
        raise error

    return caught(fail)


@pytest.fixture
def closed_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


# ------------------------------------------------------------------------------------------------ provoked


def test_a_file_that_is_not_there(tmp_path):
    failure = classify(caught(open, tmp_path / "nothing.csv"))

    assert failure.kind is Kind.MISSING
    assert failure.exception == "FileNotFoundError"
    assert "nothing.csv" in failure.message
    assert failure.evidence["errno"] == "ENOENT"


def test_a_file_that_is_not_there_for_polars(tmp_path):
    assert classify(caught(lambda: pl.scan_parquet(tmp_path / "nothing.parquet").collect())).kind is Kind.MISSING


def test_a_connection_that_nobody_takes(closed_port):
    failure = classify(caught(socket.create_connection, ("127.0.0.1", closed_port)))

    assert failure.kind is Kind.NETWORK
    assert failure.evidence["errno"] == "ECONNREFUSED"


def test_a_connection_that_nobody_takes_below_a_library(closed_port):
    failure = classify(caught(urllib.request.urlopen, f"http://127.0.0.1:{closed_port}/"))

    assert failure.kind is Kind.NETWORK
    assert failure.exception == "URLError"
    assert failure.evidence["types"] == ["URLError", "ConnectionRefusedError"]


def test_a_name_that_nobody_knows():
    assert classify(caught(socket.getaddrinfo, "no-such-host.invalid", 80)).kind is Kind.NETWORK


def test_a_connection_that_takes_too_long():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with socket.create_connection(listening.getsockname()) as client:
            client.settimeout(0.01)
            assert classify(caught(client.recv, 1)).kind is Kind.NETWORK


def test_a_port_that_is_taken():
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        first.listen()
        assert classify(caught(second.bind, first.getsockname())).kind is Kind.CONFLICT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_disk_that_is_full():
    def fill():
        with Path("/dev/full").open("w") as full:
            full.write("x")

    failure = classify(caught(fill))
    assert failure.kind is Kind.DISK
    assert failure.evidence["errno"] == "ENOSPC"


def test_more_memory_than_there_is():
    assert classify(caught(bytearray, 1 << 62)).kind is Kind.MEMORY


def test_a_column_that_is_not_there():
    assert classify(caught(lambda: pl.DataFrame({"a": [1]}).select("b"))).kind is Kind.CONTRACT


def test_a_module_that_is_not_there():
    assert classify(caught(__import__, "no_such_module_of_ours")).kind is Kind.CONFIG


@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("{}['key']", "KeyError"),
        ("[][1]", "IndexError"),
        ("None.shape", "AttributeError"),
        ("'a' + 1", "TypeError"),
        ("undefined", "NameError"),
        ("1 +", "SyntaxError"),
    ],
)
def test_a_bug(bug, name):
    failure = classify(caught(eval, bug))

    assert (failure.kind, failure.exception) == (Kind.LOGIC, name)
    assert failure.kind not in RETRYABLE


def test_a_step_that_calls_itself_for_ever():
    def deeper():
        return deeper()

    assert classify(caught(deeper)).kind is Kind.LOGIC


# ------------------------------------------------------------------------------------------------ raised


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, Kind.DISK),
        (errno.EDQUOT, Kind.QUOTA),
        (errno.EMFILE, Kind.DISK),
        (errno.ENOMEM, Kind.MEMORY),
        (errno.EACCES, Kind.PERMISSION),
        (errno.EROFS, Kind.PERMISSION),
        (errno.ENOENT, Kind.MISSING),
        (errno.ECONNRESET, Kind.NETWORK),
        (errno.EPIPE, Kind.NETWORK),
        (errno.ENETUNREACH, Kind.NETWORK),
        (errno.EADDRINUSE, Kind.CONFLICT),
        (errno.EISDIR, Kind.LOGIC),
        (errno.EIO, Kind.UNKNOWN),
    ],
)
def test_what_the_system_said(number, kind):
    failure = classify(OSError(number, os.strerror(number)))

    assert failure.kind is kind
    assert failure.evidence["errno"] == errno.errorcode[number]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DiskFullError("no room"), Kind.DISK),
        (CorruptError("not what its digest says"), Kind.CORRUPT),
        (StepReturnError("it returned 5"), Kind.LOGIC),
        (PipelineError("a cycle"), Kind.CONFIG),
        (KeyboardInterrupt(), Kind.CANCELLED),
    ],
)
def test_our_own(error, kind):
    assert classify(raised(error)).kind is kind


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("something"),
        ValueError("bad value"),
        Exception("?"),
        sqlite3.OperationalError("odd"),
        OSError("no number"),
        type("OurOwnError", (Exception,), {})("x"),
    ],
)
def test_unknown_stays_unknown(error):
    failure = classify(raised(error))

    assert failure.kind is Kind.UNKNOWN
    assert failure.kind not in RETRYABLE
    assert "read the log" in failure.advice


# ------------------------------------------------------------------------------------------------ causes


def chained(inner, outer, *, explicit):
    def fail():
        try:
            raise inner
        except type(inner):
            if explicit:
                raise outer from inner
            raise outer  # noqa: B904 - without a `from`, as many do

    return caught(fail)


@pytest.mark.parametrize("explicit", [True, False])
def test_the_root_cause_decides(explicit):
    error = chained(ConnectionResetError("peer"), RuntimeError("could not load"), explicit=explicit)
    failure = classify(error)

    assert failure.kind is Kind.NETWORK
    assert failure.message == "RuntimeError: could not load"
    assert failure.evidence["types"] == ["RuntimeError", "ConnectionResetError"]


def test_the_root_of_three_decides():
    inner = chained(FileNotFoundError(errno.ENOENT, "gone"), PermissionError("no"), explicit=True)

    assert classify(chained(inner, RuntimeError("outer"), explicit=True)).kind is Kind.MISSING


def test_what_was_being_handled_is_no_cause():
    """A cache that does not have it, and then the network fails."""
    assert classify(chained(FileNotFoundError("cache"), ConnectionError(), explicit=False)).kind is Kind.NETWORK
    assert classify(chained(KeyError("cache"), ConnectionError(), explicit=False)).kind is Kind.NETWORK


def test_a_bug_while_a_failure_was_handled_is_a_bug():
    assert classify(chained(ConnectionError(), AttributeError("None.close"), explicit=False)).kind is Kind.LOGIC


def test_a_key_that_was_missing_is_how_something_else_was_noticed():
    assert classify(chained(KeyError("digest"), CorruptError("broken"), explicit=True)).kind is Kind.CORRUPT
    assert classify(chained(KeyError("digest"), RuntimeError("?"), explicit=True)).kind is Kind.LOGIC


def test_a_cause_that_was_put_aside():
    error = RuntimeError("clean")
    error.__context__ = ConnectionError()
    error.__suppress_context__ = True  # as `raise … from None` does

    assert classify(error).kind is Kind.UNKNOWN
    assert classify(error).evidence["types"] == ["RuntimeError"]


def test_causes_that_go_round_in_circles():
    one, two = RuntimeError("one"), ConnectionError("two")
    one.__cause__, two.__cause__ = two, one

    assert classify(one).kind is Kind.NETWORK


# ------------------------------------------------------------------------------------------------ secrets

SECRET = "hunter2-9f8e7d6c5b4a"


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"Password: {SECRET}; host=db",
        f"pwd={SECRET}&x=1",
        f"db_password={SECRET}",
        f"connect(host='db', password='{SECRET}')",
        f"{{'user': 'bob', 'password': '{SECRET}'}}",
        f'{{"api_key": "{SECRET}", "n": 5}}',
        f"{{'token': 'with spaces {SECRET}'}}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"client_secret = {SECRET}",
        f"AccountName=a;AccountKey={SECRET}==;EndpointSuffix=x",
        f"https://a.blob.example/c?sv=2024&sig={SECRET}%3D&se=1",
        f"https://s3.example/b?X-Amz-Security-Token={SECRET}&X-Amz-Date=1",
        f"postgresql://bob:{SECRET}@db.example:5432/x",
        f"postgresql://bob:with@{SECRET}@db.example/x",
        f"redis://:{SECRET}@cache:6379/0",
        f"amqp://guest:{SECRET}@mq/%2F",
        f"Authorization: Bearer {SECRET}",
        f"{{'Authorization': 'Basic {SECRET}'}}",
        f"sent bearer {SECRET} to them",
    ],
)
def test_no_secret_is_kept(text):
    failure = classify(raised(RuntimeError(f"cannot connect with {text}, gave up")))

    assert SECRET not in json.dumps(failure.to_json())
    assert "***" in failure.message
    assert failure.message.startswith("RuntimeError: cannot connect with ")


def test_a_secret_at_the_edge_is_not_cut_into_sight():
    text = "x" * (MESSAGE_LIMIT - 30) + f" password={SECRET}{SECRET}"
    message = classify(RuntimeError(text)).message

    assert len(message) <= MESSAGE_LIMIT
    assert SECRET[:4] not in message


# ------------------------------------------------------------------------------------------------ texts


def test_a_message_that_is_very_long():
    assert len(classify(RuntimeError("x" * 10_000_000)).message) == MESSAGE_LIMIT


def test_an_error_without_a_message():
    assert classify(RuntimeError()).message == "RuntimeError"


def test_an_error_that_cannot_say_what_it_is():
    class Broken(Exception):
        def __str__(self):
            raise ZeroDivisionError

    failure = classify(Broken())
    assert failure.kind is Kind.UNKNOWN
    assert failure.message.startswith("Broken: ")


def test_half_a_character_can_be_stored():
    failure = classify(ValueError(os.fsdecode(b"caf\xe9.csv is no CSV")))

    assert failure.message.encode()
    with sqlite3.connect(":memory:") as db:
        assert db.execute("SELECT ?", (failure.message,)).fetchone() == (failure.message,)
    db.close()


# ------------------------------------------------------------------------------------------------ fingerprints


def day(partition, run):
    return FileNotFoundError(f"no file 'raw/dt={partition}/a.csv' of 336776 rows for lake/dt={partition}/run={run}/x")


def test_the_same_failure_of_other_partitions_has_the_same_fingerprint():
    one = classify(day("2013-01-05", "019a0b1c-7d2e-7f3a-8b4c-0d1e2f3a4b5c"))
    two = classify(day("2013-11-30", "019fffff-0000-7abc-9def-aaaabbbbcccc"))

    assert one.message != two.message
    assert one.fingerprint == two.fingerprint


def test_the_place_in_the_users_code_decides_where_it_is_known():
    assert (
        classify(KeyError("acme"), place="clean:17").fingerprint
        == classify(KeyError("globex and sons"), place="clean:17").fingerprint
    )
    assert (
        classify(KeyError("acme"), place="clean:17").fingerprint
        != classify(KeyError("acme"), place="clean:18").fingerprint
    )
    assert classify(KeyError("acme"), place="clean:17").evidence["place"] == "clean:17"


def test_other_failures_have_other_fingerprints():
    failures = [
        classify(ValueError("no header")),
        classify(ValueError("no footer")),
        classify(KeyError("no header")),
        classify(TypeError("no header")),
        lost({"signal": 9}),
        timed_out(30, {}),
    ]
    assert len({failure.fingerprint for failure in failures}) == len(failures)


def test_a_fingerprint_is_the_same_everywhere():
    """It is compared across processes and machines: a hash that is salted per process would not do."""
    assert fingerprint(Kind.LOGIC, "KeyError", "clean:17", "whatever") == "78d5534f307a"


# ------------------------------------------------------------------------------------------------ without an exception


def test_a_worker_that_vanished():
    failure = lost({"signal": "SIGKILL", "pid": 5})

    assert failure.kind is Kind.LOST
    assert failure.message == "the worker vanished (signal SIGKILL)"
    assert failure.evidence == {"signal": "SIGKILL", "pid": 5}
    assert lost({}).message == "the worker vanished"


def test_memory_tells_limit_and_peak():
    failure = out_of_memory({"pid": 5, "memory_limit_bytes": 2 << 30, "peak_memory_bytes": 2_254_857_830})
    assert failure.kind is FailureKind.MEMORY
    assert failure.message == "the step took 2.1 GiB of memory, more than its limit of 2 GiB"
    assert failure.retry_class is RetryClass.NEW_RUN


def test_memory_that_the_system_lacked_is_another_cause():
    failure = out_of_memory({"signal": 9, "out_of_memory": True, "peak_memory_bytes": 3 << 30})
    assert failure.kind is FailureKind.MEMORY
    assert failure.message == "the system had no memory left and killed the worker, which held 3 GiB"
    limited = out_of_memory({"memory_limit_bytes": 1 << 30, "peak_memory_bytes": 3 << 30})
    assert failure.fingerprint != limited.fingerprint


def test_a_limit_that_ran_out():
    failure = timed_out(1.5, {"pid": 5})

    assert failure.kind is Kind.TIMEOUT
    assert "1.5 s" in failure.message
    assert failure.evidence == {"pid": 5, "limit_seconds": 1.5}
    assert failure.fingerprint == timed_out(3, {}).fingerprint


def test_a_failure_there_and_back():
    failure = classify(chained(ConnectionResetError(104, "peer"), RuntimeError("x"), explicit=True), place="clean:1")

    assert Failure.from_json(json.loads(json.dumps(failure.to_json()))) == failure


def test_every_kind_has_its_advice():
    assert ADVICE.keys() == set(Kind)
    assert all(text.endswith(".") for text in ADVICE.values())


def test_too_many_open_files_is_no_matter_of_room():
    failure = classify(OSError(errno.EMFILE, os.strerror(errno.EMFILE), "x.parquet"))
    assert failure.kind is Kind.DISK
    assert "ulimit -n" in failure.advice
    assert "room" not in failure.advice


def test_who_knows_the_statement_to_type_says_it_instead_of_the_kind():
    failure = classify(GrantMissingError("out.t lacks a grant: permission denied", "`recoup doctor` names the GRANT"))
    assert (failure.kind, failure.advice) == (FailureKind.PERMISSION, "`recoup doctor` names the GRANT")


def test_bytes_that_could_not_be_read_are_corrupt_whatever_the_library_calls_it():
    error = CorruptError("a file on its way to out.t cannot be read", "make it again")
    error.__cause__ = TypeError("too small to be a Parquet file")
    assert classify(error).kind is FailureKind.CORRUPT
