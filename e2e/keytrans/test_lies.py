"""A log that lies, with its own signature: each check of the algorithms refuses something that no hash would."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import Iterator

import pytest

from . import credentials, monitor, responses, search, update
from .auditor import Auditor
from .errors import Refused
from .messages import (
    DistinguishedRequest,
    OwnerInitRequest,
    OwnerMonitorRequest,
    SearchRequest,
    UpdateRequest,
)
from .structures import AuditorTreeHead, BinaryLadderStep, FullTreeHead, PrefixLeaf, auditor_tree_head_tbs
from .test_tiny import ALICE, BOB, CAROL, begin, known_entries, make_log, seen_at, verifier
from .tiny import Recorder, TinyLog


@contextmanager
def unchecked() -> Iterator[None]:
    """The log runs the algorithms without their checks."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (search, monitor, update):
            patch.setattr(module, "require", lambda *_: None)
        yield


def hide(log: TinyLog, label: bytes, version: int, entries: range) -> None:
    """Takes a version out of the prefix trees of `entries`."""
    for entry in entries:
        log.leaves[entry] = {k: v for k, v in log.leaves[entry].items() if k != log.place(label, version)}


def claim(log: TinyLog, label: bytes, target: int, last: int | None = None) -> bytes:
    """A greatest-version search that claims `target`."""
    with unchecked():
        walk = Recorder(log, last, label)
        search.greatest(walk, target)
    response = log.search(SearchRequest(last, label, target))
    steps = zip(responses.trees.base_ladder(target), response.binary_ladder)
    ladder = [step if version < target else replace(step, commitment=None) for version, step in steps]
    return replace(response, version=target, binary_ladder=ladder, search=walk.proof()).encode()


def test_a_greatest_version_that_is_not() -> None:
    log = make_log(8)
    request = SearchRequest(None, BOB, None)
    assert responses.verify_search(verifier(log), request, claim(log, BOB, 2))[0].version == 2
    with pytest.raises(Refused):
        responses.verify_search(verifier(log), request, claim(log, BOB, 1))


def test_a_greater_version_with_a_commitment_is_seen() -> None:
    """Version 3 is in the ladder for 2 (0, 1, 3, 2): with its commitment the look-up itself is good, but contradicts the claim."""
    log = make_log(10)
    response = log.search(SearchRequest(None, BOB, 2))
    with unchecked():
        walk = Recorder(log, None, BOB)
        search.greatest(walk, 2)
    assert walk.search_ladder(9, 2, omit=False) == 1
    with pytest.raises(Refused, match="greatest version"):
        search.greatest(Recorder(log, None, BOB), 2)
    encoded = replace(response, version=2, search=walk.proof()).encode()
    with pytest.raises(Refused, match="commitment for version 3"):
        responses.verify_search(verifier(log), SearchRequest(None, BOB, None), encoded)


def test_an_expired_version() -> None:
    """Entry 15 is the root of 20, and expired with everything left of it; nothing distinguished is left of what is not."""
    log = make_log(20, lifetime=110, window=100)
    request = SearchRequest(None, ALICE, 0)
    with pytest.raises(Refused, match="expired"):
        log.search(request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_require_checked", lambda *_, **__: None)
        encoded = log.search(request).encode()
    with pytest.raises(Refused, match="expired"):
        responses.verify_search(verifier(log), request, encoded)


def many_versions(hidden: int | None, window: int) -> TinyLog:
    """bob's versions 6 to 12 in one entry: the ladder for 12 leaves some of them out."""
    log = make_log(16, window=window).at(18)
    log.append(1160, [(BOB, [b"%d" % n for n in range(7)])])
    if hidden is not None:
        hide(log, BOB, hidden, range(16, 17))
    return log


@pytest.mark.parametrize("window", [0, 100])
def test_an_update_without_one_of_its_versions(window: int) -> None:
    for hidden in (None, 6, 8):
        log = many_versions(hidden, window)
        owning = begin(make_log(16, window=window), 16)
        while owning.owner.greatest < 5:
            owning.update(log.at(16))
        request = UpdateRequest(owning.state.size, BOB, 5, [])
        with unchecked():
            encoded = log.update(request, owning.owner, False).encode()
        if hidden is None:
            assert responses.verify_update(verifier(log, owning.state), request, encoded, owning.owner)[0].greatest == 12
        else:
            with pytest.raises(Refused, match="update"):
                responses.verify_update(verifier(log, owning.state), request, encoded, owning.owner)


def test_an_update_at_an_entry_that_was_verified() -> None:
    full = make_log(24)
    owning = begin(full, 16)
    request = UpdateRequest(16, BOB, owning.owner.greatest, [])
    response = full.at(24).update(request, owning.owner, False)
    late = replace(owning.owner, start=response.position)
    with pytest.raises(Refused, match="position"):
        responses.verify_update(verifier(full, owning.state), request, response.encode(), late)


def test_the_same_head_with_another_view() -> None:
    log, other = make_log(8), make_log(8)
    state = seen_at(log, 8)
    request = SearchRequest(8, BOB, 0)
    proof = other.search(request)
    wrong = replace(state, full_subtrees=[bytes(32)])
    with pytest.raises(Refused):
        responses.verify_search(verifier(log, wrong), request, proof.encode())


def test_a_head_that_is_no_larger() -> None:
    log = make_log(8)
    request = SearchRequest(8, BOB, None)
    response = replace(log.search(request), full_tree_head=FullTreeHead(log.tree_head()))
    with pytest.raises(Refused, match="tree size"):
        responses.verify_search(verifier(log, seen_at(log, 8)), request, response.encode())


def test_an_auditor_who_began_later_than_the_last_head() -> None:
    log = make_log(8, audited=True)
    log.config = replace(log.config, auditor_start_pos=5)
    for seen, good in ((4, False), (5, True)):
        state = replace(seen_at(log, 6), auditor_size=seen)
        request = SearchRequest(6, BOB, None)
        encoded = log.search(request).encode()
        if good:
            responses.verify_search(verifier(log, state), request, encoded)
        else:
            with pytest.raises(Refused, match="auditor start"):
                responses.verify_search(verifier(log, state), request, encoded)


def test_an_auditor_of_another_log() -> None:
    """The auditor's log is smaller than what was retained: its root must come from the same nodes."""
    log, other = make_log(12, audited=True), make_log(12, audited=True)
    other.timestamps[1] += 1
    request = SearchRequest(8, BOB, None)
    log.auditor_behind = 7
    state = seen_at(log, 8)
    good = log.search(request)
    responses.verify_search(verifier(log, state), request, good.encode())
    signed = auditor_tree_head_tbs(log.config, log.timestamps[4], 5, other.root(5))
    head = AuditorTreeHead(log.timestamps[4], 5, log.secrets.auditor.sign(signed))
    forged_inclusion = [other.node(0, 4), *good.search.inclusion[1:]]
    for inclusion in (good.search.inclusion, forged_inclusion):
        response = replace(
            good,
            full_tree_head=FullTreeHead(good.full_tree_head.tree_head, head),
            search=replace(good.search, inclusion=inclusion),
        )
        with pytest.raises(Refused):
            responses.verify_search(verifier(log, state), request, response.encode())


def test_credentials_that_claim_too_little_or_too_much() -> None:
    log = make_log(21)
    known = known_entries(log)
    position = known[-1].entry
    standard = log.credential(ALICE, position)
    assert credentials.verify(log.config, standard.encode(), known).is_final
    with pytest.raises(Refused, match="unknown"):
        credentials.verify(log.config, standard.encode(), known[:-1])
    # Provisional, although the entry has the version already.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TinyLog, "greatest", lambda self, label, entry: None if entry == position else 2)
        provisional = log.credential(ALICE, position)
    with pytest.raises(Refused, match="terminal entry"):
        credentials.verify(log.config, provisional.encode(), known)
    # Standard, although the entry has not the version yet.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TinyLog, "greatest", lambda self, label, entry: 6)
        early = log.credential(BOB, position)
    with pytest.raises(Refused, match="greatest version"):
        credentials.verify(log.config, early.encode(), known)


def test_credentials_of_a_fork() -> None:
    log, fork = make_log(28), make_log(28)
    known, later = known_entries(log.at(21)), known_entries(log)
    for entry in range(19, 28):
        fork.leaves[entry] = {**fork.leaves[entry], fork.place(CAROL, 19): bytes(32)}
    credential = fork.at(21).credential(BOB, known[-1].entry)
    verified = credentials.verify(fork.config, credential.encode(), known)
    target = later[-1].entry
    forked = fork.credential_update(credential, verified.terminal, target).encode()
    credentials.verify_update(fork.config, credential.encode(), forked, [known[-1], known_entries(fork)[-1]])
    for proof in (forked, log.credential_update(credential, verified.terminal, target).encode()):
        with pytest.raises(Refused):
            credentials.verify_update(fork.config, credential.encode(), proof, [known[-1], later[-1]])
    # The terminal entry itself is known, in the other log.
    honest = known_entries(log.at(24))
    terminal = replace(honest[-1], entry=verified.terminal)
    with pytest.raises(Refused, match="terminal entry"):
        credentials.verify(fork.config, credential.encode(), [known[-1], terminal])


def test_an_owner_begins_at_an_expired_entry() -> None:
    log = make_log(20, lifetime=110, window=100)
    request = OwnerInitRequest(None, BOB, 3)
    with pytest.raises(Refused, match="expired"):
        log.owner_init(request)
    with unchecked():
        encoded = log.owner_init(request).encode()
    with pytest.raises(Refused, match="start"):
        responses.verify_owner_init(verifier(log), request, encoded)


def test_steps_of_a_ladder_that_are_too_many_or_too_few() -> None:
    log = make_log(8)
    request = SearchRequest(None, BOB, None)
    good = log.search(request)
    step = good.binary_ladder[-1]
    for ladder in ([*good.binary_ladder, step], good.binary_ladder[:-1]):
        with pytest.raises(Refused, match="binary ladder"):
            responses.verify_search(verifier(log), request, replace(good, binary_ladder=ladder).encode())
    target = responses.trees.base_ladder(2).index(2)
    worse = list(good.binary_ladder)
    worse[target] = BinaryLadderStep(worse[target].proof, log.commitment(BOB, 2))
    with pytest.raises(Refused, match="commitment for version 2"):
        responses.verify_search(verifier(log), request, replace(good, binary_ladder=worse).encode())


def test_an_auditor_refuses_each_wrong_change() -> None:
    log = make_log(6, window=10**9, audited=True)
    auditor = Auditor.beginning()
    for entry in range(5):
        auditor = auditor.then(log.config, log.auditor_update(entry).encode())
    good = log.auditor_update(5)
    assert len(good.added) == 1 and auditor.then(log.config, good.encode()).root() == log.root()
    two = replace(log, leaves=[*log.leaves[:5], {**log.leaves[5], bytes(32): bytes(32)}]).auditor_update(5)
    assert auditor.then(log.config, two.encode()).size == 6
    swapped = replace(two, added=two.added[::-1], proof=replace(two.proof, results=two.proof.results[::-1]))
    other = replace(auditor, prefix_root=bytes(32))
    with pytest.raises(Refused, match="prefix root"):
        other.then(log.config, good.encode())
    for update_, what in (
        (replace(good, timestamp=auditor.timestamps[-1] - 1), "monotonic"),
        (swapped, "ascending"),
        (replace(good, added=[*good.added, *good.added]), "ascending"),
    ):
        with pytest.raises(Refused, match=what):
            auditor.then(log.config, update_.encode())
    present = log.place(CAROL, 2)
    log.leaves[5] = {**log.leaves[4], present: bytes(32)}
    both = log.auditor_update(5)
    with pytest.raises(Refused, match="distinguished"):
        auditor.then(log.config, both.encode())
    only_added = replace(both, removed=[], proof=replace(both.proof, results=both.proof.results[:1]))
    assert only_added.added == [PrefixLeaf(present, bytes(32))]
    with pytest.raises(Refused, match="otherwise"):
        auditor.then(log.config, only_added.encode())


def test_an_owner_sees_a_version_that_went() -> None:
    full = make_log(40, window=30)
    owning = begin(full, 14)
    while owning.owner.greatest < 13:
        owning.update(full)
    hide(full, BOB, 13, range(39, 40))
    later = make_log(48, window=30)
    for entry in range(40, 48):
        hide(later, BOB, 13, range(entry, entry + 1))
    owner = owning.owner
    request = OwnerMonitorRequest(40, BOB, owner.map, owner.start, owner.greatest)
    with unchecked():
        encoded = later.owner_monitor(request).encode()
    with pytest.raises(Refused):
        responses.verify_owner_monitor(verifier(later, owning.state), request, encoded, owner)


def test_distinguished_entries_of_a_fork() -> None:
    log, other = make_log(24), make_log(24)
    other.leaves[3] = dict(other.leaves[2])
    request = DistinguishedRequest(12, None)
    with pytest.raises(Refused):
        encoded = other.distinguished(request, 10).encode()
        responses.verify_distinguished(verifier(other, seen_at(log, 12)), request, encoded, 10)
