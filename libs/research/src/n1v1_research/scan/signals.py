"""The first pass: what a strategy says of every bar of one symbol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import InvalidData, StrategyError
from n1v1.strategies.base import ACTIONS, BAR, NO_SIGNAL, Strategy
from n1v1.values import Instrument, decimal_places
from n1v1_research.compiled.kernels import compiled_driver
from n1v1_research.compiled.records import local_record, record_of
from n1v1_research.datasets import Bars

EXACT_IN_A_FLOAT = 2**53
"""Above it not every integer is a float, and compiled code would round where Python does not."""


@dataclass(frozen=True, slots=True)
class Signals:
    """at: the bars that have a signal, as indices, oldest first. codes: LONG, SHORT or EXIT for each of them."""

    at: NDArray[np.int64]
    codes: NDArray[np.int8]


def signals_of(strategy: type[Strategy], params: Any, bars: Bars, instrument: Instrument) -> Signals:
    """Every signal of a compiled-form strategy on `bars`, as `CompiledRunner` would raise them one by one.

    Raises InvalidData when prices or volumes are too large to be exact as floats, StrategyError when the strategy
    answers something that is no signal.
    """
    for name in ("open", "high", "low", "close", "volume"):
        column = getattr(bars, name)
        if len(column) and int(column.max()) >= EXACT_IN_A_FLOAT:
            raise InvalidData(
                f"{instrument.symbol}: {name} reaches {column.max()} units, more than a float holds exactly"
            )
    at, codes = np.empty(len(bars.close), np.int64), np.empty(len(bars.close), np.int8)
    count = signal_pass(strategy)(  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
        record_of(params)[0],
        (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.close_ns),
        float(10 ** decimal_places(instrument.tick_size)),
        float(10 ** decimal_places(instrument.lot_size)),
        at,
        codes,
    )
    at, codes = at[:count], codes[:count]
    wrong = ~np.isin(codes, list(ACTIONS))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise StrategyError(
            f"{strategy.key} answered {codes[first]} on bar {at[first]}, expected LONG, SHORT, EXIT or NO_SIGNAL"
        )
    return Signals(at, codes)


@cache
def signal_pass(strategy: type[Any]) -> Any:
    """The compiled pass of one strategy: (params, columns, price_scale, quantity_scale, at, codes) -> count."""
    on_bar = strategy.on_bar
    bound = {"on_bar": on_bar, "new_state": local_record(strategy.State), "new_bar": local_record(BAR)}
    return compiled_driver(
        _signals,
        f"{strategy.__module__}.{strategy.__qualname__}",
        bound,
        sources=(on_bar,),
        layouts=(strategy.State, BAR),
    )


def _signals(params, columns, price_scale, quantity_scale, at, codes):  # type: ignore[no-untyped-def]  # compiled
    open_, high, low, close, volume, close_ns = columns
    state, bar = new_state(), new_bar()  # type: ignore[name-defined]  # noqa: F821  # bound when it is compiled
    count = 0
    for i in range(len(close)):
        # what a strategy does not read is never divided: the compiler drops it
        bar.open, bar.high = open_[i] / price_scale, high[i] / price_scale
        bar.low, bar.close = low[i] / price_scale, close[i] / price_scale
        bar.volume, bar.close_ns = volume[i] / quantity_scale, close_ns[i]
        code = on_bar(params, state, bar)  # type: ignore[name-defined]  # noqa: F821  # bound when it is compiled
        if code != NO_SIGNAL:
            at[count], codes[count] = i, code
            count += 1
    return count
