"""A worker that is killed says the same signals as one that is not, from its snapshot or from the first bar."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from n1v1.events import BarsComplete, Event, SignalRaised, SignalsComplete
from n1v1.pipeline import bars_complete
from n1v1.signals.stage import Instance, Signals
from n1v1_common.bus.api import Outgoing
from n1v1_common.bus.dead_letters import list_dead_letters
from n1v1_common.bus.memory import MemoryBus
from n1v1_common.bus.memory_server import MemoryServer
from n1v1_common.codec import Codec
from n1v1_common.streams import ALL_STREAMS, MARKET_DATA, STRATEGY_STATE, TRADING
from n1v1_common.telemetry.metrics import Metrics
from n1v1_common.telemetry.tracing import Tracing, tracing_to
from n1v1_research.datasets import Dataset, load
from n1v1_signals import worker as worker_module
from n1v1_signals.worker import Worker

INSTANCES = [
    Instance("ema_cross", "ema_cross", {"fast_ema": 3, "slow_ema": 8}),
    Instance("my_breakout", "my_breakout"),
]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("coinbase-4h", start="2021-01-01", end="2021-01-21")


@pytest.fixture(autouse=True)
def _frequent_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "SNAPSHOT_EVERY_BAR_TIMES", 8)


class Bench:
    """A market's stream, and workers that live and die on it."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.server = MemoryServer()
        self.codec = Codec(dataset.instruments)
        self.tracing: Tracing = tracing_to(InMemorySpanExporter(), service="signals")
        self.market = MemoryBus(self.server)
        self.steps = list(enumerate(dataset.steps(), start=1))

    async def play(self, first: int, last: int) -> None:
        """Publish the bar times from `first` to `last`, by number."""
        for number, (close_ns, bars) in self.steps[first - 1 : last]:
            events: list[Event] = [*bars, bars_complete(close_ns, bars, number)]
            await self.market.publish([Outgoing(*self.codec.encode(event), event.id) for event in events])

    def stage(self) -> Signals:
        return Signals(instances=INSTANCES, instruments=self.dataset.instruments, timeframe="4h")

    async def life(self, *, until_bar_time: int, identity: str = "same") -> int:
        """One life of a worker, ended without a word. Answers how many bar times it heard."""
        bus = MemoryBus(self.server)
        metrics = Metrics()
        stage = Counting(self.stage())
        worker = Worker(
            partition=0,
            make_stage=lambda: stage,  # type: ignore[arg-type, return-value]  # counts what it passes on
            bus=bus,
            codec=self.codec,
            snapshots=await bus.key_value(STRATEGY_STATE),
            tracing=self.tracing,
            metrics=metrics,
            identity=identity,
        )
        await worker.start()
        running = asyncio.ensure_future(worker.run())
        wanted_ns = self.steps[until_bar_time - 1][1][0]
        async with asyncio.timeout(10):
            while not running.done() and not await self.is_complete(wanted_ns):  # noqa: ASYNC110 (a stream is asked)
                await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        await bus.close()
        return stage.bar_times

    async def is_complete(self, close_ns: int) -> bool:
        last = await self.market.last_message(TRADING.name, "signals.v1.signals_complete.*")
        return last is not None and self.codec.decode(last.subject, last.data)[0].ts_ns >= close_ns

    async def said(self) -> list[Event]:
        stored = await self.market.read(TRADING.name, limit=10_000)
        return [self.codec.decode(delivery.subject, delivery.data)[0] for delivery in stored]

    def expected(self, last: int) -> list[Event]:
        """What a stage says that is never disturbed."""
        stage, said = self.stage(), list[Event]()
        for number, (close_ns, bars) in self.steps[:last]:
            for event in (*bars, bars_complete(close_ns, bars, number)):
                said += stage.handle(event)
        return said


class Counting:
    """The real stage, and how many bar times it was given. Any: it passes everything on."""

    def __init__(self, stage: Signals) -> None:
        self._stage = stage
        self.bar_times = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def handle(self, event: Event) -> list[Event]:
        self.bar_times += isinstance(event, BarsComplete)
        return self._stage.handle(event)


@pytest.fixture
async def bench(dataset: Dataset) -> Bench:
    bench = Bench(dataset)
    await bench.market.declare(ALL_STREAMS)
    return bench


async def test_an_undisturbed_worker_says_what_the_stage_says(bench: Bench) -> None:
    await bench.play(1, 120)
    await bench.life(until_bar_time=120)
    expected = bench.expected(120)
    assert sum(isinstance(event, SignalRaised) for event in expected) > 20
    assert await bench.said() == expected


async def test_killed_again_and_again_it_says_the_same(bench: Bench) -> None:
    heard = 0
    for number in range(10, 121, 10):
        await bench.play(number - 9, number)
        heard += await bench.life(until_bar_time=number)
    assert await bench.said() == bench.expected(120)
    assert heard < 120 + 12 * 20, "it begins with its snapshot, not with the first bar"


async def test_what_it_had_said_and_not_acknowledged_is_said_again_and_recognised(bench: Bench) -> None:
    await bench.play(1, 5)  # too few for a snapshot
    for _ in range(3):
        assert await bench.life(until_bar_time=5) == 5
        await asyncio.sleep(0)
    await bench.play(6, 12)
    await bench.life(until_bar_time=12)
    assert await bench.said() == bench.expected(12)


async def test_a_snapshot_of_other_strategies_is_not_taken_up(bench: Bench) -> None:
    await bench.play(1, 40)
    await bench.life(until_bar_time=40)
    await bench.play(41, 50)
    assert await bench.life(until_bar_time=50, identity="other parameters") == 50
    assert await bench.said() == bench.expected(50)


async def test_a_snapshot_of_a_stream_that_is_gone_is_not_taken_up(bench: Bench) -> None:
    await bench.play(1, 40)
    await bench.life(until_bar_time=40)
    entry = await (await bench.market.key_value(STRATEGY_STATE)).get("signals/0")
    assert entry is not None

    anew = Bench(bench.dataset)
    await anew.market.declare(ALL_STREAMS)
    await (await anew.market.key_value(STRATEGY_STATE)).put("signals/0", entry.value)
    await anew.play(1, 20)
    assert await anew.life(until_bar_time=20) == 20
    assert await anew.said() == anew.expected(20)


async def test_a_message_it_cannot_read_is_put_aside_and_it_goes_on(bench: Bench) -> None:
    await bench.play(1, 3)
    await bench.market.publish([Outgoing("market_data.v1.bar.0.BTC-USD.4h", b"\xff", "garbage")])
    await bench.play(4, 6)
    await bench.life(until_bar_time=6)
    [letter] = await list_dead_letters(bench.market)
    assert (letter.stage, letter.data) == ("signals", b"\xff")
    assert await bench.said() == bench.expected(6)


async def test_every_bar_time_is_completed_with_the_notes_of_silent_strategies(bench: Bench) -> None:
    await bench.play(1, 20)
    await bench.life(until_bar_time=20)
    complete = [event for event in await bench.said() if isinstance(event, SignalsComplete)]
    assert [event.ts_ns for event in complete] == [close_ns for _, (close_ns, _) in bench.steps[:20]]
    assert all(len(event.notes) + event.signals == 4 for event in complete), "two strategies on two symbols"
    assert (await bench.market.stream_position(MARKET_DATA.name)).last_seq == 60
