"""A set of partitions is a bitmap in chunks: dense for a range, sparse for a grid, and as the ledger keeps it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, compress
from types import MappingProxyType
from typing import Final

CHUNK_BITS: Final = 4096
ROW_BITS: Final = 24
"""A grid's cell is `row << ROW_BITS | column`: a member's row is wider than all hours from 1900 to 2999."""

_CHUNK_BYTES: Final = CHUNK_BITS // 8
_SHIFT: Final = CHUNK_BITS.bit_length() - 1
_MASK: Final = CHUNK_BITS - 1
_FULL: Final = (1 << CHUNK_BITS) - 1
_ROW_SHIFT: Final = ROW_BITS - _SHIFT
_ROW_MASK: Final = (1 << _ROW_SHIFT) - 1
_ZERO, _ONE = b"01"
_DIGIT_TO_FLAG: Final = bytes.maketrans(b"01", b"\x00\x01")


class PartitionSet:
    """An immutable set of ordinals.

    An operation on two sets costs microseconds for a hundred thousand ordinals, and a chunk that is empty costs
    nothing; iteration, `ranges()` or `counts()` are the better way to ask about many than `in`.
    """

    __slots__ = ("_chunks",)

    def __init__(self, chunks: Mapping[int, int] | None = None) -> None:
        """From the bits of each chunk that has any; the mapping is kept, not copied."""
        self._chunks: Mapping[int, int] = chunks if chunks is not None else _NO_CHUNKS

    @classmethod
    def of(cls, ordinals: Iterable[int]) -> PartitionSet:
        """The set of these ordinals, in any order, repeated or not."""
        digits: dict[int, bytearray] = {}
        for ordinal in ordinals:
            try:
                digits[ordinal >> _SHIFT][_MASK - (ordinal & _MASK)] = _ONE
            except KeyError:
                chunk = digits[_not_negative(ordinal) >> _SHIFT] = bytearray(b"0") * CHUNK_BITS
                chunk[_MASK - (ordinal & _MASK)] = _ONE
        return cls({index: int(chunk, 2) for index, chunk in digits.items()})

    @classmethod
    def of_range(cls, ordinals: range) -> PartitionSet:
        """The set of every ordinal in a range."""
        if not ordinals:
            return EMPTY
        if ordinals.step != 1:
            return cls.of(ordinals)
        _not_negative(ordinals.start)
        return cls(dict(_range_chunks(ordinals.start, ordinals.stop)))

    @classmethod
    def from_chunks(cls, chunks: Iterable[tuple[int, bytes]]) -> PartitionSet:
        """The set that `chunks()` took apart; chunks that are not given are empty."""
        kept = {}
        for index, chunk in chunks:
            # A chunk of another length is no chunk of ours.
            if len(chunk) != _CHUNK_BYTES:
                raise ValueError(f"chunk {index} has {len(chunk)} bytes instead of {_CHUNK_BYTES}")
            _not_negative(index)
            if bits := int.from_bytes(chunk, "little"):
                kept[index] = bits
        return cls(kept)

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """The chunks that are not empty, ascending: index and 512 little-endian bytes."""
        return ((index, self._chunks[index].to_bytes(_CHUNK_BYTES, "little")) for index in sorted(self._chunks))

    @property
    def chunk_bits(self) -> Mapping[int, int]:
        """The bits of each chunk that has any, as numbers."""
        return MappingProxyType(self._chunks) if isinstance(self._chunks, dict) else self._chunks

    def __or__(self, other: PartitionSet) -> PartitionSet:
        small, large = sorted((self._chunks, other._chunks), key=len)
        if not small:
            return self if large is self._chunks else other
        both = dict(large)
        for index, bits in small.items():
            both[index] = both.get(index, 0) | bits
        return PartitionSet(both)

    def __and__(self, other: PartitionSet) -> PartitionSet:
        small, large = sorted((self._chunks, other._chunks), key=len)
        return PartitionSet({i: both for i, bits in small.items() if (both := bits & large.get(i, 0))})

    def __sub__(self, other: PartitionSet) -> PartitionSet:
        gone = other._chunks
        if not gone or not self._chunks:
            return self
        return PartitionSet({i: rest for i, bits in self._chunks.items() if (rest := bits & ~gone.get(i, 0))})

    def __xor__(self, other: PartitionSet) -> PartitionSet:
        return (self - other) | (other - self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionSet) and self._chunks == other._chunks

    def __hash__(self) -> int:
        return hash(frozenset(self._chunks.items()))

    def __len__(self) -> int:
        return sum(bits.bit_count() for bits in self._chunks.values())

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def __contains__(self, ordinal: int) -> bool:
        return bool(self._chunks.get(ordinal >> _SHIFT, 0) >> (ordinal & _MASK) & 1)

    def __iter__(self) -> Iterator[int]:
        """The ordinals, ascending."""
        for index in sorted(self._chunks):
            flags = _ascending_digits(self._chunks[index]).translate(_DIGIT_TO_FLAG)
            low = index << _SHIFT
            yield from compress(range(low, low + len(flags)), flags)

    def __repr__(self) -> str:
        return f"PartitionSet({len(self)} in {self.first}…{self.last})" if self else "PartitionSet(empty)"

    @property
    def first(self) -> int | None:
        """The lowest ordinal; None when the set is empty."""
        if not self._chunks:
            return None
        index = min(self._chunks)
        bits = self._chunks[index]
        return (index << _SHIFT) + (bits & -bits).bit_length() - 1

    @property
    def last(self) -> int | None:
        """The highest ordinal; None when the set is empty."""
        if not self._chunks:
            return None
        index = max(self._chunks)
        return (index << _SHIFT) + self._chunks[index].bit_length() - 1

    def ranges(self) -> Iterator[range]:
        """The maximal runs of neighbours, ascending."""
        start = stop = -1
        for index in sorted(self._chunks):
            for run in _runs(index << _SHIFT, self._chunks[index]):
                if run.start != stop:
                    if stop >= 0:
                        yield range(start, stop)
                    start = run.start
                stop = run.stop
        if stop >= 0:
            yield range(start, stop)

    def shift(self, distance: int) -> PartitionSet:
        """Every ordinal moved by `distance`; those that would fall below zero are dropped."""
        chunks, rest = distance >> _SHIFT, distance & _MASK
        moved: dict[int, int] = {}
        for index, bits in self._chunks.items():
            for place, part in (
                (index + chunks, bits << rest & _FULL),
                (index + chunks + 1, bits << rest >> CHUNK_BITS),
            ):
                if part and place >= 0:
                    moved[place] = moved.get(place, 0) | part
        return PartitionSet(moved)

    def within(self, span: range) -> PartitionSet:
        """The members that lie in a range."""
        if span.step != 1:
            return PartitionSet.of(ordinal for ordinal in span if ordinal in self)
        return PartitionSet(dict(self._cut(span)))

    def count(self, span: range) -> int:
        """How many members lie in a range."""
        if span.step != 1:
            return sum(ordinal in self for ordinal in span)
        return sum(bits.bit_count() for _, bits in self._cut(span))

    def counts(self) -> Counts:
        """An index that answers many `count(span)` in constant time each."""
        return Counts(self)

    def rows(self) -> dict[int, PartitionSet]:
        """A grid's cells apart: the columns of each row that has any."""
        apart: dict[int, dict[int, int]] = {}
        for index, bits in self._chunks.items():
            apart.setdefault(index >> _ROW_SHIFT, {})[index & _ROW_MASK] = bits
        return {row: PartitionSet(chunks) for row, chunks in apart.items()}

    def in_rows(self, rows: Iterable[int]) -> PartitionSet:
        """These columns in each of a grid's rows."""
        columns = self._chunks
        return PartitionSet({row << _ROW_SHIFT | index: bits for row in rows for index, bits in columns.items()})

    def _cut(self, span: range) -> Iterator[tuple[int, int]]:
        """The bits of each chunk that lie in a range of neighbours."""
        lo, hi = max(span.start, 0), span.stop
        if lo >= hi:
            return
        first, last = lo >> _SHIFT, hi - 1 >> _SHIFT
        near = range(first, last + 1)
        for index in near if len(near) < len(self._chunks) else self._chunks:
            bits = self._chunks.get(index, 0)
            if index == first:
                bits &= _FULL << (lo & _MASK)
            if index == last:
                bits &= _FULL >> (_MASK - (hi - 1 & _MASK))
            if bits and first <= index <= last:
                yield index, bits


class Counts:
    """How many members of a set lie in any range."""

    __slots__ = ("_before", "_set", "_sorted")

    def __init__(self, members: PartitionSet) -> None:
        self._set = members
        chunks = members.chunk_bits
        self._sorted = sorted(chunks)
        self._before = list(accumulate((chunks[index].bit_count() for index in self._sorted), initial=0))

    def count(self, span: range) -> int:
        """How many members lie in a range."""
        if span.step != 1:
            return self._set.count(span)
        return self._below(span.stop) - self._below(span.start) if span else 0

    def _below(self, ordinal: int) -> int:
        index = ordinal >> _SHIFT
        place = bisect_left(self._sorted, index)
        before = self._before[place]
        if place == len(self._sorted) or self._sorted[place] != index:
            return before
        return before + (self._set.chunk_bits[index] & (1 << (ordinal & _MASK)) - 1).bit_count()


def row_of(cell: int) -> int:
    """A grid's row in which a cell lies: its member's id."""
    return cell >> ROW_BITS


def column_of(cell: int) -> int:
    """A grid's column in which a cell lies: its ordinal in time."""
    return cell & (1 << ROW_BITS) - 1


def _range_chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    first, last = start >> _SHIFT, stop - 1 >> _SHIFT
    for index in range(first, last + 1):
        bits = _FULL
        if index == first:
            bits &= _FULL << (start & _MASK)
        if index == last:
            bits &= _FULL >> (_MASK - (stop - 1 & _MASK))
        yield index, bits


def _runs(low: int, bits: int) -> Iterator[range]:
    """The runs of one chunk, which begins at ordinal `low`."""
    if bits == _FULL:
        yield range(low, low + CHUNK_BITS)
        return
    # Searching text runs at memory speed; shifting the number once per run would copy all of it each time.
    digits = _ascending_digits(bits) + b"0"
    start = digits.find(_ONE)
    while start >= 0:
        stop = digits.find(_ZERO, start)
        yield range(low + start, low + stop)
        start = digits.find(_ONE, stop)


def _ascending_digits(bits: int) -> bytes:
    """The binary digits from the lowest to the highest; of 0, one digit."""
    return f"{bits:b}".encode()[::-1]


def _not_negative(number: int) -> int:
    if number < 0:
        raise ValueError(f"ordinals and chunks count from 0, but one is {number}")
    return number


_NO_CHUNKS: Final[Mapping[int, int]] = MappingProxyType({})
EMPTY: Final = PartitionSet()
