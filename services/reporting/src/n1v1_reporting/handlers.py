"""Reads the TRADING stream from where the tables end, batch by batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from n1v1_common.bus.api import Bus, ConsumerSpec, Delivery
from n1v1_common.bus.dead_letters import bury
from n1v1_common.bus.ordered import OrderedSubscription
from n1v1_common.codec import Codec, Undecodable
from n1v1_common.crash_points import CrashPoint, reached
from n1v1_common.storage.journal import Cursor
from n1v1_common.streams import TRADING
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import trace_id_of
from n1v1_reporting.ports import Projections
from n1v1_reporting.projection import Row, rows_of

log = structlog.get_logger(__name__)

NAME = "reporting"
SMALL_BATCH = 128
GATHER_S = 0.2
"""A pause after a small batch lets the next one grow: nobody reads reports faster, and the CPU belongs to trading."""


class Reader:
    """Keeps the tables up with the stream."""

    def __init__(self, *, bus: Bus, projections: Projections, codec: Codec, metrics: Metrics) -> None:
        self._bus = bus
        self._projections = projections
        self._codec = codec
        self._cursor = Cursor(0, 0)
        self._handled = metrics.counter("n1v1_messages_handled_total", durable=NAME, outcome="acknowledged")
        self._dead = metrics.counter("n1v1_dead_letters_total", stage=NAME, reason="undecodable")

    @property
    def cursor(self) -> Cursor:
        """How far the tables have come."""
        return self._cursor

    async def lag(self) -> int:
        """Messages of the stream that are not in the tables yet."""
        position = await self._bus.stream_position(TRADING.name)
        return max(0, position.last_seq - self._cursor.seq)

    async def run(self, draining: asyncio.Event) -> None:
        """Read until `draining` is set."""
        spec = ConsumerSpec(stream=TRADING.name, durable=NAME, filter_subjects=TRADING.subjects)
        subscription = OrderedSubscription(self._bus, spec, self._next_seq)
        await subscription.start()
        closing = asyncio.create_task(_close_when(draining, subscription))
        try:
            async for batch in subscription:
                await self._handle(batch)
                reached(CrashPoint.PUBLISHED_NOT_ACKNOWLEDGED)
                await subscription.ack(batch)
                if len(batch) < SMALL_BATCH:
                    await _pause(draining)
        finally:
            closing.cancel()
            await subscription.close()

    async def _next_seq(self) -> int:
        """The first message that is not in the tables."""
        position = await self._bus.stream_position(TRADING.name)
        stored = await self._projections.cursor(TRADING.name)
        if stored is not None and stored.created_ns != position.created_ns:
            log.warning("the stream was made anew: reading it from its beginning into empty tables")
            await self._projections.forget_everything()
            stored = None
        self._cursor = stored or Cursor(0, position.created_ns)
        return self._cursor.seq + 1

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        rows = [row for delivery in batch if delivery.seq > self._cursor.seq for row in await self._rows(delivery)]
        cursor = Cursor(max(self._cursor.seq, batch[-1].seq), self._cursor.created_ns)
        reached(CrashPoint.BEFORE_COMMIT)
        await self._projections.store(rows, TRADING.name, cursor)
        self._cursor = cursor
        self._handled.inc(len(batch))

    async def _rows(self, delivery: Delivery) -> list[Row]:
        try:
            event, _ = self._codec.decode(delivery.subject, delivery.data)
        except Undecodable as error:
            log.warning("put aside a message", delivery=repr(delivery), reason=str(error))
            await bury(self._bus, delivery, stage=NAME, reason=str(error))
            self._dead.inc()
            return []
        return rows_of(event, trace_id_of(delivery.headers) or "")


async def _close_when(draining: asyncio.Event, subscription: OrderedSubscription) -> None:
    await draining.wait()
    await subscription.close()


async def _pause(draining: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(GATHER_S):
            await draining.wait()
    except TimeoutError:
        return
