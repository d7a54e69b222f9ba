"""What the market did over a while: the tickers of REST and of the streams. Functions of the public market."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1.rounding import notional
from n1v1_exchange_simulator.binance.averages import AveragePrices
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.wire import ZERO, Json, Texts, decimal_text
from n1v1_exchange_simulator.intervals import INTERVALS
from n1v1_exchange_simulator.market_events import DepthSnapshot, Level, PublicMarket, TradedBar

DAY_NS = 86_400_000_000_000
AVERAGE_MINUTES = 5
PERCENT_PLACES = 3
NO_TRADE = -1

_TICKER_BARS = (*INTERVALS[1:], INTERVALS[0])
"""Minutes, where there are any; else the shortest there is."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars of a while, closed ones and the open one, oldest first; previous: the close before them, if it is known."""

    bars: Sequence[BarClosed]
    previous: int | None

    @property
    def volume(self) -> int:
        return sum(bar.volume for bar in self.bars)

    def value(self, texts: Texts) -> int:
        """Of bars that were not made of trades it is the volume at the close."""
        exact = sum(bar.value for bar in self.bars if isinstance(bar, TradedBar) and bar.trades)
        return exact // texts.instrument.notional_divisor + sum(
            notional(texts.instrument, ticks=bar.close, lots=bar.volume)
            for bar in self.bars
            if not isinstance(bar, TradedBar) or not bar.trades
        )

    def traded(self) -> tuple[int, int, int]:
        """The first and the last trade, and how many there were; without trades to know of NO_TRADE, twice, and 0."""
        made = [bar for bar in self.bars if isinstance(bar, TradedBar) and bar.trades]
        if not made or made[0].first_trade is None or made[-1].last_trade is None:
            return NO_TRADE, NO_TRADE, 0
        return made[0].first_trade, made[-1].last_trade, sum(bar.trades for bar in made)


class Statistics:
    """clock_ns: the market's time."""

    def __init__(self, market: PublicMarket, averages: AveragePrices, clock_ns: Callable[[], int]) -> None:
        self._market = market
        self._averages = averages
        self._clock_ns = clock_ns
        self._lengths: dict[str, str] = {}

    def since(self, symbol: str, start_ns: int) -> Stretch | None:
        """What the market did from `start_ns` on; None before anything was traded."""
        length = self._length(symbol)
        bars = list(self._market.bars(symbol, length))
        unfinished = self._market.open_bar(symbol, length)
        if unfinished is not None:
            bars.append(unfinished)
        first = next((index for index, bar in enumerate(bars) if bar.open_ns >= start_ns), len(bars))
        if first == len(bars):
            first -= 1  # nothing since then: the last bar says where the price is
        if first < 0:
            return None
        return Stretch(bars[first:], bars[first - 1].close if first else None)

    def day(self, texts: Texts, unit: TimeUnit = TimeUnit.MILLISECOND) -> Json | None:
        """As GET ticker/24hr answers; None before anything was traded."""
        stretch = self.since(texts.symbol, self._clock_ns() - DAY_NS)
        if stretch is None:
            return None
        book, last = self._market.book(texts.symbol, 1), stretch.bars[-1].close
        bid, ask = best_level(book.bids, last), best_level(book.asks, last)
        previous = stretch.bars[0].open if stretch.previous is None else stretch.previous
        return window_fields(stretch, texts, unit) | {
            "prevClosePrice": texts.price(previous),
            "lastQty": self._last_quantity(texts),
            "bidPrice": texts.price(bid[0]),
            "bidQty": texts.quantity(bid[1]),
            "askPrice": texts.price(ask[0]),
            "askQty": texts.quantity(ask[1]),
        }

    def average_price(self, texts: Texts, unit: TimeUnit = TimeUnit.MILLISECOND) -> Json | None:
        """As GET avgPrice answers; None before anything was traded."""
        ticks = self._averages.ticks(texts.symbol, AVERAGE_MINUTES)
        if ticks is None:
            return None
        return {"mins": AVERAGE_MINUTES, "price": texts.price(ticks), "closeTime": unit.of(self._clock_ns())}

    def _last_quantity(self, texts: Texts) -> str:
        trades = self._market.recent_trades(texts.symbol)
        return texts.quantity(trades[-1].lots) if trades else ZERO

    def _length(self, symbol: str) -> str:
        """Of the bars that statistics are made of: the shortest from a minute up."""
        if symbol not in self._lengths:
            self._lengths[symbol] = next(length for length in _TICKER_BARS if self._has(symbol, length))
        return self._lengths[symbol]

    def _has(self, symbol: str, length: str) -> bool:
        try:
            self._market.bars(symbol, length)
        except InvalidValue:
            return False
        return True


def best_level(levels: Sequence[Level], last_ticks: int | None) -> Level:
    """Where nobody rests, the last price without a quantity."""
    return levels[0] if levels else (last_ticks or 0, 0)


def best_prices(book: DepthSnapshot, last_ticks: int | None, texts: Texts) -> Json:
    bid, ask = best_level(book.bids, last_ticks), best_level(book.asks, last_ticks)
    return {
        "symbol": texts.wire_symbol,
        "bidPrice": texts.price(bid[0]),
        "bidQty": texts.quantity(bid[1]),
        "askPrice": texts.price(ask[0]),
        "askQty": texts.quantity(ask[1]),
    }


def mini_fields(stretch: Stretch, texts: Texts, unit: TimeUnit) -> Json:
    """type=MINI of every ticker."""
    bars, (first_trade, last_trade, trades) = stretch.bars, stretch.traded()
    return {
        "symbol": texts.wire_symbol,
        "openPrice": texts.price(bars[0].open),
        "highPrice": texts.price(max(bar.high for bar in bars)),
        "lowPrice": texts.price(min(bar.low for bar in bars)),
        "lastPrice": texts.price(bars[-1].close),
        "volume": texts.quantity(stretch.volume),
        "quoteVolume": texts.cash(stretch.value(texts)),
        "openTime": unit.of(bars[0].open_ns),
        "closeTime": unit.end(bars[-1].ts_ns),
        "firstId": first_trade,
        "lastId": last_trade,
        "count": trades,
    }


def window_fields(stretch: Stretch, texts: Texts, unit: TimeUnit) -> Json:
    """type=FULL."""
    first, last = stretch.bars[0].open, stretch.bars[-1].close
    volume = stretch.volume
    average = stretch.value(texts) * texts.instrument.notional_divisor // volume if volume else last
    thousandths = 100 * 10**PERCENT_PLACES * (last - first) // first
    return mini_fields(stretch, texts, unit) | {
        "priceChange": texts.price(last - first),
        "priceChangePercent": decimal_text(thousandths, PERCENT_PLACES).removesuffix("0" * (8 - PERCENT_PLACES)),
        "weightedAvgPrice": texts.price(average),
    }
