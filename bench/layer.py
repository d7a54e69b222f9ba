"""Our bus layer against a lean pull loop: CPU of one hop in one process, alternating, and what telemetry adds to it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from bench.lean import LeanPublisher, LeanPull, Message, connected, id_of, make_durable, make_stream
from n1v1_common.bus.api import Bus, ConsumerSpec, Delivery, Outgoing
from n1v1_common.bus.nats import NatsBus
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import TRACEPARENT, Tracing, configure_tracing, inject

STREAM = "LAYER"
MAX_BATCH = 64
PAYLOAD = bytes(200)
CONTEXT = {TRACEPARENT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@dataclass(frozen=True, slots=True)
class LayerRound:
    """CPU microseconds a message, of one hop: consume, publish acknowledged, acknowledge."""

    lean_us: float
    ours_us: float
    with_telemetry_us: float


async def rounds(nats_url: str, *, count: int, messages: int) -> list[LayerRound]:
    client = await connected(nats_url)
    bus = await NatsBus.connect(nats_url, name="bench-layer")
    with tempfile.TemporaryDirectory() as folder:
        tracing = configure_tracing(service="bench", spans_dir=Path(folder))
        try:
            await make_stream(client, STREAM, [f"{STREAM}.>"])
            hop = Hop(client, bus, tracing, messages)
            await hop.prepare()
            await hop.round()  # warm
            return [await hop.round() for _ in range(count)]
        finally:
            tracing.shutdown()
            await bus.drain()
            await client.close()


class Hop:
    """Each measurement reads messages that lie ready and publishes as many."""

    def __init__(self, client: Client, bus: Bus, tracing: Tracing, messages: int) -> None:
        self._client = client
        self._bus = bus
        self._publisher = LeanPublisher(client)
        self._messages = messages
        self._tracing = tracing
        metrics = Metrics()
        self._handled = metrics.counter("n1v1_messages_handled_total", durable="bench", outcome="acknowledged")
        self._seconds = metrics.histogram("n1v1_handling_seconds", durable="bench")
        self._number = 0

    async def prepare(self) -> None:
        await self._publisher.start()

    async def round(self) -> LayerRound:
        return LayerRound(
            lean_us=await self._measured(self._lean),
            ours_us=await self._measured(self._ours),
            with_telemetry_us=await self._measured(self._ours_with_telemetry),
        )

    async def _measured(self, relay: Callable[[str], Awaitable[None]]) -> float:
        self._number += 1
        name = f"{self._number}"
        waiting = [Message(f"{STREAM}.{name}.in", PAYLOAD, f"{name}:{n}") for n in range(self._messages)]
        for start in range(0, len(waiting), MAX_BATCH):
            await self._publisher.publish(waiting[start : start + MAX_BATCH])
        began = time.process_time()
        await relay(name)
        return (time.process_time() - began) / self._messages * 1e6

    async def _lean(self, name: str) -> None:
        await make_durable(self._client, STREAM, f"layer-{name}", f"{STREAM}.{name}.in")
        pull = LeanPull(self._client, STREAM, f"layer-{name}", max_batch=MAX_BATCH)
        await pull.start()
        left = self._messages
        while left:
            batch = await pull.batch()
            await self._publisher.publish(
                [Message(f"{STREAM}.{name}.out", msg.data, f"out:{id_of(msg)}") for msg in batch]
            )
            await pull.ack(batch)
            left -= len(batch)

    async def _ours(self, name: str) -> None:
        await self._consume(name, self._plainly)

    async def _ours_with_telemetry(self, name: str) -> None:
        await self._consume(name, self._observed)

    async def _consume(self, name: str, outgoing: Callable[[str, Sequence[Delivery]], list[Outgoing]]) -> None:
        durable, subject = f"layer-{name}", f"{STREAM}.{name}.in"
        spec = ConsumerSpec(stream=STREAM, durable=durable, filter_subjects=(subject,), max_batch=MAX_BATCH)
        subscription = await self._bus.consume(spec)
        left = self._messages
        while left:
            batch = await anext(subscription)
            await self._bus.publish(outgoing(f"{STREAM}.{name}.out", batch))
            await subscription.ack(batch)
            left -= len(batch)
        await subscription.close()

    def _plainly(self, subject: str, batch: Sequence[Delivery]) -> list[Outgoing]:
        return [Outgoing(subject, delivery.data, f"out:{delivery.msg_id}") for delivery in batch]

    def _observed(self, subject: str, batch: Sequence[Delivery]) -> list[Outgoing]:
        """A span a message, as if each belonged to an order; the services trace orders only."""
        said = []
        with self._seconds.time():
            for delivery in batch:
                headers: dict[str, str] = {}
                attributes = {"n1v1.symbol": "BTC-USD", "event.id": delivery.msg_id}
                with self._tracing.span("risk.decide", parent_headers=CONTEXT, attributes=attributes):
                    inject(headers)
                said.append(Outgoing(subject, delivery.data, f"out:{delivery.msg_id}", headers))
                self._handled.inc()
        return said
