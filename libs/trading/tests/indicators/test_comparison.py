"""A difference is only a difference when rounding cannot have made it."""

from __future__ import annotations

import math

from n1v1.indicators.comparison import compare


def test_numbers_that_differ_by_rounding_are_equal() -> None:
    assert compare(0.1 + 0.2, 0.3) == 0
    assert compare(sum([61_234.57] * 20) / 20, 61_234.57) == 0
    assert compare(0.0, 0.0) == 0


def test_the_smallest_tick_of_the_largest_price_is_a_difference() -> None:
    assert compare(1_000_000.01, 1_000_000.0) == 1
    assert compare(0.00000001, 0.00000002) == -1
    assert compare(-2.0, -1.0) == -1


def test_what_is_not_known_is_neither_above_nor_below() -> None:
    assert compare(math.nan, 1.0) == compare(1.0, math.nan) == 0
