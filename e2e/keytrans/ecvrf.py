"""ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381): proofs made and verified."""

from __future__ import annotations

import hashlib

from .edwards import BASE, ORDER, Point, scalar_from_bytes, scalar_to_bytes, sum_of_products
from .errors import Refused, require

SUITE = b"\x03"
PROOF_SIZE = 80


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha512(SUITE + b"".join(parts) + b"\x00").digest()


def encode_to_curve(salt: bytes, alpha: bytes) -> Point:
    """Try and increment (section 5.4.1.1)."""
    for counter in range(256):
        try:
            point = Point.decode(_hash(b"\x01", salt, alpha, bytes([counter]))[:32]).times_cofactor()
        except Refused:
            continue
        if not point.is_identity():
            return point
    raise Refused("vrf", "no point for this input")


def challenge(points: list[Point]) -> int:
    return int.from_bytes(_hash(b"\x02", *(point.encode() for point in points))[:16], "little")


def proof_to_hash(gamma: Point) -> bytes:
    return _hash(b"\x03", gamma.times_cofactor().encode())


def public_point(public_key: bytes) -> Point:
    """The key as a point, validated (section 5.4.5): it is not of small order."""
    point = Point.decode(public_key)
    require(not point.times_cofactor().is_identity(), "vrf key", "of small order")
    return point


def verify(public_key: bytes, alpha: bytes, proof: bytes) -> bytes:
    """The output (64 bytes) that `proof` shows for `alpha` (section 5.3)."""
    y = public_point(public_key)
    require(len(proof) == PROOF_SIZE, "vrf proof", "length")
    gamma = Point.decode(proof[:32])
    c = int.from_bytes(proof[32:48], "little")
    s = scalar_from_bytes(proof[48:])
    h = encode_to_curve(public_key, alpha)
    u = sum_of_products([(s, BASE), (c, -y)])
    v = sum_of_products([(s, h), (c, -gamma)])
    require(challenge([y, h, gamma, u, v]) == c, "vrf proof", "challenge")
    return proof_to_hash(gamma)


def secret_scalar(secret_key: bytes) -> int:
    """As in RFC 8032 section 5.1.5."""
    low = bytearray(hashlib.sha512(secret_key).digest()[:32])
    low[0] &= 248
    low[31] = low[31] & 127 | 64
    return int.from_bytes(low, "little")


def prove(secret_key: bytes, alpha: bytes) -> bytes:
    """Section 5.1; for tests."""
    x = secret_scalar(secret_key)
    y = BASE * x
    h = encode_to_curve(y.encode(), alpha)
    gamma = h * x
    nonce = hashlib.sha512(hashlib.sha512(secret_key).digest()[32:] + h.encode()).digest()
    k = int.from_bytes(nonce, "little") % ORDER
    c = challenge([y, h, gamma, BASE * k, h * k])
    return gamma.encode() + c.to_bytes(16, "little") + scalar_to_bytes((k + c * x) % ORDER)
