"""Faults of WebSocket connections and of what is sent on them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol

import orjson
from aiohttp import WSMsgType, web

from n1v1_exchange_simulator.conversations import Connection, Conversations, text_frame
from n1v1_exchange_simulator.conversations import IncomingLimit as IncomingFrames
from n1v1_exchange_simulator.faults.active import Active, Faults, Firing
from n1v1_exchange_simulator.faults.descriptions import (
    AbortConnection,
    CloseConnection,
    ConnectionFault,
    DelayMessage,
    DropMessage,
    DuplicateMessage,
    HalfOpen,
    IncomingLimit,
    MessageFault,
    ReorderMessages,
    ServerShutdown,
    SlowConsumer,
    Stall,
    StreamTerminated,
    Subject,
)

LOOK_EVERY_S = 0.02
"""Faults of connections begin at times of the venue or after a while, which nobody announces."""

_EVENT = re.compile(rb'"e":"([A-Za-z0-9]+)"')
_SYMBOL = re.compile(rb'"s":"([A-Z0-9]+)"')


class UserData(Protocol):
    def terminate(self, connection: Connection) -> None:
        """End its subscriptions with eventStreamTerminated; the connection stays."""


class ConnectionFaults:
    def __init__(self, faults: Faults, conversations: Conversations, user_data: UserData) -> None:
        self._faults = faults
        self._conversations = conversations
        self._user_data = user_data
        self._seen: dict[int, set[Connection]] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._messages = MessageFilter(faults)
        faults.on_change.append(self._install)
        self._install()

    def _install(self) -> None:
        """Frames are looked at only while there is a fault that may fire on one."""
        is_needed = any(isinstance(active.fault, MessageFault) for active in self._faults.all())
        self._conversations.filter = self._messages if is_needed else None
        for connection in self._conversations.all():
            if not connection.is_deaf:
                connection.filter = self._conversations.filter

    async def driven(self, application: web.Application) -> AsyncIterator[None]:
        """For `cleanup_ctx`: what becomes due is carried out while the application runs."""
        driver = asyncio.create_task(self._drive())
        yield
        tasks = [driver, *self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drive(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Fire everything that is due at this moment."""
        for active in self._faults.of(ConnectionFault):
            for connection in self._conversations.all():
                if not active.is_spent and self._is_due(active, connection):
                    self._fire(active, connection)

    def _is_due(self, active: Active[ConnectionFault], connection: Connection) -> bool:
        age_s = time.monotonic() - connection.opened_s
        if age_s < active.fault.after_s or connection in self._seen.get(id(active), ()):
            return False
        return any(active.fault.concerns(subject) for subject in self._subjects(connection))

    def _fire(self, active: Active[ConnectionFault], connection: Connection) -> None:
        self._seen.setdefault(id(active), set()).add(connection)
        subject = next(one for one in self._subjects(connection) if active.fault.concerns(one))
        firing = self._faults.try_to_fire(active, subject)
        if firing is not None:
            task = asyncio.get_running_loop().create_task(self._carry_out(firing, connection))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _subjects(self, connection: Connection) -> list[Subject]:
        accounts = sorted(connection.accounts) or [""]
        return [Subject(path=connection.path, account=account) for account in accounts]

    async def _carry_out(self, firing: Firing[ConnectionFault], connection: Connection) -> None:
        match firing.fault:
            case CloseConnection(code=code, reason=reason):
                await connection.close(code, reason)
            case AbortConnection():
                connection.abort()
            case HalfOpen():
                connection.is_deaf = True
                connection.filter = _nothing
            case Stall(for_s=for_s):
                connection.hold()
                await asyncio.sleep(for_s)
                connection.release()
            case ServerShutdown(notice_s=notice_s):
                connection.send(text_frame(orjson.dumps(shutdown_notice(self._faults.wall_ns()))))
                await asyncio.sleep(notice_s)
                await connection.close(1001, "server shutdown")
            case SlowConsumer(bytes_max=bytes_max):
                connection.waiting_bytes_max = bytes_max
            case IncomingLimit(messages_per_s=messages_per_s):
                connection.incoming = IncomingFrames(messages_per_s, (WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG))
            case StreamTerminated():
                self._user_data.terminate(connection)


class MessageFilter:
    """What becomes of each frame, as the faults of messages have it."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._kept_back: dict[tuple[int, str, str], bytes] = {}

    def __call__(self, connection: Connection, frame: bytes) -> Iterable[bytes]:
        subject = subject_of(connection.path, frame)
        frames = [frame]
        for firing in self._faults.fire(MessageFault, subject):
            frames = self._altered(firing, connection, frames)
        if not frames:
            return ()
        waiting = self._kept_back.pop(_place(connection, subject), None)
        return frames if waiting is None else [*frames, waiting]

    def _altered(self, firing: Firing[Any], connection: Connection, frames: list[bytes]) -> list[bytes]:
        match firing.fault:
            case DropMessage():
                return []
            case DuplicateMessage():
                return frames * 2
            case DelayMessage(delay=delay):
                seconds = delay.draw_s(firing.rng)
                self._faults.note(firing, delay_ms=seconds * 1_000)
                for frame in frames:
                    asyncio.get_running_loop().call_later(seconds, connection.send_unfiltered, frame)
                return []
            case ReorderMessages() if frames:
                place = _place(connection, subject_of(connection.path, frames[0]))
                if place in self._kept_back:
                    return frames
                self._kept_back[place] = frames[0]
                return frames[1:]
        return frames


def subject_of(path: str, frame: bytes) -> Subject:
    symbol = _SYMBOL.search(frame)
    return Subject(path=path, event=_event_of(frame), symbol="" if symbol is None else symbol[1].decode())


def _event_of(frame: bytes) -> str:
    named = _EVENT.search(frame)
    if named is not None:
        return named[1].decode()
    return "bookTicker" if b'"B":"' in frame and b'"A":"' in frame else ""


def shutdown_notice(now_ns: int) -> dict[str, object]:
    return {"e": "serverShutdown", "E": now_ns // 1_000_000}


def _place(connection: Connection, subject: Subject) -> tuple[int, str, str]:
    return id(connection), subject.event, subject.symbol


def _nothing(connection: Connection, frame: bytes) -> Iterable[bytes]:
    del connection, frame
    return ()
