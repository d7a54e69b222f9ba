"""Connections as the venue holds them: bounded, pinged, limited and cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
import uvloop
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from n1v1_exchange_simulator.conversations import (
    Connection,
    ConversationLimits,
    Conversations,
    IncomingLimit,
    text_frame,
)

ALL = (WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG)
PATIENCE_S = 10


@dataclass
class Echo:
    """A server that answers what it is told, and knows its connections."""

    url: str
    conversations: Conversations
    session: aiohttp.ClientSession

    async def connect(self, *, autoping: bool = True) -> aiohttp.ClientWebSocketResponse:
        return await self.session.ws_connect(self.url, autoping=autoping, max_msg_size=0)

    async def only(self) -> Connection:
        """The one open connection; clients know of it before the server does."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.conversations.all():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
        (connection,) = self.conversations.all()
        return connection


@asynccontextmanager
async def echoing(limits: ConversationLimits, *, messages_per_second: int = 1_000) -> AsyncIterator[Echo]:
    conversations = Conversations(limits)

    async def serve(request: web.Request) -> web.StreamResponse:
        return await conversations.hold(
            request,
            lambda connection: lambda text: text_frame(text.encode()),
            client="somebody",
            incoming=IncomingLimit(messages_per_second, ALL),
        )

    application = web.Application()
    application.router.add_get("/ws", serve)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield Echo(str(server.make_url("/ws")), conversations, session)


async def last_of(client: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    """Reads to the end; the close code and the reason."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await client.receive()
            if message.type is WSMsgType.CLOSE:
                return message.data, message.extra or ""
            if message.type in (WSMsgType.CLOSED, WSMsgType.ERROR):
                return client.close_code, ""


def read_to_the_end(client: socket.socket) -> None:
    while client.recv(1 << 20):
        pass


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 200_000])
async def test_a_frame_of_any_length_arrives_whole(length: int) -> None:
    text = "x" * length
    async with echoing(ConversationLimits()) as echo:
        client = await echo.connect()
        (await echo.only()).send(text_frame(text.encode()))
        assert await client.receive_str(timeout=PATIENCE_S) == text


async def test_what_is_sent_keeps_its_order_while_pings_and_answers_go_in_between() -> None:
    async with echoing(ConversationLimits(ping_every_s=0.001)) as echo:
        client = await echo.connect()
        connection = await echo.only()
        await client.send_str("answer")
        for number in range(500):
            connection.send(text_frame(str(number).encode()))
            if number % 50 == 0:
                await asyncio.sleep(0.001)
        heard = [await client.receive_str(timeout=PATIENCE_S) for _ in range(501)]
    assert [text for text in heard if text != "answer"] == [str(number) for number in range(500)]


async def test_a_client_that_does_not_read_is_cut_and_the_others_hear_everything() -> None:
    async with echoing(ConversationLimits(waiting_bytes_max=200_000)) as echo:
        client = await echo.connect()
        slow = socket.create_connection(("127.0.0.1", client.get_extra_info("peername")[1]))
        slow.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE_S):
            while len(echo.conversations.all()) < 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            frame = text_frame(b"x" * 10_000)
            sent = 0
            while len(echo.conversations.all()) == 2:
                for connection in echo.conversations.all():
                    connection.send(frame)
                sent += 1
                assert len(await client.receive_str()) == 10_000
        assert sent * 10_000 > 200_000, "it had its chance"
        with pytest.raises(ConnectionResetError):
            read_to_the_end(slow)
        slow.close()


async def test_a_client_that_says_too_much_in_a_second_is_sent_away() -> None:
    async with echoing(ConversationLimits(), messages_per_second=5) as echo:
        client = await echo.connect()
        for _ in range(3):
            await client.send_str("x")
            await client.ping()
        assert await last_of(client) == (1008, "Too many requests")


async def test_a_client_that_never_answers_pings_is_sent_away() -> None:
    async with echoing(ConversationLimits(ping_every_s=0.01, pong_within_s=0.05)) as echo:
        client = await echo.connect(autoping=False)
        for _ in range(3):
            await client.pong(b"nobody asked")  # does not count
        assert await last_of(client) == (1008, "Pong timeout")


async def test_a_client_that_answers_pings_stays() -> None:
    async with echoing(ConversationLimits(ping_every_s=0.01, pong_within_s=0.05)) as echo:
        client = await echo.connect(autoping=False)
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(20):
                message = await client.receive()
                assert message.type is WSMsgType.PING
                await client.pong(message.data)


async def test_a_connection_does_not_last_for_ever() -> None:
    async with echoing(ConversationLimits(longest_s=0.05)) as echo:
        client = await echo.connect()
        assert await last_of(client) == (1008, "disconnected")


async def test_a_client_that_connects_too_often_is_told_to_wait() -> None:
    async with echoing(ConversationLimits(connects_max=2)) as echo:
        for _ in range(2):
            await echo.connect()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await echo.connect()
        assert refused.value.status == 429
        assert refused.value.headers is not None
        assert refused.value.headers["Retry-After"] == "300"


async def test_what_is_held_back_comes_in_order_when_it_is_released() -> None:
    async with echoing(ConversationLimits()) as echo:
        client = await echo.connect()
        connection = await echo.only()
        connection.hold()
        for number in range(3):
            connection.send(text_frame(str(number).encode()))
        await asyncio.sleep(0)
        connection.release()
        assert [await client.receive_str(timeout=PATIENCE_S) for _ in range(3)] == ["0", "1", "2"]


async def test_everybody_is_sent_away_with_a_notice() -> None:
    async with echoing(ConversationLimits()) as echo:
        client = await echo.connect()
        await echo.only()
        closing = asyncio.create_task(echo.conversations.close_all(1001, "bye", notice=text_frame(b"soon")))
        assert await client.receive_str(timeout=PATIENCE_S) == "soon"
        assert await last_of(client) == (1001, "bye")
        await closing


def test_a_connection_is_reset_on_the_loop_that_services_run_on_too() -> None:
    async def scenario() -> None:
        async with echoing(ConversationLimits()) as echo:
            client = await echo.connect()
            (await echo.only()).abort()
            assert await last_of(client) == (1006, "")

    uvloop.run(scenario())
