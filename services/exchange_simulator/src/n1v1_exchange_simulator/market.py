"""What anybody may ask of the venue's market: a memory of what was public, filled as it happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from n1v1.errors import UnknownName, nearest
from n1v1.events import BarClosed
from n1v1_exchange_simulator.bar_series import BarSeries
from n1v1_exchange_simulator.market_events import AggregateTrade, DepthSnapshot, MarketEvent, PublicTrade, same_taker

TRADES_KEPT = 1_000
"""Of each symbol: Binance's largest page."""

BookOf = Callable[[str, int], DepthSnapshot]


class MarketMemory:
    """`PublicMarket`. recorded: the length of the bars of a recording of bars; None: bars are made of trades, and a
    quiet time gives flat ones where `is_open` says that the market is open then."""

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        book: BookOf,
        recorded: str | None,
        opens_ns: int,
        is_open: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._series = {symbol: BarSeries(symbol, recorded) for symbol in symbols}
        self._trades: dict[str, deque[PublicTrade]] = {symbol: deque(maxlen=TRADES_KEPT) for symbol in self._series}
        self._aggregates: dict[str, deque[AggregateTrade]] = {
            symbol: deque(maxlen=TRADES_KEPT) for symbol in self._series
        }
        self._last: dict[str, int] = {}
        self._book = book
        self._has_trades = recorded is None
        self._now_ns = opens_ns
        self._is_open = is_open

    def book(self, symbol: str, levels: int) -> DepthSnapshot:
        self._of(symbol)
        return self._book(symbol, levels)

    def recent_trades(self, symbol: str) -> Sequence[PublicTrade]:
        self._of(symbol)
        return tuple(self._trades[symbol])

    def recent_aggregates(self, symbol: str) -> Sequence[AggregateTrade]:
        self._of(symbol)
        return tuple(self._aggregates[symbol])

    def bars(self, symbol: str, timeframe: str) -> Sequence[BarClosed]:
        return self._of(symbol).closed(timeframe)

    def open_bar(self, symbol: str, timeframe: str) -> BarClosed | None:
        series = self._of(symbol)
        return series.open_bar(timeframe, self._now_ns) if self._has_trades else None

    def last_ticks(self, symbol: str) -> int | None:
        self._of(symbol)
        return self._last.get(symbol)

    def timeframes(self, symbol: str) -> Sequence[str]:
        """The lengths of bars that there are."""
        return self._of(symbol).intervals

    def remember(self, events: Sequence[MarketEvent], now_ns: int) -> list[MarketEvent]:
        """Keep what one command, or one step of the recording, has made happen up to `now_ns`; answer it together with
        the bars that it closed, in order, and then with its trades as aggregates."""
        told: list[MarketEvent] = []
        for event in events:
            told += self._closed_by(event)
        for trades in _by_taker(events):
            told.append(self._aggregated(trades))
        self._now_ns = max(self._now_ns, now_ns)
        if self._has_trades:
            for symbol, series in self._series.items():
                told += series.advance(self._now_ns, fills=self._is_open(symbol))
        return told

    def _closed_by(self, event: MarketEvent) -> list[MarketEvent]:
        match event:
            case BarClosed():
                self._last[event.symbol] = event.close
                return [*self._series[event.symbol].record(event)]
            case PublicTrade():
                self._last[event.symbol] = event.ticks
                self._trades[event.symbol].append(event)
                return [*self._series[event.symbol].trade(event, fills=self._is_open(event.symbol)), event]
        return [event]

    def _aggregated(self, trades: Sequence[PublicTrade]) -> AggregateTrade:
        first, known = trades[0], self._aggregates[trades[0].symbol]
        aggregate = AggregateTrade(
            ts_ns=first.ts_ns,
            symbol=first.symbol,
            number=known[-1].number + 1 if known else 1,
            first=first.number,
            last=trades[-1].number,
            ticks=first.ticks,
            lots=sum(trade.lots for trade in trades),
            is_buyer_maker=first.is_buyer_maker,
        )
        known.append(aggregate)
        return aggregate

    def _of(self, symbol: str) -> BarSeries:
        try:
            return self._series[symbol]
        except KeyError:
            raise UnknownName(f"no symbol {symbol!r}{nearest(symbol, self._series)}") from None


def _by_taker(events: Sequence[MarketEvent]) -> Iterator[list[PublicTrade]]:
    trades: list[PublicTrade] = []
    for event in events:
        if not isinstance(event, PublicTrade):
            continue
        if trades and not same_taker(trades[-1], event):
            yield trades
            trades = []
        trades.append(event)
    if trades:
        yield trades
