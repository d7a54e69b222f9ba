"""Bars written by hand, and what a strategy says of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from n1v1.events import BarClosed
from n1v1.strategies import registry
from n1v1.strategies.base import Verdict
from n1v1.values import Instrument

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
FOUR_HOURS = 4 * 3_600_000_000_000

Row = float | Sequence[float]


@pytest.fixture(scope="session")
def bars_of() -> Callable[..., list[BarClosed]]:
    """Bars of 4 hours, the first from 00:00 to 04:00 UTC.

    A row is a close (a bar without a range), or high, low, close; `volumes` are 1 when not given.
    """
    return _bars_of


@pytest.fixture(scope="session")
def asked() -> Callable[..., list[Verdict]]:
    """What the strategy of that key says of every bar in turn."""
    return _asked


def _bars_of(rows: Sequence[Row], volumes: Sequence[float] = ()) -> list[BarClosed]:
    return [
        _bar(number, (row, row, row) if isinstance(row, int | float) else tuple(row), volume)
        for number, (row, volume) in enumerate(zip(rows, volumes or [1.0] * len(rows), strict=True), start=1)
    ]


def _bar(number: int, prices: tuple[float, ...], volume: float) -> BarClosed:
    high, low, close = (round(price * 100) for price in prices)
    return BarClosed(
        id=f"bar:{number}",
        ts_ns=number * FOUR_HOURS,
        symbol="BTC-USD",
        timeframe="4h",
        open_ns=(number - 1) * FOUR_HOURS,
        open=low,
        high=high,
        low=low,
        close=close,
        volume=round(volume * 10**8),
    )


def _asked(key: str, parameters: dict[str, Any], bars: Sequence[BarClosed]) -> list[Verdict]:
    runner = registry.runner(key, parameters, BTC)
    return [runner.on_bar(bar) for bar in bars]
