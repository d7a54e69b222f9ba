"""The replayer goes on after a kill at any moment: no bar is lost, none is told twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from n1v1.events import BarClosed, BarsComplete, Event, GapFound, OrdersComplete, ReplayEnded
from n1v1.values import Instrument
from n1v1_common.bus.api import Outgoing, Published
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.codec import Codec
from n1v1_common.codec.codec import subject_filter
from n1v1_common.streams import ALL_STREAMS, MARKET_DATA
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import Tracing, tracing_to
from n1v1_market_data import lockstep
from n1v1_market_data.lockstep import Replayer, Settlement
from n1v1_market_data.ports import BarTime, VenueTrouble
from n1v1_market_data.publisher import Publisher

HOUR_NS = 3_600_000_000_000
BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
CODEC = Codec([BTC])
STEPS = 6
MISSING_HOUR = 4
MOMENTS = ("asked", "advanced", "published", "settled")


class Killed(BaseException):
    """What a kill -9 looks like from within one process."""


class Kill:
    """Strikes once, at the n-th time that a moment is reached."""

    def __init__(self, moment: str = "", number: int = 0) -> None:
        self._moment = moment
        self._left = number

    def reached(self, moment: str) -> None:
        if moment == self._moment:
            self._left -= 1
            if self._left == 0:
                raise Killed


class Venue:
    """Steps through hours 1, 2, 3, 5, 6, 7 and answers only one request in two."""

    def __init__(self) -> None:
        self.step = 0
        self.kill = Kill()
        self._answers = True

    async def current_step(self) -> int:
        self._stumble()
        return self.step

    async def advance(self, step: int) -> BarTime:
        self._stumble()
        self.kill.reached("asked")
        assert step in (self.step, self.step + 1), "a step was left out"
        self.step = step
        self.kill.reached("advanced")
        hour = step if step < MISSING_HOUR else step + 1
        return BarTime(step, hour * HOUR_NS, (bar(hour),), is_last=step == STEPS)

    def _stumble(self) -> None:
        self._answers = not self._answers
        if not self._answers:
            raise VenueTrouble("stumbles")


def bar(hour: int) -> BarClosed:
    return BarClosed(
        id=f"bar:{hour}",
        ts_ns=hour * HOUR_NS,
        symbol="BTC-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR_NS,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
    )


class Stack:
    """The rest of the system: settles every bar time it hears of."""

    def __init__(self, server: MemoryServer) -> None:
        self.bus = MemoryBus(server)
        self._settled: set[int] = set()

    async def settle(self) -> None:
        """Settle what is new on the stream."""
        for event in await self.events():
            if isinstance(event, BarsComplete) and event.ts_ns not in self._settled:
                self._settled.add(event.ts_ns)
                done = OrdersComplete(id=f"orders:{event.ts_ns}", ts_ns=event.ts_ns, account="main", open_orders=0)
                subject, data = CODEC.encode(done)
                await self.bus.publish([Outgoing(subject, data, done.id)])

    async def events(self) -> list[Event]:
        stored = await self.bus.read(MARKET_DATA.name, limit=1000)
        return [CODEC.decode(delivery.subject, delivery.data)[0] for delivery in stored]


class DyingBus(MemoryBus):
    def __init__(self, server: MemoryServer, kill: Kill) -> None:
        super().__init__(server)
        self._kill = kill

    async def publish(self, messages: Sequence[Outgoing], *, retry_for_s: float = 0.0) -> list[Published]:
        published = await super().publish(messages, retry_for_s=retry_for_s)
        self._kill.reached("published")
        return published


@pytest.fixture
def tracing() -> Tracing:
    return tracing_to(InMemorySpanExporter(), service="market_data")


async def life(server: MemoryServer, venue: Venue, stack: Stack, tracing: Tracing, kill: Kill) -> None:
    """One life of the service, to its end or its death."""
    venue.kill = kill
    bus = DyingBus(server, kill)
    settlement = Settlement(bus, CODEC, await bus.tap(subject_filter(OrdersComplete)))
    publisher = Publisher(bus=bus, codec=CODEC, tracing=tracing, metrics=Metrics())
    replayer = Replayer(venue=venue, publisher=publisher, settlement=settlement, symbols=["BTC-USD"])

    async def settling() -> None:
        while True:
            await stack.settle()
            kill.reached("settled")
            await asyncio.sleep(0.001)

    running = [asyncio.ensure_future(replayer.run()), asyncio.ensure_future(settling())]
    try:
        async with asyncio.timeout(10):
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await bus.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "TRY_AGAIN_S", 0.001)
    monkeypatch.setattr(lockstep, "LOOK_AGAIN_S", 0.02)


async def started() -> MemoryServer:
    server = MemoryServer()
    await MemoryBus(server).declare(ALL_STREAMS)
    return server


def check(events: list[Any]) -> None:
    hours = [1, 2, 3, 5, 6, 7]
    assert [e.ts_ns // HOUR_NS for e in events if isinstance(e, BarClosed)] == hours
    assert [e.sequence for e in events if isinstance(e, BarsComplete)] == [1, 2, 3, 4, 5, 6]
    assert [(e.first_open_ns // HOUR_NS, e.missing_bars) for e in events if isinstance(e, GapFound)] == [(3, 1)]
    assert [e.steps for e in events if isinstance(e, ReplayEnded)] == [STEPS]
    assert isinstance(events[-1], ReplayEnded)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", range(1, STEPS + 2))
async def test_killed_at_any_moment_the_next_life_goes_on(tracing: Tracing, moment: str, number: int) -> None:
    server, venue = await started(), Venue()
    stack = Stack(server)
    try:
        await life(server, venue, stack, tracing, Kill(moment, number))
    except Killed:
        await life(server, venue, stack, tracing, Kill())
    check(await stack.events())


async def test_a_bar_time_is_released_only_when_the_last_one_is_settled(tracing: Tracing) -> None:
    server, venue = await started(), Venue()
    bus = MemoryBus(server)
    settlement = Settlement(bus, CODEC, await bus.tap(subject_filter(OrdersComplete)))
    publisher = Publisher(bus=bus, codec=CODEC, tracing=tracing, metrics=Metrics())
    replayer = Replayer(venue=venue, publisher=publisher, settlement=settlement, symbols=["BTC-USD"])
    running = asyncio.ensure_future(replayer.run())
    await asyncio.sleep(0.1)  # long enough for many steps
    assert venue.step == 1
    await Stack(server).settle()
    async with asyncio.timeout(5):
        while venue.step == 1:  # noqa: ASYNC110 (a fake has no event)
            await asyncio.sleep(0.001)
    assert venue.step == 2
    running.cancel()


async def test_a_settlement_that_the_tap_lost_is_read_from_the_stream(tracing: Tracing) -> None:
    server = await started()
    bus = MemoryBus(server)
    tap = await bus.tap("nothing.at.all")
    await bus.publish([Outgoing(*CODEC.encode(OrdersComplete(id="o", ts_ns=5, account="main", open_orders=0)), "o")])
    async with asyncio.timeout(5):
        await Settlement(bus, CODEC, tap).wait_for(5)
