"""The least that reads and writes JetStream well: one continuous pull, windows of publishes, nothing of n1v1's.

The floor is made of this. It keeps no promise under failure: no reconnect, no redelivery, no drain.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

PULL_EXPIRES_NS = 60_000_000_000


class Message(NamedTuple):
    """What the floor publishes."""

    subject: str
    data: bytes
    msg_id: str


class LeanPublisher:
    """Publishes windows: all are sent, then all acknowledgements are awaited."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""
        self._tokens = itertools.count()
        self._awaited: dict[str, asyncio.Future[None]] = {}

    async def start(self) -> None:
        self._inbox = self._client.new_inbox() + "."
        await self._client.subscribe(self._inbox + "*", cb=self._on_ack)

    async def publish(self, messages: Sequence[Message]) -> None:
        loop = asyncio.get_running_loop()
        waiting: list[asyncio.Future[None]] = []
        for message in messages:
            token = str(next(self._tokens))
            future = self._awaited[token] = loop.create_future()
            waiting.append(future)
            headers = {"Nats-Msg-Id": message.msg_id}
            await self._client.publish(message.subject, message.data, self._inbox + token, headers)
        for future in waiting:
            await future

    async def _on_ack(self, msg: Msg) -> None:
        if b'"error"' in msg.data:
            raise RuntimeError(f"the stream refused a message: {msg.data!r}")
        self._awaited.pop(msg.subject[len(self._inbox) :]).set_result(None)


class LeanPull:
    """Batches of a durable: what arrived while the last batch was worked on comes together."""

    def __init__(self, client: Client, stream: str, durable: str, *, max_batch: int) -> None:
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._max_batch = max_batch
        self._inbox = client.new_inbox()
        self._requested = 0
        self._buffer: list[Msg] = []
        self._arrived = asyncio.Event()

    async def start(self) -> None:
        await self._client.subscribe(self._inbox, cb=self._on_message)
        await self._pull(2 * self._max_batch)

    async def batch(self) -> list[Msg]:
        """Waits for the next messages."""
        while not self._buffer:
            self._arrived.clear()
            await self._arrived.wait()
        taken, self._buffer = self._buffer[: self._max_batch], self._buffer[self._max_batch :]
        if self._requested + len(self._buffer) <= self._max_batch:
            await self._pull(self._max_batch)
        return taken

    async def ack(self, batch: Sequence[Msg]) -> None:
        for msg in batch:
            await self._client.publish(msg.reply, b"+ACK")

    async def _pull(self, count: int) -> None:
        self._requested += count
        request = json.dumps({"batch": count, "expires": PULL_EXPIRES_NS}).encode()
        await self._client.publish(self._next, request, self._inbox)

    async def _on_message(self, msg: Msg) -> None:
        if not msg.reply:  # the request has expired
            self._requested = 0
            await self._pull(2 * self._max_batch)
            return
        self._requested -= 1
        self._buffer.append(msg)
        self._arrived.set()


def id_of(msg: Msg) -> str:
    """The id that its publisher gave it."""
    assert msg.headers is not None
    return msg.headers["Nats-Msg-Id"]


async def api(client: Client, subject: str, request: Mapping[str, object]) -> None:
    """One request to JetStream's own interface. Raises RuntimeError with the server's refusal."""
    msg = await client.request(f"$JS.API.{subject}", json.dumps(request).encode(), timeout=5)
    answer = json.loads(msg.data)
    if "error" in answer:
        raise RuntimeError(f"{subject}: {answer['error']}")


async def make_stream(client: Client, name: str, subjects: Sequence[str]) -> None:
    """A stream as the product's are: on disk, with a window for duplicates."""
    config = {"name": name, "subjects": list(subjects), "storage": "file", "duplicate_window": 600_000_000_000}
    await api(client, f"STREAM.CREATE.{name}", config)


async def make_durable(client: Client, stream: str, durable: str, subject: str) -> None:
    config = {
        "durable_name": durable,
        "name": durable,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "filter_subjects": [subject],
        "max_ack_pending": 1024,
    }
    await api(client, f"CONSUMER.CREATE.{stream}.{durable}", {"stream_name": stream, "config": config})


async def connected(url: str) -> Client:
    client: Client = await nats.connect(url)
    return client
