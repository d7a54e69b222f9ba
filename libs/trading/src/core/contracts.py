"""The signals of the original framework. They are defined in `n1v1.strategies.contracts`."""

from n1v1.strategies.contracts import SignalStrength, SignalType, TradingSignal

__all__ = ["SignalStrength", "SignalType", "TradingSignal"]
