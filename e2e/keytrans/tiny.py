"""A small log: lists, and everything computed from its definition. It makes responses for all operations; an oracle, not a server.

The prefix tree of each entry is a dictionary. Only the order in which data is asked for comes from the algorithms that the verifier
runs, too; `test_order` has that order, worked out by hand.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import distinguished, ecvrf, messages, monitor, prefix, ristretto, search, suites, trees, update, voprf
from .edwards import ORDER
from .errors import Refused
from .responses import Owner, init_versions
from .structures import (
    CONTACT_MONITORING,
    INCLUSION,
    NON_INCLUSION_LEAF,
    NON_INCLUSION_PARENT,
    THIRD_PARTY_AUDITING,
    AuditorTreeHead,
    AuditorUpdate,
    BinaryLadderStep,
    CombinedTreeProof,
    Configuration,
    Credential,
    FullTreeHead,
    PrefixLeaf,
    PrefixProof,
    PrefixSearchResult,
    TreeHead,
    auditor_tree_head_tbs,
    commitment_of,
    tree_head_tbs,
    vrf_input,
)
from .walk import Walk

Leaves = dict[bytes, bytes]
Change = tuple[bytes, Sequence[bytes]]


def prefix_value(leaves: Leaves, depth: int = 0) -> bytes:
    """The value of the node that has these leaves below it; the root is a parent always."""
    if not leaves and depth:
        return prefix.ZERO
    if len(leaves) == 1 and depth:
        return prefix.leaf_value(PrefixLeaf(*next(iter(leaves.items()))))
    one, other = halves(leaves, depth)
    return prefix.parent_value(prefix_value(one, depth + 1), prefix_value(other, depth + 1))


@functools.lru_cache(maxsize=4096)
def prefix_root(leaves: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return prefix_value(dict(leaves))


def halves(leaves: Leaves, depth: int) -> tuple[Leaves, Leaves]:
    one, other = ({k: v for k, v in leaves.items() if prefix.bit(k, depth) == side} for side in (0, 1))
    return one, other


def prefix_proof(leaves: Leaves, keys: Sequence[bytes]) -> PrefixProof:
    """A batch proof for `keys`."""
    elements: list[bytes] = []
    results: dict[bytes, PrefixSearchResult] = {}

    def visit(below: Leaves, wanted: list[bytes], depth: int) -> None:
        if not wanted:
            elements.append(prefix_value(below, depth))
        elif depth and len(below) <= 1:
            for key in wanted:
                results[key] = end(below, key, depth)
        else:
            for side, half in enumerate(halves(below, depth)):
                visit(half, [key for key in wanted if prefix.bit(key, depth) == side], depth + 1)

    def end(below: Leaves, key: bytes, depth: int) -> PrefixSearchResult:
        if not below:
            return PrefixSearchResult(NON_INCLUSION_PARENT, None, depth)
        if key in below:
            return PrefixSearchResult(INCLUSION, None, depth)
        return PrefixSearchResult(NON_INCLUSION_LEAF, PrefixLeaf(*next(iter(below.items()))), depth)

    visit(leaves, list(keys), 0)
    return PrefixProof([results[key] for key in keys], elements)


@dataclass(frozen=True)
class Secrets:
    """All keys of a log and its auditor, from a seed."""

    suite: int
    seed: bytes

    def _part(self, name: str) -> bytes:
        return hashlib.sha256(self.seed + name.encode()).digest()

    @property
    def head(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._part("head"))

    @property
    def auditor(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._part("auditor"))

    @property
    def scalar(self) -> int:
        if self.suite == suites.Draft.number:
            return ecvrf.secret_scalar(self._part("vrf"))
        return derive_scalar(self._part("vrf"))

    @property
    def vrf_public(self) -> bytes:
        """The public key of the VRF."""
        if self.suite == suites.Draft.number:
            return (ecvrf.BASE * self.scalar).encode()
        return ristretto.encode(ristretto.GENERATOR * self.scalar)

    def prove(self, message: bytes) -> bytes:
        if self.suite == suites.Draft.number:
            return ecvrf.prove(self._part("vrf"), message)
        return oblivious_proof(self.scalar, message)


@functools.lru_cache(maxsize=4096)
def evaluate(secrets: Secrets, message: bytes) -> tuple[bytes, bytes]:
    """VRF proof and output; remembered, since they are slow."""
    proof = secrets.prove(message)
    return proof, suites.vrf_output(secrets.suite, secrets.vrf_public, message, proof)


def derive_scalar(seed: bytes) -> int:
    """`k` of suite 0xF001 from the server's seed."""
    info = b"qpc/1 keytrans vrf key"
    message = seed + len(info).to_bytes(2, "big") + info + b"\x00"
    tag = b"DeriveKeyPair" + voprf.CONTEXT
    return int.from_bytes(voprf.expand_message_xmd(message, tag, 64), "little") % ORDER


def oblivious_proof(k: int, message: bytes) -> bytes:
    """A proof of suite 0xF001."""
    point = voprf.hash_to_group(message)
    nonce = hmac.new(k.to_bytes(32, "little"), b"qpc/1 keytrans vrf nonce" + ristretto.encode(point), hashlib.sha512)
    r = int.from_bytes(nonce.digest(), "little") % ORDER
    key = ristretto.encode(ristretto.GENERATOR * k)
    return ristretto.encode(point * k) + voprf.make_proof(k, key, [point], [point * k], r)


def configuration(
    secrets: Secrets, window: int, lifetime: int | None = None, audited: bool = False, lag: int = 2**40
) -> Configuration:
    raw = [key.public_key().public_bytes_raw() for key in (secrets.head, secrets.auditor)]
    return Configuration(
        ciphersuite=secrets.suite,
        mode=THIRD_PARTY_AUDITING if audited else CONTACT_MONITORING,
        signature_public_key=raw[0],
        vrf_public_key=secrets.vrf_public,
        max_auditor_lag=lag if audited else None,
        auditor_start_pos=0 if audited else None,
        auditor_public_key=raw[1] if audited else None,
        max_ahead=1000,
        max_behind=5000,
        reasonable_monitoring_window=window,
        maximum_lifetime=lifetime,
    )


@dataclass(frozen=True)
class Stored:
    """One version of a label."""

    entry: int
    opening: bytes
    value: bytes


@dataclass
class TinyLog:
    """A log; `auditor_behind` says by how many entries the auditor's head is smaller."""

    secrets: Secrets
    config: Configuration
    auditor_behind: int = 0
    timestamps: list[int] = field(default_factory=list)
    leaves: list[Leaves] = field(default_factory=list)
    labels: dict[bytes, list[Stored]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.timestamps)

    def at(self, size: int) -> TinyLog:
        """The log as it was with `size` entries."""
        labels = {label: [one for one in stored if one.entry < size] for label, stored in self.labels.items()}
        return replace(self, timestamps=self.timestamps[:size], leaves=self.leaves[:size], labels=labels)

    def append(self, timestamp: int, changes: Sequence[Change] = ()) -> int:
        """Adds an entry with new versions of labels; its index."""
        entry, leaves = self.size, dict(self.leaves[-1]) if self.leaves else {}
        for label, values in changes:
            for value in values:
                stored = self.labels.setdefault(label, [])
                opening = hashlib.sha256(label + len(stored).to_bytes(4, "big")).digest()[: suites.NC]
                stored.append(Stored(entry, opening, value))
                leaves[self.place(label, len(stored) - 1)] = self.commitment(label, len(stored) - 1)
        self.timestamps.append(timestamp)
        self.leaves.append(leaves)
        return entry

    def evaluate(self, label: bytes, version: int) -> tuple[bytes, bytes]:
        """VRF proof and output."""
        return evaluate(self.secrets, vrf_input(label, version))

    def place(self, label: bytes, version: int) -> bytes:
        return self.evaluate(label, version)[1]

    def commitment(self, label: bytes, version: int) -> bytes:
        stored = self.labels[label][version]
        return commitment_of(stored.opening, label, version, stored.value)

    def greatest(self, label: bytes, entry: int) -> int | None:
        versions = [v for v, stored in enumerate(self.labels.get(label, [])) if stored.entry <= entry]
        return versions[-1] if versions else None

    def prefix_root(self, entry: int) -> bytes:
        return prefix_root(tuple(sorted(self.leaves[entry].items())))

    def node(self, start: int, size: int) -> bytes:
        """The head of a subtree of the log, balanced or not."""
        if size == 1:
            return trees.log_leaf(self.timestamps[start], self.prefix_root(start))
        half = 1 << (size - 1).bit_length() - 1
        return trees.log_parent(self.node(start, half), half, self.node(start + half, size - half), size - half)

    def root(self, size: int | None = None) -> bytes:
        return self.node(0, self.size if size is None else size)

    def inclusion(self, leaves: Sequence[int], last: int | None, auditor_size: int | None) -> list[bytes]:
        """The batch proof: balanced subtrees in which nothing is known, and none that is needed is opened."""
        retained = [] if last is None else trees.full_subtrees(last)
        out: list[bytes] = []

        def visit(start: int, size: int) -> None:
            inside = range(start, start + size)
            parts = [leaf for leaf in leaves if leaf in inside]
            parts += [one for one, count in retained if one in inside and count < size]
            if auditor_size is not None and start < auditor_size < start + size:
                parts.append(auditor_size)
            if parts and size > 1:
                visit(start, size // 2)
                visit(start + size // 2, size // 2)
            elif not parts and (start, size) not in retained:
                out.append(self.node(start, size))

        for subtree in trees.full_subtrees(self.size):
            visit(*subtree)
        return out

    def steps(self, label: bytes, versions: Sequence[int], with_commitment: Sequence[int]) -> list[BinaryLadderStep]:
        return [
            BinaryLadderStep(
                self.evaluate(label, version)[0], self.commitment(label, version) if version in with_commitment else None
            )
            for version in versions
        ]

    def tree_head(self) -> TreeHead:
        signature = self.secrets.head.sign(tree_head_tbs(self.config, self.size, self.root()))
        return TreeHead(self.size, signature)

    def auditor_size(self) -> int:
        return max(1, self.size - self.auditor_behind)

    def full_head(self, last: int | None) -> FullTreeHead:
        if last == self.size:
            return FullTreeHead(None)
        if not self.config.is_audited:
            return FullTreeHead(self.tree_head())
        size = self.auditor_size()
        timestamp = self.timestamps[size - 1]
        signed = auditor_tree_head_tbs(self.config, timestamp, size, self.root(size))
        return FullTreeHead(self.tree_head(), AuditorTreeHead(timestamp, size, self.secrets.auditor.sign(signed)))

    def ladder_of_search(self, label: bytes, target: int) -> list[BinaryLadderStep]:
        greatest = self.greatest(label, self.size - 1)
        versions = trees.base_ladder(target)
        return self.steps(label, versions, [v for v in versions if v <= greatest and v != target])

    def search(self, request: messages.SearchRequest) -> messages.SearchResponse:
        target = self.greatest(request.label, self.size - 1) if request.version is None else request.version
        stored = self.labels.get(request.label, [])
        if target is None or target >= len(stored):
            raise Refused("search", "no such version")
        walk = Recorder(self, request.last, request.label)
        if request.version is None:
            search.greatest(walk, target)
        else:
            search.fixed(walk, target)
        return messages.SearchResponse(
            self.full_head(request.last),
            target if request.version is None else None,
            stored[target].opening,
            stored[target].value,
            self.ladder_of_search(request.label, target),
            walk.proof(),
        )

    def contact_monitor(self, request: messages.ContactMonitorRequest) -> messages.ProofResponse:
        walk = Recorder(self, request.last, request.label)
        monitor.contact(walk, request.entries)
        return messages.ProofResponse(self.full_head(request.last), walk.proof())

    def owner_init(self, request: messages.OwnerInitRequest) -> messages.OwnerInitResponse:
        walk = Recorder(self, request.last, request.label)
        entries = monitor.init_entries(walk, request.start)
        found = [self.greatest(request.label, entry) for entry in entries]
        versions = [version for version in found if version is not None]
        monitor.init(walk, entries, versions)
        wanted = init_versions(versions)
        ladder = self.steps(request.label, wanted, [v for v in wanted if versions and v <= versions[0]])
        return messages.OwnerInitResponse(self.full_head(request.last), versions, ladder, walk.proof())

    def owner_monitor(self, request: messages.OwnerMonitorRequest, limit: int = 100) -> messages.ProofResponse:
        walk = Recorder(self, request.last, request.label)
        monitor.contact(walk, request.entries, request.start)
        most = len(walk.prefix_proofs) + limit
        known = -1 if request.greatest_version is None else request.greatest_version

        def goes_on(entry: int) -> bool:
            here = self.greatest(request.label, entry)
            return len(walk.prefix_proofs) < most and (-1 if here is None else here) <= known

        monitor.owner(walk, request.start, lambda entry: self.greatest(request.label, entry), goes_on)
        return messages.ProofResponse(self.full_head(request.last), walk.proof())

    def update(self, request: messages.UpdateRequest, owner: Owner, are_new: bool) -> messages.UpdateResponse:
        """The response about the first versions after `greatest_version`; `are_new` if this request made them."""
        stored = self.labels[request.label]
        first = 0 if request.greatest_version is None else request.greatest_version + 1
        position = stored[first].entry
        new = [version for version, one in enumerate(stored) if one.entry == position]
        known_to = max([owner.start, *(stored[first - 1].entry for _ in range(min(first, 1)))])
        walk = Recorder(self, request.last, request.label)
        before = None if first == 0 else first - 1
        update.check(walk, position, new, before, known_to, lambda entry: self.greatest(request.label, entry))
        versions = update.ladder_versions(before, new)
        return messages.UpdateResponse(
            self.full_head(request.last),
            position,
            [] if are_new else [stored[version].value for version in new],
            [stored[version].opening for version in new],
            self.steps(request.label, versions, [v for v in versions if v < first - 1]),
            walk.proof(),
        )

    def distinguished(self, request: messages.DistinguishedRequest, recent: int) -> messages.ProofResponse:
        walk = Recorder(self, request.last, b"")
        distinguished.recent(walk, request.stop, recent)
        return messages.ProofResponse(self.full_head(request.last), walk.proof())

    def credential(self, label: bytes, position: int) -> Credential:
        """For the greatest version now: standard if the entry at `position` has it, provisional otherwise."""
        target = self.greatest(label, self.size - 1)
        stored = self.labels[label][target]
        start = (label, target, stored.opening, stored.value, self.ladder_of_search(label, target), position)
        if self.greatest(label, position) == target:
            keys = [self.place(label, version) for version in trees.base_ladder(target)]
            return Credential(*start, distinguished=prefix_proof(self.leaves[position], keys))
        walk = Recorder(self, position + 1, label)
        search.greatest(walk, target)
        return Credential(*start, tree_head=self.tree_head(), search=walk.proof(with_auditor=False))

    def credential_update(self, credential: Credential, terminal: int, target: int) -> CombinedTreeProof:
        """From the credential's view to that of `target` + 1 entries."""
        walk = Recorder(self.at(target + 1), credential.tree_head.tree_size, credential.label)
        if self.config.mode == CONTACT_MONITORING:
            monitor.contact(walk, [(terminal, credential.version)])
        return walk.proof(with_auditor=False)

    def auditor_update(self, entry: int) -> AuditorUpdate:
        before, after = ({} if entry == 0 else self.leaves[entry - 1]), self.leaves[entry]
        changed = {place for place in {*before, *after} if before.get(place) != after.get(place)}
        added, removed = (
            [PrefixLeaf(place, leaves[place]) for place in sorted(changed) if place in leaves] for leaves in (after, before)
        )
        proof = prefix_proof(before, [leaf.vrf_output for leaf in (*added, *removed)])
        return AuditorUpdate(self.timestamps[entry], added, removed, proof)


class _Series:
    def __init__(self, walk: Recorder, entry: int) -> None:
        self.walk, self.entry = walk, entry
        self.keys: list[bytes] = []

    def look_up(self, version: int) -> bool:
        key = self.walk.log.place(self.walk.label, version)
        self.keys.append(key)
        return key in self.walk.log.leaves[self.entry]

    def end(self) -> None:
        self.walk.proved.add(self.entry)
        self.walk.prefix_proofs.append(prefix_proof(self.walk.log.leaves[self.entry], self.keys))


class Recorder(Walk):
    """Answers the algorithms from a log, and notes what they ask for."""

    def __init__(self, log: TinyLog, last: int | None, label: bytes) -> None:
        super().__init__(log.config, log.size)
        self.log, self.last, self.label = log, last, label
        self.asked: list[int] = []
        self.proved: set[int] = set()
        self.prefix_proofs: list[PrefixProof] = []
        for entry in [] if last is None else trees.frontier(last):
            self.add_timestamp(entry, log.timestamps[entry])
        self.update_view(last)

    def next_timestamp(self, entry: int) -> int:
        self.asked.append(entry)
        return self.log.timestamps[entry]

    def begin_lookups(self, entry: int) -> _Series:
        return _Series(self, entry)

    def proof(self, with_auditor: bool = True) -> CombinedTreeProof:
        audited = with_auditor and self.log.config.is_audited and self.last != self.size
        auditor_size = self.log.auditor_size() if audited else None
        return CombinedTreeProof(
            [self.log.timestamps[entry] for entry in self.asked],
            self.prefix_proofs,
            [self.log.prefix_root(entry) for entry in sorted(self.asked) if entry not in self.proved],
            self.log.inclusion(self.asked, self.last, auditor_size),
        )
