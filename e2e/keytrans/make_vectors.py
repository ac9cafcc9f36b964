"""Writes a vector file of the small log's responses, for other verifiers: `python -m keytrans.make_vectors FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Iterator

from .errors import Refused
from .run_vectors import FORMAT, outcome, verify_case
from .test_tiny import MUTATED, SUITES, make_cases

EACH = 17


def spoilt(case: dict[str, Any], each: int) -> Iterator[dict[str, Any]]:
    """The case with one bit changed, at every so many bytes, where that is refused."""
    name = MUTATED.get(case["operation"], "response")
    if name not in case:
        return
    content = bytes.fromhex(case[name])
    for at in range(0, len(content), each):
        changed = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]
        worse = {key: value for key, value in case.items() if key != "after"}
        worse.update({name: changed.hex(), "name": f"{case['name']}, byte {at} changed", "valid": False})
        try:
            outcome(worse)
        except Refused as refusal:
            yield {**worse, "error": refusal.check}


def main(path: str, each: int = EACH) -> None:
    cases = [case for suite in SUITES for audited in (False, True) for case in make_cases(suite, audited)]
    cases += [worse for case in list(cases) for worse in spoilt(case, each)]
    for case in cases:
        verify_case(case)
    lines = ",\n".join(json.dumps(case) for case in cases)
    Path(path).write_text(f'{{"format": "{FORMAT}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
