"""Verifies the cases of the vector file (docs/key-transparency-vectors.md)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Callable

from . import credentials, responses
from .auditor import Auditor
from .errors import Refused, require
from .messages import (
    ContactMonitorRequest,
    DistinguishedRequest,
    OwnerInitRequest,
    OwnerMonitorRequest,
    SearchRequest,
    UpdateRequest,
)
from .responses import Known, Owner, Verifier
from .structures import Configuration
from .tls import read_all
from .view import State

FORMAT = "quicprochat keytrans vectors 1"
Case = dict[str, Any]


class Mismatch(Exception):
    """A case is valid, but comes out differently; or is not, and passes."""


def verify_case(case: Case) -> None:
    """Returns if the case comes out as it says; raises `Refused` or `Mismatch` otherwise."""
    if case["valid"]:
        found, wanted = outcome(case), case["after"]
        for name in sorted({*found, *wanted}):
            if found.get(name) != wanted.get(name):
                raise Mismatch(f"{case['name']}: {name} is {found.get(name)}, not {wanted.get(name)}")
        return
    try:
        outcome(case)
    except Refused:
        return
    raise Mismatch(f"{case['name']}: accepted, although {case.get('error')}")


def outcome(case: Case) -> Case:
    """What a verifier makes of a case: `after`."""
    state = State.from_json(case["state"])
    verifier = Verifier(read_all(bytes.fromhex(case["config"]), Configuration.read), state, case["now"])
    require(case["operation"] in OPERATIONS, "unknown operation", case["operation"])
    after = OPERATIONS[case["operation"]](verifier, case)
    after.setdefault("state", case["state"])
    return after


def _bytes(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def _search(verifier: Verifier, case: Case) -> Case:
    request = read_all(_bytes(case, "request"), SearchRequest.read)
    found, state = responses.verify_search(verifier, request, _bytes(case, "response"))
    return {
        "state": state.to_json(),
        "version": found.version,
        "value": found.value.hex(),
        "terminal": found.terminal,
        "monitor": found.must_be_monitored,
    }


def _contact_monitor(verifier: Verifier, case: Case) -> Case:
    request = read_all(_bytes(case, "request"), ContactMonitorRequest.read)
    keys = responses.keys_from_json(case["vrf"])
    entries, state = responses.verify_contact_monitor(verifier, request, _bytes(case, "response"), keys)
    return {"state": state.to_json(), "map": [list(pair) for pair in entries]}


def _owner_init(verifier: Verifier, case: Case) -> Case:
    request = read_all(_bytes(case, "request"), OwnerInitRequest.read)
    owner, state = responses.verify_owner_init(verifier, request, _bytes(case, "response"))
    return {"state": state.to_json(), "owner": owner.to_json()}


def _owner_monitor(verifier: Verifier, case: Case) -> Case:
    request = read_all(_bytes(case, "request"), OwnerMonitorRequest.read)
    before = Owner.from_json(case["owner"])
    owner, state = responses.verify_owner_monitor(verifier, request, _bytes(case, "response"), before)
    return {"state": state.to_json(), "owner": owner.to_json()}


def _update(verifier: Verifier, case: Case) -> Case:
    request = read_all(_bytes(case, "request"), UpdateRequest.read)
    before = Owner.from_json(case["owner"])
    owner, values, state = responses.verify_update(verifier, request, _bytes(case, "response"), before)
    return {"state": state.to_json(), "owner": owner.to_json(), "values": [value.hex() for value in values]}


def _distinguished(verifier: Verifier, case: Case) -> Case:
    request = read_all(_bytes(case, "request"), DistinguishedRequest.read)
    known, state = responses.verify_distinguished(verifier, request, _bytes(case, "response"), case["recent"])
    return {"state": state.to_json(), "heads": [[entry.entry, entry.state.root().hex()] for entry in known]}


def _known(case: Case) -> list[Known]:
    return [Known.from_json(fields) for fields in case["known"]]


def _credential(verifier: Verifier, case: Case) -> Case:
    found = credentials.verify(verifier.config, _bytes(case, "credential"), _known(case))
    return {"label": found.label.hex(), "version": found.version, "value": found.value.hex(), "final": found.is_final}


def _credential_update(verifier: Verifier, case: Case) -> Case:
    credentials.verify_update(verifier.config, _bytes(case, "credential"), _bytes(case, "update"), _known(case))
    return {}


def _auditor_update(verifier: Verifier, case: Case) -> Case:
    auditor = Auditor.from_json(case["auditor"])
    for update in case["updates"]:
        auditor = auditor.then(verifier.config, bytes.fromhex(update))
    return {"auditor": auditor.to_json()}


OPERATIONS: dict[str, Callable[[Verifier, Case], Case]] = {
    "search": _search,
    "contact-monitor": _contact_monitor,
    "owner-init": _owner_init,
    "owner-monitor": _owner_monitor,
    "update": _update,
    "distinguished": _distinguished,
    "credential": _credential,
    "credential-update": _credential_update,
    "auditor-update": _auditor_update,
}


def read_cases(path: Path) -> list[Case]:
    content = json.loads(path.read_text())
    require(content["format"] == FORMAT, "format", content["format"])
    return content["cases"]


def main(path: str) -> None:
    cases = read_cases(Path(path))
    for case in cases:
        verify_case(case)
    print(f"{len(cases)} cases come out as they say")


if __name__ == "__main__":
    main(sys.argv[1])
