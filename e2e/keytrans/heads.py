"""Tree heads: which size they give, and whether a root that was computed is signed."""

from __future__ import annotations

from .errors import Refused, require
from .structures import Configuration, FullTreeHead, TreeHead, auditor_tree_head_tbs, tree_head_tbs
from .suites import verify_signature
from .view import LogView, State, View


def size_of(head: FullTreeHead, state: State | None) -> int:
    """The size of the log that a response speaks of."""
    if head.tree_head is None:
        if state is None:
            raise Refused("tree head", "the same, but none was advertised")
        return state.size
    size = head.tree_head.tree_size
    require(size > (0 if state is None else state.size), "tree size", size)
    return size


def auditor_size_of(head: FullTreeHead) -> int | None:
    return head.auditor_tree_head.tree_size if head.auditor_tree_head else None


def verify_signed(config: Configuration, head: TreeHead, root: bytes) -> None:
    verify_signature(
        config.signature_public_key, tree_head_tbs(config, head.tree_size, root), head.signature, "tree head signature"
    )


def verify_clock(view: View, now: int) -> None:
    config = view.config
    require(view.newest <= now + config.max_ahead, "clock", "too far ahead")
    require(view.newest + config.max_behind >= now, "clock", "too far behind")


def verify(head: FullTreeHead, view: View, now: int) -> tuple[LogView, State]:
    """Draft, "Full Tree Head Verification", with the rest of the proof; what is kept afterwards."""
    config, state = view.config, view.state
    auditor = head.auditor_tree_head
    log = view.finish(auditor_size_of(head))
    verify_clock(view, now)
    if head.tree_head is None:
        require(log.root() == state.root(), "root", "is not the same")
        return log, log.state_at(view.size, state.auditor_size)
    verify_signed(config, head.tree_head, log.root())
    if auditor is None:
        return log, log.state_at(view.size)
    if state is not None:
        seen = state.auditor_size
        require(seen is not None and seen >= config.auditor_start_pos, "auditor start", seen)
    require(0 <= view.newest - auditor.timestamp <= config.max_auditor_lag, "auditor lag", auditor.timestamp)
    signed = auditor_tree_head_tbs(config, auditor.timestamp, auditor.tree_size, log.root(auditor.tree_size))
    verify_signature(config.auditor_public_key, signed, auditor.signature, "auditor signature")
    return log, log.state_at(view.size, auditor.tree_size)
