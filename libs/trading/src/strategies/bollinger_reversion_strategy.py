"""The original's path of `n1v1.strategies.bollinger_reversion`."""

from n1v1.strategies.bollinger_reversion import BollingerReversionStrategy

__all__ = ["BollingerReversionStrategy"]
