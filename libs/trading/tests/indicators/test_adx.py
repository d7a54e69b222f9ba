"""ADX, +DI and -DI against TA-Lib, and what they say of a market without a direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import talib

from n1v1.indicators.adx import ADX, adx, adx_warmup, directional_warmup
from n1v1.indicators.batch import batch


@pytest.mark.parametrize("period", [2, 14, 40])
def test_adx_and_both_directions_are_those_of_ta_lib(market: Any, period: int) -> None:
    bars = market.high, market.low, market.close
    answered = batch(adx, ADX, *bars, params=(period,))
    for ours, theirs in zip(answered, (talib.ADX, talib.PLUS_DI, talib.MINUS_DI), strict=True):
        np.testing.assert_allclose(ours, theirs(*bars, timeperiod=period), rtol=1e-9, atol=1e-9)


def test_directions_come_long_before_the_index() -> None:
    rising = np.arange(1.0, 31.0)
    index, plus, minus = batch(adx, ADX, rising + 1, rising - 1, rising, params=(14,))
    assert np.flatnonzero(~np.isnan(plus))[0] + 1 == directional_warmup(14) == 15
    assert np.flatnonzero(~np.isnan(index))[0] + 1 == adx_warmup(14) == 28
    assert index[-1] == 100.0  # it only ever went up
    assert plus[-1] > minus[-1] == 0.0


def test_bars_that_grow_equally_on_both_sides_have_no_direction() -> None:
    reach = np.arange(1.0, 31.0)
    index, plus, minus = batch(adx, ADX, 100 + reach, 100 - reach, np.full(30, 100.0), params=(5,))
    assert index[-1] == plus[-1] == minus[-1] == 0.0


@pytest.mark.parametrize("moving_bars", [0, 40])
def test_a_market_that_stopped_moving_has_an_index_and_no_direction(moving_bars: int) -> None:
    """Without the limit of `NOTHING` the ratio of two sums of a few denormal units would set the direction."""
    close = np.concatenate([np.arange(1.0, moving_bars + 1), np.full(12_000, moving_bars + 1.0)])
    index, plus, minus = batch(adx, ADX, close, close, close, params=(14,))
    assert plus[-1] == minus[-1] == 0.0
    assert index[-1] == (100.0 if moving_bars else 0.0)
