"""The bus inside one process: for tests, and for running the whole system without a server.

Give several buses one MemoryServer and they are several clients of it; a bus that is closed without being
drained leaves behind what a killed process leaves behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from n1v1_common.bus.api import (
    BucketSpec,
    BusClosed,
    ConsumerSpec,
    Delivery,
    KeyValue,
    NoStreamHears,
    Outgoing,
    Published,
    StreamPosition,
    StreamSpec,
    Subscription,
    SubscriptionLost,
    Tap,
    Tapped,
)
from n1v1_common.bus.memory_server import MemoryDurable, MemoryServer
from n1v1_common.bus.subjects import matches

TAP_BACKLOG_MAX = 4096


class MemoryBus:
    def __init__(self, server: MemoryServer | None = None, *, drain_timeout_s: float = 10.0) -> None:
        self._server = server or MemoryServer()
        self._drain_timeout_s = drain_timeout_s
        self._subscriptions: list[MemorySubscription] = []
        self._taps: list[MemoryTap] = []
        self._closed = False
        self.epoch = 0
        """Raised by tests that want a lost connection."""

    async def declare(self, streams: Sequence[StreamSpec], buckets: Sequence[BucketSpec] = ()) -> None:
        self._check_open()
        for spec in streams:
            self._server.declare(spec)
        for bucket in buckets:
            self._server.bucket(bucket)

    async def publish(self, messages: Sequence[Outgoing], *, retry_for_s: float = 0.0) -> list[Published]:
        self._check_open()
        answers: list[Published | None] = []
        for message in messages:
            answers.append(self._server.publish(message))
            if answers[-1] is None:
                raise NoStreamHears(message, "no stream stores this subject", answers, retryable=True)
        await asyncio.sleep(0)  # as with a server, others run before the acknowledgement is here
        return [answer for answer in answers if answer is not None]

    async def consume(self, spec: ConsumerSpec, *, start_seq: int | None = None) -> Subscription:
        self._check_open()
        subscription = MemorySubscription(self._server.durable(spec, start_seq))
        self._subscriptions.append(subscription)
        return subscription

    async def tap(self, subject: str) -> Tap:
        self._check_open()
        tap = MemoryTap(self._server, subject)
        self._taps.append(tap)
        return tap

    async def last_message(self, stream: str, subject: str) -> Delivery | None:
        self._check_open()
        message = self._server.stream(stream).last(subject)
        return None if message is None else message.delivery(stream)

    async def read(self, stream: str, *, start_seq: int = 1, limit: int = 100, subject: str = ">") -> list[Delivery]:
        self._check_open()
        found = self._server.stream(stream).messages_from(start_seq)
        return [m.delivery(stream) for m in islice((m for m in found if matches(subject, m.subject)), limit)]

    async def stream_position(self, stream: str) -> StreamPosition:
        self._check_open()
        return self._server.stream(stream).position()

    async def key_value(self, spec: BucketSpec) -> KeyValue:
        self._check_open()
        return self._server.bucket(spec)

    async def drain(self) -> None:
        if self._closed:
            return
        for subscription in self._subscriptions:
            subscription.stop()
        handlers = [asyncio.ensure_future(s.wait_idle()) for s in self._subscriptions]
        if handlers:
            _, unfinished = await asyncio.wait(handlers, timeout=self._drain_timeout_s)
            for handler in unfinished:
                handler.cancel()
        await self.close()

    async def close(self) -> None:
        """Go away as a killed process does: what is in hand comes again after ack_wait."""
        self._closed = True
        for subscription in self._subscriptions:
            await subscription.close()
        for tap in self._taps:
            await tap.close()

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosed("the bus is closed")


class MemorySubscription:
    def __init__(self, durable: MemoryDurable) -> None:
        self._durable = durable
        self._in_hand: set[int] = set()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopped = False
        durable.wakers.add(self._changed.set)
        durable.vouchers.add(self._is_in_hand)

    def __aiter__(self) -> MemorySubscription:
        return self

    async def __anext__(self) -> list[Delivery]:
        self._in_hand.clear()
        self._idle.set()
        while not self._stopped:
            self._changed.clear()
            if self._durable.gone:
                raise SubscriptionLost(f"{self._durable.spec.durable} was repositioned by another owner")
            batch = self._durable.take(self._durable.spec.max_batch)
            if batch:
                self._in_hand.update(delivery.seq for delivery in batch)
                self._idle.clear()
                return batch
            await self._changed.wait()
        raise StopAsyncIteration

    async def ack(self, batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            self._durable.ack(delivery.seq)
            self._settle(delivery.seq)

    async def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        self._settle(delivery.seq)
        self._durable.nak(delivery.seq, delay_s)

    async def term(self, delivery: Delivery, reason: str) -> None:
        self._settle(delivery.seq)
        self._durable.term(delivery.seq, reason)

    async def close(self) -> None:
        self.stop()
        self._durable.wakers.discard(self._changed.set)
        self._durable.vouchers.discard(self._is_in_hand)
        self._idle.set()

    def stop(self) -> None:
        """Hand out nothing more."""
        self._stopped = True
        self._changed.set()

    async def wait_idle(self) -> None:
        """Until the handler has answered or finished what it holds."""
        await self._idle.wait()

    def _is_in_hand(self, seq: int) -> bool:
        return seq in self._in_hand

    def _settle(self, seq: int) -> None:
        self._in_hand.discard(seq)
        if not self._in_hand:
            self._idle.set()


class MemoryTap:
    def __init__(self, server: MemoryServer, subject: str) -> None:
        self._server = server
        self._pattern = subject
        self._heard: deque[Tapped] = deque(maxlen=TAP_BACKLOG_MAX)
        self._changed = asyncio.Event()
        self._closed = False
        server.listeners.add(self._hear)

    def __aiter__(self) -> MemoryTap:
        return self

    async def __anext__(self) -> Tapped:
        while not self._heard:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._heard.popleft()

    async def close(self) -> None:
        self._closed = True
        self._server.listeners.discard(self._hear)
        self._changed.set()

    def _hear(self, subject: str, data: bytes, headers: Mapping[str, str]) -> None:
        if matches(self._pattern, subject):
            self._heard.append(Tapped(subject, data, headers))
            self._changed.set()
