"""What stands in proofs and in which order, worked out by hand from the draft's text for one small log.

The log has 14 entries, 10 ms apart; with a window of 40 ms the entries 0, 1, 3, 5, 7, 9 and 11 are distinguished. Its frontier is 7, 11, 13.
"""

from __future__ import annotations

from typing import Any

import pytest

from .auditor import distinguished_entries
from .messages import ContactMonitorRequest, DistinguishedRequest, OwnerInitRequest, OwnerMonitorRequest, SearchRequest, UpdateRequest
from .responses import Owner
from .structures import CombinedTreeProof
from .test_tiny import ALICE, BOB, make_log
from .tiny import TinyLog

SAM = b"sam"
FRONTIER = [7, 11, 13]
DISTINGUISHED = [0, 1, 3, 5, 7, 9, 11]


@pytest.fixture(scope="module")
def log() -> TinyLog:
    """bob's versions 0 to 4 come in entries 0, 3, 6, 9 and 12; alice's 0 and 1 in 1, 2 in 12; sam's 0 in 4, 1 in 13."""
    out = make_log(13, window=40)
    out.timestamps, out.leaves = out.timestamps[:4], out.leaves[:4]
    labels, out.labels = out.labels, {label: [one for one in stored if one.entry < 4] for label, stored in out.labels.items()}
    for entry in range(4, 14):
        changes = [(label, [one.value for one in stored if one.entry == entry]) for label, stored in labels.items()]
        out.append(1000 + 10 * entry, [*changes, *([(SAM, [b"sam %d" % entry])] if entry in (4, 13) else [])])
    return out


def shape(log: TinyLog, proof: CombinedTreeProof) -> tuple[list[int], list[list[bool]]]:
    """The entries of the timestamps, and per prefix proof which look-ups showed inclusion."""
    times = [log.timestamps.index(timestamp) for timestamp in proof.timestamps]
    return times, [[result.result_type == 1 for result in one.results] for one in proof.prefix_proofs]


def test_the_log_is_as_described(log: TinyLog) -> None:
    assert distinguished_entries(log.config, log.timestamps) == DISTINGUISHED
    for label, entries in ((BOB, [0, 3, 6, 9, 12]), (ALICE, [1, 1, 12]), (SAM, [4, 13])):
        assert [one.entry for one in log.labels[label]] == entries


Y, N = True, False


@pytest.mark.parametrize(
    ("label", "version", "more_times", "proofs"),
    [
        # From the rightmost distinguished entry, 11, with 3 as greatest: 0, 1, 3 are there, 7, 5, 4 not. 13 omits 0, 1, 3.
        (BOB, None, [], [[Y, Y, Y, N, N, N], [N, N, Y]]),
        # Ladder for 2: 0, 1, 3, 2. Entry 7 has 2 as greatest.
        (BOB, 2, [], [[Y, Y, N, Y]]),
        # Ladder for 1: 0, 1, 3, 2. Entry 7 has 2, so go left; entry 3 omits 3, which 7 to its right has not.
        (BOB, 1, [3], [[Y, Y, N, Y], [Y, Y, N]]),
        # Ladder for 3: 0, 1, 3, 7, 5, 4. Entry 7 ends at 3; entry 11 omits 0 and 1, which 7 to its left has.
        (BOB, 3, [], [[Y, Y, N], [Y, N, N, N]]),
        # Ladder for 4: 0, 1, 3, 7, 5, 4.
        (BOB, 4, [], [[Y, Y, N], [Y, N, N, N], [N, N, Y]]),
        # Ladder for 0: 0, 1. Entries 7, 3, 1 have 1, entry 0 has nothing; then version 0 alone in the leftmost that has 1.
        (ALICE, 0, [3, 1, 0], [[Y, Y], [Y, Y], [Y, Y], [N], [Y]]),
    ],
)
def test_searches(log: TinyLog, label: bytes, version: int | None, more_times: list[int], proofs: Any) -> None:
    response = log.search(SearchRequest(None, label, version))
    assert shape(log, response.search) == ([*FRONTIER, *more_times], proofs)


@pytest.mark.parametrize(
    ("recent", "stop", "more_times"),
    [(10, None, [9, 3, 5, 1, 0]), (2, None, [9]), (1, None, [9]), (10, 5, [9, 3, 5]), (10, 7, [9]), (10, 13, [])],
)
def test_distinguished_walks(log: TinyLog, recent: int, stop: int | None, more_times: list[int]) -> None:
    response = log.distinguished(DistinguishedRequest(None, stop), recent)
    assert shape(log, response.proof) == ([*FRONTIER, *more_times], [])


@pytest.mark.parametrize(
    ("entries", "more_times", "proofs"),
    [
        # The ancestors of 4 are 5, 3 and 7; to its right 5 is the first that is distinguished.
        ([(4, 1)], [3, 5], [[Y, Y]]),
        # 13 is not distinguished, and so on the frontier the last ancestor of 12.
        ([(12, 4)], [], [[Y, Y, Y, Y]]),
        # From the right to the left: 12 to 13, then 10 to 11, which is distinguished.
        ([(10, 3), (12, 4)], [9], [[Y, Y, Y, Y], [Y, Y, Y]]),
        # 4 and 6: 6 goes to 7, 4 to 5.
        ([(4, 1), (6, 2)], [3, 5], [[Y, Y, Y], [Y, Y]]),
        # Distinguished ones need nothing but to be known as such.
        ([(9, 3)], [], []),
    ],
)
def test_contact_monitoring(log: TinyLog, entries: Any, more_times: list[int], proofs: Any) -> None:
    response = log.contact_monitor(ContactMonitorRequest(None, BOB, entries))
    assert shape(log, response.proof) == ([*FRONTIER, *more_times], proofs)


def test_owner_initialisation(log: TinyLog) -> None:
    """From 5: 5 itself and, of its ancestors, 3, which is to the left. Both have version 1; the ladder for it is 0, 1, 3, 2."""
    response = log.owner_init(OwnerInitRequest(None, BOB, 5))
    assert shape(log, response.init) == ([*FRONTIER, 3, 5], [[Y, Y, N, N]] * 2)
    assert response.greatest_versions == [1, 1] and len(response.binary_ladder) == 4
    assert [step.commitment is not None for step in response.binary_ladder] == [Y, Y, N, N]


def test_owner_initialisation_before_the_label(log: TinyLog) -> None:
    """sam's label begins in entry 4: entry 5 has version 0, entry 3 nothing."""
    response = log.owner_init(OwnerInitRequest(None, SAM, 5))
    assert shape(log, response.init) == ([*FRONTIER, 3, 5], [[Y, N], [N]])
    assert response.greatest_versions == [0]


@pytest.mark.parametrize(
    ("limit", "more_times", "entries"), [(10, [3, 5, 9], [5, 7, 9, 11]), (2, [3, 5, 9], [5, 7]), (1, [3, 5], [5])]
)
def test_owner_monitoring(log: TinyLog, limit: int, more_times: list[int], entries: list[int]) -> None:
    """From start 3, with version 1 of alice's. 3 and 5 are recursed from, and 9 to 8; at the limit the walk has gone to 9 already."""
    response = log.owner_monitor(OwnerMonitorRequest(None, ALICE, [], 3, 1), limit)
    assert shape(log, response.proof) == ([*FRONTIER, *more_times], [[Y, Y, N, N]] * len(entries))


def test_owner_monitoring_with_a_map(log: TinyLog) -> None:
    """Entry 4 is right of start 3: its distinguished ancestor 5 is left to the owner's algorithm. Entry 2 is to its left."""
    response = log.owner_monitor(OwnerMonitorRequest(None, SAM, [(4, 0)], 3, 0))
    assert shape(log, response.proof) == ([*FRONTIER, 3, 5, 9], [[Y, N]] * 4)
    response = log.owner_monitor(OwnerMonitorRequest(None, ALICE, [(2, 1)], 3, 1), 0)
    assert shape(log, response.proof) == ([*FRONTIER, 3, 1, 5], [[Y, Y]])


def test_updates(log: TinyLog) -> None:
    """sam's version 1 in 13: the frontier before was 7, 11, 12, of which 12 is not distinguished. Ladders: 0, 1, then 0, 1, 3, 2."""
    owner = Owner(3, None)
    response = log.update(UpdateRequest(None, SAM, 0, []), Owner(3, 0, [(4, 0)]), False)
    assert shape(log, response.update) == ([*FRONTIER, 12], [[Y, N], [Y, N, N]])
    # VRF proofs for 2 and 3: 0 and 1 are known from the ladder for 0.
    assert (response.position, len(response.binary_ladder)) == (13, 2)
    # alice's version 2 in 12: the frontier before, 7 and 11, is distinguished. Ladder for 2: 0, 1, 3, 2.
    response = log.update(UpdateRequest(None, ALICE, 1, []), Owner(1, 1, [(1, 1)]), False)
    assert shape(log, response.update) == ([*FRONTIER, 12], [[Y, Y, N, Y]])
    # The ladder for 1 was 0, 1, 3, 2: nothing new is to be proved.
    assert (response.position, len(response.binary_ladder)) == (12, 0)
    # bob's version 1 in 3: before it 1 is distinguished, 2 not. 3 is distinguished: owner monitoring will look at it.
    response = log.update(UpdateRequest(None, BOB, 0, []), Owner(1, 0, [(0, 0)]), False)
    assert shape(log, response.update) == ([*FRONTIER, 3, 1, 2], [[Y, N]])
    # bob's version 2 in 6: before it 3 and 5 are distinguished. Ladder for 2: 0, 1, 3, 2.
    response = log.update(UpdateRequest(None, BOB, 1, []), Owner(3, 1, [(3, 1)]), False)
    assert shape(log, response.update) == ([*FRONTIER, 3, 5, 6], [[Y, Y, N, Y]])
    # sam's version 0 in 4 to an owner who begins at 3: the frontier before is 3.
    response = log.update(UpdateRequest(None, SAM, None, []), owner, False)
    assert shape(log, response.update) == ([*FRONTIER, 3, 5, 4], [[Y, N]])


def test_a_returning_reader_gets_only_what_is_new(log: TinyLog) -> None:
    """Who saw 10 entries keeps 7 and 9. The ancestors of 9 are 11 and 7, so 11 and then 13 are new; the search begins at 11."""
    response = log.search(SearchRequest(10, BOB, None))
    assert shape(log, response.search) == ([11, 13], [[Y, Y, Y, N, N, N], [N, N, Y]])
    assert response.search.prefix_roots == []
    # Retained: the subtrees of 0 to 7 and of 8 and 9.
    assert response.search.inclusion == [log.node(10, 1), log.node(12, 1)]
    fixed = log.search(SearchRequest(10, BOB, 2))
    assert shape(log, fixed.search) == ([11, 13], [[Y, Y, N, Y]])
    assert fixed.search.prefix_roots == [log.prefix_root(11), log.prefix_root(13)]
    same = log.search(SearchRequest(14, BOB, 1))
    assert shape(log, same.search) == ([3], [[Y, Y, N, Y], [Y, Y, N]])
    # Entry 3 is within the retained subtree of 0 to 7, which is opened down to it.
    assert same.search.inclusion == [log.node(0, 2), log.node(2, 1), log.node(4, 4)]
