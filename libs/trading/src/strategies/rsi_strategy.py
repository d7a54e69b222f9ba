"""The original's path of `n1v1.strategies.rsi`."""

from n1v1.strategies.rsi import RSIStrategy

__all__ = ["RSIStrategy"]
