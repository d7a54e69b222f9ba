"""The import path of signals in the original framework: `from core.contracts import TradingSignal, SignalType`."""
