"""The algorithms of monitoring: contacts, owners who begin, owners who go on."""

from __future__ import annotations

from typing import Callable, Sequence

from . import trees
from .errors import require
from .walk import Walk

Map = list[tuple[int, int]]


def contact(walk: Walk, entries: Map, start: int | None = None) -> Map:
    """The contact algorithm; the map afterwards, ascending. `start` is the owner's in owner monitoring."""
    require(entries == sorted(entries), "monitoring map", "not ascending")
    require(all(position < walk.size for position, _ in entries), "monitoring map", "beyond the log")
    out: dict[int, int] = {}
    for position, version in reversed(entries):
        distinguished = walk.distinguished_path(position)
        if position in distinguished:
            continue
        place = _follow(walk, position, version, _to_inspect(walk, position, distinguished, start))
        if place is not None and place not in distinguished:
            out[place] = max(version, out.get(place, version))
    return sorted(out.items())


def _to_inspect(walk: Walk, position: int, distinguished: list[int], start: int | None) -> list[int]:
    """Step 2: the ancestors to the right up to the first that is distinguished."""
    out = []
    for ancestor in trees.direct_path(position, walk.size):
        if ancestor > position:
            out.append(ancestor)
            if ancestor in distinguished:
                break
    if start is not None and position >= start and out and out[-1] in distinguished:
        out.pop()
    return out


def _follow(walk: Walk, position: int, version: int, inspect: list[int]) -> int | None:
    """Step 3: where the version is monitored from now on; None if a greater one is instead."""
    for entry in inspect:
        earlier = walk.monitored.get(entry)
        if earlier is not None:
            require(earlier > version, "monitoring map", f"version {version} right of version {earlier}")
            return None
        shown = walk.lookups(entry, trees.monitoring_ladder(version))
        require(all(shown), "monitoring", f"version {version} is gone from entry {entry}")
        walk.monitored[entry] = version
        position = entry
    return position


def init_entries(walk: Walk, start: int) -> list[int]:
    """Owner initialisation, step 1: the entries to inspect. `start` must be distinguished and unexpired."""
    require(start in walk.distinguished_path(start), "start", "not distinguished")
    require(not walk.is_expired(start), "start", "expired")
    out = [start]
    for ancestor in trees.direct_path(start, walk.size):
        if ancestor < start:
            if walk.is_expired(ancestor):
                break
            out.append(ancestor)
    return out


def init(walk: Walk, entries: list[int], greatest: Sequence[int]) -> None:
    """Owner initialisation, step 5: `greatest` has the greatest version of each entry, and ends where there is none."""
    for index, entry in enumerate(entries):
        expect_greatest(walk, entry, greatest[index] if index < len(greatest) else None, omit=False)


def expect_greatest(walk: Walk, entry: int, version: int | None, omit: bool) -> None:
    """A search ladder that shows `version` to be the greatest; None stands for no version."""
    order = walk.search_ladder(entry, 0 if version is None else version, omit)
    require(order == (-1 if version is None else 0), "greatest version", f"entry {entry} has not {version}")


def owner(walk: Walk, start: int, expected: Callable[[int], int | None], goes_on: Callable[[int], bool]) -> int:
    """Owner monitoring; the rightmost distinguished entry that is verified now."""
    verified = start

    def visit(entry: int, left: int, right: int) -> bool:
        nonlocal verified
        if not walk.is_wide(left, right):
            return True
        left_child, right_child = trees.left(entry), trees.right(entry, walk.size)
        if entry > start:
            if left_child is not None and not visit(left_child, left, walk.timestamp(entry)):
                return False
            if not goes_on(entry):
                return False
            expect_greatest(walk, entry, expected(entry), omit=False)
            verified = entry
        return right_child is None or visit(right_child, walk.timestamp(entry), right)

    visit(trees.root(walk.size), 0, walk.newest)
    return verified
