"""The one way in which anything is refused."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """What was received fails a check: `check` names it, `detail` says what was seen."""

    def __init__(self, check: str, detail: Any = "") -> None:
        super().__init__(f"{check}: {detail}" if detail != "" else check)
        self.check = check
        self.detail = detail


def require(holds: bool, check: str, detail: Any = "") -> None:
    """Refuses unless `holds`."""
    if not holds:
        raise Refused(check, detail)
