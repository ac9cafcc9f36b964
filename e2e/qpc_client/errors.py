"""Error codes (schema, struct Error)."""

from __future__ import annotations

from typing import Any

CODES = {
    1: "internal",
    2: "unavailable",
    3: "bad-request",
    4: "too-large",
    5: "unknown-method",
    6: "unsupported-version",
    7: "wrong-connection",
    8: "not-authenticated",
    9: "sign-in-required",
    10: "sign-in-failed",
    11: "bad-signature",
    12: "device-revoked",
    13: "name-taken",
    14: "name-invalid",
    15: "registration-closed",
    16: "invite-invalid",
    17: "rate-limited",
    18: "quota-full",
    19: "not-found",
    20: "version-conflict",
    21: "record-invalid",
    22: "token-invalid",
    23: "token-spent",
    24: "token-expired",
    25: "access-denied",
    26: "channel-exists",
    27: "link-expired",
    28: "link-used",
    29: "link-required",
    30: "restoring",
}


class Refused(Exception):
    """The server refused a call."""

    def __init__(self, code: str, retry_after_ms: int):
        super().__init__(code if retry_after_ms == 0 else f"{code}, retry after {retry_after_ms} ms")
        self.code = code
        self.retry_after_ms = retry_after_ms

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Refused:
        code = fields["code"]
        return cls(CODES.get(code, f"code-{code}"), fields["retryAfterMs"])
