"""The import path that strategies written for the original framework use: `from strategies import BaseStrategy`."""

from n1v1.strategies.classic_base import BaseStrategy
from n1v1.strategies.classic_config import StrategyConfig

__all__ = ["BaseStrategy", "StrategyConfig"]
