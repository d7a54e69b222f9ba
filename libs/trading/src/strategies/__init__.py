"""The import path that strategies written for the original framework use: `from strategies import BaseStrategy`."""

from n1v1.strategies.classic import BaseStrategy

__all__ = ["BaseStrategy"]
