"""Bars of a higher timeframe, made of the bars that a strategy hears. A higher bar is known only once it has closed.

Periods are counted from 1970-01-01 00:00 UTC, those of a week and its multiples from Monday 1970-01-05: a day is a day
and a week starts on Monday. A higher bar closes on the first base bar that ends at or after its end; what is missing
between base bars is missing in the higher bar too. The close time of a higher bar is the end of its period.
"""

from __future__ import annotations

import numpy as np

from n1v1.errors import InvalidValue
from n1v1.kernels import Record, kernel
from n1v1.timeframes import timeframe_ns

WEEK_NS = 604_800_000_000_000
FIRST_MONDAY_NS = 345_600_000_000_000

_OHLCV = [("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8"), ("volume", "f8"), ("close_ns", "i8")]

HIGHER_BAR = np.dtype(_OHLCV)
"""Laid out as the bar of a strategy, `n1v1.strategies.base.BAR`. close_ns 0: there is none yet."""

AGGREGATE = np.dtype([("closed", HIGHER_BAR), ("before", HIGHER_BAR), ("growing", HIGHER_BAR), ("count", "i8")])
"""closed: the last higher bar that has closed; before: the one before it; growing: not to be looked at.

count: higher bars that have closed so far.
"""


@kernel
def aggregate(state: Record, bar: Record, length_ns: int) -> int:
    """Hear one base bar; answers how many higher bars close on it: 0, 1, or 2 after a gap.

    state: an AGGREGATE. length_ns: of the higher timeframe, a multiple of that of the base bars (`higher_ns`).
    The new bar is `state.closed`; of two, the older one is `state.before`.
    """
    end_ns = period_end_ns(bar.close_ns, length_ns)
    closings = 0
    if state.growing.close_ns != 0 and state.growing.close_ns < end_ns:
        _close(state)
        closings += 1
    _grow(state.growing, bar, end_ns)
    if bar.close_ns == end_ns:
        _close(state)
        closings += 1
    return closings


@kernel
def period_end_ns(close_ns: int, length_ns: int) -> int:
    """The end of the period that a bar closing at `close_ns` belongs to."""
    first_ns = FIRST_MONDAY_NS if length_ns % WEEK_NS == 0 else 0
    return first_ns - (first_ns - close_ns) // length_ns * length_ns


@kernel
def _close(state: Record) -> None:
    copy_bar(state.before, state.closed)
    copy_bar(state.closed, state.growing)
    state.growing.close_ns = 0
    state.count += 1


@kernel
def _grow(growing: Record, bar: Record, end_ns: int) -> None:
    if growing.close_ns == 0:
        copy_bar(growing, bar)
        growing.close_ns = end_ns
        return
    growing.high = max(growing.high, bar.high)
    growing.low = min(growing.low, bar.low)
    growing.close = bar.close
    growing.volume += bar.volume


@kernel
def copy_bar(to: Record, bar: Record) -> None:
    to.open = bar.open
    to.high = bar.high
    to.low = bar.low
    to.close = bar.close
    to.volume = bar.volume
    to.close_ns = bar.close_ns


def higher_ns(timeframe: str, base: str | None = None) -> int:
    """Length of a higher timeframe in nanoseconds, to be the `length_ns` of `aggregate`.

    base: the timeframe of the bars that it is to be made of, when it is known.
    Raises InvalidValue when these cannot make up `timeframe`.
    """
    length_ns = timeframe_ns(timeframe)
    if base is not None and (length_ns <= timeframe_ns(base) or length_ns % timeframe_ns(base)):
        raise InvalidValue(f"bars of {timeframe} cannot be made of bars of {base}")
    return length_ns
