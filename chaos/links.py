"""The links between a service and what it needs: TCP proxies that can be cut, one for each service and server."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

CHUNK = 1 << 16
NO_LINGER = struct.pack("ii", 1, 0)
"""Closing a socket then sends RST instead of FIN."""
LOOPBACK = "127.0.0.1"
NO_PORT = 0
"""Nobody listens there."""
SERVER_OF = {
    "bus.url": "nats",
    "redis.url": "valkey",
    "postgres.dsn": "postgres",
    "exchange.rest_url": "venue",
    "exchange.ws_url": "venue",
}


class Cut(StrEnum):
    """How a link fails."""

    DROPPED = "dropped"
    """Connections are closed, and new ones as soon as they are made."""
    HANGING = "hanging"
    """Nothing comes through, in either direction, and nobody is told. What was sent arrives when it is over."""
    RESET = "reset"
    """Connections end with RST; new ones work at once."""
    DELAYED = "delayed"
    """Everything comes through, a good while later."""


Look = Callable[["Watch | None", bytes], Awaitable[bool]]
"""What is done with a chunk on its way: whether it goes on, and the connection with it."""


class Link:
    """One service's way to one server. Listens at once; `serve` begins to pass on what comes."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self._target = (host, port)
        self._socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._refuses = False
        self._delay_s = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._watch: Watch | None = None

    async def serve(self) -> None:
        self._server = await asyncio.start_server(self._connected, sock=self._socket)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._socket.close()
        self._close_all()

    def cut(self, how: Cut, *, delay_s: float = 0.2) -> None:
        match how:
            case Cut.DROPPED:
                self._refuses = True
                self._close_all()
            case Cut.HANGING:
                self._flows.clear()
            case Cut.RESET:
                self._reset_all()
            case Cut.DELAYED:
                self._delay_s = delay_s

    def restore(self) -> None:
        self._refuses, self._delay_s = False, 0.0
        self._flows.set()

    @contextmanager
    def watched(self, request: bytes, *, passages: int) -> Iterator[Watch]:
        """Catch a request on its way: see Watch. Whatever is held comes free at the end."""
        watch = self._watch = Watch(request, passages)
        try:
            yield watch
        finally:
            watch.release()
            self._watch = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.close()
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        self._open |= {writer, back}
        conversation = Conversation()
        await asyncio.gather(
            self._pass_on(reader, back, conversation.ask), self._pass_on(there, writer, conversation.answer)
        )
        self._open -= {writer, back}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Look) -> None:
        try:
            while chunk := await reader.read(CHUNK):
                await self._flows.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if not await look(self._watch, chunk):
                    break
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass  # the other side has gone: so will this one
        finally:
            writer.close()

    def _close_all(self) -> None:
        for writer in tuple(self._open):
            writer.close()

    def _reset_all(self) -> None:
        for writer in tuple(self._open):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()


class Watch:
    """Waits for one request on a link, and keeps its answer back.

    sent: the request has gone through, and was not answered. answered: the answer has come as far as the link.
    """

    def __init__(self, request: bytes, passages: int) -> None:
        self._request = request
        self._passages = passages
        self._is_over = asyncio.Event()
        self.sent = asyncio.Event()
        self.answered = asyncio.Event()
        self._loses_answer = False

    def release(self, *, loses_answer: bool = False) -> None:
        """Let the answer through, or lose it, and with it the connection."""
        self._loses_answer = self._loses_answer or loses_answer
        self._is_over.set()

    def catches(self, chunk: bytes) -> bool:
        """Whether this is the request that is waited for."""
        if self.sent.is_set() or not chunk.startswith(self._request):
            return False
        self._passages -= 1
        if self._passages > 0:
            return False
        self.sent.set()
        return True

    async def keep_back(self) -> bool:
        """The answer is there. Whether it may go on, once that is known."""
        self.answered.set()
        await self._is_over.wait()
        return not self._loses_answer


class Conversation:
    """One connection: remembers whether the request that was caught went through here."""

    def __init__(self) -> None:
        self._caught: Watch | None = None

    async def ask(self, watch: Watch | None, chunk: bytes) -> bool:
        if watch is not None and watch.catches(chunk):
            self._caught = watch
        return True

    async def answer(self, watch: Watch | None, chunk: bytes) -> bool:
        del watch, chunk
        caught, self._caught = self._caught, None
        return await caught.keep_back() if caught else True


class Links:
    """Every link of a stack, by (service, server)."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], Link] = {}

    def __getitem__(self, ends: tuple[str, str]) -> Link:
        return self._links[ends]

    def route(self, service: str, setting: str, url: str) -> str:
        """The URL by which `service` reaches through a link what it would have reached at `url`.

        The nodes of a cluster are reached without a link.
        """
        if "," in url:
            return url
        parts = urlsplit(url)
        ends = (service, SERVER_OF[setting])
        if ends not in self._links:
            self._links[ends] = Link("-".join(ends), parts.hostname or LOOPBACK, parts.port or NO_PORT)
        user, at, _ = parts.netloc.rpartition("@")
        netloc = f"{user}{at}{LOOPBACK}:{self._links[ends].port}"
        return urlunsplit(parts._replace(netloc=netloc))

    async def serve(self) -> None:
        for link in self._links.values():
            await link.serve()

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()
