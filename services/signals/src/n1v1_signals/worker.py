"""One partition's strategies behind the bus.

The worker has no database. Its state is a pure function of the bars it has heard, so it keeps a snapshot with the
sequence of the last bar time in it; after a kill it hears the bars since then again and says the same signals under
the same ids, which the stream or the next inbox recognises.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import orjson
import structlog

from n1v1.events import BarClosed, BarsComplete, Event, SignalRaised
from n1v1.pipeline import HEARS
from n1v1.signals.stage import Signals
from n1v1_common.bus.api import Bus, ConsumerSpec, Delivery, KeyValue, Outgoing
from n1v1_common.bus.dead_letters import bury
from n1v1_common.bus.ordered import OrderedSubscription
from n1v1_common.codec import Codec, Envelope, Undecodable
from n1v1_common.codec.codec import subject_filter
from n1v1_common.crash_points import CrashPoint, reached
from n1v1_common.streams import MARKET_DATA
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import Tracing, inject

log = structlog.get_logger()

SNAPSHOT_EVERY_BAR_TIMES = 128
"""A restart replays at most so many bar times: well under a second of work."""
PUBLISH_RETRY_S = 30.0
STATE_BYTES_MAX = 256 * 1024
SNAPSHOT_BYTES_MAX = 900 * 1024
"""A message of the bus has at most 1 MB."""


class Worker:
    """identity: what the state depends on besides the bars. A snapshot of another identity is not used."""

    def __init__(
        self,
        *,
        partition: int,
        make_stage: Callable[[], Signals],
        bus: Bus,
        codec: Codec,
        snapshots: KeyValue,
        tracing: Tracing,
        metrics: Metrics,
        identity: str,
    ) -> None:
        self._make_stage = make_stage
        self._stage = make_stage()
        self._bus = bus
        self._codec = codec
        self._snapshots = snapshots
        self._tracing = tracing
        self._metrics = metrics
        self._identity = hashlib.sha256(identity.encode()).hexdigest()
        self._key = f"signals/{partition}"
        self._durable = f"signals-{partition}"
        patterns = [subject_filter(event, partition=partition) for event in HEARS["signals"]]
        self._spec = ConsumerSpec(stream=MARKET_DATA.name, durable=self._durable, filter_subjects=tuple(patterns))
        self._dead = metrics.counter("n1v1_dead_letters_total", stage="signals", reason="undecodable")
        self._bar_times = 0
        self._created_ns = 0
        self._subscription = OrderedSubscription(bus, self._spec, self._back_to_the_snapshot)

    async def start(self) -> None:
        """Restore the newest snapshot and subscribe from the bar after it."""
        await self._subscription.start()

    async def _back_to_the_snapshot(self) -> int:
        """A stage as the newest snapshot has it; the sequence of the first bar that is not in it."""
        position = await self._bus.stream_position(MARKET_DATA.name)
        self._created_ns = position.created_ns
        self._stage, self._bar_times = self._make_stage(), 0
        return await self._restore(last_seq=position.last_seq) + 1

    async def run(self) -> None:
        """Work until the bus drains."""
        async for batch in self._subscription:
            outgoing: list[Outgoing] = []
            with ExitStack() as spans:
                for delivery in batch:
                    outgoing += await self._hear(delivery, spans)
                self._report_failures()
                if outgoing:
                    reached(CrashPoint.BEFORE_COMMIT)
                    await self._bus.publish(outgoing, retry_for_s=PUBLISH_RETRY_S)
            reached(CrashPoint.PUBLISHED_NOT_ACKNOWLEDGED)
            await self._subscription.ack(batch)
            await self._maybe_snapshot(batch)

    async def _hear(self, delivery: Delivery, spans: ExitStack) -> list[Outgoing]:
        try:
            event, envelope = self._codec.decode(delivery.subject, delivery.data)
        except Undecodable as error:
            log.warning("put aside a message", delivery=repr(delivery), reason=str(error))
            await bury(self._bus, delivery, stage="signals", reason=str(error))
            self._dead.inc()
            return []
        since_ns = time.time_ns()
        if isinstance(event, BarsComplete):
            self._bar_times += 1
        said = self._stage.handle(event)
        return [self._outgoing(answer, event, envelope, delivery.headers, spans, since_ns) for answer in said]

    def _outgoing(
        self,
        said: Event,
        heard: Event,
        envelope: Envelope,
        headers: Mapping[str, str],
        spans: ExitStack,
        since_ns: int,
    ) -> Outgoing:
        subject, data = self._codec.encode(said)
        context: dict[str, str] = {}
        if isinstance(said, SignalRaised) and isinstance(heard, BarClosed):
            self._metrics.counter("signals_raised_total", strategy=said.instance, symbol=said.symbol).inc()
            attributes = {"n1v1.symbol": heard.symbol, "bar": heard.correlation_id, "event.id": heard.id}
            spans.enter_context(
                self._tracing.span(
                    "market_data.bar", parent_headers=headers, start_ns=envelope.ts_created_ns, attributes=attributes
                )
            )
            attributes = {"n1v1.instance": said.instance, "n1v1.action": said.action, "n1v1.reason": said.reason}
            spans.enter_context(self._tracing.span("signals.raise", start_ns=since_ns, attributes=attributes))
            inject(context)
        return Outgoing(subject, data, said.id, context)

    def _report_failures(self) -> None:
        for instance, symbol, error in self._stage.failures:
            log.error("a strategy raised and is stopped", instance=instance, symbol=symbol, exc_info=error)
            self._metrics.counter("signals_strategy_errors_total", strategy=instance).inc()
        self._stage.failures.clear()

    async def _maybe_snapshot(self, batch: Sequence[Delivery]) -> None:
        """Only between two bar times, when every signal of the bars so far is stored."""
        ends_bar_time = batch[-1].subject == subject_filter(BarsComplete)
        if self._bar_times >= SNAPSHOT_EVERY_BAR_TIMES and ends_bar_time:
            self._bar_times = 0
            await self._snapshot(batch[-1].seq)

    async def _snapshot(self, seq: int) -> None:
        stage = self._stage.snapshot()
        stage["runners"] = [runner for runner in stage["runners"] if self._can_be_kept(*runner)]
        content = {"identity": self._identity, "created_ns": self._created_ns, "seq": seq, "stage": stage}
        data = orjson.dumps(content)
        if len(data) > SNAPSHOT_BYTES_MAX:
            log.error("the state is too large to be kept; a restart begins further back", size=len(data))
            return
        await self._snapshots.put(self._key, data)

    def _can_be_kept(self, instance: str, symbol: str, state: object) -> bool:
        """A strategy whose state no snapshot can hold is stopped: after a restart it would not be what it was."""
        try:
            size = len(orjson.dumps(state))
        except TypeError as error:  # orjson's own, for what JSON does not know
            self._stage.stop(instance, symbol, f"its state cannot be saved: {error}")
            return False
        if size > STATE_BYTES_MAX:
            self._stage.stop(instance, symbol, f"its state has {size} bytes, at most {STATE_BYTES_MAX} can be kept")
            return False
        return True

    async def _restore(self, *, last_seq: int) -> int:
        """Take up the newest snapshot; the sequence of the last bar time in it, or 0 without one that fits."""
        entry = await self._snapshots.get(self._key)
        if entry is None:
            return 0
        content: dict[str, Any] = orjson.loads(entry.value)
        same = content["identity"] == self._identity and content["created_ns"] == self._created_ns
        if not same or content["seq"] > last_seq:
            log.info("the snapshot belongs to other strategies or another stream; starting from the first bar")
            return 0
        self._stage.restore(content["stage"])
        return int(content["seq"])
