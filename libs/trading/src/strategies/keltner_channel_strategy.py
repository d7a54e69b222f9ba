"""The original's path of `n1v1.strategies.keltner_channel`."""

from n1v1.strategies.keltner_channel import KeltnerChannelStrategy

__all__ = ["KeltnerChannelStrategy"]
