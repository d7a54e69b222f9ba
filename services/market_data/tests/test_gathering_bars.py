"""Bars from a venue whose clock runs by itself, gathered into bar times that rise and are never mixed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from n1v1.events import BarClosed, BarsComplete, GapFound
from n1v1.values import Instrument
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.codec import Codec
from n1v1_common.streams import ALL_STREAMS, MARKET_DATA
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import Tracing, tracing_to
from n1v1_market_data import paced
from n1v1_market_data.paced import bar_times, follow
from n1v1_market_data.ports import BarTime
from n1v1_market_data.publisher import Publisher

HOUR_NS = 3_600_000_000_000
INSTRUMENTS = [Instrument(symbol=f"{base}-USD", base=base, quote="USD") for base in ("BTC", "ETH", "SOL")]
SYMBOLS = [instrument.symbol for instrument in INSTRUMENTS]
CODEC = Codec(INSTRUMENTS)


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "GRACE_S", 0.05)


@pytest.fixture
def tracing() -> Tracing:
    return tracing_to(InMemorySpanExporter(), service="market_data")


def bar(base: str, hour: int) -> BarClosed:
    return BarClosed(
        id=f"bar:{base}:{hour}",
        ts_ns=hour * HOUR_NS,
        symbol=f"{base}-USD",
        timeframe="1h",
        open_ns=(hour - 1) * HOUR_NS,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
    )


class Feed:
    """Says what it is told to say. A number is a pause of so many grace periods."""

    def __init__(self, *script: BarClosed | float) -> None:
        self._script = script
        self.asked_after_ns: int | None = None

    async def closed_bars(self, after_ns: int) -> AsyncIterator[BarClosed]:
        self.asked_after_ns = after_ns
        for entry in self._script:
            if isinstance(entry, BarClosed):
                yield entry
            else:
                await asyncio.sleep(entry * paced.GRACE_S)
        await asyncio.Event().wait()


async def gathered(*script: BarClosed | float, count: int, after_hour: int = 0) -> list[tuple[int, int, str]]:
    """(step, hour, bases) of the first bar times."""
    found: list[BarTime] = []
    feed = Feed(*script).closed_bars(0)
    async with asyncio.timeout(5):
        async for time in bar_times(feed, SYMBOLS, step=7, after_ns=after_hour * HOUR_NS):
            found.append(time)
            if len(found) == count:
                break
    assert all(bar.ts_ns == time.close_ns for time in found for bar in time.bars), "bars of two times were mixed"
    return [(t.step, t.close_ns // HOUR_NS, " ".join(b.symbol[:3] for b in t.bars)) for t in found]


async def test_a_time_is_complete_with_its_last_symbol_and_ordered_by_symbol() -> None:
    script = [bar("SOL", 1), bar("BTC", 1), bar("ETH", 1), bar("ETH", 2), bar("SOL", 2), bar("BTC", 2)]
    assert await gathered(*script, count=2) == [(8, 1, "BTC ETH SOL"), (9, 2, "BTC ETH SOL")]


async def test_a_symbol_without_a_bar_is_not_waited_for_longer_than_the_grace() -> None:
    assert await gathered(bar("BTC", 1), bar("SOL", 1), count=1) == [(8, 1, "BTC SOL")]


async def test_the_grace_begins_with_the_first_bar_not_with_the_last() -> None:
    script: list[BarClosed | float] = [bar("BTC", 1), 0.7, bar("ETH", 1), 0.7, bar("SOL", 1), bar("BTC", 2)]
    assert await gathered(*script, count=2) == [(8, 1, "BTC ETH"), (9, 2, "BTC")]


async def test_a_bar_of_the_next_time_completes_the_one_before() -> None:
    assert (await gathered(bar("BTC", 1), bar("BTC", 2), count=1)) == [(8, 1, "BTC")]


async def test_a_bar_that_comes_after_its_time_is_left_out() -> None:
    script: list[BarClosed | float] = [bar("BTC", 1), 2.0, bar("ETH", 1), bar("BTC", 2), bar("ETH", 2), bar("SOL", 2)]
    assert await gathered(*script, count=2) == [(8, 1, "BTC"), (9, 2, "BTC ETH SOL")]


async def test_a_late_bar_is_not_mixed_into_the_time_that_is_being_gathered() -> None:
    script = [bar("BTC", 1), bar("BTC", 2), bar("ETH", 1), bar("ETH", 2), bar("SOL", 2)]
    assert await gathered(*script, count=2) == [(8, 1, "BTC"), (9, 2, "BTC ETH SOL")]


async def test_nothing_is_gathered_for_a_time_that_was_complete_before_the_start() -> None:
    script = [bar("BTC", 3), bar("BTC", 4), bar("ETH", 4), bar("SOL", 4)]
    assert await gathered(*script, count=1, after_hour=3) == [(8, 4, "BTC ETH SOL")]


async def followed(bus: MemoryBus, tracing: Tracing, feed: Feed, *, until_hour: int) -> None:
    """A life of the paced service, ended without a word once a bar time is published."""
    publisher = Publisher(bus=bus, codec=CODEC, tracing=tracing, metrics=Metrics())
    running = asyncio.ensure_future(follow(feed=feed, publisher=publisher, symbols=SYMBOLS, bus=bus, codec=CODEC))
    async with asyncio.timeout(5):
        while not any(e.ts_ns == until_hour * HOUR_NS for e in await on_the_stream(bus) if isinstance(e, BarsComplete)):
            assert not running.done(), running.exception()
            await asyncio.sleep(0.002)
    running.cancel()


async def on_the_stream(bus: MemoryBus) -> list[object]:
    return [CODEC.decode(d.subject, d.data)[0] for d in await bus.read(MARKET_DATA.name, limit=1000)]


async def test_after_a_restart_it_goes_on_behind_the_last_complete_time_and_finds_the_gap(tracing: Tracing) -> None:
    bus = MemoryBus()
    await bus.declare(ALL_STREAMS)
    await followed(bus, tracing, Feed(*(bar(base, 1) for base in ("BTC", "ETH", "SOL"))), until_hour=1)

    later = Feed(bar("BTC", 2), bar("ETH", 4), bar("BTC", 4), bar("SOL", 4))
    await followed(bus, tracing, later, until_hour=4)

    assert later.asked_after_ns == HOUR_NS
    stream = await on_the_stream(bus)
    assert [e.sequence for e in stream if isinstance(e, BarsComplete)] == [1, 2, 3]
    gaps = {e.symbol: (e.first_open_ns // HOUR_NS, e.missing_bars) for e in stream if isinstance(e, GapFound)}
    assert gaps == {"BTC-USD": (2, 1), "ETH-USD": (1, 2), "SOL-USD": (1, 2)}
    last_gap = max(n for n, e in enumerate(stream) if isinstance(e, GapFound))
    assert all(isinstance(e, BarClosed | BarsComplete) for e in stream[last_gap + 1 :]), "gaps come before their bars"
