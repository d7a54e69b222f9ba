"""A run as one HTML file: headline numbers, curves, trades, months, costs, refusals, and what the result rests on."""

from n1v1_research.report.page import render, write

__all__ = ["render", "write"]
