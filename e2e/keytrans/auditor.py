"""The third-party auditor: follows a log entry by entry (draft, "Auditing")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import prefix, trees
from .errors import require
from .structures import AuditorUpdate, Configuration, INCLUSION, PrefixLeaf
from .tls import read_all


@dataclass(frozen=True)
class Auditor:
    """`timestamps` has that of each entry; `added` says of each leaf of the prefix tree in which entry it came.

    It follows a log from its first entry: the state of one who knows nothing is that of the empty log.
    """

    size: int
    full_subtrees: list[bytes]
    prefix_root: bytes
    timestamps: list[int]
    added: dict[bytes, int]

    @classmethod
    def beginning(cls) -> Auditor:
        return cls(0, [], prefix.EMPTY_ROOT, [], {})

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Auditor:
        subtrees = [bytes.fromhex(value) for value in fields["full_subtrees"]]
        added = {bytes.fromhex(place): entry for place, entry in fields["added"].items()}
        return cls(fields["size"], subtrees, bytes.fromhex(fields["prefix_root"]), fields["timestamps"], added)

    def to_json(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "full_subtrees": [value.hex() for value in self.full_subtrees],
            "prefix_root": self.prefix_root.hex(),
            "timestamps": self.timestamps,
            "added": {place.hex(): entry for place, entry in sorted(self.added.items())},
        }

    def root(self) -> bytes:
        return trees.log_root(self.size, dict(zip(trees.full_subtrees(self.size), self.full_subtrees)))

    def then(self, config: Configuration, encoded: bytes) -> Auditor:
        """The state after one `AuditorUpdate`."""
        update = read_all(encoded, AuditorUpdate.read)
        timestamps = [*self.timestamps, update.timestamp]
        require(not self.timestamps or update.timestamp >= self.timestamps[-1], "monotonic timestamps", update.timestamp)
        removed = {leaf.vrf_output: leaf for leaf in update.removed}
        _require_ascending(update.added, "added")
        _require_ascending(update.removed, "removed")
        self._require_results(update, removed)
        distinguished = distinguished_entries(config, timestamps)
        for place in removed:
            since = self.added.get(place)
            seen = since is not None and any(since <= entry < self.size for entry in distinguished)
            require(seen, "removed", "was not in a distinguished entry")
        keys = [leaf.vrf_output for leaf in (*update.added, *update.removed)]
        commitments = [removed[key].commitment if key in removed else None for key in keys]
        tree = prefix.evaluate(update.proof, keys, commitments)
        require(prefix.value_of(tree) == self.prefix_root, "prefix root", "is not that of the entry before")
        for place in removed:
            tree = prefix.without(tree, place)
        for leaf in update.added:
            tree = prefix.with_leaf(tree, leaf)
        root = prefix.value_of(tree)
        added = {place: entry for place, entry in self.added.items() if place not in removed}
        added.update({leaf.vrf_output: self.size for leaf in update.added})
        return Auditor(self.size + 1, self._with_leaf(trees.log_leaf(update.timestamp, root)), root, timestamps, added)

    def _require_results(self, update: AuditorUpdate, removed: dict[bytes, PrefixLeaf]) -> None:
        wanted = [leaf.vrf_output in removed for leaf in update.added] + [True] * len(update.removed)
        require(len(update.proof.results) == len(wanted), "prefix results", f"{len(update.proof.results)} for {len(wanted)}")
        for result, included in zip(update.proof.results, wanted):
            require((result.result_type == INCLUSION) == included, "prefix results", "added or removed otherwise")

    def _with_leaf(self, leaf: bytes) -> list[bytes]:
        """The full subtrees with one more leaf."""
        heads = [(value, size) for value, (_, size) in zip(self.full_subtrees, trees.full_subtrees(self.size))]
        heads.append((leaf, 1))
        while len(heads) > 1 and heads[-1][1] == heads[-2][1]:
            (one, size), (other, _) = heads[-2:]
            heads[-2:] = [(trees.log_parent(one, size, other, size), 2 * size)]
        return [value for value, _ in heads]


def _require_ascending(leaves: list[PrefixLeaf], name: str) -> None:
    places = [leaf.vrf_output for leaf in leaves]
    require(all(one < other for one, other in zip(places, places[1:])), name, "not in ascending order")


def distinguished_entries(config: Configuration, timestamps: list[int]) -> list[int]:
    """All distinguished entries of a log of which every timestamp is known."""
    found: list[int] = []

    def visit(entry: int | None, left: int, right: int) -> None:
        if entry is None or right - left < config.reasonable_monitoring_window:
            return
        visit(trees.left(entry), left, timestamps[entry])
        found.append(entry)
        visit(trees.right(entry, len(timestamps)), timestamps[entry], right)

    visit(trees.root(len(timestamps)), 0, timestamps[-1])
    return found
