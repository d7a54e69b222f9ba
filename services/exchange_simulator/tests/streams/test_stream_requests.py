"""What a client says to the streams and what it hears, word for word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from n1v1_exchange_simulator.binance.channels import Form
from n1v1_exchange_simulator.binance.market_streams import MarketStreams
from n1v1_exchange_simulator.conversations import Connection, Conversations

PATIENCE_S = 10
# The fixtures' types cannot be imported in importlib mode.


class Client:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def hear(self) -> Any:
        return orjson.loads(await self.socket.receive_str(timeout=PATIENCE_S))

    async def ask(self, request: object) -> Any:
        await self.socket.send_str(request if isinstance(request, str) else orjson.dumps(request).decode())
        return await self.hear()

    async def subscribe(self, *streams: str) -> None:
        assert await self.ask({"method": "SUBSCRIBE", "params": streams, "id": 1}) == {"result": None, "id": 1}


@asynccontextmanager
async def connected(venue: Any, path: str) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session, session.ws_connect(venue.url + path) as socket:
        yield Client(socket)


VARIANTS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
NO_ID = "Invalid request: request ID must be an unsigned integer"
NO_NAME = "Invalid request: property name must be a string"


@pytest.mark.parametrize(
    ("request_text", "code", "msg", "answered_id"),
    [
        ('{"method": "GET_PROPERTY", "params": ["speed"], "id": 7}', 0, "Unknown property", 7),
        (
            '{"method": "SET_PROPERTY", "params": ["combined", 1], "id": 7}',
            1,
            "Invalid value type: expected Boolean",
            7,
        ),
        ('{"method": "SET_PROPERTY", "params": [1, true], "id": 7}', 2, NO_NAME, 7),
        ('{"method": "GET_PROPERTY", "params": [], "id": 7}', 2, NO_NAME, 7),
        ('{"method": "LIST_SUBSCRIPTIONS"}', 2, NO_ID, None),
        ('{"method": "LIST_SUBSCRIPTIONS", "id": 1.5}', 2, NO_ID, None),
        ('{"method": "LIST_SUBSCRIPTIONS", "id": true}', 2, NO_ID, None),
        ('{"method": "LIST_SUBSCRIPTIONS", "id": 9223372036854775808}', 2, NO_ID, None),
        (
            '{"method": "SUBSCRIBED", "id": 7}',
            2,
            f"Invalid request: unknown variant `SUBSCRIBED`, expected one of {VARIANTS} at line 1 column 23",
            7,
        ),
        ('{"params": [],\n "id": 7}', 2, "Invalid request: missing field `method` at line 2 column 9", 7),
        ('{"method": "LIST_SUBSCRIPTIONS", "id": 7, "more": 1}', 2, "Invalid request: too many parameters", 7),
        (
            '{"method": "GET_PROPERTY", "params": ["combined", 1], "id": 7}',
            2,
            "Invalid request: too many parameters",
            7,
        ),
        ('{"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 7}', 2, None, 7),
        ('{"method": "SUBSCRIBE", "params": ["btcusdt@trade", "dogeusdt@trade"], "id": 7}', 2, None, 7),
        ('{"method": "SUBSCRIBE", "params": ["BTCUSDT@trade"], "id": 7}', 2, None, 7),
        ('{"method": "SUBSCRIBE", "params": ["!ticker@arr"], "id": 7}', 2, None, 7),
        ('{"method": "SUBSCRIBE", "params": ["btcusdt@kline_7m"], "id": 7}', 2, None, 7),
        ('{"method": ', 3, None, None),
        ("", 3, None, None),
    ],
)
async def test_a_wrong_request_is_answered_in_binances_words(
    venue: Any, request_text: str, code: int, msg: str | None, answered_id: int | None
) -> None:
    async with connected(venue, "/ws") as client:
        answer = await client.ask(request_text)
        assert answer["error"]["code"] == code
        assert answer["id"] == answered_id
        assert msg is None or answer["error"]["msg"] == msg
        assert await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 8}) == {"result": [], "id": 8}


async def test_ids_may_be_numbers_texts_or_null(venue: Any) -> None:
    async with connected(venue, "/ws") as client:
        for request_id in (-(2**63), "e2a85d9f-07a5-4f94-8d5f-789dc3deb097", None):
            asked = {"method": "GET_PROPERTY", "params": ["combined"], "id": request_id}
            assert await client.ask(asked) == {"result": False, "id": request_id}


async def test_the_address_says_whether_messages_are_wrapped_and_a_property_changes_it(venue: Any) -> None:
    async with connected(venue, "/stream?streams=btcusdt@trade") as client:
        assert (await client.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 1}))["result"] is True
        venue.advance(2)
        wrapped = await client.hear()
        assert (wrapped["stream"], wrapped["data"]["t"]) == ("btcusdt@trade", 1)
        await client.ask({"method": "SET_PROPERTY", "params": ["combined", False], "id": 2})
        venue.advance(2)
        assert (await client.hear())["t"] == 2


async def test_several_raw_streams_in_one_address_and_one_taken_back(venue: Any) -> None:
    async with connected(venue, "/ws/btcusdt@trade/btcusdt@aggTrade") as client:
        venue.advance(2)
        assert [(await client.hear())["e"] for _ in range(2)] == ["trade", "aggTrade"]
        await client.ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade", "never@heard"], "id": 1})
        venue.advance(2)
        assert (await client.hear())["e"] == "aggTrade"
    assert await gone(venue), "who leaves is forgotten"


async def gone(venue: Any) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        while venue.streams.audience:  # noqa: ASYNC110 - the venue has no event for it
            await asyncio.sleep(0.005)
    return True


@pytest.mark.parametrize("path", ["/ws/0", "/stream/ws/3", "/stream/ws", "/stream"])
async def test_numbers_that_clients_give_to_their_sockets_mean_nothing(venue: Any, path: str) -> None:
    async with connected(venue, path) as client:
        assert (await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 1}))["result"] == []


async def test_an_address_with_an_unknown_stream_is_refused(venue: Any) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{venue.url}/ws/btcusdt@nothing")
    assert refused.value.status == 400


class AnyName:
    """A `StreamSource` that has every stream, and pushes nothing."""

    def knows(self, name: str) -> bool:
        return True

    def join(self, name: str, connection: Connection, form: Form) -> None: ...

    def leave(self, name: str, connection: Connection, form: Form) -> None: ...


async def test_1024_streams_fit_on_a_connection_and_not_one_more() -> None:
    application = web.Application()
    application.add_routes(MarketStreams((AnyName(),), Conversations()).routes())
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        client = Client(await session.ws_connect(server.make_url("/ws")))
        await client.subscribe(*(f"s{number}@trade" for number in range(1_024)))
        await client.subscribe("s0@trade")  # it is heard already
        answer = await client.ask({"method": "SUBSCRIBE", "params": ["s1024@trade"], "id": 2})
        assert answer["error"]["code"] == 2
        assert len((await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 3}))["result"]) == 1_024


async def test_a_sixth_message_within_a_second_ends_the_connection(venue: Any) -> None:
    async with connected(venue, "/ws") as client:
        for number in range(6):
            await client.socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        answered = [await client.socket.receive(timeout=PATIENCE_S) for _ in range(6)]
    assert [message.type for message in answered[:5]] == [aiohttp.WSMsgType.TEXT] * 5
    assert (answered[5].data, answered[5].extra) == (1008, "Too many requests")


# --- what is pushed, field for field; the times are those of steps of one second after 2024-01-01 00:00:02 -------

TRADE_MS = 1_704_067_203_000


async def test_a_trade(venue: Any) -> None:
    async with connected(venue, "/ws/btcusdt@trade") as client:
        venue.advance(2)
        assert await client.hear() == {
            "e": "trade",
            "E": TRADE_MS,
            "s": "BTCUSDT",
            "t": 1,
            "p": "100.00000000",
            "q": "0.01000000",
            "T": TRADE_MS,
            "m": True,
            "M": True,
        }


async def test_times_in_microseconds_for_who_asks_for_them(venue: Any) -> None:
    async with (
        connected(venue, "/ws/btcusdt@trade?timeUnit=microsecond") as fine,
        connected(venue, "/ws/btcusdt@trade") as coarse,
    ):
        venue.advance(2)
        assert (await fine.hear())["T"] == TRADE_MS * 1_000
        assert (await coarse.hear())["T"] == TRADE_MS


async def test_an_unknown_unit_of_time_is_refused(venue: Any) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{venue.url}/ws/btcusdt@trade?timeUnit=fortnight")
    assert refused.value.status == 400


async def test_best_prices_when_they_change_and_only_then(venue: Any) -> None:
    async with connected(venue, "/ws/btcusdt@bookTicker/btcusdt@trade") as client:
        venue.advance(1)  # a level far from the best
        book = await client.hear()
        assert book.pop("u") == venue.exchange.market.book("BTC-USDT", 1).last_id
        assert book == {"s": "BTCUSDT", "b": "100.00000000", "B": "1.00000000", "a": "101.00000000", "A": "1.00000000"}
        venue.advance(1)
        assert (await client.hear())["e"] == "trade", "nothing new about the best prices in between"


@pytest.mark.parametrize("name", ["btcusdt@depth5", "btcusdt@depth5@100ms"])
async def test_the_best_levels(venue: Any, name: str) -> None:
    async with connected(venue, f"/ws/{name}") as client:
        venue.beat(1)
        book = await client.hear()
    assert book["lastUpdateId"] == venue.exchange.market.book("BTC-USDT", 1).last_id
    assert book["bids"] == [[f"{price}.00000000", "1.00000000"] for price in (100, 99, 98, 97, 96)]
    assert book["asks"] == [[f"{price}.00000000", "1.00000000"] for price in (101, 102, 103, 104, 105)]


async def test_changes_of_the_book_without_a_gap(venue: Any) -> None:
    before = venue.exchange.market.book("BTC-USDT", 1).last_id
    async with connected(venue, "/ws/btcusdt@depth@100ms") as client:
        pushed = []
        for _ in range(3):
            venue.advance(2)
            venue.beat(0.1)
            pushed.append(await client.hear())
    first = pushed[0]
    assert (first["e"], first["s"], first["U"]) == ("depthUpdate", "BTCUSDT", before + 1)
    assert first["b"] == [["91.00000000", "0.00000000"]], "the level is gone"
    assert first["a"] == [], "it had one lot before, too"
    assert [later["U"] for later in pushed[1:]] == [earlier["u"] + 1 for earlier in pushed[:-1]]
    assert pushed[-1]["u"] == venue.exchange.market.book("BTC-USDT", 1).last_id


async def test_day_tickers_each_second_for_what_has_changed(venue: Any) -> None:
    async with connected(venue, "/stream?streams=btcusdt@ticker/btcusdt@miniTicker/!miniTicker@arr") as client:
        venue.advance(4)
        venue.beat(1)
        heard = {message["stream"]: message["data"] for message in [await client.hear() for _ in range(3)]}
    mini = heard["btcusdt@miniTicker"]
    assert mini["e"] == "24hrMiniTicker"
    assert (mini["o"], mini["c"], mini["h"], mini["l"]) == (
        "100.00000000",
        "101.00000000",
        "101.00000000",
        "100.00000000",
    )
    assert mini["v"] == "0.02000000"
    assert heard["!miniTicker@arr"] == [mini], "ETH has not traded"
    full = heard["btcusdt@ticker"]
    assert set(full) == set("eEspPwxcQbBaAohlvqOCFLn")
    assert (full["e"], full["p"], full["P"], full["b"], full["a"]) == (
        "24hrTicker",
        "1.00000000",
        "1.000",
        "100.00000000",
        "101.00000000",
    )


async def test_the_average_price_when_it_changes(venue: Any) -> None:
    async with connected(venue, "/ws/btcusdt@avgPrice") as client:
        venue.advance(4)
        venue.beat(1)
        average = await client.hear()
    assert (average["e"], average["s"], average["i"], average["w"]) == ("avgPrice", "BTCUSDT", "5m", "100.50000000")


async def test_bars_that_are_open_and_their_last_word(venue: Any) -> None:
    async with connected(venue, "/ws/btcusdt@kline_1m") as client:
        venue.advance(2)
        venue.beat(2)
        is_open = await client.hear()
        venue.advance(58)
        closed = await client.hear()
    assert is_open["k"] | {"q": None} == {
        "t": 1_704_067_200_000,
        "T": 1_704_067_259_999,
        "s": "BTCUSDT",
        "i": "1m",
        "f": 1,
        "L": 1,
        "o": "100.00000000",
        "c": "100.00000000",
        "h": "100.00000000",
        "l": "100.00000000",
        "v": "0.01000000",
        "n": 1,
        "x": False,
        "q": None,
        "V": "0.00000000",
        "Q": "0.00000000",
        "B": "0",
    }
    assert (closed["k"]["t"], closed["k"]["x"], closed["k"]["v"]) == (1_704_067_200_000, True, "0.29000000")
