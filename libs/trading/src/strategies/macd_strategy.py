"""The original's path of `n1v1.strategies.macd`."""

from n1v1.strategies.macd import MACDStrategy

__all__ = ["MACDStrategy"]
