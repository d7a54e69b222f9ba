"""The bus as the services see it: publish, consume, look back.

Two adapters implement it and pass the same tests: `nats.NatsBus` (JetStream) and `memory.MemoryBus`.
Delivery is at least once and, per durable, in stream order until something is redelivered: a message that was
nak'd or whose acknowledgement got lost comes again after its successors.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

from n1v1_common.bus.errors import (
    BusClosed,
    BusError,
    BusUnavailable,
    NoStreamHears,
    PublishError,
    PublishRefused,
    PublishUnknown,
    RevisionConflict,
    StreamMismatch,
    StreamMissing,
    SubscriptionLost,
)

__all__ = [
    "IN_FLIGHT_MAX",
    "MSG_ID",
    "NO_HEADERS",
    "BucketSpec",
    "Bus",
    "BusClosed",
    "BusError",
    "BusUnavailable",
    "ConsumerSpec",
    "Delivery",
    "Entry",
    "KeyValue",
    "NoStreamHears",
    "Origin",
    "Outgoing",
    "PublishError",
    "PublishRefused",
    "PublishUnknown",
    "Published",
    "RevisionConflict",
    "StreamMismatch",
    "StreamMissing",
    "StreamPosition",
    "StreamSpec",
    "Subscription",
    "SubscriptionLost",
    "Tap",
    "Tapped",
]

MSG_ID = "Nats-Msg-Id"
DURABLE_NAME = re.compile(r"[-_a-zA-Z0-9]+")  # dots and wildcards would change the subjects of its requests
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

# Measured: a larger window gains nothing (36k a second at 64, 38k at 256) and leaves more unknown in a crash.
IN_FLIGHT_MAX = 64


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish. `msg_id` is derived from its cause, never drawn, so that a retry is known."""

    subject: str
    data: bytes
    msg_id: str
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)


class Published(NamedTuple):
    """Where a message is stored. `duplicate`: it was there before, `seq` is the first one's."""

    stream: str
    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A durable consumer: a name, what it hears, and how patient the server is with it.

    ack_wait_s: how long a delivery may stay unanswered before it is delivered again. Work in hand is reported
        from a timer, so this bounds the time to recover from a killed process, not the time a handler takes.
    max_deliver: after so many deliveries the message is left alone and an advisory is raised, see
        dead_letters. A restart of the consumer counts for what it held.
    """

    stream: str
    durable: str
    filter_subjects: tuple[str, ...]
    max_batch: int = 256
    max_ack_pending: int = 1024
    ack_wait_s: float = 5.0
    max_deliver: int = 5

    def __post_init__(self) -> None:
        if DURABLE_NAME.fullmatch(self.durable) is None:
            raise ValueError(f"durable {self.durable!r}: only letters, digits, - and _")
        if not self.filter_subjects:
            raise ValueError(f"durable {self.durable} hears nothing: filter_subjects is empty")
        if min(self.max_batch, self.max_ack_pending, self.max_deliver) < 1 or self.ack_wait_s <= 0:
            raise ValueError(f"durable {self.durable}: batches, limits and ack_wait_s must be positive: {self}")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream kept by limits: what is older or more than allowed goes, read or not.

    Not a work queue: its duplicate detection would forget acknowledged messages when the server is killed.
    max_bytes: -1 is without limit.
    is_synced: whether a message is on disk, as surely as the server makes it, before it is acknowledged. Otherwise a
        server that is killed may come back without its newest messages, and numbers go on from the last one it has;
        who publishes has to notice. Decided when the stream is made; it stays so.
    """

    name: str
    subjects: tuple[str, ...]
    description: str
    max_age_s: float
    max_bytes: int
    duplicate_window_s: float = 600.0
    is_synced: bool = True


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """A key-value bucket. `history`: revisions kept per key."""

    bucket: str
    description: str
    history: int = 1
    max_bytes: int = -1


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """first_seq is last_seq + 1 in an empty stream. `created_ns` changes when a stream was lost and made
    anew.
    """

    first_seq: int
    last_seq: int
    created_ns: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a delivery comes from. `deliveries`: 1 the first time. `published_ns`: the server's clock.

    consumer_seq: counts what the durable has delivered, from 1, repeated deliveries included; 0 outside a durable.
    """

    stream: str
    seq: int
    deliveries: int
    published_ns: int
    consumer_seq: int = 0


class Delivery:
    """A stored message as it reaches a handler.

    A hand-written class because it is built once per message: the adapter for NATS reads the origin out of
    the acknowledgement subject only when somebody asks.
    """

    __slots__ = ("_origin", "data", "headers", "subject")

    def __init__(
        self,
        *,
        stream: str,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        seq: int,
        deliveries: int = 1,
        published_ns: int = 0,
        consumer_seq: int = 0,
    ) -> None:
        self.subject = subject
        self.data = data
        self.headers = headers
        self._origin: Origin | None = Origin(stream, seq, deliveries, published_ns, consumer_seq)

    @property
    def origin(self) -> Origin:
        assert self._origin is not None
        return self._origin

    @property
    def stream(self) -> str:
        return self.origin.stream

    @property
    def seq(self) -> int:
        return self.origin.seq

    @property
    def consumer_seq(self) -> int:
        return self.origin.consumer_seq

    @property
    def deliveries(self) -> int:
        return self.origin.deliveries

    @property
    def published_ns(self) -> int:
        return self.origin.published_ns

    @property
    def msg_id(self) -> str:
        """The publisher's message id; empty when it gave none."""
        return self.headers.get(MSG_ID, "")

    def __repr__(self) -> str:
        return f"<{self.stream}:{self.seq} {self.subject} {self.msg_id} delivery {self.deliveries}>"


class Tapped(NamedTuple):
    """A message overheard by a tap; it may not be stored yet."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


class Entry(NamedTuple):
    value: bytes
    revision: int


class Subscription(Protocol):
    """One durable being read: `async for batch in subscription`, batches of 1 to max_batch in stream order.

    A batch counts as being worked on from the moment it is handed out until the next one is asked for; the
    adapter keeps it (and what waits behind it) alive on the server meanwhile. The iteration ends when the
    subscription is closed or the bus drains, and raises SubscriptionLost when somebody else took the durable.
    """

    def __aiter__(self) -> AsyncIterator[list[Delivery]]: ...

    async def __anext__(self) -> list[Delivery]: ...

    async def ack(self, batch: Sequence[Delivery]) -> None:
        """The work is done and stored. A lost acknowledgement means another delivery, so effects must be
        idempotent.
        """

    async def nak(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        """Deliver it again, after `delay_s`; its successors come first."""

    async def term(self, delivery: Delivery, reason: str) -> None:
        """Never deliver it again; the reason reaches the dead letters by way of the advisories."""

    async def close(self) -> None:
        """Stop. What was not handed out yet goes back to the server at once; what is in hand comes again
        after ack_wait.
        """


class KeyValue(Protocol):
    """Small values by key, with a revision per write: snapshots of strategy state."""

    async def get(self, key: str) -> Entry | None: ...

    async def put(self, key: str, value: bytes, *, expected_revision: int | None = None) -> int:
        """The new revision. expected_revision: the one last read, 0 for "not there yet", None for "whatever
        it is".

        Raises:
            RevisionConflict: somebody else wrote in between.
        """


class Tap(Protocol):
    """Messages passing by, for displays: nothing is kept, the oldest are dropped when nobody reads fast
    enough.
    """

    def __aiter__(self) -> AsyncIterator[Tapped]: ...

    async def __anext__(self) -> Tapped: ...

    async def close(self) -> None: ...


class Bus(Protocol):
    @property
    def epoch(self) -> int:
        """Counts lost connections. After one, what was on its way comes again behind its successors; see ordered."""

    async def declare(self, streams: Sequence[StreamSpec], buckets: Sequence[BucketSpec] = ()) -> None:
        """Create the streams and buckets, or change existing ones into what is declared.

        Raises:
            StreamMismatch: the server refuses the change, or another stream stores the same subjects.
        """

    async def publish(self, messages: Sequence[Outgoing], *, retry_for_s: float = 0.0) -> list[Published]:
        """Store the messages in this order; at most IN_FLIGHT_MAX wait for their acknowledgement at a time.

        retry_for_s: keep sending what has no answer, under the same message ids, for so long. The order holds over
            reconnects; only a message that a full or missing stream refused comes after its successors.

        Raises:
            PublishUnknown: some have no answer in time; nothing after the first such window was sent.
            PublishRefused, NoStreamHears: the server said no.
        """

    async def consume(self, spec: ConsumerSpec, *, start_seq: int | None = None) -> Subscription:
        """Read a durable from where it stopped, or strictly from start_seq on.

        With start_seq the durable forgets everything it knew: the first delivery is the first matching
        message with seq >= start_seq, nothing is pending from before. A stage that keeps its cursor with its
        state starts this way. Without it an existing durable goes on and takes over changed settings.

        Raises:
            StreamMissing: declare first.
        """

    async def tap(self, subject: str) -> Tap:
        """Listen to what is published from now on (wildcards allowed), without storage or acknowledgement."""

    async def last_message(self, stream: str, subject: str) -> Delivery | None:
        """The newest stored message whose subject matches (wildcards allowed)."""

    async def read(self, stream: str, *, start_seq: int = 1, limit: int = 100, subject: str = ">") -> list[Delivery]:
        """Look at stored messages from start_seq on, without a consumer. One request each: for tools, not for
        the flow.
        """

    async def stream_position(self, stream: str) -> StreamPosition:
        """Raises StreamMissing."""

    async def key_value(self, spec: BucketSpec) -> KeyValue:
        """The bucket, made if it is not there."""

    async def drain(self) -> None:
        """Stop pulling, let the handlers finish what they hold, wait for acknowledgements, close. Twice is
        once.
        """
