"""What is signed over a connection's challenge (protocol.md section 2)."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .plain import fixed, label


def public_key(secret: Ed25519PrivateKey) -> bytes:
    return secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def attach_text(fingerprint: bytes, challenge: bytes, channel: bytes, access: bytes) -> bytes:
    return label("qpc/1 attach") + fixed(32, fingerprint) + fixed(32, challenge) + fixed(32, channel) + fixed(32, access)


def authenticate_text(fingerprint: bytes, challenge: bytes, account: bytes, device: bytes) -> bytes:
    text = label("qpc/1 authenticate") + fixed(32, fingerprint) + fixed(32, challenge)
    return text + fixed(32, account) + fixed(16, device)
