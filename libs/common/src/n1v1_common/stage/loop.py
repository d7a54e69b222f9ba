"""The loop of a stage: one batch of messages, one commit, then publish, then acknowledge.

Whatever dies in between, the next start finds either nothing of a step or all of it:

    heard        decided      committed          published        acknowledged
      │ redelivered, decided again │ published again, recognised  │ redelivered, recognised │

The cursor lives with the state: a start reads every stream from the message after the last one stored, in order. So a
step that says nothing need not be stored by itself: it waits in memory for the next one that does, a second at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import count
from typing import Any, Protocol

import orjson
import structlog

from n1v1.events import Event
from n1v1_common.bus.api import (
    MSG_ID,
    Bus,
    BusError,
    ConsumerSpec,
    Delivery,
    Outgoing,
    StreamPosition,
)
from n1v1_common.bus.dead_letters import bury
from n1v1_common.bus.errors import SubscriptionLost
from n1v1_common.bus.ordered import OrderedSubscription
from n1v1_common.codec import Codec, Undecodable
from n1v1_common.codec.codec import subject_filter
from n1v1_common.crash_points import CrashPoint, reached
from n1v1_common.stage.contexts import TraceContexts
from n1v1_common.storage.errors import SeenBefore, StorageError, StorageUnavailable
from n1v1_common.storage.journal import Cursor, Effect, Journal, Step
from n1v1_common.streams import ALL_STREAMS, stream_of
from n1v1_common.telemetry.metrics import Metrics

log = structlog.get_logger()

ATTEMPTS_MAX = 3
QUIET_MAX = 256
"""So many messages may wait to be stored: what a restart reads again."""
HOUSEKEEPING_S = 1.0
PRUNE_EVERY = 600


class Handler(Protocol):
    """What a service's handler does with what its stage hears. Everything runs one event at a time."""

    async def handle(self, event: Event) -> Sequence[Event]:
        """The events that follow. May ask the world, must not change it: the step may be repeated."""

    async def after_step(self) -> None:
        """The step is committed and published: carry out what was decided."""

    def effects(self, events: Sequence[Event]) -> Sequence[Effect]:
        """Rows of the stage's own tables for the events of one step."""

    def open_causes(self) -> Collection[str]:
        """Ids of events that may still cause others: their trace contexts are kept."""

    def snapshot(self) -> dict[str, Any]: ...

    def restore(self, saved: Mapping[str, Any]) -> None: ...


class StageLoop:
    """One stage. `hears` comes from pipeline.HEARS; `handler` decides; the journal remembers."""

    def __init__(
        self,
        *,
        name: str,
        bus: Bus,
        journal: Journal,
        codec: Codec,
        handler: Handler,
        hears: Iterable[type[Event]],
        contexts: TraceContexts,
        metrics: Metrics,
        initial: Mapping[str, Any],
        has_work: Callable[[], bool] = lambda: False,
    ) -> None:
        """has_work: whether something is to be carried out although nothing may have been said."""
        self._name = name
        self._bus = bus
        self._journal = journal
        self._codec = codec
        self._handler = handler
        self._hears = tuple(hears)
        self._contexts = contexts
        self._initial = orjson.dumps(initial)
        self._has_work = has_work
        self._cursors: dict[str, Cursor] = {}
        self._handled_to: dict[str, Cursor] = {}
        self._stored_to: dict[str, Cursor] = {}
        self._quiet: list[Delivery] = []
        self._quiet_inbox: dict[str, None] = {}
        self._lock = asyncio.Lock()
        self._handled = metrics.counter("n1v1_messages_handled_total", durable=name, outcome="acknowledged")
        self._repeated = metrics.counter("n1v1_messages_handled_total", durable=name, outcome="repeated")
        self._dead = metrics.counter("n1v1_dead_letters_total", stage=name, reason="undecodable")
        self._poison = metrics.counter("n1v1_dead_letters_total", stage=name, reason="handler")
        self._seconds = metrics.histogram("n1v1_handling_seconds", durable=name)

    async def run(self, *, ready: Callable[[], None], draining: asyncio.Event) -> None:
        """Restore, publish what a previous life left unpublished, then work until told to drain."""
        subscriptions = await self._start()
        async with self._lock:
            await self._handler.after_step()
        ready()
        async with asyncio.TaskGroup() as tasks:
            house = tasks.create_task(self._keep_house())
            consuming = [tasks.create_task(self._consume(subscription)) for subscription in subscriptions]
            await _first(draining, consuming)
            await self._bus.drain()
            await asyncio.wait(consuming)
            house.cancel()
        async with self._lock:
            await self._store_quiet_steps()
            await self._journal.mark_sent()

    async def _start(self) -> list[OrderedSubscription]:
        await self._reload()
        streams: dict[str, list[str]] = {}
        for event in self._hears:
            pattern = subject_filter(event)
            streams.setdefault(stream_of(pattern).name, []).append(pattern)
        for stream in streams:  # before anything is published: that could hide that a stream has lost its end
            self._stored_to[stream] = self._begins_after(stream, await self._bus.stream_position(stream))
            self._handled_to[stream] = self._stored_to[stream]
        for spec in ALL_STREAMS:
            await self._journal.restore_stream(spec.name)
        pending = await self._journal.publish_pending()
        if pending:
            log.info("published what was left over", messages=pending)
        return [await self._subscribe(stream, tuple(patterns)) for stream, patterns in streams.items()]

    async def _keep_house(self) -> None:
        """Mark messages as sent and forget old ones, for as long as the service lives and is the writer."""
        for tick in count():
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._leave_if_superseded()
            async with self._lock:
                await self._store_quiet_steps()
                await self._journal.mark_sent()
            if tick % PRUNE_EVERY == 0:
                await self._journal.prune()

    async def _leave_if_superseded(self) -> None:
        """One who has nothing to store would never find out. A database that is away is the next step's trouble."""
        with suppress(StorageUnavailable):
            await self._journal.prove()

    async def act(self, decide: Callable[[], Sequence[Event]]) -> None:
        """A step that no message caused: a timer, an answer from outside."""
        async with self._lock:
            await self.commit_within_step(decide)
            await self._handler.after_step()

    async def commit_within_step(self, decide: Callable[[], Sequence[Event]]) -> None:
        """The same for handlers, which run inside a step already. The state is stored even when nothing is said."""
        since_ns = time.time_ns()
        await self._commit([], {}, list(decide()), since_ns)

    async def _subscribe(self, stream: str, patterns: tuple[str, ...]) -> OrderedSubscription:
        async def next_seq() -> int:
            return self._handled_to[stream].seq + 1

        spec = ConsumerSpec(stream=stream, durable=self._name, filter_subjects=patterns)
        subscription = OrderedSubscription(self._bus, spec, next_seq)
        await subscription.start()
        return subscription

    def _begins_after(self, stream: str, position: StreamPosition) -> Cursor:
        """The stored cursor, or the beginning of a stream that is not the one it was, or has lost its end."""
        cursor = self._cursors.get(stream)
        if cursor is None or cursor.created_ns != position.created_ns or cursor.seq > position.last_seq:
            return Cursor(0, position.created_ns)
        return cursor

    async def _consume(self, subscription: OrderedSubscription) -> None:
        try:
            async for batch in subscription:
                async with self._lock:
                    with self._seconds.time():
                        await self._work(batch)
                reached(CrashPoint.PUBLISHED_NOT_ACKNOWLEDGED)
                await subscription.ack(batch)
        except SubscriptionLost:
            await self._journal.prove()  # a successor takes the durable as well: say that rather than what follows
            raise

    async def _work(self, batch: Sequence[Delivery], *, may_wait: bool = True) -> None:
        """Handle a batch; one that fails is taken apart, and a message that fails again and again is put aside.

        may_wait: whether the batch may stay in memory for a while if it says nothing.
        """
        try:
            await self._step(batch, may_wait=may_wait)
            return
        except SeenBefore:
            batch = await self._reload_before(batch)
            await self._work_on_unhandled(batch)
            return
        except (StorageError, BusError, OSError):
            raise  # the world's trouble: die, be restarted, reconcile
        except Exception:
            log.exception("a step failed", messages=len(batch), first=repr(batch[0]))
            batch = await self._reload_before(batch)
        if len(batch) > 1:
            for delivery in batch:
                await self._work([delivery], may_wait=False)
            return
        await self._try_again(batch[0])

    async def _try_again(self, delivery: Delivery) -> None:
        for attempt in range(2, ATTEMPTS_MAX + 1):
            try:
                await self._step([delivery], may_wait=False)
                return
            except SeenBefore:  # it was stored; what failed came after that
                await self._reload()
                await self._work_on_unhandled([delivery])
                return
            except (StorageError, BusError, OSError):
                raise
            except Exception as error:
                log.exception("a message failed again", attempt=attempt, delivery=repr(delivery))
                await self._reload()
                reason = f"{type(error).__name__}: {error}"
        await self._bury(delivery, f"failed {ATTEMPTS_MAX} times, last with {reason}")
        self._poison.inc()
        await self._commit([], self._cursors_after([delivery]), [], time.time_ns())

    async def _work_on_unhandled(self, batch: Sequence[Delivery]) -> None:
        unhandled = await self._journal.unhandled([_msg_id(delivery) for delivery in batch])
        left = [delivery for delivery in batch if _msg_id(delivery) in unhandled]
        self._repeated.inc(len(batch) - len(left))
        if left:
            await self._work(left)
        else:
            await self._handler.after_step()

    async def _step(self, batch: Sequence[Delivery], *, may_wait: bool) -> None:
        since_ns = time.time_ns()
        said: list[Event] = []
        inbox: dict[str, None] = {}
        for delivery in batch:
            event = await self._decode(delivery)
            if event is None or _msg_id(delivery) in inbox or _msg_id(delivery) in self._quiet_inbox:
                continue
            inbox[_msg_id(delivery)] = None
            said.extend(await self._handler.handle(event))
        self._handled.inc(len(batch))
        if may_wait and not said and len(self._quiet) < QUIET_MAX and not self._has_work():
            self._quiet.extend(batch)
            self._quiet_inbox |= inbox
            self._handled_to |= self._cursors_after(batch)
            return
        await self._commit(list(inbox), self._cursors_after(batch), said, since_ns)
        await self._handler.after_step()

    async def _store_quiet_steps(self) -> None:
        while self._quiet:
            try:
                await self._commit([], {}, [], time.time_ns())
            except SeenBefore:  # the others of them are handled again, and may wait again
                await self._work_on_unhandled(await self._reload_before([]))

    async def _reload_before(self, batch: Sequence[Delivery]) -> Sequence[Delivery]:
        """Go back to what is stored; what has to be handled again is answered: quiet steps, and the batch."""
        again = [*self._quiet, *batch]
        await self._reload()
        return again

    async def _decode(self, delivery: Delivery) -> Event | None:
        try:
            event, _ = self._codec.decode(delivery.subject, delivery.data)
        except Undecodable as error:
            await self._bury(delivery, str(error))
            self._dead.inc()
            return None
        self._contexts.heard(event, delivery.headers)
        return event

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        log.error("put aside a message", delivery=repr(delivery), reason=reason)
        await bury(self._bus, delivery, stage=self._name, reason=reason)

    async def _commit(
        self, inbox: list[str], cursors: Mapping[str, Cursor], said: Sequence[Event], since_ns: int
    ) -> None:
        with ExitStack() as spans:
            outgoing = [self._outgoing(event, spans, since_ns) for event in said]
            self._contexts.keep_only(self._handler.open_causes())
            state = orjson.dumps({"handler": self._handler.snapshot(), "contexts": self._contexts.snapshot()})
            effects = self._handler.effects(said)
            quiet = {delivery.stream for delivery in self._quiet}
            cursors = {stream: self._handled_to[stream] for stream in quiet} | dict(cursors)
            inbox = [*self._quiet_inbox, *(msg_id for msg_id in inbox if msg_id not in self._quiet_inbox)]
            reached(CrashPoint.BEFORE_COMMIT)
            outbox_ids = await self._journal.commit(Step(inbox, cursors, state, outgoing, effects))
            self._quiet, self._quiet_inbox = [], {}
            self._handled_to |= cursors
            self._stored_to |= cursors
            if outgoing:
                reached(CrashPoint.COMMITTED_NOT_PUBLISHED)
                await self._journal.publish(outbox_ids, outgoing)

    def _outgoing(self, event: Event, spans: ExitStack, since_ns: int) -> Outgoing:
        subject, data = self._codec.encode(event)
        return Outgoing(subject, data, event.id, self._contexts.headers_for(event, spans, since_ns=since_ns))

    def _cursors_after(self, batch: Sequence[Delivery]) -> dict[str, Cursor]:
        """A message that is delivered again, after its successors, does not take the cursor back."""
        reached: dict[str, int] = {}
        for delivery in batch:  # quiet steps and a batch that are handled again may be of several streams
            stream = delivery.stream
            reached[stream] = max(delivery.seq, reached.get(stream, self._handled_to[stream].seq))
        return {stream: replace(self._handled_to[stream], seq=seq) for stream, seq in reached.items()}

    async def _reload(self) -> None:
        """Go back to what is stored: at the start, and after a step that failed half way."""
        saved = await self._journal.load()
        self._cursors = dict(saved.cursors)
        self._quiet, self._quiet_inbox = [], {}
        self._handled_to |= self._stored_to
        if saved.state is None:
            self._handler.restore(orjson.loads(self._initial))
            self._contexts.restore({})
            return
        state = orjson.loads(saved.state)
        self._handler.restore(state["handler"])
        self._contexts.restore(state["contexts"])


async def _first(event: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until the event is set or one of the tasks has ended."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


def _msg_id(delivery: Delivery) -> str:
    return delivery.headers.get(MSG_ID) or f"{delivery.stream}:{delivery.seq}"
