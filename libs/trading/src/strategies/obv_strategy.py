"""The original's path of `n1v1.strategies.obv`."""

from n1v1.strategies.obv import OBVStrategy

__all__ = ["OBVStrategy"]
