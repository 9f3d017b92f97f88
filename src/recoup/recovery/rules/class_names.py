"""What the name of a class says that no table has: `SchemaMismatchError`, `RateLimitExceeded` of a library or step."""

from __future__ import annotations

from typing import Final

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules.words import Block

CLASS_NAMES: Final[tuple[Block, ...]] = (
    (Kind.QUOTA, "quota | daily limit | budget exceeded | credits"),
    (Kind.MEMORY, "out of memory | memory limit | memory"),
    (
        Kind.AUTH,
        """
        auth | authentication | authorization | unauthorized | unauthenticated | unauthorised | forbidden |
        credential* | token expired | expired token | invalid token | token | access denied | login | api key |
        signature
        """,
    ),
    (Kind.PERMISSION, "permission* | privilege* | read only | not permitted"),
    (Kind.CONFIG, "config* | setting* | improperly configured | misconfigur* | profile | usage | environment"),
    (
        Kind.CORRUPT,
        "corrupt* | bad … file | checksum | decod* | decompress* | truncated | magic | malformed | unreadable | digest",
    ),
    (Kind.QUALITY, "quality | expectation* | check failed | checks failed | failed check | check violation"),
    (Kind.BLOCKED, "upstream | dependency | dependencies | gap | incomplete data | stale snapshot"),
    (
        Kind.CONTRACT,
        "schema | contract | column* | field* | type mismatch | pars* | validation | conversion | cast | deserializ*",
    ),
    (
        Kind.MISSING,
        "not found | no such | does not exist | missing file | missing data | missing partition | no data | empty",
    ),
    (Kind.DISK, "disk | no space"),
    (Kind.CANCELLED, "cancelled | canceled | interrupted | terminated | killed by user"),
    (
        Kind.LOGIC,
        """
        syntax | invalid argument | illegal argument | illegal state | invalid parameter | bad request |
        not implemented | unsupported | not supported | compilation | programming
        """,
    ),
    (
        Kind.CONFLICT,
        "conflict | lock | locked | deadlock | already exists | duplicate key | concurrent* | version mismatch",
    ),
    (
        Kind.THROTTLED,
        "rate limit* | throttl* | too many requests | too many connections | pool exhausted | slow down | busy",
    ),
    (Kind.LOST, "lost | crashed | died | preempted | broken process pool | heartbeat | worker killed"),
    (
        Kind.SERVICE,
        "unavailable | internal server | bad gateway | gateway timeout | overloaded | not leader | failover",
    ),
    (
        Kind.NETWORK,
        "read timeout | connect timeout | connection timeout | connect* | network | ssl | tls | dns | socket",
    ),
    (Kind.TIMEOUT, "timeout | timed out | deadline | time limit"),
)
