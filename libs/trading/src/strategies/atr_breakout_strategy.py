"""The original's path of `n1v1.strategies.atr_breakout`."""

from n1v1.strategies.atr_breakout import ATRBreakoutStrategy

__all__ = ["ATRBreakoutStrategy"]
