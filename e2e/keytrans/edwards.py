"""The group of edwards25519 (RFC 8032 section 5.1) in plain Python.

A verifier handles nothing secret: nothing here takes constant time.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import require

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def inverse(value: int) -> int:
    return pow(value, P - 2, P)


@dataclass(frozen=True)
class Point:
    """Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z."""

    X: int
    Y: int
    Z: int
    T: int

    @classmethod
    def decode(cls, encoded: bytes) -> Point:
        """RFC 8032 section 5.1.3; a y that is not below p is refused."""
        require(len(encoded) == 32, "point", "length")
        y = int.from_bytes(encoded, "little")
        sign, y = y >> 255, y & (2**255 - 1)
        require(y < P, "point", "not canonical")
        u, v = (y * y - 1) % P, (D * y * y + 1) % P
        x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
        if v * x * x % P != u:
            x = x * SQRT_M1 % P
        require(v * x * x % P == u, "point", "not on the curve")
        require(not (x == 0 and sign), "point", "negative zero")
        if x & 1 != sign:
            x = P - x
        return cls(x, y, 1, x * y % P)

    def encode(self) -> bytes:
        z = inverse(self.Z)
        x, y = self.X * z % P, self.Y * z % P
        return (y | (x & 1) << 255).to_bytes(32, "little")

    def __add__(self, other: Point) -> Point:
        a = (self.Y - self.X) * (other.Y - other.X) % P
        b = (self.Y + self.X) * (other.Y + other.X) % P
        c = 2 * D * self.T * other.T % P
        d = 2 * self.Z * other.Z % P
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % P, g * h % P, f * g % P, e * h % P)

    def __neg__(self) -> Point:
        return Point(-self.X % P, self.Y, self.Z, -self.T % P)

    def __sub__(self, other: Point) -> Point:
        return self + -other

    def double(self) -> Point:
        a, b = self.X * self.X % P, self.Y * self.Y % P
        c = 2 * self.Z * self.Z % P
        h = a + b
        e = h - (self.X + self.Y) ** 2 % P
        g = a - b
        f = c + g
        return Point(e * f % P, g * h % P, f * g % P, e * h % P)

    def __mul__(self, scalar: int) -> Point:
        return sum_of_products([(scalar, self)])

    __rmul__ = __mul__

    def times_cofactor(self) -> Point:
        return self.double().double().double()

    def is_identity(self) -> bool:
        return self.X % P == 0 and (self.Y - self.Z) % P == 0

    def is_same(self, other: Point) -> bool:
        return (self.X * other.Z - other.X * self.Z) % P == 0 and (self.Y * other.Z - other.Y * self.Z) % P == 0


IDENTITY = Point(0, 1, 1, 0)
WINDOW = 4


def sum_of_products(pairs: list[tuple[int, Point]]) -> Point:
    """The sum of scalar times point, with one chain of doublings for all. Scalars are at least 0."""
    tables = []
    for scalar, point in pairs:
        table = [IDENTITY]
        for _ in range(2**WINDOW - 1):
            table.append(table[-1] + point)
        tables.append((scalar, table))
    total = IDENTITY
    windows = max((scalar.bit_length() for scalar, _ in pairs), default=0) // WINDOW + 1
    for window in reversed(range(windows)):
        for _ in range(WINDOW):
            total = total.double()
        for scalar, table in tables:
            digit = scalar >> (WINDOW * window) & (2**WINDOW - 1)
            if digit:
                total = total + table[digit]
    return total


def _base() -> Point:
    y = 4 * inverse(5) % P
    return Point.decode(y.to_bytes(32, "little"))


BASE = _base()


def scalar_from_bytes(encoded: bytes) -> int:
    """A scalar below the order, little-endian."""
    value = int.from_bytes(encoded, "little")
    require(len(encoded) == 32 and value < ORDER, "scalar", "not canonical")
    return value


def scalar_to_bytes(scalar: int) -> bytes:
    return scalar.to_bytes(32, "little")
