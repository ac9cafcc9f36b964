"""The structures of the draft that are read: configuration, heads, proofs, responses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from . import tls
from .errors import Refused, require
from .suites import NC, NH, VRF_NH, Suite, commit, suite_of
from .tls import Reader

CONTACT_MONITORING, THIRD_PARTY_MANAGEMENT, THIRD_PARTY_AUDITING = 1, 2, 3
SAME, UPDATED = 1, 2
INCLUSION, NON_INCLUSION_LEAF, NON_INCLUSION_PARENT = 1, 2, 3
STANDARD, PROVISIONAL = 1, 2
GREATEST_VERSION = 2**32 - 1


@dataclass(frozen=True)
class Configuration:
    """The long-term configuration; part of every signed text. Third-party management is not read."""

    ciphersuite: int
    mode: int
    signature_public_key: bytes
    vrf_public_key: bytes
    max_auditor_lag: int | None
    auditor_start_pos: int | None
    auditor_public_key: bytes | None
    max_ahead: int
    max_behind: int
    reasonable_monitoring_window: int
    maximum_lifetime: int | None

    @classmethod
    def read(cls, r: Reader) -> Configuration:
        ciphersuite, mode = r.u16(), r.u8()
        suite = suite_of(ciphersuite)
        require(mode in (CONTACT_MONITORING, THIRD_PARTY_AUDITING), "unsupported mode", mode)
        keys = r.opaque(2), r.opaque(2)
        auditing = (r.u64(), r.u64(), r.opaque(2)) if mode == THIRD_PARTY_AUDITING else (None, None, None)
        config = cls(ciphersuite, mode, *keys, *auditing, r.u64(), r.u64(), r.u64(), r.optional(Reader.u64))
        suite.check_vrf_key(config.vrf_public_key)
        lifetime = config.maximum_lifetime
        if lifetime is not None:
            require(lifetime > max(0, config.reasonable_monitoring_window), "maximum lifetime", lifetime)
        return config

    def encode(self) -> bytes:
        out = tls.u16(self.ciphersuite) + tls.u8(self.mode)
        out += tls.opaque(self.signature_public_key, 2) + tls.opaque(self.vrf_public_key, 2)
        if self.is_audited:
            out += tls.u64(self.max_auditor_lag) + tls.u64(self.auditor_start_pos) + tls.opaque(self.auditor_public_key, 2)
        out += tls.u64(self.max_ahead) + tls.u64(self.max_behind) + tls.u64(self.reasonable_monitoring_window)
        return out + tls.optional(None if self.maximum_lifetime is None else tls.u64(self.maximum_lifetime))

    @property
    def suite(self) -> Suite:
        return suite_of(self.ciphersuite)

    @property
    def is_audited(self) -> bool:
        return self.mode == THIRD_PARTY_AUDITING


@dataclass(frozen=True)
class TreeHead:
    tree_size: int
    signature: bytes

    @classmethod
    def read(cls, r: Reader) -> TreeHead:
        return cls(r.u64(), r.opaque(2))

    def encode(self) -> bytes:
        return tls.u64(self.tree_size) + tls.opaque(self.signature, 2)


@dataclass(frozen=True)
class AuditorTreeHead:
    timestamp: int
    tree_size: int
    signature: bytes

    @classmethod
    def read(cls, r: Reader) -> AuditorTreeHead:
        return cls(r.u64(), r.u64(), r.opaque(2))

    def encode(self) -> bytes:
        return tls.u64(self.timestamp) + tls.u64(self.tree_size) + tls.opaque(self.signature, 2)


@dataclass(frozen=True)
class FullTreeHead:
    """`tree_head` is None where the head is `same`."""

    tree_head: TreeHead | None
    auditor_tree_head: AuditorTreeHead | None = None

    @classmethod
    def read(cls, r: Reader, config: Configuration) -> FullTreeHead:
        kind = r.u8()
        require(kind in (SAME, UPDATED), "head type", kind)
        if kind == SAME:
            return cls(None)
        return cls(TreeHead.read(r), AuditorTreeHead.read(r) if config.is_audited else None)

    def encode(self) -> bytes:
        if self.tree_head is None:
            return tls.u8(SAME)
        auditor = self.auditor_tree_head.encode() if self.auditor_tree_head else b""
        return tls.u8(UPDATED) + self.tree_head.encode() + auditor


def tree_head_tbs(config: Configuration, tree_size: int, root: bytes) -> bytes:
    return config.encode() + tls.u64(tree_size) + root


def auditor_tree_head_tbs(config: Configuration, timestamp: int, tree_size: int, root: bytes) -> bytes:
    return config.encode() + tls.u64(timestamp) + tls.u64(tree_size) + root


@dataclass(frozen=True)
class PrefixLeaf:
    vrf_output: bytes
    commitment: bytes

    @classmethod
    def read(cls, r: Reader) -> PrefixLeaf:
        return cls(r.fixed(VRF_NH), r.fixed(NH))

    def encode(self) -> bytes:
        return self.vrf_output + self.commitment


@dataclass(frozen=True)
class PrefixSearchResult:
    result_type: int
    leaf: PrefixLeaf | None
    depth: int

    @classmethod
    def read(cls, r: Reader) -> PrefixSearchResult:
        kind = r.u8()
        require(kind in (INCLUSION, NON_INCLUSION_LEAF, NON_INCLUSION_PARENT), "result type", kind)
        return cls(kind, PrefixLeaf.read(r) if kind == NON_INCLUSION_LEAF else None, r.u8())

    def encode(self) -> bytes:
        return tls.u8(self.result_type) + (self.leaf.encode() if self.leaf else b"") + tls.u8(self.depth)


def _hash_value(r: Reader) -> bytes:
    return r.fixed(NH)


@dataclass(frozen=True)
class PrefixProof:
    results: list[PrefixSearchResult]
    elements: list[bytes]

    @classmethod
    def read(cls, r: Reader) -> PrefixProof:
        return cls(r.vector(1, PrefixSearchResult.read), r.vector(2, _hash_value))

    def encode(self) -> bytes:
        return tls.vector((result.encode() for result in self.results), 1) + tls.vector(self.elements, 2)


@dataclass(frozen=True)
class CombinedTreeProof:
    timestamps: list[int] = field(default_factory=list)
    prefix_proofs: list[PrefixProof] = field(default_factory=list)
    prefix_roots: list[bytes] = field(default_factory=list)
    inclusion: list[bytes] = field(default_factory=list)

    @classmethod
    def read(cls, r: Reader) -> CombinedTreeProof:
        return cls(r.vector(1, Reader.u64), r.vector(1, PrefixProof.read), r.vector(1, _hash_value), r.vector(2, _hash_value))

    def encode(self) -> bytes:
        out = tls.vector(map(tls.u64, self.timestamps), 1)
        out += tls.vector((proof.encode() for proof in self.prefix_proofs), 1)
        return out + tls.vector(self.prefix_roots, 1) + tls.vector(self.inclusion, 2)


@dataclass(frozen=True)
class BinaryLadderStep:
    proof: bytes
    commitment: bytes | None

    @classmethod
    def reader(cls, config: Configuration) -> Callable[[Reader], BinaryLadderStep]:
        return lambda r: cls(r.fixed(config.suite.vrf_np), r.optional(_hash_value))

    def encode(self) -> bytes:
        return self.proof + tls.optional(self.commitment)


def vrf_input(label: bytes, version: int) -> bytes:
    return tls.opaque(label, 1) + tls.u32(version)


def commitment_of(opening: bytes, label: bytes, version: int, value: bytes) -> bytes:
    """The commitment to `value`. `UpdateSuffix` is empty in both modes that are read."""
    require(len(opening) == NC, "opening", len(opening))
    return commit(opening + tls.opaque(label, 1) + tls.u32(version) + tls.opaque(value, 4))


@dataclass(frozen=True)
class AuditorUpdate:
    timestamp: int
    added: list[PrefixLeaf]
    removed: list[PrefixLeaf]
    proof: PrefixProof

    @classmethod
    def read(cls, r: Reader) -> AuditorUpdate:
        return cls(r.u64(), r.vector(2, PrefixLeaf.read), r.vector(2, PrefixLeaf.read), PrefixProof.read(r))

    def encode(self) -> bytes:
        out = tls.u64(self.timestamp)
        out += tls.vector((leaf.encode() for leaf in self.added), 2) + tls.vector((leaf.encode() for leaf in self.removed), 2)
        return out + self.proof.encode()


@dataclass(frozen=True)
class Credential:
    """`distinguished` of a standard one, `tree_head` and `search` of a provisional one."""

    label: bytes
    version: int
    opening: bytes
    value: bytes
    binary_ladder: list[BinaryLadderStep]
    position: int
    distinguished: PrefixProof | None = None
    tree_head: TreeHead | None = None
    search: CombinedTreeProof | None = None

    @classmethod
    def reader(cls, config: Configuration) -> Callable[[Reader], Credential]:
        def read(r: Reader) -> Credential:
            start = (r.opaque(1), r.u32(), r.fixed(NC), r.opaque(4), r.vector(1, BinaryLadderStep.reader(config)), r.u64())
            kind = r.u8()
            if kind == STANDARD:
                return cls(*start, distinguished=PrefixProof.read(r))
            if kind == PROVISIONAL:
                return cls(*start, tree_head=TreeHead.read(r), search=CombinedTreeProof.read(r))
            raise Refused("credential type", kind)

        return read

    def encode(self) -> bytes:
        out = tls.opaque(self.label, 1) + tls.u32(self.version) + self.opening + tls.opaque(self.value, 4)
        out += tls.vector((step.encode() for step in self.binary_ladder), 1) + tls.u64(self.position)
        if self.distinguished is not None:
            return out + tls.u8(STANDARD) + self.distinguished.encode()
        return out + tls.u8(PROVISIONAL) + self.tree_head.encode() + self.search.encode()
