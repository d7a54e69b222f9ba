"""OBV against TA-Lib, and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import talib

from n1v1.indicators.batch import batch
from n1v1.indicators.obv import OBV, obv


def test_obv_is_that_of_ta_lib(market: Any) -> None:
    answered = batch(obv, OBV, market.close, market.volume, params=())
    np.testing.assert_allclose(answered, talib.OBV(market.close, market.volume), rtol=1e-9, atol=1e-9)


def test_obv_worked_by_hand() -> None:
    close, volume = np.array([[10.0, 11.0, 11.0, 9.0, 12.0], [5.0, 3.0, 100.0, 4.0, 2.0]])
    assert batch(obv, OBV, close, volume, params=()).tolist() == [5.0, 8.0, 8.0, 4.0, 6.0]


def test_obv_is_the_exact_sum_within_its_rounding_after_100_000_bars() -> None:
    chance = np.random.default_rng(5)
    close, volume = chance.uniform(1.0, 2.0, 100_000), chance.uniform(0.0, 1_000.0, 100_000)
    exact = math.fsum([volume[0], *(np.sign(np.diff(close)) * volume[1:])])
    assert abs(batch(obv, OBV, close, volume, params=())[-1] - exact) < 1e-9 * volume.sum()
