"""The verifier against a small log: all operations, from first contact and later, and with every byte changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from . import credentials, messages, monitor, responses, tiny, trees
from .auditor import Auditor
from .errors import Refused
from .messages import (
    ContactMonitorRequest,
    DistinguishedRequest,
    OwnerInitRequest,
    OwnerMonitorRequest,
    SearchRequest,
    UpdateRequest,
)
from .responses import Known, Owner, Verifier
from .run_vectors import Mismatch, outcome, verify_case
from .structures import Configuration, FullTreeHead
from .tls import read_all
from .tiny import Secrets, TinyLog
from .view import State

ALICE, BOB, CAROL = b"alice", b"bob", b"carol"
WINDOW = 100
SUITES = [0x0002, 0xF001]


def make_log(
    size: int, suite: int = 0x0002, window: int = WINDOW, audited: bool = False, lifetime: int | None = None, lag: int = 2**40
) -> TinyLog:
    """bob gets a version in each third entry, alice two in entry 1 and one in entry 12; carol fills the rest."""
    secrets = Secrets(suite, b"tiny")
    log = TinyLog(secrets, tiny.configuration(secrets, window, lifetime, audited, lag))
    for entry in range(size):
        changes = [(CAROL, [b"carol %d" % entry])]
        if entry % 3 == 0:
            changes.append((BOB, [b"bob %d" % entry]))
        if entry == 1:
            changes.append((ALICE, [b"alice one", b"alice two"]))
        if entry == 12:
            changes.append((ALICE, [b"alice three"]))
        log.append(1000 + 10 * entry, changes)
    return log


def verifier(log: TinyLog, state: State | None = None) -> Verifier:
    return Verifier(log.config, state, log.timestamps[-1])


def seen_at(log: TinyLog, size: int) -> State:
    """What somebody keeps who saw the log with `size` entries."""
    request = DistinguishedRequest(None, None)
    earlier = log.at(size)
    return responses.verify_distinguished(verifier(earlier), request, earlier.distinguished(request, 10).encode(), 10)[1]


def test_a_log_reads_its_own_configuration() -> None:
    for audited in (False, True):
        config = make_log(1, audited=audited, lifetime=1000).config
        assert read_all(config.encode(), Configuration.read) == config


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 20])
def test_the_greatest_version_is_found(size: int, suite: int) -> None:
    log = make_log(size, suite)
    request = SearchRequest(None, BOB, None)
    found, state = responses.verify_search(verifier(log), request, log.search(request).encode())
    assert (found.version, found.value) == ((size - 1) // 3, b"bob %d" % (3 * ((size - 1) // 3)))
    assert state.root() == log.root() and state.size == size
    assert state.frontier == [(log.timestamps[e], log.prefix_root(e)) for e in trees.frontier(size)]


@pytest.mark.parametrize("size", [1, 5, 16, 21])
@pytest.mark.parametrize("lifetime", [None, 120])
def test_every_fixed_version_is_found_unless_expired(size: int, lifetime: int | None) -> None:
    log = make_log(size, lifetime=lifetime, window=40)
    found_some = False
    for version in range((size - 1) // 3 + 1):
        request = SearchRequest(None, BOB, version)
        try:
            response = log.search(request)
        except Refused as refusal:
            assert lifetime is not None and refusal.detail == "expired", refusal
            continue
        found, _ = responses.verify_search(verifier(log), request, response.encode())
        assert (found.version, found.value) == (version, b"bob %d" % (3 * version))
        found_some = True
    assert found_some
    with pytest.raises(Refused):
        log.search(SearchRequest(None, BOB, size))


@pytest.mark.parametrize("audited", [False, True])
def test_views_grow_from_every_size_to_every_size(audited: bool) -> None:
    log = make_log(17, audited=audited)
    for behind in (0, 3):
        log.auditor_behind = behind
        for before in range(1, 17):
            state = seen_at(log, before)
            for after in range(before, 18):
                later = log.at(after)
                for request in (SearchRequest(before, BOB, None), SearchRequest(before, BOB, 0)):
                    encoded = later.search(request).encode()
                    _, kept = responses.verify_search(verifier(later, state), request, encoded)
                    assert kept.root() == later.root()


def test_a_fork_is_refused() -> None:
    log, other = make_log(12), make_log(12)
    state = seen_at(log, 6)
    other.timestamps[2] += 1
    for request in (SearchRequest(6, BOB, None), SearchRequest(6, BOB, 0)):
        with pytest.raises(Refused):
            responses.verify_search(verifier(other, state), request, other.search(request).encode())


def test_clocks_and_heads_are_checked() -> None:
    log = make_log(4)
    request = SearchRequest(None, ALICE, None)
    encoded = log.search(request).encode()
    newest = log.timestamps[-1]
    for now, good in ((newest - 1000, True), (newest - 1001, False), (newest + 5000, True), (newest + 5001, False)):
        at = Verifier(log.config, None, now)
        if good:
            responses.verify_search(at, request, encoded)
        else:
            with pytest.raises(Refused, match="clock"):
                responses.verify_search(at, request, encoded)
    same = replace(log.search(request), full_tree_head=FullTreeHead(None))
    with pytest.raises(Refused, match="none was advertised"):
        responses.verify_search(verifier(log), request, same.encode())


def test_an_auditor_who_lags_too_much_is_refused() -> None:
    for lag, good in ((20, True), (19, False)):
        log = make_log(8, audited=True, lag=lag)
        log.auditor_behind = 2
        request = SearchRequest(None, BOB, None)
        encoded = log.search(request).encode()
        if good:
            _, state = responses.verify_search(verifier(log), request, encoded)
            assert state.auditor_size == 6
        else:
            with pytest.raises(Refused, match="auditor lag"):
                responses.verify_search(verifier(log), request, encoded)


@pytest.mark.parametrize("suite", SUITES)
def test_a_contact_monitors_until_a_distinguished_entry(suite: int) -> None:
    full = make_log(40, suite)
    for size in range(10, 24):
        log = full.at(size)
        request = SearchRequest(None, BOB, None)
        found, state = responses.verify_search(verifier(log), request, log.search(request).encode())
        if not found.must_be_monitored:
            continue
        entries, steps = [(found.terminal, found.version)], 0
        for later_size in range(size + 1, 41):
            later = full.at(later_size)
            ask = ContactMonitorRequest(state.size, BOB, entries)
            encoded = later.contact_monitor(ask).encode()
            entries, state = responses.verify_contact_monitor(verifier(later, state), ask, encoded, found.keys)
            steps += 1
            if not entries:
                break
            assert entries[0][0] in trees.frontier(later_size)
        assert not entries and steps > 0


def test_a_map_of_several_versions_is_joined() -> None:
    full = make_log(24)
    log = full.at(18)
    request = SearchRequest(None, BOB, None)
    found, state = responses.verify_search(verifier(log), request, log.search(request).encode())
    before = SearchRequest(18, BOB, found.version - 1)
    earlier, _ = responses.verify_search(verifier(log, state), before, log.search(before).encode())
    entries = sorted([(found.terminal, found.version), (earlier.terminal, earlier.version)])
    ask = ContactMonitorRequest(18, BOB, entries)
    keys = {**found.keys, **earlier.keys}
    after, _ = responses.verify_contact_monitor(verifier(full, state), ask, full.contact_monitor(ask).encode(), keys)
    assert len(after) <= 1


@dataclass
class Owning:
    """An owner of bob's label, and what is kept."""

    log: TinyLog
    owner: Owner
    state: State

    def update(self, log: TinyLog, values: list[bytes] = [], are_new: bool = False) -> list[bytes]:
        request = UpdateRequest(self.state.size, BOB, self.owner.greatest, values)
        encoded = log.update(request, self.owner, are_new).encode()
        at = verifier(log, self.state)
        self.owner, found, self.state = responses.verify_update(at, request, encoded, self.owner)
        return found

    def monitor(self, log: TinyLog, limit: int = 100) -> None:
        entries, start = self.owner.map, self.owner.start
        request = OwnerMonitorRequest(self.state.size, BOB, entries, start, self.owner.greatest)
        encoded = log.owner_monitor(request, limit).encode()
        self.owner, self.state = responses.verify_owner_monitor(verifier(log, self.state), request, encoded, self.owner)


def begin(full: TinyLog, size: int, label: bytes = BOB) -> Owning:
    log = full.at(size)
    request = DistinguishedRequest(None, None)
    known, state = responses.verify_distinguished(verifier(log), request, log.distinguished(request, 10).encode(), 10)
    ask = OwnerInitRequest(size, label, known[-1].entry)
    owner, state = responses.verify_owner_init(verifier(log, state), ask, log.owner_init(ask).encode())
    return Owning(full, owner, state)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("window", [0, 50, 100])
def test_an_owner_follows_every_version(suite: int, window: int) -> None:
    full = make_log(48, suite, window)
    owning = begin(full, 14)
    latest = full.greatest(BOB, 47)
    while owning.owner.greatest < latest:
        [value] = owning.update(full)
        assert value == b"bob %d" % (3 * owning.owner.greatest)
    before = None
    while before != (owning.owner.start, owning.owner.map):
        before = owning.owner.start, owning.owner.map
        owning.monitor(full, limit=2)
    walk = tiny.Recorder(full, None, BOB)
    assert owning.owner.start == walk.rightmost_distinguished()


@pytest.mark.parametrize("window", [30, 100])
def test_an_owner_updates_and_monitors_as_the_log_grows(window: int) -> None:
    full = make_log(60, window=window)
    owning = begin(full, 13)
    for size in range(14, 61):
        log = full.at(size)
        if log.greatest(BOB, size - 1) > owning.owner.greatest:
            are_new = log.labels[BOB][owning.owner.greatest + 1].entry == size - 1
            owning.update(log, [b"bob %d" % (size - 1)], are_new)
        elif size % 5 == 0:
            owning.monitor(log)
    assert owning.owner.greatest == full.greatest(BOB, 59)


def test_a_label_without_versions_can_be_owned() -> None:
    full = make_log(30, window=40)
    full.labels[b"sam"] = []
    full.append(1300, [(b"sam", [b"sam one", b"sam two", b"sam three"])])
    owning = begin(full, 20, b"sam")
    assert owning.owner.greatest is None and owning.owner.inserted == []
    request = OwnerMonitorRequest(20, b"sam", [], owning.owner.start, None)
    later = full.at(28)
    owner, state = responses.verify_owner_monitor(
        verifier(later, owning.state), request, later.owner_monitor(request).encode(), owning.owner
    )
    assert owner.start > owning.owner.start
    ask = UpdateRequest(28, b"sam", None, [])
    owner, values, _ = responses.verify_update(verifier(full, state), ask, full.update(ask, owner, False).encode(), owner)
    assert values == [b"sam one", b"sam two", b"sam three"] and owner.inserted == [(30, 2)]


def test_an_owner_sees_a_version_that_is_not_its_own() -> None:
    full = make_log(40, window=30)
    owning = begin(full, 14)
    walk = tiny.Recorder(full, 14, BOB)
    with pytest.raises(Refused, match="greatest version"):
        monitor.owner(walk, owning.owner.start, owning.owner.greatest_at, lambda _: True)
    proof = walk.proof()
    assert proof.prefix_proofs
    request = OwnerMonitorRequest(14, BOB, [], owning.owner.start, owning.owner.greatest)
    response = messages.ProofResponse(full.full_head(14), proof)
    with pytest.raises(Refused, match="greatest version|commitment missing"):
        at = verifier(full, owning.state)
        responses.verify_owner_monitor(at, request, response.encode(), owning.owner)


@pytest.mark.parametrize("size", [1, 9, 33, 40])
@pytest.mark.parametrize("stop", [None, 7])
def test_distinguished_entries_have_the_roots_of_their_logs(size: int, stop: int | None) -> None:
    full = make_log(40, window=30)
    log = full.at(size)
    for before in {None, 1, size // 2 or None, size}:
        state = None if before is None else seen_at(full, before)
        request = DistinguishedRequest(before, stop)
        encoded = log.distinguished(request, 10).encode()
        known, _ = responses.verify_distinguished(verifier(log, state), request, encoded, 10)
        assert [entry.state.root() for entry in known] == [full.root(entry.entry + 1) for entry in known]
        assert all(stop is None or entry.entry > stop for entry in known) and len(known) <= 10


def known_entries(log: TinyLog) -> list[Known]:
    request = DistinguishedRequest(None, None)
    return responses.verify_distinguished(verifier(log), request, log.distinguished(request, 10).encode(), 10)[0]


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("audited", [False, True])
def test_credentials_are_verified_at_once_and_for_good(suite: int, audited: bool) -> None:
    full = make_log(60, suite, window=60, audited=audited)
    finals = {"standard": 0, "provisional": 0, "updated": 0}
    for size in range(20, 40):
        log = full.at(size)
        known = known_entries(log)
        credential = log.credential(BOB, known[-1].entry)
        verified = credentials.verify(full.config, credential.encode(), known)
        assert (verified.label, verified.value) == (BOB, b"bob %d" % (3 * verified.version))
        if verified.terminal is None:
            assert verified.is_final
            finals["standard"] += 1
            continue
        assert not verified.is_final
        later = next(known_entries(full.at(n)) for n in range(size, 61) if known_entries(full.at(n))[-1].entry >= verified.terminal)
        again = credentials.verify(full.config, credential.encode(), [known[-1], *later])
        if again.is_final:
            finals["provisional"] += 1
            continue
        target = next(entry.entry for entry in later if entry.entry > verified.terminal)
        update = full.credential_update(credential, verified.terminal, target)
        credentials.verify_update(full.config, credential.encode(), update.encode(), [known[-1], *later])
        finals["updated"] += 1
    assert finals["standard"] and finals["updated"]


def test_an_auditor_follows_the_log() -> None:
    log = make_log(12, window=60, audited=True)
    auditor = Auditor.beginning()
    for entry in range(log.size):
        auditor = auditor.then(log.config, log.auditor_update(entry).encode())
        assert (auditor.prefix_root, auditor.root()) == (log.prefix_root(entry), log.root(entry + 1))
    replaced = dict(log.leaves[-1])
    replaced[log.place(ALICE, 0)] = bytes(32)
    log.timestamps.append(log.timestamps[-1])
    log.leaves.append(replaced)
    assert auditor.then(log.config, log.auditor_update(12).encode()).root() == log.root()
    log.leaves[-1] = {**log.leaves[11], log.place(CAROL, 11): bytes(32)}
    with pytest.raises(Refused, match="distinguished"):
        auditor.then(log.config, log.auditor_update(12).encode())


def make_cases(suite: int = 0x0002, audited: bool = False) -> list[dict[str, Any]]:
    """A case of each operation, in the format of the vector file."""
    full = make_log(28, suite, audited=audited)
    full.auditor_behind = 2
    log = full.at(21)
    now = full.timestamps[-1]

    def case(operation: str, at: TinyLog, state: State | None, **fields: Any) -> dict[str, Any]:
        out = {
            "name": f"{operation}, suite {suite:#06x}, {'audited' if audited else 'contact monitoring'}",
            "operation": operation,
            "config": full.config.encode().hex(),
            "now": now if at is full else at.timestamps[-1],
            "state": None if state is None else state.to_json(),
            "valid": True,
            **fields,
        }
        return {**out, "after": outcome(out)}

    search = SearchRequest(None, BOB, None)
    found, state = responses.verify_search(verifier(log), search, log.search(search).encode())
    fixed = SearchRequest(21, ALICE, 1)
    contact = ContactMonitorRequest(21, BOB, [(found.terminal, found.version)])
    distinguished = DistinguishedRequest(21, 3)
    owning = begin(full, 21)
    init = OwnerInitRequest(21, BOB, known_entries(log)[-1].entry)
    update = UpdateRequest(21, BOB, owning.owner.greatest, [])
    owned = owning.owner.to_json()
    updated = begin(full, 21)
    while updated.owner.greatest < full.greatest(BOB, 27):
        updated.update(full)
    owner = updated.owner
    watch = OwnerMonitorRequest(28, BOB, owner.map, owner.start, owner.greatest)
    known = known_entries(log)
    credential = log.credential(BOB, known[-1].entry)
    standard = log.credential(ALICE, known[-1].entry)
    terminal = credentials.verify(full.config, credential.encode(), known).terminal
    target = known_entries(full)[-1]
    assert terminal < target.entry
    credential_update = full.credential_update(credential, terminal, target.entry)
    shown = [entry.to_json() for entry in known]
    return [
        case("search", log, None, request=search.encode().hex(), response=log.search(search).encode().hex()),
        case("search", full, state, request=fixed.encode().hex(), response=full.search(fixed).encode().hex()),
        case(
            "contact-monitor",
            full,
            state,
            request=contact.encode().hex(),
            response=full.contact_monitor(contact).encode().hex(),
            vrf=responses.keys_to_json(found.keys),
        ),
        case("owner-init", log, state, request=init.encode().hex(), response=log.owner_init(init).encode().hex()),
        case(
            "owner-monitor",
            full,
            updated.state,
            request=watch.encode().hex(),
            response=full.owner_monitor(watch).encode().hex(),
            owner=owner.to_json(),
        ),
        case(
            "update",
            full,
            state,
            request=update.encode().hex(),
            response=full.update(update, owning.owner, False).encode().hex(),
            owner=owned,
        ),
        case(
            "distinguished",
            full,
            state,
            request=distinguished.encode().hex(),
            response=full.distinguished(distinguished, 10).encode().hex(),
            recent=10,
        ),
        case("credential", log, None, credential=credential.encode().hex(), known=shown),
        case("credential", log, None, credential=standard.encode().hex(), known=shown),
        case(
            "credential-update",
            log,
            None,
            credential=credential.encode().hex(),
            update=credential_update.encode().hex(),
            known=[*shown, target.to_json()],
        ),
        case(
            "auditor-update",
            log,
            None,
            auditor=Auditor.beginning().to_json(),
            updates=[log.auditor_update(entry).encode().hex() for entry in range(4)],
        ),
    ]


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    return make_cases()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("audited", [False, True])
def test_cases_come_out_as_they_say(suite: int, audited: bool) -> None:
    for case in make_cases(suite, audited):
        verify_case(case)
        with pytest.raises(Mismatch):
            verify_case({**case, "valid": False})
        with pytest.raises(Mismatch):
            verify_case({**case, "after": {**case["after"], "state": {}}})


MUTATED = {"credential-update": "update", "credential": "credential"}


@pytest.mark.parametrize("index", range(10))
def test_no_changed_byte_changes_the_outcome(cases: list[dict[str, Any]], index: int) -> None:
    case = cases[index]
    name = MUTATED.get(case["operation"], "response")
    content = bytes.fromhex(case[name])
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]
        try:
            after = outcome({**case, name: changed.hex()})
        except Refused:
            continue
        assert after == case["after"], f"byte {at} of {len(content)}"


@pytest.mark.parametrize("suite", SUITES)
def test_no_changed_byte_passes_in_an_audited_log(suite: int) -> None:
    log = make_log(7, suite, audited=True)
    log.auditor_behind = 3
    request = SearchRequest(None, ALICE, None)
    content = log.search(request).encode()
    good = responses.verify_search(verifier(log), request, content)
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]
        try:
            assert responses.verify_search(verifier(log), request, changed) == good, f"byte {at} of {len(content)}"
        except Refused:
            continue


@pytest.mark.parametrize("index", range(10))
def test_no_cut_and_no_longer_message_is_accepted(cases: list[dict[str, Any]], index: int) -> None:
    case = cases[index]
    name = MUTATED.get(case["operation"], "response")
    content = bytes.fromhex(case[name])
    for changed in (content[:-1], content[: len(content) // 2], b"", content + b"\x00"):
        with pytest.raises(Refused):
            outcome({**case, name: changed.hex()})


def test_no_changed_auditor_update_changes_the_outcome(cases: list[dict[str, Any]]) -> None:
    case = cases[10]
    last = bytes.fromhex(case["updates"][-1])
    for at in range(len(last)):
        changed = last[:at] + bytes([last[at] ^ 1 << at % 8]) + last[at + 1 :]
        try:
            after = outcome({**case, "updates": [*case["updates"][:-1], changed.hex()]})
        except Refused:
            continue
        # The log's root, which is signed, has the timestamp and the commitments in it.
        assert after["auditor"]["full_subtrees"] != case["after"]["auditor"]["full_subtrees"]


def test_what_is_left_over_is_refused() -> None:
    log = make_log(9)
    request = SearchRequest(None, BOB, None)
    good = log.search(request)
    proof = good.search
    for worse in (
        replace(proof, timestamps=[*proof.timestamps, proof.timestamps[-1]]),
        replace(proof, prefix_proofs=[*proof.prefix_proofs, proof.prefix_proofs[-1]]),
        replace(proof, prefix_roots=[*proof.prefix_roots, bytes(32)]),
        replace(proof, inclusion=[*proof.inclusion, bytes(32)]),
        replace(proof, prefix_roots=proof.prefix_roots[1:]),
        replace(proof, inclusion=proof.inclusion[1:]),
    ):
        if worse != proof:
            with pytest.raises(Refused):
                responses.verify_search(verifier(log), request, replace(good, search=worse).encode())


def test_timestamps_that_fall_are_refused() -> None:
    log = make_log(9)
    log.timestamps[3] = log.timestamps[7] + 1
    request = SearchRequest(None, BOB, 0)
    walk = tiny.Recorder(log, None, BOB)
    with pytest.raises(Refused, match="monotonic"):
        walk.timestamp(3)
    with pytest.raises(Refused, match="monotonic"):
        log.search(request)
