"""SuperTrend against a plain reference, and a turn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import talib
from numpy.typing import NDArray

from n1v1.indicators.batch import batch
from n1v1.indicators.supertrend import SUPERTREND, supertrend


def reference(market: Any, period: int, multiplier: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """TradingView's script, line by line, with its direction turned around: 1 is up."""
    reach = multiplier * talib.ATR(market.high, market.low, market.close, timeperiod=period)
    middle = (market.high + market.low) / 2
    upper, lower, close = middle + reach, middle - reach, market.close
    line, direction = np.full(len(close), np.nan), np.full(len(close), np.nan)
    line[period], direction[period] = upper[period], -1
    for bar in range(period + 1, len(close)):
        if not (lower[bar] > lower[bar - 1] or close[bar - 1] < lower[bar - 1]):
            lower[bar] = lower[bar - 1]
        if not (upper[bar] < upper[bar - 1] or close[bar - 1] > upper[bar - 1]):
            upper[bar] = upper[bar - 1]
        if direction[bar - 1] == -1:
            direction[bar] = 1 if close[bar] > upper[bar] else -1
        else:
            direction[bar] = -1 if close[bar] < lower[bar] else 1
        line[bar] = lower[bar] if direction[bar] == 1 else upper[bar]
    return line, direction


def test_supertrend_is_that_of_the_reference(market: Any) -> None:
    for period, multiplier in ((10, 3.0), (3, 1.0)):
        line, direction = batch(
            supertrend, SUPERTREND, market.high, market.low, market.close, params=(period, multiplier)
        )
        expected_line, expected_direction = reference(market, period, multiplier)
        np.testing.assert_allclose(line, expected_line, rtol=1e-9)
        np.testing.assert_array_equal(direction, expected_direction)


def test_supertrend_worked_by_hand() -> None:
    # ATR(2) from the third bar: 2, then (2 + 2) / 2 = 2, (2 + 6) / 2 = 4, (4 + 2) / 2 = 3. Bands: middle +- ATR.
    #   bar 3   10 +- 2: 12 and 8; starts downwards, the line is the upper band
    #   bar 4   10 +- 2: the same
    #   bar 5   13 +- 4: upper stays 12 (it only tightens), close 15 is above: upwards, the line is the lower band, 9
    #   bar 6   15 +- 3: 12 is above 9, the line rises
    close = np.array([10.0, 10.0, 10.0, 10.0, 15.0, 15.0])
    high = np.array([11.0, 11.0, 11.0, 11.0, 16.0, 16.0])
    low = np.array([9.0, 9.0, 9.0, 9.0, 10.0, 14.0])
    line, direction = batch(supertrend, SUPERTREND, high, low, close, params=(2, 1.0))
    assert line[2:].tolist() == [12.0, 12.0, 9.0, 12.0]
    assert direction[2:].tolist() == [-1.0, -1.0, 1.0, 1.0]


def test_on_a_price_that_never_moves_the_line_is_the_price() -> None:
    still = np.full(20, 7.0)
    line, direction = batch(supertrend, SUPERTREND, still, still, still, params=(5, 3.0))
    assert (line[5:] == 7.0).all()
    assert (direction[5:] == -1.0).all()
