"""`n1v1.exact` for a machine whose integers have 64 bits. Compiled in its place, never called as plain Python.

The quotient is estimated in floating point and corrected by the remainder, which is exact although both products wrap
around: the estimate is off by at most a part in 2**50, so the true remainder fits in 64 bits for every a * b below
2**112. Mostly the estimate is right, and the integer division, the slowest instruction there is, is not needed.
"""

from __future__ import annotations


def mul_div(a: int, b: int, c: int) -> int:
    """a * b // c although a * b may need more than 64 bits."""
    estimate = int(float(a) * float(b) / float(c))
    remainder = a * b - estimate * c
    if remainder < 0 or remainder >= c:
        estimate += remainder // c
    return estimate


def mul_div_up(a: int, b: int, c: int) -> int:
    """The same rounded up."""
    estimate = int(float(a) * float(b) / float(c))
    remainder = a * b - estimate * c
    if remainder < 0 or remainder >= c:
        correction = remainder // c
        estimate += correction
        remainder -= correction * c
    return estimate + 1 if remainder != 0 else estimate
