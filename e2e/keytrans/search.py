"""Greatest-version and fixed-version search."""

from __future__ import annotations

from . import trees
from .errors import Refused, require
from .structures import CONTACT_MONITORING
from .walk import Walk


def greatest(walk: Walk, target: int) -> int:
    """Shows `target` to be the greatest version; the terminal entry."""
    entry = walk.rightmost_distinguished()
    entry = trees.root(walk.size) if entry is None else entry
    terminal: int | None = None
    while True:
        order = walk.search_ladder(entry, target, omit=True)
        require(order <= 0, "greatest version", f"a greater one in entry {entry}")
        if order == 0 and terminal is None:
            terminal = entry
        child = trees.right(entry, walk.size)
        if child is None:
            require(order == 0, "greatest version", f"not in the newest entry {entry}")
            return terminal
        entry = child


def fixed(walk: Walk, target: int) -> int:
    """Finds the version `target`; the terminal entry."""
    entry: int | None = trees.root(walk.size)
    expired: list[int] = []
    inspected: list[int] = []
    greater: list[int] = []
    deepest = entry
    while entry is not None:
        deepest = entry
        if walk.is_expired(entry):
            expired.append(entry)
            entry = trees.right(entry, walk.size)
            continue
        order = walk.search_ladder(entry, target, omit=True)
        inspected.append(entry)
        if order == 0:
            if expired:
                _require_checked(walk, entry, inspected, with_itself=True)
            return entry
        if order > 0:
            greater.append(entry)
        entry = trees.left(entry) if order > 0 else trees.right(entry, walk.size)
    if not greater:
        raise Refused("fixed version", "does not exist")
    identified = min(greater)
    if expired:
        _require_checked(walk, identified, inspected, with_itself=False, deepest=deepest)
    require(walk.lookups(identified, [target]) == [True], "fixed version", "does not exist")
    return identified


def _require_checked(
    walk: Walk, entry: int, inspected: list[int], with_itself: bool, deepest: int | None = None
) -> None:
    """After expired entries: an unexpired distinguished entry left of `entry` (or itself, if `with_itself`) was inspected."""
    distinguished = walk.distinguished_path(entry if deepest is None else deepest)
    checked = [other for other in inspected if other in distinguished]
    holds = any(other < entry for other in checked) or (with_itself and entry in checked)
    require(holds, "fixed version", "expired")


def must_be_monitored(walk: Walk, terminal: int) -> bool:
    """In contact monitoring mode: whether the terminal entry is right of the rightmost distinguished one."""
    rightmost = walk.rightmost_distinguished()
    return walk.config.mode == CONTACT_MONITORING and (rightmost is None or terminal > rightmost)
