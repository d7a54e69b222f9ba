"""The same backtest by other libraries, each in an environment of its own. See ../README.md.

The runners (`run_*.py`) and what they share (`measure.py`) import nothing of n1v1: their environments do not have it.
"""
