"""`BinaryLadderStep`s: from VRF proofs to the places of versions."""

from __future__ import annotations

from typing import Callable, Sequence

from . import trees
from .errors import require
from .structures import BinaryLadderStep, Configuration, commitment_of, vrf_input
from .suites import vrf_output
from .view import VersionKey


def keys_of(
    config: Configuration,
    label: bytes,
    versions: Sequence[int],
    steps: Sequence[BinaryLadderStep],
    may_be_there: Callable[[int], bool],
) -> dict[int, VersionKey]:
    """What `steps` tell of `versions`; a commitment may be there only where `may_be_there`."""
    require(len(steps) == len(versions), "binary ladder", f"{len(steps)} steps for {len(versions)} versions")
    out = {}
    for version, step in zip(versions, steps):
        require(step.commitment is None or may_be_there(version), "binary ladder", f"a commitment for version {version}")
        output = vrf_output(config.ciphersuite, config.vrf_public_key, vrf_input(label, version), step.proof)
        out[version] = VersionKey(output, step.commitment)
    return out


def search_keys(
    config: Configuration,
    label: bytes,
    target: int,
    is_greatest: bool,
    steps: Sequence[BinaryLadderStep],
    opening: bytes,
    value: bytes,
) -> dict[int, VersionKey]:
    """The keys of a search for `target`, whose commitment follows from its opening and value."""

    def may_be_there(version: int) -> bool:
        return version < target or (version > target and not is_greatest)

    keys = keys_of(config, label, trees.base_ladder(target), steps, may_be_there)
    keys[target] = VersionKey(keys[target].vrf_output, commitment_of(opening, label, target, value))
    return keys
