"""Every plane again, from the facts alone; and what can never be true of a sound ledger.

`facts_planes` is what `verify` compares with and what a rebuild writes, so the two cannot differ. Not recomputed,
because the ledger keeps no facts for them: `expected` (a calendar's mask) and what a source has; both are taken anew
before every plan. `stale` needs the pipeline: see `staleness`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from recoup.ledger import planes
from recoup.ledger.facts import NodeId
from recoup.ledger.planes import CHUNK_BYTES
from recoup.ledger.staleness import Staleness
from recoup.ledger.watermarks import contradictions
from recoup.model.partition import EMPTY, PartitionSet

Planes = Mapping[NodeId, Mapping[str, PartitionSet]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A plane that does not show its facts: bits that it lacks, and bits that nothing explains."""

    node: NodeId
    plane: str
    lacking: PartitionSet
    extra: PartitionSet


def facts_planes(db: sqlite3.Connection) -> dict[NodeId, dict[str, PartitionSet]]:
    """All planes that follow from attempts, publications, blocks and waivers."""
    found: dict[tuple[NodeId, str], list[int]] = {}
    for node, plane, ordinal in _bits(db):
        found.setdefault((node, plane), []).append(ordinal)
    by_node: dict[NodeId, dict[str, PartitionSet]] = {}
    for (node, plane), ordinals in found.items():
        by_node.setdefault(node, {})[plane] = PartitionSet.of(ordinals)
    return by_node


def stored_planes(db: sqlite3.Connection) -> tuple[dict[NodeId, dict[str, PartitionSet]], list[str]]:
    """The planes as they stand in the ledger, and sentences about chunks that cannot be read."""
    chunks: dict[tuple[NodeId, str], list[tuple[int, bytes]]] = {}
    broken = []
    for node, plane, chunk, bits in db.execute("SELECT node, plane, chunk, bits FROM planes"):
        if len(bits) == CHUNK_BYTES and chunk >= 0:
            chunks.setdefault((node, plane), []).append((chunk, bits))
        else:
            broken.append(
                f"plane {plane!r} of node {node}: chunk {chunk} has {len(bits)} bytes instead of {CHUNK_BYTES}"
            )
    by_node: dict[NodeId, dict[str, PartitionSet]] = {}
    for (node, plane), parts in chunks.items():
        by_node.setdefault(node, {})[plane] = PartitionSet.from_chunks(parts)
    return by_node, broken


def differences(stored: Planes, facts: Planes, sources: frozenset[NodeId]) -> Iterator[Difference]:
    """What stands in the planes and does not follow from the facts, or follows and does not stand there."""
    for node in sorted(stored.keys() | facts.keys()):
        have, want = stored.get(node, {}), facts.get(node, {})
        for plane in sorted(have.keys() | want.keys()):
            if plane in (planes.EXPECTED, planes.STALE, planes.WAS_STALE) or (
                plane == planes.PUBLISHED and node in sources
            ):
                continue
            shown, true = have.get(plane, EMPTY), want.get(plane, EMPTY)
            if shown != true:
                yield Difference(node, plane, true - shown, shown - true)


def stale_differences(stored: Planes, staleness: Iterable[Staleness]) -> Iterator[Difference]:
    """Partitions that must be stale and are not, and those that are without a reason in the facts."""
    for known in staleness:
        shown = stored.get(known.node, {}).get(planes.STALE, EMPTY)
        lacking, extra = known.must - shown, shown - known.may
        if lacking or extra:
            yield Difference(known.node, planes.STALE, lacking, extra)


def broken_laws(db: sqlite3.Connection) -> list[str]:
    """What SQLite finds, and what no sequence of recoup's own writes can lead to; in sentences."""
    found = [f"SQLite finds: {row[0]}" for row in db.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    for sentence, sql in _LAWS:
        rows = db.execute(sql).fetchall()
        if rows:
            node, ordinal, token = rows[0]
            found.append(f"{len(rows)} {sentence}; the first: node {node}, ordinal {ordinal}, token {token}")
    return found + contradictions(db)


# NOT INDEXED: an index that is broken would not show what it ought to forbid.
_LAWS = (
    (
        "partitions have more than one current publication",
        """SELECT node, ordinal, max(token) FROM publications NOT INDEXED WHERE state = 'current'
        GROUP BY node, ordinal HAVING count(*) > 1""",
    ),
    (
        "partitions have more than one running attempt",
        """SELECT node, ordinal, max(token) FROM attempts NOT INDEXED WHERE state = 'running'
        GROUP BY node, ordinal HAVING count(*) > 1""",
    ),
    (
        "attempts are running although their controller has ended",
        """SELECT a.node, a.ordinal, a.token FROM attempts a JOIN controllers c USING (controller)
        WHERE a.state = 'running' AND c.ended_at IS NOT NULL""",
    ),
    (
        "publications have a token that is no attempt of their partition",
        """SELECT p.node, p.ordinal, p.token FROM publications p LEFT JOIN attempts a USING (token)
        WHERE a.token IS NULL OR a.node <> p.node OR a.ordinal <> p.ordinal""",
    ),
    (
        "publications are of a run that is not known",
        """SELECT p.node, p.ordinal, p.token FROM publications p LEFT JOIN runs r USING (run)
        WHERE p.run IS NOT NULL AND r.run IS NULL""",
    ),
    (
        "publications are current although a past one has a newer token",
        """SELECT p.node, p.ordinal, p.token FROM publications p WHERE p.state = 'current' AND p.token < (
        SELECT max(token) FROM publications q WHERE q.node = p.node AND q.ordinal = p.ordinal AND q.state = 'past')""",
    ),
    (
        "gaps are waived although they show something",
        """SELECT w.node, w.ordinal, p.token FROM waivers w JOIN publications p USING (node, ordinal)
        WHERE p.state = 'current' AND p.run IS NOT NULL""",
    ),
    (
        "publications are of a dataset that is not known",
        """SELECT p.node, p.ordinal, p.token FROM publications p LEFT JOIN nodes n USING (node)
        WHERE n.node IS NULL""",
    ),
)

_RUNNING = "SELECT node, ordinal FROM attempts WHERE state = 'running'"
_TRIED = "SELECT DISTINCT node, ordinal FROM attempts WHERE node > 0"
_BLOCKED = "SELECT node, ordinal FROM blocks"
_WAIVED = "SELECT node, ordinal FROM waivers"
_CURRENT = "SELECT node, ordinal, run, code_version FROM publications WHERE state = 'current'"
# The newest failure since the last publication; what was cancelled, or lost with its controller, says nothing new.
_FAILED = """
SELECT a.node, a.ordinal, json_extract(a.failure, '$.kind')
FROM attempts a LEFT JOIN publications p ON p.node = a.node AND p.ordinal = a.ordinal AND p.state = 'current'
WHERE a.state IN ('failed', 'lost') AND a.failure IS NOT NULL AND (p.token IS NULL OR a.token > p.token)
ORDER BY a.token
"""


_BY_ROWS = (
    (planes.RUNNING, _RUNNING),
    (planes.TRIED, _TRIED),
    (planes.BLOCKED, _BLOCKED),
    (planes.WAIVED, _WAIVED),
)


def _bits(db: sqlite3.Connection) -> Iterator[tuple[NodeId, str, int]]:
    for plane, sql in _BY_ROWS:
        yield from ((node, plane, ordinal) for node, ordinal in db.execute(sql))
    for node, ordinal, run, code in db.execute(_CURRENT):
        yield node, planes.POINTED, ordinal
        if run is not None:
            yield node, planes.PUBLISHED, ordinal
            yield node, planes.CODE + code, ordinal
    newest = {(node, ordinal): kind for node, ordinal, kind in db.execute(_FAILED)}
    yield from ((node, planes.FAILED + kind, ordinal) for (node, ordinal), kind in newest.items())
