"""Requests and responses of the user operations (draft, "User Operations")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from . import tls
from .structures import NC, BinaryLadderStep, CombinedTreeProof, Configuration, FullTreeHead
from .tls import Reader


def _last(value: int | None) -> bytes:
    return tls.optional(None if value is None else tls.u64(value))


def _version(value: int | None) -> bytes:
    return tls.optional(None if value is None else tls.u32(value))


def _map_entry(r: Reader) -> tuple[int, int]:
    return r.u64(), r.u32()


def _encode_map(entries: list[tuple[int, int]]) -> bytes:
    return tls.vector((tls.u64(position) + tls.u32(version) for position, version in entries), 1)


def _label_value(r: Reader) -> bytes:
    return r.opaque(4)


def _encode_values(values: list[bytes]) -> bytes:
    return tls.vector((tls.opaque(value, 4) for value in values), 1)


def _encode_ladder(ladder: list[BinaryLadderStep], length_size: int = 1) -> bytes:
    return tls.vector((step.encode() for step in ladder), length_size)


@dataclass(frozen=True)
class SearchRequest:
    last: int | None
    label: bytes
    version: int | None

    @classmethod
    def read(cls, r: Reader) -> SearchRequest:
        return cls(r.optional(Reader.u64), r.opaque(1), r.optional(Reader.u32))

    def encode(self) -> bytes:
        return _last(self.last) + tls.opaque(self.label, 1) + _version(self.version)


@dataclass(frozen=True)
class SearchResponse:
    """`version` is on the wire only if the request names none."""

    full_tree_head: FullTreeHead
    version: int | None
    opening: bytes
    value: bytes
    binary_ladder: list[BinaryLadderStep]
    search: CombinedTreeProof

    @classmethod
    def reader(cls, config: Configuration, request: SearchRequest) -> Callable[[Reader], SearchResponse]:
        return lambda r: cls(
            FullTreeHead.read(r, config),
            r.u32() if request.version is None else None,
            r.fixed(NC),
            r.opaque(4),
            r.vector(1, BinaryLadderStep.reader(config)),
            CombinedTreeProof.read(r),
        )

    def encode(self) -> bytes:
        out = self.full_tree_head.encode() + (b"" if self.version is None else tls.u32(self.version))
        return out + self.opening + tls.opaque(self.value, 4) + _encode_ladder(self.binary_ladder) + self.search.encode()


@dataclass(frozen=True)
class ContactMonitorRequest:
    last: int | None
    label: bytes
    entries: list[tuple[int, int]]

    @classmethod
    def read(cls, r: Reader) -> ContactMonitorRequest:
        return cls(r.optional(Reader.u64), r.opaque(1), r.vector(1, _map_entry))

    def encode(self) -> bytes:
        return _last(self.last) + tls.opaque(self.label, 1) + _encode_map(self.entries)


@dataclass(frozen=True)
class ProofResponse:
    """A head and a proof: `ContactMonitorResponse`, `OwnerMonitorResponse`, `DistinguishedResponse`."""

    full_tree_head: FullTreeHead
    proof: CombinedTreeProof

    @classmethod
    def reader(cls, config: Configuration) -> Callable[[Reader], ProofResponse]:
        return lambda r: cls(FullTreeHead.read(r, config), CombinedTreeProof.read(r))

    def encode(self) -> bytes:
        return self.full_tree_head.encode() + self.proof.encode()


@dataclass(frozen=True)
class OwnerInitRequest:
    last: int | None
    label: bytes
    start: int

    @classmethod
    def read(cls, r: Reader) -> OwnerInitRequest:
        return cls(r.optional(Reader.u64), r.opaque(1), r.u64())

    def encode(self) -> bytes:
        return _last(self.last) + tls.opaque(self.label, 1) + tls.u64(self.start)


@dataclass(frozen=True)
class OwnerInitResponse:
    full_tree_head: FullTreeHead
    greatest_versions: list[int]
    binary_ladder: list[BinaryLadderStep]
    init: CombinedTreeProof

    @classmethod
    def reader(cls, config: Configuration) -> Callable[[Reader], OwnerInitResponse]:
        return lambda r: cls(
            FullTreeHead.read(r, config),
            r.vector(1, Reader.u32),
            r.vector(2, BinaryLadderStep.reader(config)),
            CombinedTreeProof.read(r),
        )

    def encode(self) -> bytes:
        out = self.full_tree_head.encode() + tls.vector(map(tls.u32, self.greatest_versions), 1)
        return out + _encode_ladder(self.binary_ladder, 2) + self.init.encode()


@dataclass(frozen=True)
class OwnerMonitorRequest:
    last: int | None
    label: bytes
    entries: list[tuple[int, int]]
    start: int
    greatest_version: int | None

    @classmethod
    def read(cls, r: Reader) -> OwnerMonitorRequest:
        return cls(r.optional(Reader.u64), r.opaque(1), r.vector(1, _map_entry), r.u64(), r.optional(Reader.u32))

    def encode(self) -> bytes:
        out = _last(self.last) + tls.opaque(self.label, 1) + _encode_map(self.entries)
        return out + tls.u64(self.start) + _version(self.greatest_version)


@dataclass(frozen=True)
class UpdateRequest:
    last: int | None
    label: bytes
    greatest_version: int | None
    values: list[bytes]

    @classmethod
    def read(cls, r: Reader) -> UpdateRequest:
        return cls(r.optional(Reader.u64), r.opaque(1), r.optional(Reader.u32), r.vector(1, _label_value))

    def encode(self) -> bytes:
        out = _last(self.last) + tls.opaque(self.label, 1)
        return out + _version(self.greatest_version) + _encode_values(self.values)


@dataclass(frozen=True)
class UpdateResponse:
    """`info` holds the openings: `UpdateSuffix` is empty in both modes that are read."""

    full_tree_head: FullTreeHead
    position: int
    values: list[bytes]
    info: list[bytes]
    binary_ladder: list[BinaryLadderStep]
    update: CombinedTreeProof

    @classmethod
    def reader(cls, config: Configuration) -> Callable[[Reader], UpdateResponse]:
        return lambda r: cls(
            FullTreeHead.read(r, config),
            r.u64(),
            r.vector(1, _label_value),
            r.vector(1, lambda inner: inner.fixed(NC)),
            r.vector(1, BinaryLadderStep.reader(config)),
            CombinedTreeProof.read(r),
        )

    def encode(self) -> bytes:
        out = self.full_tree_head.encode() + tls.u64(self.position) + _encode_values(self.values)
        return out + tls.vector(self.info, 1) + _encode_ladder(self.binary_ladder) + self.update.encode()


@dataclass(frozen=True)
class DistinguishedRequest:
    last: int | None
    stop: int | None

    @classmethod
    def read(cls, r: Reader) -> DistinguishedRequest:
        return cls(r.optional(Reader.u64), r.optional(Reader.u64))

    def encode(self) -> bytes:
        return _last(self.last) + _last(self.stop)
