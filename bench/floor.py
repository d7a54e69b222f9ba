"""The floor: a bare chain driver -> relays -> driver with the effects of the product's hops, one process each.

`python -m bench.floor` is one of the processes. It reads its part as one line of JSON, answers `ready`, and then
answers each line {"messages": n, "in_flight": m} (driver only) with its latencies.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import uvloop
from nats.aio.msg import Msg
from redis.asyncio import Redis

from bench import processes
from bench.lean import LeanPublisher, LeanPull, Message, connected, id_of, make_durable, make_stream

ROOT = Path(__file__).parents[1]
PAYLOAD = bytes(200)
MAX_BATCH = 64
PG_CONNECTIONS = 4

TABLES = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.inbox (consumer text, msg_id text, at timestamptz DEFAULT now(), PRIMARY KEY (consumer, msg_id));
CREATE TABLE {schema}.effects (consumer text, msg_id text, amount numeric);
CREATE TABLE {schema}.positions (consumer text, symbol text, amount numeric, PRIMARY KEY (consumer, symbol));
CREATE TABLE {schema}.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, msg_id text UNIQUE, subject text,
                              payload bytea, sent_at timestamptz);
"""

EFFECT = """
WITH seen AS (INSERT INTO {schema}.inbox (consumer, msg_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1),
     effect AS (INSERT INTO {schema}.effects SELECT $1, $2, 1 FROM seen),
     position AS (INSERT INTO {schema}.positions SELECT $1, 'BTC-USD', 1 FROM seen
                  ON CONFLICT (consumer, symbol) DO UPDATE SET amount = positions.amount + EXCLUDED.amount)
INSERT INTO {schema}.outbox (msg_id, subject, payload) SELECT $3, $4, $5 FROM seen RETURNING id
"""
"""Inbox, effect, position and outbox: one statement, one round trip, one commit."""


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs with passwords: they travel on standard input, never on a command line."""

    nats: str
    redis: str
    postgres: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one process of the chain does. effects: redis (a read), postgres (EFFECT), in this order.

    hop: 0 for the driver; relay k reads hop k and writes hop k + 1. hops: how many there are in all.
    """

    servers: Servers
    name: str
    hop: int
    hops: int
    effects: tuple[str, ...] = ()

    @property
    def stream(self) -> str:
        return f"FLOOR_{self.name}"

    @property
    def schema(self) -> str:
        return f"floor_{self.name}"

    def subject(self, hop: int) -> str:
        return f"floor.{self.name}.{hop}"

    @property
    def reads(self) -> int:
        return self.hop or self.hops


@dataclass(frozen=True, slots=True)
class Phase:
    """One measurement of the chain. cpu_s: of its processes."""

    latencies_s: tuple[float, ...]
    seconds: float
    cpu_s: float
    hops: int

    @property
    def deliveries(self) -> int:
        return len(self.latencies_s) * self.hops

    @property
    def cpu_per_delivery_us(self) -> float:
        return self.cpu_s / self.deliveries * 1e6

    @property
    def deliveries_per_s(self) -> float:
        return self.deliveries / self.seconds


class Chain:
    """The processes of a floor, from entering to leaving. effects: of each relay in turn."""

    def __init__(self, servers: Servers, name: str, effects: Sequence[tuple[str, ...]]) -> None:
        hops = len(effects) + 1
        self._parts = [Part(servers, name, 0, hops)]
        self._parts += [Part(servers, name, hop, hops, done) for hop, done in enumerate(effects, start=1)]
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        await _prepare(self._parts)
        try:
            self._processes = [await _started(part) for part in self._parts]
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def run(self, *, messages: int, in_flight: int) -> Phase:
        """Send messages through the chain, so many at a time."""
        driver, pids = self._processes[0], [process.pid for process in self._processes]
        cpu_before = processes.cpu_of(pids)
        answer = await _asked(driver, {"messages": messages, "in_flight": in_flight})
        cpu_s = processes.cpu_of(pids) - cpu_before
        return Phase(tuple(answer["latencies_s"]), answer["seconds"], cpu_s, len(self._parts))

    async def _stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.terminate()
        for process in self._processes:
            await process.wait()


async def _prepare(parts: Sequence[Part]) -> None:
    first = parts[0]
    client = await connected(first.servers.nats)
    await make_stream(client, first.stream, [f"floor.{first.name}.>"])
    for part in parts:
        await make_durable(client, part.stream, f"hop-{part.hop}", part.subject(part.reads))
    await client.close()
    connection = await asyncpg.connect(first.servers.postgres)
    await connection.execute(TABLES.format(schema=first.schema))
    await connection.close()
    async with Redis.from_url(first.servers.redis) as redis:
        await redis.set("floor:flag", b"closed")


async def _started(part: Part) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.floor",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 * processes.MIB,
    )
    await _asked(process, asdict(part))
    return process


async def _asked(process: asyncio.subprocess.Process, line: Mapping[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(line).encode() + b"\n")
    await process.stdin.drain()
    raw = await process.stdout.readline()
    if not raw:
        raise RuntimeError(f"a process of the floor has ended with {await process.wait()}; it said why above")
    answer: dict[str, Any] = json.loads(raw)
    return answer


# --- inside the processes --------------------------------------------------------------------------------------


class Relay:
    """One hop: the effects of each message, then publish all, then acknowledge all."""

    def __init__(self, part: Part, pool: asyncpg.Pool, redis: Redis, publisher: LeanPublisher) -> None:
        self._part = part
        self._pool = pool
        self._redis = redis
        self._publisher = publisher
        self._statement = EFFECT.format(schema=part.schema)
        self._to = part.subject(part.hop + 1)

    async def work(self, pull: LeanPull) -> None:
        while True:
            batch = await pull.batch()
            if len(batch) == 1:
                outgoing = [await self._handle(batch[0])]
            else:
                outgoing = await asyncio.gather(*(self._handle(msg) for msg in batch))
            await self._publisher.publish(outgoing)
            await pull.ack(batch)

    async def _handle(self, msg: Msg) -> Message:
        came_as = id_of(msg)
        out = Message(self._to, msg.data, f"{self._part.hop}:{came_as}")
        for effect in self._part.effects:
            if effect == "redis":
                await self._redis.get("floor:flag")
            else:
                name = f"hop-{self._part.hop}"
                await self._pool.fetchval(self._statement, name, came_as, out.msg_id, out.subject, out.data)
        return out


class Driver:
    """Puts messages in at the beginning and takes them out at the end."""

    def __init__(self, part: Part, publisher: LeanPublisher, pull: LeanPull) -> None:
        self._to = part.subject(1)
        self._publisher = publisher
        self._pull = pull
        self._sent = 0

    async def run(self, messages: int, in_flight: int) -> dict[str, Any]:
        latencies: list[float] = []
        began = time.perf_counter()
        left = messages
        window = min(in_flight, left)
        await self._send(window)
        left -= window
        while len(latencies) < messages:
            batch = await self._pull.batch()
            now = time.perf_counter()
            latencies += [now - float(msg.data[:24]) for msg in batch]
            await self._pull.ack(batch)
            window = min(len(batch), left)
            await self._send(window)
            left -= window
        return {"latencies_s": latencies, "seconds": time.perf_counter() - began}

    async def _send(self, count: int) -> None:
        if not count:
            return
        stamp = f"{time.perf_counter():024.9f}".encode()
        outgoing = [Message(self._to, stamp + PAYLOAD[24:], str(self._sent + number)) for number in range(count)]
        self._sent += count
        await self._publisher.publish(outgoing)


async def _serve() -> None:
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    raw = json.loads(await commands.readline())
    part = Part(**{**raw, "servers": Servers(**raw["servers"]), "effects": tuple(raw["effects"])})
    async with AsyncExitStack() as stack:
        client = await connected(part.servers.nats)
        stack.push_async_callback(client.close)
        publisher = LeanPublisher(client)
        await publisher.start()
        pull = LeanPull(client, part.stream, f"hop-{part.hop}", max_batch=MAX_BATCH)
        await pull.start()
        if part.hop:
            pool = await stack.enter_async_context(
                asyncpg.create_pool(part.servers.postgres, min_size=1, max_size=PG_CONNECTIONS)
            )
            redis = await stack.enter_async_context(Redis.from_url(part.servers.redis))
            _answer({})
            await Relay(part, pool, redis, publisher).work(pull)
        _answer({})
        driver = Driver(part, publisher, pull)
        while line := await commands.readline():
            _answer(await driver.run(**json.loads(line)))


def _answer(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
