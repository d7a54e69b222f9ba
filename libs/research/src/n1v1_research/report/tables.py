"""The parts of the page that are text: tiles, tables, lists. Every function returns HTML with its input escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape

from n1v1.performance import RoundTrip
from n1v1.values import Side
from n1v1_research.report.curves import time_text
from n1v1_research.report.monthly import YearOfReturns
from n1v1_research.report.result import RunResult

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
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
            ("Time in the market", percent(s.exposure), ""),
            ("Trades", f"{s.total_trades:,}", ""),
            ("Won / lost", f"{s.wins:,} / {s.losses:,}", ""),
            ("Average win", _average(result, s.average_win), ""),
            ("Average loss", _average(result, s.average_loss), ""),
            (f"Fees, {escape(result.quote)}", f"{result.money(s.total_fees):,.2f}", ""),
            ("Orders / fills", f"{result.orders:,} / {len(result.executions):,}", ""),
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
    columns = ("#", "Symbol", "Side", "Entry", "Exit", "Quantity", "Entry price", "Exit price", "Fees", "P&amp;L", "")
    head = "".join(f"<th>{column}</th>" for column in columns)
    rows = "".join(_trade(result, n, trip) for n, trip in reversed(list(enumerate(result.trips, start=1))))
    return f"<table class='trades'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


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


def _trade(result: RunResult, n: int, trip: RoundTrip) -> str:
    instrument = result.instrument(trip.symbol)
    quantity = instrument.quantity(trip.lots)

    def average_price(value: int) -> Decimal:
        return (instrument.cash(value) / quantity).quantize(instrument.tick_size)

    tone = _tone(trip.pnl)
    cells = (
        f"<td class='dim'>{n}</td><td>{escape(trip.symbol)}</td>"
        f"<td>{'Long' if trip.side is Side.BUY else 'Short'}</td>"
        f"<td>{time_text(trip.entry_ns)}</td><td>{time_text(trip.exit_ns)}</td>"
        f"<td class='n'>{quantity.normalize():f}</td>"
        f"<td class='n'>{average_price(trip.entry_value):,}</td>"
        f"<td class='n'>{average_price(trip.exit_value):,}</td>"
        f"<td class='n dim'>{result.money(trip.fees):,.2f}</td>"
        f"<td class='n {tone}'>{result.money(trip.pnl):+,.2f}</td>"
        f"<td class='n {tone}'>{percent(trip.return_fraction, signed=True)}</td>"
    )
    return f"<tr>{cells}</tr>"
