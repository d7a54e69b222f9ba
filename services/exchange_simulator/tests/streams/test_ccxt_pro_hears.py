"""Unmodified ccxt.pro hears the market and its own orders, on the plain port and over TLS with Binance's addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_S = 15
LOT = 100_000_000
"""One BTC."""
# ccxt carries no types; the fixtures' types cannot be imported in importlib mode.
Connect = Callable[..., Awaitable[Any]]


async def heard(venue: Any, watching: Awaitable[Any], *, streams: int = 1, then: Callable[[], object]) -> Any:
    """What `watching` gives once its stream stands and `then` has happened."""
    task = asyncio.ensure_future(watching)
    async with asyncio.timeout(PATIENCE_S):
        await until_heard(venue, streams)
        then()
        return await task


async def until_heard(venue: Any, streams: int = 1) -> None:
    """ccxt does not tell when a subscription stands; the venue knows."""
    while venue.streams.audience < streams:  # noqa: ASYNC110 - the venue has no event for it
        await asyncio.sleep(0.005)


async def test_trades(venue: Any, connect: Connect) -> None:
    client = await connect()
    (trade,) = await heard(venue, client.watch_trades("BTC/USDT"), then=lambda: venue.advance(2))
    assert (trade["id"], trade["price"], trade["amount"], trade["side"]) == ("1", "100.00000000", "0.01000000", "sell")


async def test_aggregate_trades(venue: Any, connect: Connect) -> None:
    client = await connect()
    watching = client.watch_trades("BTC/USDT", params={"name": "aggTrade"})
    (trade,) = await heard(venue, watching, then=lambda: venue.advance(2))
    assert (trade["id"], trade["price"]) == ("1", "100.00000000")


async def test_the_open_bar_and_its_close(venue: Any, connect: Connect) -> None:
    client = await connect()

    def trade() -> None:
        venue.advance(2)
        venue.beat(2)

    (row,) = await heard(venue, client.watch_ohlcv("BTC/USDT", "1m"), then=trade)
    assert row[1:] == [100.0, 100.0, 100.0, 100.0, 0.01]
    (row,) = await heard(venue, client.watch_ohlcv("BTC/USDT", "1m"), then=lambda: venue.advance(60))
    assert row[1:] == [100.0, 101.0, 100.0, 100.0, 0.29], "trades at every odd second of the minute"


async def test_tickers_best_prices_and_all_of_them(venue: Any, connect: Connect) -> None:
    client = await connect()

    def a_second() -> None:
        venue.advance(4)
        venue.beat(1)

    ticker = await heard(venue, client.watch_ticker("BTC/USDT"), then=a_second)
    assert (ticker["last"], ticker["baseVolume"]) == ("101.00000000", "0.02000000")
    tickers = await heard(venue, client.watch_tickers(), streams=2, then=a_second)
    assert set(tickers) == {"BTC/USDT"}


async def test_best_bid_and_ask(venue: Any, connect: Connect) -> None:
    client = await connect()
    other = await connect("other")
    watching = asyncio.ensure_future(client.watch_bids_asks(["BTC/USDT"]))
    async with asyncio.timeout(PATIENCE_S):
        await until_heard(venue)
        await other.create_order("BTC/USDT", "limit", "buy", "0.5", "100.5")
        ticker = (await watching)["BTC/USDT"]
    assert (ticker["bid"], ticker["bidVolume"], ticker["ask"]) == ("100.50000000", "0.50000000", "101.00000000")


async def test_the_book_that_ccxt_keeps_is_the_venues(venue: Any, connect: Connect) -> None:
    client, other = await connect(), await connect("other")
    watching = asyncio.ensure_future(client.watch_order_book("BTC/USDT"))
    async with asyncio.timeout(PATIENCE_S):
        await until_heard(venue)
        for number in range(30):
            venue.advance(3)
            side, price = ("buy", f"{98 + number % 3}.5") if number % 2 else ("sell", f"{101 + number % 4}.5")
            await other.create_order("BTC/USDT", "limit", side, "0.25", price)
            if number % 5 == 4:
                await other.create_order("BTC/USDT", "market", "buy", "1.1")
            venue.beat(0.1)
        book = await watching
        last_id = venue.exchange.market.book("BTC-USDT", 1).last_id
        while book["nonce"] < last_id:
            venue.beat(0.1)
            book = await client.watch_order_book("BTC/USDT")
    truth = venue.exchange.market.book("BTC-USDT", 5_000)
    assert [list(row) for row in book["bids"]] == [[ticks / 100, lots / LOT] for ticks, lots in truth.bids]
    assert [list(row) for row in book["asks"]] == [[ticks / 100, lots / LOT] for ticks, lots in truth.asks]
    assert last_id > 100, "there was something to follow"


async def test_own_orders_executions_and_balances(venue: Any, connect: Connect) -> None:
    client = await connect()
    orders = asyncio.ensure_future(client.watch_orders("BTC/USDT"))
    async with asyncio.timeout(PATIENCE_S):
        await until_heard(venue)
        trades = asyncio.ensure_future(client.watch_my_trades("BTC/USDT"))
        balances = asyncio.ensure_future(client.watch_balance())
        await asyncio.sleep(0)  # let both begin to listen
        placed = await client.create_order("BTC/USDT", "limit", "buy", "1.5", "102", {"newClientOrderId": "mine"})
        (order, *_) = await orders
        heard_trades = list(await trades)
        while len(heard_trades) < 2:
            heard_trades += await client.watch_my_trades("BTC/USDT")
        balance = await balances
        while balance["BTC"]["free"] != "51.49850000":
            balance = await client.watch_balance()
    assert (order["clientOrderId"], order["id"]) == ("mine", placed["id"])
    assert [(trade["price"], trade["amount"]) for trade in heard_trades[-2:]] == [
        ("101.00000000", "1.00000000"),
        ("102.00000000", "0.50000000"),
    ]
    assert placed["status"] == "closed"
