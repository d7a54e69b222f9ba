"""What a JetStream server does, in one process and without I/O: streams, durables, buckets.

It behaves as the real one was seen to behave; the shared test suite holds both to it.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from n1v1_common.bus.api import (
    MSG_ID,
    BucketSpec,
    ConsumerSpec,
    Delivery,
    Entry,
    Outgoing,
    Published,
    RevisionConflict,
    StreamMismatch,
    StreamMissing,
    StreamPosition,
    StreamSpec,
)
from n1v1_common.bus.clock import NS_PER_S, Clock, WallClock
from n1v1_common.bus.subjects import check_key, matches

Listener = Callable[[str, bytes, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class Stored:
    seq: int
    subject: str
    data: bytes
    headers: Mapping[str, str]
    stored_ns: int

    def delivery(self, stream: str, deliveries: int = 1, consumer_seq: int = 0) -> Delivery:
        return Delivery(
            stream=stream,
            subject=self.subject,
            data=self.data,
            headers=self.headers,
            seq=self.seq,
            deliveries=deliveries,
            published_ns=self.stored_ns,
            consumer_seq=consumer_seq,
        )


class MemoryStream:
    def __init__(self, spec: StreamSpec, clock: Clock) -> None:
        self.spec = spec
        self.created_ns = clock.now_ns()
        self.durables: dict[str, MemoryDurable] = {}
        self._clock = clock
        self._messages: OrderedDict[int, Stored] = OrderedDict()
        self._bytes = 0
        self._last_seq = 0
        self._recent_ids: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def hears(self, subject: str) -> bool:
        return any(matches(pattern, subject) for pattern in self.spec.subjects)

    def store(self, subject: str, data: bytes, headers: Mapping[str, str]) -> Published:
        now_ns = self._clock.now_ns()
        msg_id = headers.get(MSG_ID)
        if msg_id is not None and (first_seq := self._seen(msg_id, now_ns)) is not None:
            return Published(self.spec.name, first_seq, duplicate=True)
        self._last_seq += 1
        self._messages[self._last_seq] = Stored(self._last_seq, subject, data, dict(headers), now_ns)
        self._bytes += len(data)
        if msg_id is not None:
            self._recent_ids[msg_id] = (self._last_seq, now_ns)
        self._drop_beyond_limits(now_ns)
        for durable in self.durables.values():
            durable.wake()
        return Published(self.spec.name, self._last_seq, duplicate=False)

    def get(self, seq: int) -> Stored | None:
        self._drop_beyond_limits(self._clock.now_ns())
        return self._messages.get(seq)

    def messages_from(self, seq: int) -> Iterator[Stored]:
        """Stored messages with at least this sequence, in order."""
        self._drop_beyond_limits(self._clock.now_ns())
        for candidate in range(max(seq, self.position().first_seq), self._last_seq + 1):
            if (message := self._messages.get(candidate)) is not None:
                yield message

    def last(self, subject: str) -> Stored | None:
        self._drop_beyond_limits(self._clock.now_ns())
        return next((m for m in reversed(self._messages.values()) if matches(subject, m.subject)), None)

    def position(self) -> StreamPosition:
        first_seq = next(iter(self._messages), self._last_seq + 1)
        return StreamPosition(first_seq, self._last_seq, self.created_ns)

    def _seen(self, msg_id: str, now_ns: int) -> int | None:
        window_ns = round(self.spec.duplicate_window_s * NS_PER_S)
        while self._recent_ids and next(iter(self._recent_ids.values()))[1] + window_ns <= now_ns:
            self._recent_ids.popitem(last=False)
        seen = self._recent_ids.get(msg_id)
        return None if seen is None else seen[0]

    def _drop_beyond_limits(self, now_ns: int) -> None:
        oldest_ns = now_ns - round(self.spec.max_age_s * NS_PER_S)
        while self._messages:
            oldest = next(iter(self._messages.values()))
            too_many_bytes = 0 <= self.spec.max_bytes < self._bytes
            if oldest.stored_ns > oldest_ns and not too_many_bytes:
                return
            del self._messages[oldest.seq]
            self._bytes -= len(oldest.data)


@dataclass(slots=True)
class Outstanding:
    """A message that was delivered and not answered. `due_ns`: when it is delivered again."""

    deliveries: int
    due_ns: int


@dataclass(slots=True)
class MemoryDurable:
    """A durable's memory on the server: where it is, and what it waits for.

    vouchers: asked before a delivery is given up as unanswered; this stands for the in_progress messages that
        a client of a real server sends from a timer.
    """

    spec: ConsumerSpec
    stream: MemoryStream
    clock: Clock
    advise: Callable[[str, Mapping[str, object]], None]
    next_seq: int = 1
    outstanding: dict[int, Outstanding] = field(default_factory=dict)
    again: deque[int] = field(default_factory=deque)
    delivered: int = 0
    wakers: set[Callable[[], None]] = field(default_factory=set)
    vouchers: set[Callable[[int], bool]] = field(default_factory=set)
    gone: bool = False

    def take(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages: what has to come again first, then new ones, in stream order."""
        batch: list[Delivery] = []
        due_ns = self.clock.now_ns() + round(self.spec.ack_wait_s * NS_PER_S)
        while self.again and len(batch) < limit:
            self._append_again(batch, self.again.popleft(), due_ns)
        self._append_new(batch, min(limit, self.spec.max_ack_pending - len(self.outstanding) + len(batch)), due_ns)
        if batch:
            self.clock.call_at(due_ns, self._expire)
        return batch

    def ack(self, seq: int) -> None:
        self._forget(seq)
        self.wake()

    def nak(self, seq: int, delay_s: float) -> None:
        waiting = self.outstanding.get(seq)
        if waiting is not None:
            waiting.due_ns = self.clock.now_ns() + round(delay_s * NS_PER_S)
            self._expire() if delay_s <= 0 else self.clock.call_at(waiting.due_ns, self._expire)

    def term(self, seq: int, reason: str) -> None:
        waiting = self._forget(seq)
        if waiting is not None:
            self._advise("MSG_TERMINATED", "terminated", seq, waiting.deliveries, reason=reason)
        self.wake()

    def wake(self) -> None:
        for waker in tuple(self.wakers):
            waker()

    def _append_again(self, batch: list[Delivery], seq: int, due_ns: int) -> None:
        waiting = self.outstanding[seq]
        message = self.stream.get(seq)
        if message is None:
            del self.outstanding[seq]
            return
        waiting.deliveries += 1
        waiting.due_ns = due_ns
        batch.append(self._delivery(message, waiting.deliveries))

    def _append_new(self, batch: list[Delivery], limit: int, due_ns: int) -> None:
        for message in self.stream.messages_from(self.next_seq):
            if len(batch) >= limit:
                return
            self.next_seq = message.seq + 1
            if any(matches(pattern, message.subject) for pattern in self.spec.filter_subjects):
                self.outstanding[message.seq] = Outstanding(deliveries=1, due_ns=due_ns)
                batch.append(self._delivery(message, 1))

    def _delivery(self, message: Stored, deliveries: int) -> Delivery:
        self.delivered += 1
        return message.delivery(self.spec.stream, deliveries, self.delivered)

    def _forget(self, seq: int) -> Outstanding | None:
        if seq in self.again:
            self.again.remove(seq)
        return self.outstanding.pop(seq, None)

    def _expire(self) -> None:
        now_ns = self.clock.now_ns()
        due = [seq for seq, waiting in self.outstanding.items() if waiting.due_ns <= now_ns and seq not in self.again]
        if due and not self.gone:
            for seq in due:
                self._fall_due(seq, self.outstanding[seq], now_ns)
            self.wake()

    def _fall_due(self, seq: int, waiting: Outstanding, now_ns: int) -> None:
        if any(vouches(seq) for vouches in self.vouchers):
            waiting.due_ns = now_ns + round(self.spec.ack_wait_s * NS_PER_S)
            self.clock.call_at(waiting.due_ns, self._expire)
        elif waiting.deliveries >= self.spec.max_deliver:
            del self.outstanding[seq]
            self._advise("MAX_DELIVERIES", "max_deliver", seq, waiting.deliveries)
        else:
            self.again.append(seq)

    def _advise(self, token: str, kind: str, seq: int, deliveries: int, **more: object) -> None:
        subject = f"$JS.EVENT.ADVISORY.CONSUMER.{token}.{self.spec.stream}.{self.spec.durable}"
        facts = {
            "type": f"io.nats.jetstream.advisory.v1.{kind}",
            "stream": self.spec.stream,
            "consumer": self.spec.durable,
            "stream_seq": seq,
            "deliveries": deliveries,
        }
        self.advise(subject, facts | more)


class MemoryServer:
    """Streams and durables that outlive the buses talking to them, as a server outlives its clients."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or WallClock()
        self.listeners: set[Listener] = set()
        self._streams: dict[str, MemoryStream] = {}
        self._buckets: dict[str, MemoryBucket] = {}

    def declare(self, spec: StreamSpec) -> None:
        for other in self._streams.values():
            shared = [s for s in spec.subjects for o in other.spec.subjects if matches(o, s) or matches(s, o)]
            if other.spec.name != spec.name and shared:
                raise StreamMismatch(f"{spec.name}: {shared[0]} is already stored by {other.spec.name}")
        if spec.name in self._streams:
            self._streams[spec.name].spec = spec
        else:
            self._streams[spec.name] = MemoryStream(spec, self.clock)

    def stream(self, name: str) -> MemoryStream:
        if name not in self._streams:
            raise StreamMissing(name)
        return self._streams[name]

    def publish(self, message: Outgoing) -> Published | None:
        """None when no stream hears the subject."""
        headers = {**message.headers, MSG_ID: message.msg_id}
        for listener in tuple(self.listeners):
            listener(message.subject, message.data, headers)
        return self._store(message.subject, message.data, headers)

    def durable(self, spec: ConsumerSpec, start_seq: int | None) -> MemoryDurable:
        stream = self.stream(spec.stream)
        known = stream.durables.get(spec.durable)
        if known is not None and start_seq is None:
            known.spec = spec
            return known
        if known is not None:
            known.gone = True
            known.wake()
        durable = MemoryDurable(spec, stream, self.clock, self._advise, next_seq=start_seq or 1)
        stream.durables[spec.durable] = durable
        return durable

    def bucket(self, spec: BucketSpec) -> MemoryBucket:
        return self._buckets.setdefault(spec.bucket, MemoryBucket())

    def _store(self, subject: str, data: bytes, headers: Mapping[str, str]) -> Published | None:
        stream = next((s for s in self._streams.values() if s.hears(subject)), None)
        return None if stream is None else stream.store(subject, data, headers)

    def _advise(self, subject: str, facts: Mapping[str, object]) -> None:
        self._store(subject, json.dumps(facts).encode(), {})


class MemoryBucket:
    """Revisions count over the whole bucket, as in JetStream."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._last_revision = 0

    async def get(self, key: str) -> Entry | None:
        return self._entries.get(check_key(key))

    async def put(self, key: str, value: bytes, *, expected_revision: int | None = None) -> int:
        known = self._entries.get(check_key(key))
        revision = 0 if known is None else known.revision
        if expected_revision is not None and expected_revision != revision:
            raise RevisionConflict(key, expected_revision)
        self._last_revision += 1
        self._entries[key] = Entry(value, self._last_revision)
        return self._last_revision
