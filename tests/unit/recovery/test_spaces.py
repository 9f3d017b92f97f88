"""Whole spaces of codes: each has a kind, and only those that may pass by themselves are tried again."""

import builtins
import errno

import pytest

from recoup.model.failure import RETRYABLE
from recoup.model.failure import FailureKind as Kind
from recoup.recovery.decide import decide
from recoup.recovery.reported import from_json
from recoup.recovery.rules import clouds, databases, system

CLASSES_OF_SQL = (
    "02 03 07 08 09 0A 0B 0D 0E 0F 0K 0L 0M 0N 0P 0S 0T 0U 0V 0W 0X 0Y 0Z 10 20 21 22 23 24 25 26 27 28 2B 2C 2D 2E 2F"
    " 2H 30 33 34 35 36 38 39 3B 3C 3D 3F 40 42 44 46 51 53 54 55 56 57 58 F0 IM P0 XX"
)
STATUSES_THAT_PASS = {408, 409, 412, 420, 423, 425, 429, 444, 449, 460, 499}
NEVER_PASSING = {501, 505, 506, 507, 508, 509, 510, 511, 561}
GRPC = (
    "CANCELLED INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED ABORTED"
    " OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
)
BUGS = "ArithmeticError LookupError TypeError NameError BufferError ReferenceError SystemError StopAsyncIteration"


def kind_of(**failure):
    return decide(from_json(failure)).kind


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_of_http(status):
    kind = kind_of(exc_type="api.HTTPError", message="", http_status=status)

    passes = status in STATUSES_THAT_PASS or (status >= 500 and status not in NEVER_PASSING)
    assert kind is not Kind.UNKNOWN
    assert (kind in RETRYABLE) is passes


def test_every_class_of_sqlstate():
    kinds = {name: databases.SQLSTATE[name] for name in CLASSES_OF_SQL.split()}

    assert {name for name, kind in kinds.items() if kind in RETRYABLE} == {"08", "40", "53", "57", "58", "XX"}


def test_every_code_of_grpc():
    kinds = {name: clouds.GRPC[name] for name in GRPC.split()}

    assert {name for name, kind in kinds.items() if kind in RETRYABLE} == {
        "ABORTED",
        "ALREADY_EXISTS",  # a conflict, and one that lasts
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
    }


@pytest.mark.parametrize("number", [n for n in range(1, 133) if errno.errorcode.get(n) in system.ERRNO])
def test_an_error_number_is_what_its_name_says(number):
    name = errno.errorcode[number]

    assert kind_of(exc_type="builtins.OSError", message=f"[Errno {number}] {name}") is system.ERRNO[name]


@pytest.mark.parametrize("name", BUGS.split())
def test_a_bug_of_python_itself(name):
    bases = [f"builtins.{base.__name__}" for base in getattr(builtins, name).__mro__[1:-1]]

    assert kind_of(exc_type=f"builtins.{name}", mro=bases, message="") is Kind.LOGIC


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, Kind.UNKNOWN),
        (2, Kind.UNKNOWN),
        (126, Kind.PERMISSION),
        (127, Kind.CONFIG),
        (130, Kind.CANCELLED),
        (131, Kind.CANCELLED),
        (133, Kind.LOST),
        (137, Kind.MEMORY),
        (139, Kind.LOST),
        (143, Kind.CANCELLED),
        (255, Kind.UNKNOWN),
    ],
)
def test_an_exit_code_without_a_word(code, kind):
    assert kind_of(message="", exit_code=code) is kind
