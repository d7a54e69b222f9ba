"""Bars of a higher timeframe, made of lower ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n1v1.errors import InvalidValue
from n1v1.timeframes import timeframe_ns
from n1v1_research.datasets.calendar_grid import grid_start_ns
from n1v1_research.datasets.columns import Bars


@dataclass(frozen=True)
class IncompleteBar:
    """A higher bar that lacks lower ones. The first bar of a series may: then the recording began within its period."""

    symbol: str
    open_ns: int
    missing: int


@dataclass(frozen=True)
class Resampled:
    """incomplete: oldest first. A period without any bar is a gap of the result and not listed here."""

    bars: Bars
    incomplete: tuple[IncompleteBar, ...]


def resample(bars: Bars, symbol: str, timeframe: str, to: str) -> Resampled:
    """A higher bar exists once its period is over: when a lower bar has closed at its end or later.

    It is made of the lower bars that there are. The same as `n1v1.strategies.aggregate` makes of them one by one.
    Raises InvalidValue when bars of `timeframe` cannot make up bars of `to`.
    """
    step_ns, length_ns = timeframe_ns(timeframe), timeframe_ns(to)
    if length_ns <= step_ns or length_ns % step_ns:
        raise InvalidValue(f"bars of {to} cannot be made of bars of {timeframe}")
    start_ns = grid_start_ns(to)
    periods = (bars.open_ns - start_ns) // length_ns
    if len(bars):
        is_over = (periods + 1) * length_ns + start_ns <= bars.close_ns[-1]
        bars, periods = bars.rows(is_over), periods[is_over]
    first = np.flatnonzero(np.diff(periods, prepend=periods[:1] - 1))
    last = np.append(first[1:], len(bars))[: len(first)] - 1
    opens = periods[first] * length_ns + start_ns
    higher = Bars(
        open_ns=opens,
        close_ns=opens + length_ns,
        open=bars.open[first],
        high=_reduced(np.maximum, bars.high, first),
        low=_reduced(np.minimum, bars.low, first),
        close=bars.close[last],
        volume=_reduced(np.add, bars.volume, first),
    )
    missing = length_ns // step_ns - (last + 1 - first)
    lacking = np.flatnonzero(missing)
    return Resampled(
        bars=higher,
        incomplete=tuple(IncompleteBar(symbol, int(opens[row]), int(missing[row])) for row in lacking),
    )


def _reduced(operation: np.ufunc, column: np.ndarray, first: np.ndarray) -> np.ndarray:
    return operation.reduceat(column, first) if len(first) else column[:0]
