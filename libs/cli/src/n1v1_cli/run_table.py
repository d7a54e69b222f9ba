"""A finished run on the screen, and as a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from n1v1_cli.tables import print_table

if TYPE_CHECKING:
    from n1v1_research.report import RunResult


def print_run(result: RunResult, report: Path) -> None:
    """The headline numbers, the refusals by reason, the hash of the run and where its report lies."""
    summary, quote = result.summary, result.instruments[0]
    rows = [
        ("Total Return", f"{summary.total_return:+.2%}"),
        ("Win Rate", _percent(summary.win_rate)),
        ("Max Drawdown", f"{summary.max_drawdown:.2%}"),
        ("Sharpe Ratio", _number(summary.sharpe_ratio)),
        ("Profit Factor", _number(summary.profit_factor)),
        ("Fees", f"{quote.cash(summary.total_fees):,.2f} {quote.quote}"),
        ("Final Equity", f"{quote.cash(summary.end_equity):,.2f} {quote.quote}"),
        ("Orders", f"{result.orders:,}"),
        ("Fills", f"{len(result.executions):,}"),
        ("Refusals", f"{sum(result.refusals.values()):,}"),
        *((f"  {reason}", f"{count:,}") for reason, count in result.refusals.items()),
    ]
    print_table(("Metric", "Value"), rows, numbers=("Value",))
    print(f"Run hash  {result.hash}")
    print(f"Report    {report}")


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.2%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
