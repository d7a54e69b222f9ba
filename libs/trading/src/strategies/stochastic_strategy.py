"""The original's path of `n1v1.strategies.stochastic`."""

from n1v1.strategies.stochastic import StochasticStrategy

__all__ = ["StochasticStrategy"]
