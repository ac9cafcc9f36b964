"""VOPRF(ristretto255, SHA-512) of RFC 9497 in verifiable mode: what a verifier needs, and the prover's side for tests."""

from __future__ import annotations

import hashlib
from typing import Sequence

from . import ristretto
from .edwards import ORDER, Point, scalar_from_bytes, scalar_to_bytes, sum_of_products
from .errors import require

CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"
PROOF_SIZE = 64


def expand_message_xmd(message: bytes, dst: bytes, size: int) -> bytes:
    """RFC 9380 section 5.3.1 with SHA-512."""
    blocks = -(-size // 64)
    require(blocks <= 255 and len(dst) <= 255, "expand_message_xmd", size)
    tail = dst + bytes([len(dst)])
    first = hashlib.sha512(bytes(128) + message + size.to_bytes(2, "big") + b"\x00" + tail).digest()
    block = hashlib.sha512(first + b"\x01" + tail).digest()
    out = block
    for index in range(2, blocks + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block))
        block = hashlib.sha512(mixed + bytes([index]) + tail).digest()
        out += block
    return out[:size]


def hash_to_group(message: bytes, context: bytes = CONTEXT) -> Point:
    return ristretto.from_uniform(expand_message_xmd(message, b"HashToGroup-" + context, 64))


def hash_to_scalar(message: bytes, context: bytes = CONTEXT) -> int:
    return int.from_bytes(expand_message_xmd(message, b"HashToScalar-" + context, 64), "little") % ORDER


def _long(part: bytes) -> bytes:
    return len(part).to_bytes(2, "big") + part


def composite_weights(key: bytes, inputs: Sequence[bytes], outputs: Sequence[bytes], context: bytes = CONTEXT) -> list[int]:
    """The scalars d_i of ComputeComposites (RFC 9497 section 2.2.1)."""
    seed = hashlib.sha512(_long(key) + _long(b"Seed-" + context)).digest()
    return [
        hash_to_scalar(_long(seed) + index.to_bytes(2, "big") + _long(one) + _long(other) + b"Composite", context)
        for index, (one, other) in enumerate(zip(inputs, outputs, strict=True))
    ]


def _challenge(key: bytes, points: Sequence[Point], context: bytes) -> int:
    transcript = _long(key) + b"".join(_long(ristretto.encode(point)) for point in points) + b"Challenge"
    return hash_to_scalar(transcript, context)


def verify_proof(
    key: bytes, inputs: Sequence[Point], outputs: Sequence[Point], proof: bytes, context: bytes = CONTEXT
) -> None:
    """VerifyProof with A the generator, B `key`, C `inputs`, D `outputs` (section 2.2.2)."""
    require(len(proof) == PROOF_SIZE, "dleq proof", "length")
    b = ristretto.decode(key)
    c, s = scalar_from_bytes(proof[:32]), scalar_from_bytes(proof[32:])
    weights = composite_weights(key, [*map(ristretto.encode, inputs)], [*map(ristretto.encode, outputs)], context)
    m = sum_of_products(list(zip(weights, inputs)))
    z = sum_of_products(list(zip(weights, outputs)))
    t2 = sum_of_products([(s, ristretto.GENERATOR), (c, b)])
    t3 = sum_of_products([(s, m), (c, z)])
    require(_challenge(key, [m, z, t2, t3], context) == c, "dleq proof", "challenge")


def make_proof(
    secret: int, key: bytes, inputs: Sequence[Point], outputs: Sequence[Point], r: int, context: bytes = CONTEXT
) -> bytes:
    """GenerateProof with the random scalar `r` (section 2.2.1); for tests."""
    weights = composite_weights(key, [*map(ristretto.encode, inputs)], [*map(ristretto.encode, outputs)], context)
    m = sum_of_products(list(zip(weights, inputs)))
    z = m * secret
    c = _challenge(key, [m, z, ristretto.GENERATOR * r, m * r], context)
    return scalar_to_bytes(c) + scalar_to_bytes((r - c * secret) % ORDER)


def finalize(message: bytes, element: bytes) -> bytes:
    """The PRF's output for `message` from the (unblinded) evaluated element."""
    return hashlib.sha512(_long(message) + _long(element) + b"Finalize").digest()
