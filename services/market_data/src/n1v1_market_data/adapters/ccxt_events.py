"""What ccxt makes of any venue's messages, as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from n1v1.errors import UnknownName, nearest
from n1v1.events import BarClosed, BookSnapshot, FundingRate, Level, MarkPrice, TickerSeen, TradeSeen
from n1v1.timeframes import timeframe_ns
from n1v1.values import PPB, Instrument
from n1v1_market_data.adapters.grid import Grid, text_of
from n1v1_market_data.adapters.simulation import bar_closed

MS_NS = 1_000_000

Unified = Mapping[str, Any]
"""A structure of ccxt: documented, not typed."""


class CcxtEvents:
    """Of one instrument. What is off its grid raises InvalidValue: the grid is wrong."""

    def __init__(self, instrument: Instrument, timeframe: str) -> None:
        self._instrument = instrument
        self._grid = Grid(instrument)
        self._timeframe = timeframe
        self._length_ns = timeframe_ns(timeframe)

    def bar(self, row: Sequence[Any]) -> BarClosed:
        """[open time in ms, open, high, low, close, volume]."""
        open_ns = int(row[0]) * MS_NS
        open_, high, low, close, volume = (text_of(value) for value in row[1:6])
        return bar_closed(
            self._instrument,
            timeframe=self._timeframe,
            open_ns=open_ns,
            close_ns=open_ns + self._length_ns,
            prices=(open_, high, low, close),
            volume=volume,
        )

    def trade(self, trade: Unified) -> TradeSeen:
        symbol = self._grid.symbol
        number = str(trade["id"])
        return TradeSeen(
            id=f"trade:{symbol}:{number}",
            ts_ns=trade["timestamp"] * MS_NS,
            symbol=symbol,
            trade_id=number,
            ticks=self._grid.ticks(text_of(trade["price"])),
            lots=self._grid.lots(text_of(trade["amount"])),
            is_buyer_maker=trade["side"] == "sell",
        )

    def book(self, book: Unified, *, levels: int, now_ms: int) -> BookSnapshot:
        """The best levels. now_ms: for venues that say no time with it."""
        ts_ns = (book.get("timestamp") or now_ms) * MS_NS
        number = book.get("nonce") or 0
        return BookSnapshot(
            id=f"book:{self._grid.symbol}:{number or ts_ns}",
            ts_ns=ts_ns,
            symbol=self._grid.symbol,
            update_id=number,
            bids=self._levels(book["bids"][:levels]),
            asks=self._levels(book["asks"][:levels]),
        )

    def ticker(self, ticker: Unified, *, now_ms: int) -> TickerSeen:
        ts_ns = (ticker.get("timestamp") or now_ms) * MS_NS
        prices = [self._maybe(self._grid.ticks, ticker.get(name)) for name in ("bid", "ask", "last")]
        lots = [self._maybe(self._grid.lots, ticker.get(name)) for name in ("bidVolume", "askVolume")]
        content = ":".join(str(value) for value in (*prices, *lots))
        return TickerSeen(
            id=f"ticker:{self._grid.symbol}:{ts_ns}:{content}",
            ts_ns=ts_ns,
            symbol=self._grid.symbol,
            bid_ticks=prices[0],
            bid_lots=lots[0],
            ask_ticks=prices[1],
            ask_lots=lots[1],
            last_ticks=prices[2],
        )

    def funding(self, rate: Unified, *, now_ms: int) -> FundingRate:
        ts_ns = (rate.get("timestamp") or now_ms) * MS_NS
        return FundingRate(
            id=f"funding_rate:{self._grid.symbol}:{ts_ns}",
            ts_ns=ts_ns,
            symbol=self._grid.symbol,
            rate_ppb=_whole(Decimal(text_of(rate["fundingRate"])) * PPB),
            next_ns=(rate.get("fundingTimestamp") or 0) * MS_NS,
        )

    def mark_price(self, ticker: Unified, *, now_ms: int) -> MarkPrice:
        ts_ns = (ticker.get("timestamp") or now_ms) * MS_NS
        return MarkPrice(
            id=f"mark_price:{self._grid.symbol}:{ts_ns}",
            ts_ns=ts_ns,
            symbol=self._grid.symbol,
            price=_whole(Decimal(text_of(ticker["markPrice"])) / self._instrument.quantum),
        )

    def _levels(self, rows: Sequence[Sequence[Any]]) -> tuple[Level, ...]:
        return self._grid.levels((text_of(row[0]), text_of(row[1])) for row in rows)

    def _maybe(self, read: Any, value: object) -> int | None:
        """None for what is not said, and for the zero that some venues say instead."""
        return None if value is None else (read(text_of(value)) or None)


def _whole(value: Decimal) -> int:
    """Of what venues compute finer than any grid: the nearest."""
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def unified_name(symbol: str, markets: Mapping[str, Any]) -> str:
    """What ccxt calls it: BTC/USD, or BTC/USDT:USDT for BTC-USDT-PERP. Raises UnknownName for none."""
    base, _, rest = symbol.partition("-")
    quote, _, kind = rest.partition("-")
    name = f"{base}/{quote}" if not kind else f"{base}/{quote}:{quote}"
    if name not in markets:
        raise UnknownName(f"the venue does not trade {name}{nearest(name, markets)}")
    return name
