"""What a recording says of one book, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, Level

Levels = dict[int, int]
"""Lots by ticks."""


@dataclass(slots=True)
class RecordedBook:
    bids: Levels = field(default_factory=dict)
    asks: Levels = field(default_factory=dict)
    last_id: int | None = None

    def apply(self, event: DepthChange | DepthSnapshot) -> None:
        if isinstance(event, DepthSnapshot):
            self.bids, self.asks = {}, {}
        apply_levels(self.bids, event.bids)
        apply_levels(self.asks, event.asks)
        self.last_id = event.last_id

    def snapshot(self, symbol: str, ts_ns: int) -> DepthSnapshot:
        """As it stands."""
        return DepthSnapshot(
            ts_ns=ts_ns,
            symbol=symbol,
            last_id=self.last_id or 0,
            bids=tuple(sorted(self.bids.items(), reverse=True)),
            asks=tuple(sorted(self.asks.items())),
        )


def apply_levels(levels: Levels, changes: Sequence[Level]) -> None:
    for ticks, lots in changes:
        if lots:
            levels[ticks] = lots
        else:
            levels.pop(ticks, None)
