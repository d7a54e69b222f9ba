"""A service knows of a halt when it is said, when it starts later, and when it missed the news."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from n1v1.events import BreakerChanged
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.codec import Codec
from n1v1_common.stage import halt_watch
from n1v1_common.stage.halt_watch import HaltWatch
from n1v1_common.streams import ALL_STREAMS
from n1v1_common.telemetry.metrics import Metrics


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    bus = MemoryBus()
    await bus.declare(ALL_STREAMS)
    yield bus
    await bus.drain()


async def say(bus: MemoryBus, number: int, *, is_open: bool, account: str = "main") -> None:
    event = BreakerChanged(id=f"b{number}", ts_ns=number, account=account, is_open=is_open, reason="drill", actor="ann")
    subject, data = Codec(()).encode(event)
    await bus.publish([Outgoing(subject, data, event.id)])


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not look():  # noqa: ASYNC110 (a gauge has no event)
            await asyncio.sleep(0.002)


def shown(metrics: Metrics) -> bool:
    return 'n1v1_account_halted{account="main"} 1.0' in metrics.exposition().decode()


async def test_a_halt_is_shown_when_it_is_said_and_so_is_its_end(bus: MemoryBus) -> None:
    metrics = Metrics()
    watching = asyncio.create_task(HaltWatch(bus, account="main", metrics=metrics).run())
    await asyncio.sleep(0)
    await say(bus, 1, is_open=True)
    await until(lambda: shown(metrics))
    await say(bus, 2, is_open=True, account="other")
    await say(bus, 3, is_open=False)
    await until(lambda: not shown(metrics))
    watching.cancel()


async def test_who_starts_later_looks_it_up(bus: MemoryBus) -> None:
    await say(bus, 1, is_open=True)
    metrics = Metrics()
    watching = asyncio.create_task(HaltWatch(bus, account="main", metrics=metrics).run())
    await until(lambda: shown(metrics))
    watching.cancel()


async def test_news_that_were_missed_are_looked_up(bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halt_watch, "LOOK_EVERY_S", 0.01)
    metrics = Metrics()
    watch = HaltWatch(bus, account="main", metrics=metrics)
    monkeypatch.setattr(watch, "_hear_until_it_ends", lambda tap: asyncio.sleep(0.01))
    watching = asyncio.create_task(watch.run())
    await say(bus, 1, is_open=True)
    await until(lambda: shown(metrics))
    watching.cancel()


async def test_when_the_bus_drains_the_watch_ends(bus: MemoryBus) -> None:
    watching = asyncio.create_task(HaltWatch(bus, account="main", metrics=Metrics()).run())
    await asyncio.sleep(0.01)
    await bus.drain()
    await asyncio.wait_for(watching, 5)
