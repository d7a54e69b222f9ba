"""A finished run on the screen: README's metrics first, then what it cost, then where to look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from n1v1_cli.tables import print_table

if TYPE_CHECKING:
    from n1v1_research.results import RunResult


def print_run(result: RunResult, written: Sequence[Path]) -> None:
    """The numbers, the refusals by reason, the hash of the run and the files it was written to."""
    print_table(("Metric", "Value"), [*_headline(result), *_more(result), *_refusals(result)], numbers=("Value",))
    if result.sensitivity:
        _print_sensitivity(result)
    if "Engine" in result.rules:
        print(f"Engine    {result.rules['Engine']}")
    print(f"Run hash  {result.hash}")
    print(f"{result.bars:,} bars in {result.timing.seconds:.2f} s, {result.bars_per_s:,.0f} bars/s")
    report = [path for path in written if path.name == "report.html"]
    if report:
        print(f"Report    {report[0].absolute()}")
    if len(written) > len(report):
        print(f"Results   {written[0].parent.absolute()}: {_names(written)}")


def _headline(result: RunResult) -> Iterable[tuple[str, str]]:
    """As the original README has them."""
    summary = result.summary
    yield "Total Return", f"{summary.total_return:+.2%}"
    yield "Win Rate", _percent(summary.win_rate)
    yield "Max Drawdown", f"{summary.max_drawdown:.2%}"
    yield "Sharpe Ratio", _number(summary.sharpe_ratio)
    yield "Profit Factor", _number(summary.profit_factor)


def _more(result: RunResult) -> Iterable[tuple[str, str]]:
    summary, quote = result.summary, result.quote
    yield "Annualized Return", _signed_percent(summary.annualised_return)
    yield "Sortino Ratio", _number(summary.sortino)
    yield "Calmar Ratio", _number(summary.calmar)
    yield "Volatility", _percent(summary.volatility)
    yield "Time in Market", f"{summary.exposure:.2%}"
    yield "Buy and Hold", _signed_percent(summary.benchmark_return)
    yield "Trades", f"{summary.total_trades:,}"
    yield "Fees", f"{result.money(summary.total_fees):,.2f} {quote}"
    yield "Final Equity", f"{result.money(summary.end_equity):,.2f} {quote}"
    yield "Orders", f"{len(result.records.orders):,}"
    yield "Fills", f"{len(result.executions):,}"


def _refusals(result: RunResult) -> Iterable[tuple[str, str]]:
    yield "Refusals", f"{sum(result.refusals.values()):,}"
    for reason, count in result.refusals.items():
        yield f"  {reason}", f"{count:,}"


def _print_sensitivity(result: RunResult) -> None:
    columns = ("Assumption", "Total Return", "Sharpe Ratio", "Max Drawdown", "Fees")
    rows = [
        (
            run.what,
            f"{run.total_return:+.2%}",
            _number(run.sharpe_ratio),
            f"{run.max_drawdown:.2%}",
            f"{float(run.total_fees):,.2f} {result.quote}",
        )
        for run in result.sensitivity
    ]
    print_table(columns, rows, numbers=columns[1:])


def _names(written: Sequence[Path]) -> str:
    return ", ".join(path.name for path in written if path.name != "report.html")


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.2%}"


def _signed_percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:+.2%}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.2f}"
