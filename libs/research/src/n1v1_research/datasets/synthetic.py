"""Bars that never happened, as many as a benchmark or a test needs, drawn from bars that did.

The method is the block bootstrap (Künsch 1989): blocks of consecutive returns are drawn with replacement, so that
volatility keeps coming in clusters as long as a block. The mean log return of what was drawn is removed, so that the
series ends where it began and a long one neither explodes nor dies.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import InvalidValue
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_research.datasets.columns import Bars, Column
from n1v1_research.datasets.dataset import Dataset

Floats = NDArray[np.float64]


def bootstrapped(source: Dataset, bars: int, seed: int, block: int = 240, *, symbol: str | None = None) -> Dataset:
    """`bars` bars without a gap, from the recorded start of one symbol of `source` (its first, when none is named).

    Every bar drawn keeps its shape: its open, high and low relative to the close before it, and its volume. The closes
    are chained from the first recorded one, and everything is rounded to the tick. The same source, seed and block give
    the same bars on every machine with the same NumPy.

    Raises InvalidValue when the source has fewer bars than a block and one, or the chained price leaves what the
    instrument can express.
    """
    instrument = source.instrument(symbol or source.symbols[0])
    recorded = source.columns(instrument.symbol)
    if block < 1 or bars < 1 or len(recorded) <= block:
        raise InvalidValue(f"blocks of {block} bars cannot be drawn from {len(recorded)} bars")
    drawn = _drawn_rows(len(recorded), bars, block, np.random.default_rng(seed))
    opens, highs, lows, closes = _chained(recorded, drawn)
    series = _bars(recorded, drawn, (opens, highs, lows, closes), source.timeframe)
    _check_range(series, instrument)
    name = f"{source.name}-bootstrapped-{bars}-{seed}"
    return replace(source, name=name, instruments=(instrument,), series={instrument.symbol: series}, recorded_gaps=())


def _drawn_rows(recorded: int, wanted: int, block: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of the source, `block` consecutive ones at a time. Row 0 has no bar before it and is never drawn."""
    blocks = -(-wanted // block)
    starts = random.integers(1, recorded - block + 1, size=blocks)
    return (starts[:, None] + np.arange(block)).ravel()[:wanted]


def _chained(recorded: Bars, drawn: NDArray[np.int64]) -> tuple[Floats, Floats, Floats, Floats]:
    """open, high, low, close in ticks, not yet whole."""
    logs = {name: np.log(getattr(recorded, name).astype(np.float64)) for name in ("open", "high", "low", "close")}
    before = logs["close"][drawn - 1]
    returns = logs["close"][drawn] - before
    mean = returns.mean()
    returns -= mean
    close = logs["close"][0] + np.cumsum(returns)
    previous = np.concatenate((logs["close"][:1], close[:-1]))
    opens, highs, lows = (np.exp(previous + logs[name][drawn] - before - mean) for name in ("open", "high", "low"))
    return opens, highs, lows, np.exp(close)


def _bars(
    recorded: Bars, drawn: NDArray[np.int64], prices: tuple[Floats, Floats, Floats, Floats], timeframe: str
) -> Bars:
    step_ns = timeframe_ns(timeframe)
    open_ns = recorded.open_ns[0] + step_ns * np.arange(len(drawn))
    open_, high, low, close = (_whole_ticks(price) for price in prices)
    return Bars(
        open_ns=open_ns,
        close_ns=open_ns + step_ns,
        open=open_,
        high=np.maximum.reduce((open_, high, close)),
        low=np.minimum.reduce((open_, low, close)),
        close=close,
        volume=recorded.volume[drawn],
    )


def _whole_ticks(price: Floats) -> Column:
    return np.maximum(np.rint(price), 1).astype(np.int64)


def _check_range(series: Bars, instrument: Instrument) -> None:
    highest = int(series.high.max())
    if highest > instrument.ticks(instrument.max_price):
        raise InvalidValue(
            f"the bootstrapped price of {instrument.symbol} reaches {instrument.price(highest)}, above its max_price "
            f"{instrument.max_price}; draw fewer bars or use another seed"
        )
