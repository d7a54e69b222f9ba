"""Recorded bars: bundled ones by name, your own by path.

dataset = load("coinbase-4h", symbols=("BTC-USD",), start="2020-01-01", end="2023-01-01")
for close_ns, bars in dataset.steps(): ...
dataset.columns("BTC-USD").close  # the same bars as columns of int64
"""

from n1v1_research.datasets.columns import Bars
from n1v1_research.datasets.dataset import Dataset
from n1v1_research.datasets.load import DEFAULT_DATASET, bundled, instruments, load

__all__ = ["DEFAULT_DATASET", "Bars", "Dataset", "bundled", "instruments", "load"]
