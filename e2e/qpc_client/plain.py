"""Plain encoding of what is signed and hashed, and H (protocol.md section 1)."""

import hashlib


def label(text: str) -> bytes:
    return text.encode("ascii") + b"\0"


def u8(value: int) -> bytes:
    return value.to_bytes(1, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def fixed(size: int, value: bytes) -> bytes:
    if len(value) != size:
        raise ValueError(f"{len(value)} bytes where {size} belong")
    return bytes(value)


def digest(content: bytes) -> bytes:
    """H: SHA-256."""
    return hashlib.sha256(content).digest()
