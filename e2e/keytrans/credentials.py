"""Credentials: proofs that one user hands to another (draft, "Credentials"). They change nothing of what a verifier keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from . import heads, ladders, monitor, prefix, search, trees
from .errors import Refused, require
from .responses import Known
from .structures import CONTACT_MONITORING, INCLUSION, CombinedTreeProof, Configuration, Credential
from .tls import read_all
from .view import State, VersionKey, View
from .walk import tells


@dataclass(frozen=True)
class Verified:
    """`after` is the view that a provisional credential shows; `terminal` its entry, with the root of its prefix tree."""

    label: bytes
    version: int
    value: bytes
    is_final: bool
    keys: dict[int, VersionKey]
    terminal: int | None = None
    after: State | None = None


def verify(config: Configuration, encoded: bytes, known: Sequence[Known]) -> Verified:
    """Initial verification; final as well where the credential is standard or its terminal entry is known."""
    credential = read_all(encoded, Credential.reader(config))
    base = _known_at(known, credential.position)
    keys = ladders.search_keys(
        config,
        credential.label,
        credential.version,
        True,
        credential.binary_ladder,
        credential.opening,
        credential.value,
    )
    if credential.distinguished is not None:
        _verify_standard(credential, base, keys)
        return Verified(credential.label, credential.version, credential.value, True, keys)
    require(credential.tree_head.tree_size > credential.position + 1, "tree size", "nothing right of the position")
    view = View(config, base.state, credential.tree_head.tree_size, credential.search, keys)
    view.update_view(base.state.size)
    terminal = search.greatest(view, credential.version)
    require(terminal > credential.position, "terminal entry", "a standard credential could have been made")
    log = view.finish()
    heads.verify_signed(config, credential.tree_head, log.root())
    known_terminal = next((entry for entry in known if entry.entry == terminal), None)
    if known_terminal is not None:
        same = known_terminal.state.frontier[-1][1] == view.prefix_roots[terminal]
        require(same, "terminal entry", "is another in the log that is known")
    after = log.state_at(view.size)
    return Verified(
        credential.label, credential.version, credential.value, known_terminal is not None, keys, terminal, after
    )


def verify_update(config: Configuration, encoded: bytes, update: bytes, known: Sequence[Known]) -> None:
    """Final verification of a provisional credential by a `CredentialUpdate`."""
    proof = read_all(update, CombinedTreeProof.read)
    credential = verify(config, encoded, known)
    if credential.terminal is None:
        raise Refused("credential update", "for a standard credential")
    later = sorted((entry for entry in known if entry.entry >= credential.terminal), key=lambda entry: entry.entry)
    require(bool(later), "distinguished entry unknown", credential.terminal)
    target = later[0]
    require(target.state.size > credential.after.size, "credential update", "of a view that is no older")
    view = View(config, credential.after, target.state.size, proof, credential.keys)
    view.update_view(credential.after.size)
    if config.mode == CONTACT_MONITORING:
        left = monitor.contact(view, [(credential.terminal, credential.version)])
        require(all(position == target.entry for position, _ in left), "monitoring", "does not reach the distinguished entry")
    require(view.finish().root() == target.state.root(), "root", "is another in the log that is known")


def _known_at(known: Sequence[Known], position: int) -> Known:
    for entry in known:
        if entry.entry == position:
            return entry
    raise Refused("distinguished entry unknown", position)


def _verify_standard(credential: Credential, base: Known, keys: dict[int, VersionKey]) -> None:
    versions = trees.base_ladder(credential.version)
    proof = credential.distinguished
    tree = prefix.evaluate(proof, [keys[v].vrf_output for v in versions], [keys[v].commitment for v in versions])
    for version, result in zip(versions, proof.results):
        told = tells(version, result.result_type == INCLUSION, credential.version)
        require(told == 0, "greatest version", f"version {version} tells otherwise")
    require(prefix.value_of(tree) == base.state.frontier[-1][1], "prefix root", "is another in the log that is known")
