"""Any venue that ccxt.pro can stream: bars, trades, books, best prices, and funding and mark prices where it has them.

Each connection has an exchange of its own: what ccxt keeps of a lost one (caches, futures, subscriptions) goes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import ccxt
import structlog

from n1v1.events import BarClosed, BookSnapshot, MarketDataLost
from n1v1.timeframes import timeframe_ns
from n1v1_common.state.errors import StateError
from n1v1_common.state.rate_budget import Banned
from n1v1_market_data.adapters.ccxt_events import CcxtEvents, unified_name
from n1v1_market_data.adapters.ccxt_trades import CcxtTrades, Connected
from n1v1_market_data.closed_candles import ClosedCandles, closed_rows
from n1v1_market_data.ports import VenueTrouble
from n1v1_market_data.venue_parts import VenueParts

log = structlog.get_logger()

RECONNECT_S = 1.0
CONNECTION_MAX_S = 23 * 3600.0
"""Venues cut connections after a day; and what ccxt gathers in memory goes with ours."""
OVERDUE_S = 0.5
"""After the end of a bar: who has said nothing of it by then is asked."""
POLL_S = 60.0
BARS_WAITING_MAX = 10_000
MS_NS = 1_000_000

NEVER_WAKES = {("coinbaseexchange", "watch_trades")}
"""Where ccxt 4.5.90 waits for several symbols under a name by which it never answers; one by one it does."""

TROUBLE = (
    ccxt.NetworkError,
    ccxt.OperationFailed,
    ccxt.ChecksumError,
    ccxt.ExchangeClosedByUser,
    Banned,
    StateError,
    TimeoutError,
    OSError,
    VenueTrouble,
)
"""What another connection may cure. The rest (a symbol that is none, a refused key) is an error of ours."""

Take = Callable[[Any, Any], None]
"""An exchange and what it has answered."""
Watching = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Ask:
    """Among the bars: what of a symbol may have been missed before here is to be asked for."""

    symbol: str


class CcxtMarket:
    def __init__(self, make_exchange: Callable[[], Any], parts: VenueParts, *, book_levels: int) -> None:
        """make_exchange: a fresh one for each connection."""
        self._make_exchange = make_exchange
        self._instruments = parts.instruments
        self._timeframe = parts.timeframe
        self._length_ms = timeframe_ns(parts.timeframe) // MS_NS
        self._channels = parts.channels
        self._book_levels = book_levels
        self._flow = parts.flow
        self._silence = parts.silence
        self._events = {each.symbol: CcxtEvents(each, parts.timeframe) for each in parts.instruments}
        self._candles = ClosedCandles()
        self._trades = CcxtTrades(self._events, parts.flow, parts.last_trades)
        self._bars: asyncio.Queue[BarClosed | Ask] = asyncio.Queue(BARS_WAITING_MAX)
        self._exchange: Any = None
        self._begun_ms = 0
        """When the bar opened during which we connected first."""
        self._names: dict[str, str] = {}
        """Ours by ccxt's."""

    # --- bars ----------------------------------------------------------------------------------------------------

    async def closed_bars(self, after_ns: int) -> AsyncIterator[BarClosed]:
        """Connected or not, in order per symbol, each bar once. Somebody has to `run` beside it."""
        newest = dict.fromkeys(self._events, after_ns)
        while True:
            item = await self._bars.get()
            found = [item] if isinstance(item, BarClosed) else []
            if not found or found[0].open_ns > (newest[item.symbol] or found[0].open_ns):
                found = [*await self._missed(item.symbol, newest[item.symbol]), *found]
            for bar in found:
                if bar.ts_ns > newest[bar.symbol]:
                    newest[bar.symbol] = bar.ts_ns
                    yield bar

    async def _missed(self, symbol: str, after_ns: int) -> list[BarClosed]:
        """Finished bars since a time; without one, since the bar that was open at our start: the past is not ours."""
        while True:
            try:
                return await self._since(symbol, after_ns // MS_NS)
            except TROUBLE as error:
                log.warning("bars that were missed cannot be asked for", symbol=symbol, reason=_why(error))
                await asyncio.sleep(RECONNECT_S)

    async def _since(self, symbol: str, after_ms: int) -> list[BarClosed]:
        exchange = self._exchange
        name = next((theirs for theirs, ours in self._names.items() if ours == symbol), None)
        if exchange is None or name is None:
            raise VenueTrouble("not connected")
        since_ms = after_ms or self._begun_ms
        bars: list[BarClosed] = []
        while True:
            rows = await exchange.fetch_ohlcv(name, self._timeframe, since_ms)
            now_ms = self._now_ms(exchange)
            closed = closed_rows(rows, length_ms=self._length_ms, now_ms=now_ms)
            bars += [self._events[symbol].bar(row) for row in closed]
            if not rows or rows[-1][0] < since_ms or rows[-1][0] + 2 * self._length_ms > now_ms:
                return bars
            since_ms = rows[-1][0] + self._length_ms

    def _now_ms(self, exchange: Any) -> int:
        """By the venue's clock."""
        return int(exchange.milliseconds() - exchange.options.get("timeDifference", 0))

    # --- the connection ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connected whenever it can be, until cancelled."""
        while True:
            self._exchange = self._make_exchange()
            try:
                await self._connected(self._exchange)
            except* TROUBLE as errors:
                self._disconnected(self._exchange, "; ".join(_why(error) for error in errors.exceptions))
            finally:
                exchange, self._exchange = self._exchange, None
                await exchange.close()
            await asyncio.sleep(RECONNECT_S)

    async def _connected(self, exchange: Any) -> None:
        markets = await exchange.load_markets()
        if exchange.has.get("fetchTime"):
            await exchange.load_time_difference()
        now_ms = self._now_ms(exchange)
        self._begun_ms = self._begun_ms or now_ms - now_ms % self._length_ms
        self._names = {unified_name(each.symbol, markets): each.symbol for each in self._instruments}
        async with asyncio.timeout(CONNECTION_MAX_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._silence.watch())
            for watching in self._watching(exchange, tasks):
                tasks.create_task(watching)

    def _watching(self, exchange: Any, ending: asyncio.TaskGroup) -> list[Watching]:
        """A task for each channel, or for each symbol of one where the venue cannot be asked for all in one call.

        ending: whatever ends with the connection.
        """
        can = exchange.has
        tasks = [*self._watching_bars(exchange), self._ask_for_overdue_bars(exchange)]
        if "trades" in self._channels:
            self._trades.connected(exchange.id, exchange.milliseconds())
            has_many, connected = can.get("watchTradesForSymbols"), Connected(exchange, self._names, ending)
            tasks += self._each("watch_trades", has_many, partial(self._trades.take, connected), "trades", exchange)
        if "book" in self._channels:
            has_many = can.get("watchOrderBookForSymbols")
            tasks += self._each("watch_order_book", has_many, partial(self._take_book, exchange), "book", exchange)
        if "ticker" in self._channels:
            watch = exchange.watch_bids_asks if can.get("watchBidsAsks") else exchange.watch_tickers
            tasks.append(
                self._again(partial(watch, list(self._names)), partial(self._take_tickers, exchange), "ticker")
            )
        if "funding" in self._channels:
            tasks += self._of_swaps("funding_rates", self._take_funding, "funding", exchange)
        if "mark_price" in self._channels:
            tasks += self._of_swaps("mark_prices", self._take_mark_prices, "mark_price", exchange)
        return tasks

    def _each(
        self, method: str, has_many: bool, take: Callable[[Any], None], channel: str, exchange: Any
    ) -> list[Watching]:
        if has_many and (exchange.id, method) not in NEVER_WAKES:
            watch = partial(getattr(exchange, f"{method}_for_symbols"), list(self._names))
            return [self._again(watch, take, channel)]
        watch_one = getattr(exchange, method)
        return [self._again(partial(watch_one, name), take, channel) for name in self._names]

    def _of_swaps(self, method: str, take: Take, channel: str, exchange: Any) -> list[Watching]:
        """Streamed where the venue streams them, else asked for now and then; spot has neither."""
        swaps = [name for name in self._names if exchange.market(name).get("swap")]
        if swaps and exchange.has.get(f"watch{_camel(method)}"):
            return [self._again(partial(getattr(exchange, f"watch_{method}"), swaps), partial(take, exchange), channel)]
        if swaps and exchange.has.get(f"fetch{_camel(method)}"):
            return [self._polled(method, swaps, take, channel, exchange)]
        if swaps and channel == "mark_price" and exchange.has.get("fetchFundingRates"):
            return [self._polled("funding_rates", swaps, self._take_marks_of_rates, channel, exchange)]
        log.info("the venue has no such channel", channel=channel)
        return []

    def _polled(self, method: str, swaps: list[str], take: Take, channel: str, exchange: Any) -> Watching:
        fetch = partial(getattr(exchange, f"fetch_{method}"), swaps)
        return self._again(fetch, partial(take, exchange), channel, pause_s=POLL_S)

    async def _again(
        self, ask: Callable[[], Awaitable[Any]], take: Callable[[Any], None], channel: str, *, pause_s: float = 0.0
    ) -> None:
        """Ask and take without end. A book whose sequence breaks ends the connection: some venues' books never come
        again on it."""
        while True:
            found = await ask()
            self._silence.heard(channel)
            take(found)
            if pause_s:
                await asyncio.sleep(pause_s)

    def _disconnected(self, exchange: Any, reason: str) -> None:
        log.warning("the venue's stream is lost", reason=reason)
        self._silence.disconnected()
        self._candles.forget()
        now_ms = exchange.milliseconds()
        if "trades" in self._channels:
            self._trades.disconnected(exchange.id, reason, now_ms)
        for symbol in self._events:
            for channel in ("book", "ticker"):
                if channel in self._channels:
                    self._lose(symbol, channel, reason, now_ms)

    # --- what comes ----------------------------------------------------------------------------------------------

    def _watching_bars(self, exchange: Any) -> list[Watching]:
        if exchange.has.get("watchOHLCVForSymbols"):
            wanted = [[name, self._timeframe] for name in self._names]
            return [self._watch_bars(lambda: exchange.watch_ohlcv_for_symbols(wanted))]
        if exchange.has.get("watchOHLCV"):
            return [self._watch_bars(self._one_symbol_of(exchange, name)) for name in self._names]
        self._silence.allow("bars")
        return []

    def _one_symbol_of(self, exchange: Any, name: str) -> Callable[[], Awaitable[Any]]:
        async def watch() -> Any:
            return {name: {self._timeframe: await exchange.watch_ohlcv(name, self._timeframe)}}

        return watch

    async def _watch_bars(self, watch: Callable[[], Awaitable[Any]]) -> None:
        """With the first rows of a symbol its subscription stands, and what was missed before is asked for."""
        begun: set[str] = set()
        while True:
            found = await watch()
            self._silence.heard("bars")
            for name, by_timeframe in found.items():
                symbol = self._names[name]
                closed = self._candles.take(symbol, by_timeframe[self._timeframe])
                if symbol not in begun:
                    begun.add(symbol)
                    await self._bars.put(Ask(symbol))
                    continue  # they are among what is asked for
                for row in closed:
                    await self._bars.put(self._events[symbol].bar(row))

    async def _ask_for_overdue_bars(self, exchange: Any) -> None:
        """Shortly after the end of every bar: for symbols without a trade, and venues without a stream of candles."""
        while True:
            left_ms = self._length_ms - self._now_ms(exchange) % self._length_ms
            await asyncio.sleep(left_ms / 1000 + OVERDUE_S)
            for symbol in self._names.values():
                await self._bars.put(Ask(symbol))

    def _take_book(self, exchange: Any, book: Mapping[str, Any]) -> None:
        symbol = self._names[book["symbol"]]
        found = self._events[symbol].book(book, levels=self._book_levels, now_ms=exchange.milliseconds())
        if is_crossed(found):
            raise VenueTrouble(f"the book of {symbol} is crossed: changes of it were lost")
        self._flow.put(found)

    def _take_tickers(self, exchange: Any, found: Mapping[str, Any]) -> None:
        for name, ticker in found.items():
            if name in self._names:
                self._flow.put(self._events[self._names[name]].ticker(ticker, now_ms=exchange.milliseconds()))

    def _take_funding(self, exchange: Any, found: Mapping[str, Any]) -> None:
        for name, rate in found.items():
            if name in self._names:
                self._flow.put(self._events[self._names[name]].funding(rate, now_ms=exchange.milliseconds()))

    def _take_mark_prices(self, exchange: Any, found: Mapping[str, Any]) -> None:
        for name, ticker in found.items():
            if name in self._names:
                self._flow.put(self._events[self._names[name]].mark_price(ticker, now_ms=exchange.milliseconds()))

    def _take_marks_of_rates(self, exchange: Any, found: Mapping[str, Any]) -> None:
        """Some venues say mark prices with their funding rates only, and with the time of something else."""
        marks = {name: rate | {"timestamp": None} for name, rate in found.items() if rate.get("markPrice") is not None}
        self._take_mark_prices(exchange, marks)

    def _lose(self, symbol: str, channel: str, reason: str, now_ms: int) -> None:
        """Nobody knows how much."""
        ts_ns = now_ms * MS_NS
        self._flow.lose(
            MarketDataLost(
                id=f"lost:{channel}:{symbol}:{ts_ns}",
                ts_ns=ts_ns,
                symbol=symbol,
                channel=channel,
                lost=None,
                reason=reason,
                first_id="",
                last_id="",
            )
        )


def is_crossed(book: BookSnapshot) -> bool:
    return bool(book.bids and book.asks and book.bids[0][0] >= book.asks[0][0])


def _camel(method: str) -> str:
    """As in `has` of ccxt: MarkPrices."""
    return "".join(part.capitalize() for part in method.split("_"))


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
