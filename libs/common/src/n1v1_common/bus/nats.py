"""The bus on NATS JetStream, with nats-py as the wire and everything that has to be right on top of it here.

`nats_connection`, `nats_publisher` and `nats_subscription` say which traps each part avoids.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from n1v1_common.bus.api import (
    NO_HEADERS,
    BucketSpec,
    BusClosed,
    BusError,
    ConsumerSpec,
    Delivery,
    Entry,
    KeyValue,
    Outgoing,
    Published,
    RevisionConflict,
    StreamMismatch,
    StreamMissing,
    StreamPosition,
    StreamSpec,
    Subscription,
    Tap,
    Tapped,
)
from n1v1_common.bus.nats_connection import (
    API_TIMEOUT_S,
    ApiError,
    BusCounters,
    Connection,
    Json,
    exit_process,
    translated_errors,
)
from n1v1_common.bus.nats_publisher import Publisher
from n1v1_common.bus.nats_subscription import (
    CONSUMER_NOT_FOUND,
    NS_PER_S,
    STREAM_NOT_FOUND,
    PullSubscription,
)
from n1v1_common.bus.subjects import check_key

STREAM_NAME_IN_USE = 10058
WRONG_LAST_SEQUENCE = (10071, 10164)
MESSAGE_NOT_FOUND = 10037
TAP_BACKLOG_MAX = 4096
PERSIST_MODE = "persist_mode"
"""`async` spares the fsync of each message that a server with `sync_interval: always` makes, and most writes. Streams
with several replicas do not have it."""
EXPECTED_REVISION = "Nats-Expected-Last-Subject-Sequence"


class NatsBus:
    """Open with `connect`, close with `drain`."""

    def __init__(
        self, connection: Connection, publisher: Publisher, *, drain_timeout_s: float, replicas: int = 1
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._publisher = publisher
        self._drain_timeout_s = drain_timeout_s
        self._replicas = replicas
        self._subscriptions: list[PullSubscription] = []
        self._taps: list[NatsTap] = []
        self._closed = False

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        replicas: int = 1,
        on_dead: Callable[[str], None] = exit_process,
        connect_timeout_s: float = 10.0,
        ack_timeout_s: float = 5.0,
        drain_timeout_s: float = 10.0,
        watch_interval_s: float = 2.0,
        watch_failures_max: int = 5,
    ) -> NatsBus:
        """Connect and stay connected: reconnects never end, and go to whichever node of a cluster answers.

        url: of one server, or of the nodes of a cluster with commas.
        replicas: how many nodes keep what is declared here; what has more keeps them.
        on_dead: called with the reason when the connection cannot be trusted to recover (watch_failures_max
            checks in a row without a sign of life, or closed for good); by default the process exits.
        ack_timeout_s: how long a publish waits for its acknowledgement before it counts as unknown.

        Raises:
            BusUnavailable: no server there within connect_timeout_s.
        """
        connection = Connection(
            on_dead=on_dead, watch_interval_s=watch_interval_s, watch_failures_max=watch_failures_max
        )
        publisher = Publisher(connection, ack_timeout_s=ack_timeout_s)
        await connection.open(url, name=name, timeout_s=connect_timeout_s)
        await publisher.start()
        return cls(connection, publisher, drain_timeout_s=drain_timeout_s, replicas=replicas)

    @property
    def is_connected(self) -> bool:
        return self._connection.connected.is_set() and not self._closed

    @property
    def epoch(self) -> int:
        return self._connection.counters.reconnects

    @property
    def counters(self) -> BusCounters:
        return self._connection.counters

    async def declare(self, streams: Sequence[StreamSpec], buckets: Sequence[BucketSpec] = ()) -> None:
        self._check_open()
        for spec in streams:
            await self._declare(spec.name, stream_config(spec))
        for bucket in buckets:
            await self._declare(f"KV_{bucket.bucket}", bucket_config(bucket))

    async def publish(self, messages: Sequence[Outgoing], *, retry_for_s: float = 0.0) -> list[Published]:
        self._check_open()
        return await self._publisher.publish(messages, retry_for_s=retry_for_s)

    async def consume(self, spec: ConsumerSpec, *, start_seq: int | None = None) -> Subscription:
        self._check_open()
        try:
            await self._place_durable(spec, start_seq)
        except ApiError as error:
            raise self._stream_error(spec.stream, error) from error
        subscription = PullSubscription(self._connection, spec)
        await subscription.start()
        self._subscriptions.append(subscription)
        return subscription

    async def tap(self, subject: str) -> Tap:
        self._check_open()
        tap = NatsTap()
        async with translated_errors():
            tap.subscription = await self._client.subscribe(subject, cb=tap.hear)
        self._taps.append(tap)
        return tap

    async def last_message(self, stream: str, subject: str) -> Delivery | None:
        return await self._stored(stream, {"last_by_subj": subject})

    async def read(self, stream: str, *, start_seq: int = 1, limit: int = 100, subject: str = ">") -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < limit:
            following = found[-1].seq + 1 if found else max(start_seq, 1)
            message = await self._stored(stream, {"seq": following, "next_by_subj": subject})
            if message is None:
                break
            found.append(message)
        return found

    async def stream_position(self, stream: str) -> StreamPosition:
        facts = await self._stream_info(stream)
        state = facts["state"]
        first_seq = state["first_seq"] if state["messages"] else state["last_seq"] + 1
        return StreamPosition(first_seq, state["last_seq"], parse_time_ns(facts["created"]))

    async def key_value(self, spec: BucketSpec) -> KeyValue:
        try:
            await self._stream_info(f"KV_{spec.bucket}")
        except StreamMissing:
            await self.declare((), [spec])
        return NatsKeyValue(self, spec.bucket)

    async def drain(self) -> None:
        if self._closed:
            return
        # A handler that does not end, or a server that is away: what they hold comes again.
        with contextlib.suppress(TimeoutError, BusError):
            async with asyncio.timeout(self._drain_timeout_s):
                await asyncio.gather(*(s.stop() for s in self._subscriptions))
                await asyncio.gather(*(s.wait_idle() for s in self._subscriptions))
                await self._publisher.wait_idle()
                await self._flush()
        await self.close()

    async def close(self) -> None:
        """At once, without finishing anything; what is in hand comes again after ack_wait."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._subscriptions:
            subscription.abandon()
        for tap in self._taps:
            await tap.close()
        await self._connection.close()

    async def _flush(self) -> None:
        if self._client.is_connected:
            async with translated_errors():
                await self._client.flush(round(self._drain_timeout_s))

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosed("the bus is closed")

    async def _declare(self, name: str, config: Mapping[str, object]) -> None:
        try:
            await self._connection.api(f"STREAM.CREATE.{name}", replicated(config, self._replicas))
        except ApiError as error:
            if error.err_code != STREAM_NAME_IN_USE:
                raise StreamMismatch(f"stream {name}: {error}") from error
            await self._change(name, config)

    async def _change(self, name: str, config: Mapping[str, object]) -> None:
        """Settings that are not declared here stay as the operator made them, and so does a larger number of
        replicas.
        """
        existing: Json = (await self._stream_info(name))["config"]
        kept = {key: existing[key] for key in ("placement", "storage") if key in existing}
        replicas = {"num_replicas": max(self._replicas, existing["num_replicas"])}
        declared = {key: value for key, value in config.items() if key != PERSIST_MODE}  # it cannot be changed
        try:
            await self._connection.api(f"STREAM.UPDATE.{name}", existing | declared | kept | replicas)
        except ApiError as error:
            raise StreamMismatch(f"stream {name} exists and cannot become what is declared: {error}") from error

    async def _place_durable(self, spec: ConsumerSpec, start_seq: int | None) -> None:
        config = consumer_config(spec)
        if start_seq is not None:
            await self._delete_durable(spec)
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": max(start_seq, 1)}
        else:
            existing = await self._durable_config(spec)
            config |= {key: existing[key] for key in ("deliver_policy", "opt_start_seq") if key in existing}
        request = {"stream_name": spec.stream, "config": config}
        await self._connection.api(f"CONSUMER.CREATE.{spec.stream}.{spec.durable}", request)

    async def _delete_durable(self, spec: ConsumerSpec) -> None:
        try:
            await self._connection.api(f"CONSUMER.DELETE.{spec.stream}.{spec.durable}")
        except ApiError as error:
            if error.err_code != CONSUMER_NOT_FOUND:
                raise

    async def _durable_config(self, spec: ConsumerSpec) -> Json:
        """Of the durable as it is; empty when there is none. Where it started cannot be changed later."""
        try:
            info = await self._connection.api(f"CONSUMER.INFO.{spec.stream}.{spec.durable}")
        except ApiError as error:
            if error.err_code != CONSUMER_NOT_FOUND:
                raise
            return {}
        config: Json = info["config"]
        return config

    async def _stream_info(self, stream: str) -> Json:
        self._check_open()
        try:
            return await self._connection.api(f"STREAM.INFO.{stream}")
        except ApiError as error:
            raise self._stream_error(stream, error) from error

    def _stream_error(self, stream: str, error: ApiError) -> StreamMissing | ApiError:
        return StreamMissing(stream) if error.err_code == STREAM_NOT_FOUND else error

    async def _stored(self, stream: str, request: Mapping[str, object]) -> Delivery | None:
        """A stored message; None where there is none.

        By STREAM.MSG.GET, which wraps the message in JSON, and not by DIRECT.GET, which sends it as it is: the server
        sends an answer to whatever reply subject the request names, without asking whether the requester may publish
        there. A service that stores bytes of its own and has them sent bare to the subject of an order has placed one.
        """
        self._check_open()
        try:
            answer = await self._connection.api(f"STREAM.MSG.GET.{stream}", request)
        except ApiError as error:
            if error.err_code == MESSAGE_NOT_FOUND:
                return None
            raise self._stream_error(stream, error) from error
        message: Json = answer["message"]
        return Delivery(
            stream=stream,
            subject=message["subject"],
            data=b64decode(message.get("data", "")),
            headers=parse_headers(b64decode(message.get("hdrs", ""))),
            seq=int(message["seq"]),
            published_ns=parse_time_ns(message["time"]),
        )

    async def put(self, subject: str, value: bytes, headers: Mapping[str, str]) -> int:
        """Store one message outside of the flow and return its sequence.

        Raises:
            ApiError: the server's refusal.
            BusUnavailable: no answer; it may or may not be stored.
        """
        self._check_open()
        async with translated_errors():
            msg = await self._client.request(subject, value, timeout=API_TIMEOUT_S, headers=dict(headers))
        facts: Json = json.loads(msg.data)
        if "error" in facts:
            error = facts["error"]
            raise ApiError(error.get("code", 0), error.get("err_code", 0), error.get("description", ""))
        return int(facts["seq"])


class NatsKeyValue:
    """A JetStream key-value bucket: a stream that keeps the last values by subject."""

    def __init__(self, bus: NatsBus, bucket: str) -> None:
        self._bus = bus
        self._bucket = bucket

    async def get(self, key: str) -> Entry | None:
        found = await self._bus.last_message(f"KV_{self._bucket}", self._subject(key))
        if found is None or "KV-Operation" in found.headers:  # deleted by hand, with the nats command
            return None
        return Entry(found.data, found.seq)

    async def put(self, key: str, value: bytes, *, expected_revision: int | None = None) -> int:
        headers = {} if expected_revision is None else {EXPECTED_REVISION: str(expected_revision)}
        try:
            return await self._bus.put(self._subject(key), value, headers)
        except ApiError as error:
            if error.err_code in WRONG_LAST_SEQUENCE and expected_revision is not None:
                raise RevisionConflict(key, expected_revision) from error
            raise

    def _subject(self, key: str) -> str:
        return f"$KV.{self._bucket}.{check_key(key)}"


class NatsTap:
    def __init__(self) -> None:
        self.subscription: NatsSubscription | None = None
        self._heard: deque[Tapped] = deque(maxlen=TAP_BACKLOG_MAX)
        self._changed = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> NatsTap:
        return self

    async def __anext__(self) -> Tapped:
        while not self._heard:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._heard.popleft()

    async def hear(self, msg: Msg) -> None:
        self._heard.append(Tapped(msg.subject, msg.data, msg.headers or NO_HEADERS))
        self._changed.set()

    async def close(self) -> None:
        self._closed = True
        self._changed.set()
        if self.subscription is not None:
            with contextlib.suppress(nats.errors.Error):  # closed already
                await self.subscription.unsubscribe()


def stream_config(spec: StreamSpec) -> Json:
    config: Json = {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": "limits",
        "discard": "old",
        "storage": "file",
        "max_age": round(spec.max_age_s * NS_PER_S),
        "max_bytes": spec.max_bytes,
        "duplicate_window": round(spec.duplicate_window_s * NS_PER_S),
        "allow_direct": False,
    }
    return config if spec.is_synced else config | {PERSIST_MODE: "async"}


def replicated(config: Mapping[str, object], replicas: int) -> Json:
    kept = {key: value for key, value in config.items() if replicas == 1 or key != PERSIST_MODE}
    return {**kept, "num_replicas": replicas}


def bucket_config(spec: BucketSpec) -> Json:
    """As https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-8.md lays a bucket out."""
    return {
        "name": f"KV_{spec.bucket}",
        "description": spec.description,
        "subjects": [f"$KV.{spec.bucket}.>"],
        "retention": "limits",
        "discard": "new",
        "storage": "file",
        "max_msgs_per_subject": spec.history,
        "max_bytes": spec.max_bytes,
        "allow_direct": False,
        "allow_rollup_hdrs": False,  # one header on one key would empty the bucket
        "deny_delete": True,
    }


def consumer_config(spec: ConsumerSpec) -> Json:
    return {
        "name": spec.durable,
        "durable_name": spec.durable,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "replay_policy": "instant",
        "filter_subjects": list(spec.filter_subjects),
        "ack_wait": round(spec.ack_wait_s * NS_PER_S),
        "max_deliver": spec.max_deliver,
        "max_ack_pending": spec.max_ack_pending,
    }


def parse_headers(block: bytes) -> Mapping[str, str]:
    """Headers as they are stored: a version line, then `Name: value` lines. Empty for a message without any."""
    lines = block.decode().split("\r\n")[1:]
    named = (line.partition(":") for line in lines if line)
    return {name: value.strip() for name, _, value in named} or NO_HEADERS


def parse_time_ns(text: str) -> int:
    """Nanoseconds of an RFC 3339 time in UTC; datetime alone would cut them to microseconds."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(seconds + "+00:00").timestamp()) * NS_PER_S + int(fraction.ljust(9, "0")[:9])
