"""What each market stream pushes and when: trades and best prices at once, the rest on the beat of a clock.

Beats are of the wall clock, as on Binance, whatever the speed of the market; a closed bar is pushed when it closes.
In lockstep what a beat would push follows at once what happened: the same commands give the same messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from n1v1.errors import InvalidValue
from n1v1.events import BarClosed
from n1v1_exchange_simulator.binance.channels import Channel, Form
from n1v1_exchange_simulator.binance.depth_diffs import DepthDiff
from n1v1_exchange_simulator.binance.statistics import best_prices
from n1v1_exchange_simulator.binance.stream_events import (
    aggregate_trade_event,
    average_price_event,
    book_ticker_event,
    depth_event,
    kline_event,
    mini_ticker_event,
    partial_depth_event,
    ticker_event,
    trade_event,
)
from n1v1_exchange_simulator.binance.stream_names import Stream, StreamKind, StreamNames
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.wire import Json, Symbols, Texts
from n1v1_exchange_simulator.conversations import Connection
from n1v1_exchange_simulator.market_events import (
    AggregateTrade,
    DepthChange,
    DepthSnapshot,
    MarketEvent,
    PublicMarket,
    PublicTrade,
)

BEAT_S = 0.1
BEATS_PER_SECOND = 10
_LONGEST_BEATS = 2 * BEATS_PER_SECOND
LEVELS_OF_A_BOOK = 5_000
"""What a diff stream begins with: Binance's longest answer to GET depth."""


class Statistics(Protocol):
    """What GET ticker/24hr and GET avgPrice answer about one symbol; None where there is nothing to tell yet."""

    def day(self, texts: Texts) -> Mapping[str, object] | None: ...

    def average_price(self, texts: Texts) -> Mapping[str, object] | None: ...


@dataclass(slots=True)
class _Heard:
    """A stream that somebody hears, and how far its hearers know."""

    channel: Channel
    diff: DepthDiff | None = None
    closed_ns: int = 0
    """Of a kline stream: the close of the last bar that it need not push."""
    last: object = None
    """What it pushed last, where it only pushes news."""


class MarketPublisher:
    def __init__(
        self, symbols: Symbols, market: PublicMarket, statistics: Statistics, clock_ns: Callable[[], int]
    ) -> None:
        self._symbols = symbols
        self._names = StreamNames(symbols)
        self._market = market
        self._statistics = statistics
        self._clock_ns = clock_ns
        self._heard: dict[str, _Heard] = {}
        self._of_symbol: dict[str, dict[StreamKind, list[_Heard]]] = {}
        self._changed: set[str] = set()
        self._beats = 0
        self.stirred: Callable[[], None] = _wait_for_the_beat
        """Called when there may be something for a beat to push."""

    @property
    def audience(self) -> int:
        """Streams that somebody hears, counted once for each who does."""
        return sum(heard.channel.hearers for heard in self._heard.values())

    def knows(self, name: str) -> bool:
        """Of a stream of bars: whether the market can make them."""
        stream = self._names.stream(name)
        if stream is None or stream.kind is not StreamKind.KLINE:
            return stream is not None
        try:
            self._market.bars(stream.symbol, stream.timeframe)
        except InvalidValue:
            return False
        return True

    def join(self, name: str, connection: Connection, form: Form) -> None:
        heard = self._heard.get(name)
        if heard is None:
            stream = self._names.stream(name)
            assert stream is not None, "only streams that are known are joined"
            heard = self._heard[name] = self._begun(stream)
            self._of_symbol.setdefault(stream.symbol, {}).setdefault(stream.kind, []).append(heard)
        heard.channel.join(connection, form)
        self.stirred()

    def leave(self, name: str, connection: Connection, form: Form) -> None:
        heard = self._heard[name]
        heard.channel.leave(connection, form)
        if not heard.channel.hearers:
            del self._heard[name]
            stream = heard.channel.stream
            self._of_symbol[stream.symbol][stream.kind].remove(heard)

    def on_market(self, events: Sequence[MarketEvent]) -> None:
        if not self._heard:
            return
        books: dict[str, None] = {}
        bars: dict[str, None] = {}
        for event in events:
            self._changed.add(event.symbol)
            match event:
                case PublicTrade():
                    self._push_trade(event)
                case AggregateTrade():
                    self._push_aggregate(event)
                case DepthChange() | DepthSnapshot():
                    books[event.symbol] = None
                    self._note_depth(event)
                case BarClosed():
                    bars[event.symbol] = books[event.symbol] = None
        for symbol in books:
            self._push_best_prices(symbol)
        for symbol in bars:
            self._note_book(symbol)
            for heard in self._kind(symbol, StreamKind.KLINE):
                self._push_closed_bars(heard)
        self.stirred()

    def catch_up(self) -> None:
        """Push whatever any beat would push."""
        self._beats += _LONGEST_BEATS - 1 - self._beats % _LONGEST_BEATS
        self.beat()

    def beat(self) -> None:
        """To be called every BEAT_S."""
        self._beats += 1
        is_second = self._beats % BEATS_PER_SECOND == 0
        for heard in list(self._heard.values()):
            stream = heard.channel.stream
            match stream.kind:
                case StreamKind.DEPTH if stream.is_fast or is_second:
                    self._push_depth(heard)
                case StreamKind.KLINE if self._beats % _beats_of_bars(stream.timeframe) == 0:
                    self._push_closed_bars(heard)
                    self._push_open_bar(heard)
                case StreamKind.AVERAGE_PRICE if is_second:
                    self._push_average_price(heard)
                case StreamKind.TICKER | StreamKind.MINI_TICKER if is_second and stream.symbol in self._changed:
                    self._push_day(heard)
                case StreamKind.ALL_MINI_TICKERS if is_second and self._changed:
                    self._push_days(heard)
        if is_second:
            self._changed.clear()

    def _begun(self, stream: Stream) -> _Heard:
        heard = _Heard(Channel(stream))
        if stream.kind is StreamKind.DEPTH and not stream.levels:
            heard.diff = DepthDiff(self._market.book(stream.symbol, LEVELS_OF_A_BOOK))
        if stream.kind is StreamKind.KLINE:
            bars = self._market.bars(stream.symbol, stream.timeframe)
            heard.closed_ns = bars[-1].ts_ns if bars else 0
        return heard

    def _kind(self, symbol: str, kind: StreamKind) -> Iterable[_Heard]:
        return self._of_symbol.get(symbol, {}).get(kind, ())

    def _push_trade(self, trade: PublicTrade) -> None:
        texts = self._symbols.of(trade.symbol)
        for heard in self._kind(trade.symbol, StreamKind.TRADE):
            heard.channel.push(lambda unit: trade_event(trade, texts, unit))

    def _push_aggregate(self, trade: AggregateTrade) -> None:
        texts = self._symbols.of(trade.symbol)
        for heard in self._kind(trade.symbol, StreamKind.AGGREGATE_TRADE):
            heard.channel.push(lambda unit: aggregate_trade_event(trade, texts, unit))

    def _note_depth(self, event: DepthChange | DepthSnapshot) -> None:
        for heard in self._kind(event.symbol, StreamKind.DEPTH):
            if heard.diff is not None:
                heard.diff.add(event)

    def _note_book(self, symbol: str) -> None:
        """Over bars nobody tells of the book's changes: it follows from the last price."""
        for heard in self._kind(symbol, StreamKind.DEPTH):
            if heard.diff is not None and heard.diff.last_id < self._market.book(symbol, 1).last_id:
                heard.diff.add(self._market.book(symbol, LEVELS_OF_A_BOOK))

    def _push_best_prices(self, symbol: str) -> None:
        """Only when a best price or the quantity there has changed. Bars have no book: there it is the last price."""
        for heard in self._kind(symbol, StreamKind.BOOK_TICKER):
            book, texts = self._market.book(symbol, 1), self._symbols.of(symbol)
            best = best_prices(book, self._market.last_ticks(symbol), texts)
            if best != heard.last:
                heard.last = best
                heard.channel.push_same(book_ticker_event(book.last_id, best))

    def _push_depth(self, heard: _Heard) -> None:
        stream, texts = heard.channel.stream, self._symbols.of(heard.channel.stream.symbol)
        if heard.diff is not None:
            change = heard.diff.take(stream.symbol, self._clock_ns())
            if change is not None:
                heard.channel.push(lambda unit: depth_event(change, texts, unit))
            return
        book = self._market.book(stream.symbol, stream.levels)
        if book.last_id != heard.last:
            heard.last = book.last_id
            heard.channel.push_same(partial_depth_event(book, texts))

    def _push_closed_bars(self, heard: _Heard) -> None:
        stream = heard.channel.stream
        news: list[BarClosed] = []
        for bar in reversed(self._market.bars(stream.symbol, stream.timeframe)):
            if bar.ts_ns <= heard.closed_ns:
                break
            news.append(bar)
        for bar in reversed(news):
            heard.closed_ns = bar.ts_ns
            self._push_bar(heard, bar, is_closed=True)

    def _push_open_bar(self, heard: _Heard) -> None:
        bar = self._market.open_bar(heard.channel.stream.symbol, heard.channel.stream.timeframe)
        if bar is not None and bar != heard.last:
            heard.last = bar
            self._push_bar(heard, bar, is_closed=False)

    def _push_bar(self, heard: _Heard, bar: BarClosed, *, is_closed: bool) -> None:
        texts = self._symbols.of(bar.symbol)
        now_ns = max(self._clock_ns(), bar.ts_ns) if is_closed else self._clock_ns()
        heard.channel.push(lambda unit: kline_event(bar, texts, unit, now_ns=now_ns, is_closed=is_closed))

    def _push_average_price(self, heard: _Heard) -> None:
        texts = self._symbols.of(heard.channel.stream.symbol)
        average = self._statistics.average_price(texts)
        if average is not None and average != heard.last:
            heard.last = average
            now_ns = self._clock_ns()
            heard.channel.push(lambda unit: average_price_event(average, texts, unit, now_ns=now_ns))

    def _push_day(self, heard: _Heard) -> None:
        day = self._statistics.day(self._symbols.of(heard.channel.stream.symbol))
        if day is None:
            return
        now_ns = self._clock_ns()
        event = ticker_event if heard.channel.stream.kind is StreamKind.TICKER else mini_ticker_event
        heard.channel.push(lambda unit: event(day, unit, now_ns=now_ns))

    def _push_days(self, heard: _Heard) -> None:
        """Of the symbols that have changed."""
        now_ns = self._clock_ns()
        days = [day for symbol in sorted(self._changed) if (day := self._statistics.day(self._symbols.of(symbol)))]

        def event(unit: TimeUnit) -> list[Json]:
            return [mini_ticker_event(day, unit, now_ns=now_ns) for day in days]

        if days:
            heard.channel.push(event)


def _wait_for_the_beat() -> None:
    """It will push."""


def _beats_of_bars(timeframe: str) -> int:
    """Binance pushes the open bar every second for 1s, every two for the others."""
    return BEATS_PER_SECOND if timeframe == "1s" else _LONGEST_BEATS
