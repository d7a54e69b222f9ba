"""Rolling z-score against NumPy, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from n1v1.indicators.batch import batch
from n1v1.indicators.zscore import ZSCORE, zscore


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_score_is_that_of_numpy(market: Any, ddof: int) -> None:
    answered = batch(zscore, ZSCORE, market.close, params=(20, ddof))[19:]
    windows = sliding_window_view(market.close, 20)
    deviation = windows.std(axis=1, ddof=ddof)
    moves = np.ptp(windows, axis=1) > 0
    expected = (windows[moves, -1] - windows[moves].mean(axis=1)) / deviation[moves]
    np.testing.assert_allclose(answered[moves], expected, rtol=1e-9, atol=1e-9)
    assert (answered[~moves] == 0.0).all()


def test_the_score_worked_by_hand() -> None:
    answered = batch(zscore, ZSCORE, np.array([1.0, 3.0, 7.0, 7.0, 3.0]), params=(2, 0))
    assert answered[1:].tolist() == [1.0, 1.0, 0.0, -1.0]
