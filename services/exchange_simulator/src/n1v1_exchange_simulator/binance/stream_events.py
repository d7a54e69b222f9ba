"""Market events as Binance's streams write them: short keys, amounts as texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from n1v1.events import BarClosed
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.wire import ZERO, Json, Texts
from n1v1_exchange_simulator.market_events import (
    AggregateTrade,
    DepthChange,
    DepthSnapshot,
    Level,
    PublicTrade,
    TradedBar,
)

_DAY_FIELDS = {
    "priceChange": "p",
    "priceChangePercent": "P",
    "weightedAvgPrice": "w",
    "prevClosePrice": "x",
    "lastPrice": "c",
    "lastQty": "Q",
    "bidPrice": "b",
    "bidQty": "B",
    "askPrice": "a",
    "askQty": "A",
    "openPrice": "o",
    "highPrice": "h",
    "lowPrice": "l",
    "volume": "v",
    "quoteVolume": "q",
    "firstId": "F",
    "lastId": "L",
    "count": "n",
}
"""From GET ticker/24hr to <symbol>@ticker; its times are openTime and closeTime."""
_MINI_FIELDS = {name: _DAY_FIELDS[name] for name in ("lastPrice", "openPrice", "highPrice", "lowPrice", "volume")} | {
    "quoteVolume": "q"
}


def trade_event(trade: PublicTrade, texts: Texts, unit: TimeUnit) -> Json:
    ts = unit.of(trade.ts_ns)
    return {
        "e": "trade",
        "E": ts,
        "s": texts.wire_symbol,
        "t": trade.number,
        "p": texts.price(trade.ticks),
        "q": texts.quantity(trade.lots),
        "T": ts,
        "m": trade.is_buyer_maker,
        "M": True,
    }


def aggregate_trade_event(trade: AggregateTrade, texts: Texts, unit: TimeUnit) -> Json:
    ts = unit.of(trade.ts_ns)
    return {
        "e": "aggTrade",
        "E": ts,
        "s": texts.wire_symbol,
        "a": trade.number,
        "p": texts.price(trade.ticks),
        "q": texts.quantity(trade.lots),
        "f": trade.first,
        "l": trade.last,
        "T": ts,
        "m": trade.is_buyer_maker,
        "M": True,
    }


def kline_event(bar: BarClosed, texts: Texts, unit: TimeUnit, *, now_ns: int, is_closed: bool) -> Json:
    """Only bars that were made of trades tell of those and of takers; see `Texts.kline`."""
    traded = bar if isinstance(bar, TradedBar) else None
    return {
        "e": "kline",
        "E": unit.of(now_ns),
        "s": texts.wire_symbol,
        "k": {
            "t": unit.of(bar.open_ns),
            "T": unit.end(bar.ts_ns),
            "s": texts.wire_symbol,
            "i": bar.timeframe,
            "f": -1 if traded is None or traded.first_trade is None else traded.first_trade,
            "L": -1 if traded is None or traded.last_trade is None else traded.last_trade,
            "o": texts.price(bar.open),
            "c": texts.price(bar.close),
            "h": texts.price(bar.high),
            "l": texts.price(bar.low),
            "v": texts.quantity(bar.volume),
            "n": 0 if traded is None else traded.trades,
            "x": is_closed,
            "q": texts.quote_volume(bar),
            "V": ZERO if traded is None else texts.quantity(traded.taker_lots),
            "Q": ZERO if traded is None else texts.traded_value(traded.taker_value),
            "B": "0",
        },
    }


def ticker_event(day: Mapping[str, object], unit: TimeUnit, *, now_ns: int) -> Json:
    """day: as GET ticker/24hr answers."""
    return (
        {"e": "24hrTicker", "E": unit.of(now_ns), "s": day["symbol"]}
        | {short: day[long] for long, short in _DAY_FIELDS.items()}
        | {"O": _in_unit(day["openTime"], unit), "C": _in_unit(day["closeTime"], unit)}
    )


def mini_ticker_event(day: Mapping[str, object], unit: TimeUnit, *, now_ns: int) -> Json:
    return {"e": "24hrMiniTicker", "E": unit.of(now_ns), "s": day["symbol"]} | {
        short: day[long] for long, short in _MINI_FIELDS.items()
    }


def average_price_event(average: Mapping[str, object], texts: Texts, unit: TimeUnit, *, now_ns: int) -> Json:
    """average: as GET avgPrice answers."""
    return {
        "e": "avgPrice",
        "E": unit.of(now_ns),
        "s": texts.wire_symbol,
        "i": f"{average['mins']}m",
        "w": average["price"],
        "T": _in_unit(average["closeTime"], unit),
    }


def book_ticker_event(last_id: int, best: Mapping[str, object]) -> Json:
    """best: as GET ticker/bookTicker answers. It has neither type nor time: clients know it by its a and b."""
    return {"u": last_id, "s": best["symbol"]} | {
        short: best[long] for long, short in _DAY_FIELDS.items() if short in "bBaA"
    }


def partial_depth_event(book: DepthSnapshot, texts: Texts) -> Json:
    return {"lastUpdateId": book.last_id, "bids": _rows(book.bids, texts), "asks": _rows(book.asks, texts)}


def depth_event(change: DepthChange, texts: Texts, unit: TimeUnit) -> Json:
    return {
        "e": "depthUpdate",
        "E": unit.of(change.ts_ns),
        "s": texts.wire_symbol,
        "U": change.first_id,
        "u": change.last_id,
        "b": _rows(change.bids, texts),
        "a": _rows(change.asks, texts),
    }


def _rows(levels: Iterable[Level], texts: Texts) -> list[tuple[str, str]]:
    return [(texts.price(ticks), texts.quantity(lots)) for ticks, lots in levels]


def _in_unit(ms: object, unit: TimeUnit) -> int:
    assert isinstance(ms, int), "an answer's times are milliseconds"
    return unit.of_ms(ms)
