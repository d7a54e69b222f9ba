"""Bars to try a strategy on: written by hand, or a random market with everything that goes wrong in a real one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from n1v1.events import BarClosed
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument

TESTED = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
"""The instrument of these bars: ticks of 0.01, lots of 0.00000001."""

START_NS = 1_577_836_800_000_000_000  # 2020-01-01 00:00 UTC


def bar(
    number: int,
    close: float,
    *,
    open: float | None = None,  # the field's word
    high: float | None = None,
    low: float | None = None,
    volume: float = 1.0,
    timeframe: str = "1h",
    instrument: Instrument = TESTED,
) -> BarClosed:
    """The bar that closes `number` timeframes after 2020-01-01 00:00 UTC. What is not given is the close."""
    length_ns = timeframe_ns(timeframe)
    close_ns = START_NS + number * length_ns
    ticks = [round(close if price is None else price, 10) for price in (open, high, low, close)]
    opened, highest, lowest, closed = (round(price / float(instrument.tick_size)) for price in ticks)
    return BarClosed(
        id=f"bar:{instrument.symbol}:{close_ns}",
        ts_ns=close_ns,
        correlation_id=f"{instrument.symbol}@{close_ns // 1_000_000_000}",
        symbol=instrument.symbol,
        timeframe=timeframe,
        open_ns=close_ns - length_ns,
        open=opened,
        high=max(opened, highest, closed),
        low=min(opened, lowest, closed),
        close=closed,
        volume=round(volume / float(instrument.lot_size)),
    )


def bars_of(closes: Sequence[float], *, timeframe: str = "1h", instrument: Instrument = TESTED) -> list[BarClosed]:
    """Bars without a range, one per close, without gaps."""
    return [bar(number, close, timeframe=timeframe, instrument=instrument) for number, close in enumerate(closes, 1)]


def random_bars(
    count: int, *, seed: int = 1, timeframe: str = "1h", instrument: Instrument = TESTED
) -> list[BarClosed]:
    """A random walk around 100 with trends, jumps, standstills without volume, and gaps of missing bars.

    The same seed gives the same bars in every version of Python.
    """
    chance = random.Random(seed)  # noqa: S311  # a market, not a secret
    bars: list[BarClosed] = []
    number, price, drift, still = 0, 100.0, 0.0, 0
    while len(bars) < count:
        number += chance.randint(2, 30) if chance.random() < 0.005 else 1
        if chance.random() < 0.02:
            drift = chance.uniform(-0.004, 0.004)
        if chance.random() < 0.005:
            still = chance.randint(3, 40)
        if still > 0:
            still -= 1
            bars.append(bar(number, price, volume=0.0, timeframe=timeframe, instrument=instrument))
            continue
        opened = price
        jump = chance.uniform(-0.15, 0.15) if chance.random() < 0.003 else 0.0
        back = 0.002 * math.log(100.0 / price)  # so that it stays a price, however long it walks
        price = max(0.5, opened * math.exp(chance.gauss(drift + back, 0.01) + jump))
        high = max(opened, price) * math.exp(abs(chance.gauss(0.0, 0.004)))
        low = min(opened, price) * math.exp(-abs(chance.gauss(0.0, 0.004)))
        bars.append(
            bar(
                *(number, price),
                open=opened,
                high=high,
                low=low,
                volume=chance.lognormvariate(0.0, 0.8),
                timeframe=timeframe,
                instrument=instrument,
            )
        )
    return bars
