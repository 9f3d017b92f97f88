"""A set of partitions is one Python int, in which bit i stands for ordinal i."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Final

CHUNK_BITS: Final = 4096
_CHUNK_BYTES: Final = CHUNK_BITS // 8
_EMPTY_CHUNK: Final = bytes(_CHUNK_BYTES)
_ZERO, _ONE = b"01"
_DIGIT_TO_FLAG: Final = bytes.maketrans(b"01", b"\x00\x01")


@dataclass(frozen=True, slots=True, repr=False)
class PartitionSet:
    """An immutable set of ordinals.

    One operation on two sets costs microseconds for a million ordinals; so does one `in`, which makes
    iteration, `ranges()` or `prefix()` the better way to ask about many.
    """

    bits: int = 0

    def __post_init__(self) -> None:
        if self.bits < 0:
            raise ValueError("a set of partitions has no negative bitmap")

    @classmethod
    def of(cls, ordinals: Iterable[int]) -> PartitionSet:
        """The set of these ordinals, in any order, repeated or not."""
        chosen = list(ordinals)
        if not chosen:
            return EMPTY
        low = _not_negative(min(chosen))
        digits = bytearray(b"0") * (max(chosen) - low + 1)
        for ordinal in chosen:
            digits[ordinal - low] = _ONE
        digits.reverse()
        return cls(int(digits, 2) << low)

    @classmethod
    def of_range(cls, ordinals: range) -> PartitionSet:
        """The set of every ordinal in a range."""
        if not ordinals:
            return EMPTY
        if ordinals.step != 1:
            return cls.of(ordinals)
        return cls(_ones(len(ordinals)) << _not_negative(ordinals.start))

    @classmethod
    def from_chunks(cls, chunks: Iterable[tuple[int, bytes]]) -> PartitionSet:
        """The set that `chunks()` took apart; chunks that are not given are empty."""
        kept = dict(chunks)
        bitmap = bytearray((max(kept, default=-1) + 1) * _CHUNK_BYTES)
        for index, chunk in kept.items():
            # A slice of another length would silently move every later chunk.
            if len(chunk) != _CHUNK_BYTES:
                raise ValueError(f"chunk {index} has {len(chunk)} bytes instead of {_CHUNK_BYTES}")
            offset = _not_negative(index) * _CHUNK_BYTES
            bitmap[offset : offset + _CHUNK_BYTES] = chunk
        return cls(int.from_bytes(bitmap, "little"))

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """The chunks that are not empty, ascending: index and 512 little-endian bytes."""
        first, last = self.first, self.last
        if first is None or last is None:
            return
        bitmap = self.bits.to_bytes((last // CHUNK_BITS + 1) * _CHUNK_BYTES, "little")
        for index in range(first // CHUNK_BITS, last // CHUNK_BITS + 1):
            chunk = bitmap[index * _CHUNK_BYTES : (index + 1) * _CHUNK_BYTES]
            if chunk != _EMPTY_CHUNK:
                yield index, chunk

    def __or__(self, other: PartitionSet) -> PartitionSet:
        return PartitionSet(self.bits | other.bits)

    def __and__(self, other: PartitionSet) -> PartitionSet:
        return PartitionSet(self.bits & other.bits)

    def __sub__(self, other: PartitionSet) -> PartitionSet:
        return PartitionSet(self.bits ^ (self.bits & other.bits))

    def __xor__(self, other: PartitionSet) -> PartitionSet:
        return PartitionSet(self.bits ^ other.bits)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __bool__(self) -> bool:
        return self.bits != 0

    def __contains__(self, ordinal: int) -> bool:
        return ordinal >= 0 and self.bits >> ordinal & 1 == 1

    def __iter__(self) -> Iterator[int]:
        """The ordinals, ascending."""
        low = self.first
        if low is None:
            return iter(())
        flags = _ascending_digits(self.bits >> low).translate(_DIGIT_TO_FLAG)
        return compress(range(low, low + len(flags)), flags)

    def __repr__(self) -> str:
        # The bitmap itself would be unreadable, and str() refuses ints as long as this one.
        if not self:
            return "PartitionSet(empty)"
        return f"PartitionSet({len(self)} in {self.first}…{self.last})"

    @property
    def first(self) -> int | None:
        """The lowest ordinal; None when the set is empty."""
        return (self.bits & -self.bits).bit_length() - 1 if self.bits else None

    @property
    def last(self) -> int | None:
        """The highest ordinal; None when the set is empty."""
        return self.bits.bit_length() - 1 if self.bits else None

    def ranges(self) -> Iterator[range]:
        """The maximal runs of neighbours, ascending."""
        low = self.first
        if low is None:
            return
        # Searching text runs at memory speed; shifting the int once per run would copy all of it each time.
        digits = _ascending_digits(self.bits >> low) + b"0"
        start = 0
        while start >= 0:
            stop = digits.find(_ZERO, start)
            yield range(low + start, low + stop)
            start = digits.find(_ONE, stop)

    def shift(self, distance: int) -> PartitionSet:
        """Every ordinal moved by `distance`; those that would fall below zero are dropped."""
        return PartitionSet(self.bits << distance if distance >= 0 else self.bits >> -distance)

    def within(self, lo: int, hi: int) -> PartitionSet:
        """The members in [lo, hi)."""
        lo = max(lo, 0)
        return PartitionSet(self._cut(lo, hi) << lo)

    def count_in(self, lo: int, hi: int) -> int:
        """How many members lie in [lo, hi)."""
        return self._cut(max(lo, 0), hi).bit_count()

    def prefix(self, lo: int, hi: int) -> PrefixCounts:
        """An index of [lo, hi) that answers many `count(lo, hi)` in constant time each."""
        lo = max(lo, 0)
        return PrefixCounts(lo, _ascending_digits(self._cut(lo, hi)).ljust(max(hi - lo, 0), b"0"))

    def _cut(self, lo: int, hi: int) -> int:
        # Never a mask longer than the bitmap, whatever `hi` is.
        width = min(hi, self.bits.bit_length()) - lo
        return self.bits >> lo & _ones(width) if width > 0 else 0


class PrefixCounts:
    """How many members of a set lie in any part of one range."""

    __slots__ = ("_before", "_hi", "_lo")

    def __init__(self, lo: int, digits: bytes) -> None:
        self._lo = lo
        self._hi = lo + len(digits)
        self._before = array("L", accumulate(digits.translate(_DIGIT_TO_FLAG), initial=0))

    def count(self, lo: int, hi: int) -> int:
        """How many members lie in [lo, hi), as far as the indexed range reaches."""
        lo, hi = max(lo, self._lo), min(hi, self._hi)
        return self._before[hi - self._lo] - self._before[lo - self._lo] if lo < hi else 0


def _ones(width: int) -> int:
    return (1 << width) - 1


def _ascending_digits(bits: int) -> bytes:
    """The binary digits from the lowest to the highest; of 0, one digit."""
    return f"{bits:b}".encode()[::-1]


def _not_negative(number: int) -> int:
    if number < 0:
        raise ValueError(f"ordinals and chunks count from 0, but one is {number}")
    return number


EMPTY: Final = PartitionSet()
