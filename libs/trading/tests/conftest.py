"""For the tests of indicators and strategies: kernels compiled by numba, and series of bars to run them over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from n1v1.events import BarClosed
from n1v1.values import Instrument
from n1v1_research.compiled import kernels
from n1v1_research.datasets import load

Kernel = Callable[..., Any]
Column = NDArray[np.float64]


@dataclass(frozen=True)
class Market:
    """Columns of bars, oldest first."""

    name: str
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column


@dataclass(frozen=True)
class Recorded:
    """Recorded bars of one symbol."""

    instrument: Instrument
    bars: tuple[BarClosed, ...]


@pytest.fixture(scope="session")
def compiled() -> Callable[[Kernel], Kernel]:
    """A kernel as the compiled engine has it: the same function, and the kernels that it calls compiled as well."""
    return kernels.compiled


@pytest.fixture(scope="session")
def compiled_batch() -> Callable[..., Any]:
    """As `n1v1.indicators.batch.batch`, with the compiled kernel and a state that is a NumPy record."""
    return _compiled_batch


def _compiled_batch(step: Kernel, layout: np.dtype[Any], *columns: Column, params: tuple[Any, ...]) -> Any:
    state = np.zeros(1, layout)[0]
    fast = kernels.compiled(step)
    answers = [fast(state, *bar, *params) for bar in zip(*(column.tolist() for column in columns), strict=True)]
    table = np.array(answers, dtype=np.float64)
    return table if table.ndim == 1 else tuple(table.T)


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Recorded]:
    """BTC-USD or ETH-USD, bars of four hours from January 2017 to May 2018, ETH's flash crash of June 2017 included."""
    return _recorded


@pytest.fixture(scope="session", params=["BTC-USD", "ETH-USD", "flat", "gaps"])
def market(request: pytest.FixtureRequest) -> Market:
    """Recorded bars of two symbols; bars without any movement between moving ones; jumps between bars."""
    if request.param == "flat":
        return _flat_market()
    if request.param == "gaps":
        return _market_with_gaps()
    return _recorded_market(request.param)


@cache
def _recorded(symbol: str) -> Recorded:
    dataset = load("coinbase-4h", symbols=(symbol,), start="2017-01-01", end="2018-06-01")
    return Recorded(dataset.instrument(symbol), dataset.bars[symbol])


def _recorded_market(symbol: str) -> Market:
    found = _recorded(symbol)
    price, quantity = found.instrument.price_float, found.instrument.quantity_float
    rows = [(price(b.open), price(b.high), price(b.low), price(b.close), quantity(b.volume)) for b in found.bars]
    return Market(symbol, *np.array(rows).T.copy())


def _flat_market() -> Market:
    """Starts flat, then moves, and stands still for 100 bars three times, with nothing traded."""
    moving = _market_with_gaps()
    columns = [column.copy() for column in (moving.open, moving.high, moving.low, moving.close, moving.volume)]
    for start in (0, 300, 450, 800):
        for column in columns[:4]:
            column[start : start + 100] = moving.close[start]
        columns[4][start : start + 100] = 0.0
    return Market("flat", *columns)


def _market_with_gaps() -> Market:
    """1,000 bars of a random walk in which every 97th opens at half or twice the price before it."""
    chance = np.random.default_rng(11)
    steps = chance.normal(0.0, 0.01, 1_000)
    steps[97::97] += np.where(np.arange(97, 1_000, 97) % 2, np.log(2.0), -np.log(2.0))
    close = 100.0 * np.exp(np.cumsum(steps))
    open_ = close * np.exp(chance.normal(0.0, 0.003, 1_000))
    high = np.maximum(open_, close) * np.exp(np.abs(chance.normal(0.0, 0.003, 1_000)))
    low = np.minimum(open_, close) * np.exp(-np.abs(chance.normal(0.0, 0.003, 1_000)))
    return Market("gaps", open_, high, low, close, chance.uniform(0.0, 50.0, 1_000))
