"""The TLS presentation language, read with bounds and written (RFC 8446 section 3, as changed by the draft's "Presentation Language").

The length of a vector counts its elements, not its bytes.
"""

from __future__ import annotations

from typing import Callable, Iterable, TypeVar

from .errors import Refused, require

T = TypeVar("T")


class Reader:
    """Reads a byte string from the left; never beyond its end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def fixed(self, size: int) -> bytes:
        require(size <= len(self.content) - self.at, "truncated", f"{size} bytes wanted at {self.at} of {len(self.content)}")
        part = self.content[self.at : self.at + size]
        self.at += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.fixed(size), "big")

    def u8(self) -> int:
        return self.number(1)

    def u16(self) -> int:
        return self.number(2)

    def u32(self) -> int:
        return self.number(4)

    def u64(self) -> int:
        return self.number(8)

    def opaque(self, length_size: int) -> bytes:
        """`opaque x<0..2^(8*length_size)-1>`"""
        return self.fixed(self.number(length_size))

    def vector(self, length_size: int, element: Callable[[Reader], T]) -> list[T]:
        """`T x<0..2^(8*length_size)-1>`; no element is empty, so the bytes that are left bound the work."""
        count = self.number(length_size)
        require(count <= len(self.content) - self.at, "truncated", f"{count} elements in {len(self.content) - self.at} bytes")
        return [element(self) for _ in range(count)]

    def optional(self, value: Callable[[Reader], T]) -> T | None:
        present = self.u8()
        require(present in (0, 1), "presence octet", present)
        return value(self) if present else None

    def end(self) -> None:
        require(self.at == len(self.content), "trailing bytes", len(self.content) - self.at)


def read_all(content: bytes, element: Callable[[Reader], T]) -> T:
    """One structure that fills `content`."""
    reader = Reader(content)
    value = element(reader)
    reader.end()
    return value


def number(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError as error:
        raise Refused("number out of range", value) from error


def u8(value: int) -> bytes:
    return number(value, 1)


def u16(value: int) -> bytes:
    return number(value, 2)


def u32(value: int) -> bytes:
    return number(value, 4)


def u64(value: int) -> bytes:
    return number(value, 8)


def opaque(value: bytes, length_size: int) -> bytes:
    return number(len(value), length_size) + value


def vector(encoded: Iterable[bytes], length_size: int) -> bytes:
    """A vector of elements that are encoded already."""
    elements = list(encoded)
    return number(len(elements), length_size) + b"".join(elements)


def optional(encoded: bytes | None) -> bytes:
    return u8(0) if encoded is None else u8(1) + encoded
