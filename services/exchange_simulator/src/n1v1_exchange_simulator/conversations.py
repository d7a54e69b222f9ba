"""One WebSocket conversation: a reader that answers, and writes that never let a slow client hold up the venue.

A frame from a server is the same bytes for every client (RFC 6455 masks only what clients send), so that a message
is encoded once, however many hear it. What is sent in one turn of the loop is written in one piece.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from n1v1_exchange_simulator.tcp import reset

LONGEST_MESSAGE_BYTES = 64 * 1024
TEXT_IN_ONE_FRAME = 0x81


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLimits:
    """The times are Binance's. A client that lets more than `waiting_bytes_max` pile up is disconnected; Binance
    does the same without naming a number. connects_max: of one client within `connects_within_s`; None: no limit.
    """

    waiting_bytes_max: int = 8 * 1024 * 1024
    ping_every_s: float = 20.0
    pong_within_s: float = 60.0
    longest_s: float = 24 * 3600.0
    connects_max: int | None = 300
    connects_within_s: float = 300.0


Refusal = tuple[int, str]
"""Close code and reason."""

POLICY = WSCloseCode.POLICY_VIOLATION


def text_frame(payload: bytes) -> bytes:
    """A whole server frame of JSON."""
    length = len(payload)
    if length < 126:
        return bytes((TEXT_IN_ONE_FRAME, length)) + payload
    if length < 65_536:
        return bytes((TEXT_IN_ONE_FRAME, 126)) + length.to_bytes(2, "big") + payload
    return bytes((TEXT_IN_ONE_FRAME, 127)) + length.to_bytes(8, "big") + payload


def payload_of(frame: bytes) -> bytes:
    """Of what `text_frame` has made."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


class Connection:
    """One client's socket as the venue writes to it. Nothing here blocks.

    What faults are made of: `filter` decides what becomes of each frame; `is_deaf` plays a half-open connection, where
    nothing that the client sends is looked at; `incoming` and `waiting_bytes_max` may be made smaller; `hold` and
    `release` stop and go on writing.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        *,
        path: str,
        incoming: IncomingLimit,
        waiting_bytes_max: int,
    ) -> None:
        self.path = path
        self.accounts: set[str] = set()
        """Whose user data it carries."""
        self.incoming = incoming
        self.waiting_bytes_max = waiting_bytes_max
        self.is_deaf = False
        self.filter: FrameFilter | None = None
        self._socket = socket
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._turn: list[bytes] = []
        self._held: list[bytes] | None = None

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing() and not self._socket.closed

    @property
    def waiting_bytes(self) -> int:
        """Written, and not yet taken by the client's side of the network."""
        return self._transport.get_write_buffer_size()

    def send(self, frame: bytes) -> None:
        """With everything else that is sent in this turn of the loop."""
        if self.filter is None:
            self.send_unfiltered(frame)
            return
        for passed in self.filter(self, frame):
            self.send_unfiltered(passed)

    def send_unfiltered(self, frame: bytes) -> None:
        if not self._turn:
            self._loop.call_soon(self.flush)
        self._turn.append(frame)

    def flush(self) -> None:
        """Write now what was sent in this turn."""
        if not self._turn:
            return
        frames, self._turn = self._turn, []
        if self._held is not None:
            self._held.extend(frames)
            self._abort_when_over(sum(map(len, self._held)))
        elif self.is_open:
            self._transport.write(b"".join(frames))
            self._abort_when_over(self._transport.get_write_buffer_size())

    def hold(self) -> None:
        """Write nothing until `release`; what is sent meanwhile waits."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        self._turn[:0], self._held = self._held or (), None
        self.flush()

    def abort(self) -> None:
        """Reset the connection; what waits is lost."""
        reset(self._transport)

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye in order, after everything that was sent."""
        self.flush()
        await self._socket.close(code=code, message=reason.encode())

    def _abort_when_over(self, waiting_bytes: int) -> None:
        if waiting_bytes > self.waiting_bytes_max:
            self.abort()


FrameFilter = Callable[[Connection, bytes], Iterable[bytes]]
"""Given a frame and whom it is for: what is sent now."""


class Conversations:
    """Every conversation of the venue, so that it can end them."""

    def __init__(self, limits: ConversationLimits | None = None) -> None:
        self.limits = limits or ConversationLimits()
        self.on_open: list[Callable[[Connection], None]] = []
        self.filter: FrameFilter | None = None
        """Of every connection that is opened from now on."""
        self._open: weakref.WeakKeyDictionary[Connection, None] = weakref.WeakKeyDictionary()
        self._connects: dict[str, deque[float]] = {}

    def all(self) -> list[Connection]:
        """The oldest first."""
        return [connection for connection in self._open if connection.is_open]

    async def close_all(self, code: int, reason: str, *, notice: bytes | None = None) -> None:
        """notice: a frame that everybody is sent before."""
        for connection in self.all():
            if notice is not None:
                connection.send(notice)
        await asyncio.gather(*(connection.close(code, reason) for connection in self.all()))

    async def hold(
        self,
        request: web.Request,
        begin: Callable[[Connection], Callable[[str], bytes | None]],
        *,
        client: str,
        incoming: IncomingLimit,
    ) -> web.StreamResponse:
        """One conversation until either side ends it. begin: given the connection, what answers each message.

        Answers HTTP 429 to a client that connects too often.
        """
        if not self._may_connect(client):
            return web.Response(status=429, headers={"Retry-After": f"{self.limits.connects_within_s:.0f}"})
        # Frames are shared between clients, and a compressed one belongs to its connection: the offer is declined.
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=LONGEST_MESSAGE_BYTES)
        await socket.prepare(request)
        if request.transport is None:
            return socket  # gone within the handshake
        connection = Connection(
            socket,
            request.transport,
            path=request.path,
            incoming=incoming,
            waiting_bytes_max=self.limits.waiting_bytes_max,
        )
        connection.filter = self.filter
        self._open[connection] = None
        for told in self.on_open:
            told(connection)
        conversation = _Conversation(socket, connection, begin(connection))
        code, reason = await conversation.until_its_end(self.limits)
        await connection.close(code, reason)
        return socket

    def _may_connect(self, client: str) -> bool:
        if self.limits.connects_max is None:
            return True
        now = time.monotonic()
        connects = self._connects.setdefault(client, deque(maxlen=self.limits.connects_max))
        if len(connects) == connects.maxlen and now - connects[0] < self.limits.connects_within_s:
            return False
        connects.append(now)
        return True


class IncomingLimit:
    """At most so many frames within a second. kinds: which ones count."""

    def __init__(self, per_second: int, kinds: Iterable[WSMsgType]) -> None:
        self._kinds = frozenset(kinds)
        self._times: deque[float] = deque(maxlen=per_second)

    def is_over(self, kind: WSMsgType) -> bool:
        if kind not in self._kinds:
            return False
        now = time.monotonic()
        is_over = len(self._times) == self._times.maxlen and now - self._times[0] < 1.0
        self._times.append(now)
        return is_over


class _Conversation:
    def __init__(
        self,
        socket: web.WebSocketResponse,
        connection: Connection,
        answer: Callable[[str], bytes | None],
    ) -> None:
        self._socket = socket
        self._connection = connection
        self._answer = answer
        self._asked: dict[bytes, float] = {}

    async def until_its_end(self, limits: ConversationLimits) -> Refusal:
        """Why it ended."""
        reading = asyncio.create_task(self._read())
        pinging = asyncio.create_task(self._ping(limits))
        both = {reading, pinging}
        try:
            done, _ = await asyncio.wait(both, timeout=limits.longest_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            ended = await asyncio.gather(*both, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome
        return next(iter(done)).result() if done else (POLICY, "disconnected")

    async def _read(self) -> Refusal:
        async for message in self._socket:
            if self._connection.is_deaf:
                continue
            if self._connection.incoming.is_over(message.type):
                return POLICY, "Too many requests"
            await self._hear(message)
        return WSCloseCode.OK, ""

    async def _hear(self, message: WSMessage) -> None:
        match message.type:
            case WSMsgType.TEXT:
                answer = self._answer(message.data)
                if answer is not None:
                    self._connection.send(answer)
            case WSMsgType.PING if not self._socket.closed:
                await self._socket.pong(message.data)
            case WSMsgType.PONG:
                self._asked.pop(bytes(message.data), None)

    async def _ping(self, limits: ConversationLimits) -> Refusal:
        """An answer is a pong with the payload of a ping; pongs that nobody asked for do not count."""
        while True:
            await asyncio.sleep(limits.ping_every_s)
            if self._connection.is_deaf:
                continue
            now = time.monotonic()
            if self._asked and now - min(self._asked.values()) >= limits.pong_within_s:
                return POLICY, "Pong timeout"
            payload = str(time.time_ns() // 1_000_000).encode()
            self._asked[payload] = now
            try:
                await self._socket.ping(payload)
            except ConnectionError:
                return WSCloseCode.ABNORMAL_CLOSURE, ""  # the client has gone; the reader ends too
