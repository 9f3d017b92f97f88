"""The planes as the writer keeps them: chunks of bits, read once, written back with the fact that they show."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from recoup.model.partition import CHUNK_BITS, PartitionSet

CHUNK_BYTES = CHUNK_BITS // 8
_SHIFT = CHUNK_BITS.bit_length() - 1
_MASK = CHUNK_BITS - 1
_FEW = 64

PUBLISHED = "published"
STALE = "stale"
WAS_STALE = "was-stale"
"""What was stale when it was claimed: stale again, should the attempt not replace it."""
RUNNING = "running"
BLOCKED = "blocked"
EXPECTED = "expected"
TRIED = "tried"
POINTED = "pointed"
WAIVED = "waived"
FAILED = "failed:"
CODE = "code:"


class PlaneCache:
    """Chunks of planes by (node, plane), with those that changed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._planes: dict[tuple[int, str], dict[int, int]] = {}
        self._dirty: set[tuple[int, str, int]] = set()
        self._names: dict[int, set[str]] = {}

    def forget(self) -> None:
        """Somebody else has written, or our transaction was undone: read again when asked."""
        self._planes.clear()
        self._dirty.clear()
        self._names.clear()

    def has(self, node: int, plane: str, ordinal: int) -> bool:
        """Whether the bit is set."""
        return bool(self._chunks(node, plane).get(ordinal >> _SHIFT, 0) >> (ordinal & _MASK) & 1)

    def within(self, node: int, plane: str, span: range) -> PartitionSet:
        """Those of a span whose bit is set."""
        first, last = span.start >> _SHIFT, span.stop - 1 >> _SHIFT
        chunks = ((chunk, bits) for chunk, bits in self._chunks(node, plane).items() if first <= chunk <= last)
        parts = [(chunk, bits.to_bytes(CHUNK_BYTES, "little")) for chunk, bits in chunks]
        return PartitionSet.from_chunks(parts).within(span)

    def as_set(self, node: int, plane: str) -> PartitionSet:
        """All bits that are set."""
        return PartitionSet({chunk: bits for chunk, bits in self._chunks(node, plane).items() if bits})

    def has_any(self, node: int, plane: str) -> bool:
        """Whether any bit is set."""
        return any(self._chunks(node, plane).values())

    def mark(self, node: int, plane: str, ordinal: int) -> None:
        """Set one bit."""
        chunks = self._chunks(node, plane)
        chunk = ordinal >> _SHIFT
        chunks[chunk] = chunks.get(chunk, 0) | 1 << (ordinal & _MASK)
        self._dirty.add((node, plane, chunk))

    def overlay(self, node: int, plane: str, from_plane: str, span: range) -> None:
        """Set each bit of a span that another plane has, whole chunks at a time."""
        if span.step != 1 or len(span) <= _FEW:
            for ordinal in span:
                if self.has(node, from_plane, ordinal):
                    self.mark(node, plane, ordinal)
            return
        first, last = span.start >> _SHIFT, span.stop - 1 >> _SHIFT
        given, chunks = self._chunks(node, from_plane), self._chunks(node, plane)
        for chunk, bits in given.items():
            if first <= chunk <= last and (new := bits & _ones_of(span, chunk) & ~chunks.get(chunk, 0)):
                chunks[chunk] = chunks.get(chunk, 0) | new
                self._dirty.add((node, plane, chunk))

    def clear(self, node: int, plane: str, ordinal: int) -> None:
        """Clear one bit; nothing is written when it was not set."""
        if self.has(node, plane, ordinal):
            chunk = ordinal >> _SHIFT
            self._chunks(node, plane)[chunk] &= ~(1 << (ordinal & _MASK))
            self._dirty.add((node, plane, chunk))

    def clear_family(self, node: int, prefix: str, ordinal: int, but: str = "") -> None:
        """Clear the bit in every plane of the node whose name begins with the prefix."""
        for plane in self.names(node):
            if plane != but and plane.startswith(prefix):
                self.clear(node, plane, ordinal)

    def replace(self, node: int, plane: str, chunks: dict[int, int]) -> None:
        """Make the whole plane these chunks."""
        old = self._chunks(node, plane)
        for chunk in old.keys() | chunks.keys():
            if old.get(chunk, 0) != chunks.get(chunk, 0):
                self._dirty.add((node, plane, chunk))
        self._planes[node, plane] = {chunk: chunks.get(chunk, 0) for chunk in old.keys() | chunks.keys()}

    def drop(self, node: int) -> None:
        """All planes of a node, as if there had never been any."""
        self._planes = {key: chunks for key, chunks in self._planes.items() if key[0] != node}
        self._dirty = {key for key in self._dirty if key[0] != node}
        self._names.pop(node, None)
        self._db.execute("DELETE FROM planes WHERE node = ?", (node,))

    def names(self, node: int) -> set[str]:
        """The planes that the node has."""
        if node not in self._names:
            rows = self._db.execute("SELECT DISTINCT plane FROM planes WHERE node = ?", (node,))
            self._names[node] = {row[0] for row in rows}
        return self._names[node]

    def flush(self) -> None:
        """Write what changed, within the caller's transaction."""
        if self._dirty:
            spent = [key for key in self._dirty if self._is_spent(*key)]
            rows = [
                (node, plane, chunk, self._planes[node, plane][chunk].to_bytes(CHUNK_BYTES, "little"))
                for node, plane, chunk in self._dirty.difference(spent)
            ]
            self._db.executemany("INSERT OR REPLACE INTO planes VALUES (?, ?, ?, ?)", rows)
            self._dirty.clear()
            self._drop(spent)

    def _is_spent(self, node: int, plane: str, chunk: int) -> bool:
        """What a version of the code has made was made again by another: each edit would leave a plane of zeros."""
        return plane.startswith(CODE) and not self._planes[node, plane][chunk]

    def _drop(self, spent: Iterable[tuple[int, str, int]]) -> None:
        self._db.executemany("DELETE FROM planes WHERE node = ? AND plane = ? AND chunk = ?", spent)
        for node, plane, chunk in spent:
            chunks = self._planes[node, plane]
            del chunks[chunk]
            if not chunks:
                del self._planes[node, plane]
                self.names(node).discard(plane)

    def _chunks(self, node: int, plane: str) -> dict[int, int]:
        chunks = self._planes.get((node, plane))
        if chunks is None:
            chunks = dict(load_plane(self._db, node, plane))
            self._planes[node, plane] = chunks
            self.names(node).add(plane)
        return chunks


def _ones_of(span: range, chunk: int) -> int:
    low = chunk << _SHIFT
    start, stop = max(span.start - low, 0), min(span.stop - low, CHUNK_BITS)
    return (1 << stop) - (1 << start)


def load_plane(db: sqlite3.Connection, node: int, plane: str) -> Iterator[tuple[int, int]]:
    """The chunks of one plane."""
    rows = db.execute("SELECT chunk, bits FROM planes WHERE node = ? AND plane = ?", (node, plane))
    return ((chunk, int.from_bytes(bits, "little")) for chunk, bits in rows)
