"""The algorithm by which an owner checks new versions."""

from __future__ import annotations

from typing import Callable, Sequence

from . import trees
from .errors import require
from .monitor import expect_greatest
from .walk import Walk, tells


def ladder_versions(previous: int | None, new: Sequence[int]) -> list[int]:
    """The versions whose VRF proofs an update brings, ascending."""
    known = {0} if previous is None else set(trees.base_ladder(previous))
    return sorted({*trees.base_ladder(new[-1]), *new} - known)


def check(
    walk: Walk,
    position: int,
    new: Sequence[int],
    previous: int | None,
    known_to: int,
    known_at: Callable[[int], int | None],
) -> bool:
    """Checks that entry `position` brought the versions `new`, and none came between.

    `previous` is the greatest version before. Up to the entry `known_to` nothing is inspected: `known_at` says what was greatest there.
    Returns whether the entry must be monitored.
    """
    distinguished = walk.distinguished_path(position - 1)
    for entry in trees.frontier(position):
        if entry in distinguished:
            continue
        if previous is not None and entry <= known_to:
            _skip(walk, entry, previous, known_at(entry))
        else:
            expect_greatest(walk, entry, previous, omit=True)
    greatest = new[-1]
    extra = sorted(set(new) - set(trees.base_ladder(greatest)))
    is_distinguished = position in walk.distinguished_path(position)
    if not is_distinguished:
        expect_greatest(walk, position, greatest, omit=True)
    require(all(walk.lookups(position, extra)), "update", "a new version is missing")
    return not is_distinguished


def _skip(walk: Walk, entry: int, target: int, greatest: int | None) -> None:
    """Notes what the ladder of an entry would have shown."""
    shown = walk.shown.setdefault(entry, {})
    for version in trees.base_ladder(target):
        included = greatest is not None and version <= greatest
        if walk.known(entry, version) is None:
            shown[version] = included
        if tells(version, included, target):
            break
