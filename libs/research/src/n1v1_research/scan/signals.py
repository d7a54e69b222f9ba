"""The first pass: what a strategy says of every bar of one symbol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import StrategyError
from n1v1.strategies.base import BAR, EXIT, LONG, NO_SIGNAL, SHORT, Strategy
from n1v1_research.compiled.kernels import compiled_driver
from n1v1_research.compiled.records import local_record, record_of
from n1v1_research.scan.layouts import SIGNAL
from n1v1_research.scan.market import Market


@dataclass(frozen=True, slots=True)
class Signals:
    """at: the bars that have a signal, as rows of the market, oldest first. codes: LONG, SHORT or EXIT for each."""

    at: NDArray[np.int64]
    codes: NDArray[np.int8]


def signals_of(strategy: type[Strategy], params: Any, market: Market, symbol: int) -> Signals:
    """Every signal of a compiled-form strategy on one symbol, as `CompiledRunner` would raise them one by one.

    symbol: its index in the market. Raises StrategyError when the strategy answers something that is no signal.
    """
    rows, bars, grid = market.of_symbol(symbol), market.bars, market.grid[symbol]
    columns = tuple(getattr(bars, name)[rows] for name in ("open", "high", "low", "close", "volume", "close_ns"))
    at, codes = np.empty(len(columns[0]), np.int64), np.empty(len(columns[0]), np.int8)
    one_pass = signal_pass(strategy)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    count = one_pass(record_of(params)[0], columns, grid, at, codes)
    if count < 0:
        row = -1 - count
        answer = codes[row]
        raise StrategyError(f"{strategy.key} answered {answer} on bar {row}, expected LONG, SHORT, EXIT or NO_SIGNAL")
    return Signals(at[:count] + rows.start if rows.start else at[:count], codes[:count])


@cache
def signal_pass(strategy: type[Any]) -> Any:
    """The compiled pass of one strategy: (params, columns, grid, at, codes) -> count.

    Less than 0: the strategy answered no signal on bar -1 - count; codes has the answer.
    """
    on_bar = strategy.on_bar
    bound = {"on_bar": on_bar, "new_state": local_record(strategy.State), "new_bar": local_record(BAR)}
    name = f"{strategy.__module__}.{strategy.__qualname__}"
    return compiled_driver(_signals, name, bound, sources=(on_bar,), layouts=(strategy.State, BAR), allocates=False)


def signal_records(
    market: Market, symbol: int, found: Signals, *, instance: int = 0, wish: int = 0, no_wish: int = 1
) -> NDArray[np.void]:
    """As SIGNAL. instance: its place in the order of names. wish, no_wish: places of an entry's and an exit's."""
    records = np.zeros(len(found.at), SIGNAL)
    records["step"], records["symbol"], records["instance"] = market.step_of[found.at], symbol, instance
    records["action"], records["wish"] = found.codes, np.where(found.codes == EXIT, no_wish, wish)
    return records


def _signals(params, columns, grid, at, codes):  # type: ignore[no-untyped-def]  # compiled
    open_, high, low, close, volume, close_ns = columns
    price_scale, quantity_scale = grid.price_scale, grid.quantity_scale
    state, bar = new_state(), new_bar()  # type: ignore[name-defined]  # noqa: F821  # bound when it is compiled
    count = 0
    for i in range(len(close)):
        # what a strategy does not read is never divided: the compiler drops it
        bar.open, bar.high = open_[i] / price_scale, high[i] / price_scale
        bar.low, bar.close = low[i] / price_scale, close[i] / price_scale
        bar.volume, bar.close_ns = volume[i] / quantity_scale, close_ns[i]
        code = on_bar(params, state, bar)  # type: ignore[name-defined]  # noqa: F821  # bound when it is compiled
        if code != NO_SIGNAL:
            if code != LONG and code != SHORT and code != EXIT:
                codes[i] = code
                return -1 - i
            at[count], codes[count] = i, code
            count += 1
    return count
