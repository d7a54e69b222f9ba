"""MFI against TA-Lib, and where they part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import talib

from n1v1.indicators.batch import batch
from n1v1.indicators.mfi import MFI, mfi


@pytest.mark.parametrize("period", [2, 14, 256])
def test_mfi_is_that_of_ta_lib(market: Any, period: int) -> None:
    bars = market.high, market.low, market.close, market.volume
    answered = batch(mfi, MFI, *bars, params=(period,))
    np.testing.assert_allclose(answered, talib.MFI(*bars, timeperiod=period), rtol=1e-9, atol=1e-9)


def test_mfi_worked_by_hand() -> None:
    price, volume = np.array([[10.0, 11.0, 10.0, 10.0, 10.0], [9.0, 2.0, 1.0, 5.0, 5.0]])
    answered = batch(mfi, MFI, price, price, price, volume, params=(2,))
    assert answered[2:] == pytest.approx([100.0 * 22.0 / 32.0, 0.0, 0.0])  # flows +22, -10, and none


def test_rounding_does_not_make_an_unchanged_price_rise() -> None:
    high, low, close = np.array([[10.34, 10.35, 10.35], [10.18, 10.21, 10.23], [10.30, 10.31, 10.29]])
    assert 10.35 + 10.21 + 10.31 > 10.35 + 10.23 + 10.29  # equal on paper
    assert batch(mfi, MFI, high, low, close, np.ones(3), params=(2,))[-1] == 100.0


def test_however_little_money_flows_it_counts() -> None:
    price = np.array([1.0, 1.1, 1.0, 1.1, 1.2])
    assert batch(mfi, MFI, price, price, price, np.full(5, 1e-8), params=(2,))[-1] == 100.0
