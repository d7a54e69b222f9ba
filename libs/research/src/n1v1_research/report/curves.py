"""The series behind the charts, as plain lists for JSON; report.js decides how they look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from n1v1.events import BarClosed
from n1v1.performance import RecordedExecution, drawdowns
from n1v1.run_hash import EquityRow
from n1v1.values import Instrument, Side
from n1v1_research.report.result import RunResult


def time_text(ts_ns: int) -> str:
    """UTC to the minute, as tables and plotly both read it."""
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M")


def chart_data(result: RunResult) -> dict[str, Any]:
    return {
        "quote": result.quote,
        "times": [time_text(mark[0]) for mark in result.marks],
        "equity": [round(result.money(mark[2]), 2) for mark in result.marks],
        "hold": _rounded(buy_and_hold(result.marks, result.money(result.marks[0][2]))),
        "drawdown": [round(-100 * fraction, 3) for fraction in drawdowns([mark[2] for mark in result.marks])],
        "prices": [
            _price_chart(instrument, result.bars[instrument.symbol], result.executions)
            for instrument in result.instruments
        ],
    }


def buy_and_hold(marks: Sequence[EquityRow], start: float) -> list[float | None]:
    """What `start` would be worth, put in equal parts into every symbol at the first mark that has them all.

    Without costs. None before every symbol has a price.
    """
    symbols = {symbol for symbol, _, _ in marks[-1][3]}
    first: dict[str, int] = {}
    worth: list[float | None] = []
    for *_, positions in marks:
        prices = {symbol: ticks for symbol, _, ticks in positions}
        if not first and symbols and prices.keys() == symbols:
            first = prices
        growth = [prices[symbol] / first[symbol] for symbol in sorted(first)]
        worth.append(start * sum(growth) / len(growth) if growth else None)
    return worth


def _price_chart(
    instrument: Instrument, bars: Sequence[BarClosed], executions: Sequence[RecordedExecution]
) -> dict[str, Any]:
    mine = [execution for execution in executions if execution.symbol == instrument.symbol]
    return {
        "symbol": instrument.symbol,
        "times": [time_text(bar.ts_ns) for bar in bars],
        "close": [instrument.price_float(bar.close) for bar in bars],
        "buys": _markers(instrument, mine, Side.BUY),
        "sells": _markers(instrument, mine, Side.SELL),
    }


def _markers(instrument: Instrument, executions: Sequence[RecordedExecution], side: Side) -> dict[str, Any]:
    chosen = [execution for execution in executions if execution.side is side]
    return {
        "times": [time_text(execution.ts_ns) for execution in chosen],
        "prices": [instrument.price_float(execution.ticks) for execution in chosen],
        "quantities": [f"{instrument.quantity(execution.lots).normalize():f}" for execution in chosen],
    }


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 2) for value in values]
