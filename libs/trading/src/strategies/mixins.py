"""The original's other path of the mixins."""

from n1v1.strategies.classic_mixins import SignalGenerationMixin, TrendAnalysisMixin, VolatilityAnalysisMixin

__all__ = ["SignalGenerationMixin", "TrendAnalysisMixin", "VolatilityAnalysisMixin"]
