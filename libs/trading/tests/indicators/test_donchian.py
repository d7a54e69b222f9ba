"""Donchian channel against NumPy, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from n1v1.indicators.batch import batch
from n1v1.indicators.donchian import DONCHIAN, donchian


@pytest.mark.parametrize("period", [1, 20, 256])
def test_the_channel_is_that_of_numpy(market: Any, period: int) -> None:
    upper, middle, lower = batch(donchian, DONCHIAN, market.high, market.low, params=(period,))
    highest = sliding_window_view(market.high, period).max(axis=1)
    lowest = sliding_window_view(market.low, period).min(axis=1)
    np.testing.assert_array_equal(upper[period - 1 :], highest)
    np.testing.assert_array_equal(lower[period - 1 :], lowest)
    np.testing.assert_array_equal(middle[period - 1 :], (highest + lowest) / 2)


def test_the_channel_worked_by_hand() -> None:
    high, low = np.array([[5.0, 9.0, 6.0, 6.0], [3.0, 4.0, 2.0, 4.0]])
    upper, middle, lower = batch(donchian, DONCHIAN, high, low, params=(2,))
    assert upper[1:].tolist() == [9.0, 9.0, 6.0]
    assert lower[1:].tolist() == [3.0, 2.0, 2.0]
    assert middle[1:].tolist() == [6.0, 5.5, 4.0]
