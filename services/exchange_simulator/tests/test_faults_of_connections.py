"""Each fault of a connection or a message on real sockets: what the client hears, and what not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from n1v1_exchange_simulator.conversations import Connection, Conversations, IncomingLimit, text_frame
from n1v1_exchange_simulator.faults.active import Faults
from n1v1_exchange_simulator.faults.connections import ConnectionFaults
from n1v1_exchange_simulator.faults.descriptions import fault_of
from n1v1_exchange_simulator.faults.log import FaultLog
from n1v1_exchange_simulator.faults.timing import WallTimers

SOON_S = 5.0
"""Longer than anything here takes."""
SILENCE_S = 0.2
"""How long nothing is to come."""


@dataclass
class Venue:
    """Echoes what it hears, and pushes what a test tells it to. terminated: connections whose user data was ended."""

    faults: Faults
    session: aiohttp.ClientSession
    conversations: Conversations
    terminated: list[Connection] = field(default_factory=list)

    def add(self, **described: object) -> None:
        self.faults.add(fault_of(described))

    def push(self, **event: object) -> None:
        for connection in self.conversations.all():
            connection.send(text_frame(orjson.dumps(event)))

    async def connect(self, path: str = "/ws") -> aiohttp.ClientWebSocketResponse:
        return await self.session.ws_connect(path, autoping=False)

    def terminate(self, connection: Connection) -> None:
        self.terminated.append(connection)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    faults = Faults(seed=1, log=FaultLog(None), venue_ns=lambda: 0, timers=WallTimers(lambda: 7_000_000))
    conversations = Conversations()

    def echo(connection: Connection) -> Callable[[str], bytes]:
        if connection.path == "/ws-api/v3":
            connection.accounts.add("main")
        return lambda text: text_frame(text.encode())

    async def serve(request: web.Request) -> web.StreamResponse:
        incoming = IncomingLimit(1_000, [WSMsgType.TEXT])
        return await conversations.hold(request, echo, client="somebody", incoming=incoming)

    application = web.Application()
    application.add_routes([web.get("/ws", serve), web.get("/ws-api/v3", serve)])
    async with aiohttp.ClientSession() as outside:
        venue = Venue(faults, outside, conversations)
        application.cleanup_ctx.append(ConnectionFaults(faults, conversations, venue).driven)
        async with (
            TestServer(application) as server,
            aiohttp.ClientSession(server.make_url("/")) as session,
        ):
            venue.session = session
            yield venue


async def heard(socket: aiohttp.ClientWebSocketResponse) -> Any:
    message = await socket.receive(timeout=SOON_S)
    assert message.type is WSMsgType.TEXT, message
    return orjson.loads(message.data)


async def hears_nothing(socket: aiohttp.ClientWebSocketResponse) -> bool:
    try:
        await socket.receive(timeout=SILENCE_S)
    except TimeoutError:
        return True
    return False


async def echoed(socket: aiohttp.ClientWebSocketResponse, text: str = '"x"') -> bool:
    await socket.send_str(text)
    message = await socket.receive(timeout=SOON_S)
    return message.type is WSMsgType.TEXT and bool(message.data == text)


async def test_a_connection_is_closed_with_its_code_and_the_next_one_is_not(venue: Venue) -> None:
    first = await venue.connect()
    venue.add(kind="close_connection", code=1001, count=1)
    message = await first.receive(timeout=SOON_S)
    assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
    assert await echoed(await venue.connect())


async def test_a_fault_of_one_path_leaves_the_others_alone(venue: Venue) -> None:
    market, user = await venue.connect("/ws"), await venue.connect("/ws-api/v3")
    venue.add(kind="close_connection", path="/ws-api/*")
    assert (await user.receive(timeout=SOON_S)).type is WSMsgType.CLOSE
    assert await echoed(market)


async def test_a_fault_of_an_account_concerns_the_connection_with_its_user_data(venue: Venue) -> None:
    market, user = await venue.connect("/ws"), await venue.connect("/ws-api/v3")
    venue.add(kind="close_connection", account="other")
    assert await echoed(user)
    venue.add(kind="close_connection", account="main")
    assert (await user.receive(timeout=SOON_S)).type is WSMsgType.CLOSE
    assert await echoed(market)


async def test_an_aborted_connection_ends_without_a_goodbye(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="abort_connection")
    await socket.receive(timeout=SOON_S)
    assert socket.close_code == 1006


async def test_a_half_open_connection_stands_and_answers_no_ping(venue: Venue) -> None:
    socket = await venue.connect()
    assert await echoed(socket)
    venue.add(kind="half_open")
    await until(lambda: len(venue.faults.log.since(0)) == 1)
    await socket.ping()
    venue.push(e="trade")
    assert await hears_nothing(socket)
    assert not socket.closed


async def test_after_a_stall_everything_comes_at_once_and_in_order(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="stall", for_s=SILENCE_S * 2, count=1)
    await until(lambda: len(venue.faults.log.since(0)) == 1)
    for number in range(3):
        venue.push(e="trade", t=number)
    assert await hears_nothing(socket)
    assert [(await heard(socket))["t"] for _ in range(3)] == [0, 1, 2]


async def test_a_shutdown_is_announced(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="server_shutdown", notice_s=0.01)
    assert await heard(socket) == {"e": "serverShutdown", "E": 7}
    assert (await socket.receive(timeout=SOON_S)).type is WSMsgType.CLOSE


async def test_a_slow_consumer_is_disconnected(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="slow_consumer", bytes_max=1_000)
    venue.add(kind="stall", for_s=60)
    await until(lambda: len(venue.faults.log.since(0)) == 2)
    venue.push(e="trade", filling="x" * 1_000)
    await socket.receive(timeout=SOON_S)
    assert socket.close_code == 1006


async def test_who_talks_too_much_is_kicked(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="incoming_limit", messages_per_s=2)
    await until(lambda: len(venue.faults.log.since(0)) == 1)
    for _ in range(3):
        await socket.send_str('"x"')
    received = [(await socket.receive(timeout=SOON_S)).type for _ in range(3)]
    assert received == [WSMsgType.TEXT, WSMsgType.TEXT, WSMsgType.CLOSE]


async def test_user_data_is_ended_and_the_connection_stays(venue: Venue) -> None:
    socket = await venue.connect("/ws-api/v3")
    venue.add(kind="event_stream_terminated", account="main")
    await until(lambda: len(venue.terminated) == 1)
    assert await echoed(socket)


async def test_a_dropped_diff_leaves_a_gap(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="drop_message", event="depthUpdate", skip=1, count=1)
    for number in range(3):
        venue.push(e="depthUpdate", s="BTCUSD", u=number)
    assert [(await heard(socket))["u"] for _ in range(2)] == [0, 2]


async def test_a_message_may_come_twice(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="duplicate_message", event="executionReport", count=1)
    venue.push(e="executionReport", s="BTCUSD", I=1)
    venue.push(e="executionReport", s="BTCUSD", I=2)
    assert [(await heard(socket))["I"] for _ in range(3)] == [1, 1, 2]


async def test_a_trade_comes_after_the_next_one_of_its_symbol(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="reorder_messages", event="trade", symbol="BTC-USD", count=1)
    for symbol, number in (("BTCUSD", 1), ("ETHUSD", 2), ("BTCUSD", 3)):
        venue.push(e="trade", s=symbol, t=number)
    assert [(await heard(socket))["t"] for _ in range(3)] == [2, 3, 1]


async def test_a_delayed_message_is_overtaken(venue: Venue) -> None:
    socket = await venue.connect()
    venue.add(kind="delay_message", event="trade", delay={"median_ms": 50}, count=1)
    venue.push(e="trade", t=1)
    venue.push(e="trade", t=2)
    assert [(await heard(socket))["t"] for _ in range(2)] == [2, 1]


async def test_an_answer_is_dropped_when_every_message_is_concerned(venue: Venue) -> None:
    socket = await venue.connect("/ws-api/v3")
    venue.add(kind="drop_message", path="/ws-api/*", count=1, name="deaf")
    await socket.send_str('"x"')
    assert await hears_nothing(socket)
    assert await echoed(socket, '"y"'), "only the first one"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
