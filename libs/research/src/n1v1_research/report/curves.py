"""The series behind the charts, as plain lists for JSON; report.js decides how they look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import UndefinedStatistic
from n1v1.performance import RecordedExecution, drawdowns, rolling_sharpe
from n1v1.performance.calendar import DAY, returns_by
from n1v1.values import Instrument, Side
from n1v1_research.datasets import Dataset
from n1v1_research.report.thinning import at_most, extremes
from n1v1_research.results.moments import minute_texts
from n1v1_research.results.result import RunResult

POINTS = 2_000
"""A chart is about as many pixels wide; more points cost seconds to draw and show nothing."""
MARKERS = 3_000
ROLLING_DAYS = 90
DAYS_A_YEAR = 365.25
BINS = 41


def chart_data(result: RunResult) -> dict[str, Any]:
    return {
        "quote": result.quote,
        "span": minute_texts(result.times_ns[[0, -1]]),
        "equity": _equity_chart(result),
        "drawdown": _drawdown_chart(result),
        "days": _days(result),
        "prices": [_price_chart(result, instrument) for instrument in result.dataset.instruments],
    }


def _equity_chart(result: RunResult) -> dict[str, Any]:
    equity = result.equity_quanta.astype(np.float64) * result.money(1)
    hold = result.benchmark * equity[0]
    shown = np.union1d(extremes(equity, POINTS // 2), extremes(np.nan_to_num(hold), POINTS // 2))
    return {
        "times": minute_texts(result.times_ns[shown]),
        "equity": _rounded(equity[shown], 2),
        "hold": _rounded(hold[shown], 2),
    }


def _drawdown_chart(result: RunResult) -> dict[str, Any]:
    depth = -100 * drawdowns(result.equity_quanta)
    shown = extremes(depth, POINTS)
    return {"times": minute_texts(result.times_ns[shown]), "percent": _rounded(depth[shown], 3)}


def _days(result: RunResult) -> dict[str, Any]:
    """Daily returns as a histogram in percent, and the Sharpe ratio of every ROLLING_DAYS of them."""
    try:
        days, returns = returns_by(DAY, result.times_ns, result.equity_quanta)
    except UndefinedStatistic:  # the account lost everything: there are no returns to show
        return {"bins": [], "counts": [], "times": [], "sharpe": []}
    counts, edges = np.histogram(100 * returns, bins=BINS) if len(returns) else (np.empty(0), np.empty(0))
    ratios = rolling_sharpe(returns, ROLLING_DAYS, DAYS_A_YEAR)
    shown = extremes(np.nan_to_num(ratios), POINTS)
    return {
        "bins": _rounded((edges[1:] + edges[:-1]) / 2, 4),
        "counts": counts.astype(int).tolist(),
        "times": days[ROLLING_DAYS - 1 :][shown].astype(str).tolist() if len(ratios) else [],
        "sharpe": _rounded(ratios[shown], 3),
    }


def _price_chart(result: RunResult, instrument: Instrument) -> dict[str, Any]:
    times, closes = _closes(result.dataset, instrument, result.times_ns)
    shown = extremes(closes, POINTS)
    mine = [execution for execution in result.executions if execution.symbol == instrument.symbol]
    return {
        "symbol": instrument.symbol,
        "times": minute_texts(times[shown]),
        "close": [instrument.price_float(ticks) for ticks in closes[shown].tolist()],
        "buys": _markers(result, instrument, mine, Side.BUY),
        "sells": _markers(result, instrument, mine, Side.SELL),
    }


def _closes(
    dataset: Dataset, instrument: Instrument, times_ns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The closes of one symbol within the run."""
    bars = dataset.columns(instrument.symbol)
    within = (bars.close_ns >= times_ns[0]) & (bars.close_ns <= times_ns[-1])
    return bars.close_ns[within], bars.close[within]


def _markers(
    result: RunResult, instrument: Instrument, executions: Sequence[RecordedExecution], side: Side
) -> dict[str, Any]:
    chosen = at_most(MARKERS, [execution for execution in executions if execution.side is side])
    return {
        "times": minute_texts(np.array([execution.ts_ns for execution in chosen], dtype=np.int64)),
        "prices": [instrument.price_float(execution.ticks) for execution in chosen],
        "texts": [_marker_text(result, instrument, execution) for execution in chosen],
    }


def _marker_text(result: RunResult, instrument: Instrument, execution: RecordedExecution) -> str:
    """As in: 0.5 stop loss."""
    quantity = instrument.quantity(execution.lots).normalize()
    return f"{quantity:f} {_words(result.purpose_of(execution.order_id))}".strip()


def _words(purpose: str) -> str:
    """STOP_LOSS is stop loss."""
    return purpose.replace("_", " ").lower()


def _rounded(values: NDArray[np.float64], places: int) -> list[float | None]:
    return [None if value != value else round(value, places) for value in values.tolist()]
