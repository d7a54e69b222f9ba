"""A run beside a benchmark: usually its own symbols, bought at the start and held."""

from __future__ import annotations

import numpy as np

from n1v1.errors import UndefinedStatistic
from n1v1.performance.equity import Numbers, compounded, floats


def beta(returns: Numbers, benchmark: Numbers) -> float:
    """How far returns move for each unit the benchmark's returns move: their covariance by its variance.

    Raises UndefinedStatistic with fewer than two returns, unequal lengths, or a benchmark that does not move.
    """
    _refuse_unequal(returns, benchmark)
    market = floats(benchmark)
    residual = market - market.mean()
    variance = float(np.square(residual).mean())
    if variance < 1e-30:
        raise UndefinedStatistic("beta is undefined for a benchmark that does not move")
    return float((residual * floats(returns)).mean()) / variance


def alpha(returns: Numbers, benchmark: Numbers, periods_per_year: float, risk_free_rate: float = 0.0) -> float:
    """Jensen's alpha (1968): the yearly return that the benchmark and the risk-free rate do not explain.

    The mean per period is compounded over a year. Raises UndefinedStatistic as `beta` does.
    """
    slope, free = beta(returns, benchmark), risk_free_rate / periods_per_year
    unexplained = (floats(returns) - free) - slope * (floats(benchmark) - free)
    growth = 1.0 + float(unexplained.mean())
    if growth <= 0:
        return -1.0
    return compounded(growth, periods_per_year)


def _refuse_unequal(returns: Numbers, benchmark: Numbers) -> None:
    if len(returns) < 2 or len(returns) != len(benchmark):
        raise UndefinedStatistic(
            f"expected at least two returns and as many of the benchmark, got {len(returns)} and {len(benchmark)}"
        )
