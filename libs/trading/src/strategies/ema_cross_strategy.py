"""The original's path of `n1v1.strategies.ema_cross`."""

from n1v1.strategies.ema_cross import EMACrossStrategy

__all__ = ["EMACrossStrategy"]
