"""Links to servers: `qpc://HOST:PORT/#FINGERPRINT` (protocol.md section 2)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import urlsplit

FINGERPRINT_BYTES = 32


class BadLink(ValueError):
    """Text that is no link to a server."""


@dataclass(frozen=True)
class Link:
    """Where a server is, and SHA-256 of its certificate's SubjectPublicKeyInfo."""

    host: str
    port: int
    fingerprint: bytes

    @classmethod
    def parse(cls, text: str) -> Link:
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise BadLink(f"no link: {error}") from error
        if parts.scheme != "qpc" or not parts.hostname or port is None:
            raise BadLink("a link begins with qpc://HOST:PORT")
        if parts.path != "/" or parts.query or parts.username is not None:
            raise BadLink("nothing but / stands between port and #")
        return cls(parts.hostname, port, _fingerprint(parts.fragment))


def _fingerprint(text: str) -> bytes:
    if "=" in text:
        raise BadLink("a fingerprint has no padding")
    try:
        fingerprint = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadLink(f"a fingerprint is base64url: {error}") from error
    if len(fingerprint) != FINGERPRINT_BYTES or base64.urlsafe_b64encode(fingerprint).rstrip(b"=").decode() != text:
        raise BadLink(f"a fingerprint is {FINGERPRINT_BYTES} bytes")
    return fingerprint
