"""Any venue that speaks Binance's protocol, over one WebSocket of our own: bars, trades, books and best prices.

Reading never waits for the bus: flow goes into a bounded queue, bars into one that is read at once. What was missed
while there was no connection is asked for over REST (bars, trades) or begun anew (books); and it is said.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import orjson
import structlog

from n1v1.events import BarClosed, MarketDataLost
from n1v1_market_data.adapters.binance_messages import STREAM_OF, BinanceMessages, wire_symbol
from n1v1_market_data.adapters.binance_rest import KLINES_MAX, TRADES_MAX, BinanceRest
from n1v1_market_data.continuity import BookRun, Follows, TradeRun
from n1v1_market_data.flow import FlowEvent
from n1v1_market_data.ports import VenueTrouble
from n1v1_market_data.venue_parts import VenueParts

log = structlog.get_logger()

RECONNECT_S = 1.0
SNAPSHOT_AGAIN_S = 1.0
TRADES_ASKED_MAX = 10_000
"""Missing trades are asked for up to here; what is missing beyond that stays missing, and is reported."""
BARS_WAITING_MAX = 10_000
CONNECTED = None
"""Among the bars: from here on they come from a new connection."""
TROUBLE = (aiohttp.ClientError, TimeoutError, OSError, VenueTrouble)


class BinanceMarket:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        parts: VenueParts,
        *,
        rest: BinanceRest,
        ws_url: str,
        serves_open_bar: bool,
    ) -> None:
        """serves_open_bar: whether the last kline over REST is unfinished, as on every real venue."""
        self._session = session
        self._rest = rest
        self._ws_url = ws_url.rstrip("/")
        self._timeframe = parts.timeframe
        self._messages = BinanceMessages(parts.instruments, parts.timeframe)
        self._channels = parts.channels
        self._symbols = {wire_symbol(instrument): instrument.symbol for instrument in parts.instruments}
        self._flow = parts.flow
        self._silence = parts.silence
        self._trade_runs = {
            wire: TradeRun.after(parts.last_trades.get(symbol)) for wire, symbol in self._symbols.items()
        }
        self._books = {wire: BookRun() for wire in self._symbols}
        self._open_rows = 1 if serves_open_bar else 0
        self._bars: asyncio.Queue[BarClosed | None] = asyncio.Queue(BARS_WAITING_MAX)
        self._tasks: asyncio.TaskGroup | None = None
        for channel in set(parts.channels) - set(STREAM_OF):
            log.info("the venue has no such channel", channel=channel)

    # --- bars ----------------------------------------------------------------------------------------------------

    async def closed_bars(self, after_ns: int) -> AsyncIterator[BarClosed]:
        """Connected or not, in order per symbol, each bar once. Somebody has to `run` beside it."""
        newest = dict.fromkeys(self._symbols.values(), after_ns)
        while True:
            bar = await self._bars.get()
            follows_on = bar is not CONNECTED and bar.open_ns <= (newest[bar.symbol] or bar.open_ns)
            missed = [] if follows_on else await self._missed(newest)
            for each in [*missed, *([] if bar is CONNECTED else [bar])]:
                if each.ts_ns > newest[each.symbol]:
                    newest[each.symbol] = each.ts_ns
                    yield each

    async def _missed(self, newest: Mapping[str, int]) -> list[BarClosed]:
        """Closed bars since the newest one known, by close time.

        Without any known one a real venue's past is not ours; a recording is played from its first bar, which the
        simulator may have closed before we were there.
        """
        begun = {
            wire: newest[symbol] for wire, symbol in self._symbols.items() if newest[symbol] or not self._open_rows
        }
        while True:
            try:
                missed = [bar for wire, after_ns in begun.items() for bar in await self._since(wire, after_ns)]
                return sorted(missed, key=lambda bar: (bar.ts_ns, bar.symbol))
            except VenueTrouble as error:
                log.warning("bars that were missed cannot be asked for", reason=str(error))
                await asyncio.sleep(RECONNECT_S)

    async def _since(self, wire: str, after_ns: int) -> list[BarClosed]:
        """Closed bars that opened at or after a time, page by page."""
        bars: list[BarClosed] = []
        while True:
            rows = await self._rest.klines(wire, self._timeframe, bars[-1].ts_ns if bars else after_ns)
            is_last_page = len(rows) < KLINES_MAX
            closed = rows[: len(rows) - self._open_rows] if is_last_page else rows[:-1]
            bars += [self._messages.recorded_bar(wire, row) for row in closed]
            if is_last_page:
                return bars

    # --- the connection ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connected whenever it can be, until cancelled."""
        while True:
            try:
                await self._rest.allow_connect()
                await self._connected()
            except* TROUBLE as errors:
                reason = "; ".join(f"{type(error).__name__}: {error}" for error in errors.exceptions)
                self._disconnected(reason)
            await asyncio.sleep(RECONNECT_S)

    async def _connected(self) -> None:
        """Subscribe first and ask for what was missed second, so that nothing can fall in between."""
        async with self._session.ws_connect(f"{self._ws_url}/ws", heartbeat=20.0, max_msg_size=0) as socket:
            await socket.send_json({"method": "SUBSCRIBE", "params": self._messages.streams(self._channels), "id": 1})
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._silence.watch())
                await self._bars.put(CONNECTED)
                if "book" in self._channels:
                    for wire in self._symbols:
                        self._tasks.create_task(self._begin_book(wire))
                await self._read(socket)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Without end: a stream that ends is trouble."""
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise VenueTrouble(f"the stream ended: {message.type.name} {message.data}")
            await self.take(orjson.loads(message.data))

    def _disconnected(self, reason: str) -> None:
        log.warning("the venue's stream is lost", reason=reason)
        self._silence.disconnected()
        for wire, symbol in self._symbols.items():
            self._books[wire].forget()
            for channel in ("book", "ticker"):
                if channel in self._channels:
                    self._lose(symbol, channel, reason)

    # --- messages ------------------------------------------------------------------------------------------------

    async def take(self, message: dict[str, Any]) -> None:
        """A message of the stream. Waits only where more bars wait than ever should."""
        match message.get("e"):
            case "trade":
                self._take_trade(message)
            case "depthUpdate":
                self._take_change(message)
            case "kline":
                self._silence.heard("bars")
                if (bar := self._messages.closed_bar(message["k"])) is not None:
                    await self._bars.put(bar)
            case None if "b" in message and "a" in message:
                self._silence.heard("ticker")
                self._flow.put(self._messages.ticker(message, time.time_ns()))
            case None if "error" in message:
                raise VenueTrouble(f"the venue refuses our subscription: {message['error']}")
            case None | _:
                log.debug("a message that is not for us", message=message)

    def _take_trade(self, message: dict[str, Any]) -> None:
        self._silence.heard("trades")
        wire = message["s"]
        missing = self._trade_runs[wire].follow(message["t"])
        if missing is None:
            return
        if missing:
            self._lose_trades(wire, missing, message["T"])
        self._flow.put(self._messages.trade(message))

    def _lose_trades(self, wire: str, missing: range, before_ms: int) -> None:
        """Said at once; those that the venue still has follow under their own numbers."""
        symbol = self._symbols[wire]
        self._flow.lose(
            MarketDataLost(
                id=f"lost:trades:{symbol}:{missing[0]}",
                ts_ns=before_ms * 1_000_000,
                symbol=symbol,
                channel="trades",
                lost=len(missing),
                reason="the venue's numbers have a gap; the venue is asked for them",
                first_id=str(missing[0]),
                last_id=str(missing[-1]),
            )
        )
        if self._tasks is not None:
            self._tasks.create_task(self._ask_for_trades(wire, missing))

    async def _ask_for_trades(self, wire: str, missing: range) -> None:
        first, end = missing[0], min(missing[-1] + 1, missing[0] + TRADES_ASKED_MAX)
        try:
            while first < end:
                rows = await self._rest.trades(wire, first)
                for row in rows:
                    if row["id"] < end:
                        self._flow.put(self._messages.recorded_trade(wire, row))
                if len(rows) < TRADES_MAX:
                    return
                first = rows[-1]["id"] + 1
        except VenueTrouble as error:
            log.warning("missing trades cannot be asked for", symbol=self._symbols[wire], reason=str(error))

    def _take_change(self, message: dict[str, Any]) -> None:
        self._silence.heard("book")
        wire = message["s"]
        change = self._messages.book_change(message)
        match self._books[wire].follow(change):
            case Follows.YES:
                if not self._flow.put(change):
                    self._books[wire].forget()
                    self._begin_book_soon(wire)
            case Follows.BREAKS:
                self._lose(self._symbols[wire], "book", "the venue's numbers have a gap", str(change.first_update_id))
                self._begin_book_soon(wire)
            case Follows.OLD | Follows.WAITS:
                pass

    def _begin_book_soon(self, wire: str) -> None:
        if self._tasks is not None:
            self._tasks.create_task(self._begin_book(wire))

    async def _begin_book(self, wire: str) -> None:
        """Snapshots until one bridges the changes that have come meanwhile."""
        run = self._books[wire]
        while not run.is_known:
            try:
                answer = await self._rest.book(wire)
                snapshot = self._messages.book_snapshot(wire, answer, time.time_ns())
                newer = run.begin(snapshot)
                if newer is not None and not self._put_all([snapshot, *newer]):
                    run.forget()
            except VenueTrouble as error:
                log.warning("a book cannot be asked for", symbol=self._symbols[wire], reason=str(error))
            if not run.is_known:
                await asyncio.sleep(SNAPSHOT_AGAIN_S)

    def _put_all(self, events: Sequence[FlowEvent]) -> bool:
        return all(self._flow.put(event) for event in events)

    def _lose(self, symbol: str, channel: str, reason: str, first_id: str = "") -> None:
        now_ns = time.time_ns()
        self._flow.lose(
            MarketDataLost(
                id=f"lost:{channel}:{symbol}:{now_ns}",
                ts_ns=now_ns,
                symbol=symbol,
                channel=channel,
                lost=None,
                reason=reason,
                first_id=first_id,
            )
        )
