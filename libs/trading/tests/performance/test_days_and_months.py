"""Returns by UTC day and month, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from n1v1.errors import UndefinedStatistic
from n1v1.performance import returns_by_day, returns_by_month, rolling_sharpe, sharpe_ratio, summary


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


TIMES = [
    at("2020-01-30T20:00"),
    at("2020-01-31T00:00"),  # closes the 30th
    at("2020-01-31T12:00"),
    at("2020-02-01T00:00"),  # closes the 31st, and January
    at("2020-02-02T04:00"),
]
EQUITY = [100, 110, 121, 99, 198]


def test_a_mark_at_midnight_closes_the_day_that_ends_there() -> None:
    assert returns_by_day(TIMES, EQUITY) == pytest.approx([0.1, -0.1, 1.0])


def test_a_mark_at_midnight_of_the_first_closes_the_month_before() -> None:
    assert returns_by_month(TIMES, EQUITY) == pytest.approx([-0.01, 1.0])


def test_a_day_of_which_only_the_opening_mark_is_known_has_no_return() -> None:
    assert returns_by_day([at("2020-01-31T00:00"), at("2020-02-01T00:00")], [100, 150]) == pytest.approx([0.5])
    assert len(returns_by_day(TIMES[:1], EQUITY[:1])) == 0


def test_marks_without_a_time_are_refused() -> None:
    with pytest.raises(UndefinedStatistic, match="got 2 for 3 marks"):
        returns_by_day(TIMES[:2], [1, 2, 3])


def test_the_summary_knows_the_best_and_the_worst_day_and_month() -> None:
    numbers = summary(equity=EQUITY, exposed=[False] * 5, executions=[], timeframe="4h", times_ns=TIMES)
    assert (numbers.best_day, numbers.worst_day) == pytest.approx((1.0, -0.1))
    assert (numbers.best_month, numbers.worst_month) == pytest.approx((1.0, -0.01))
    assert numbers.expected_shortfall_95 == pytest.approx(0.1)


def test_without_times_nothing_is_known_of_days() -> None:
    numbers = summary(equity=EQUITY, exposed=[False] * 5, executions=[], timeframe="4h")
    assert (numbers.best_day, numbers.worst_month, numbers.value_at_risk_95, numbers.kurtosis) == (None,) * 4


def test_each_rolling_sharpe_ratio_is_that_of_its_window() -> None:
    returns = np.random.default_rng(7).normal(0.001, 0.02, 200)
    rolling = rolling_sharpe(returns, 30, 365.25)
    assert len(rolling) == 171
    assert rolling == pytest.approx([sharpe_ratio(returns[k : k + 30], 365.25) for k in range(171)], rel=1e-8)


def test_a_rolling_window_without_variation_is_not_a_number() -> None:
    returns = np.concatenate((np.random.default_rng(7).normal(0.001, 0.02, 50), np.zeros(40)))
    rolling = rolling_sharpe(returns, 30, 365.25)
    assert np.isnan(rolling[-10:]).all()
    assert np.isfinite(rolling[:21]).all()
    assert len(rolling_sharpe(returns[:29], 30, 365.25)) == 0
