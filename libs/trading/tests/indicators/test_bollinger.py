"""Standard deviation and Bollinger bands against TA-Lib and NumPy, and what a quiet market does to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import talib
from numpy.lib.stride_tricks import sliding_window_view

from n1v1.indicators.batch import batch
from n1v1.indicators.bollinger import BOLLINGER, bollinger
from n1v1.indicators.standard_deviation import STANDARD_DEVIATION, standard_deviation


@pytest.mark.parametrize(("period", "deviations"), [(20, 2.0), (5, 1.5), (256, 3.0)])
def test_bands_are_those_of_ta_lib(market: Any, period: int, deviations: float) -> None:
    answered = batch(bollinger, BOLLINGER, market.close, params=(period, deviations, 0))
    expected = talib.BBANDS(market.close, timeperiod=period, nbdevup=deviations, nbdevdn=deviations)
    # TA-Lib subtracts sums of squared prices: on flat bars its deviation is the root of what rounding left, not 0.
    tolerance = 1e-5 if market.name == "flat" else 1e-9
    for ours, theirs in zip(answered, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=tolerance)


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_deviation_is_that_of_numpy_flat_bars_included(market: Any, ddof: int) -> None:
    mean, deviation = batch(standard_deviation, STANDARD_DEVIATION, market.close, params=(20, ddof))
    windows = sliding_window_view(market.close, 20)
    np.testing.assert_allclose(mean[19:], windows.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(deviation[19:], windows.std(axis=1, ddof=ddof), rtol=1e-9, atol=1e-9)


def test_bands_worked_by_hand() -> None:
    upper, middle, lower = batch(bollinger, BOLLINGER, np.array([1.0, 3.0, 7.0, 7.0]), params=(2, 2.0, 0))
    assert upper[1:].tolist() == [4.0, 9.0, 7.0]  # deviations 1, 2 and 0
    assert middle[1:].tolist() == [2.0, 5.0, 7.0]
    assert lower[1:].tolist() == [0.0, 1.0, 7.0]


def test_bands_close_exactly_on_a_price_that_stands_still() -> None:
    price = np.concatenate([np.array([0.1, 61234.57, 0.3]), np.full(50, 0.1 + 0.2)])
    upper, middle, lower = batch(bollinger, BOLLINGER, price, params=(20, 2.0, 0))
    assert (upper[22:] == price[22:]).all()
    assert (middle[22:] == price[22:]).all()
    assert (lower[22:] == price[22:]).all()


def test_small_moves_at_a_large_price_keep_their_digits() -> None:
    price = 1e6 + np.random.default_rng(1).normal(0.0, 1e-3, 500)
    deviation = batch(standard_deviation, STANDARD_DEVIATION, price, params=(20, 0))[1]
    assert deviation[-1] == pytest.approx(price[-20:].std(), rel=1e-6)
