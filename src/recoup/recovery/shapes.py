"""What no table can say, because it takes two things together: a class and where it was raised, or what it counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from recoup.model.evidence import Cause
from recoup.model.failure import FailureKind as Kind

_PYDANTIC = re.compile(r"\[type=(\w+)")
_SETTING = re.compile(
    r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:URL|URI|DSN|HOST|PORT|USER|PASSWORD|TOKEN|SECRET|KEY_ID|ENDPOINT|REGION|BUCKET|PATH"
    r"|DIR|LIMIT|TIMEOUT|RETRIES|MODE|LEVEL|WORKERS|PROFILE|SCHEMA|DATABASE|WAREHOUSE)"
    r" (?:must|is (?:not|missing|required|unset|invalid|empty)|has to|should|cannot be|not set|missing|unset)\b"
)
_RANGES = frozenset(
    [
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "multiple_of",
        "finite_number",
        "too_short",
        "too_long",
        "date_past",
        "date_future",
        "value_error",
        "assertion_error",
    ]
)
_OF_RANGE = (
    " is less than the minimum",
    " is greater than the maximum",
    "must be greater than",
    "must be less than",
    "has non-unique",
    "is not a multiple",
    "than or equal to the minimum",
    "than or equal to the maximum",
)
_FRAMES_OF_WIRE = (
    "socket.py:",
    "ssl.py:",
    "http/client.py:",
    "urllib/",
    "site-packages/aiohttp/",
    "asyncio/sslproto.py:",
)
_FRAMES_OF_LIMIT = (
    "asyncio/timeouts.py:",
    "asyncio/tasks.py:wait_for",
    "concurrent/futures/",
    "multiprocessing/pool.py:",
)


def environment_variable(cause: Cause, _text: str) -> Kind | None:
    """`os.environ["X"]` is a KeyError that says nothing but the name."""
    inside = any(
        frame.startswith("<frozen os>:__getitem__") or frame.endswith("/os.py:__getitem__") for frame in cause.frames
    )
    return Kind.CONFIG if cause.name == "KeyError" and inside else None


def program_that_is_not_there(cause: Cause, _text: str) -> Kind | None:
    """What a shell says with 127: a tool that is not installed, and no file of data."""
    started = any(frame.endswith("subprocess.py:_execute_child") for frame in cause.frames[-1:])
    return Kind.CONFIG if cause.name == "FileNotFoundError" and started else None


def key_of_a_library(cause: Cause, text: str) -> Kind | None:
    """Some libraries raise a KeyError for a column or a member that is not there."""
    if cause.name != "KeyError" or cause.classes[0] != "builtins.KeyError":
        return None
    if ("not found" in cause.message and "filename" in cause.message) or "in the archive" in cause.message:
        return Kind.MISSING
    frames = " ".join(cause.frames)
    of_frames = any(f"/{package}/" in frames for package in ("pandas", "pyarrow", "polars"))
    return (
        Kind.CONTRACT
        if of_frames or "does not exist in schema" in cause.message or "[columns]" in text or "not in index" in text
        else None
    )


def time_ran_out(cause: Cause, text: str) -> Kind | None:
    """A TimeoutError of the wire, or of a limit that somebody set: where it was raised tells."""
    if cause.name not in {"TimeoutError", "timeout"} or "errno" in cause.facts:
        return None
    frames = " ".join(cause.frames)
    if any(place in frames for place in _FRAMES_OF_WIRE) or text in {"timed out", "the read operation timed out"}:
        return Kind.NETWORK
    return Kind.TIMEOUT if not text or any(place in frames for place in _FRAMES_OF_LIMIT) else None


def pydantic_model(cause: Cause, _text: str) -> Kind | None:
    """Ranges are a matter of quality, all else of the schema; of a settings class, of configuration."""
    if cause.name != "ValidationError" or not cause.classes[0].startswith(("pydantic", "pydantic_core")):
        return None
    if re.search(r"for \w*(?:Settings|Config|Configuration|Env|Environment)\b", cause.message):
        return Kind.CONFIG
    types = set(_PYDANTIC.findall(cause.message))
    return Kind.QUALITY if types and types <= _RANGES else Kind.CONTRACT


def rows_of_a_frame(cause: Cause, text: str) -> Kind | None:
    """pandera: its schema, or what it checks."""
    if not cause.classes or not cause.classes[0].startswith("pandera.") or "Schema" not in cause.name:
        return None
    if '"SCHEMA"' in cause.message or any(
        word in text
        for word in (
            "not in dataframe",
            "not in schema",
            "to have type",
            "non-nullable",
            "dtype(",
            "null values",
            "coerce",
        )
    ):
        return Kind.CONTRACT
    return Kind.QUALITY


def values_of_a_document(cause: Cause, text: str) -> Kind | None:
    """Jsonschema and marshmallow: a range is quality."""
    if cause.name != "ValidationError" or not cause.classes[0].startswith(("jsonschema", "marshmallow", "cerberus")):
        return None
    return Kind.QUALITY if any(word in text for word in _OF_RANGE) else Kind.CONTRACT


def bare_end_of_file(cause: Cause, text: str) -> Kind | None:
    """EOFError: of a connection when it says nothing, of a file when it says something."""
    if cause.classes[:1] != ("builtins.EOFError",):
        return None
    frames = " ".join(cause.frames)
    if "ftplib" in frames or "telnetlib" in frames:
        return Kind.NETWORK
    if "multiprocessing/" in frames:
        return Kind.LOST
    return (
        Kind.CORRUPT
        if text
        or any(name in frames for name in ("gzip", "lzma", "bz2", "pickle", "zipfile", "tarfile", "_compression"))
        else None
    )


def words_of_sqlite(cause: Cause, text: str) -> Kind | None:
    """sqlite3 says no more than this."""
    said = {"interrupted": Kind.CANCELLED, "incomplete input": Kind.LOGIC}
    return said.get(text) if cause.classes[:1] == ("sqlite3.OperationalError",) else None


def value_of_a_record(cause: Cause, _text: str) -> Kind | None:
    """Fastavro checks values with the classes of bugs."""
    of_it = any(frame.startswith("fastavro/") or "/fastavro/" in frame for frame in cause.frames)
    return Kind.CONTRACT if of_it and cause.name == "TypeError" else None


def variable_of_the_environment(cause: Cause, _text: str) -> Kind | None:
    """`RETRY_LIMIT must be …`: a name in capitals that ends as settings do."""
    return Kind.CONFIG if _SETTING.match(cause.message.strip("'\"")) else None


def number_that_is_none(cause: Cause, _text: str) -> Kind | None:
    """Decimal says of a text that is no number what it says of arithmetic, too."""
    return Kind.CONTRACT if cause.name == "InvalidOperation" and "ConversionSyntax" in cause.message else None


def old_overflow(cause: Cause, text: str) -> Kind | None:
    """sqlite3 and struct speak of sizes with the class of arithmetic."""
    return Kind.CONTRACT if cause.classes[:1] == ("builtins.OverflowError",) and "sqlite integer" in text else None


Shape = Callable[[Cause, str], Kind | None]
SHAPES: Final[tuple[Shape, ...]] = (
    environment_variable,
    program_that_is_not_there,
    key_of_a_library,
    time_ran_out,
    pydantic_model,
    rows_of_a_frame,
    values_of_a_document,
    bare_end_of_file,
    old_overflow,
    words_of_sqlite,
    number_that_is_none,
    value_of_a_record,
    variable_of_the_environment,
)
