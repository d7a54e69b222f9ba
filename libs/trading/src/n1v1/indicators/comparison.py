"""Comparing numbers that were computed in different ways."""

from __future__ import annotations

from n1v1.kernels import kernel

ROUNDING = 1e-14
"""About 45 units in the last place: more than the rounding of a mean of 256 values, far less than a price's tick."""


@kernel
def compare(left: float, right: float) -> int:
    """1 when left is above right, -1 when below, 0 when they differ by rounding only or one of them is NaN.

    The mean of equal prices may miss them by a last digit. Without this, a market that stands still would cross its
    own average.
    """
    difference = left - right
    slack = ROUNDING * (abs(left) + abs(right))
    if difference > slack:
        return 1
    if difference < -slack:
        return -1
    return 0
