"""What all algorithms of the draft ask of a log, whoever answers: a proof that is consumed (`view`) or a log (`tiny`)."""

from __future__ import annotations

from typing import Callable, Protocol

from . import trees
from .errors import require
from .structures import Configuration


class Lookups(Protocol):
    """A series of look-ups in the prefix tree of one entry, which makes one `PrefixProof`."""

    def look_up(self, version: int) -> bool: ...

    def end(self) -> None: ...


class Walk:
    """Timestamps and look-ups by entry, with what was given so far."""

    def __init__(self, config: Configuration, size: int) -> None:
        self.config = config
        self.size = size
        self.timestamps: dict[int, int] = {}
        self.shown: dict[int, dict[int, bool]] = {}
        self.monitored: dict[int, int] = {}

    def next_timestamp(self, entry: int) -> int:
        raise NotImplementedError

    def begin_lookups(self, entry: int) -> Lookups:
        raise NotImplementedError

    def timestamp(self, entry: int) -> int:
        if entry not in self.timestamps:
            self.add_timestamp(entry, self.next_timestamp(entry))
        return self.timestamps[entry]

    def add_timestamp(self, entry: int, timestamp: int) -> None:
        """Takes it up; timestamps must not fall from left to right."""
        for other, seen in self.timestamps.items():
            require((seen <= timestamp) if other < entry else (timestamp <= seen), "monotonic timestamps", (other, entry))
        self.timestamps[entry] = timestamp

    def lookups(self, entry: int, versions: list[int], until: Callable[[int, bool], bool] = lambda *_: False) -> list[bool]:
        """Looks `versions` up, to and with the first for which `until` holds. A timestamp comes before; no versions take no proof."""
        if not versions:
            return []
        self.timestamp(entry)
        shown = self.shown.setdefault(entry, {})
        series = self.begin_lookups(entry)
        out = []
        for version in versions:
            out.append(series.look_up(version))
            shown[version] = out[-1]
            if until(version, out[-1]):
                break
        series.end()
        return out

    def known(self, entry: int, version: int) -> bool | None:
        """What another entry's look-up tells: included if it was to the left, not included if it was not to the right."""
        for other, shown in self.shown.items():
            seen = shown.get(version)
            if (seen is True and other < entry) or (seen is False and other > entry):
                return seen
        return None

    def search_ladder(self, entry: int, target: int, omit: bool) -> int:
        """-1, 0 or 1: the greatest version in `entry` is less than, equal to or greater than `target`."""
        wanted, ends_at = [], None
        known = {version: self.known(entry, version) if omit else None for version in trees.base_ladder(target)}
        for version, outcome in known.items():
            if outcome is None:
                wanted.append(version)
            elif tells(version, outcome, target):
                ends_at = tells(version, outcome, target)
                break
        seen = self.lookups(entry, wanted, lambda version, included: tells(version, included, target) != 0)
        for version, included in zip(wanted, seen):
            if tells(version, included, target):
                return tells(version, included, target)
        return ends_at or 0

    def update_view(self, last: int | None) -> None:
        """Draft, "Updating Views of the Tree"; `last` is the size that was advertised."""
        if last is None:
            for entry in trees.frontier(self.size):
                self.timestamp(entry)
            return
        if last == self.size:
            return
        newer = [entry for entry in trees.direct_path(last - 1, self.size) if entry >= last]
        entry: int | None = newer[-1] if newer else last - 1
        while (entry := trees.right(entry, self.size)) is not None:
            newer.append(entry)
        for entry in newer:
            self.timestamp(entry)

    @property
    def newest(self) -> int:
        return self.timestamp(self.size - 1)

    def is_wide(self, left: int, right: int) -> bool:
        """Whether an entry between these timestamps is distinguished."""
        return right - left >= self.config.reasonable_monitoring_window

    def distinguished_path(self, entry: int) -> list[int]:
        """The distinguished entries from the root down to `entry`. Below one that is not distinguished none is."""
        left, right, out = 0, self.newest, []
        for step in trees.path_to(entry, self.size):
            if not self.is_wide(left, right):
                break
            out.append(step)
            if entry < step:
                right = self.timestamp(step)
            elif entry > step:
                left = self.timestamp(step)
        return out

    def rightmost_distinguished(self) -> int | None:
        found = self.distinguished_path(self.size - 1)
        return found[-1] if found else None

    def is_expired(self, entry: int) -> bool:
        lifetime = self.config.maximum_lifetime
        timestamp = self.timestamp(entry)
        return lifetime is not None and self.newest - timestamp >= lifetime


def tells(version: int, included: bool, target: int) -> int:
    """What a look-up tells of the greatest version against `target`; 0 if it stays open."""
    if included:
        return 1 if version > target else 0
    return -1 if version <= target else 0
