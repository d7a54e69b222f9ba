"""What is missing between bars."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from n1v1.events import GapFound
from n1v1.ids import correlation_id
from n1v1.timeframes import timeframe_ns
from n1v1_research.datasets.columns import Bars


def gaps_in(bars: Bars, symbol: str, timeframe: str) -> list[GapFound]:
    """One GapFound for every hole between consecutive bars, oldest first."""
    step_ns = timeframe_ns(timeframe)
    before = np.flatnonzero(bars.open_ns[1:] != bars.close_ns[:-1])
    holes = zip(bars.close_ns[before].tolist(), bars.open_ns[before + 1].tolist(), strict=True)
    return [
        GapFound(
            id=f"gap:{correlation_id(symbol, first_ns)}:{timeframe}",
            ts_ns=end_ns,
            correlation_id=correlation_id(symbol, first_ns),
            symbol=symbol,
            timeframe=timeframe,
            first_open_ns=first_ns,
            missing_bars=(end_ns - first_ns) // step_ns,
        )
        for first_ns, end_ns in holes
    ]


def all_gaps(series: Mapping[str, Bars], timeframe: str) -> tuple[GapFound, ...]:
    """Those of every symbol, in time order and then by symbol."""
    gaps = [gap for symbol, bars in series.items() for gap in gaps_in(bars, symbol, timeframe)]
    return tuple(sorted(gaps, key=lambda gap: (gap.first_open_ns, gap.symbol)))
