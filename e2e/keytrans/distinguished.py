"""The walk over the recent distinguished entries."""

from __future__ import annotations

from . import trees
from .walk import Walk


def recent(walk: Walk, stop: int | None, count: int) -> list[int]:
    """The `count` rightmost distinguished entries (fewer if `stop` is met), from left to right."""
    found: list[int] = []

    def visit(entry: int, left: int, right: int) -> None:
        if not walk.is_wide(left, right):
            return
        timestamp = walk.timestamp(entry)
        right_child, left_child = trees.right(entry, walk.size), trees.left(entry)
        if right_child is not None:
            visit(right_child, timestamp, right)
        if (stop is not None and entry <= stop) or len(found) == count:
            return
        found.append(entry)
        if left_child is not None:
            visit(left_child, left, timestamp)

    visit(trees.root(walk.size), 0, walk.newest)
    return found[::-1]
