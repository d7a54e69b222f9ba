"""A closed bar without a message around it: what a driver in one process hands to venue, strategies and accounts."""

from __future__ import annotations

from typing import NamedTuple

from n1v1 import ids
from n1v1.events import BarClosed


class BarRow(NamedTuple):
    """The fields of `BarClosed` by the same names: prices in ticks, volume in lots, `ts_ns` the close.

    A tuple, because one is made for every bar, in a tenth of the time of an event.
    """

    symbol: str
    timeframe: str
    open_ns: int
    ts_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int

    @property
    def id(self) -> str:
        return ids.bar_id(self.symbol, self.timeframe, self.ts_ns)

    @property
    def correlation_id(self) -> str:
        return ids.correlation_id(self.symbol, self.ts_ns)

    def event(self) -> BarClosed:
        return BarClosed(id=self.id, correlation_id=self.correlation_id, **self._asdict())


ClosedBar = BarClosed | BarRow
"""What reads bars reads either."""
