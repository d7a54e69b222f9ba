"""The statistics of a run by the names that the original framework gave them."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from n1v1.performance import Summary

DAY_NS = 86_400_000_000_000


def metrics_of(numbers: Summary, cash: Callable[[int], Decimal]) -> dict[str, Any]:
    """JSON's values: fractions as numbers, money as decimal text, None where the data determines nothing.

    A profit factor without a loss is the text "Infinity", as the reporting API says it. Durations are in bars.
    """

    def money(quanta: float | None) -> str | None:
        return None if quanta is None else f"{cash(round(quanta)):f}"

    holding_days = None if numbers.average_holding_ns is None else numbers.average_holding_ns / DAY_NS
    return {
        "total_return": numbers.total_return,
        "annualized_return": numbers.annualised_return,
        "volatility": numbers.volatility,
        "sharpe_ratio": numbers.sharpe_ratio,
        "sortino": numbers.sortino,
        "calmar": numbers.calmar,
        "max_drawdown": numbers.max_drawdown,
        "max_drawdown_duration": numbers.max_drawdown_bars,
        "value_at_risk_95": numbers.value_at_risk_95,
        "expected_shortfall_95": numbers.expected_shortfall_95,
        "downside_deviation": numbers.downside_deviation,
        "ulcer_index": numbers.ulcer_index,
        "skew": numbers.skew,
        "kurtosis": numbers.kurtosis,
        "tail_ratio": numbers.tail_ratio,
        "best_day": numbers.best_day,
        "worst_day": numbers.worst_day,
        "best_month": numbers.best_month,
        "worst_month": numbers.worst_month,
        "risk_free_rate": numbers.risk_free_rate,
        "benchmark_return": numbers.benchmark_return,
        "beta": numbers.beta,
        "alpha": numbers.alpha,
        "exposure": numbers.exposure,
        "turnover": numbers.turnover,
        "total_trades": numbers.total_trades,
        "winning_trades": numbers.wins,
        "losing_trades": numbers.losses,
        "win_rate": numbers.win_rate,
        "profit_factor": _endless_as_text(numbers.profit_factor),
        "kelly_criterion": numbers.kelly_criterion,
        "longest_winning_streak": numbers.longest_winning_streak,
        "longest_losing_streak": numbers.longest_losing_streak,
        "average_holding_days": holding_days,
        "start_equity": money(numbers.start_equity),
        "end_equity": money(numbers.end_equity),
        "total_pnl": money(numbers.total_pnl),
        "total_fees": money(numbers.total_fees),
        "expectancy": money(numbers.expectancy),
        "avg_win": money(numbers.average_win),
        "avg_loss": money(numbers.average_loss),
        "largest_win": money(numbers.largest_win),
        "largest_loss": money(numbers.largest_loss),
    }


def _endless_as_text(value: float | None) -> float | str | None:
    return "Infinity" if value is not None and math.isinf(value) else value
