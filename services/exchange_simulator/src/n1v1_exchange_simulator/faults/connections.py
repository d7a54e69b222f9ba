"""Faults of WebSocket connections and of what is sent on them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

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
from n1v1_exchange_simulator.faults.timing import SECOND_NS

_EVENT = re.compile(rb'"e":"([A-Za-z0-9]+)"')
_SYMBOL = re.compile(rb'"s":"([A-Z0-9]+)"')


class UserData(Protocol):
    def terminate(self, connection: Connection) -> None:
        """End its subscriptions with eventStreamTerminated; the connection stays."""


class ConnectionFaults:
    """Looks at a connection when it is opened and when it begins to carry user data, and at all of them when a fault
    is added and when the market's time has moved; between them timers ring."""

    def __init__(self, faults: Faults, conversations: Conversations, user_data: UserData) -> None:
        self._faults = faults
        self._conversations = conversations
        self._user_data = user_data
        self._opened_ns: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._seen: dict[str, WeakSet[Connection]] = {}
        """By the name of a fault: connections that it has concerned."""
        self._awaited: dict[str, WeakSet[Connection]] = {}
        """By the name of a fault: connections that are not old enough for it yet."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._messages = MessageFilter(faults)
        faults.on_change.append(self._on_change)
        conversations.on_open.append(self._on_open)
        self._install()

    async def driven(self, application: web.Application) -> AsyncIterator[None]:
        """For `cleanup_ctx`: what is under way when the application ends does not outlive it."""
        yield
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def look(self) -> None:
        """Fire everything that is due at this moment, on the oldest connection first."""
        if not any(isinstance(active.fault, ConnectionFault) for active in self._faults.all()):
            return
        for connection in self._conversations.all():
            self.look_at(connection)

    def look_at(self, connection: Connection) -> None:
        for active in self._faults.of(ConnectionFault):
            self._look(active, connection)

    def _on_open(self, connection: Connection) -> None:
        """Whoever answers it has not begun yet."""
        self._opened_ns[connection] = self._faults.timers.now_ns()
        asyncio.get_running_loop().call_soon(self.look_at, connection)

    def _on_change(self) -> None:
        self._install()
        names = {active.fault.name for active in self._faults.all()}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        self.look()

    def _install(self) -> None:
        """Frames are looked at only while there is a fault that may fire on one."""
        is_needed = any(isinstance(active.fault, MessageFault) for active in self._faults.all())
        self._conversations.filter = self._messages if is_needed else None
        for connection in self._conversations.all():
            if not connection.is_deaf:
                connection.filter = self._conversations.filter

    def _look(self, active: Active[ConnectionFault], connection: Connection) -> None:
        fault, seen = active.fault, self._seen.setdefault(active.fault.name, WeakSet())
        subject = next((one for one in self._subjects(connection) if fault.concerns(one)), None)
        if subject is None or connection in seen or not connection.is_open:
            return
        age_ns = self._faults.timers.now_ns() - self._opened_ns[connection]
        left_s = fault.after_s - age_ns / SECOND_NS
        if left_s > 0:
            self._await_age(left_s, active, connection)
            return
        seen.add(connection)
        firing = self._faults.try_to_fire(active, subject)
        if firing is not None:
            self._carry_out(firing, connection)

    def _await_age(self, left_s: float, active: Active[ConnectionFault], connection: Connection) -> None:
        awaited = self._awaited.setdefault(active.fault.name, WeakSet())

        def look_again() -> None:
            awaited.discard(connection)
            self.look_at(connection)

        if connection not in awaited:
            awaited.add(connection)
            self._faults.timers.call_later(left_s, look_again)

    def _subjects(self, connection: Connection) -> list[Subject]:
        accounts = sorted(connection.accounts) or [""]
        return [Subject(path=connection.path, account=account) for account in accounts]

    def _carry_out(self, firing: Firing[ConnectionFault], connection: Connection) -> None:
        match firing.fault:
            case CloseConnection(code=code, reason=reason):
                self._close(connection, code, reason)
            case AbortConnection():
                connection.abort()
            case HalfOpen():
                connection.is_deaf = True
                connection.filter = _nothing
            case Stall(for_s=for_s):
                connection.hold()
                self._faults.timers.call_later(for_s, connection.release)
            case ServerShutdown(notice_s=notice_s):
                connection.send(text_frame(orjson.dumps(shutdown_notice(self._faults.timers.now_ns()))))
                self._faults.timers.call_later(notice_s, lambda: self._close(connection, 1001, "server shutdown"))
            case SlowConsumer(bytes_max=bytes_max):
                connection.waiting_bytes_max = bytes_max
            case IncomingLimit(messages_per_s=messages_per_s):
                connection.incoming = IncomingFrames(messages_per_s, (WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG))
            case StreamTerminated():
                self._user_data.terminate(connection)

    def _close(self, connection: Connection, code: int, reason: str) -> None:
        task = asyncio.get_running_loop().create_task(connection.close(code, reason))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


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
                    self._faults.timers.call_later(seconds, partial(connection.send_unfiltered, frame))
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
