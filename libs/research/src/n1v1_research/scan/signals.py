"""The first pass: what a strategy says of every bar of one symbol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import StrategyError
from n1v1.kernels import Record
from n1v1.strategies.base import BAR, EXIT, LONG, NO_SIGNAL, SHORT, Strategy
from n1v1_research.compiled.kernels import compiled_driver, inlined
from n1v1_research.compiled.records import local_copy, local_record, records_of
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
    rows, grid = market.of_symbol(symbol), market.grid[symbol]
    columns = columns_of(market, symbol)
    at, codes = np.empty(len(columns[0]), np.int64), np.empty(len(columns[0]), np.int8)
    one_pass = signal_pass(strategy)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    count = one_pass(records_of(params)[0], columns, grid, at, codes)
    if count < 0:
        row = -1 - count
        answer = codes[row]
        raise StrategyError(f"{strategy.key} answered {answer} on bar {row}, expected LONG, SHORT, EXIT or NO_SIGNAL")
    return Signals(at[:count] + rows.start if rows.start else at[:count], codes[:count])


def columns_of(market: Market, symbol: int) -> tuple[NDArray[np.int64], ...]:
    """A symbol's bars as the passes over signals take them."""
    rows = market.of_symbol(symbol)
    return tuple(getattr(market.bars, name)[rows] for name in ("open", "high", "low", "close", "volume", "close_ns"))


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


LANES = 4
"""Parameter sets that go side by side: a bar's arithmetic is a chain, and four chains take little longer than one."""


@cache
def lanes_pass(strategy: type[Any]) -> Any:
    """The compiled pass of LANES parameter sets: (params, columns, grid, symbol, found, ends) -> nothing.

    found: SIGNAL, with the row of the symbol as the step; set k begins where ends[k, 0] says, and ends where ends[k, 1]
    says afterwards. An entry wishes for number 2 k, an exit for number 2 k + 1.
    """
    on_bar, layout = strategy.on_bar, records_of(strategy.parameters({})).dtype
    bound = {
        "on_bar": on_bar,
        "own": local_copy(layout),
        "new_state": local_record(strategy.State),
        "new_bar": local_record(BAR),
    }
    name = f"{strategy.__module__}.{strategy.__qualname__}"
    layouts = (layout, strategy.State, BAR)
    return compiled_driver(_lanes, name, bound, sources=(on_bar,), layouts=layouts, allocates=False)


def _lanes(params, columns, grid, symbol, found, ends):  # type: ignore[no-untyped-def]  # compiled
    open_, high, low, close, volume, close_ns = columns
    price_scale, quantity_scale = grid.price_scale, grid.quantity_scale
    # four times the same: the compiler keeps them in registers only when they have names
    own0, own1, own2, own3 = own(params[0]), own(params[1]), own(params[2]), own(params[3])  # type: ignore[name-defined]  # noqa: F821
    state0, state1, state2, state3 = new_state(), new_state(), new_state(), new_state()  # type: ignore[name-defined]  # noqa: F821
    at0, at1, at2, at3 = ends[0, 0], ends[1, 0], ends[2, 0], ends[3, 0]
    bar = new_bar()  # type: ignore[name-defined]  # noqa: F821
    for i in range(len(close)):
        bar.open, bar.high = open_[i] / price_scale, high[i] / price_scale
        bar.low, bar.close = low[i] / price_scale, close[i] / price_scale
        bar.volume, bar.close_ns = volume[i] / quantity_scale, close_ns[i]
        code0 = on_bar(own0, state0, bar)  # type: ignore[name-defined]  # noqa: F821
        code1 = on_bar(own1, state1, bar)  # type: ignore[name-defined]  # noqa: F821
        code2 = on_bar(own2, state2, bar)  # type: ignore[name-defined]  # noqa: F821
        code3 = on_bar(own3, state3, bar)  # type: ignore[name-defined]  # noqa: F821
        if code0 != NO_SIGNAL:
            at0 = _note(found[at0], at0, code0, i, symbol, 0)
        if code1 != NO_SIGNAL:
            at1 = _note(found[at1], at1, code1, i, symbol, 2)
        if code2 != NO_SIGNAL:
            at2 = _note(found[at2], at2, code2, i, symbol, 4)
        if code3 != NO_SIGNAL:
            at3 = _note(found[at3], at3, code3, i, symbol, 6)
    ends[0, 1], ends[1, 1], ends[2, 1], ends[3, 1] = at0, at1, at2, at3


@inlined
def _note(signal: Record, at: int, code: int, step: int, symbol: int, wish: int) -> int:
    """Write down a signal; answers where the next one goes."""
    signal.step = step
    signal.symbol = symbol
    signal.instance = 0
    signal.action = code
    signal.wish = wish + int(code == EXIT)
    return at + 1


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
