"""The import path of the original framework's backtesting package."""
