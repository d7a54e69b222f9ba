"""`from backtest.backtester import Backtester, compute_backtest_metrics`, as the original framework has it."""

from n1v1_research.backtest import Backtester, compute_backtest_metrics
from n1v1_research.results.progressions import export_equity_progression, export_metrics

__all__ = ["Backtester", "compute_backtest_metrics", "export_equity_progression", "export_metrics"]
