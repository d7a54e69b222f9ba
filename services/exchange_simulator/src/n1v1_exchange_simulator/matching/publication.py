"""What everybody may see of a symbol: its trades in one row, and its book with ids that leave nothing out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from n1v1_exchange_simulator.market_events import DepthChange, DepthSnapshot, Level, MarketEvent, PublicTrade
from n1v1_exchange_simulator.matching.book import BookSide


class Publication:
    def __init__(self, symbol: str, bids: BookSide, asks: BookSide, *, trades_kept: int) -> None:
        self.trades: deque[PublicTrade] = deque(maxlen=trades_kept)
        self.last_ticks: int | None = None
        self.trade_count = 0
        self._symbol = symbol
        self._bids = bids
        self._asks = asks
        self._update_id = 0
        self._unsaid: list[MarketEvent] = []

    def print_trade(self, *, ts_ns: int, ticks: int, lots: int, is_buyer_maker: bool) -> int:
        """Answers the number of the trade."""
        self.trade_count += 1
        self.last_ticks = ticks
        trade = PublicTrade(
            ts_ns=ts_ns,
            symbol=self._symbol,
            number=self.trade_count,
            ticks=ticks,
            lots=lots,
            is_buyer_maker=is_buyer_maker,
        )
        self.trades.append(trade)
        self._unsaid.append(trade)
        return self.trade_count

    def book(self, levels: int, ts_ns: int) -> DepthSnapshot:
        return DepthSnapshot(
            ts_ns=ts_ns,
            symbol=self._symbol,
            last_id=self._update_id,
            bids=self._bids.top(levels),
            asks=self._asks.top(levels),
        )

    def take(self, ts_ns: int) -> Sequence[MarketEvent]:
        """Trades, then the levels that are not what they were at the last call. Each has used up one update id."""
        bids, asks = _changes(self._bids), _changes(self._asks)
        events, self._unsaid = self._unsaid, []
        if bids or asks:
            first_id = self._update_id + 1
            self._update_id += len(bids) + len(asks)
            events.append(
                DepthChange(
                    ts_ns=ts_ns,
                    symbol=self._symbol,
                    first_id=first_id,
                    last_id=self._update_id,
                    bids=bids,
                    asks=asks,
                )
            )
        return events


def _changes(side: BookSide) -> tuple[Level, ...]:
    if not side.changed:
        return ()
    changes = [(ticks, side.visible(ticks), before) for ticks, before in side.changed.items()]
    side.changed.clear()
    return tuple((ticks, lots) for ticks, lots, before in changes if lots != before)
