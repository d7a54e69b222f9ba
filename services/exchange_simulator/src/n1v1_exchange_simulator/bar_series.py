"""Bars of one symbol in every length, made as the market moves: from trades, or from finer bars that were recorded.

Trades make seconds, seconds minutes, minutes everything up to the hour, and so on: a trade touches one bar, however
many lengths there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1.ids import bar_id, correlation_id
from n1v1_exchange_simulator.intervals import INTERVALS, checked_interval, is_made_of, span_of
from n1v1_exchange_simulator.market_events import PublicTrade, TradedBar

BARS_KEPT = 1_000
"""Of each length: Binance's largest page of klines."""

_FED_BY = {
    "1m": "1s",
    **dict.fromkeys(("3m", "5m", "15m", "30m", "1h"), "1m"),
    **dict.fromkeys(("2h", "4h", "6h", "8h", "12h", "1d"), "1h"),
    **dict.fromkeys(("3d", "1w", "1M"), "1d"),
}


@dataclass(slots=True)
class Piece:
    """A stretch of market inside one bar: a trade, a finer bar, or several of them. The rest is as in `TradedBar`."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int = 0
    first_trade: int | None = None
    last_trade: int | None = None
    value: int = 0
    taker_lots: int = 0
    taker_value: int = 0

    def add(self, later: Piece) -> None:
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        if later.trades:
            if self.first_trade is None:
                self.first_trade = later.first_trade
            self.last_trade = later.last_trade
            self.trades += later.trades
            self.value += later.value
            self.taker_lots += later.taker_lots
            self.taker_value += later.taker_value


class _Series:
    """Bars of one length: closed ones, and what the open one has so far."""

    def __init__(self, symbol: str, interval: str, fed_by: str | None) -> None:
        self.interval = interval
        self.fed_by = fed_by
        self.closed: deque[BarClosed] = deque(maxlen=BARS_KEPT)
        self.open_ns = self.close_ns = 0
        self.quiet_ns = 0
        """Before it nothing is made of silence."""
        self.piece: Piece | None = None
        self._symbol = symbol

    def add(self, ts_ns: int, piece: Piece) -> None:
        """ts_ns: where the piece begins. Whatever closes before it is closed already."""
        if not self.open_ns <= ts_ns < self.close_ns:
            self.open_ns, self.close_ns = span_of(self.interval, ts_ns)
        if self.piece is None:
            self.piece = copy(piece)
        else:
            self.piece.add(piece)

    def close_until(self, now_ns: int, *, fills: bool) -> Iterator[BarClosed]:
        """Close what ends at `now_ns` or before. fills: a bar without a trade is flat at the last close; otherwise
        there is none, now and later."""
        if not fills:
            self.quiet_ns = now_ns
        if self.piece is not None and self.close_ns <= now_ns:
            yield self._close(self.open_ns, self.close_ns, self.piece)
            self.piece = None
        if fills and self.closed and self.piece is None and self.close_ns <= now_ns:
            yield from self._flat_until(now_ns)

    def bar(self, open_ns: int, close_ns: int, piece: Piece) -> TradedBar:
        return TradedBar(
            id=bar_id(self._symbol, self.interval, close_ns),
            ts_ns=close_ns,
            correlation_id=correlation_id(self._symbol, close_ns),
            symbol=self._symbol,
            timeframe=self.interval,
            open_ns=open_ns,
            open=piece.open,
            high=piece.high,
            low=piece.low,
            close=piece.close,
            volume=piece.volume,
            trades=piece.trades,
            first_trade=piece.first_trade,
            last_trade=piece.last_trade,
            value=piece.value,
            taker_lots=piece.taker_lots,
            taker_value=piece.taker_value,
        )

    def _close(self, open_ns: int, close_ns: int, piece: Piece) -> BarClosed:
        bar = self.bar(open_ns, close_ns, piece)
        self.closed.append(bar)
        return bar

    def _flat_until(self, now_ns: int) -> Iterator[BarClosed]:
        """Only as many as are kept: nobody could ask for those before. Afterwards the span is that of the open bar."""
        last = self.closed[-1]
        earliest = span_of(self.interval, now_ns)[0] - BARS_KEPT * (last.ts_ns - last.open_ns)
        earliest = max(earliest, self.quiet_ns)
        self.open_ns, self.close_ns = span_of(self.interval, max(last.ts_ns, earliest))
        flat = Piece(last.close, last.close, last.close, last.close, 0)
        while self.close_ns <= now_ns:
            yield self._close(self.open_ns, self.close_ns, flat)
            self.open_ns, self.close_ns = span_of(self.interval, self.close_ns)


class BarSeries:
    """All lengths of one symbol. recorded: the length of the bars that come; None: trades come."""

    def __init__(self, symbol: str, recorded: str | None) -> None:
        self._recorded = recorded
        self._series = {
            each: _Series(symbol, each, recorded or _FED_BY.get(each))
            for each in INTERVALS
            if recorded is None or is_made_of(each, recorded)
        }
        if recorded is not None:
            self._series = {recorded: _Series(symbol, recorded, None), **self._series}
        self._next_close_ns = 0
        """Before it nothing closes."""

    @property
    def intervals(self) -> tuple[str, ...]:
        return tuple(self._series)

    def closed(self, interval: str) -> Sequence[BarClosed]:
        """Oldest first. Raises InvalidValue for a length that cannot be made of what is recorded."""
        return tuple(self._series[checked_interval(interval, self.intervals)].closed)

    def open_bar(self, interval: str, now_ns: int) -> BarClosed | None:
        """So far; flat at the last close while nothing was traded in it. None before the first trade."""
        series = self._series[checked_interval(interval, self.intervals)]
        open_ns, close_ns = span_of(interval, now_ns)
        found: Piece | None = None
        for each in self._down_from(series):
            if each.piece is not None and each.open_ns >= open_ns:
                later = each.piece
                if found is None:
                    found = copy(later)
                else:
                    found.add(later)
        if found is None and series.closed:
            last = series.closed[-1].close
            found = Piece(last, last, last, last, 0)
        return None if found is None else series.bar(open_ns, close_ns, found)

    def trade(self, trade: PublicTrade, *, fills: bool = True) -> list[BarClosed]:
        """Bars that closed before it, and then the trade."""
        ticks, lots, number = trade.ticks, trade.lots, trade.number
        closed = self.advance(trade.ts_ns, fills=fills)
        bought = 0 if trade.is_buyer_maker else lots
        piece = Piece(ticks, ticks, ticks, ticks, lots, 1, number, number, ticks * lots, bought, ticks * bought)
        self._series["1s"].add(trade.ts_ns, piece)
        self._next_close_ns = self._series["1s"].close_ns
        return closed

    def advance(self, now_ns: int, *, fills: bool = True) -> list[BarClosed]:
        """Bars that end at `now_ns` or before, the shortest first. fills: also those in which nothing was traded."""
        if now_ns < self._next_close_ns:
            return []
        closed: list[BarClosed] = []
        for series in self._series.values():
            mine = list(series.close_until(now_ns, fills=fills))
            closed += mine
            self._feed(series, mine)
        self._next_close_ns = span_of("1s", now_ns)[1]
        return closed

    def record(self, bar: BarClosed) -> list[BarClosed]:
        """A recorded bar, and the longer ones that it completes. Holes in a recording stay holes."""
        if self._recorded != bar.timeframe:
            raise InvalidValue(f"expected bars of {self._recorded}, got one of {bar.timeframe} for {bar.symbol}")
        closed = [bar]
        self._series[bar.timeframe].closed.append(bar)
        for series in self._series.values():
            if series.interval != bar.timeframe:
                closed += series.close_until(bar.open_ns, fills=False)
                series.add(bar.open_ns, _piece_of(bar))
                closed += series.close_until(bar.ts_ns, fills=False)
        return closed

    def _feed(self, finer: _Series, bars: Sequence[BarClosed]) -> None:
        """Bars without a trade change nothing of a longer one."""
        for bar in bars:
            if bar.volume:
                for series in self._series.values():
                    if series.fed_by == finer.interval:
                        series.add(bar.open_ns, _piece_of(bar))

    def _down_from(self, series: _Series) -> list[_Series]:
        """The series, and those that feed it, coarse to fine: what came earlier is in the coarser one."""
        chain = [series]
        while (finer := chain[-1].fed_by) is not None and finer in self._series and self._recorded is None:
            chain.append(self._series[finer])
        return chain


def _piece_of(bar: BarClosed) -> Piece:
    piece = Piece(bar.open, bar.high, bar.low, bar.close, bar.volume)
    if isinstance(bar, TradedBar):
        piece.trades, piece.value = bar.trades, bar.value
        piece.first_trade, piece.last_trade = bar.first_trade, bar.last_trade
        piece.taker_lots, piece.taker_value = bar.taker_lots, bar.taker_value
    return piece
