"""The verification of responses (draft, "User Operations"). What comes back is what is kept; a refusal changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from . import distinguished, heads, ladders, monitor, search, trees, update
from .errors import require
from .messages import (
    ContactMonitorRequest,
    DistinguishedRequest,
    OwnerInitRequest,
    OwnerInitResponse,
    OwnerMonitorRequest,
    ProofResponse,
    SearchRequest,
    SearchResponse,
    UpdateRequest,
    UpdateResponse,
)
from .structures import GREATEST_VERSION, CombinedTreeProof, Configuration, FullTreeHead, commitment_of
from .tls import read_all
from .view import Keys, State, VersionKey, View


@dataclass(frozen=True)
class Verifier:
    """A log's configuration, what is kept of the log, and the clock."""

    config: Configuration
    state: State | None
    now: int

    def view(self, last: int | None, head: FullTreeHead, proof: CombinedTreeProof, keys: Keys | None = None) -> View:
        """The view of a response, updated to its head."""
        require(last == (None if self.state is None else self.state.size), "request", "last is not the size that is kept")
        view = View(self.config, self.state, heads.size_of(head, self.state), proof, keys)
        view.update_view(last)
        return view


@dataclass(frozen=True)
class Found:
    version: int
    value: bytes
    terminal: int
    must_be_monitored: bool
    keys: dict[int, VersionKey]


def verify_search(verifier: Verifier, request: SearchRequest, encoded: bytes) -> tuple[Found, State]:
    response = read_all(encoded, SearchResponse.reader(verifier.config, request))
    is_greatest = request.version is None
    target = response.version if is_greatest else request.version
    keys = ladders.search_keys(
        verifier.config, request.label, target, is_greatest, response.binary_ladder, response.opening, response.value
    )
    view = verifier.view(request.last, response.full_tree_head, response.search, keys)
    terminal = search.greatest(view, target) if is_greatest else search.fixed(view, target)
    must = search.must_be_monitored(view, terminal)
    _, state = heads.verify(response.full_tree_head, view, verifier.now)
    return Found(target, response.value, terminal, must, keys), state


def verify_contact_monitor(
    verifier: Verifier, request: ContactMonitorRequest, encoded: bytes, keys: Keys
) -> tuple[monitor.Map, State]:
    """`keys` are those that the searches for the versions of the map brought."""
    response = read_all(encoded, ProofResponse.reader(verifier.config))
    view = verifier.view(request.last, response.full_tree_head, response.proof, keys)
    entries = monitor.contact(view, request.entries)
    _, state = heads.verify(response.full_tree_head, view, verifier.now)
    return entries, state


@dataclass(frozen=True)
class Owner:
    """What the owner of a label keeps. `inserted` has, ascending, entries of which the greatest version is known."""

    start: int
    greatest: int | None
    inserted: list[tuple[int, int]] = field(default_factory=list)
    map: monitor.Map = field(default_factory=list)
    keys: dict[int, VersionKey] = field(default_factory=dict)

    def greatest_at(self, entry: int) -> int | None:
        return max((version for place, version in self.inserted if place <= entry), default=None)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Owner:
        inserted, entries = ([tuple(pair) for pair in fields[name]] for name in ("inserted", "map"))
        return cls(fields["start"], fields["greatest"], inserted, entries, keys_from_json(fields["vrf"]))

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "greatest": self.greatest,
            "inserted": [list(pair) for pair in self.inserted],
            "map": [list(pair) for pair in self.map],
            "vrf": keys_to_json(self.keys),
        }


def keys_from_json(fields: dict[str, list[str | None]]) -> dict[int, VersionKey]:
    return {
        int(version): VersionKey(bytes.fromhex(output), None if commitment is None else bytes.fromhex(commitment))
        for version, (output, commitment) in fields.items()
    }


def keys_to_json(keys: Keys) -> dict[str, list[str | None]]:
    return {
        str(version): [key.vrf_output.hex(), None if key.commitment is None else key.commitment.hex()]
        for version, key in sorted(keys.items())
    }


def init_versions(greatest: list[int]) -> list[int]:
    """The versions whose VRF proofs an owner who begins gets, ascending."""
    return sorted({0, *(version for target in greatest for version in trees.base_ladder(target))})


def verify_owner_init(verifier: Verifier, request: OwnerInitRequest, encoded: bytes) -> tuple[Owner, State]:
    response = read_all(encoded, OwnerInitResponse.reader(verifier.config))
    versions = response.greatest_versions
    require(versions == sorted(versions, reverse=True), "greatest versions", "not descending")
    greatest = versions[0] if versions else None
    keys = ladders.keys_of(
        verifier.config,
        request.label,
        init_versions(versions),
        response.binary_ladder,
        lambda version: greatest is not None and version <= greatest,
    )
    require(all(keys[version].commitment for version in versions), "binary ladder", "a commitment is missing")
    view = verifier.view(request.last, response.full_tree_head, response.init, keys)
    entries = monitor.init_entries(view, request.start)
    require(len(versions) <= len(entries), "greatest versions", "too many")
    monitor.init(view, entries, versions)
    _, state = heads.verify(response.full_tree_head, view, verifier.now)
    return Owner(request.start, greatest, sorted(zip(entries, versions)), [], keys), state


def verify_owner_monitor(
    verifier: Verifier, request: OwnerMonitorRequest, encoded: bytes, owner: Owner
) -> tuple[Owner, State]:
    kept = (request.start, request.greatest_version, request.entries)
    require(kept == (owner.start, owner.greatest, owner.map), "request", "is not what the owner keeps")
    response = read_all(encoded, ProofResponse.reader(verifier.config))
    view = verifier.view(request.last, response.full_tree_head, response.proof, owner.keys)
    entries = monitor.contact(view, request.entries, owner.start)
    start = monitor.owner(view, owner.start, owner.greatest_at, lambda _: bool(view.proofs_left))
    _, state = heads.verify(response.full_tree_head, view, verifier.now)
    return replace(owner, start=start, map=entries), state


def verify_update(
    verifier: Verifier, request: UpdateRequest, encoded: bytes, owner: Owner
) -> tuple[Owner, list[bytes], State]:
    require(request.greatest_version == owner.greatest, "request", "is not what the owner keeps")
    response = read_all(encoded, UpdateResponse.reader(verifier.config))
    known_to = max([owner.start, *(entry for entry, version in owner.inserted if version == owner.greatest)])
    require(response.position > known_to, "position", f"{response.position}, but {known_to} is known")
    values = response.values or request.values
    require(0 < len(response.info) == len(values), "info", f"{len(response.info)} for {len(values)} values")
    first = 0 if owner.greatest is None else owner.greatest + 1
    new = list(range(first, first + len(values)))
    require(new[-1] <= GREATEST_VERSION, "version", new[-1])
    keys = ladders.keys_of(
        verifier.config,
        request.label,
        update.ladder_versions(owner.greatest, new),
        response.binary_ladder,
        lambda version: owner.greatest is not None and version < owner.greatest,
    )
    for version, key in keys.items():
        require(version >= first or key.commitment is not None, "binary ladder", f"no commitment for version {version}")
    keys = {**owner.keys, **keys}
    for version, opening, value in zip(new, response.info, values):
        keys[version] = VersionKey(keys[version].vrf_output, commitment_of(opening, request.label, version, value))
    view = verifier.view(request.last, response.full_tree_head, response.update, keys)
    require(response.position < view.size, "position", "beyond the log")
    must = update.check(view, response.position, new, owner.greatest, known_to, owner.greatest_at)
    _, state = heads.verify(response.full_tree_head, view, verifier.now)
    newest = (response.position, new[-1])
    entries = sorted([*owner.map, newest]) if must else owner.map
    return Owner(owner.start, new[-1], [*owner.inserted, newest], entries, keys), values, state


@dataclass(frozen=True)
class Known:
    """A recent distinguished entry, with what is kept of the log when that was its newest."""

    entry: int
    state: State

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Known:
        state = State.from_json({**fields, "size": fields["entry"] + 1})
        newest = (fields["timestamp"], bytes.fromhex(fields["prefix_root"]))
        require(state.frontier[-1] == newest, "known", "the frontier does not end with the entry")
        return cls(fields["entry"], state)

    def to_json(self) -> dict[str, Any]:
        fields = self.state.to_json()
        timestamp, root = fields["frontier"][-1]
        kept = {name: fields[name] for name in ("full_subtrees", "frontier")}
        return {"entry": self.entry, "timestamp": timestamp, "prefix_root": root, **kept}


def verify_distinguished(
    verifier: Verifier, request: DistinguishedRequest, encoded: bytes, recent: int
) -> tuple[list[Known], State]:
    response = read_all(encoded, ProofResponse.reader(verifier.config))
    view = verifier.view(request.last, response.full_tree_head, response.proof)
    found = distinguished.recent(view, request.stop, recent)
    log, state = heads.verify(response.full_tree_head, view, verifier.now)
    return [Known(entry, log.state_at(entry + 1)) for entry in found], state
