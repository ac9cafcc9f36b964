"""A verifier's view of a log, and the consumption of a `CombinedTreeProof`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from . import prefix, trees
from .errors import Refused, require
from .structures import INCLUSION, CombinedTreeProof, Configuration, PrefixProof
from .walk import Walk


@dataclass(frozen=True)
class VersionKey:
    """What is known of a version of the label: its place and, if it may be included, its commitment."""

    vrf_output: bytes
    commitment: bytes | None


Keys = Mapping[int, VersionKey]


@dataclass(frozen=True)
class State:
    """What a verifier keeps of the last tree head (draft, "Updating Views of the Tree")."""

    size: int
    full_subtrees: list[bytes]
    frontier: list[tuple[int, bytes]]
    auditor_size: int | None = None

    def __post_init__(self) -> None:
        require(len(self.full_subtrees) == len(trees.full_subtrees(self.size)), "state", "full subtrees")
        require(len(self.frontier) == len(trees.frontier(self.size)), "state", "frontier")

    @classmethod
    def from_json(cls, fields: dict[str, Any] | None) -> State | None:
        if fields is None:
            return None
        frontier = [(timestamp, bytes.fromhex(root)) for timestamp, root in fields["frontier"]]
        subtrees = [bytes.fromhex(value) for value in fields["full_subtrees"]]
        return cls(fields["size"], subtrees, frontier, fields.get("auditor_size"))

    def to_json(self) -> dict[str, Any]:
        frontier = [[timestamp, root.hex()] for timestamp, root in self.frontier]
        subtrees = [value.hex() for value in self.full_subtrees]
        return {"size": self.size, "full_subtrees": subtrees, "frontier": frontier, "auditor_size": self.auditor_size}

    def heads(self) -> dict[tuple[int, int], bytes]:
        return dict(zip(trees.full_subtrees(self.size), self.full_subtrees, strict=True))

    def root(self) -> bytes:
        return trees.log_root(self.size, self.heads())


class _Series:
    """Look-ups that take the results of one proof, one after the other."""

    def __init__(self, view: View, entry: int, proof: PrefixProof) -> None:
        self.view, self.entry, self.proof = view, entry, proof
        self.versions: list[int] = []

    def look_up(self, version: int) -> bool:
        require(len(self.versions) < len(self.proof.results), "prefix results", f"too few for entry {self.entry}")
        self.versions.append(version)
        return self.proof.results[len(self.versions) - 1].result_type == INCLUSION

    def end(self) -> None:
        keys = [self.view.key(version) for version in self.versions]
        tree = prefix.evaluate(self.proof, [key.vrf_output for key in keys], [key.commitment for key in keys])
        self.view.add_prefix_root(self.entry, prefix.value_of(tree))


class View(Walk):
    """Answers the algorithms from the queues of a proof."""

    def __init__(
        self, config: Configuration, state: State | None, size: int, proof: CombinedTreeProof, keys: Keys | None = None
    ) -> None:
        super().__init__(config, size)
        self.state, self.proof, self.keys = state, proof, keys or {}
        self.timestamps_left = list(proof.timestamps)
        self.proofs_left = list(proof.prefix_proofs)
        self.provided: set[int] = set()
        self.prefix_roots: dict[int, bytes] = {}
        if state is not None:
            require(size >= state.size, "tree size", "smaller than before")
            for entry, (timestamp, root) in zip(trees.frontier(state.size), state.frontier, strict=True):
                self.add_timestamp(entry, timestamp)
                self.prefix_roots[entry] = root

    def next_timestamp(self, entry: int) -> int:
        require(bool(self.timestamps_left), "timestamps", f"none for entry {entry}")
        self.provided.add(entry)
        return self.timestamps_left.pop(0)

    def begin_lookups(self, entry: int) -> _Series:
        require(bool(self.proofs_left), "prefix proofs", f"none for entry {entry}")
        return _Series(self, entry, self.proofs_left.pop(0))

    def key(self, version: int) -> VersionKey:
        if version not in self.keys:
            raise Refused("vrf output unknown", version)
        return self.keys[version]

    def add_prefix_root(self, entry: int, root: bytes) -> None:
        require(self.prefix_roots.setdefault(entry, root) == root, "prefix root", f"two for entry {entry}")

    def finish(self, auditor_size: int | None = None) -> LogView:
        """Takes what is left: roots of prefix trees, then the log's nodes. Nothing may remain."""
        require(not self.timestamps_left, "timestamps", f"{len(self.timestamps_left)} left over")
        require(not self.proofs_left, "prefix proofs", f"{len(self.proofs_left)} left over")
        missing = sorted(entry for entry in self.provided if entry not in self.prefix_roots)
        roots = self.proof.prefix_roots
        require(len(roots) == len(missing), "prefix roots", f"{len(roots)} for {len(missing)} entries")
        self.prefix_roots.update(zip(missing, roots))
        leaves = {entry: trees.log_leaf(self.timestamps[entry], self.prefix_roots[entry]) for entry in self.provided}
        if auditor_size is not None:
            require(1 <= auditor_size <= self.size, "auditor tree size", auditor_size)
        retained = {} if self.state is None else self.state.heads()
        return LogView(self, trees.LogProof(self.size, leaves, retained, self.proof.inclusion, auditor_size))


class LogView:
    """A proof that was consumed wholly. It counts once its root is found signed."""

    def __init__(self, view: View, proof: trees.LogProof) -> None:
        self.view, self.proof = view, proof

    def root(self, size: int | None = None) -> bytes:
        return self.proof.root(self.view.size if size is None else size)

    def state_at(self, size: int, auditor_size: int | None = None) -> State:
        """What is kept of the log when it had `size` entries."""
        view = self.view
        frontier = [(view.timestamps[entry], view.prefix_roots[entry]) for entry in trees.frontier(size)]
        subtrees = [self.proof.heads[subtree] for subtree in trees.full_subtrees(size)]
        return State(size, subtrees, frontier, auditor_size)
