"""One WebSocket conversation: a reader that answers and a writer that never lets a slow client hold up the venue."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web

MESSAGES_WAITING_MAX = 1_000
"""A client that has not read so many messages is disconnected; Binance does the same, without naming a number."""
PING_EVERY_S = 20.0
"""Binance's interval for spot streams."""
LONGEST_MESSAGE_BYTES = 64 * 1024

_CONVERSATIONS: web.AppKey[weakref.WeakSet[web.WebSocketResponse]] = web.AppKey("conversations")


class Outbox:
    """What waits to be written to one client. `put` never blocks."""

    def __init__(self, disconnect: Callable[[], None]) -> None:
        self._messages: asyncio.Queue[str] = asyncio.Queue(MESSAGES_WAITING_MAX)
        self._disconnect = disconnect

    def put(self, message: str) -> None:
        try:
            self._messages.put_nowait(message)
        except asyncio.QueueFull:
            self._disconnect()

    async def write_to(self, socket: web.WebSocketResponse) -> None:
        try:
            while True:
                await socket.send_str(await self._messages.get())
        except ConnectionError:
            return  # the client has gone; the reader ends too and closes the conversation


async def converse(request: web.Request, begin: Callable[[Outbox], Callable[[str], str]]) -> web.WebSocketResponse:
    """Hold one conversation until either side ends it. begin: given the outbox, what answers each message."""
    socket = web.WebSocketResponse(heartbeat=PING_EVERY_S, max_msg_size=LONGEST_MESSAGE_BYTES)
    await socket.prepare(request)
    request.app[_CONVERSATIONS].add(socket)
    outbox = Outbox(lambda: _abort(request))
    answer = begin(outbox)
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(outbox.write_to(socket))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                outbox.put(answer(message.data))
        writer.cancel()
    return socket


def prepare_application(application: web.Application) -> None:
    """Let `application` close its conversations when it stops."""
    application[_CONVERSATIONS] = weakref.WeakSet()
    application.on_shutdown.append(_close_all)


async def _close_all(application: web.Application) -> None:
    conversations = application[_CONVERSATIONS]
    for socket in list(conversations):
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the venue stops")


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
