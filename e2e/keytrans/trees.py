"""The implicit binary search tree, binary ladders and batch proofs of the log tree."""

from __future__ import annotations

from typing import Iterable, Mapping

from .errors import require
from .suites import digest

VERSIONS = 2**32


def level(x: int) -> int:
    """How far entry `x` is above the leaves of the implicit tree."""
    return (~x & (x + 1)).bit_length() - 1


def root(size: int) -> int:
    """The root's entry in a log of `size` entries."""
    require(size > 0, "empty log")
    return (1 << (size.bit_length() - 1)) - 1


def left(x: int) -> int | None:
    k = level(x)
    return None if k == 0 else x ^ (1 << (k - 1))


def right(x: int, size: int) -> int | None:
    k = level(x)
    if k == 0 or x == size - 1:
        return None
    child = x ^ (3 << (k - 1))
    while child >= size:
        child = left(child)
    return child


def path_to(x: int, size: int) -> list[int]:
    """From the root down to and with `x`."""
    require(x < size, "no such log entry", x)
    path = [root(size)]
    while path[-1] != x:
        path.append(left(path[-1]) if x < path[-1] else right(path[-1], size))
    return path


def direct_path(x: int, size: int) -> list[int]:
    """The ancestors of `x`, its parent first."""
    return path_to(x, size)[-2::-1]


def frontier(size: int) -> list[int]:
    return path_to(size - 1, size)


def base_ladder(greatest: int) -> list[int]:
    """The look-ups that show `greatest` to be the greatest version, in their order."""
    powers = [0]
    while powers[-1] <= greatest:
        powers.append(2 * powers[-1] + 1)
    lower, upper = (powers[-2] if len(powers) > 1 else 0), powers[-1]
    out = list(powers)
    while lower + 1 < upper:
        middle = (lower + upper) // 2
        out.append(middle)
        lower, upper = (middle, upper) if middle <= greatest else (lower, middle)
    return [version for version in out if version < VERSIONS]


def monitoring_ladder(target: int) -> list[int]:
    return [version for version in base_ladder(target) if version <= target]


def full_subtrees(size: int) -> list[tuple[int, int]]:
    """The largest balanced subtrees of a log of `size` entries, as (first entry, entries), from left to right."""
    out, start = [], 0
    for bit in reversed(range(size.bit_length())):
        if size >> bit & 1:
            out.append((start, 1 << bit))
            start += 1 << bit
    return out


def log_leaf(timestamp: int, prefix_root: bytes) -> bytes:
    return digest(timestamp.to_bytes(8, "big"), prefix_root)


def log_parent(one: bytes, one_size: int, other: bytes, other_size: int) -> bytes:
    def content(value: bytes, size: int) -> bytes:
        return (b"\x00" if size == 1 else b"\x01") + value

    return digest(content(one, one_size), content(other, other_size))


def log_root(size: int, heads: Mapping[tuple[int, int], bytes]) -> bytes:
    """The root of the log of `size` entries from the heads of its full subtrees."""
    subtrees = full_subtrees(size)
    require(bool(subtrees), "empty log")
    value, covered = heads[subtrees[-1]], subtrees[-1][1]
    for subtree in reversed(subtrees[:-1]):
        value = log_parent(heads[subtree], subtree[1], value, covered)
        covered += subtree[1]
    return value


class LogProof:
    """The evaluation of an `InclusionProof` for a log of `size` entries.

    A balanced subtree is opened if a proved leaf, a retained head or the end of the auditor's log lies within it, down to these. A head
    that was retained and is opened nevertheless must come out the same.
    """

    def __init__(
        self,
        size: int,
        leaves: Mapping[int, bytes],
        retained: Mapping[tuple[int, int], bytes],
        elements: Iterable[bytes],
        also_size: int | None = None,
    ) -> None:
        self.leaves, self.retained, self.also_size = leaves, retained, also_size
        self.elements = list(elements)
        self.taken = 0
        self.heads: dict[tuple[int, int], bytes] = {}
        for subtree in full_subtrees(size):
            self._value(*subtree)
        require(self.taken == len(self.elements), "inclusion", f"{len(self.elements)} elements, {self.taken} wanted")

    def root(self, size: int) -> bytes:
        return log_root(size, self.heads)

    def _is_opened(self, start: int, size: int) -> bool:
        end = start + size
        if self.also_size is not None and start < self.also_size < end:
            return True
        inner = any(start <= first < end and count < size for first, count in self.retained)
        return inner or any(start <= leaf < end for leaf in self.leaves)

    def _value(self, start: int, size: int) -> bytes:
        value = self._find(start, size)
        self.heads[start, size] = value
        return value

    def _find(self, start: int, size: int) -> bytes:
        retained = self.retained.get((start, size))
        if not self._is_opened(start, size):
            return self._element(start, size) if retained is None else retained
        if size == 1:
            value = self.leaves[start]
        else:
            half = size // 2
            value = log_parent(self._value(start, half), half, self._value(start + half, half), half)
        require(retained in (None, value), "retained subtree", (start, size))
        return value

    def _element(self, start: int, size: int) -> bytes:
        require(self.taken < len(self.elements), "inclusion", f"no element for {start}, {size}")
        self.taken += 1
        return self.elements[self.taken - 1]
