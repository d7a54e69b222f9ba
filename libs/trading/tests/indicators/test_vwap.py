"""Rolling and daily VWAP against NumPy, and what they say when nothing is traded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from n1v1.indicators.batch import batch
from n1v1.indicators.vwap import DAY_NS, SESSION_VWAP, VWAP, session_vwap, vwap
from n1v1.kernels import new_record

FOUR_HOURS = DAY_NS // 6


@pytest.mark.parametrize("period", [1, 20, 256])
def test_rolling_vwap_is_that_of_numpy(market: Any, period: int) -> None:
    bars = market.high, market.low, market.close, market.volume
    answered = batch(vwap, VWAP, *bars, params=(period,))[period - 1 :]
    typical = (market.high + market.low + market.close) / 3
    value = sliding_window_view(typical * market.volume, period).sum(axis=1)
    volume = sliding_window_view(market.volume, period).sum(axis=1)
    traded = volume > 0
    np.testing.assert_allclose(answered[traded], value[traded] / volume[traded], rtol=1e-9)
    np.testing.assert_array_equal(answered[~traded], typical[period - 1 :][~traded])


def test_daily_vwap_is_that_of_numpy_over_each_day(market: Any) -> None:
    close_ns = np.arange(1, len(market.close) + 1) * FOUR_HOURS
    state = new_record(SESSION_VWAP)
    columns = (market.high, market.low, market.close, market.volume, close_ns)
    answered = [session_vwap(state, *bar) for bar in zip(*(column.tolist() for column in columns), strict=True)]
    typical = (market.high + market.low + market.close) / 3
    for first in range(0, len(answered), 6):
        value = np.cumsum((typical * market.volume)[first : first + 6])
        volume = np.cumsum(market.volume[first : first + 6])
        expected = np.where(volume > 0, value / np.where(volume > 0, volume, 1.0), typical[first : first + 6])
        np.testing.assert_allclose(answered[first : first + 6], expected, rtol=1e-9)


def test_the_bar_that_closes_at_midnight_ends_its_day() -> None:
    state = new_record(SESSION_VWAP)
    midnight = 20_000 * DAY_NS
    answered = [
        session_vwap(state, 10.0, 10.0, 10.0, 1.0, midnight - FOUR_HOURS),
        session_vwap(state, 20.0, 20.0, 20.0, 1.0, midnight),
        session_vwap(state, 40.0, 40.0, 40.0, 1.0, midnight + FOUR_HOURS),
        session_vwap(state, 10.0, 10.0, 10.0, 2.0, midnight + 2 * FOUR_HOURS),
    ]
    assert answered == [10.0, 15.0, 40.0, 20.0]


def test_without_volume_the_answer_is_the_price() -> None:
    rolling, daily = new_record(VWAP), new_record(SESSION_VWAP)
    assert session_vwap(daily, 12.0, 9.0, 9.0, 0.0, FOUR_HOURS) == 10.0
    assert vwap(rolling, 12.0, 9.0, 9.0, 0.0, 1) == 10.0
