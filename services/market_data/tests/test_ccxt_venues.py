"""Recorded messages of real venues, replayed over a socket through ccxt's own parsers, come out as our events."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from n1v1.errors import UnknownName
from n1v1.events import BookSnapshot, FundingRate, MarketDataLost, MarkPrice, TickerSeen, TradeSeen
from n1v1.values import Instrument
from n1v1_common.state.rate_budget import MemoryLedger, RateBudget, limit_of
from n1v1_market_data.adapters.ccxt_exchange import budgeted_exchange, exchange_maker
from n1v1_market_data.adapters.ccxt_market import CcxtMarket
from n1v1_market_data.flow import Flow, FlowEvent
from n1v1_market_data.silence import Silence
from n1v1_market_data.venue_parts import VenueParts

DATA = Path(__file__).parents[3].parent / "shared" / "data"
PAYLOADS, CAPTURES = DATA / "venue-payloads", DATA / "ws-captures"


def payload(name: str) -> str:
    path = PAYLOADS / name
    if not path.exists():
        pytest.skip(f"{path} is not there: what this venue sends is not tested")
    return path.read_text()


def captured(name: str, words: Sequence[str]) -> list[str]:
    """The messages of a capture in which each of some words stands."""
    path = CAPTURES / name
    if not path.exists():
        pytest.skip(f"{path} is not there: what this venue sends is not tested")
    with gzip.open(path, "rt") as file:
        bodies = [line.split(": ", 1)[1] for line in file if re.match(r"\d+\.\d+: ", line)]
    return [body for body in bodies if all(word in body for word in words)]


def instrument(symbol: str, tick: str = "0.01", **more: Any) -> Instrument:
    base, quote = symbol.split("-")[:2]
    return Instrument(symbol=symbol, base=base, quote=quote, tick_size=Decimal(tick), step_lots=100_000, **more)


BTC_USD, BTC_USDT = instrument("BTC-USD"), instrument("BTC-USDT")
BTC_PERP, ETH_PERP = instrument("BTC-USDT-PERP"), instrument("ETH-USD-PERP")


def market_of(venue: Any, each: Instrument, venue_id: str) -> dict[str, Any]:
    """What `load_markets` would have made of one instrument."""
    is_swap = each.symbol.endswith("-PERP")
    name = f"{each.base}/{each.quote}" + (f":{each.quote}" if is_swap else "")
    kind = "swap" if is_swap else "spot"
    market: dict[str, Any] = venue.safe_market_structure(
        {"id": venue_id, "symbol": name, "base": each.base, "quote": each.quote, "type": kind, kind: True}
        | {"baseId": each.base, "quoteId": each.quote, "linear": True if is_swap else None, "active": True}
        | {"contract": is_swap, "settle": each.quote if is_swap else None}
        | {"info": {"wsname": name}, "precision": {"amount": 1e-8, "price": 0.01}}
        | {"wsId": name, "lowercaseId": venue_id.lower()}
    )
    return market


class Replay:
    """A venue that says what was recorded once somebody subscribes, or, asked over REST, answers it."""

    def __init__(self, messages: Sequence[str]) -> None:
        self._messages = messages
        self.subscriptions: list[Any] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            return await self._stream(request)
        self.subscriptions.append(request.path)
        return web.Response(text=self._messages[0], content_type="application/json")

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        while (received := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            self.subscriptions.append(json.loads(received.data))
            for message in self._messages if len(self.subscriptions) == 1 else ():
                await socket.send_str(message)
        return socket


def pointed_at(urls: Any, port: int) -> Any:
    if isinstance(urls, dict):
        return {name: pointed_at(url, port) for name, url in urls.items()}
    return re.sub(r"^(ws|http)s?://[^/]+", rf"\1://127.0.0.1:{port}", urls)


async def replayed(
    venue: str, channel: str, each: Instrument, venue_id: str, messages: Sequence[str], count: int
) -> list[FlowEvent | MarketDataLost]:
    """The first events of a channel."""
    replay = Replay(messages)
    application = web.Application()
    application.router.add_get("/{path:.*}", replay.answer)
    flow = Flow(10_000, on_loss=lambda loss: None)
    silence = Silence({}, on_disconnected=lambda: None, clock=lambda: 0.0)
    limit = limit_of(venue, 50)
    budget = RateBudget(MemoryLedger(limit), limit, key=venue)
    async with TestServer(application) as server:

        def make() -> Any:
            exchange = budgeted_exchange(venue, budget, {})
            exchange.urls["api"] = pointed_at(exchange.urls["api"], server.port or 0)
            exchange.set_markets([market_of(exchange, each, venue_id)])
            exchange.has["fetchTime"] = exchange.has["watchOHLCV"] = exchange.has["watchOHLCVForSymbols"] = False
            return exchange

        parts = VenueParts((each,), "1m", ("bars", channel), flow, silence, {})
        task = asyncio.ensure_future(CcxtMarket(make, parts, book_levels=5).run())
        found: list[FlowEvent | MarketDataLost] = []
        try:
            async with asyncio.timeout(10):
                while len(found) < count:
                    batch = asyncio.ensure_future(flow.batch(100))
                    both: list[asyncio.Future[Any]] = [batch, task]
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                    if task.done():
                        task.result()
                    found += batch.result()
        except TimeoutError:
            pytest.fail(f"{len(found)} of {count} events; subscribed: {replay.subscriptions}")
        finally:
            task.cancel()
            await asyncio.wait([task])
    return found


def numbers(found: Sequence[FlowEvent | MarketDataLost]) -> list[tuple[str, int, int, bool]]:
    trades = [event for event in found if isinstance(event, TradeSeen)]
    assert len(trades) == len(found), found
    return [(each.trade_id, each.ticks, each.lots, each.is_buyer_maker) for each in trades]


async def test_trades_of_kraken() -> None:
    found = await replayed("kraken", "trades", BTC_USD, "XXBTZUSD", [payload("kraken/ws_trade_update.json")], 2)
    assert numbers(found) == [("10218208", 10_594_420, 27_625, False), ("10218209", 10_591_050, 12_460, True)]


async def test_the_book_of_kraken() -> None:
    found = await replayed("kraken", "book", BTC_USD, "XXBTZUSD", [payload("kraken/ws_book_snapshot.json")], 1)
    book = found[0]
    assert isinstance(book, BookSnapshot)
    assert book.bids == ((10_594_420, 13_600_000), (10_593_540, 2_400_000), (10_592_010, 5_200_000))
    assert book.asks[0] == (10_594_430, 13_600_000)


async def test_best_prices_of_kraken() -> None:
    found = await replayed("kraken", "ticker", BTC_USD, "XXBTZUSD", [payload("kraken/ws_ticker_snapshot.json")], 1)
    assert best(found[0]) == (10_594_420, 250_000_000, 10_594_430, 320_000_000)


def best(event: FlowEvent | MarketDataLost) -> tuple[int | None, int | None, int | None, int | None]:
    assert isinstance(event, TickerSeen)
    return (event.bid_ticks, event.bid_lots, event.ask_ticks, event.ask_lots)


async def test_trades_of_okx() -> None:
    message = payload("okx/ws_trades.json").replace('"BTC-USD"', '"BTC-USDT"')
    found = await replayed("okx", "trades", BTC_USDT, "BTC-USDT", [message], 1)
    assert numbers(found) == [("130639474", 4_221_990, 12_060_306, False)]


async def test_the_book_of_okx() -> None:
    found = await replayed("okx", "book", BTC_USDT, "BTC-USDT", [payload("okx/ws_books_snapshot.json")], 1)
    book = found[0]
    assert isinstance(book, BookSnapshot)
    assert (book.bids[0], book.asks[0]) == ((847_697, 25_600_000_000), (847_698, 41_500_000_000))
    assert (len(book.bids), book.update_id) == (5, 123_456)


async def test_funding_of_okx() -> None:
    found = await replayed("okx", "funding", BTC_PERP, "BTC-USDT-SWAP", [payload("okx/ws_funding_rate.json")], 1)
    rate = found[0]
    assert isinstance(rate, FundingRate)
    assert (rate.rate_ppb, rate.next_ns) == (100_000, 1_744_590_349_506_000_000)


async def test_mark_prices_of_okx() -> None:
    row = json.loads(payload("okx/http_get_mark_price.json"))["data"][0]
    message = json.dumps({"arg": {"channel": "mark-price", "instId": row["instId"]}, "data": [row]})
    found = await replayed("okx", "mark_price", BTC_PERP, "BTC-USDT-SWAP", [message], 1)
    assert marks(found, BTC_PERP) == [("84660.1", 1_744_590_349_506_000_000)]


def marks(found: Sequence[FlowEvent | MarketDataLost], each: Instrument) -> list[tuple[str, int]]:
    prices = [event for event in found if isinstance(event, MarkPrice)]
    assert len(prices) == len(found), found
    return [(f"{each.cash(mark.price).normalize():f}", mark.ts_ns) for mark in prices]


async def test_mark_prices_of_binance_futures() -> None:
    message = payload("binance/futures/market_data_json/mark_price_stream.json")
    found = await replayed("binanceusdm", "mark_price", BTC_PERP, "BTCUSDT", [message], 1)
    assert marks(found, BTC_PERP) == [("11794.15", 1_562_305_380_000_000_000)]


async def test_funding_of_kraken_futures_is_asked_for() -> None:
    """The venue says it in quote for one contract: over the mark price of 3205.25."""
    tickers = payload("kraken/http_futures_tickers.json")
    wanted = next(row for row in json.loads(tickers)["tickers"] if row["symbol"] == "PF_ETHUSD")
    found = await replayed("krakenfutures", "funding", ETH_PERP, "PF_ETHUSD", [tickers], 1)
    rate = found[0]
    assert isinstance(rate, FundingRate)
    assert rate.rate_ppb == round(Decimal(str(wanted["fundingRate"])) / Decimal("3205.25") * 10**9)


async def test_mark_prices_come_with_the_funding_where_the_venue_has_no_other_call() -> None:
    tickers = payload("kraken/http_futures_tickers.json")
    found = await replayed("krakenfutures", "mark_price", ETH_PERP, "PF_ETHUSD", [tickers], 1)
    [(price, ts_ns)] = marks(found, ETH_PERP)
    assert price == "3205.25"
    assert ts_ns > 1_763_339_400_000_000_000, "of now, not of the last trade"


async def test_trades_of_bybit() -> None:
    message = payload("bybit/ws_public_trade.json").replace("trade.linear.", "publicTrade.")
    found = await replayed("bybit", "trades", BTC_PERP, "BTCUSDT", [message], 1)
    assert numbers(found) == [("9dc75fca-4bdd-4773-9f78-6f5d7ab2a110", 2_745_100, 1_000_000, False)]


async def test_a_book_of_bybit_and_its_change() -> None:
    names = ("bybit/ws_orderbook_snapshot.json", "bybit/ws_orderbook_delta.json")
    messages = [payload(name).replace("orderbook.1.", "orderbook.50.") for name in names]
    found = await replayed("bybit", "book", BTC_PERP, "BTCUSDT", messages, 1)
    book = found[-1]
    assert isinstance(book, BookSnapshot)
    assert book.bids[-1] == (2_744_950, 100_000_000)
    assert book.bids[0] in ((2_745_000, 50_000_000), (2_745_000, 40_000_000))


async def test_trades_of_coinbase() -> None:
    messages = captured("coinbase/COINBASE.ws.28.0.gz", ['"match"', '"SKL-USD"'])
    if not messages:
        pytest.skip("the capture has no such trade")
    coarse = instrument("SKL-USD", "0.0001", max_price=Decimal(100), max_quantity=Decimal(90_000))
    found = await replayed("coinbaseexchange", "trades", coarse, "SKL-USD", messages, len(messages))
    wanted = [json.loads(message) for message in messages]
    assert [(each[0], each[3]) for each in numbers(found)] == [
        (str(message["trade_id"]), message["side"] == "buy") for message in wanted
    ], "the venue names the maker's side"
    assert [each[1:3] for each in numbers(found)] == [
        (coarse.ticks(message["price"]), coarse.lots(message["size"])) for message in wanted
    ]


NKN = instrument("NKN-USDT", "0.0001", max_price=Decimal(100), max_quantity=Decimal(90_000))


async def test_best_prices_of_binance() -> None:
    wrapped = captured("binance/BINANCE.ws.1.0.gz", ['"stream":"nknusdt@bookTicker"'])
    messages = [json.loads(message)["data"] for message in wrapped]
    found = await replayed("binance", "ticker", NKN, "NKNUSDT", [json.dumps(each) for each in messages], 1)
    possible = {
        (NKN.ticks(each["b"]), NKN.lots(each["B"]), NKN.ticks(each["a"]), NKN.lots(each["A"])) for each in messages
    }
    assert best(found[0]) in possible


def test_a_venue_that_ccxt_does_not_know_is_named_with_its_nearest() -> None:
    with pytest.raises(UnknownName, match=r"krakn.*kraken"):
        exchange_maker("krakn", rest_url=None, ws_url=None, is_testnet=False)
