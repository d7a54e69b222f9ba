"""The statistics beside empyrical's, on random returns. Where the definitions differ the test says how.

empyrical annualises with 252 days unless it is told otherwise; it is told our number of periods here.
"""

from __future__ import annotations

import empyrical  # type: ignore[import-untyped]  # it comes without types
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n1v1 import performance
from n1v1.errors import UndefinedStatistic
from n1v1.performance.equity import Floats

PER_YEAR = 2191.5
RISK_FREE_RATE = 0.02
FREE = RISK_FREE_RATE / PER_YEAR


def agrees(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


@st.composite
def random_returns(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Ours and a market's, of one length."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(30, 400))
    market = random.normal(0.0003, 0.02, count)
    return market * draw(st.floats(-1.0, 1.5)) + random.standard_t(4, count) * 0.004, market


def curve_of(returns: Floats) -> Floats:
    return np.concatenate(([10_000.0], 10_000.0 * np.cumprod(1.0 + returns)))


@given(random_returns())
def test_ratios_of_returns_agree(series: tuple[Floats, Floats]) -> None:
    ours, _ = series
    assert performance.sharpe_ratio(ours, PER_YEAR, RISK_FREE_RATE) == agrees(
        empyrical.sharpe_ratio(ours, risk_free=FREE, annualization=PER_YEAR)
    )
    assert performance.sortino_ratio(ours, PER_YEAR, FREE) == agrees(
        empyrical.sortino_ratio(ours, required_return=FREE, annualization=PER_YEAR)
    )
    assert performance.downside_deviation(ours, PER_YEAR, FREE) == agrees(
        empyrical.downside_risk(ours, required_return=FREE, annualization=PER_YEAR)
    )
    assert performance.annualised_volatility(ours, PER_YEAR) == agrees(
        empyrical.annual_volatility(ours, annualization=PER_YEAR)
    )


@given(random_returns())
def test_the_shape_of_returns_agrees(series: tuple[Floats, Floats]) -> None:
    ours, _ = series
    assert performance.tail_ratio(ours) == agrees(empyrical.tail_ratio(ours))
    assert performance.skewness(ours) == agrees(empyrical.stats.stats.skew(ours))
    assert performance.excess_kurtosis(ours) == agrees(empyrical.stats.stats.kurtosis(ours))


@given(random_returns())
def test_losses_agree_but_for_their_sign(series: tuple[Floats, Floats]) -> None:
    # empyrical says losses as negative returns, we say them as positive fractions, as the original README does
    ours, _ = series
    assert performance.value_at_risk(ours) == agrees(-empyrical.value_at_risk(ours))
    assert performance.expected_shortfall(ours) == agrees(-empyrical.conditional_value_at_risk(ours))
    assert performance.max_drawdown(curve_of(ours)) == agrees(-empyrical.max_drawdown(ours))


@given(random_returns())
def test_yearly_return_and_calmar_ratio_agree(series: tuple[Floats, Floats]) -> None:
    ours, _ = series
    curve = curve_of(ours)
    assert performance.annualised_return(curve, PER_YEAR) == agrees(
        empyrical.annual_return(ours, annualization=PER_YEAR)
    )
    assert performance.calmar_ratio(curve, PER_YEAR) == agrees(empyrical.calmar_ratio(ours, annualization=PER_YEAR))


@given(random_returns())
def test_alpha_and_beta_agree(series: tuple[Floats, Floats]) -> None:
    # empyrical's risk_free is per period, ours per year
    ours, market = series
    assert performance.beta(ours, market) == agrees(empyrical.beta(ours, market, risk_free=FREE))
    assert performance.alpha(ours, market, PER_YEAR, RISK_FREE_RATE) == agrees(
        empyrical.alpha(ours, market, risk_free=FREE, annualization=PER_YEAR)
    )


def test_a_flat_curve_has_an_endless_ratio_there_and_none_here() -> None:
    flat = np.full(10, 0.001)
    assert empyrical.sharpe_ratio(flat, annualization=PER_YEAR) == np.inf
    with pytest.raises(UndefinedStatistic, match="without variation"):
        performance.sharpe_ratio(flat, PER_YEAR)
