"""The window that rolling indicators are built on, against NumPy over the same values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from n1v1.indicators.batch import batch
from n1v1.indicators.relative_volume import RELATIVE_VOLUME, relative_volume, relative_volume_warmup
from n1v1.indicators.window import (
    CAPACITY,
    ROLLING_EXTREME,
    ROLLING_SUM,
    WINDOW,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_sum,
    window_ago,
    window_max,
    window_mean,
    window_min,
    window_push,
    window_sum,
)
from n1v1.kernels import Record, kernel, new_record

columns = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array)


@kernel
def five_answers(window: Record, value: float, period: int) -> tuple[float, float, float, float, float]:
    """What a full window of `period` answers after one more value; of fewer values, while it fills."""
    window_push(window, value)
    held = min(period, window.count)
    oldest = window_ago(window, held - 1)
    return (
        oldest,
        window_sum(window, held),
        window_mean(window, held),
        window_max(window, held),
        window_min(window, held),
    )


@given(columns, st.integers(1, 20))
def test_a_window_answers_what_numpy_answers_of_the_same_values(column: NDArray[np.float64], period: int) -> None:
    answered = np.array(batch(five_answers, WINDOW, column, params=(period,)))
    for bar in range(len(column)):
        values = column[max(0, bar + 1 - period) : bar + 1]
        expected = [values[0], values.sum(), values.mean(), values.max(), values.min()]
        assert answered[:, bar] == pytest.approx(expected, rel=1e-12, abs=1e-8)


@given(columns, st.integers(1, 20))
def test_rolling_values_are_those_of_the_window(column: NDArray[np.float64], period: int) -> None:
    _, total, mean, highest, lowest = batch(five_answers, WINDOW, column, params=(period,))
    for step, layout, expected in (
        (rolling_sum, ROLLING_SUM, total),
        (rolling_mean, ROLLING_SUM, mean),
        (rolling_max, ROLLING_EXTREME, highest),
        (rolling_min, ROLLING_EXTREME, lowest),
    ):
        answered = batch(step, layout, column, params=(period,))
        assert np.isnan(answered[: period - 1]).all()
        assert answered[period - 1 :] == pytest.approx(expected[period - 1 :], rel=1e-12, abs=1e-8)


def test_a_window_holds_as_many_values_as_its_capacity_and_no_more() -> None:
    column = np.arange(3.0 * CAPACITY)
    for step, layout, newest in (
        (rolling_sum, ROLLING_SUM, column[-CAPACITY:].sum()),
        (rolling_max, ROLLING_EXTREME, column[-1]),
        (rolling_min, ROLLING_EXTREME, column[-CAPACITY]),
    ):
        assert batch(step, layout, column, params=(CAPACITY,))[-1] == newest


def test_a_sum_does_not_drift_however_many_bars_and_whatever_passed_through_it() -> None:
    noise = np.random.default_rng(7)
    column = noise.uniform(1e-3, 1e3, 100_000)
    column[50_000] = 1e15  # a spike that a plain running sum would remember as an error of 0.1
    answered = batch(rolling_sum, ROLLING_SUM, column, params=(20,))
    assert answered[-1] == pytest.approx(math.fsum(column[-20:]), rel=1e-15)
    assert answered[50_100] == pytest.approx(math.fsum(column[50_081:50_101]), rel=1e-15)


@given(columns, st.integers(1, 20))
def test_a_sum_is_exactly_zero_once_only_zeros_are_left_in_it(column: NDArray[np.float64], period: int) -> None:
    answered = batch(rolling_sum, ROLLING_SUM, np.concatenate([column, np.zeros(period + 3)]), params=(period,))
    assert answered[-4:].tolist() == [0.0] * 4


def test_relative_volume_compares_with_the_bars_before_and_not_with_itself() -> None:
    answered = batch(relative_volume, RELATIVE_VOLUME, np.array([2.0, 4.0, 6.0, 10.0, 0.0, 0.0, 5.0]), params=(2,))
    assert answered[2:].tolist() == [6.0 / 3.0, 10.0 / 5.0, 0.0, 0.0, 0.0]  # the last: nothing was traded before it
    assert np.isnan(answered[:2]).all()
    assert relative_volume_warmup(2) == 3


@pytest.mark.parametrize(
    ("step", "layout"),
    [
        (five_answers, WINDOW),
        (rolling_max, ROLLING_EXTREME),
        (rolling_min, ROLLING_EXTREME),
        (relative_volume, RELATIVE_VOLUME),
    ],
)
def test_compiled_windows_give_the_same_bits(
    step: Callable[..., Any], layout: np.dtype[Any], compiled_batch: Callable[..., Any]
) -> None:
    column = np.random.default_rng(3).uniform(0.0, 1e5, 700)
    for period in (1, 3, CAPACITY):
        plain = batch(step, layout, column, params=(period,))
        assert np.array(plain).tobytes() == np.array(compiled_batch(step, layout, column, params=(period,))).tobytes()


def test_a_new_window_is_empty() -> None:
    assert new_record(WINDOW).count == 0
