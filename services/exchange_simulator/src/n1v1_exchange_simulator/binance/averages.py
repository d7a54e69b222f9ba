"""The price of the last minutes: what filters value a market order at, and what avgPrice answers."""

from __future__ import annotations

from collections.abc import Callable

from n1v1_exchange_simulator.market_events import PublicMarket

MINUTE_NS = 60_000_000_000


class AveragePrices:
    """now_ns: the market's time."""

    def __init__(self, market: PublicMarket, now_ns: Callable[[], int]) -> None:
        self._market = market
        self._now_ns = now_ns
        self._known: dict[tuple[str, int], tuple[tuple[int, int], int | None]] = {}

    def ticks(self, symbol: str, minutes: int) -> int | None:
        """By volume over the trades of the last minutes, rounded down; the last price for none and without trades."""
        last = self._market.last_ticks(symbol)
        if minutes == 0 or last is None:
            return last
        trades = self._market.recent_trades(symbol)
        if not trades:
            return last
        age = (trades[-1].number, self._now_ns())
        known = self._known.get((symbol, minutes))
        if known is None or known[0] != age:
            known = age, self._average(symbol, minutes)
            self._known[symbol, minutes] = known
        return last if known[1] is None else known[1]

    def _average(self, symbol: str, minutes: int) -> int | None:
        since_ns = self._now_ns() - minutes * MINUTE_NS
        value = volume = 0
        for trade in reversed(self._market.recent_trades(symbol)):
            if trade.ts_ns < since_ns:
                break
            value += trade.ticks * trade.lots
            volume += trade.lots
        return value // volume if volume else None
