"""Logs, readers, contacts and owners by chance (with a fixed seed): everything honest is accepted, and says the truth."""

from __future__ import annotations

import random

import pytest

from . import credentials, responses, tiny, trees
from .errors import Refused
from .messages import ContactMonitorRequest, DistinguishedRequest, OwnerInitRequest, OwnerMonitorRequest, SearchRequest, UpdateRequest
from .responses import Known, Owner, Verifier
from .tiny import Secrets, TinyLog
from .view import State, VersionKey

LABELS = [b"alice", b"bob", b"carol"]


class Someone:
    """Reads, monitors and owns labels of one log, and keeps what the responses give."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.state: State | None = None
        self.maps: dict[bytes, list[tuple[int, int]]] = {}
        self.keys: dict[bytes, dict[int, VersionKey]] = {}
        self.owner: Owner | None = None
        self.known: list[Known] = []

    @property
    def last(self) -> int | None:
        return None if self.state is None else self.state.size

    def at(self, log: TinyLog) -> Verifier:
        return Verifier(log.config, self.state, log.timestamps[-1] + self.dice.randrange(1000))

    def search(self, log: TinyLog) -> None:
        label = self.dice.choice(LABELS)
        greatest = log.greatest(label, log.size - 1)
        version = self.dice.choice([None, self.dice.randrange((greatest or 0) + 2)])
        request = SearchRequest(self.last, label, version)
        try:
            encoded = log.search(request).encode()
        except Refused as refusal:
            assert greatest is None or (version or 0) > greatest or refusal.detail == "expired"
            return
        found, self.state = responses.verify_search(self.at(log), request, encoded)
        assert found.version == (greatest if version is None else version)
        assert found.value == log.labels[label][found.version].value
        assert log.labels[label][found.version].entry <= found.terminal
        self.keys.setdefault(label, {}).update(self._merged(label, found.keys))
        if found.must_be_monitored:
            self._monitor(label, found.terminal, found.version)

    def _monitor(self, label: bytes, position: int, version: int) -> None:
        """Adds a pair. What is right of a greater version (or with it) needs no pair of its own: the greater one is monitored there."""
        pairs = [*self.maps.get(label, []), (position, version)]
        kept = [one for one in pairs if not any(other[0] <= one[0] and other[1] >= one[1] for other in pairs if other != one)]
        self.maps[label] = sorted(set(kept))

    def _merged(self, label: bytes, new: dict[int, VersionKey]) -> dict[int, VersionKey]:
        old = self.keys.get(label, {})
        return {version: key if key.commitment else old.get(version, key) for version, key in new.items()}

    def contact(self, log: TinyLog) -> None:
        for label, entries in list(self.maps.items()):
            request = ContactMonitorRequest(self.last, label, entries)
            encoded = log.contact_monitor(request).encode()
            keys = self.keys[label]
            self.maps[label], self.state = responses.verify_contact_monitor(self.at(log), request, encoded, keys)
            assert all(position in trees.frontier(log.size) for position, _ in self.maps[label])

    def distinguished(self, log: TinyLog) -> None:
        stop = self.dice.choice([None, self.dice.randrange(log.size)])
        request = DistinguishedRequest(self.last, stop)
        encoded = log.distinguished(request, 4).encode()
        known, self.state = responses.verify_distinguished(self.at(log), request, encoded, 4)
        assert [entry.state.root() for entry in known] == [log.root(entry.entry + 1) for entry in known]
        self.known = sorted({entry.entry: entry for entry in [*self.known, *known]}.values(), key=lambda entry: entry.entry)

    def credential(self, log: TinyLog) -> None:
        label = self.dice.choice(LABELS)
        if not self.known or log.greatest(label, log.size - 1) is None:
            return
        position = self.dice.choice(self.known).entry
        try:
            credential = log.credential(label, position)
            verified = credentials.verify(log.config, credential.encode(), self.known)
        except Refused as refusal:
            assert refusal.check == "terminal entry", refusal
            return
        assert verified.version == log.greatest(label, log.size - 1)

    def own(self, log: TinyLog) -> None:
        label = LABELS[0]
        if self.owner is None:
            found = tiny.Recorder(log, None, label).rightmost_distinguished()
            if found is None:
                return
            request = OwnerInitRequest(self.last, label, found)
            encoded = log.owner_init(request).encode()
            self.owner, self.state = responses.verify_owner_init(self.at(log), request, encoded)
            assert self.owner.greatest == log.greatest(label, found)
        elif self.owner.greatest != log.greatest(label, log.size - 1):
            ask = UpdateRequest(self.last, label, self.owner.greatest, [])
            encoded = log.update(ask, self.owner, False).encode()
            self.owner, values, self.state = responses.verify_update(self.at(log), ask, encoded, self.owner)
            assert values[-1] == log.labels[label][self.owner.greatest].value
        else:
            owner = self.owner
            watch = OwnerMonitorRequest(self.last, label, owner.map, owner.start, owner.greatest)
            encoded = log.owner_monitor(watch, self.dice.randrange(1, 5)).encode()
            self.owner, self.state = responses.verify_owner_monitor(self.at(log), watch, encoded, owner)
            for entry, version in self.owner.inserted:
                assert version == log.greatest(label, entry)


@pytest.mark.parametrize("seed", range(10))
def test_everything_honest_is_accepted(seed: int) -> None:
    dice = random.Random(seed)
    window = dice.choice([0, 20, 60, 150, 10**9])
    audited = dice.random() < 0.3
    lifetime = dice.choice([None, None, window + 200])
    secrets = Secrets(dice.choice([0x0002, 0xF001]), b"random")
    log = TinyLog(secrets, tiny.configuration(secrets, window, lifetime, audited))
    now = 10**6 if dice.random() < 0.9 else 0
    people = [Someone(dice) for _ in range(2)]
    for _ in range(dice.randrange(20, 45)):
        now += dice.choice([0, 1, 10, 10, 30])
        log.append(now, [(label, [dice.randbytes(3)] * dice.choice([1, 1, 2, 5])) for label in LABELS if dice.random() < 0.25])
        log.auditor_behind = dice.randrange(5)
        for someone in people:
            for _ in range(dice.randrange(4)):
                act = dice.choice([someone.search, someone.contact, someone.distinguished, someone.credential, someone.own])
                act(log)
                assert someone.state is None or someone.state.root() == log.at(someone.state.size).root()
