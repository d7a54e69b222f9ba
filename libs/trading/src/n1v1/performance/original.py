"""`compute_backtest_metrics` of the original framework: nine numbers from a list of equity records."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from n1v1.errors import InvalidValue, UndefinedStatistic
from n1v1.performance import equity as curve
from n1v1.performance import trades
from n1v1.performance.summary import RISK_FREE_RATE

YEAR_S = curve.YEAR_NS / 1e9


def compute_backtest_metrics(
    equity_progression: Sequence[Mapping[str, Any]],
    *,
    risk_free_rate: float = RISK_FREE_RATE,
    periods_per_year: float | None = None,
) -> dict[str, Any]:
    """equity_curve, max_drawdown, sharpe_ratio, profit_factor, total_return, total_trades, wins, losses, win_rate.

    equity_progression: records with `equity`, and `pnl` where a trade was closed; oldest first. max_drawdown is a
    positive fraction; profit_factor is inf when nothing was lost; what is undefined is 0.0, as it was there.
    The Sharpe ratio is annualised by how far apart the records are: by their `timestamp` (a datetime, ISO text, or
    seconds since 1970), or by `periods_per_year` when that is given. The original took every record for a day of 252.

    Raises InvalidValue for a record without equity, with a number that is none, or with times out of order.
    """
    equity = [_number(record, "equity", at) for at, record in enumerate(equity_progression)]
    pnls = [_number(record, "pnl", at, default=0.0) for at, record in enumerate(equity_progression)]
    closed = [pnl for pnl in pnls if pnl]
    return {
        "equity_curve": equity,
        "max_drawdown": curve.max_drawdown(equity),
        "sharpe_ratio": _or_zero(lambda: _sharpe(equity_progression, equity, risk_free_rate, periods_per_year)),
        "profit_factor": _or_zero(lambda: trades.profit_factor(closed)),
        "total_return": _or_zero(lambda: curve.total_return(equity)),
        "total_trades": len(closed),
        "wins": sum(pnl > 0 for pnl in closed),
        "losses": sum(pnl < 0 for pnl in closed),
        "win_rate": _or_zero(lambda: trades.win_rate(closed)),
    }


def _sharpe(
    records: Sequence[Mapping[str, Any]], equity: Sequence[float], risk_free_rate: float, per_year: float | None
) -> float:
    returns = curve.simple_returns(equity)
    if len(returns) < 2:
        raise UndefinedStatistic("a Sharpe ratio needs at least three records")
    return curve.sharpe_ratio(returns, per_year or _records_per_year(records), risk_free_rate)


def _records_per_year(records: Sequence[Mapping[str, Any]]) -> float:
    times = [_seconds(record, at) for at, record in enumerate(records)]
    for at, (before, after) in enumerate(pairwise(times), start=1):
        if after < before:
            raise InvalidValue(f"record {at} is earlier than the record before it")
    if times[-1] == times[0]:
        raise UndefinedStatistic("records of one moment have no yearly rate")
    return (len(times) - 1) / (times[-1] - times[0]) * YEAR_S


def _number(record: Mapping[str, Any], key: str, at: int, default: float | None = None) -> float:
    value = record.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidValue(f"record {at}: expected a finite number as {key!r}, got {value!r}")
    return float(value)


def _seconds(record: Mapping[str, Any], at: int) -> float:
    moment = record.get("timestamp")
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise InvalidValue(f"record {at}: {moment!r} is not a time such as 2023-01-01T00:00:00Z") from None
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return _number(record, "timestamp", at)


def _or_zero(statistic: Callable[[], float]) -> float:
    try:
        return statistic()
    except UndefinedStatistic:
        return 0.0
