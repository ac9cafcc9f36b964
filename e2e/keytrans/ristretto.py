"""The group ristretto255 (RFC 9496 section 4) over edwards25519, in plain Python; nothing here takes constant time."""

from __future__ import annotations

from .edwards import BASE, D, IDENTITY, P, SQRT_M1, Point
from .errors import require

ONE_MINUS_D_SQ = (1 - D * D) % P
D_MINUS_ONE_SQ = (D - 1) ** 2 % P
GENERATOR = BASE
ZERO = IDENTITY


def is_negative(value: int) -> bool:
    return bool(value % P & 1)


def absolute(value: int) -> int:
    value %= P
    return P - value if is_negative(value) else value


def sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """SQRT_RATIO_M1: whether u/v is a square, and the non-negative root of u/v or of sqrt(-1)*u/v."""
    u, v = u % P, v % P
    root = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * root * root % P
    correct, flipped, flipped_i = check == u, check == -u % P, check == -u * SQRT_M1 % P
    if flipped or flipped_i:
        root = root * SQRT_M1 % P
    return correct or flipped, absolute(root)


INVSQRT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]
# The root that RFC 9496 chose: its constant SQRT_AD_MINUS_ONE is odd.
_AD_MINUS_ONE = sqrt_ratio(-D - 1, 1)[1]
SQRT_AD_MINUS_ONE = P - _AD_MINUS_ONE


def decode(encoded: bytes) -> Point:
    """RFC 9496 section 4.3.1."""
    require(len(encoded) == 32, "group element", "length")
    s = int.from_bytes(encoded, "little")
    require(s < P and not is_negative(s), "group element", "not canonical")
    ss = s * s % P
    u1, u2 = (1 - ss) % P, (1 + ss) % P
    u2_sqr = u2 * u2 % P
    v = (-(D * u1 * u1) - u2_sqr) % P
    was_square, invsqrt = sqrt_ratio(1, v * u2_sqr)
    den_x = invsqrt * u2 % P
    den_y = invsqrt * den_x * v % P
    x = absolute(2 * s * den_x)
    y = u1 * den_y % P
    t = x * y % P
    require(was_square and not is_negative(t) and y != 0, "group element", "no element")
    return Point(x, y, 1, t)


def encode(point: Point) -> bytes:
    """RFC 9496 section 4.3.2."""
    x0, y0, z0, t0 = point.X, point.Y, point.Z, point.T
    u1 = (z0 + y0) * (z0 - y0) % P
    u2 = x0 * y0 % P
    _, invsqrt = sqrt_ratio(1, u1 * u2 * u2)
    den1, den2 = invsqrt * u1 % P, invsqrt * u2 % P
    z_inv = den1 * den2 * t0 % P
    if is_negative(t0 * z_inv):
        x, y, den_inv = y0 * SQRT_M1 % P, x0 * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    else:
        x, y, den_inv = x0, y0, den2
    if is_negative(x * z_inv):
        y = -y % P
    return absolute(den_inv * (z0 - y)).to_bytes(32, "little")


def is_same(one: Point, other: Point) -> bool:
    """RFC 9496 section 4.3.3."""
    crosswise = (one.X * other.Y - one.Y * other.X) % P == 0
    return crosswise or (one.Y * other.Y - one.X * other.X) % P == 0


def _map(t: int) -> Point:
    r = SQRT_M1 * t * t % P
    u = (r + 1) * ONE_MINUS_D_SQ % P
    v = (-1 - r * D) * (r + D) % P
    was_square, s = sqrt_ratio(u, v)
    c = P - 1
    if not was_square:
        s, c = -absolute(s * t) % P, r
    n = (c * (r - 1) * D_MINUS_ONE_SQ - v) % P
    w0, w1 = 2 * s * v % P, n * SQRT_AD_MINUS_ONE % P
    w2, w3 = (1 - s * s) % P, (1 + s * s) % P
    return Point(w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P)


def from_uniform(uniform: bytes) -> Point:
    """The one-way map of 64 bytes (RFC 9496 section 4.3.4)."""
    require(len(uniform) == 64, "uniform bytes", len(uniform))
    low, high = (int.from_bytes(half, "little") & (2**255 - 1) for half in (uniform[:32], uniform[32:]))
    return _map(low) + _map(high)
