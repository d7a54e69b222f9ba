"""The original's path of the base class, its configuration and its mixins."""

from n1v1.strategies.classic_base import BaseStrategy
from n1v1.strategies.classic_config import StrategyConfig
from n1v1.strategies.classic_mixins import SignalGenerationMixin, TrendAnalysisMixin, VolatilityAnalysisMixin

__all__ = [
    "BaseStrategy",
    "SignalGenerationMixin",
    "StrategyConfig",
    "TrendAnalysisMixin",
    "VolatilityAnalysisMixin",
]
