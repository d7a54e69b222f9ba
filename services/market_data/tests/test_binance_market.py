"""The raw path against a venue over real sockets: nothing is lost in silence, whatever the venue leaves out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from n1v1.events import BarClosed, BookChanged, BookSnapshot, MarketDataLost, TickerSeen, TradeSeen
from n1v1.values import Instrument
from n1v1_common.state.rate_budget import BINANCE, MemoryLedger, RateBudget, Wait
from n1v1_market_data.adapters import binance_market
from n1v1_market_data.adapters.binance_market import BinanceMarket
from n1v1_market_data.adapters.binance_rest import BinanceRest
from n1v1_market_data.flow import Flow, FlowEvent
from n1v1_market_data.silence import Silence
from n1v1_market_data.venue_parts import VenueParts

MINUTE_MS = 60_000
BTC = Instrument(symbol="BTC-USDT", base="BTC", quote="USDT")


class BinanceLike:
    """A small venue that speaks Binance's market data protocol and says what a test tells it to say.

    Answers are lists and dicts that a test changes; a status of its own for REST where it wants trouble."""

    def __init__(self) -> None:
        self.klines: list[list[Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.book: dict[str, Any] = {"lastUpdateId": 0, "bids": [], "asks": []}
        self.status = 200
        self.asked: list[str] = []
        self.subscribed: list[str] = []
        self.connections = 0
        self._sockets: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/ws", self._stream)
        for path in ("klines", "depth", "historicalTrades"):
            application.router.add_get(f"/api/v3/{path}", self._rest)
        return application

    async def connection(self) -> web.WebSocketResponse:
        """The next one that is made, subscribed."""
        async with asyncio.timeout(10):
            return await self._sockets.get()

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        wish = await socket.receive_json()
        self.subscribed = wish["params"]
        await socket.send_json({"result": None, "id": wish["id"]})
        self._sockets.put_nowait(socket)
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        return socket

    async def _rest(self, request: web.Request) -> web.Response:
        name = request.path.rsplit("/", 1)[1]
        self.asked.append(name)
        if self.status != 200:
            return web.json_response({"code": -1003, "msg": "enough"}, status=self.status, headers={"Retry-After": "9"})
        match name:
            case "klines":
                since = int(request.query["startTime"])
                return web.json_response([row for row in self.klines if row[0] >= since])
            case "historicalTrades":
                first, limit = int(request.query["fromId"]), int(request.query["limit"])
                return web.json_response([trade for trade in self.trades if trade["id"] >= first][:limit])
            case _:
                return web.json_response(self.book)


def trade(number: int) -> dict[str, Any]:
    return {
        "e": "trade",
        "E": 1000 + number,
        "s": "BTCUSDT",
        "t": number,
        "p": "65000.10000000",
        "q": "0.00100000",
        "T": 1000 + number,
        "m": number % 2 == 0,
        "M": True,
    }


def recorded_trade(number: int) -> dict[str, Any]:
    return {"id": number, "price": "65000.10", "qty": "0.001", "time": 1000 + number, "isBuyerMaker": number % 2 == 0}


def change(first: int, last: int, bid: str = "1.0") -> dict[str, Any]:
    return {
        "e": "depthUpdate",
        "E": 1000 + last,
        "s": "BTCUSDT",
        "U": first,
        "u": last,
        "b": [["100.00", bid]],
        "a": [],
    }


PUBLISHED = TradeSeen(
    id="trade:BTC-USDT:10", ts_ns=1, symbol="BTC-USDT", trade_id="10", ticks=1, lots=1, is_buyer_maker=True
)


def kline(minute: int, *, closed: bool) -> dict[str, Any]:
    row = {"t": minute * MINUTE_MS, "s": "BTCUSDT", "i": "1m", "o": "1", "h": "3", "l": "1", "c": "2", "v": "5"}
    return {"e": "kline", "E": 0, "s": "BTCUSDT", "k": row | {"x": closed}}


def kline_row(minute: int) -> list[Any]:
    return [minute * MINUTE_MS, "1", "3", "1", "2", "5", (minute + 1) * MINUTE_MS - 1, "0", 0, "0", "0", "0"]


class Running:
    """A BinanceMarket that runs against a venue, its flow, and what it reported as lost."""

    def __init__(
        self,
        market: BinanceMarket,
        flow: Flow,
        losses: list[MarketDataLost],
        budget: RateBudget,
        task: asyncio.Future[None],
    ) -> None:
        self.market = market
        self.task = task
        self.flow = flow
        self.losses = losses
        self.budget = budget
        self.taken: list[FlowEvent | MarketDataLost] = []

    async def until(self, is_enough: Callable[[list[FlowEvent | MarketDataLost]], bool]) -> list[Any]:
        """What flows, up to a batch after which it is enough, or to the end of the market."""
        async with asyncio.timeout(20):
            while not is_enough(self.taken):
                batch = asyncio.ensure_future(self.flow.batch(64))
                both: list[asyncio.Future[Any]] = [batch, self.task]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if self.task.done():
                    batch.cancel()
                    return self.taken
                self.taken += batch.result()
        return self.taken


@asynccontextmanager
async def running(
    venue: BinanceLike,
    *,
    channels: tuple[str, ...] = ("bars",),
    size: int = 1000,
    silence_s: dict[str, float] | None = None,
    last_trades: dict[str, TradeSeen] | None = None,
) -> AsyncIterator[Running]:
    losses: list[MarketDataLost] = []
    flow = Flow(size, on_loss=losses.append)
    loop = asyncio.get_running_loop()
    silence = Silence(silence_s or {}, on_disconnected=lambda: None, clock=loop.time)
    parts = VenueParts((BTC,), "1m", channels, flow, silence, last_trades or {})
    budget = RateBudget(MemoryLedger(BINANCE), BINANCE, key="binance:here")
    async with TestServer(venue.application()) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url(""))
        rest = BinanceRest(session, url, budget)
        market = BinanceMarket(session, parts, rest=rest, ws_url=url.replace("http", "ws", 1), serves_open_bar=True)
        task = asyncio.ensure_future(market.run())
        try:
            yield Running(market, flow, losses, budget, task)
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance_market, "RECONNECT_S", 0.01)
    monkeypatch.setattr(binance_market, "SNAPSHOT_AGAIN_S", 0.01)


@pytest.fixture
def venue() -> BinanceLike:
    return BinanceLike()


def trades(found: list[Any]) -> list[int]:
    return [int(event.trade_id) for event in found if isinstance(event, TradeSeen)]


def losses(found: list[Any]) -> list[MarketDataLost]:
    return [event for event in found if isinstance(event, MarketDataLost)]


async def test_one_connection_carries_every_channel(venue: BinanceLike) -> None:
    async with running(venue, channels=("bars", "trades", "book", "ticker", "funding")):
        await venue.connection()
        names = ["btcusdt@kline_1m", "btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@bookTicker"]
        assert venue.subscribed == names
        assert venue.connections == 1


async def test_a_trade_comes_as_ticks_and_lots(venue: BinanceLike) -> None:
    async with running(venue, channels=("bars", "trades")) as market:
        socket = await venue.connection()
        await socket.send_json(trade(7))
        (seen,) = await market.until(lambda found: len(found) == 1)
    assert (seen.ticks, seen.lots, seen.is_buyer_maker, seen.ts_ns) == (6_500_010, 100_000, False, 1_007_000_000)


async def test_missing_trades_are_reported_at_once_and_asked_for(venue: BinanceLike) -> None:
    venue.trades = [recorded_trade(number) for number in range(1, 9)]
    async with running(venue, channels=("bars", "trades")) as market:
        socket = await venue.connection()
        for number in (1, 2, 6, 6, 7):
            await socket.send_json(trade(number))
        found = await market.until(lambda found: len(trades(found)) == 7)
    (loss,) = losses(found)
    assert (loss.channel, loss.lost, loss.first_id, loss.last_id) == ("trades", 3, "3", "5")
    assert found.index(loss) == 2, "the loss stands where the trades are missing"
    assert sorted(trades(found)) == [1, 2, 3, 4, 5, 6, 7]


async def test_trades_that_were_missed_while_the_service_was_down_are_reported(venue: BinanceLike) -> None:
    async with running(venue, channels=("bars", "trades"), last_trades={"BTC-USDT": PUBLISHED}) as market:
        socket = await venue.connection()
        await socket.send_json(trade(14))
        found = await market.until(lambda found: bool(trades(found)))
    assert [(loss.first_id, loss.last_id) for loss in losses(found)] == [("11", "13")]


async def test_a_book_begins_with_a_snapshot_that_bridges_the_changes_and_goes_on_without_a_gap(
    venue: BinanceLike,
) -> None:
    venue.book = {"lastUpdateId": 5, "bids": [["100.00", "2.0"]], "asks": [["101.00", "1.0"]]}
    async with running(venue, channels=("bars", "book")) as market:
        socket = await venue.connection()
        for first, last in ((3, 5), (6, 7), (8, 8), (8, 8), (9, 12)):
            await socket.send_json(change(first, last))
        found = await market.until(lambda found: any(getattr(event, "last_update_id", 0) == 12 for event in found))
    assert [type(event) for event in found] == [BookSnapshot, BookChanged, BookChanged, BookChanged]
    assert found[0].bids == ((10_000, 200_000_000),)
    assert [(event.first_update_id, event.last_update_id) for event in found[1:]] == [(6, 7), (8, 8), (9, 12)]


async def test_a_book_with_a_gap_is_reported_and_begins_anew(venue: BinanceLike) -> None:
    venue.book = {"lastUpdateId": 5, "bids": [], "asks": []}
    async with running(venue, channels=("bars", "book")) as market:
        socket = await venue.connection()
        await socket.send_json(change(6, 7))
        await market.until(lambda found: any(isinstance(event, BookChanged) for event in found))
        venue.book = {"lastUpdateId": 11, "bids": [], "asks": []}
        await socket.send_json(change(10, 12))
        found = await market.until(lambda found: isinstance(found[-1], BookChanged) and found[-1].last_update_id == 12)
    kinds = [type(event) for event in found]
    assert kinds == [BookSnapshot, BookChanged, MarketDataLost, BookSnapshot, BookChanged]
    assert losses(found)[0].channel == "book"


async def test_a_snapshot_older_than_the_changes_is_not_believed(venue: BinanceLike) -> None:
    venue.book = {"lastUpdateId": 2, "bids": [], "asks": []}
    async with running(venue, channels=("bars", "book")) as market:
        socket = await venue.connection()
        await market.until(lambda found: bool(found))
        await socket.send_json(change(9, 9))  # a gap: 3 to 8
        async with asyncio.timeout(10):
            while venue.asked.count("depth") < 4:  # noqa: ASYNC110 (a server has no event)
                await asyncio.sleep(0.005)
        venue.book = {"lastUpdateId": 9, "bids": [], "asks": []}
        found = await market.until(lambda found: isinstance(found[-1], BookSnapshot) and len(found) > 2)
    assert [event.update_id for event in found if isinstance(event, BookSnapshot)] == [2, 9]


async def test_best_prices_come_without_a_type_and_an_empty_side_is_none(venue: BinanceLike) -> None:
    async with running(venue, channels=("bars", "ticker")) as market:
        socket = await venue.connection()
        message = {"u": 9, "s": "BTCUSDT", "b": "100.50", "B": "2", "a": "0.00000000", "A": "0.00000000"}
        await socket.send_json(message)
        (seen,) = await market.until(lambda found: bool(found))
    assert isinstance(seen, TickerSeen)
    assert (seen.bid_ticks, seen.bid_lots, seen.ask_ticks, seen.ask_lots) == (10_050, 200_000_000, None, None)


async def bars(market: Running, count: int, *, after_minute: int = 0) -> list[int]:
    """The minutes at which the next bars close."""
    found: list[BarClosed] = []
    async with asyncio.timeout(20):
        async for bar in market.market.closed_bars(after_minute * MINUTE_MS * 1_000_000):
            found.append(bar)
            if len(found) == count:
                break
    return [bar.ts_ns // (MINUTE_MS * 1_000_000) for bar in found]


async def test_bars_missed_before_and_while_there_was_no_connection_are_asked_for_and_open_ones_never_said(
    venue: BinanceLike,
) -> None:
    venue.klines = [kline_row(minute) for minute in (10, 11, 12)]  # the last one is open
    async with running(venue) as market:
        reading = asyncio.ensure_future(bars(market, 5, after_minute=10))
        socket = await venue.connection()
        await socket.send_json(kline(12, closed=False))
        await socket.send_json(kline(12, closed=True))
        venue.klines += [kline_row(minute) for minute in (13, 14)]
        await socket.close()
        socket = await venue.connection()
        await socket.send_json(kline(14, closed=False))
        await socket.send_json(kline(14, closed=True))
        assert await reading == [11, 12, 13, 14, 15]


async def test_a_bar_that_the_stream_left_out_is_asked_for(venue: BinanceLike) -> None:
    venue.klines = [kline_row(10), kline_row(11)]
    async with running(venue) as market:
        reading = asyncio.ensure_future(bars(market, 3, after_minute=10))
        socket = await venue.connection()
        async with asyncio.timeout(10):
            while not venue.asked:  # noqa: ASYNC110 (a server has no event)
                await asyncio.sleep(0.005)
        venue.klines += [kline_row(12), kline_row(13)]
        await socket.send_json(kline(12, closed=True))
        assert await reading == [11, 12, 13]


async def test_a_connection_that_falls_silent_is_made_again_and_that_is_said(venue: BinanceLike) -> None:
    async with running(venue, channels=("bars", "ticker"), silence_s={"ticker": 0.05}) as market:
        await venue.connection()
        await venue.connection()
        found = await market.until(lambda found: bool(losses(found)))
    loss = losses(found)[0]
    assert (loss.channel, loss.lost) == ("ticker", None)
    assert "nothing on ticker for 0.05 s" in loss.reason


async def test_what_does_not_fit_into_the_queue_is_counted_to_the_last_trade(venue: BinanceLike) -> None:
    sent = 5_000
    async with running(venue, channels=("bars", "trades"), size=100) as market:
        socket = await venue.connection()
        for number in range(1, sent + 1):
            await socket.send_json(trade(number))
        await socket.send_json(kline(1, closed=True))
        assert await bars(market, 1) == [2], "everything before it was read"
        await socket.send_json(trade(sent + 1))
        found = await market.until(lambda found: trades(found)[-1:] == [sent + 1])
    assert len(trades(found)) + sum(loss.lost or 0 for loss in losses(found)) == sent + 1
    assert len(trades(found)) <= 101
    assert market.losses == losses(found)


async def test_a_ban_stops_requests_and_connections(venue: BinanceLike) -> None:
    venue.status = 418
    async with running(venue, channels=("bars", "book")) as market:
        socket = await venue.connection()
        async with asyncio.timeout(10):
            while not isinstance(answer := await market.budget.try_take(0), Wait):  # noqa: ASYNC110 (nor has a budget)
                await asyncio.sleep(0.005)
        assert answer.is_banned
        asked, connections = len(venue.asked), venue.connections
        await socket.close()
        await market.until(lambda found: bool(losses(found)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await venue.connection()
        assert (len(venue.asked), venue.connections) == (asked, connections)


async def test_a_price_off_the_grid_is_an_error_and_no_event(venue: BinanceLike) -> None:
    with pytest.raises(ExceptionGroup, match="TaskGroup") as failed:
        await off_the_grid(venue)
    assert "65000.123" in str(failed.value.exceptions[0])


async def off_the_grid(venue: BinanceLike) -> None:
    async with running(venue, channels=("bars", "trades")) as market:
        socket = await venue.connection()
        await socket.send_json(trade(1) | {"p": "65000.123"})
        await market.until(lambda found: False)
