"""What holding would have brought: the symbols of a dataset, bought in equal parts and never sold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from n1v1_research.datasets import Dataset


def buy_and_hold(dataset: Dataset, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """What 1 became by each of `times_ns` (ascending), put in equal parts into every symbol, without costs.

    It is bought at the first of these times at which every symbol has closed a bar; before that the value is NaN.
    """
    growth = np.zeros(len(times_ns))
    for symbol in dataset.symbols:
        growth += _closes(dataset, symbol, times_ns)
    bought = np.flatnonzero(~np.isnan(growth))
    if not len(bought):
        return growth
    worth = np.zeros(len(times_ns))
    for symbol in dataset.symbols:
        closes = _closes(dataset, symbol, times_ns)
        worth += closes / closes[bought[0]]
    return np.where(np.isnan(growth), np.nan, worth / len(dataset.symbols))


def _closes(dataset: Dataset, symbol: str, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """The last close known at each time, in ticks; NaN before the first."""
    bars = dataset.columns(symbol)
    last = np.searchsorted(bars.close_ns, times_ns, side="right") - 1
    return np.where(last < 0, np.nan, bars.close[np.maximum(last, 0)].astype(np.float64))
