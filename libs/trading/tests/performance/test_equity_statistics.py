"""Statistics of the equity curve, against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1.errors import UndefinedStatistic
from n1v1.performance import (
    annualised_return,
    annualised_volatility,
    calmar_ratio,
    drawdowns,
    longest_drawdown,
    max_drawdown,
    periods_per_year,
    sharpe_ratio,
    simple_returns,
    sortino_ratio,
    total_return,
)

CURVE = [100, 110, 99, 99, 120, 90, 130]


def test_total_return_is_last_by_first() -> None:
    assert total_return(CURVE) == pytest.approx(0.3)


def test_drawdown_is_measured_from_the_highest_mark_so_far() -> None:
    assert drawdowns(CURVE) == pytest.approx([0, 0, 0.1, 0.1, 0, 0.25, 0])
    assert max_drawdown(CURVE) == pytest.approx(0.25)
    assert longest_drawdown(CURVE) == 2
    assert max_drawdown([1, 2, 3]) == 0.0


def test_a_year_has_365_and_a_quarter_days_of_24_hours() -> None:
    assert periods_per_year("4h") == 2191.5
    assert periods_per_year("1d") == 365.25


def test_annualised_return_compounds() -> None:
    # 10 % in each of two half years
    assert annualised_return([100, 110, 121], periods_per_year=2) == pytest.approx(0.21)
    # 21 % over two years
    assert annualised_return([100, 110, 121], periods_per_year=1) == pytest.approx(0.10)


def test_sharpe_ratio_by_hand() -> None:
    # mean 0.01; deviations 0, 0.02, -0.02; sample variance 0.0008 / 2; one period a year
    returns = [0.01, 0.03, -0.01]
    assert sharpe_ratio(returns, periods_per_year=1) == pytest.approx(0.01 / 0.02)
    assert sharpe_ratio(returns, periods_per_year=4) == pytest.approx(1.0)
    assert sharpe_ratio(returns, periods_per_year=4, risk_free_rate=0.04) == pytest.approx(0.0, abs=1e-12)
    assert annualised_volatility(returns, periods_per_year=4) == pytest.approx(0.04)


def test_sortino_ratio_counts_all_periods_in_the_downside_deviation() -> None:
    # mean 0.01; downside root of (0.02 ** 2) / 4 = 0.01
    assert sortino_ratio([0.03, -0.02, 0.02, 0.01], periods_per_year=1) == pytest.approx(1.0)


def test_calmar_ratio_is_yearly_return_by_deepest_drawdown() -> None:
    assert calmar_ratio([100, 80, 110], periods_per_year=2) == pytest.approx(0.10 / 0.20)


@pytest.mark.parametrize(
    "undefined",
    [
        lambda: sharpe_ratio([0.01], 365),
        lambda: sharpe_ratio([0.01, 0.01, 0.01], 365),
        lambda: sharpe_ratio([0.0, 0.0], 365),
        lambda: sortino_ratio([0.01, 0.02], 365),
        lambda: sortino_ratio([], 365),
        lambda: calmar_ratio([1, 2], 365),
        lambda: annualised_return([100], 365),
        lambda: annualised_return([1, 10**9], 2190),
        lambda: total_return([]),
        lambda: simple_returns([1, 0, 1]),
    ],
)
def test_what_the_data_does_not_determine_is_undefined(undefined: object) -> None:
    assert callable(undefined)
    with pytest.raises(UndefinedStatistic):
        undefined()


@given(st.lists(st.integers(min_value=10**9, max_value=10**15), min_size=2, max_size=50))
def test_drawdown_is_a_fraction_and_returns_compound_to_the_total(equity: list[int]) -> None:
    assert 0.0 <= max_drawdown(equity) < 1.0
    grown = math.prod(1.0 + r for r in simple_returns(equity))
    assert grown == pytest.approx(total_return(equity) + 1.0, rel=1e-9)
