"""The cipher suites: 0x0002 of the draft and our 0xF001 (docs/key-transparency-suite.md)."""

from __future__ import annotations

import functools
import hashlib
import hmac
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import ecvrf, ristretto, voprf
from .errors import Refused, require

NH = 32
NC = 16
KC = bytes.fromhex("d821f8790d97709796b4d7903357c3f5")
VRF_NH = 32


def digest(*parts: bytes) -> bytes:
    """SHA-256: both suites' hash."""
    return hashlib.sha256(b"".join(parts)).digest()


def commit(value: bytes) -> bytes:
    """The commitment to an encoded `CommitmentValue`."""
    return hmac.new(KC, value, hashlib.sha256).digest()


def verify_signature(public_key: bytes, message: bytes, signature: bytes, check: str) -> None:
    """Ed25519 (RFC 8032)."""
    require(len(public_key) == 32 and len(signature) == 64, check, "length")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature as error:
        raise Refused(check) from error


class Suite(Protocol):
    """What differs between the suites: the VRF."""

    number: int
    vrf_np: int

    def check_vrf_key(self, public_key: bytes) -> None: ...

    def vrf_output(self, public_key: bytes, message: bytes, proof: bytes) -> bytes: ...


class Draft:
    """KT_128_SHA256_Ed25519."""

    number = 0x0002
    vrf_np = ecvrf.PROOF_SIZE

    def check_vrf_key(self, public_key: bytes) -> None:
        ecvrf.public_point(public_key)

    def vrf_output(self, public_key: bytes, message: bytes, proof: bytes) -> bytes:
        return ecvrf.verify(public_key, message, proof)[:VRF_NH]


class Oblivious:
    """Suite 0xF001: VOPRF(ristretto255, SHA-512) with the blind 1; a proof is `Z || c || s`."""

    number = 0xF001
    vrf_np = 32 + voprf.PROOF_SIZE

    def check_vrf_key(self, public_key: bytes) -> None:
        require(not ristretto.is_same(ristretto.decode(public_key), ristretto.ZERO), "group element", "identity")

    def vrf_output(self, public_key: bytes, message: bytes, proof: bytes) -> bytes:
        require(len(proof) == self.vrf_np, "vrf proof", "length")
        self.check_vrf_key(public_key)
        z = ristretto.decode(proof[:32])
        require(not ristretto.is_same(z, ristretto.ZERO), "group element", "identity")
        voprf.verify_proof(public_key, [voprf.hash_to_group(message)], [z], proof[32:])
        return voprf.finalize(message, proof[:32])[:VRF_NH]


SUITES: dict[int, Suite] = {suite.number: suite for suite in (Draft(), Oblivious())}


def suite_of(number: int) -> Suite:
    require(number in SUITES, "unsupported suite", hex(number))
    return SUITES[number]


@functools.lru_cache(maxsize=4096)
def vrf_output(number: int, public_key: bytes, message: bytes, proof: bytes) -> bytes:
    """The output that `proof` shows for `message`; remembered, since elliptic curves are slow here."""
    return suite_of(number).vrf_output(public_key, message, proof)
