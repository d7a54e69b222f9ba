"""Backtests: a configuration over a dataset gives a result, by whichever engine.

result = Backtester.of("ema_cross", load("coinbase-4h"), parameters={"fast_ema": 5}).run()
"""

from n1v1.performance import compute_backtest_metrics
from n1v1_research.backtest.backtester import Backtester
from n1v1_research.backtest.configuration import Configuration
from n1v1_research.backtest.engines import DEFAULT_ENGINE, ENGINES
from n1v1_research.results import RunResult

__all__ = ["DEFAULT_ENGINE", "ENGINES", "Backtester", "Configuration", "RunResult", "compute_backtest_metrics"]
