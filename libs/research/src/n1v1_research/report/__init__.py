"""A run as one HTML file: headline numbers, curves, trades, months, refusals, and what was assumed.

write(RunResult.of(records, dataset=dataset, title="ema_cross", facts={}, assumptions={}), "report.html")
"""

from n1v1_research.report.page import render, write
from n1v1_research.report.result import RunResult

__all__ = ["RunResult", "render", "write"]
