"""Prefix trees as far as a proof shows them: their root, and what they become when leaves are added or removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Union

from .errors import Refused, require
from .structures import INCLUSION, NON_INCLUSION_LEAF, PrefixLeaf, PrefixProof, PrefixSearchResult
from .suites import NH, VRF_NH, digest

BITS = 8 * VRF_NH
ZERO = bytes(NH)


def bit(key: bytes, depth: int) -> int:
    return key[depth // 8] >> (7 - depth % 8) & 1


def prefix(key: bytes, depth: int) -> int:
    """The first `depth` bits."""
    return int.from_bytes(key, "big") >> (BITS - depth)


def leaf_value(leaf: PrefixLeaf) -> bytes:
    return digest(b"\x02", leaf.vrf_output, leaf.commitment)


def parent_value(one: bytes, other: bytes) -> bytes:
    return digest(b"\x03", one, other)


EMPTY_ROOT = parent_value(ZERO, ZERO)


@dataclass(frozen=True)
class Absent:
    """The stand-in of a child that is missing."""


@dataclass(frozen=True)
class Hidden:
    """A node of which only the value is known."""

    value: bytes


@dataclass(frozen=True)
class Parent:
    children: tuple[Node, Node]

    def with_child(self, side: int, child: Node) -> Parent:
        return Parent((child, self.children[1]) if side == 0 else (self.children[0], child))


Node = Union[Absent, Hidden, PrefixLeaf, Parent]


def value_of(node: Node) -> bytes:
    if isinstance(node, Absent):
        return ZERO
    if isinstance(node, Hidden):
        return node.value
    if isinstance(node, PrefixLeaf):
        return leaf_value(node)
    return parent_value(*map(value_of, node.children))


def terminal(key: bytes, result: PrefixSearchResult, commitment: bytes | None) -> Node:
    """The node at which the search for `key` ended."""
    require(result.depth >= 1, "prefix depth", "the root is a parent")
    if result.result_type == INCLUSION:
        if commitment is None:
            raise Refused("commitment missing", key.hex())
        return PrefixLeaf(key, commitment)
    if result.result_type == NON_INCLUSION_LEAF:
        leaf = result.leaf
        require(leaf.vrf_output != key, "non-inclusion leaf", "is the key that was searched for")
        same = prefix(leaf.vrf_output, result.depth) == prefix(key, result.depth)
        require(same, "non-inclusion leaf", "is not on the way")
        return leaf
    return Absent()


def evaluate(proof: PrefixProof, keys: Sequence[bytes], commitments: Sequence[bytes | None]) -> Node:
    """The tree as far as `proof` shows it. `commitments` has one for each key that is included."""
    require(len(proof.results) == len(keys), "prefix results", f"{len(proof.results)} for {len(keys)} look-ups")
    found: dict[tuple[int, int], Node] = {}
    for key, result, commitment in zip(keys, proof.results, commitments, strict=True):
        place = result.depth, prefix(key, result.depth)
        node = terminal(key, result, commitment)
        require(found.setdefault(place, node) == node, "prefix results", "two ends at one place")
    elements = list(proof.elements)

    def build(depth: int, bits: int, ends: dict[tuple[int, int], Node]) -> Node:
        if (depth, bits) in ends:
            require(len(ends) == 1, "prefix results", "an end below an end")
            return ends[depth, bits]
        if not ends:
            require(bool(elements), "prefix elements", "too few")
            return Hidden(elements.pop(0))
        sides: tuple[dict, dict] = ({}, {})
        for (end_depth, end_bits), node in ends.items():
            sides[end_bits >> (end_depth - depth - 1) & 1][end_depth, end_bits] = node
        return Parent((build(depth + 1, 2 * bits, sides[0]), build(depth + 1, 2 * bits + 1, sides[1])))

    tree = build(0, 0, found)
    require(not elements, "prefix elements", "too many")
    return tree


def without(node: Node, key: bytes, depth: int = 0) -> Node:
    """The tree after the leaf for `key` is gone: a stand-in takes its place, nothing else moves."""
    if isinstance(node, Parent):
        side = bit(key, depth)
        return node.with_child(side, without(node.children[side], key, depth + 1))
    require(isinstance(node, PrefixLeaf) and node.vrf_output == key, "removed", "no such leaf")
    return Absent()


def with_leaf(node: Node, leaf: PrefixLeaf, depth: int = 0) -> Node:
    """The tree after `leaf` came: at a stand-in, or beside the leaf where its search ends."""
    if isinstance(node, Absent):
        return leaf
    if isinstance(node, PrefixLeaf):
        require(node.vrf_output != leaf.vrf_output, "added", "there already")
        children: list[Node] = [Absent(), Absent()]
        children[bit(node.vrf_output, depth)] = node
        node = Parent((children[0], children[1]))
    require(isinstance(node, Parent), "added", "its place is not shown")
    side = bit(leaf.vrf_output, depth)
    return node.with_child(side, with_leaf(node.children[side], leaf, depth + 1))
