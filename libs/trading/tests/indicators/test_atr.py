"""ATR against TA-Lib, and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import talib

from n1v1.indicators.atr import ATR, atr, true_range
from n1v1.indicators.batch import batch


@pytest.mark.parametrize("period", [2, 14, 100])
def test_atr_is_that_of_ta_lib(market: Any, period: int) -> None:
    answered = batch(atr, ATR, market.high, market.low, market.close, params=(period,))
    expected = talib.ATR(market.high, market.low, market.close, timeperiod=period)
    np.testing.assert_allclose(answered, expected, rtol=1e-9, atol=1e-9)


def test_a_jump_between_bars_is_part_of_the_range() -> None:
    assert true_range(12.0, 11.0, 10.0) == 2.0
    assert true_range(9.0, 8.0, 10.0) == 2.0
    assert true_range(11.0, 9.0, 10.0) == 2.0


def test_atr_worked_by_hand() -> None:
    #            range     -     2     4 (jump of 4)   1     0
    high, low = np.array([[11.0, 12.0, 15.0, 15.0, 14.0], [9.0, 10.0, 14.0, 14.0, 14.0]])
    close = np.array([10.0, 11.0, 15.0, 14.0, 14.0])
    answered = batch(atr, ATR, high, low, close, params=(2,))
    assert answered[2:].tolist() == [3.0, 2.0, 1.0]  # (2 + 4) / 2, (3 + 1) / 2, (2 + 0) / 2
    assert all(math.isnan(value) for value in answered[:2])
