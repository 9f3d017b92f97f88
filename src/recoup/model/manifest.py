"""The artifacts beside the data: what one step run made (Manifest) and which run is current (Pointer)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

MANIFEST_VERSION = 1
POINTER_GENERATIONS = 20


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file: `path` is relative to the lake; of one that was adopted from beside it, absolute, or a URL."""

    path: str
    rows: int
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class InputRead:
    """One partition of one dataset that a step read, with the digest it had."""

    dataset: str
    partition: str
    run_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one attempt of (step, partition) read, made and took; times are ISO 8601 UTC.

    A `limited` run read only what was known by its `run_as_of`. `mode` is `live` or `backfill`, and `downstream` says
    when the backfill fires what follows.
    """

    pipeline: str
    dataset: str
    partition: str
    run_id: str
    run_as_of: str
    attempt: int
    token: int
    outcome: str
    started_at: str
    ended_at: str
    duration_seconds: float
    code_version: str
    input_version: str
    inputs: tuple[InputRead, ...] = ()
    outputs: tuple[DataFile, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    digest: str = ""
    counters: Mapping[str, float] = field(default_factory=dict)
    checks: tuple[Mapping[str, Any], ...] = ()
    failure: Mapping[str, Any] | None = None
    backfill_id: str | None = None
    mode: str | None = None
    downstream: str | None = None
    limited: bool = False
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None

    def to_bytes(self) -> bytes:
        """JSON that carries its own digest."""
        return seal({"manifest_version": MANIFEST_VERSION, **_fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read and check; raises ValueError when the digest does not match."""
        body = unseal(data)
        body.pop("manifest_version")
        body["inputs"] = tuple(InputRead(**i) for i in body["inputs"])
        body["outputs"] = tuple(DataFile(**o) for o in body["outputs"])
        body["checks"] = tuple(body["checks"])
        return cls(**body)


@dataclass(frozen=True, slots=True)
class Generation:
    """One state that a partition was in: which run was current from when; `run_id` None means: nothing."""

    number: int
    run_id: str | None
    token: int
    seq: int
    digest: str
    published_at: str
    run_as_of: str
    nonce: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pointer:
    """`current.json`: the newest generation first, at most twenty; `high_seq` never falls."""

    dataset: str
    partition: str
    ledger_id: str
    epoch: int
    high_seq: int
    generations: tuple[Generation, ...]

    @property
    def current(self) -> Generation:
        """The generation that readers see."""
        return self.generations[0]

    def to_bytes(self) -> bytes:
        """JSON that carries its own digest."""
        return seal(_fields(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Pointer:
        """Read and check; raises ValueError when the digest does not match."""
        body = unseal(data)
        body["generations"] = tuple(Generation(**g) for g in body["generations"])
        return cls(**body)


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 - one of this page's values
    """Its fields, one level deep: the encoder asks again for what lies in them (`asdict` would copy everything)."""
    if not is_dataclass(value):
        message = f"{type(value).__name__} has no place in a manifest"
        raise TypeError(message)
    return {part.name: getattr(value, part.name) for part in fields(value)}


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_fields)


def seal(body: Mapping[str, Any]) -> bytes:
    """JSON with `self_digest` over all the rest, so that torn or edited bytes are found; keys stay in their order."""
    # A file name that is no UTF-8 brings half a character into a message: JSON can say it, UTF-8 cannot.
    text = _ENCODER.encode(body).encode(errors="backslashreplace")
    digest = hashlib.sha256(text).hexdigest()
    return b'%s,"self_digest":"%s"}\n' % (text[:-1], digest.encode())


def unseal(data: bytes) -> dict[str, Any]:
    """The inverse of `seal`; ValueError when the bytes are not what was sealed."""
    body = json.loads(data)
    if not isinstance(body, dict) or "self_digest" not in body:
        msg = "it carries no digest of its own"
        raise ValueError(msg)
    claimed = body.pop("self_digest")
    if seal(body) != data.rstrip(b"\n") + b"\n" or not isinstance(claimed, str):
        msg = "its bytes do not match its own digest"
        raise ValueError(msg)
    return body


def output_digest(outputs: Sequence[DataFile]) -> str:
    """The digest of a partition: of its files in order; what dependents compare."""
    if len(outputs) == 1:
        return outputs[0].digest
    return hashlib.sha256("\n".join(o.digest for o in outputs).encode()).hexdigest()


def input_version(inputs: Sequence[InputRead]) -> str:
    """The digest of what was read: dependents become stale when it changes."""
    pairs = sorted((i.dataset, i.partition, i.digest) for i in inputs)
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:32] if pairs else ""
