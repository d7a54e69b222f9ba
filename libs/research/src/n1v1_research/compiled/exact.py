"""`n1v1.exact` for a machine whose integers have 64 bits. Compiled in its place, never called as plain Python."""

from __future__ import annotations


def mul_div(a: int, b: int, c: int) -> int:
    """a * b // c although a * b may need more than 64 bits.

    The quotient is estimated in floating point and corrected by the remainder, which is exact although both products
    wrap around: the estimate is off by at most a part in 2**51, so the true remainder fits in 64 bits for every a * b
    below 2**113.
    """
    estimate = int(float(a) * float(b) / float(c))
    return estimate + (a * b - estimate * c) // c


def mul_div_up(a: int, b: int, c: int) -> int:
    estimate = int(float(a) * float(b) / float(c))
    return estimate - (estimate * c - a * b) // c
