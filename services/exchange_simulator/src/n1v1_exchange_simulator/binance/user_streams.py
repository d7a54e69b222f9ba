"""Who hears of an account: what happened is encoded once for everybody who listens in the same form.

The order of an event and of the answer to the command that it comes from is not told by Binance: it is a setting. The
events of one account are in order, whatever it says.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol

import orjson

from n1v1_exchange_simulator.binance.channels import Form
from n1v1_exchange_simulator.binance.time_units import TimeUnit
from n1v1_exchange_simulator.binance.user_events import UserEvents
from n1v1_exchange_simulator.conversations import Connection, text_frame
from n1v1_exchange_simulator.venue import Report


class EventOrder(StrEnum):
    EVENT_FIRST = "event_first"
    ANSWER_FIRST = "answer_first"
    JITTERED = "jittered"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTiming:
    """longest_s: how late a jittered event is at most; the lateness of each follows from the seed."""

    order: EventOrder = EventOrder.EVENT_FIRST
    longest_s: float = 0.05
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Listener:
    """opening, closing: what stands around an event on its connection, such as its subscription's number."""

    connection: Connection
    unit: TimeUnit
    opening: bytes = b""
    closing: bytes = b""

    def hear(self, event: bytes) -> None:
        self.connection.send(text_frame(self.opening + event + self.closing))


Delivery = Callable[[], None]


class Postman(Protocol):
    """Delivers what one account hears, in order."""

    def take(self, delivery: Delivery) -> None: ...


class UserStreams:
    def __init__(self, events: UserEvents, timing: EventTiming) -> None:
        self.on_join: list[Callable[[Connection], None]] = []
        """Told of a connection that has begun to carry an account's data."""
        self._events = events
        self._timing = timing
        self._listeners: dict[str, dict[Listener, None]] = {}
        self._postmen: dict[str, Postman] = {}

    @property
    def audience(self) -> int:
        """User data streams that somebody hears."""
        return sum(map(len, self._listeners.values()))

    def join(self, account: str, listener: Listener) -> None:
        self._listeners.setdefault(account, {})[listener] = None
        listener.connection.accounts.add(account)
        for told in self.on_join:
            told(listener.connection)

    def leave(self, account: str, listener: Listener) -> None:
        self._listeners[account].pop(listener, None)
        listener.connection.accounts.discard(account)

    def publish(self, report: Report) -> None:
        """Encoded now, because orders live on; delivered when the setting says."""
        listeners = self._listeners.get(report.account)
        if not listeners:
            return
        encoded: dict[TimeUnit, list[bytes]] = {}
        for listener in listeners:
            if listener.unit not in encoded:
                encoded[listener.unit] = [orjson.dumps(event) for event in self._events.of(report, listener.unit)]
        heard = list(listeners)

        def deliver() -> None:
            for listener in heard:
                for event in encoded[listener.unit]:
                    listener.hear(event)
                listener.connection.flush()

        self._postman_of(report.account).take(deliver)

    def _postman_of(self, account: str) -> Postman:
        if account not in self._postmen:
            self._postmen[account] = _postman(self._timing, account)
        return self._postmen[account]


def _postman(timing: EventTiming, account: str) -> Postman:
    match timing.order:
        case EventOrder.EVENT_FIRST:
            return _AtOnce()
        case EventOrder.ANSWER_FIRST:
            return _AfterTheAnswer()
        case EventOrder.JITTERED:
            return _Late(timing.longest_s, Random(f"{timing.seed}/{account}"))  # noqa: S311 - repeatable, not secret


class _AtOnce:
    def take(self, delivery: Delivery) -> None:
        delivery()


class _AfterTheAnswer:
    """An answer is written in the turn of the loop in which its command was carried out."""

    def take(self, delivery: Delivery) -> None:
        asyncio.get_running_loop().call_soon(delivery)


class _Late:
    def __init__(self, longest_s: float, rng: Random) -> None:
        self._longest_s = longest_s
        self._rng = rng
        self._waiting: deque[Delivery] = deque()
        self._last_due_s = 0.0

    def take(self, delivery: Delivery) -> None:
        loop = asyncio.get_running_loop()
        self._waiting.append(delivery)
        self._last_due_s = max(self._last_due_s, loop.time() + self._rng.uniform(0.0, self._longest_s))
        loop.call_at(self._last_due_s, self._deliver_next)

    def _deliver_next(self) -> None:
        """The oldest, whichever timer it is that rings: those of one moment ring in any order."""
        self._waiting.popleft()()


class Leases(Protocol):
    def account_of(self, key: str) -> str | None:
        """Whose listen key it is, while it is good."""


class ListenKeyStreams:
    """User data as it was before 2026: a listen key is the name of a stream, and events stand in it as they are."""

    def __init__(self, leases: Leases, users: UserStreams) -> None:
        self._leases = leases
        self._users = users
        self._joined: dict[tuple[str, Connection, Form], tuple[str, Listener]] = {}

    def knows(self, name: str) -> bool:
        return self._leases.account_of(name) is not None

    def join(self, name: str, connection: Connection, form: Form) -> None:
        account = self._leases.account_of(name)
        if account is None:
            return  # it has just ended
        listener = Listener(connection, form.unit)
        if form.is_combined:
            listener = Listener(connection, form.unit, f'{{"stream":"{name}","data":'.encode(), b"}")
        self._joined[name, connection, form] = account, listener
        self._users.join(account, listener)

    def leave(self, name: str, connection: Connection, form: Form) -> None:
        joined = self._joined.pop((name, connection, form), None)
        if joined is not None:
            self._users.leave(*joined)
