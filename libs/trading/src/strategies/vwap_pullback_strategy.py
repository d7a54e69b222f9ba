"""The original's path of `n1v1.strategies.vwap_pullback`."""

from n1v1.strategies.vwap_pullback import VWAPPullbackStrategy

__all__ = ["VWAPPullbackStrategy"]
