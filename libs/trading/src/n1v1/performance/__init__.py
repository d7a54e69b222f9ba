"""Statistics of a run: from the marks of an account and its executions to the numbers people compare.

`equity` has those of the curve, `calendar` the returns by day and month, `trades` the round trips, `benchmark` alpha
and beta, `summary` all of them at once, `original` the nine keys of the original framework.

Money comes in as integers (quanta of the quote currency) and stays so in round trips; ratios are floats. A market that
never closes is annualised with 365.25 days. A statistic that the data does not determine raises UndefinedStatistic;
`summary` turns that into None.
"""

from n1v1.performance.benchmark import alpha, beta
from n1v1.performance.calendar import returns_by_day, returns_by_month
from n1v1.performance.equity import (
    YEAR_NS,
    annualised_return,
    annualised_volatility,
    calmar_ratio,
    downside_deviation,
    drawdowns,
    excess_kurtosis,
    expected_shortfall,
    longest_drawdown,
    max_drawdown,
    periods_per_year,
    rolling_sharpe,
    sharpe_ratio,
    simple_returns,
    skewness,
    sortino_ratio,
    tail_ratio,
    total_return,
    ulcer_index,
    value_at_risk,
)
from n1v1.performance.original import compute_backtest_metrics
from n1v1.performance.summary import RISK_FREE_RATE, Summary, summary, summary_of_marks, summary_of_records
from n1v1.performance.trades import (
    Execution,
    RecordedExecution,
    RoundTrip,
    executions_of,
    expectancy,
    kelly_criterion,
    longest_streak,
    profit_factor,
    round_trips,
    turnover,
    win_rate,
)

__all__ = [
    "RISK_FREE_RATE",
    "YEAR_NS",
    "Execution",
    "RecordedExecution",
    "RoundTrip",
    "Summary",
    "alpha",
    "annualised_return",
    "annualised_volatility",
    "beta",
    "calmar_ratio",
    "compute_backtest_metrics",
    "downside_deviation",
    "drawdowns",
    "excess_kurtosis",
    "executions_of",
    "expectancy",
    "expected_shortfall",
    "kelly_criterion",
    "longest_drawdown",
    "longest_streak",
    "max_drawdown",
    "periods_per_year",
    "profit_factor",
    "returns_by_day",
    "returns_by_month",
    "rolling_sharpe",
    "round_trips",
    "sharpe_ratio",
    "simple_returns",
    "skewness",
    "sortino_ratio",
    "summary",
    "summary_of_marks",
    "summary_of_records",
    "tail_ratio",
    "total_return",
    "turnover",
    "ulcer_index",
    "value_at_risk",
    "win_rate",
]
