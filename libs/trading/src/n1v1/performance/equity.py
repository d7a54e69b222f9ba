"""Statistics of an equity curve: how far it got, how it swung, how deep and how long it fell.

Curves and returns are sequences or arrays, oldest first. Ratios are floats; a fraction of 0.01 is 1 %. The arithmetic
uses additions in NumPy's fixed pairwise order and no linear algebra library, so equal curves have equal statistics.
A statistic that the data does not determine raises UndefinedStatistic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import UndefinedStatistic
from n1v1.timeframes import timeframe_ns

Floats = NDArray[np.float64]
Numbers = Sequence[float] | NDArray[Any]
"""A curve or a series of returns as it may be given: a sequence, or an array of any number type."""

YEAR_NS = 31_557_600_000_000_000
"""365.25 days: crypto trades every day of the year."""


def floats(numbers: Numbers) -> Floats:
    return np.asarray(numbers, dtype=np.float64)


def periods_per_year(timeframe: str) -> float:
    """Bars in a year of 365.25 days: 2191.5 for 4h."""
    return YEAR_NS / timeframe_ns(timeframe)


def simple_returns(equity: Numbers) -> Floats:
    """Change of each mark relative to the one before; one fewer than marks.

    Raises UndefinedStatistic after a mark that is not positive: an account that lost everything has no return.
    """
    marks = floats(equity)
    if np.any(marks[:-1] <= 0):
        raise UndefinedStatistic("returns are undefined after equity reached zero")
    return marks[1:] / marks[:-1] - 1.0


def total_return(equity: Numbers) -> float:
    """Last mark relative to the first, minus 1. Raises UndefinedStatistic without a positive first mark."""
    if not len(equity) or equity[0] <= 0:
        raise UndefinedStatistic("total return needs a positive first mark")
    return float(equity[-1] / equity[0] - 1.0)


def annualised_return(equity: Numbers, periods_per_year: float) -> float:
    """The constant yearly return that leads from the first mark to the last.

    Raises UndefinedStatistic with fewer than two marks. Over a few days it is arithmetic, not a forecast.
    """
    if len(equity) < 2:
        raise UndefinedStatistic("annualised return needs at least two marks")
    growth = total_return(equity) + 1.0
    if growth <= 0:
        return -1.0
    return compounded(growth, periods_per_year / (len(equity) - 1))


def annualised_volatility(returns: Numbers, periods_per_year: float) -> float:
    """Sample deviation (n - 1) of per-period returns, times the root of the periods in a year."""
    return _sample_deviation(floats(returns)) * math.sqrt(periods_per_year)


def sharpe_ratio(returns: Numbers, periods_per_year: float, risk_free_rate: float = 0.0) -> float:
    """Annualised Sharpe ratio of simple per-period returns.

    returns: fractions (0.01 is 1 %), oldest first, at least two. risk_free_rate: per year, as a fraction.
    Sample deviation (n - 1). Assumes independent returns; Lo (2002) says what to do when they are not.

    Raises:
        UndefinedStatistic: fewer than two returns, or no variation. A flat curve has no Sharpe ratio.
    """
    series = floats(returns)
    deviation = _sample_deviation(series)
    if deviation <= _rounding_noise(series):
        raise UndefinedStatistic("the Sharpe ratio of returns without variation is undefined")
    excess = float(series.mean()) - risk_free_rate / periods_per_year
    return excess / deviation * math.sqrt(periods_per_year)


def downside_deviation(returns: Numbers, periods_per_year: float, target: float = 0.0) -> float:
    """Annualised root mean square of what returns lack to `target` (per period), those above it counting as zero.

    Taken over all periods (Sortino and van der Meer, 1991). Raises UndefinedStatistic without returns.
    """
    if not len(returns):
        raise UndefinedStatistic("the downside deviation needs at least one return")
    shortfall = np.minimum(floats(returns) - target, 0.0)
    return math.sqrt(float(np.square(shortfall).mean())) * math.sqrt(periods_per_year)


def sortino_ratio(returns: Numbers, periods_per_year: float, target: float = 0.0) -> float:
    """Annualised mean excess over `target` (per period) by the downside deviation.

    Raises UndefinedStatistic without returns, when none is below the target, or when they do not vary.
    """
    downside = downside_deviation(returns, periods_per_year, target)
    series = floats(returns)
    if downside == 0.0:
        raise UndefinedStatistic("the Sortino ratio without a return below the target is undefined")
    if float(series.std()) <= _rounding_noise(series):
        raise UndefinedStatistic("the Sortino ratio of returns without variation is undefined")
    return (float(series.mean()) - target) * periods_per_year / downside


def calmar_ratio(equity: Numbers, periods_per_year: float) -> float:
    """Annualised return by maximum drawdown, over the whole curve. Raises UndefinedStatistic without a drawdown."""
    deepest = max_drawdown(equity)
    if deepest == 0.0:
        raise UndefinedStatistic("the Calmar ratio without a drawdown is undefined")
    return annualised_return(equity, periods_per_year) / deepest


def drawdowns(equity: Numbers) -> Floats:
    """For every mark how far it is below the highest so far, as a positive fraction of that."""
    marks = floats(equity)
    peaks = np.maximum.accumulate(np.maximum(marks, 0.0))
    fractions = np.zeros_like(marks)
    np.divide(peaks - marks, peaks, out=fractions, where=peaks > 0)
    return fractions


def max_drawdown(equity: Numbers) -> float:
    """The deepest of `drawdowns`; 0 for a curve that never fell."""
    return float(drawdowns(equity).max(initial=0.0))


def longest_drawdown(equity: Numbers) -> int:
    """Most consecutive marks below an earlier peak."""
    return longest_run(drawdowns(equity) > 0)


def ulcer_index(equity: Numbers) -> float:
    """Root mean square of the drawdowns, as a fraction (Martin, 1987, has percent): deep and long falls weigh most.

    Raises UndefinedStatistic without marks.
    """
    if not len(equity):
        raise UndefinedStatistic("the ulcer index needs at least one mark")
    return math.sqrt(float(np.square(drawdowns(equity)).mean()))


def value_at_risk(returns: Numbers, share: float = 0.05) -> float:
    """The loss that a share of the periods exceeds, as a positive fraction; interpolated between returns.

    Negative when even those periods gained. Raises UndefinedStatistic without returns.
    """
    if not len(returns):
        raise UndefinedStatistic("the value at risk needs at least one return")
    return -float(np.percentile(floats(returns), 100 * share))


def expected_shortfall(returns: Numbers, share: float = 0.05) -> float:
    """The mean loss of the worst share of the periods (at least one), as a positive fraction.

    Raises UndefinedStatistic without returns.
    """
    if not len(returns):
        raise UndefinedStatistic("the expected shortfall needs at least one return")
    worst = int((len(returns) - 1) * share) + 1
    return -float(np.sort(floats(returns))[:worst].mean())


def skewness(returns: Numbers) -> float:
    """Third standardised moment of the returns, as a population. Raises UndefinedStatistic without variation."""
    centred, variance = _centred(returns, "skewness")
    return float((centred * centred * centred).mean()) / (variance * math.sqrt(variance))


def excess_kurtosis(returns: Numbers) -> float:
    """Fourth standardised moment of the returns minus 3, as a population: 0 for a normal distribution.

    Raises UndefinedStatistic without variation.
    """
    centred, variance = _centred(returns, "kurtosis")
    return float(np.square(np.square(centred)).mean()) / (variance * variance) - 3.0


def tail_ratio(returns: Numbers) -> float:
    """The 95th percentile of the returns by the 5th, both without sign: above 1, good periods outweigh bad ones.

    Raises UndefinedStatistic without returns, or when the 5th percentile is zero.
    """
    if not len(returns):
        raise UndefinedStatistic("the tail ratio needs at least one return")
    low, high = np.percentile(floats(returns), [5, 95])
    if low == 0.0:
        raise UndefinedStatistic("the tail ratio is undefined where the 5th percentile is zero")
    return abs(float(high)) / abs(float(low))


def rolling_sharpe(returns: Numbers, window: int, periods_per_year: float) -> Floats:
    """The Sharpe ratio of every `window` consecutive returns; NaN where they do not vary.

    Fewer returns than a window give an empty array.
    """
    series = floats(returns)
    if len(series) < window or window < 2:
        return np.empty(0)
    sums = np.concatenate(([0.0], np.add.accumulate(series)))
    squares = np.concatenate(([0.0], np.add.accumulate(np.square(series))))
    mean = (sums[window:] - sums[:-window]) / window
    variance = ((squares[window:] - squares[:-window]) - window * np.square(mean)) / (window - 1)
    # Differences of running sums leave rounding noise, which must not become a variance.
    ratios = np.full(len(mean), np.nan)
    varies = variance > 1e-12 * squares[-1] / window
    ratios[varies] = mean[varies] / np.sqrt(variance[varies]) * math.sqrt(periods_per_year)
    return ratios


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Most consecutive true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def compounded(growth: float, periods: float) -> float:
    """`growth` (1.1 is +10 %) to the power of `periods`, minus 1. growth must be positive.

    Raises UndefinedStatistic when that is too large for a number.
    """
    try:
        return math.exp(math.log(growth) * periods) - 1.0
    except OverflowError:
        raise UndefinedStatistic("the annualised return is too large for a number: the run is too short") from None


def _sample_deviation(returns: Floats) -> float:
    if len(returns) < 2:
        raise UndefinedStatistic(f"a deviation needs at least two returns, got {len(returns)}")
    return float(returns.std(ddof=1))


def _rounding_noise(returns: Floats) -> float:
    """Deviations below this come from binary fractions: the returns are meant to be equal."""
    return 1e-14 * float(np.abs(returns).max())


def _centred(returns: Numbers, statistic: str) -> tuple[Floats, float]:
    """Deviations from the mean, and the population variance."""
    series = floats(returns)
    if len(series) < 2 or float(series.std()) <= _rounding_noise(series):
        raise UndefinedStatistic(f"the {statistic} of returns without variation is undefined")
    centred = series - series.mean()
    return centred, float(np.square(centred).mean())
