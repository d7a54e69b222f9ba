"""The original's path of `n1v1.strategies.donchian_breakout`."""

from n1v1.strategies.donchian_breakout import DonchianBreakoutStrategy

__all__ = ["DonchianBreakoutStrategy"]
