"""Where only bars were recorded the streams tell what follows from them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

PATIENCE_S = 10
# The fixtures' types cannot be imported in importlib mode.


@asynccontextmanager
async def hearing(served: Any, *streams: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    address = f"{served.url}/stream?streams={'/'.join(streams)}"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        yield socket


async def heard(socket: aiohttp.ClientWebSocketResponse) -> Any:
    return orjson.loads(await socket.receive_str(timeout=PATIENCE_S))["data"]


def advance(served: Any) -> None:
    served.exchange.advance(served.exchange.step + 1)


def beat(served: Any, seconds: float) -> None:
    for _ in range(round(10 * seconds)):
        served.streams.market.beat()


async def book_of(served: Any, session: aiohttp.ClientSession) -> Any:
    async with session.get(f"{served.url}/api/v3/depth?symbol=BTCUSD") as answer:
        return await answer.json()


async def test_the_book_follows_from_the_last_price_and_its_changes_have_no_gap(served: Any) -> None:
    advance(served)
    async with hearing(served, "btcusd@depth@100ms") as socket, aiohttp.ClientSession() as session:
        snapshot = await book_of(served, session)
        bids, asks = dict(snapshot["bids"]), dict(snapshot["asks"])
        last_id = snapshot["lastUpdateId"]
        for _ in range(3):
            advance(served)
            beat(served, 0.1)
            change = await heard(socket)
            assert change["U"] == last_id + 1
            last_id = change["u"]
            for levels, rows in ((bids, change["b"]), (asks, change["a"])):
                levels.update(rows)
                for price in [price for price, quantity in levels.items() if float(quantity) == 0]:
                    del levels[price]
        truth = await book_of(served, session)
    assert (bids, asks, last_id) == (dict(truth["bids"]), dict(truth["asks"]), truth["lastUpdateId"])
    assert bids, "there was something to compare"


async def test_best_prices_move_with_the_bars(served: Any) -> None:
    async with hearing(served, "btcusd@bookTicker") as socket:
        advance(served)
        assert (await heard(socket))["b"] == "101.00000000"
        advance(served)
        assert (await heard(socket))["b"] == "102.00000000"


async def test_the_day_is_that_of_the_bars(served: Any) -> None:
    async with hearing(served, "btcusd@miniTicker") as socket:
        for _ in range(3):
            advance(served)
        beat(served, 1)
        day = await heard(socket)
    assert (day["o"], day["c"], day["h"], day["l"]) == (
        "100.00000000",
        "103.00000000",
        "103.00000000",
        "99.00000000",
    )


async def test_longer_bars_are_pushed_when_the_shorter_ones_complete_them(served: Any) -> None:
    async with hearing(served, "btcusd@kline_1d") as socket:
        for _ in range(6):
            advance(served)
        bar = (await heard(socket))["k"]
    assert (bar["i"], bar["x"], bar["o"], bar["c"]) == ("1d", True, "100.00000000", "106.00000000")
