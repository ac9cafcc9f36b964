"""The chain of hashes of a channel (protocol.md section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from .plain import digest, fixed, label, u8, u64

KINDS = {"message": 0, "commit": 1}


class ChainBroken(Exception):
    """An entry does not continue the chain: the server lost, changed or left out something."""


@dataclass(frozen=True)
class Point:
    """A position in a log with the chain's value there."""

    position: int
    hash: bytes

    @classmethod
    def start(cls, channel: bytes) -> Point:
        """(0, h(0)): the empty log."""
        return cls(0, digest(label("qpc/1 chain") + fixed(32, channel)))

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Point:
        return cls(fields["position"], fields.get("hash", b""))

    def fields(self) -> dict[str, Any]:
        return {"position": self.position, "hash": self.hash}

    def then(self, *, id: bytes, kind: str, after_commit: Point, sealed: bytes) -> Point:
        """The point that an entry appended here makes."""
        position = self.position + 1
        linked = label("qpc/1 link") + fixed(32, self.hash) + u64(position) + fixed(16, id) + u8(KINDS[kind])
        linked += u64(after_commit.position) + fixed(32, after_commit.hash) + fixed(32, digest(sealed))
        return Point(position, digest(linked))

    def follow(self, entries: Iterable[dict[str, Any]]) -> Point:
        """The point after `entries`, which must continue here without a gap."""
        point = self
        for entry in entries:
            if entry["seq"] != point.position + 1:
                raise ChainBroken(f"entry {entry['seq']} after {point.position}")
            after = Point.read(entry["afterCommit"])
            sealed = entry.get("sealed", b"")
            point = point.then(id=entry["id"], kind=entry["kind"], after_commit=after, sealed=sealed)
        return point
