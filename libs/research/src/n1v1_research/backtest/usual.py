"""Which engine plays when nobody names one."""

from __future__ import annotations

from n1v1_research.datasets import Dataset

PATIENCE_BARS = 500_000
"""So many bars take longer event by event than compiling takes."""


def usual_engine(dataset: Dataset) -> str:
    """The compiled one, unless it is not compiled yet and a run without it is over sooner. The results are equal."""
    bars = sum(len(dataset.columns(symbol)) for symbol in dataset.symbols)
    if bars > PATIENCE_BARS:
        return "scan"
    from n1v1_research.scan.account import is_compiled  # here, because the compiler takes a while to be imported

    return "scan" if is_compiled() else "pipeline"
