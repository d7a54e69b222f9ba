"""The parts of the page that are text: tiles, tables, lists. Every function returns HTML with its input escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from html import escape

import numpy as np

from n1v1.performance import RoundTrip
from n1v1.simulation.assumptions import Assumption, AssumptionCount
from n1v1.values import Side
from n1v1_research.report.monthly import YearOfReturns
from n1v1_research.results.costs import Costs
from n1v1_research.results.moments import minute_texts
from n1v1_research.results.result import RunResult
from n1v1_research.results.sensitivity import OtherRun

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TRADES_SHOWN = 1_000
"""The newest; all of them are in trades.csv."""
ASSUMPTIONS: Mapping[str, str] = {
    Assumption.NONE: "the bar alone",
    Assumption.PATH: "the order of events within a bar that reached stop and target",
    Assumption.GAP: "a bar that opened beyond the stop",
    Assumption.TOUCH: "a touched limit, filled by the queue model",
    Assumption.TOUCH_MISSED: "a touched limit, not filled (no fill)",
    Assumption.PARTICIPATION: "the cap on our share of the volume",
    Assumption.AFFORDABILITY: "cash or position that did not suffice for all of it",
}
"""What a reader is told of each."""
FULL_HEAT_AT = 0.15  # a month of 15 % has the deepest colour; more cannot be told apart at a glance


def percent(fraction: float | None, *, signed: bool = False) -> str:
    if fraction is None:
        return "–"
    return f"{fraction:+.2%}" if signed else f"{fraction:.2%}"


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.2f}"


def headline_tiles(result: RunResult) -> str:
    s = result.summary
    return _tiles(
        [
            ("Total return", percent(s.total_return, signed=True), _tone(s.total_return)),
            ("Max drawdown", percent(s.max_drawdown), "loss" if s.max_drawdown else ""),
            ("Sharpe ratio", number(s.sharpe_ratio), ""),
            ("Profit factor", number(s.profit_factor), ""),
            ("Win rate", percent(s.win_rate), ""),
            (f"Final equity, {escape(result.quote)}", f"{result.money(s.end_equity):,.2f}", ""),
        ]
    )


def detail_tiles(result: RunResult) -> str:
    s = result.summary
    return _tiles(
        [
            ("Annualised return", percent(s.annualised_return, signed=True), ""),
            ("Volatility, yearly", percent(s.volatility), ""),
            ("Sortino ratio", number(s.sortino), ""),
            ("Calmar ratio", number(s.calmar), ""),
            ("Longest drawdown", f"{s.max_drawdown_bars:,} bars", ""),
            ("Ulcer index", percent(s.ulcer_index), ""),
            ("Time in the market", percent(s.exposure), ""),
            ("Turnover, yearly", "–" if s.turnover is None else f"{s.turnover:.1f} ×", ""),
            ("Buy and hold", percent(s.benchmark_return, signed=True), ""),
            ("Alpha, yearly", percent(s.alpha, signed=True), ""),
            ("Beta", number(s.beta), ""),
            ("Skew / kurtosis", f"{number(s.skew)} / {number(s.kurtosis)}", ""),
            ("Daily VaR, 95 %", percent(s.value_at_risk_95), ""),
            ("Daily shortfall, 95 %", percent(s.expected_shortfall_95), ""),
            ("Best / worst day", f"{_short(s.best_day)} / {_short(s.worst_day)}", ""),
            ("Best / worst month", f"{_short(s.best_month)} / {_short(s.worst_month)}", ""),
        ]
    )


def trade_tiles(result: RunResult) -> str:
    s = result.summary
    return _tiles(
        [
            ("Trades", f"{s.total_trades:,}", ""),
            ("Won / lost", f"{s.wins:,} / {s.losses:,}", ""),
            ("Average win", _average(result, s.average_win), ""),
            ("Average loss", _average(result, s.average_loss), ""),
            ("Largest win", _average(result, s.largest_win), ""),
            ("Largest loss", _average(result, s.largest_loss), ""),
            ("Expected of a trade", _average(result, s.expectancy), ""),
            ("Kelly criterion", percent(s.kelly_criterion), ""),
            ("Longest losing streak", f"{s.longest_losing_streak:,}", ""),
            ("Held on average", _days(s.average_holding_ns), ""),
            ("Orders / fills", f"{len(result.records.orders):,} / {len(result.executions):,}", ""),
            ("Signals refused", f"{sum(result.refusals.values()):,}", ""),
        ]
    )


def monthly_table(years: Sequence[YearOfReturns]) -> str:
    head = "".join(f"<th>{month}</th>" for month in MONTHS)
    rows = "".join(
        f"<tr><th scope='row'>{year.year}</th>{''.join(_heat(month) for month in year.months)}"
        f"{_heat(year.total, total=True)}</tr>"
        for year in reversed(years)
    )
    return f"<table class='monthly'><thead><tr><th></th>{head}<th>Year</th></tr></thead><tbody>{rows}</tbody></table>"


def trades_table(result: RunResult) -> str:
    """Newest first: the end of a run is what people look for."""
    if not result.trips:
        return "<p class='empty'>No position was closed.</p>"
    columns = ("#", "Symbol", "Side", "Entry", "Exit", "Ended by", "Quantity", "Entry price", "Exit price", "Fees")
    head = "".join(f"<th>{column}</th>" for column in (*columns, "P&amp;L", ""))
    newest = result.trips[-TRADES_SHOWN:][::-1]
    numbers = range(len(result.trips), 0, -1)
    entries = minute_texts(np.array([trip.entry_ns for trip in newest]))
    exits = minute_texts(np.array([trip.exit_ns for trip in newest]))
    rows = "".join(map(partial(_trade, result), numbers, newest, entries, exits))
    return f"<table class='trades'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def trades_note(result: RunResult) -> str:
    count = len(result.trips)
    shown = f", the last {TRADES_SHOWN:,} of them" if count > TRADES_SHOWN else ""
    return f"{count:,} round trips, newest first{shown}"


def costs_list(result: RunResult, costs: Costs) -> str:
    """Fees and slippage, and what they are of what was traded and of what was started with."""
    start = result.summary.start_equity

    def shown(quanta: int) -> str:
        of_traded = percent(quanta / costs.traded) if costs.traded else "–"
        shares = f"{of_traded} of what was traded, {percent(quanta / start)} of the start"
        return f"{result.money(quanta):,.2f} {result.quote}; {shares}"

    return definitions(
        {
            "Fees": shown(costs.fees),
            "Slippage": shown(costs.slippage),
            "Traded": f"{result.money(costs.traded):,.2f} {result.quote}",
            "Slippage is of": f"{costs.market_fills:,} of {len(result.executions):,} fills: those of market orders",
        }
    )


def decided_table(result: RunResult, decided: Mapping[str, AssumptionCount]) -> str:
    """Which share of all executions each assumption decided, by number and by value."""
    fills, traded = len(result.executions), sum(execution.value for execution in result.executions)
    if not decided:
        return "<p class='empty'>This engine does not count what its assumptions decided.</p>"
    rows = "".join(
        f"<tr><td>{escape(ASSUMPTIONS.get(name, name))}</td><td class='n'>{count.fills:,}</td>"
        f"<td class='n'>{percent(count.fills / fills) if fills else '–'}</td>"
        f"<td class='n'>{result.money(count.value):,.2f}</td>"
        f"<td class='n'>{percent(count.value / traded) if traded else '–'}</td></tr>"
        for name, count in decided.items()
    )
    columns = ("Fills decided by", "Number", "of all", f"Value, {escape(result.quote)}", "of traded")
    head = "".join(f"<th>{column}</th>" for column in columns)
    return f"<table class='plain'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def sensitivity_table(result: RunResult, runs: Sequence[OtherRun]) -> str:
    if not runs:
        return "<p class='empty'>Not computed; n1v1 backtest --sensitivity does.</p>"
    rows = "".join(
        f"<tr><td>{escape(run.what)}</td><td class='n'>{percent(run.total_return, signed=True)}</td>"
        f"<td class='n'>{number(run.sharpe_ratio)}</td><td class='n'>{percent(run.max_drawdown)}</td>"
        f"<td class='n'>{run.total_trades:,}</td><td class='n'>{float(run.total_fees):,.2f}</td></tr>"
        for run in runs
    )
    columns = ("Assumption", "Return", "Sharpe", "Drawdown", "Trades", f"Fees, {escape(result.quote)}")
    head = "".join(f"<th>{column}</th>" for column in columns)
    return f"<table class='plain'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def refusals_list(refusals: Mapping[str, int]) -> str:
    """Bars relative to the most frequent reason."""
    if not refusals:
        return "<p class='empty'>No signal was refused.</p>"
    most = max(refusals.values())
    rows = "".join(
        f"<li><span class='reason'>{escape(reason)}</span><span class='bar'><i style='width:"
        f"{100 * count / most:.1f}%'></i></span><b>{count:,}</b></li>"
        for reason, count in refusals.items()
    )
    return f"<ul class='refusals'>{rows}</ul>"


def definitions(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>"


def _tiles(tiles: Iterable[tuple[str, str, str]]) -> str:
    return "".join(
        f"<div class='tile'><span>{label}</span><strong class='{tone}'>{value}</strong></div>"
        for label, value, tone in tiles
    )


def _average(result: RunResult, quanta: float | None) -> str:
    return "–" if quanta is None else f"{result.money(round(quanta)):+,.2f}"


def _short(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:+.1%}"


def _days(span_ns: float | None) -> str:
    return "–" if span_ns is None else f"{span_ns / 86_400_000_000_000:,.1f} days"


def _tone(value: float) -> str:
    return "gain" if value > 0 else "loss" if value < 0 else ""


def _heat(fraction: float | None, *, total: bool = False) -> str:
    kind = "total " if total else ""
    if fraction is None:
        return f"<td class='{kind}none'></td>"
    if not fraction:
        return f"<td class='{kind}dim'>0.0</td>"
    depth = min(abs(fraction) / FULL_HEAT_AT, 1.0) * 70
    return f"<td class='{kind}{_tone(fraction)}' style='--heat:{depth:.0f}%'>{100 * fraction:+.1f}</td>"


def _trade(result: RunResult, n: int, trip: RoundTrip, entry: str, exit_: str) -> str:
    instrument = result.instrument(trip.symbol)
    quantity = instrument.quantity(trip.lots)

    def average_price(value: int) -> Decimal:
        return (instrument.cash(value) / quantity).quantize(instrument.tick_size)

    tone = _tone(trip.pnl)
    cells = (
        f"<td class='dim'>{n}</td><td>{escape(trip.symbol)}</td>"
        f"<td>{'Long' if trip.side is Side.BUY else 'Short'}</td>"
        f"<td>{entry}</td><td>{exit_}</td>"
        f"<td>{escape(result.purpose_of(trip.exit_order_id).replace('_', ' ').lower())}</td>"
        f"<td class='n'>{quantity.normalize():f}</td>"
        f"<td class='n'>{average_price(trip.entry_value):,}</td>"
        f"<td class='n'>{average_price(trip.exit_value):,}</td>"
        f"<td class='n dim'>{result.money(trip.fees):,.2f}</td>"
        f"<td class='n {tone}'>{result.money(trip.pnl):+,.2f}</td>"
        f"<td class='n {tone}'>{percent(trip.return_fraction, signed=True)}</td>"
    )
    return f"<tr>{cells}</tr>"
