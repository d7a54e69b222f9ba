"""Everything at once: from the marks of an account and its executions to the numbers of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from n1v1.equity_rows import EquityRow
from n1v1.errors import UndefinedStatistic
from n1v1.performance import benchmark as against
from n1v1.performance import calendar, trades
from n1v1.performance import equity as curve
from n1v1.performance.equity import Floats, Numbers
from n1v1.performance.trades import Execution, RoundTrip, executions_of, round_trips
from n1v1.run_hash import RunRecords

LOTS = itemgetter(1)
"""Of a position in an EquityRow."""

RISK_FREE_RATE = 0.02
"""A year, as a fraction: the original framework's choice. What ratios of excess return subtract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of one run. None: the data does not determine it (no trades, a flat curve, no benchmark).

    Fractions: 0.01 is 1 %. Money in quanta. max_drawdown, value_at_risk_95 and expected_shortfall_95 are positive
    losses; profit_factor is inf when nothing was lost. Annual figures have 365.25 days.
    max_drawdown_bars: the longest time from a peak until it was passed again, or to the end.
    exposure: fraction of marks with an open position. turnover: traded value by mean equity, a year.
    value_at_risk_95, expected_shortfall_95, skew, kurtosis (excess), tail_ratio: of the returns of UTC days.
    benchmark_return, beta, alpha: against the benchmark; alpha is yearly.
    """

    start_equity: int
    end_equity: int
    total_return: float
    annualised_return: float | None
    volatility: float | None
    downside_deviation: float | None
    sharpe_ratio: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    max_drawdown_bars: int
    ulcer_index: float
    value_at_risk_95: float | None
    expected_shortfall_95: float | None
    skew: float | None
    kurtosis: float | None
    tail_ratio: float | None
    best_day: float | None
    worst_day: float | None
    best_month: float | None
    worst_month: float | None
    exposure: float
    turnover: float | None
    risk_free_rate: float
    benchmark_return: float | None
    beta: float | None
    alpha: float | None
    total_trades: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    kelly_criterion: float | None
    longest_winning_streak: int
    longest_losing_streak: int
    average_holding_ns: float | None
    total_pnl: int
    total_fees: int
    average_win: float | None
    average_loss: float | None
    largest_win: int
    largest_loss: int


def summary(
    *,
    equity: Numbers,
    exposed: Sequence[bool] | NDArray[np.bool_],
    executions: Iterable[Execution],
    timeframe: str,
    times_ns: Numbers | None = None,
    benchmark: Numbers | None = None,
    risk_free_rate: float = RISK_FREE_RATE,
) -> Summary:
    """The numbers of one run.

    equity: marks in quanta, one a bar, the first before anything was traded; at least one.
    exposed: for every mark whether a position was open. executions: oldest first.
    times_ns: when each mark was taken; without it nothing is known of days and months.
    benchmark: what the benchmark was worth at each mark, in any unit. risk_free_rate: per year, as a fraction.
    """
    executions = list(executions)
    pnls, held_ns = _pnls_and_holding_times(round_trips(executions))
    gains, costs = [pnl for pnl in pnls if pnl > 0], [pnl for pnl in pnls if pnl < 0]
    per_year = curve.periods_per_year(timeframe)
    years, free = (len(equity) - 1) / per_year, risk_free_rate / per_year
    returns, market = _returns(equity), _returns(benchmark)
    days, months = _days_and_months(times_ns, equity)
    return Summary(
        start_equity=int(equity[0]),
        end_equity=int(equity[-1]),
        total_return=curve.total_return(equity),
        annualised_return=_or_none(lambda: curve.annualised_return(equity, per_year)),
        volatility=_or_none(lambda: curve.annualised_volatility(returns, per_year)),
        downside_deviation=_or_none(lambda: curve.downside_deviation(returns, per_year, free)),
        sharpe_ratio=_or_none(lambda: curve.sharpe_ratio(returns, per_year, risk_free_rate)),
        sortino=_or_none(lambda: curve.sortino_ratio(returns, per_year, free)),
        calmar=_or_none(lambda: curve.calmar_ratio(equity, per_year)),
        max_drawdown=curve.max_drawdown(equity),
        max_drawdown_bars=curve.longest_drawdown(equity),
        ulcer_index=curve.ulcer_index(equity),
        value_at_risk_95=_or_none(lambda: curve.value_at_risk(days)),
        expected_shortfall_95=_or_none(lambda: curve.expected_shortfall(days)),
        skew=_or_none(lambda: curve.skewness(days)),
        kurtosis=_or_none(lambda: curve.excess_kurtosis(days)),
        tail_ratio=_or_none(lambda: curve.tail_ratio(days)),
        best_day=float(days.max()) if len(days) else None,
        worst_day=float(days.min()) if len(days) else None,
        best_month=float(months.max()) if len(months) else None,
        worst_month=float(months.min()) if len(months) else None,
        exposure=float(np.mean(exposed)) if len(exposed) else 0.0,
        turnover=_or_none(lambda: trades.turnover(executions, float(curve.floats(equity).mean()), years)),
        risk_free_rate=risk_free_rate,
        benchmark_return=None if benchmark is None else _or_none(lambda: curve.total_return(benchmark)),
        beta=_or_none(lambda: against.beta(returns, market)),
        alpha=_or_none(lambda: against.alpha(returns, market, per_year, risk_free_rate)),
        total_trades=len(pnls),
        wins=len(gains),
        losses=len(costs),
        win_rate=_or_none(lambda: trades.win_rate(pnls)),
        profit_factor=_or_none(lambda: trades.profit_factor(pnls)),
        expectancy=_or_none(lambda: trades.expectancy(pnls)),
        kelly_criterion=_or_none(lambda: trades.kelly_criterion(pnls)),
        longest_winning_streak=trades.longest_streak(pnls, losing=False),
        longest_losing_streak=trades.longest_streak(pnls, losing=True),
        average_holding_ns=sum(held_ns) / len(held_ns) if held_ns else None,
        total_pnl=sum(pnls),
        total_fees=sum(execution.fee for execution in executions),
        average_win=sum(gains) / len(gains) if gains else None,
        average_loss=sum(costs) / len(costs) if costs else None,
        largest_win=max(gains, default=0),
        largest_loss=min(costs, default=0),
    )


def summary_of_records(
    records: RunRecords,
    timeframe: str,
    *,
    benchmark: Numbers | None = None,
    risk_free_rate: float = RISK_FREE_RATE,
) -> Summary:
    """`summary` of what a run recorded. Raises UndefinedStatistic when it has no mark yet."""
    marks = sorted(records.equity)
    if not marks:
        raise UndefinedStatistic("the run has no mark of the account yet")
    return summary_of_marks(
        marks, executions_of(records), timeframe, benchmark=benchmark, risk_free_rate=risk_free_rate
    )


def summary_of_marks(
    marks: Sequence[EquityRow],
    executions: Iterable[Execution],
    timeframe: str,
    *,
    benchmark: Numbers | None = None,
    risk_free_rate: float = RISK_FREE_RATE,
) -> Summary:
    """`summary` of marks (oldest first, at least one) and executions as they are recorded."""
    return summary(
        equity=np.array([mark[2] for mark in marks], dtype=np.int64),
        exposed=[any(map(LOTS, mark[3])) for mark in marks],
        executions=executions,
        timeframe=timeframe,
        times_ns=np.array([mark[0] for mark in marks], dtype=np.int64),
        benchmark=benchmark,
        risk_free_rate=risk_free_rate,
    )


def _pnls_and_holding_times(trips: Sequence[RoundTrip]) -> tuple[list[int], list[int]]:
    return [trip.pnl for trip in trips], [trip.exit_ns - trip.entry_ns for trip in trips]


def _days_and_months(times_ns: Numbers | None, equity: Numbers) -> tuple[Floats, Floats]:
    """Returns by UTC day and month; none at all without times, or of a curve that reached zero."""
    if times_ns is None or not _is_positive(equity):
        return np.empty(0), np.empty(0)
    return calendar.returns_by_day(times_ns, equity), calendar.returns_by_month(times_ns, equity)


def _returns(values: Numbers | None) -> Floats:
    """Per-period returns; none at all of a curve that reached zero."""
    return np.empty(0) if values is None or not _is_positive(values) else curve.simple_returns(values)


def _is_positive(values: Numbers) -> bool:
    return float(curve.floats(values).min()) > 0


def _or_none(statistic: Callable[[], float]) -> float | None:
    try:
        return statistic()
    except UndefinedStatistic:
        return None
