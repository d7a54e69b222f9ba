"""The public half of /api/v3: what the market is and was. Functions of the parameters; no request, no response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1.rounding import notional
from n1v1_exchange_simulator.binance import errors
from n1v1_exchange_simulator.binance.errors import ApiError
from n1v1_exchange_simulator.binance.parameters import Parameters
from n1v1_exchange_simulator.binance.signing import WallClock
from n1v1_exchange_simulator.binance.wire import ZERO, Json, Symbols, Texts, milliseconds
from n1v1_exchange_simulator.exchange import Exchange

DAY_NS = 86_400_000_000_000
KLINES_BY_DEFAULT = 500
KLINES_AT_MOST = 1_000


class MarketEndpoints:
    """Prices come from the last closed bars; before the first, there are none."""

    def __init__(self, exchange: Exchange, symbols: Symbols, wall_ns: WallClock) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._wall_ns = wall_ns

    def table(self) -> dict[str, Callable[[Parameters], Any]]:
        """Path below /api/v3 -> answer."""
        return {
            "ping": self.ping,
            "time": self.time,
            "exchangeInfo": self.exchange_info,
            "klines": self.klines,
            "depth": self.depth,
            "ticker/price": self.ticker_price,
            "ticker/24hr": self.ticker_24hr,
            "ticker/bookTicker": self.book_ticker,
        }

    def ping(self, parameters: Parameters) -> Json:
        parameters.finish()
        return {}

    def time(self, parameters: Parameters) -> Json:
        """The wall clock: what signatures are checked against. The market's time is in the bars."""
        parameters.finish()
        return {"serverTime": milliseconds(self._wall_ns())}

    def exchange_info(self, parameters: Parameters) -> Json:
        wanted, _ = self._wanted(parameters)
        parameters.ignore("permissions", "showPermissionSets", "symbolStatus")
        parameters.finish()
        return {
            "timezone": "UTC",
            "serverTime": milliseconds(self._wall_ns()),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [texts.description() for texts in wanted],
        }

    def klines(self, parameters: Parameters) -> list[list[int | str]]:
        """Closed bars only, of the recorded timeframe; real Binance adds the bar that is still open."""
        texts = self._symbols.named(parameters.text("symbol"))
        interval = parameters.text("interval")
        start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
        limit = parameters.limit(default=KLINES_BY_DEFAULT, most=KLINES_AT_MOST)
        parameters.finish()
        try:
            recorded = self._exchange.market.bars(texts.symbol, interval)
        except InvalidValue:
            raise errors.invalid_interval() from None
        bars = _between(recorded, start_ms, end_ms)
        page = bars[-limit:] if start_ms is None else bars[:limit]
        return [texts.kline(bar) for bar in page]

    def depth(self, parameters: Parameters) -> Json:
        """One level a side, at the prices that a market order is filled near: bars know no book."""
        texts = self._symbols.named(parameters.text("symbol"))
        levels = parameters.limit(default=100, most=5_000)
        parameters.finish()
        book = self._exchange.market.book(texts.symbol, levels)
        return {
            "lastUpdateId": book.last_id,
            "bids": [[texts.price(ticks), texts.quantity(lots)] for ticks, lots in book.bids],
            "asks": [[texts.price(ticks), texts.quantity(lots)] for ticks, lots in book.asks],
        }

    def ticker_price(self, parameters: Parameters) -> Json | list[Json]:
        return self._tickers(parameters, self._last_price)

    def book_ticker(self, parameters: Parameters) -> Json | list[Json]:
        return self._tickers(parameters, self._best_prices)

    def ticker_24hr(self, parameters: Parameters) -> Json | list[Json]:
        parameters.ignore("type")
        return self._tickers(parameters, self._day)

    def _tickers(self, parameters: Parameters, ticker: Callable[[Texts], Json]) -> Json | list[Json]:
        """One object for `symbol`, a list for `symbols` or for all."""
        wanted, is_single = self._wanted(parameters)
        parameters.finish()
        return ticker(wanted[0]) if is_single else [ticker(texts) for texts in wanted]

    def _wanted(self, parameters: Parameters) -> tuple[Sequence[Texts], bool]:
        """The instruments that `symbol` or `symbols` name (all without either), and whether it was `symbol`."""
        single, several = parameters.optional("symbol"), parameters.optional("symbols")
        if single is not None:
            return [self._symbols.named(single)], True
        if several is None:
            return self._symbols.all(), False
        try:
            names = orjson.loads(several)
        except orjson.JSONDecodeError:
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise errors.illegal_characters("symbols", '["A","B"]')
        return [self._symbols.named(name) for name in names], False

    def _last_price(self, texts: Texts) -> Json:
        return {"symbol": texts.wire_symbol, "price": texts.price(self._exchange.market.last_ticks(texts.symbol))}

    def _best_prices(self, texts: Texts) -> Json:
        bid, ask = self._bid_and_ask(texts)
        size = texts.quantity(texts.instrument.lots(texts.instrument.max_quantity))
        return {"symbol": texts.wire_symbol, "bidPrice": bid, "bidQty": size, "askPrice": ask, "askQty": size}

    def _bid_and_ask(self, texts: Texts) -> tuple[str, str]:
        book = self._exchange.market.book(texts.symbol, 1)
        best = [texts.price(side[0][0]) if side else ZERO for side in (book.bids, book.asks)]
        return best[0], best[1]

    def _day(self, texts: Texts) -> Json:
        since_ns = self._exchange.clock_ns - DAY_NS
        bars = [
            bar
            for bar in self._exchange.market.bars(texts.symbol, self._exchange.source.timeframe)
            if bar.open_ns >= since_ns
        ]
        if not bars:
            raise ApiError(-1013, "Market is closed.")
        return self._best_prices(texts) | _day_of(bars, texts)


def _between(bars: Sequence[BarClosed], start_ms: int | None, end_ms: int | None) -> list[BarClosed]:
    """Bars that open at or after start_ms and at or before end_ms."""
    return [
        bar
        for bar in bars
        if (start_ms is None or milliseconds(bar.open_ns) >= start_ms)
        and (end_ms is None or milliseconds(bar.open_ns) <= end_ms)
    ]


def _day_of(bars: Sequence[BarClosed], texts: Texts) -> Json:
    first, last = bars[0], bars[-1]
    change = last.close - first.open
    sign = "-" if change < 0 else ""
    volume = sum(bar.volume for bar in bars)
    value = sum(notional(texts.instrument, ticks=bar.close, lots=bar.volume) for bar in bars)
    average = value * texts.instrument.notional_divisor // volume if volume else last.close
    return {
        "priceChange": sign + texts.price(abs(change)),
        "priceChangePercent": f"{100 * change / first.open:.3f}",
        "weightedAvgPrice": texts.price(average),
        "prevClosePrice": texts.price(first.open),
        "lastPrice": texts.price(last.close),
        "lastQty": ZERO,
        "openPrice": texts.price(first.open),
        "highPrice": texts.price(max(bar.high for bar in bars)),
        "lowPrice": texts.price(min(bar.low for bar in bars)),
        "volume": texts.quantity(volume),
        "quoteVolume": texts.cash(value),
        "openTime": milliseconds(first.open_ns),
        "closeTime": milliseconds(last.ts_ns) - 1,
        "firstId": -1,
        "lastId": -1,
        "count": 0,
    }
