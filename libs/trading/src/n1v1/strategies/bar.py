"""A closed bar as plain strategies see it."""

from __future__ import annotations

from typing import NamedTuple


class Bar(NamedTuple):
    """Prices in quote currency, volume in base currency, close time in ns UTC.

    A tuple rather than a frozen dataclass: one is made for every bar, and a tuple is made in half the time.
    """

    open: float
    high: float
    low: float
    close: float
    volume: float
    close_ns: int
    symbol: str
