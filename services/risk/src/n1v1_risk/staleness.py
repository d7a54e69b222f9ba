"""Which symbols have had no bar in time. Outside lockstep only: there the market waits for us."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from n1v1.events import BarClosed

LEAST_PATIENCE_S = 10.0
"""A replay at many times its speed has bars every few milliseconds; that is no measure of a market that is gone."""


class MarketWatch:
    """When the last bar of each symbol came.

    patience_s: how late the next bar may be. is_real_time: bars close by our clock, so that one which is delivered
    long after its close (by a market_data that catches up) is as bad as none.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        patience_s: float,
        is_real_time: bool,
        monotonic: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._patience_s = max(patience_s, LEAST_PATIENCE_S)
        self._is_real_time = is_real_time
        self._monotonic = monotonic
        self._now_ns = now_ns
        began = monotonic()
        self._heard_s = dict.fromkeys(symbols, began)
        self._closed_ns: dict[str, int] = {}

    @property
    def look_every_s(self) -> float:
        return min(self._patience_s / 8, 5.0)

    def hear(self, bar: BarClosed) -> bool:
        """Whether the bar came in time."""
        self._heard_s[bar.symbol] = self._monotonic()
        self._closed_ns[bar.symbol] = bar.ts_ns
        return not self._is_real_time or self._now_ns() - bar.ts_ns <= self._patience_s * 1e9

    def silent(self) -> list[tuple[str, int]]:
        """Symbols that have been silent for too long, each with the close of its last bar (-1: none)."""
        now = self._monotonic()
        return [
            (symbol, self._closed_ns.get(symbol, -1))
            for symbol, heard_s in self._heard_s.items()
            if now - heard_s > self._patience_s
        ]
