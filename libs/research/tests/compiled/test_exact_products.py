"""The compiled products of `n1v1.exact` give the integers that Python gives."""

from __future__ import annotations

import numba
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from n1v1 import exact, rounding
from n1v1.values import INT64_MAX, Side
from n1v1_research.compiled.kernels import compiled

WIDE = st.integers(-INT64_MAX, INT64_MAX)
NATURAL = st.integers(1, INT64_MAX // 2)


def fits(result: int) -> bool:
    return abs(result) <= 2**62


@settings(max_examples=1_000, deadline=None)
@given(a=WIDE, b=WIDE, c=NATURAL)
@example(a=INT64_MAX, b=1_000_000, c=1_000_000_000)
@example(a=-1, b=1, c=1_000_000_000)
@example(a=-INT64_MAX, b=10**9, c=10**10)
@example(a=-1_207_510_916_396_248, b=2_113_819_610_536_418, c=1_185_853_334_232_074_699)
def test_wide_products_divide_exactly(a: int, b: int, c: int) -> None:
    if abs(a * b) >= 2**112 or not fits(a * b // c + 1):
        return
    assert compiled(exact.mul_div)(a, b, c) == exact.mul_div(a, b, c)
    assert compiled(exact.mul_div_up)(a, b, c) == exact.mul_div_up(a, b, c)


@settings(max_examples=300, deadline=None)
@given(value=st.integers(0, 10**17), rate=st.integers(0, 10**9))
def test_fees_and_shares_are_the_same_compiled(value: int, rate: int) -> None:
    assert compiled(rounding.fee)(value, rate) == rounding.fee(value, rate)
    assert compiled(rounding.share)(value, rate) == rounding.share(value, rate)


@pytest.mark.parametrize("side", list(Side))
@settings(max_examples=300, deadline=None)
@given(ticks=st.integers(1, 10**12), rate=st.integers(0, 10**9))
def test_prices_slip_alike(side: Side, ticks: int, rate: int) -> None:
    assert compiled(rounding.slipped_price)(ticks, side.sign, rate) == rounding.slipped_price(ticks, side.sign, rate)


def test_only_kernels_are_compiled() -> None:
    with pytest.raises(ValueError, match="is no kernel"):
        compiled(len)


def test_a_division_by_zero_is_no_exception_in_compiled_floats() -> None:
    assert numba.njit(error_model="numpy")(lambda x: 1.0 / x)(0.0) == float("inf")
